//===- CountMinSketch.cpp - Counts of many keys in little memory ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CountMinSketch.h"
#include <algorithm>
#include <cmath>
#include <limits>

namespace mk {

static constexpr uint64_t MaxCount = std::numeric_limits<uint64_t>::max();

/// Steele, Lea and Flood, Fast splittable pseudorandom number generators (2014).
static uint64_t splitmix64(uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
  value = (value ^ value >> 27) * 0x94D049BB133111EBu;
  return value ^ value >> 31;
}

//===----------------------------------------------------------------------===//
// SketchShape
//===----------------------------------------------------------------------===//

Expected<SketchShape> SketchShape::create(uint64_t depth, uint64_t width) {
  std::string shape = std::to_string(depth) + " rows of " + std::to_string(width) + " counters";
  if (depth == 0 || width == 0)
    return makeError(ErrorCode::InvalidArgument, "a sketch of " + shape + " counts nothing, both must be 1 or more");
  if (depth > MaxCounters / width)
    return makeError(ErrorCode::InvalidArgument, "a sketch of " + shape + " is too large, it may have " +
                                                     std::to_string(MaxCounters) + " counters");
  return SketchShape(depth, width);
}

uint64_t SketchShape::bucket(uint64_t row, uint64_t key) const {
  return splitmix64(key ^ row * 0x9E3779B97F4A7C15u) % columns;
}

//===----------------------------------------------------------------------===//
// CountMinSketch
//===----------------------------------------------------------------------===//

void CountMinSketch::add(uint64_t key, uint64_t count) {
  for (uint64_t row = 0; row < sides.depth(); ++row) {
    uint64_t &counter = counts[sides.index(row, key)];
    counter += std::min(count, MaxCount - counter);
  }
}

Expected<void> CountMinSketch::addChecked(uint64_t key, uint64_t count) {
  for (uint64_t row = 0; row < sides.depth(); ++row)
    if (uint64_t counter = counts[sides.index(row, key)]; counter > MaxCount - count)
      return makeError(ErrorCode::InvalidArgument, "the count of key " + std::to_string(key) + " in row " +
                                                       std::to_string(row) + " is " + std::to_string(counter) +
                                                       " and overflows with " + std::to_string(count) +
                                                       " more, start a new sketch");
  add(key, count);
  return {};
}

uint64_t CountMinSketch::estimate(uint64_t key) const {
  uint64_t least = MaxCount;
  for (uint64_t row = 0; row < sides.depth(); ++row)
    least = std::min(least, counts[sides.index(row, key)]);
  return least;
}

Expected<void> CountMinSketch::merge(const CountMinSketch &other) {
  if (sides != other.sides)
    return makeError(ErrorCode::InvalidArgument, "a sketch of " + std::to_string(other.sides.depth()) + " by " +
                                                     std::to_string(other.sides.width()) +
                                                     " cannot be merged into one of " + std::to_string(sides.depth()) +
                                                     " by " + std::to_string(sides.width()) +
                                                     ", they must have one shape");
  for (size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > MaxCount - other.counts[i])
      return makeError(ErrorCode::InvalidArgument,
                       "counter " + std::to_string(i) + " overflows in the merge, as " + std::to_string(counts[i]) +
                           " + " + std::to_string(other.counts[i]) + " is beyond 64 bits; start a new sketch");
  for (size_t i = 0; i < counts.size(); ++i)
    counts[i] += other.counts[i];
  return {};
}

//===----------------------------------------------------------------------===//
// DecayingSketch
//===----------------------------------------------------------------------===//

/// Half-lives after which 'start' moves on. A double has room for 1023, and the counts need some.
static constexpr double MaxHalfLives = 512;

double DecayingSketch::worth(double time) const { return std::exp2((time - start) / halfLife); }

void DecayingSketch::advance(double now) {
  if (!started) {
    started = true;
    start = last = now;
  }
  if (!(now > last))
    return;
  last = now;
  if (now - start > MaxHalfLives * halfLife) {
    double factor = 1 / worth(now);
    for (double &count : counts)
      count *= factor;
    sum *= factor;
    start = now;
  }
  lastWorth = worth(last);
}

double DecayingSketch::smallest(uint64_t key) const {
  double least = std::numeric_limits<double>::infinity();
  for (uint64_t row = 0; row < sides.depth(); ++row)
    least = std::min(least, counts[sides.index(row, key)]);
  return least;
}

void DecayingSketch::add(uint64_t key, double count, double now) {
  advance(now);
  double added = count * lastWorth, raised = smallest(key) + added;
  for (uint64_t row = 0; row < sides.depth(); ++row) {
    double &counter = counts[sides.index(row, key)];
    counter = std::max(counter, raised);
  }
  sum += added;
}

double DecayingSketch::estimate(uint64_t key, double now) const {
  return now > last ? smallest(key) / lastWorth * std::exp2((last - now) / halfLife) : smallest(key) / lastWorth;
}

double DecayingSketch::total(double now) const {
  return now > last ? sum / lastWorth * std::exp2((last - now) / halfLife) : sum / lastWorth;
}

} // namespace mk
