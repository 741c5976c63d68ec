// RUN: mk-opt %s --mk-relax-atomics | FileCheck %s
// RUN: mk-opt %s --mk-relax-atomics=scope=device | FileCheck %s --check-prefix=DEVICE

// CHECK-LABEL: llvm.func @atomics
// CHECK: llvm.atomicrmw add %{{.*}}, %{{.*}} monotonic
// CHECK: llvm.cmpxchg %{{.*}}, %{{.*}}, %{{.*}} monotonic monotonic
// DEVICE-LABEL: llvm.func @atomics
// DEVICE: llvm.atomicrmw add %{{.*}}, %{{.*}} syncscope("device") monotonic
// DEVICE: llvm.cmpxchg %{{.*}}, %{{.*}}, %{{.*}} syncscope("device") monotonic monotonic
llvm.func @atomics(%p: !llvm.ptr, %a: i32, %b: i32) {
  %old = llvm.atomicrmw add %p, %a acq_rel : !llvm.ptr, i32
  %pair = llvm.cmpxchg %p, %a, %b acq_rel monotonic : !llvm.ptr, i32
  llvm.return
}
