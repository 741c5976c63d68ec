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
//     the first warp claims lines, and puts one that it has got with the news into the tile
//     barrier
//     nothing claimed: leave
//     if there are other lines, all threads load them into the tile; barrier
//     if the first warp polls: it lets another worker poll, or waits for a single line, to go on then
//     each thread runs its line, or all run one line after the other
//     barrier
//   }
//
// The last barrier keeps the first warp from looking for work while others run lines: what the tile has is read until
// then, and telling the host of a line (a release at system scope) takes twice as long when the SM waits for the bus
// at the same time, by 0.65 us on an H100.
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
              offsetof(abi::RingState, recent) == 260 && offsetof(abi::RingState, passed) == 384 &&
              offsetof(abi::RingState, claims) == 416 && offsetof(abi::RingState, claimed) == 420 &&
              offsetof(abi::RingState, aged) == 424 && offsetof(abi::RingState, faults) == 428 &&
              offsetof(abi::RingState, heartbeat) == 432);
static_assert(offsetof(abi::Doorbell, tails) == 0 && offsetof(abi::Doorbell, epoch) == 20);
static_assert(abi::PriorityLevels == 5 && abi::RingTile == 256 && abi::RingStatusShift == 16);
static_assert(abi::SlotOpcodeWord == 1 && abi::SlotTenantWord == 2 && abi::SlotArgWord == 4);

/// Words of a CTA that tell of a claim: ring, first line, lines, lines that are in the tile already (@announce); and
/// the position of a line that has ended.
static constexpr unsigned DoneWord = 4;

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
  /// What the first warp knows of the claim at hand; nothing in the others.
  struct Claim {
    Value pick, first, begin, count, tail, over, flags;
  };
  /// The first warp's part of a turn. 'keeps', 'end' and 'last' are as in @claim.
  Claim claim(Value keeps, Value end, Value last, Value words);
  /// Lets another worker poll, or goes on: 'keeps' and 'end' of the next turn.
  std::pair<Value, Value> letGo(const Claim &claim, Value words);
  void runLines(Value begin, Value count, Value words);
  void inlineBody(Value place);

  ImplicitLocOpBuilder b;
  ModuleOp source;
  ServeOp serve;
  FunctionOpInterface function;
  const ScopeKind scope;

  Value thread, isFirstWarp, log2, tile, tileAddress;
  /// Of the claim at hand.
  Value ring, base;
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

ServeLowering::Claim ServeLowering::claim(Value keeps, Value end, Value last, Value words) {
  SmallVector<Type> types(7, b.getI32Type());
  auto branch = scf::IfOp::create(b, types, isFirstWarp, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  Value epoch = toI32(param(abi::ResidentEpoch)), age = toI32(param(abi::ResidentAgeThreshold));
  Value unit = i32(scope == ScopeKind::Lane ? abi::RingTile : abi::RingUnit);
  SmallVector<Value> found = call("claim", {epoch, param(abi::ResidentLines), param(abi::ResidentDoorbell),
                                            param(abi::ResidentState), log2, age, thread, unit, keeps, end, last});
  Value pick = found[0], begin = found[2], count = found[3], flags = found[6];
  call("announce", {thread, pick, begin, count, flags, found[7], found[8], found[9], found[10], tileAddress, words});
  scf::YieldOp::create(b, ArrayRef<Value>(found).take_front(types.size()));
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, SmallVector<Value>(types.size(), i32(0)));
  auto value = [&](unsigned i) { return branch.getResult(i); };
  return {value(0), value(1), value(2), value(3), value(4), value(5), value(6)};
}

std::pair<Value, Value> ServeLowering::letGo(const Claim &claim, Value words) {
  Value state = param(abi::ResidentState), no = arith::ConstantOp::create(b, b.getBoolAttr(false)), zero = i32(0);
  auto branch = scf::IfOp::create(b, TypeRange{b.getI1Type(), b.getI32Type()}, isFirstWarp, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  call("book", {state, thread, claim.pick, claim.first, claim.begin, claim.count, claim.tail, claim.over, claim.flags});
  Value keeps = no;
  // In block scope the first warp has a part in each line.
  if (scope == ScopeKind::Lane) {
    Value done = arith::AddIOp::create(b, words, i32(DoneWord * sizeof(uint32_t)));
    keeps = call("keep", {thread, claim.pick, claim.begin, claim.count, claim.tail, claim.flags, done}).front();
  }
  Value isMine = compare(arith::CmpIPredicate::eq, thread, claim.pick);
  Value end = arith::AddIOp::create(b, claim.begin, arith::SelectOp::create(b, isMine, claim.count, zero));
  auto lets = scf::IfOp::create(b, compare(arith::CmpIPredicate::eq, keeps, no), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(lets.thenBlock());
    call("release", {state, thread, claim.flags});
  }
  scf::YieldOp::create(b, ValueRange{keeps, end});
  b.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(b, ValueRange{no, zero});
  return {branch.getResult(0), branch.getResult(1)};
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

void ServeLowering::runLines(Value begin, Value count, Value words) {
  Value tileMask = i32(abi::RingTile - 1);
  Value first = arith::AndIOp::create(b, begin, tileMask);
  OpBuilder::InsertionGuard guard(b);
  if (scope == ScopeKind::Lane) {
    // The second warp begins: the first has to let another worker poll.
    Value line = arith::AndIOp::create(b, arith::SubIOp::create(b, thread, i32(32)), tileMask);
    auto branch = scf::IfOp::create(b, compare(arith::CmpIPredicate::ult, line, count), /*withElseRegion=*/false);
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    inlineBody(toIndex(arith::AddIOp::create(b, first, line)));
    // For the first warp, which may be waiting for a single line (@keep).
    memref::StoreOp::create(b, begin, words, index(DoneWord));
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
  auto addressOf = [&](Value memory) {
    Value pointer = memref::ExtractAlignedPointerAsIndexOp::create(b, memory);
    return toI32(arith::IndexCastUIOp::create(b, b.getI64Type(), pointer).getResult());
  };
  tileAddress = addressOf(sharedTile);
  Value wordsAddress = addressOf(sharedWords);
  thread = toI32(gpu::ThreadIdOp::create(b, gpu::Dimension::x).getResult());
  isFirstWarp = compare(arith::CmpIPredicate::ult, thread, i32(32));
  log2 = toI32(param(abi::ResidentLinesLog2));

  Type flag = b.getI1Type(), word = b.getI32Type();
  Value no = arith::ConstantOp::create(b, b.getBoolAttr(false)), zero = i32(0);
  // What goes on from turn to turn: the arguments of @claim.
  SmallVector<Type, 3> carried{flag, word, word};
  SmallVector<Location, 3> locs(carried.size(), b.getLoc());
  auto loop = scf::WhileOp::create(b, carried, ValueRange{no, zero, zero});
  Block *turn = b.createBlock(&loop.getBefore(), {}, carried, locs);
  Claim mine = claim(turn->getArgument(0), turn->getArgument(1), turn->getArgument(2), wordsAddress);
  gpu::BarrierOp::create(b);
  Value told[4];
  for (unsigned i = 0; i < 4; ++i)
    told[i] = memref::LoadOp::create(b, words, index(i));
  ring = told[0];
  Value begin = told[1], count = told[2], there = told[3];
  Value stays = compare(arith::CmpIPredicate::ne, count, zero);
  auto work = scf::IfOp::create(b, carried, stays, /*withElseRegion=*/true);
  scf::ConditionOp::create(b, stays, work.getResults());
  Block *next = b.createBlock(&loop.getAfter(), {}, carried, locs);
  scf::YieldOp::create(b, next->getArguments());
  b.setInsertionPointToStart(work.elseBlock());
  scf::YieldOp::create(b, ValueRange{no, zero, zero});

  b.setInsertionPointToStart(work.thenBlock());
  base = arith::AndIOp::create(b, begin, i32(~(abi::RingTile - 1)));
  auto others = scf::IfOp::create(b, compare(arith::CmpIPredicate::ne, there, count), /*withElseRegion=*/false);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(others.thenBlock());
    call("load", {param(abi::ResidentLines), log2, ring, begin, there, count, thread, tileAddress});
    gpu::BarrierOp::create(b);
  }
  // Lines of block scope are work for the first warp too.
  std::pair<Value, Value> goesOn = letGo(mine, wordsAddress);
  runLines(begin, count, words);
  gpu::BarrierOp::create(b);
  scf::YieldOp::create(b, ValueRange{goesOn.first, goesOn.second, ring});
}

LogicalResult mk::lowerServe(ServeOp serve, FunctionOpInterface function, ScopeKind scope,
                             function_ref<Value(MemRefType)> shared) {
  OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(templates, serve.getContext(), "Serve.mlir");
  if (!source)
    return failure();
  Type word = IntegerType::get(serve.getContext(), 32);
  Value tile = shared(MemRefType::get({abi::RingTile * abi::SlotWords}, word));
  Value words = shared(MemRefType::get({DoneWord + 1}, word));
  ServeLowering(*source, serve, function, scope).run(tile, words);
  serve.erase();
  return success();
}
