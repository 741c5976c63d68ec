// RUN: not mk-opt %s
// expected-error @below {{bad}}
module {}
