// Code that is compiled ahead of time is where an engine looks for it: the interpreters and each opcode by itself.

// REQUIRES: ptxas

// RUN: rm -rf %t
// RUN: mk-translate --mk-to-cubin --chip=sm_90 %s --jit-cache=%t -o %t.cubin
// RUN: mk-opt --jit-cache=%t --jit-cache-show | FileCheck %s
// CHECK: code-cache.mlir.tmp: 4 files, {{[0-9]+}} KiB of 256 MiB
// CHECK-DAG: {{^[0-9-]+ [0-9:]+  [0-9]+ +cubin +}}mk_interpreter_lane kind=interpreter scope=lane isa=<{{[0-9]+}} bytes>{{.*}} chip=sm_90
// CHECK-DAG: mk_interpreter_block kind=interpreter scope=block
// CHECK-DAG: mk_opcode_set kind=opcode
// CHECK-DAG: mk_opcode_copy kind=opcode

// Nothing is compiled twice, another GPU is another key.
// RUN: mk-translate --mk-to-cubin --chip=sm_90 %s --jit-cache=%t -o %t.again.cubin
// RUN: cmp %t.cubin %t.again.cubin
// RUN: mk-opt --jit-cache=%t --jit-cache-show | FileCheck %s
// RUN: env MK_CACHE_DIR=%t mk-translate --mk-to-cubin --chip=sm_80 --kernels=opcodes %s -o %t.cubin
// RUN: mk-opt --jit-cache=%t --jit-cache-show | FileCheck %s --check-prefix=BOTH
// BOTH: 6 files
// RUN: mk-opt --jit-cache=%t --jit-cache-clear | FileCheck %s --check-prefix=CLEAR
// CLEAR: 6 files removed
// RUN: mk-translate --mk-to-cubin %s --jit-cache=off -o %t.cubin
// RUN: mk-opt --jit-cache=%t --jit-cache-show | FileCheck %s --check-prefix=NONE
// NONE: 0 files

// A cache that cannot be used is no error.
// RUN: mk-translate --mk-to-cubin %s --jit-cache=%s -o %t.cubin 2>&1 | FileCheck %s --check-prefix=UNUSABLE
// UNUSABLE: code-cache.mlir:{{.*}} warning: code cache: '{{.*}}code-cache.mlir' cannot be used as a folder

mk.opcode @set code(64) scope(lane) (%x: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %x[%i] : memref<?xi32>
  mk.return
}
mk.opcode @copy code(65) scope(block) (%x: memref<?xf32>, %y: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : memref<?xf32>
    memref.store %v, %y[%i] : memref<?xf32>
  }
  mk.return
}
