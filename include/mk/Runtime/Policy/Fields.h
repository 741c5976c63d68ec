//===- Fields.h - The records of the policy, field by field ------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// visitFields(record, f) calls f(key, member) for each member of a record, in order. It is the one place that knows
// the JSON keys: printing, mk-policy and the tests all go through it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_FIELDS_H
#define MK_RUNTIME_POLICY_FIELDS_H

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include "mk/Runtime/Policy/Priority.h"
#include <concepts>
#include <type_traits>

namespace mk {

/// R is T or const T.
template <typename R, typename T>
concept MaybeConst = std::same_as<std::remove_const_t<R>, T>;

template <MaybeConst<LaunchPolicy> R, typename F> constexpr void visitFields(R &policy, F &&field) {
  field("sizing", policy.sizing);
  field("min_hit_capacity", policy.minHitCapacity);
  field("hit_capacity_multiplier", policy.hitCapacityMultiplier);
  field("saturated_waves", policy.saturatedWaves);
  field("hot_opcode_threshold", policy.hotOpcodeThreshold);
  field("hot_window_threshold", policy.hotWindowThreshold);
  field("jit_queue_len_threshold", policy.jitQueueLenThreshold);
  field("priority_age_threshold", policy.priorityAgeThreshold);
  field("sparse_frontier_threshold_bps", policy.sparseFrontierThresholdBps);
  field("dense_frontier_threshold_bps", policy.denseFrontierThresholdBps);
  field("memory_pressure_threshold_bps", policy.memoryPressureThresholdBps);
  field("fusion_edge_threshold", policy.fusionEdgeThreshold);
  field("scratch_bytes_per_hit", policy.scratchBytesPerHit);
}

template <MaybeConst<LaunchRequest> R, typename F> constexpr void visitFields(R &request, F &&field) {
  field("queue_len", request.queueLen);
  field("requested_worker_groups", request.requestedWorkerGroups);
  field("max_workgroup_size_x", request.maxWorkgroupSizeX);
  field("max_compute_workgroups_per_dimension", request.maxComputeWorkgroupsPerDimension);
  field("max_compute_invocations_per_workgroup", request.maxComputeInvocationsPerWorkgroup);
  field("requested_hit_capacity", request.requestedHitCapacity);
  field("expected_hits_per_item", request.expectedHitsPerItem);
  field("hot_opcode_count", request.hotOpcodeCount);
  field("hot_window_count", request.hotWindowCount);
  field("requeue_count", request.requeueCount);
  field("max_priority_age", request.maxPriorityAge);
  field("graph_node_count", request.graphNodeCount);
  field("graph_edge_count", request.graphEdgeCount);
  field("frontier_density_bps", request.frontierDensityBps);
  field("memory_pressure_bps", request.memoryPressureBps);
  field("resident_device_bytes", request.residentDeviceBytes);
  field("device_memory_budget_bytes", request.deviceMemoryBudgetBytes);
}

template <MaybeConst<LaunchGeometry> R, typename F> constexpr void visitFields(R &geometry, F &&field) {
  field("workgroup_size_x", geometry.workgroupSizeX);
  field("slot_count", geometry.slotCount);
  field("dispatch_grid", geometry.dispatchGrid);
}

template <MaybeConst<GridRequest> R, typename F> constexpr void visitFields(R &request, F &&field) {
  field("queue_len", request.queueLen);
  field("requested_worker_groups", request.requestedWorkerGroups);
}

template <MaybeConst<GridLimits> R, typename F> constexpr void visitFields(R &limits, F &&field) {
  field("max_workgroup_size_x", limits.maxWorkgroupSizeX);
  field("max_compute_workgroups_per_dimension", limits.maxComputeWorkgroupsPerDimension);
  field("max_compute_invocations_per_workgroup", limits.maxComputeInvocationsPerWorkgroup);
}

template <MaybeConst<GridPlan> R, typename F> constexpr void visitFields(R &plan, F &&field) {
  field("geometry", plan.geometry);
  field("worker_groups", plan.workerGroups);
}

template <MaybeConst<LaunchRecommendation> R, typename F> constexpr void visitFields(R &recommendation, F &&field) {
  field("geometry", recommendation.geometry);
  field("worker_groups", recommendation.workerGroups);
  field("hit_capacity", recommendation.hitCapacity);
  field("pressure", recommendation.pressure);
  field("execution_mode", recommendation.executionMode);
  field("topology", recommendation.topology);
  field("promote_hot_opcodes", recommendation.promoteHotOpcodes);
  field("promote_hot_windows", recommendation.promoteHotWindows);
  field("age_priority_work", recommendation.agePriorityWork);
  field("estimated_peak_device_bytes", recommendation.estimatedPeakDeviceBytes);
  field("device_memory_budget_bytes", recommendation.deviceMemoryBudgetBytes);
}

template <MaybeConst<TopologyEvidence> R, typename F> constexpr void visitFields(R &evidence, F &&field) {
  field("schema_version", evidence.schemaVersion);
  field("queue_pressure", evidence.queuePressure);
  field("frontier_density_bps", evidence.frontierDensityBps);
  field("semiring_frontier_density_bps", evidence.semiringFrontierDensityBps);
  field("selected_topology", evidence.selectedTopology);
  field("graphblas_switch_class", evidence.graphBlasSwitchClass);
  field("resident_device_bytes", evidence.residentDeviceBytes);
  field("estimated_peak_device_bytes", evidence.estimatedPeakDeviceBytes);
  field("output_parity_required", evidence.outputParityRequired);
}

template <MaybeConst<PromotionEvidence> R, typename F> constexpr void visitFields(R &evidence, F &&field) {
  field("schema_version", evidence.schemaVersion);
  field("queue_len", evidence.queueLen);
  field("jit_queue_len_threshold", evidence.jitQueueLenThreshold);
  field("hot_opcode_count", evidence.hotOpcodeCount);
  field("hot_opcode_threshold", evidence.hotOpcodeThreshold);
  field("hot_window_count", evidence.hotWindowCount);
  field("hot_window_threshold", evidence.hotWindowThreshold);
  field("execution_mode", evidence.executionMode);
  field("promote_hot_opcodes", evidence.promoteHotOpcodes);
  field("promote_hot_windows", evidence.promoteHotWindows);
  field("promotion_route", evidence.promotionRoute);
  field("fused_descriptor_window_required", evidence.fusedDescriptorWindowRequired);
  field("output_parity_required", evidence.outputParityRequired);
}

template <MaybeConst<LaunchCacheStats> R, typename F> constexpr void visitFields(R &stats, F &&field) {
  field("entries", stats.entries);
  field("hits", stats.hits);
  field("misses", stats.misses);
}

template <MaybeConst<PriorityRequeueAccounting> R, typename F> constexpr void visitFields(R &accounting, F &&field) {
  field("requeue_count", accounting.requeueCount);
  field("aged_promotions", accounting.agedPromotions);
  field("max_priority_age", accounting.maxPriorityAge);
}

/// Leaves out the advice text, which is always the same.
template <MaybeConst<PriorityDrainRecommendation> R, typename F> constexpr void visitFields(R &drain, F &&field) {
  field("should_drain", drain.shouldDrain);
  field("reason", drain.reason);
  field("requeue_count", drain.requeueCount);
  field("aged_promotions", drain.agedPromotions);
  field("max_priority_age", drain.maxPriorityAge);
  field("requeue_counter_headroom", drain.requeueCounterHeadroom);
  field("aged_promotion_counter_headroom", drain.agedPromotionCounterHeadroom);
}

/// The label of an enumeration of the policy, under one name for generic code.
inline const char *stringifyLabel(QueuePressure value) { return stringifyQueuePressure(value); }
inline const char *stringifyLabel(ExecutionMode value) { return stringifyExecutionMode(value); }
inline const char *stringifyLabel(DispatchTopology value) { return stringifyDispatchTopology(value); }
inline const char *stringifyLabel(GraphBlasSwitchClass value) { return stringifyGraphBlasSwitchClass(value); }
inline const char *stringifyLabel(PromotionRoute value) { return stringifyPromotionRoute(value); }
inline const char *stringifyLabel(PriorityDrainReason value) { return stringifyPriorityDrainReason(value); }
inline const char *stringifyLabel(LaunchErrorKind value) { return stringifyLaunchErrorKind(value); }

} // namespace mk

#endif // MK_RUNTIME_POLICY_FIELDS_H
