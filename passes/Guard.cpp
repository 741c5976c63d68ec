//===- Guard.cpp - mk-guard -------------------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Guard.h"
#include "GuardBody.h"
#include "IndexOffset.h"
#include "KernelBuilder.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Analysis/DataFlow/ConstantPropagationAnalysis.h"
#include "mlir/Analysis/DataFlow/DeadCodeAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Index/IR/IndexOps.h"
#include "mlir/IR/Remarks.h"

#define DEBUG_TYPE "mk-guard"

namespace mk {
#define GEN_PASS_DEF_MKGUARDPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

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

/// The analysis runs when it is first asked: many bodies have nothing to ask about.
std::optional<ConstantIntRanges> Guard::range(Value value, DataFlowSolver &solver) {
  if (!analysis) {
    solver.load<dataflow::DeadCodeAnalysis>();
    solver.load<dataflow::SparseConstantPropagation>();
    solver.load<dataflow::IntegerRangeAnalysis>();
    analysis = solver.initializeAndRun(function);
  }
  if (failed(*analysis))
    return std::nullopt;
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
    if (iv != loop.getInductionVar())
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
  // With a larger step the last addition could wrap around; guardFor lets no such loop run.
  bool goodStep = (by && by->smin().isStrictlyPositive() && by->smax().sle(maxStep)) ||
                  (fuel != 0 && isa<scf::ForOp>(iv.getOwner()->getParentOp()));
  return number && *number == dim && sameExtent(extent.getSource(), memref) && from && from->smin().isNonNegative() &&
         goodStep;
}

LogicalResult Guard::decide(Operation *op, DataFlowSolver &solver) {
  StringRef dialect = op->getName().getDialectNamespace();
  if (!llvm::is_contained({"arith", "index", "math", "memref", "mk", "scf", "vector"}, dialect))
    return op->emitOpError(
        "has no place in an opcode, which is made of arith, index, math, memref, scf, vector and mk");
  if (isa<index::CeilDivSOp, index::CeilDivUOp, index::DivSOp, index::DivUOp, index::FloorDivSOp, index::RemSOp,
          index::RemUOp, index::ShlOp, index::ShrSOp, index::ShrUOp>(op))
    return op->emitOpError("is not known to mk-guard; use the operation of arith on index");
  // What makes a memref of another shape could make one that is larger than its memory.
  auto isMemRef = [](Value value) { return isa<BaseMemRefType>(value.getType()); };
  auto makesMemRef = [&](ValueRange values) { return llvm::any_of(values, isMemRef); };
  bool inRegion = llvm::any_of(op->getRegions(), [&](Region &region) {
    return llvm::any_of(region, [&](Block &block) { return makesMemRef(block.getArguments()); });
  });
  if ((makesMemRef(op->getResults()) && !isa<memref::AllocaOp, BufferOp, MemoryOp>(op) &&
       !(isa<memref::DistinctObjectsOp>(op) && isa<WindowOp>(function))) ||
      inRegion)
    return op->emitOpError("makes a memref, which mk-guard cannot check; bodies use their arguments, memref.alloca, "
                           "mk.memory and mk.buffer as they are");
  if (isa<memref::AllocaScopeOp>(op))
    return op->emitOpError(
        "has no place in an opcode, whose local memory lasts as long as its body; leave the scope out");
  if (auto single = dyn_cast<SingleOp>(op); single && single.getNowait())
    return op->emitOpError("does not wait, but the threads of a body may look at what it does; leave nowait out");
  if (dialect == "scf" &&
      !isa<scf::ForOp, scf::IfOp, scf::IndexSwitchOp, scf::ParallelOp, scf::WhileOp, scf::ReduceOp>(op) &&
      !op->hasTrait<OpTrait::IsTerminator>())
    return op->emitOpError(
        "has no place in an opcode; use scf.for, scf.if, scf.index_switch, scf.parallel or scf.while");
  if (auto reduce = dyn_cast<scf::ReduceOp>(op)) {
    for (Type type : reduce->getOperandTypes())
      if (!type.isIndex() &&
          (!type.isIntOrFloat() || (type.getIntOrFloatBitWidth() > 32 && type.getIntOrFloatBitWidth() != 64)))
        return op->emitOpError() << "reduces " << type
                                 << ", but threads exchange index and numbers of up to 32 or of 64 bits";
    Block *iteration = reduce->getBlock();
    WalkResult effects = reduce->walk([&](Operation *inner) {
      return inner != reduce && (isa<LoopLikeOpInterface>(inner) || !isMemoryEffectFree(inner))
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (effects.wasInterrupted())
      return op->emitOpError("combines with a loop or an effect, but how often values are combined is not defined");
    WalkResult walk = reduce->walk([&](Operation *inner) {
      return inner != reduce && llvm::any_of(inner->getOperands(),
                                             [&](Value value) { return value.getParentBlock() == iteration; })
                 ? WalkResult::interrupt()
                 : WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return op->emitOpError("combines with a value of the iteration, but a reduction combines its two arguments; "
                             "compute it before scf.reduce");
  }
  if (auto dim = dyn_cast<memref::DimOp>(op)) {
    std::optional<int64_t> number = dim.getConstantIndex();
    if (!number || *number < 0 || *number >= cast<MemRefType>(dim.getSource().getType()).getRank())
      return op->emitOpError("asks for a dimension that is not a constant of the memref's rank");
  }
  if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    MemRefType type = alloca.getType();
    if (!type.hasStaticShape() || !type.getElementType().isIntOrIndexOrFloat())
      return op->emitOpError("has no constant size; use a buffer argument");
    if (!type.getLayout().isIdentity() || type.getMemorySpace())
      return op->emitOpError("has a layout or a memory space, but local memory is plain");
    int64_t elements = type.getNumElements();
    if (elements > maxAlloca || (allocated += elements * elementBytes(type.getElementType())) > maxAlloca)
      return op->emitOpError() << "brings the local memory of the body above " << maxAlloca
                               << " bytes; use a buffer argument";
  }
  if (isFloatToInt(op)) {
    if (!division)
      return success();
    if (!op->getResult(0).getType().isInteger())
      return op->emitOpError("converts vectors, which mk-guard cannot check; convert the elements");
    ++considered;
    rewrites.push_back([this, op] { guardConversion(op); });
    return success();
  }
  auto access = [&](Value memref, ValueRange indices) -> LogicalResult {
    ++considered;
    if (checkedBefore.contains(op))
      return success();
    for (auto [dim, index] : llvm::enumerate(indices))
      if (!indexProved(index, memref, dim, solver)) {
        rewrites.push_back([this, op] { guardAccess(op); });
        break;
      }
    return success();
  };
  if (isDivision(op)) {
    if (!division)
      return success();
    if (!op->getResult(0).getType().isIntOrIndex())
      return op->emitOpError("divides vectors, which mk-guard cannot check; divide the elements");
    ++considered;
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
      return op->emitOpError("shifts vectors, which mk-guard cannot check; shift the elements");
    ++considered;
    std::optional<ConstantIntRanges> r = range(op->getOperand(1), solver);
    unsigned width = ConstantIntRanges::getStorageBitwidth(op->getResult(0).getType());
    if (!r || r->umax().uge(width))
      rewrites.push_back([this, op] { guardShift(op); });
    return success();
  }
  if (isa<scf::ForOp, scf::ParallelOp, scf::WhileOp>(op))
    return decideLoop(cast<LoopLikeOpInterface>(op), solver);
  // Elements that a vector does not have are poison.
  auto isDynamic = [](auto op) { return op && !op.getDynamicPosition().empty(); };
  if (isDynamic(dyn_cast<vector::ExtractOp>(op)) || isDynamic(dyn_cast<vector::InsertOp>(op)))
    return op->emitOpError("has a position that is not constant, which mk-guard cannot check; use memref.alloca");
  if (!bounds)
    return success();
  if (auto place = placeOf(op); place && op->getDialect()->getNamespace() == "memref")
    return access(place->first, place->second);
  auto vectorAccess = [&](Value memref, ValueRange indices, VectorType type) -> LogicalResult {
    if (indices.size() != 1 || type.getRank() != 1 || type.isScalable() ||
        type.getElementType() != cast<MemRefType>(memref.getType()).getElementType())
      return op->emitOpError("does not access elements of a memref of one dimension, which mk-guard cannot check");
    if (failed(access(memref, {})))
      return failure();
    rewrites.push_back([this, op, lanes = type.getNumElements()] { guardVector(op, lanes); });
    return success();
  };
  if (auto load = dyn_cast<vector::LoadOp>(op))
    return vectorAccess(load.getBase(), load.getIndices(), load.getVectorType());
  if (auto store = dyn_cast<vector::StoreOp>(op))
    return vectorAccess(store.getBase(), store.getIndices(), store.getVectorType());
  if (isa<memref::AllocaOp, memref::DimOp, memref::DistinctObjectsOp, EmitOp, FaultOp, RaiseOp, SuspendOp>(op) ||
      op->hasTrait<OpTrait::IsTerminator>() || op->hasTrait<OpTrait::HasRecursiveMemoryEffects>() ||
      isMemoryEffectFree(op))
    return success();
  return op->emitOpError("touches memory in a way that mk-guard cannot check; use memref.load, memref.store, "
                         "memref.atomic_rmw, memref.generic_atomic_rmw, vector.load or vector.store");
}

/// Flags that make a result undefined would let the analysis prove what need not hold, and tiers disagree.
static void dropUndefinedResults(Operation *op) {
  if (op->hasAttr("overflowFlags"))
    op->setAttr("overflowFlags",
                arith::IntegerOverflowFlagsAttr::get(op->getContext(), arith::IntegerOverflowFlags::none));
  for (StringRef flag : {"isExact", "nonNeg", "isDisjoint"})
    op->removeAttr(flag);
  if (isa<memref::LoadOp, memref::StoreOp, vector::LoadOp, vector::StoreOp>(op))
    op->removeAttr("alignment");
  // Only an interpreter's own switch has arms.
  op->removeDiscardableAttr(armsAttrName);
  if (auto fast = op->getAttrOfType<arith::FastMathFlagsAttr>("fastmath"))
    op->setAttr("fastmath", arith::FastMathFlagsAttr::get(
                                op->getContext(), bitEnumClear(fast.getValue(), arith::FastMathFlags::nnan |
                                                                                    arith::FastMathFlags::ninf)));
}

bool Guard::isFilledFirst(memref::AllocaOp alloca) {
  auto inBlock = [&](Operation *user) { return alloca->getBlock()->findAncestorOpInBlock(*user); };
  MemRefType type = alloca.getType();
  if (alloca->use_empty() || type.getRank() != 1)
    return false;
  Operation *first = inBlock(*alloca->user_begin());
  for (Operation *user : alloca->getUsers())
    if (Operation *op = inBlock(user); op->isBeforeInBlock(first))
      first = op;
  auto loop = dyn_cast<scf::ParallelOp>(first);
  if (!loop || loop.getNumLoops() != 1 || getConstantIntValue(loop.getLowerBound()[0]) != 0 ||
      getConstantIntValue(loop.getStep()[0]) != 1)
    return false;
  // Iteration i writes i, i + n, i + 2n, and so on.
  std::optional<int64_t> count = getConstantIntValue(loop.getUpperBound()[0]);
  if (!count || *count <= 0 || type.getDimSize(0) % *count != 0 || (fuel != 0 && uint64_t(*count) > fuel))
    return false;
  llvm::SmallDenseSet<int64_t> parts;
  for (Operation *user : alloca->getUsers()) {
    if (inBlock(user) != first)
      continue;
    auto store = dyn_cast<memref::StoreOp>(user);
    if (!store || store->getBlock() != loop.getBody())
      return false;
    auto [index, distance] = splitOffset(store.getIndices()[0]);
    if (index == loop.getInductionVars()[0] && distance >= 0 && distance % *count == 0)
      parts.insert(distance / *count);
  }
  return llvm::all_of(llvm::seq(type.getDimSize(0) / *count), [&](int64_t part) { return parts.contains(part); });
}

LogicalResult Guard::run() {
  function.getFunctionBody().walk(dropUndefinedResults);
  // Before loops are doubled: a fill in two versions is hard to see.
  llvm::SmallPtrSet<Operation *, 4> filled;
  function.getFunctionBody().walk([&](memref::AllocaOp alloca) {
    if (isFilledFirst(alloca))
      filled.insert(alloca);
  });
  if (bounds)
    versionLoops();
  DataFlowSolver solver;
  WalkResult walk = function.getFunctionBody().walk([&](Operation *op) {
    size_t checks = rewrites.size();
    if (failed(decide(op, solver)))
      return WalkResult::interrupt();
    if (rewrites.size() == checks || !op->getParentOfType<memref::GenericAtomicRMWOp>())
      return WalkResult::advance();
    op->emitOpError("needs a check, for which there is no place in memref.generic_atomic_rmw; compute it before");
    return WalkResult::interrupt();
  });
  if (walk.wasInterrupted())
    return failure();
  remark::analysis(function.getLoc(),
                   remark::RemarkOpts::name("Checks").category(DEBUG_TYPE).function(function.getName()))
      << remark::metric("Made", rewrites.size()) << remark::metric("Proved", considered - rewrites.size());
  makeFuelCells();
  for (const std::function<void()> &rewrite : rewrites)
    rewrite();
  if (scratch)
    function.getFunctionBody().walk([&](memref::AllocaOp alloca) {
      if (!filled.contains(alloca) && !llvm::is_contained(llvm::make_second_range(fuelCells), alloca.getResult()))
        clearScratch(alloca);
    });
  return success();
}

/// Local memory is zero at first: a body must not see what the body before left there, nor depend on it.
void Guard::clearScratch(memref::AllocaOp alloca) {
  ImplicitLocOpBuilder b(alloca.getLoc(), function.getContext());
  b.setInsertionPointAfter(alloca);
  MemRefType type = alloca.getType();
  Value value = arith::ConstantOp::create(b, b.getZeroAttr(type.getElementType()));
  Value zero = arith::ConstantIndexOp::create(b, 0), one = arith::ConstantIndexOp::create(b, 1);
  SmallVector<Value> lower(type.getRank(), zero), upper, step(type.getRank(), one);
  for (int64_t size : type.getShape())
    upper.push_back(arith::ConstantIndexOp::create(b, size));
  if (type.getRank() == 0)
    memref::StoreOp::create(b, value, alloca);
  else
    scf::ParallelOp::create(b, lower, upper, step, [&](OpBuilder &inner, Location loc, ValueRange ivs) {
      memref::StoreOp::create(inner, loc, value, alloca, ivs);
    });
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

void Guard::runIf(ImplicitLocOpBuilder &b, Value condition, Operation *op, std::optional<FaultKind> kind,
                  Value detail) {
  bool needsElse = kind || op->getNumResults() != 0;
  auto branch = scf::IfOp::create(b, op->getResultTypes(), condition, /*withElseRegion=*/needsElse);
  for (auto [result, replacement] : llvm::zip_equal(op->getResults(), branch.getResults()))
    result.replaceAllUsesWith(replacement);
  // An if without results has its terminators already.
  Block *then = branch.thenBlock(), *other = branch.elseBlock();
  if (then->empty()) {
    b.setInsertionPointToEnd(then);
    scf::YieldOp::create(b, op->getResults());
  }
  op->moveBefore(&then->front());
  if (!needsElse)
    return;
  b.setInsertionPointToStart(other);
  SmallVector<Value> zeros;
  for (Type type : op->getResultTypes())
    zeros.push_back(arith::ConstantOp::create(b, b.getZeroAttr(type)));
  if (kind)
    raise(b, op, *kind, detail);
  if (!op->getResults().empty())
    scf::YieldOp::create(b, zeros);
}

void Guard::guardAccess(Operation *op) {
  auto [memref, indices] = *placeOf(op);
  ImplicitLocOpBuilder b(op->getLoc(), op);
  // What an access before it in its block has found out and reported is not reported again.
  Attribute issue = op->getAttr("mk.issue");
  for (Access &before : accesses)
    if (before.good.getParentBlock() == op->getBlock() && before.memref == memref && before.issue == issue &&
        llvm::equal(before.indices, indices))
      return runIf(b, before.good, op, std::nullopt, Value());
  Value good, detail;
  for (auto [dim, index] : llvm::enumerate(indices)) {
    // Unsigned, so that a negative index is out of range too.
    Value extent = b.createOrFold<memref::DimOp>(memref, dim);
    Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, extent);
    detail = detail ? arith::SelectOp::create(b, good, index, detail).getResult() : index;
    good = good ? arith::AndIOp::create(b, good, inside).getResult() : inside;
  }
  accesses.push_back({memref, SmallVector<Value>(indices), issue, good});
  runIf(b, good, op, FaultKind::BufferBounds, detail);
}

void Guard::guardVector(Operation *op, int64_t lanes) {
  auto [memref, indices] = *placeOf(op);
  Value index = indices[0];
  ImplicitLocOpBuilder b(op->getLoc(), op);
  Value extent = b.createOrFold<memref::DimOp>(memref, 0);
  Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, index, extent);
  Value room = arith::SubIOp::create(b, extent, index);
  Value fits = arith::CmpIOp::create(b, arith::CmpIPredicate::uge, room, arith::ConstantIndexOp::create(b, lanes));
  runIf(b, arith::AndIOp::create(b, inside, fits), op, FaultKind::BufferBounds, index);
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
      if (failed(Guard(op, bounds, division, shift, scratch, fuel).run()))
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
