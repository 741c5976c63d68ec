// Atomics are relaxed and for one device; what has no instruction is a loop of compare-and-swap.

// RUN: mk-translate --mk-to-ptx --chip=sm_80 --kernels=opcodes %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %assemble sm_80 %t.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 %s -o %t.90.ptx
// RUN: %assemble sm_90 %t.90.ptx

// CHECK-NOT: acq_rel
// CHECK-NOT: .sys
// CHECK-LABEL: .entry mk_opcode_ints
// CHECK: atom.{{.*}}add.u32
// CHECK: atom.relaxed.gpu.global.cas.b32
mk.opcode @ints code(64) scope(lane) (%m: memref<?xi32>, %b: memref<?xi8>, %i: index, %v: i32, %w: i8) {
  %old = memref.atomic_rmw addi %v, %m[%i] : (i32, memref<?xi32>) -> i32
  %was = memref.atomic_rmw maxs %w, %b[%i] : (i8, memref<?xi8>) -> i8
  mk.return
}
// CHECK-LABEL: .entry mk_opcode_floats
// CHECK: atom.{{.*}}add.f32
// CHECK: atom.relaxed.gpu.{{.*}}cas.b64
// CHECK-NOT: acq_rel
mk.opcode @floats code(65) scope(lane) (%m: memref<?xf32>, %d: memref<?xf64>, %i: index, %v: f32, %w: f64) {
  %old = memref.atomic_rmw addf %v, %m[%i] : (f32, memref<?xf32>) -> f32
  %was = memref.atomic_rmw maximumf %w, %d[%i] : (f64, memref<?xf64>) -> f64
  mk.return
}
