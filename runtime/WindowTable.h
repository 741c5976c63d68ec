//===- WindowTable.h - Kinds of windows -------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finds the kind of a window: which of its slots' arguments are the same, and which buffers have one size. This is done
// for every window of every batch, so nothing is allocated unless the kind is new.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_WINDOWTABLE_H
#define MK_RUNTIME_WINDOWTABLE_H

#include "CodeUnit.h"
#include "IsaLayout.h"
#include "telemetry/CountMinSketch.h"
#include <optional>
#include <unordered_map>

namespace mk {

/// The kinds of windows that are tracked.
class WindowTable {
public:
  /// The most arguments that a signature may have. A window with more stays with the interpreter: a kernel with so many
  /// parameters gains little, and they would all have to be compared with each other.
  static constexpr uint32_t MaxArgs = 64;

  /// Lets a kind in only when it comes for the second time, as a sketch sees it, so that kinds that come once and never
  /// again do not drive out those that come often.
  void keepDoor() { door.emplace(*SketchShape::create(4, 1024), halfLife); }

  /// Tracks at most 'capacity' kinds.
  WindowTable(const Isa &isa, const IsaLayout &layout, uint32_t capacity, double halfLife)
      : isa(isa), layout(layout), capacity(capacity), halfLife(halfLife) {}

  /// The kind of the window 'slots', whose dense opcodes are 'opcodes'. Null when it has no signature (an argument does
  /// not hold, memory overlaps, too many arguments), or when it is new and all places are taken by kinds that are in
  /// use. 'ticket' and 'now' are those of the batch.
  CodeUnit *find(std::span<const abi::Slot> slots, const uint16_t *opcodes, std::span<const abi::BufferEntry> buffers,
                 Ticket ticket, double now);

  /// All kinds, in the order of their first appearance.
  const std::vector<std::unique_ptr<CodeUnit>> &units() const { return all; }

private:
  struct Group;
  bool computeKey(std::span<const abi::Slot> slots, const uint16_t *opcodes, std::span<const abi::BufferEntry> buffers);
  std::unique_ptr<CodeUnit> makeUnit(std::span<const abi::Slot> slots, const uint16_t *opcodes) const;
  bool makeRoom(Ticket ticket, double now);

  std::string_view keyBytes() const {
    return {reinterpret_cast<const char *>(key.data()), key.size() * sizeof(uint16_t)};
  }

  struct KeyHash {
    using is_transparent = void;
    size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>()(bytes); }
  };

  const Isa &isa;
  const IsaLayout &layout;
  const uint32_t capacity;
  const double halfLife;

  std::vector<std::unique_ptr<CodeUnit>> all;
  /// Kinds by key: the number of slots, for each the opcode and the group of each argument, then the extent of each
  /// memref group. The opcodes tell how many numbers follow each, so equal keys mean equal signatures.
  std::unordered_map<std::string, CodeUnit *, KeyHash, std::equal_to<>> byKey;
  /// The key of the window at hand, and of the one before: windows of a kind tend to come in runs.
  std::vector<uint16_t> key, lastKey;
  CodeUnit *lastUnit = nullptr;
  /// A batch in which no room could be made: trying again for each of its windows would be in vain.
  Ticket fullTicket = 0;
  std::optional<DecayingSketch> door;
};

} // namespace mk

#endif // MK_RUNTIME_WINDOWTABLE_H
