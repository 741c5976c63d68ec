// RUN: mk-opt %s --mk-link-prelude | FileCheck %s
// RUN: mk-opt %s --mk-link-prelude --mk-link-prelude | FileCheck %s
// RUN: mk-opt %s --mk-link-prelude=opcodes=printf,nop | FileCheck %s --check-prefix=SOME

// What the ISA has stays in front, so its dense indexes stay as well.
// CHECK-LABEL: mk.opcode @own code(64)
// CHECK-NEXT: mk.return
// CHECK: mk.opcode builtin @mk.nop code(0) scope(lane) ()
// CHECK: mk.opcode builtin @mk.store_u32 code(1) scope(lane) (%{{.*}}: i32, %{{.*}}: index)
// CHECK: memref.atomic_rmw assign
// CHECK: mk.opcode builtin @mk.atomic_add code(2)
// CHECK: memref.atomic_rmw addi
// CHECK: mk.opcode builtin @mk.load_u32 code(3)
// CHECK: mk.opcode builtin @mk.compare_swap code(4)
// CHECK-SAME: index {mk.optional})
// CHECK: memref.generic_atomic_rmw
// CHECK: mk.opcode builtin @mk.memcpy code(5)
// CHECK: mk.opcode builtin @mk.dfa_step code(6)
// CHECK: mk.buffer %{{.*}} : memref<?xi32>
// CHECK: mk.opcode builtin @mk.batch_fence code(7)
// CHECK: mk.opcode builtin @mk.printf code(65534)
// CHECK: mk.memory debug : memref<?xi32>
// CHECK: mk.opcode builtin @mk.packed_slot code(2147483649)
// CHECK: mk.opcode builtin @mk.shutdown code(4294967295)
// CHECK-NOT: mk.opcode

// SOME: mk.opcode @own
// SOME: mk.opcode builtin @mk.printf
// SOME: mk.opcode builtin @mk.nop
// SOME-NOT: mk.opcode
mk.opcode @own code(64) scope(lane) () {
  mk.return
}
