// RUN: mk-opt %s --mk-promote | FileCheck %s

module attributes {mk.profile = #mk.profile<milliseconds = 20, slots = 108, longestQueue = 64,
                                            opcodes = {often = 100, seldom = 2}, windows = {}>} {
  // CHECK-LABEL: mk.opcode @often
  // CHECK-SAME: mk.promotion = #mk.promotion<hot_opcode, count = 100, threshold = 8
  mk.opcode @often code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
  // CHECK-LABEL: mk.opcode @seldom
  // CHECK-NOT: mk.promotion
  mk.opcode @seldom code(65) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}
