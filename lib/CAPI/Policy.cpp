//===- Policy.cpp - The launch policy for C -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"
#include <algorithm>

using namespace mk;
using namespace mk::capi;

static_assert(int(mkQueuePressureSaturated) == int(QueuePressure::Saturated));
static_assert(int(mkExecutionModeJit) == int(ExecutionMode::Jit));
static_assert(int(mkTopologyMemoryConstrained) == int(DispatchTopology::MemoryConstrained));
static_assert(int(mkPromotionRouteOpcodeAndWindowJit) == int(PromotionRoute::OpcodeAndWindowJit));

static mkPolicy defaultPolicy() {
  LaunchPolicy from;
  mkPolicy policy{};
  policy.structSize = sizeof policy;
  policy.minHitCapacity = from.minHitCapacity;
  policy.hitCapacityMultiplier = from.hitCapacityMultiplier;
  policy.saturatedWaves = from.saturatedWaves;
  policy.hotOpcodeThreshold = from.hotOpcodeThreshold;
  policy.hotWindowThreshold = from.hotWindowThreshold;
  policy.jitQueueLenThreshold = from.jitQueueLenThreshold;
  policy.priorityAgeThreshold = from.priorityAgeThreshold;
  policy.sparseFrontierThresholdBps = from.sparseFrontierThresholdBps;
  policy.denseFrontierThresholdBps = from.denseFrontierThresholdBps;
  policy.memoryPressureThresholdBps = from.memoryPressureThresholdBps;
  policy.fusionEdgeThreshold = from.fusionEdgeThreshold;
  policy.scratchBytesPerHit = from.scratchBytesPerHit;
  return policy;
}

Expected<uint16_t> mk::capi::readBps(const char *field, uint32_t value) {
  if (value > UINT16_MAX)
    return makeError(ErrorCode::InvalidArgument, std::string(field) + " is " + std::to_string(value) +
                                                     ", give hundredths of a percent, at most " +
                                                     std::to_string(UINT16_MAX));
  return uint16_t(value);
}

Expected<LaunchPolicy> mk::capi::readPolicy(const mkPolicy *given) {
  Expected<mkPolicy> policy = readOptions("mkPolicy", given, defaultPolicy());
  if (!policy)
    return tl::unexpected(policy.error());
  LaunchPolicy read;
  struct Bps {
    const char *field;
    uint32_t value;
    uint16_t *to;
  };
  for (const Bps &bps :
       {Bps{"mkPolicy::sparseFrontierThresholdBps", policy->sparseFrontierThresholdBps,
            &read.sparseFrontierThresholdBps},
        Bps{"mkPolicy::denseFrontierThresholdBps", policy->denseFrontierThresholdBps, &read.denseFrontierThresholdBps},
        Bps{"mkPolicy::memoryPressureThresholdBps", policy->memoryPressureThresholdBps,
            &read.memoryPressureThresholdBps}})
    if (Expected<void> stored = store(readBps(bps.field, bps.value), bps.to); !stored)
      return tl::unexpected(stored.error());
  read.minHitCapacity = policy->minHitCapacity;
  read.hitCapacityMultiplier = policy->hitCapacityMultiplier;
  read.saturatedWaves = policy->saturatedWaves;
  read.hotOpcodeThreshold = policy->hotOpcodeThreshold;
  read.hotWindowThreshold = policy->hotWindowThreshold;
  read.jitQueueLenThreshold = policy->jitQueueLenThreshold;
  read.priorityAgeThreshold = policy->priorityAgeThreshold;
  read.fusionEdgeThreshold = policy->fusionEdgeThreshold;
  read.scratchBytesPerHit = policy->scratchBytesPerHit;
  return read;
}

mkLaunchRequest mk::capi::convert(const LaunchRequest &request) {
  mkLaunchRequest to{};
  to.queueLen = request.queueLen;
  to.requestedWorkerGroups = request.requestedWorkerGroups;
  to.maxWorkgroupSizeX = request.maxWorkgroupSizeX;
  to.maxComputeWorkgroupsPerDimension = request.maxComputeWorkgroupsPerDimension;
  to.maxComputeInvocationsPerWorkgroup = request.maxComputeInvocationsPerWorkgroup;
  to.requestedHitCapacity = request.requestedHitCapacity;
  to.expectedHitsPerItem = request.expectedHitsPerItem;
  to.hotOpcodeCount = request.hotOpcodeCount;
  to.hotWindowCount = request.hotWindowCount;
  to.maxPriorityAge = request.maxPriorityAge;
  to.requeueCount = request.requeueCount;
  to.graphNodeCount = request.graphNodeCount;
  to.graphEdgeCount = request.graphEdgeCount;
  to.frontierDensityBps = request.frontierDensityBps;
  to.memoryPressureBps = request.memoryPressureBps;
  to.residentDeviceBytes = request.residentDeviceBytes;
  to.deviceMemoryBudgetBytes = request.deviceMemoryBudgetBytes;
  return to;
}

mkLaunchRecommendation mk::capi::convert(const LaunchRecommendation &recommendation) {
  const LaunchGeometry &geometry = recommendation.geometry;
  mkLaunchRecommendation to{};
  to.workgroupSizeX = geometry.workgroupSizeX;
  to.slotCount = geometry.slotCount;
  std::copy(geometry.dispatchGrid.begin(), geometry.dispatchGrid.end(), to.dispatchGrid);
  to.workerGroups = recommendation.workerGroups;
  to.hitCapacity = recommendation.hitCapacity;
  to.pressure = mkQueuePressure(recommendation.pressure);
  to.executionMode = mkExecutionMode(recommendation.executionMode);
  to.topology = mkTopology(recommendation.topology);
  to.promoteHotOpcodes = recommendation.promoteHotOpcodes;
  to.promoteHotWindows = recommendation.promoteHotWindows;
  to.agePriorityWork = recommendation.agePriorityWork;
  to.estimatedPeakDeviceBytes = recommendation.estimatedPeakDeviceBytes;
  to.deviceMemoryBudgetBytes = recommendation.deviceMemoryBudgetBytes;
  return to;
}

mkPromotionEvidence mk::capi::convert(const PromotionEvidence &evidence) {
  mkPromotionEvidence to{};
  to.queueLen = evidence.queueLen;
  to.jitQueueLenThreshold = evidence.jitQueueLenThreshold;
  to.hotOpcodeCount = evidence.hotOpcodeCount;
  to.hotOpcodeThreshold = evidence.hotOpcodeThreshold;
  to.hotWindowCount = evidence.hotWindowCount;
  to.hotWindowThreshold = evidence.hotWindowThreshold;
  to.executionMode = mkExecutionMode(evidence.executionMode);
  to.route = mkPromotionRoute(evidence.promotionRoute);
  to.promoteHotOpcodes = evidence.promoteHotOpcodes;
  to.promoteHotWindows = evidence.promoteHotWindows;
  return to;
}

extern "C" {

mkError *mkPolicyInit(mkPolicy *policy, size_t structSize) {
  return call(__func__, {{"policy", policy}},
              [&] { return initialize("mkPolicy", defaultPolicy(), policy, structSize); });
}

const char *mkQueuePressureName(mkQueuePressure pressure) {
  return nameOf(pressure, QueuePressure::Saturated, stringifyQueuePressure);
}
const char *mkExecutionModeName(mkExecutionMode mode) {
  return nameOf(mode, ExecutionMode::Jit, stringifyExecutionMode);
}
const char *mkTopologyName(mkTopology topology) {
  return nameOf(topology, DispatchTopology::MemoryConstrained, stringifyDispatchTopology);
}
const char *mkPromotionRouteName(mkPromotionRoute route) {
  return nameOf(route, PromotionRoute::OpcodeAndWindowJit, stringifyPromotionRoute);
}

} // extern "C"
