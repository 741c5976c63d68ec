// RUN: mk-opt %s --mk-gpu-to-nvvm --verify-diagnostics --split-input-file

gpu.module @kernels {
  // expected-error @below {{what makes or uses a value of type 'memref<8xf32>' here has no conversion to LLVM; use operations of arith, math, memref, scf and vector that have one}}
  gpu.func @part(%array: memref<8xf32>, %v: f32) {
    %c0 = arith.constant 0 : index
    %half = memref.subview %array[0] [4] [1] : memref<8xf32> to memref<4xf32>
    memref.store %v, %half[%c0] : memref<4xf32>
    gpu.return
  }
}

// -----

gpu.module @kernels {
  gpu.func @sum(%v: f32) {
    // expected-error @below {{failed to legalize operation 'gpu.all_reduce'}}
    %sum = gpu.all_reduce add %v {} : (f32) -> f32
    gpu.return
  }
}
