// RUN: mk-opt %s
module {}
