// RUN: mk-opt %s --split-input-file --verify-diagnostics | mk-opt --split-input-file | FileCheck %s

// CHECK-LABEL: mk.opcode @known
// CHECK-SAME: (%[[HANDLE:.*]]: i32 {mk.optional})
// CHECK: mk.buffer %[[HANDLE]] : memref<?xf64>
mk.opcode @known code(64) scope(lane) (%handle: i32 {mk.optional}) {
  %m = mk.buffer %handle : memref<?xf64>
  mk.return
}

// -----

mk.opcode @view code(64) scope(lane) (%handle: i32) {
  // expected-error @below {{gives 'memref<?xi32, strided<[1], offset: ?>>', but a handle stands for memref<?xT> of a type that a buffer holds}}
  %m = mk.buffer %handle : memref<?xi32, strided<[1], offset: ?>>
  mk.return
}
