//===- LaunchRequest.h - Question and answer of the policy -------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the launch policy is asked, and what it answers. After MegakernelLaunchRequest and
// MegakernelLaunchRecommendation of the vyre-runtime crate.
//
// Shares are in basis points (bps): 10000 bps are 100 %. They are not checked; values above 10000 count as such.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_LAUNCHREQUEST_H
#define MK_RUNTIME_POLICY_LAUNCHREQUEST_H

#include "mk/Runtime/Policy/Sizing.h"
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mk {

/// How much a launch has to do, against the lanes that its grid has.
enum class QueuePressure : uint8_t {
  /// Nothing is queued.
  Empty,
  /// Fewer items than lanes.
  Light,
  /// At least one item for each lane.
  Balanced,
  /// Several waves of items (LaunchPolicy::saturatedWaves), or items that came back.
  Saturated,
};
/// The label of a pressure, e.g. "light".
const char *stringifyQueuePressure(QueuePressure pressure);
std::optional<QueuePressure> parseQueuePressure(std::string_view label);

/// What runs the items.
enum class ExecutionMode : uint8_t { Interpreter, Jit };
/// "interpreter" or "jit".
const char *stringifyExecutionMode(ExecutionMode mode);
std::optional<ExecutionMode> parseExecutionMode(std::string_view label);

/// How the work is spread over the device.
enum class DispatchTopology : uint8_t {
  /// Nothing is queued.
  Empty,
  /// Few of the nodes are active.
  SparseFrontier,
  /// Between sparse and dense.
  HybridFrontier,
  /// Many of the nodes are active.
  DenseFrontier,
  /// Dense, with so many edges and such hot code that fusing the steps pays.
  FusedDense,
  /// Memory is scarce, whatever the frontier looks like.
  MemoryConstrained,
};
/// The label of a topology, e.g. "sparse_frontier".
const char *stringifyDispatchTopology(DispatchTopology topology);
std::optional<DispatchTopology> parseDispatchTopology(std::string_view label);

/// The signals on which a recommendation rests.
struct LaunchRequest {
  /// Items that wait for the launch; 0 for an empty queue.
  uint32_t queueLen = 0;
  /// Worker groups that the caller wants; 0 derives them from the limits.
  uint32_t requestedWorkerGroups = 0;
  /// The adapter's widest workgroup, in lanes; at least 1.
  uint32_t maxWorkgroupSizeX = 0;
  /// The adapter's most workgroups in one dimension; at least 1.
  uint32_t maxComputeWorkgroupsPerDimension = 0;
  /// The adapter's most invocations in a workgroup; at least 1. It tells powerful adapters, and bounds nothing.
  uint32_t maxComputeInvocationsPerWorkgroup = 0;
  /// Entries of the hit buffer; 0 derives them from the queue.
  uint32_t requestedHitCapacity = 0;
  /// Hits that an item is expected to produce; 0 counts as 1.
  uint32_t expectedHitsPerItem = 1;
  /// Opcodes that are hot.
  uint32_t hotOpcodeCount = 0;
  /// Windows that are hot.
  uint32_t hotWindowCount = 0;
  /// Items that were put back into the queue.
  uint64_t requeueCount = 0;
  /// The longest that an item has waited, in ticks.
  uint32_t maxPriorityAge = 0;
  /// Nodes of the graph being walked; 0 when there is no graph.
  uint32_t graphNodeCount = 0;
  /// Edges of that graph.
  uint32_t graphEdgeCount = 0;
  /// Active share of the nodes, in bps; 0 infers it from queue and nodes.
  uint16_t frontierDensityBps = 0;
  /// Share of device memory in use, in bps; 0 infers it from resident bytes and budget.
  uint16_t memoryPressureBps = 0;
  /// Bytes that stay on the device during the launch.
  uint64_t residentDeviceBytes = 0;
  /// Bytes that the launch may take in all; 0 for no bound.
  uint64_t deviceMemoryBudgetBytes = 0;

  /// A request without telemetry. The worker groups also stand for the adapter's limit on workgroups, and the width
  /// for its limit on invocations; so neither may be 0 in a request that is to succeed.
  static constexpr LaunchRequest direct(uint32_t queueLen, uint32_t requestedWorkerGroups, uint32_t maxWorkgroupSizeX) {
    LaunchRequest request;
    request.queueLen = queueLen;
    request.requestedWorkerGroups = requestedWorkerGroups;
    request.maxWorkgroupSizeX = maxWorkgroupSizeX;
    request.maxComputeWorkgroupsPerDimension = requestedWorkerGroups;
    request.maxComputeInvocationsPerWorkgroup = maxWorkgroupSizeX;
    return request;
  }

  /// The request as the policy reads it: density and pressure are inferred where they are 0 and the other signals say
  /// enough. Doing it twice changes nothing.
  LaunchRequest withInferredSignals() const;

  /// One line of JSON, as mk-policy reads it.
  std::string str() const;
  bool operator==(const LaunchRequest &) const = default;
};

/// What to launch.
struct LaunchRecommendation {
  LaunchGeometry geometry;
  /// Worker groups after shedding and within the adapter's limit.
  uint32_t workerGroups = 0;
  /// Entries of the hit buffer.
  uint32_t hitCapacity = 0;
  QueuePressure pressure = QueuePressure::Empty;
  ExecutionMode executionMode = ExecutionMode::Interpreter;
  DispatchTopology topology = DispatchTopology::Empty;
  /// Enough opcodes are hot to be worth compiling.
  bool promoteHotOpcodes = false;
  /// Enough windows are hot to be worth compiling.
  bool promoteHotWindows = false;
  /// Waiting work should rise in priority.
  bool agePriorityWork = false;
  /// Resident bytes plus the hit buffer.
  uint64_t estimatedPeakDeviceBytes = 0;
  /// The budget of the request.
  uint64_t deviceMemoryBudgetBytes = 0;

  /// One line of JSON, as mk-policy writes it.
  std::string str() const;
  bool operator==(const LaunchRecommendation &) const = default;
};

} // namespace mk

template <> struct std::hash<mk::LaunchRequest> {
  size_t operator()(const mk::LaunchRequest &request) const noexcept;
};

#endif // MK_RUNTIME_POLICY_LAUNCHREQUEST_H
