//===- Packed.cpp - Several operations in one slot ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Packed.h"
#include "mk/Runtime/Engine.h"

namespace mk {

/// Where byte 'at' of the argument words lies.
static uint32_t byteShift(uint32_t at) { return at % 4 * 8; }
static uint32_t packedByte(const abi::Slot &slot, uint32_t at) { return slot.args[at / 4] >> byteShift(at) & 0xFF; }
static void setPackedByte(abi::Slot &slot, uint32_t at, uint32_t value) { slot.args[at / 4] |= value << byteShift(at); }

static std::string count(uint64_t number, const char *what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

static tl::unexpected<Error> tooManyOps(ErrorCode code, uint64_t ops) {
  return makeError(code, "packs " + count(ops, "operation") + ", but " + std::to_string(abi::MaxPackedOps) + " fit");
}

static tl::unexpected<Error> tooManyWords(ErrorCode code, uint64_t ops, uint64_t words) {
  return makeError(code, "packs " + count(ops, "operation") + " with " + count(words, "argument word") + ", but " +
                             std::to_string(abi::SlotArgWords - abi::packedMetadataWords(uint32_t(ops))) + " fit");
}

static tl::unexpected<Error> notPackable(uint32_t opcode, uint64_t place) {
  return makeError(ErrorCode::PackedOpcode,
                   "packs opcode " + std::to_string(opcode) + " as operation " + std::to_string(place) +
                       ", but a packed slot holds opcodes of the ISA below 256 that are neither resumable nor "
                       "BATCH_FENCE (7)");
}

uint32_t packedCount(const abi::Slot &slot) { return packedByte(slot, 0); }
uint32_t packedOpcode(const abi::Slot &slot, uint32_t operation) { return packedByte(slot, 2 + 2 * operation); }

Expected<void> checkPacked(const IsaLayout &layout, const abi::Slot &slot) {
  uint32_t ops = packedCount(slot), total = packedByte(slot, 1);
  if (ops > abi::MaxPackedOps)
    return tooManyOps(ErrorCode::PackedCount, ops);
  if (total > abi::SlotArgWords - abi::packedMetadataWords(ops))
    return tooManyWords(ErrorCode::PackedMetadata, ops, total);
  for (uint32_t k = 0; k < ops; ++k) {
    uint32_t opcode = packedOpcode(slot, k), offset = packedByte(slot, 3 + 2 * k);
    uint32_t dense = layout.find(opcode);
    if (dense == IsaLayout::NoOpcode || !abi::isPackable(opcode) || layout[dense].entries)
      return notPackable(opcode, k);
    if (uint32_t words = layout[dense].requiredWords; offset + words > total)
      return makeError(ErrorCode::PackedArity,
                       "packs operation " + std::to_string(k) + " with its " + count(words, "argument word") +
                           " from word " + std::to_string(offset) + " on, but there are " + std::to_string(total));
  }
  return {};
}

Expected<void> Batch::pack(std::span<const PackedOp> ops, uint32_t tenant) {
  auto refuse = [](const tl::unexpected<Error> &error) {
    return makeError(error.value().code, "the slot " + error.value().message);
  };
  if (!isa->findOpcode(uint32_t(abi::Builtin::PackedSlot)))
    return makeError(ErrorCode::NotFound, "the ISA does not have the built-in opcode PACKED_SLOT, link the prelude");
  if (ops.size() > 0xFF)
    return refuse(tooManyOps(ErrorCode::PackedCount, ops.size()));
  if (ops.size() > abi::MaxPackedOps)
    return refuse(tooManyOps(ErrorCode::PackedMetadata, ops.size()));

  abi::Slot slot{};
  slot.status = uint32_t(abi::SlotStatus::Published);
  slot.opcode = uint32_t(abi::Builtin::PackedSlot);
  slot.tenant = tenant;
  slot.order = abi::PriorityNormal;
  uint64_t total = 0;
  for (size_t k = 0; k < ops.size(); ++k) {
    if (total > 0xFF)
      return refuse(makeError(ErrorCode::PackedOffset, "packs operation " + std::to_string(k) +
                                                           " with arguments from word " + std::to_string(total) +
                                                           " on, but offsets are at most 255"));
    total += ops[k].words.size();
  }
  uint32_t metadata = abi::packedMetadataWords(uint32_t(ops.size()));
  if (metadata + total > abi::SlotArgWords)
    return refuse(tooManyWords(ErrorCode::PackedPayload, ops.size(), total));

  setPackedByte(slot, 0, uint32_t(ops.size()));
  setPackedByte(slot, 1, uint32_t(total));
  uint32_t offset = 0;
  for (uint32_t k = 0; k < ops.size(); ++k) {
    const PackedOp &op = ops[k];
    std::optional<uint32_t> dense = isa->findOpcode(op.opcode);
    if (!dense || !abi::isPackable(op.opcode) || isa->opcodes[*dense].entries)
      return refuse(notPackable(op.opcode, k));
    const OpcodeInfo &info = isa->opcodes[*dense];
    if (op.words.size() < info.requiredWords() || op.words.size() > info.words())
      return refuse(makeError(ErrorCode::PackedArity, "packs opcode '" + info.name + "' as operation " +
                                                          std::to_string(k) + " with " +
                                                          count(op.words.size(), "argument word") + ", but it takes " +
                                                          std::to_string(info.words())));
    setPackedByte(slot, 2 + 2 * k, op.opcode);
    setPackedByte(slot, 3 + 2 * k, offset);
    std::copy(op.words.begin(), op.words.end(), slot.args + metadata + offset);
    offset += uint32_t(op.words.size());
  }
  wire.push_back(slot);
  return {};
}

} // namespace mk
