// RUN: mk-opt %s --verify-diagnostics
// expected-err @below {{bad}}
// expected-error below {{bad}}
module {}
