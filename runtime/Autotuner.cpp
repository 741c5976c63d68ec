//===- Autotuner.cpp - Finds the cheapest of a few values -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Autotuner.h"
#include <algorithm>
#include <bit>

namespace mk {

Autotuner::Autotuner(std::vector<uint32_t> candidates, Selector select)
    : candidates(std::move(candidates)), select(std::move(select)) {
  forget();
}

void Autotuner::forget() {
  for (Row &each : rows)
    each = {std::vector<double>(candidates.size()), std::vector<uint32_t>(candidates.size()), 0};
  row = nullptr;
}

uint32_t Autotuner::choose(uint64_t slots) {
  trial = false;
  if (candidates.empty())
    return select({}, {});
  row = &rows[std::bit_width(slots)];
  uint64_t number = row->choices++;
  auto fewest = std::min_element(row->trials.begin(), row->trials.end());
  if (*fewest < Trials) {
    trial = true;
    chosen = size_t(fewest - row->trials.begin());
    return candidates[chosen];
  }
  uint32_t best = select(candidates, row->costs);
  chosen = size_t(std::find(candidates.begin(), candidates.end(), best) - candidates.begin());
  if (candidates.size() > 1 && number % RetrialPeriod == 0) {
    trial = true;
    size_t step = 1 + number / RetrialPeriod % (candidates.size() - 1);
    chosen = (chosen + step) % candidates.size();
  }
  return candidates[chosen];
}

void Autotuner::record(double cost) {
  if (!row)
    return;
  double &mean = row->costs[chosen];
  mean = row->trials[chosen]++ == 0 ? cost : mean + Weight * (cost - mean);
  row = nullptr;
}

} // namespace mk
