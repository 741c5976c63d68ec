//===- FuseWindows.cpp - mk-fuse-windows ------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Guard.h"
#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/Dominance.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/CSE.h"

namespace mk {
#define GEN_PASS_DEF_MKFUSEWINDOWSPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

/// The CTA runs a window as soon as one of its opcodes wants one.
static ScopeKind scopeOf(WindowOp window, SymbolTable &symbols) {
  for (auto issue : window.getBody().getOps<IssueOp>())
    if (symbols.lookup<OpcodeOp>(issue.getCallee()).getScope() == ScopeKind::Block)
      return ScopeKind::Block;
  return ScopeKind::Lane;
}

/// Replaces each issue by the body of its opcode.
static unsigned inlineIssues(WindowOp window, ScopeKind scope, SymbolTable &symbols) {
  unsigned number = 0;
  for (IssueOp issue : llvm::make_early_inc_range(window.getBody().getOps<IssueOp>())) {
    auto opcode = symbols.lookup<OpcodeOp>(issue.getCallee());
    OpBuilder b(issue);
    if (scope == ScopeKind::Block && opcode.getScope() == ScopeKind::Lane) {
      auto single = SingleOp::create(b, issue.getLoc());
      b.createBlock(&single.getBody());
      YieldOp::create(b, issue.getLoc());
      b.setInsertionPointToStart(&single.getBody().front());
    }
    IRMapping mapping;
    mapping.map(opcode.getArguments(), issue.getOperands());
    auto place = b.getI32IntegerAttr(number++);
    for (Operation &op : opcode.getBody().front().without_terminator()) {
      Operation *clone = b.clone(op, mapping);
      // A fault must be laid at the door of the slot it belongs to: mk-guard reads this hint.
      clone->walk([&](Operation *inner) {
        if (auto fault = dyn_cast<FaultOp>(inner))
          fault.setIssueAttr(place);
        else if (auto raise = dyn_cast<RaiseOp>(inner))
          raise.setIssueAttr(place);
        else if (auto emit = dyn_cast<EmitOp>(inner))
          emit.setIssueAttr(place);
        else if (mayNeedGuard(inner))
          inner->setDiscardableAttr("mk.issue", place);
      });
    }
    issue.erase();
  }
  return number;
}

/// States that memref arguments are distinct objects.
static void assertDistinct(WindowOp window) {
  SmallVector<Value> memrefs;
  for (BlockArgument argument : window.getArguments())
    if (isa<MemRefType>(argument.getType()))
      memrefs.push_back(argument);
  if (memrefs.size() < 2)
    return;
  OpBuilder b = OpBuilder::atBlockBegin(window.getBodyBlock());
  auto distinct = memref::DistinctObjectsOp::create(b, window.getLoc(), memrefs);
  for (auto [argument, result] : llvm::zip_equal(memrefs, distinct.getResults()))
    argument.replaceAllUsesExcept(result, distinct);
}

/// Makes the extents of a group one value, known at the start of the window, so that loops over them have equal bounds.
static void unifyExtents(WindowOp window) {
  OpBuilder b = OpBuilder::atBlockBegin(window.getBodyBlock());
  if (auto distinct = dyn_cast<memref::DistinctObjectsOp>(window.getBodyBlock()->front()))
    b.setInsertionPointAfter(distinct);
  std::optional<ArrayRef<int32_t>> groups = window.getExtents();
  llvm::MapVector<std::pair<int32_t, Value>, Value> extents;
  SmallVector<memref::DimOp> dims;
  window.getBody().walk([&](memref::DimOp dim) { dims.push_back(dim); });
  for (memref::DimOp dim : dims) {
    Value source = dim.getSource();
    std::optional<int64_t> number = dim.getConstantIndex();
    if (!number || *number != 0)
      continue;
    Value argument = source;
    if (auto distinct = source.getDefiningOp<memref::DistinctObjectsOp>())
      argument = distinct.getOperand(cast<OpResult>(source).getResultNumber());
    auto blockArgument = dyn_cast<BlockArgument>(argument);
    if (!blockArgument || blockArgument.getOwner() != window.getBodyBlock())
      continue;
    int32_t group = groups ? (*groups)[blockArgument.getArgNumber()] : -1;
    Value &extent = extents[group >= 0 ? std::pair(group, Value()) : std::pair(-1, argument)];
    if (!extent) {
      Value zero = arith::ConstantIndexOp::create(b, dim.getLoc(), 0);
      extent = memref::DimOp::create(b, dim.getLoc(), source, zero);
    }
    dim.replaceAllUsesWith(extent);
    dim.erase();
  }
}

namespace {
/// How loops use one memref.
struct MemRefUse {
  bool written = false;
  /// Every access is a load or store at exactly the induction variables.
  bool elementwise = true;
};
using LoopUses = llvm::MapVector<Value, MemRefUse>;
} // namespace

static LoopUses usesOf(scf::ParallelOp loop) {
  LoopUses uses;
  loop.getBody()->walk([&](Operation *op) {
    auto use = [&](Value memref, ValueRange indices, bool written) {
      MemRefUse &entry = uses[memref];
      entry.written |= written;
      entry.elementwise &= llvm::equal(indices, loop.getInductionVars());
    };
    if (auto load = dyn_cast<memref::LoadOp>(op))
      use(load.getMemRef(), load.getIndices(), false);
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      use(store.getMemRef(), store.getIndices(), true);
    else if (!isa<memref::DimOp>(op))
      for (Value operand : op->getOperands())
        if (isa<MemRefType>(operand.getType()))
          uses[operand] = {/*written=*/true, /*elementwise=*/false};
  });
  return uses;
}

/// Puts an empty mk.single before each loop that must not be fused with those before it: iterations of fused loops are
/// interleaved, so what one loop writes and another touches must be the iteration's own element in both. (Upstream's
/// own test looks at loads after stores only.)
static SmallVector<SingleOp> separateLoops(WindowOp window) {
  SmallVector<SingleOp> separators;
  LoopUses group;
  for (auto loop : llvm::make_early_inc_range(window.getBody().getOps<scf::ParallelOp>())) {
    LoopUses uses = usesOf(loop);
    bool fits = llvm::all_of(uses, [&](auto &entry) {
      auto before = group.find(entry.first);
      if (before == group.end() || (!before->second.written && !entry.second.written))
        return true;
      return before->second.elementwise && entry.second.elementwise;
    });
    if (!fits) {
      OpBuilder b(loop);
      auto separator = SingleOp::create(b, loop.getLoc());
      b.createBlock(&separator.getBody());
      YieldOp::create(b, loop.getLoc());
      separators.push_back(separator);
      group.clear();
    }
    for (auto &[memref, use] : uses) {
      auto [entry, isNew] = group.insert({memref, use});
      if (!isNew) {
        entry->second.written |= use.written;
        entry->second.elementwise &= use.elementwise;
      }
    }
  }
  return separators;
}

namespace {
struct MkFuseWindowsPass : mk::impl::MkFuseWindowsPassBase<MkFuseWindowsPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    IRRewriter rewriter(&getContext());
    for (WindowOp window : getOperation().getOps<WindowOp>()) {
      if (window.getFused())
        continue;
      ScopeKind scope = scopeOf(window, symbols);
      unsigned slots = inlineIssues(window, scope, symbols);
      window.setFused(slots);
      window.setScope(scope);
      assertDistinct(window);
      unifyExtents(window);
      // Equal bounds must be one value for loops to fuse.
      DominanceInfo dominance(window);
      eliminateCommonSubExpressions(rewriter, dominance, window);
      // Different values are different objects by now; equal ones were made one by CSE.
      SmallVector<SingleOp> separators = separateLoops(window);
      scf::naivelyFuseParallelOps(window.getBody(), [](Value a, Value b) { return a == b; });
      for (SingleOp separator : separators)
        separator.erase();
    }
  }
};
} // namespace
