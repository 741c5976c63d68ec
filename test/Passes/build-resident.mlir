// The resident form of interpreters: a line in place of a slot, mk.complete in place of fault records, and windows with a
// route on code of their own.

// RUN: mk-opt %s --mk-fuse-windows --mk-build-interpreter=resident=true --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-fuse-windows --mk-build-interpreter="resident=true scope=lane" | FileCheck %s --check-prefix=LANE

!vi = memref<?xi32, strided<[1], offset: ?>>

mk.opcode @one code(64) scope(lane) (%out: memref<?xi32>, %x: i32) {
  %c0 = arith.constant 0 : index
  memref.store %x, %out[%c0] : memref<?xi32>
  mk.return
}
// There is no list for hits.
mk.opcode @hits code(65) scope(lane) (%x: i32) {
  mk.emit %x
  mk.return
}
mk.opcode @fill code(66) scope(block) (%v: !vi, %x: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %v, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    memref.store %x, %v[%k] : !vi
  }
  mk.return
}
// The words of %v are those of the first slot, %y is the fourth argument word of the second.
mk.window @route7 (%v: !vi, %x: i32, %y: i32) attributes {mk.route = 7 : i32, mk.places = array<i32: 4, 5, 6, 7, 23>} {
  mk.issue @fill(%v, %x) : !vi, i32
  mk.issue @fill(%v, %y) : !vi, i32
}

// CHECK-LABEL: mk.kernel @mk_resident_lane scope(lane)
// CHECK: mk.serve (%[[PLACE:.*]], %[[SLOTS:.*]]) {
// CHECK: vector.load %[[SLOTS]]
// CHECK: scf.index_switch
// CHECK: case 64
// CHECK-NOT: case 65
// CHECK: mk.complete
// CHECK-NOT: mk.distribute

// CHECK-LABEL: mk.kernel @mk_resident_block scope(block)
// CHECK: mk.serve (%[[PLACE:.*]], %[[SLOTS:.*]]) {
// The route stands in the meta word, from bit 14 on.
// CHECK: arith.shrui %{{.*}}, %c14_i32
// CHECK: scf.index_switch
// CHECK: case 7 {
// Nothing can fault here.
// CHECK: mk.single nowait {
// CHECK: mk.complete %[[PLACE]], %c-1_i64
// CHECK: mk.complete %{{.*}}, %c-1_i64
// CHECK: default {
// CHECK: scf.index_switch
// CHECK: case 66

// LANE-NOT: mk_resident_block
