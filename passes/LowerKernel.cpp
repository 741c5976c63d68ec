//===- LowerKernel.cpp - What lowerings of mk.kernel share ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerKernel.h"
#include "IndexRange.h"
#include "KernelBuilder.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mk;

/// Alignment of each piece of shared memory, in bytes: that of the widest access.
constexpr unsigned scratchAlign = 16;

void mk::eraseIsa(ModuleOp module) {
  for (Operation &op : llvm::make_early_inc_range(module.getOps()))
    if (isa<OpcodeOp, WindowOp>(op))
      op.erase();
}

/// The case of an interpreter's switch that 'op' stands in, or null.
static Region *armOf(Operation *op) {
  for (Region *region = op->getParentRegion(); region; region = region->getParentRegion())
    if (region->getParentOp()->hasAttr(armsAttrName))
      return region;
  return nullptr;
}

Operation *mk::firstUse(ArrayRef<Operation *> users, Region *where) {
  Region *innermost = nullptr;
  for (Region *region = users.front()->getParentRegion(); where->isAncestor(region);
       region = region->getParentRegion()) {
    auto isInside = [&](Operation *user) { return region->isAncestor(user->getParentRegion()); };
    if (region != where && !isa<scf::IfOp>(region->getParentOp()))
      innermost = nullptr;
    else if (!innermost && llvm::all_of(users, isInside))
      innermost = region;
  }
  if (!innermost)
    return nullptr;
  auto places = llvm::map_to_vector(users, [&](Operation *user) { return innermost->findAncestorOpInRegion(*user); });
  return *llvm::min_element(places, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
}

Operation *KernelLowering::endOfWork(Block &body) {
  // A task waits for all threads, so one barrier serves both.
  for (Operation &op : llvm::reverse(body))
    if (auto task = dyn_cast<TaskOp>(op))
      return task.getBody().front().getTerminator();
  return body.getTerminator();
}

/// Local memory of a block body belongs to the whole worker: a team shares it. Bodies that never run together (the arms
/// of an interpreter) share the space.
SmallVector<Value> KernelLowering::shareScratch() {
  struct Piece {
    memref::AllocaOp op;
    unsigned offset;
  };
  SmallVector<Piece> pieces;
  llvm::MapVector<Region *, unsigned> used;
  unsigned size = 0;
  function.getFunctionBody().walk([&](memref::AllocaOp alloca) {
    if (isInsideThread(alloca))
      return;
    unsigned &end = used[armOf(alloca)];
    unsigned bytes = alloca.getType().getNumElements() * elementBytes(alloca.getType().getElementType());
    pieces.push_back({alloca, end});
    end = llvm::alignTo(end + bytes, scratchAlign);
    size = std::max(size, end);
  });
  if (pieces.empty())
    return {};
  ImplicitLocOpBuilder b(function.getLoc(), function.getContext());
  b.setInsertionPointToStart(&function.getFunctionBody().front());
  Value pool = takeShared(MemRefType::get({size}, b.getI8Type()));
  // The next item begins when no thread reads what the last one left.
  separatesItems = true;
  SmallVector<Value> scratch;
  for (Piece &piece : pieces) {
    b.setInsertionPoint(piece.op);
    b.setLoc(piece.op.getLoc());
    MemRefType type = piece.op.getType();
    auto inPool = MemRefType::get(type.getShape(), type.getElementType(), MemRefLayoutAttrInterface(),
                                  cast<MemRefType>(pool.getType()).getMemorySpace());
    Value offset = arith::ConstantIndexOp::create(b, piece.offset);
    Value view = memref::ViewOp::create(b, inPool, pool, offset, ValueRange());
    scratch.push_back(memref::MemorySpaceCastOp::create(b, type, view));
    piece.op.replaceAllUsesWith(scratch.back());
    piece.op.erase();
  }
  return scratch;
}

/// Multiplication has no instruction; it is a loop of compare-and-swap.
static void expandAtomicMultiplications(FunctionOpInterface function) {
  function.getFunctionBody().walk([](memref::AtomicRMWOp rmw) {
    bool isFloat = rmw.getKind() == arith::AtomicRMWKind::mulf;
    if (!isFloat && rmw.getKind() != arith::AtomicRMWKind::muli)
      return;
    ImplicitLocOpBuilder b(rmw.getLoc(), rmw);
    auto generic = memref::GenericAtomicRMWOp::create(b, rmw.getMemref(), rmw.getIndices());
    b.setInsertionPointToStart(generic.getBody());
    Value old = generic.getCurrentValue(), value = rmw.getValue();
    Value product =
        isFloat ? arith::MulFOp::create(b, old, value).getResult() : arith::MulIOp::create(b, old, value).getResult();
    memref::AtomicYieldOp::create(b, product);
    rmw.replaceAllUsesWith(generic.getResult());
    rmw.erase();
  });
}

/// A write outside scf.parallel happens once, not once for each thread; what it gives back, all threads get.
void KernelLowering::isolateWrites() {
  SmallVector<Operation *> writes;
  function.getFunctionBody().walk([&](Operation *op) {
    if (isa<memref::StoreOp, memref::AtomicRMWOp, memref::GenericAtomicRMWOp, vector::StoreOp>(op) &&
        !isInsideThread(op))
      writes.push_back(op);
  });
  for (Operation *write : writes) {
    ImplicitLocOpBuilder b(write->getLoc(), write);
    auto single = SingleOp::create(b, /*nowait=*/false);
    b.createBlock(&single.getBody());
    auto yield = YieldOp::create(b);
    write->moveBefore(yield);
    if (write->getNumResults() == 0 || write->use_empty())
      continue;
    Value result = write->getResult(0);
    Value cell = scratchArray(result.getType(), 1, 0), zero = nullptr;
    b.setInsertionPoint(single);
    zero = arith::ConstantIndexOp::create(b, 0);
    b.setInsertionPointAfter(single);
    result.replaceAllUsesWith(memref::LoadOp::create(b, cell, zero));
    b.setInsertionPoint(yield);
    memref::StoreOp::create(b, result, cell, zero);
  }
}

/// Compare-and-swap takes integers only, so upstream lowers memref.generic_atomic_rmw on integers only: on floats it is
/// a loop over their bits.
static void lowerFloatAtomics(FunctionOpInterface function) {
  function.getFunctionBody().walk([](memref::GenericAtomicRMWOp rmw) {
    auto type = dyn_cast<FloatType>(rmw.getResult().getType());
    if (!type)
      return;
    ImplicitLocOpBuilder b(rmw.getLoc(), rmw);
    Type bits = b.getIntegerType(type.getWidth()), i64 = b.getI64Type();
    auto metadata = memref::ExtractStridedMetadataOp::create(b, rmw.getMemref());
    Value place = metadata.getOffset();
    for (auto [index, stride] : llvm::zip_equal(rmw.getIndices(), metadata.getStrides()))
      place = arith::AddIOp::create(b, place, arith::MulIOp::create(b, index, stride));
    Value distance = arith::MulIOp::create(b, place, arith::ConstantIndexOp::create(b, type.getWidth() / 8));
    Value base = memref::ExtractAlignedPointerAsIndexOp::create(b, rmw.getMemref());
    Value address = arith::IndexCastOp::create(b, i64, arith::AddIOp::create(b, base, distance));
    Value pointer = LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address);
    Value first = LLVM::LoadOp::create(b, bits, pointer, type.getWidth() / 8, /*isVolatile=*/false,
                                       /*isNonTemporal=*/false, /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                       LLVM::AtomicOrdering::monotonic);

    auto loop = scf::WhileOp::create(b, TypeRange{bits}, ValueRange{first});
    Block *before = b.createBlock(&loop.getBefore(), {}, bits, b.getLoc());
    Value old = before->getArgument(0);
    IRMapping mapping;
    mapping.map(rmw.getCurrentValue(), arith::BitcastOp::create(b, type, old).getResult());
    for (Operation &op : rmw.getBody()->without_terminator())
      b.clone(op, mapping);
    Value next = mapping.lookupOrDefault(rmw.getBody()->getTerminator()->getOperand(0));
    Value swapped = LLVM::AtomicCmpXchgOp::create(b, pointer, old, arith::BitcastOp::create(b, bits, next),
                                                  LLVM::AtomicOrdering::acq_rel, LLVM::AtomicOrdering::monotonic);
    Value seen = LLVM::ExtractValueOp::create(b, swapped, 0), done = LLVM::ExtractValueOp::create(b, swapped, 1);
    Value again = arith::XOrIOp::create(b, done, arith::ConstantOp::create(b, b.getBoolAttr(true)));
    scf::ConditionOp::create(b, again, seen);
    b.createBlock(&loop.getAfter(), {}, bits, b.getLoc());
    scf::YieldOp::create(b, loop.getAfterArguments());

    b.setInsertionPointAfter(loop);
    rmw.replaceAllUsesWith(arith::BitcastOp::create(b, type, loop.getResult(0)).getResult());
    rmw.erase();
  });
}

/// One thread runs its iterations one after the other, so its local memory is taken once; equal arrays of two arms of
/// an interpreter are one.
void KernelLowering::hoistLocalMemory() {
  Block &entry = function.getFunctionBody().front();
  llvm::MapVector<std::pair<Type, unsigned>, memref::AllocaOp> arrays;
  llvm::DenseMap<std::pair<Region *, Type>, unsigned> used;
  SmallVector<std::pair<memref::AllocaOp, Region *>> allocas;
  function.getFunctionBody().walk([&](memref::AllocaOp alloca) { allocas.push_back({alloca, armOf(alloca)}); });
  for (auto [alloca, arm] : allocas) {
    alloca->moveBefore(&entry, entry.begin());
    if (!arm)
      continue;
    memref::AllocaOp &array = arrays[{alloca.getType(), used[{arm, alloca.getType()}]++}];
    if (array) {
      alloca.replaceAllUsesWith(array.getResult());
      alloca.erase();
    } else {
      array = alloca;
    }
  }
}

Value KernelLowering::takeShared(MemRefType type) {
  sharedBytes = llvm::alignTo(sharedBytes + type.getNumElements() * elementBytes(type.getElementType()), scratchAlign);
  return shared(type);
}

Value KernelLowering::scratchArray(Type element, unsigned count, unsigned number) {
  Value &array = scratchArrays[{MemRefType::get({count}, element), number}];
  if (!array) {
    OpBuilder b = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
    auto type = MemRefType::get({count}, element);
    array = hasTeam() ? takeShared(type) : memref::AllocaOp::create(b, function.getLoc(), type).getResult();
  }
  return array;
}

Value KernelLowering::toggle(ImplicitLocOpBuilder &b) {
  if (!toggled) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&function.getFunctionBody().front());
    toggled = memref::AllocaOp::create(b, MemRefType::get({}, b.getIndexType()));
    memref::StoreOp::create(b, arith::ConstantIndexOp::create(b, 0), toggled);
  }
  Value now = memref::LoadOp::create(b, toggled), one = arith::ConstantIndexOp::create(b, 1);
  memref::StoreOp::create(b, arith::SubIOp::create(b, one, now), toggled);
  return now;
}

LogicalResult KernelLowering::run() {
  expandAtomicMultiplications(function);
  SmallVector<Value> scratch;
  if (hasTeam()) {
    scratch = shareScratch();
    isolateWrites();
  }
  // Found in a descriptor by a conversion that does not see that the index is constant, an extent would go through
  // memory; and the lowering of loops wants to know what an extent may be.
  function.getFunctionBody().walk([](memref::DimOp dim) {
    if (auto view = sourceOf(dim.getSource()).getDefiningOp<ViewOp>()) {
      dim.replaceAllUsesWith(view.getSize());
      dim.erase();
    }
  });
  SmallVector<ArgumentsOp> arguments;
  function.getFunctionBody().walk([&](ArgumentsOp op) { arguments.push_back(op); });
  if (!scratch.empty())
    for (ArgumentsOp op : arguments)
      keepScratch(op, scratch);
  lowerLoops();
  for (ArgumentsOp op : arguments)
    lowerArguments(op);
  if (separatesItems)
    function.getFunctionBody().walk([&](Operation *op) {
      if (!isa<DistributeOp, ServeOp>(op))
        return;
      ImplicitLocOpBuilder end(op->getLoc(), endOfWork(op->getRegion(0).front()));
      barrier(end);
    });

  SmallVector<Operation *> ops;
  function.getFunctionBody().walk([&](Operation *op) {
    if (isa<TaskOp, SingleOp, DistributeOp, ServeOp, ViewOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    if (auto task = dyn_cast<TaskOp>(op))
      lowerTask(task);
    else if (auto single = dyn_cast<SingleOp>(op))
      lowerSingle(single);
    else if (auto distribute = dyn_cast<DistributeOp>(op))
      lowerDistribute(distribute);
    else if (auto serve = dyn_cast<ServeOp>(op)) {
      if (failed(lowerServe(serve)))
        return failure();
    } else
      lowerView(cast<ViewOp>(op));
  }
  lowerFloatAtomics(function);
  hoistLocalMemory();
  if (hasTeam() && sharedBytes > maxSharedBytes())
    return emitError(function.getLoc()) << "kernel @" << function.getName() << " needs " << sharedBytes
                                        << " bytes of memory that the threads of a CTA share, but has "
                                        << maxSharedBytes()
                                        << "; use less memref.alloca outside scf.parallel, or fewer reductions";
  return success();
}

void KernelLowering::onOneThread(ImplicitLocOpBuilder &b, function_ref<void()> body, bool wait) {
  // The first barrier keeps the write behind what the others still read, the second shows it to them.
  if (wait)
    barrier(b);
  Value zero = arith::ConstantIndexOp::create(b, 0);
  Value first = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, threadId(b), zero);
  auto branch = scf::IfOp::create(b, first, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    body();
  }
  if (wait)
    barrier(b);
}

/// The code of one thread behind a task that alone looks at its fault words, or null. In an interpreter all threads
/// look: its windows of small tiles took a fifth longer when one did.
static SingleOp onlyReader(TaskOp task) {
  WalkResult arms = task.getBody().walk(
      [](Operation *op) { return op->hasAttr(armsAttrName) ? WalkResult::interrupt() : WalkResult::advance(); });
  if (arms.wasInterrupted())
    return nullptr;
  SingleOp reader;
  for (Operation *user : task->getUsers()) {
    auto single = user->getParentOfType<SingleOp>();
    if (!single || single->getBlock() != task->getBlock() || (reader && reader != single))
      return nullptr;
    reader = single;
  }
  return reader;
}

/// In a team the cells of the fault words stand twice, and tasks use one set after the other: a thread that is already
/// in the next task does not disturb those that still read the words of this one, so that one barrier is enough.
void KernelLowering::lowerTask(TaskOp task) {
  unsigned count = task.getNumResults();
  SingleOp reader = hasTeam() ? onlyReader(task) : nullptr;
  ImplicitLocOpBuilder b(task.getLoc(), task);
  auto number = [&](int64_t value) -> Value { return arith::ConstantIndexOp::create(b, value); };
  auto noFault = [&]() -> Value {
    return arith::ConstantOp::create(b, b.getI64IntegerAttr(static_cast<int64_t>(abi::NoFault)));
  };
  Value cells, set, base;
  if (hasTeam()) {
    cells = takeShared(MemRefType::get({2 * count}, b.getI64Type()));
    set = memref::AllocaOp::create(b, MemRefType::get({}, b.getIndexType()));
    {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(&function.getFunctionBody().front());
      set.getDefiningOp()->moveBefore(b.getInsertionBlock(), b.getInsertionPoint());
      memref::StoreOp::create(b, number(0), set);
      onOneThread(
          b,
          [&] {
            for (unsigned i = 0; i < 2 * count; ++i)
              memref::StoreOp::create(b, noFault(), cells, number(i));
          },
          /*wait=*/false);
      b.setInsertionPoint(function.getFunctionBody().front().findAncestorOpInBlock(*task));
      barrier(b);
    }
    base = memref::LoadOp::create(b, set);
  } else {
    cells = memref::AllocaOp::create(b, MemRefType::get({count}, b.getI64Type()));
    for (unsigned i = 0; i < count; ++i)
      memref::StoreOp::create(b, noFault(), cells, number(i));
  }
  auto at = [&](unsigned i) -> Value {
    if (!base)
      return number(i);
    return i == 0 ? base : arith::AddIOp::create(b, base, number(i)).getResult();
  };

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
  if (reader)
    b.setInsertionPointToStart(&reader.getBody().front());
  Value faulted;
  for (unsigned i = 0; i < count; ++i) {
    Value word = memref::LoadOp::create(b, cells, at(i));
    task.getResult(i).replaceAllUsesWith(word);
    Value isFault = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, word, noFault());
    faulted = faulted ? arith::OrIOp::create(b, faulted, isFault).getResult() : isFault;
  }
  if (hasTeam()) {
    auto clear = [&] {
      for (unsigned i = 0; i < count; ++i)
        memref::StoreOp::create(b, noFault(), cells, at(i));
    };
    auto reset = scf::IfOp::create(b, faulted, /*withElseRegion=*/false);
    b.setInsertionPointToStart(reset.thenBlock());
    // Where all read the words, they have done so when the first thread clears them.
    if (reader)
      clear();
    else
      onOneThread(b, clear);
    b.setInsertionPoint(task);
    Value other = arith::SubIOp::create(b, number(count), base);
    memref::StoreOp::create(b, other, set);
  }
  task.erase();
}

void KernelLowering::lowerSingle(SingleOp single) {
  Block *body = &single.getBody().front();
  body->getTerminator()->erase();
  if (!hasTeam() || isInsideThread(single)) {
    single->getBlock()->getOperations().splice(single->getIterator(), body->getOperations());
  } else {
    ImplicitLocOpBuilder b(single.getLoc(), single);
    onOneThread(
        b,
        [&] {
          Block *to = b.getInsertionBlock();
          to->getOperations().splice(Block::iterator(to->getTerminator()), body->getOperations());
        },
        /*wait=*/!single.getNowait());
  }
  single.erase();
}

void KernelLowering::lowerDistribute(DistributeOp distribute) {
  ImplicitLocOpBuilder b(distribute.getLoc(), distribute);
  Range range = items(b, distribute.getCount());
  auto loop = scf::ForOp::create(b, range.begin, range.end, range.step, ValueRange(), /*bodyBuilder=*/nullptr,
                                 /*unsignedCmp=*/!range.begin.getType().isIndex());
  Block *from = &distribute.getBody().front(), *to = loop.getBody();
  from->getTerminator()->erase();
  b.setInsertionPointToStart(to);
  distribute.getItem().replaceAllUsesWith(castIndex(b, loop.getInductionVar(), b.getIndexType()));
  to->getOperations().splice(Block::iterator(to->getTerminator()), from->getOperations());
  distribute.erase();
}

/// Builds the descriptor that memref-to-llvm expects, without what the type says; the cast disappears with the
/// conversion.
void KernelLowering::lowerView(ViewOp view) {
  ImplicitLocOpBuilder b(view.getLoc(), view);
  Type i64 = b.getI64Type(), ptr = LLVM::LLVMPointerType::get(b.getContext());
  Type array = LLVM::LLVMArrayType::get(i64, 1);
  Type type = LLVM::LLVMStructType::getLiteral(b.getContext(), {ptr, ptr, i64, array, array});
  Value descriptor = LLVM::UndefOp::create(b, type);
  auto set = [&](Value value, ArrayRef<int64_t> position) {
    descriptor = LLVM::InsertValueOp::create(b, descriptor, value, position);
  };
  auto setIndex = [&](Value index, ArrayRef<int64_t> position) {
    set(arith::IndexCastUIOp::create(b, i64, index), position);
  };
  // The first is what memref.distinct_objects speaks of.
  Value base = pointer(b, view.getAddress());
  set(base, {0});
  set(base, {1});
  if (view.getOffset())
    setIndex(view.getOffset(), {2});
  setIndex(view.getSize(), {3, 0});
  auto cast = UnrealizedConversionCastOp::create(b, TypeRange{view.getType()}, ValueRange{descriptor});
  view.replaceAllUsesWith(cast.getResult(0));
  view.erase();
}
