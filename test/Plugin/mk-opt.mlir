// mk-opt takes plugins of others, which use its dialect.

// RUN: mk-opt %s --load-pass-plugin=%mk_test_plugin --pass-pipeline='builtin.module(test-name-opcodes)' --verify-diagnostics

// expected-remark @below {{opcode 64}}
mk.opcode @first code(64) scope(lane) () {
  mk.return
}
// expected-remark @below {{opcode 65}}
mk.opcode @second code(65) scope(block) () {
  mk.return
}
