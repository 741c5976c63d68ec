// Local memory and atomics of kernels.

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu --split-input-file | FileCheck %s --check-prefix=GPU
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-host --split-input-file | FileCheck %s --check-prefix=HOST

// Outside scf.parallel, local memory belongs to the worker: threads of a CTA share it. Inside, each thread has its own,
// taken once. Pieces begin at multiples of 16 bytes.
// GPU-LABEL: gpu.func @mk_opcode_local
// GPU-SAME: workgroup(%[[POOL:[a-z0-9]*]] : memref<144xi8, #gpu.address_space<workgroup>> {llvm.align = 16 : i64}
// GPU: memref.alloca() : memref<2xf32>
// GPU: scf.for
// GPU: memref.view %[[POOL]][%{{.*}}][] : {{.*}} to memref<3xi8, #gpu.address_space<workgroup>>
// GPU: memref.view %[[POOL]][%{{.*}}][] : {{.*}} to memref<32xf32, #gpu.address_space<workgroup>>
// GPU: %[[SHARED:.*]] = memref.memory_space_cast %{{.*}} to memref<32xf32>
// GPU-NOT: memref.alloca
// HOST-LABEL: func.func @mk_opcode_local
// HOST-COUNT-3: memref.alloca
// HOST: scf.for
// HOST-NOT: memref.alloca
mk.opcode @local code(64) scope(block) (%x: memref<?xf32>, %b: i8) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  %bytes = memref.alloca() : memref<3xi8>
  %shared = memref.alloca() : memref<32xf32>
  memref.store %b, %bytes[%c0] : memref<3xi8>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %own = memref.alloca() : memref<2xf32>
    %v = memref.load %shared[%c1] : memref<32xf32>
    memref.store %v, %own[%c1] : memref<2xf32>
    %w = memref.load %own[%c1] : memref<2xf32>
    memref.store %w, %x[%i] : memref<?xf32>
  }
  mk.return
}

// -----

// An atomic of the whole block happens once; all threads get its result through shared memory.
// GPU-LABEL: gpu.func @mk_opcode_ticket
// GPU-SAME: workgroup(%[[CELL:[a-z0-9]*]] : memref<1xi32, #gpu.address_space<workgroup>>
// GPU: gpu.barrier
// GPU: scf.if
// GPU: %[[OLD:.*]] = memref.atomic_rmw addi
// GPU: memref.store %[[OLD]], %[[CELL]]
// GPU: gpu.barrier
// GPU: %[[MINE:.*]] = memref.load %[[CELL]]
// GPU: arith.index_castui %[[MINE]]
// HOST-LABEL: func.func @mk_opcode_ticket
// HOST: %[[OLD:.*]] = memref.atomic_rmw addi
// HOST-NEXT: arith.index_castui %[[OLD]]
mk.opcode @ticket code(64) scope(block) (%m: memref<?xi32>, %one: i32) {
  %c0 = arith.constant 0 : index
  %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  %at = arith.index_castui %old : i32 to index
  memref.store %one, %m[%at] : memref<?xi32>
  mk.return
}

// -----

// There is no instruction for a product, nor a compare-and-swap of floats: a loop over the bits.
// GPU-LABEL: gpu.func @mk_opcode_product
// GPU: llvm.load %{{.*}} atomic monotonic
// GPU: scf.while
// GPU: %[[FLOAT:.*]] = arith.bitcast %{{.*}} : i32 to f32
// GPU: %[[P:.*]] = arith.mulf %[[FLOAT]]
// GPU: %[[BITS:.*]] = arith.bitcast %[[P]] : f32 to i32
// GPU: llvm.cmpxchg %{{.*}}, %{{.*}}, %[[BITS]]
// HOST-LABEL: func.func @mk_opcode_product
// HOST: llvm.cmpxchg
mk.opcode @product code(64) scope(lane) (%m: memref<?xf32>, %v: f32) {
  %c0 = arith.constant 0 : index
  %old = memref.atomic_rmw mulf %v, %m[%c0] : (f32, memref<?xf32>) -> f32
  mk.return
}

// -----

// Arrays of a body live together, also in the cases of a switch of its own; only the arms of an interpreter share.
// GPU-LABEL: gpu.func @mk_opcode_cases
// GPU-SAME: memref<512xi8, #gpu.address_space<workgroup>>
mk.opcode @cases code(64) scope(block) (%x: memref<?xi32>, %i: index, %k: i32) {
  %c0 = arith.constant 0 : index
  %a = memref.alloca() : memref<64xi32>
  memref.store %k, %a[%c0] : memref<64xi32>
  scf.index_switch %i
  case 1 {
    %b = memref.alloca() : memref<64xi32>
    memref.store %k, %b[%c0] : memref<64xi32>
    scf.yield
  }
  default {
  }
  %v = memref.load %a[%c0] : memref<64xi32>
  memref.store %v, %x[%c0] : memref<?xi32>
  mk.return
}

// -----

// Vectors are written once too, and a loop that writes waits for those who load them.
// GPU-LABEL: gpu.func @mk_opcode_vectors
// GPU: vector.load
// GPU: gpu.barrier
// GPU: scf.if
// GPU: vector.store
// The barrier of the write is that of the loop.
// GPU: gpu.barrier
// GPU-NOT: gpu.barrier
// GPU: %thread_id
// GPU: scf.for
mk.opcode @vectors code(64) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  %v = vector.load %x[%c0] : memref<?xf32>, vector<4xf32>
  %w = arith.addf %v, %v : vector<4xf32>
  vector.store %w, %x[%c0] : memref<?xf32>, vector<4xf32>
  %s = vector.extract %v[1] : f32 from vector<4xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %s, %x[%i] : memref<?xf32>
  }
  mk.return
}
