// A suspension is told as a fault is, with a word that is greater than that of every fault.

// RUN: mk-opt %s --mk-fuse-windows --mk-build-interpreter --mk-build-kernels --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-lower-to-nvvm --verify-each | FileCheck %s --check-prefix=NVVM

mk.opcode @wait code(64) scope(lane) entries(3) (%out: memref<?xi32>, %i: index, %x: i32, %entry: i32, %data: i32) {
  mk.suspend wait(7) at %entry with %data
  mk.return
}
// Resumable opcodes have no kernel of their own.
// CHECK-NOT: mk.kernel @mk_opcode_wait
// CHECK-LABEL: mk.kernel @mk_interpreter_lane
// CHECK-DAG: %[[MOST:.*]] = arith.constant 4095 : i32
// The kind is 0, and 7 << 12 is 28672.
// CHECK-DAG: %[[CODE:.*]] = arith.constant -1073713152 : i32
// CHECK-DAG: %[[HALF:.*]] = arith.constant 32 : i64
// CHECK: case 64 {
// CHECK: %[[ENTRY:.*]] = arith.minui %{{.*}}, %[[MOST]] : i32
// CHECK: %[[HIGH:.*]] = arith.ori %[[ENTRY]], %[[CODE]] : i32
// CHECK: %[[WIDE:.*]] = arith.extui %[[HIGH]] : i32 to i64
// CHECK: %[[SHIFTED:.*]] = arith.shli %[[WIDE]], %[[HALF]] : i64
// CHECK: %[[DATA:.*]] = arith.extui %{{.*}} : i32 to i64
// CHECK: %[[WORD:.*]] = arith.ori %[[SHIFTED]], %[[DATA]] : i64
// CHECK: mk.raise %[[WORD]]
// CHECK-NOT: mk.kernel @mk_opcode_wait

// NVVM: llvm.func @mk_interpreter_lane
// NVVM-NOT: mk_opcode_wait
