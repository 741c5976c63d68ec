// scf.parallel with results: the order of a reduction is that of its scope, whatever the target (passes/LowerLoops.cpp).

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu --split-input-file | FileCheck %s --check-prefix=GPU
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-host --split-input-file | FileCheck %s --check-prefix=HOST

// In block scope: 256 lanes. On the GPU a thread keeps the sum of a lane in a register, and loads for four rows at once;
// the sums of the lanes meet in the registers of a warp. They have two places, used in turn. On the host the lanes of a row
// stand side by side.
// GPU-LABEL: gpu.func @mk_opcode_sum
// GPU-SAME: workgroup(%[[P:[a-z0-9]*]] : memref<512xf32, #gpu.address_space<workgroup>>
// GPU-NOT: memref<1xf32
// GPU: %[[BEGIN:.*]] = arith.muli %{{.*}}, %c256
// The first four rows, if there are so many.
// GPU: scf.for unsigned %[[WORD:.*]] = %
// GPU: %[[LANE:.*]] = arith.index_castui %[[WORD]]
// GPU: %[[FIRST:.*]]:2 = scf.if
// GPU: %[[V0:.*]] = memref.load
// GPU: %[[V1:.*]] = memref.load
// GPU: %[[V2:.*]] = memref.load
// GPU: %[[V3:.*]] = memref.load
// GPU: %[[S1:.*]] = arith.addf %[[V0]], %[[V1]]
// GPU: %[[S2:.*]] = arith.addf %[[S1]], %[[V2]]
// GPU: %[[S3:.*]] = arith.addf %[[S2]], %[[V3]]
// GPU: scf.yield %[[S3]]
// GPU: } else {
// GPU: %[[ONE:.*]] = memref.load
// GPU: scf.yield %[[ONE]]
// Then as many more as there are, ...
// GPU: %[[MOST:.*]] = scf.for %{{.*}} iter_args(%[[ACC:.*]] = %[[FIRST]]#0)
// GPU-COUNT-4: memref.load
// GPU: arith.addf %[[ACC]]
// GPU-COUNT-3: arith.addf
// ... and what is left.
// GPU: %[[SUM:.*]] = scf.for %{{.*}} iter_args(%[[ACC2:.*]] = %[[MOST]])
// GPU: memref.load
// GPU: arith.addf %[[ACC2]]
// GPU: %[[PLACE:.*]] = arith.addi %[[BEGIN]], %[[LANE]]
// GPU: memref.store %[[SUM]], %[[P]][%[[PLACE]]]
// GPU: gpu.barrier
// GPU-COUNT-8: memref.load %[[P]]
// Lanes 128, 64 and 32 apart in registers, the others through shuffles.
// GPU-COUNT-7: scf.if
// GPU-COUNT-5: gpu.shuffle down
// Only the first thread wants the sum: it needs no shared memory, and the write waits for nothing.
// GPU-NOT: gpu.barrier
// GPU: scf.if
// GPU-NEXT: arith.addf
// GPU-NOT: gpu.barrier
// GPU: memref.store
// GPU: gpu.return
// HOST-LABEL: func.func @mk_opcode_sum
// HOST: %[[P:.*]] = memref.alloca() : memref<256xf32>
// HOST: arith.minsi
// HOST: scf.for %[[FIRST:.*]] = %
// HOST: memref.store %{{.*}}, %[[P]][%[[FIRST]]]
// HOST: scf.for %[[ROW:.*]] =
// HOST: scf.for %[[LANE:.*]] =
// HOST: arith.addi %[[ROW]], %[[LANE]]
// HOST: %[[OLD:.*]] = memref.load %[[P]][%[[LANE]]]
// HOST: %[[NEW:.*]] = arith.addf %[[OLD]]
// HOST: memref.store %[[NEW]], %[[P]][%[[LANE]]]
// HOST: scf.for
// HOST: arith.shrui
mk.opcode @sum code(64) scope(block) (%x: memref<?xf32>, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %v = memref.load %x[%i] : memref<?xf32>
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %sum, %out[%c0] : memref<?xf32>
  mk.return
}

// -----

// In lane scope, and inside another loop: in ascending order.
// GPU-LABEL: gpu.func @mk_opcode_lane_sum
// GPU-NOT: gpu.barrier
// GPU: scf.for %{{.*}} iter_args(%[[ACC:.*]] = %{{.*}}) -> (f32)
// GPU: %[[V:.*]] = memref.load
// GPU: arith.addf %[[ACC]], %[[V]]
// HOST-LABEL: func.func @mk_opcode_lane_sum
// HOST: scf.for %{{.*}} iter_args(%[[ACC:.*]] = %{{.*}}) -> (f32)
// HOST: %[[V:.*]] = memref.load
// HOST: arith.addf %[[ACC]], %[[V]]
mk.opcode @lane_sum code(64) scope(lane) (%x: memref<?xf32>, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %v = memref.load %x[%i] : memref<?xf32>
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %sum, %out[%c0] : memref<?xf32>
  mk.return
}

// -----

// What all threads want goes through shared memory. With a known number of iterations the first rows need no test, none are
// left, and more are loaded at once.
// GPU-LABEL: gpu.func @mk_opcode_scaled
// GPU-SAME: %[[P:[a-z0-9]*]] : memref<512xf32, #gpu.address_space<workgroup>>
// GPU-SAME: %[[TOTAL:[a-z0-9]*]] : memref<1xf32, #gpu.address_space<workgroup>>
// GPU-COUNT-2: scf.for unsigned
// GPU-NOT: scf.if
// GPU-COUNT-8: memref.load
// GPU: scf.for unsigned %{{.*}} : i32
// GPU-COUNT-8: memref.load
// GPU-NOT: scf.for
// GPU: memref.store %{{.*}}, %[[P]]
// GPU: gpu.barrier
// GPU: memref.store %{{.*}}, %[[TOTAL]]
// GPU: gpu.barrier
// GPU: %[[LANE0:.*]] = memref.load %[[TOTAL]]
// GPU: scf.if
// GPU-NEXT: arith.addf %{{.*}}, %[[LANE0]]
// HOST-LABEL: func.func @mk_opcode_scaled
mk.opcode @scaled code(64) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.constant 4096 : index
  %zero = arith.constant 0.0 : f32
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %v = memref.load %x[%i] : memref<?xf32>
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %sum, %x[%i] : memref<?xf32>
  }
  mk.return
}
