// RUN: mk-opt %s --mk-build-kernels --split-input-file --verify-diagnostics | FileCheck %s

// What needs the engine or its slot is left to the interpreter.

// CHECK-LABEL: mk.opcode @plain
// CHECK-NOT: mk.kernel @mk_opcode_{{[^p]}}
// CHECK: mk.kernel @mk_opcode_plain
// CHECK-NOT: mk.kernel
mk.opcode @plain code(64) scope(lane) () {
  mk.return
}
mk.opcode builtin @mk.nop code(0) scope(lane) () {
  mk.return
}
mk.opcode @memory code(65) scope(lane) () {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %m = mk.memory control : memref<?xi32>
  memref.store %one, %m[%c0] : memref<?xi32>
  mk.return
}
mk.opcode @slot code(66) scope(lane) () {
  %x = mk.slot_info index
  mk.emit %x
  mk.return
}
mk.opcode @buffer code(67) scope(lane) (%handle: i32) {
  %c0 = arith.constant 0 : index
  %m = mk.buffer %handle : memref<?xi32>
  %x = memref.load %m[%c0] : memref<?xi32>
  mk.emit %x
  mk.return
}

// -----

// expected-error @below {{uses memory of the engine or asks for its slot, which only an interpreter can give; submit its slots without a kernel of its own}}
mk.window @w () fused(1) scope(lane) {
  %x = mk.slot_info index
  mk.emit %x issue(0)
  mk.return
}
