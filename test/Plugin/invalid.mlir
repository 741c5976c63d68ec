// The verifier of the dialect comes along.

// RUN: %mlir_opt %s --split-input-file --verify-diagnostics

// expected-error @below {{code 65535 is reserved for the system}}
mk.opcode @high code(65535) scope(lane) (%m: memref<?xi32>) {
  mk.return
}

// -----

mk.window @w (%x: i32) {
  // expected-error @below {{callee @nothing is not defined}}
  mk.issue @nothing(%x) : i32
}
