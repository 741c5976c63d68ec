//===- Trial.cpp - Which of two tiers is faster ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trial.h"
#include <algorithm>
#include <cmath>
#include <cstddef>

namespace mk {

/// Within a factor of two in size and within a quarter in what they are made of.
bool Trial::alike(const Sample &a, const Sample &b) {
  return a.slots <= 2 * b.slots && b.slots <= 2 * a.slots && a.share <= 1.25 * b.share && b.share <= 1.25 * a.share;
}

void Trial::record(double seconds, uint64_t slots, uint64_t items) {
  Sample sample{seconds / double(slots), slots, double(items) / double(slots)};
  if (half == 0) {
    first = sample;
    half = 1;
    return;
  }
  half = 0;
  const Sample &below = variantFirst ? sample : first, &variant = variantFirst ? first : sample;
  variantFirst = !variantFirst;
  if (warming) {
    warming = false;
    return;
  }
  if (alike(below, variant) && below.secondsPerSlot > 0 && variant.secondsPerSlot > 0)
    logRatios.push_back(std::log(below.secondsPerSlot / variant.secondsPerSlot));
  else
    ++unlike;
}

double Trial::speedup() const {
  if (logRatios.empty())
    return 1;
  std::vector<double> sorted = logRatios;
  auto middle = sorted.begin() + std::ptrdiff_t(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return std::exp(*middle);
}

Trial::Verdict Trial::verdict() const {
  uint32_t count = pairs();
  if (count >= MinPairs) {
    // Two standard deviations of a fair coin: one false alarm in forty.
    auto wins = double(std::count_if(logRatios.begin(), logRatios.end(), [](double ratio) { return ratio > 0; }));
    double needed = 0.5 * count + std::sqrt(double(count));
    if (wins >= needed && speedup() >= 1 + margin)
      return Faster;
    if (count - wins >= needed)
      return NotFaster;
  }
  return count >= MaxPairs || unlike >= MaxUnlike ? NotFaster : Undecided;
}

} // namespace mk
