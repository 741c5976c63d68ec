//===- PolicyTesting.h - What the policy's tests share ------- -*- C++ -*--===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TEST_UNIT_RUNTIME_POLICY_POLICYTESTING_H
#define MK_TEST_UNIT_RUNTIME_POLICY_POLICYTESTING_H

#include "mk/Runtime/Policy/Fields.h"
#include <concepts>
#include <gtest/gtest.h>
#include <limits>
#include <ostream>
#include <random>

namespace mk {

inline constexpr uint32_t U32Max = std::numeric_limits<uint32_t>::max();
inline constexpr uint64_t U64Max = std::numeric_limits<uint64_t>::max();

/// Readable values in the messages of GoogleTest.
template <typename T>
  requires requires(const T &value) {
    { value.str() } -> std::same_as<std::string>;
  }
void PrintTo(const T &value, std::ostream *stream) {
  *stream << value.str();
}
template <typename T>
  requires requires(T value) { stringifyLabel(value); }
void PrintTo(const T &value, std::ostream *stream) {
  *stream << stringifyLabel(value);
}

inline constexpr DispatchTopology AllTopologies[] = {
    DispatchTopology::Empty,         DispatchTopology::SparseFrontier, DispatchTopology::HybridFrontier,
    DispatchTopology::DenseFrontier, DispatchTopology::FusedDense,     DispatchTopology::MemoryConstrained};

/// A request on an ordinary adapter, without telemetry.
inline LaunchRequest plainRequest(uint32_t queueLen, uint32_t workers = 64) {
  LaunchRequest request = LaunchRequest::direct(queueLen, workers, 256);
  request.maxComputeWorkgroupsPerDimension = 65535;
  request.maxComputeInvocationsPerWorkgroup = 1024;
  return request;
}

/// Fills any record with values from all scales: small ones, powers of two and their neighbours, the largest.
class RandomFields {
public:
  explicit RandomFields(uint32_t seed) : random(seed) {}

  template <typename Record> Record make() {
    Record record;
    visitFields(record, [&](const char *, auto &field) {
      using Field = std::remove_reference_t<decltype(field)>;
      if constexpr (std::is_integral_v<Field>)
        field = value<Field>();
    });
    return record;
  }

  template <typename T> T value() {
    constexpr int Bits = std::numeric_limits<T>::digits;
    switch (random() % 8) {
    case 0:
      return 0;
    case 1:
      return std::numeric_limits<T>::max() - random() % 3;
    case 2:
      return (T(1) << random() % Bits) - 1 + random() % 3;
    default:
      return static_cast<T>(random() % (uint64_t(1) << (1 + random() % 14)));
    }
  }

  std::mt19937_64 random;
};

} // namespace mk

#endif // MK_TEST_UNIT_RUNTIME_POLICY_POLICYTESTING_H
