//===- Admission.cpp - Checks a batch before it is queued -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Admission.h"
#include "Packed.h"

namespace mk {

static tl::unexpected<Error> refuse(ErrorCode code, size_t slot, const std::string &why) {
  return makeError(code, "slot " + std::to_string(slot) + " " + why);
}

static tl::unexpected<Error> refuseOpcode(size_t slot, uint32_t code) {
  std::string what = "has opcode " + std::to_string(code);
  if (code == uint32_t(abi::Builtin::LoadMiss))
    return refuse(ErrorCode::Unsupported, slot, what + ", LOAD_MISS (opcode_not_bound), which nothing serves");
  if (abi::isBuiltinOpcode(code))
    return refuse(ErrorCode::NotFound, slot,
                  what + ", a built-in opcode that the ISA does not have; link the prelude (OpenOptions::prelude)");
  if (abi::isSystemOpcode(code))
    return refuse(ErrorCode::OpcodeReserved, slot, what + ", which is reserved for the system");
  return refuse(ErrorCode::NotFound, slot, what + ", which the ISA does not have");
}

/// What opcodes with a route of their own need.
static Expected<void> admitSpecial(const IsaLayout &layout, const abi::Slot &slot, size_t i) {
  bool fence = slot.opcode == uint32_t(abi::Builtin::BatchFence);
  if ((slot.order & abi::OrderContinuation) || windowLength(slot) > 1)
    return refuse(ErrorCode::InvalidArgument, i,
                  std::string("is ") + (fence ? "BATCH_FENCE" : "PACKED_SLOT") + ", which cannot be in a window");
  if (fence && slot.args[0] > i)
    return refuse(ErrorCode::FenceRange, i,
                  "is a fence over the " + std::to_string(slot.args[0]) + " slots before it, but there are " +
                      std::to_string(i));
  if (fence)
    return {};
  if (Expected<void> good = checkPacked(layout, slot); !good)
    return refuse(good.error().code, i, good.error().message);
  return {};
}

Expected<void> admitHeader(const abi::Slot &slot, size_t i) {
  if (slot.tenant >= abi::MaxTenants)
    return refuse(ErrorCode::InvalidArgument, i,
                  "has tenant " + std::to_string(slot.tenant) + ", but tenants are 0 to " +
                      std::to_string(abi::MaxTenants - 1));
  uint32_t priority = slot.order & abi::OrderPriorityMask;
  if (priority >= abi::PriorityLevels)
    return refuse(ErrorCode::InvalidArgument, i,
                  "has priority " + std::to_string(priority) + ", but priorities are 0 to " +
                      std::to_string(abi::PriorityLevels - 1));
  if (slot.order >> 17)
    return refuse(ErrorCode::InvalidArgument, i, "has reserved bits set in word 3, leave bits 17 to 31 at 0");
  return {};
}

Expected<void> admit(const IsaLayout &layout, std::span<const abi::Slot> slots, std::vector<uint16_t> &opcodes) {
  if (slots.size() > abi::MaxSlots)
    return makeError(ErrorCode::InvalidArgument, "a batch of " + std::to_string(slots.size()) + " slots: it may have " +
                                                     std::to_string(abi::MaxSlots) + ", submit several");
  opcodes.resize(slots.size());
  // Slots [i, windowEnd) belong to the window that was met last.
  size_t windowBegin = 0, windowEnd = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    const abi::Slot &slot = slots[i];
    uint32_t dense = layout.find(slot.opcode);
    if (dense == IsaLayout::NoOpcode)
      return refuseOpcode(i, slot.opcode);
    opcodes[i] = uint16_t(dense);
    if (Expected<void> admitted = admitHeader(slot, i); !admitted)
      return tl::unexpected(admitted.error());
    if (layout[dense].entries)
      return refuse(ErrorCode::Unsupported, i,
                    "has opcode " + std::to_string(slot.opcode) +
                        ", which is resumable; publish it to mk::ResidentEngine, and not in a window");
    if (layout[dense].route > Route::Block)
      if (Expected<void> admitted = admitSpecial(layout, slot, i); !admitted)
        return tl::unexpected(admitted.error());

    bool continuation = slot.order & abi::OrderContinuation;
    uint32_t length = windowLength(slot);
    if (i < windowEnd) {
      if (!continuation)
        return refuse(ErrorCode::InvalidArgument, i,
                      "lies in the window of slot " + std::to_string(windowBegin) +
                          ", but is not marked as its continuation (word 3, bit 16)");
      if (length > 1)
        return refuse(ErrorCode::InvalidArgument, i,
                      "starts a window inside the window of slot " + std::to_string(windowBegin) +
                          ", windows do not nest");
      continue;
    }
    if (continuation)
      return refuse(ErrorCode::InvalidArgument, i,
                    "continues a window (word 3, bit 16), but no window before it is that long");
    windowBegin = i;
    windowEnd = i + length;
    if (windowEnd > slots.size())
      return refuse(ErrorCode::InvalidArgument, i,
                    "starts a window of " + std::to_string(length) + " slots, but the batch has " +
                        std::to_string(slots.size() - i) + " from there on");
  }
  return {};
}

Expected<std::vector<uint16_t>> admit(const IsaLayout &layout, std::span<const abi::Slot> slots) {
  std::vector<uint16_t> opcodes;
  if (Expected<void> admitted = admit(layout, slots, opcodes); !admitted)
    return tl::unexpected(admitted.error());
  return opcodes;
}

} // namespace mk
