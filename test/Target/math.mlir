// Operations of math that are instructions need no library.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=opcodes %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %assemble sm_90 %t.ptx
// RUN: mk-opt %s --mk-lower-to-host | FileCheck %s --check-prefix=HOST

// CHECK-LABEL: .entry mk_opcode_bits
// CHECK: popc.b32
// HOST-LABEL: llvm.func @mk_opcode_bits
// HOST: llvm.intr.ctpop
mk.opcode @bits code(64) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32) {
  %p = math.ctpop %x : i32
  memref.store %p, %m[%i] : memref<?xi32>
  mk.return
}
// CHECK-LABEL: .entry mk_opcode_root
// CHECK: sqrt.rn.f32
// HOST-LABEL: llvm.func @mk_opcode_root
// HOST: llvm.intr.sqrt
mk.opcode @root code(65) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32) {
  %a = math.absf %x : f32
  %p = math.sqrt %a : f32
  memref.store %p, %m[%i] : memref<?xf32>
  mk.return
}
