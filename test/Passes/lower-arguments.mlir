// How the argument words of work items are loaded.

// RUN: mk-opt %s --mk-build-kernels --canonicalize --convert-mk-to-gpu --canonicalize --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-host --split-input-file | FileCheck %s --check-prefix=HOST

// In lane scope columns are read once; words of an instance stand at start + item * step. A word that nobody wants is not
// loaded.
// CHECK-LABEL: gpu.func @mk_opcode_set
// CHECK-COUNT-4: llvm.load
// CHECK-NOT: llvm.load
// CHECK: scf.for unsigned %[[ITEM:.*]] =
// CHECK: arith.muli %[[ITEM]]
// CHECK-COUNT-4: llvm.load
// CHECK-NOT: llvm.load
// CHECK: memref.store
// HOST-LABEL: func.func @mk_opcode_set
// HOST-COUNT-4: llvm.load {{.*}} -> i32
// HOST: scf.for
mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %unused: i32, %v: i32) {
  %c0 = arith.constant 0 : index
  memref.store %v, %m[%c0] : memref<?xi32>
  mk.return
}

// -----

// A team has the words twice in shared memory. Each of its first threads loads one word, and the row of the buffer that it
// names: before the first item that of the first, and then that of the next, which it leaves when the work is done. On the
// host a worker has few items, and each reads what it needs.
// CHECK-LABEL: gpu.func @mk_opcode_by_block
// CHECK-SAME: workgroup(%[[WORDS:[a-z0-9]*]] : memref<16xi32, #gpu.address_space<workgroup>>
// CHECK-SAME: %[[ROWS:[a-z0-9]*]] : memref<16xi64, #gpu.address_space<workgroup>>
// CHECK: %[[HASWORD:.*]] = arith.cmpi ult, %thread_id_x{{.*}}, %c2
// CHECK: %[[FIRST:.*]] = arith.andi %{{.*}}, %[[HASWORD]]
// CHECK: scf.if %[[FIRST]]
// CHECK-COUNT-3: memref.store %{{.*}}, %[[WORDS]]
// CHECK: scf.if
// CHECK-COUNT-2: memref.store %{{.*}}, %[[ROWS]]
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK: %[[NOW:.*]] = memref.load %[[SET:.*]][]
// CHECK: vector.load %[[WORDS]]{{.*}}vector<4xi32>
// CHECK: vector.load %[[ROWS]]{{.*}}vector<2xi64>
// CHECK: %[[NEXT:.*]] = arith.andi %{{.*}}, %[[HASWORD]]
// CHECK: %[[AHEAD:.*]] = scf.if %[[NEXT]] -> (i32)
// CHECK: memref.store %{{.*}} : memref<?xi32>
// CHECK: %[[OTHER:.*]] = arith.subi %c1{{.*}}, %[[NOW]]
// CHECK: scf.if %[[NEXT]]
// CHECK: memref.store %[[AHEAD]], %[[WORDS]]
// CHECK: memref.store %[[OTHER]], %[[SET]][]
// One barrier ends the item.
// CHECK: gpu.barrier
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return
// HOST-LABEL: func.func @mk_opcode_by_block
// HOST-NOT: llvm.load {{.*}} -> i32
// HOST: scf.for
// HOST-COUNT-7: llvm.load
mk.opcode @by_block code(65) scope(block) (%m: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %m, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %m[%i] : memref<?xi32>
  }
  mk.return
}

// -----

// Where there are no words, nothing is fetched.
// CHECK-LABEL: gpu.func @mk_opcode_nothing
// CHECK-NOT: workgroup
// CHECK: gpu.return
// HOST-LABEL: func.func @mk_opcode_nothing
mk.opcode @nothing code(66) scope(block) () {
  mk.return
}
