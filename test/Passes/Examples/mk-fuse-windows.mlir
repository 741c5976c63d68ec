// RUN: mk-opt %s --mk-fuse-windows --canonicalize --cse | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @add code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %sum = arith.addf %a, %b : f32
    memref.store %sum, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @square code(65) scope(block) (%x: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %product = arith.mulf %a, %a : f32
    memref.store %product, %x[%i] : !vf
  }
  mk.return
}

// CHECK-LABEL: mk.window @add_square
// CHECK-SAME: fused(2) scope(block)
// CHECK: scf.parallel
// CHECK: arith.addf
// CHECK-NOT: scf.parallel
// CHECK: arith.mulf
mk.window @add_square (%x: !vf, %y: !vf, %z: !vf) extents([0, 0, 0]) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @square(%z) : !vf
}
