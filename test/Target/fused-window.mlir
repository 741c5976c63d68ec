// The PTX of a fused window: two loads and one store for each element, whatever the number of its slots. Arithmetic is
// rounded after each operation (.rn), so that all tiers agree.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=windows %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %assemble sm_90 %t.ptx

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @add code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
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
mk.opcode @mul code(65) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %s = arith.mulf %a, %b : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @relu code(66) scope(block) (%x: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.maximumf %a, %zero : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @scale code(67) scope(block) (%x: !vf, %f: f32, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}

// CHECK: .visible .entry mk_window_chain(
// Aligned views: four elements at a time. No other loop comes before: the barrier is that of the first arguments.
// CHECK-NOT: {{st\.global|bar\.sync}}
// CHECK: bar.sync
// CHECK-NOT: {{st\.global|bar\.sync}}
// CHECK: ld.global.v4.b32
// CHECK-NOT: {{(ld|st)\.}}
// CHECK: ld.global.v4.b32
// CHECK-NOT: {{(ld|st)\.}}
// CHECK-COUNT-16: mul.rn.f32
// CHECK-NOT: {{(ld|st)\.}}
// CHECK: st.global.v4.b32
// Others: one element at a time.
// CHECK-NOT: {{(ld|st)\.}}
// CHECK: ld.global.b32
// CHECK-NOT: {{(ld|st)\.}}
// CHECK: ld.global.b32
// CHECK-NOT: {{(ld|st)\.}}
// CHECK: st.global.b32
// CHECK-NOT: {{(ld|st)\.global\..*b32|fma}}
// CHECK: ret;
mk.window @chain (%x: !vf, %y: !vf, %z: !vf, %a: f32) extents([0, 0, 0, -1]) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %a, %z) : !vf, f32, !vf
  mk.issue @add(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %a, %z) : !vf, f32, !vf
}
