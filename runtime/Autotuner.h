//===- Autotuner.h - Finds the cheapest of a few values ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tunes one parameter of the launches on line: every dispatch uses one of the candidates and says what it cost. Each
// candidate is tried a few times, then the policy's selector picks the one of the lowest mean; now and then another one
// gets a new trial. Dispatches of like size (the same power of two) are compared with each other only.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_AUTOTUNER_H
#define MK_RUNTIME_AUTOTUNER_H

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace mk {

/// Belongs to one thread.
class Autotuner {
public:
  /// Picks a candidate by the costs of all: one of LaunchPolicy's autotune functions.
  using Selector = std::function<uint32_t(std::span<const uint32_t> candidates, std::span<const double> costs)>;

  /// Trials that each candidate gets before one is picked.
  static constexpr uint32_t Trials = 3;
  /// Every so many dispatches one goes to a candidate that was not picked.
  static constexpr uint32_t RetrialPeriod = 32;
  /// What a new cost weighs against the mean so far.
  static constexpr double Weight = 0.25;

  Autotuner(std::vector<uint32_t> candidates, Selector select);

  /// The value for a dispatch of so many slots. Without candidates: what the selector says.
  uint32_t choose(uint64_t slots);
  /// What the dispatch with the value chosen last cost, per slot.
  void record(double cost);
  /// True while the last choice was made for the sake of a trial.
  bool onTrial() const { return trial; }
  /// Drops all costs: what runs is not what was measured.
  void forget();

private:
  /// What is known about dispatches of one size.
  struct Row {
    std::vector<double> costs;
    std::vector<uint32_t> trials;
    uint64_t choices = 0;
  };

  std::vector<uint32_t> candidates;
  Selector select;
  std::array<Row, 65> rows;
  Row *row = nullptr;
  size_t chosen = 0;
  bool trial = false;
};

} // namespace mk

#endif // MK_RUNTIME_AUTOTUNER_H
