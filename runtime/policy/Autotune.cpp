//===- Autotune.cpp - Choosing by cost, and a gradient step ---------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include <algorithm>
#include <bit>
#include <new>

using namespace mk;

/// A signed integer that orders as the IEEE total order does.
static int64_t totalOrder(double value) {
  int64_t bits = std::bit_cast<int64_t>(value);
  return bits >= 0 ? bits : bits ^ INT64_MAX;
}

static uint32_t cheapest(std::span<const uint32_t> candidates, std::span<const double> costs, uint32_t fallback) {
  costs = costs.first(std::min(candidates.size(), costs.size()));
  if (costs.empty())
    return fallback;
  return candidates[std::ranges::min_element(costs, {}, totalOrder) - costs.begin()];
}

uint32_t LaunchPolicy::autotuneHitCapacityMultiplier(std::span<const uint32_t> candidates,
                                                     std::span<const double> costs) const {
  return cheapest(candidates, costs, hitCapacityMultiplier);
}

uint32_t LaunchPolicy::autotuneWorkgroupSize(std::span<const uint32_t> candidates, std::span<const double> costs,
                                             uint32_t currentSize) const {
  return cheapest(candidates, costs, currentSize);
}

/// Rows [row, row + Rows) of the product. Each sum is one chain of roundings that must keep its order; several chains
/// side by side hide the latency of the additions.
template <size_t Rows>
static void multiplyRows(const double *matrix, const double *grad, size_t n, double scale, size_t row, double *out) {
  double sums[Rows] = {};
  for (size_t j = 0; j < n; ++j)
    for (size_t r = 0; r < Rows; ++r)
      sums[r] += matrix[(row + r) * n + j] * grad[j];
  for (size_t r = 0; r < Rows; ++r)
    out[row + r] = scale * sums[r];
}

void LaunchPolicy::naturalGradientAutotuneStepInto(std::span<const double> mInvSqrt, std::span<const double> grad,
                                                   uint32_t n, double learningRate, std::vector<double> &out) noexcept {
  out.clear();
  if (mInvSqrt.size() < uint64_t(n) * n || grad.size() < n)
    return;
  out.resize(n);
  size_t row = 0;
  for (; row + 8 <= n; row += 8)
    multiplyRows<8>(mInvSqrt.data(), grad.data(), n, -learningRate, row, out.data());
  for (; row < n; ++row)
    multiplyRows<1>(mInvSqrt.data(), grad.data(), n, -learningRate, row, out.data());
}

LaunchExpected<void> LaunchPolicy::tryNaturalGradientAutotuneStepInto(std::span<const double> mInvSqrt,
                                                                      std::span<const double> grad, uint32_t n,
                                                                      double learningRate, std::vector<double> &out) {
  out.clear();
  if (mInvSqrt.size() < uint64_t(n) * n || grad.size() < n)
    return {};
  try {
    out.reserve(n);
  } catch (const std::bad_alloc &) {
    return makeLaunchError(LaunchErrorKind::AllocationFailed, n, out.capacity());
  }
  naturalGradientAutotuneStepInto(mInvSqrt, grad, n, learningRate, out);
  return {};
}

std::vector<double> LaunchPolicy::naturalGradientAutotuneStep(std::span<const double> mInvSqrt,
                                                              std::span<const double> grad, uint32_t n,
                                                              double learningRate) noexcept {
  std::vector<double> out;
  naturalGradientAutotuneStepInto(mInvSqrt, grad, n, learningRate, out);
  return out;
}

LaunchExpected<std::vector<double>> LaunchPolicy::tryNaturalGradientAutotuneStep(std::span<const double> mInvSqrt,
                                                                                 std::span<const double> grad,
                                                                                 uint32_t n, double learningRate) {
  std::vector<double> out;
  return tryNaturalGradientAutotuneStepInto(mInvSqrt, grad, n, learningRate, out).map([&] { return std::move(out); });
}
