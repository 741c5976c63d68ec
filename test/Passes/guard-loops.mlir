// Fuel: what one thread does for a slot is bounded, however its loops are nested.

// RUN: mk-opt %s --mk-fuse-windows --mk-guard=fuel=1000 --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-fuse-windows --mk-guard=fuel=0 --split-input-file | FileCheck %s --check-prefix=NONE

// One loop alone is compared with the limit.
// CHECK-LABEL: mk.opcode @alone
// CHECK-NOT: memref.alloca
// CHECK: %[[FUEL:.*]] = arith.constant 1000 : i64
// CHECK: arith.cmpi ult, %{{.*}}, %[[FUEL]]
// CHECK: mk.fault fuel
// NONE-LABEL: mk.opcode @alone
// NONE-NOT: mk.fault fuel
mk.opcode @alone code(64) scope(lane) (%m: memref<?xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.for %i = %c0 to %n step %c1 {
    %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}

// -----

// Loops in loops take from one amount.
// CHECK-LABEL: mk.opcode @nested
// CHECK: %[[CELL:.*]] = memref.alloca() : memref<i64>
// CHECK: memref.store %{{.*}}, %[[CELL]][]
// CHECK: %[[LEFT:.*]] = memref.load %[[CELL]][]
// CHECK: arith.cmpi ult, %{{.*}}, %[[LEFT]]
// CHECK: mk.fault fuel
// CHECK: memref.store %{{.*}}, %[[CELL]][]
// CHECK: scf.for
// CHECK: %[[NOW:.*]] = memref.load %[[CELL]][]
// CHECK: arith.cmpi ult, %{{.*}}, %[[NOW]]
// CHECK: mk.fault fuel
// CHECK: memref.store %{{.*}}, %[[CELL]][]
// CHECK: scf.for
mk.opcode @nested code(64) scope(lane) (%m: memref<?xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.for %i = %c0 to %n step %c1 {
    scf.for %j = %c0 to %i step %c1 {
      %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
    }
  }
  mk.return
}

// -----

// So does an scf.while around a loop over a memref, which is free only by itself.
// CHECK-LABEL: mk.opcode @while_over_extent
// CHECK: %[[CELL:.*]] = memref.alloca() : memref<i64>
// CHECK: scf.while
// CHECK: memref.load %[[CELL]][]
// CHECK: scf.for
// CHECK: arith.minui
// CHECK: memref.store %{{.*}}, %[[CELL]][]
mk.opcode @while_over_extent code(64) scope(lane) (%m: memref<?xi32>, %k: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  %zero = arith.constant 0 : i32
  %n = memref.dim %m, %c0 : memref<?xi32>
  %end = scf.while (%left = %k) : (i32) -> i32 {
    %more = arith.cmpi ne, %left, %zero : i32
    scf.condition(%more) %left : i32
  } do {
  ^bb0(%left: i32):
    scf.for %j = %c0 to %n step %c1 {
      memref.store %left, %m[%j] : memref<?xi32>
    }
    %less = arith.subi %left, %one : i32
    scf.yield %less : i32
  }
  mk.return
}

// -----

// Each iteration of a loop that is spread over threads has fuel of its own; a loop of known length costs none.
// CHECK-LABEL: mk.opcode @each_iteration
// CHECK-NOT: memref.alloca
// CHECK: scf.parallel
// CHECK: %[[FUEL:.*]] = arith.constant 1000 : i64
// CHECK: arith.cmpi ult, %{{.*}}, %[[FUEL]]
// CHECK: scf.for
// CHECK: scf.for
// CHECK-NOT: mk.fault fuel
mk.opcode @each_iteration code(64) scope(block) (%m: memref<?xi32>, %k: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %one = arith.constant 1 : i32
  %n = memref.dim %m, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    scf.for %j = %c0 to %k step %c1 {
      scf.for %l = %c0 to %c8 step %c1 {
        %old = memref.atomic_rmw addi %one, %m[%i] : (i32, memref<?xi32>) -> i32
      }
    }
  }
  mk.return
}

// -----

// The points of a spread loop are counted, without wrapping around.
// CHECK-LABEL: mk.opcode @points
// CHECK-SAME: (%[[M:.*]]: memref<?xi32>, %[[A:.*]]: index, %[[B:.*]]: index)
// CHECK: arith.divui
// CHECK: %[[ROOM:.*]] = arith.divui %{{.*}}, %{{.*}} : i64
// CHECK: %[[GOOD:.*]] = arith.andi
// CHECK: scf.if
// CHECK: else
// CHECK: mk.fault fuel
// CHECK: arith.select %{{.*}}, %[[A]],
// CHECK: scf.parallel
mk.opcode @points code(64) scope(block) (%m: memref<?xi32>, %a: index, %b: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.parallel (%i, %j) = (%c0, %c0) to (%a, %b) step (%c1, %c1) {
    %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}

// -----

// Every issue of a fused loop meets the limit.
// CHECK-LABEL: mk.window @both
// CHECK: else
// CHECK: mk.fault fuel detail %{{.*}} issue(0)
// CHECK-NEXT: mk.fault fuel detail %{{.*}} issue(1)
mk.window @both (%m: memref<?xi32>, %a: index) fused(2) scope(block) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.parallel (%i) = (%c0) to (%a) step (%c1) {
    %x = memref.atomic_rmw addi %one, %m[%c0] {mk.issue = 0 : i32} : (i32, memref<?xi32>) -> i32
    %y = memref.atomic_rmw addi %one, %m[%c0] {mk.issue = 1 : i32} : (i32, memref<?xi32>) -> i32
  }
}

// -----

// The last addition of a narrow loop must not wrap around: the end is compared with the largest value less the step.
// CHECK-LABEL: mk.opcode @narrow
// CHECK: %[[MOST:.*]] = arith.constant 127 : i8
// CHECK: %[[END:.*]] = arith.subi %[[MOST]]
// CHECK: arith.cmpi sle, %{{.*}}, %[[END]] : i8
// CHECK: mk.fault fuel
// CHECK: scf.for
mk.opcode @narrow code(64) scope(lane) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %from = arith.constant 1 : i8
  %to = arith.constant 100 : i8
  %by = arith.constant 64 : i8
  scf.for %i = %from to %to step %by : i8 {
    %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}

// -----

// So does one of which no trace is left in the body.
// CHECK-LABEL: mk.window @merged
// CHECK: mk.fault fuel detail %{{.*}} issue(0)
// CHECK-NEXT: mk.fault fuel detail %{{.*}} issue(1)
mk.opcode @sum code(64) scope(block) (%n: index, %z: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %s = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> i32 {
    %v = arith.index_cast %i : index to i32
    scf.reduce(%v : i32) {
    ^bb0(%l: i32, %r: i32):
      %t = arith.addi %l, %r : i32
      scf.reduce.return %t : i32
    }
  }
  memref.store %s, %z[%c0] : memref<?xi32>
  mk.return
}
mk.opcode @touch code(65) scope(block) (%n: index, %y: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = arith.index_cast %i : index to i32
    memref.store %v, %y[%i] : memref<?xi32>
  }
  mk.return
}
mk.window @merged (%n: index, %y: memref<?xi32>, %z: memref<?xi32>) {
  mk.issue @sum(%n, %z) : index, memref<?xi32>
  mk.issue @touch(%n, %y) : index, memref<?xi32>
}
