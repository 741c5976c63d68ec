//===- CountMinSketch.h - Counts of many keys in little memory --*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Counts for keys of which there may be any number, in memory that is fixed from the start: Cormode and Muthukrishnan,
// An improved data stream summary: the count-min sketch and its applications (2005). A count may come out too high,
// never too low. For a sketch of width w and depth d it is more than e / w of all counts too high for at most one key
// in e^d, unless keys are chosen for it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_TELEMETRY_COUNTMINSKETCH_H
#define MK_RUNTIME_TELEMETRY_COUNTMINSKETCH_H

#include "mk/Runtime/Error.h"
#include <cstdint>
#include <vector>

namespace mk {

/// The rows of a sketch, and where the counters of a key are in them.
class SketchShape {
public:
  /// The most counters of a sketch.
  static constexpr uint64_t MaxCounters = uint64_t(1) << 28;

  /// InvalidArgument when a side is 0, or for more than MaxCounters.
  static Expected<SketchShape> create(uint64_t depth, uint64_t width);

  uint64_t depth() const { return rows; }
  uint64_t width() const { return columns; }
  uint64_t counters() const { return rows * columns; }
  /// The column of a key in a row.
  uint64_t bucket(uint64_t row, uint64_t key) const;
  /// The place of a key's counter, row by row.
  uint64_t index(uint64_t row, uint64_t key) const { return row * columns + bucket(row, key); }
  bool operator==(const SketchShape &) const = default;

private:
  SketchShape(uint64_t depth, uint64_t width) : rows(depth), columns(width) {}
  uint64_t rows, columns;
};

/// Counts that only grow.
class CountMinSketch {
public:
  explicit CountMinSketch(SketchShape shape) : sides(shape), counts(shape.counters()) {}

  const SketchShape &shape() const { return sides; }
  /// Counts stay at 2^64 - 1 when they get there.
  void add(uint64_t key, uint64_t count = 1);
  /// InvalidArgument, and nothing is added, when a counter would overflow.
  Expected<void> addChecked(uint64_t key, uint64_t count = 1);
  /// At least what was added for the key (or 2^64 - 1).
  uint64_t estimate(uint64_t key) const;
  /// Adds the counts of another sketch. InvalidArgument, and nothing is added, when it has another shape or a counter
  /// would overflow.
  Expected<void> merge(const CountMinSketch &other);

private:
  SketchShape sides;
  std::vector<uint64_t> counts;
};

/// Counts that halve every half-life, such as heat.
///
/// Instead of letting all counters decay, what is added is worth more the later it is: 2^((now - start) / halfLife);
/// and what is read is divided by that (forward decay: Cormode, Shkapenyuk, Srivastava and Xu, 2009). So a call costs
/// the same whatever the time, and counters are only touched, all at once, when 512 half-lives have passed. The decay
/// is smooth and that of HeatCounter. Of the counters of a key only those are raised that would be too low
/// (conservative update: Estan and Varghese, 2002), which makes the counts of other keys less wrong.
///
/// An estimate is never below the decayed count but for rounding, which is less than 2^-40 of it and 2^-52 for each
/// addition to the key, and but for counts that have decayed to less than 2^-400. All memory is taken by the
/// constructor.
class DecayingSketch {
public:
  /// Seconds in which a count halves; above 0.
  DecayingSketch(SketchShape shape, double halfLife) : sides(shape), halfLife(halfLife), counts(shape.counters()) {}

  const SketchShape &shape() const { return sides; }
  /// Counts, 0 or more, at a time in seconds from any origin. Time does not run backwards: an earlier one is taken for
  /// the last.
  void add(uint64_t key, double count, double now);
  double estimate(uint64_t key, double now) const;
  /// The decayed sum of all that was added.
  double total(double now) const;

private:
  void advance(double now);
  double smallest(uint64_t key) const;
  double worth(double time) const;

  SketchShape sides;
  double halfLife;
  /// The counts, and their sum, in units of what was worth 1 at 'start'.
  std::vector<double> counts;
  double sum = 0;
  double start = 0, last = 0;
  /// worth(last): calls tend to come with the same time.
  double lastWorth = 1;
  bool started = false;
};

} // namespace mk

#endif // MK_RUNTIME_TELEMETRY_COUNTMINSKETCH_H
