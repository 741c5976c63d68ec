// Both pipelines leave nothing behind that LLVM does not know.

// RUN: mk-opt %s --mk-lower-to-nvvm=chip=sm_90 | FileCheck %s --check-prefixes=CHECK,NVVM
// RUN: mk-opt %s --mk-lower-to-host | FileCheck %s --check-prefixes=CHECK,HOST
// RUN: mk-opt --mk-lower-to-nvvm --dump-pass-pipeline %s 2>&1 | FileCheck %s --check-prefix=DUMP

// DUMP: mk-fuse-windows
// DUMP-NEXT: mk-guard
// DUMP-NEXT: mk-build-interpreter
// DUMP-NEXT: mk-build-kernels
// DUMP: convert-mk-to-gpu{chip=sm_80}
// DUMP: mk-gpu-to-nvvm

// CHECK-NOT: unrealized_conversion_cast
// CHECK-NOT: {{(scf|memref|arith|mk|vector)\.[a-z]}}
// NVVM: llvm.func @mk_interpreter_lane({{.*}}) attributes {gpu.kernel, nvvm.kernel, nvvm.maxntid = array<i32: 256>}
// NVVM: llvm.func @mk_opcode_set
// NVVM: llvm.func @mk_window_twice
// HOST: llvm.func @mk_interpreter_lane(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64)
// HOST: llvm.func @mk_opcode_set
// HOST: llvm.func @mk_window_twice
mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.window @twice (%m: memref<?xi32>, %i: index, %j: index, %v: i32) {
  mk.issue @set(%m, %i, %v) : memref<?xi32>, index, i32
  mk.issue @set(%m, %j, %v) : memref<?xi32>, index, i32
}
