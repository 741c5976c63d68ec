//===- PromotionTest.cpp - From hot to compiled ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <future>
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class PromotionTest : public testing::TestWithParam<bool> {
protected:
  void SetUp() override { journal.reset(); }
  void TearDown() override { EXPECT_EQ(journal.violations, 0u); }

  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  FakeOptions code;
  EngineOptions options = [] {
    EngineOptions options;
    options.heatHalfLife = 1e9;
    // Each test has one thing to see.
    options.promotion = {.mode = JitMode::Always, .check = false, .specialize = false};
    return options;
  }();

  std::unique_ptr<Engine> makeEngine() {
    std::unique_ptr<Device> device;
    if (GetParam())
      device = createHostDevice({3});
    else
      device = std::make_unique<FlakyDevice>(control, 3);
    auto engine = Engine::create(std::move(device), std::make_unique<FakeCode>(code), options);
    EXPECT_TRUE(engine) << engine.error().message;
    return std::move(*engine);
  }
};

using FailingPromotionTest = PromotionTest;
} // namespace

INSTANTIATE_TEST_SUITE_P(Devices, PromotionTest, testing::Values(true, false),
                         [](const auto &info) { return info.param ? "Host" : "Copying"; });
INSTANTIATE_TEST_SUITE_P(Devices, FailingPromotionTest, testing::Values(false),
                         [](const auto &info) { return "Copying"; });

/// 'count' slots fill(x[i], value + i).
static Batch fills(const Engine &engine, BufferHandle x, uint32_t count, int64_t value = 0) {
  Batch batch(engine.isa());
  for (uint32_t i = 0; i < count; ++i)
    EXPECT_TRUE(batch.add("fill", std::vector<Arg>{View{x, i, 1}, value + i}));
  return batch;
}

/// Those that wait take the places of those that are done; an interpreter's share is fixed.
TEST_P(FailingPromotionTest, ABlockKernelGetsMoreWorkgroupsThanRunAtOnce) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, {0});
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 200; ++i)
    EXPECT_TRUE(batch.add("bump", std::vector<Arg>{View{x}, int64_t(1)}));
  BatchResult cold = runBatch(*engine, batch);
  ASSERT_EQ(cold.runs.size(), 1u);
  EXPECT_EQ(cold.runs[0].workgroups, 16u);
  engine->waitForPromotions();
  BatchResult hot = runBatch(*engine, batch);
  ASSERT_EQ(hot.runs.size(), 1u);
  EXPECT_EQ(hot.runs[0].tier, Tier::Opcode);
  EXPECT_EQ(hot.runs[0].workgroups, 16u * 8);
}

TEST_P(PromotionTest, AHotOpcodeGoesLive) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(1000, -1));
  BatchResult cold = runBatch(*engine, fills(*engine, x, 7));
  EXPECT_FALSE(cold.recommendation.promoteHotOpcodes);
  engine->waitForPromotions();
  EXPECT_TRUE(engine->promotions().empty());

  BatchResult hot = runBatch(*engine, fills(*engine, x, 1000));
  EXPECT_TRUE(hot.recommendation.promoteHotOpcodes);
  ASSERT_EQ(hot.runs.size(), 1u);
  EXPECT_EQ(hot.runs[0].tier, Tier::Interpreter);
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 1u);
  EXPECT_EQ(promotions[0].tier, Tier::Opcode);
  EXPECT_EQ(promotions[0].what, "fill");
  EXPECT_EQ(promotions[0].state, PromotionState::Live);
  // Seven of them have decayed a little.
  EXPECT_NEAR(promotions[0].count, 1007, 1);
  EXPECT_EQ(promotions[0].threshold, 8u);
  EXPECT_EQ(promotions[0].ticket, hot.ticket);
  EXPECT_EQ(promotions[0].firstTicket, 0u);
  EXPECT_TRUE(promotions[0].evidence.isComplete());
  EXPECT_EQ(promotions[0].evidence.promotionRoute, PromotionRoute::OpcodeJit);
  EXPECT_EQ(promotions[0].evidence.hotOpcodeCount, hot.request.hotOpcodeCount);
  EXPECT_TRUE(promotions[0].error.empty());

  journal.reset();
  BatchResult live = runBatch(*engine, fills(*engine, x, 1000, 5));
  ASSERT_EQ(live.runs.size(), 1u);
  EXPECT_EQ(live.runs[0].tier, Tier::Opcode);
  EXPECT_EQ(live.runs[0].what, "fill");
  EXPECT_EQ(live.runs[0].slots, 1000u);
  EXPECT_EQ(journal.opcodeInstances, 1000u);
  EXPECT_EQ(journal.interpretedSlots, 0u);
  EXPECT_EQ(engine->promotions()[0].firstTicket, live.ticket);
  std::vector<int32_t> expected(1000);
  for (int32_t i = 0; i < 1000; ++i)
    expected[size_t(i)] = 5 + i;
  EXPECT_EQ(readBuffer(*engine, x, 1000), expected);
}

TEST_P(PromotionTest, SharedWordsAreStoredOnce) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(600, 0));
  runBatch(*engine, fills(*engine, x, 10));
  engine->waitForPromotions();
  // Buffer and count are shared; offset and value vary.
  runBatch(*engine, fills(*engine, x, 600));
  EXPECT_EQ(journal.sharedWords, 2u);
  EXPECT_EQ(journal.varyingWords, 2u);
  EXPECT_EQ(readBuffer(*engine, x, 600)[599], 599);

  // A word that differs in the last of many instances only.
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 600; ++i)
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{x, i, 1}, int64_t(i == 599 ? 2 : 1)}));
  runBatch(*engine, batch);
  EXPECT_EQ(journal.varyingWords, 2u);
  std::vector<int32_t> expected(600, 1);
  expected[599] = 2;
  EXPECT_EQ(readBuffer(*engine, x, 600), expected);

  // One instance shares all words.
  runBatch(*engine, fills(*engine, x, 1, 77));
  EXPECT_EQ(journal.sharedWords, 4u);
  EXPECT_EQ(readBuffer(*engine, x, 1)[0], 77);
}

TEST_P(PromotionTest, BadSlotsStayWithTheInterpreter) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0)),
               readOnly = makeBuffer(*engine, {1}, abi::AccessRead);
  BufferHandle foreign = makeBuffer(*engine, {1}, abi::AccessReadWrite, 1u << 7);
  runBatch(*engine, fills(*engine, x, 10));
  engine->waitForPromotions();
  journal.reset();

  Batch batch(engine->isa());
  std::vector<View> views = {{x, 0, 1},           {0, 0, 1},        {1000, 0, 1},    {x, 100, 1}, {x, 0, 101},
                             {x, 4294967295u, 1}, {readOnly, 0, 1}, {foreign, 0, 1}, {x, 99, 1},  {x, 100, 0}};
  for (View view : views)
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{view, int64_t(3)}));
  ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{foreign, 0, 1}, int64_t(3)}, 7));
  BatchResult result = runBatch(*engine, batch);
  EXPECT_EQ(journal.opcodeInstances, 4u);
  EXPECT_EQ(journal.interpretedSlots, 7u);
  std::vector<std::pair<uint32_t, uint32_t>> faults;
  for (const SlotFault &fault : result.faults)
    faults.push_back({fault.slot, fault.code});
  EXPECT_EQ(faults, (std::vector<std::pair<uint32_t, uint32_t>>{
                        {1, 0x90}, {2, 0x90}, {3, 0x91}, {4, 0x91}, {5, 0x91}, {6, 0x92}, {7, 0x41}}));
  ASSERT_EQ(result.runs.size(), 2u);
  EXPECT_EQ(result.runs[0].tier, Tier::Interpreter);
  EXPECT_EQ(result.runs[0].slots, 7u);
  EXPECT_EQ(result.runs[1].tier, Tier::Opcode);
  EXPECT_EQ(result.runs[1].slots, 4u);
  EXPECT_EQ(readBuffer(*engine, foreign, 1)[0], 3);
  EXPECT_EQ(readBuffer(*engine, readOnly, 1)[0], 1);
}

TEST_P(PromotionTest, FaultsOfBatchKernelsNameTheirSlots) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(8, 0));
  Batch warm(engine->isa());
  warm.addSlots(std::vector<abi::Slot>(20, makeSlot(Oops, {1})));
  runBatch(*engine, warm);
  engine->waitForPromotions();
  journal.reset();
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{x, i, 1}, int64_t(1)}));
    ASSERT_TRUE(batch.add("oops", std::vector<Arg>{int64_t(i)}));
  }
  BatchResult result = runBatch(*engine, batch);
  EXPECT_EQ(journal.opcodeInstances, 8u);
  EXPECT_EQ(journal.interpretedSlots, 8u);
  ASSERT_EQ(result.faults.size(), 8u);
  for (uint32_t i = 0; i < 8; ++i) {
    EXPECT_EQ(result.faults[i].slot, 2 * i + 1);
    EXPECT_EQ(result.faults[i].code, 0x80000000u + i);
  }
}

/// Windows fill(x, v) add(x, y, z) on four elements each, and as many behind them with an oops in the middle.
static Batch windows(const Engine &engine, BufferHandle x, BufferHandle y, BufferHandle z, uint32_t count,
                     bool faulting) {
  Batch batch(engine.isa());
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_TRUE(batch.addWindow("fill_add",
                                std::vector<Arg>{View{x, 4 * i, 4}, View{y, 4 * i, 4}, View{z, 4 * i, 4}, int64_t(i)}));
    if (!faulting)
      continue;
    uint32_t at = 4 * (count + i);
    std::vector<abi::Slot> slots = {makeSlot(Fill, {x, at, 4, i}), makeSlot(Oops, {i + 1000}),
                                    makeSlot(Add, {x, at, 4, y, at, 4, z, at, 4})};
    EXPECT_TRUE(batch.addWindow(slots));
  }
  return batch;
}

TEST_P(PromotionTest, AHotWindowGoesLive) {
  auto engine = makeEngine();
  constexpr uint32_t count = 300;
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(8 * count, 0));
  BufferHandle y = makeBuffer(*engine, std::vector<int32_t>(8 * count, 10));
  BufferHandle z = makeBuffer(*engine, std::vector<int32_t>(8 * count, 0));
  BatchResult cold = runBatch(*engine, windows(*engine, x, y, z, 3, false));
  EXPECT_FALSE(cold.recommendation.promoteHotWindows);
  BatchResult hot = runBatch(*engine, windows(*engine, x, y, z, 10, true));
  EXPECT_TRUE(hot.recommendation.promoteHotWindows);
  // Slots of windows are no evidence for their opcodes.
  EXPECT_FALSE(hot.recommendation.promoteHotOpcodes);
  EXPECT_EQ(hot.request.hotOpcodeCount, 0u);
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 2u);
  for (const Promotion &promotion : promotions) {
    EXPECT_EQ(promotion.tier, Tier::Window);
    EXPECT_EQ(promotion.state, PromotionState::Live) << promotion.error;
    EXPECT_EQ(promotion.threshold, 4u);
    EXPECT_EQ(promotion.evidence.promotionRoute, PromotionRoute::WindowJit);
  }
  // The hottest comes first.
  EXPECT_EQ(promotions[0].what, "fill(0,1) add(0,2,3) | 0=2=3");
  EXPECT_EQ(promotions[1].what, "fill(0,1) oops(2) add(0,3,4) | 0=3=4");

  journal.reset();
  BatchResult live = runBatch(*engine, windows(*engine, x, y, z, count, true));
  EXPECT_EQ(journal.windowInstances, 2u * count);
  EXPECT_EQ(journal.interpretedSlots, 0u);
  ASSERT_EQ(live.runs.size(), 2u);
  EXPECT_EQ(live.runs[0].tier, Tier::Window);
  EXPECT_EQ(live.runs[0].slots, 2u * count);
  EXPECT_EQ(live.runs[0].items, count);
  EXPECT_EQ(live.runs[1].slots, 3u * count);
  ASSERT_EQ(live.faults.size(), count);
  for (uint32_t i = 0; i < count; ++i) {
    EXPECT_EQ(live.faults[i].slot, 5 * i + 3);
    EXPECT_EQ(live.faults[i].code, 0x80000000u + 1000 + i);
  }
  std::vector<int32_t> expected;
  for (int32_t i = 0; i < int32_t(2 * count); ++i)
    expected.insert(expected.end(), 4, i % int32_t(count) + 10);
  EXPECT_EQ(readBuffer(*engine, z, 8 * count), expected);
}

TEST_P(PromotionTest, OtherWindowsStayWithTheInterpreter) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(64, 0)),
               y = makeBuffer(*engine, std::vector<int32_t>(64, 0));
  BufferHandle z = makeBuffer(*engine, std::vector<int32_t>(64, 0));
  runBatch(*engine, windows(*engine, x, y, z, 8, false));
  engine->waitForPromotions();
  journal.reset();

  auto window = [](View a, View b, View c) { return std::vector<Arg>{a, b, c, int64_t(1)}; };
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.addWindow("fill_add", window({x, 0, 4}, {y, 0, 4}, {z, 0, 4})));
  // Unequal extents; overlap; a bad handle in the second slot; the live kind again, with another tenant.
  ASSERT_TRUE(batch.addWindow("fill_add", window({x, 4, 4}, {y, 4, 4}, {z, 4, 3})));
  ASSERT_TRUE(batch.addWindow("fill_add", window({x, 8, 4}, {x, 10, 4}, {z, 8, 4})));
  ASSERT_TRUE(batch.addWindow("fill_add", window({x, 16, 4}, {99, 0, 4}, {z, 16, 4})));
  ASSERT_TRUE(batch.addWindow("fill_add", window({x, 20, 8}, {y, 20, 8}, {z, 20, 8}), 3));
  BatchResult result = runBatch(*engine, batch);
  EXPECT_EQ(journal.windowInstances, 2u);
  EXPECT_EQ(journal.interpretedSlots, 6u);
  ASSERT_EQ(result.faults.size(), 1u);
  EXPECT_EQ(result.faults[0].slot, 7u);
  EXPECT_EQ(result.faults[0].code, uint32_t(abi::FaultCode::BufferHandle));
  EXPECT_EQ(readBuffer(*engine, x, 28)[16], 1);
}

TEST_P(PromotionTest, BlockOpcodesAndWideArguments) {
  auto engine = makeEngine();
  BufferHandle wide = *engine->allocate(ElementType::I64, 50);
  auto puts = [&](uint64_t base) {
    Batch batch(engine->isa());
    for (uint32_t i = 0; i < 50; ++i)
      EXPECT_TRUE(batch.add("put", std::vector<Arg>{View{wide, i, 1}, base + i}));
    return batch;
  };
  runBatch(*engine, puts(0));
  engine->waitForPromotions();
  journal.reset();
  BatchResult result = runBatch(*engine, puts(0x100000000));
  EXPECT_EQ(journal.opcodeInstances, 50u);
  ASSERT_EQ(result.runs.size(), 1u);
  EXPECT_EQ(result.runs[0].workgroupSize, engine->device().maxWorkgroupSize);
  std::vector<uint64_t> elements(50);
  ASSERT_TRUE(engine->read(wide, 0, std::as_writable_bytes(std::span(elements))));
  for (uint64_t i = 0; i < 50; ++i)
    EXPECT_EQ(elements[i], 0x100000000 + i);
}

TEST_P(PromotionTest, PublishingDoesNotWaitForTheCompiler) {
  std::promise<void> gate;
  code.beforeCompile = [opened = gate.get_future().share()](const std::string &) -> Expected<void> {
    opened.wait();
    return {};
  };
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  for (int i = 0; i < 20; ++i) {
    BatchResult result = runBatch(*engine, fills(*engine, x, 100));
    ASSERT_EQ(result.runs.size(), 1u);
    EXPECT_EQ(result.runs[0].tier, Tier::Interpreter);
  }
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 1u);
  EXPECT_NE(promotions[0].state, PromotionState::Live);
  gate.set_value();
  engine->waitForPromotions();
  EXPECT_EQ(runBatch(*engine, fills(*engine, x, 100)).runs[0].tier, Tier::Opcode);
}

TEST_P(PromotionTest, AFailureIsDearerTheNextTimeAndFinalWhenRepeated) {
  std::atomic<int> attempts = 0;
  code.beforeCompile = [&](const std::string &what) -> Expected<void> {
    ++attempts;
    return makeError(ErrorCode::CompileFailed, "cannot compile " + what);
  };
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(runBatch(*engine, fills(*engine, x, 100)).faults.empty());
    engine->waitForPromotions();
  }
  EXPECT_EQ(attempts, 2);
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 2u);
  for (const Promotion &promotion : promotions) {
    EXPECT_EQ(promotion.state, PromotionState::Failed);
    EXPECT_EQ(promotion.error, "cannot compile fill");
  }
  EXPECT_EQ(journal.opcodeInstances, 0u);
  std::vector<std::string> story;
  for (const PromotionEvent &event : engine->promotionEvents())
    story.push_back(std::to_string(event.promotion) + " " + stringifyPromotionState(event.state) + " " +
                    event.why.substr(0, event.why.find_first_of("0123456789:")));
  EXPECT_EQ(story, (std::vector<std::string>{"0 queued ", "0 failed cannot compile fill",
                                             "0 failed the next attempt must be worth ", "1 queued ",
                                             "1 failed cannot compile fill", "1 failed failed twice in the same way"}));
}

TEST_P(FailingPromotionTest, AFailedLoadIsRecorded) {
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  {
    std::lock_guard lock(control->mutex);
    control->load = Error{ErrorCode::Unsupported, "the driver is too old"};
  }
  runBatch(*engine, fills(*engine, x, 100));
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 1u);
  EXPECT_EQ(promotions[0].state, PromotionState::Failed);
  EXPECT_EQ(promotions[0].error, "the driver is too old");
  EXPECT_EQ(runBatch(*engine, fills(*engine, x, 100)).runs[0].tier, Tier::Interpreter);
}

TEST_P(FailingPromotionTest, ALostDeviceEndsWhatIsQueued) {
  std::promise<void> gate;
  code.beforeCompile = [opened = gate.get_future().share()](const std::string &) -> Expected<void> {
    opened.wait();
    return {};
  };
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  runBatch(*engine, fills(*engine, x, 100));
  Batch oops(engine->isa());
  oops.addSlots(std::vector<abi::Slot>(50, makeSlot(Oops, {1})));
  runBatch(*engine, oops);
  {
    std::lock_guard lock(control->mutex);
    control->run = Error{ErrorCode::DeviceFailed, "gone"};
  }
  EXPECT_FALSE(engine->wait(*engine->submit(oops)));
  gate.set_value();
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 2u);
  EXPECT_EQ(promotions[1].state, PromotionState::Failed);
  EXPECT_EQ(promotions[1].error, "gone");
}

TEST_P(PromotionTest, NothingIsPromotedWhenSwitchedOff) {
  options.promotion.mode = JitMode::Off;
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  EXPECT_TRUE(runBatch(*engine, fills(*engine, x, 100)).recommendation.promoteHotOpcodes);
  engine->waitForPromotions();
  EXPECT_TRUE(engine->promotions().empty());
}

TEST_P(PromotionTest, AThresholdOfZeroPromotesWhatIsMet) {
  options.policy.hotOpcodeThreshold = 0;
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, {0});
  runBatch(*engine, fills(*engine, x, 1));
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 1u);
  EXPECT_EQ(promotions[0].what, "fill");
  EXPECT_FALSE(promotions[0].evidence.isComplete());
}

// Nothing is hot by count, but the queue is long.
TEST_P(PromotionTest, ALongQueuePromotesItsMostFrequentOpcode) {
  options.policy.hotOpcodeThreshold = 1000000;
  options.policy.jitQueueLenThreshold = 100;
  auto engine = makeEngine();
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  BatchResult shorter = runBatch(*engine, fills(*engine, x, 90));
  EXPECT_EQ(shorter.recommendation.executionMode, ExecutionMode::Interpreter);
  engine->waitForPromotions();
  EXPECT_TRUE(engine->promotions().empty());

  Batch batch = fills(*engine, x, 60);
  batch.addSlots(std::vector<abi::Slot>(50, makeSlot(Oops, {1})));
  BatchResult longer = runBatch(*engine, batch);
  EXPECT_EQ(longer.recommendation.executionMode, ExecutionMode::Jit);
  EXPECT_FALSE(longer.recommendation.promoteHotOpcodes);
  engine->waitForPromotions();
  // Again: what the batch has most of is promoted already, the other is left alone.
  EXPECT_EQ(runBatch(*engine, batch).runs.back().what, "fill");
  engine->waitForPromotions();
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 1u);
  EXPECT_EQ(promotions[0].what, "fill");
  EXPECT_EQ(promotions[0].state, PromotionState::Live);
  EXPECT_EQ(promotions[0].threshold, 100u);
  EXPECT_EQ(promotions[0].evidence.queueLen, 110u);
  EXPECT_EQ(promotions[0].evidence.promotionRoute, PromotionRoute::QueueJit);
}

// All tiers at once, batch after batch, while code goes live between them.
TEST_P(PromotionTest, TiersMixWithoutLosingASlot) {
  auto engine = makeEngine();
  constexpr uint32_t count = 200;
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(8 * count, 0));
  BufferHandle y = makeBuffer(*engine, std::vector<int32_t>(8 * count, 100));
  BufferHandle z = makeBuffer(*engine, std::vector<int32_t>(8 * count, 0));
  BufferHandle f = makeBuffer(*engine, std::vector<int32_t>(count, 0));
  for (uint32_t round = 0; round < 30; ++round) {
    Batch batch = windows(*engine, x, y, z, count, round % 2);
    uint32_t inWindows = uint32_t(batch.size());
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{f, i, 1}, int64_t(round + i)}));
      ASSERT_TRUE(batch.add("oops", std::vector<Arg>{int64_t(round)}));
    }
    BatchResult result = runBatch(*engine, batch);
    uint64_t slots = 0;
    for (const TierRun &run : result.runs)
      slots += run.slots;
    ASSERT_EQ(slots, batch.size());
    ASSERT_EQ(result.faults.size(), count + (round % 2 ? count : 0));
    for (const SlotFault &fault : result.faults) {
      bool window = fault.slot < inWindows;
      ASSERT_EQ(fault.slot % 5, window ? 3 : fault.slot % 5);
      ASSERT_EQ(fault.code, 0x80000000u + (window ? 1000 + fault.slot / 5 : round));
    }
    std::vector<int32_t> filled = readBuffer(*engine, f, count);
    for (uint32_t i = 0; i < count; ++i)
      ASSERT_EQ(filled[i], int32_t(round + i));
  }
  engine->waitForPromotions();
  EXPECT_EQ(engine->promotions().size(), 4u);
}

} // namespace mk::test
