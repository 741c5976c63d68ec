// RUN: mk-opt %s --mk-guard --remarks-filter=mk-guard --mlir-disable-threading 2>&1 | FileCheck %s

// The store is proved to be in range, the load and the division are not.
// CHECK: remark: [Analysis] Checks | Category:mk-guard | Function=half | Made=2, Proved=1
mk.opcode @half code(64) scope(lane) (%m: memref<?xi32>, %i: index, %d: i32) {
  %c0 = arith.constant 0 : index
  %local = memref.alloca() : memref<4xi32>
  %v = memref.load %m[%i] : memref<?xi32>
  %q = arith.divui %v, %d : i32
  memref.store %q, %local[%c0] : memref<4xi32>
  mk.return
}
