// RUN: mk-opt %s --mk-build-kernels --canonicalize --cse | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels=opcodes=false | FileCheck %s --check-prefix=WINDOWS
// RUN: mk-opt %s --mk-build-kernels=windows=false | FileCheck %s --check-prefix=OPCODES

// WINDOWS-NOT: mk.kernel @mk_opcode
// WINDOWS: mk.kernel @mk_window_pair
// OPCODES: mk.kernel @mk_opcode_set
// OPCODES-NOT: mk.kernel @mk_window

// Columns are read once; words of an instance stand at start + item * step. Handles are not checked again.
// CHECK-LABEL: mk.kernel @mk_opcode_set scope(lane)
// CHECK-SAME: (%{{[^:]*}}: i64, %[[INPUT:[^:]*]]: i64,
// CHECK: %[[TABLE:.*]] = mk.view %[[INPUT]]
// CHECK-COUNT-6: memref.load %[[TABLE]]
// CHECK: mk.distribute (%[[ITEM:.*]]) to
// CHECK: %[[AT:.*]] = arith.muli %[[ITEM]]
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
