// RUN: mk-opt %s --mk-gpu-to-nvvm | FileCheck %s

gpu.module @kernels {
  // As on the host: maximumf of zeros is decided by the comparison, not by their signs.
  // CHECK-LABEL: llvm.func @expanded
  // CHECK-NOT: intr.{{s?(max|min)}}
  // CHECK: llvm.fcmp "ugt"
  // CHECK: llvm.fcmp "uno"
  // CHECK: llvm.icmp "sgt"
  // CHECK-NOT: intr.{{s?(max|min)}}
  gpu.func @expanded(%a: f32, %b: f32, %i: i32, %j: i32, %floats: memref<1xf32>, %ints: memref<1xi32>) {
    %c0 = arith.constant 0 : index
    %float = arith.maximumf %a, %b : f32
    memref.store %float, %floats[%c0] : memref<1xf32>
    %int = arith.maxsi %i, %j : i32
    memref.store %int, %ints[%c0] : memref<1xi32>
    gpu.return
  }

  // libdevice where it has the function, intrinsics otherwise.
  // CHECK-LABEL: llvm.func @math
  // CHECK: llvm.call @__nv_tanhf
  // CHECK: llvm.intr.ctpop
  gpu.func @math(%a: f32, %i: i32, %floats: memref<1xf32>, %ints: memref<1xi32>) {
    %c0 = arith.constant 0 : index
    %float = math.tanh %a : f32
    memref.store %float, %floats[%c0] : memref<1xf32>
    %int = math.ctpop %i : i32
    memref.store %int, %ints[%c0] : memref<1xi32>
    gpu.return
  }

  // What two branches do alike stands once.
  // CHECK-LABEL: llvm.func @alike
  // CHECK-COUNT-1: llvm.store
  // CHECK-NOT: llvm.store
  // CHECK: llvm.return
  gpu.func @alike(%which: i1, %a: i32, %b: i32, %ints: memref<1xi32>) {
    %c0 = arith.constant 0 : index
    scf.if %which {
      memref.store %a, %ints[%c0] : memref<1xi32>
    } else {
      memref.store %b, %ints[%c0] : memref<1xi32>
    }
    gpu.return
  }
}
