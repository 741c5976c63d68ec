//===- HeatTest.cpp - Counts that decay -----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CodeUnit.h"
#include <gtest/gtest.h>

namespace mk::test {

TEST(HeatCounter, CountsExactlyAtOneTime) {
  HeatCounter heat;
  heat.add(5, 5, 10, 1);
  heat.add(3, 3, 10, 1);
  EXPECT_EQ(heat.total(), 8u);
  EXPECT_EQ(heat.recent(10, 1), 8);
}

TEST(HeatCounter, HalvesEveryHalfLife) {
  HeatCounter heat;
  heat.add(16, 16, 100, 2);
  EXPECT_DOUBLE_EQ(heat.recent(102, 2), 8);
  EXPECT_DOUBLE_EQ(heat.recent(106, 2), 2);
  heat.add(6, 6, 106, 2);
  EXPECT_DOUBLE_EQ(heat.recent(108, 2), 4);
  EXPECT_EQ(heat.total(), 22u);
}

TEST(HeatCounter, ExecutionsWithoutEvidenceCountOnlyInAll) {
  HeatCounter heat;
  heat.add(10, 4, 0, 1);
  EXPECT_EQ(heat.total(), 10u);
  EXPECT_EQ(heat.recent(0, 1), 4);
}

TEST(HeatCounter, TimeDoesNotRunBackwards) {
  HeatCounter heat;
  heat.add(8, 8, 5, 1);
  EXPECT_EQ(heat.recent(4, 1), 8);
}

} // namespace mk::test
