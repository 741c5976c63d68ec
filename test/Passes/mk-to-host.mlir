// RUN: mk-opt %s --convert-mk-to-host | FileCheck %s

// A function over a range of items, which finds the launch parameters behind a pointer.
// CHECK-NOT: mk.
// CHECK-LABEL: func.func @kernel
// CHECK-SAME: (%[[PARAMS:.*]]: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64)
// CHECK: llvm.getelementptr %[[PARAMS]][1]
// CHECK: %[[FIRST:.*]] = arith.index_castui %[[BEGIN]]
// CHECK: %[[LAST:.*]] = arith.index_castui %[[END]]
// CHECK: scf.for %[[ITEM:.*]] = %[[FIRST]] to %[[LAST]]
// Both scopes are one thread here: loops stay loops.
// CHECK: scf.for
// CHECK: arith.minui
// CHECK: return
mk.kernel @kernel scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    %fault = mk.task {
      scf.parallel (%j) = (%c0) to (%n) step (%c1) {
        mk.fault user(1)
      }
    } : i64
    mk.single {
      memref.store %fault, %x[%i] : memref<?xi64>
    }
  }
  mk.return
}
