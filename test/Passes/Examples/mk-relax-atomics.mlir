// RUN: mk-opt %s --mk-relax-atomics=scope=device | FileCheck %s

// CHECK-LABEL: llvm.func @count
// CHECK: llvm.atomicrmw add %{{.*}} syncscope("device") monotonic
llvm.func @count(%counter: !llvm.ptr, %one: i32) {
  %old = llvm.atomicrmw add %counter, %one acq_rel : !llvm.ptr, i32
  llvm.return
}
