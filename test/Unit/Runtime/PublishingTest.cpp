//===- PublishingTest.cpp - Back-pressure and priorities ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <future>
#include <gtest/gtest.h>
#include <thread>

namespace mk::test {

namespace {
/// An engine whose device stands still until open() is called.
class PublishingTest : public testing::Test {
protected:
  void SetUp() override {
    journal.reset();
    control->beforeRun = [this, opened = gate.get_future().share()] {
      ++started;
      opened.wait();
    };
    options.promotion.mode = JitMode::Off;
  }

  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  std::promise<void> gate;
  std::atomic<uint32_t> started = 0;
  EngineOptions options;
  std::unique_ptr<Engine> engine;

  void start() {
    auto made = Engine::create(std::make_unique<FlakyDevice>(control), std::make_unique<FakeCode>(), options);
    ASSERT_TRUE(made) << made.error().message;
    engine = std::move(*made);
  }
  void open() { gate.set_value(); }
  Batch batch(uint32_t slots) {
    Batch batch(engine->isa());
    batch.addSlots(std::vector<abi::Slot>(slots, makeSlot(Oops, {1})));
    return batch;
  }
  Ticket submit(const Batch &batch, SubmitOptions submit = {}) {
    Expected<Ticket> ticket = engine->submit(batch, submit);
    EXPECT_TRUE(ticket) << ticket.error().message;
    return ticket ? *ticket : 0;
  }
  /// Submits a batch and waits until it is on the device.
  Ticket occupy(uint32_t slots) {
    uint32_t before = started;
    Ticket ticket = submit(batch(slots));
    while (started == before)
      std::this_thread::yield();
    return ticket;
  }
};
} // namespace

// 16 worker groups of 16 lanes make 256 lanes; four waves of them are 1024 slots.
static constexpr uint32_t Limit = 1024;

TEST_F(PublishingTest, ASaturatedQueueIsBusy) {
  start();
  EXPECT_FALSE(engine->lastRecommendation());
  SubmitOptions impatient;
  impatient.wait = false;
  Ticket first = occupy(2000);
  ASSERT_TRUE(engine->lastRecommendation());
  EXPECT_EQ(engine->lastRecommendation()->pressure, QueuePressure::Saturated);
  // Nothing waits: a batch of any size is taken.
  submit(batch(5000), impatient);
  Expected<Ticket> refused = engine->submit(batch(1), impatient);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Busy);
  EXPECT_EQ(refused.error().message,
            "the queue is saturated: 5000 slots wait, the limit is 1024; submit later, or with "
            "SubmitOptions::wait");
  open();
  ASSERT_TRUE(engine->wait(first));
  Expected<BatchResult> second = engine->wait(2);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->faults.size(), 5000u);
  // The queue is empty, so there is room, and tickets go on without a gap.
  EXPECT_EQ(submit(batch(1), impatient), 3u);
}

TEST_F(PublishingTest, PublishersWaitForRoom) {
  start();
  occupy(2000);
  submit(batch(Limit - 1));
  // One slot below the limit is room still.
  submit(batch(1));
  std::atomic<bool> taken = false;
  std::thread publisher([&] {
    submit(batch(1));
    taken = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(taken);
  open();
  publisher.join();
  EXPECT_TRUE(engine->wait(4));
}

TEST_F(PublishingTest, AQueueThatIsNotSaturatedTakesEverything) {
  options.policy.saturatedWaves = 1000;
  start();
  occupy(2000);
  SubmitOptions impatient;
  impatient.wait = false;
  for (int i = 0; i < 10; ++i)
    submit(batch(2000), impatient);
  open();
  EXPECT_TRUE(engine->wait(11));
}

TEST_F(PublishingTest, TheBacklogIsPartOfTheQueue) {
  start();
  occupy(10);
  submit(batch(20));
  submit(batch(30));
  open();
  EXPECT_EQ(engine->wait(1)->request.queueLen, 10u);
  EXPECT_EQ(engine->wait(2)->request.queueLen, 50u);
  EXPECT_EQ(engine->wait(3)->request.queueLen, 30u);
}

TEST_F(PublishingTest, OthersHitsDoNotRefuseABatch) {
  options.memoryBudget = 800 << 10;
  options.policy.memoryPressureThresholdBps = 10000;
  start();
  occupy(10);
  submit(batch(1000));
  // 576 kB of hits: those of what waits behind would be too much.
  SubmitOptions hungry;
  hungry.expectedHitsPerItem = 20;
  submit(batch(900), hungry);
  submit(batch(500));
  open();
  Expected<BatchResult> result = engine->wait(3);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->request.queueLen, 1400u);
  EXPECT_EQ(result->recommendation.hitCapacity, 900 * 20 * 2u);
  EXPECT_TRUE(engine->wait(2));
  EXPECT_TRUE(engine->wait(4));
}

TEST_F(PublishingTest, TheFrontierIsTheBatch) {
  start();
  occupy(10);
  SubmitOptions graph;
  graph.graph = GraphHint{1000, 0, 0};
  submit(batch(20), graph);
  submit(batch(900));
  open();
  Expected<BatchResult> result = engine->wait(2);
  EXPECT_EQ(result->request.queueLen, 920u);
  EXPECT_EQ(result->request.frontierDensityBps, 200u);
}

TEST_F(PublishingTest, ALostDeviceWakesPublishers) {
  start();
  occupy(2000);
  submit(batch(2000));
  auto publisher = std::async(std::launch::async, [&] { return engine->submit(batch(1)); });
  {
    std::lock_guard lock(control->mutex);
    control->run = Error{ErrorCode::DeviceFailed, "gone"};
  }
  open();
  // Whether the batch got in before the device was lost is a matter of luck; that the call returns is not.
  Expected<Ticket> ticket = publisher.get();
  EXPECT_FALSE(ticket && engine->wait(*ticket));
}

TEST_F(PublishingTest, ShutdownWakesPublishers) {
  start();
  occupy(2000);
  submit(batch(2000));
  Batch one = batch(1);
  std::promise<void> entering;
  auto publisher = std::async(std::launch::async, [&, engine = engine.get()] {
    entering.set_value();
    return engine->submit(one);
  });
  entering.get_future().wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto destroyed = std::async(std::launch::async, [&] { engine.reset(); });
  Expected<Ticket> ticket = publisher.get();
  ASSERT_FALSE(ticket);
  EXPECT_EQ(ticket.error().code, ErrorCode::Closed);
  open();
  destroyed.get();
  EXPECT_EQ(journal.interpretedSlots, 4000u);
}

//===----------------------------------------------------------------------===//
// Priorities
//===----------------------------------------------------------------------===//

TEST_F(PublishingTest, UrgentBatchesOvertake) {
  start();
  BufferHandle x = makeBuffer(*engine, {0});
  auto fill = [&](int64_t value) {
    Batch batch(engine->isa());
    EXPECT_TRUE(batch.add("fill", std::vector<Arg>{View{x, 0, 1}, value}));
    return batch;
  };
  SubmitOptions urgent, idle;
  urgent.ordered = idle.ordered = false;
  urgent.priority = 0;
  idle.priority = 4;
  occupy(1);
  Ticket slow = submit(fill(1), idle), normal = submit(fill(2)), fast = submit(fill(3), urgent);
  auto read = std::async(std::launch::async, [&] { return readBuffer(*engine, x, 1); });
  open();
  Expected<BatchResult> fastResult = engine->wait(fast);
  EXPECT_EQ(fastResult->request.requeueCount, 2u);
  EXPECT_EQ(fastResult->request.maxPriorityAge, 1u);
  EXPECT_TRUE(fastResult->recommendation.agePriorityWork);
  EXPECT_TRUE(engine->wait(normal));
  EXPECT_TRUE(engine->wait(slow));
  // The idle batch came last, and a read sees all that was submitted before it.
  EXPECT_EQ(read.get(), std::vector<int32_t>{1});
  PriorityRequeueAccounting accounting = engine->priorityAccounting();
  EXPECT_EQ(accounting.requeueCount, 3u);
  EXPECT_GE(accounting.agedPromotions, 2u);
}

TEST_F(PublishingTest, APriorityBeyondTheLevelsIsRefused) {
  start();
  SubmitOptions wrong;
  wrong.priority = 5;
  Expected<Ticket> ticket = engine->submit(batch(1), wrong);
  ASSERT_FALSE(ticket);
  EXPECT_EQ(ticket.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(ticket.error().message, "SubmitOptions::priority is 5, but priorities are 0 to 4");
}

} // namespace mk::test
