//===- Guard.cpp - mk-guard -------------------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Guard.h"
#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Analysis/DataFlow/ConstantPropagationAnalysis.h"
#include "mlir/Analysis/DataFlow/DeadCodeAnalysis.h"
#include "mlir/Analysis/DataFlow/IntegerRangeAnalysis.h"
#include "mlir/Analysis/DataFlowFramework.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Index/IR/IndexOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mk {
#define GEN_PASS_DEF_MKGUARDPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

namespace {

/// The largest step of a loop: bounds and extents are far enough from the end of 64 bits for it not to wrap.
constexpr int64_t maxStep = int64_t(1) << 31;
/// The largest local memory of one memref.alloca, in bytes: it lies on the stack, or in a GPU thread's local memory.
constexpr int64_t maxAlloca = 16384;

/// Puts checks around the operations of one body. Decisions are taken on the unchanged body, so that the analysis
/// stays valid; then the operations are rewritten one by one.
class Guard {
public:
  Guard(FunctionOpInterface function, bool bounds, bool division, bool shift, uint64_t fuel)
      : function(function), bounds(bounds), division(division), shift(shift), fuel(fuel) {
    if (auto window = dyn_cast<WindowOp>(function.getOperation()))
      if (std::optional<ArrayRef<int32_t>> groups = window.getExtents())
        extents = *groups;
  }

  LogicalResult run();

private:
  LogicalResult decide(Operation *op, DataFlowSolver &solver);
  std::optional<ConstantIntRanges> range(Value value, DataFlowSolver &solver);

  bool indexProved(Value index, Value memref, int64_t dim, DataFlowSolver &solver);
  bool sameExtent(Value a, Value b);

  void guardAccess(Operation *op, Value memref, ValueRange indices);
  void guardDivision(Operation *op);
  void guardShift(Operation *op);
  void guardWhile(scf::WhileOp loop);
  void guardFor(scf::ForOp loop);
  void guardConversion(Operation *op);

  /// Moves 'op' under a condition; its result is zero where the condition fails, and the slot is marked.
  void runIf(ImplicitLocOpBuilder &b, Value condition, Operation *op, FaultKind kind, Value detail);
  void raise(ImplicitLocOpBuilder &b, Operation *from, FaultKind kind, Value detail);
  Value low32(ImplicitLocOpBuilder &b, Value value);

  FunctionOpInterface function;
  bool bounds, division, shift;
  uint64_t fuel;
  ArrayRef<int32_t> extents;
  SmallVector<std::function<void()>> rewrites;
};

} // namespace

/// The argument behind a chain of memref.distinct_objects.
static Value sourceOf(Value memref) {
  while (auto distinct = memref.getDefiningOp<memref::DistinctObjectsOp>())
    memref = distinct.getOperand(cast<OpResult>(memref).getResultNumber());
  return memref;
}

bool Guard::sameExtent(Value a, Value b) {
  a = sourceOf(a);
  b = sourceOf(b);
  if (a == b)
    return true;
  auto argA = dyn_cast<BlockArgument>(a), argB = dyn_cast<BlockArgument>(b);
  if (!argA || !argB || extents.empty() || argA.getOwner() != &function.getFunctionBody().front() ||
      argB.getOwner() != argA.getOwner())
    return false;
  int32_t groupA = extents[argA.getArgNumber()], groupB = extents[argB.getArgNumber()];
  return groupA >= 0 && groupA == groupB;
}

std::optional<ConstantIntRanges> Guard::range(Value value, DataFlowSolver &solver) {
  auto *lattice = solver.lookupState<dataflow::IntegerValueRangeLattice>(value);
  if (!lattice || lattice->getValue().isUninitialized())
    return std::nullopt;
  return lattice->getValue().getValue();
}

/// An index is in range when it runs from a non-negative bound up to the extent of the memref, or when its largest
/// value is below a static extent.
bool Guard::indexProved(Value index, Value memref, int64_t dim, DataFlowSolver &solver) {
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(dim)) {
    std::optional<ConstantIntRanges> r = range(index, solver);
    return r && r->umax().ult(type.getDimSize(dim));
  }
  auto iv = dyn_cast<BlockArgument>(index);
  if (!iv)
    return false;
  Value lower, upper, step;
  if (auto loop = dyn_cast<scf::ParallelOp>(iv.getOwner()->getParentOp())) {
    unsigned number = iv.getArgNumber();
    lower = loop.getLowerBound()[number];
    upper = loop.getUpperBound()[number];
    step = loop.getStep()[number];
  } else if (auto loop = dyn_cast<scf::ForOp>(iv.getOwner()->getParentOp())) {
    if (iv != loop.getInductionVar() || loop.getUnsignedCmp())
      return false;
    lower = loop.getLowerBound();
    upper = loop.getUpperBound();
    step = loop.getStep();
  } else {
    return false;
  }
  auto extent = upper.getDefiningOp<memref::DimOp>();
  std::optional<int64_t> number = extent ? extent.getConstantIndex() : std::nullopt;
  std::optional<ConstantIntRanges> from = range(lower, solver), by = range(step, solver);
  // With a larger step the last addition could wrap around.
  return number && *number == dim && sameExtent(extent.getSource(), memref) && from && from->smin().isNonNegative() &&
         by && by->smin().isStrictlyPositive() && by->smax().sle(maxStep);
}

LogicalResult Guard::decide(Operation *op, DataFlowSolver &solver) {
  StringRef dialect = op->getName().getDialectNamespace();
  if (!llvm::is_contained({"arith", "index", "math", "memref", "mk", "scf", "vector"}, dialect))
    return op->emitOpError(
        "has no place in an opcode, which is made of arith, index, math, memref, scf, vector and mk");
  if (isa<index::CeilDivSOp, index::CeilDivUOp, index::DivSOp, index::DivUOp, index::FloorDivSOp, index::RemSOp,
          index::RemUOp, index::ShlOp, index::ShrSOp, index::ShrUOp>(op))
    return op->emitOpError("is not known to mk-guard; use the operation of arith on index");
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> number = dim.getConstantIndex();
    if (!number || *number < 0 || *number >= cast<MemRefType>(dim.getSource().getType()).getRank())
      return op->emitOpError("asks for a dimension that is not a constant of the memref's rank");
  }
  if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    MemRefType type = alloca.getType();
    if (!type.hasStaticShape() || !type.getElementType().isIntOrIndexOrFloat())
      return op->emitOpError("has no constant size; use a buffer argument");
    unsigned bits = type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
    int64_t elements = type.getNumElements();
    if (elements > maxAlloca || elements * llvm::divideCeil(bits, 8) > maxAlloca)
      return op->emitOpError() << "takes more than " << maxAlloca << " bytes; use a buffer argument";
  }
  if (isFloatToInt(op)) {
    if (!division)
      return success();
    if (!op->getResult(0).getType().isInteger())
      return op->emitOpError("converts vectors, which mk-guard cannot check yet; convert the elements");
    rewrites.push_back([this, op] { guardConversion(op); });
    return success();
  }
  auto access = [&](Value memref, ValueRange indices) -> LogicalResult {
    // What mk.opcode's arguments and local memory are; anything else could have any shape.
    Value source = sourceOf(memref);
    if (!isa<BlockArgument>(source) && !source.getDefiningOp<memref::AllocaOp>())
      return op->emitOpError("accesses memory that is neither an argument nor a memref.alloca, which mk-guard cannot "
                             "check");
    for (auto [dim, index] : llvm::enumerate(indices))
      if (!indexProved(index, memref, dim, solver)) {
        rewrites.push_back(
            [this, op, memref, indices = SmallVector<Value>(indices)] { guardAccess(op, memref, indices); });
        break;
      }
    return success();
  };
  if (isDivision(op)) {
    if (!division)
      return success();
    if (!op->getResult(0).getType().isIntOrIndex())
      return op->emitOpError("divides vectors, which mk-guard cannot check yet; divide the elements");
    Value divisor = op->getOperand(1);
    std::optional<ConstantIntRanges> r = range(divisor, solver), n = range(op->getOperand(0), solver);
    bool isSigned = isSignedDivision(op);
    bool notZero = r && !r->umin().isZero();
    bool noOverflow =
        !isSigned || (r && (r->smin().sgt(-1) || r->smax().slt(-1))) || (n && !n->smin().isMinSignedValue());
    if (!notZero || !noOverflow)
      rewrites.push_back([this, op] { guardDivision(op); });
    return success();
  }
  if (isShift(op)) {
    if (!shift)
      return success();
    if (!op->getResult(0).getType().isIntOrIndex())
      return op->emitOpError("shifts vectors, which mk-guard cannot check yet; shift the elements");
    std::optional<ConstantIntRanges> r = range(op->getOperand(1), solver);
    unsigned width = ConstantIntRanges::getStorageBitwidth(op->getResult(0).getType());
    if (!r || r->umax().uge(width))
      rewrites.push_back([this, op] { guardShift(op); });
    return success();
  }
  if (auto loop = dyn_cast<scf::WhileOp>(op)) {
    if (fuel != 0)
      rewrites.push_back([this, loop] { guardWhile(loop); });
    return success();
  }
  if (auto loop = dyn_cast<scf::ForOp>(op)) {
    if (fuel == 0)
      return success();
    std::optional<ConstantIntRanges> by = range(loop.getStep(), solver), from = range(loop.getLowerBound(), solver),
                                     to = range(loop.getUpperBound(), solver);
    bool goodStep = by && by->smin().isStrictlyPositive() && by->smax().sle(maxStep);
    // A loop over a memref is as long as that.
    bool bounded = loop.getUpperBound().getDefiningOp<memref::DimOp>() && from && from->smin().isNonNegative();
    if (!bounded && from && to && from->smin().sge(-maxStep) && to->smax().sle(maxStep))
      bounded =
          uint64_t(to->smax().getSExtValue() - from->smin().getSExtValue()) <= fuel || to->smax().sle(from->smin());
    if (!goodStep || !bounded)
      rewrites.push_back([this, loop] { guardFor(loop); });
    return success();
  }
  if (auto loop = dyn_cast<scf::ParallelOp>(op)) {
    for (Value step : loop.getStep()) {
      std::optional<ConstantIntRanges> by = range(step, solver);
      if (!by || !by->smin().isStrictlyPositive() || by->smax().sgt(maxStep))
        return op->emitOpError() << "has a step that is not known to be from 1 to " << maxStep << "; use a constant";
    }
    return success();
  }
  if (!bounds)
    return success();
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return access(load.getMemRef(), load.getIndices());
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return access(store.getMemRef(), store.getIndices());
  if (auto rmw = dyn_cast<memref::AtomicRMWOp>(op))
    return access(rmw.getMemref(), rmw.getIndices());
  if (isa<memref::AllocaOp, memref::DimOp, memref::DistinctObjectsOp, EmitOp, FaultOp, RaiseOp>(op) ||
      op->hasTrait<OpTrait::IsTerminator>() || op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
      isMemoryEffectFree(op))
    return success();
  return op->emitOpError("touches memory in a way that mk-guard cannot check; use memref.load, memref.store or "
                         "memref.atomic_rmw");
}

/// Flags that make a result undefined would let the analysis prove what need not hold, and tiers disagree.
static void dropUndefinedResults(Operation *op) {
  if (op->hasAttr("overflowFlags"))
    op->setAttr("overflowFlags",
                arith::IntegerOverflowFlagsAttr::get(op->getContext(), arith::IntegerOverflowFlags::none));
  for (StringRef flag : {"isExact", "nonNeg", "isDisjoint"})
    op->removeAttr(flag);
}

LogicalResult Guard::run() {
  function.getFunctionBody().walk(dropUndefinedResults);
  DataFlowSolver solver;
  solver.load<dataflow::DeadCodeAnalysis>();
  solver.load<dataflow::SparseConstantPropagation>();
  solver.load<dataflow::IntegerRangeAnalysis>();
  if (failed(solver.initializeAndRun(function)))
    return function.emitOpError("integer range analysis failed");
  WalkResult walk = function.getFunctionBody().walk(
      [&](Operation *op) { return failed(decide(op, solver)) ? WalkResult::interrupt() : WalkResult::advance(); });
  if (walk.wasInterrupted())
    return failure();
  for (const std::function<void()> &rewrite : rewrites)
    rewrite();
  return success();
}

Value Guard::low32(ImplicitLocOpBuilder &b, Value value) {
  Type i32 = b.getI32Type();
  if (value.getType() == i32)
    return value;
  if (value.getType().isIndex())
    return arith::IndexCastUIOp::create(b, i32, value);
  return value.getType().getIntOrFloatBitWidth() > 32 ? arith::TruncIOp::create(b, i32, value).getResult()
                                                      : arith::ExtUIOp::create(b, i32, value).getResult();
}

void Guard::raise(ImplicitLocOpBuilder &b, Operation *from, FaultKind kind, Value detail) {
  assert(mayNeedGuard(from) && "mk-fuse-windows does not know that this operation may fault");
  // mk-fuse-windows leaves the number of the issue on what it inlines.
  FaultOp::create(b, kind, IntegerAttr(), from->getAttrOfType<IntegerAttr>("mk.issue"), low32(b, detail));
}

void Guard::runIf(ImplicitLocOpBuilder &b, Value condition, Operation *op, FaultKind kind, Value detail) {
  auto branch = scf::IfOp::create(b, op->getResultTypes(), condition, /*withElseRegion=*/true);
  for (auto [result, replacement] : llvm::zip_equal(op->getResults(), branch.getResults()))
    result.replaceAllUsesWith(replacement);
  // An if without results has its terminators already.
  Block *then = branch.thenBlock(), *other = branch.elseBlock();
  if (then->empty()) {
    b.setInsertionPointToEnd(then);
    scf::YieldOp::create(b, op->getResults());
  }
  op->moveBefore(&then->front());
  b.setInsertionPointToStart(other);
  SmallVector<Value> zeros;
  for (Type type : op->getResultTypes())
    zeros.push_back(arith::ConstantOp::create(b, b.getZeroAttr(type)));
  raise(b, op, kind, detail);
  if (!op->getResults().empty())
    scf::YieldOp::create(b, zeros);
}

void Guard::guardAccess(Operation *op, Value memref, ValueRange indices) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value good, detail;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    // Unsigned, so that a negative index is out of range too.
    Value extent = b.createOrFold<memref::DimOp>(memref, dim);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, extent);
    detail = detail ? arith::SelectOp::create(b, good, index, detail).getResult() : index;
    good = good ? arith::AndIOp::create(b, good, inside).getResult() : inside;
  }
  runIf(b, good, op, FaultKind::BufferBounds, detail);
}

void Guard::guardDivision(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value dividend = op->getOperand(0), divisor = op->getOperand(1);
  Type type = divisor.getType();
  auto constant = [&](const APInt &value) -> Value {
    return arith::ConstantOp::create(b, b.getIntegerAttr(type, value));
  };
  unsigned width = ConstantIntRanges::getStorageBitwidth(type);
  Value good = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, divisor, constant(APInt::getZero(width)));
  if (isSignedDivision(op)) {
    Value lowest =
        arith::CmpIOp::create(b, arith::CmpIPredicate::ne, dividend, constant(APInt::getSignedMinValue(width)));
    Value notMinusOne = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, divisor, constant(APInt::getAllOnes(width)));
    good = arith::AndIOp::create(b, good, arith::OrIOp::create(b, lowest, notMinusOne));
  }
  runIf(b, good, op, FaultKind::Division, divisor);
}

void Guard::guardShift(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value amount = op->getOperand(1);
  unsigned width = ConstantIntRanges::getStorageBitwidth(amount.getType());
  Value limit = arith::ConstantOp::create(b, b.getIntegerAttr(amount.getType(), APInt(width, width)));
  Value good = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, amount, limit);
  runIf(b, good, op, FaultKind::Shift, amount);
}

/// Counts the iterations in one more loop-carried value, and leaves the loop when the fuel is used up. What the loop
/// yields then is what it had.
void Guard::guardWhile(scf::WhileOp loop) {
  ImplicitLocOpBuilder b(loop.getLoc(), loop);
  Type i64 = b.getI64Type();
  Value zero = arith::ConstantOp::create(b, b.getI64IntegerAttr(0));
  Value limit = arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel));
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
  Value exhausted = arith::CmpIOp::create(b, arith::CmpIPredicate::ugt, used, limit);
  auto branch = scf::IfOp::create(b, exhausted, /*withElseRegion=*/false);
  b.setInsertionPointToStart(branch.thenBlock());
  raise(b, loop, FaultKind::Fuel, limit);
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
  Value trips = arith::DivUIOp::create(b, arith::SubIOp::create(b, upper, lower), divisor);
  Value isShort = arith::AndIOp::create(b, compare(ult, trips, constant(fuel)),
                                        compare(sle, upper, constant(uint64_t(1) << std::min(width - 2, 62u))));
  Value lasts = arith::OrIOp::create(b, compare(loop.getUnsignedCmp() ? uge : sge, lower, upper), isShort);
  auto stepBranch = scf::IfOp::create(b, goodStep, /*withElseRegion=*/true);
  b.setInsertionPointToStart(stepBranch.elseBlock());
  raise(b, loop, FaultKind::LoopStep, step);
  b.setInsertionPoint(loop);
  auto fuelBranch = scf::IfOp::create(b, lasts, /*withElseRegion=*/true);
  b.setInsertionPointToStart(fuelBranch.elseBlock());
  raise(b, loop, FaultKind::Fuel, arith::ConstantOp::create(b, b.getI64IntegerAttr(fuel)));
  b.setInsertionPoint(loop);
  Value good = arith::AndIOp::create(b, goodStep, lasts);
  loop.getStepMutable().assign(divisor);
  loop.getUpperBoundMutable().assign(arith::SelectOp::create(b, good, upper, lower).getResult());
}

/// A number that the integer type cannot hold, or no number, is converted to zero.
void Guard::guardConversion(Operation *op) {
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value number = op->getOperand(0);
  auto type = cast<FloatType>(number.getType());
  unsigned width = op->getResult(0).getType().getIntOrFloatBitWidth();
  bool isSigned = isa<arith::FPToSIOp>(op);
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  auto exact = [&](const APInt &value, bool &isExact) {
    APFloat result(semantics);
    isExact = result.convertFromAPInt(value, /*IsSigned=*/true, APFloat::rmTowardZero) == APFloat::opOK;
    return result;
  };
  auto constant = [&](const APFloat &value) -> Value {
    return arith::ConstantOp::create(b, b.getFloatAttr(type, value));
  };
  // What is cut off to the lowest value lies above lowest - 1, where the float type can tell the two apart.
  APInt end = APInt::getOneBitSet(width + 2, isSigned ? width - 1 : width);
  APInt lowest = isSigned ? -end : APInt::getZero(width + 2);
  bool isExact;
  APFloat below = exact(lowest - 1, isExact);
  Value above =
      isExact
          ? arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, number, constant(below)).getResult()
          : arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, number, constant(exact(lowest, isExact))).getResult();
  APFloat limit = exact(end, isExact);
  // A type that does not reach the limit has only infinity beyond.
  if (!isExact)
    limit = APFloat::getInf(semantics);
  Value under = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, number, constant(limit));
  Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
  runIf(b, arith::AndIOp::create(b, above, under), op, FaultKind::Conversion, zero);
}

namespace {
struct MkGuardPass : mk::impl::MkGuardPassBase<MkGuardPass> {
  using MkGuardPassBase::MkGuardPassBase;

  void runOnOperation() override {
    auto guard = [&](FunctionOpInterface op) {
      if (failed(Guard(op, bounds, division, shift, fuel).run()))
        signalPassFailure();
    };
    getOperation()->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (auto opcode = dyn_cast<OpcodeOp>(op)) {
        guard(opcode);
        return WalkResult::skip();
      }
      if (auto window = dyn_cast<WindowOp>(op)) {
        if (window.getFused())
          guard(window);
        return WalkResult::skip();
      }
      return WalkResult::advance();
    });
  }
};
} // namespace
