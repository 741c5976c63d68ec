// RUN: mk-opt %s --mk-build-kernels --canonicalize --cse | FileCheck %s

// CHECK-LABEL: mk.kernel @mk_opcode_put scope(lane)
// CHECK: mk.distribute (%[[ITEM:.*]]) to
// CHECK: %[[VIEW:.*]] = mk.view
// CHECK: memref.store %{{.*}}, %[[VIEW]]
mk.opcode @put code(64) scope(lane) (%m: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  memref.store %v, %m[%c0] : memref<?xi32>
  mk.return
}
