// RUN: mk-opt %s --mk-build-kernels --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels=opcodes=false | FileCheck %s --check-prefix=WINDOWS
// RUN: mk-opt %s --mk-build-kernels=windows=false | FileCheck %s --check-prefix=OPCODES

// WINDOWS-NOT: mk.kernel @mk_opcode
// WINDOWS: mk.kernel @mk_window_pair
// OPCODES: mk.kernel @mk_opcode_set
// OPCODES-NOT: mk.kernel @mk_window

// The words of an instance come from the argument table. Handles are not checked again.
// CHECK-LABEL: mk.kernel @mk_opcode_set scope(lane)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64, %{{[^:]*}}: i64, %[[BUFFERS:[^:]*]]: i64,
// CHECK: mk.distribute
// CHECK: %[[ARGS:.*]]:5 = mk.arguments %[[INPUT]], %[[BUFFERS]] handles [0] : i32, i32, i32, i64, i64
// CHECK: %[[M:.*]] = mk.view %[[ARGS]]#3 size
// CHECK: %[[I:.*]] = arith.index_castui %[[ARGS]]#1
// CHECK: memref.store %[[ARGS]]#2, %[[M]][%[[I]]]
// Nothing in the body can fault, so nothing is reported.
// CHECK-NOT: mk.task
// CHECK-NOT: memref.atomic_rmw
mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}

// An instance of a window of two answers two slots: records name item * 2 and item * 2 + 1.
// CHECK-LABEL: mk.kernel @mk_window_pair scope(block)
// CHECK: arith.muli %{{.*}}, %c2_i32
// CHECK: %[[F:.*]]:2 = mk.task {
// CHECK: mk.fault user(1) issue(0)
// CHECK: mk.fault user(2) issue(1)
// CHECK: } : i64, i64
// CHECK: arith.cmpi ne, %[[F]]#0
// CHECK: arith.cmpi ne, %[[F]]#1
mk.window @pair () fused(2) scope(block) {
  mk.fault user(1) issue(0)
  mk.fault user(2) issue(1)
}

// A known extent proves the check that the guard has made before the loop: nothing is left that could fault.
// CHECK-LABEL: mk.kernel @mk_window_known
// CHECK-NOT: mk.task
// CHECK-NOT: arith.cmpi
// CHECK: scf.parallel
// CHECK-NOT: mk.fault
// CHECK: mk.return
mk.window @known (%x: memref<?xi32> {mk.facts = #mk.facts<extent = 20>}, %z: memref<?xi32> {mk.facts = #mk.facts<extent = 16>}) fused(1) scope(block) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xi32>
  %m = memref.dim %x, %c0 : memref<?xi32>
  %fits = arith.cmpi sle, %n, %m : index
  scf.if %fits {
    scf.parallel (%i) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%i] : memref<?xi32>
      memref.store %v, %z[%i] : memref<?xi32>
    }
  } else {
    mk.fault user(1)
  }
}
