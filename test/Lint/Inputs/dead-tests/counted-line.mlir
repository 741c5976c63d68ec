// RUN: mk-opt %s --verify-diagnostics
// expected-error @+1 {{bad}}
module {}
