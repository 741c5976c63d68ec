// The examples in the descriptions of the operations and attributes; test/Lint/operations.test says which are missing.

// RUN: mk-opt %s --verify-roundtrip | FileCheck %s
// RUN: mk-opt %s --mlir-print-op-generic | mk-opt | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @add code(66) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  mk.return
}
mk.opcode @relu code(67) scope(block) (%x: !vf, %z: !vf) {
  mk.return
}

// CHECK-LABEL: mk.opcode @mix
mk.opcode @mix code(65) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32) {
  %old = memref.load %out[%i] : memref<?xi32>
  %new = arith.xori %old, %x : i32
  memref.store %new, %out[%i] : memref<?xi32>
  mk.return
}

// CHECK-LABEL: mk.window @add_relu
mk.window @add_relu (%x: !vf, %y: !vf, %z: !vf) extents([0, 0, 0]) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
}

// CHECK-LABEL: mk.opcode @small_operations
// CHECK: mk.fault buffer_bounds detail %[[INDEX:.*]]
// CHECK: mk.emit
// CHECK: mk.memory control
// CHECK: mk.buffer
// CHECK: mk.slot_info tenant
mk.opcode @small_operations code(68) scope(lane) (%index: i32, %node: i32, %distance: i32, %handle: i32) {
  mk.fault user(7)
  mk.fault buffer_bounds detail %index
  mk.emit %node, %distance
  %control = mk.memory control : memref<?xi32>
  %table = mk.buffer %handle : memref<?xi32>
  %tenant = mk.slot_info tenant
  mk.return
}

// CHECK-LABEL: mk.kernel @nothing
mk.kernel @nothing scope(lane) (%items: i64, %input: i64, %order: i64, %buffers: i64, %bufferCount: i64,
                                %faults: i64, %faultCount: i64, %hits: i64, %hitCapacity: i64, %hitCount: i64) {
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
  }
  mk.return
}

// CHECK-LABEL: mk.kernel @serves
// CHECK: mk.serve
// CHECK: mk.complete
mk.kernel @serves scope(lane) (%epoch: i64, %lines: i64, %doorbell: i64, %buffers: i64, %bufferCount: i64,
                               %faults: i64, %statuses: i64, %state: i64, %linesLog2: i64, %age: i64) {
  mk.serve (%place, %slots) {
    %none = arith.constant -1 : i64
    mk.complete %place, %none
  }
  mk.return
}

// CHECK-LABEL: mk.kernel @kernel_operations
// CHECK: mk.distribute
// CHECK: mk.arguments
// CHECK: mk.view %{{.*}}[%{{.*}}] size
// CHECK: mk.view %{{.*}} size
// CHECK: mk.task
// CHECK: mk.raise
// CHECK: mk.single
mk.kernel @kernel_operations scope(lane) (%address: i64, %word: i64, %input: i64, %buffers: i64, %p4: i64, %p5: i64, %p6: i64,
                                          %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  %offset = arith.constant 2 : index
  %slot = arith.constant 1 : index
  %c3 = arith.constant 3 : i32
  %done = arith.constant 3 : i32
  %status = mk.view %address size %n : memref<?xi32>
  mk.distribute (%item) to %n {
    memref.store %c3, %status[%item] : memref<?xi32>
  }
  mk.distribute (%item) to %n {
    %argument:4 = mk.arguments %input, %buffers handles [1] : i32, i32, i64, i64
    %x = mk.view %address[%offset] size %n : memref<?xf32, strided<[1], offset: ?>>
    %y = mk.view %address size %n : memref<?xf32>
    %fault = mk.task {
      mk.fault user(7)
    } : i64
    %merged = mk.task {
      mk.raise %word
    } : i64
    mk.single {
      memref.store %done, %status[%slot] : memref<?xi32>
    }
    mk.single {
      mk.yield
    }
  }
  mk.return
}

// CHECK-LABEL: mk.opcode @resumable
mk.opcode @resumable code(100) scope(lane) entries(2) (%x: i64, %sum: i32, %next: i32, %data: i32) {
  mk.suspend yield at %next with %sum
  mk.suspend requeue(4) at %next with %sum
  mk.suspend wait(1) at %next with %sum
  mk.return
}

// CHECK-LABEL: module @attributes
// CHECK-SAME: mk.profile = #mk.profile<
module @attributes attributes {mk.profile =
    #mk.profile<milliseconds = 20, slots = 4100, longestQueue = 512, opcodes = {axpy = 100},
                windows = {"add(0,1,2) relu(2,2) | 0=1=2 | transient 2" = 2000}>,
  mk.examples = [
    #mk.promotion<hot_window, count = 2000, threshold = 4, rank = 0>,
    #mk.facts<constant = 2.000000e+00 : f32>,
    #mk.facts<aligned = 4, multiple = 4>
  ]} {
}
