// scf.parallel with results: the order of a reduction is that of its scope, whatever the target (passes/LowerLoops.cpp).

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu --split-input-file | FileCheck %s --check-prefix=GPU
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-host --split-input-file | FileCheck %s --check-prefix=HOST

// In block scope: 256 lanes of four accumulators. On the GPU a thread keeps the sum of an accumulator in a register, and
// loads for four rows at once. Those of a lane meet in its first thread, the lanes in the registers of the first warp. They
// have two places, used in turn. On the host the accumulators of a row stand side by side.
// GPU-LABEL: gpu.func @mk_opcode_sum
// GPU-SAME: workgroup(%[[P:[a-z0-9]*]] : memref<512xf32, #gpu.address_space<workgroup>>
// GPU-NOT: memref<1xf32
// GPU: %[[COUNT:.*]] = arith.minsi %{{.*}}, %c1024
// GPU: %[[BEGIN:.*]] = arith.muli %{{.*}}, %c256
// Whole warps, as they exchange sums.
// GPU: %[[WARPS:.*]] = arith.ceildivui %[[COUNT]], %[[WARP:.*]] :
// GPU: %[[END:.*]] = arith.muli %[[WARPS]], %[[WARP]]
// GPU: %[[ENDWORD:.*]] = arith.index_castui %[[END]]
// GPU: scf.for unsigned %[[WORD:.*]] = %{{.*}} to %[[ENDWORD]]
// GPU: %[[TAKER:.*]] = arith.index_castui %[[WORD]]
// GPU: %[[HAS:.*]] = arith.cmpi slt, %[[TAKER]], %[[COUNT]]
// GPU: %[[SUM:.*]] = scf.if %[[HAS]]
// The first four rows, if there are so many.
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
// GPU: %[[ALL:.*]] = scf.for %{{.*}} iter_args(%[[ACC2:.*]] = %[[MOST]])
// GPU: memref.load
// GPU: arith.addf %[[ACC2]]
// GPU: scf.yield %[[ALL]]
// The first thread of four adds what the others have.
// GPU: %[[BEHIND:.*]] = arith.remui %[[TAKER]], %c4
// GPU: %[[ISFIRST:.*]] = arith.cmpi eq, %[[BEHIND]], %c0
// GPU: %[[LEFT:.*]] = arith.subi %[[COUNT]], %[[TAKER]]
// GPU: %[[FILLED:.*]] = arith.select %[[ISFIRST]], %[[LEFT]], %c0
// GPU: gpu.shuffle down %{{.*}}, %c1_
// GPU: scf.if
// GPU-NEXT: arith.addf %[[SUM]]
// GPU: gpu.shuffle down %{{.*}}, %c2_
// GPU: gpu.shuffle down %{{.*}}, %c3_
// GPU: %[[HASLANE:.*]] = arith.cmpi slt, %c0{{.*}}, %[[FILLED]]
// GPU: scf.if %[[HASLANE]]
// GPU-NEXT: %[[LANE:.*]] = arith.divui %[[TAKER]], %c4
// GPU-NEXT: %[[PLACE:.*]] = arith.addi %[[BEGIN]], %[[LANE]]
// GPU-NEXT: memref.store %{{.*}}, %[[P]][%[[PLACE]]]
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
// HOST: %[[LANES:.*]] = memref.alloca() : memref<256xf32>
// HOST: %[[ALL:.*]] = memref.alloca() : memref<1024xf32>
// HOST: arith.minsi
// HOST: scf.for %[[FIRST:.*]] = %
// HOST: memref.store %{{.*}}, %[[ALL]][%[[FIRST]]]
// HOST: scf.for %[[ROW:.*]] =
// HOST: scf.for %[[TAKER:.*]] =
// HOST: arith.addi %[[ROW]], %[[TAKER]]
// HOST: %[[OLD:.*]] = memref.load %[[ALL]][%[[TAKER]]]
// HOST: %[[NEW:.*]] = arith.addf %[[OLD]]
// HOST: memref.store %[[NEW]], %[[ALL]][%[[TAKER]]]
// HOST: scf.for %[[LANE:.*]] =
// HOST-COUNT-4: memref.load %[[ALL]]
// HOST: memref.store %{{.*}}, %[[LANES]][%[[LANE]]]
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

// What all threads want goes through shared memory. With a known number of iterations all accumulators have something, the
// first rows need no test, and none are left.
// GPU-LABEL: gpu.func @mk_opcode_scaled
// GPU-SAME: %[[P:[a-z0-9]*]] : memref<512xf32, #gpu.address_space<workgroup>>
// GPU-SAME: %[[TOTAL:[a-z0-9]*]] : memref<1xf32, #gpu.address_space<workgroup>>
// GPU-COUNT-2: scf.for unsigned
// GPU-NOT: scf.if
// GPU-COUNT-4: memref.load
// GPU: scf.for unsigned %{{.*}} : i32
// GPU-COUNT-4: memref.load
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
  %n = arith.constant 8192 : index
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

// -----

// A loop that mk-vectorize-loops has made has all accumulators of a lane: a thread combines them without the others.
// GPU-LABEL: gpu.func @mk_opcode_vectors
// GPU: arith.minsi %{{.*}}, %c256
// GPU: scf.for unsigned
// GPU: vector.load
// GPU: %[[MOST:.*]]:4 = scf.for
// GPU-COUNT-8: arith.addf
// GPU: %[[SUMS:.*]]:4 = scf.for
// GPU-COUNT-4: arith.addf
// GPU: %[[S1:.*]] = arith.addf %[[SUMS]]#0, %[[SUMS]]#1
// GPU: %[[S2:.*]] = arith.addf %[[S1]], %[[SUMS]]#2
// GPU: %[[S3:.*]] = arith.addf %[[S2]], %[[SUMS]]#3
// GPU-NOT: gpu.shuffle
// GPU: memref.store %[[S3]]
// GPU: gpu.barrier
// HOST-LABEL: func.func @mk_opcode_vectors
// HOST-COUNT-4: memref.store %{{.*}} : memref<256xf32>
// HOST: scf.for
// HOST-COUNT-4: memref.load %{{.*}} : memref<256xf32>
mk.opcode @vectors code(64) scope(block) (%x: memref<?xf32>, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  %groups = arith.divui %n, %c4 : index
  %sum:4 = scf.parallel (%i) = (%c0) to (%groups) step (%c1) init(%zero, %zero, %zero, %zero) -> (f32, f32, f32, f32) {
    %at = arith.muli %i, %c4 : index
    %v = vector.load %x[%at] : memref<?xf32>, vector<4xf32>
    %v0 = vector.extract %v[0] : f32 from vector<4xf32>
    %v1 = vector.extract %v[1] : f32 from vector<4xf32>
    %v2 = vector.extract %v[2] : f32 from vector<4xf32>
    %v3 = vector.extract %v[3] : f32 from vector<4xf32>
    scf.reduce(%v0, %v1, %v2, %v3 : f32, f32, f32, f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }, {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }, {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }, {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  } {mk.vectorized}
  memref.store %sum#0, %out[%c0] : memref<?xf32>
  mk.return
}
