// RUN: mk-opt %s --mk-link-prelude=opcodes=nop | FileCheck %s

// CHECK-LABEL: mk.opcode @mine
// CHECK: mk.opcode builtin @mk.nop code(0)
mk.opcode @mine code(64) scope(lane) () {
  mk.return
}
