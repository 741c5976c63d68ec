//===- TrialTest.cpp - Which of two tiers is faster -----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trial.h"
#include <gtest/gtest.h>
#include <random>

namespace mk::test {

/// Races until there is a verdict: batches of 'slots(i)' slots, where a slot takes as long as given, and noise.
static std::pair<Trial::Verdict, Trial> race(
    double below, double variant, double noise, uint64_t (*slots)(unsigned) = [](unsigned) { return uint64_t(1000); }) {
  std::minstd_rand random(1);
  std::normal_distribution<double> factor(1, noise);
  Trial trial(0.02);
  for (unsigned i = 0; i < 1000 && trial.verdict() == Trial::Undecided; ++i) {
    double perSlot = (trial.variantIsNext() ? variant : below) * std::max(0.1, factor(random));
    trial.record(perSlot * double(slots(i)), slots(i), slots(i) / 2);
  }
  return {trial.verdict(), trial};
}

TEST(Trial, AFasterVariantWinsInTheFewestPairs) {
  auto [verdict, trial] = race(2e-9, 1e-9, 0.05);
  EXPECT_EQ(verdict, Trial::Faster);
  EXPECT_EQ(trial.pairs(), Trial::MinPairs);
  EXPECT_NEAR(trial.speedup(), 2, 0.2);
}

TEST(Trial, ASlowerVariantLosesInTheFewestPairs) {
  auto [verdict, trial] = race(1e-9, 2e-9, 0.05);
  EXPECT_EQ(verdict, Trial::NotFaster);
  EXPECT_EQ(trial.pairs(), Trial::MinPairs);
}

TEST(Trial, EqualTiersEndWithoutAWinner) {
  auto [verdict, trial] = race(1e-9, 1e-9, 0.05);
  EXPECT_EQ(verdict, Trial::NotFaster);
  EXPECT_LE(trial.pairs(), Trial::MaxPairs);
}

TEST(Trial, LessThanTheMarginIsNotFaster) {
  auto [verdict, trial] = race(1.01e-9, 1e-9, 0);
  EXPECT_EQ(verdict, Trial::NotFaster);
  EXPECT_EQ(trial.pairs(), Trial::MaxPairs);
}

TEST(Trial, TheSecondOfAPairIsTheFirstOfTheNext) {
  Trial trial(0.02);
  std::string order;
  for (int i = 0; i < 8; ++i) {
    order += trial.variantIsNext() ? 'v' : 'b';
    trial.record(1, 1, 1);
  }
  EXPECT_EQ(order, "vbbvvbbv");
}

TEST(Trial, UnlikeBatchesDoNotCount) {
  auto [verdict, trial] = race(2e-9, 1e-9, 0, [](unsigned i) { return uint64_t(i % 2 ? 100 : 1000); });
  EXPECT_EQ(verdict, Trial::NotFaster);
  EXPECT_EQ(trial.pairs(), 0u);
  EXPECT_EQ(trial.speedup(), 1);
}

} // namespace mk::test
