//===- Labels.cpp - Labels of enumerations, and printing ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/Fields.h"
#include <array>
#include <cstddef>

using namespace mk;

/// Defines stringify and parse of an enumeration from its labels, in the order of its members.
#define MK_LABELS(Enum, ...)                                                                                           \
  static constexpr std::string_view labelsOf##Enum[] = {__VA_ARGS__};                                                  \
  const char *mk::stringify##Enum(Enum value) {                                                                        \
    size_t index = static_cast<size_t>(value);                                                                         \
    return index < std::size(labelsOf##Enum) ? labelsOf##Enum[index].data() : "unknown";                               \
  }                                                                                                                    \
  std::optional<Enum> mk::parse##Enum(std::string_view label) {                                                        \
    for (size_t i = 0; i < std::size(labelsOf##Enum); ++i)                                                             \
      if (labelsOf##Enum[i] == label)                                                                                  \
        return static_cast<Enum>(i);                                                                                   \
    return std::nullopt;                                                                                               \
  }

MK_LABELS(QueuePressure, "empty", "light", "balanced", "saturated")
MK_LABELS(ExecutionMode, "interpreter", "jit")
MK_LABELS(DispatchTopology, "empty", "sparse_frontier", "hybrid_frontier", "dense_frontier", "fused_dense",
          "memory_constrained")
MK_LABELS(GraphBlasSwitchClass, "empty", "sparse", "hybrid", "dense", "memory_constrained")
MK_LABELS(PromotionRoute, "interpreter", "queue_jit", "opcode_jit", "window_jit", "opcode_and_window_jit")
MK_LABELS(PriorityDrainReason, "none", "pending_telemetry", "requeue_counter_near_limit",
          "aged_promotion_counter_near_limit", "requeue_counter_exhausted", "aged_promotion_counter_exhausted")
MK_LABELS(LaunchErrorKind, "memory_pressure_threshold_exceeds_10000_bps", "zero_max_workgroup_size_x",
          "zero_max_compute_workgroups_per_dimension", "zero_max_compute_invocations_per_workgroup",
          "hit_capacity_overflow", "peak_bytes_overflow", "device_out_of_memory", "item_count_exceeds_u32",
          "item_count_not_paddable", "requeue_counter_overflow", "aged_promotion_counter_overflow", "allocation_failed")

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

template <typename T> static std::string print(const T &value) {
  if constexpr (std::is_same_v<T, bool>)
    return value ? "true" : "false";
  else if constexpr (std::is_integral_v<T>)
    return std::to_string(value);
  else if constexpr (std::is_enum_v<T>)
    return '"' + std::string(stringifyLabel(value)) + '"';
  else
    return value.str();
}

static std::string print(const std::array<uint32_t, 3> &grid) {
  return '[' + print(grid[0]) + ',' + print(grid[1]) + ',' + print(grid[2]) + ']';
}

template <typename Record> static std::string printRecord(const Record &record) {
  std::string text;
  visitFields(record, [&](const char *key, const auto &value) {
    text += text.empty() ? "{\"" : ",\"";
    text += key;
    text += "\":";
    text += print(value);
  });
  return text + '}';
}

std::string SizingPolicy::str() const { return "\"standard\""; }
std::string LaunchGeometry::str() const { return printRecord(*this); }
std::string GridRequest::str() const { return printRecord(*this); }
std::string GridLimits::str() const { return printRecord(*this); }
std::string GridPlan::str() const { return printRecord(*this); }
std::string LaunchRequest::str() const { return printRecord(*this); }
std::string LaunchRecommendation::str() const { return printRecord(*this); }
std::string TopologyEvidence::str() const { return printRecord(*this); }
std::string PromotionEvidence::str() const { return printRecord(*this); }
std::string LaunchCacheStats::str() const { return printRecord(*this); }
std::string LaunchPolicy::str() const { return printRecord(*this); }
std::string PriorityRequeueAccounting::str() const { return printRecord(*this); }
std::string PriorityDrainRecommendation::str() const { return printRecord(*this); }
