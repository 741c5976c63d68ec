// RUN: mk-opt %s --mk-build-interpreter --canonicalize --cse | FileCheck %s

// Memory of the engine is a row of the buffer table; what a body knows of its slot is in the slot.

// CHECK-LABEL: mk.kernel @mk_interpreter_lane scope(lane)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64, %{{[^:]*}}: i64, %[[TABLE:[^:]*]]: i64, %[[COUNT:[^:]*]]: i64
// CHECK-DAG: %[[ROWS:.*]] = mk.view %[[TABLE]]
// CHECK: scf.for %[[PLACE:.*]] = {{.*}} iter_args(%[[HEADER:.*]] = %{{.*}})
// CHECK: %[[SLOT:.*]] = arith.addi %{{.*}}, %[[PLACE]] : index
// CHECK: %[[TENANT:.*]] = vector.extract %[[HEADER]][2]

// CHECK: case 64 {
// A table without the row has an empty one in its stead.
// CHECK: %[[KNOWN:.*]] = arith.cmpi ugt, %[[COUNT]], %c1
// CHECK: %[[ROW:.*]] = arith.index_castui %[[KNOWN]] : i1 to index
// CHECK: %[[AT:.*]] = arith.muli %[[ROW]], %c3
// CHECK: memref.load %[[ROWS]][%{{.*}}]
// CHECK: %[[BASE:.*]] = memref.load %[[ROWS]][%[[AT]]]
// CHECK: %[[CONTROL:.*]] = mk.view %[[BASE]]
// CHECK: memref.store %[[TENANT]], %[[CONTROL]][%[[SLOT]]]
mk.opcode @who code(64) scope(lane) () {
  %control = mk.memory control : memref<?xi32>
  %tenant = mk.slot_info tenant
  %slot = mk.slot_info index
  %i = arith.index_castui %slot : i32 to index
  memref.store %tenant, %control[%i] : memref<?xi32>
  mk.return
}

// CHECK: case 65 {
// The access that the uses need, and the tenant's bit; without them there are no elements.
// CHECK: scf.if
// CHECK: %[[RIGHTS:.*]] = memref.load %[[ROWS]]
// CHECK: %[[ACCESS:.*]] = arith.andi %[[RIGHTS]], %c4294967296_i64
// CHECK: %[[MAY:.*]] = arith.cmpi eq, %[[ACCESS]], %c4294967296_i64
// CHECK: %[[BITS:.*]] = arith.shrui %[[RIGHTS]], %{{.*}}
// CHECK: %[[BIT:.*]] = arith.trunci %[[BITS]] : i64 to i1
// CHECK: %[[ALLOWED:.*]] = arith.andi %[[MAY]], %[[BIT]]
// CHECK: %[[BYTES:.*]] = memref.load %[[ROWS]]
// CHECK: arith.select %[[ALLOWED]], %[[BYTES]], %c0_i64
mk.opcode @first code(65) scope(lane) (%handle: i32, %m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %b = mk.buffer %handle : memref<?xi32>
  %x = memref.load %b[%c0] : memref<?xi32>
  memref.store %x, %m[%c0] : memref<?xi32>
  mk.return
}
