//===- Snapshot.cpp - What control words and slots say --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Snapshot.h"
#include "mk/Runtime/Abi.h"
#include <algorithm>
#include <cstring>
#include <map>
#include <string>

namespace mk {

/// Control words that Abi.h does not name, since no generated code knows them.
enum : uint32_t {
  DoneCountWord = 1,
  TenantFairnessWord = 64,
  MetricsWord = 96,
  PriorityFairnessWord = 136,
  HeartbeatWord = 142,
  LiveWorkersWord = 143,
  FaultCountWord = 144,
  FirstFaultSlotWord = 145,
  FirstFaultCodeWord = 146,
  DoneCountHighWord = 148,
  AgedPromotionsWord = 149,
  BlockedHintWord = 150,
};
static constexpr uint32_t MetricCount = 32;

/// Statuses that abi::SlotStatus does not name, since no generated code knows them.
constexpr uint32_t Staging = 8;

static uint32_t wordAt(std::span<const std::byte> bytes, uint64_t index) {
  uint32_t word;
  std::memcpy(&word, bytes.data() + index * sizeof word, sizeof word);
  return word;
}

//===----------------------------------------------------------------------===//
// Control words
//===----------------------------------------------------------------------===//

static Expected<void> checkControl(std::span<const std::byte> control) {
  if (control.size() % sizeof(uint32_t) != 0)
    return makeError(ErrorCode::Malformed, "control words of " + std::to_string(control.size()) +
                                               " bytes, but a word has 4; pass all of the buffer");
  if (control.size() / sizeof(uint32_t) < abi::ControlObservable)
    return makeError(ErrorCode::Malformed, "control words of " + std::to_string(control.size()) +
                                               " bytes, but there are 640 or more; pass all of the buffer");
  return {};
}

Expected<ControlSnapshot> decodeControl(std::span<const std::byte> control) {
  if (Expected<void> checked = checkControl(control); !checked)
    return tl::unexpected(checked.error());
  auto word = [&](uint32_t index) { return wordAt(control, index); };
  ControlSnapshot snapshot;
  snapshot.shutdown = word(abi::ControlShutdown);
  snapshot.epoch = word(abi::ControlEpoch);
  for (uint32_t i = 0; i < MetricCount; ++i)
    if (uint32_t count = word(MetricsWord + i))
      snapshot.metrics.push_back({i, count});
  for (uint32_t i = 0; i < snapshot.tenantFairness.size(); ++i)
    snapshot.tenantFairness[i] = word(TenantFairnessWord + i);
  for (uint32_t i = 0; i < snapshot.priorityFairness.size(); ++i)
    snapshot.priorityFairness[i] = word(PriorityFairnessWord + i);
  snapshot.abi = word(abi::ControlAbi);
  snapshot.heartbeat = word(HeartbeatWord);
  snapshot.liveWorkers = word(LiveWorkersWord);
  snapshot.faultCount = word(FaultCountWord);
  snapshot.firstFaultSlot = word(FirstFaultSlotWord);
  snapshot.firstFaultCode = word(FirstFaultCodeWord);
  snapshot.debugDropped = word(abi::ControlDebugDropped);
  snapshot.doneCount = uint64_t(word(DoneCountHighWord)) << 32 | word(DoneCountWord);
  snapshot.agedPromotions = word(AgedPromotionsWord);
  snapshot.blockedHint = word(BlockedHintWord);
  snapshot.observables = control.size() / sizeof(uint32_t) - abi::ControlObservable;
  return snapshot;
}

Expected<uint32_t> decodeObservable(std::span<const std::byte> control, uint32_t index) {
  if (Expected<void> checked = checkControl(control); !checked)
    return tl::unexpected(checked.error());
  uint64_t observables = control.size() / sizeof(uint32_t) - abi::ControlObservable;
  if (index >= observables)
    return makeError(ErrorCode::InvalidArgument, "there is no observable " + std::to_string(index) + ", but " +
                                                     std::to_string(observables) + " from 0 on");
  return wordAt(control, abi::ControlObservable + uint64_t(index));
}

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

uint64_t Occupancy::total() const {
  return uint64_t(empty) + published + claimed + done + waitIo + yield + requeue + fault + staging + unknown;
}

static uint32_t &countOf(Occupancy &occupancy, uint32_t status) {
  switch (status) {
  case uint32_t(abi::SlotStatus::Empty):
    return occupancy.empty;
  case uint32_t(abi::SlotStatus::Published):
    return occupancy.published;
  case uint32_t(abi::SlotStatus::Claimed):
    return occupancy.claimed;
  case uint32_t(abi::SlotStatus::Done):
    return occupancy.done;
  case uint32_t(abi::SlotStatus::Wait):
    return occupancy.waitIo;
  case uint32_t(abi::SlotStatus::Yield):
    return occupancy.yield;
  case uint32_t(abi::SlotStatus::Requeue):
    return occupancy.requeue;
  case uint32_t(abi::SlotStatus::Fault):
    return occupancy.fault;
  case Staging:
    return occupancy.staging;
  default:
    return occupancy.unknown;
  }
}

Expected<SlotsSnapshot> decodeSlots(std::span<const std::byte> bytes, uint64_t slotCount,
                                    std::span<const uint32_t> ticketOpcodes) {
  if (slotCount > MaxWireSlots)
    return makeError(ErrorCode::InvalidArgument, "an array of " + std::to_string(slotCount) +
                                                     " slots, but word indexes reach " + std::to_string(MaxWireSlots));
  if (bytes.size() % sizeof(abi::Slot) != 0)
    return makeError(ErrorCode::Malformed,
                     "slots of " + std::to_string(bytes.size()) + " bytes, but a slot has 64; pass all of the buffer");
  if (bytes.size() / sizeof(abi::Slot) != slotCount)
    return makeError(ErrorCode::Malformed, std::to_string(bytes.size() / sizeof(abi::Slot)) + " slots instead of " +
                                               std::to_string(slotCount) + "; pass all of the buffer");

  SlotsSnapshot snapshot;
  snapshot.slots.reserve(slotCount);
  std::map<std::pair<uint32_t, uint32_t>, TicketDemand> tickets;
  for (uint32_t i = 0; i < slotCount; ++i) {
    abi::Slot slot;
    std::memcpy(&slot, bytes.data() + uint64_t(i) * sizeof slot, sizeof slot);
    snapshot.slots.push_back({i, slot.status, slot.tenant, slot.opcode, {slot.args[0], slot.args[1], slot.args[2]}});
    ++countOf(snapshot.occupancy, slot.status);

    bool countsThere = slot.status != uint32_t(abi::SlotStatus::Empty) && slot.status < Staging;
    if (!countsThere || std::find(ticketOpcodes.begin(), ticketOpcodes.end(), slot.opcode) == ticketOpcodes.end())
      continue;
    uint32_t ticket = slot.args[0], kind = slot.args[1];
    auto [at, isNew] = tickets.try_emplace({ticket, slot.opcode}, TicketDemand{ticket, slot.opcode, slot.tenant});
    if (kind == 0)
      ++at->second.required;
    else if (kind == 1)
      ++at->second.lookahead;
  }
  for (const auto &[key, demand] : tickets)
    snapshot.tickets.push_back(demand);
  return snapshot;
}

//===----------------------------------------------------------------------===//
// What follows
//===----------------------------------------------------------------------===//

DerivedCounters deriveCounters(const ControlSnapshot &control, const Occupancy &occupancy) {
  DerivedCounters counters;
  counters.totalSlots = occupancy.total();
  counters.queueDepth = uint64_t(occupancy.published) + occupancy.claimed + occupancy.waitIo + occupancy.yield +
                        occupancy.requeue + occupancy.unknown;
  counters.freeSlots = occupancy.empty;
  auto part = [&](uint64_t slots, uint64_t whole) {
    return counters.totalSlots ? uint32_t(slots * whole / counters.totalSlots) : 0;
  };
  counters.freeSlotsPpm = part(counters.freeSlots, 1000000);
  counters.frontierDensityBps = part(counters.queueDepth, 10000);
  counters.occupancyBps = part(counters.totalSlots - occupancy.empty, 10000);
  counters.drainedSlots = control.doneCount;
  counters.unreclaimedDoneSlots = occupancy.done;
  uint32_t least = UINT32_MAX, greatest = 0;
  for (uint32_t fairness : control.tenantFairness) {
    counters.tenantFairnessTotal += fairness;
    if (fairness) {
      least = std::min(least, fairness);
      greatest = std::max(greatest, fairness);
    }
  }
  counters.tenantFairnessSkew = greatest ? greatest - least : 0;
  for (uint32_t fairness : control.priorityFairness)
    counters.priorityFairnessTotal += fairness;
  counters.requeueSlots = occupancy.requeue;
  counters.faultSlots = occupancy.fault;
  return counters;
}

ProgressSnapshot makeProgressSnapshot(const ControlSnapshot &control, const Occupancy &occupancy, double seconds) {
  ProgressSnapshot snapshot;
  snapshot.seconds = seconds;
  snapshot.doneCount = uint32_t(control.doneCount);
  snapshot.faultCount = control.faultCount;
  snapshot.heartbeat = control.heartbeat;
  snapshot.liveWorkers = control.liveWorkers;
  snapshot.schedulable = occupancy.schedulable();
  snapshot.blocked = std::min<uint64_t>(control.blockedHint, snapshot.schedulable);
  snapshot.running = uint64_t(occupancy.claimed) + occupancy.waitIo;
  return snapshot;
}

} // namespace mk
