//===- UnitTable.h - All that is counted ------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_UNITTABLE_H
#define MK_RUNTIME_UNITTABLE_H

#include "WindowTable.h"

namespace mk {

/// The opcodes, by dense index, and the kinds of windows that are tracked.
struct UnitTable {
  UnitTable(const Isa &isa, const IsaLayout &layout, uint32_t maxWindows, double halfLife)
      : windows(isa, layout, maxWindows, halfLife) {
    for (uint32_t dense = 0; dense < layout.size(); ++dense) {
      auto unit = std::make_unique<CodeUnit>();
      unit->tier = Tier::Opcode;
      unit->what = isa.opcodes[dense].name;
      unit->opcode = dense;
      unit->scope = layout[dense].scope;
      unit->emits = layout[dense].emits;
      unit->promotable = layout[dense].promotable;
      unit->layout.args = isa.opcodes[dense].args;
      for (uint32_t word = 0; word < layout[dense].words; ++word)
        unit->layout.words.push_back(offsetof(abi::Slot, args) + word * sizeof(uint32_t));
      opcodes.push_back(std::move(unit));
    }
  }

  template <typename Visit> void forEach(Visit visit) const {
    for (const auto &unit : opcodes)
      visit(*unit);
    for (const auto &unit : windows.units())
      visit(*unit);
  }

  std::vector<std::unique_ptr<CodeUnit>> opcodes;
  WindowTable windows;
};

} // namespace mk

#endif // MK_RUNTIME_UNITTABLE_H
