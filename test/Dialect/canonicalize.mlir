// RUN: mk-opt %s --canonicalize | FileCheck %s

// A task in which nothing can fault dissolves, and so does the report of its faults.
// CHECK-LABEL: mk.kernel @harmless
// CHECK-NOT: mk.task
// CHECK-NOT: mk.single
// CHECK: mk.return
mk.kernel @harmless scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %none = arith.constant -1 : i64
  %n = arith.index_castui %items : i64 to index
  %x = mk.view %input size %n : memref<?xi64>
  mk.distribute (%i) to %n {
    %fault = mk.task {
      memref.store %items, %x[%i] : memref<?xi64>
    } : i64
    mk.single {
      %bad = arith.cmpi ne, %fault, %none : i64
      scf.if %bad {
        memref.store %fault, %x[%i] : memref<?xi64>
      }
    }
  }
  mk.return
}

// One that can fault stays.
// CHECK-LABEL: mk.kernel @harmful
// CHECK: mk.task
// CHECK: mk.fault user(1)
mk.kernel @harmful scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.index_castui %items : i64 to index
  %x = mk.view %input size %n : memref<?xi64>
  mk.distribute (%i) to %n {
    %fault = mk.task {
      mk.fault user(1)
    } : i64
    memref.store %fault, %x[%i] : memref<?xi64>
  }
  mk.return
}
