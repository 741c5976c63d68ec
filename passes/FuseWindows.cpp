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
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"

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
      auto single = SingleOp::create(b, issue.getLoc(), /*nowait=*/false);
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
    Value argument = sourceOf(source);
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
/// Operations as keys: equal when they compute the same values.
struct SameComputation : llvm::DenseMapInfo<Operation *> {
  static unsigned getHashValue(const Operation *op) {
    return OperationEquivalence::computeHash(const_cast<Operation *>(op), OperationEquivalence::directHashValue,
                                             OperationEquivalence::ignoreHashValue,
                                             OperationEquivalence::IgnoreLocations);
  }
  static bool isEqual(const Operation *a, const Operation *b) {
    auto isKey = [](const Operation *op) { return op != getEmptyKey() && op != getTombstoneKey(); };
    if (a == b || !isKey(a) || !isKey(b))
      return a == b;
    return OperationEquivalence::isEquivalentTo(const_cast<Operation *>(a), const_cast<Operation *>(b),
                                                OperationEquivalence::IgnoreLocations);
  }
};
} // namespace

/// Makes values that the issues compute alike outside loops one value: equal bounds must be for loops to fuse. Nothing
/// else is removed, dead or not, because an operation that may fault does so on every tier.
static void uniteEqualValues(WindowOp window) {
  llvm::DenseSet<Operation *, SameComputation> seen;
  for (Operation &op : llvm::make_early_inc_range(window.getBodyBlock()->without_terminator())) {
    if (op.getNumRegions() != 0 || !isMemoryEffectFree(&op) || mayNeedGuard(&op) || isa<memref::DistinctObjectsOp>(op))
      continue;
    auto [first, isNew] = seen.insert(&op);
    if (isNew)
      continue;
    op.replaceAllUsesWith(*first);
    op.erase();
  }
}

//===----------------------------------------------------------------------===//
// What loops do with memory
//===----------------------------------------------------------------------===//

static bool isConstantOne(Value value) { return matchPattern(value, m_One()); }
static bool isConstantZero(Value value) { return matchPattern(value, m_Zero()); }

/// True when 'index' is the row-major number of the iteration in the first 'dims' dimensions of the loop: the induction
/// variable, (i * n + j) where j runs from 0 to n, and so on.
static bool isIterationNumber(Value index, scf::ParallelOp loop, unsigned dims) {
  Value iv = loop.getInductionVars()[dims - 1];
  if (dims == 1)
    return index == iv && (loop.getNumLoops() == 1 || isConstantOne(loop.getStep()[0]));
  if (!isConstantZero(loop.getLowerBound()[dims - 1]) || !isConstantOne(loop.getStep()[dims - 1]))
    return false;
  auto other = [](auto op, Value operand) -> Value {
    if (!op)
      return {};
    return op.getLhs() == operand ? op.getRhs() : op.getRhs() == operand ? op.getLhs() : Value();
  };
  Value rows = other(index.getDefiningOp<arith::AddIOp>(), iv);
  if (!rows)
    return false;
  Value row = other(rows.getDefiningOp<arith::MulIOp>(), loop.getUpperBound()[dims - 1]);
  return row && isIterationNumber(row, loop, dims - 1);
}

/// True when each iteration has an element of its own at the indices, the same in every loop over these iterations.
static bool isOwnElement(ValueRange indices, scf::ParallelOp loop) {
  return llvm::equal(indices, loop.getInductionVars()) ||
         (indices.size() == 1 && isIterationNumber(indices[0], loop, loop.getNumLoops()));
}

/// The argument that 'memref' is, if it is one.
static BlockArgument argumentOf(Value memref, WindowOp window) {
  auto argument = dyn_cast<BlockArgument>(sourceOf(memref));
  return argument && argument.getOwner() == window.getBodyBlock() ? argument : BlockArgument();
}

static std::string describe(Value memref, WindowOp window) {
  if (BlockArgument argument = argumentOf(memref, window))
    return "argument " + std::to_string(argument.getArgNumber());
  return "local memory";
}

namespace {
/// How code uses one memref.
struct MemRefUse {
  bool written = false;
  /// Every access is a load or store of the iteration's own element.
  bool ownElement = true;
};
/// How code uses memory. Different keys are different memory.
struct MemoryUses {
  llvm::MapVector<Value, MemRefUse> memrefs;
  /// It also uses memory of which that is not known.
  bool unknown = false;
};
} // namespace

/// How 'root' uses memory; 'loop' is the loop whose iterations count, if there is one.
static MemoryUses usesOf(Operation *root, scf::ParallelOp loop, WindowOp window) {
  MemoryUses uses;
  auto use = [&](Value memref, bool written, bool ownElement) {
    if (!argumentOf(memref, window) && !memref.getDefiningOp<memref::AllocaOp>()) {
      uses.unknown = true;
      return;
    }
    MemRefUse &entry = uses.memrefs[memref];
    entry.written |= written;
    entry.ownElement &= ownElement;
  };
  root->walk([&](Operation *op) {
    if (auto load = dyn_cast<memref::LoadOp>(op))
      use(load.getMemRef(), /*written=*/false, loop && isOwnElement(load.getIndices(), loop));
    else if (auto store = dyn_cast<memref::StoreOp>(op))
      use(store.getMemRef(), /*written=*/true, loop && isOwnElement(store.getIndices(), loop));
    else if (!isa<memref::DimOp>(op))
      for (Value operand : op->getOperands())
        if (isa<BaseMemRefType>(operand.getType()))
          use(operand, /*written=*/true, /*ownElement=*/false);
  });
  return uses;
}

/// What hinders running the iterations of both alternately, or "". What one writes and the other touches must be the
/// iteration's own element in both.
static std::string conflict(const MemoryUses &first, const MemoryUses &second, WindowOp window) {
  if (first.unknown || second.unknown)
    return "one uses memory that is no argument";
  for (const auto &[memref, use] : second.memrefs) {
    auto before = first.memrefs.find(memref);
    if (before == first.memrefs.end() || (!before->second.written && !use.written))
      continue;
    if (!before->second.ownElement || !use.ownElement)
      return "they share elements of " + describe(memref, window);
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Fusing loops
//===----------------------------------------------------------------------===//

/// Decides whether 'second' can take in 'first', which stands before it in the same block. Returns what hinders it, or
/// "" and in 'later' what has to move from between them to behind.
static std::string whyApart(scf::ParallelOp first, scf::ParallelOp second, WindowOp window, ScopeKind scope,
                            SmallVectorImpl<Operation *> &later) {
  if (!llvm::equal(first.getLowerBound(), second.getLowerBound()) ||
      !llvm::equal(first.getUpperBound(), second.getUpperBound()) || !llvm::equal(first.getStep(), second.getStep()))
    return "their iterations are not known to be the same";
  // In lane scope one thread runs all iterations, and mk-guard counts those of each slot unless they are an extent.
  if (scope == ScopeKind::Lane &&
      (second.getNumLoops() != 1 || !second.getUpperBound()[0].getDefiningOp<memref::DimOp>() ||
       getConstantIntValue(second.getLowerBound()[0]).value_or(-1) < 0))
    return "in lane scope they take fuel, each of its own slot";

  MemoryUses uses = usesOf(second, second, window);
  llvm::SmallPtrSet<Operation *, 8> behind = {first};
  auto isBehind = [&](Value value) { return value.getDefiningOp() && behind.contains(value.getDefiningOp()); };
  for (Operation *op = first->getNextNode(); op != second; op = op->getNextNode()) {
    bool isPlain = op->getNumRegions() == 0;
    bool isFree = isMemoryEffectFree(op);
    if (isPlain && isFree && llvm::none_of(op->getOperands(), isBehind))
      continue;
    if (!isPlain || !(isFree || isa<memref::LoadOp, memref::StoreOp, EmitOp, FaultOp>(op)))
      return (op->getName().getStringRef() + " stands between them").str();
    MemoryUses own = usesOf(op, /*loop=*/nullptr, window);
    // It has no iterations, so nothing that it shares with the loop is an iteration's own.
    if (!conflict(own, uses, window).empty())
      return (op->getName().getStringRef() + " between them and the second share memory").str();
    behind.insert(op);
    later.push_back(op);
  }

  llvm::SetVector<Value> needed;
  getUsedValuesDefinedAbove(second.getRegion(), needed);
  needed.insert_range(second->getOperands());
  if (llvm::any_of(needed, isBehind))
    return "the second needs a value of the first, or one from between them";
  return conflict(usesOf(first, first, window), uses, window);
}

/// Puts a loop over the bodies of both in the place of 'second'. Neither the iterations nor the order in which a
/// reduction takes their values change.
static scf::ParallelOp fuse(scf::ParallelOp first, scf::ParallelOp second, ArrayRef<Operation *> later) {
  OpBuilder b(second);
  Location loc = b.getFusedLoc({first.getLoc(), second.getLoc()});
  SmallVector<Value> inits(first.getInitVals());
  llvm::append_range(inits, second.getInitVals());
  auto fused = scf::ParallelOp::create(b, loc, second.getLowerBound(), second.getUpperBound(), second.getStep(), inits);
  // mk-guard lays a fault of the loop at the door of all whose loop it was.
  llvm::SmallSetVector<int32_t, 4> issues;
  for (scf::ParallelOp loop : {first, second}) {
    if (auto issue = loop->getAttrOfType<IntegerAttr>("mk.issue"))
      issues.insert(issue.getInt());
    if (auto several = loop->getAttrOfType<DenseI32ArrayAttr>("mk.issues"))
      issues.insert_range(several.asArrayRef());
  }
  fused->setDiscardableAttr("mk.issues", b.getDenseI32ArrayAttr(issues.getArrayRef()));
  Block *body = fused.getBody();
  body->clear();
  SmallVector<Value> operands, results(fused.getResults());
  SmallVector<Region *> reductions;
  ArrayRef<Value> rest = results;
  for (scf::ParallelOp loop : {first, second}) {
    Operation *reduce = loop.getBody()->getTerminator();
    llvm::append_range(operands, reduce->getOperands());
    for (Region &region : reduce->getRegions())
      reductions.push_back(&region);
    for (auto [from, to] : llvm::zip_equal(loop.getInductionVars(), fused.getInductionVars()))
      from.replaceAllUsesWith(to);
    body->getOperations().splice(body->end(), loop.getBody()->getOperations(), loop.getBody()->begin(),
                                 reduce->getIterator());
    loop->replaceAllUsesWith(rest.take_front(loop.getNumResults()));
    rest = rest.drop_front(loop.getNumResults());
  }
  b.setInsertionPointToEnd(body);
  auto reduce = scf::ReduceOp::create(b, loc, operands);
  for (auto [to, from] : llvm::zip_equal(reduce->getRegions(), reductions))
    to.takeBody(*from);
  Operation *last = second;
  for (Operation *op : later) {
    op->moveAfter(last);
    last = op;
  }
  first.erase();
  second.erase();
  return fused;
}

static remark::RemarkOpts remarkOf(StringRef name, WindowOp window) {
  return remark::RemarkOpts::name(name).category("mk-fuse-windows").function(window.getSymName());
}

/// Each loop takes in the one before it, where that is possible.
static void fuseLoops(WindowOp window, ScopeKind scope) {
  scf::ParallelOp before;
  for (auto loop : llvm::make_early_inc_range(window.getBody().getOps<scf::ParallelOp>())) {
    if (before) {
      SmallVector<Operation *> later;
      std::string reason = whyApart(before, loop, window, scope, later);
      if (reason.empty()) {
        remark::passed(loop.getLoc(), remarkOf("LoopsFused", window)) << "with the loop before";
        loop = fuse(before, loop, later);
      } else {
        remark::missed(loop.getLoc(), remarkOf("LoopsNotFused", window)) << remark::reason("{0}", reason);
      }
    }
    before = loop;
  }
}

//===----------------------------------------------------------------------===//
// Transient arguments
//===----------------------------------------------------------------------===//

/// True when an access at the iteration's own element cannot be out of the range of 'argument', and so cannot fault.
static bool isInRange(scf::ParallelOp loop, BlockArgument argument, WindowOp window) {
  auto extent = loop.getNumLoops() == 1 ? loop.getUpperBound()[0].getDefiningOp<memref::DimOp>() : memref::DimOp();
  BlockArgument measured = extent ? argumentOf(extent.getSource(), window) : BlockArgument();
  if (!measured || extent.getConstantIndex() != 0 || !isConstantZero(loop.getLowerBound()[0]) ||
      !isConstantOne(loop.getStep()[0]))
    return false;
  std::optional<ArrayRef<int32_t>> groups = window.getExtents();
  auto groupOf = [&](BlockArgument of) { return groups ? (*groups)[of.getArgNumber()] : -1; };
  return measured == argument || (groupOf(argument) >= 0 && groupOf(argument) == groupOf(measured));
}

/// Keeps the elements of a transient argument out of memory: loads take what the same iteration stored, and then no
/// store has a reader. All or nothing; returns what hinders it, or "".
static std::string eliminate(BlockArgument argument, WindowOp window) {
  Value memref = argument;
  for (Operation *user : argument.getUsers())
    if (auto distinct = dyn_cast<memref::DistinctObjectsOp>(user))
      memref = distinct.getResult(llvm::find(distinct->getOperands(), argument).getIndex());

  SmallVector<Operation *> accesses;
  llvm::SmallSetVector<scf::ParallelOp, 4> loops;
  for (Operation *user : memref.getUsers()) {
    if (isa<memref::DimOp>(user))
      continue;
    auto load = dyn_cast<memref::LoadOp>(user);
    auto store = dyn_cast<memref::StoreOp>(user);
    if (!load && !store)
      return ("it is used by " + user->getName().getStringRef()).str();
    Operation *top = window.getBodyBlock()->findAncestorOpInBlock(*user);
    auto loop = dyn_cast<scf::ParallelOp>(top);
    if (!loop || !isOwnElement(load ? load.getIndices() : store.getIndices(), loop))
      return "an access is not at the element of a loop's iteration";
    if (!isInRange(loop, argument, window))
      return "an access is not known to be in range, and a fault would be lost";
    accesses.push_back(user);
    loops.insert(loop);
  }
  if (accesses.empty())
    return "nothing uses it";

  // What each load finds, by the stores before it.
  SmallVector<std::pair<memref::LoadOp, Value>> forwarded;
  for (scf::ParallelOp loop : loops) {
    Value stored;
    for (Operation &op : *loop.getBody()) {
      if (auto store = dyn_cast<memref::StoreOp>(op); store && store.getMemRef() == memref) {
        stored = store.getValue();
        continue;
      }
      bool stores = op.walk([&](memref::StoreOp store) {
                        return store.getMemRef() == memref ? WalkResult::interrupt() : WalkResult::advance();
                      }).wasInterrupted();
      if (stores)
        stored = {};
      bool misses = op.walk([&](memref::LoadOp load) {
                        if (load.getMemRef() != memref)
                          return WalkResult::advance();
                        if (!stored)
                          return WalkResult::interrupt();
                        forwarded.push_back({load, stored});
                        return WalkResult::advance();
                      }).wasInterrupted();
      if (misses)
        return "a load does not follow a store of the same iteration";
    }
  }
  // A stored value may itself be a load that goes away.
  llvm::DenseMap<Value, Value> values;
  for (auto [load, value] : forwarded) {
    auto known = values.find(value);
    values[load] = known == values.end() ? value : known->second;
  }
  for (auto [load, value] : forwarded)
    load.replaceAllUsesWith(values[load]);
  for (Operation *access : accesses)
    access->erase();
  return "";
}

static void eliminateTransients(WindowOp window) {
  for (BlockArgument argument : window.getArguments()) {
    unsigned number = argument.getArgNumber();
    if (!window.getArgAttr(number, "mk.transient"))
      continue;
    std::string reason = eliminate(argument, window);
    if (reason.empty())
      remark::passed(window.getLoc(), remarkOf("TransientEliminated", window)) << remark::metric("Argument", number);
    else
      remark::missed(window.getLoc(), remarkOf("TransientKept", window))
          << remark::metric("Argument", number) << remark::reason("{0}", reason);
  }
}

namespace {
struct MkFuseWindowsPass : mk::impl::MkFuseWindowsPassBase<MkFuseWindowsPass> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (WindowOp window : getOperation().getOps<WindowOp>()) {
      if (window.getFused())
        continue;
      ScopeKind scope = scopeOf(window, symbols);
      unsigned slots = inlineIssues(window, scope, symbols);
      window.setFused(slots);
      window.setScope(scope);
      assertDistinct(window);
      unifyExtents(window);
      uniteEqualValues(window);
      fuseLoops(window, scope);
      eliminateTransients(window);
    }
  }
};
} // namespace
