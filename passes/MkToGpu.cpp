//===- MkToGpu.cpp - convert-mk-to-gpu --------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexRange.h"
#include "KernelBuilder.h"
#include "LowerKernel.h"
#include "LowerServe.h"
#include "mk/Passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mk {
#define GEN_PASS_DEF_CONVERTMKTOGPUPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

/// Threads of a CTA at most: what the runtime launches.
constexpr int32_t maxThreads = 256;

namespace {

/// A worker is a thread in lane scope and a CTA in block scope.
class GpuLowering : public KernelLowering {
public:
  GpuLowering(gpu::GPUFuncOp function, ScopeKind scope) : KernelLowering(function, scope), gpuFunction(function) {}

protected:
  bool hasTeam() const override { return scope == ScopeKind::Block; }
  bool runsInOrder() const override { return true; }

  Range items(ImplicitLocOpBuilder &b, Value count) override {
    auto word = [&](Value index) { return castIndex(b, index, b.getI32Type()); };
    Value block = word(gpu::BlockIdOp::create(b, gpu::Dimension::x)), end = word(count);
    Value blocks = word(gpu::GridDimOp::create(b, gpu::Dimension::x));
    if (scope == ScopeKind::Block)
      return {block, end, blocks};
    Value threads = word(threadCount(b)), first = arith::MulIOp::create(b, block, threads);
    return {arith::AddIOp::create(b, first, word(threadId(b))), end, arith::MulIOp::create(b, blocks, threads)};
  }

  /// All memory that the runtime hands out is global; said once here, LLVM finds it for every access.
  Value pointer(ImplicitLocOpBuilder &b, Value address) override {
    Type global = LLVM::LLVMPointerType::get(b.getContext(), static_cast<unsigned>(NVVM::NVVMMemorySpace::Global));
    Value pointer = LLVM::IntToPtrOp::create(b, global, address);
    return LLVM::AddrSpaceCastOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), pointer);
  }

  LogicalResult lowerServe(ServeOp serve) override {
    return mk::lowerServe(serve, function, scope, [&](MemRefType type) { return shared(type); });
  }

  Value threadId(ImplicitLocOpBuilder &b) override {
    return gpu::ThreadIdOp::create(b, gpu::Dimension::x, b.getIndexAttr(maxThreads));
  }
  Value threadCount(ImplicitLocOpBuilder &b) override {
    return gpu::BlockDimOp::create(b, gpu::Dimension::x, b.getIndexAttr(maxThreads));
  }
  void barrier(ImplicitLocOpBuilder &b) override { gpu::BarrierOp::create(b); }

  Value shuffleDown(ImplicitLocOpBuilder &b, Value value, unsigned distance) override {
    auto shuffle = [&](Value word) -> Value {
      return gpu::ShuffleOp::create(b, word, distance, /*width=*/32, gpu::ShuffleMode::DOWN).getShuffleResult();
    };
    // The instruction moves 32 bits.
    Type type = value.getType(), i32 = b.getI32Type();
    unsigned bits = type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
    Type integer = b.getIntegerType(bits);
    Value raw = value;
    if (type.isIndex())
      raw = arith::IndexCastUIOp::create(b, integer, value);
    else if (isa<FloatType>(type))
      raw = arith::BitcastOp::create(b, integer, value);
    if (bits == 64) {
      Value half = arith::ConstantOp::create(b, b.getI64IntegerAttr(32));
      Value low = shuffle(arith::TruncIOp::create(b, i32, raw));
      Value high = shuffle(arith::TruncIOp::create(b, i32, arith::ShRUIOp::create(b, raw, half)));
      high = arith::ShLIOp::create(b, arith::ExtUIOp::create(b, integer, high), half);
      raw = arith::OrIOp::create(b, arith::ExtUIOp::create(b, integer, low), high);
    } else if (bits < 32) {
      raw = arith::TruncIOp::create(b, integer, shuffle(arith::ExtUIOp::create(b, i32, raw)));
    } else {
      raw = shuffle(raw);
    }
    if (type.isIndex())
      return arith::IndexCastUIOp::create(b, type, raw);
    return isa<FloatType>(type) ? arith::BitcastOp::create(b, type, raw).getResult() : raw;
  }

  Value shared(MemRefType type) override {
    auto space = gpu::AddressSpaceAttr::get(function.getContext(), gpu::AddressSpace::Workgroup);
    BlockArgument memory = gpuFunction.addWorkgroupAttribution(
        MemRefType::get(type.getShape(), type.getElementType(), MemRefLayoutAttrInterface(), space), function.getLoc());
    unsigned index = gpuFunction.getNumWorkgroupAttributions() - 1;
    gpuFunction.setWorkgroupAttributionAttr(index, LLVM::LLVMDialect::getAlignAttrName(),
                                            IntegerAttr::get(IntegerType::get(function.getContext(), 64), 16));
    return memory;
  }
  /// What every CTA may have without asking for more (CUDA C++ Programming Guide, compute capabilities).
  unsigned maxSharedBytes() const override { return 48 * 1024; }

private:
  gpu::GPUFuncOp gpuFunction;
};

/// What an operation touches only this thread has.
static bool isPrivate(Operation *op) {
  auto isLocal = [](Value memref) { return memref.getDefiningOp<memref::AllocaOp>(); };
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return isLocal(load.getMemRef());
  auto store = dyn_cast<memref::StoreOp>(op);
  return store && isLocal(store.getMemRef());
}

/// Other threads cannot tell whether an operation runs before or behind a barrier, and it cannot tell what they have
/// done; 'side' is the attribute of those for which this holds on one side of the barrier only.
static bool mayCross(Operation *op, StringRef side) {
  WalkResult walk = op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    if (inner->hasAttr(side))
      return WalkResult::skip();
    return inner->hasTrait<OpTrait::HasRecursiveMemoryEffects>() || isMemoryEffectFree(inner) || isPrivate(inner)
               ? WalkResult::advance()
               : WalkResult::interrupt();
  });
  return !walk.wasInterrupted();
}

/// A barrier stands before 'op' on all paths, and nothing between the two needs this one.
static bool isBehindBarrier(Operation *op) {
  while (true) {
    Operation *before = op->getPrevNode();
    if (isa_and_nonnull<gpu::BarrierOp>(before))
      return true;
    if (before ? !mayCross(before, settledAttrName) : !isa<scf::IfOp>(op->getParentOp()))
      return false;
    op = before ? before : op->getParentOp();
  }
}

/// A barrier follows 'op' on all paths, and nothing between the two needs this one.
static bool isBeforeBarrier(Operation *op) {
  while (Operation *next = op->getNextNode()) {
    if (isa<gpu::BarrierOp>(next))
      return true;
    if (isa<scf::YieldOp>(next) && isa<scf::IfOp>(next->getParentOp()))
      next = next->getParentOp();
    else if (!mayCross(next, aheadAttrName))
      return false;
    op = next;
  }
  return false;
}

/// Of barriers with nothing between them that others could see, one is enough.
static void mergeBarriers(gpu::GPUFuncOp function) {
  for (auto isIdle : {isBehindBarrier, isBeforeBarrier})
    function.walk([&](gpu::BarrierOp barrier) {
      if (isIdle(barrier))
        barrier->erase();
    });
}

/// What a thread does between two loads, in operations, up to which it is memory that it waits for.
constexpr unsigned maxOpsOfMemoryBound = 64;

/// CTAs that an SM should have room for: all that it can have when little is computed for what is loaded, so that many
/// loads are under way; ptxas takes registers accordingly. Interpreters are left to ptxas.
static int32_t minCtas(KernelOp kernel, unsigned chipVersion) {
  bool hasLoop = false;
  WalkResult walk = kernel.walk([&](Operation *op) {
    if (op->hasAttr(armsAttrName))
      return WalkResult::interrupt();
    auto loop = dyn_cast<scf::ParallelOp>(op);
    if (!loop)
      return WalkResult::advance();
    hasLoop = true;
    unsigned ops = 0;
    loop.getBody()->walk([&](Operation *inner) { ops += isa<math::MathDialect>(inner->getDialect()) ? 8 : 1; });
    return ops > maxOpsOfMemoryBound ? WalkResult::interrupt() : WalkResult::advance();
  });
  // Threads of an SM (CUDA C++ Programming Guide, compute capabilities).
  bool isSmall = chipVersion == 86 || chipVersion == 87 || chipVersion == 89 || chipVersion >= 120;
  return !hasLoop || walk.wasInterrupted() ? 0 : (isSmall ? 1536 : 2048) / maxThreads;
}

/// Resident kernels that share an SM: those of lanes, blocks and packed slots. One that found no room would never
/// start.
constexpr int32_t residentKernels = 3;

struct ConvertMkToGpuPass : mk::impl::ConvertMkToGpuPassBase<ConvertMkToGpuPass> {
  using ConvertMkToGpuPassBase::ConvertMkToGpuPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<KernelOp> kernels = llvm::to_vector(module.getOps<KernelOp>());
    unsigned version = 0;
    StringRef digits = StringRef(chip).take_while([](char c) { return c == 's' || c == 'm' || c == '_'; }) == "sm_"
                           ? StringRef(chip).drop_front(3).rtrim("af")
                           : "";
    if (digits.getAsInteger(10, version) || version < 80) {
      emitError(module.getLoc()) << "chip '" << chip << "' is not a GPU from sm_80 on, such as sm_80 or sm_90";
      return signalPassFailure();
    }
    eraseIsa(module);
    if (kernels.empty())
      return;
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(), b.getUnitAttr());
    auto target = NVVM::NVVMTargetAttr::get(&getContext(), /*optLevel=*/3, "nvptx64-nvidia-cuda", chip);
    auto gpuModule = gpu::GPUModuleOp::create(b, module.getLoc(), "mk_kernels", b.getArrayAttr({target}));
    for (KernelOp kernel : kernels) {
      b.setInsertionPointToEnd(gpuModule.getBody());
      auto function = gpu::GPUFuncOp::create(b, kernel.getLoc(), kernel.getSymName(), kernel.getFunctionType());
      function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(), b.getUnitAttr());
      ScopeKind scope = kernel.getScope();
      function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(), b.getDenseI32ArrayAttr({maxThreads}));
      bool serves = !kernel.getBody().getOps<ServeOp>().empty();
      if (int32_t ctas = serves ? residentKernels : scope == ScopeKind::Block ? minCtas(kernel, version) : 0)
        function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), b.getI32IntegerAttr(ctas));
      function.getBody().takeBody(kernel.getBody());
      Operation *end = function.getBody().front().getTerminator();
      b.setInsertionPoint(end);
      gpu::ReturnOp::create(b, end->getLoc());
      end->erase();
      kernel.erase();
      if (failed(GpuLowering(function, scope).run()))
        return signalPassFailure();
      mergeBarriers(function);
    }
  }
};

} // namespace
