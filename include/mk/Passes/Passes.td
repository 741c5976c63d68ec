//===- Passes.td - Passes over mk ---------------------------*- tablegen -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_PASSES_TD
#define MK_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def MkGuardPass : Pass<"mk-guard"> {
  let summary = "make opcode bodies safe for untrusted arguments";
  let description = [{
    Works on each `mk.opcode` and on each fused `mk.window`. What an argument or data could make go wrong is checked
    first; where a check fails, the slot is marked with `mk.fault`, the access is left out, and a result is zero:

    * `bounds`: `memref.load`, `memref.store` and `memref.atomic_rmw` outside their memref;
    * `division`: integer division and remainder by zero, the overflow of a signed one, and conversions of floats that
      the integer type cannot hold;
    * `shift`: shifts by the width or more;
    * `fuel`: more than `fuel` iterations of an `scf.while`, or of an `scf.for` that does not run to the extent of a
      memref, and steps of `scf.for` that are not from 1 to 2^31. Each loop has fuel of its own, so nested loops can take
      its square.

    A check that can be proved is not made: indexes that run to the `memref.dim` of the same memref (or of one in the
    same extent group of a window), and everything that integer range analysis can bound.

    Operations that touch memory in a way the pass does not know are errors. Before/after: test/Passes/guard.mlir.
  }];
  let options = [
    Option<"bounds", "bounds", "bool", "true", "check memory accesses">,
    Option<"division", "division", "bool", "true", "check divisors">,
    Option<"shift", "shift", "bool", "true", "check shift amounts">,
    Option<"fuel", "fuel", "uint64_t", "16777216", "iterations that an scf.while may take; 0 for no limit">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def MkFuseWindowsPass : Pass<"mk-fuse-windows", "::mlir::ModuleOp"> {
  let summary = "turn windows of issues into plain code with fused loops";
  let description = [{
    Replaces each `mk.issue` of an `mk.window` by the body of its opcode, says with `memref.distinct_objects` that
    different memref arguments do not overlap, takes the extents of one group as equal, and fuses neighbouring
    `scf.parallel` loops with upstream's `scf-parallel-loop-fusion`. Loops that do not fuse stay in order, with the
    barrier that `scf.parallel` has in block scope. In a window of block scope, opcodes of lane scope become
    `mk.single`.

    Leaves `fused(n)` on the window, and on the operations that may fault the number of their issue. Windows that are
    fused already are left alone. Run it before `mk-guard`: guards hinder the fusion. Before/after:
    test/Passes/fuse-windows.mlir.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def MkBuildInterpreterPass : Pass<"mk-build-interpreter", "::mlir::ModuleOp"> {
  let summary = "make the interpreter kernels of an ISA";
  let description = [{
    Adds `mk.kernel @mk_interpreter_lane` (knows the lane opcodes; made when there are any) and
    `@mk_interpreter_block` (knows all; made when there is an opcode of block scope). An interpreter takes slots and
    windows, checks tenant, handles and views, switches over the opcode, and writes the status of each slot; faulted
    slots are also appended to the fault records.

    The bodies are taken as they are: run `mk-guard` before. Without an opcode in the module it is an error. Output:
    test/Passes/build-interpreter.mlir.
  }];
  let options = [
    Option<"scope", "scope", "std::string", "\"all\"", "which to make: lane, block or all">,
  ];
  let dependentDialects = ["::mk::MkDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def MkBuildKernelsPass : Pass<"mk-build-kernels", "::mlir::ModuleOp"> {
  let summary = "make batch kernels of opcodes and windows";
  let description = [{
    Adds `mk.kernel @mk_opcode_NAME` for each `mk.opcode` and `@mk_window_NAME` for each fused `mk.window`. A batch
    kernel takes instances whose argument words lie in columns (`mk::abi::ArgColumn`); handles and views are not
    checked, since the runtime has done that for each instance.

    A window that still has issues is an error: run `mk-fuse-windows` before. Output: test/Passes/build-kernels.mlir.
  }];
  let options = [
    Option<"opcodes", "opcodes", "bool", "true", "make kernels of opcodes">,
    Option<"windows", "windows", "bool", "true", "make kernels of windows">,
  ];
  let dependentDialects = ["::mk::MkDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def MkVectorizeLoopsPass : Pass<"mk-vectorize-loops", "::mk::KernelOp"> {
  let summary = "use 16-byte accesses in elementwise loops of block scope";
  let description = [{
    Takes `scf.parallel` loops whose iterations load and store their own element of each view and compute element by
    element, and gives each iteration 16 bytes of it: a GPU thread moves most with the widest access. The loop as it was
    stays for views whose offset is not a multiple of that, which is tested when the loop is reached.

    Other loops are left as they are, those with `mk-guard` checks among them. Before/after:
    test/Passes/vectorize-loops.mlir.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertMkToGpuPass : Pass<"convert-mk-to-gpu", "::mlir::ModuleOp"> {
  let summary = "lower mk kernels to the gpu dialect";
  let description = [{
    Moves each `mk.kernel` into a `gpu.func` of one `gpu.module`, and removes the opcodes and windows. Work items are
    spread over threads (lane scope) or CTAs (block scope); outer `scf.parallel` loops of block scope are spread over
    the threads of the CTA. Kernel operations that have no lowering yet are errors.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "the GPU to compile for">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect"];
}

def ConvertMkToHostPass : Pass<"convert-mk-to-host", "::mlir::ModuleOp"> {
  let summary = "lower mk kernels to functions for CPU threads";
  let description = [{
    Turns each `mk.kernel` into a `func.func` of the same name with three arguments: the address of the launch
    parameters, and the range of work items to run. It can be called by many threads at once, each with its own range.
    Removes the opcodes and windows.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

#endif // MK_PASSES_PASSES_TD
