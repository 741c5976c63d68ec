//===- AutotuneTest.cpp - Selectors and the gradient step -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"
#include <bit>
#include <cmath>

using namespace mk;

static const double NaN = std::bit_cast<double>(0x7FF8000000000000);
static const double NegativeNaN = std::bit_cast<double>(0xFFF8000000000000);

static uint32_t select(std::vector<uint32_t> candidates, std::vector<double> costs) {
  return LaunchPolicy().autotuneWorkgroupSize(candidates, costs, 99);
}

TEST(Autotune, EmptyListsFallBack) {
  LaunchPolicy policy;
  policy.hitCapacityMultiplier = 5;
  std::vector<uint32_t> candidates = {1};
  std::vector<double> costs = {1.0};
  EXPECT_EQ(policy.autotuneHitCapacityMultiplier({}, costs), 5u);
  EXPECT_EQ(policy.autotuneHitCapacityMultiplier(candidates, {}), 5u);
  EXPECT_EQ(policy.autotuneHitCapacityMultiplier(candidates, costs), 1u);
  EXPECT_EQ(select({}, {1.0}), 99u);
  EXPECT_EQ(select({1}, {}), 99u);
}

TEST(Autotune, TailOfTheLongerListIsIgnored) {
  EXPECT_EQ(select({10, 20}, {2.0, 1.0, 0.0}), 20u);
  EXPECT_EQ(select({10, 20, 30}, {1.0, 2.0}), 10u);
}

TEST(Autotune, FirstOfEqualsWins) { EXPECT_EQ(select({10, 20, 30}, {2.0, 1.0, 1.0}), 20u); }

TEST(Autotune, ZeroIsALegalCandidate) { EXPECT_EQ(select({0, 8}, {1.0, 2.0}), 0u); }

/// Each cost loses to the one before it, wherever they stand.
TEST(Autotune, CostsCompareInTotalOrder) {
  double ascending[] = {NegativeNaN, -INFINITY, -1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, INFINITY, NaN};
  for (size_t i = 0; i + 1 < std::size(ascending); ++i) {
    EXPECT_EQ(select({1, 2}, {ascending[i], ascending[i + 1]}), 1u) << i;
    EXPECT_EQ(select({1, 2}, {ascending[i + 1], ascending[i]}), 2u) << i;
  }
}

/// Sums must run in the order of the columns whatever the size, as the plain loop does.
TEST(Autotune, GradientStepRoundsLikeThePlainLoop) {
  std::mt19937_64 random(8);
  std::uniform_real_distribution<double> value(-1, 1);
  for (uint32_t n = 0; n <= 40; ++n) {
    std::vector<double> matrix(n * n), grad(n);
    for (double &x : matrix)
      x = value(random) * std::exp2(int(random() % 40));
    for (double &x : grad)
      x = value(random);
    std::vector<double> step = LaunchPolicy::naturalGradientAutotuneStep(matrix, grad, n, 0.3);
    ASSERT_EQ(step.size(), n);
    for (uint32_t i = 0; i < n; ++i) {
      double sum = 0;
      for (uint32_t j = 0; j < n; ++j)
        sum = sum + matrix[i * n + j] * grad[j];
      ASSERT_EQ(std::bit_cast<uint64_t>(step[i]), std::bit_cast<uint64_t>(-0.3 * sum)) << n << " row " << i;
    }
  }
}

TEST(Autotune, GradientStepOfWrongShapeIsEmpty) {
  std::vector<double> three(3, 1.0), four(4, 1.0), out(7, 1.0);
  LaunchPolicy::naturalGradientAutotuneStepInto(three, four, 2, 1.0, out);
  EXPECT_TRUE(out.empty());
  EXPECT_GE(out.capacity(), 7u);
  EXPECT_TRUE(LaunchPolicy::naturalGradientAutotuneStep(four, std::vector<double>{1.0}, 2, 1.0).empty());
  // n * n does not fit 32 bits.
  EXPECT_TRUE(LaunchPolicy::naturalGradientAutotuneStep({}, std::vector<double>(65536), 65536, 1.0).empty());
  EXPECT_EQ(LaunchPolicy::naturalGradientAutotuneStep(std::vector<double>(9, 1.0), four, 2, 1.0).size(), 2u);
}

TEST(Autotune, ZeroSumKeepsItsSign) {
  std::vector<double> step = LaunchPolicy::naturalGradientAutotuneStep(std::vector{0.0}, std::vector{1.0}, 1, 0.5);
  EXPECT_TRUE(std::signbit(step.at(0)));
}
