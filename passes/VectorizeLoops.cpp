//===- VectorizeLoops.cpp - mk-vectorize-loops ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexOffset.h"
#include "LowerKernel.h"
#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
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
  /// Elements that one iteration takes: those of one access, or one for each accumulator of a lane.
  unsigned width = 0;
  /// Offsets (in elements) of the views that are accessed; all must be multiples of 'width'.
  llvm::SmallSetVector<Value, 4> offsets;
  /// The number of iterations is a multiple of 'width'.
  bool isWhole = false;
};

} // namespace

/// True for the index of a later element.
static bool isNeighbour(Operation *op, Value iv) {
  if (!isa<arith::AddIOp>(op))
    return false;
  auto [index, distance] = splitOffset(op->getResult(0));
  return index == iv && distance >= 0;
}

/// Nothing when every iteration writes its own element of each memref, or reduces, and computes element by element,
/// from its own elements and those at fixed distances behind them; else why not.
static StringRef planLoop(scf::ParallelOp loop, Plan &plan) {
  if (loop.getNumLoops() != 1 || !matchPattern(loop.getLowerBound()[0], m_Zero()) ||
      !matchPattern(loop.getStep()[0], m_One()))
    return "loop does not run from 0 in steps of 1";
  Value iv = loop.getInductionVars()[0];
  unsigned bits = 0;
  bool computes = false;
  // Memrefs that are read and written at the iteration's own place, and those that are elsewhere.
  llvm::SmallDenseSet<Value> read, written, around, ahead;
  auto access = [&](Value memref, ValueRange indices) {
    Value source = sourceOf(memref);
    auto view = source.getDefiningOp<ViewOp>();
    auto local = source.getDefiningOp<memref::AllocaOp>();
    Type element = cast<MemRefType>(memref.getType()).getElementType();
    if (!(view || (local && loop.isDefinedOutsideOfLoop(source))) || indices.size() != 1 ||
        splitOffset(indices[0]).first != iv || !element.isIntOrFloat())
      return false;
    unsigned size = element.getIntOrFloatBitWidth();
    // Of local memory a warp gets 128 bytes at once, also in words.
    if (size < 8 || (bits != 0 && bits != size) || (local && size >= 32))
      return false;
    bits = size;
    plan.width = loop.getNumReductions() != 0 ? abi::AccumulatorsPerLane : accessBytes * 8 / bits;
    // Local memory is aligned.
    if (!view)
      return true;
    auto facts = view->getAttrOfType<FactsAttr>("mk.facts");
    if (Value offset = view.getOffset(); offset && !(facts && facts.getAligned() % plan.width == 0))
      plan.offsets.insert(offset);
    return true;
  };
  for (Operation &op : loop.getBody()->without_terminator()) {
    bool fits = false;
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      // An access beyond the own elements must not reach beyond the 16 bytes in which a buffer ends.
      fits = access(load.getMemRef(), load.getIndices()) &&
             (plan.width * bits <= accessBytes * 8 || splitOffset(load.getIndices()[0]).second % plan.width == 0);
      (load.getIndices()[0] == iv ? read : around).insert(sourceOf(load.getMemRef()));
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      fits = store.getValue() != iv && access(store.getMemRef(), store.getIndices()) &&
             splitOffset(store.getIndices()[0]).second % plan.width == 0;
      (store.getIndices()[0] == iv ? written : ahead).insert(sourceOf(store.getMemRef()));
    } else if (auto atomic = dyn_cast<memref::AtomicRMWOp>(op)) {
      fits = atomic->use_empty() && loop.isDefinedOutsideOfLoop(atomic.getMemref()) &&
             !llvm::is_contained(op.getOperands(), iv);
    } else if (isNeighbour(&op, iv)) {
      fits = llvm::all_of(op.getUsers(), [&](Operation *user) {
        auto store = dyn_cast<memref::StoreOp>(user);
        return isa<memref::LoadOp>(user) || isNeighbour(user, iv) || (store && store.getValue() != op.getResult(0));
      });
    } else {
      computes = true;
      fits = OpTrait::hasElementwiseMappableTraits(&op) && isPure(&op) && !llvm::is_contained(op.getOperands(), iv) &&
             llvm::all_of(op.getResultTypes(), [](Type type) { return type.isIntOrIndexOrFloat(); });
    }
    if (!fits) {
      LDBG() << "does not fit: " << op;
      return isa<memref::LoadOp, memref::StoreOp>(op)
                 ? "iterations access other elements than their own, of different sizes, or of less than 8 bits"
                 : "operation is not elementwise, or uses the index";
    }
  }
  if (llvm::is_contained(loop.getBody()->getTerminator()->getOperands(), iv))
    return "operation is not elementwise, or uses the index";
  auto overlap = [](const auto &lhs, const auto &rhs) {
    return llvm::any_of(lhs, [&](Value memref) { return rhs.contains(memref); });
  };
  if (overlap(around, written) || overlap(around, ahead) || overlap(read, ahead))
    return "iterations read what others write";
  if (plan.width == 0)
    return "loop accesses no memory";
  // A GPU has no instructions for vectors of bytes.
  if (bits < 16 && computes)
    return "loop computes with bytes";
  Value end = loop.getUpperBound()[0];
  if (std::optional<int64_t> known = getConstantIntValue(end))
    plan.isWhole = *known % plan.width == 0;
  else if (auto extent = end.getDefiningOp<memref::DimOp>())
    if (auto view = sourceOf(extent.getSource()).getDefiningOp<ViewOp>())
      if (auto facts = view->getAttrOfType<FactsAttr>("mk.facts"))
        plan.isWhole = (facts.getExtent() != 0 ? facts.getExtent() : facts.getMultiple()) % plan.width == 0;
  return "";
}

/// Clones the body for the elements [at, at + width).
static void cloneAsVectors(ImplicitLocOpBuilder &b, scf::ParallelOp loop, unsigned width, Value at) {
  Value iv = loop.getInductionVars()[0];
  IRMapping vectors;
  auto typeOf = [&](Type element) { return VectorType::get({width}, element); };
  auto vectorOf = [&](Value value) -> Value {
    if (Value mapped = vectors.lookupOrNull(value))
      return mapped;
    Value splat = vector::BroadcastOp::create(b, typeOf(value.getType()), value);
    vectors.map(value, splat);
    return splat;
  };
  auto alignment = [&](Type element) {
    return b.getI64IntegerAttr(std::min(accessBytes, width * element.getIntOrFloatBitWidth() / 8));
  };
  auto placeAt = [&](int64_t distance) -> Value {
    return distance == 0 ? at : arith::AddIOp::create(b, at, arith::ConstantIndexOp::create(b, distance)).getResult();
  };
  // What was read since something was written. Neighbours share it.
  llvm::SmallDenseMap<std::pair<Value, int64_t>, Value> chunks;
  auto chunkOf = [&](memref::LoadOp load, int64_t number) {
    Value &chunk = chunks[{load.getMemRef(), number}];
    if (!chunk) {
      Value first = placeAt(number * width);
      auto wide = vector::LoadOp::create(b, typeOf(load.getType()), load.getMemRef(), first);
      wide->setAttr("alignment", alignment(load.getType()));
      chunk = wide;
    }
    return chunk;
  };
  for (Operation &op : loop.getBody()->without_terminator()) {
    if (auto load = dyn_cast<memref::LoadOp>(op)) {
      int64_t distance = splitOffset(load.getIndices()[0]).second;
      Value elements = chunkOf(load, distance / width);
      // Each chunk holds an element that is wanted, so none reaches beyond the 16 bytes in which a buffer ends.
      if (int64_t rest = distance % width) {
        auto mask = llvm::to_vector(llvm::seq<int64_t>(rest, rest + width));
        elements = vector::ShuffleOp::create(b, elements, chunkOf(load, distance / width + 1), mask);
      }
      vectors.map(load.getResult(), elements);
    } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
      int64_t distance = splitOffset(store.getIndices()[0]).second;
      auto wide = vector::StoreOp::create(b, vectorOf(store.getValue()), store.getMemRef(), placeAt(distance));
      wide->setAttr("alignment", alignment(store.getValue().getType()));
      chunks.clear();
    } else if (isa<memref::AtomicRMWOp>(op)) {
      for (unsigned lane = 0; lane < width; ++lane) {
        IRMapping scalars;
        for (Value operand : op.getOperands())
          if (Value elements = vectors.lookupOrNull(operand); elements && !scalars.contains(operand))
            scalars.map(operand, vector::ExtractOp::create(b, elements, lane).getResult());
        b.clone(op, scalars);
      }
      chunks.clear();
    } else if (!isNeighbour(&op, iv)) {
      SmallVector<Value> operands = llvm::map_to_vector(op.getOperands(), vectorOf);
      SmallVector<Type> types =
          llvm::map_to_vector(op.getResultTypes(), [&](Type type) -> Type { return typeOf(type); });
      OperationState state(op.getLoc(), op.getName(), operands, types, op.getDiscardableAttrDictionary().getValue());
      state.propertiesAttr = op.getPropertiesAsAttribute();
      Operation *wide = b.create(state);
      vectors.map(op.getResults(), wide->getResults());
    }
  }
  auto reduce = cast<scf::ReduceOp>(loop.getBody()->getTerminator());
  SmallVector<Value> elements;
  for (Value value : reduce.getOperands())
    for (unsigned number = 0; number < width; ++number)
      elements.push_back(vector::ExtractOp::create(b, vectorOf(value), number));
  if (elements.empty())
    return;
  auto reduceAll = scf::ReduceOp::create(b, elements);
  for (auto [number, region] : llvm::enumerate(reduceAll.getReductions())) {
    region.getBlocks().clear();
    IRMapping mapping;
    reduce.getReductions()[number / width].cloneInto(&region, mapping);
  }
}

static void vectorize(scf::ParallelOp loop, const Plan &plan) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto index = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  Value zero = index(0), one = index(1), width = index(plan.width);

  // Bases are aligned (mk/Runtime/Abi.h), so the offsets decide, and the number of elements.
  Value count = b.createOrFold<arith::MaxSIOp>(loop.getUpperBound()[0], zero);
  Value bits;
  auto mustDivide = [&](Value number) { bits = bits ? arith::OrIOp::create(b, bits, number).getResult() : number; };
  if (!plan.isWhole)
    mustDivide(count);
  llvm::for_each(plan.offsets, mustDivide);
  scf::IfOp branch;
  if (bits) {
    Value rest = arith::AndIOp::create(b, bits, index(plan.width - 1));
    Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, rest, zero);
    branch = scf::IfOp::create(b, loop.getResultTypes(), fits, /*withElseRegion=*/true);
    loop.replaceAllUsesWith(branch);
    loop->moveBefore(branch.elseBlock(), branch.elseBlock()->begin());
    b.setInsertionPointToStart(branch.thenBlock());
  }
  Value trips = b.createOrFold<arith::DivUIOp>(count, width);
  SmallVector<Value> inits, results;
  for (Value init : loop.getInitVals())
    inits.append(plan.width, init);
  auto steps = scf::ParallelOp::create(b, ValueRange{zero}, ValueRange{trips}, ValueRange{one}, inits);
  for (unsigned first = 0; first < inits.size(); first += plan.width)
    results.push_back(steps.getResult(first));
  if (!results.empty())
    steps->setDiscardableAttr(vectorizedAttrName, b.getUnitAttr());
  if (!branch) {
    loop.replaceAllUsesWith(results);
  } else if (!results.empty()) {
    scf::YieldOp::create(b, results);
    b.setInsertionPointToEnd(branch.elseBlock());
    scf::YieldOp::create(b, loop.getResults());
  }
  b.setInsertionPointToStart(steps.getBody());
  cloneAsVectors(b, loop, plan.width, arith::MulIOp::create(b, steps.getInductionVars()[0], width));
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
