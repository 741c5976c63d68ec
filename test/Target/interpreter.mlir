// The PTX of an interpreter: a jump table over the opcodes, wide loads of the slot, and no contraction.

// RUN: mk-translate --mk-to-ptx --chip=sm_80 --kernels=interpreter %s -o %t.80.ptx
// RUN: FileCheck %s < %t.80.ptx
// RUN: FileCheck %s --check-prefix=NOT < %t.80.ptx
// RUN: %assemble sm_80 %t.80.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 %s -o %t.90.ptx
// RUN: FileCheck %s < %t.90.ptx
// RUN: FileCheck %s --check-prefix=NOT < %t.90.ptx
// RUN: %assemble sm_90 %t.90.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_120 --opt-level=0 %s -o %t.120.ptx
// RUN: %assemble sm_120 %t.120.ptx

// CHECK: .target sm_{{[89]}}0
// CHECK: .visible .entry mk_interpreter_lane(
// CHECK-COUNT-10: .param .u64 mk_interpreter_lane_param_
// CHECK-DAG: ld.global.v4.b32
// CHECK-DAG: brx.idx
// CHECK-DAG: mul.rn.f32
// CHECK-DAG: atom.global.add.u32
// CHECK: ret;

// Nothing is contracted, and slots, which others write, are never read through the read-only path.
// NOT-NOT: fma.
// NOT-NOT: ld.global.nc

!out = memref<?xi32>
mk.opcode @add code(64) scope(lane) (%m: !out, %i: index, %x: i32, %y: i32) {
  %v = arith.addi %x, %y : i32
  memref.store %v, %m[%i] : !out
  mk.return
}
mk.opcode @sub code(65) scope(lane) (%m: !out, %i: index, %x: i32, %y: i32) {
  %v = arith.subi %x, %y : i32
  memref.store %v, %m[%i] : !out
  mk.return
}
mk.opcode @and code(66) scope(lane) (%m: !out, %i: index, %x: i32, %y: i32) {
  %v = arith.andi %x, %y : i32
  memref.store %v, %m[%i] : !out
  mk.return
}
mk.opcode @or code(67) scope(lane) (%m: !out, %i: index, %x: i32, %y: i32) {
  %v = arith.ori %x, %y : i32
  memref.store %v, %m[%i] : !out
  mk.return
}
mk.opcode @muladd code(68) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32, %y: f32) {
  %p = arith.mulf %x, %y : f32
  %v = arith.addf %p, %x : f32
  memref.store %v, %m[%i] : memref<?xf32>
  mk.return
}
