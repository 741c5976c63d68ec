//===- LowerArguments.cpp - Argument words of work items --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A word takes three loads, one after the other: its column, itself, and the row of the buffer that it names. One
// thread makes them for itself. In a team each thread of the first warp makes those of one word, for the next item
// while the team works on this one, and leaves what it got in shared memory. There all read it where they use it: a
// branch that is seldom taken costs nothing else.
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

using namespace mlir;
using namespace mk;

/// Words that a team fetches ahead at most: one for each thread of a warp, of which a team has at least one.
constexpr unsigned maxWordsAhead = 32;

namespace {
/// Builds the loads of argument words. Words have 32 bits, and the argument table has less than 4 GiB, so that places
/// in it are reckoned in 32 bits. These are operations of LLVM: a place in bytes is what columns hold and what a
/// pointer takes.
struct WordLoader {
  WordLoader(ImplicitLocOpBuilder &b, Value table, Value buffers) : b(b), table(table), buffers(buffers) {}

  /// Where the words of a column start, and the step to the next instance, in bytes.
  struct Column {
    Value start, step;
  };

  Value index(int64_t value) { return arith::ConstantIndexOp::create(b, value); }
  Value plus(Value at, int64_t distance) {
    return distance == 0 ? at : arith::AddIOp::create(b, at, index(distance)).getResult();
  }
  Value times(Value value, int64_t factor) { return arith::MulIOp::create(b, value, index(factor)); }

  Column columnAt(LLVM::GEPArg distance) {
    Value place = at(table, distance);
    return {load(b.getI32Type(), place), load(b.getI32Type(), at(place, offsetof(abi::ArgColumn, stride)))};
  }
  Column columnOf(Value number) {
    Value wide = arith::IndexCastUIOp::create(b, b.getI64Type(), number);
    return columnAt(arith::MulIOp::create(b, wide, i64(sizeof(abi::ArgColumn))).getResult());
  }

  Value wordOf(Column column, Value item) {
    Value distance = arith::MulIOp::create(b, castIndex(b, item, b.getI32Type()), column.step);
    Value place = arith::AddIOp::create(b, column.start, distance);
    return load(b.getI32Type(), at(table, arith::ExtUIOp::create(b, b.getI64Type(), place).getResult()));
  }

  Value rowOf(Value handle) {
    Value wide = arith::ExtUIOp::create(b, b.getI64Type(), handle);
    return at(buffers, arith::MulIOp::create(b, wide, i64(sizeof(abi::BufferEntry))).getResult());
  }
  Value rowField(Value row, unsigned field) { return load(b.getI64Type(), at(row, int32_t(field * sizeof(uint64_t)))); }

private:
  Value i64(int64_t value) { return arith::ConstantOp::create(b, b.getI64IntegerAttr(value)); }
  Value load(Type type, Value place) { return LLVM::LoadOp::create(b, type, place); }
  Value at(Value base, LLVM::GEPArg distance) {
    if (isa<LLVM::GEPConstantIndex>(distance) && cast<LLVM::GEPConstantIndex>(distance) == 0)
      return base;
    return LLVM::GEPOp::create(b, base.getType(), b.getI8Type(), base, distance,
                               LLVM::GEPNoWrapFlags::inbounds | LLVM::GEPNoWrapFlags::nuw);
  }

  ImplicitLocOpBuilder &b;
  Value table, buffers;
};
} // namespace

void KernelLowering::lowerArguments(ArgumentsOp arguments) {
  if (hasTeam() && arguments.getNumWords() != 0 && arguments.getNumWords() <= maxWordsAhead) {
    fetchAhead(arguments);
  } else {
    auto items = cast<DistributeOp>(arguments->getParentOp());
    // In lane scope columns are read once, since stores of the bodies might touch them as far as the compiler knows. A
    // worker of block scope has few items and much to do for each, for which it needs the registers.
    bool readsOnce = scope == ScopeKind::Lane;
    ImplicitLocOpBuilder b(arguments.getLoc(), readsOnce ? items.getOperation() : arguments);
    WordLoader loader(b, pointer(b, arguments.getTable()), pointer(b, arguments.getBuffers()));
    SmallVector<WordLoader::Column> columns(arguments.getNumWords());
    auto isUsed = [&](unsigned word) {
      auto handle = llvm::find(arguments.getHandles(), int32_t(word));
      bool isHandle = handle != arguments.getHandles().end();
      return !arguments.getWords()[word].use_empty() ||
             (isHandle && llvm::any_of(arguments.getRow(handle - arguments.getHandles().begin()),
                                       [](Value field) { return !field.use_empty(); }));
    };
    for (unsigned word = 0; word < columns.size(); ++word)
      if (isUsed(word))
        columns[word] = loader.columnAt(int32_t(word * sizeof(abi::ArgColumn)));
    b.setInsertionPoint(arguments);
    SmallVector<Value> words(columns.size());
    for (auto [word, column, result] : llvm::zip(words, columns, arguments.getWords()))
      if (column.start)
        result.replaceAllUsesWith(word = loader.wordOf(column, items.getItem()));
    for (auto [number, handle] : llvm::enumerate(arguments.getHandles())) {
      if (!isUsed(handle))
        continue;
      Value row = loader.rowOf(words[handle]);
      for (auto [field, result] : llvm::enumerate(arguments.getRow(number)))
        if (!result.use_empty())
          result.replaceAllUsesWith(loader.rowField(row, field));
    }
  }
  arguments.erase();
}

Value KernelLowering::stepOf(ImplicitLocOpBuilder &b, ArgumentsOp arguments, unsigned word) {
  WordLoader loader(b, pointer(b, arguments.getTable()), pointer(b, arguments.getBuffers()));
  return loader.columnAt(int32_t(word * sizeof(abi::ArgColumn))).step;
}

/// What is fetched stands twice, for this item and for the next: a thread that leaves the words of the next item does
/// not disturb those that still read the words of this one.
void KernelLowering::fetchAhead(ArgumentsOp arguments) {
  auto distribute = cast<DistributeOp>(arguments->getParentOp());
  const unsigned count = arguments.getNumWords(), lanes = 4, padded = llvm::alignTo(count, lanes);
  ImplicitLocOpBuilder b(arguments.getLoc(), distribute);
  Type i32 = b.getI32Type(), i64 = b.getI64Type();
  // Words for this item and for the next; where columns start, and their steps: all threads would have registers for
  // what one warp needs. It is one array, so that a thread has one place in it.
  Value words = takeShared(MemRefType::get({4 * padded}, i32)), rows;
  if (!arguments.getHandles().empty())
    rows = takeShared(MemRefType::get({2 * 2 * padded}, i64));
  Value set = memref::AllocaOp::create(b, MemRefType::get({}, b.getIndexType()));
  memref::StoreOp::create(b, arith::ConstantIndexOp::create(b, 0), set);

  WordLoader loader(b, pointer(b, arguments.getTable()), pointer(b, arguments.getBuffers()));
  Value thread = threadId(b);
  Value hasWord = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, thread, loader.index(count));
  auto inThreads = [&](Value condition, TypeRange types, function_ref<void()> body) {
    auto branch = scf::IfOp::create(b, types, condition, /*withElseRegion=*/!types.empty());
    OpBuilder::InsertionGuard guard(b);
    if (!types.empty()) {
      b.setInsertionPointToStart(branch.elseBlock());
      SmallVector<Value> nothing(types.size(), arith::ConstantOp::create(b, b.getI32IntegerAttr(0)));
      scf::YieldOp::create(b, nothing);
    }
    b.setInsertionPointToStart(branch.thenBlock());
    body();
    // What is loaded, the team does not write; what is stored, it reads behind the next barrier.
    branch->setDiscardableAttr(types.empty() ? aheadAttrName : settledAttrName, b.getUnitAttr());
    return branch.getResults();
  };
  Range range = items(b, distribute.getCount());
  auto hasWordOf = [&](Value item) -> Value {
    Value exists = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, item, range.end);
    return arith::AndIOp::create(b, exists, hasWord);
  };
  Value start = loader.plus(thread, 2 * padded), step = loader.plus(thread, 3 * padded);
  Value hasFirst = hasWordOf(range.begin);
  inThreads(hasFirst, {}, [&] {
    WordLoader::Column column = loader.columnOf(thread);
    memref::StoreOp::create(b, column.start, words, start);
    memref::StoreOp::create(b, column.step, words, step);
  });
  auto fetch = [&](Value condition, Value item) {
    return inThreads(condition, i32, [&] {
      WordLoader::Column column = {memref::LoadOp::create(b, words, start), memref::LoadOp::create(b, words, step)};
      scf::YieldOp::create(b, loader.wordOf(column, item));
    })[0];
  };
  auto leave = [&](Value condition, Value word, Value to) {
    inThreads(condition, {}, [&] {
      Value place = arith::AddIOp::create(b, loader.times(to, padded), thread);
      memref::StoreOp::create(b, word, words, place);
      if (!rows)
        return;
      uint32_t handles = 0;
      for (int32_t handle : arguments.getHandles())
        handles |= 1u << handle;
      auto number = [&](uint32_t value) -> Value {
        return arith::ConstantOp::create(b, b.getI32IntegerAttr(int32_t(value)));
      };
      Value bit = arith::ShRUIOp::create(b, number(handles), arith::IndexCastUIOp::create(b, i32, thread));
      Value isHandle = arith::TruncIOp::create(b, b.getI1Type(), bit);
      auto branch = scf::IfOp::create(b, isHandle, /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
      Value row = loader.times(arith::AddIOp::create(b, loader.times(to, padded), thread), 2);
      Value source = loader.rowOf(word), fields[] = {loader.rowField(source, 0), loader.rowField(source, 1)};
      for (auto [field, value] : llvm::enumerate(fields))
        memref::StoreOp::create(b, value, rows, loader.plus(row, field));
    });
  };
  leave(hasFirst, fetch(hasFirst, range.begin), loader.index(0));
  barrier(b);

  b.setInsertionPoint(arguments);
  Value now = memref::LoadOp::create(b, set);
  // Behind it the words of another item may stand there already.
  Region *work = endOfWork(distribute.getBody().front())->getParentRegion();
  auto take = [&](ValueRange results, Value from, Value at) {
    OpBuilder::InsertionGuard guard(b);
    Type element = cast<MemRefType>(from.getType()).getElementType();
    auto type = VectorType::get({element == i32 ? lanes : 2}, element);
    // What is used at one place is read at once.
    llvm::DenseMap<Operation *, Value> loads;
    for (auto [number, result] : llvm::enumerate(results)) {
      if (result.use_empty())
        continue;
      Operation *use = firstUse(llvm::to_vector(result.getUsers()), work);
      if (!use || use->getBlock() == arguments->getBlock())
        use = arguments;
      b.setInsertionPoint(use);
      Value &all = loads[use];
      if (!all) {
        auto load = vector::LoadOp::create(b, type, from, at);
        load->setAttr("alignment", b.getI64IntegerAttr(16));
        load->setDiscardableAttr(settledAttrName, b.getUnitAttr());
        all = load;
      }
      result.replaceAllUsesWith(vector::ExtractOp::create(b, all, number).getResult());
    }
  };
  Value firstWord = loader.times(now, padded), firstRow = loader.times(now, 2 * padded);
  for (unsigned word = 0; word < count; word += lanes)
    take(arguments.getWords().slice(word, std::min(lanes, count - word)), words, loader.plus(firstWord, word));
  for (auto [number, handle] : llvm::enumerate(arguments.getHandles()))
    take(arguments.getRow(number), rows, loader.plus(firstRow, 2 * handle));
  Value item = castIndex(b, distribute.getItem(), range.step.getType());
  Value next = arith::AddIOp::create(b, item, range.step), hasNext = hasWordOf(next);
  Value ahead = fetch(hasNext, next);

  b.setInsertionPoint(endOfWork(distribute.getBody().front()));
  Value other = arith::SubIOp::create(b, loader.index(1), now);
  leave(hasNext, ahead, other);
  memref::StoreOp::create(b, other, set);
  separatesItems = true;
}
