//===- Batch.cpp - Slots and windows from C -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(sizeof(mkSlot) == sizeof(abi::Slot) && alignof(mkSlot) == alignof(abi::Slot));
static_assert(offsetof(mkSlot, opcode) == offsetof(abi::Slot, opcode) &&
              offsetof(mkSlot, tenant) == offsetof(abi::Slot, tenant) &&
              offsetof(mkSlot, order) == offsetof(abi::Slot, order) &&
              offsetof(mkSlot, args) == offsetof(abi::Slot, args));

static Expected<std::vector<Arg>> convertArgs(const mkArg *args, size_t count) {
  std::vector<Arg> converted;
  for (size_t i = 0; i < count; ++i) {
    const mkArg &arg = args[i];
    switch (arg.kind) {
    case mkArgKindView:
      converted.emplace_back(View{arg.value.view.buffer, arg.value.view.offset, arg.value.view.count});
      break;
    case mkArgKindUnsigned:
      converted.emplace_back(arg.value.unsignedValue);
      break;
    case mkArgKindSigned:
      converted.emplace_back(arg.value.signedValue);
      break;
    case mkArgKindFloat:
      converted.emplace_back(arg.value.floatValue);
      break;
    default:
      return makeError(ErrorCode::InvalidArgument, "argument " + std::to_string(i) + " is of kind " +
                                                       std::to_string(arg.kind) +
                                                       ", which there is not; make it with mkArgView, mkArgBuffer, "
                                                       "mkArgUnsigned, mkArgSigned or mkArgFloat");
    }
  }
  return converted;
}

extern "C" {

mkError *mkBatchCreate(const mkIsa *isa, mkBatch **batch) {
  return call(__func__, {{"isa", isa}, {"batch", batch}}, [&]() -> Expected<void> {
    *batch = new mkBatch(isa->shared_from_this());
    return {};
  });
}
void mkBatchFree(mkBatch *batch) { delete batch; }

mkError *mkBatchAdd(mkBatch *batch, const char *opcode, const mkArg *args, size_t argCount, uint32_t tenant) {
  return call(__func__, {{"batch", batch}, {"opcode", opcode}, {"args", args, argCount}}, [&]() -> Expected<void> {
    Expected<std::vector<Arg>> values = convertArgs(args, argCount);
    return values ? batch->batch.add(opcode, *values, tenant) : tl::unexpected(values.error());
  });
}
mkError *mkBatchAddWindow(mkBatch *batch, const char *window, const mkArg *args, size_t argCount, uint32_t tenant) {
  return call(__func__, {{"batch", batch}, {"window", window}, {"args", args, argCount}}, [&]() -> Expected<void> {
    Expected<std::vector<Arg>> values = convertArgs(args, argCount);
    return values ? batch->batch.addWindow(window, *values, tenant) : tl::unexpected(values.error());
  });
}
mkError *mkBatchAddWindowSlots(mkBatch *batch, const mkSlot *slots, size_t slotCount) {
  return call(__func__, {{"batch", batch}, {"slots", slots, slotCount}},
              [&] { return batch->batch.addWindow(slotsOf(slots, slotCount)); });
}
mkError *mkBatchAddSlots(mkBatch *batch, const mkSlot *slots, size_t slotCount) {
  return call(__func__, {{"batch", batch}, {"slots", slots, slotCount}}, [&]() -> Expected<void> {
    batch->batch.addSlots(slotsOf(slots, slotCount));
    return {};
  });
}
mkError *mkBatchPack(mkBatch *batch, const mkPackedOp *ops, size_t opCount, uint32_t tenant) {
  return call(__func__, {{"batch", batch}, {"ops", ops, opCount}}, [&]() -> Expected<void> {
    std::vector<PackedOp> packed;
    for (size_t i = 0; i < opCount; ++i) {
      const mkPackedOp &op = ops[i];
      if (Expected<void> there = checkPointers("mkBatchPack", {{"ops[].words", op.words, op.wordCount}}); !there)
        return there;
      packed.push_back({op.opcode, {op.words, op.words + op.wordCount}});
    }
    return batch->batch.pack(packed, tenant);
  });
}

mkError *mkBatchReserve(mkBatch *batch, size_t slotCount) {
  return call(__func__, {{"batch", batch}}, [&]() -> Expected<void> {
    batch->batch.reserve(slotCount);
    return {};
  });
}
mkError *mkBatchClear(mkBatch *batch) {
  return call(__func__, {{"batch", batch}}, [&]() -> Expected<void> {
    batch->batch.clear();
    return {};
  });
}
mkError *mkBatchGetSlots(const mkBatch *batch, const mkSlot **slots, size_t *slotCount) {
  return call(__func__, {{"batch", batch}}, [&]() -> Expected<void> {
    std::span<const abi::Slot> wire = batch->batch.slots();
    if (slots)
      *slots = reinterpret_cast<const mkSlot *>(wire.data());
    if (slotCount)
      *slotCount = wire.size();
    return {};
  });
}

} // extern "C"
