//===- WrongCodeTest.cpp - Wrong code is found before it answers ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include <array>
#include <gtest/gtest.h>

using namespace mk;

/// Opcodes that differ in what they compute of two integers and a constant. The second operation hides nothing that the
/// first does wrong.
static std::string makeIsa(unsigned count) {
  const char *operations[] = {"addi", "subi", "muli", "andi", "ori", "xori", "maxsi", "minsi", "maxui", "minui"};
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    const char *first = operations[i % 10], *second = operations[std::array{0, 1, 5}[i / 10 % 3]];
    text += "mk.opcode @op" + std::to_string(i) + " code(" + std::to_string(64 + i) + ") scope(" +
            (i % 3 ? "lane" : "block") +
            ") (%a: i32, %b: i32, %out: memref<?xi32, strided<[1], offset: ?>>) {\n"
            "  %zero = arith.constant 0 : index\n"
            "  %c = arith.constant " +
            std::to_string(3 + 17 * i) + " : i32\n  %x = arith." + first + " %a, %b : i32\n  %y = arith." + second +
            " %x, %c : i32\n"
            "  memref.store %y, %out[%zero] : memref<?xi32, strided<[1], offset: ?>>\n"
            "  mk.return\n}\n";
  }
  return text;
}

namespace {
class WrongCode : public testing::TestWithParam<const char *> {};
} // namespace

INSTANTIATE_TEST_SUITE_P(Devices, WrongCode, testing::Values("host", "cuda"),
                         [](const auto &info) { return std::string(info.param) == "host" ? "Host" : "Cuda"; });

TEST_P(WrongCode, IsCaughtAHundredTimesOfAHundred) {
  constexpr unsigned opcodes = 100, instances = 10;
  OpenOptions options;
  options.device = GetParam();
  options.promotion.mode = JitMode::Always;
  options.promotion.specialize = false;
  options.jit.isolation = Isolation::None;
  options.jit.queuedPerWorker = 2 * opcodes;
  Expected<FaultInjection> wrong = FaultInjection::parse("kind=wrong");
  ASSERT_TRUE(wrong) << wrong.error().message;
  options.jit.faults = {*wrong};
  auto engine = openEngine(makeIsa(opcodes), "wrong.mlir", options);
  if (!engine && GetParam() == std::string("cuda"))
    GTEST_SKIP() << engine.error().message;
  ASSERT_TRUE(engine) << engine.error().message;
  auto out = (*engine)->allocate(ElementType::I32, opcodes * instances);
  ASSERT_TRUE(out) << out.error().message;

  auto run = [&](uint32_t round) {
    Batch batch((*engine)->isa());
    for (uint32_t i = 0; i < opcodes * instances; ++i) {
      auto added = batch.add("op" + std::to_string(i / instances),
                             std::vector<Arg>{uint64_t(i * 2654435761u), uint64_t(round + i), View{*out, i, 1}});
      EXPECT_TRUE(added) << added.error().message;
    }
    auto ticket = (*engine)->submit(batch);
    EXPECT_TRUE(ticket) << ticket.error().message;
    auto result = (*engine)->wait(*ticket);
    EXPECT_TRUE(result) << result.error().message;
    for (const TierRun &launch : result->runs)
      EXPECT_EQ(launch.tier, Tier::Interpreter) << launch.what;
  };
  for (uint32_t round = 0; round < 3; ++round) {
    run(round);
    (*engine)->waitForPromotions();
  }
  std::vector<Promotion> promotions = (*engine)->promotions();
  EXPECT_EQ(promotions.size(), opcodes);
  for (const Promotion &promotion : promotions)
    EXPECT_EQ(promotion.state, PromotionState::Mismatched)
        << promotion.what << ": " << stringifyPromotionState(promotion.state) << " " << promotion.error;
}
