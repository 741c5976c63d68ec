//===- Policy.h - The launch policy: settings and answers ---------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the launch policy is asked before every batch, and what it answers; docs/LaunchPolicy.md says what becomes of
// it. 'Bps' are hundredths of a percent.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_POLICY_H
#define MK_C_POLICY_H

#include "mk-c/Error.h"

MK_C_BEGIN

/// The settings.
typedef struct mkPolicy {
  size_t structSize;
  /// The least hit capacity that is derived, in entries.
  uint32_t minHitCapacity;
  /// Factor on the expected hits. While memory is scarce it is 1 instead.
  uint32_t hitCapacityMultiplier;
  /// A queue of this many items for each lane is saturated.
  uint32_t saturatedWaves;
  /// This many hot opcodes, or hot windows, get promoted; a queue of this many items is worth compiled code. 0: always.
  uint32_t hotOpcodeThreshold;
  uint32_t hotWindowThreshold;
  uint32_t jitQueueLenThreshold;
  /// Work that has waited for this many ticks ages. 0: always.
  uint32_t priorityAgeThreshold;
  /// A frontier of at most, and of at least, this density is sparse, and dense.
  uint32_t sparseFrontierThresholdBps;
  uint32_t denseFrontierThresholdBps;
  /// From this pressure on memory is scarce.
  uint32_t memoryPressureThresholdBps;
  /// This many edges allow fusing a dense frontier.
  uint32_t fusionEdgeThreshold;
  /// Size of an entry of the hit buffer, in bytes.
  uint32_t scratchBytesPerHit;
} mkPolicy;

/// Sets the defaults. 'structSize' is sizeof(mkPolicy).
MK_FALLIBLE mkError *mkPolicyInit(mkPolicy *policy, size_t structSize);

typedef enum mkQueuePressure {
  mkQueuePressureEmpty = 0,
  mkQueuePressureLight,
  mkQueuePressureBalanced,
  mkQueuePressureSaturated,
} mkQueuePressure;

typedef enum mkExecutionMode { mkExecutionModeInterpreter = 0, mkExecutionModeJit } mkExecutionMode;

typedef enum mkTopology {
  mkTopologyEmpty = 0,
  mkTopologySparseFrontier,
  mkTopologyHybridFrontier,
  mkTopologyDenseFrontier,
  mkTopologyFusedDense,
  mkTopologyMemoryConstrained,
} mkTopology;

/// Which signals made the policy promote.
typedef enum mkPromotionRoute {
  mkPromotionRouteInterpreter = 0,
  mkPromotionRouteQueueJit,
  mkPromotionRouteOpcodeJit,
  mkPromotionRouteWindowJit,
  mkPromotionRouteOpcodeAndWindowJit,
} mkPromotionRoute;

/// Labels, such as "sparse_frontier"; "unknown" for what there is not.
MK_API const char *mkQueuePressureName(mkQueuePressure pressure);
MK_API const char *mkExecutionModeName(mkExecutionMode mode);
MK_API const char *mkTopologyName(mkTopology topology);
MK_API const char *mkPromotionRouteName(mkPromotionRoute route);

/// What the policy was asked.
typedef struct mkLaunchRequest {
  uint32_t queueLen;
  uint32_t requestedWorkerGroups;
  uint32_t maxWorkgroupSizeX;
  uint32_t maxComputeWorkgroupsPerDimension;
  uint32_t maxComputeInvocationsPerWorkgroup;
  uint32_t requestedHitCapacity;
  uint32_t expectedHitsPerItem;
  uint32_t hotOpcodeCount;
  uint32_t hotWindowCount;
  uint32_t maxPriorityAge;
  uint64_t requeueCount;
  uint32_t graphNodeCount;
  uint32_t graphEdgeCount;
  uint32_t frontierDensityBps;
  uint32_t memoryPressureBps;
  uint64_t residentDeviceBytes;
  uint64_t deviceMemoryBudgetBytes;
} mkLaunchRequest;

/// What it answered.
typedef struct mkLaunchRecommendation {
  /// Lanes of a workgroup, slots after padding, workgroups.
  uint32_t workgroupSizeX;
  uint32_t slotCount;
  uint32_t dispatchGrid[3];
  uint32_t workerGroups;
  /// Entries of the hit buffer.
  uint32_t hitCapacity;
  mkQueuePressure pressure;
  mkExecutionMode executionMode;
  mkTopology topology;
  bool promoteHotOpcodes;
  bool promoteHotWindows;
  bool agePriorityWork;
  uint64_t estimatedPeakDeviceBytes;
  uint64_t deviceMemoryBudgetBytes;
} mkLaunchRecommendation;

/// Why it wants something promoted: each signal with the threshold that it was held against.
typedef struct mkPromotionEvidence {
  uint32_t queueLen;
  uint32_t jitQueueLenThreshold;
  uint32_t hotOpcodeCount;
  uint32_t hotOpcodeThreshold;
  uint32_t hotWindowCount;
  uint32_t hotWindowThreshold;
  mkExecutionMode executionMode;
  mkPromotionRoute route;
  bool promoteHotOpcodes;
  bool promoteHotWindows;
} mkPromotionEvidence;

/// How often waiting batches were overtaken and raised for their age, and the greatest age seen with either.
typedef struct mkPriorityAccounting {
  uint64_t requeueCount;
  uint64_t agedPromotions;
  uint32_t maxPriorityAge;
} mkPriorityAccounting;

MK_C_END

#endif // MK_C_POLICY_H
