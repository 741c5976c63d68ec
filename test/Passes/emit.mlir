// mk.emit becomes a counted append: what does not fit is counted, but not written.

// RUN: mk-opt %s --mk-fuse-windows --mk-build-interpreter --mk-build-kernels --canonicalize --cse | FileCheck %s

mk.opcode @lane code(64) scope(lane) (%x: i32, %y: i32) {
  mk.emit %x, %y
  mk.return
}
mk.opcode @block code(65) scope(block) (%x: i32, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  mk.emit %x
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    mk.emit %x
  }
  mk.return
}
// The window's records name the slot of their issue.
// CHECK-LABEL: mk.window @pair
// CHECK: mk.emit %{{.*}}, %{{.*}} issue(0)
// CHECK: mk.emit %{{.*}}, %{{.*}} issue(1)
mk.window @pair (%x: i32, %y: i32) {
  mk.issue @lane(%x, %y) : i32, i32
  mk.issue @lane(%y, %x) : i32, i32
}

// CHECK-LABEL: mk.kernel @mk_opcode_lane
// CHECK-SAME: %[[HITS:[^:]*]]: i64, %[[CAPACITY:[^:]*]]: i64, %[[COUNT:[^:]*]]: i64) {
// CHECK: mk.distribute (%[[ITEM:.*]]) to
// CHECK: %[[SLOT:.*]] = arith.index_castui %[[ITEM]] : index to i32
// CHECK: %[[AT:.*]] = memref.atomic_rmw addi
// CHECK: %[[WIDE:.*]] = arith.extui %[[AT]]
// CHECK: arith.cmpi ult, %[[WIDE]], %[[CAPACITY]]
// CHECK: scf.if
// CHECK: memref.store %[[SLOT]]
// CHECK-COUNT-3: memref.store

// Outside the loop of a CTA a record is appended once.
// CHECK-LABEL: mk.kernel @mk_opcode_block
// CHECK: mk.single nowait {
// CHECK: memref.atomic_rmw addi
// CHECK: scf.parallel
// CHECK-NOT: mk.single
// CHECK: memref.atomic_rmw addi

// CHECK-LABEL: mk.kernel @mk_window_pair
// CHECK: %[[FIRST:.*]] = arith.muli %{{.*}}, %c2_i32
// CHECK: memref.store %[[FIRST]]
// CHECK: %[[SECOND:.*]] = arith.addi %[[FIRST]], %c1_i32
// CHECK: memref.store %[[SECOND]]
