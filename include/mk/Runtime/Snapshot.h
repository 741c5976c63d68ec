//===- Snapshot.h - What control words and slots say ------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decoders of the bytes that control words and arrays of slots have on the wire. They take any bytes: what they cannot
// be is an error, and nothing is guessed. The debug log is decoded by decodeDebugLog().
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_SNAPSHOT_H
#define MK_RUNTIME_SNAPSHOT_H

#include "mk/Runtime/Error.h"
#include "mk/Runtime/Watchdog.h"
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mk {

/// The control words before the observables. Counters are modulo 2^32 unless they say otherwise.
struct ControlSnapshot {
  /// How often an opcode from 0 to 31 ran.
  struct Metric {
    uint32_t opcode = 0;
    uint32_t count = 0;
    bool operator==(const Metric &) const = default;
  };

  uint32_t shutdown = 0;
  uint32_t epoch = 0;
  /// Those that are not 0, by opcode.
  std::vector<Metric> metrics;
  std::array<uint32_t, 32> tenantFairness{};
  std::array<uint32_t, 5> priorityFairness{};
  /// 0 when the words below are not in use.
  uint32_t abi = 0;
  uint32_t heartbeat = 0;
  uint32_t liveWorkers = 0;
  uint32_t faultCount = 0;
  /// The slot of the first fault + 1, and its code; 0 for none.
  uint32_t firstFaultSlot = 0;
  uint32_t firstFaultCode = 0;
  uint32_t debugDropped = 0;
  /// 64 bits: the high half is 0 while nothing maintains it.
  uint64_t doneCount = 0;
  uint32_t agedPromotions = 0;
  /// Slots that could not run when all slots were looked at last.
  uint32_t blockedHint = 0;
  /// Words that follow.
  uint64_t observables = 0;
};

/// Malformed for bytes that are no whole words, or fewer than 640.
Expected<ControlSnapshot> decodeControl(std::span<const std::byte> control);
/// Observable number 'index'. Malformed as above, InvalidArgument when there is no such observable.
Expected<uint32_t> decodeObservable(std::span<const std::byte> control, uint32_t index);

/// Slots by status.
struct Occupancy {
  uint32_t empty = 0, published = 0, claimed = 0, done = 0, waitIo = 0, yield = 0, requeue = 0, fault = 0;
  /// Being written by one of several publishers.
  uint32_t staging = 0;
  /// Statuses that mean nothing.
  uint32_t unknown = 0;

  uint64_t total() const;
  /// Slots that a worker may take.
  uint64_t schedulable() const { return uint64_t(published) + yield + requeue; }
  bool operator==(const Occupancy &) const = default;
};

/// Slots that share a ticket (spec section 8): what is wanted, and what is fetched ahead.
struct TicketDemand {
  uint32_t ticket = 0;
  uint32_t opcode = 0;
  /// Of the first slot.
  uint32_t tenant = 0;
  uint32_t required = 0;
  uint32_t lookahead = 0;
  bool operator==(const TicketDemand &) const = default;
};

struct SlotsSnapshot {
  struct Row {
    uint32_t index = 0, status = 0, tenant = 0, opcode = 0;
    /// The first three argument words.
    std::array<uint32_t, 3> args{};
    bool operator==(const Row &) const = default;
  };
  std::vector<Row> slots;
  Occupancy occupancy;
  /// By ticket, then by opcode.
  std::vector<TicketDemand> tickets;
};

/// The most slots that an array may have: word indexes have 32 bits.
inline constexpr uint32_t MaxWireSlots = 268435455;

/// Decodes an array of 'slotCount' slots. The slots of 'ticketOpcodes' carry tickets; those that are EMPTY are not
/// counted there. Malformed for bytes that are no whole slots, or not as many, InvalidArgument for more than
/// MaxWireSlots.
Expected<SlotsSnapshot> decodeSlots(std::span<const std::byte> bytes, uint64_t slotCount,
                                    std::span<const uint32_t> ticketOpcodes = {});

/// Counters that follow from a snapshot. ppm are millionths, bps ten-thousandths of all slots, rounded down; without
/// slots all are 0.
struct DerivedCounters {
  uint64_t totalSlots = 0;
  /// Slots that have not ended; those in FAULT have.
  uint64_t queueDepth = 0;
  uint64_t freeSlots = 0;
  uint32_t freeSlotsPpm = 0;
  /// Of the queue depth.
  uint32_t frontierDensityBps = 0;
  /// Of the slots that are not EMPTY.
  uint32_t occupancyBps = 0;
  uint64_t drainedSlots = 0;
  uint64_t unreclaimedDoneSlots = 0;
  uint64_t tenantFairnessTotal = 0;
  /// Between the greatest and the least that is not 0.
  uint32_t tenantFairnessSkew = 0;
  uint64_t priorityFairnessTotal = 0;
  uint64_t requeueSlots = 0;
  uint64_t faultSlots = 0;
  bool operator==(const DerivedCounters &) const = default;
};
DerivedCounters deriveCounters(const ControlSnapshot &control, const Occupancy &occupancy);

/// What the watchdog wants to know, seen at 'seconds'.
ProgressSnapshot makeProgressSnapshot(const ControlSnapshot &control, const Occupancy &occupancy, double seconds);

} // namespace mk

#endif // MK_RUNTIME_SNAPSHOT_H
