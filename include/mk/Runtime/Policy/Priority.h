//===- Priority.h - Requeue accounting and priority diffusion ----*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counters of work that was put back or promoted for its age, advice on when to drain them, and a smoothing of
// priorities over siblings. After the priority helpers of the vyre-runtime crate (0.6.5).
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_PRIORITY_H
#define MK_RUNTIME_POLICY_PRIORITY_H

#include "mk/Runtime/Policy/LaunchError.h"
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

/// A counter with at most this many counts left is near its limit.
inline constexpr uint64_t PriorityCounterDrainHeadroom = 1024;
/// What to do when a drain is recommended.
inline constexpr std::string_view PriorityCounterDrainFix =
    "copy the priority counters to the telemetry sink and start again from a zeroed PriorityRequeueAccounting";

/// Why counters should be drained, the most pressing reason first except for None.
enum class PriorityDrainReason : uint8_t {
  None,
  /// Something was counted.
  PendingTelemetry,
  RequeueCounterNearLimit,
  AgedPromotionCounterNearLimit,
  RequeueCounterExhausted,
  AgedPromotionCounterExhausted,
};
/// The label of a reason, e.g. "pending_telemetry". Labels are stable.
const char *stringifyPriorityDrainReason(PriorityDrainReason reason);
std::optional<PriorityDrainReason> parsePriorityDrainReason(std::string_view label);

/// Advice on draining the counters.
struct PriorityDrainRecommendation {
  /// True for every reason but None.
  bool shouldDrain = false;
  PriorityDrainReason reason = PriorityDrainReason::None;
  /// The counters as they were.
  uint64_t requeueCount = 0;
  uint64_t agedPromotions = 0;
  uint32_t maxPriorityAge = 0;
  /// Counts left before each counter is full.
  uint64_t requeueCounterHeadroom = 0;
  uint64_t agedPromotionCounterHeadroom = 0;
  /// What to do; present even when there is no reason to.
  std::string_view fix = PriorityCounterDrainFix;

  /// One line of JSON, without 'fix'.
  std::string str() const;
  bool operator==(const PriorityDrainRecommendation &) const = default;
};

/// Counters of one queue.
struct PriorityRequeueAccounting {
  /// Items that were put back.
  uint64_t requeueCount = 0;
  /// Items whose priority was raised for their age.
  uint64_t agedPromotions = 0;
  /// The greatest age seen with either, in ticks.
  uint32_t maxPriorityAge = 0;

  /// Count one event of an item of age 'ageTicks'. A full counter stays full; the age is noted all the same.
  void recordRequeue(uint32_t ageTicks);
  void recordAgedPromotion(uint32_t ageTicks);
  /// The same, but a full counter is RequeueCounterOverflow or AgedPromotionCounterOverflow, and nothing changes.
  LaunchExpected<void> tryRecordRequeue(uint32_t ageTicks);
  LaunchExpected<void> tryRecordAgedPromotion(uint32_t ageTicks);

  /// Whether to drain now. An exhausted counter comes before one that is near its limit, and the requeue counter
  /// before the other.
  PriorityDrainRecommendation drainRecommendation() const;

  /// One line of JSON, as mk-policy reads it.
  std::string str() const;
  bool operator==(const PriorityRequeueAccounting &) const = default;
};

/// Lets each priority decay towards what its siblings agree on: 'iterations' times x - (damping * restriction) * x for
/// each element. Lists of different lengths give the stalks unchanged. Terminates when memory is refused.
std::vector<double> diffusePriorityAcrossSiblings(std::span<const double> priorityStalks,
                                                  std::span<const double> restrictionDiag, double damping,
                                                  uint32_t iterations) noexcept;
/// The same, into 'out'. 'scratch' is left with the values before the last iteration, or empty when there was none.
/// The inputs must lie in neither vector.
void diffusePriorityAcrossSiblingsInto(std::span<const double> priorityStalks, std::span<const double> restrictionDiag,
                                       double damping, uint32_t iterations, std::vector<double> &out,
                                       std::vector<double> &scratch) noexcept;
/// The same two; AllocationFailed when memory is refused (both vectors are empty then).
LaunchExpected<std::vector<double>> tryDiffusePriorityAcrossSiblings(std::span<const double> priorityStalks,
                                                                     std::span<const double> restrictionDiag,
                                                                     double damping, uint32_t iterations);
LaunchExpected<void> tryDiffusePriorityAcrossSiblingsInto(std::span<const double> priorityStalks,
                                                          std::span<const double> restrictionDiag, double damping,
                                                          uint32_t iterations, std::vector<double> &out,
                                                          std::vector<double> &scratch);

} // namespace mk

#endif // MK_RUNTIME_POLICY_PRIORITY_H
