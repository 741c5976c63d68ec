// RUN: mk-opt %s --mk-gpu-to-nvvm | FileCheck %s

// CHECK-LABEL: llvm.func @root
// CHECK: nvvm.read.ptx.sreg.tid.x
// CHECK: llvm.cond_br
// CHECK: llvm.call @__nv_sqrtf
// CHECK-NOT: unrealized_conversion_cast
gpu.module @kernels {
  gpu.func @root(%x: f32, %out: memref<?xf32>) kernel {
    %zero = arith.constant 0 : index
    %i = gpu.thread_id x
    %first = arith.cmpi eq, %i, %zero : index
    scf.if %first {
      %y = math.sqrt %x : f32
      memref.store %y, %out[%zero] : memref<?xf32>
    }
    gpu.return
  }
}
