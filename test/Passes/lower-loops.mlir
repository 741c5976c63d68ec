// How loops are spread over the threads of a CTA: several iterations at once, so that a thread waits for the loads of all
// of them together.

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu=chip=sm_90 --canonicalize --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu=chip=sm_86 --split-input-file | FileCheck %s --check-prefix=SMALL

// A thread has the iterations of its lanes, 256 apart. Four load before the first stores, and the rest follow one by one;
// nobody unrolls that again. A kernel that waits for memory wants as many threads as an SM can have.
// CHECK-LABEL: gpu.func @mk_opcode_copy
// CHECK-SAME: nvvm.maxntid = array<i32: 256>, nvvm.minctasm = 8 : i32
// SMALL-LABEL: gpu.func @mk_opcode_copy
// SMALL-SAME: nvvm.minctasm = 6 : i32
// CHECK: scf.for %[[LANE:.*]] = %thread_id_x{{.*}} to %c256{{.*}} step %block_dim
// CHECK: scf.for %[[I0:.*]] = %{{.*}} to %[[END:.*]] step
// CHECK: %[[I1:.*]] = arith.addi %[[I0]], %c256
// CHECK: %[[I2:.*]] = arith.addi %[[I0]], %c512
// CHECK: %[[I3:.*]] = arith.addi %[[I0]], %c768
// CHECK: %[[V0:.*]] = memref.load %{{.*}}[%[[I0]]]
// CHECK: memref.load %{{.*}}[%[[I1]]]
// CHECK: memref.load %{{.*}}[%[[I2]]]
// CHECK: memref.load %{{.*}}[%[[I3]]]
// CHECK: memref.store %[[V0]], %{{.*}}[%[[I0]]]
// CHECK-COUNT-3: memref.store
// CHECK: } {loop_annotation = #[[ROLLED:.*]]}
// CHECK: scf.for %[[I:.*]] = %[[END]] to
// CHECK: memref.load %{{.*}}[%[[I]]]
// CHECK: memref.store
// CHECK: } {loop_annotation = #[[ROLLED]]}
mk.opcode @copy code(64) scope(block) (%x: memref<?xi8>, %z: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xi8>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : memref<?xi8>
    memref.store %v, %z[%i] : memref<?xi8>
  }
  mk.return
}

// -----

// A branch keeps iterations apart.
// CHECK-LABEL: gpu.func @mk_opcode_branch
// CHECK: memref.load {{.*}} : memref<?xi8>
// CHECK-NOT: memref.load {{.*}} : memref<?xi8>
// CHECK: scf.if
// CHECK-NOT: loop_annotation
// CHECK: gpu.return
mk.opcode @branch code(64) scope(block) (%x: memref<?xi8>, %z: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i8
  %n = memref.dim %z, %c0 : memref<?xi8>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : memref<?xi8>
    %p = arith.cmpi ne, %v, %zero : i8
    scf.if %p {
      memref.store %v, %z[%i] : memref<?xi8>
    }
  }
  mk.return
}

// -----

// What a sequential loop loads at its index comes for eight iterations at once; what depends on the iteration before,
// after that.
// CHECK-LABEL: gpu.func @mk_opcode_walk
// CHECK: %[[MOST:.*]] = scf.for %{{.*}} iter_args(%[[S:.*]] = %{{.*}}) -> (i8)
// CHECK-COUNT-8: memref.load %[[TEXT:.*]][
// CHECK: arith.addi %[[S]]
// CHECK: memref.load
// CHECK: } {loop_annotation
// CHECK: scf.for %{{.*}} iter_args(%{{.*}} = %[[MOST]]) -> (i8)
mk.opcode @walk code(64) scope(lane) (%text: memref<?xi8>, %table: memref<?xi8>, %out: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %start = arith.constant 0 : i8
  %n = memref.dim %text, %c0 : memref<?xi8>
  %end = scf.for %i = %c0 to %n step %c1 iter_args(%state = %start) -> (i8) {
    %v = memref.load %text[%i] : memref<?xi8>
    %s = arith.addi %state, %v : i8
    %at = arith.index_castui %s : i8 to index
    %next = memref.load %table[%at] : memref<?xi8>
    scf.yield %next : i8
  }
  memref.store %end, %out[%c0] : memref<?xi8>
  mk.return
}

// -----

// A loop that writes might write what it loads.
// CHECK-LABEL: gpu.func @mk_opcode_smear
// CHECK-NOT: loop_annotation
// CHECK: gpu.return
mk.opcode @smear code(64) scope(lane) (%x: memref<?xi8>, %z: memref<?xi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xi8>
  scf.for %i = %c0 to %n step %c1 {
    %v = memref.load %x[%i] : memref<?xi8>
    memref.store %v, %z[%i] : memref<?xi8>
  }
  mk.return
}
