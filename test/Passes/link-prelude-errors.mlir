// RUN: not mk-opt %s --mk-link-prelude=opcodes=nop,store_u32 --split-input-file 2>&1 | FileCheck %s
// RUN: not mk-opt %S/Inputs/empty.mlir --mk-link-prelude=opcodes=nop,put 2>&1 | FileCheck %s --check-prefix=NAME

// NAME: error: there is no built-in opcode 'put'; there are nop, store_u32, atomic_add, load_u32, compare_swap, memcpy, dfa_step, batch_fence, printf, packed_slot, shutdown

// CHECK: :[[#@LINE+2]]:1: error: has code 0, which is that of the built-in opcode @mk.nop; change it
// CHECK: prelude.mlir:{{.*}}: note: built-in opcode defined here
mk.opcode builtin @mk.mine code(0) scope(lane) () {
  mk.return
}

// -----

// CHECK: :[[#@LINE+2]]:1: error: has the name of the built-in opcode @mk.store_u32; rename it
// CHECK: prelude.mlir:{{.*}}: note: built-in opcode defined here
mk.opcode builtin @mk.store_u32 code(2) scope(lane) () {
  mk.return
}

// -----

// CHECK: :[[#@LINE+2]]:1: error: has the name of the built-in opcode @mk.nop; rename it
// CHECK: prelude.mlir:{{.*}}: note: built-in opcode defined here
func.func private @mk.nop()

// -----

// What is there already may be the author's own.
// CHECK-NOT: error
// CHECK: mk.opcode builtin @mk.nop code(0) scope(block)
// CHECK: mk.opcode builtin @mk.store_u32
mk.opcode builtin @mk.nop code(0) scope(block) () {
  mk.return
}
