// CHECK: module
module {}
