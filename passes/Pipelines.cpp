//===- Pipelines.cpp - The order of passes, and registration ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/ConvertToLLVM/ToLLVMPass.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/NVVMToLLVM/NVVMToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/DLTI/DLTI.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVM/NVVM/Target.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mk;

/// From an ISA to mk.kernel operations, with checks folded where they were proved.
static void buildKernels(OpPassManager &pm, const LoweringOptions &options) {
  if (options.windows || options.resident)
    pm.addPass(createMkFuseWindowsPass());
  if (options.guard)
    pm.addPass(createMkGuardPass());
  if (options.interpreter)
    pm.addPass(createMkBuildInterpreterPass({options.scope, options.resident}));
  pm.addPass(createMkBuildKernelsPass({options.opcodes, options.windows, options.promotedOnly}));
  // The bodies that the kernels were made of are not needed any more.
  OpPassManager &kernels = pm.nest<KernelOp>();
  // Structured control flow has no blocks to simplify.
  kernels.addPass(createCanonicalizerPass(
      GreedyRewriteConfig().setMaxIterations(1).setUseTopDownTraversal().setRegionSimplificationLevel(
          GreedySimplifyRegionLevel::Disabled)));
  kernels.addPass(createCSEPass());
}

void mk::buildLowerToNVVMPipeline(OpPassManager &pm, const LoweringOptions &options) {
  buildKernels(pm, options);
  pm.nest<KernelOp>().addPass(createMkVectorizeLoopsPass());
  pm.addPass(createConvertMkToGpuPass({options.chip}));
  OpPassManager &gpu = pm.nest<gpu::GPUModuleOp>();
  gpu.addPass(createMkGpuToNvvmPass());
  gpu.addPass(createMkRelaxAtomicsPass({/*scope=*/"device"}));
}

void mk::buildLowerToHostPipeline(OpPassManager &pm, const LoweringOptions &options) {
  buildKernels(pm, options);
  pm.addPass(createConvertMkToHostPass());
  pm.addPass(arith::createArithExpandOpsPass());
  pm.addPass(createSCFToControlFlowPass());
  // What is an instruction first; the C library has the rest.
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createConvertToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createMkRelaxAtomicsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void mk::registerAllDialects(DialectRegistry &registry) {
  registry.insert<MkDialect, arith::ArithDialect, cf::ControlFlowDialect, DLTIDialect, func::FuncDialect,
                  gpu::GPUDialect, index::IndexDialect, LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
                  NVVM::NVVMDialect, scf::SCFDialect, vector::VectorDialect>();
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  index::registerConvertIndexToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  registerConvertNVVMToLLVMInterface(registry);
  NVVM::registerConvertGpuToNVVMInterface(registry);
  NVVM::registerNVVMTargetInterfaceExternalModels(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
}

void mk::registerMkPipelines() {
  PassPipelineRegistration<LoweringOptions>(
      "mk-lower-to-nvvm", "from an ISA to a gpu.module in the LLVM and NVVM dialects", buildLowerToNVVMPipeline);
  PassPipelineRegistration<LoweringOptions>("mk-lower-to-host", "from an ISA to functions in the LLVM dialect",
                                            buildLowerToHostPipeline);
}

void mk::registerAllPasses() {
  registerMkPasses();
  registerMkPipelines();
  registerTransformsPasses();
  arith::registerArithPasses();
  math::registerMathPasses();
  registerSCFPasses();
  registerSCFToControlFlowPass();
  registerConvertGpuOpsToNVVMOpsPass();
  registerConvertMathToLLVMPass();
  registerConvertMathToLibmPass();
  registerConvertNVVMToLLVMPass();
  registerConvertToLLVMPass();
  registerReconcileUnrealizedCastsPass();
}
