// RUN: mk-opt %s --mk-build-interpreter --verify-diagnostics

// expected-error @below {{module has no mk.opcode, so there is nothing to interpret}}
module {
}
