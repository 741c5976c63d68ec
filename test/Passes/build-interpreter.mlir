// RUN: mk-opt %s --mk-build-interpreter --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-build-interpreter=scope=lane | FileCheck %s --check-prefix=LANE
// RUN: mk-opt %s --mk-build-interpreter=scope=block | FileCheck %s --check-prefix=BLOCK

// LANE: mk.kernel @mk_interpreter_lane
// LANE-NOT: mk.kernel @mk_interpreter_block
// BLOCK-NOT: mk.kernel @mk_interpreter_lane
// BLOCK: mk.kernel @mk_interpreter_block

mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @long code(70) scope(lane) (%m: memref<?xf64, strided<[1], offset: ?>>, %v: f64) {
  %c0 = arith.constant 0 : index
  memref.store %v, %m[%c0] : memref<?xf64, strided<[1], offset: ?>>
  mk.return
}
mk.opcode @block code(100) scope(block) () {
  mk.fault user(5)
  mk.return
}

// The lane interpreter knows the lane opcodes only.
// CHECK-LABEL: mk.kernel @mk_interpreter_lane scope(lane)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64, %{{[^:]*}}: i64, %{{[^:]*}}: i64, %[[COUNT:[^:]*]]: i64
// CHECK: %[[RING:.*]] = mk.view %[[INPUT]]
// CHECK: mk.distribute (%{{.*}}) to %{{.*}} {
// CHECK: %[[FIRST:.*]] = vector.load %[[RING]][%{{.*}}] {alignment = 16 : i64}
// The slots of a window, one after the other, each with its header; what every opcode takes is loaded ahead.
// CHECK: scf.for {{.*}} iter_args(%[[HEADER:.*]] = %[[FIRST]])
// CHECK: %[[OPCODE:.*]] = vector.extract %[[HEADER]][1]
// CHECK: %[[TENANT:.*]] = vector.extract %[[HEADER]][2]
// CHECK: vector.load %[[RING]]
// CHECK: %[[FAULT:.*]] = mk.task {
// CHECK: arith.cmpi ule, %[[TENANT]], %c29
// CHECK: scf.index_switch
// CHECK: case 64 {
// The handle is compared with the table before its row is read, then tenant, access, and the body.
// CHECK: arith.cmpi ult, %{{.*}}, %[[COUNT]]
// CHECK: scf.if
// CHECK: memref.store
// CHECK: mk.raise
// CHECK: case 70 {
// CHECK: arith.bitcast %{{.*}} : i64 to f64
// CHECK-NOT: case 100
// CHECK: default {
// CHECK: mk.fault unknown_opcode detail %[[OPCODE]]
// CHECK: mk.fault tenant_range detail %[[TENANT]]
// CHECK: mk.single nowait {
// CHECK: arith.cmpi ne, %[[FAULT]]
// CHECK: memref.atomic_rmw addi

// The block interpreter knows all; lane opcodes run on one thread of the CTA.
// CHECK-LABEL: mk.kernel @mk_interpreter_block scope(block)
// CHECK: case 64 {
// CHECK: mk.single {
// CHECK: case 100 {
// CHECK-NEXT: mk.fault user(5)
