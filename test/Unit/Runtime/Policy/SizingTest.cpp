//===- SizingTest.cpp - Grids and slot counts -----------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"

using namespace mk;

static constexpr SizingPolicy sizing = SizingPolicy::standard();

TEST(Sizing, WorkersFromLimits) {
  EXPECT_EQ(sizing.defaultWorkerCount(), 64u);
  EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(0, 0), 1u);
  EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(65535, 1024), 255u);
  EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(U32Max, 1024), 1024u);
  EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(3, 4095), 1u);
  EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(3, 4096), 64u);
}

TEST(Sizing, PlanStaysWithinTheDimension) {
  EXPECT_EQ(sizing.calculateOptimalGrid({10, 0}, {256, 3, 4096})->workerGroups, 3u);
  EXPECT_EQ(sizing.calculateOptimalGrid({10, 1000}, {256, 64, 1024})->workerGroups, 64u);
}

TEST(Sizing, FirstZeroLimitIsReported) {
  auto kind = [](GridLimits limits) { return sizing.calculateOptimalGrid({1, 1}, limits).error().kind; };
  EXPECT_EQ(kind({0, 0, 0}), LaunchErrorKind::ZeroMaxWorkgroupSizeX);
  EXPECT_EQ(kind({1, 0, 0}), LaunchErrorKind::ZeroMaxComputeWorkgroupsPerDimension);
  EXPECT_EQ(kind({1, 1, 0}), LaunchErrorKind::ZeroMaxComputeInvocationsPerWorkgroup);
}

TEST(Sizing, PaddingRoundsDownOnlyWhereItCannotRoundUp) {
  EXPECT_EQ(sizing.paddedSlotCount(U32Max, 64), 4294967232u);
  EXPECT_EQ(sizing.paddedSlotCount(U32Max, 1), U32Max);
  EXPECT_EQ(sizing.paddedSlotCount(U32Max, U32Max), U32Max);
  EXPECT_EQ(sizing.paddedSlotCount(1, U32Max), U32Max);
  EXPECT_EQ(sizing.paddedSlotCount(0, 0), 1u);
}

/// Against the definition in 64-bit arithmetic, where nothing can wrap.
TEST(Sizing, RandomGeometriesFollowTheDefinition) {
  RandomFields random(1);
  for (int i = 0; i < 200000; ++i) {
    uint32_t slots = random.value<uint32_t>(), workers = random.value<uint32_t>(), maxX = random.value<uint32_t>();
    LaunchGeometry geometry = LaunchGeometry::fromSlots(slots, workers, maxX);
    uint64_t width = workers == 0 ? 1 : std::min(workers, std::max(maxX, 1u));
    uint64_t groups = std::max<uint64_t>((slots + width - 1) / width, 1);
    if (slots + width - 1 > U32Max)
      groups = std::max<uint64_t>(U32Max / width, 1);
    ASSERT_EQ(geometry.workgroupSizeX, width);
    ASSERT_EQ(geometry.slotCount, groups * width);
    ASSERT_EQ(geometry.coveringWorkerGroups(), groups);
    ASSERT_EQ(geometry.dispatchGrid[0], std::min<uint64_t>({groups, std::max(workers, 1u), 1024}));
    ASSERT_EQ(geometry.dispatchGrid[1], 1u);
    ASSERT_EQ(geometry.dispatchGrid[2], 1u);
    // The shortcut through the padded count agrees with its parts.
    ASSERT_EQ(geometry.slotCount, sizing.paddedSlotCount(slots, geometry.workgroupSizeX));
    ASSERT_EQ(geometry.dispatchGrid, sizing.dispatchGridFor(workers, geometry.slotCount, geometry.workgroupSizeX));
  }
}

TEST(Sizing, ItemCountsThatDoNotFit) {
  auto exceeds = LaunchGeometry::fromItemCount(size_t(U32Max) + 1, 64, 64);
  ASSERT_FALSE(exceeds);
  EXPECT_EQ(exceeds.error(), (LaunchError{LaunchErrorKind::ItemCountExceedsU32, uint64_t(U32Max) + 1, U32Max}));
  auto unpaddable = LaunchGeometry::fromItemCount(U32Max, 64, 64);
  ASSERT_FALSE(unpaddable);
  EXPECT_EQ(unpaddable.error(), (LaunchError{LaunchErrorKind::ItemCountNotPaddable, U32Max, 4294967232u}));
  EXPECT_EQ(LaunchGeometry::fromItemCount(4294967232u, 64, 64)->slotCount, 4294967232u);
  EXPECT_EQ(LaunchGeometry::fromItemCount(0, 64, 64)->slotCount, 64u);
}

TEST(Sizing, DefaultGeometryCoversNothing) { EXPECT_EQ(LaunchGeometry().coveringWorkerGroups(), 0u); }
