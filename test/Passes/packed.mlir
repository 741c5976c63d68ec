// The interpreter of packed slots is made when the ISA has the opcode; it is one of lanes where no opcode that it can run
// is of block scope.

// RUN: mk-opt %s --split-input-file --mk-link-prelude=opcodes=packed_slot,store_u32,compare_swap,batch_fence --mk-build-interpreter=scope=packed --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --split-input-file --mk-build-interpreter=scope=packed | FileCheck %s --check-prefix=NONE
// NONE-NOT: mk.kernel

// CHECK-LABEL: mk.kernel @mk_interpreter_packed scope(lane)
// CHECK: mk.distribute
// First all operations are looked at: each has an opcode that is allowed, with as many words as it must have.
// CHECK: %[[SOUND:.*]] = scf.for {{.*}} iter_args
// CHECK: %[[NEED:.*]] = scf.index_switch %{{.*}} -> i32
// CHECK: case 64 {
// CHECK: scf.yield %c1_i32
// CHECK: case 1 {
// CHECK: scf.yield %c2_i32
// CHECK: case 4 {
// CHECK: scf.yield %c3_i32
// CHECK-NOT: case
// CHECK: default {
// CHECK: scf.yield %c256_i32
// Then they run in order, while none has faulted.
// CHECK: scf.for {{.*}} iter_args(%[[FAULT:.*]] = %{{.*}}) -> (i64)
// CHECK: %[[GOOD:.*]] = arith.cmpi eq, %[[FAULT]], %c-1_i64
// CHECK: scf.if %[[GOOD]] -> (i64)
// CHECK: %[[WORD:.*]] = mk.task {
// CHECK: scf.index_switch
// CHECK: case 64 {
// CHECK: mk.fault user(3)
// CHECK: case 4 {
// CHECK: memref.generic_atomic_rmw
// The code of the operation, and its place.
// CHECK: %[[CODE:.*]] = arith.andi %[[WORD]], %c-4294967296_i64
// CHECK: arith.ori %[[CODE]],
// CHECK: mk.single
mk.opcode @own code(64) scope(lane) (%x: i32) {
  mk.fault user(3) detail %x
  mk.return
}
mk.opcode @far code(256) scope(block) () {
  mk.return
}

// -----

// CHECK-LABEL: mk.kernel @mk_interpreter_packed scope(block)
// CHECK: mk.task {
// CHECK: case 255 {
// CHECK-NEXT: mk.fault user(4)
// CHECK: case 1 {
// CHECK-NEXT: mk.single {
mk.opcode @team code(255) scope(block) () {
  mk.fault user(4)
  mk.return
}
