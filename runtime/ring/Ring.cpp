//===- Ring.cpp - The publisher's side of a ring --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Ring.h"
#include <numeric>

namespace mk {

//===----------------------------------------------------------------------===//
// Ring
//===----------------------------------------------------------------------===//

Ring::Ring(const Memory &memory, uint32_t linesLog2, uint32_t keptFaults, TenantCounters &counters, uint64_t first)
    : memory(memory), linesLog2(linesLog2), mask((1u << linesLog2) - 1), counters(counters),
      indexes(size_t(1) << linesLog2), tenants(size_t(1) << linesLog2), first(first), written(first), reclaimed(first),
      shown(first), kept(std::max(keptFaults, 1u << linesLog2)) {
  // More than the tasks of an engine and a window that is checked can leave here.
  own.reserve(4096);
}

void Ring::reclaim() {
  uint64_t position = reclaimed.load(std::memory_order_relaxed);
  // Lines of one tenant tend to come in runs.
  uint32_t tenant = abi::MaxTenants;
  uint64_t run = 0;
  auto count = [&] { counters.tenants[tenant].ended.fetch_add(run, std::memory_order_relaxed); };
  for (; position < written && ended(position); ++position) {
    if (tenants[position & mask] != tenant) {
      count();
      tenant = tenants[position & mask];
      run = 0;
    }
    ++run;
    if (statusOf(position) == abi::SlotStatus::Done)
      continue;
    uint64_t word = memory.faults[position & mask];
    const RingFault fault{position, indexes[position & mask], uint32_t(word >> 32), uint32_t(word)};
    if (tenant == abi::MaxTenants) {
      own.push_back(fault);
      continue;
    }
    if (keptLeft == 0)
      keptCount = 0;
    RingFault &place = kept[keptCount % kept.size()];
    if (keptCount >= kept.size() && place.code) {
      ++forgotten;
      forgottenEnd = place.position + 1;
      --keptLeft;
    }
    ++keptCount;
    ++keptLeft;
    place = fault;
  }
  count();
  reclaimed.store(position, std::memory_order_release);
}

bool Ring::hasRoom(uint64_t lines) {
  if (written + lines - reclaimed.load(std::memory_order_relaxed) <= capacity())
    return true;
  reclaim();
  return written + lines - reclaimed.load(std::memory_order_relaxed) <= capacity();
}

void Ring::writeAlone(std::span<const abi::Slot> slots, uint32_t index) {
  while (!slots.empty()) {
    // As far as the ring goes on without a break: one lap, one tag.
    uint32_t place = uint32_t(written) & mask;
    size_t count = std::min<size_t>(slots.size(), capacity() - place);
    uint32_t tag = abi::ringTag(uint32_t(written), linesLog2), meta = slots.front().tenant;
    std::fill_n(tenants.begin() + place, count, uint8_t(meta));
    std::iota(indexes.begin() + place, indexes.begin() + place + count, index);
    for (size_t i = 0; i < count; ++i)
      writeLine(memory.lines[place + i], slots[i], meta, tag);
    written += count;
    index += uint32_t(count);
    slots = slots.subspan(count);
  }
}

void Ring::pad(uint32_t lines) {
  abi::Slot nothing{};
  nothing.tenant = abi::MaxTenants;
  for (uint32_t i = 0; i < lines; ++i)
    write(nothing, abi::RingPadding, 0, abi::MaxTenants);
}

bool Ring::hasEnded(uint64_t &begin, uint64_t end) const {
  begin = std::max(begin, std::min(end, reclaimed.load(std::memory_order_acquire)));
  for (; begin < end; ++begin)
    if (!ended(begin)) {
      // It may have been reclaimed, and its place taken, since we looked.
      if (begin < reclaimed.load(std::memory_order_acquire))
        continue;
      return false;
    }
  return true;
}

bool Ring::areDone(uint64_t begin, uint64_t end) const {
  for (uint64_t position = begin; position < end; ++position)
    if (statusOf(position) != abi::SlotStatus::Done)
      return false;
  // What was read belongs to these lines if none of their places was free for others by then.
  std::atomic_thread_fence(std::memory_order_acquire);
  return begin >= reclaimed.load(std::memory_order_relaxed);
}

//===----------------------------------------------------------------------===//
// RingSet
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<RingSet>> RingSet::create(Device &device, uint32_t linesLog2, uint32_t keptFaults,
                                                   TenantCounters &counters, uint64_t first) {
  std::unique_ptr<RingSet> set(new RingSet(device, linesLog2));
  uint64_t lines = uint64_t(abi::PriorityLevels) << linesLog2;
  uint64_t lineBytes = lines * sizeof(abi::RingLine), faultBytes = lines * sizeof(uint64_t);
  // The doorbell has a page of its own.
  uint64_t bytes = 4096 + lineBytes + faultBytes + lines * sizeof(uint32_t);
  Expected<std::byte *> shared = device.allocateHost(bytes);
  if (!shared)
    return tl::unexpected(shared.error());
  set->shared = *shared;
  std::memset(*shared, 0, bytes);
  set->bell = reinterpret_cast<abi::Doorbell *>(*shared);
  set->lines = reinterpret_cast<abi::RingLine *>(*shared + 4096);
  set->faults = reinterpret_cast<uint64_t *>(*shared + 4096 + lineBytes);
  set->statuses = reinterpret_cast<uint32_t *>(*shared + 4096 + lineBytes + faultBytes);
  Expected<uint64_t> state = device.allocate(sizeof(abi::RingState));
  if (!state)
    return tl::unexpected(state.error());
  set->stateMemory = *state;
  if (Expected<void> cleared = device.fill(*state, std::byte(0), sizeof(abi::RingState)); !cleared)
    return tl::unexpected(cleared.error());
  for (uint32_t priority = 0; priority < abi::PriorityLevels; ++priority) {
    uint64_t at = uint64_t(priority) << linesLog2;
    set->rings[priority] = std::make_unique<Ring>(
        Ring::Memory{set->lines + at, set->statuses + at, set->faults + at, &set->bell->tails[priority]}, linesLog2,
        keptFaults, counters, first);
  }
  return set;
}

RingSet::~RingSet() {
  if (stateMemory)
    device.release(stateMemory);
  if (shared)
    device.releaseHost(shared);
}

abi::ResidentParams RingSet::params(uint64_t ageThreshold) const {
  abi::ResidentParams params{};
  params.lines = reinterpret_cast<uint64_t>(lines);
  params.doorbell = reinterpret_cast<uint64_t>(bell);
  params.faults = reinterpret_cast<uint64_t>(faults);
  params.statuses = reinterpret_cast<uint64_t>(statuses);
  params.state = stateMemory;
  params.linesLog2 = linesLog2;
  params.ageThreshold = ageThreshold;
  return params;
}

Expected<abi::RingState> RingSet::state() const {
  abi::RingState state;
  if (device.info().hostAddressable) {
    // The workers are threads of this process: word by word, as they write it.
    auto *from = reinterpret_cast<uint32_t *>(stateMemory), *to = reinterpret_cast<uint32_t *>(&state);
    for (size_t i = 0; i < sizeof state / sizeof(uint32_t); ++i)
      to[i] = std::atomic_ref(from[i]).load(std::memory_order_relaxed);
    return state;
  }
  if (Expected<void> copied = device.copyFromDevice(stateMemory, std::as_writable_bytes(std::span(&state, 1))); !copied)
    return tl::unexpected(copied.error());
  return state;
}

Expected<void> RingSet::prepare(uint32_t epoch) {
  std::atomic_ref(bell->epoch).store(epoch, std::memory_order_release);
  if (Expected<void> copied =
          device.copyToDevice(stateMemory + offsetof(abi::RingState, epoch), std::as_bytes(std::span(&epoch, 1)));
      !copied)
    return copied;
  // A worker that polled has left.
  return device.fill(stateMemory + offsetof(abi::RingState, poller), std::byte(0), sizeof(uint32_t));
}

} // namespace mk
