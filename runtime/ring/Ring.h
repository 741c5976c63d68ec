//===- Ring.h - The publisher's side of a ring -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RING_RING_H
#define MK_RUNTIME_RING_RING_H

#include "Line.h"
#include "mk/Runtime/Device.h"
#include "mk/Runtime/Error.h"
#include <algorithm>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace mk {

/// A slot that ended in FAULT, or suspended itself, and was taken from its ring before somebody asked.
struct RingFault {
  uint64_t position = 0;
  /// Index in what was published together.
  uint32_t slot = 0;
  uint32_t code = 0, detail = 0;
};

/// What tenants have published, and what became of it.
struct TenantCounters {
  struct Tenant {
    std::atomic<uint64_t> published = 0, ended = 0, refused = 0;
  };
  /// The last counts lines that belong to no tenant: those of the engine, and padding.
  Tenant tenants[abi::MaxTenants + 1];
};

/// One ring: lines, statuses and faults in memory that the device shares, and what the host keeps about them. Positions
/// are 64 bits wide here; the device sees the low half.
///
/// A line is free once its status carries the tag of its lap, which the ring finds out when it needs room: that is the
/// credit of the publishers. Nothing here allocates after construction.
class Ring {
public:
  struct Memory {
    abi::RingLine *lines = nullptr;
    uint32_t *statuses = nullptr;
    uint64_t *faults = nullptr;
    uint32_t *tail = nullptr;
  };
  /// Positions begin at 'first', a multiple of 2^32.
  Ring(const Memory &memory, uint32_t linesLog2, uint32_t keptFaults, TenantCounters &counters, uint64_t first = 0);

  uint32_t capacity() const { return mask + 1; }

  /// Held while lines are written.
  std::mutex mutex;

  //===--- With the mutex held ---===//

  /// Makes room for 'lines' and their padding; false when slots that have not ended are in the way.
  bool hasRoom(uint64_t lines);
  /// The position that the next line gets.
  uint64_t next() const { return written; }
  /// Lines so far.
  uint64_t published() const { return written - first; }
  /// Lines that have to be left out before a window of 'length' slots.
  static uint32_t paddingFor(uint32_t length, uint64_t at) {
    uint32_t place = uint32_t(at) % abi::RingUnit;
    return length > 1 && place + length > abi::RingUnit ? abi::RingUnit - place : 0;
  }
  void pad(uint32_t lines);
  /// Writes the next line; 'index' names the slot in faults, 'payer' is the tenant who gets the credit when it ends.
  void write(const abi::Slot &slot, uint32_t meta, uint32_t index, uint32_t payer) {
    uint32_t place = uint32_t(written) & mask;
    indexes[place] = index;
    tenants[place] = uint8_t(payer);
    writeLine(memory.lines[place], slot, meta, abi::ringTag(uint32_t(written), linesLog2));
    ++written;
  }
  /// Lines that wait or run.
  uint64_t waiting() {
    reclaim();
    return written - reclaimed.load(std::memory_order_relaxed);
  }
  /// Writes slots of one tenant that are in no window; 'index' is that of the first.
  void writeAlone(std::span<const abi::Slot> slots, uint32_t index);
  /// Shows what was written to the device.
  void ring() {
    std::atomic_ref(*memory.tail).store(uint32_t(written), std::memory_order_release);
    shown.store(written, std::memory_order_release);
  }
  /// Appends the faults of [begin, end), which has ended, and forgets them. How many were forgotten before, at most.
  template <typename Append> uint64_t takeFaults(uint64_t begin, uint64_t end, Append append);

  uint64_t faultsForgotten() const { return forgotten; }

  //===--- From any thread ---===//

  /// True when all lines of [begin, end) have ended. Checks from 'begin' on, and moves it past those that have.
  bool hasEnded(uint64_t &begin, uint64_t end) const;
  /// True when the lines of [begin, end), which have ended, are known to have no faults. False when they may have, or
  /// were reclaimed.
  bool areDone(uint64_t begin, uint64_t end) const;
  /// True when [begin, end) has been published.
  bool has(uint64_t begin, uint64_t end) const {
    return begin >= first && begin <= end && end <= shown.load(std::memory_order_acquire);
  }

private:
  bool ended(uint64_t position) const {
    uint32_t status = std::atomic_ref(memory.statuses[position & mask]).load(std::memory_order_acquire);
    return (status & 0xFFFF) == abi::ringTag(uint32_t(position), linesLog2) && status >> abi::RingStatusShift;
  }
  abi::SlotStatus statusOf(uint64_t position) const {
    return abi::SlotStatus(std::atomic_ref(memory.statuses[position & mask]).load(std::memory_order_relaxed) >>
                           abi::RingStatusShift);
  }
  void reclaim();

  const Memory memory;
  const uint32_t linesLog2;
  const uint32_t mask;
  TenantCounters &counters;
  /// Of each place: the slot's index in what was published with it, and its tenant.
  std::vector<uint32_t> indexes;
  std::vector<uint8_t> tenants;
  const uint64_t first;
  uint64_t written;
  std::atomic<uint64_t> reclaimed, shown;
  /// Faults of lines that were reclaimed, by position: a ring of its own, in which the oldest give way. Those that were
  /// taken have no code.
  std::vector<RingFault> kept;
  uint64_t keptCount = 0, keptLeft = 0;
  /// Those of lines that belong to no tenant do not give way: the engine acts on them, and takes them soon.
  std::vector<RingFault> own;
  /// Faults that gave way, and the position behind the last of them.
  uint64_t forgotten = 0, forgottenEnd = 0;
};

template <typename Append> uint64_t Ring::takeFaults(uint64_t begin, uint64_t end, Append append) {
  // What was reclaimed is in the list, the rest still in the ring.
  if (keptLeft) {
    uint64_t at = keptCount > kept.size() ? keptCount - kept.size() : 0, behind = keptCount;
    while (at < behind) {
      uint64_t middle = at + (behind - at) / 2;
      if (kept[middle % kept.size()].position < begin)
        at = middle + 1;
      else
        behind = middle;
    }
    for (; at < keptCount && kept[at % kept.size()].position < end; ++at)
      if (RingFault &fault = kept[at % kept.size()]; fault.code) {
        append(fault);
        fault.code = 0;
        --keptLeft;
      }
  }
  for (size_t i = 0; i < own.size();) {
    if (own[i].position < begin || own[i].position >= end) {
      ++i;
      continue;
    }
    append(own[i]);
    own[i] = own.back();
    own.pop_back();
  }
  for (uint64_t position = std::max(begin, reclaimed.load(std::memory_order_relaxed)); position < end; ++position)
    if (statusOf(position) != abi::SlotStatus::Done) {
      uint64_t word = memory.faults[position & mask];
      append(RingFault{position, indexes[position & mask], uint32_t(word >> 32), uint32_t(word)});
      // Reclaiming must not report it again.
      std::atomic_ref(memory.statuses[position & mask])
          .store(uint32_t(abi::SlotStatus::Done) << abi::RingStatusShift | abi::ringTag(uint32_t(position), linesLog2),
                 std::memory_order_relaxed);
    }
  return begin < forgottenEnd ? std::min(forgotten, end - begin) : 0;
}

/// The rings of one scope in memory that host and device share.
class RingSet {
public:
  /// OutOfMemory when the device cannot share so much.
  static Expected<std::unique_ptr<RingSet>> create(Device &device, uint32_t linesLog2, uint32_t keptFaults,
                                                   TenantCounters &counters, uint64_t first);
  ~RingSet();

  Ring &operator[](uint32_t priority) { return *rings[priority]; }
  /// Lines of each ring.
  uint32_t capacity() const { return 1u << linesLog2; }
  abi::Doorbell &doorbell() { return *bell; }
  /// The parameters of a kernel that serves these rings, without its epoch and the buffers.
  abi::ResidentParams params(uint64_t ageThreshold) const;
  /// A copy of what the workers share.
  Expected<abi::RingState> state() const;
  uint64_t stateAddress() const { return stateMemory; }
  /// Before workers of another epoch start: the mirror shows what the doorbell says.
  Expected<void> prepare(uint32_t epoch);

private:
  explicit RingSet(Device &device, uint32_t linesLog2) : device(device), linesLog2(linesLog2) {}

  Device &device;
  const uint32_t linesLog2;
  std::byte *shared = nullptr;
  abi::Doorbell *bell = nullptr;
  abi::RingLine *lines = nullptr;
  uint64_t *faults = nullptr;
  uint32_t *statuses = nullptr;
  uint64_t stateMemory = 0;
  std::unique_ptr<Ring> rings[abi::PriorityLevels];
};

} // namespace mk

#endif // MK_RUNTIME_RING_RING_H
