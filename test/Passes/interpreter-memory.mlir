// The arms of an interpreter share their local memory: one of them runs.

// RUN: mk-opt %s --mk-build-interpreter --convert-mk-to-host | FileCheck %s --check-prefix=HOST
// RUN: mk-opt %s --mk-build-interpreter --convert-mk-to-gpu | FileCheck %s --check-prefix=GPU

// HOST-LABEL: func.func @mk_interpreter_block
// HOST: memref.alloca() : memref<64xi32>
// HOST-NOT: memref.alloca() : memref<64xi32>
// GPU-LABEL: gpu.func @mk_interpreter_block
// GPU-SAME: memref<256xi8, #gpu.address_space<workgroup>>
mk.opcode @a code(64) scope(block) (%x: memref<?xi32>, %i: index) {
  %a = memref.alloca() : memref<64xi32>
  %v = memref.load %a[%i] : memref<64xi32>
  memref.store %v, %x[%i] : memref<?xi32>
  mk.return
}
mk.opcode @b code(65) scope(block) (%x: memref<?xi32>, %i: index) {
  %a = memref.alloca() : memref<64xi32>
  %v = memref.load %a[%i] : memref<64xi32>
  memref.store %v, %x[%i] : memref<?xi32>
  mk.return
}
