// A guarded elementwise kernel has the inner loop of the unguarded one: its checks stand before the loop.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=opcodes --guard=true %s -o %t.guarded.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=opcodes --guard=false %s -o %t.free.ptx
// RUN: FileCheck %s < %t.guarded.ptx
// RUN: FileCheck %s < %t.free.ptx
// RUN: %assemble sm_90 %t.guarded.ptx

// CHECK-LABEL: .entry mk_opcode_add
// The whole loop over vectors, from its label to its branch.
// CHECK: ld.global.v4.b32
// CHECK-NOT: setp
// CHECK: ld.global.v4.b32
// CHECK-NOT: setp
// CHECK-COUNT-4: add.rn.f32
// CHECK-NOT: setp
// CHECK: st.global.v4.b32
mk.opcode @add code(64) scope(block) (%x: memref<?xf32>, %y: memref<?xf32>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : memref<?xf32>
    %b = memref.load %y[%i] : memref<?xf32>
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%i] : memref<?xf32>
  }
  mk.return
}
