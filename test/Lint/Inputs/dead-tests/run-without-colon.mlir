// RUN: mk-opt %s | FileCheck %s
// RUN mk-opt %s | FileCheck %s --check-prefix=OTHER
// CHECK: module
module {}
