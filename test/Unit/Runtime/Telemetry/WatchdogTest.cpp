//===- WatchdogTest.cpp - Is there progress? ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Watchdog.h"
#include "Allocations.h"
#include <gtest/gtest.h>

namespace mk::test {

/// Four workers with 10 slots before them, two seconds after 'before' and with a heartbeat since.
static const ProgressSnapshot before = {
    .seconds = 10, .doneCount = 100, .faultCount = 3, .heartbeat = 50, .liveWorkers = 4, .schedulable = 10};
static ProgressSnapshot later() {
  ProgressSnapshot after = before;
  after.seconds += 2;
  ++after.heartbeat;
  return after;
}
static Health judge(const ProgressSnapshot &after, const WatchdogOptions &options = {}) {
  return judgeProgress(before, after, options).health;
}

TEST(Watchdog, HealthyWhenSlotsEnd) {
  ProgressSnapshot after = later();
  after.doneCount = 105;
  EXPECT_EQ(judgeProgress(before, after), (WatchdogVerdict{Health::Healthy, false, 5}));
  // Whatever else there is to see.
  after.heartbeat = before.heartbeat;
  after.blocked = after.schedulable;
  EXPECT_EQ(judge(after), Health::Healthy);
}

TEST(Watchdog, CountersWrapAround) {
  ProgressSnapshot first = before, after = later();
  first.doneCount = 0xFFFFFFFE;
  after.doneCount = 3;
  EXPECT_EQ(judgeProgress(first, after), (WatchdogVerdict{Health::Healthy, false, 5}));
  after.doneCount = first.doneCount;
  first.heartbeat = 0xFFFFFFFF;
  after.heartbeat = 0;
  EXPECT_EQ(judgeProgress(first, after).health, Health::Livelock);
  first.faultCount = 0xFFFFFFFF;
  after.faultCount = 0;
  EXPECT_TRUE(judgeProgress(first, after).faulted);
}

TEST(Watchdog, IdleWithoutWork) {
  ProgressSnapshot after = later();
  after.schedulable = 0;
  EXPECT_EQ(judge(after), Health::Idle);
  // A slot that runs is work.
  after.running = 1;
  EXPECT_EQ(judge(after), Health::Livelock);
}

TEST(Watchdog, BlockedWhenNothingThatWaitsMayRun) {
  ProgressSnapshot after = later();
  after.blocked = 10;
  EXPECT_EQ(judge(after), Health::Blocked);
  after.seconds = before.seconds;
  EXPECT_EQ(judge(after), Health::Blocked);
  after = later();
  after.blocked = 9;
  EXPECT_EQ(judge(after), Health::Livelock);
}

TEST(Watchdog, LivelockTakesTime) {
  ProgressSnapshot after = later();
  EXPECT_EQ(judge(after), Health::Livelock);
  EXPECT_EQ(judge(after, {.patience = 2}), Health::Livelock);
  EXPECT_EQ(judge(after, {.patience = 2.5}), Health::Healthy);
  // The clock went back.
  after.seconds = 3;
  EXPECT_EQ(judge(after), Health::Healthy);
}

TEST(Watchdog, DeadWhenNobodyLooks) {
  ProgressSnapshot after = later();
  after.heartbeat = before.heartbeat;
  EXPECT_EQ(judge(after), Health::Dead);
  EXPECT_EQ(judge(after, {.patience = 2.5}), Health::Healthy);
  after.blocked = 10;
  EXPECT_EQ(judge(after), Health::Dead);
  after.schedulable = after.blocked = 0;
  EXPECT_EQ(judge(after), Health::Dead);
  EXPECT_EQ(judge(after, {.workersSleep = true}), Health::Idle);
  after.running = 1;
  EXPECT_EQ(judge(after, {.workersSleep = true}), Health::Dead);
}

TEST(Watchdog, IncompleteWhenWorkersLeftWorkBehind) {
  ProgressSnapshot after = later();
  after.liveWorkers = 0;
  after.doneCount += 90;
  EXPECT_EQ(judge(after), Health::Incomplete);
  after.blocked = 10;
  EXPECT_EQ(judge(after), Health::Blocked);
  after.running = 1;
  EXPECT_EQ(judge(after), Health::Incomplete);
  after.running = after.blocked = after.schedulable = 0;
  EXPECT_EQ(judge(after), Health::Healthy);
  after.doneCount = before.doneCount;
  EXPECT_EQ(judge(after), Health::Idle);
}

TEST(Watchdog, FaultsAreToldBesideTheVerdict) {
  for (uint32_t workers : {0u, 4u})
    for (uint32_t done : {100u, 101u}) {
      ProgressSnapshot after = later();
      after.liveWorkers = workers;
      after.doneCount = done;
      WatchdogVerdict without = judgeProgress(before, after);
      after.faultCount = 4;
      WatchdogVerdict with = judgeProgress(before, after);
      EXPECT_FALSE(without.faulted);
      EXPECT_TRUE(with.faulted);
      EXPECT_EQ(with.health, without.health);
    }
}

TEST(Watchdog, VerdictsHaveNames) {
  const char *names[] = {"healthy", "idle", "blocked", "livelock", "dead", "incomplete"};
  for (size_t i = 0; i < std::size(names); ++i)
    EXPECT_STREQ(stringifyHealth(Health(i)), names[i]);
  EXPECT_STREQ(stringifyHealth(Health(6)), "unknown");
}

TEST(Watchdog, DoesNotAllocate) {
  uint64_t count = allocations();
  judgeProgress(before, later());
  EXPECT_EQ(allocations(), count);
}

} // namespace mk::test
