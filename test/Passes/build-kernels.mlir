// RUN: mk-opt %s --mk-build-kernels --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels=opcodes=false | FileCheck %s --check-prefix=WINDOWS
// RUN: mk-opt %s --mk-build-kernels=windows=false | FileCheck %s --check-prefix=OPCODES

// WINDOWS-NOT: mk.kernel @mk_opcode
// WINDOWS: mk.kernel @mk_window_pair
// OPCODES: mk.kernel @mk_opcode_set
// OPCODES-NOT: mk.kernel @mk_window

// In lane scope columns are read once; words of an instance stand at start + item * step. Handles are not checked again.
// CHECK-LABEL: mk.kernel @mk_opcode_set scope(lane)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64,
// CHECK: %[[TABLE:.*]] = mk.view %[[INPUT]]
// CHECK-COUNT-6: memref.load %[[TABLE]]
// CHECK: mk.distribute (%[[ITEM:.*]]) to
// CHECK: %[[NUMBER:.*]] = arith.index_castui %[[ITEM]]
// CHECK: arith.muli %[[NUMBER]]
// CHECK: memref.load %[[TABLE]]
// CHECK: mk.view
// CHECK: memref.store
// Nothing in the body can fault, so nothing is reported.
// CHECK-NOT: mk.task
// CHECK-NOT: memref.atomic_rmw
mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}

// In block scope an item reads what it needs: what is kept from one to the next takes registers.
// CHECK-LABEL: mk.kernel @mk_opcode_by_block scope(block)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64,
// CHECK: %[[TABLE:.*]] = mk.view %[[INPUT]]
// CHECK-NOT: memref.load
// CHECK: mk.distribute
// CHECK-COUNT-2: memref.load %[[TABLE]]
mk.opcode @by_block code(65) scope(block) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  memref.store %one, %m[%c0] : memref<?xi32>
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
