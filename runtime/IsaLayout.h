//===- IsaLayout.h - An ISA as the dispatcher reads it ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The facts of an ISA that are looked up for every slot, laid out flat.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ISALAYOUT_H
#define MK_RUNTIME_ISALAYOUT_H

#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include <span>

namespace mk {

/// One argument of an opcode.
struct ArgLayout {
  ArgType::Kind kind;
  /// Kind and element type in one number: equal exactly for arguments that one signature argument can stand for.
  uint8_t type;
  /// Its first argument word in the slot, and how many it has.
  uint8_t word;
  uint8_t words;
  /// abi::BufferAccess bits.
  uint8_t access;
  /// log2 of the element size.
  uint8_t elementShift;

  bool isMemref() const { return kind != ArgType::Scalar; }
};

/// The kernel that interprets an opcode, or when it runs.
enum class Route : uint8_t {
  Lane = uint8_t(Scope::Lane),
  Block = uint8_t(Scope::Block),
  /// PACKED_SLOT has an interpreter of its own.
  Packed,
  /// BATCH_FENCE is interpreted when all the others are answered.
  Fence,
};

struct OpcodeLayout {
  Scope scope;
  Route route;
  uint32_t words;
  uint32_t requiredWords;
  bool emits;
  bool promotable;
  bool numbered;
  /// 0, or the opcode is resumable.
  uint32_t entries;
  std::vector<ArgLayout> args;
};

class IsaLayout {
public:
  static constexpr uint32_t NoOpcode = ~0u;
  /// Dense indexes fit 16 bits.
  static constexpr uint32_t MaxOpcodes = 0xFFFF;

  /// InvalidArgument for an ISA that contradicts itself: equal names or numbers, too many argument words.
  static Expected<IsaLayout> create(const Isa &isa);

  /// The dense index of an opcode number, or NoOpcode.
  uint32_t find(uint32_t code) const {
    for (uint32_t at = hash(code);; at = (at + 1) & mask)
      if (table[at].dense == NoOpcode || table[at].code == code)
        return table[at].dense;
  }
  const OpcodeLayout &operator[](uint32_t dense) const { return opcodes[dense]; }
  uint32_t size() const { return uint32_t(opcodes.size()); }
  /// Whether any opcode is resumable.
  bool hasResumable() const { return resumable; }

private:
  struct Entry {
    uint32_t code = 0;
    uint32_t dense = NoOpcode;
  };
  uint32_t hash(uint32_t code) const { return (code * 0x9E3779B1u >> 7) & mask; }

  std::vector<OpcodeLayout> opcodes;
  /// An open hash table that is at most half full.
  std::vector<Entry> table;
  uint32_t mask = 0;
  bool resumable = false;
};

/// True when the interpreter would accept this argument: a handle that exists, tenant and access allowed, a view inside
/// its buffer.
inline bool argumentHolds(const ArgLayout &arg, const abi::Slot &slot, std::span<const abi::BufferEntry> buffers) {
  if (!arg.isMemref())
    return true;
  uint32_t handle = slot.args[arg.word];
  if (handle >= buffers.size())
    return false;
  const abi::BufferEntry &buffer = buffers[handle];
  if (buffer.base == 0 || !(buffer.tenants >> slot.tenant & 1) || (buffer.access & arg.access) != arg.access)
    return false;
  if (arg.kind == ArgType::Buffer)
    return true;
  uint64_t end = uint64_t(slot.args[arg.word + 1]) + slot.args[arg.word + 2];
  return end <= buffer.bytes >> arg.elementShift;
}

/// Slots of the window that 'slot' starts; 1 for a slot on its own.
inline uint32_t windowLength(const abi::Slot &slot) {
  uint32_t length = slot.order >> abi::OrderLengthShift & abi::OrderLengthMask;
  return length ? length : 1;
}

} // namespace mk

#endif // MK_RUNTIME_ISALAYOUT_H
