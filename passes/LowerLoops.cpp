//===- LowerLoops.cpp - scf.parallel in kernels -----------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An outer loop of block scope is spread over the team of a worker; all others run in order on one thread.
//
// What a loop reduces has one order, so that all tiers and devices agree on floats:
// * an outer loop of block scope reduces in abi::ReductionLanes lanes. Iteration i (the last dimension fastest) belongs
// to
//   lane i mod ReductionLanes; a lane combines its iterations in ascending order. Then lane l is combined with lane
//   l + s, for s = ReductionLanes / 2, ..., 2, 1, where both have something; and at last the initial value with lane 0;
// * every other loop combines the initial value with its iterations in ascending order.
//
//===----------------------------------------------------------------------===//

#include "LowerKernel.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mk;

/// Threads that can exchange values without memory.
constexpr unsigned warpSize = 32;

static Value constant(ImplicitLocOpBuilder &b, int64_t value) { return arith::ConstantIndexOp::create(b, value); }
static Value less(ImplicitLocOpBuilder &b, Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, rhs);
}
template <typename Op> static Value binary(ImplicitLocOpBuilder &b, Value lhs, Value rhs) {
  return Op::create(b, lhs, rhs);
}

/// Clones what one iteration does; gives the values that it adds to the reductions.
static SmallVector<Value> cloneIteration(ImplicitLocOpBuilder &b, scf::ParallelOp loop, ValueRange ivs) {
  IRMapping mapping;
  mapping.map(loop.getInductionVars(), ivs);
  for (Operation &op : loop.getBody()->without_terminator())
    b.clone(op, mapping);
  return llvm::map_to_vector(loop.getBody()->getTerminator()->getOperands(),
                             [&](Value value) { return mapping.lookupOrDefault(value); });
}

/// Clones the combination of two values.
static Value combineValues(ImplicitLocOpBuilder &b, Region &combine, Value lhs, Value rhs) {
  IRMapping mapping;
  mapping.map(combine.getArguments(), ValueRange{lhs, rhs});
  for (Operation &op : combine.front().without_terminator())
    b.clone(op, mapping);
  return mapping.lookupOrDefault(combine.front().getTerminator()->getOperand(0));
}

/// Fills the branches of an if with one result.
static Value choose(ImplicitLocOpBuilder &b, Value condition, Type type, function_ref<Value()> then,
                    function_ref<Value()> otherwise) {
  auto branch = scf::IfOp::create(b, TypeRange{type}, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, then());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, otherwise());
  return branch.getResult(0);
}

/// A loop without results, filled by 'body'.
static void forEach(ImplicitLocOpBuilder &b, Value begin, Value end, Value step, function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, begin, end, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

namespace {
/// The iterations of a loop as one range [0, count), the last dimension fastest.
struct LinearSpace {
  LinearSpace(ImplicitLocOpBuilder &b, scf::ParallelOp loop) : loop(loop) {
    count = constant(b, 1);
    Value zero = constant(b, 0);
    for (auto [lower, upper, step] : llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
      Value span = binary<arith::MaxSIOp>(b, binary<arith::SubIOp>(b, upper, lower), zero);
      trips.push_back(binary<arith::CeilDivSIOp>(b, span, step));
      count = trips.size() == 1 ? trips[0] : binary<arith::MulIOp>(b, count, trips.back());
    }
  }

  SmallVector<Value> inductionVars(ImplicitLocOpBuilder &b, Value place) {
    SmallVector<Value> ivs(trips.size());
    for (unsigned i = trips.size(); i-- > 0;) {
      Value mine = i == 0 ? place : binary<arith::RemUIOp>(b, place, trips[i]);
      if (i != 0)
        place = binary<arith::DivUIOp>(b, place, trips[i]);
      Value distance = binary<arith::MulIOp>(b, mine, loop.getStep()[i]);
      ivs[i] = binary<arith::AddIOp>(b, loop.getLowerBound()[i], distance);
    }
    return ivs;
  }

  scf::ParallelOp loop;
  SmallVector<Value> trips;
  Value count;
};
} // namespace

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

void KernelLowering::lowerLoops() {
  // Loads outside loops are done by every thread: none may come to a loop that writes before all have loaded.
  bool hasUniformLoads = function.getFunctionBody()
                             .walk([&](Operation *load) {
                               if (!isa<memref::LoadOp, vector::LoadOp>(load) || isInsideThread(load))
                                 return WalkResult::advance();
                               auto view = load->getOperand(0).getDefiningOp<ViewOp>();
                               bool isFrame = view && isa<BlockArgument>(view.getAddress());
                               return isFrame ? WalkResult::advance() : WalkResult::interrupt();
                             })
                             .wasInterrupted();
  struct Loop {
    scf::ParallelOp op;
    bool outer, sync;
  };
  SmallVector<Loop> loops;
  function.getFunctionBody().walk([&](scf::ParallelOp loop) {
    bool outer = scope == ScopeKind::Block && !isInsideThread(loop);
    loops.push_back({loop, outer, outer && hasEffectsAfter(loop)});
  });
  for (Loop &loop : loops) {
    bool reduces = loop.op.getNumResults() != 0;
    if (loop.outer && hasTeam() && hasUniformLoads && !reduces) {
      ImplicitLocOpBuilder b(loop.op.getLoc(), loop.op);
      barrier(b);
    }
    if (loop.outer && reduces)
      reduceInLanes(loop.op);
    else if (loop.outer && hasTeam())
      spreadLoop(loop.op, loop.sync);
    else
      lowerInOrder(loop.op);
  }
}

void KernelLowering::lowerInOrder(scf::ParallelOp loop) {
  OpBuilder builder(loop);
  auto combines = cast<scf::ReduceOp>(loop.getBody()->getTerminator()).getReductions();
  scf::LoopNest nest = scf::buildLoopNest(
      builder, loop.getLoc(), loop.getLowerBound(), loop.getUpperBound(), loop.getStep(), loop.getInitVals(),
      [&](OpBuilder &inner, Location loc, ValueRange ivs, ValueRange sums) -> scf::ValueVector {
        ImplicitLocOpBuilder b(loc, inner);
        scf::ValueVector results;
        for (auto [sum, value, combine] : llvm::zip(sums, cloneIteration(b, loop, ivs), combines))
          results.push_back(combineValues(b, combine, sum, value));
        return results;
      });
  loop.replaceAllUsesWith(nest.results);
  loop.erase();
}

void KernelLowering::spreadLoop(scf::ParallelOp loop, bool sync) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  if (loop.getNumLoops() == 1) {
    Value lower = loop.getLowerBound()[0], step = loop.getStep()[0];
    Value begin = binary<arith::AddIOp>(b, lower, binary<arith::MulIOp>(b, threadId(b), step));
    forEach(b, begin, loop.getUpperBound()[0], binary<arith::MulIOp>(b, threadCount(b), step),
            [&](Value iv) { cloneIteration(b, loop, iv); });
  } else {
    LinearSpace space(b, loop);
    forEach(b, threadId(b), space.count, threadCount(b),
            [&](Value place) { cloneIteration(b, loop, space.inductionVars(b, place)); });
  }
  if (sync)
    barrier(b);
  loop.erase();
}

void KernelLowering::reduceInLanes(scf::ParallelOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto combines = cast<scf::ReduceOp>(loop.getBody()->getTerminator()).getReductions();
  LinearSpace space(b, loop);
  Value zero = constant(b, 0), one = constant(b, 1), lanes = constant(b, abi::ReductionLanes);
  Value count = binary<arith::MinSIOp>(b, space.count, lanes);

  SmallVector<Value> partials;
  llvm::DenseMap<Type, unsigned> numbers;
  for (Type type : loop.getResultTypes())
    partials.push_back(scratchArray(type, abi::ReductionLanes, numbers[type]++));
  auto store = [&](ValueRange values, Value lane) {
    for (auto [value, array] : llvm::zip(values, partials))
      memref::StoreOp::create(b, value, array, lane);
  };
  auto iteration = [&](Value place) { return cloneIteration(b, loop, space.inductionVars(b, place)); };

  if (hasTeam()) {
    // Behind the loads of the reduction before, whose partial results stand at the same place.
    barrier(b);
    forEach(b, threadId(b), count, threadCount(b), [&](Value lane) {
      auto rest = scf::ForOp::create(b, binary<arith::AddIOp>(b, lane, lanes), space.count, lanes, iteration(lane));
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(rest.getBody());
        SmallVector<Value> sums;
        for (auto [sum, value, combine] :
             llvm::zip(rest.getRegionIterArgs(), iteration(rest.getInductionVar()), combines))
          sums.push_back(combineValues(b, combine, sum, value));
        scf::YieldOp::create(b, sums);
      }
      store(rest.getResults(), lane);
    });
    barrier(b);
  } else {
    // Lanes stand side by side, as vectors want them.
    forEach(b, zero, count, one, [&](Value lane) { store(iteration(lane), lane); });
    forEach(b, lanes, space.count, lanes, [&](Value row) {
      Value width = binary<arith::MinSIOp>(b, binary<arith::SubIOp>(b, space.count, row), lanes);
      forEach(b, zero, width, one, [&](Value lane) {
        SmallVector<Value> values = iteration(binary<arith::AddIOp>(b, row, lane));
        for (auto [value, array, combine] : llvm::zip(values, partials, combines))
          value = combineValues(b, combine, memref::LoadOp::create(b, array, lane), value);
        store(values, lane);
      });
    });
  }

  Value some = less(b, zero, space.count);
  SmallVector<Value> results;
  for (auto [init, array, combine] : llvm::zip(loop.getInitVals(), partials, combines)) {
    Value total =
        hasTeam() ? combineLanesOfTeam(b, combine, array, count) : combineLanesOfThread(b, combine, array, count);
    results.push_back(
        choose(b, some, init.getType(), [&] { return combineValues(b, combine, init, total); }, [&] { return init; }));
  }
  loop.replaceAllUsesWith(results);
  loop.erase();
}

/// Combines lane l with lane l + distance where both are below 'count', for l from 'begin' on.
static void foldLanes(ImplicitLocOpBuilder &b, Region &combine, Value partials, Value count, Value distance,
                      Value begin, Value step) {
  Value end = binary<arith::MinSIOp>(b, distance, binary<arith::SubIOp>(b, count, distance));
  forEach(b, begin, end, step, [&](Value lane) {
    Value other = memref::LoadOp::create(b, partials, binary<arith::AddIOp>(b, lane, distance));
    Value sum = combineValues(b, combine, memref::LoadOp::create(b, partials, lane), other);
    memref::StoreOp::create(b, sum, partials, lane);
  });
}

Value KernelLowering::combineLanesOfThread(ImplicitLocOpBuilder &b, Region &combine, Value partials, Value count) {
  Value zero = constant(b, 0), one = constant(b, 1), half = constant(b, abi::ReductionLanes / 2);
  forEach(b, zero, constant(b, llvm::Log2_32(abi::ReductionLanes)), one, [&](Value level) {
    foldLanes(b, combine, partials, count, binary<arith::ShRUIOp>(b, half, level), zero, one);
  });
  return memref::LoadOp::create(b, partials, zero);
}

Value KernelLowering::combineLanesOfTeam(ImplicitLocOpBuilder &b, Region &combine, Value partials, Value count) {
  Value zero = constant(b, 0), one = constant(b, 1), half = constant(b, abi::ReductionLanes / 2);
  Value levels = constant(b, llvm::Log2_32(abi::ReductionLanes / warpSize));
  forEach(b, zero, levels, one, [&](Value level) {
    foldLanes(b, combine, partials, count, binary<arith::ShRUIOp>(b, half, level), threadId(b), threadCount(b));
    barrier(b);
  });

  // The last lanes meet in the registers of the first warp; a CTA has whole warps.
  Value thread = threadId(b);
  auto warp = scf::IfOp::create(b, less(b, thread, constant(b, warpSize)), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(warp.thenBlock());
    Value sum = memref::LoadOp::create(b, partials, thread);
    for (unsigned distance = warpSize / 2; distance != 0; distance /= 2) {
      Value other = shuffleDown(b, sum, distance);
      Value mine = less(b, thread, constant(b, distance));
      Value both = less(b, binary<arith::AddIOp>(b, thread, constant(b, distance)), count);
      sum = choose(
          b, binary<arith::AndIOp>(b, mine, both), sum.getType(), [&] { return combineValues(b, combine, sum, other); },
          [&] { return sum; });
    }
    auto first = scf::IfOp::create(b, arith::CmpIOp::create(b, arith::CmpIPredicate::eq, thread, zero),
                                   /*withElseRegion=*/false);
    b.setInsertionPointToStart(first.thenBlock());
    memref::StoreOp::create(b, sum, partials, zero);
  }
  barrier(b);
  return memref::LoadOp::create(b, partials, zero);
}
