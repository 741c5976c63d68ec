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

#include "IndexRange.h"
#include "LowerKernel.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mk;

/// Threads that can exchange values without memory.
constexpr unsigned warpSize = 32;
/// What a thread should load at once to keep the memory of a GPU busy, in bytes, and in how many iterations at most of
/// a loop that is spread and of one that is not: all of it takes registers.
constexpr unsigned bytesAtOnce = 32, spreadAtOnce = 4, sequentialAtOnce = 8;
/// Twice as much of a loop that reduces and is long enough, as far as is known: a dot product of 4096 floats was 6 %
/// faster on an H100. Loops that store became slower.
constexpr unsigned reducingBytesAtOnce = 64, reducingAtOnce = 8;

static Value constant(ImplicitLocOpBuilder &b, int64_t value) { return arith::ConstantIndexOp::create(b, value); }
/// True when only the first thread looks at a value, or at what is computed from it.
static bool isOfFirstThread(Value value) {
  return llvm::all_of(value.getUses(), [](OpOperand &use) {
    Operation *user = use.getOwner();
    if (auto single = user->getParentOfType<SingleOp>())
      return !isInsideThread(single);
    if (auto branch = dyn_cast<scf::IfOp>(user->getParentOp()); branch && isa<scf::YieldOp>(user))
      return isOfFirstThread(branch.getResult(use.getOperandNumber()));
    return user->getNumRegions() == 0 && isPure(user) && llvm::all_of(user->getResults(), isOfFirstThread);
  });
}

static Value less(ImplicitLocOpBuilder &b, Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lhs, rhs);
}
template <typename Op> static Value binary(ImplicitLocOpBuilder &b, Value lhs, Value rhs) {
  return Op::create(b, lhs, rhs);
}

/// Clones what some iterations do, side by side: the first operation of each, then the second of each, and so on. Gives
/// the values that each adds to the reductions.
static SmallVector<SmallVector<Value>> cloneIterations(ImplicitLocOpBuilder &b, scf::ParallelOp loop,
                                                       ArrayRef<SmallVector<Value>> iterations) {
  SmallVector<IRMapping> mappings(iterations.size());
  for (auto [mapping, ivs] : llvm::zip_equal(mappings, iterations))
    mapping.map(loop.getInductionVars(), ivs);
  for (Operation &op : loop.getBody()->without_terminator())
    for (IRMapping &mapping : mappings)
      b.clone(op, mapping);
  return llvm::map_to_vector(mappings, [&](IRMapping &mapping) {
    return llvm::map_to_vector(loop.getBody()->getTerminator()->getOperands(),
                               [&](Value value) { return mapping.lookupOrDefault(value); });
  });
}

/// Clones what one iteration does; gives the values that it adds to the reductions.
static SmallVector<Value> cloneIteration(ImplicitLocOpBuilder &b, scf::ParallelOp loop, ValueRange ivs) {
  return cloneIterations(b, loop, SmallVector<Value>(ivs)).front();
}

/// How many iterations a thread should run side by side, so that it waits for all their loads at once: it runs its
/// instructions in order, and neither LLVM nor ptxas moves a load above what another iteration may write.
static unsigned iterationsAtOnce(ArrayRef<Operation *> loads, unsigned most, unsigned wanted = bytesAtOnce) {
  unsigned bytes = 0;
  for (Operation *load : loads) {
    Type type = load->getResult(0).getType();
    auto vector = dyn_cast<VectorType>(type);
    bytes += vector ? vector.getNumElements() * elementBytes(vector.getElementType()) : elementBytes(type);
  }
  return bytes == 0 ? 1 : llvm::bit_floor(std::clamp(wanted / bytes, 1u, most));
}

/// How many iterations each lane has, where that is known and the same for all.
static std::optional<uint64_t> iterationsOfLane(scf::ParallelOp loop) {
  uint64_t count = 1;
  for (auto [lower, upper, step] : llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    std::optional<int64_t> from = getConstantIntValue(lower), to = getConstantIntValue(upper),
                           by = getConstantIntValue(step);
    if (!from || !to || !by || *from < 0 || *from > *to || *to > INT32_MAX || *by < 1 || count > INT32_MAX)
      return std::nullopt;
    count *= llvm::divideCeil(*to - *from, *by);
  }
  if (count == 0 || count % abi::ReductionLanes != 0)
    return std::nullopt;
  return count / abi::ReductionLanes;
}

/// 'known' is how many there are.
static unsigned iterationsAtOnce(scf::ParallelOp loop, std::optional<uint64_t> known) {
  SmallVector<Operation *> loads;
  // What an iteration has written it takes from a register.
  llvm::SmallDenseSet<Value> written;
  for (Operation &op : loop.getBody()->without_terminator())
    if (isa<memref::LoadOp, vector::LoadOp>(op)) {
      if (!written.contains(op.getOperand(0)))
        loads.push_back(&op);
    } else if (isa<memref::StoreOp, vector::StoreOp>(op)) {
      written.insert(op.getOperand(1));
    } else if (op.getNumRegions() != 0 ||
               !(isMemoryEffectFree(&op) || (isa<memref::AtomicRMWOp>(op) && op.use_empty()))) {
      return 1;
    }
  unsigned width = known && loop.getNumReductions() != 0 ? iterationsAtOnce(loads, reducingAtOnce, reducingBytesAtOnce)
                                                         : iterationsAtOnce(loads, spreadAtOnce);
  return known ? llvm::bit_floor(std::clamp<uint64_t>(*known, 1, width)) : width;
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
static scf::ForOp forEach(ImplicitLocOpBuilder &b, Value begin, Value end, Value step, function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b, begin, end, step);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
  return loop;
}

/// LLVM and ptxas would unroll the loop once more, for which they take registers that more threads could use.
static void keepRolled(scf::ForOp loop) {
  MLIRContext *context = loop.getContext();
  auto disable = LLVM::LoopUnrollAttr::get(context, BoolAttr::get(context, true), {}, {}, {}, {}, {}, {});
  loop->setAttr("loop_annotation", LLVM::LoopAnnotationAttr::get(context, {}, {}, {}, disable, {}, {}, {}, {}, {}, {},
                                                                 {}, {}, {}, {}, {}));
}

/// The places 'first', 'first' + 'step', ...
static SmallVector<Value> placesFrom(ImplicitLocOpBuilder &b, Value first, Value step, unsigned width) {
  SmallVector<Value> places = {first};
  while (places.size() < width)
    places.push_back(binary<arith::AddIOp>(b, places.back(), step));
  return places;
}

/// Runs 'body' for the places from 'begin' on, 'step' apart from each other, that are below 'end': for 'width' of them
/// at a time while there are so many, then one by one. Gives the values that 'body' carries on.
static SmallVector<Value> forEachInGroups(ImplicitLocOpBuilder &b, Value begin, Value end, Value step, unsigned width,
                                          ValueRange inits,
                                          function_ref<SmallVector<Value>(ValueRange, ValueRange)> body) {
  // Places are numbered, so that nothing wraps around, wherever the bounds are.
  bool isNarrow = llvm::all_of(ArrayRef<Value>{begin, end, step}, [](Value value) { return fitsWord(value); });
  Type type = isNarrow ? Type(b.getI32Type()) : b.getIndexType();
  auto number = [&](uint64_t value) -> Value {
    return arith::ConstantOp::create(b, b.getIntegerAttr(type, static_cast<int64_t>(value)));
  };
  Value from = castIndex(b, begin, type), to = castIndex(b, end, type), by = castIndex(b, step, type), trips;
  std::optional<uint64_t> known = knownTrips(begin, end, step);
  if (known) {
    trips = number(*known);
  } else {
    Value most = isNarrow ? binary<arith::MaxUIOp>(b, from, to) : binary<arith::MaxSIOp>(b, from, to);
    trips = binary<arith::CeilDivUIOp>(b, binary<arith::SubIOp>(b, most, from), by);
  }
  auto run = [&](Value first, Value last, unsigned count, ValueRange values) {
    auto loop = scf::ForOp::create(b, first, last, number(count), values, /*bodyBuilder=*/nullptr,
                                   /*unsignedCmp=*/isNarrow);
    keepRolled(loop);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value distance = binary<arith::MulIOp>(b, loop.getInductionVar(), by);
    Value place = castIndex(b, binary<arith::AddIOp>(b, from, distance), b.getIndexType());
    SmallVector<Value> results = body(placesFrom(b, place, step, count), loop.getRegionIterArgs());
    if (!results.empty())
      scf::YieldOp::create(b, results);
    return SmallVector<Value>(loop.getResults());
  };
  Value grouped = known ? number(*known / width * width)
                        : binary<arith::SubIOp>(b, trips, binary<arith::RemUIOp>(b, trips, number(width)));
  SmallVector<Value> state = run(number(0), grouped, width, inits);
  return width == 1 || (known && *known % width == 0) ? state : run(grouped, trips, 1, state);
}

/// Makes the loads that a loop's index alone decides for some iterations at once, where nothing is written meanwhile.
static void overlapLoads(scf::ForOp loop) {
  if (!loop.getStep().getType().isIndex() || loop.getUnsignedCmp())
    return;
  SmallVector<Operation *> loads;
  llvm::SmallDenseSet<Value> decided = {loop.getInductionVar()};
  for (Operation &op : loop.getBody()->without_terminator()) {
    bool isLoad = isa<memref::LoadOp, vector::LoadOp>(op);
    auto isDecided = [&](Value value) { return loop.isDefinedOutsideOfLoop(value) || decided.contains(value); };
    if (op.getNumRegions() != 0 || !(isLoad || isPure(&op)) || !llvm::all_of(op.getOperands(), isDecided))
      continue;
    decided.insert_range(op.getResults());
    if (isLoad)
      loads.push_back(&op);
  }
  WalkResult walk = loop.getBody()->walk([&](Operation *op) {
    bool writes = !isa<memref::LoadOp, vector::LoadOp, FaultOp, RaiseOp, scf::IfOp>(op) && !isMemoryEffectFree(op);
    return writes || isa<LoopLikeOpInterface>(op) ? WalkResult::interrupt() : WalkResult::advance();
  });
  const unsigned width = iterationsAtOnce(loads, sequentialAtOnce);
  if (width == 1 || walk.wasInterrupted())
    return;

  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  auto group = [&](ValueRange ivs, ValueRange inits) {
    SmallVector<IRMapping> mappings(ivs.size());
    for (auto [mapping, iv] : llvm::zip_equal(mappings, ivs))
      mapping.map(loop.getInductionVar(), iv);
    for (Operation &op : loop.getBody()->without_terminator())
      if (op.getNumResults() != 0 && decided.contains(op.getResult(0)))
        for (IRMapping &mapping : mappings)
          b.clone(op, mapping);
    SmallVector<Value> carried(inits);
    for (IRMapping &mapping : mappings) {
      mapping.map(loop.getRegionIterArgs(), carried);
      for (Operation &op : loop.getBody()->without_terminator())
        if (op.getNumResults() == 0 || !decided.contains(op.getResult(0)))
          b.clone(op, mapping);
      carried =
          llvm::map_to_vector(loop.getYieldedValues(), [&](Value value) { return mapping.lookupOrDefault(value); });
    }
    return carried;
  };
  loop.replaceAllUsesWith(
      forEachInGroups(b, loop.getLowerBound(), loop.getUpperBound(), loop.getStep(), width, loop.getInitArgs(), group));
  loop.erase();
}

/// Counts in 32 bits where neither an index nor the addition behind the last one needs more.
static void narrowLoop(scf::ForOp loop) {
  Type word = IntegerType::get(loop.getContext(), 32);
  APInt step = rangeOf(loop.getStep()).umax();
  if (!loop.getInductionVar().getType().isIndex() || loop.getUnsignedCmp() || !fitsWord(loop.getLowerBound()) ||
      step.ugt(UINT32_MAX) || !fitsWord(loop.getUpperBound(), step.getZExtValue()))
    return;
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  for (unsigned bound = 0; bound < 3; ++bound)
    loop.setOperand(bound, castIndex(b, loop.getOperand(bound), word));
  loop.setUnsignedCmp(true);
  Value iv = loop.getInductionVar();
  iv.setType(word);
  b.setInsertionPointToStart(loop.getBody());
  Value index = castIndex(b, iv, b.getIndexType());
  iv.replaceAllUsesExcept(index, index.getDefiningOp());
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
                               // What only this thread has, no loop of the others writes.
                               if (load->getOperand(0).getDefiningOp<memref::AllocaOp>())
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
  if (runsInOrder()) {
    SmallVector<scf::ForOp> sequential;
    function.getFunctionBody().walk([&](scf::ForOp loop) { sequential.push_back(loop); });
    llvm::for_each(sequential, overlapLoads);
  }
  SmallVector<Loop> loops;
  function.getFunctionBody().walk([&](scf::ParallelOp loop) {
    bool outer = scope == ScopeKind::Block && !isInsideThread(loop);
    loops.push_back({loop, outer, outer && hasEffectsAfter(loop)});
  });
  for (Loop &loop : loops) {
    bool reduces = loop.op.getNumResults() != 0;
    if (loop.outer && hasTeam() && hasUniformLoads) {
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
  if (runsInOrder())
    function.getFunctionBody().walk(narrowLoop);
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
    Value upper = loop.getUpperBound()[0];
    auto from = [&](Value thread) { return binary<arith::AddIOp>(b, lower, binary<arith::MulIOp>(b, thread, step)); };
    if (unsigned width = iterationsAtOnce(loop, iterationsOfLane(loop)); width == 1) {
      forEach(b, from(threadId(b)), upper, binary<arith::MulIOp>(b, threadCount(b), step),
              [&](Value iv) { cloneIteration(b, loop, iv); });
    } else {
      // With lanes as in a reduction the distance of iterations is known, whatever the number of threads.
      Value lanes = constant(b, abi::ReductionLanes), stride = binary<arith::MulIOp>(b, lanes, step);
      forEach(b, threadId(b), lanes, threadCount(b), [&](Value lane) {
        auto group = [&](ValueRange ivs, ValueRange) {
          cloneIterations(b, loop, llvm::map_to_vector(ivs, [](Value iv) { return SmallVector<Value>{iv}; }));
          return SmallVector<Value>();
        };
        forEachInGroups(b, from(lane), upper, stride, width, {}, group);
      });
    }
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

  // A team has them twice and uses one set after the other: who is in the next reduction already does not disturb those
  // that still read the partial results of this one.
  SmallVector<Value> partials;
  llvm::DenseMap<Type, unsigned> numbers;
  for (Type type : loop.getResultTypes())
    partials.push_back(scratchArray(type, (hasTeam() ? 2 : 1) * abi::ReductionLanes, numbers[type]++));
  Value firstPartial;
  if (hasTeam())
    firstPartial = binary<arith::MulIOp>(b, toggle(b), lanes);
  auto store = [&](ValueRange values, Value lane) {
    Value place = firstPartial ? binary<arith::AddIOp>(b, firstPartial, lane) : lane;
    for (auto [value, array] : llvm::zip(values, partials))
      memref::StoreOp::create(b, value, array, place);
  };
  auto iteration = [&](Value place) { return cloneIteration(b, loop, space.inductionVars(b, place)); };

  if (hasTeam()) {
    // Combines the iterations at 'places', in their order, with what came before, if anything did.
    auto reduce = [&](ValueRange places, ValueRange before) {
      SmallVector<Value> sums(before);
      auto ivs = llvm::map_to_vector(places, [&](Value place) { return space.inductionVars(b, place); });
      for (const SmallVector<Value> &values : cloneIterations(b, loop, ivs))
        if (sums.empty())
          sums = values;
        else
          for (auto [sum, value, combine] : llvm::zip(sums, values, combines))
            sum = combineValues(b, combine, sum, value);
      return sums;
    };
    const std::optional<uint64_t> known = iterationsOfLane(loop);
    const unsigned width = iterationsAtOnce(loop, known);
    forEach(b, threadId(b), count, threadCount(b), [&](Value lane) {
      SmallVector<Value> places = placesFrom(b, lane, lanes, width);
      // In one step, whose range is easily seen.
      Value afterFirst = binary<arith::AddIOp>(b, lane, constant(b, int64_t(abi::ReductionLanes) * width));
      // What is reduced, and the place where to go on.
      SmallVector<Value> state;
      if (width == 1 || known) {
        state = reduce(places, {});
        state.push_back(afterFirst);
      } else {
        SmallVector<Type> types(loop.getResultTypes());
        types.push_back(b.getIndexType());
        auto first = scf::IfOp::create(b, types, less(b, places.back(), space.count), /*withElseRegion=*/true);
        auto fill = [&](Block *block, ValueRange taken, Value next) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToStart(block);
          SmallVector<Value> results = reduce(taken, {});
          results.push_back(next);
          scf::YieldOp::create(b, results);
        };
        fill(first.thenBlock(), places, afterFirst);
        fill(first.elseBlock(), lane, places[1]);
        state.assign(first.result_begin(), first.result_end());
      }
      Value next = state.pop_back_val();
      store(forEachInGroups(b, next, space.count, lanes, width, state, reduce), lane);
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
  // Number 0 is that of isolateWrites().
  llvm::DenseMap<Type, unsigned> totals;
  for (auto [init, array, combine, result] : llvm::zip(loop.getInitVals(), partials, combines, loop.getResults())) {
    Value total;
    if (!hasTeam()) {
      total = combineLanesOfThread(b, combine, array, count);
    } else {
      // A combination that may fault must not see what the other threads have instead.
      bool isHarmless = llvm::all_of(combine.front(), [](Operation &op) { return isMemoryEffectFree(&op); });
      Value cell;
      if (!isHarmless || !isOfFirstThread(result))
        cell = scratchArray(init.getType(), 1, ++totals[init.getType()]);
      total = combineLanesOfTeam(b, combine, array, firstPartial, cell, count);
    }
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

Value KernelLowering::combineLanesOfTeam(ImplicitLocOpBuilder &b, Region &combine, Value partials, Value first,
                                         Value total, Value count) {
  // The lanes meet in the registers of the first warp; a CTA has whole warps. Thread t has the lanes t, t + 32, ...
  Value zero = constant(b, 0), thread = threadId(b);
  Type type = cast<MemRefType>(partials.getType()).getElementType();
  auto combineInWarp = [&] {
    SmallVector<Value> sums;
    Value mine = binary<arith::AddIOp>(b, first, thread);
    for (unsigned row = 0; row < abi::ReductionLanes / warpSize; ++row) {
      Value place = binary<arith::AddIOp>(b, mine, constant(b, row * warpSize));
      auto load = memref::LoadOp::create(b, partials, place);
      load->setDiscardableAttr(settledAttrName, b.getUnitAttr());
      sums.push_back(load);
    }
    auto add = [&](Value condition, Value &sum, Value other) {
      sum = choose(b, condition, type, [&] { return combineValues(b, combine, sum, other); }, [&] { return sum; });
    };
    Value left = binary<arith::SubIOp>(b, count, thread);
    auto hasLane = [&](unsigned distance) { return less(b, constant(b, distance), left); };
    for (unsigned half = sums.size() / 2; half != 0; half /= 2)
      for (unsigned row = 0; row < half; ++row)
        add(hasLane((row + half) * warpSize), sums[row], sums[row + half]);
    for (unsigned distance = warpSize / 2; distance != 0; distance /= 2) {
      Value other = shuffleDown(b, sums[0], distance);
      Value isMine = less(b, thread, constant(b, distance));
      add(binary<arith::AndIOp>(b, isMine, hasLane(distance)), sums[0], other);
    }
    return sums[0];
  };
  Value isFirstWarp = less(b, thread, constant(b, warpSize));
  auto nothing = [&]() -> Value { return arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(type))); };
  Value sum = choose(b, isFirstWarp, type, combineInWarp, nothing);
  if (!total)
    return sum;
  onOneThread(b, [&] { memref::StoreOp::create(b, sum, total, zero); }, /*wait=*/false);
  barrier(b);
  // It is written again behind the barrier of the next partial results.
  auto result = memref::LoadOp::create(b, total, zero);
  result->setDiscardableAttr(settledAttrName, b.getUnitAttr());
  return result;
}
