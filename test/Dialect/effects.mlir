// What upstream passes may do with mk operations follows from their declared effects.

// RUN: mk-opt %s --cse | FileCheck %s --check-prefixes=CHECK,CSE
// RUN: mk-opt %s --canonicalize | FileCheck %s --check-prefixes=CHECK,CANON
// RUN: mk-opt %s --loop-invariant-code-motion | FileCheck %s --check-prefixes=CHECK,LICM

// Equal views are one, unused ones none.
// CHECK-LABEL: mk.kernel @views
// CSE: mk.view %{{.*}} size
// CSE-NOT: mk.view
// CANON: mk.view
// CANON: mk.view
// CANON-NOT: mk.view
// CHECK: mk.return
mk.kernel @views scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64, %i: i64,
                              %j: i64) {
  %n = arith.index_castui %a : i64 to index
  mk.distribute (%item) to %n {
    %x = mk.view %b size %n : memref<?xi64>
    %same = mk.view %b size %n : memref<?xi64>
    %unused = mk.view %c size %n : memref<?xi64>
    memref.store %a, %x[%item] : memref<?xi64>
    memref.store %c, %same[%item] : memref<?xi64>
  }
  mk.return
}

// A view does not depend on where it is made, so it leaves the loop; a store does not.
// CHECK-LABEL: mk.kernel @view_in_loop
// LICM: mk.view
// LICM: scf.for
// LICM-NEXT: memref.store
mk.kernel @view_in_loop scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64, %i: i64,
                                     %j: i64) {
  %n = arith.index_castui %a : i64 to index
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  mk.distribute (%item) to %n {
    scf.for %k = %c0 to %n step %c1 {
      %x = mk.view %b size %n : memref<?xi64>
      memref.store %a, %x[%k] : memref<?xi64>
    }
  }
  mk.return
}

// A fault is neither removed nor merged with an equal one.
// CHECK-LABEL: mk.opcode @two_faults
// CHECK-NEXT: mk.fault user(1)
// CHECK-NEXT: mk.fault user(1)
// CHECK-NEXT: mk.return
mk.opcode @two_faults code(64) scope(lane) () {
  mk.fault user(1)
  mk.fault user(1)
  mk.return
}

// A loop that does not run has no fault: mk.fault stays in it, and so does mk.emit.
// CHECK-LABEL: mk.opcode @in_loop
// CHECK: scf.for
// CHECK-NEXT: mk.fault user(1)
// CHECK-NEXT: mk.emit
// CHECK-NEXT: }
mk.opcode @in_loop code(65) scope(lane) (%n: index, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    mk.fault user(1)
    mk.emit %v
  }
  mk.return
}

// Two equal records are two.
// CHECK-LABEL: mk.opcode @two_records
// CHECK-NEXT: mk.emit
// CHECK-NEXT: mk.emit
// CHECK-NEXT: mk.return
mk.opcode @two_records code(66) scope(lane) (%v: i32) {
  mk.emit %v
  mk.emit %v
  mk.return
}

// The code of one thread may be empty: then nothing waits for it. Otherwise it stays, even beside an equal one.
// CHECK-LABEL: mk.kernel @singles
// CANON-NOT: mk.single
// CHECK: mk.distribute
// CANON-NEXT: mk.single {
// CANON-NEXT: mk.raise
// CHECK: mk.single {
// CHECK-NEXT: mk.raise
mk.kernel @singles scope(block) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64, %i: i64,
                                 %j: i64) {
  %n = arith.index_castui %a : i64 to index
  mk.single {
  }
  mk.distribute (%item) to %n {
    mk.single {
      mk.raise %b
    }
    mk.single {
      mk.raise %b
    }
  }
  mk.return
}

// Fault words of two equal tasks are those of two runs.
// CHECK-LABEL: mk.kernel @tasks
// CHECK: mk.task {
// CHECK-NEXT: mk.raise
// CHECK: mk.task {
// CHECK-NEXT: mk.raise
mk.kernel @tasks scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64, %i: i64,
                              %j: i64) {
  %n = arith.index_castui %a : i64 to index
  %x = mk.view %b size %n : memref<?xi64>
  mk.distribute (%item) to %n {
    %one = mk.task {
      mk.raise %c
    } : i64
    %two = mk.task {
      mk.raise %c
    } : i64
    %sum = arith.addi %one, %two : i64
    memref.store %sum, %x[%item] : memref<?xi64>
  }
  mk.return
}
