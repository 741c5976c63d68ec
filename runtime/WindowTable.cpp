//===- WindowTable.cpp - Kinds of windows ---------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WindowTable.h"
#include <algorithm>
#include <tuple>

namespace mk {

/// Slot arguments of one type with the same words.
struct WindowTable::Group {
  uint8_t type;
  uint8_t words;
  bool memref;
  bool transient;
  uint32_t word[3];
  /// Memrefs: elements, and the bytes of the buffer that they take.
  uint64_t count, begin, end;
};

bool WindowTable::computeKey(std::span<const abi::Slot> slots, const uint16_t *opcodes,
                             std::span<const abi::BufferEntry> buffers) {
  Group groups[MaxArgs];
  uint32_t count = 0;
  key.assign(1, uint16_t(slots.size()));
  for (size_t place = 0; place < slots.size(); ++place) {
    const abi::Slot &slot = slots[place];
    key.push_back(uint16_t(opcodes[place]));
    for (const ArgLayout &arg : layout[opcodes[place]].args) {
      if (!argumentHolds(arg, slot, buffers))
        return false;
      const uint32_t *words = slot.args + arg.word;
      uint32_t at = 0;
      while (at < count && !(groups[at].type == arg.type && std::equal(words, words + arg.words, groups[at].word)))
        ++at;
      key.push_back(uint16_t(at));
      if (at < count)
        continue;

      if (count == MaxArgs)
        return false;
      Group &group = groups[count++];
      group.type = arg.type;
      group.words = arg.words;
      group.memref = arg.isMemref();
      std::copy(words, words + arg.words, group.word);
      if (!group.memref)
        continue;
      group.transient = buffers[words[0]].access & abi::AccessTransient;
      bool view = arg.kind == ArgType::View;
      uint64_t bytes = buffers[words[0]].bytes;
      group.count = view ? words[2] : bytes >> arg.elementShift;
      group.begin = view ? uint64_t(words[1]) << arg.elementShift : 0;
      group.end = view ? group.begin + (group.count << arg.elementShift) : bytes;
      for (uint32_t other = 0; other + 1 < count; ++other)
        if (groups[other].memref && groups[other].word[0] == words[0] &&
            std::max(groups[other].begin, group.begin) < std::min(groups[other].end, group.end))
          return false;
    }
  }

  // Extents: the first group with this element count names them. With them goes whether the memref is transient.
  for (uint32_t i = 0; i < count; ++i) {
    if (!groups[i].memref)
      continue;
    uint32_t first = 0;
    while (!groups[first].memref || groups[first].count != groups[i].count)
      ++first;
    key.push_back(uint16_t(first << 1 | groups[i].transient));
  }
  return true;
}

std::unique_ptr<CodeUnit> WindowTable::makeUnit(std::span<const abi::Slot> slots, const uint16_t *opcodes) const {
  auto unit = std::make_unique<CodeUnit>();
  unit->tier = Tier::Window;
  unit->length = uint32_t(slots.size());
  WindowSignature &signature = unit->signature;
  const uint16_t *next = key.data() + 1;
  for (uint32_t place = 0; place < slots.size(); ++place) {
    const OpcodeInfo &op = isa.opcodes[opcodes[place]];
    const OpcodeLayout &opLayout = layout[opcodes[place]];
    WindowSignature::Issue &issue = signature.issues.emplace_back();
    issue.opcode = *next++;
    for (size_t i = 0; i < op.args.size(); ++i) {
      uint32_t arg = *next++;
      issue.operands.push_back(arg);
      if (arg < signature.args.size()) {
        signature.args[arg].access |= op.args[i].access;
        continue;
      }
      signature.args.push_back(op.args[i]);
      for (uint32_t word = 0; word < opLayout.args[i].words; ++word)
        unit->layout.words.push_back(place * sizeof(abi::Slot) + offsetof(abi::Slot, args) +
                                     (opLayout.args[i].word + word) * sizeof(uint32_t));
    }
  }

  // The key names an extent by its first argument; the signature numbers them.
  std::vector<int32_t> number(signature.args.size(), -1);
  int32_t extents = 0;
  for (size_t i = 0; i < signature.args.size(); ++i) {
    if (signature.args[i].kind == ArgType::Scalar) {
      signature.extents.push_back(-1);
      continue;
    }
    uint32_t first = *next >> 1;
    if (*next++ & 1)
      signature.args[i].access |= abi::AccessTransient;
    if (first == i)
      number[i] = extents++;
    signature.extents.push_back(number[first]);
  }
  for (const WindowSignature::Issue &issue : signature.issues) {
    unit->emits |= layout[issue.opcode].emits;
    if (layout[issue.opcode].scope == Scope::Block)
      unit->scope = Scope::Block;
  }
  unit->layout.args = signature.args;
  unit->what = signature.str(isa);
  return unit;
}

/// Forgets the coldest kinds that have no code and are to get none, an eighth of all at once so that the search pays.
/// Kinds of the current batch stay: its work lists refer to them.
bool WindowTable::makeRoom(Ticket ticket, double now) {
  if (fullTicket == ticket)
    return false;
  struct Candidate {
    double recent;
    const CodeUnit *unit;
  };
  std::vector<Candidate> candidates;
  for (const std::unique_ptr<CodeUnit> &unit : all)
    if (!unit->isInUse() && unit->lastTicket != ticket)
      candidates.push_back({unit->heat.recent(now, halfLife), unit.get()});
  if (candidates.empty()) {
    fullTicket = ticket;
    return false;
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
    return std::tie(a.recent, a.unit->lastTicket, a.unit->what) < std::tie(b.recent, b.unit->lastTicket, b.unit->what);
  });
  candidates.resize(std::min<size_t>(candidates.size(), capacity / 8 + 1));

  auto forgotten = [&](const CodeUnit *unit) {
    return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate &c) { return c.unit == unit; });
  };
  std::erase_if(byKey, [&](const auto &entry) { return forgotten(entry.second); });
  if (lastUnit && forgotten(lastUnit))
    lastUnit = nullptr;
  std::erase_if(all, [&](const std::unique_ptr<CodeUnit> &unit) { return forgotten(unit.get()); });
  return true;
}

CodeUnit *WindowTable::find(std::span<const abi::Slot> slots, const uint16_t *opcodes,
                            std::span<const abi::BufferEntry> buffers, Ticket ticket, double now) {
  if (!computeKey(slots, opcodes, buffers))
    return nullptr;
  if (!lastUnit || key != lastKey) {
    if (auto it = byKey.find(keyBytes()); it != byKey.end()) {
      lastUnit = it->second;
    } else {
      if (door) {
        uint64_t hash = std::hash<std::string_view>()(keyBytes());
        door->add(hash, 1, now);
        if (door->estimate(hash, now) < 1.5)
          return nullptr;
      }
      if (all.size() >= capacity && !makeRoom(ticket, now))
        return nullptr;
      all.push_back(makeUnit(slots, opcodes));
      lastUnit = all.back().get();
      byKey.emplace(keyBytes(), lastUnit);
    }
    lastKey = key;
  }
  lastUnit->lastTicket = ticket;
  return lastUnit;
}

} // namespace mk
