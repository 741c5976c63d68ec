//===- Trial.h - Which of two tiers is faster -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_TRIAL_H
#define MK_RUNTIME_TRIAL_H

#include <cstdint>
#include <vector>

namespace mk {

/// A race between a variant and the tier below it on the batches of a running engine. Batches come in pairs, one on
/// each tier and the order of the tiers reversed from pair to pair, so that what drifts hits both alike; a pair counts
/// when its batches are alike. The verdict is a sign test with a median.
class Trial {
public:
  /// What decides: pairs before there can be a verdict, and after which there must be one.
  static constexpr uint32_t MinPairs = 8, MaxPairs = 32;
  /// Pairs that did not count, after which nothing can be said.
  static constexpr uint32_t MaxUnlike = 64;

  enum Verdict : uint8_t { Undecided, Faster, NotFaster };

  explicit Trial(double margin) : margin(margin) {}

  /// The next batch goes to the variant.
  bool variantIsNext() const { return half == 0 ? variantFirst : !variantFirst; }
  /// What the batch took: it had 'slots' slots, 'items' of them or of their windows for the variant.
  void record(double seconds, uint64_t slots, uint64_t items);
  Verdict verdict() const;
  /// Median over the pairs: time below / time of the variant. 1 while there is none.
  double speedup() const;
  uint32_t pairs() const { return uint32_t(logRatios.size()); }

private:
  struct Sample {
    double secondsPerSlot = 0;
    uint64_t slots = 0;
    double share = 0;
  };
  static bool alike(const Sample &a, const Sample &b);

  const double margin;
  /// The first pair only warms caches.
  bool warming = true;
  bool variantFirst = true;
  uint32_t half = 0;
  uint32_t unlike = 0;
  Sample first;
  std::vector<double> logRatios;
};

} // namespace mk

#endif // MK_RUNTIME_TRIAL_H
