//===- JobQueueTest.cpp - Who is next -------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "JobQueue.h"
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class JobQueueTest : public testing::Test {
protected:
  JobQueue queue;
  Ticket last = 0;

  Ticket push(uint32_t priority, bool ordered = false, size_t slots = 1) {
    Job job;
    job.ticket = ++last;
    job.slots.resize(slots);
    job.options.priority = priority;
    job.options.ordered = ordered;
    queue.push(std::move(job));
    return last;
  }
  /// 0 stands for an action.
  std::vector<Ticket> drain() {
    std::vector<Ticket> order;
    while (!queue.empty())
      order.push_back(queue.take().ticket);
    return order;
  }
  void pushAction() {
    Job job;
    job.action = [] {};
    queue.push(std::move(job));
  }
};
} // namespace

TEST_F(JobQueueTest, OrderedBatchesKeepTheirOrder) {
  for (uint32_t priority : {4, 0, 2, 0})
    push(priority, true);
  EXPECT_EQ(drain(), (std::vector<Ticket>{1, 2, 3, 4}));
  EXPECT_EQ(queue.backlog().requeueCount, 0u);
}

TEST_F(JobQueueTest, UnorderedBatchesGoByPriorityThenByAge) {
  for (uint32_t priority : {4, 2, 0, 2, 0})
    push(priority);
  EXPECT_EQ(drain(), (std::vector<Ticket>{3, 5, 2, 4, 1}));
}

TEST_F(JobQueueTest, OneOrderedBatchAtATimeCompetes) {
  push(3, true);
  push(0, true);
  push(2);
  push(4);
  // 3 is more urgent than 1, behind which 2 has to wait.
  EXPECT_EQ(drain(), (std::vector<Ticket>{3, 1, 2, 4}));
}

TEST_F(JobQueueTest, NothingPassesAnAction) {
  push(4);
  pushAction();
  push(0);
  pushAction();
  pushAction();
  push(1, true);
  EXPECT_EQ(drain(), (std::vector<Ticket>{1, 0, 2, 0, 0, 3}));
}

TEST_F(JobQueueTest, TheBacklogCountsWhatWaits) {
  push(4, false, 10);
  push(3, true, 20);
  push(0, false, 5);
  EXPECT_EQ(queue.slots(), 35u);
  EXPECT_EQ(queue.take().ticket, 3u);
  Backlog backlog = queue.backlog();
  EXPECT_EQ(backlog.slots, 30u);
  EXPECT_EQ(backlog.requeueCount, 2u);
  EXPECT_EQ(backlog.maxPriorityAge, 1u);
  queue.age();
  backlog = queue.backlog();
  EXPECT_EQ(backlog.requeueCount, 0u);
  EXPECT_EQ(backlog.maxPriorityAge, 0u);
  EXPECT_EQ(queue.accounting(), (PriorityRequeueAccounting{2, 2, 1}));
  drain();
  EXPECT_EQ(queue.slots(), 0u);
}

// The bound of Engine.h: an idle batch is overtaken four times, however many critical ones come.
TEST_F(JobQueueTest, IdleWorkProgresses) {
  for (uint32_t priority = 0; priority < abi::PriorityLevels; ++priority) {
    Ticket slow = push(priority);
    uint32_t overtaken = 0;
    push(0);
    while (queue.take().ticket != slow) {
      ++overtaken;
      if (queue.backlog().requeueCount)
        queue.age();
      push(0);
      ASSERT_LE(overtaken, priority);
    }
    EXPECT_EQ(overtaken, priority);
    drain();
    queue.age();
  }
}

} // namespace mk::test
