// RUN: split-file %s %t
// RUN: mk-opt %t/isa.mlir --mk-promote=profile=%t/hot.json | FileCheck %s
// RUN: mk-opt %t/isa.mlir --mk-promote=profile=%t/hot.json --remarks-filter=mk-promote -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// The profile becomes an attribute, from which the pass decides the same again.
// RUN: mk-opt %t/isa.mlir --mk-promote=profile=%t/hot.json -o %t/once.mlir
// RUN: mk-opt %t/once.mlir --mk-promote | diff %t/once.mlir -

// CHECK: module attributes {mk.profile = #mk.profile<milliseconds = 7, slots = 900, longestQueue = 30,
// CHECK-SAME: opcodes = {rare = 3 : i64, relu = 8 : i64, report = 50 : i64, set = 9 : i64}
// CHECK-LABEL: mk.opcode @relu
// CHECK-SAME: mk.promotion = #mk.promotion<hot_opcode, count = 8, threshold = 8, rank = 3>
// CHECK-LABEL: mk.opcode @set
// CHECK-SAME: mk.promotion = #mk.promotion<hot_opcode, count = 9, threshold = 8, rank = 2>
// CHECK-LABEL: mk.opcode @rare
// CHECK-NOT: mk.promotion
// A window that does what the profile counted is marked, whatever the order of its arguments.
// CHECK-LABEL: mk.window @known
// CHECK-SAME: mk.promotion = #mk.promotion<hot_window, count = 100, threshold = 4, rank = 1>
// CHECK-LABEL: mk.window @other
// CHECK-NOT: mk.promotion
// One that does not exist is made.
// CHECK-LABEL: mk.window @hot
// CHECK-SAME: (%[[X:.*]]: memref<{{[^,]*}}, strided<[1], offset: ?>>, %[[Y:.*]]: memref<{{[^,]*}}, strided<[1], offset: ?>> {mk.transient}, %[[Z:.*]]: memref<{{[^,]*}}, strided<[1], offset: ?>>)
// CHECK-SAME: extents([0, 0, -1])
// CHECK-SAME: mk.promotion = #mk.promotion<hot_window, count = 400, threshold = 4, rank = 0>
// CHECK-NEXT: mk.issue @relu(%[[X]], %[[Y]])
// CHECK-NEXT: mk.issue @relu(%[[Y]], %[[Z]])

// REMARK: [Missed] NotPromoted | Category:mk-promote | Function=rare | Reason="count 3 is below 8", What=rare
// REMARK: [Missed] NotPromoted | Category:mk-promote | Function=report | Reason="it needs what only an interpreter can give", What=report
// REMARK: [Missed] NotPromoted | Category:mk-promote | {{.*}}Reason="count 2 is below 4", What="relu(0,0)"
// REMARK: [Passed] Promoted | Category:mk-promote | Function=hot | Count=400, Rule=hot_window, Threshold=4, What="relu(0,1) relu(1,2) | 0=1 | transient 1"

// Thresholds are those of the policy.
// RUN: mk-opt %t/isa.mlir --mk-promote='profile=%t/hot.json hot-opcode-threshold=9 hot-window-threshold=401' | FileCheck %s --check-prefix=THRESHOLDS
// THRESHOLDS-LABEL: mk.opcode @relu
// THRESHOLDS-NOT: mk.promotion
// THRESHOLDS-LABEL: mk.opcode @set
// THRESHOLDS-SAME: mk.promotion = #mk.promotion<hot_opcode, count = 9, threshold = 9, rank = 0>
// THRESHOLDS-NOT: mk.promotion

// A long queue alone promotes the most frequent opcode.
// RUN: mk-opt %t/isa.mlir --mk-promote='profile=%t/queue.json jit-queue-len-threshold=5000' --remarks-filter=mk-promote -o %t/queue.mlir 2>&1 | FileCheck %s --check-prefix=ONLY
// RUN: FileCheck %s --check-prefix=QUEUE < %t/queue.mlir
// ONLY: NotPromoted | Category:mk-promote | Function=relu | Reason="a long queue promotes the most frequent opcode alone", What=relu
// QUEUE-LABEL: mk.opcode @relu
// QUEUE-NOT: mk.promotion
// QUEUE-LABEL: mk.opcode @set
// QUEUE-SAME: mk.promotion = #mk.promotion<queue, count = 5, threshold = 5000, rank = 0>

// What is marked gets kernels, and nothing else.
// RUN: mk-opt %t/isa.mlir --mk-promote=profile=%t/hot.json --mk-lower-to-nvvm=promoted-only | FileCheck %s --check-prefix=KERNELS
// RUN: mk-opt %t/isa.mlir --mk-promote=profile=%t/hot.json --mk-lower-to-host=promoted-only | FileCheck %s --check-prefix=KERNELS
// KERNELS-NOT: @mk_opcode_rare
// KERNELS-DAG: llvm.func @mk_opcode_relu
// KERNELS-DAG: llvm.func @mk_opcode_set
// KERNELS-DAG: llvm.func @mk_window_known
// KERNELS-DAG: llvm.func @mk_window_hot
// KERNELS-NOT: @mk_window_other

//--- hot.json
{"version": 1, "milliseconds": 7, "slots": 900, "longest_queue": 30,
 "opcodes": {"relu": 8, "set": 9, "rare": 3, "report": 50},
 "windows": {"set(0,1,2) set(0,3,2)": 100, "relu(0,1) relu(1,2) | 0=1 | transient 1": 400, "relu(0,0)": 2}}
//--- queue.json
{"version": 1, "milliseconds": 7, "slots": 900, "longest_queue": 5000,
 "opcodes": {"relu": 4, "set": 5}, "windows": {}}
//--- isa.mlir
!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @relu code(64) scope(block) (%x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.maximumf %a, %zero : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @set code(65) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @rare code(66) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @report code(67) scope(lane) (%m: memref<?xi32>, %i: index) {
  %slot = mk.slot_info index
  memref.store %slot, %m[%i] : memref<?xi32>
  mk.return
}
mk.window @known (%v: i32, %i: index, %j: index, %m: memref<?xi32>) {
  mk.issue @set(%m, %i, %v) : memref<?xi32>, index, i32
  mk.issue @set(%m, %j, %v) : memref<?xi32>, index, i32
}
mk.window @other (%v: i32, %i: index, %m: memref<?xi32>) {
  mk.issue @set(%m, %i, %v) : memref<?xi32>, index, i32
  mk.issue @set(%m, %i, %v) : memref<?xi32>, index, i32
}
