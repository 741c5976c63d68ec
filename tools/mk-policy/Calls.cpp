//===- Calls.cpp - The policy's functions by name -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Calls.h"
#include <cmath>
#include <iterator>

using namespace mk;

//===----------------------------------------------------------------------===//
// Recommendations
//===----------------------------------------------------------------------===//

template <typename Evidence>
static void addEvidence(const LaunchExpected<WithEvidence<Evidence>> &result, const char *key, json &out) {
  if (!result)
    return;
  out[key] = toJson(result->evidence);
  out[key]["is_complete"] = result->evidence.isComplete();
}

static void recommend(const Reader &line, json &out) {
  auto policy = line["policy"].record<LaunchPolicy>();
  auto request = line["request"].record<LaunchRequest>();
  if (!line.ok())
    return;
  out["expect"] = outcome(policy.recommend(request));
  addEvidence(policy.recommendWithTopologyEvidence(request), "topology_evidence", out);
  addEvidence(policy.recommendWithPromotionEvidence(request), "promotion_evidence", out);
}

static void recommendWithPreviousTopology(const Reader &line, json &out) {
  auto policy = line["policy"].record<LaunchPolicy>();
  auto request = line["request"].record<LaunchRequest>();
  DispatchTopology previous = line["previous_topology"].topology();
  if (line.ok())
    out["expect"] = outcome(policy.recommendWithPreviousTopology(request, previous));
}

//===----------------------------------------------------------------------===//
// Numeric helpers
//===----------------------------------------------------------------------===//

static json numbersToJson(const std::vector<double> &values) {
  json array = json::array();
  for (double value : values) {
    if (std::isnan(value))
      array.push_back("nan");
    else if (std::isinf(value))
      array.push_back(value > 0 ? "inf" : "-inf");
    else
      array.push_back(value);
  }
  return array;
}

static void autotuneHitCapacityMultiplier(const Reader &line, json &out) {
  auto policy = line["policy"].record<LaunchPolicy>();
  std::vector<uint32_t> candidates = line["candidates"].integers();
  std::vector<double> costs = line["costs"].numbers();
  if (line.ok())
    out["expect"] = policy.autotuneHitCapacityMultiplier(candidates, costs);
}

static void autotuneWorkgroupSize(const Reader &line, json &out) {
  auto policy = line["policy"].record<LaunchPolicy>();
  std::vector<uint32_t> candidates = line["candidates"].integers();
  std::vector<double> costs = line["costs"].numbers();
  uint32_t current = line["current_size"].integer<uint32_t>();
  if (line.ok())
    out["expect"] = policy.autotuneWorkgroupSize(candidates, costs, current);
}

static void naturalGradientStep(const Reader &line, json &out) {
  std::vector<double> matrix = line["m_inv_sqrt"].numbers(), grad = line["grad"].numbers();
  uint32_t n = line["n"].integer<uint32_t>();
  double rate = line["learning_rate"].number();
  if (line.ok())
    out["expect"] = numbersToJson(LaunchPolicy::naturalGradientAutotuneStep(matrix, grad, n, rate));
}

static void diffusePriority(const Reader &line, json &out) {
  std::vector<double> stalks = line["priority_stalks"].numbers(), diag = line["restriction_diag"].numbers();
  double damping = line["damping"].number();
  uint32_t iterations = line["iterations"].integer<uint32_t>();
  if (!line.ok())
    return;
  std::vector<double> result, scratch;
  diffusePriorityAcrossSiblingsInto(stalks, diag, damping, iterations, result, scratch);
  out["expect"] = numbersToJson(result);
  out["expect_scratch"] = numbersToJson(scratch);
}

//===----------------------------------------------------------------------===//
// Accounting
//===----------------------------------------------------------------------===//

static void drainRecommendation(const Reader &line, json &out) {
  auto accounting = line["accounting"].record<PriorityRequeueAccounting>();
  if (line.ok())
    out["expect"] = toJson(accounting.drainRecommendation());
}

static void priorityAccounting(const Reader &line, json &out) {
  auto accounting = line["start"].record<PriorityRequeueAccounting>();
  json ops = json::array();
  for (const Reader &op : line["ops"].elements()) {
    std::string name = op["op"].string();
    uint32_t age = op["age_ticks"].integer<uint32_t>();
    const char *result = "ok";
    auto note = [&](const LaunchExpected<void> &recorded) {
      if (!recorded)
        result = stringifyLaunchErrorKind(recorded.error().kind);
    };
    if (name == "record_requeue")
      accounting.recordRequeue(age);
    else if (name == "record_aged_promotion")
      accounting.recordAgedPromotion(age);
    else if (name == "try_record_requeue")
      note(accounting.tryRecordRequeue(age));
    else if (name == "try_record_aged_promotion")
      note(accounting.tryRecordAgedPromotion(age));
    else
      op["op"].complain("record_requeue, record_aged_promotion, try_record_requeue or try_record_aged_promotion");
    ops.push_back({{"op", name}, {"age_ticks", age}, {"result", result}, {"after", toJson(accounting)}});
  }
  if (line.ok())
    out["ops"] = std::move(ops);
}

//===----------------------------------------------------------------------===//
// Sizing
//===----------------------------------------------------------------------===//

static uint32_t u32(const Reader &line, const char *key) { return line[key].integer<uint32_t>(); }

static void defaultWorkerGroups(const Reader &line, json &out) {
  out["expect"] = SizingPolicy().defaultWorkerGroupsFromLimits(u32(line, "max_compute_workgroups_per_dimension"),
                                                               u32(line, "max_compute_invocations_per_workgroup"));
}

static void workerWorkgroupSize(const Reader &line, json &out) {
  out["expect"] = SizingPolicy().workerWorkgroupSize(u32(line, "worker_count"), u32(line, "max_workgroup_size_x"));
}

static void paddedSlotCount(const Reader &line, json &out) {
  out["expect"] = SizingPolicy().paddedSlotCount(u32(line, "slot_count"), u32(line, "workgroup_size_x"));
}

static void dispatchGridFor(const Reader &line, json &out) {
  out["expect"] = SizingPolicy().dispatchGridFor(u32(line, "worker_count"), u32(line, "queue_len"),
                                                 u32(line, "max_workgroup_size_x"));
}

static void calculateOptimalGrid(const Reader &line, json &out) {
  out["expect"] = outcome(GridPlan::recommend(line.record<GridRequest>(), line.record<GridLimits>()));
}

static void geometryFromSlots(const Reader &line, json &out) {
  LaunchGeometry geometry =
      LaunchGeometry::fromSlots(u32(line, "slot_count"), u32(line, "worker_count"), u32(line, "max_workgroup_size_x"));
  out["expect"] = toJson(geometry);
  out["covering_worker_groups"] = geometry.coveringWorkerGroups();
}

static void geometryFromItemCount(const Reader &line, json &out) {
  out["expect"] = outcome(LaunchGeometry::fromItemCount(line["item_count"].integer<uint64_t>(),
                                                        u32(line, "worker_count"), u32(line, "max_workgroup_size_x")));
}

//===----------------------------------------------------------------------===//
// By name
//===----------------------------------------------------------------------===//

void mk::runCall(const Reader &line, json &out) {
  static constexpr struct {
    const char *name;
    void (*run)(const Reader &line, json &out);
  } functions[] = {
      {"recommend", recommend},
      {"recommend_with_previous_topology", recommendWithPreviousTopology},
      {"autotune_hit_capacity_multiplier", autotuneHitCapacityMultiplier},
      {"autotune_workgroup_size", autotuneWorkgroupSize},
      {"natural_gradient_autotune_step", naturalGradientStep},
      {"diffuse_priority", diffusePriority},
      {"drain_recommendation", drainRecommendation},
      {"priority_accounting", priorityAccounting},
      {"default_worker_groups_from_limits", defaultWorkerGroups},
      {"worker_workgroup_size", workerWorkgroupSize},
      {"padded_slot_count", paddedSlotCount},
      {"dispatch_grid_for", dispatchGridFor},
      {"calculate_optimal_grid", calculateOptimalGrid},
      {"geometry_from_slots", geometryFromSlots},
      {"geometry_from_item_count", geometryFromItemCount},
  };
  Reader fn = line["fn"];
  std::string name = fn.string();
  std::string known;
  for (const auto &function : functions) {
    if (name == function.name)
      return function.run(line, out);
    known += (known.empty() ? "one of " : ", ") + std::string(function.name);
  }
  fn.complain(known);
}
