//===- SnapshotTest.cpp - What control words and slots say ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Snapshot.h"
#include "mk/Runtime/Abi.h"
#include <gtest/gtest.h>
#include <random>

namespace mk::test {

using Words = std::vector<uint32_t>;

static std::span<const std::byte> bytesOf(const Words &words) { return std::as_bytes(std::span(words)); }
template <typename T> static std::string message(const Expected<T> &result) {
  return result ? "" : result.error().message;
}

/// Words of slots with these statuses.
static Words slotsWith(std::initializer_list<uint32_t> statuses) {
  Words words;
  for (uint32_t status : statuses) {
    Words slot = {status, 64, 7, 2, 10, 11, 12};
    slot.resize(abi::SlotWords);
    words.insert(words.end(), slot.begin(), slot.end());
  }
  return words;
}

TEST(ControlSnapshot, HasEveryWordInItsPlace) {
  Words words(160 + 3);
  for (uint32_t i = 0; i < words.size(); ++i)
    words[i] = i >= 96 && i < 128 ? (i == 99) * 5 : 1000 + i;
  Expected<ControlSnapshot> control = decodeControl(bytesOf(words));
  ASSERT_TRUE(control);
  EXPECT_EQ(control->shutdown, 1000u);
  EXPECT_EQ(control->epoch, 1128u);
  EXPECT_EQ(control->metrics, (std::vector<ControlSnapshot::Metric>{{3, 5}}));
  EXPECT_EQ(control->tenantFairness[0], 1064u);
  EXPECT_EQ(control->tenantFairness[31], 1095u);
  EXPECT_EQ(control->priorityFairness, (std::array<uint32_t, 5>{1136, 1137, 1138, 1139, 1140}));
  EXPECT_EQ(control->abi, 1141u);
  EXPECT_EQ(control->heartbeat, 1142u);
  EXPECT_EQ(control->liveWorkers, 1143u);
  EXPECT_EQ(control->faultCount, 1144u);
  EXPECT_EQ(control->firstFaultSlot, 1145u);
  EXPECT_EQ(control->firstFaultCode, 1146u);
  EXPECT_EQ(control->debugDropped, 1147u);
  EXPECT_EQ(control->doneCount, uint64_t(1148) << 32 | 1001);
  EXPECT_EQ(control->agedPromotions, 1149u);
  EXPECT_EQ(control->blockedHint, 1150u);
  EXPECT_EQ(control->observables, 3u);
}

TEST(ControlSnapshot, Observables) {
  Words words(162);
  words[161] = 77;
  EXPECT_EQ(decodeObservable(bytesOf(words), 0), 0u);
  EXPECT_EQ(decodeObservable(bytesOf(words), 1), 77u);
  EXPECT_EQ(message(decodeObservable(bytesOf(words), 2)), "there is no observable 2, but 2 from 0 on");
  // 160 + index is 0 modulo 2^32.
  EXPECT_NE(message(decodeObservable(bytesOf(words), 0u - 160)), "");
  EXPECT_NE(message(decodeObservable(bytesOf(words), ~0u)), "");
}

TEST(ControlSnapshot, RefusesWhatIsNone) {
  EXPECT_EQ(message(decodeControl(bytesOf(Words(159)))),
            "control words of 636 bytes, but there are 640 or more; pass all of the buffer");
  EXPECT_EQ(message(decodeControl(bytesOf(Words(161)).first(642))),
            "control words of 642 bytes, but a word has 4; pass all of the buffer");
  EXPECT_EQ(message(decodeControl({})), "control words of 0 bytes, but there are 640 or more; pass all of the buffer");
}

TEST(SlotsSnapshot, HasRowsAndOccupancy) {
  Expected<SlotsSnapshot> slots = decodeSlots(bytesOf(slotsWith({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, ~0u})), 12);
  ASSERT_TRUE(slots);
  EXPECT_EQ(slots->slots[9], (SlotsSnapshot::Row{9, 9, 7, 64, {10, 11, 12}}));
  EXPECT_EQ(slots->occupancy, (Occupancy{.empty = 1,
                                         .published = 2,
                                         .claimed = 1,
                                         .done = 1,
                                         .waitIo = 1,
                                         .yield = 1,
                                         .requeue = 1,
                                         .fault = 1,
                                         .staging = 1,
                                         .unknown = 2}));
  EXPECT_EQ(slots->occupancy.total(), 12u);
  EXPECT_TRUE(decodeSlots({}, 0)->slots.empty());
}

TEST(SlotsSnapshot, RefusesWhatIsNone) {
  Words words = slotsWith({1, 2});
  EXPECT_EQ(message(decodeSlots(bytesOf(words), 3)), "2 slots instead of 3; pass all of the buffer");
  EXPECT_EQ(message(decodeSlots(bytesOf(words), 1)), "2 slots instead of 1; pass all of the buffer");
  EXPECT_EQ(message(decodeSlots(bytesOf(words).first(100), 2)),
            "slots of 100 bytes, but a slot has 64; pass all of the buffer");
  EXPECT_EQ(message(decodeSlots({}, 268435456)), "an array of 268435456 slots, but word indexes reach 268435455");
}

TEST(SlotsSnapshot, GroupsTickets) {
  // Status, opcode, tenant, ticket, kind.
  const uint32_t rows[][5] = {{1, 90, 4, 8, 0}, {3, 90, 5, 8, 1}, {7, 90, 5, 8, 2}, {0, 90, 4, 8, 0}, {8, 90, 4, 8, 0},
                              {1, 80, 6, 8, 0}, {2, 90, 6, 3, 1}, {1, 70, 4, 8, 0}, {1, 90, 4, 8, 0}};
  Words words;
  for (const auto &[status, opcode, tenant, ticket, kind] : rows) {
    Words slot = {status, opcode, tenant, 2, ticket, kind};
    slot.resize(abi::SlotWords);
    words.insert(words.end(), slot.begin(), slot.end());
  }
  const uint32_t opcodes[] = {90, 80};
  Expected<SlotsSnapshot> slots = decodeSlots(bytesOf(words), std::size(rows), opcodes);
  ASSERT_TRUE(slots);
  EXPECT_EQ(slots->tickets, (std::vector<TicketDemand>{{3, 90, 6, 0, 1}, {8, 80, 6, 1, 0}, {8, 90, 4, 2, 1}}));
  EXPECT_TRUE(decodeSlots(bytesOf(words), std::size(rows))->tickets.empty());
}

/// The golden values of the wire format.
TEST(DerivedCounters, FourSlots) {
  Words control(160);
  control[1] = 7;
  control[64 + 2] = 3;
  control[64 + 9] = 9;
  control[136] = 5;
  DerivedCounters counters =
      deriveCounters(*decodeControl(bytesOf(control)), decodeSlots(bytesOf(slotsWith({6, 3, 1, 0})), 4)->occupancy);
  EXPECT_EQ(counters, (DerivedCounters{.totalSlots = 4,
                                       .queueDepth = 2,
                                       .freeSlots = 1,
                                       .freeSlotsPpm = 250000,
                                       .frontierDensityBps = 5000,
                                       .occupancyBps = 7500,
                                       .drainedSlots = 7,
                                       .unreclaimedDoneSlots = 1,
                                       .tenantFairnessTotal = 12,
                                       .tenantFairnessSkew = 6,
                                       .priorityFairnessTotal = 5,
                                       .requeueSlots = 1,
                                       .faultSlots = 0}));
}

TEST(DerivedCounters, AFaultIsNoWork) {
  DerivedCounters counters = deriveCounters({}, {.published = 1, .fault = 3, .staging = 1, .unknown = 1});
  EXPECT_EQ(counters.queueDepth, 2u);
  EXPECT_EQ(counters.faultSlots, 3u);
  EXPECT_EQ(counters.totalSlots, 6u);
}

TEST(DerivedCounters, NoSlotsAndVeryMany) {
  EXPECT_EQ(deriveCounters({}, {}), DerivedCounters());
  Occupancy most;
  most.empty = most.published = most.claimed = most.done = most.unknown = UINT32_MAX;
  DerivedCounters counters = deriveCounters({}, most);
  EXPECT_EQ(counters.totalSlots, 5 * uint64_t(UINT32_MAX));
  EXPECT_EQ(counters.freeSlotsPpm, 200000u);
  EXPECT_EQ(counters.frontierDensityBps, 6000u);
  ControlSnapshot control;
  control.tenantFairness.fill(UINT32_MAX);
  control.tenantFairness[3] = 1;
  counters = deriveCounters(control, {});
  EXPECT_EQ(counters.tenantFairnessTotal, 31 * uint64_t(UINT32_MAX) + 1);
  EXPECT_EQ(counters.tenantFairnessSkew, UINT32_MAX - 1);
}

TEST(Snapshots, TheWatchdogSeesThem) {
  Words words(160);
  words[1] = 9;
  words[142] = 3;
  words[143] = 4;
  words[144] = 2;
  words[150] = 50;
  Occupancy occupancy = decodeSlots(bytesOf(slotsWith({1, 5, 6, 2, 4, 7, 3})), 7)->occupancy;
  ProgressSnapshot progress = makeProgressSnapshot(*decodeControl(bytesOf(words)), occupancy, 12);
  EXPECT_EQ(progress.seconds, 12);
  EXPECT_EQ(progress.doneCount, 9u);
  EXPECT_EQ(progress.heartbeat, 3u);
  EXPECT_EQ(progress.liveWorkers, 4u);
  EXPECT_EQ(progress.faultCount, 2u);
  EXPECT_EQ(progress.schedulable, 3u);
  EXPECT_EQ(progress.blocked, 3u);
  EXPECT_EQ(progress.running, 2u);
}

TEST(Snapshots, TakeAnyBytes) {
  std::mt19937 rng(7);
  std::vector<std::byte> bytes(64 * 20);
  const uint32_t opcodes[] = {1, 2};
  for (int round = 0; round < 20; ++round) {
    // Small words in every second round, so that they mean something.
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = std::byte(round % 2 == 0 ? rng() : i % 4 == 0 ? rng() % 10 : 0);
    for (size_t size = 0; size <= bytes.size(); ++size) {
      auto part = std::span<const std::byte>(bytes).first(size);
      Expected<ControlSnapshot> control = decodeControl(part);
      EXPECT_EQ(control.has_value(), size % 4 == 0 && size >= 640);
      EXPECT_EQ(decodeObservable(part, 3).has_value(), size % 4 == 0 && size >= 656);
      Expected<SlotsSnapshot> slots = decodeSlots(part, size / 64, opcodes);
      EXPECT_EQ(slots.has_value(), size % 64 == 0);
      EXPECT_FALSE(decodeSlots(part, size / 64 + 1, opcodes));
      if (!slots)
        continue;
      EXPECT_EQ(slots->occupancy.total(), size / 64);
      DerivedCounters counters = deriveCounters(control.value_or(ControlSnapshot()), slots->occupancy);
      EXPECT_LE(counters.queueDepth, counters.totalSlots);
      EXPECT_LE(counters.frontierDensityBps, 10000u);
    }
  }
}

} // namespace mk::test
