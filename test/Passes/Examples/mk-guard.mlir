// RUN: mk-opt %s --mk-guard --canonicalize | FileCheck %s

// CHECK-LABEL: mk.opcode @set
// CHECK: arith.cmpi ult, %[[I:.*]], %[[N:.*]] : index
// CHECK: scf.if
// CHECK: memref.store
// CHECK: mk.fault buffer_bounds
mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
