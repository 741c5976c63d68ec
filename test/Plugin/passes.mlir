// Our passes and the upstream ones, on opcodes in a stock mlir-opt.

// RUN: %mlir_opt %s | %mlir_opt | FileCheck %s --check-prefix=PARSE
// RUN: %mlir_opt %s --pass-pipeline='builtin.module(mk.opcode(mk-guard))' | FileCheck %s --check-prefix=GUARD
// RUN: %mlir_opt %s --cse | FileCheck %s --check-prefix=CSE
// RUN: %mlir_opt %s --pass-pipeline='builtin.module(mk-lower-to-nvvm{chip=sm_90 interpreter=false})' | FileCheck %s --check-prefix=NVVM
// RUN: %mlir_opt %s --pass-pipeline='builtin.module(mk-lower-to-nvvm)' | FileCheck %s --check-prefix=INTERPRETER
// RUN: %mlir_opt %s --pass-pipeline='builtin.module(mk-lower-to-host{interpreter=false})' | FileCheck %s --check-prefix=HOST

// PARSE-LABEL: mk.opcode @square code(64) scope(lane)
// PARSE:         arith.mulf
// PARSE:         arith.mulf
// PARSE:         mk.return
// PARSE-LABEL: mk.window @twice
// PARSE:         mk.issue @square

// GUARD-LABEL: mk.opcode @square
// GUARD:         mk.fault buffer_bounds

// CSE-LABEL:   mk.opcode @square
// CSE:           %[[P:.*]] = arith.mulf
// CSE-NOT:       arith.mulf
// CSE:           arith.addf %[[P]], %[[P]]

// NVVM:          gpu.module @{{.*}} [#nvvm.target<{{.*}}chip = "sm_90"
// NVVM:            llvm.func @mk_opcode_square({{.*}}nvvm.kernel
// NVVM:            llvm.func @mk_window_twice
// NVVM-NOT:      {{(scf|memref|arith|mk|vector)\.[a-z]}}

// INTERPRETER:   llvm.func @mk_interpreter_lane({{.*}}nvvm.kernel
// INTERPRETER-NOT: {{(scf|memref|arith|mk|vector)\.[a-z]}}

// HOST:          llvm.func @mk_opcode_square
// HOST-NOT:      {{(scf|memref|arith|mk|vector)\.[a-z]}}
mk.opcode @square code(64) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32) {
  %p = arith.mulf %x, %x : f32
  %q = arith.mulf %x, %x : f32
  %s = arith.addf %p, %q : f32
  memref.store %s, %m[%i] : memref<?xf32>
  mk.return
}
mk.window @twice (%m: memref<?xf32>, %i: index, %j: index, %x: f32) {
  mk.issue @square(%m, %i, %x) : memref<?xf32>, index, f32
  mk.issue @square(%m, %j, %x) : memref<?xf32>, index, f32
}
