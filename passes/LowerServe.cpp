//===- LowerServe.cpp - Resident workers on a GPU ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The protocol is in Serve.mlir. This puts its templates together:
//
//   while (true) {
//     the first warp claims lines
//     barrier
//     nothing claimed: leave
//     all threads load the lines into the tile
//     barrier
//     each thread runs its line, or all run one line after the other
//   }
//
//===----------------------------------------------------------------------===//

#include "LowerServe.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;
using namespace mk;

/// passes/Serve.mlir.
static constexpr StringLiteral templates =
#include "Serve.inc"
    ;

// What the templates have as numbers.
static_assert(offsetof(abi::RingState, ends) == 0 && offsetof(abi::RingState::Ends, tail) == 4 &&
              offsetof(abi::RingState, epoch) == 128 && offsetof(abi::RingState, poller) == 256 &&
              offsetof(abi::RingState, passed) == 384 && offsetof(abi::RingState, claims) == 416 &&
              offsetof(abi::RingState, claimed) == 420 && offsetof(abi::RingState, aged) == 424 &&
              offsetof(abi::RingState, faults) == 428 && offsetof(abi::RingState, heartbeat) == 432);
static_assert(offsetof(abi::Doorbell, tails) == 0 && offsetof(abi::Doorbell, epoch) == 20);
static_assert(abi::PriorityLevels == 5 && abi::RingTile == 256 && abi::RingStatusShift == 16);
static_assert(abi::SlotOpcodeWord == 1 && abi::SlotTenantWord == 2 && abi::SlotArgWord == 4);

namespace {
class ServeLowering {
public:
  ServeLowering(ModuleOp source, ServeOp serve, FunctionOpInterface function, ScopeKind scope)
      : b(serve.getLoc(), serve), source(source), serve(serve), function(function), scope(scope) {}

  void run(Value tile, Value words);

private:
  /// The body of a template, for these arguments; what it returns.
  SmallVector<Value> call(StringRef name, ValueRange arguments);
  Value i32(uint32_t value) { return arith::ConstantOp::create(b, b.getI32IntegerAttr(static_cast<int32_t>(value))); }
  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value toIndex(Value word) { return arith::IndexCastUIOp::create(b, b.getIndexType(), word); }
  Value toI32(Value value) {
    if (value.getType().isIndex())
      return arith::IndexCastUIOp::create(b, b.getI32Type(), value);
    return arith::TruncIOp::create(b, b.getI32Type(), value);
  }
  Value param(unsigned which) { return function.getArgument(which); }
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  }
  /// The first warp's part of a turn.
  void claim(Value words);
  /// The lines of a claim that do not end with it: those of its last window.
  Value endOfLastWindow(Value begin, Value count);
  void runLines(Value begin, Value count);
  void inlineBody(Value place);

  ImplicitLocOpBuilder b;
  ModuleOp source;
  ServeOp serve;
  FunctionOpInterface function;
  const ScopeKind scope;

  Value thread, log2, tile, tileAddress;
  /// Of the claim at hand.
  Value ring, base, claimedQuads[4], isDirect, polls;
};
} // namespace

SmallVector<Value> ServeLowering::call(StringRef name, ValueRange arguments) {
  auto callee = source.lookupSymbol<func::FuncOp>(name);
  IRMapping mapping;
  mapping.map(callee.getArguments(), arguments);
  SmallVector<func::CallOp> calls;
  for (Operation &op : callee.getBody().front().without_terminator())
    b.clone(op, mapping)->walk([&](func::CallOp inner) { calls.push_back(inner); });
  SmallVector<Value> results;
  for (Value result : callee.getBody().front().getTerminator()->getOperands())
    results.push_back(mapping.lookupOrDefault(result));
  for (func::CallOp inner : calls) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(inner);
    SmallVector<Value> values = call(inner.getCallee(), inner.getOperands());
    for (Value &result : results)
      if (result.getDefiningOp() == inner)
        result = values[cast<OpResult>(result).getResultNumber()];
    inner.replaceAllUsesWith(values);
    inner.erase();
  }
  return results;
}

void ServeLowering::claim(Value words) {
  Type word = b.getI32Type(), flag = b.getI1Type();
  Value isWarp = compare(arith::CmpIPredicate::ult, thread, i32(32));
  auto branch = scf::IfOp::create(b, TypeRange{flag, flag, word, word, word, word}, isWarp, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    Value epoch = toI32(param(abi::ResidentEpoch)), age = toI32(param(abi::ResidentAgeThreshold));
    Value unit = i32(scope == ScopeKind::Lane ? abi::RingTile : abi::RingUnit);
    SmallVector<Value> found = call("claim", {epoch, param(abi::ResidentLines), param(abi::ResidentDoorbell),
                                              param(abi::ResidentState), log2, age, thread, unit});
    Value isFirst = compare(arith::CmpIPredicate::eq, thread, i32(0));
    auto tells = scf::IfOp::create(b, isFirst, /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard inner(b);
      b.setInsertionPointToStart(tells.thenBlock());
      Value direct = arith::ExtUIOp::create(b, word, found[3]);
      Value told[] = {found[0], found[1], found[2], direct};
      for (auto [place, value] : llvm::enumerate(told))
        memref::StoreOp::create(b, value, words, index(place));
    }
    // The lanes that have fetched a line of this ring.
    Value firstLane = arith::AddIOp::create(b, arith::ShLIOp::create(b, found[0], i32(2)), i32(4));
    Value after = arith::SubIOp::create(b, thread, firstLane);
    Value holds = arith::AndIOp::create(b, found[3], compare(arith::CmpIPredicate::ult, after, i32(4)));
    scf::YieldOp::create(b, ValueRange{holds, found[4], found[5], found[6], found[7], found[8]});
    b.setInsertionPointToStart(branch.elseBlock());
    Value none = arith::ConstantOp::create(b, b.getBoolAttr(false)), zero = i32(0);
    scf::YieldOp::create(b, ValueRange{none, none, zero, zero, zero, zero});
  }
  isDirect = branch.getResult(0);
  polls = branch.getResult(1);
  for (unsigned i = 0; i < 4; ++i)
    claimedQuads[i] = branch.getResult(2 + i);
}

Value ServeLowering::endOfLastWindow(Value begin, Value count) {
  // Back from the last line to one that is no continuation; there is always one among those of a window, and where
  // there is none its owner has another claim.
  Type word = b.getI32Type();
  Value one = i32(1);
  auto metaOf = [&](Value line) -> Value {
    Value place = arith::AndIOp::create(b, arith::AddIOp::create(b, begin, line), i32(abi::RingTile - 1));
    Value at = arith::AddIOp::create(b, arith::ShLIOp::create(b, place, i32(4)), i32(abi::SlotTenantWord));
    return memref::LoadOp::create(b, tile, toIndex(at));
  };
  auto loop = scf::WhileOp::create(b, TypeRange{word}, ValueRange{count});
  OpBuilder::InsertionGuard guard(b);
  Block *before = b.createBlock(&loop.getBefore(), {}, word, b.getLoc());
  Value left = before->getArgument(0);
  Value some = compare(arith::CmpIPredicate::ne, left, i32(0));
  auto look = scf::IfOp::create(b, TypeRange{b.getI1Type()}, some, /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(look.thenBlock());
    Value meta = metaOf(arith::SubIOp::create(b, left, one));
    Value continues =
        compare(arith::CmpIPredicate::ne, arith::AndIOp::create(b, meta, i32(abi::RingContinuation)), i32(0));
    scf::YieldOp::create(b, continues);
    b.setInsertionPointToStart(look.elseBlock());
    scf::YieldOp::create(b, ValueRange{arith::ConstantOp::create(b, b.getBoolAttr(false))});
  }
  scf::ConditionOp::create(b, look.getResult(0), left);
  Block *after = b.createBlock(&loop.getAfter(), {}, word, b.getLoc());
  scf::YieldOp::create(b, ValueRange{arith::SubIOp::create(b, after->getArgument(0), one)});
  b.setInsertionPointAfter(loop);

  Value last = loop.getResult(0);
  Value owns = compare(arith::CmpIPredicate::ne, last, i32(0));
  auto end = scf::IfOp::create(b, TypeRange{word}, owns, /*withElseRegion=*/true);
  b.setInsertionPointToStart(end.thenBlock());
  Value line = arith::SubIOp::create(b, last, one);
  Value length = arith::AndIOp::create(b, arith::ShRUIOp::create(b, metaOf(line), i32(abi::RingLengthShift)),
                                       i32(abi::OrderLengthMask));
  scf::YieldOp::create(b, ValueRange{arith::AddIOp::create(b, line, length)});
  b.setInsertionPointToStart(end.elseBlock());
  scf::YieldOp::create(b, ValueRange{count});
  b.setInsertionPointAfter(end);
  return arith::MaxUIOp::create(b, end.getResult(0), count);
}

/// The region of the serve, for the line at 'place'; it is there once.
void ServeLowering::inlineBody(Value place) {
  Block *body = &serve.getBody().front();
  body->getTerminator()->erase();
  serve.getPlace().replaceAllUsesWith(place);
  serve.getSlots().replaceAllUsesWith(tile);
  SmallVector<CompleteOp> completes;
  body->walk([&](CompleteOp complete) { completes.push_back(complete); });
  b.getInsertionBlock()->getOperations().splice(b.getInsertionPoint(), body->getOperations());
  for (CompleteOp complete : completes) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPoint(complete);
    Value position = arith::AddIOp::create(b, base, toI32(complete.getPlace()));
    call("complete", {param(abi::ResidentFaults), param(abi::ResidentStatuses), param(abi::ResidentState), log2, ring,
                      position, complete.getFault()});
    complete.erase();
  }
}

void ServeLowering::runLines(Value begin, Value count) {
  Value tileMask = i32(abi::RingTile - 1);
  Value first = arith::AndIOp::create(b, begin, tileMask);
  OpBuilder::InsertionGuard guard(b);
  if (scope == ScopeKind::Lane) {
    // The second warp begins: the first has to let another worker poll.
    Value line = arith::AndIOp::create(b, arith::SubIOp::create(b, thread, i32(32)), tileMask);
    auto branch = scf::IfOp::create(b, compare(arith::CmpIPredicate::ult, line, count), /*withElseRegion=*/false);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    inlineBody(toIndex(arith::AddIOp::create(b, first, line)));
    return;
  }
  auto loop = scf::ForOp::create(b, index(0), toIndex(count), index(1));
  b.setInsertionPoint(loop.getBody()->getTerminator());
  inlineBody(arith::AddIOp::create(b, toIndex(first), loop.getInductionVar()));
}

void ServeLowering::run(Value sharedTile, Value sharedWords) {
  auto generic = [&](Value memory) -> Value {
    auto type = cast<MemRefType>(memory.getType());
    auto fixed = MemRefType::get(type.getShape(), type.getElementType());
    Value cast = memref::MemorySpaceCastOp::create(b, fixed, memory);
    return memref::CastOp::create(b, MemRefType::get({ShapedType::kDynamic}, type.getElementType()), cast);
  };
  tile = generic(sharedTile);
  Value words = generic(sharedWords);
  // Shared addresses have 32 bits.
  Value pointer = memref::ExtractAlignedPointerAsIndexOp::create(b, sharedTile);
  tileAddress = toI32(arith::IndexCastUIOp::create(b, b.getI64Type(), pointer).getResult());
  thread = toI32(gpu::ThreadIdOp::create(b, gpu::Dimension::x).getResult());
  log2 = toI32(param(abi::ResidentLinesLog2));

  auto loop = scf::WhileOp::create(b, TypeRange{}, ValueRange{});
  b.createBlock(&loop.getBefore());
  claim(words);
  gpu::BarrierOp::create(b);
  Value told[4];
  for (unsigned i = 0; i < 4; ++i)
    told[i] = memref::LoadOp::create(b, words, index(i));
  ring = told[0];
  Value begin = told[1], count = told[2];
  Value stays = compare(arith::CmpIPredicate::ne, count, i32(0));
  auto work = scf::IfOp::create(b, stays, /*withElseRegion=*/false);
  scf::ConditionOp::create(b, stays, ValueRange{});
  b.createBlock(&loop.getAfter());
  scf::YieldOp::create(b);

  b.setInsertionPointToStart(work.thenBlock());
  base = arith::AndIOp::create(b, begin, i32(~(abi::RingTile - 1)));
  auto put = scf::IfOp::create(b, isDirect, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(put.thenBlock());
    Value place = arith::AndIOp::create(b, begin, i32(abi::RingTile - 1));
    Value quad = arith::AndIOp::create(b, thread, i32(3));
    call("put", {place, quad, claimedQuads[0], claimedQuads[1], claimedQuads[2], claimedQuads[3], tileAddress});
  }
  auto load = [&](Value from, Value to) {
    call("load", {param(abi::ResidentLines), log2, ring, begin, from, to, thread, tileAddress});
    gpu::BarrierOp::create(b);
  };
  // Words 3 is 1 for a line that is there already.
  load(told[3], count);
  Value end = endOfLastWindow(begin, count);
  auto more = scf::IfOp::create(b, compare(arith::CmpIPredicate::ugt, end, count), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(more.thenBlock());
    load(count, end);
  }
  auto lets = scf::IfOp::create(b, polls, /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(lets.thenBlock());
    call("release", {param(abi::ResidentState), thread});
  }
  runLines(begin, count);
}

LogicalResult mk::lowerServe(ServeOp serve, FunctionOpInterface function, ScopeKind scope,
                             function_ref<Value(MemRefType)> shared) {
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(templates, serve.getContext(), "Serve.mlir");
  if (!source)
    return failure();
  Type word = IntegerType::get(serve.getContext(), 32);
  Value tile = shared(MemRefType::get({abi::RingTile * abi::SlotWords}, word));
  Value words = shared(MemRefType::get({4}, word));
  ServeLowering(*source, serve, function, scope).run(tile, words);
  serve.erase();
  return success();
}
