//===- HitsTest.cpp - What bodies append ----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class HitsTest : public testing::TestWithParam<bool> {
protected:
  void SetUp() override {
    journal.reset();
    options.heatHalfLife = 1e9;
    options.promotion.mode = JitMode::Always;
    options.promotion.check = options.promotion.specialize = false;
  }
  void TearDown() override { EXPECT_EQ(journal.violations, 0u); }

  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  EngineOptions options;

  std::unique_ptr<Engine> makeEngine() {
    std::unique_ptr<Device> device = GetParam() ? createHostDevice({3}) : std::make_unique<FlakyDevice>(control, 3);
    auto engine = Engine::create(std::move(device), std::make_unique<FakeCode>(), options);
    EXPECT_TRUE(engine) << engine.error().message;
    return std::move(*engine);
  }
};
} // namespace

INSTANTIATE_TEST_SUITE_P(Devices, HitsTest, testing::Values(true, false),
                         [](const auto &info) { return info.param ? "Host" : "Copying"; });

/// Lone slots, and windows with a slot between that appends nothing.
static Batch emits(const Engine &engine, BufferHandle x, uint32_t count, std::vector<Hit> &expected) {
  Batch batch(engine.isa());
  expected.clear();
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t at = uint32_t(batch.size()), hits = i % 3;
    batch.addSlots(std::vector{makeSlot(Emit, {hits, 1000 + i})});
    EXPECT_TRUE(batch.addWindow(std::vector{makeSlot(Emit, {1, 1000 + i}), makeSlot(Fill, {x, i, 1, 5000 + i}),
                                            makeSlot(Emit, {2, 1000 + i})}));
    for (uint32_t n = 0; n < hits; ++n)
      expected.push_back({at, {1000 + i, n, 0}});
    expected.push_back({at + 1, {1000 + i, 0, 0}});
    expected.push_back({at + 3, {1000 + i, 0, 0}});
    expected.push_back({at + 3, {1000 + i, 1, 0}});
  }
  return batch;
}

TEST_P(HitsTest, EveryTierNamesItsSlots) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(500, 0));
  std::vector<Hit> expected;
  BatchResult cold = runBatch(*engine, emits(*engine, x, 30, expected));
  ASSERT_EQ(cold.runs.size(), 1u);
  EXPECT_EQ(cold.hits, expected);
  EXPECT_EQ(cold.hitsDropped, 0u);
  engine->waitForPromotions();
  journal.reset();
  BatchResult hot = runBatch(*engine, emits(*engine, x, 500, expected));
  EXPECT_EQ(journal.interpretedSlots, 0u);
  EXPECT_EQ(hot.runs.size(), 2u);
  EXPECT_EQ(hot.hits, expected);
  EXPECT_EQ(hot.hitsDropped, 0u);
}

TEST_P(HitsTest, WhatDoesNotFitIsCounted) {
  auto engine = makeEngine();
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 100; ++i)
    batch.addSlots(std::vector{makeSlot(Emit, {2, i})});
  SubmitOptions submit;
  submit.requestedHitCapacity = 30;
  BatchResult result = runBatch(*engine, batch, submit);
  EXPECT_EQ(result.recommendation.hitCapacity, 30u);
  EXPECT_EQ(result.hits.size(), 30u);
  EXPECT_EQ(result.hitsDropped, 170u);
  for (const Hit &hit : result.hits)
    EXPECT_EQ(hit.slot, hit.values[0]);
  // The next batch has its room to itself.
  submit.requestedHitCapacity = 200;
  result = runBatch(*engine, batch, submit);
  EXPECT_EQ(result.hits.size(), 200u);
  EXPECT_EQ(result.hitsDropped, 0u);
}

TEST_P(HitsTest, TheExpectationSizesTheBuffer) {
  auto engine = makeEngine();
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(1000, makeSlot(Emit, {8, 1})));
  SubmitOptions submit;
  submit.expectedHitsPerItem = 8;
  BatchResult result = runBatch(*engine, batch, submit);
  EXPECT_EQ(result.request.expectedHitsPerItem, 8u);
  EXPECT_EQ(result.recommendation.hitCapacity, 16000u);
  EXPECT_EQ(result.hitCapacityMultiplier, 2u);
  EXPECT_EQ(result.hits.size(), 8000u);
  EXPECT_EQ(result.hitsDropped, 0u);
}

TEST_P(HitsTest, WithoutRoomEverythingIsDropped) {
  options.policy.hitCapacityMultiplier = 0;
  options.policy.minHitCapacity = 0;
  auto engine = makeEngine();
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(10, makeSlot(Emit, {2, 1})));
  BatchResult result = runBatch(*engine, batch);
  EXPECT_EQ(result.recommendation.hitCapacity, 0u);
  EXPECT_TRUE(result.hits.empty());
  EXPECT_EQ(result.hitsDropped, 20u);
}

TEST_P(HitsTest, NothingIsSpentWhereNothingEmits) {
  auto engine = makeEngine();
  Batch silent(engine->isa()), batch(engine->isa());
  silent.addSlots(std::vector<abi::Slot>(10, makeSlot(Oops, {1})));
  batch.addSlots(std::vector<abi::Slot>(10, makeSlot(Emit, {1, 1})));
  SubmitOptions submit;
  submit.requestedHitCapacity = 100000;
  BatchResult first = runBatch(*engine, silent, submit), second = runBatch(*engine, silent, submit);
  EXPECT_TRUE(second.hits.empty());
  EXPECT_LT(second.request.residentDeviceBytes, 100000u);
  // The hit buffer is kept, but belongs to no one's resident bytes.
  runBatch(*engine, batch, submit);
  EXPECT_EQ(runBatch(*engine, batch, submit).request.residentDeviceBytes, second.request.residentDeviceBytes);
  if (!GetParam()) {
    std::lock_guard lock(control->mutex);
    EXPECT_EQ(control->lastLaunches[0].params.hitCapacity, 100000u);
  }
  runBatch(*engine, silent, submit);
  if (!GetParam()) {
    std::lock_guard lock(control->mutex);
    EXPECT_EQ(control->lastLaunches[0].params.hits, 0u);
  }
}

// The topology MemoryConstrained: nothing is allocated ahead.
TEST_P(HitsTest, ScarceMemoryIsNotReserved) {
  uint64_t resident[2];
  for (bool scarce : {false, true}) {
    options.policy.memoryPressureThresholdBps = scarce ? 0 : 8500;
    auto engine = makeEngine();
    Batch batch(engine->isa());
    batch.addSlots(std::vector<abi::Slot>(1000, makeSlot(Emit, {1, 1})));
    EXPECT_EQ(runBatch(*engine, batch).recommendation.topology == DispatchTopology::MemoryConstrained, scarce);
    resident[scarce] = runBatch(*engine, batch).request.residentDeviceBytes;
  }
  EXPECT_LT(resident[1], resident[0]);
}

TEST_P(HitsTest, HitsCountAgainstTheBudget) {
  options.memoryBudget = 1 << 20;
  auto engine = makeEngine();
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(10, makeSlot(Emit, {1, 1})));
  SubmitOptions submit;
  submit.requestedHitCapacity = 1 << 16;
  Expected<BatchResult> refused = engine->wait(*engine->submit(batch, submit));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::OutOfMemory);
  submit.requestedHitCapacity = 40000;
  for (int i = 0; i < 3; ++i) {
    BatchResult result = runBatch(*engine, batch, submit);
    EXPECT_EQ(result.hits.size(), 10u);
    EXPECT_LE(result.recommendation.estimatedPeakDeviceBytes, options.memoryBudget);
  }
}

} // namespace mk::test
