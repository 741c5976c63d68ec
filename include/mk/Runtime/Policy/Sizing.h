//===- Sizing.h - Grids and slot counts --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arithmetic that turns a queue length and the limits of an adapter into a grid. After MegakernelSizingPolicy of
// the vyre-runtime crate, whose results it reproduces: all numbers have 32 bits, sums saturate, divisions truncate.
//
// The number of workers is at the same time the width of a workgroup (as far as the adapter is that wide).
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_SIZING_H
#define MK_RUNTIME_POLICY_SIZING_H

#include "mk/Runtime/Policy/LaunchError.h"
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace mk {

/// The shape of a launch.
struct LaunchGeometry {
  /// Lanes of a workgroup, at least 1.
  uint32_t workgroupSizeX = 0;
  /// Slots after padding: a multiple of workgroupSizeX.
  uint32_t slotCount = 0;
  /// Workgroups along x, y and z; y and z are 1.
  std::array<uint32_t, 3> dispatchGrid = {0, 0, 0};

  /// What the standard SizingPolicy says for this many slots.
  static constexpr LaunchGeometry fromSlots(uint32_t slotCount, uint32_t workerCount, uint32_t maxWorkgroupSizeX);
  /// The same for a count that may not fit. ItemCountExceedsU32 above 4294967295; ItemCountNotPaddable when the count,
  /// rounded up to whole workgroups, would not fit 32 bits.
  static constexpr LaunchExpected<LaunchGeometry> fromItemCount(size_t itemCount, uint32_t workerCount,
                                                                uint32_t maxWorkgroupSizeX);

  /// Workgroups that cover all slots at once, which may be more than the grid has. 0 for a default-constructed value.
  constexpr uint32_t coveringWorkerGroups() const { return workgroupSizeX ? slotCount / workgroupSizeX : 0; }
  /// One line of JSON.
  std::string str() const;
  bool operator==(const LaunchGeometry &) const = default;
};

/// What a caller wants of a grid.
struct GridRequest {
  /// Queued items; 0 counts as 1.
  uint32_t queueLen = 0;
  /// Worker groups; 0 derives them from the limits.
  uint32_t requestedWorkerGroups = 0;

  std::string str() const;
  bool operator==(const GridRequest &) const = default;
};

/// What the adapter can do. Each limit must be at least 1.
struct GridLimits {
  uint32_t maxWorkgroupSizeX = 0;
  uint32_t maxComputeWorkgroupsPerDimension = 0;
  /// Only decides whether the adapter counts as powerful (4096 and more); it does not bound the workgroup.
  uint32_t maxComputeInvocationsPerWorkgroup = 0;

  std::string str() const;
  bool operator==(const GridLimits &) const = default;
};

/// A grid for a request.
struct GridPlan {
  LaunchGeometry geometry;
  /// Workers that the geometry was made for. More than the grid has workgroups when the queue is short.
  uint32_t workerGroups = 0;

  /// What the standard SizingPolicy plans. The error of a limit that is 0.
  static constexpr LaunchExpected<GridPlan> recommend(const GridRequest &request, const GridLimits &limits);

  std::string str() const;
  bool operator==(const GridPlan &) const = default;
};

/// The rules of sizing. There is one set of them, so the type has no state; it stays a type because policies carry it.
struct SizingPolicy {
  static constexpr uint32_t DefaultWorkerCount = 64;
  /// One worker group for this many workgroups that the adapter takes in one dimension.
  static constexpr uint32_t OccupancyWorkerDivisor = 256;
  /// The most workgroups of a grid, and the most workers derived from occupancy.
  static constexpr uint32_t MaxDispatchWorkgroups = 1024;
  /// An adapter with this many invocations in a workgroup is powerful ...
  static constexpr uint32_t PowerfulInvocationThreshold = 4096;
  /// ... and gets at least this many worker groups.
  static constexpr uint32_t PowerfulMinWorkerGroups = 64;

  static constexpr SizingPolicy standard() { return {}; }

  constexpr uint32_t defaultWorkerCount() const { return DefaultWorkerCount; }

  /// Worker groups to use when nobody asked for a number: 1 to 1024. It may exceed the first limit.
  constexpr uint32_t defaultWorkerGroupsFromLimits(uint32_t maxComputeWorkgroupsPerDimension,
                                                   uint32_t maxComputeInvocationsPerWorkgroup) const {
    uint32_t byOccupancy =
        std::clamp(maxComputeWorkgroupsPerDimension / OccupancyWorkerDivisor, 1u, MaxDispatchWorkgroups);
    bool powerful = maxComputeInvocationsPerWorkgroup >= PowerfulInvocationThreshold;
    return std::max(byOccupancy, powerful ? PowerfulMinWorkerGroups : 1u);
  }

  /// Width of a workgroup: one lane for each worker, within the adapter's limit. At least 1.
  constexpr uint32_t workerWorkgroupSize(uint32_t workerCount, uint32_t maxWorkgroupSizeX) const {
    return workerCount == 0 ? 1 : std::min(workerCount, std::max(maxWorkgroupSizeX, 1u));
  }

  /// Slots rounded up to whole workgroups, at least one. Near 4294967295 it rounds down instead: the result is the
  /// largest multiple of the width that fits.
  constexpr uint32_t paddedSlotCount(uint32_t slotCount, uint32_t workgroupSizeX) const {
    uint32_t width = std::max(workgroupSizeX, 1u);
    return groupsFor(slotCount, width) * width;
  }

  /// Workgroups to dispatch: as many as the queue fills, but no more than there are workers, and at most 1024.
  constexpr std::array<uint32_t, 3> dispatchGridFor(uint32_t workerCount, uint32_t queueLen,
                                                    uint32_t maxWorkgroupSizeX) const {
    return gridOf(groupsFor(queueLen, std::max(maxWorkgroupSizeX, 1u)), workerCount);
  }

  /// Width, padding and grid together.
  constexpr LaunchGeometry geometryFromSlots(uint32_t slotCount, uint32_t workerCount,
                                             uint32_t maxWorkgroupSizeX) const {
    uint32_t width = workerWorkgroupSize(workerCount, maxWorkgroupSizeX);
    // Padding leaves the number of groups as it is, so one division serves both the slots and the grid.
    uint32_t groups = groupsFor(slotCount, width);
    return {width, groups * width, gridOf(groups, workerCount)};
  }

  /// Plans a grid. ZeroMaxWorkgroupSizeX, ZeroMaxComputeWorkgroupsPerDimension or
  /// ZeroMaxComputeInvocationsPerWorkgroup for a limit that is 0.
  constexpr LaunchExpected<GridPlan> calculateOptimalGrid(const GridRequest &request, const GridLimits &limits) const {
    using enum LaunchErrorKind;
    if (limits.maxWorkgroupSizeX == 0)
      return makeLaunchError(ZeroMaxWorkgroupSizeX, 0, 1);
    if (limits.maxComputeWorkgroupsPerDimension == 0)
      return makeLaunchError(ZeroMaxComputeWorkgroupsPerDimension, 0, 1);
    if (limits.maxComputeInvocationsPerWorkgroup == 0)
      return makeLaunchError(ZeroMaxComputeInvocationsPerWorkgroup, 0, 1);
    uint32_t workers = request.requestedWorkerGroups;
    if (workers == 0)
      workers = defaultWorkerGroupsFromLimits(limits.maxComputeWorkgroupsPerDimension,
                                              limits.maxComputeInvocationsPerWorkgroup);
    workers = std::min(workers, limits.maxComputeWorkgroupsPerDimension);
    return GridPlan{geometryFromSlots(request.queueLen, workers, limits.maxWorkgroupSizeX), workers};
  }

  /// "standard", in JSON.
  std::string str() const;
  bool operator==(const SizingPolicy &) const = default;

private:
  /// ceil(slots / width), at least 1; with a sum that saturates, so that groups * width always fits.
  static constexpr uint32_t groupsFor(uint32_t slots, uint32_t width) {
    constexpr uint32_t Max = std::numeric_limits<uint32_t>::max();
    uint32_t sum = slots > Max - (width - 1) ? Max : slots + (width - 1);
    return std::max(sum / width, 1u);
  }
  static constexpr std::array<uint32_t, 3> gridOf(uint32_t groups, uint32_t workerCount) {
    return {std::min({groups, std::max(workerCount, 1u), MaxDispatchWorkgroups}), 1, 1};
  }
};

constexpr LaunchGeometry LaunchGeometry::fromSlots(uint32_t slotCount, uint32_t workerCount,
                                                   uint32_t maxWorkgroupSizeX) {
  return SizingPolicy().geometryFromSlots(slotCount, workerCount, maxWorkgroupSizeX);
}

constexpr LaunchExpected<LaunchGeometry> LaunchGeometry::fromItemCount(size_t itemCount, uint32_t workerCount,
                                                                       uint32_t maxWorkgroupSizeX) {
  constexpr uint32_t Max = std::numeric_limits<uint32_t>::max();
  if (itemCount > Max)
    return makeLaunchError(LaunchErrorKind::ItemCountExceedsU32, itemCount, Max);
  LaunchGeometry geometry = fromSlots(static_cast<uint32_t>(itemCount), workerCount, maxWorkgroupSizeX);
  if (geometry.slotCount < itemCount)
    return makeLaunchError(LaunchErrorKind::ItemCountNotPaddable, itemCount, geometry.slotCount);
  return geometry;
}

constexpr LaunchExpected<GridPlan> GridPlan::recommend(const GridRequest &request, const GridLimits &limits) {
  return SizingPolicy().calculateOptimalGrid(request, limits);
}

} // namespace mk

template <> struct std::hash<mk::SizingPolicy> {
  size_t operator()(const mk::SizingPolicy &) const noexcept { return 0; }
};

#endif // MK_RUNTIME_POLICY_SIZING_H
