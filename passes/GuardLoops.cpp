//===- GuardLoops.cpp - Loops under mk-guard: fuel and versions -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Guard.h"
#include "GuardBody.h"
#include "IndexOffset.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mk;

bool Guard::isSequential(Operation *loop) {
  if (!isa<scf::ForOp, scf::ParallelOp, scf::WhileOp>(loop))
    return false;
  return !isa<scf::ParallelOp>(loop) || !isBlock || loop->getParentOfType<scf::ParallelOp>() ||
         loop->getParentOfType<SingleOp>();
}

Block *Guard::threadOf(Operation *op) {
  for (Operation *parent = op->getParentOp(); parent != function; parent = parent->getParentOp())
    if (isa<SingleOp>(parent) || (isa<scf::ParallelOp>(parent) && !isSequential(parent)))
      return &parent->getRegion(0).front();
  return &function.getFunctionBody().front();
}

std::optional<uint64_t> Guard::knownTrips(Operation *loop, DataFlowSolver &solver) {
  auto bounded = [&](Value lower, Value upper) -> std::optional<uint64_t> {
    std::optional<ConstantIntRanges> from = range(lower, solver), to = range(upper, solver);
    if (upper.getDefiningOp<memref::DimOp>())
      return from && from->smin().isNonNegative() ? std::optional<uint64_t>(0) : std::nullopt;
    if (!from || !to || from->smin().slt(-maxStep) || to->smax().sgt(maxStep))
      return std::nullopt;
    return std::max<int64_t>(1, to->smax().getSExtValue() - from->smin().getSExtValue());
  };
  if (auto each = dyn_cast<scf::ForOp>(loop)) {
    // The last addition of a narrow loop must not wrap around.
    std::optional<ConstantIntRanges> to = range(each.getUpperBound(), solver), by = range(each.getStep(), solver);
    unsigned width = ConstantIntRanges::getStorageBitwidth(each.getStep().getType());
    bool overflows = true;
    if (to && by)
      (void)to->smax().sadd_ov(by->smax(), overflows);
    if (width < 64 && overflows)
      return std::nullopt;
    return bounded(each.getLowerBound(), each.getUpperBound());
  }
  auto parallel = dyn_cast<scf::ParallelOp>(loop);
  if (!parallel)
    return std::nullopt;
  if (parallel.getNumLoops() == 1)
    return bounded(parallel.getLowerBound()[0], parallel.getUpperBound()[0]);
  uint64_t product = 1;
  for (auto [lower, upper] : llvm::zip(parallel.getLowerBound(), parallel.getUpperBound())) {
    std::optional<uint64_t> trips = bounded(lower, upper);
    if (!trips || *trips == 0 || *trips > maxPoints / product)
      return std::nullopt;
    product *= *trips;
  }
  return product;
}

bool Guard::isFree(Operation *loop, DataFlowSolver &solver) {
  std::optional<uint64_t> trips = knownTrips(loop, solver);
  if (!trips)
    return false;
  Block *thread = threadOf(loop);
  uint64_t product = 1, limit = fuel;
  bool isOuter = true;
  for (Operation *parent = loop->getParentOp(); parent != thread->getParentOp(); parent = parent->getParentOp()) {
    if (!isSequential(parent))
      continue;
    std::optional<uint64_t> around = knownTrips(parent, solver);
    if (!around || *around == 0 || *around > maxPoints / product) {
      // The loop around it takes fuel, or is as long as a memref.
      limit = std::min(fuel, freeTrips);
      isOuter = false;
      break;
    }
    product *= *around;
  }
  // A loop over a memref is as long as that, once.
  if (*trips == 0)
    return isOuter && product <= freeTrips;
  return *trips <= limit / product;
}

LogicalResult Guard::decideLoop(LoopLikeOpInterface op, DataFlowSolver &solver) {
  auto each = dyn_cast<scf::ForOp>(op.getOperation());
  // The range analysis takes all bounds as signed.
  if (each) {
    unsigned width = ConstantIntRanges::getStorageBitwidth(each.getStep().getType());
    if (each.getUnsignedCmp() || width == 1 || width > 64)
      return op->emitOpError("counts unsigned, with one bit or with more than 64, which mk-guard cannot check; count "
                             "with index");
  }
  auto steps = [&](ValueRange values) {
    return llvm::all_of(values, [&](Value step) {
      std::optional<ConstantIntRanges> by = range(step, solver);
      return by && by->smin().isStrictlyPositive() && by->smax().sle(maxStep);
    });
  };
  if (auto loop = dyn_cast<scf::ParallelOp>(op.getOperation()); loop && !steps(loop.getStep()))
    return op->emitOpError() << "has a step that is not known to be from 1 to " << maxStep << "; use a constant";
  if (fuel == 0)
    return success();
  ++considered;
  bool goodStep = !each || steps(each.getStep());
  if (goodStep && isSequential(op) && isFree(op, solver))
    return success();
  if (isSequential(op))
    fuelled.insert(op);
  if (auto loop = dyn_cast<scf::WhileOp>(op.getOperation())) {
    rewrites.push_back([this, loop] { guardWhile(loop); });
  } else if (each) {
    rewrites.push_back([this, each] { guardFor(each); });
  } else {
    auto parallel = cast<scf::ParallelOp>(op.getOperation());
    std::optional<uint64_t> trips = knownTrips(parallel, solver);
    if (!isSequential(op) && trips && *trips <= fuel)
      return success();
    bool overExtents = llvm::all_of(parallel.getUpperBound(), [](Value upper) {
      return upper.getDefiningOp<memref::DimOp>() || isa_and_nonnull<arith::ConstantOp>(upper.getDefiningOp());
    });
    uint64_t limit = overExtents ? maxPoints : fuel;
    rewrites.push_back([this, parallel, limit] { guardParallel(parallel, limit); });
  }
  return success();
}

void Guard::versionLoops() {
  SmallVector<scf::ParallelOp> loops;
  function.getFunctionBody().walk([&](scf::ParallelOp loop) {
    if (!loop->getParentOfType<LoopLikeOpInterface>())
      loops.push_back(loop);
  });
  for (scf::ParallelOp loop : loops) {
    // What each memref must have elements for beyond the loop's end, when its accesses are to be in range.
    struct Need {
      int64_t beyond = 0;
      SmallVector<Operation *> ops;
    };
    llvm::MapVector<std::pair<Value, Value>, Need> needs;
    loop.getBody()->walk([&](Operation *op) {
      auto place = placeOf(op);
      if (!place || place->second.size() != 1 || isa<vector::LoadOp, vector::StoreOp>(op))
        return;
      Value memref = place->first;
      auto [index, distance] = splitOffset(place->second[0]);
      auto iv = dyn_cast<BlockArgument>(index);
      if (!iv || iv.getOwner() != loop.getBody() || !loop.isDefinedOutsideOfLoop(memref))
        return;
      APInt lower, step;
      unsigned number = iv.getArgNumber();
      Value upper = loop.getUpperBound()[number];
      auto extent = upper.getDefiningOp<memref::DimOp>();
      // Constants are for the range analysis.
      if (getConstantIntValue(upper) && cast<MemRefType>(memref.getType()).hasStaticShape())
        return;
      if (!matchPattern(loop.getLowerBound()[number], m_ConstantInt(&lower)) || !lower.isSignedIntN(32) ||
          lower.getSExtValue() + distance < 0 || !matchPattern(loop.getStep()[number], m_ConstantInt(&step)) ||
          !step.isStrictlyPositive() || step.sgt(maxStep) ||
          (extent && distance == 0 && sameExtent(extent.getSource(), memref)))
        return;
      Need &need = needs[{memref, upper}];
      need.beyond = std::max(need.beyond, distance);
      need.ops.push_back(op);
    });
    if (needs.empty())
      continue;
    ImplicitLocOpBuilder b(loop.getLoc(), loop);
    Value good;
    for (auto &[pair, need] : needs) {
      auto [memref, upper] = pair;
      Value extent = b.createOrFold<memref::DimOp>(memref, 0), end = upper;
      // Only a bound that is computed could be so large that an addition wraps around.
      if (std::optional<int64_t> known = getConstantIntValue(upper); known && llvm::isInt<32>(*known))
        end = arith::ConstantIndexOp::create(b, *known + need.beyond);
      else if (need.beyond != 0)
        extent = arith::SubIOp::create(b, extent, arith::ConstantIndexOp::create(b, need.beyond));
      Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, end, extent);
      good = good ? arith::AndIOp::create(b, good, fits).getResult() : fits;
    }
    auto branch = scf::IfOp::create(b, loop.getResultTypes(), good, /*withElseRegion=*/true);
    loop.replaceAllUsesWith(branch);
    IRMapping mapping;
    b.setInsertionPointToStart(branch.thenBlock());
    Operation *copy = b.clone(*loop, mapping);
    for (Need &need : llvm::make_second_range(needs))
      for (Operation *op : need.ops)
        checkedBefore.insert(mapping.lookup(op));
    if (loop.getNumResults() != 0)
      scf::YieldOp::create(b, copy->getResults());
    b.setInsertionPointToStart(branch.elseBlock());
    loop->moveBefore(branch.elseBlock(), branch.elseBlock()->begin());
    b.setInsertionPointAfter(loop);
    if (loop.getNumResults() != 0)
      scf::YieldOp::create(b, loop.getResults());
  }
}

/// Loops that one thread runs for one slot share the fuel, lest loops in loops multiply it.
void Guard::makeFuelCells() {
  llvm::MapVector<FuelKey, SmallVector<Operation *>> groups;
  for (Operation *loop : fuelled)
    groups[fuelKey(loop)].push_back(loop);
  for (auto &[key, loops] : groups) {
    bool inLoop = llvm::any_of(loops, [&](Operation *loop) {
      for (Operation *parent = loop->getParentOp(); parent != key.first->getParentOp(); parent = parent->getParentOp())
        if (isSequential(parent))
          return true;
      return false;
    });
    if (loops.size() == 1 && !inLoop)
      continue;
    ImplicitLocOpBuilder b(loops.front()->getLoc(), function.getContext());
    b.setInsertionPointToStart(key.first);
    Value cell = memref::AllocaOp::create(b, MemRefType::get({}, b.getI64Type()));
    memref::StoreOp::create(b, arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel)), cell);
    fuelCells[key] = cell;
  }
}

Value Guard::fuelLeft(ImplicitLocOpBuilder &b, Operation *loop) {
  if (Value cell = fuelCells.lookup(fuelKey(loop)))
    return memref::LoadOp::create(b, cell);
  return arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel));
}

void Guard::burnFuel(ImplicitLocOpBuilder &b, Operation *loop, Value amount) {
  Value cell = fuelCells.lookup(fuelKey(loop));
  if (!cell)
    return;
  Value left = memref::LoadOp::create(b, cell);
  Value burnt = arith::MinUIOp::create(b, left, amount);
  memref::StoreOp::create(b, arith::SubIOp::create(b, left, burnt), cell);
}

/// Counts the iterations in one more loop-carried value, and leaves the loop when the fuel is used up. What the loop
/// yields then is what it had.
void Guard::guardWhile(scf::WhileOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Type i64 = b.getI64Type();
  Value zero = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
  Value limit = fuelLeft(b, loop);
  Value one = arith::ConstantOp::create(b, b.getI64IntegerAttr(1));
  SmallVector<Value> inits(loop.getInits());
  inits.push_back(zero);
  SmallVector<Type> types(loop.getResultTypes());
  types.push_back(i64);
  auto counted = scf::WhileOp::create(b, types, inits);
  counted.getBefore().takeBody(loop.getBefore());
  counted.getAfter().takeBody(loop.getAfter());

  Value before = counted.getBefore().front().addArgument(i64, loop.getLoc());
  auto condition = counted.getConditionOp();
  b.setInsertionPoint(condition);
  Value left = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, before, limit);
  Value wanted = condition.getCondition();
  // The count passes through 'limit + 1' to say that the loop wanted to go on.
  Value starved = arith::AndIOp::create(
      b, wanted, arith::XOrIOp::create(b, left, arith::ConstantOp::create(b, b.getBoolAttr(true))));
  Value count = arith::AddIOp::create(b, before, arith::ExtUIOp::create(b, i64, starved));
  condition.getConditionMutable().assign(arith::AndIOp::create(b, wanted, left).getResult());
  condition.getArgsMutable().append(count);

  Value after = counted.getAfter().front().addArgument(i64, loop.getLoc());
  auto yield = counted.getYieldOp();
  b.setInsertionPoint(yield);
  yield.getResultsMutable().append(arith::AddIOp::create(b, after, one).getResult());

  b.setInsertionPointAfter(counted);
  Value used = counted.getResults().back();
  burnFuel(b, loop, used);
  Value exhausted = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, used, limit);
  auto branch = scf::IfOp::create(b, exhausted, /*withElseRegion=*/false);
  b.setInsertionPointToStart(branch.thenBlock());
  raise(b, loop, FaultKind::Fuel, arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel)));
  for (auto [old, now] : llvm::zip(loop.getResults(), counted.getResults()))
    old.replaceAllUsesWith(now);
  loop.erase();
}

/// A loop whose step is out of range, or that would run for longer than the fuel lasts, does not run.
void Guard::guardFor(scf::ForOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Type type = loop.getStep().getType();
  unsigned width = ConstantIntRanges::getStorageBitwidth(type);
  auto constant = [&](uint64_t value) -> Value {
    APInt bits(64, std::min(value, APInt::getSignedMaxValue(width).getLimitedValue()));
    return arith::ConstantOp::create(b, b.getIntegerAttr(type, bits.trunc(width)));
  };
  auto compare = [&](arith::CmpIPredicate predicate, Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  };
  using enum arith::CmpIPredicate;
  Value lower = loop.getLowerBound(), upper = loop.getUpperBound(), step = loop.getStep(), one = constant(1);
  Value goodStep = arith::AndIOp::create(b, compare(sge, step, one), compare(sle, step, constant(maxStep)));
  Value divisor = arith::SelectOp::create(b, goodStep, step, one);
  // The distance between signed bounds fits the unsigned type.
  Value span = arith::SubIOp::create(b, upper, lower);
  Value trips;
  if (fuelCells.contains(fuelKey(loop))) {
    trips = arith::DivUIOp::create(b, span, divisor);
  } else {
    // Bounds that are close need no division.
    auto isClose = scf::IfOp::create(b, type, compare(ult, span, constant(fuel)), /*withElseRegion=*/true);
    b.setInsertionPointToStart(isClose.thenBlock());
    scf::YieldOp::create(b, constant(0));
    b.setInsertionPointToStart(isClose.elseBlock());
    scf::YieldOp::create(b, arith::DivUIOp::create(b, span, divisor).getResult());
    b.setInsertionPoint(loop);
    trips = isClose.getResult(0);
  }
  Value count = trips;
  if (type.isIndex())
    count = arith::IndexCastUIOp::create(b, b.getI64Type(), trips);
  else if (width < 64)
    count = arith::ExtUIOp::create(b, b.getI64Type(), trips);
  // Nor may the last addition wrap around.
  Value most = arith::ConstantOp::create(b, b.getIntegerAttr(type, APInt::getSignedMaxValue(width)));
  Value end = arith::SubIOp::create(b, most, divisor);
  Value isShort = arith::AndIOp::create(b, compare(ult, count, fuelLeft(b, loop)), compare(sle, upper, end));
  Value isEmpty = compare(sge, lower, upper);
  Value lasts = arith::OrIOp::create(b, isEmpty, isShort);
  auto stepBranch = scf::IfOp::create(b, goodStep, /*withElseRegion=*/true);
  b.setInsertionPointToStart(stepBranch.elseBlock());
  raise(b, loop, FaultKind::LoopStep, step);
  b.setInsertionPoint(loop);
  auto fuelBranch = scf::IfOp::create(b, lasts, /*withElseRegion=*/true);
  b.setInsertionPointToStart(fuelBranch.elseBlock());
  raise(b, loop, FaultKind::Fuel, arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel)));
  b.setInsertionPoint(loop);
  Value good = arith::AndIOp::create(b, goodStep, lasts);
  if (fuelCells.contains(fuelKey(loop))) {
    auto number = [&](uint64_t value) -> Value { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); };
    Value burnt = arith::SelectOp::create(b, isEmpty, number(0), arith::AddIOp::create(b, count, number(1)));
    burnFuel(b, loop, burnt);
  }
  loop.getStepMutable().assign(divisor);
  loop.getUpperBoundMutable().assign(arith::SelectOp::create(b, good, upper, lower).getResult());
}

/// A loop with more iterations than 'limit', or than the fuel of its thread lasts for, does not run.
void Guard::guardParallel(scf::ParallelOp loop, uint64_t limit) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  using enum arith::CmpIPredicate;
  Type i64 = b.getI64Type();
  auto number = [&](uint64_t value) -> Value { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); };
  auto toI64 = [&](Value index) -> Value { return arith::IndexCastUIOp::create(b, i64, index); };
  auto compare = [&](arith::CmpIPredicate predicate, Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  };
  auto both = [&](Value lhs, Value rhs) -> Value { return arith::AndIOp::create(b, lhs, rhs); };
  Value left = isSequential(loop) ? fuelLeft(b, loop) : number(limit);
  Value product, good = arith::ConstantOp::create(b, b.getBoolAttr(true));
  for (auto [from, to, by] : llvm::zip(loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    Value lower = toI64(from), upper = toI64(to);
    // The distance between signed bounds fits the unsigned type; a bound near its end could make the index wrap around.
    Value last = arith::SubIOp::create(b, arith::SubIOp::create(b, upper, lower), number(1));
    Value trips = arith::AddIOp::create(b, arith::DivUIOp::create(b, last, toI64(by)), number(1));
    trips = arith::SelectOp::create(b, compare(slt, lower, upper), trips, number(0));
    Value room =
        product ? arith::DivUIOp::create(b, left, arith::MaxUIOp::create(b, product, number(1))).getResult() : left;
    good = both(good, both(compare(ule, trips, room), compare(sle, upper, number(uint64_t(1) << 62))));
    product = product ? arith::MulIOp::create(b, product, trips).getResult() : trips;
  }
  auto branch = scf::IfOp::create(b, good, /*withElseRegion=*/true);
  b.setInsertionPointToStart(branch.elseBlock());
  // Of a fused loop every issue would have met the limit.
  llvm::SmallSetVector<IntegerAttr, 4> issues;
  if (auto fused = loop->getAttrOfType<DenseI32ArrayAttr>("mk.issues"))
    for (int32_t issue : fused.asArrayRef())
      issues.insert(b.getI32IntegerAttr(issue));
  loop->walk([&](Operation *op) {
    if (auto issue = op->getAttrOfType<IntegerAttr>("mk.issue"))
      issues.insert(issue);
    else if (auto issue = op->getAttrOfType<IntegerAttr>("issue"))
      issues.insert(issue);
  });
  if (issues.empty())
    issues.insert(IntegerAttr());
  Value detail = low32(b, number(isSequential(loop) ? fuel : std::min<uint64_t>(limit, UINT32_MAX)));
  for (IntegerAttr issue : issues)
    FaultOp::create(b, FaultKind::Fuel, IntegerAttr(), issue, detail);
  b.setInsertionPoint(loop);
  if (fuelCells.contains(fuelKey(loop)))
    burnFuel(b, loop, arith::SelectOp::create(b, good, product, number(0)));
  Value upper = arith::SelectOp::create(b, good, loop.getUpperBound()[0], loop.getLowerBound()[0]);
  loop.getUpperBoundMutable()[0].assign(upper);
}
