// LLVM IR as the back ends get it, or as LLVM's pipeline leaves it.

// RUN: mk-translate --mk-to-llvmir --kernels=opcodes --chip=sm_90 %s | FileCheck %s --check-prefixes=CHECK,NVPTX
// RUN: mk-translate --mk-to-llvmir --kernels=opcodes --target=host %s | FileCheck %s --check-prefixes=CHECK,HOST
// RUN: mk-translate --mk-to-llvmir --kernels=opcodes --opt-level=3 %s | FileCheck %s --check-prefix=OPTIMISED
// RUN: mk-translate --mk-to-llvmir --kernels=interpreter %s | FileCheck %s --check-prefix=INTERPRETER

// CHECK:      target datalayout = "e-
// NVPTX:      target triple = "nvptx64-nvidia-cuda"
// NVPTX:      define ptx_kernel void @mk_opcode_root(i64 %{{[0-9]+}},
// HOST:       define void @mk_opcode_root(ptr %{{[0-9]+}}, i64 %{{[0-9]+}}, i64 %{{[0-9]+}})
// The square root is an instruction, not a call of libdevice.
// CHECK:      call float @llvm.sqrt.f32
// NVPTX-NOT:  __nv_

// Before optimisation the fault word of a slot lies in memory.
// CHECK-LABEL: define {{.*}}@mk_opcode_unused
// CHECK:         alloca i64
// NVPTX:       attributes {{.*}} "target-cpu"="sm_90"
// HOST:        attributes {{.*}} "target-cpu"="{{.+}}"

// OPTIMISED-LABEL: define {{.*}}@mk_opcode_unused
// OPTIMISED-NOT:     alloca
// OPTIMISED:         ret void

// INTERPRETER: define ptx_kernel void @mk_interpreter_lane
// INTERPRETER-NOT: @mk_opcode
mk.opcode @root code(64) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32) {
  %r = math.sqrt %x : f32
  memref.store %r, %m[%i] : memref<?xf32>
  mk.return
}
mk.opcode @unused code(65) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32) {
  memref.store %x, %m[%i] : memref<?xf32>
  mk.return
}
