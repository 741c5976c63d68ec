//===- Explain.cpp - A recommendation in words ----------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every sentence says what was decided, which signal met which threshold, and what would decide otherwise. Facts come
// from the policy itself, asked again with a changed request where that tells more.
//
//===----------------------------------------------------------------------===//

#include "Calls.h"
#include <algorithm>
#include <optional>

using namespace mk;

static std::string num(uint64_t value) { return std::to_string(value); }

/// "hot_opcode_count 3 < hot_opcode_threshold 8", with the relation that holds.
static std::string compare(const char *signal, uint64_t value, const char *threshold, uint64_t bound) {
  return std::string(signal) + " " + num(value) + (value < bound ? " < " : " >= ") + threshold + " " + num(bound);
}

namespace {
/// One recommendation with everything that led to it.
struct Case {
  LaunchPolicy policy;
  /// As given, and with its signals filled in.
  LaunchRequest given, request;
  std::optional<DispatchTopology> previous;
  LaunchRecommendation result;

  bool hot() const { return result.promoteHotOpcodes || result.promoteHotWindows; }

  /// The topology that the signals alone select.
  DispatchTopology raw() const { return policy.recommend(request)->topology; }
  /// The same with another density, and without memory pressure where 'free'.
  DispatchTopology rawWith(uint32_t density, bool free) const {
    LaunchPolicy changed = policy;
    if (free)
      changed.memoryPressureThresholdBps = 65535;
    LaunchRequest other = request;
    other.frontierDensityBps = density;
    if (free)
      other.memoryPressureBps = 1;
    // A request that only its topology is asked of must not fail for its sizes.
    other.requestedHitCapacity = 1;
    other.residentDeviceBytes = other.deviceMemoryBudgetBytes = 0;
    return changed.recommend(other)->topology;
  }

  std::string signals() const;
  std::string topology() const;
  std::string frontier() const;
  std::string hysteresis() const;
  std::string workers() const;
  std::string grid() const;
  std::string pressure() const;
  std::string hitCapacity() const;
  std::string memory() const;
  std::string execution() const;
  std::string ageing() const;
};
} // namespace

std::string Case::signals() const {
  std::string text;
  if (request.frontierDensityBps != given.frontierDensityBps)
    text = "frontier_density_bps " + num(request.frontierDensityBps) + " is inferred from queue_len " +
           num(request.queueLen) + " and graph_node_count " + num(request.graphNodeCount);
  if (request.memoryPressureBps != given.memoryPressureBps)
    text += (text.empty() ? "" : "; ") + ("memory_pressure_bps " + num(request.memoryPressureBps)) +
            " is inferred from resident_device_bytes " + num(request.residentDeviceBytes) +
            " and device_memory_budget_bytes " + num(request.deviceMemoryBudgetBytes);
  return text.empty() ? "all used as given" : text;
}

/// Why sparse, hybrid, dense or fused, and how far it is to the neighbours.
std::string Case::frontier() const {
  uint32_t density = request.frontierDensityBps;
  uint32_t sparse = policy.sparseFrontierThresholdBps, dense = policy.denseFrontierThresholdBps;
  std::string value = "frontier_density_bps " + num(density);
  std::string sparseBound = "sparse_frontier_threshold_bps " + num(sparse);
  std::string denseBound = "dense_frontier_threshold_bps " + num(dense);
  switch (raw()) {
  case DispatchTopology::SparseFrontier:
    if (sparse == 65535)
      return value + " <= " + sparseBound + "; a lower threshold would change it";
    return value + " <= " + sparseBound + "; from " + num(sparse + 1) + " on it would be " +
           stringifyDispatchTopology(rawWith(sparse + 1, false));
  case DispatchTopology::HybridFrontier:
    return value + " lies between " + sparseBound + " and " + denseBound + "; up to " + num(sparse) +
           " it would be sparse_frontier, from " + num(dense) + " on " +
           stringifyDispatchTopology(rawWith(dense, false));
  default:
    break;
  }
  bool fused = raw() == DispatchTopology::FusedDense;
  std::string text = value + " >= " + denseBound;
  // Below the dense threshold lies the sparse one at the latest.
  uint32_t edge = std::max(dense, sparse + 1);
  if (edge > 1)
    text += "; below " + num(edge) + " it would be " + stringifyDispatchTopology(rawWith(edge - 1, false));
  text += fused ? "; it is fused because graph_node_count " : "; to be fused_dense it needs all of graph_node_count ";
  text += num(request.graphNodeCount) + (request.graphNodeCount ? " > 0, " : " = 0 (must be above 0), ");
  text += compare("graph_edge_count", request.graphEdgeCount, "fusion_edge_threshold", policy.fusionEdgeThreshold);
  if (request.graphEdgeCount < policy.fusionEdgeThreshold)
    text += " (must reach it)";
  text += hot() ? " and hot code, which there is" : " and hot code, which there is not";
  return text;
}

std::string Case::topology() const {
  std::string text = std::string(stringifyDispatchTopology(result.topology)) + ", because ";
  if (previous && raw() != result.topology)
    return text + hysteresis();
  if (request.queueLen == 0)
    return text + "queue_len is 0; any item in the queue would change it";
  if (raw() != DispatchTopology::MemoryConstrained)
    return text + frontier();
  text += compare("memory_pressure_bps", request.memoryPressureBps, "memory_pressure_threshold_bps",
                  policy.memoryPressureThresholdBps);
  if (policy.memoryPressureThresholdBps == 0)
    return text + "; only a higher threshold would change it";
  return text + "; below " + num(policy.memoryPressureThresholdBps) + " it would be " +
         stringifyDispatchTopology(rawWith(request.frontierDensityBps, true));
}

/// Why a previous topology is kept against the signals.
std::string Case::hysteresis() const {
  uint32_t sparse = policy.sparseFrontierThresholdBps, dense = policy.denseFrontierThresholdBps;
  auto below = [](uint32_t value, uint32_t band) { return value - std::min(value, band); };
  auto above = [](uint32_t value, uint32_t band) { return std::min(value + band, 65535u); };
  constexpr uint32_t Band = LaunchPolicy::FrontierHysteresisBps;
  std::string density = "frontier_density_bps " + num(request.frontierDensityBps);
  std::string bound;
  switch (result.topology) {
  case DispatchTopology::MemoryConstrained:
    bound = "memory_pressure_bps " + num(request.memoryPressureBps) +
            " >= " + num(below(policy.memoryPressureThresholdBps, LaunchPolicy::MemoryHysteresisBps));
    break;
  case DispatchTopology::SparseFrontier:
    bound = density + " <= " + num(above(sparse, Band));
    break;
  case DispatchTopology::HybridFrontier:
    bound = raw() == DispatchTopology::SparseFrontier ? density + " >= " + num(below(sparse, Band))
                                                      : density + " <= " + num(above(dense, Band));
    break;
  default:
    bound = density + " >= " + num(below(dense, Band));
    if (result.topology == DispatchTopology::FusedDense)
      bound += ", with enough edges and hot code";
    break;
  }
  return "it was so before and " + bound + " stays within the hysteresis; beyond that, or without a previous " +
         "topology, it would be " + stringifyDispatchTopology(raw());
}

std::string Case::workers() const {
  std::string text = num(result.workerGroups);
  uint32_t asked = request.requestedWorkerGroups, dimension = request.maxComputeWorkgroupsPerDimension;
  if (asked == 0)
    return text + ", derived from max_compute_workgroups_per_dimension " + num(dimension) +
           " and max_compute_invocations_per_workgroup " + num(request.maxComputeInvocationsPerWorkgroup) +
           ", because requested_worker_groups is 0; nothing is shed from a derived number";
  LaunchRequest unlimited = request;
  unlimited.maxComputeWorkgroupsPerDimension = UINT32_MAX;
  uint32_t shed = (previous ? policy.recommendWithPreviousTopology(unlimited, *previous) : policy.recommend(unlimited))
                      ->workerGroups;
  text += " of " + num(asked) + " requested";
  if (shed == asked)
    text += ", nothing is shed";
  else if (result.topology == DispatchTopology::MemoryConstrained)
    text += "; " + num(asked - shed) + " are shed under memory pressure, a quarter at the threshold and a half from " +
            "10000 bps on";
  else
    text += "; " + num(asked - shed) + " are shed from the sparse frontier in proportion to frontier_density_bps " +
            num(request.frontierDensityBps) + " of sparse_frontier_threshold_bps " +
            num(policy.sparseFrontierThresholdBps) + ", down to 32";
  if (shed > dimension)
    text += "; max_compute_workgroups_per_dimension " + num(dimension) + " limits the rest";
  return text;
}

std::string Case::grid() const {
  const LaunchGeometry &geometry = result.geometry;
  auto count = [](uint32_t n, const char *what) { return num(n) + " " + what + (n == 1 ? "" : "s"); };
  std::string text = count(geometry.dispatchGrid[0], "workgroup") + " of " + count(geometry.workgroupSizeX, "lane") +
                     " for " + count(geometry.slotCount, "slot");
  if (geometry.dispatchGrid[0] < geometry.coveringWorkerGroups())
    text += "; all slots at once would take " + num(geometry.coveringWorkerGroups()) +
            ", but a grid has at most as many workgroups as workers, and at most " +
            num(SizingPolicy::MaxDispatchWorkgroups);
  if (geometry.slotCount < request.queueLen)
    text += "; the queue is longer, but no larger multiple of the width fits 32 bits";
  return text;
}

std::string Case::pressure() const {
  uint64_t lanes = uint64_t(result.geometry.dispatchGrid[0]) * result.geometry.workgroupSizeX;
  uint64_t saturated = lanes * policy.saturatedWaves;
  std::string text = std::string(stringifyQueuePressure(result.pressure)) + ", because ";
  std::string waves = num(lanes) + " lanes times saturated_waves " + num(policy.saturatedWaves);
  switch (result.pressure) {
  case QueuePressure::Empty:
    return text + "queue_len is 0";
  case QueuePressure::Saturated:
    if (request.requeueCount > 0)
      return text + "requeue_count is " + num(request.requeueCount) + "; 0 would leave it to the length of the queue";
    return text + "queue_len " + num(request.queueLen) + " >= " + waves + "; below " + num(saturated) +
           " it would be lower";
  case QueuePressure::Balanced:
    return text + "queue_len " + num(request.queueLen) + " >= " + num(lanes) + " lanes, but below " + waves +
           "; a requeued item would make it saturated";
  case QueuePressure::Light:
    break;
  }
  return text + "queue_len " + num(request.queueLen) + " < " + num(lanes) +
         " lanes; a requeued item would make it saturated";
}

std::string Case::hitCapacity() const {
  std::string text = num(result.hitCapacity) + " entries, ";
  if (request.requestedHitCapacity != 0)
    return text + "as requested_hit_capacity says; 0 would derive them";
  bool scarce = request.memoryPressureBps >= policy.memoryPressureThresholdBps;
  uint64_t factor = scarce ? 1 : policy.hitCapacityMultiplier;
  text += "the larger of min_hit_capacity " + num(policy.minHitCapacity) + " and queue_len " + num(request.queueLen) +
          " * expected_hits_per_item " + num(std::max(request.expectedHitsPerItem, 1u));
  return text + (scarce ? ", without hit_capacity_multiplier because memory is scarce"
                        : " * hit_capacity_multiplier " + num(factor));
}

std::string Case::memory() const {
  std::string text = num(result.estimatedPeakDeviceBytes) + " bytes at the peak: resident_device_bytes " +
                     num(request.residentDeviceBytes) + " + hit capacity * scratch_bytes_per_hit " +
                     num(policy.scratchBytesPerHit);
  uint64_t budget = request.deviceMemoryBudgetBytes;
  if (budget == 0)
    return text + "; there is no budget";
  return text + "; " + num(budget - result.estimatedPeakDeviceBytes) + " below device_memory_budget_bytes " +
         num(budget);
}

std::string Case::execution() const {
  bool jit = result.executionMode == ExecutionMode::Jit;
  struct {
    const char *signal;
    uint32_t value;
    const char *threshold;
    uint32_t bound;
  } rules[] = {
      {"queue_len", request.queueLen, "jit_queue_len_threshold", policy.jitQueueLenThreshold},
      {"hot_opcode_count", request.hotOpcodeCount, "hot_opcode_threshold", policy.hotOpcodeThreshold},
      {"hot_window_count", request.hotWindowCount, "hot_window_threshold", policy.hotWindowThreshold},
  };
  std::string reasons;
  for (const auto &rule : rules) {
    if (jit && rule.value < rule.bound)
      continue;
    reasons += reasons.empty() ? "" : " and ";
    reasons += compare(rule.signal, rule.value, rule.threshold, rule.bound);
  }
  std::string text = std::string(stringifyExecutionMode(result.executionMode)) + ", because " + reasons;
  text += jit ? "; with all of queue length, hot opcodes and hot windows below their thresholds it would be interpreter"
              : "; any of them at its threshold would make it jit";
  if (hot())
    text += std::string("; promotes ") + (result.promoteHotOpcodes ? "opcodes" : "") +
            (result.promoteHotOpcodes && result.promoteHotWindows ? " and " : "") +
            (result.promoteHotWindows ? "windows" : "");
  return text;
}

std::string Case::ageing() const {
  std::string age =
      compare("max_priority_age", request.maxPriorityAge, "priority_age_threshold", policy.priorityAgeThreshold);
  if (!result.agePriorityWork)
    return "no, because requeue_count is 0 and " + age + "; either would change it";
  return "yes, because " + (request.requeueCount ? "requeue_count is " + num(request.requeueCount) : age);
}

std::string mk::explain(const Reader &line) {
  Reader fn = line["fn"];
  std::string name = fn.string();
  bool hasPrevious = name == "recommend_with_previous_topology";
  if (name != "recommend" && !hasPrevious)
    fn.complain("recommend or recommend_with_previous_topology to be explained");
  Case c;
  c.policy = line["policy"].record<LaunchPolicy>();
  c.given = line["request"].record<LaunchRequest>();
  c.request = c.given.withInferredSignals();
  if (hasPrevious)
    c.previous = line["previous_topology"].topology();
  if (!line.ok())
    return {};
  auto result = c.previous ? c.policy.recommendWithPreviousTopology(c.given, *c.previous) : c.policy.recommend(c.given);
  if (!result)
    return std::string("  fails:        ") + stringifyLaunchErrorKind(result.error().kind) + ": " +
           result.error().message() + "\n";
  c.result = *result;
  return "  signals:      " + c.signals() + "\n  topology:     " + c.topology() + "\n  workers:      " + c.workers() +
         "\n  grid:         " + c.grid() + "\n  pressure:     " + c.pressure() +
         "\n  hit capacity: " + c.hitCapacity() + "\n  memory:       " + c.memory() +
         "\n  execution:    " + c.execution() + "\n  ageing:       " + c.ageing() + "\n";
}
