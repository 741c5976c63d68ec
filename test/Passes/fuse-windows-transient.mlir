// RUN: mk-opt %s --mk-fuse-windows --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-fuse-windows --split-input-file --remarks-filter=mk-fuse-windows -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @double code(64) scope(block) (%x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.addf %a, %a : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @next code(65) scope(block) (%x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.addi %i, %c1 : index
    %a = memref.load %x[%j] : !vf
    memref.store %a, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @clip code(66) scope(block) (%x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %negative = arith.cmpf olt, %a, %zero : f32
    scf.if %negative {
      memref.store %zero, %y[%i] : !vf
    }
  }
  mk.return
}
mk.opcode @count code(67) scope(block) (%x: !vf, %n: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  %extent = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%extent) step (%c1) {
    %old = memref.atomic_rmw addi %one, %n[%i] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}

// What is stored is loaded by the same iteration only: neither remains, also along a chain of copies.
// CHECK-LABEL: mk.window @gone
// CHECK-SAME: {mk.transient}
// CHECK: %[[D:.*]]:3 = memref.distinct_objects
// CHECK: scf.parallel (%[[I:.*]]) =
// CHECK-NEXT: %[[A:.*]] = memref.load %[[D]]#0[%[[I]]]
// CHECK-NEXT: %[[B:.*]] = arith.addf %[[A]], %[[A]]
// CHECK-NEXT: %[[C:.*]] = arith.addf %[[B]], %[[B]]
// CHECK-NEXT: %[[E:.*]] = arith.addf %[[C]], %[[C]]
// CHECK-NEXT: memref.store %[[E]], %[[D]]#2[%[[I]]]
// CHECK-NEXT: scf.reduce
// REMARK: TransientEliminated | Category:mk-fuse-windows | Function=gone | Argument=1
mk.window @gone (%x: !vf, %t: !vf {mk.transient}, %z: !vf) extents([0, 0, 0]) {
  mk.issue @double(%x, %t) : !vf, !vf
  mk.issue @double(%t, %t) : !vf, !vf
  mk.issue @double(%t, %z) : !vf, !vf
}

// Somebody may read it later.
// CHECK-LABEL: mk.window @wanted
// CHECK-COUNT-2: memref.store
mk.window @wanted (%x: !vf, %t: !vf, %z: !vf) extents([0, 0, 0]) {
  mk.issue @double(%x, %t) : !vf, !vf
  mk.issue @double(%t, %z) : !vf, !vf
}

// Extents that could differ: a load beyond the end has to fault.
// CHECK-LABEL: mk.window @unequal
// CHECK-COUNT-2: memref.store
// REMARK: TransientKept | Category:mk-fuse-windows | Function=unequal | Argument=1, Reason="an access is not known to be in range, and a fault would be lost"
mk.window @unequal (%x: !vf, %t: !vf {mk.transient}, %z: !vf) extents([0, 1, 1]) {
  mk.issue @double(%t, %x) : !vf, !vf
  mk.issue @double(%x, %t) : !vf, !vf
}

// A neighbour's element is read.
// CHECK-LABEL: mk.window @neighbour
// CHECK-COUNT-2: memref.store
// REMARK: TransientKept | Category:mk-fuse-windows | Function=neighbour | Argument=1, Reason="an access is not at the element of a loop's iteration"
mk.window @neighbour (%x: !vf, %t: !vf {mk.transient}, %z: !vf) extents([0, 0, 0]) {
  mk.issue @double(%x, %t) : !vf, !vf
  mk.issue @next(%t, %z) : !vf, !vf
}

// What it held before is read first.
// CHECK-LABEL: mk.window @before
// CHECK-COUNT-2: memref.store
// REMARK: TransientKept | Category:mk-fuse-windows | Function=before | Argument=1, Reason="a load does not follow a store of the same iteration"
mk.window @before (%x: !vf, %t: !vf {mk.transient}, %z: !vf) extents([0, 0, 0]) {
  mk.issue @double(%t, %z) : !vf, !vf
  mk.issue @double(%x, %t) : !vf, !vf
}

// A store on some paths says nothing to the load behind it.
// CHECK-LABEL: mk.window @sometimes
// CHECK-COUNT-3: memref.store
// REMARK: TransientKept | Category:mk-fuse-windows | Function=sometimes | Argument=1, Reason="a load does not follow a store of the same iteration"
mk.window @sometimes (%x: !vf, %t: !vf {mk.transient}, %z: !vf) extents([0, 0, 0]) {
  mk.issue @double(%x, %t) : !vf, !vf
  mk.issue @clip(%x, %t) : !vf, !vf
  mk.issue @double(%t, %z) : !vf, !vf
}

// Another loop reads it.
// CHECK-LABEL: mk.window @crossed
// CHECK-COUNT-2: scf.parallel
// REMARK: TransientKept | Category:mk-fuse-windows | Function=crossed | Argument=2, Reason="a load does not follow a store of the same iteration"
mk.window @crossed (%x: !vf, %y: !vf, %t: !vf {mk.transient}) extents([0, 0, 0]) {
  mk.issue @double(%x, %t) : !vf, !vf
  mk.issue @next(%x, %y) : !vf, !vf
  mk.issue @next(%y, %x) : !vf, !vf
  mk.issue @double(%t, %y) : !vf, !vf
}

// Atomics read and write memory.
// CHECK-LABEL: mk.window @atomic
// CHECK: memref.atomic_rmw
// REMARK: TransientKept | Category:mk-fuse-windows | Function=atomic | Argument=1, Reason="it is used by memref.atomic_rmw"
mk.window @atomic (%x: !vf, %n: memref<?xi32> {mk.transient}) extents([0, 0]) {
  mk.issue @count(%x, %n) : !vf, memref<?xi32>
}

// CHECK-LABEL: mk.window @unused
// REMARK: TransientKept | Category:mk-fuse-windows | Function=unused | Argument=1, Reason="nothing uses it"
mk.window @unused (%x: !vf, %t: !vf {mk.transient}, %z: !vf) {
  mk.issue @double(%x, %z) : !vf, !vf
}
