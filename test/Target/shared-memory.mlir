// The shared variables of a kernel are one array, the address of which is taken once, before all loops.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=opcodes %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %assemble sm_90 %t.ptx

// CHECK-LABEL: .entry mk_opcode_count
// CHECK: .shared .align 16 .b8 [[ARRAY:__wg_mk_opcode_count_[0-9]+]][[[#]]];
// CHECK-NOT: .shared
// CHECK: mov.b64 %[[BASE:.*]], [[ARRAY]];
// CHECK-NOT: [[ARRAY]]
// CHECK: ld.shared
// CHECK-NOT: [[ARRAY]]
// CHECK: atom.shared
// CHECK-NOT: [[ARRAY]]
// CHECK: ret;
mk.opcode @count code(64) scope(block) (%keys: memref<?xi32>, %counts: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bins = arith.constant 256 : index
  %one = arith.constant 1 : i32
  %zero = arith.constant 0 : i32
  %c24 = arith.constant 24 : i32
  %mine = memref.alloca() : memref<256xi32>
  scf.parallel (%b) = (%c0) to (%bins) step (%c1) {
    memref.store %zero, %mine[%b] : memref<256xi32>
  }
  %n = memref.dim %keys, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %key = memref.load %keys[%i] : memref<?xi32>
    %high = arith.shrui %key, %c24 : i32
    %bin = arith.index_castui %high : i32 to index
    %old = memref.atomic_rmw addi %one, %mine[%bin] : (i32, memref<256xi32>) -> i32
  }
  scf.parallel (%b) = (%c0) to (%bins) step (%c1) {
    %count = memref.load %mine[%b] : memref<256xi32>
    memref.store %count, %counts[%b] : memref<?xi32>
  }
  mk.return
}
