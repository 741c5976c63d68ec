//===- TierCheck.h - Two tiers, one answer ----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_TIERCHECK_H
#define MK_RUNTIME_TIERCHECK_H

#include "IsaLayout.h"
#include "Staging.h"

namespace mk {

/// Bytes of buffers that may change, and what they were or became.
class Snapshot {
public:
  /// What the memrefs of an instance may write. 'first' is its first slot; its arguments hold.
  void addWritten(const CodeUnit &unit, const abi::Slot *first, std::span<const abi::BufferEntry> rows);
  /// What a slot whose arguments hold may write.
  void addWritten(std::span<const ArgType> args, const abi::Slot &slot, std::span<const abi::BufferEntry> rows);
  /// Joins ranges that overlap. To be called once all are added.
  void close();
  uint64_t bytes() const;

  Expected<void> take(Device &device);
  Expected<void> restore(Device &device) const;
  /// The first difference to another snapshot of the same ranges, for people; empty when there is none. Floats that are
  /// not numbers are equal: which NaN comes out is nobody's promise.
  std::string difference(const Snapshot &other, std::span<const abi::BufferEntry> rows) const;

private:
  struct Range {
    uint32_t handle;
    uint64_t begin, end;
    ElementType element;
    /// Nobody reads it afterwards.
    bool transient;
    uint64_t base = 0;
    std::vector<std::byte> contents{};
  };
  void add(const ArgType &type, const uint32_t *words, std::span<const abi::BufferEntry> rows, bool window);

  std::vector<Range> ranges;
};

/// Runs instances on a variant and on the interpreter, one at a time so that the order in which they meet cannot show,
/// and leaves no trace of either.
class TierCheck {
public:
  /// Instances that write more than this, in bytes, are not checked.
  static constexpr uint64_t MaxBytes = uint64_t(1) << 30;

  TierCheck(Device &device, DeviceMemory &memory, uint64_t table, std::span<const abi::BufferEntry> rows)
      : device(device), rows(rows), table(table), staging(device, memory) {}

  struct Outcome {
    /// Nothing was compared: it writes too much.
    bool tooLarge = false;
    /// Nothing was compared: the interpreter does not agree with itself, since the order of threads shows in the
    /// result.
    bool varies = false;
    /// What it writes, in bytes.
    uint64_t bytes = 0;
    /// Why the tiers do not agree; empty if they do.
    std::string difference{};
  };
  /// 'slots' are those of one instance, whose arguments hold; 'variant' and 'interpreter' are lists of slot 0.
  Expected<Outcome> run(const CodeUnit &unit, std::span<const abi::Slot> slots, const WorkList &variant,
                        const WorkList &interpreter);

private:
  struct Answer {
    Snapshot written;
    std::vector<SlotFault> faults;
    HitRecords hits;
  };
  Expected<Answer> answer(const Snapshot &before, std::span<const abi::Slot> slots, const WorkList &list);

  Device &device;
  std::span<const abi::BufferEntry> rows;
  uint64_t table;
  Staging staging;
};

/// Why two answers for the same slots differ; empty if they do not.
std::string differenceOf(std::span<const SlotFault> faultsA, const HitRecords &hitsA,
                         std::span<const SlotFault> faultsB, const HitRecords &hitsB);

} // namespace mk

#endif // MK_RUNTIME_TIERCHECK_H
