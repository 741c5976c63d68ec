// RUN: mk-opt %s | FileCheck %s
// CHECK: module
// CHECK-NEXT module
module {}
