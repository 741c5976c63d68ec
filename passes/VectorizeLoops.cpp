//===- VectorizeLoops.cpp - mk-vectorize-loops ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/DebugLog.h"

#define DEBUG_TYPE "mk-vectorize-loops"

namespace mk {
#define GEN_PASS_DEF_MKVECTORIZELOOPSPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

namespace {

/// Width of the widest access of a GPU thread, in bytes.
constexpr unsigned accessBytes = 16;

/// What is known of a loop that can be vectorized.
struct Plan {
  /// Elements that one access takes.
  unsigned width = 0;
  /// Offsets (in elements) of the views that are accessed; all must be multiples of 'width'.
  llvm::SmallSetVector<Value, 4> offsets;
  /// The number of iterations is a multiple of 'width'.
  bool isWhole = false;
};

} // namespace

/// Nothing when every iteration touches its own element of each memref and computes element by element; else why not.
static StringRef planLoop(scf::ParallelOp loop, Plan &plan) {
  if (loop.getNumLoops() != 1 || loop.getNumResults() != 0 || !matchPattern(loop.getLowerBound()[0], m_Zero()) ||
      !matchPattern(loop.getStep()[0], m_One()))
    return "loop does not run from 0 in steps of 1";
  Value iv = loop.getInductionVars()[0];
  auto access = [&](Value memref, ValueRange indices) {
    auto view = sourceOf(memref).getDefiningOp<ViewOp>();
    Type element = cast<MemRefType>(memref.getType()).getElementType();
    if (!view || indices.size() != 1 || indices[0] != iv || !element.isIntOrFloat())
      return false;
    unsigned bits = element.getIntOrFloatBitWidth();
    if (bits < 16 || (plan.width != 0 && plan.width != accessBytes * 8 / bits))
      return false;
    plan.width = accessBytes * 8 / bits;
    auto facts = view->getAttrOfType<FactsAttr>("mk.facts");
    if (Value offset = view.getOffset(); offset && !(facts && facts.getAligned() % plan.width == 0))
      plan.offsets.insert(offset);
    return true;
  };
  for (Operation &op : loop.getBody()->without_terminator()) {
    bool fits = false;
    if (auto load = dyn_cast<memref::LoadOp>(op))
      fits = access(load.getMemRef(), load.getIndices());
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      fits = store.getValue() != iv && access(store.getMemRef(), store.getIndices());
    else
      fits = OpTrait::hasElementwiseMappableTraits(&op) && isPure(&op) && !llvm::is_contained(op.getOperands(), iv) &&
             llvm::all_of(op.getResultTypes(), [](Type type) { return type.isIntOrIndexOrFloat(); });
    if (!fits) {
      LDBG() << "does not fit: " << op;
      return isa<memref::LoadOp, memref::StoreOp>(op)
                 ? "iterations access other elements than their own, of different sizes, or of less than 16 bits"
                 : "operation is not elementwise, or uses the index";
    }
  }
  if (plan.width == 0)
    return "loop accesses no memory";
  if (auto extent = loop.getUpperBound()[0].getDefiningOp<memref::DimOp>())
    if (auto view = sourceOf(extent.getSource()).getDefiningOp<ViewOp>())
      if (auto facts = view->getAttrOfType<FactsAttr>("mk.facts"))
        plan.isWhole = (facts.getExtent() != 0 ? facts.getExtent() : facts.getMultiple()) % plan.width == 0;
  return "";
}

/// Clones the body for the elements [at, at + width).
static void cloneAsVectors(ImplicitLocOpBuilder &b, scf::ParallelOp loop, unsigned width, Value at) {
  IRMapping vectors;
  auto typeOf = [&](Type element) { return VectorType::get({width}, element); };
  auto vectorOf = [&](Value value) -> Value {
    if (Value mapped = vectors.lookupOrNull(value))
      return mapped;
    Value splat = vector::BroadcastOp::create(b, typeOf(value.getType()), value);
    vectors.map(value, splat);
    return splat;
  };
  auto aligned = b.getI64IntegerAttr(accessBytes);
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      auto wide = vector::LoadOp::create(b, typeOf(load.getType()), load.getMemRef(), ValueRange{at});
      wide->setAttr("alignment", aligned);
      vectors.map(load.getResult(), wide.getResult());
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      auto wide = vector::StoreOp::create(b, vectorOf(store.getValue()), store.getMemRef(), ValueRange{at});
      wide->setAttr("alignment", aligned);
    } else {
      SmallVector<Value> operands = llvm::map_to_vector(op.getOperands(), vectorOf);
      SmallVector<Type> types =
          llvm::map_to_vector(op.getResultTypes(), [&](Type type) -> Type { return typeOf(type); });
      OperationState state(op.getLoc(), op.getName(), operands, types, op.getDiscardableAttrDictionary().getValue());
      state.propertiesAttr = op.getPropertiesAsAttribute();
      Operation *wide = b.create(state);
      vectors.map(op.getResults(), wide->getResults());
    }
  }
}

static void vectorize(scf::ParallelOp loop, const Plan &plan) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  Value zero = index(0), one = index(1), width = index(plan.width);

  // Bases are aligned (mk/Runtime/Abi.h), so the offsets decide.
  Value isAligned;
  if (!plan.offsets.empty()) {
    Value bits = zero;
    for (Value offset : plan.offsets)
      bits = arith::OrIOp::create(b, bits, offset);
    Value rest = arith::AndIOp::create(b, bits, index(plan.width - 1));
    isAligned = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, zero);
  }
  Value count = arith::MaxSIOp::create(b, loop.getUpperBound()[0], zero);
  Value whole = arith::DivUIOp::create(b, count, width);
  Value left = plan.isWhole ? Value() : arith::RemUIOp::create(b, count, width).getResult();

  scf::IfOp branch;
  if (isAligned) {
    branch = scf::IfOp::create(b, isAligned, /*withElseRegion=*/true);
    loop->moveBefore(branch.elseBlock(), branch.elseBlock()->begin());
    b.setInsertionPointToStart(branch.thenBlock());
  }
  // First the whole vectors, then the elements that are left, in one loop: two would need a barrier between them.
  Value trips = plan.isWhole ? whole : arith::AddIOp::create(b, whole, left).getResult();
  auto steps = scf::ParallelOp::create(b, ValueRange{zero}, ValueRange{trips}, ValueRange{one});
  Value step = steps.getInductionVars()[0];
  b.setInsertionPointToStart(steps.getBody());
  scf::IfOp kind;
  if (!plan.isWhole) {
    Value isWhole = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, step, whole);
    kind = scf::IfOp::create(b, isWhole, /*withElseRegion=*/true);
    b.setInsertionPointToStart(kind.thenBlock());
  }
  cloneAsVectors(b, loop, plan.width, arith::MulIOp::create(b, step, width));
  if (kind) {
    b.setInsertionPointToStart(kind.elseBlock());
    Value skipped = arith::MulIOp::create(b, whole, index(plan.width - 1));
    IRMapping scalars;
    scalars.map(loop.getInductionVars()[0], arith::AddIOp::create(b, step, skipped).getResult());
    for (Operation &op : loop.getBody()->without_terminator())
      b.clone(op, scalars);
  }
  if (!branch)
    loop.erase();
}

namespace {
struct MkVectorizeLoopsPass : mk::impl::MkVectorizeLoopsPassBase<MkVectorizeLoopsPass> {
  static remark::RemarkOpts about(KernelOp kernel, StringRef name) {
    return remark::RemarkOpts::name(name).category(DEBUG_TYPE).function(kernel.getSymName());
  }

  void runOnOperation() override {
    KernelOp kernel = getOperation();
    if (kernel.getScope() != ScopeKind::Block)
      return;
    SmallVector<std::pair<scf::ParallelOp, Plan>> loops;
    kernel.walk([&](scf::ParallelOp loop) {
      if (loop->getParentOfType<scf::ParallelOp>() || loop->getParentOfType<SingleOp>())
        return;
      Plan plan;
      StringRef reason = planLoop(loop, plan);
      if (reason.empty())
        loops.push_back({loop, plan});
      else
        remark::missed(loop.getLoc(), about(kernel, "LoopNotVectorized")) << remark::reason("{0}", reason);
    });
    for (auto &[loop, plan] : loops) {
      remark::passed(loop.getLoc(), about(kernel, "LoopVectorized")) << remark::metric("Width", plan.width);
      vectorize(loop, plan);
    }
  }
};
} // namespace
