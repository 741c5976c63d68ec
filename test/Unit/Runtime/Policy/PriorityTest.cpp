//===- PriorityTest.cpp - Accounting and diffusion ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"
#include <bit>

using namespace mk;
using enum PriorityDrainReason;

TEST(PriorityAccounting, CountsAndKeepsTheGreatestAge) {
  PriorityRequeueAccounting accounting;
  accounting.recordRequeue(7);
  accounting.recordAgedPromotion(3);
  ASSERT_TRUE(accounting.tryRecordRequeue(5));
  ASSERT_TRUE(accounting.tryRecordAgedPromotion(9));
  EXPECT_EQ(accounting, (PriorityRequeueAccounting{2, 2, 9}));
}

TEST(PriorityAccounting, FullCountersStayFull) {
  PriorityRequeueAccounting accounting{U64Max, U64Max, 1};
  EXPECT_EQ(accounting.tryRecordRequeue(50).error().kind, LaunchErrorKind::RequeueCounterOverflow);
  EXPECT_EQ(accounting.tryRecordAgedPromotion(50).error().kind, LaunchErrorKind::AgedPromotionCounterOverflow);
  EXPECT_EQ(accounting, (PriorityRequeueAccounting{U64Max, U64Max, 1}));
  accounting.recordRequeue(2);
  EXPECT_EQ(accounting, (PriorityRequeueAccounting{U64Max, U64Max, 2}));
  accounting.recordAgedPromotion(3);
  EXPECT_EQ(accounting, (PriorityRequeueAccounting{U64Max, U64Max, 3}));
}

TEST(PriorityAccounting, DrainReasonsInOrder) {
  auto reason = [](uint64_t requeues, uint64_t aged, uint32_t age) {
    auto drain = PriorityRequeueAccounting{requeues, aged, age}.drainRecommendation();
    EXPECT_EQ(drain.shouldDrain, drain.reason != None);
    EXPECT_EQ(drain.requeueCounterHeadroom, U64Max - requeues);
    EXPECT_EQ(drain.agedPromotionCounterHeadroom, U64Max - aged);
    EXPECT_FALSE(drain.fix.empty());
    return drain.reason;
  };
  EXPECT_EQ(reason(0, 0, 0), None);
  EXPECT_EQ(reason(1, 0, 0), PendingTelemetry);
  EXPECT_EQ(reason(0, 1, 0), PendingTelemetry);
  EXPECT_EQ(reason(0, 0, 1), PendingTelemetry);
  EXPECT_EQ(reason(0, U64Max - 1025, 0), PendingTelemetry);
  EXPECT_EQ(reason(0, U64Max - 1024, 0), AgedPromotionCounterNearLimit);
  EXPECT_EQ(reason(U64Max - 1025, 0, 0), PendingTelemetry);
  EXPECT_EQ(reason(U64Max - 1024, U64Max - 1, 0), RequeueCounterNearLimit);
  EXPECT_EQ(reason(U64Max - 1, U64Max, 0), AgedPromotionCounterExhausted);
  EXPECT_EQ(reason(U64Max, U64Max, 0), RequeueCounterExhausted);
}

TEST(PriorityDiffusion, ElementsDecayOnTheirOwn) {
  std::vector<double> out, scratch = {1.0};
  diffusePriorityAcrossSiblingsInto(std::vector{10.0, 20.0}, std::vector{0.5, 0.25}, 0.2, 1, out, scratch);
  EXPECT_EQ(out, (std::vector{9.0, 19.0}));
  EXPECT_EQ(scratch, (std::vector{10.0, 20.0}));
}

TEST(PriorityDiffusion, NoIterationAndWrongShapeChangeNothing) {
  std::vector<double> out, scratch = {1.0};
  diffusePriorityAcrossSiblingsInto(std::vector{10.0}, std::vector{0.5}, 0.2, 0, out, scratch);
  EXPECT_EQ(out, std::vector{10.0});
  EXPECT_TRUE(scratch.empty());
  scratch = {1.0};
  diffusePriorityAcrossSiblingsInto(std::vector{10.0}, std::vector{0.5, 0.5}, 0.2, 3, out, scratch);
  EXPECT_EQ(out, std::vector{10.0});
  EXPECT_TRUE(scratch.empty());
}

/// Vectorised or not, each element rounds like the plain formula.
TEST(PriorityDiffusion, RoundsLikeThePlainLoop) {
  std::mt19937_64 random(9);
  std::uniform_real_distribution<double> value(-2, 2);
  for (size_t n = 1; n < 40; ++n) {
    std::vector<double> stalks(n), diag(n);
    for (size_t i = 0; i < n; ++i) {
      stalks[i] = value(random);
      diag[i] = value(random);
    }
    std::vector<double> out = diffusePriorityAcrossSiblings(stalks, diag, 0.3, 5);
    for (size_t i = 0; i < n; ++i) {
      double x = stalks[i];
      for (int iteration = 0; iteration < 5; ++iteration)
        x = x - (0.3 * diag[i]) * x;
      ASSERT_EQ(std::bit_cast<uint64_t>(out[i]), std::bit_cast<uint64_t>(x)) << n << " element " << i;
    }
  }
}
