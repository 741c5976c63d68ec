//===- LaunchError.h - Why the launch policy refused -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A refusal is a small value: a kind and two numbers. Its text is put together only when someone asks for it, so a
// failing call allocates nothing.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_LAUNCHERROR_H
#define MK_RUNTIME_POLICY_LAUNCHERROR_H

#include "mk/Runtime/Error.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace mk {

/// What the policy could not accept. A recommendation reports the first of its seven kinds, in this order.
enum class LaunchErrorKind : uint8_t {
  /// Work must be shed, but LaunchPolicy::memoryPressureThresholdBps lies above 10000.
  MemoryPressureThresholdExceeds10000Bps,
  /// maxWorkgroupSizeX is 0.
  ZeroMaxWorkgroupSizeX,
  /// maxComputeWorkgroupsPerDimension is 0.
  ZeroMaxComputeWorkgroupsPerDimension,
  /// maxComputeInvocationsPerWorkgroup is 0.
  ZeroMaxComputeInvocationsPerWorkgroup,
  /// The derived hit capacity does not fit 32 bits.
  HitCapacityOverflow,
  /// Resident bytes and hit buffer together do not fit 64 bits.
  PeakBytesOverflow,
  /// The estimated peak lies above the budget.
  DeviceOutOfMemory,
  /// LaunchGeometry::fromItemCount: more items than 32 bits count.
  ItemCountExceedsU32,
  /// LaunchGeometry::fromItemCount: no 32-bit slot count covers the items.
  ItemCountNotPaddable,
  /// PriorityRequeueAccounting: the requeue counter is full.
  RequeueCounterOverflow,
  /// PriorityRequeueAccounting: the counter of aged promotions is full.
  AgedPromotionCounterOverflow,
  /// The allocator refused room for a result.
  AllocationFailed,
};

/// The label of a kind, e.g. "hit_capacity_overflow".
const char *stringifyLaunchErrorKind(LaunchErrorKind kind);
std::optional<LaunchErrorKind> parseLaunchErrorKind(std::string_view label);

struct LaunchError {
  LaunchErrorKind kind;
  /// The value that was refused: a field, a product of fields, a number of bytes. 0 for the three limits.
  uint64_t requested = 0;
  /// The largest value that would have been accepted in its place (for a limit: the smallest, 1).
  uint64_t available = 0;

  /// Names the field, its value, and what to do about it.
  std::string message() const;
  /// The same as an error of the runtime: OutOfMemory or InvalidArgument.
  Error toError() const;
  bool operator==(const LaunchError &) const = default;
};

template <typename T> using LaunchExpected = tl::expected<T, LaunchError>;

/// Wraps an error for return from a function that yields LaunchExpected<T>.
constexpr tl::unexpected<LaunchError> makeLaunchError(LaunchErrorKind kind, uint64_t requested, uint64_t available) {
  return tl::unexpected<LaunchError>(LaunchError{kind, requested, available});
}

} // namespace mk

#endif // MK_RUNTIME_POLICY_LAUNCHERROR_H
