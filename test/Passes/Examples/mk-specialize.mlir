// RUN: mk-opt %s --mk-specialize='symbol=scale facts=0.aligned=4,0.multiple=4,1.constant=2.0' | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

// CHECK-LABEL: mk.opcode @scale
mk.opcode @scale code(64) scope(block) (%x: !vf, %factor: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vf
    %product = arith.mulf %v, %factor : f32
    memref.store %product, %x[%i] : !vf
  }
  mk.return
}
// CHECK-LABEL: mk.window @scale.s0
// CHECK-SAME: mk.facts
// CHECK: mk.issue @scale
