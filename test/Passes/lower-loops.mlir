// How loops are spread over the threads of a CTA: several iterations at once, so that a thread waits for the loads of all
// of them together.

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu=chip=sm_90 --canonicalize --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu=chip=sm_86 --split-input-file | FileCheck %s --check-prefix=SMALL

// A thread has the iterations of its lanes, 256 apart. Four load before the first stores, and the rest follow one by one;
// nobody unrolls that again. A lane is a word, but the numbers of iterations are not, since a buffer may have any size. A
// kernel that waits for memory wants as many threads as an SM can have.
// CHECK-LABEL: gpu.func @mk_opcode_copy
// CHECK-SAME: nvvm.maxntid = array<i32: 256>, nvvm.minctasm = 8 : i32
// SMALL-LABEL: gpu.func @mk_opcode_copy
// SMALL-SAME: nvvm.minctasm = 6 : i32
// CHECK: scf.for unsigned %[[WORD:.*]] = %{{.*}} to %c256_i32 step %{{.*}} : i32
// CHECK: %[[LANE:.*]] = arith.index_castui %[[WORD]]
// CHECK: scf.for %[[NUMBER:.*]] = %c0{{.*}} to %[[GROUPED:.*]] step %c4{{[^:]*$}}
// CHECK: %[[DISTANCE:.*]] = arith.muli %[[NUMBER]], %c256
// CHECK: %[[I0:.*]] = arith.addi %[[LANE]], %[[DISTANCE]]
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
// CHECK: scf.for %[[NUMBER:.*]] = %[[GROUPED]] to %{{.*}} step %c1
// CHECK: %[[DISTANCE:.*]] = arith.muli %[[NUMBER]], %c256
// CHECK: %[[I:.*]] = arith.addi %[[LANE]], %[[DISTANCE]]
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

// -----

// The size of a view is a word: iterations are numbered in 32 bits, which no bound makes wrap around, and only places are
// computed with 64. Numbers of strides, of groups and of what is left have no sign.
// CHECK-LABEL: gpu.func @mk_opcode_columns
// CHECK: scf.for unsigned %[[BEGIN:.*]] = %{{.*}} to %c256_i32
// CHECK: %[[MOST:.*]] = arith.maxui %[[BEGIN]], %{{.*}} : i32
// CHECK: %[[SPAN:.*]] = arith.subi %[[MOST]], %[[BEGIN]] : i32
// CHECK: %[[TRIPS:.*]] = arith.ceildivui %[[SPAN]], %c256_i32 : i32
// CHECK: %[[LEFT:.*]] = arith.remui %[[TRIPS]], %c8_i32 : i32
// CHECK: %[[GROUPED:.*]] = arith.subi %[[TRIPS]], %[[LEFT]] : i32
// CHECK: scf.for unsigned %[[NUMBER:.*]] = %c0_i32 to %[[GROUPED]] step %c8_i32
// CHECK: %[[DISTANCE:.*]] = arith.muli %[[NUMBER]], %c256_i32 : i32
// CHECK: %[[WORD:.*]] = arith.addi %[[BEGIN]], %[[DISTANCE]] : i32
// CHECK: %[[PLACE:.*]] = arith.index_castui %[[WORD]] : i32 to index
// CHECK: arith.addi %[[PLACE]], %c256 : index
// CHECK: scf.for unsigned %{{.*}} = %[[GROUPED]] to %[[TRIPS]] step %c1_i32
mk.opcode @columns code(64) scope(block) (%text: memref<?xi8, strided<[1], offset: ?>>,
                                          %out: memref<?xi8, strided<[1], offset: ?>>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %start = arith.constant 0 : i8
  %n = memref.dim %text, %c0 : memref<?xi8, strided<[1], offset: ?>>
  scf.parallel (%s) = (%c0) to (%c256) step (%c1) {
    %end = scf.for %i = %s to %n step %c256 iter_args(%state = %start) -> (i8) {
      %v = memref.load %text[%i] : memref<?xi8, strided<[1], offset: ?>>
      %next = arith.addi %state, %v : i8
      scf.yield %next : i8
    }
    memref.store %end, %out[%s] : memref<?xi8, strided<[1], offset: ?>>
  }
  mk.return
}

// -----

// Wherever such a loop begins, it has sixteen iterations: none are left behind two groups. It had fifteen or sixteen if it
// were an element shorter.
// CHECK-LABEL: gpu.func @mk_opcode_fixed
// CHECK-NOT: arith.ceildivui
// CHECK: scf.for unsigned %{{.*}} = %c0_i32 to %c16_i32 step %c8_i32
// CHECK-COUNT-8: memref.load
// CHECK-NOT: memref.load
// CHECK: memref.store
// CHECK-LABEL: gpu.func @mk_opcode_not_fixed
// CHECK: arith.ceildivui
// CHECK-COUNT-9: memref.load
mk.opcode @fixed code(64) scope(block) (%text: memref<?xi8, strided<[1], offset: ?>>,
                                        %out: memref<?xi8, strided<[1], offset: ?>>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %n = arith.constant 4096 : index
  %start = arith.constant 0 : i8
  scf.parallel (%s) = (%c0) to (%c256) step (%c1) {
    %end = scf.for %i = %s to %n step %c256 iter_args(%state = %start) -> (i8) {
      %v = memref.load %text[%i] : memref<?xi8, strided<[1], offset: ?>>
      %next = arith.addi %state, %v : i8
      scf.yield %next : i8
    }
    memref.store %end, %out[%s] : memref<?xi8, strided<[1], offset: ?>>
  }
  mk.return
}
mk.opcode @not_fixed code(65) scope(block) (%text: memref<?xi8, strided<[1], offset: ?>>,
                                            %out: memref<?xi8, strided<[1], offset: ?>>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %n = arith.constant 4095 : index
  %start = arith.constant 0 : i8
  scf.parallel (%s) = (%c0) to (%c256) step (%c1) {
    %end = scf.for %i = %s to %n step %c256 iter_args(%state = %start) -> (i8) {
      %v = memref.load %text[%i] : memref<?xi8, strided<[1], offset: ?>>
      %next = arith.addi %state, %v : i8
      scf.yield %next : i8
    }
    memref.store %end, %out[%s] : memref<?xi8, strided<[1], offset: ?>>
  }
  mk.return
}

// -----

// A loop counts in 32 bits when the addition behind the last iteration fits as well: that of 256 threads at most. A view
// may end closer to 2^32.
// CHECK-LABEL: gpu.func @mk_opcode_far
// CHECK: scf.for unsigned %{{.*}} = %{{.*}} to %{{.*}} step %{{.*}} : i32
// CHECK: scf.for unsigned %[[I:.*]] = %{{.*}} to %c-257_i32 step %{{.*}} : i32
// CHECK: arith.index_castui %[[I]] : i32 to index
// CHECK: scf.for %{{.*}} = %{{.*}} to %c4294967040 step %{{[^:]*$}}
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{[^:]*$}}
mk.opcode @far code(64) scope(block) (%x: memref<?xi8, strided<[1], offset: ?>>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i8
  %fits = arith.constant 4294967039 : index
  %wraps = arith.constant 4294967040 : index
  %n = memref.dim %x, %c0 : memref<?xi8, strided<[1], offset: ?>>
  scf.parallel (%i) = (%c0) to (%fits) step (%c1) {
    memref.store %zero, %x[%i] : memref<?xi8, strided<[1], offset: ?>>
  }
  scf.parallel (%i) = (%c0) to (%wraps) step (%c1) {
    memref.store %zero, %x[%i] : memref<?xi8, strided<[1], offset: ?>>
  }
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %zero, %x[%i] : memref<?xi8, strided<[1], offset: ?>>
  }
  mk.return
}

// -----

// A bound that may be negative, or that is computed from more than words, is none that fits.
// CHECK-LABEL: gpu.func @mk_opcode_signed
// CHECK: scf.for unsigned
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %{{[^:]*$}}
mk.opcode @signed code(64) scope(block) (%x: memref<?xi8>, %n: index, %m: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i8
  %end = arith.subi %n, %m : index
  scf.parallel (%i) = (%c0) to (%end) step (%c1) {
    memref.store %zero, %x[%i] : memref<?xi8>
  }
  mk.return
}
