//===- LowerSimple.cpp - To LLVM, without the dialect conversion ------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerSimple.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mk;

template <typename From, typename To> void SimpleLowering::add(MLIRContext *context) {
  counterparts.try_emplace(OperationName(From::getOperationName(), context),
                           OperationName(To::getOperationName(), context));
}

SimpleLowering::SimpleLowering(MLIRContext *context) {
  add<arith::AddFOp, LLVM::FAddOp>(context);
  add<arith::AddIOp, LLVM::AddOp>(context);
  add<arith::AndIOp, LLVM::AndOp>(context);
  add<arith::BitcastOp, LLVM::BitcastOp>(context);
  add<arith::DivFOp, LLVM::FDivOp>(context);
  add<arith::DivSIOp, LLVM::SDivOp>(context);
  add<arith::DivUIOp, LLVM::UDivOp>(context);
  add<arith::ExtSIOp, LLVM::SExtOp>(context);
  add<arith::ExtUIOp, LLVM::ZExtOp>(context);
  add<arith::MulFOp, LLVM::FMulOp>(context);
  add<arith::MulIOp, LLVM::MulOp>(context);
  add<arith::NegFOp, LLVM::FNegOp>(context);
  add<arith::OrIOp, LLVM::OrOp>(context);
  add<arith::RemSIOp, LLVM::SRemOp>(context);
  add<arith::RemUIOp, LLVM::URemOp>(context);
  add<arith::SelectOp, LLVM::SelectOp>(context);
  add<arith::ShLIOp, LLVM::ShlOp>(context);
  add<arith::ShRSIOp, LLVM::AShrOp>(context);
  add<arith::ShRUIOp, LLVM::LShrOp>(context);
  add<arith::SubFOp, LLVM::FSubOp>(context);
  add<arith::SubIOp, LLVM::SubOp>(context);
  add<arith::TruncIOp, LLVM::TruncOp>(context);
  add<arith::XOrIOp, LLVM::XOrOp>(context);
}

/// Flags that counterparts spell in another way.
static bool hasFlags(Operation *op) {
  if (auto fast = dyn_cast<arith::ArithFastMathInterface>(op))
    return fast.getFastMathFlagsAttr() && fast.getFastMathFlagsAttr().getValue() != arith::FastMathFlags::none;
  if (auto overflow = dyn_cast<arith::ArithIntegerOverflowFlagsInterface>(op))
    return overflow.getOverflowAttr().getValue() != arith::IntegerOverflowFlags::none;
  return llvm::any_of(ArrayRef<StringRef>{"isExact", "nonNeg"}, [&](StringRef name) {
    std::optional<Attribute> flag = op->getInherentAttr(name);
    return flag && *flag;
  });
}

static bool isSimple(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return LLVM::isCompatibleType(type) && (!vector || vector.getRank() == 1);
}

static bool hasSimpleTypes(Operation *op) {
  return llvm::all_of(op->getOperandTypes(), isSimple) && llvm::all_of(op->getResultTypes(), isSimple);
}

/// A field of the descriptor of a memref, where it is put together in this function.
static Value fieldOf(UnrealizedConversionCastOp memref, ArrayRef<int64_t> position) {
  if (memref.getNumOperands() != 1)
    return {};
  for (Value descriptor = memref.getOperand(0); auto insert = descriptor.getDefiningOp<LLVM::InsertValueOp>();
       descriptor = insert.getContainer())
    if (insert.getPosition() == position)
      return insert.getValue();
  return {};
}

/// Whether memory is only loaded from and stored to, so that a pointer stands for all of it.
static bool isPlain(memref::AllocaOp alloca) {
  MemRefType type = alloca.getType();
  return type.getRank() <= 1 && type.hasStaticShape() && type.getLayout().isIdentity() && !type.getMemorySpace() &&
         !alloca.getAlignment() && llvm::all_of(alloca->getUsers(), [&](Operation *user) {
           auto store = dyn_cast<memref::StoreOp>(user);
           return isa<memref::LoadOp>(user) || (store && store.getMemRef() == alloca);
         });
}

namespace {
/// Rewrites one body.
class BodyLowering {
public:
  BodyLowering(Region &body, const llvm::DenseMap<OperationName, OperationName> &counterparts)
      : body(body), counterparts(counterparts), b(body.getContext()), i64(b.getI64Type()),
        pointerType(LLVM::LLVMPointerType::get(b.getContext())) {}

  void run();

private:
  void convertIndices(Operation *op);
  void convertIndices(Block &block);
  void lower(Operation *op);
  void lower(arith::ConstantOp constant);
  void lower(memref::AllocaOp alloca);
  void lowerIndexCast(Operation *op, bool isSigned);
  /// A number of threads or CTAs, or which of them this is.
  template <typename Op> void lowerNumber(Operation *op, std::optional<APInt> limit, int64_t first);
  void lowerBranch(scf::IfOp branch);
  void lowerLoop(scf::ForOp loop);
  /// Where an access goes; null for memrefs that are neither views nor local memory.
  Value placeOf(Location loc, Value memref, ValueRange indices);
  Value constant(Location loc, TypedAttr value, Type type);

  template <typename Op, typename... Args> void replace(Operation *op, Args &&...args) {
    op->getResult(0).replaceAllUsesWith(Op::create(b, op->getLoc(), std::forward<Args>(args)...));
    op->erase();
  }

  Type inMemory(Type element) const { return element.isIndex() ? i64 : element; }

  Region &body;
  const llvm::DenseMap<OperationName, OperationName> &counterparts;
  OpBuilder b;
  Type i64, pointerType;
  llvm::DenseMap<Attribute, Value> constants;
  /// Local memory that has become pointers.
  llvm::DenseMap<Value, Value> pointers;
};
} // namespace

Value BodyLowering::constant(Location loc, TypedAttr value, Type type) {
  Value &known = constants[value];
  if (!known) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&body.front());
    known = LLVM::ConstantOp::create(b, loc, type, value);
  }
  return known;
}

void BodyLowering::lower(arith::ConstantOp op) {
  op.getResult().replaceAllUsesWith(constant(op.getLoc(), op.getValue(), op.getType()));
  op.erase();
}

void BodyLowering::lower(memref::AllocaOp alloca) {
  MemRefType type = alloca.getType();
  Type element = inMemory(type.getElementType());
  if (!isPlain(alloca) || !isSimple(element))
    return;
  Value count = constant(alloca.getLoc(), b.getI64IntegerAttr(type.getNumElements()), i64);
  // Not before the constant.
  b.setInsertionPoint(alloca);
  pointers[alloca] = LLVM::AllocaOp::create(b, alloca.getLoc(), pointerType, element, count);
}

Value BodyLowering::placeOf(Location loc, Value memref, ValueRange indices) {
  auto type = cast<MemRefType>(memref.getType());
  Type element = inMemory(type.getElementType());
  auto flags = LLVM::GEPNoWrapFlags::inbounds | LLVM::GEPNoWrapFlags::nuw;
  if (Value pointer = pointers.lookup(memref))
    return indices.empty() ? pointer : LLVM::GEPOp::create(b, loc, pointerType, element, pointer, indices, flags);
  auto view = memref.getDefiningOp<UnrealizedConversionCastOp>();
  Value base = view ? fieldOf(view, {1}) : Value();
  if (!base || type.getRank() != 1 || type.getMemorySpace() || !isSimple(element))
    return {};
  auto [strides, offset] = type.getStridesAndOffset();
  Value first = offset == 0 ? Value() : fieldOf(view, {2});
  if (strides[0] != 1 || (offset != 0 && !first))
    return {};
  if (first)
    base = LLVM::GEPOp::create(b, loc, pointerType, element, base, first);
  return LLVM::GEPOp::create(b, loc, pointerType, element, base, indices, flags);
}

void BodyLowering::lowerIndexCast(Operation *op, bool isSigned) {
  Value from = op->getOperand(0);
  Type to = op->getResult(0).getType();
  if (!from.getType().isInteger() || !to.isInteger())
    return;
  unsigned before = from.getType().getIntOrFloatBitWidth(), after = to.getIntOrFloatBitWidth();
  if (before == after) {
    op->getResult(0).replaceAllUsesWith(from);
    op->erase();
  } else if (before > after) {
    replace<LLVM::TruncOp>(op, to, from);
  } else if (isSigned) {
    replace<LLVM::SExtOp>(op, to, from);
  } else {
    replace<LLVM::ZExtOp>(op, to, from);
  }
}

template <typename Op> void BodyLowering::lowerNumber(Operation *op, std::optional<APInt> limit, int64_t first) {
  LLVM::ConstantRangeAttr range;
  if (limit)
    range = LLVM::ConstantRangeAttr::get(b.getContext(), APInt(32, first), limit->zextOrTrunc(32) + first);
  Value number = Op::create(b, op->getLoc(), b.getI32Type(), range);
  replace<LLVM::ZExtOp>(op, i64, number);
}

static std::optional<LLVM::AtomicBinOp> atomicOf(arith::AtomicRMWKind kind) {
  switch (kind) {
  case arith::AtomicRMWKind::addi:
    return LLVM::AtomicBinOp::add;
  case arith::AtomicRMWKind::andi:
    return LLVM::AtomicBinOp::_and;
  case arith::AtomicRMWKind::ori:
    return LLVM::AtomicBinOp::_or;
  default:
    return std::nullopt;
  }
}

/// What flows into 'after' when 'region' has ended there.
static void endIn(OpBuilder &b, Region &region, Block *after, function_ref<void(Location, ValueRange)> jump) {
  Operation *yield = region.back().getTerminator();
  b.setInsertionPoint(yield);
  jump(yield->getLoc(), yield->getOperands());
  yield->erase();
  after->getParent()->getBlocks().splice(Region::iterator(after), region.getBlocks());
}

void BodyLowering::lowerBranch(scf::IfOp branch) {
  Location loc = branch.getLoc();
  Block *before = branch->getBlock(), *after = before->splitBlock(branch);
  for (Value result : branch.getResults())
    result.replaceAllUsesWith(after->addArgument(result.getType(), loc));
  Block *blocks[2];
  for (auto [block, region] : llvm::zip_equal(blocks, branch->getRegions())) {
    block = region.empty() ? after : &region.front();
    if (!region.empty())
      endIn(b, region, after, [&](Location loc, ValueRange values) { LLVM::BrOp::create(b, loc, values, after); });
  }
  b.setInsertionPointToEnd(before);
  LLVM::CondBrOp::create(b, loc, branch.getCondition(), blocks[0], blocks[1]);
  branch.erase();
}

/// The condition stands before the loop and at its end, as LLVM's loop passes and ptxas like it.
void BodyLowering::lowerLoop(scf::ForOp loop) {
  Location loc = loop.getLoc();
  Block *before = loop->getBlock(), *after = before->splitBlock(loop), *body = loop.getBody();
  for (Value result : loop.getResults())
    result.replaceAllUsesWith(after->addArgument(result.getType(), loc));
  auto predicate = loop.getUnsignedCmp() ? LLVM::ICmpPredicate::ult : LLVM::ICmpPredicate::slt;
  auto jump = [&](Value item, ValueRange values) {
    Value hasItem = LLVM::ICmpOp::create(b, loc, predicate, item, loop.getUpperBound());
    SmallVector<Value> arguments{item};
    llvm::append_range(arguments, values);
    LLVM::CondBrOp::create(b, loc, hasItem, body, arguments, after, values);
  };
  b.setInsertionPointToEnd(before);
  jump(loop.getLowerBound(), loop.getInitArgs());
  endIn(b, loop.getRegion(), after, [&](Location, ValueRange values) {
    jump(LLVM::AddOp::create(b, loc, loop.getInductionVar(), loop.getStep()), values);
  });
  loop.erase();
}

void BodyLowering::lower(Operation *op) {
  b.setInsertionPoint(op);
  if (auto found = counterparts.find(op->getName()); found != counterparts.end()) {
    if (hasFlags(op) || !hasSimpleTypes(op))
      return;
    Operation *made = Operation::create(op->getLoc(), found->second, op->getResultTypes(), op->getOperands(),
                                        NamedAttrList(), /*properties=*/nullptr);
    b.insert(made);
    op->replaceAllUsesWith(made);
    op->erase();
  } else if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (isSimple(constant.getType()))
      lower(constant);
  } else if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    // The two dialects number the predicates alike.
    if (hasSimpleTypes(op))
      replace<LLVM::ICmpOp>(op, static_cast<LLVM::ICmpPredicate>(compare.getPredicate()), compare.getLhs(),
                            compare.getRhs());
  } else if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    if (hasSimpleTypes(op) && !hasFlags(op))
      replace<LLVM::FCmpOp>(op, static_cast<LLVM::FCmpPredicate>(compare.getPredicate()), compare.getLhs(),
                            compare.getRhs());
  } else if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op)) {
    lowerIndexCast(op, isa<arith::IndexCastOp>(op));
  } else if (auto load = dyn_cast<memref::LoadOp>(op)) {
    if (Value place = placeOf(op->getLoc(), load.getMemRef(), load.getIndices()))
      replace<LLVM::LoadOp>(op, load.getType(), place, load.getAlignment().value_or(0), /*isVolatile=*/false,
                            load.getNontemporal());
  } else if (auto store = dyn_cast<memref::StoreOp>(op)) {
    if (Value place = placeOf(op->getLoc(), store.getMemRef(), store.getIndices())) {
      LLVM::StoreOp::create(b, op->getLoc(), store.getValue(), place, store.getAlignment().value_or(0),
                            /*isVolatile=*/false, store.getNontemporal());
      op->erase();
    }
  } else if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    lower(alloca);
  } else if (auto rmw = dyn_cast<memref::AtomicRMWOp>(op)) {
    std::optional<LLVM::AtomicBinOp> kind = atomicOf(rmw.getKind());
    if (Value place = kind ? placeOf(op->getLoc(), rmw.getMemref(), rmw.getIndices()) : Value())
      replace<LLVM::AtomicRMWOp>(op, *kind, place, rmw.getValue(), LLVM::AtomicOrdering::acq_rel);
  } else if (auto id = dyn_cast<gpu::ThreadIdOp>(op); id && id.getDimension() == gpu::Dimension::x) {
    lowerNumber<NVVM::ThreadIdXOp>(op, id.getUpperBound(), 0);
  } else if (auto id = dyn_cast<gpu::BlockIdOp>(op); id && id.getDimension() == gpu::Dimension::x) {
    lowerNumber<NVVM::BlockIdXOp>(op, id.getUpperBound(), 0);
  } else if (auto count = dyn_cast<gpu::BlockDimOp>(op); count && count.getDimension() == gpu::Dimension::x) {
    lowerNumber<NVVM::BlockDimXOp>(op, count.getUpperBound(), 1);
  } else if (auto count = dyn_cast<gpu::GridDimOp>(op); count && count.getDimension() == gpu::Dimension::x) {
    lowerNumber<NVVM::GridDimXOp>(op, count.getUpperBound(), 1);
  } else if (isa<gpu::ReturnOp>(op) && op->getNumOperands() == 0) {
    LLVM::ReturnOp::create(b, op->getLoc(), ValueRange());
    op->erase();
  }
}

/// Erases a view that has only been accessed, and its descriptor.
static void eraseUnused(Operation *op) {
  while (op && op->use_empty() && isa<UnrealizedConversionCastOp, LLVM::InsertValueOp, LLVM::UndefOp>(op)) {
    Operation *before = op->getNumOperands() == 0 ? nullptr : op->getOperand(0).getDefiningOp();
    op->erase();
    op = before;
  }
}

/// Indices that these make are i64 from the start.
static bool makesNumbers(Operation *op) {
  return op->getNumRegions() != 0 || isa<memref::LoadOp, memref::AtomicRMWOp>(op) ||
         isa<arith::ArithDialect, gpu::GPUDialect>(op->getDialect());
}

void BodyLowering::convertIndices(Operation *op) {
  for (Region &region : op->getRegions())
    for (Block &block : region)
      convertIndices(block);
  if (llvm::none_of(op->getResultTypes(), [](Type type) { return type.isIndex(); }))
    return;
  if (makesNumbers(op)) {
    for (Value result : op->getResults())
      if (result.getType().isIndex())
        result.setType(i64);
    return;
  }
  // The dialect conversion would leave constants that it finds in folding as they are.
  SmallVector<OpFoldResult> known;
  (void)op->fold(known);
  b.setInsertionPointAfter(op);
  for (auto [number, result] : llvm::enumerate(op->getResults())) {
    if (!result.getType().isIndex())
      continue;
    if (auto attribute = number < known.size() ? dyn_cast<Attribute>(known[number]) : Attribute()) {
      result.replaceAllUsesWith(constant(op->getLoc(), cast<TypedAttr>(attribute), i64));
    } else {
      auto cast = UnrealizedConversionCastOp::create(b, op->getLoc(), TypeRange{i64}, result);
      result.replaceAllUsesExcept(cast.getResult(0), cast);
    }
  }
}

void BodyLowering::convertIndices(Block &block) {
  for (Value argument : block.getArguments())
    if (argument.getType().isIndex())
      argument.setType(i64);
}

void BodyLowering::run() {
  // Those of which all that is around them is lowered here too: what the dialect conversion lowers may have blocks
  // around it, but not in it.
  llvm::SmallSetVector<Operation *, 8> structures;
  SmallVector<Operation *> ops, views;
  convertIndices(body.front());
  body.walk<WalkOrder::PreOrder>([&](Operation *op) {
    convertIndices(op);
    Operation *parent = op->getParentOp();
    // Hints about loops are for the dialect conversion.
    bool isStructure = isa<scf::IfOp>(op) || (isa<scf::ForOp>(op) && op->getDiscardableAttrs().empty());
    if (!isStructure)
      ops.push_back(op);
    else if (llvm::all_of(op->getResultTypes(), isSimple) &&
             (parent == body.getParentOp() || structures.contains(parent)))
      structures.insert(op);
  });
  for (Operation *op : ops)
    if (isa<UnrealizedConversionCastOp>(op))
      views.push_back(op);
    else
      lower(op);
  for (auto [alloca, pointer] : pointers)
    alloca.getDefiningOp()->erase();
  for (Operation *view : views)
    eraseUnused(view);
  for (Operation *op : llvm::reverse(structures)) {
    if (auto branch = dyn_cast<scf::IfOp>(op))
      lowerBranch(branch);
    else
      lowerLoop(cast<scf::ForOp>(op));
  }
}

/// A kernel of numbers without shared memory: what convert-gpu-to-nvvm makes of it.
static void lowerFunction(gpu::GPUFuncOp function) {
  FunctionType type = function.getFunctionType();
  if (!function.isKernel() || function.getNumWorkgroupAttributions() != 0 ||
      function.getNumPrivateAttributions() != 0 || function.getKnownBlockSize() || function.getKnownGridSize() ||
      function.getKnownClusterSize() || function.getArgAttrsAttr() ||
      !llvm::all_of(type.getInputs(), [](Type type) { return type.isInteger(); }))
    return;
  OpBuilder b(function);
  // As gpu.func knows that it is a kernel.
  SmallVector<NamedAttribute> attributes;
  for (NamedAttribute attribute : function->getDiscardableAttrs())
    if (attribute.getName() != "workgroup_attributions")
      attributes.push_back(attribute);
  attributes.emplace_back(b.getStringAttr(NVVM::NVVMDialect::getKernelFuncAttrName()), b.getUnitAttr());
  auto made = LLVM::LLVMFuncOp::create(
      b, function.getLoc(), function.getName(),
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), type.getInputs()), LLVM::Linkage::External,
      /*dsoLocal=*/false, LLVM::CConv::C, /*comdat=*/{}, attributes);
  made.getBody().takeBody(function.getBody());
  function.erase();
}

void SimpleLowering::run(gpu::GPUFuncOp function) const {
  BodyLowering(function.getBody(), counterparts).run();
  lowerFunction(function);
}
