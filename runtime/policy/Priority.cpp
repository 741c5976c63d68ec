//===- Priority.cpp - Requeue accounting and priority diffusion -----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/Priority.h"
#include <algorithm>
#include <limits>
#include <new>

using namespace mk;

static constexpr uint64_t CounterMax = std::numeric_limits<uint64_t>::max();

void PriorityRequeueAccounting::recordRequeue(uint32_t ageTicks) {
  requeueCount += requeueCount != CounterMax;
  maxPriorityAge = std::max(maxPriorityAge, ageTicks);
}

void PriorityRequeueAccounting::recordAgedPromotion(uint32_t ageTicks) {
  agedPromotions += agedPromotions != CounterMax;
  maxPriorityAge = std::max(maxPriorityAge, ageTicks);
}

LaunchExpected<void> PriorityRequeueAccounting::tryRecordRequeue(uint32_t ageTicks) {
  if (requeueCount == CounterMax)
    return makeLaunchError(LaunchErrorKind::RequeueCounterOverflow, requeueCount, CounterMax);
  recordRequeue(ageTicks);
  return {};
}

LaunchExpected<void> PriorityRequeueAccounting::tryRecordAgedPromotion(uint32_t ageTicks) {
  if (agedPromotions == CounterMax)
    return makeLaunchError(LaunchErrorKind::AgedPromotionCounterOverflow, agedPromotions, CounterMax);
  recordAgedPromotion(ageTicks);
  return {};
}

PriorityDrainRecommendation PriorityRequeueAccounting::drainRecommendation() const {
  using enum PriorityDrainReason;
  uint64_t requeueHeadroom = CounterMax - requeueCount;
  uint64_t agedHeadroom = CounterMax - agedPromotions;
  PriorityDrainReason reason = None;
  if (requeueHeadroom == 0)
    reason = RequeueCounterExhausted;
  else if (agedHeadroom == 0)
    reason = AgedPromotionCounterExhausted;
  else if (requeueHeadroom <= PriorityCounterDrainHeadroom)
    reason = RequeueCounterNearLimit;
  else if (agedHeadroom <= PriorityCounterDrainHeadroom)
    reason = AgedPromotionCounterNearLimit;
  else if (*this != PriorityRequeueAccounting())
    reason = PendingTelemetry;
  return {reason != None, reason,          requeueCount, agedPromotions,
          maxPriorityAge, requeueHeadroom, agedHeadroom, PriorityCounterDrainFix};
}

void mk::diffusePriorityAcrossSiblingsInto(std::span<const double> priorityStalks,
                                           std::span<const double> restrictionDiag, double damping, uint32_t iterations,
                                           std::vector<double> &out, std::vector<double> &scratch) noexcept {
  out.assign(priorityStalks.begin(), priorityStalks.end());
  scratch.clear();
  if (restrictionDiag.size() != out.size() || iterations == 0)
    return;
  scratch.resize(out.size());
  for (uint32_t iteration = 0; iteration < iterations; ++iteration) {
    for (size_t i = 0; i < out.size(); ++i)
      scratch[i] = out[i] - (damping * restrictionDiag[i]) * out[i];
    std::swap(out, scratch);
  }
}

LaunchExpected<void> mk::tryDiffusePriorityAcrossSiblingsInto(std::span<const double> priorityStalks,
                                                              std::span<const double> restrictionDiag, double damping,
                                                              uint32_t iterations, std::vector<double> &out,
                                                              std::vector<double> &scratch) {
  out.clear();
  scratch.clear();
  try {
    out.reserve(priorityStalks.size());
    scratch.reserve(priorityStalks.size());
  } catch (const std::bad_alloc &) {
    return makeLaunchError(LaunchErrorKind::AllocationFailed, priorityStalks.size(),
                           std::min(out.capacity(), scratch.capacity()));
  }
  diffusePriorityAcrossSiblingsInto(priorityStalks, restrictionDiag, damping, iterations, out, scratch);
  return {};
}

std::vector<double> mk::diffusePriorityAcrossSiblings(std::span<const double> priorityStalks,
                                                      std::span<const double> restrictionDiag, double damping,
                                                      uint32_t iterations) noexcept {
  std::vector<double> out, scratch;
  diffusePriorityAcrossSiblingsInto(priorityStalks, restrictionDiag, damping, iterations, out, scratch);
  return out;
}

LaunchExpected<std::vector<double>> mk::tryDiffusePriorityAcrossSiblings(std::span<const double> priorityStalks,
                                                                         std::span<const double> restrictionDiag,
                                                                         double damping, uint32_t iterations) {
  std::vector<double> out, scratch;
  return tryDiffusePriorityAcrossSiblingsInto(priorityStalks, restrictionDiag, damping, iterations, out, scratch)
      .map([&] { return std::move(out); });
}
