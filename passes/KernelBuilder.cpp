//===- KernelBuilder.cpp - What interpreters and batch kernels share --------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mk;

KernelBuilder::KernelBuilder(ModuleOp module, StringRef name, ScopeKind scope, Location loc)
    : ImplicitLocOpBuilder(loc, module.getContext()) {
  setInsertionPointToEnd(module.getBody());
  SmallVector<Type> types(abi::LaunchParamCount, getI64Type());
  kernel = KernelOp::create(*this, name, getFunctionType(types, {}), scope, /*arg_attrs=*/ArrayAttr(),
                            /*res_attrs=*/ArrayAttr());
  Block *body = createBlock(&kernel.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
  ReturnOp::create(*this);
  setInsertionPointToStart(body);
  buffers = arrayAt(param(abi::ParamBuffers), getI64Type());
}

Value KernelBuilder::index(int64_t value) { return arith::ConstantIndexOp::create(*this, value); }
Value KernelBuilder::i32(uint32_t value) { return arith::ConstantOp::create(*this, getI32IntegerAttr(value)); }
Value KernelBuilder::i64(uint64_t value) { return arith::ConstantOp::create(*this, getI64IntegerAttr(value)); }
Value KernelBuilder::toIndex(Value word) { return arith::IndexCastUIOp::create(*this, getIndexType(), word); }

Value KernelBuilder::toI64(Value value) {
  if (value.getType().isIndex())
    return arith::IndexCastUIOp::create(*this, getI64Type(), value);
  return arith::ExtUIOp::create(*this, getI64Type(), value);
}

Value KernelBuilder::arrayAt(Value address, Type element) {
  // The host made the arrays large enough for every index that a kernel forms; their extent is not used.
  return ViewOp::create(*this, MemRefType::get({ShapedType::kDynamic}, element), address, /*offset=*/Value(),
                        index(INT32_MAX));
}

Value KernelBuilder::load(Value array, Value at) { return memref::LoadOp::create(*this, array, at); }

Value KernelBuilder::plus(Value at, int64_t offset) {
  return offset == 0 ? at : arith::AddIOp::create(*this, at, index(offset)).getResult();
}

Value KernelBuilder::tableRow(Value handle) {
  Value known = arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, toI64(handle), param(abi::ParamBufferCount));
  return toIndex(arith::SelectOp::create(*this, known, handle, i32(abi::NoBuffer)));
}

Value KernelBuilder::bufferField(Value row, unsigned field) {
  Value at = arith::MulIOp::create(*this, row, index(abi::BufferEntryWords));
  return load(buffers, plus(at, field));
}

Value KernelBuilder::allowsTenant(Value rights, Value tenant) {
  return arith::TruncIOp::create(*this, getI1Type(), arith::ShRUIOp::create(*this, rights, toI64(tenant)));
}

Value KernelBuilder::decodeScalar(Type type, ArrayRef<Value> words) {
  if (type.isIndex())
    return toIndex(words[0]);
  unsigned bits = type.getIntOrFloatBitWidth();
  Value raw = words[0];
  if (bits == 64) {
    Value high = arith::ShLIOp::create(*this, toI64(words[1]), i64(32));
    raw = arith::OrIOp::create(*this, toI64(words[0]), high);
  } else if (bits < 32) {
    raw = arith::TruncIOp::create(*this, getIntegerType(bits), raw);
  }
  return isa<FloatType>(type) ? arith::BitcastOp::create(*this, type, raw).getResult() : raw;
}

Value KernelBuilder::decodeMemRef(MemRefType type, Value base, Value bytes, ArrayRef<Value> words) {
  if (isViewType(type))
    return ViewOp::create(*this, type, base, toIndex(words[1]), toIndex(words[2]));
  unsigned shift = llvm::Log2_32(elementBytes(type.getElementType()));
  Value count = arith::ShRUIOp::create(*this, bytes, i64(shift));
  return ViewOp::create(*this, type, base, Value(), arith::IndexCastUIOp::create(*this, getIndexType(), count));
}

void KernelBuilder::reportFault(Value slot, Value word, function_ref<void(Value, Value)> also,
                                function_ref<void()> otherwise) {
  Value faulted = arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, word, i64(abi::NoFault));
  OpBuilder::InsertionGuard guard(*this);
  auto branch = scf::IfOp::create(*this, faulted, /*withElseRegion=*/static_cast<bool>(otherwise));
  setInsertionPointToStart(branch.thenBlock());
  Value code = arith::TruncIOp::create(*this, getI32Type(), arith::ShRUIOp::create(*this, word, i64(32)));
  Value detail = arith::TruncIOp::create(*this, getI32Type(), word);
  Value counter = arrayAt(param(abi::ParamFaultCount), getI32Type());
  Value at = memref::AtomicRMWOp::create(*this, arith::AtomicRMWKind::addi, i32(1), counter, index(0));
  Value record = arith::MulIOp::create(*this, toIndex(at), index(sizeof(abi::FaultRecord) / 4));
  Value records = arrayAt(param(abi::ParamFaults), getI32Type());
  Value fields[] = {slot, code, detail, i32(0)};
  for (auto [place, value] : llvm::enumerate(fields))
    memref::StoreOp::create(*this, value, records, plus(record, place));
  if (also)
    also(code, detail);
  if (otherwise) {
    setInsertionPointToStart(branch.elseBlock());
    otherwise();
  }
}

void KernelBuilder::fill(Region &region, function_ref<void()> body) {
  OpBuilder::InsertionGuard guard(*this);
  createBlock(&region);
  YieldOp::create(*this);
  setInsertionPointToStart(&region.front());
  body();
}

void KernelBuilder::expandEmit(EmitOp emit, Value firstSlot) {
  auto append = [&] {
    Value counter = arrayAt(param(abi::ParamHitCount), getI32Type());
    Value at = memref::AtomicRMWOp::create(*this, arith::AtomicRMWKind::addi, i32(1), counter, index(0));
    Value fits = arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, toI64(at), param(abi::ParamHitCapacity));
    auto branch = scf::IfOp::create(*this, fits, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard inner(*this);
    setInsertionPointToStart(branch.thenBlock());
    Value slot = arith::AddIOp::create(*this, firstSlot, i32(emit.getIssue().value_or(0)));
    SmallVector<Value> fields = {slot};
    fields.append(emit.getValues().begin(), emit.getValues().end());
    fields.resize(1 + abi::HitValues, i32(0));
    Value record = arith::MulIOp::create(*this, toIndex(at), index(sizeof(abi::HitRecord) / 4));
    Value records = arrayAt(param(abi::ParamHits), getI32Type());
    for (auto [place, value] : llvm::enumerate(fields))
      memref::StoreOp::create(*this, value, records, plus(record, place));
  };
  bool once = kernel.getScope() == ScopeKind::Block && !emit->getParentOfType<scf::ParallelOp>() &&
              !emit->getParentOfType<SingleOp>();
  if (once) {
    auto single = SingleOp::create(*this, /*nowait=*/true);
    fill(single.getBody(), append);
  } else {
    append();
  }
}

Value KernelBuilder::memRefOf(Type type, Value row, Value allowed) {
  Value bytes = bufferField(row, 1);
  if (allowed)
    bytes = arith::SelectOp::create(*this, allowed, bytes, i64(0));
  return decodeMemRef(cast<MemRefType>(type), bufferField(row, 0), bytes, {});
}

void KernelBuilder::expandBuffer(BufferOp buffer, Value tenant) {
  Value row = tableRow(buffer.getHandle());
  Value rights = bufferField(row, 2);
  Value need = i64(uint64_t(requiredAccess(buffer.getBuffer())) << 32);
  Value access =
      arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, arith::AndIOp::create(*this, rights, need), need);
  Value allowed = arith::AndIOp::create(*this, access, allowsTenant(rights, tenant));
  buffer.replaceAllUsesWith(memRefOf(buffer.getBuffer().getType(), row, allowed));
}

/// An entry beyond what the word has room for is one that no opcode has either.
void KernelBuilder::expandSuspend(SuspendOp suspend) {
  uint32_t code = abi::suspensionCode(abi::Suspension(suspend.getKind()), suspend.getValue().value_or(0));
  Value entry = arith::MinUIOp::create(*this, suspend.getEntry(), i32(abi::MaxEntries));
  Value high = toI64(arith::OrIOp::create(*this, entry, i32(code)));
  Value word = arith::OrIOp::create(*this, arith::ShLIOp::create(*this, high, i64(32)), toI64(suspend.getData()));
  RaiseOp::create(*this, word, IntegerAttr());
}

void KernelBuilder::inlineBody(FunctionOpInterface op, ValueRange arguments, const SlotValues &slot) {
  IRMapping mapping;
  mapping.map(op.getArguments(), arguments);
  SmallVector<Operation *> requests;
  for (Operation &inner : op.getFunctionBody().front().without_terminator())
    clone(inner, mapping)->walk([&](Operation *copy) {
      if (isa<BufferOp, EmitOp, MemoryOp, SlotInfoOp, SuspendOp>(copy))
        requests.push_back(copy);
    });
  Location loc = getLoc();
  OpBuilder::InsertionGuard guard(*this);
  for (Operation *request : requests) {
    setInsertionPoint(request);
    setLoc(request->getLoc());
    if (auto emit = dyn_cast<EmitOp>(request))
      expandEmit(emit, slot.index);
    else if (auto suspend = dyn_cast<SuspendOp>(request))
      expandSuspend(suspend);
    else if (auto memory = dyn_cast<MemoryOp>(request))
      memory.replaceAllUsesWith(memRefOf(memory.getMemory().getType(), tableRow(i32(uint32_t(memory.getKind())))));
    else if (auto buffer = dyn_cast<BufferOp>(request))
      expandBuffer(buffer, slot.tenant);
    else if (auto info = cast<SlotInfoOp>(request); info.getField() == SlotField::Index)
      info.replaceAllUsesWith(slot.index);
    else
      info.replaceAllUsesWith(slot.tenant);
    request->erase();
  }
  setLoc(loc);
}
