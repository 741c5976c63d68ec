//===- IsaLayout.cpp - An ISA as the dispatcher reads it ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IsaLayout.h"
#include <bit>
#include <set>
#include <string_view>

namespace mk {

static tl::unexpected<Error> invalid(std::string message) {
  return makeError(ErrorCode::InvalidArgument, std::move(message));
}

static OpcodeLayout layOut(const OpcodeInfo &op) {
  Route route = op.code == uint32_t(abi::Builtin::PackedSlot)   ? Route::Packed
                : op.code == uint32_t(abi::Builtin::BatchFence) ? Route::Fence
                                                                : Route(op.scope);
  OpcodeLayout layout{op.scope,    route,      op.words(), op.requiredWords(), op.emits, op.promotable,
                      op.numbered, op.entries, {}};
  uint32_t word = 0;
  for (const ArgType &arg : op.args) {
    ArgLayout to;
    to.kind = arg.kind;
    to.type = uint8_t(arg.kind << 4 | uint8_t(arg.element));
    to.word = uint8_t(word);
    to.words = uint8_t(arg.words());
    to.access = uint8_t(arg.access);
    to.elementShift = uint8_t(std::countr_zero(elementBytes(arg.element)));
    layout.args.push_back(to);
    word += arg.words();
  }
  return layout;
}

Expected<IsaLayout> IsaLayout::create(const Isa &isa) {
  if (isa.opcodes.empty())
    return invalid("the ISA has no opcodes, define at least one");
  if (isa.opcodes.size() > MaxOpcodes)
    return invalid("the ISA has " + std::to_string(isa.opcodes.size()) + " opcodes, but at most " +
                   std::to_string(MaxOpcodes) + " are possible");
  IsaLayout layout;
  uint32_t size = std::bit_ceil(uint32_t(isa.opcodes.size()) * 2);
  layout.table.resize(size);
  layout.mask = size - 1;

  std::set<std::string_view> names;
  for (uint32_t dense = 0; dense < isa.opcodes.size(); ++dense) {
    const OpcodeInfo &op = isa.opcodes[dense];
    if (op.words() > abi::SlotArgWords)
      return invalid("the arguments of opcode '" + op.name + "' take " + std::to_string(op.words()) +
                     " words, but a slot has " + std::to_string(abi::SlotArgWords));
    if (op.optional > op.args.size())
      return invalid("of the arguments of opcode '" + op.name + "' " + std::to_string(op.optional) +
                     " may be left out, but it has " + std::to_string(op.args.size()));
    if (op.entries > abi::MaxEntries || (op.entries && (op.words() != abi::ContinuationData + 1 || op.optional)))
      return invalid("opcode '" + op.name + "' has " + std::to_string(op.entries) + " entries and " +
                     std::to_string(op.words()) + " argument words, but with entries, of which there are at most " +
                     std::to_string(abi::MaxEntries) + ", it has " + std::to_string(abi::ContinuationData + 1) +
                     " words, none of which may be left out");
    layout.resumable |= op.entries != 0;
    if (!names.insert(op.name).second)
      return invalid("the ISA has two opcodes '" + op.name + "', rename one");
    if (uint32_t other = layout.find(op.code); other != NoOpcode)
      return invalid("opcodes '" + isa.opcodes[other].name + "' and '" + op.name + "' both have the number " +
                     std::to_string(op.code) + ", change one");
    uint32_t at = layout.hash(op.code);
    while (layout.table[at].dense != NoOpcode)
      at = (at + 1) & layout.mask;
    layout.table[at] = {op.code, dense};
    layout.opcodes.push_back(layOut(op));
  }
  // A packed slot does what its operations do.
  if (uint32_t packed = layout.find(uint32_t(abi::Builtin::PackedSlot)); packed != NoOpcode)
    for (uint32_t dense = 0; dense < layout.size(); ++dense)
      if (abi::isPackable(isa.opcodes[dense].code)) {
        layout.opcodes[packed].emits |= layout[dense].emits;
        layout.opcodes[packed].numbered |= layout[dense].numbered;
      }
  return layout;
}

} // namespace mk
