//===- Series.h - A number for each instance ---------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A workload describes millions of slots, and buffers of millions of elements, in a few lines: where a number is
// expected it may give a series, whose value depends on the instance of the item (or the element of the buffer).
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_SERIES_H
#define MK_TOOLS_MKRUN_SERIES_H

#include "mk/Runtime/Engine.h"
#include <cstdint>

namespace mk {

/// 64 random bits for place 'i' of the sequence that 'seed' names. The same on every machine.
uint64_t randomBits(uint64_t seed, uint64_t i);

/// One number for each i = 0, 1, 2, ...
struct Series {
  enum Kind : uint8_t {
    /// 'first' for all.
    Constant,
    /// first + i * second.
    Iota,
    /// Random, at least 'first' and less than 'second'.
    Random,
  };
  Kind kind = Constant;
  /// True: the numbers are in realFirst and realSecond; false: in first and second.
  bool real = false;
  /// Integers are 64 bits wide and wrap; a Constant that is not negative may use all 64.
  bool isNegative = false;
  uint64_t first = 0, second = 0;
  double realFirst = 0, realSecond = 0;
  uint64_t seed = 0;

  static Series constant(uint64_t value) {
    Series series;
    series.first = value;
    return series;
  }

  /// The value at place i: an int64_t or uint64_t, or a double if 'real'.
  Arg at(uint64_t i) const;
  /// The integer at place i as a signed number. Not for real series.
  int64_t integerAt(uint64_t i) const;
  double realAt(uint64_t i) const;

  /// The same numbers as floats.
  Series toReal() const;
};

} // namespace mk

#endif // MK_TOOLS_MKRUN_SERIES_H
