//===- GpuToNvvm.cpp - mk-gpu-to-nvvm ---------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerSimple.h"
#include "mk/Passes/Passes.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mk {
#define GEN_PASS_DEF_MKGPUTONVVMPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;

/// What arith-expand expands. The intrinsics that LLVM has for some of them are no substitute: maximumf and the like
/// order the zeros, which the expansions that the host gets do not, and ptxas makes less of the integer ones.
static bool isExpanded(Operation *op) {
  return isa<arith::CeilDivSIOp, arith::CeilDivUIOp, arith::FloorDivSIOp, arith::MaxSIOp, arith::MaxUIOp,
             arith::MinSIOp, arith::MinUIOp, arith::MaximumFOp, arith::MinimumFOp, arith::MaxNumFOp, arith::MinNumFOp>(
      op);
}

namespace {
struct MkGpuToNvvmPass : mk::impl::MkGpuToNvvmPassBase<MkGpuToNvvmPass> {
  using MkGpuToNvvmPassBase::MkGpuToNvvmPassBase;

  LogicalResult initialize(MLIRContext *context) override {
    RewritePatternSet expansions(context);
    arith::populateArithExpandOpsPatterns(expansions);
    expand = std::move(expansions);

    simple = std::make_shared<mk::SimpleLowering>(context);
    converter = std::make_shared<LLVMTypeConverter>(context);
    configureGpuToNVVMTypeConverter(*converter);
    RewritePatternSet patterns(context);
    populateSCFToControlFlowConversionPatterns(patterns);
    arith::populateArithToLLVMConversionPatterns(*converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(*converter, patterns);
    index::populateIndexToLLVMConversionPatterns(*converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(*converter, patterns);
    populateVectorToLLVMConversionPatterns(*converter, patterns);
    // An intrinsic where libdevice has no function.
    populateMathToLLVMConversionPatterns(*converter, patterns);
    populateGpuToNVVMConversionPatterns(*converter, patterns, /*benefit=*/2);
    convert = std::move(patterns);

    target = std::make_shared<ConversionTarget>(*context);
    target->addLegalDialect<LLVM::LLVMDialect, NVVM::NVVMDialect>();
    target->addIllegalDialect<gpu::GPUDialect>();
    target->addLegalOp<gpu::GPUModuleOp, UnrealizedConversionCastOp>();
    return success();
  }

  void runOnOperation() override {
    gpu::GPUModuleOp module = getOperation();
    SmallVector<Operation *> expanded;
    module.walk([&](Operation *op) {
      if (isExpanded(op))
        expanded.push_back(op);
    });
    if (!expanded.empty())
      (void)applyOpPatternsGreedily(expanded, expand);
    for (auto function : llvm::make_early_inc_range(module.getOps<gpu::GPUFuncOp>()))
      simple->run(function);
    if (failed(convertRest(module)))
      return signalPassFailure();
    // Arms of interpreters and variants of loops end alike: LLVM's passes would not find that out.
    IRRewriter rewriter(&getContext());
    (void)simplifyRegions(rewriter, module->getRegions());
  }

private:
  LogicalResult convertRest(gpu::GPUModuleOp module) {
    WalkResult walk = module.getBodyRegion().walk([](Operation *op) {
      return isa<LLVM::LLVMDialect, NVVM::NVVMDialect>(op->getDialect()) ? WalkResult::advance()
                                                                         : WalkResult::interrupt();
    });
    if (!walk.wasInterrupted())
      return success();
    ConversionConfig config;
    config.allowPatternRollback = false;
    if (failed(applyPartialConversion(module, *target, convert, config)))
      return failure();
    SmallVector<UnrealizedConversionCastOp> casts;
    module.walk([&](UnrealizedConversionCastOp cast) { casts.push_back(cast); });
    reconcileUnrealizedCasts(casts);
    WalkResult remaining = module.walk([](UnrealizedConversionCastOp cast) {
      Type type = cast.getInputs().front().getType();
      if (LLVM::isCompatibleType(type))
        type = cast.getType(0);
      mlir::emitError(cast.getLoc())
          << "what makes or uses a value of type " << type
          << " here has no conversion to LLVM; use operations of arith, math, memref, scf and vector that have one";
      return WalkResult::interrupt();
    });
    if (remaining.wasInterrupted())
      return failure();
    // Views are descriptors now. Taken apart here, they do not hide from LLVM what pointers point to.
    module.walk([](LLVM::ExtractValueOp field) {
      SmallVector<OpFoldResult> known;
      if (failed(field->fold(known)) || known.empty())
        return;
      field.replaceAllUsesWith(cast<Value>(known.front()));
      field.erase();
    });
    return success();
  }

  /// Made once: that takes longer than to convert a small kernel.
  FrozenRewritePatternSet expand, convert;
  std::shared_ptr<mk::SimpleLowering> simple;
  std::shared_ptr<LLVMTypeConverter> converter;
  std::shared_ptr<ConversionTarget> target;
};
} // namespace
