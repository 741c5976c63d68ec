//===- KeepScratch.cpp - Local memory that outlives a work item -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A body that looks things up often begins with loops that fill local memory from buffers. Where all instances of a
// launch share the words that such a fill depends on, a team fills for its first item and keeps that for the others.
//
// This is as if all its items began together and did their fills, before any of them went on: items have no order, so
// that is one of the ways in which they may run, whatever they or others write to the same buffers. It takes that
// * what stands before a fill neither writes nor reads a buffer, which might be the one that the fill reads, nor looks
//   at local memory;
// * a fill depends on shared words, constants and local memory that is kept, and writes nothing else than such memory;
// * nothing but fills writes that memory.
// Where a fill may have raised a fault it is done again, so that each slot gets its own.
//
//===----------------------------------------------------------------------===//

#include "LowerKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mk;

/// The memory that a load reads or a store writes, or null.
static Value readBy(Operation *op) { return isa<memref::LoadOp, vector::LoadOp>(op) ? op->getOperand(0) : Value(); }
static Value writtenBy(Operation *op) {
  return isa<memref::StoreOp, vector::StoreOp>(op) ? op->getOperand(1) : Value();
}

/// All that an operation does itself is to compute, to read or to raise faults.
static bool isQuiet(Operation *op) {
  return readBy(op) || isa<FaultOp, RaiseOp>(op) || op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
         isMemoryEffectFree(op);
}

static bool allInside(Operation *op, function_ref<bool(Operation *)> holds) {
  auto check = [&](Operation *inner) { return holds(inner) ? WalkResult::advance() : WalkResult::interrupt(); };
  return !op->walk(check).wasInterrupted();
}

/// The branch around 'op' in 'fill' that all threads take or none, or null.
static Region *commonBranch(Operation *op, Operation *fill) {
  for (Region *region = op->getParentRegion(); fill->isAncestor(region->getParentOp());
       region = region->getParentRegion())
    if (isa<scf::IfOp>(region->getParentOp()) && !isInsideThread(region->getParentOp()))
      return region;
  return nullptr;
}

namespace {
/// Finds the fills of a work item.
class FillFinder {
public:
  FillFinder(ArgumentsOp arguments, ArrayRef<Value> scratch)
      : arguments(arguments), scratch(scratch), kept(scratch.begin(), scratch.end()) {}

  SmallVector<Operation *> find();
  /// The words that they depend on.
  llvm::SmallSetVector<unsigned, 8> words;

private:
  bool isFill(Operation *op);
  bool dependsOnWords(Value value);

  ArgumentsOp arguments;
  ArrayRef<Value> scratch;
  /// What nothing but fills writes, as far as is known.
  llvm::SmallSetVector<Value, 4> kept;
};
} // namespace

/// Notes the words that 'value' depends on; false if it depends on anything else that an item has.
bool FillFinder::dependsOnWords(Value value) {
  if (llvm::is_contained(scratch, value))
    return false;
  if (!arguments->getParentRegion()->isAncestor(value.getParentRegion()))
    return true;
  if (isa<MemRefType>(value.getType()))
    value = sourceOf(value);
  Operation *op = value.getDefiningOp();
  if (op == arguments) {
    unsigned number = cast<OpResult>(value).getResultNumber(), count = arguments.getNumWords();
    words.insert(number < count ? number : arguments.getHandles()[(number - count) / 2]);
    return true;
  }
  return op && op->getNumRegions() == 0 && isPure(op) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return dependsOnWords(operand); });
}

bool FillFinder::isFill(Operation *op) {
  bool fills = false;
  auto isOwn = [&](Value value) { return op->isAncestor(value.getParentBlock()->getParentOp()); };
  auto isAllowed = [&](Operation *inner) {
    for (Value operand : inner->getOperands())
      if (!isOwn(operand) && !kept.contains(operand) && !dependsOnWords(operand))
        return false;
    if (Value to = writtenBy(inner)) {
      fills |= kept.contains(to);
      return kept.contains(to) || (isOwn(to) && to.getDefiningOp<memref::AllocaOp>());
    }
    // What decides for all threads is loaded by none, so that they agree, whatever others write.
    if (readBy(inner) && !isInsideThread(inner))
      return false;
    return isQuiet(inner) && (!isa<FaultOp, RaiseOp>(inner) || commonBranch(inner, op));
  };
  return op->getNumRegions() != 0 && op->use_empty() && allInside(op, isAllowed) && fills;
}

SmallVector<Operation *> FillFinder::find() {
  SmallVector<Operation *> ops;
  for (Operation &op : *arguments->getBlock())
    if (auto task = dyn_cast<TaskOp>(op))
      llvm::append_range(ops, llvm::make_pointer_range(task.getBody().front()));
    else
      ops.push_back(&op);
  auto mayPrecedeFill = [&](Operation *op) {
    return op == arguments || llvm::is_contained(scratch, writtenBy(op)) || (isQuiet(op) && !readBy(op));
  };
  while (true) {
    SmallVector<Operation *> fills;
    for (Operation *op : ops) {
      if (isFill(op))
        fills.push_back(op);
      else if (!allInside(op, mayPrecedeFill))
        break;
    }
    bool isLess = kept.remove_if([&](Value memory) {
      return llvm::any_of(memory.getUsers(), [&](Operation *user) {
        bool isOfFill = llvm::any_of(fills, [&](Operation *fill) { return fill->isAncestor(user); });
        return readBy(user) != memory && !(isOfFill && writtenBy(user) == memory);
      });
    });
    if (isLess)
      continue;
    words.clear();
    llvm::for_each(fills, [&](Operation *fill) { isFill(fill); });
    return fills;
  }
}

void KernelLowering::keepScratch(ArgumentsOp arguments, ArrayRef<Value> scratch) {
  FillFinder finder(arguments, scratch);
  SmallVector<Operation *> fills = finder.find();
  if (fills.empty())
    return;

  ImplicitLocOpBuilder b(arguments.getLoc(), arguments->getParentOp());
  Value isNeeded = memref::AllocaOp::create(b, MemRefType::get({}, b.getI1Type()));
  Value yes = arith::ConstantOp::create(b, b.getBoolAttr(true));
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0)), steps = zero;
  for (unsigned word : finder.words)
    steps = arith::OrIOp::create(b, steps, stepOf(b, arguments, word));
  Value varies = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, steps, zero);
  memref::StoreOp::create(b, yes, isNeeded);

  b.setInsertionPoint(arguments);
  Value now = memref::LoadOp::create(b, isNeeded);
  memref::StoreOp::create(b, varies, isNeeded);
  for (Operation *fill : fills) {
    b.setInsertionPoint(fill);
    auto branch = scf::IfOp::create(b, now, /*withElseRegion=*/false);
    fill->moveBefore(branch.thenBlock()->getTerminator());
    llvm::SmallSetVector<Region *, 2> faulty;
    fill->walk([&](Operation *op) {
      if (isa<FaultOp, RaiseOp>(op))
        faulty.insert(commonBranch(op, fill));
    });
    for (Region *region : faulty) {
      b.setInsertionPointToStart(&region->front());
      memref::StoreOp::create(b, yes, isNeeded);
    }
  }
  // What only a fill needs is computed with it, and what is needed behind it takes no registers meanwhile.
  Block *items = arguments->getBlock(), *work = endOfWork(*items)->getBlock();
  for (Block *block : {work, items})
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
      if (op.getNumResults() != 0 && !op.use_empty() && isPure(&op) && !op.hasTrait<OpTrait::ConstantLike>())
        if (Operation *use = firstUse(llvm::to_vector(op.getUsers()), work->getParent()))
          op.moveBefore(use);
}
