// Local memory that all work items of a team fill alike is filled once.

// RUN: mk-opt %s --mk-fuse-windows --mk-guard --mk-build-kernels --canonicalize --convert-mk-to-gpu --canonicalize --split-input-file | FileCheck %s

!vi = memref<?xi32, strided<[1], offset: ?>>

// The fill depends on the first three words: where their columns have a step, instances have tables of their own. It is
// done for the first item, for all if tables differ, and again where it may have raised a fault. What only it needs is read
// in its branch.
// CHECK-LABEL: gpu.func @mk_opcode_kept
// CHECK: %[[NEEDED:.*]] = memref.alloca() : memref<i1>
// CHECK: llvm.getelementptr {{.*}}[4]
// CHECK: %[[STEP0:.*]] = llvm.load
// CHECK: llvm.getelementptr {{.*}}[8]
// CHECK: %[[STEP1:.*]] = llvm.load
// CHECK: %[[STEPS01:.*]] = arith.ori %[[STEP0]], %[[STEP1]]
// CHECK: llvm.getelementptr {{.*}}[16]
// CHECK: %[[STEP2:.*]] = llvm.load
// CHECK: %[[STEPS:.*]] = arith.ori %[[STEPS01]], %[[STEP2]]
// CHECK-NEXT: %[[VARIES:.*]] = arith.cmpi ne, %[[STEPS]], %c0
// CHECK-NEXT: memref.store %true, %[[NEEDED]][]
// CHECK: scf.for
// CHECK: %[[NOW:.*]] = memref.load %[[NEEDED]][]
// CHECK: memref.store %[[VARIES]], %[[NEEDED]][]
// CHECK-NOT: vector.load
// CHECK: scf.if %[[NOW]] {
// CHECK-COUNT-3: vector.load {{.*}} {alignment = 16 : i64, mk.settled}
// CHECK: scf.if
// CHECK-NOT: memref.store {{.*}}, %[[NEEDED]]
// CHECK: memref.store {{.*}} : memref<256xi32>
// CHECK: gpu.barrier
// CHECK: } else {
// CHECK: memref.store %true, %[[NEEDED]][]
// CHECK: memref.atomic_rmw minu
// CHECK: memref.store {{.*}} : memref<256xi32>
// CHECK: gpu.barrier
// CHECK: vector.load {{.*}} {alignment = 16 : i64, mk.settled}
// CHECK: memref.load {{.*}} : memref<256xi32>
mk.opcode @kept code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// Of two fills the first clears the memory and the second reads that. What cannot fault has no task; that arguments of a
// window do not overlap is said by an operation on all of them.
// CHECK-LABEL: gpu.func @mk_window_kept
// CHECK: %[[NEEDED:.*]] = memref.alloca() : memref<i1>
// CHECK: llvm.getelementptr {{.*}}[4]
// CHECK: %[[STEP:.*]] = llvm.load
// CHECK-NEXT: %[[VARIES:.*]] = arith.cmpi ne, %[[STEP]], %c0
// CHECK: scf.for
// CHECK: %[[NOW:.*]] = memref.load %[[NEEDED]][]
// CHECK: scf.if %[[NOW]] {
// CHECK: memref.store %c0{{.*}} : memref<256xi32>
// CHECK: gpu.barrier
// CHECK: scf.if %[[NOW]] {
// CHECK: arith.addi {{.*}} : i32
// CHECK: memref.store {{.*}} : memref<256xi32>
// CHECK: gpu.barrier
// CHECK-NOT: memref.store {{.*}}, %[[NEEDED]]
mk.window @kept (%table: memref<?xi32> {mk.facts = #mk.facts<extent = 256>}, %x: !vi {mk.facts = #mk.facts<extent = 100>}) {
  mk.issue @body(%table, %x) : memref<?xi32>, !vi
}
mk.opcode @body code(64) scope(block) (%table: memref<?xi32>, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : memref<?xi32>
    %l = memref.load %local[%k] : memref<256xi32>
    %s = arith.addi %v, %l : i32
    memref.store %s, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// A table that is as long as a buffer says depends on what that holds for this item.
// CHECK-LABEL: gpu.func @mk_opcode_of_the_item
// CHECK-NOT: memref<i1>
mk.opcode @of_the_item code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  %length = memref.load %x[%c0] : !vi
  %count = arith.index_castui %length : i32 to index
  scf.parallel (%k) = (%c0) to (%count) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// What is not a fill writes the memory, too.
// CHECK-LABEL: gpu.func @mk_opcode_written_too
// CHECK-NOT: memref<i1>
mk.opcode @written_too code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n0 = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n0) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %old = memref.atomic_rmw addi %v, %local[%at] : (i32, memref<256xi32>) -> i32
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// A buffer that was written before may be the table.
// CHECK-LABEL: gpu.func @mk_opcode_behind_a_write
// CHECK-NOT: memref<i1>
mk.opcode @behind_a_write code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  memref.store %mask, %x[%c0] : !vi
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// A buffer that is read before may be the table: an item would find in it what came after what it finds in the memory.
// CHECK-LABEL: gpu.func @mk_opcode_behind_a_read
// CHECK-NOT: memref<i1>
mk.opcode @behind_a_read code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  %first = memref.load %x[%c0] : !vi
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %w = memref.load %x[%k] : !vi
    %v = arith.addi %w, %first : i32
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %u = memref.load %local[%at] : memref<256xi32>
    memref.store %u, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// Threads might load different values, and then disagree about the branch.
// CHECK-LABEL: gpu.func @mk_opcode_uniform_load
// CHECK-NOT: memref<i1>
mk.opcode @uniform_load code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %local = memref.alloca() : memref<256xi32>
  scf.for %r = %c0 to %size step %c1 {
    %v = memref.load %table[%r] : !vi
    %isOdd = arith.trunci %v : i32 to i1
    scf.if %isOdd {
      scf.parallel (%k) = (%c0) to (%size) step (%c1) {
        memref.store %v, %local[%k] : memref<256xi32>
      }
    }
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %w = memref.load %local[%c1] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// What a fill left is looked at before the next: with both in the memory, another item would see something else.
// CHECK-LABEL: gpu.func @mk_opcode_looked_at
// CHECK-NOT: memref<i1>
mk.opcode @looked_at code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  %early = memref.load %local[%c1] : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  memref.store %early, %x[%c0] : !vi
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}

// -----

!vi = memref<?xi32, strided<[1], offset: ?>>

// The loop writes a buffer, which it must for each item.
// CHECK-LABEL: gpu.func @mk_opcode_more_than_a_fill
// CHECK-NOT: memref<i1>
mk.opcode @more_than_a_fill code(64) scope(block) (%table: !vi, %x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
    memref.store %mask, %table[%k] : !vi
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %x[%k] : !vi
  }
  mk.return
}
