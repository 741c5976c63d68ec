// RUN: mk-opt %s --mk-specialize | FileCheck %s
// RUN: mk-opt %s --mk-specialize --remarks-filter=mk-specialize -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: mk-opt %s --mk-specialize='symbol=plain facts=0.aligned=4,0.multiple=8,1.constant=7,2.constant=-0.5' | FileCheck %s --check-prefix=OPTIONS

!vf = memref<?xf32, strided<[1], offset: ?>>

// REMARK: Specialized | Category:mk-specialize | Function=scale | As=scale.s0
// REMARK: Specialized | Category:mk-specialize | Function=scale | As=scale.s2

// The request is used up; each list makes a window of one issue, under the next free name.
// CHECK-LABEL: mk.opcode @scale
// CHECK-NOT: mk.specialize
// CHECK: mk.return
// CHECK: mk.window @scale.s0 (%[[X:.*]]: memref<{{.*}}> {mk.facts = #mk.facts<aligned = 4>}, %[[Y:.*]]: memref<{{.*}}>, %[[F:.*]]: f32 {mk.facts = #mk.facts<constant = 2.000000e+00 : f32>}) {
// CHECK-NEXT: mk.issue @scale(%[[X]], %[[Y]], %[[F]])
// Memrefs of one extent are a group, which shares what is known.
// CHECK: mk.window @scale.s2 (
// CHECK-SAME: {mk.facts = #mk.facts<extent = 256, aligned = 8>}, %{{.*}}: memref<{{.*}}> {mk.facts = #mk.facts<extent = 256>}, %{{.*}}: f32) extents([0, 0, -1]) {
mk.opcode @scale code(64) scope(block) (%x: !vf, %y: !vf, %f: f32) attributes {mk.specialize = [
    [#mk.facts<aligned = 4>, #mk.facts<>, #mk.facts<constant = 2.0 : f32>],
    [#mk.facts<extent = 256, aligned = 8>, #mk.facts<extent = 256>, #mk.facts<>]]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @plain code(65) scope(block) (%x: !vf, %k: i32, %d: f64) {
  mk.return
}
mk.window @scale.s1 (%x: !vf, %y: !vf, %f: f32) {
  mk.issue @scale(%x, %y, %f) : !vf, !vf, f32
}

// A window is copied. Its groups, which the request joins where it says so, know the least common multiple.
// CHECK-LABEL: mk.window @chain (
// CHECK-LABEL: mk.window @chain.s0 (
// CHECK-SAME: {mk.facts = #mk.facts<multiple = 12>}, %{{.*}}: memref<{{.*}}> {mk.facts = #mk.facts<multiple = 12>}, %{{.*}}: f32) extents([0, 0, -1])
// CHECK-NEXT: mk.issue
// CHECK-NEXT: mk.issue
mk.window @chain (%x: !vf, %y: !vf, %f: f32) extents([0, 0, -1]) attributes {mk.specialize = [
    [#mk.facts<multiple = 4>, #mk.facts<multiple = 6>, #mk.facts<>]]} {
  mk.issue @scale(%x, %y, %f) : !vf, !vf, f32
  mk.issue @scale(%y, %x, %f) : !vf, !vf, f32
}

// Options ask for one more.
// OPTIONS: mk.window @plain.s0 (%{{.*}}: memref<{{.*}}> {mk.facts = #mk.facts<multiple = 8, aligned = 4>}, %{{.*}}: i32 {mk.facts = #mk.facts<constant = 7 : i32>}, %{{.*}}: f64 {mk.facts = #mk.facts<constant = -5.000000e-01 : f64>})
