// RUN: mk-opt %s --convert-mk-to-gpu=chip=sm_90 | FileCheck %s

// The ISA is gone; the kernels are in one gpu.module.
// CHECK-NOT: mk.
// CHECK: module attributes {gpu.container_module}
// CHECK: gpu.module @mk_kernels [#nvvm.target<O = 3, chip = "sm_90">]
mk.opcode @one code(64) scope(lane) () {
  mk.return
}

// Lane scope: a grid-stride loop over threads; a fault word is private.
// CHECK: gpu.func @lane({{.*}}) kernel
// CHECK: memref.alloca() : memref<1xi64>
// CHECK: %[[BID:.*]] = gpu.block_id x
// CHECK: %[[GRID:.*]] = gpu.grid_dim x
// CHECK: scf.for
// A device address is a global pointer.
// CHECK: llvm.inttoptr %{{.*}} : i64 to !llvm.ptr<1>
// CHECK: llvm.addrspacecast
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return
mk.kernel @lane scope(lane) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    %fault = mk.task {
      mk.fault user(1)
    } : i64
    mk.single {
      memref.store %fault, %x[%i] : memref<?xi64>
    }
  }
  mk.return
}

// Block scope: items over CTAs, the loop over threads. The team shares the fault word; the smallest wins. It has two
// words, for alternate items, so that one barrier is enough for an item without faults.
// CHECK: gpu.func @block({{.*}}) workgroup(%[[CELLS:.*]] : memref<2xi64, #gpu.address_space<workgroup>> {{{.*}}}) kernel
// CHECK-NOT: gpu.barrier
// CHECK: memref.store %{{.*}}, %[[CELLS]]
// CHECK: memref.store %{{.*}}, %[[CELLS]]
// CHECK: gpu.barrier
// CHECK: %[[BID:.*]] = gpu.block_id x
// CHECK: %[[FIRST:.*]] = arith.index_castui %[[BID]] : index to i32
// CHECK: %[[GRID:.*]] = gpu.grid_dim x
// CHECK: %[[STEP:.*]] = arith.index_castui %[[GRID]] : index to i32
// CHECK: scf.for unsigned %{{.*}} = %[[FIRST]] to %{{.*}} step %[[STEP]]
// CHECK-NOT: gpu.barrier
// CHECK: %[[TID:.*]] = gpu.thread_id x
// CHECK: %[[DIM:.*]] = gpu.block_dim x
// CHECK: scf.for
// CHECK: memref.atomic_rmw minu %{{.*}}, %[[CELLS]]
// The loop is followed by what depends on it.
// CHECK: gpu.barrier
// Only the first thread wants the word.
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq
// CHECK: scf.if %[[IS_FIRST]]
// CHECK: %[[WORD:.*]] = memref.load %[[CELLS]]
// CHECK: arith.cmpi ne, %[[WORD]]
// CHECK: scf.if
// CHECK-NOT: gpu.barrier
// CHECK: memref.store %{{.*}}, %[[CELLS]]
// CHECK: memref.store %[[WORD]]
mk.kernel @block scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    %fault = mk.task {
      scf.parallel (%j) = (%c0) to (%n) step (%c1) {
        mk.fault user(1)
      }
    } : i64
    mk.single {
      memref.store %fault, %x[%i] : memref<?xi64>
    }
  }
  mk.return
}

// Where others want it, the first thread clears it when all have read it.
// CHECK: gpu.func @seen_by_all({{.*}}) workgroup(%[[CELLS:.*]] : memref<2xi64, #gpu.address_space<workgroup>> {{{.*}}}) kernel
// CHECK: memref.atomic_rmw minu %{{.*}}, %[[CELLS]]
// CHECK: gpu.barrier
// CHECK: %[[WORD:.*]] = memref.load %[[CELLS]]
// CHECK: arith.cmpi ne, %[[WORD]]
// CHECK: scf.if
// CHECK: gpu.barrier
// CHECK: memref.store %{{.*}}, %[[CELLS]]
// CHECK: gpu.barrier
mk.kernel @seen_by_all scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    %fault = mk.task {
      scf.parallel (%j) = (%c0) to (%n) step (%c1) {
        mk.fault user(1)
      }
    } : i64
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      memref.store %fault, %x[%j] : memref<?xi64>
    }
  }
  mk.return
}

// The last loop of an item needs no barrier; one before another does.
// CHECK: gpu.func @barriers
// CHECK: memref.store
// CHECK: gpu.barrier
// CHECK: memref.store
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return
mk.kernel @barriers scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      memref.store %items, %x[%j] : memref<?xi64>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      memref.store %input, %x[%j] : memref<?xi64>
    }
  }
  mk.return
}

// A write outside loops happens once; a loop inside a loop belongs to one thread; two dimensions become one.
// CHECK: gpu.func @shapes
// CHECK: %[[FIRST:.*]] = arith.cmpi eq
// CHECK: scf.if %[[FIRST]]
// CHECK-NEXT: memref.store
// CHECK: scf.for
// CHECK: arith.remui
// CHECK: arith.divui
// CHECK: scf.for
// CHECK: memref.store
// CHECK: gpu.return
mk.kernel @shapes scope(block) (%items: i64, %input: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %input size %n : memref<?xi64>
    memref.store %items, %x[%c0] : memref<?xi64>
    scf.parallel (%j, %k) = (%c0, %c0) to (%n, %n) step (%c1, %c1) {
      scf.parallel (%l) = (%c0) to (%n) step (%c1) {
        %p = arith.addi %j, %k : index
        %q = arith.addi %p, %l : index
        memref.store %items, %x[%q] : memref<?xi64>
      }
    }
  }
  mk.return
}
