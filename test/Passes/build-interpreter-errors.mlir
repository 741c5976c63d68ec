// RUN: mk-opt %s --mk-build-interpreter=scope=warp --split-input-file --verify-diagnostics

// expected-error @below {{scope is 'warp', but must be lane, block, packed or all}}
module {
  mk.opcode @one code(64) scope(lane) () {
    mk.return
  }
}
