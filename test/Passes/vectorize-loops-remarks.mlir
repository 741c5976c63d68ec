// Each loop that a CTA spreads over its threads gets a remark: how wide its accesses are now, or why they stay.

// RUN: mk-opt %s --pass-pipeline='builtin.module(mk.kernel(mk-vectorize-loops))' -o /dev/null \
// RUN:   --remarks-filter=mk-vectorize-loops --remark-format=yaml --remarks-output-file=%t --mlir-disable-threading
// RUN: FileCheck %s < %t

// CHECK:      --- !Passed
// CHECK-NEXT: Pass:     mk-vectorize-loops
// CHECK-NEXT: Name:     LoopVectorized
// CHECK:      Function: fits
// CHECK:        - Width: '8'

// CHECK:      --- !Missed
// CHECK-NEXT: Pass:     mk-vectorize-loops
// CHECK-NEXT: Name:     LoopNotVectorized
// CHECK:      Function: others
// CHECK:        - Reason: loop does not run from 0 in steps of 1
// CHECK:      --- !Missed
// CHECK:        - Reason: operation is not elementwise, or uses the index
// CHECK:      --- !Missed
// CHECK:        - Reason: iterations access other elements than their own, of different sizes, or of less than 8 bits
// CHECK:      --- !Missed
// CHECK:        - Reason: loop accesses no memory
// CHECK-NOT:  ---
mk.kernel @fits scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xf16>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xf16>
      memref.store %v, %x[%j] : memref<?xf16>
    }
  }
  mk.return
}
mk.kernel @others scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi32>
    scf.parallel (%j) = (%c1) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xi32>
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = arith.index_cast %j : index to i32
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%c0] : memref<?xi32>
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
    }
  }
  mk.return
}
