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
// * an outer loop of block scope reduces in abi::ReductionLanes lanes of abi::AccumulatorsPerLane accumulators, for all
//   of which a thread can load at once. Iteration i (the last dimension fastest) belongs to accumulator
//   i mod (ReductionLanes * AccumulatorsPerLane), which combines its iterations in ascending order. Then lane l
//   combines its accumulators, those from l * AccumulatorsPerLane on, in ascending order. Lane l is combined with lane
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
static unsigned iterationsAtOnce(ArrayRef<Operation *> loads, unsigned most) {
  unsigned bytes = 0;
  for (Operation *load : loads) {
    Type type = load->getResult(0).getType();
    auto vector = dyn_cast<VectorType>(type);
    bytes += vector ? vector.getNumElements() * elementBytes(vector.getElementType()) : elementBytes(type);
  }
  return bytes == 0 ? 1 : llvm::bit_floor(std::clamp(bytesAtOnce / bytes, 1u, most));
}

/// How many iterations each has when 'takers' take turns, where that is known and the same for all.
static std::optional<uint64_t> iterationsOfEach(scf::ParallelOp loop, unsigned takers) {
  uint64_t count = 1;
  for (auto [lower, upper, step] : llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    std::optional<int64_t> from = getConstantIntValue(lower), to = getConstantIntValue(upper),
                           by = getConstantIntValue(step);
    if (!from || !to || !by || *from < 0 || *from > *to || *to > INT32_MAX || *by < 1 || count > INT32_MAX)
      return std::nullopt;
    count *= llvm::divideCeil(*to - *from, *by);
  }
  if (count == 0 || count % takers != 0)
    return std::nullopt;
  return count / takers;
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
  unsigned width = iterationsAtOnce(loads, spreadAtOnce);
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

/// Fills the branches of an if with results.
static SmallVector<Value> chooseAll(ImplicitLocOpBuilder &b, Value condition, TypeRange types,
                                    function_ref<SmallVector<Value>()> then,
                                    function_ref<SmallVector<Value>()> otherwise) {
  auto branch = scf::IfOp::create(b, types, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(b, then());
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, otherwise());
  return branch.getResults();
}
static Value choose(ImplicitLocOpBuilder &b, Value condition, Type type, function_ref<Value()> then,
                    function_ref<Value()> otherwise) {
  auto one = [](function_ref<Value()> value) { return SmallVector<Value>{value()}; };
  return chooseAll(b, condition, type, [&] { return one(then); }, [&] { return one(otherwise); }).front();
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
    if (unsigned width = iterationsAtOnce(loop, iterationsOfEach(loop, abi::ReductionLanes)); width == 1) {
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
  // How many accumulators of a lane one iteration has, each as a result of its own.
  const unsigned perIteration = loop->hasAttr(vectorizedAttrName) ? abi::AccumulatorsPerLane : 1;
  const unsigned takers = abi::ReductionLanes * abi::AccumulatorsPerLane / perIteration;
  Value zero = constant(b, 0), one = constant(b, 1), stride = constant(b, takers);
  Value perLane = constant(b, abi::AccumulatorsPerLane / perIteration);
  Value count = binary<arith::MinSIOp>(b, space.count, stride), lanes = binary<arith::CeilDivUIOp>(b, count, perLane);

  // A team has them twice and uses one set after the other: who is in the next reduction already does not disturb those
  // that still read the partial results of this one.
  SmallVector<Value> partials;
  llvm::DenseMap<Type, unsigned> numbers;
  for (unsigned first = 0; first < loop.getNumResults(); first += perIteration) {
    Type type = loop.getResult(first).getType();
    partials.push_back(scratchArray(type, (hasTeam() ? 2 : 1) * abi::ReductionLanes, numbers[type]++));
  }
  Value firstPartial;
  if (hasTeam())
    firstPartial = binary<arith::MulIOp>(b, toggle(b), constant(b, abi::ReductionLanes));
  auto combineAll = [&](ValueRange lhs, ValueRange rhs) {
    SmallVector<Value> sums;
    for (auto [left, right, combine] : llvm::zip_equal(lhs, rhs, combines))
      sums.push_back(combineValues(b, combine, left, right));
    return sums;
  };
  // Combines the accumulators of a lane, of which 'filled' have something: all where that is not given.
  auto combineLane = [&](Value filled, function_ref<Value(unsigned result, unsigned number)> accumulator) {
    SmallVector<Value> sums;
    for (unsigned result = 0; result < partials.size(); ++result) {
      sums.push_back(accumulator(result, 0));
      for (unsigned number = 1; number < abi::AccumulatorsPerLane; ++number) {
        Value next = accumulator(result, number), sum = sums.back();
        auto combined = [&] { return combineValues(b, combines[result * perIteration], sum, next); };
        sums.back() =
            !filled ? combined()
                    : choose(b, less(b, constant(b, number), filled), sum.getType(), combined, [&] { return sum; });
      }
    }
    return sums;
  };
  auto store = [&](ValueRange values, ArrayRef<Value> arrays, Value place) {
    for (auto [value, array] : llvm::zip_equal(values, arrays))
      memref::StoreOp::create(b, value, array, place);
  };
  auto storeLane = [&](ValueRange values, Value lane) {
    store(values, partials, firstPartial ? binary<arith::AddIOp>(b, firstPartial, lane) : lane);
  };

  if (hasTeam()) {
    // Combines the iterations at 'places', in their order, with what came before, if anything did.
    auto reduce = [&](ValueRange places, ValueRange before) {
      SmallVector<Value> sums(before);
      auto ivs = llvm::map_to_vector(places, [&](Value place) { return space.inductionVars(b, place); });
      for (const SmallVector<Value> &values : cloneIterations(b, loop, ivs))
        sums = sums.empty() ? values : combineAll(sums, values);
      return sums;
    };
    const std::optional<uint64_t> known = iterationsOfEach(loop, takers);
    const unsigned width = iterationsAtOnce(loop, known);
    auto reduceFrom = [&](Value first) {
      SmallVector<Value> places = placesFrom(b, first, stride, width);
      // In one step, whose range is easily seen.
      Value afterFirst = binary<arith::AddIOp>(b, first, constant(b, int64_t(takers) * width));
      // What is reduced, and the place where to go on.
      auto begin = [&](ValueRange taken, Value next) {
        SmallVector<Value> state = reduce(taken, {});
        state.push_back(next);
        return state;
      };
      SmallVector<Value> state;
      if (width == 1 || known) {
        state = begin(places, afterFirst);
      } else {
        SmallVector<Type> types(loop.getResultTypes());
        types.push_back(b.getIndexType());
        state = chooseAll(
            b, less(b, places.back(), space.count), types, [&] { return begin(places, afterFirst); },
            [&] { return begin(first, places[1]); });
      }
      Value next = state.pop_back_val();
      return forEachInGroups(b, next, space.count, stride, width, state, reduce);
    };
    if (perIteration != 1) {
      forEach(b, threadId(b), count, threadCount(b), [&](Value lane) {
        SmallVector<Value> values = reduceFrom(lane);
        storeLane(
            combineLane({}, [&](unsigned result, unsigned number) { return values[result * perIteration + number]; }),
            lane);
      });
    } else {
      // Neighbours have the accumulators of a lane, and the first of them gets the others; all of a warp take part.
      Value warp = constant(b, warpSize);
      Value end = binary<arith::MulIOp>(b, binary<arith::CeilDivUIOp>(b, count, warp), warp);
      forEach(b, threadId(b), end, threadCount(b), [&](Value taker) {
        auto nothing = [&] {
          return llvm::map_to_vector(loop.getResultTypes(), [&](Type type) -> Value {
            return arith::ConstantOp::create(b, cast<TypedAttr>(b.getZeroAttr(type)));
          });
        };
        SmallVector<Value> values =
            known ? reduceFrom(taker)
                  : chooseAll(
                        b, less(b, taker, count), loop.getResultTypes(), [&] { return reduceFrom(taker); }, nothing);
        Value behind = binary<arith::RemUIOp>(b, taker, perLane);
        Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, behind, zero);
        Value filled = arith::SelectOp::create(b, isFirst, binary<arith::SubIOp>(b, count, taker), zero);
        SmallVector<Value> sums = combineLane(filled, [&](unsigned result, unsigned number) {
          return number == 0 ? values[result] : shuffleDown(b, values[result], number);
        });
        auto branch = scf::IfOp::create(b, less(b, zero, filled), /*withElseRegion=*/false);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock());
        storeLane(sums, binary<arith::DivUIOp>(b, taker, perLane));
      });
    }
    barrier(b);
  } else {
    // Accumulators stand side by side, as vectors want them.
    auto arrays = llvm::map_to_vector(loop.getResultTypes(),
                                      [&](Type type) { return scratchArray(type, takers, numbers[type]++); });
    auto load = [&](ArrayRef<Value> from, Value place) {
      return llvm::map_to_vector(from, [&](Value array) -> Value { return memref::LoadOp::create(b, array, place); });
    };
    auto iteration = [&](Value place) { return cloneIteration(b, loop, space.inductionVars(b, place)); };
    forEach(b, zero, count, one, [&](Value taker) { store(iteration(taker), arrays, taker); });
    forEach(b, stride, space.count, stride, [&](Value row) {
      Value width = binary<arith::MinSIOp>(b, binary<arith::SubIOp>(b, space.count, row), stride);
      forEach(b, zero, width, one, [&](Value taker) {
        SmallVector<Value> values = iteration(binary<arith::AddIOp>(b, row, taker));
        store(combineAll(load(arrays, taker), values), arrays, taker);
      });
    });
    auto combineLanes = [&](Value begin, Value end, bool areFull) {
      forEach(b, begin, end, one, [&](Value lane) {
        Value first = binary<arith::MulIOp>(b, lane, perLane);
        auto accumulator = [&](unsigned result, unsigned number) -> Value {
          if (perIteration != 1)
            return load(arrays[result * perIteration + number], lane).front();
          return load(arrays[result], binary<arith::AddIOp>(b, first, constant(b, number))).front();
        };
        storeLane(combineLane(areFull ? Value() : binary<arith::SubIOp>(b, count, first), accumulator), lane);
      });
    };
    // Only the last may lack some.
    Value full = binary<arith::DivUIOp>(b, count, perLane);
    combineLanes(zero, full, /*areFull=*/true);
    if (perIteration == 1)
      combineLanes(full, lanes, /*areFull=*/false);
  }

  Value some = less(b, zero, space.count);
  SmallVector<Value> results;
  // Number 0 is that of isolateWrites().
  llvm::DenseMap<Type, unsigned> totals;
  for (auto [index, array] : llvm::enumerate(partials)) {
    const unsigned number = index * perIteration;
    Value init = loop.getInitVals()[number], result = loop.getResult(number), total;
    Region &combine = combines[number];
    if (!hasTeam()) {
      total = combineLanesOfThread(b, combine, array, lanes);
    } else {
      // A combination that may fault must not see what the other threads have instead.
      bool isHarmless = llvm::all_of(combine.front(), [](Operation &op) { return isMemoryEffectFree(&op); });
      Value cell;
      if (!isHarmless || !isOfFirstThread(result))
        cell = scratchArray(init.getType(), 1, ++totals[init.getType()]);
      total = combineLanesOfTeam(b, combine, array, firstPartial, cell, lanes);
    }
    results.append(
        perIteration,
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
