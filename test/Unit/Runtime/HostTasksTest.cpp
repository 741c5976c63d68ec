//===- HostTasksTest.cpp - What becomes of the words of a resumable slot ---===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "resident/HostTasks.h"
#include <gtest/gtest.h>

namespace mk {

namespace {
/// An engine whose lines end at once, with what the test says.
class HostTasksTest : public testing::Test {
protected:
  void SetUp() override {
    HostTasks::Engine engine;
    engine.linesHaveEnded = [this](PublishTicket &) {
      epoch += epochsWhileItRuns;
      return true;
    };
    engine.takeFaults = [this](const PublishTicket &, std::vector<SlotFault> &faults) {
      if (!answers.empty()) {
        if (answers.front().code)
          faults.push_back(answers.front());
        answers.erase(answers.begin());
      }
    };
    engine.refuse = [this](const HostTask &) { return refusal; };
    engine.publish = [this](const HostTask &task) {
      runs.push_back(task);
      return std::optional(PublishTicket{});
    };
    engine.epoch = [this] { return std::optional(epoch.load()); };
    engine.store = [](const abi::Slot &, std::span<const std::byte>) { return SlotFault{}; };
    engine.giveBack = [this](uint32_t) { ++credits; };
    tasks.emplace(std::move(engine), 16, /*ageThreshold=*/2, /*first=*/100);
  }
  static SlotFault suspension(abi::Suspension kind, uint32_t value, uint32_t entry, uint32_t data) {
    return {0, abi::suspensionCode(kind, value) | entry, data};
  }
  /// Runs a slot with these words, answers and priority; gives its fault, or none.
  std::string run(std::vector<uint32_t> words, std::vector<SlotFault> given, uint8_t priority = 2) {
    HostTask task;
    task.slot.opcode = 64;
    std::copy(words.begin(), words.end(), task.slot.args);
    task.entries = 3;
    task.priority = priority;
    PublishTicket::Range range;
    {
      std::lock_guard lock(tasks->mutex);
      runs.clear();
      answers = std::move(given);
      EXPECT_TRUE(tasks->makeReady(std::span(&task, 1)));
      range = tasks->add(std::span(&task, 1));
    }
    while (!tasks->haveEnded(range))
      std::this_thread::yield();
    std::vector<SlotFault> faults;
    tasks->takeFaults(range, faults);
    return faults.empty() ? "none" : describeFault(faults[0]);
  }
  std::vector<uint32_t> wordsOf(size_t run) const {
    return {runs.at(run).slot.args + abi::ContinuationPc, runs.at(run).slot.args + abi::SlotArgWords};
  }

  // Guarded by the mutex of the tasks while one runs.
  std::vector<SlotFault> answers;
  std::vector<HostTask> runs;
  uint32_t epochsWhileItRuns = 0;
  SlotFault refusal{};
  std::atomic<uint32_t> epoch = 0;
  std::atomic<uint32_t> credits = 0;
  std::optional<HostTasks> tasks;
};
using Words = std::vector<uint32_t>;
} // namespace

TEST_F(HostTasksTest, EachSuspensionLeavesItsWords) {
  epoch = 5;
  EXPECT_EQ(run({10, 11, 12, 1, 7, 0, 70, 71}, {suspension(abi::Suspension::Yield, 0, 2, 8),
                                                suspension(abi::Suspension::Requeue, 4, 1, 9),
                                                suspension(abi::Suspension::Wait, 0, 0, 10),
                                                {}}),
            "none");
  ASSERT_EQ(runs.size(), 4u);
  //                            entry data epoch task parent age requeues yields flags
  EXPECT_EQ(wordsOf(0), (Words{1, 7, 0, 70, 71, 0, 0, 0, 0}));
  EXPECT_EQ(wordsOf(1), (Words{2, 8, 0, 70, 71, 0, 0, 1, abi::FlagYielded}));
  EXPECT_EQ(wordsOf(2), (Words{1, 9, 0, 70, 71, 1, 1, 1, abi::FlagRequeued}));
  EXPECT_EQ(wordsOf(3), (Words{0, 10, 5, 70, 71, 1, 1, 1, abi::FlagResumeReady}));
  for (const HostTask &task : runs) {
    EXPECT_EQ(task.slot.args[0], 10u);
    EXPECT_EQ(task.slot.args[2], 12u);
  }
  EXPECT_EQ(credits, 1u);
  EXPECT_EQ(tasks->resumables().yields, 1u);
  EXPECT_EQ(tasks->resumables().requeues, 1u);
  EXPECT_EQ(tasks->resumables().waits, 1u);
}

TEST_F(HostTasksTest, EpochsWrapAround) {
  epoch = 0xFFFFFFFF;
  std::thread later([this] {
    while (tasks->resumables().paused == 0)
      std::this_thread::yield();
    for (int i = 0; i < 2; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      EXPECT_EQ(tasks->resumables().paused, 1u);
      ++epoch;
    }
  });
  EXPECT_EQ(run({}, {suspension(abi::Suspension::Wait, 2, 1, 0), {}}), "none");
  later.join();
  EXPECT_EQ(wordsOf(1)[2], 1u);
}

TEST_F(HostTasksTest, AnEpochThatEndsWhileTheSlotRunsIsNotMissed) {
  epochsWhileItRuns = 1;
  EXPECT_EQ(run({}, {suspension(abi::Suspension::Wait, 1, 1, 0), {}}), "none");
  EXPECT_EQ(runs.size(), 2u);
}

TEST_F(HostTasksTest, AgeRaisesThePriority) {
  std::vector<SlotFault> requeues(5, suspension(abi::Suspension::Requeue, 3, 0, 0));
  requeues.push_back(suspension(abi::Suspension::Requeue, 0, 0, 0));
  EXPECT_EQ(run({}, requeues), "none");
  std::vector<uint32_t> priorities, ages;
  for (const HostTask &task : runs) {
    priorities.push_back(task.priority);
    ages.push_back(task.slot.args[abi::AgeTicks]);
  }
  // The threshold is 2; nothing is above priority 0.
  EXPECT_EQ(priorities, (Words{2, 3, 2, 3, 2, 3, 0}));
  EXPECT_EQ(ages, (Words{0, 1, 0, 1, 0, 1, 2}));
  EXPECT_EQ(tasks->resumables().aged, 2u);
}

TEST_F(HostTasksTest, WhatCannotGoOnEndsInFault) {
  EXPECT_EQ(run({}, {suspension(abi::Suspension::Yield, 0, 3, 0)}), "continuation_pc (0x71) at entry 3");
  std::vector<uint32_t> words(abi::SlotArgWords);
  words[abi::YieldCount] = UINT32_MAX;
  EXPECT_EQ(run(words, {suspension(abi::Suspension::Yield, 0, 0, 0)}), "counter_overflow (0x72) at 4294967295");
  words[abi::RequeueCount] = UINT32_MAX;
  EXPECT_EQ(run(words, {suspension(abi::Suspension::Requeue, 0, 0, 0)}), "counter_overflow (0x72) at 4294967295");
  EXPECT_EQ(runs.size(), 1u);
  EXPECT_EQ(run({}, {{0, uint32_t(abi::FaultCode::Fuel), 4}}), "fuel (0xa0) after iteration 4");
  EXPECT_EQ(credits, 4u);
  refusal = {0, uint32_t(abi::FaultCode::TenantRight), 0};
  EXPECT_EQ(run({}, {}), "tenant_right (0x41) on buffer or right 0");
  EXPECT_TRUE(runs.empty());
}

TEST_F(HostTasksTest, WhatIsGivenUpEndsInFault) {
  std::thread later([this] {
    while (tasks->resumables().paused == 0)
      std::this_thread::yield();
    tasks->abandonResumables();
  });
  EXPECT_EQ(run({}, {suspension(abi::Suspension::Wait, 1, 1, 0)}), "task_state (0x70) with flags 1");
  later.join();
}

} // namespace mk
