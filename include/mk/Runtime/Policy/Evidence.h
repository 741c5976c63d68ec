//===- Evidence.h - Why the policy decided as it did -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Records that go into logs and reports beside a recommendation. They hold the signals as the policy used them, that
// is, after inference. After MegakernelTopologyEvidence and MegakernelPromotionEvidence of the vyre-runtime crate.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_EVIDENCE_H
#define MK_RUNTIME_POLICY_EVIDENCE_H

#include "mk/Runtime/Policy/LaunchRequest.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mk {

/// Version of TopologyEvidence.
inline constexpr uint32_t TopologyEvidenceSchemaVersion = 1;
/// Version of PromotionEvidence.
inline constexpr uint32_t HotWindowPromotionEvidenceSchemaVersion = 1;

/// The kernel family that a GraphBLAS backend would take.
enum class GraphBlasSwitchClass : uint8_t { Empty, Sparse, Hybrid, Dense, MemoryConstrained };
/// The label of a class, e.g. "sparse". Labels are stable.
const char *stringifyGraphBlasSwitchClass(GraphBlasSwitchClass switchClass);
std::optional<GraphBlasSwitchClass> parseGraphBlasSwitchClass(std::string_view label);

/// What made a launch leave the interpreter.
enum class PromotionRoute : uint8_t {
  /// It did not.
  Interpreter,
  /// The length of the queue alone.
  QueueJit,
  OpcodeJit,
  WindowJit,
  OpcodeAndWindowJit,
};
/// The label of a route, e.g. "queue_jit". Labels are stable.
const char *stringifyPromotionRoute(PromotionRoute route);
std::optional<PromotionRoute> parsePromotionRoute(std::string_view label);

/// Why a topology was chosen.
struct TopologyEvidence {
  uint32_t schemaVersion = TopologyEvidenceSchemaVersion;
  QueuePressure queuePressure = QueuePressure::Empty;
  /// Density that was compared, in bps.
  uint16_t frontierDensityBps = 0;
  /// Density for a semiring backend, in bps: the same.
  uint16_t semiringFrontierDensityBps = 0;
  DispatchTopology selectedTopology = DispatchTopology::Empty;
  GraphBlasSwitchClass graphBlasSwitchClass = GraphBlasSwitchClass::Empty;
  uint64_t residentDeviceBytes = 0;
  uint64_t estimatedPeakDeviceBytes = 0;
  /// Whichever kernel runs must produce the same output.
  bool outputParityRequired = true;

  /// True when the record can be relied on: known version, both densities at most 10000, parity demanded.
  constexpr bool isComplete() const {
    return schemaVersion == TopologyEvidenceSchemaVersion && frontierDensityBps <= 10000 &&
           semiringFrontierDensityBps <= 10000 && outputParityRequired;
  }

  /// One line of JSON.
  std::string str() const;
  bool operator==(const TopologyEvidence &) const = default;
};

/// Why code was promoted, or was not.
struct PromotionEvidence {
  uint32_t schemaVersion = HotWindowPromotionEvidenceSchemaVersion;
  /// Each signal with the threshold that it was held against.
  uint32_t queueLen = 0;
  uint32_t jitQueueLenThreshold = 0;
  uint32_t hotOpcodeCount = 0;
  uint32_t hotOpcodeThreshold = 0;
  uint32_t hotWindowCount = 0;
  uint32_t hotWindowThreshold = 0;
  ExecutionMode executionMode = ExecutionMode::Interpreter;
  bool promoteHotOpcodes = false;
  bool promoteHotWindows = false;
  PromotionRoute promotionRoute = PromotionRoute::Interpreter;
  /// A promoted window needs its fused descriptor.
  bool fusedDescriptorWindowRequired = false;
  /// Compiled code must produce the output of the interpreter.
  bool outputParityRequired = true;

  /// True when the record can be relied on: known version, no threshold 0, fused descriptors asked for exactly when
  /// windows are promoted, parity demanded.
  constexpr bool isComplete() const {
    return schemaVersion == HotWindowPromotionEvidenceSchemaVersion && jitQueueLenThreshold != 0 &&
           hotOpcodeThreshold != 0 && hotWindowThreshold != 0 && fusedDescriptorWindowRequired == promoteHotWindows &&
           outputParityRequired;
  }

  /// One line of JSON.
  std::string str() const;
  bool operator==(const PromotionEvidence &) const = default;
};

/// A recommendation together with a record.
template <typename Evidence> struct WithEvidence {
  LaunchRecommendation recommendation;
  Evidence evidence;

  bool operator==(const WithEvidence &) const = default;
};

} // namespace mk

#endif // MK_RUNTIME_POLICY_EVIDENCE_H
