// The PTX of the prelude, alone and with opcodes of both scopes.

// RUN: mk-opt %s --mk-link-prelude -o %t.mlir
// RUN: mk-translate --mk-to-ptx --chip=sm_80 %t.mlir -o %t.80.ptx
// RUN: FileCheck %s < %t.80.ptx
// RUN: sed "/switch_.*table/,/ld.global.nc/d" %t.80.ptx | FileCheck %s --check-prefix=NOT
// RUN: %assemble sm_80 %t.80.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 %t.mlir -o %t.90.ptx
// RUN: FileCheck %s < %t.90.ptx
// RUN: sed "/switch_.*table/,/ld.global.nc/d" %t.90.ptx | FileCheck %s --check-prefix=NOT
// RUN: %assemble sm_90 %t.90.ptx
// RUN: mk-opt %S/../Passes/Inputs/empty.mlir --mk-link-prelude | mk-translate --mk-to-ptx --chip=sm_90 -o %t.alone.ptx
// RUN: FileCheck %s --check-prefix=ALONE < %t.alone.ptx
// RUN: sed "/switch_.*table/,/ld.global.nc/d" %t.alone.ptx | FileCheck %s --check-prefix=NOT
// RUN: %assemble sm_90 %t.alone.ptx

// CHECK: .visible .entry mk_interpreter_lane(
// CHECK-DAG: atom.{{.*}}add.u32
// CHECK-DAG: atom.{{.*}}exch.b32
// CHECK-DAG: atom.{{.*}}cas.b32
// CHECK: .visible .entry mk_interpreter_block(
// CHECK: .visible .entry mk_interpreter_packed(
// CHECK: bar
// CHECK: ret;

// ALONE: .visible .entry mk_interpreter_lane(
// ALONE-NOT: mk_interpreter_block
// ALONE: .visible .entry mk_interpreter_packed(

// Control words are written by others while a kernel runs: never through the read-only path, which only tables that LLVM
// made of a switch may take.
// NOT-NOT: ld.global.nc

mk.opcode @bump code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.opcode @fill code(65) scope(block) (%m: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %m, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %m[%i] : memref<?xi32>
  }
  mk.return
}
