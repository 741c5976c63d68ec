// RUN: mk-opt %s | FileCheck %s --check-prefixes=A,B
// A: module
// CHECK: module
// A-NXT: module
module {}
