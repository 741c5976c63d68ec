//===- ValueProfile.h - What arguments turn out to be ------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_VALUEPROFILE_H
#define MK_RUNTIME_VALUEPROFILE_H

#include "mk/Runtime/CodeProvider.h"
#include <span>

namespace mk {

/// Where the argument words of an instance lie: for each argument its type, for each word the bytes from the instance's
/// first slot, in order.
struct InstanceLayout {
  std::vector<ArgType> args;
  std::vector<uint32_t> words;

  static uint32_t load(const abi::Slot *first, uint32_t offset);
};

/// A scalar of a slot as a number: "-3", "0.25", "nan", "-inf". 'bits' are its words, the first the low half.
std::string describeScalar(ElementType type, uint64_t bits);

/// For people: "0=5, 1.extent=4096, 1.aligned=16", arguments being numbered from 0.
std::string describeFacts(const InstanceLayout &layout, const Specialization &facts);

/// Tests whether an instance, whose arguments the interpreter would accept, may run on specialised code.
class FactGuard {
public:
  /// For general code: holds for all. 'separate' asks for memrefs that do not overlap when one of them is written,
  /// which specialised code of an opcode relies on (mk-specialize); of windows it is known anyway.
  FactGuard(const InstanceLayout &layout, const Specialization &facts, bool separate);

  bool holds(const abi::Slot *first, std::span<const abi::BufferEntry> buffers) const {
    for (const Test &test : tests)
      if (!holds(test, first, buffers))
        return false;
    return memrefs.empty() || areSeparate(first, buffers);
  }

private:
  struct Test {
    enum Kind : uint8_t { WordIs, WordIsMultiple, ElementsAre, ElementsAreMultiple } kind;
    /// The word, in bytes from the first slot; of a whole buffer, its handle.
    uint32_t offset;
    uint64_t value;
    /// log2 of the element's size. A division for each instance would cost more than all else.
    uint32_t elementShift;
  };
  struct Memref {
    /// Of its first word, in bytes from the first slot.
    uint32_t offset;
    bool view, written;
    uint32_t elementBytes;
  };
  static bool holds(const Test &test, const abi::Slot *first, std::span<const abi::BufferEntry> buffers);
  bool areSeparate(const abi::Slot *first, std::span<const abi::BufferEntry> buffers) const;

  std::vector<Test> tests;
  std::vector<Memref> memrefs;
};

/// Watches the arguments of instances, a sample of all, for values worth specialising for.
class ValueProfile {
public:
  /// Samples before anything is proposed, and after which watching starts anew, so that it follows the run.
  static constexpr uint32_t MinSamples = 64, MaxSamples = 4096;
  /// The part of all samples that a value must have: the others go to the general code.
  static constexpr double MinShare = 0.95;
  /// Alignments beyond this help no access: 16 elements are 16 bytes of the smallest type.
  static constexpr uint64_t MaxAlignment = 16;

  void add(const InstanceLayout &layout, const abi::Slot *first, std::span<const abi::BufferEntry> buffers);
  uint32_t samples() const { return count; }
  /// Facts that held for most; empty when there is nothing to gain, or too little was seen.
  Specialization propose(const InstanceLayout &layout) const;

private:
  /// A value and how often it was met. When others are met more often, they take its place (Boyer and Moore's
  /// majority vote).
  struct Candidate {
    uint64_t value = 0;
    uint32_t votes = 0;
    uint32_t met = 0;
    void add(uint64_t seen);
  };
  struct Argument {
    /// Of a scalar the value, of a memref the number of elements.
    Candidate value;
    /// Offsets and numbers of elements, or-ed: the lowest bit set is the alignment of all.
    uint64_t offsets = 0, extents = 0;
  };

  uint32_t count = 0;
  std::vector<Argument> arguments;
};

} // namespace mk

#endif // MK_RUNTIME_VALUEPROFILE_H
