//===- LowerKernel.cpp - What lowerings of mk.kernel share ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerKernel.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mk;

void mk::eraseIsa(ModuleOp module) {
  for (Operation &op : llvm::make_early_inc_range(module.getOps()))
    if (isa<OpcodeOp, WindowOp>(op))
      op.erase();
}

/// True inside a loop that is already spread over the team, or in code for one thread of it.
static bool isInsideThread(Operation *op) {
  return op->getParentOfType<scf::ParallelOp>() || op->getParentOfType<SingleOp>();
}

LogicalResult KernelLowering::checkBody() {
  WalkResult walk = function.getFunctionBody().walk([&](Operation *op) {
    if (auto loop = dyn_cast<scf::ParallelOp>(op); loop && loop.getNumResults() != 0) {
      op->emitOpError("reduces, which is not supported yet; write partial results to a buffer");
      return WalkResult::interrupt();
    }
    if (scope == ScopeKind::Block && !isInsideThread(op)) {
      if (auto rmw = dyn_cast<memref::AtomicRMWOp>(op); rmw && !rmw.getResult().use_empty()) {
        op->emitOpError("in block scope, outside scf.parallel, has a result that is used, which is not supported yet; "
                        "move it into scf.parallel or use scope(lane)");
        return WalkResult::interrupt();
      }
      if (isa<memref::AllocaOp>(op)) {
        op->emitOpError("in block scope, outside scf.parallel, is not supported yet; use a buffer argument");
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

/// A write outside scf.parallel happens once, not once for each thread.
void KernelLowering::isolateWrites() {
  SmallVector<Operation *> writes;
  function.getFunctionBody().walk([&](Operation *op) {
    if (isa<memref::StoreOp, memref::AtomicRMWOp>(op) && !isInsideThread(op))
      writes.push_back(op);
  });
  for (Operation *write : writes) {
    OpBuilder b(write);
    auto single = SingleOp::create(b, write->getLoc());
    b.createBlock(&single.getBody());
    auto yield = YieldOp::create(b, write->getLoc());
    write->moveBefore(yield);
  }
}

/// Whether something that this work item does after 'op' could depend on memory.
static bool hasEffectsAfter(Operation *op) {
  for (; !isa<DistributeOp, FunctionOpInterface>(op); op = op->getParentOp()) {
    if (isa<LoopLikeOpInterface>(op->getParentOp()))
      return true;
    for (Operation *next = op->getNextNode(); next; next = next->getNextNode())
      if (!next->hasTrait<OpTrait::IsTerminator>() && !isMemoryEffectFree(next))
        return true;
  }
  return false;
}

LogicalResult KernelLowering::run() {
  if (failed(checkBody()))
    return failure();
  if (hasTeam())
    isolateWrites();

  // Loads outside loops are done by every thread: none may come to a loop that writes before all have loaded.
  bool hasUniformLoads = function.getFunctionBody()
                             .walk([&](memref::LoadOp load) {
                               auto view = load.getMemRef().getDefiningOp<ViewOp>();
                               bool isFrame = view && isa<BlockArgument>(view.getAddress());
                               return isFrame || isInsideThread(load) ? WalkResult::advance() : WalkResult::interrupt();
                             })
                             .wasInterrupted();
  struct Loop {
    scf::ParallelOp op;
    bool spread, sync;
  };
  SmallVector<Loop> loops;
  function.getFunctionBody().walk([&](scf::ParallelOp loop) {
    bool spread = hasTeam() && !isInsideThread(loop);
    loops.push_back({loop, spread, spread && hasEffectsAfter(loop)});
  });
  for (Loop &loop : loops) {
    if (loop.spread && hasUniformLoads) {
      ImplicitLocOpBuilder b(loop.op.getLoc(), loop.op);
      barrier(b);
    }
    if (failed(lowerParallel(loop.op, loop.spread, loop.sync)))
      return failure();
  }

  SmallVector<Operation *> ops;
  function.getFunctionBody().walk([&](Operation *op) {
    if (isa<TaskOp, SingleOp, DistributeOp, ViewOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (auto task = dyn_cast<TaskOp>(op))
      lowerTask(task);
    else if (auto single = dyn_cast<SingleOp>(op))
      lowerSingle(single);
    else if (auto distribute = dyn_cast<DistributeOp>(op))
      lowerDistribute(distribute);
    else
      lowerView(cast<ViewOp>(op));
  }
  return success();
}

LogicalResult KernelLowering::lowerParallel(scf::ParallelOp loop, bool spread, bool sync) {
  if (!spread) {
    IRRewriter rewriter(loop);
    if (succeeded(scf::parallelForToNestedFors(rewriter, loop)))
      return success();
    return loop.emitOpError("could not be turned into scf.for");
  }
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto bin = [&](auto tag, Value lhs, Value rhs) -> Value { return decltype(tag)::create(b, lhs, rhs); };
  unsigned rank = loop.getNumLoops();
  SmallVector<Value> ivs(rank);
  scf::ForOp mine;
  if (rank == 1) {
    Value lower = loop.getLowerBound()[0], step = loop.getStep()[0];
    Value begin = bin(arith::AddIOp(), lower, bin(arith::MulIOp(), threadId(b), step));
    mine = scf::ForOp::create(b, begin, loop.getUpperBound()[0], bin(arith::MulIOp(), threadCount(b), step));
    ivs[0] = mine.getInductionVar();
  } else {
    // One linear space, the last dimension fastest.
    SmallVector<Value> trips;
    Value total = arith::ConstantIndexOp::create(b, 1), zero = arith::ConstantIndexOp::create(b, 0);
    for (unsigned i = 0; i < rank; ++i) {
      Value span = bin(arith::SubIOp(), loop.getUpperBound()[i], loop.getLowerBound()[i]);
      Value trip = bin(arith::CeilDivSIOp(), bin(arith::MaxSIOp(), span, zero), loop.getStep()[i]);
      trips.push_back(trip);
      total = bin(arith::MulIOp(), total, trip);
    }
    mine = scf::ForOp::create(b, threadId(b), total, threadCount(b));
    b.setInsertionPointToStart(mine.getBody());
    Value rest = mine.getInductionVar();
    for (unsigned i = rank; i-- > 0;) {
      Value place = bin(arith::RemUIOp(), rest, trips[i]);
      rest = bin(arith::DivUIOp(), rest, trips[i]);
      ivs[i] = bin(arith::AddIOp(), loop.getLowerBound()[i], bin(arith::MulIOp(), place, loop.getStep()[i]));
    }
  }
  Block *from = loop.getBody(), *to = mine.getBody();
  from->getTerminator()->erase();
  for (auto [argument, iv] : llvm::zip_equal(from->getArguments(), ivs))
    argument.replaceAllUsesWith(iv);
  to->getOperations().splice(Block::iterator(to->getTerminator()), from->getOperations());
  b.setInsertionPointAfter(mine);
  if (sync)
    barrier(b);
  loop.erase();
  return success();
}

void KernelLowering::onOneThread(ImplicitLocOpBuilder &b, function_ref<void()> body) {
  // The first barrier keeps the write behind what the others still read, the second shows it to them.
  barrier(b);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, threadId(b), zero);
  auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body();
  }
  barrier(b);
}

void KernelLowering::lowerTask(TaskOp task) {
  unsigned count = task.getNumResults();
  Value cells;
  ImplicitLocOpBuilder b(task.getLoc(), task);
  if (hasTeam()) {
    cells = sharedCells(count);
  } else {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.getFunctionBody().front());
    cells = memref::AllocaOp::create(b, MemRefType::get({count}, b.getI64Type()));
  }
  auto at = [&](unsigned i) -> Value { return arith::ConstantIndexOp::create(b, i); };
  auto clear = [&] {
    Value none = arith::ConstantOp::create(b, b.getI64IntegerAttr(static_cast<int64_t>(abi::NoFault)));
    for (unsigned i = 0; i < count; ++i)
      memref::StoreOp::create(b, none, cells, at(i));
  };
  if (hasTeam())
    onOneThread(b, clear);
  else
    clear();

  SmallVector<Operation *> faults;
  task.getBody().walk([&](Operation *op) {
    if (isa<FaultOp, RaiseOp>(op))
      faults.push_back(op);
  });
  for (Operation *op : faults) {
    b.setInsertionPoint(op);
    b.setLoc(op->getLoc());
    Value word;
    std::optional<uint32_t> issue;
    if (auto raise = dyn_cast<RaiseOp>(op)) {
      word = raise.getWord();
      issue = raise.getIssue();
    } else {
      auto fault = cast<FaultOp>(op);
      issue = fault.getIssue();
      uint64_t code = fault.getKind() == FaultKind::User ? uint64_t(abi::FaultCode::User) + *fault.getCode()
                                                         : uint64_t(fault.getKind());
      word = arith::ConstantOp::create(b, b.getI64IntegerAttr(static_cast<int64_t>(code << 32)));
      if (Value detail = fault.getDetail())
        word = arith::OrIOp::create(b, word, arith::ExtUIOp::create(b, b.getI64Type(), detail));
    }
    Value cell = at(issue.value_or(0));
    if (hasTeam()) {
      memref::AtomicRMWOp::create(b, arith::AtomicRMWKind::minu, word, cells, cell);
    } else {
      Value smaller = arith::MinUIOp::create(b, memref::LoadOp::create(b, cells, cell), word);
      memref::StoreOp::create(b, smaller, cells, cell);
    }
    op->erase();
  }

  Block *body = &task.getBody().front();
  body->getTerminator()->erase();
  task->getBlock()->getOperations().splice(task->getIterator(), body->getOperations());
  b.setInsertionPoint(task);
  b.setLoc(task.getLoc());
  if (hasTeam())
    barrier(b);
  for (unsigned i = 0; i < count; ++i)
    task.getResult(i).replaceAllUsesWith(memref::LoadOp::create(b, cells, at(i)));
  task.erase();
}

void KernelLowering::lowerSingle(SingleOp single) {
  Block *body = &single.getBody().front();
  body->getTerminator()->erase();
  if (!hasTeam() || isInsideThread(single)) {
    single->getBlock()->getOperations().splice(single->getIterator(), body->getOperations());
  } else {
    ImplicitLocOpBuilder b(single.getLoc(), single);
    onOneThread(b, [&] {
      Block *to = b.getInsertionBlock();
      to->getOperations().splice(Block::iterator(to->getTerminator()), body->getOperations());
    });
  }
  single.erase();
}

void KernelLowering::lowerDistribute(DistributeOp distribute) {
  ImplicitLocOpBuilder b(distribute.getLoc(), distribute);
  Range range = items(b, distribute.getCount());
  auto loop = scf::ForOp::create(b, range.begin, range.end, range.step);
  Block *from = &distribute.getBody().front(), *to = loop.getBody();
  from->getTerminator()->erase();
  distribute.getItem().replaceAllUsesWith(loop.getInductionVar());
  to->getOperations().splice(Block::iterator(to->getTerminator()), from->getOperations());
  distribute.erase();
}

/// Builds the descriptor that memref-to-llvm expects; the cast disappears with the conversion.
void KernelLowering::lowerView(ViewOp view) {
  ImplicitLocOpBuilder b(view.getLoc(), view);
  Type i64 = b.getI64Type(), ptr = LLVM::LLVMPointerType::get(b.getContext());
  Type array = LLVM::LLVMArrayType::get(i64, 1);
  Type type = LLVM::LLVMStructType::getLiteral(b.getContext(), {ptr, ptr, i64, array, array});
  auto number = [&](Value index) -> Value {
    if (!index)
      return LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(0));
    return arith::IndexCastUIOp::create(b, i64, index);
  };
  Value base = pointer(b, view.getAddress());
  Value one = LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(1));
  Value descriptor = LLVM::UndefOp::create(b, type);
  auto set = [&](Value value, ArrayRef<int64_t> position) {
    descriptor = LLVM::InsertValueOp::create(b, descriptor, value, position);
  };
  set(base, {0});
  set(base, {1});
  set(number(view.getOffset()), {2});
  set(number(view.getSize()), {3, 0});
  set(one, {4, 0});
  auto cast = UnrealizedConversionCastOp::create(b, TypeRange{view.getType()}, ValueRange{descriptor});
  view.replaceAllUsesWith(cast.getResult(0));
  view.erase();
}
