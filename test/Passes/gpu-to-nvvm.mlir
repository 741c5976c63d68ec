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

  // Constants stand once, indices are numbers of 64 bits, and views are pointers.
  // CHECK-LABEL: llvm.func @simple
  // CHECK-SAME: nvvm.kernel
  // CHECK-COUNT-1: llvm.mlir.constant(4
  // CHECK-NOT: llvm.mlir.constant(4
  // CHECK-NOT: llvm.insertvalue
  // CHECK: %[[TID:.*]] = nvvm.read.ptx.sreg.tid.x range <i32, 0, 256>
  // CHECK: %[[I:.*]] = llvm.zext %[[TID]]
  // CHECK: %[[FIRST:.*]] = llvm.icmp "slt" %[[I]]
  // CHECK: llvm.cond_br %[[FIRST]], ^[[BODY:[a-z0-9]*]](%[[I]]{{.*}}), ^[[END:[a-z0-9]*]]
  // CHECK: ^[[BODY]](%[[ITEM:.*]]: i64
  // CHECK: llvm.getelementptr inbounds|nuw %{{.*}}[%[[ITEM]]] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  // CHECK: llvm.store
  // CHECK: %[[NEXT:.*]] = llvm.add %[[ITEM]]
  // CHECK: %[[AGAIN:.*]] = llvm.icmp "slt" %[[NEXT]]
  // CHECK: llvm.cond_br %[[AGAIN]], ^[[BODY]](%[[NEXT]]{{.*}}), ^[[END]]
  // CHECK: llvm.return
  gpu.func @simple(%address: i64, %end: i64) kernel {
    %four = arith.constant 4 : index
    %again = arith.constant 4 : index
    %zero = arith.constant 0.0 : f32
    %undef = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
    %pointer = llvm.inttoptr %address : i64 to !llvm.ptr
    %with = llvm.insertvalue %pointer, %undef[1] : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
    %view = builtin.unrealized_conversion_cast %with : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> to memref<?xf32>
    %i = gpu.thread_id x upper_bound 256
    %n = arith.index_cast %end : i64 to index
    scf.for %item = %i to %n step %four {
      %at = arith.addi %item, %again : index
      %inside = arith.cmpi ult, %at, %n : index
      scf.if %inside {
        memref.store %zero, %view[%item] : memref<?xf32>
      }
    }
    gpu.return
  }

  // What is left for the patterns: flags, loops that are none of counts, extents that are known.
  // CHECK-LABEL: llvm.func @rest
  // CHECK: llvm.fadd {{.*}} {fastmathFlags = #llvm.fastmath<contract>}
  // CHECK: llvm.add {{.*}} overflow<nsw>
  // CHECK-NOT: scf
  // CHECK-NOT: unrealized_conversion_cast
  // CHECK: llvm.return
  gpu.func @rest(%a: f32, %floats: memref<8xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = memref.dim %floats, %c0 : memref<8xf32>
    %sum = arith.addf %a, %a fastmath<contract> : f32
    %last = scf.while (%i = %c0) : (index) -> index {
      %more = arith.cmpi ult, %i, %n : index
      scf.condition(%more) %i : index
    } do {
    ^bb0(%i: index):
      %big = arith.cmpf ogt, %a, %sum : f32
      scf.if %big {
        memref.store %sum, %floats[%i] : memref<8xf32>
      }
      %next = arith.addi %i, %c1 overflow<nsw> : index
      scf.yield %next : index
    }
    gpu.return
  }
}
