// RUN: mk-opt %s | FileCheck %s
// CHECK: mk.raise %0
module {}
