// What code is for decides what LLVM does with it.

// RUN: mk-translate %s --mk-to-ptx --kernels=opcodes --split-input-file | FileCheck %s
// RUN: mk-translate %s --mk-to-ptx --kernels=interpreter --split-input-file | FileCheck %s --check-prefix=INTERPRETER

// The only loop is that over the items. InstCombine, which other kernels get, would compare the size in bytes.
// CHECK-LABEL: .entry mk_opcode_straight
// CHECK: shr.u64 [[EXTENT:%rd[0-9]+]], %rd{{[0-9]+}}, 2;
// CHECK: setp.{{[a-z]+}}.b64 %p{{[0-9]+}}, [[EXTENT]], 0;
// CHECK: ret;
mk.opcode @straight code(64) scope(lane) (%m: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  memref.store %v, %m[%c0] : memref<?xi32>
  mk.return
}

// -----

// CHECK-LABEL: .entry mk_opcode_looping
// CHECK: setp.{{[a-z]+}}.u64 %p{{[0-9]+}}, %rd{{[0-9]+}}, {{[34]}};
// CHECK: ret;
mk.opcode @looping code(64) scope(lane) (%m: memref<?xi32>, %n: index, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %k = %c0 to %n step %c1 {
    %old = memref.load %m[%c0] : memref<?xi32>
    %next = arith.muli %old, %v : i32
    memref.store %next, %m[%c0] : memref<?xi32>
  }
  mk.return
}

// -----

// The back end's lowest level jumps to the block that follows anyway; that for interpreters does not.
// INTERPRETER-LABEL: .entry mk_interpreter_lane
// INTERPRETER-LABEL: .entry mk_interpreter_lane
// INTERPRETER-LABEL: .entry mk_interpreter_lane
// INTERPRETER-NOT: bra.uni [[NEXT:[$]L__BB0_[0-9]+]];{{[[:space:]]+}}[[NEXT]]:
// INTERPRETER: brx.idx
// INTERPRETER: ret;
mk.opcode @a code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @b code(65) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  %w = arith.addi %v, %v : i32
  memref.store %w, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @c code(66) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  %w = arith.muli %v, %v : i32
  memref.store %w, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @d code(67) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  %w = arith.xori %v, %v : i32
  memref.store %w, %m[%i] : memref<?xi32>
  mk.return
}
