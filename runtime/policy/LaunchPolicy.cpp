//===- LaunchPolicy.cpp - From signals to a launch ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include "LaunchCache.h"
#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>

using namespace mk;

static constexpr uint32_t FullBps = 10000;

//===----------------------------------------------------------------------===//
// Signals
//===----------------------------------------------------------------------===//

LaunchRequest LaunchRequest::withInferredSignals() const {
  LaunchRequest request = *this;
  if (frontierDensityBps == 0 && queueLen != 0 && graphNodeCount != 0) {
    uint64_t active = std::min(queueLen, graphNodeCount);
    request.frontierDensityBps = std::max<uint64_t>(active * FullBps / graphNodeCount, 1);
  }
  if (memoryPressureBps == 0 && deviceMemoryBudgetBytes != 0 && residentDeviceBytes != 0) {
    using Wide = unsigned __int128;
    if (residentDeviceBytes >= deviceMemoryBudgetBytes)
      request.memoryPressureBps = FullBps;
    else if (residentDeviceBytes <= std::numeric_limits<uint64_t>::max() / FullBps)
      request.memoryPressureBps = residentDeviceBytes * FullBps / deviceMemoryBudgetBytes;
    else
      request.memoryPressureBps = static_cast<uint16_t>(Wide(residentDeviceBytes) * FullBps / deviceMemoryBudgetBytes);
  }
  return request;
}

//===----------------------------------------------------------------------===//
// Topology
//===----------------------------------------------------------------------===//

static DispatchTopology chooseTopology(const LaunchPolicy &policy, const LaunchRequest &request, bool hot) {
  using enum DispatchTopology;
  if (request.queueLen == 0)
    return Empty;
  if (request.memoryPressureBps >= policy.memoryPressureThresholdBps)
    return MemoryConstrained;
  if (request.frontierDensityBps <= policy.sparseFrontierThresholdBps)
    return SparseFrontier;
  if (request.frontierDensityBps < policy.denseFrontierThresholdBps)
    return HybridFrontier;
  bool fuse = request.graphNodeCount > 0 && request.graphEdgeCount >= policy.fusionEdgeThreshold && hot;
  return fuse ? FusedDense : DenseFrontier;
}

/// Keeps the previous topology while the signal that left it is still near its threshold.
static DispatchTopology stabilise(const LaunchPolicy &policy, const LaunchRequest &request, bool hot,
                                  DispatchTopology chosen, DispatchTopology previous) {
  using enum DispatchTopology;
  if (chosen == Empty || chosen == MemoryConstrained)
    return chosen;
  // As int, so that the bands neither wrap at 0 nor at 65535. No density or pressure lies outside of 16 bits, so a band
  // that does acts like one that ends there.
  int density = request.frontierDensityBps;
  int sparse = policy.sparseFrontierThresholdBps;
  int dense = policy.denseFrontierThresholdBps;
  constexpr int Band = LaunchPolicy::FrontierHysteresisBps;
  bool keep = false;
  switch (previous) {
  case Empty:
    break;
  case MemoryConstrained:
    keep = request.memoryPressureBps >= policy.memoryPressureThresholdBps - LaunchPolicy::MemoryHysteresisBps;
    break;
  case SparseFrontier:
    keep = density <= sparse + Band;
    break;
  case HybridFrontier:
    keep = chosen == SparseFrontier ? density >= sparse - Band : density <= dense + Band;
    break;
  case DenseFrontier:
    keep = chosen == HybridFrontier && density >= dense - Band;
    break;
  case FusedDense:
    keep = chosen == HybridFrontier && density >= dense - Band &&
           request.graphEdgeCount >= policy.fusionEdgeThreshold && hot;
    break;
  }
  return keep ? previous : chosen;
}

//===----------------------------------------------------------------------===//
// Workers and memory
//===----------------------------------------------------------------------===//

/// Worker groups to ask for after shedding. 0, which leaves the number to the grid, is never shed.
static LaunchExpected<uint32_t> shedWorkers(const LaunchPolicy &policy, const LaunchRequest &request,
                                            DispatchTopology topology) {
  uint32_t workers = request.requestedWorkerGroups;
  if (workers <= 1)
    return workers;
  if (topology == DispatchTopology::MemoryConstrained && request.memoryPressureBps != 0) {
    uint32_t threshold = policy.memoryPressureThresholdBps;
    if (threshold > FullBps)
      return makeLaunchError(LaunchErrorKind::MemoryPressureThresholdExceeds10000Bps, threshold, FullBps);
    // A quarter at the threshold, rising to a half at full memory.
    uint32_t span = std::max(FullBps - threshold, 1u);
    uint32_t over =
        std::min(request.memoryPressureBps - std::min<uint32_t>(request.memoryPressureBps, threshold), span);
    uint32_t shedBps = 2500 + over * 2500 / span;
    return std::max<uint32_t>(uint64_t(workers) * (FullBps - shedBps) / FullBps, 1);
  }
  if (topology == DispatchTopology::SparseFrontier && request.graphNodeCount != 0 && request.frontierDensityBps != 0) {
    // In proportion to the density, but not below 32 unless fewer were asked for.
    uint32_t span = std::max<uint32_t>(policy.sparseFrontierThresholdBps, 1);
    uint64_t density = std::min<uint32_t>(request.frontierDensityBps, span);
    return std::max<uint32_t>(workers * density / span, std::min(workers, 32u));
  }
  return workers;
}

static QueuePressure classifyPressure(const LaunchPolicy &policy, const LaunchRequest &request,
                                      const LaunchGeometry &geometry) {
  if (request.queueLen == 0)
    return QueuePressure::Empty;
  uint64_t lanes = uint64_t(geometry.dispatchGrid[0]) * geometry.workgroupSizeX;
  if (request.requeueCount > 0 || request.queueLen >= lanes * policy.saturatedWaves)
    return QueuePressure::Saturated;
  return request.queueLen >= lanes ? QueuePressure::Balanced : QueuePressure::Light;
}

static LaunchExpected<uint32_t> chooseHitCapacity(const LaunchPolicy &policy, const LaunchRequest &request) {
  constexpr uint64_t Max = std::numeric_limits<uint32_t>::max();
  if (request.requestedHitCapacity != 0)
    return request.requestedHitCapacity;
  bool scarce = request.memoryPressureBps >= policy.memoryPressureThresholdBps;
  uint64_t hits = uint64_t(request.queueLen) * std::max(request.expectedHitsPerItem, 1u);
  if (hits <= Max)
    hits *= scarce ? 1 : policy.hitCapacityMultiplier;
  if (hits > Max)
    return makeLaunchError(LaunchErrorKind::HitCapacityOverflow, hits, Max);
  return std::max(static_cast<uint32_t>(hits), policy.minHitCapacity);
}

static LaunchExpected<uint64_t> estimatePeak(const LaunchPolicy &policy, const LaunchRequest &request,
                                             uint32_t hitCapacity) {
  uint64_t scratch = uint64_t(hitCapacity) * policy.scratchBytesPerHit;
  uint64_t room = std::numeric_limits<uint64_t>::max() - scratch;
  if (request.residentDeviceBytes > room)
    return makeLaunchError(LaunchErrorKind::PeakBytesOverflow, request.residentDeviceBytes, room);
  uint64_t peak = request.residentDeviceBytes + scratch;
  uint64_t budget = request.deviceMemoryBudgetBytes;
  if (budget != 0 && peak > budget)
    return makeLaunchError(LaunchErrorKind::DeviceOutOfMemory, peak, budget);
  return peak;
}

//===----------------------------------------------------------------------===//
// The pipeline
//===----------------------------------------------------------------------===//

/// The steps in the order that decides which error is reported. 'request' has its signals filled in.
static LaunchExpected<LaunchRecommendation> compute(const LaunchPolicy &policy, const LaunchRequest &request,
                                                    std::optional<DispatchTopology> previous) {
  bool hotOpcodes = request.hotOpcodeCount >= policy.hotOpcodeThreshold;
  bool hotWindows = request.hotWindowCount >= policy.hotWindowThreshold;
  bool hot = hotOpcodes || hotWindows;
  DispatchTopology topology = chooseTopology(policy, request, hot);
  if (previous)
    topology = stabilise(policy, request, hot, topology, *previous);

  auto workers = shedWorkers(policy, request, topology);
  if (!workers)
    return tl::unexpected(workers.error());
  auto plan = policy.sizing.calculateOptimalGrid(
      {request.queueLen, *workers},
      {request.maxWorkgroupSizeX, request.maxComputeWorkgroupsPerDimension, request.maxComputeInvocationsPerWorkgroup});
  if (!plan)
    return tl::unexpected(plan.error());
  auto hitCapacity = chooseHitCapacity(policy, request);
  if (!hitCapacity)
    return tl::unexpected(hitCapacity.error());
  auto peak = estimatePeak(policy, request, *hitCapacity);
  if (!peak)
    return tl::unexpected(peak.error());

  // A fused topology needs no mention: it is only chosen for hot code.
  bool jit = hot || request.queueLen >= policy.jitQueueLenThreshold;
  LaunchRecommendation result;
  result.geometry = plan->geometry;
  result.workerGroups = plan->workerGroups;
  result.hitCapacity = *hitCapacity;
  result.pressure = classifyPressure(policy, request, plan->geometry);
  result.executionMode = jit ? ExecutionMode::Jit : ExecutionMode::Interpreter;
  result.topology = topology;
  result.promoteHotOpcodes = hotOpcodes;
  result.promoteHotWindows = hotWindows;
  result.agePriorityWork = request.requeueCount > 0 || request.maxPriorityAge >= policy.priorityAgeThreshold;
  result.estimatedPeakDeviceBytes = *peak;
  result.deviceMemoryBudgetBytes = request.deviceMemoryBudgetBytes;
  return result;
}

//===----------------------------------------------------------------------===//
// Hashing and the cache
//===----------------------------------------------------------------------===//

// The fields of neighbours in memory are joined to one load each; every field must occur. Two 64-bit words make one
// 128-bit product, whose halves are folded.
static uint64_t join(uint32_t low, uint32_t high) { return low | uint64_t(high) << 32; }

static uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Arbitrary odd constants with about as many ones as zeros, so that no factor is 0 for small fields.
static constexpr uint64_t Salts[] = {0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93,
                                     0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3};

static uint64_t hashOf(const LaunchPolicy &policy) {
  static_assert(std::is_empty_v<SizingPolicy>, "sizing parameters must go into the hash");
  uint32_t frontier = policy.sparseFrontierThresholdBps | uint32_t(policy.denseFrontierThresholdBps) << 16;
  return mix(join(policy.minHitCapacity, policy.hitCapacityMultiplier) ^ Salts[0],
             join(policy.saturatedWaves, policy.hotOpcodeThreshold) ^ Salts[1]) +
         mix(join(policy.hotWindowThreshold, policy.jitQueueLenThreshold) ^ Salts[2],
             join(policy.priorityAgeThreshold, frontier) ^ Salts[3]) +
         mix(join(policy.fusionEdgeThreshold, policy.scratchBytesPerHit) ^ Salts[4],
             policy.memoryPressureThresholdBps ^ Salts[5]);
}

static uint64_t hashOf(const LaunchRequest &request) {
  uint32_t shares = request.frontierDensityBps | uint32_t(request.memoryPressureBps) << 16;
  return mix(join(request.queueLen, request.requestedWorkerGroups) ^ Salts[0],
             join(request.maxWorkgroupSizeX, request.maxComputeWorkgroupsPerDimension) ^ Salts[1]) +
         mix(join(request.maxComputeInvocationsPerWorkgroup, request.requestedHitCapacity) ^ Salts[2],
             join(request.expectedHitsPerItem, request.hotOpcodeCount) ^ Salts[3]) +
         mix(request.hotWindowCount ^ Salts[4], request.requeueCount ^ Salts[5]) +
         mix(join(request.maxPriorityAge, request.graphNodeCount) ^ Salts[6],
             join(request.graphEdgeCount, shares) ^ Salts[7]) +
         mix(request.residentDeviceBytes ^ Salts[0], request.deviceMemoryBudgetBytes ^ Salts[3]);
}

size_t std::hash<LaunchPolicy>::operator()(const LaunchPolicy &policy) const noexcept { return hashOf(policy); }
size_t std::hash<LaunchRequest>::operator()(const LaunchRequest &request) const noexcept { return hashOf(request); }

static constinit thread_local LaunchCache cache;

LaunchCacheStats LaunchPolicy::launchCacheStats() { return cache.stats(); }
void LaunchPolicy::resetLaunchCacheForThread() { cache.reset(); }

//===----------------------------------------------------------------------===//
// Entry points
//===----------------------------------------------------------------------===//

LaunchExpected<LaunchRecommendation> LaunchPolicy::recommend(LaunchRequest request) const {
  uint32_t hash = static_cast<uint32_t>(hashOf(*this) + hashOf(request));
  if (const LaunchRecommendation *found = cache.find(*this, request, hash))
    return *found;
  auto result = compute(*this, request.withInferredSignals(), std::nullopt);
  if (result)
    cache.insert(*this, request, hash, *result);
  return result;
}

LaunchExpected<LaunchRecommendation> LaunchPolicy::recommendWithPreviousTopology(LaunchRequest request,
                                                                                 DispatchTopology previous) const {
  return compute(*this, request.withInferredSignals(), previous);
}

static GraphBlasSwitchClass switchClassOf(DispatchTopology topology) {
  switch (topology) {
  case DispatchTopology::Empty:
    return GraphBlasSwitchClass::Empty;
  case DispatchTopology::SparseFrontier:
    return GraphBlasSwitchClass::Sparse;
  case DispatchTopology::HybridFrontier:
    return GraphBlasSwitchClass::Hybrid;
  case DispatchTopology::DenseFrontier:
  case DispatchTopology::FusedDense:
    return GraphBlasSwitchClass::Dense;
  case DispatchTopology::MemoryConstrained:
    break;
  }
  return GraphBlasSwitchClass::MemoryConstrained;
}

static PromotionRoute routeOf(const LaunchRecommendation &recommendation) {
  if (recommendation.executionMode == ExecutionMode::Interpreter)
    return PromotionRoute::Interpreter;
  if (recommendation.promoteHotOpcodes)
    return recommendation.promoteHotWindows ? PromotionRoute::OpcodeAndWindowJit : PromotionRoute::OpcodeJit;
  return recommendation.promoteHotWindows ? PromotionRoute::WindowJit : PromotionRoute::QueueJit;
}

LaunchExpected<WithEvidence<TopologyEvidence>>
LaunchPolicy::recommendWithTopologyEvidence(LaunchRequest request) const {
  request = request.withInferredSignals();
  return recommend(request).map([&](const LaunchRecommendation &recommendation) {
    TopologyEvidence evidence;
    evidence.queuePressure = recommendation.pressure;
    evidence.frontierDensityBps = request.frontierDensityBps;
    evidence.semiringFrontierDensityBps = request.frontierDensityBps;
    evidence.selectedTopology = recommendation.topology;
    evidence.graphBlasSwitchClass = switchClassOf(recommendation.topology);
    evidence.residentDeviceBytes = request.residentDeviceBytes;
    evidence.estimatedPeakDeviceBytes = recommendation.estimatedPeakDeviceBytes;
    return WithEvidence<TopologyEvidence>{recommendation, evidence};
  });
}

LaunchExpected<WithEvidence<PromotionEvidence>>
LaunchPolicy::recommendWithPromotionEvidence(LaunchRequest request) const {
  request = request.withInferredSignals();
  return recommend(request).map([&](const LaunchRecommendation &recommendation) {
    PromotionEvidence evidence;
    evidence.queueLen = request.queueLen;
    evidence.jitQueueLenThreshold = jitQueueLenThreshold;
    evidence.hotOpcodeCount = request.hotOpcodeCount;
    evidence.hotOpcodeThreshold = hotOpcodeThreshold;
    evidence.hotWindowCount = request.hotWindowCount;
    evidence.hotWindowThreshold = hotWindowThreshold;
    evidence.executionMode = recommendation.executionMode;
    evidence.promoteHotOpcodes = recommendation.promoteHotOpcodes;
    evidence.promoteHotWindows = recommendation.promoteHotWindows;
    evidence.promotionRoute = routeOf(recommendation);
    evidence.fusedDescriptorWindowRequired = recommendation.promoteHotWindows;
    return WithEvidence<PromotionEvidence>{recommendation, evidence};
  });
}
