// Every operation survives a trip through the custom, the generic and the bytecode form.

// RUN: mk-opt %s --verify-roundtrip | FileCheck %s
// RUN: mk-opt %s --mlir-print-op-generic | mk-opt | FileCheck %s
// RUN: mk-opt %s --emit-bytecode | mk-opt | FileCheck %s

!view = memref<?xf32, strided<[1], offset: ?>>

// CHECK-LABEL: mk.opcode @every_type code(8) scope(lane)
// CHECK-SAME: i1, %{{.*}}: i8, %{{.*}}: i16, %{{.*}}: i32, %{{.*}}: i64, %{{.*}}: f16, %{{.*}}: bf16, %{{.*}}: f32, %{{.*}}: f64, %{{.*}}: index)
mk.opcode @every_type code(8) scope(lane) (%a: i1, %b: i8, %c: i16, %d: i32, %e: i64, %f: f16, %g: bf16, %h: f32,
                                           %i: f64, %j: index) {
  mk.return
}

// The last user codes.
// CHECK-LABEL: mk.opcode @last code(2147483647) scope(block)
// CHECK: mk.return
mk.opcode @last code(2147483647) scope(block) (%x: memref<?xi64>, %y: memref<?xf64, strided<[1], offset: ?>>) {
  mk.return
}

// CHECK-LABEL: mk.opcode @resumable code(70) scope(block) entries(4095)
// CHECK: mk.suspend yield at %[[ENTRY:.*]] with %[[DATA:.*]]
// CHECK: mk.suspend requeue(4) at %[[ENTRY]] with %[[DATA]]
// CHECK: mk.suspend wait(65535) at %[[ENTRY]] with %[[DATA]]
mk.opcode @resumable code(70) scope(block) entries(4095) (%x: !view, %entry: i32, %data: i32) {
  mk.suspend yield at %entry with %data
  mk.suspend requeue(4) at %entry with %data
  mk.suspend wait(65535) at %entry with %data
  mk.fault user(1073741823)
  mk.return
}

// CHECK-LABEL: mk.opcode @faults code(65536) scope(lane)
// CHECK: mk.fault user(7)
// CHECK: mk.fault user(1073741823) detail %[[V:.*]]
// CHECK: mk.fault buffer_bounds detail %[[V]] issue(3)
// CHECK: mk.fault fuel
mk.opcode @faults code(65536) scope(lane) (%v: i32) {
  mk.fault user(7)
  mk.fault user(1073741823) detail %v
  mk.fault buffer_bounds detail %v issue(3)
  mk.fault fuel
  mk.return
}

// CHECK-LABEL: mk.opcode @copy code(64) scope(block)
// CHECK-SAME: attributes {mk.note = "kept"}
mk.opcode @copy code(64) scope(block) (%x: !view, %z: !view) attributes {mk.note = "kept"} {
  mk.return
}

// CHECK-LABEL: mk.window @plain
// CHECK-NEXT: mk.issue @copy(%[[X:.*]], %[[Z:.*]]) :
// CHECK-NEXT: mk.issue @copy(%[[Z]], %[[X]]) :
// CHECK-NEXT: }
mk.window @plain (%x: !view, %z: !view) {
  mk.issue @copy(%x, %z) : !view, !view
  mk.issue @copy(%z, %x) : !view, !view
}

// CHECK-LABEL: mk.window @facts
// CHECK-SAME: extents([0, 0])
mk.window @facts (%x: !view, %z: !view) extents([0, 0]) {
  mk.issue @copy(%x, %z) : !view, !view
}

// CHECK-LABEL: mk.window @code
// CHECK-SAME: extents([-1, 0]) fused(2) scope(block) {
// CHECK-NEXT: mk.fault shift issue(1)
mk.window @code (%s: f32, %z: !view) extents([-1, 0]) fused(2) scope(block) {
  mk.fault shift issue(1)
}

// CHECK-LABEL: mk.kernel @kernel scope(block)
mk.kernel @kernel scope(block) (%items: i64, %input: i64, %order: i64, %buffers: i64, %bufferCount: i64, %faults: i64,
                                %faultCount: i64, %hits: i64, %hitCapacity: i64, %hitCount: i64) {
  %n = arith.index_castui %items : i64 to index
  // CHECK: mk.distribute (%[[ITEM:.*]]) to %[[N:.*]] {
  mk.distribute (%item) to %n {
    // CHECK: %{{.*}}:5 = mk.arguments %{{.*}}, %{{.*}} handles [0] : i32, i32, i32, i64, i64
    %argument:5 = mk.arguments %input, %buffers handles [0] : i32, i32, i32, i64, i64
    // CHECK: mk.arguments %{{.*}}, %{{.*}} handles [] : i32
    %word = mk.arguments %input, %buffers handles [] : i32
    // CHECK: %[[A:.*]] = mk.view %{{.*}} size %[[N]] : memref<?xf32>
    %a = mk.view %input size %n : memref<?xf32>
    // CHECK: mk.view %{{.*}}[%[[ITEM]]] size %[[N]] : memref<?xf32, strided<[1], offset: ?>>
    %b = mk.view %input[%item] size %n : !view
    // CHECK: %[[F:.*]]:2 = mk.task {
    %f:2 = mk.task {
      // CHECK: mk.raise %{{.*}} issue(1)
      mk.raise %items issue(1)
      // CHECK: mk.raise %{{.*}}{{$}}
      mk.raise %items
    } : i64, i64
    // CHECK: mk.single {
    mk.single {
      %c0 = arith.constant 0.0 : f32
      memref.store %c0, %a[%item] : memref<?xf32>
      memref.store %c0, %b[%item] : !view
    }
  }
  mk.return
}

// CHECK-LABEL: mk.kernel @resident scope(lane)
mk.kernel @resident scope(lane) (%epoch: i64, %lines: i64, %doorbell: i64, %buffers: i64, %bufferCount: i64,
                                 %faults: i64, %statuses: i64, %state: i64, %linesLog2: i64, %age: i64) {
  // CHECK: mk.serve (%[[PLACE:.*]], %[[SLOTS:.*]]) {
  mk.serve (%place, %slots) {
    %word = memref.load %slots[%place] : memref<?xi32>
    // CHECK: mk.complete %[[PLACE]], %{{.*}}
    mk.complete %place, %state
  }
  mk.return
}

// CHECK-LABEL: mk.opcode @emits
// CHECK: mk.emit %[[A:.*]]{{$}}
// CHECK: mk.emit %[[A]], %[[B:.*]], %[[A]] issue(2)
mk.opcode @emits code(66) scope(lane) (%a: i32, %b: i32) {
  mk.emit %a
  mk.emit %a, %b, %a issue(2)
  mk.return
}

// CHECK-LABEL: mk.opcode @engine
// CHECK: mk.memory control : memref<?xi32>
// CHECK: mk.memory debug : memref<?xi32>
// CHECK: mk.buffer %{{.*}} : memref<?xf32>
// CHECK: mk.slot_info index
// CHECK: mk.slot_info tenant
mk.opcode @engine code(67) scope(lane) (%handle: i32) {
  %control = mk.memory control : memref<?xi32>
  %debug = mk.memory debug : memref<?xi32>
  %buffer = mk.buffer %handle : memref<?xf32>
  %index = mk.slot_info index
  %tenant = mk.slot_info tenant
  mk.return
}

// A terminator that is written out is the implied one.
// CHECK-LABEL: mk.kernel @yields
// CHECK: mk.single nowait {
// CHECK-NEXT: }
mk.kernel @yields scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %h: i64, %i: i64,
                               %j: i64) {
  mk.single nowait {
    mk.yield
  }
  mk.return
}
