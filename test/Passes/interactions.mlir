// What the passes make of each other's work: mk-specialize, mk-fuse-windows, mk-guard, mk-build-kernels,
// mk-vectorize-loops.

// RUN: mk-opt %s --pass-pipeline='builtin.module(mk-specialize,mk-fuse-windows,mk-guard,canonicalize,cse,mk-build-kernels,canonicalize,cse,mk.kernel(mk-vectorize-loops),canonicalize)' | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @scale code(64) scope(block) (%x: !vf, %f: f32) attributes {mk.specialize = [
    [#mk.facts<extent = 256, aligned = 4>, #mk.facts<constant = 2.0 : f32>],
    [#mk.facts<multiple = 8>, #mk.facts<>]]} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %x[%i] : !vf
  }
  mk.return
}
mk.opcode @add code(65) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @divide code(66) scope(lane) (%m: memref<?xi32>, %i: index, %by: i32) attributes {mk.specialize = [
    [#mk.facts<>, #mk.facts<>, #mk.facts<constant = 10 : i32>]]} {
  %old = memref.load %m[%i] : memref<?xi32>
  %new = arith.divui %old, %by : i32
  memref.store %new, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @sum code(67) scope(block) (%x: !vf, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%zero) -> f32 {
    %a = memref.load %x[%i] : !vf
    scf.reduce(%a : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.addf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %sum, %out[%c0] : memref<?xf32>
  mk.return
}

// Extent and alignment: no test of the offset, no elements left over, and the extent is a constant.
// CHECK-LABEL: mk.kernel @mk_window_scale.s0
// CHECK: %[[EXTENT:.*]] = arith.constant 256 : index
// CHECK: mk.view {{.*}} size %[[EXTENT]] {mk.facts
// CHECK-NOT: scf.if
// CHECK: scf.parallel
// CHECK-NOT: scf.if
// CHECK: vector.load
// CHECK: vector.store
// CHECK-NOT: memref.store
// CHECK: mk.return

// A multiple alone: the offset is tested, but nothing is left over.
// CHECK-LABEL: mk.kernel @mk_window_scale.s1
// CHECK: scf.if
// CHECK: scf.parallel
// CHECK-NEXT: arith.muli
// CHECK-NEXT: vector.load
// CHECK: } else {
// CHECK: scf.parallel
// CHECK: memref.store

// A check whose outcome the constant decides is gone, and the constant is in the code.
// CHECK-LABEL: mk.kernel @mk_window_divide.s0
// CHECK: %[[TEN:.*]] = arith.constant 10 : i32
// CHECK-NOT: mk.fault division
// CHECK: arith.divui %{{.*}}, %[[TEN]]
// CHECK: mk.return

// A sum of products: no check in the loop, nothing written to the transient view; the result's store keeps its check.
// CHECK-LABEL: mk.kernel @mk_window_dot
// CHECK: mk.task
// CHECK: %[[SUM:.*]] = scf.if
// CHECK: %[[SUMS:.*]]:4 = scf.parallel (%[[I:.*]]) =
// CHECK-NEXT: %[[AT:.*]] = arith.muli %[[I]]
// CHECK-NEXT: vector.load %{{.*}}[%[[AT]]]
// CHECK-NEXT: vector.load %{{.*}}[%[[AT]]]
// CHECK-NEXT: arith.addf
// CHECK-COUNT-4: vector.extract
// CHECK-NEXT: scf.reduce
// CHECK: scf.yield %[[SUMS]]#0
// CHECK: %[[REST:.*]] = scf.parallel (%[[J:.*]]) =
// CHECK-NEXT: memref.load %{{.*}}[%[[J]]]
// CHECK-NEXT: memref.load %{{.*}}[%[[J]]]
// CHECK-NEXT: %[[P:.*]] = arith.addf
// CHECK-NEXT: scf.reduce(%[[P]] : f32)
// CHECK: scf.yield %[[REST]]
// CHECK: scf.if
// CHECK-NEXT: memref.store %[[SUM]]
// CHECK: mk.fault buffer_bounds {{.*}} issue(1)
mk.window @dot (%x: !vf, %y: !vf, %t: !vf {mk.transient}, %s: memref<?xf32>) extents([0, 0, 0, -1]) {
  mk.issue @add(%x, %y, %t) : !vf, !vf, !vf
  mk.issue @sum(%t, %s) : !vf, memref<?xf32>
}
