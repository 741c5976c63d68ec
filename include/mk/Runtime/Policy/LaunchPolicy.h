//===- LaunchPolicy.h - How to launch a queue --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The launch policy maps the state of a queue and of a device to a launch: grid, hit buffer, topology, interpreter or
// compiled code. It is a pure function, deterministic to the bit, that reproduces MegakernelLaunchPolicy of the
// vyre-runtime crate (0.6.5). docs/LaunchPolicy.md explains it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_LAUNCHPOLICY_H
#define MK_RUNTIME_POLICY_LAUNCHPOLICY_H

#include "mk/Runtime/Policy/Evidence.h"
#include "mk/Runtime/Policy/LaunchError.h"
#include "mk/Runtime/Policy/LaunchRequest.h"
#include "mk/Runtime/Policy/Sizing.h"
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace mk {

/// State of a thread's recommendation cache.
struct LaunchCacheStats {
  /// Recommendations held, at most 128.
  size_t entries = 0;
  /// Lookups that found theirs, and lookups that did not; both stop at the largest value.
  uint64_t hits = 0;
  uint64_t misses = 0;

  /// One line of JSON.
  std::string str() const;
  bool operator==(const LaunchCacheStats &) const = default;
};

/// Thresholds and factors of the policy. Any values are accepted; only a memory threshold above 10000 can make a call
/// fail. Thread safety: as for any value; the recommendation cache belongs to the calling thread.
struct LaunchPolicy {
  /// Grid arithmetic.
  SizingPolicy sizing;
  /// The least hit capacity that is derived, in entries. A requested capacity may be smaller.
  uint32_t minHitCapacity = 1024;
  /// Factor on the expected hits. While memory is scarce it is 1 instead.
  uint32_t hitCapacityMultiplier = 2;
  /// A queue of this many items for each lane is saturated. 0: every queue with items is.
  uint32_t saturatedWaves = 4;
  /// This many hot opcodes get promoted. 0: always.
  uint32_t hotOpcodeThreshold = 8;
  /// This many hot windows get promoted. 0: always.
  uint32_t hotWindowThreshold = 4;
  /// A queue of this many items is worth compiled code. 0: always.
  uint32_t jitQueueLenThreshold = 4096;
  /// Work that has waited for this many ticks ages. 0: always.
  uint32_t priorityAgeThreshold = 32;
  /// A frontier of at most this density is sparse, in bps.
  uint16_t sparseFrontierThresholdBps = 500;
  /// A frontier of at least this density is dense, in bps, unless it is sparse.
  uint16_t denseFrontierThresholdBps = 4000;
  /// From this pressure on memory is scarce, in bps. 0: for every queue with items.
  uint16_t memoryPressureThresholdBps = 8500;
  /// This many edges allow fusing a dense frontier.
  uint32_t fusionEdgeThreshold = 65536;
  /// Size of an entry of the hit buffer, in bytes.
  uint32_t scratchBytesPerHit = 16;

  /// How far a density, or the memory pressure, has to move beyond its threshold before a topology is given up, in bps.
  static constexpr uint16_t FrontierHysteresisBps = 250;
  static constexpr uint16_t MemoryHysteresisBps = 250;
  /// Entries of a thread's recommendation cache.
  static constexpr size_t CacheCapacity = 128;

  /// The defaults above.
  static constexpr LaunchPolicy standard() { return {}; }

  /// Recommends a launch; from the thread's cache when the same policy was asked the same before. Errors, which are
  /// never cached: the first seven of LaunchErrorKind.
  LaunchExpected<LaunchRecommendation> recommend(LaunchRequest request) const;

  /// Recommends a launch that follows one with topology 'previous', and keeps that topology while the signals stay
  /// close to where they were. It does not touch the cache. Errors as for recommend().
  LaunchExpected<LaunchRecommendation> recommendWithPreviousTopology(LaunchRequest request,
                                                                     DispatchTopology previous) const;

  /// Recommends a launch and says why its topology was chosen. Errors, and use of the cache, as for recommend() of the
  /// request with its missing signals filled in.
  LaunchExpected<WithEvidence<TopologyEvidence>> recommendWithTopologyEvidence(LaunchRequest request) const;

  /// Recommends a launch and says why code was promoted. Errors, and use of the cache, as for
  /// recommendWithTopologyEvidence().
  LaunchExpected<WithEvidence<PromotionEvidence>> recommendWithPromotionEvidence(LaunchRequest request) const;

  /// The state of the calling thread's cache.
  static LaunchCacheStats launchCacheStats();
  /// Empties the calling thread's cache and sets its counters to 0.
  static void resetLaunchCacheForThread();

  /// The candidate with the lowest cost, the first of equals; hitCapacityMultiplier when either list is empty. Entries
  /// beyond the shorter list are ignored. Costs compare in IEEE total order: -NaN, -inf, ..., -0, +0, ..., inf, NaN.
  uint32_t autotuneHitCapacityMultiplier(std::span<const uint32_t> candidates, std::span<const double> costs) const;
  /// The same choice, with 'currentSize' when either list is empty.
  uint32_t autotuneWorkgroupSize(std::span<const uint32_t> candidates, std::span<const double> costs,
                                 uint32_t currentSize) const;

  /// -learningRate * (mInvSqrt * grad), where 'mInvSqrt' is an n by n matrix, row by row. Longer inputs are cut; too
  /// short ones give an empty result. Terminates when memory is refused.
  static std::vector<double> naturalGradientAutotuneStep(std::span<const double> mInvSqrt, std::span<const double> grad,
                                                         uint32_t n, double learningRate) noexcept;
  /// The same, into 'out', which keeps its capacity. The inputs must not lie in 'out'.
  static void naturalGradientAutotuneStepInto(std::span<const double> mInvSqrt, std::span<const double> grad,
                                              uint32_t n, double learningRate, std::vector<double> &out) noexcept;
  /// The same two; AllocationFailed when memory is refused ('out' is empty then).
  static LaunchExpected<std::vector<double>> tryNaturalGradientAutotuneStep(std::span<const double> mInvSqrt,
                                                                            std::span<const double> grad, uint32_t n,
                                                                            double learningRate);
  static LaunchExpected<void> tryNaturalGradientAutotuneStepInto(std::span<const double> mInvSqrt,
                                                                 std::span<const double> grad, uint32_t n,
                                                                 double learningRate, std::vector<double> &out);

  /// One line of JSON, as mk-policy reads it.
  std::string str() const;
  bool operator==(const LaunchPolicy &) const = default;
};

} // namespace mk

template <> struct std::hash<mk::LaunchPolicy> {
  size_t operator()(const mk::LaunchPolicy &policy) const noexcept;
};

#endif // MK_RUNTIME_POLICY_LAUNCHPOLICY_H
