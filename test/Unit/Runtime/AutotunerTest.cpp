//===- AutotunerTest.cpp - The cheapest of a few values -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Autotuner.h"
#include "FakeCode.h"
#include <gtest/gtest.h>
#include <map>

namespace mk::test {

static Autotuner makeTuner(std::vector<uint32_t> candidates) {
  return Autotuner(std::move(candidates),
                   [](auto values, auto costs) { return LaunchPolicy().autotuneWorkgroupSize(values, costs, 77); });
}

/// 'count' dispatches of so many slots, with these costs. How often each value was used.
static std::map<uint32_t, uint32_t> drive(Autotuner &tuner, uint32_t count, uint64_t slots,
                                          std::map<uint32_t, double> costs) {
  std::map<uint32_t, uint32_t> used;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t value = tuner.choose(slots);
    ++used[value];
    tuner.record(costs.at(value));
  }
  return used;
}

TEST(Autotuner, TriesAllThenTakesTheCheapest) {
  Autotuner tuner = makeTuner({64, 128, 256});
  std::map<uint32_t, double> costs = {{64, 3}, {128, 1}, {256, 2}};
  std::map<uint32_t, uint32_t> each = {{64, 3}, {128, 3}, {256, 3}};
  EXPECT_EQ(drive(tuner, 9, 100, costs), each);
  EXPECT_EQ(tuner.choose(100), 128u);
  EXPECT_FALSE(tuner.onTrial());
  tuner.record(1);
  // The others get a trial now and then, each in turn.
  std::map<uint32_t, uint32_t> later = drive(tuner, 4 * Autotuner::RetrialPeriod, 100, costs);
  EXPECT_EQ(later[64], 2u);
  EXPECT_EQ(later[256], 2u);
  EXPECT_EQ(later[128], 4 * Autotuner::RetrialPeriod - 4);
}

TEST(Autotuner, FollowsWhatChanges) {
  Autotuner tuner = makeTuner({64, 128});
  drive(tuner, 20, 100, {{64, 1}, {128, 2}});
  EXPECT_EQ(tuner.choose(100), 64u);
  tuner.record(1);
  drive(tuner, 20, 100, {{64, 3}, {128, 2}});
  EXPECT_EQ(tuner.choose(100), 128u);
  // One cost out of line does not turn it.
  tuner.record(2.5);
  EXPECT_EQ(tuner.choose(100), 128u);
  tuner.forget();
  tuner.choose(100);
  EXPECT_TRUE(tuner.onTrial());
}

TEST(Autotuner, SizesAreTunedApart) {
  Autotuner tuner = makeTuner({64, 128});
  drive(tuner, 10, 100, {{64, 1}, {128, 2}});
  drive(tuner, 10, 100000, {{64, 2}, {128, 1}});
  EXPECT_EQ(tuner.choose(100), 64u);
  EXPECT_EQ(tuner.choose(127), 64u);
  EXPECT_EQ(tuner.choose(100000), 128u);
}

TEST(Autotuner, WithoutCandidatesTheSelectorDecides) {
  Autotuner tuner = makeTuner({});
  EXPECT_EQ(tuner.choose(5), 77u);
  tuner.record(1);
  EXPECT_EQ(tuner.choose(5), 77u);
  EXPECT_FALSE(tuner.onTrial());
}

//===----------------------------------------------------------------------===//
// In the engine
//===----------------------------------------------------------------------===//

static std::unique_ptr<Engine> makeEngine(std::unique_ptr<Device> device) {
  EngineOptions options;
  options.promotion.mode = JitMode::Off;
  options.autotune = true;
  options.policy.minHitCapacity = 1;
  auto engine = Engine::create(std::move(device), std::make_unique<FakeCode>(), options);
  EXPECT_TRUE(engine) << engine.error().message;
  // A better interpreter would let it forget.
  (*engine)->waitForPromotions();
  return std::move(*engine);
}

TEST(AutotuneEngine, TriesWorkgroupSizesOnLaneAndBlockLaunches) {
  auto control = std::make_shared<FlakyDevice::Control>();
  auto engine = makeEngine(std::make_unique<FlakyDevice>(control));
  BufferHandle x = makeBuffer(*engine, {0, 0});
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(2000, makeSlot(Oops, {1})));
  batch.addSlots(std::vector<abi::Slot>(30, makeSlot(Put, {x, 0, 0, 1, 0})));
  std::map<uint32_t, uint32_t> sizes;
  for (int i = 0; i < 9; ++i) {
    BatchResult result = runBatch(*engine, batch);
    uint32_t size = result.request.maxWorkgroupSizeX;
    ++sizes[size];
    // As many threads as at full width.
    EXPECT_EQ(result.request.requestedWorkerGroups * size, 16u * 256u);
    ASSERT_EQ(result.runs.size(), 2u);
    EXPECT_EQ(result.runs[0].workgroupSize, result.recommendation.geometry.workgroupSizeX);
    EXPECT_LE(result.runs[0].workgroupSize, size);
    EXPECT_EQ(result.runs[1].workgroupSize, size);
  }
  EXPECT_EQ(sizes, (std::map<uint32_t, uint32_t>{{64, 3}, {128, 3}, {256, 3}}));
}

TEST(AutotuneEngine, AnOverflowOfHitsRaisesTheMultiplier) {
  auto engine = makeEngine(createHostDevice({2}));
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 50; ++i)
    batch.addSlots(std::vector{makeSlot(Emit, {3, i})});
  std::map<uint32_t, uint64_t> dropped;
  for (int i = 0; i < 9; ++i) {
    BatchResult result = runBatch(*engine, batch);
    EXPECT_EQ(result.request.maxWorkgroupSizeX, 1u);
    EXPECT_EQ(result.recommendation.hitCapacity, 50 * result.hitCapacityMultiplier);
    dropped[result.hitCapacityMultiplier] = result.hitsDropped;
  }
  EXPECT_EQ(dropped, (std::map<uint32_t, uint64_t>{{1, 100}, {2, 50}, {4, 0}}));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(runBatch(*engine, batch).hitCapacityMultiplier, 4u);
}

} // namespace mk::test
