//===- PromotionManagerTest.cpp - What gets code, and keeps it -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace mk::test {

namespace {
class PromotionManagerTest : public testing::Test {
protected:
  void SetUp() override {
    journal.reset();
    options.heatHalfLife = 1e9;
    options.promotion.mode = JitMode::Always;
    options.promotion.specialize = false;
  }

  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  FakeOptions code;
  EngineOptions options;
  std::unique_ptr<Engine> engine;
  BufferHandle x = 0;

  /// Opens the engine, with a buffer x of 4096 zeros.
  void open() {
    auto created = Engine::create(std::make_unique<FlakyDevice>(control, 3), std::make_unique<FakeCode>(code), options);
    ASSERT_TRUE(created) << created.error().message;
    engine = std::move(*created);
    x = makeBuffer(*engine, std::vector<int32_t>(4096, 0));
  }
  /// 'count' slots fill(x[4i .. 4i+3], value + i), and what became of them.
  BatchResult fill(uint32_t count, int64_t value, uint32_t extent = 4) {
    Batch batch(engine->isa());
    for (uint32_t i = 0; i < count; ++i)
      EXPECT_TRUE(batch.add("fill", std::vector<Arg>{View{x, 4 * i, extent}, value + i}));
    BatchResult result = runBatch(*engine, batch);
    std::vector<int32_t> elements = readBuffer(*engine, x, 4 * count);
    for (uint32_t i = 0; i < count; ++i)
      EXPECT_EQ(elements[4 * i], value + i);
    engine->waitForPromotions();
    return result;
  }
  Promotion last() const { return engine->promotions().back(); }
  std::string story(size_t promotion) const {
    std::string text;
    for (const PromotionEvent &event : engine->promotionEvents())
      if (event.promotion == promotion)
        text += std::string(text.empty() ? "" : " ") + stringifyPromotionState(event.state);
    return text;
  }
};
} // namespace

/// fill(view, value) that writes one too many when the value is at least 1000.
static void fillWrongly(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  const auto *columns = reinterpret_cast<const abi::ArgColumn *>(params->input);
  const auto *rows = reinterpret_cast<const abi::BufferEntry *>(params->buffers);
  for (uint64_t i = begin; i < end; ++i) {
    uint32_t words[4];
    for (uint32_t k = 0; k < 4; ++k)
      words[k] = *reinterpret_cast<const uint32_t *>(params->input + columns[k].offset + i * columns[k].stride);
    auto *elements = reinterpret_cast<int32_t *>(rows[words[0]].base) + words[1];
    for (uint32_t k = 0; k < words[2]; ++k)
      elements[k] = int32_t(words[3]) + (words[3] >= 1000 ? 1 : 0);
  }
}

static std::string contents(const std::filesystem::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

TEST_F(PromotionManagerTest, CodeIsCheckedOnCopiesBeforeItGoesLive) {
  open();
  Batch bumps(engine->isa());
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(bumps.add("bump", std::vector<Arg>{View{x, 0, 0}, int64_t(1)}));
  runBatch(*engine, bumps);
  engine->waitForPromotions();
  EXPECT_EQ(last().state, PromotionState::Checking);
  BatchResult live = runBatch(*engine, bumps);
  EXPECT_EQ(live.runs.at(0).tier, Tier::Opcode);
  EXPECT_EQ(last().state, PromotionState::Live);
  EXPECT_EQ(last().checked, 8u);
  EXPECT_EQ(story(0), "queued checking live");
  // The check ran 16 of them and left no trace.
  EXPECT_EQ(readBuffer(*engine, x, 1)[0], 40);
}

TEST_F(PromotionManagerTest, CodeThatDisagreesNeverGoesLive) {
  code.substitute = [](const CompileRequest &, HostKernelFn) { return fillWrongly; };
  code.source = "the isa\n";
  std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "mk-reproducers";
  std::filesystem::remove_all(folder);
  options.promotion.reproducers = folder.string();
  open();
  for (int i = 0; i < 5; ++i)
    for (const TierRun &run : fill(100, 5000 + i).runs)
      EXPECT_EQ(run.tier, Tier::Interpreter);
  ASSERT_EQ(engine->promotions().size(), 1u);
  EXPECT_EQ(last().state, PromotionState::Mismatched);
  EXPECT_EQ(last().error, "element 0 of buffer 3 (i32) is 0x138a, but the interpreter makes it 0x1389; reproducer: " +
                              (folder / "mismatch-0").string());
  EXPECT_EQ(contents(folder / "mismatch-0" / "isa.mlir"), "the isa\n");
  EXPECT_EQ(contents(folder / "mismatch-0" / "b3.raw").size(), 16u);
  std::string workload = contents(folder / "mismatch-0" / "workload.json");
  EXPECT_NE(workload.find(R"("op": "fill", "args": [{"buffer": "b3", "offset": 0, "count": 4}, 5001])"),
            std::string::npos)
      << workload;
}

TEST_F(PromotionManagerTest, WithoutSourceThereIsNoReproducer) {
  code.substitute = [](const CompileRequest &, HostKernelFn) { return fillWrongly; };
  options.promotion.reproducers = testing::TempDir();
  open();
  fill(100, 5000);
  fill(100, 5000);
  EXPECT_NE(last().error.find("no reproducer: the code provider has no text of the ISA"), std::string::npos);
}

TEST_F(PromotionManagerTest, AFolderThatCannotBeMadeIsSaid) {
  code.substitute = [](const CompileRequest &, HostKernelFn) { return fillWrongly; };
  code.source = "the isa\n";
  options.promotion.reproducers = "/dev/null/x";
  open();
  fill(100, 5000);
  fill(100, 5000);
  EXPECT_NE(last().error.find("no reproducer: cannot make a folder in '/dev/null/x': "), std::string::npos);
}

// The bug needs rare data: it shows in no instance that the code is checked with.
TEST_F(PromotionManagerTest, BatchesThatRunOnBothTiersFindWhatIsRare) {
  code.substitute = [](const CompileRequest &, HostKernelFn) { return fillWrongly; };
  options.promotion.verifyEvery = 1;
  open();
  fill(100, 0);
  EXPECT_EQ(fill(100, 0).runs.at(0).tier, Tier::Opcode);
  EXPECT_EQ(last().state, PromotionState::Live);
  // The last of the batch has 1000. fill() sees that the interpreter's results stand.
  BatchResult caught = fill(100, 901);
  EXPECT_EQ(caught.runs.at(0).tier, Tier::Opcode);
  EXPECT_EQ(last().state, PromotionState::Mismatched);
  EXPECT_EQ(last().error, "element 396 of buffer 3 (i32) is 0x3e9, but the interpreter makes it 0x3e8");
  EXPECT_EQ(fill(100, 901).runs.at(0).tier, Tier::Interpreter);
  EXPECT_EQ(engine->promotions().size(), 1u);
}

TEST_F(PromotionManagerTest, FaultsAndHitsAreComparedToo) {
  options.promotion.verifyEvery = 1;
  open();
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(batch.add("oops", std::vector<Arg>{int64_t(i)}));
    ASSERT_TRUE(batch.add("emit", std::vector<Arg>{int64_t(2), int64_t(i)}));
  }
  for (int i = 0; i < 3; ++i) {
    BatchResult result = runBatch(*engine, batch);
    EXPECT_EQ(result.faults.size(), 40u);
    EXPECT_EQ(result.hits.size(), 80u);
    engine->waitForPromotions();
  }
  for (const Promotion &promotion : engine->promotions())
    EXPECT_EQ(promotion.state, PromotionState::Live) << promotion.error;
}

//===----------------------------------------------------------------------===//
// Trials
//===----------------------------------------------------------------------===//

/// Promotes 'fill' with an interpreter that takes 1 us for a slot, and a variant that takes 'seconds'.
static void makeTimes(FlakyDevice::Control &control, EngineOptions &options, double seconds) {
  control.secondsOf = [=](const std::string &entry, const Launch &launch) {
    return double(launch.params.items) * (entry == "fill" ? seconds : 1e-6);
  };
  options.promotion.mode = JitMode::On;
  options.promotion.payback = 0.001;
}

TEST_F(PromotionManagerTest, AFasterTierIsAdopted) {
  makeTimes(*control, options, 0.25e-6);
  open();
  int batches = 0;
  for (; batches < 100 && (engine->promotions().empty() || last().state != PromotionState::Live); ++batches)
    fill(100, batches);
  EXPECT_EQ(last().state, PromotionState::Live) << last().error;
  EXPECT_NEAR(last().speedup, 4, 1e-3);
  EXPECT_GE(last().score, 1);
  // It was seen in three batches, raced in 18, and has them all now.
  EXPECT_LE(batches, 24);
  EXPECT_EQ(fill(100, 7).runs.at(0).tier, Tier::Opcode);
  EXPECT_EQ(story(0), "queued checking trial live");
}

TEST_F(PromotionManagerTest, ATierThatIsNotFasterIsWithdrawn) {
  makeTimes(*control, options, 0.999e-6);
  open();
  for (int i = 0; i < 100; ++i)
    fill(100, i);
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_FALSE(promotions.empty());
  EXPECT_EQ(promotions[0].state, PromotionState::Withdrawn);
  EXPECT_NE(promotions[0].error.find("1.001 times as fast as the tier below in 32 pairs of batches; not again for 1 s"),
            std::string::npos)
      << promotions[0].error;
  EXPECT_EQ(fill(100, 3).runs.at(0).tier, Tier::Interpreter);
}

TEST_F(PromotionManagerTest, WhatDoesNotPayIsNotAskedFor) {
  makeTimes(*control, options, 0.25e-6);
  options.promotion.payback = 1e9;
  open();
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(fill(100, i).recommendation.promoteHotOpcodes);
  EXPECT_TRUE(engine->promotions().empty());
}

TEST_F(PromotionManagerTest, OneBurstDecidesNothing) {
  makeTimes(*control, options, 0.25e-6);
  open();
  fill(100, 0);
  fill(100, 0);
  EXPECT_TRUE(engine->promotions().empty());
  fill(100, 0);
  EXPECT_EQ(engine->promotions().size(), 1u);
}

TEST_F(PromotionManagerTest, WhatGoesColdIsDemoted) {
  makeTimes(*control, options, 0.25e-6);
  options.promotion.payback = 0.1;
  open();
  while (engine->promotions().empty() || last().state != PromotionState::Live)
    fill(1000, 0);
  Batch other(engine->isa());
  ASSERT_TRUE(other.add("oops", std::vector<Arg>{int64_t(1)}));
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (last().state == PromotionState::Live && std::chrono::steady_clock::now() < end) {
    runBatch(*engine, other);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(last().state, PromotionState::Demoted);
  EXPECT_EQ(last().error.substr(0, 20), "cold: its score was ");
}

//===----------------------------------------------------------------------===//
// Specialisations
//===----------------------------------------------------------------------===//

TEST_F(PromotionManagerTest, ValuesThatStayGetCodeOfTheirOwn) {
  std::mutex mutex;
  std::vector<Specialization> asked;
  code.substitute = [&](const CompileRequest &request, HostKernelFn right) {
    std::lock_guard lock(mutex);
    asked.push_back(request.facts);
    return right;
  };
  options.promotion.specialize = true;
  open();
  for (int i = 0; i < 4; ++i)
    fill(100, 7 * i);
  std::vector<Promotion> promotions = engine->promotions();
  ASSERT_EQ(promotions.size(), 2u);
  EXPECT_EQ(promotions[1].facts, "0.extent=4, 0.aligned=4");
  EXPECT_EQ(promotions[1].state, PromotionState::Live);
  EXPECT_EQ(promotions[1].checked, 8u);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_TRUE(asked[0].empty());
  EXPECT_EQ(asked[1], (Specialization{{std::nullopt, 4, 1, 4}, {}}));

  BatchResult special = fill(100, 1);
  ASSERT_EQ(special.runs.size(), 1u);
  EXPECT_EQ(special.runs[0].facts, "0.extent=4, 0.aligned=4");
  // Guards that fail leave it to the general code.
  BatchResult general = fill(10, 1, 3);
  ASSERT_EQ(general.runs.size(), 1u);
  EXPECT_EQ(general.runs[0].tier, Tier::Opcode);
  EXPECT_EQ(general.runs[0].facts, "");
}

TEST_F(PromotionManagerTest, ASpecialisationWhoseGuardsFailIsDropped) {
  options.promotion.specialize = true;
  open();
  for (int i = 0; i < 4; ++i)
    fill(100, i);
  ASSERT_EQ(engine->promotions().size(), 2u);
  for (int i = 0; i < 4; ++i)
    fill(100, i, 3);
  std::vector<Promotion> promotions = engine->promotions();
  EXPECT_EQ(promotions[1].state, PromotionState::Demoted);
  EXPECT_EQ(promotions[1].error, "200 of 300 instances broke its facts");
  EXPECT_EQ(promotions[0].state, PromotionState::Live);
}

TEST_F(PromotionManagerTest, SpecialisationsAreBounded) {
  options.promotion.specialize = true;
  options.promotion.maxSpecializations = 2;
  open();
  for (uint32_t extent = 1; extent <= 4; ++extent)
    for (int i = 0; i < 50; ++i)
      fill(100, i, extent);
  for (const Promotion &promotion : engine->promotions())
    EXPECT_NE(promotion.state, PromotionState::Failed) << promotion.error;
  EXPECT_LE(std::ranges::count_if(engine->promotions(),
                                  [](const Promotion &promotion) {
                                    return promotion.state == PromotionState::Live && !promotion.facts.empty();
                                  }),
            2);
}

//===----------------------------------------------------------------------===//
// Forced transitions
//===----------------------------------------------------------------------===//

TEST_F(PromotionManagerTest, ForcedDemotionsAndSwapsLoseNothing) {
  options.promotion.demoteEvery = 7;
  options.promotion.swapEvery = 3;
  open();
  for (int i = 0; i < 60; ++i)
    fill(100, i);
  std::string all;
  for (const Promotion &promotion : engine->promotions())
    all += promotion.error + "\n";
  EXPECT_NE(all.find("as PromotionOptions::demoteEvery asks"), std::string::npos);
  EXPECT_NE(all.find("its like took its place"), std::string::npos);
  EXPECT_GE(engine->promotions().size(), 10u);
}

TEST_F(PromotionManagerTest, PassingFailuresNeverEndTheAttempts) {
  std::atomic<int> attempts = 0;
  code.beforeCompile = [&](const std::string &) -> Expected<void> {
    if (++attempts < 4)
      return makeError(ErrorCode::CompilerDied, "the compiler died");
    return {};
  };
  open();
  for (int i = 0; i < 30; ++i)
    fill(100, i);
  ASSERT_EQ(engine->promotions().size(), 4u);
  EXPECT_EQ(last().state, PromotionState::Live);
}

} // namespace mk::test
