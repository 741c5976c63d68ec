//===- Series.cpp - A number for each instance -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Series.h"

using namespace mk;

/// The finalizer of SplitMix64.
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t mk::randomBits(uint64_t seed, uint64_t i) {
  constexpr uint64_t golden = 0x9E3779B97F4A7C15u;
  // The seed is mixed first, so that neighbouring seeds do not give shifted copies of one sequence.
  return mix(mix(seed + golden) + (i + 1) * golden);
}

Arg Series::at(uint64_t i) const {
  if (real)
    return realAt(i);
  if (kind == Constant && !isNegative)
    return first;
  return integerAt(i);
}

int64_t Series::integerAt(uint64_t i) const {
  switch (kind) {
  case Constant:
    return static_cast<int64_t>(first);
  case Iota:
    return static_cast<int64_t>(first + i * second);
  case Random: {
    // The high half of a 128-bit product spreads the bits evenly over the range.
    uint64_t range = second - first;
    return static_cast<int64_t>(
        first + static_cast<uint64_t>((static_cast<unsigned __int128>(randomBits(seed, i)) * range) >> 64));
  }
  }
  return 0;
}

double Series::realAt(uint64_t i) const {
  switch (kind) {
  case Constant:
    return realFirst;
  case Iota:
    return realFirst + static_cast<double>(i) * realSecond;
  case Random:
    return realFirst + (realSecond - realFirst) * (static_cast<double>(randomBits(seed, i) >> 11) * 0x1p-53);
  }
  return 0;
}

Series Series::toReal() const {
  if (real)
    return *this;
  Series result = *this;
  result.real = true;
  auto convert = [this](uint64_t value) {
    return kind == Constant && !isNegative ? static_cast<double>(value)
                                           : static_cast<double>(static_cast<int64_t>(value));
  };
  result.realFirst = convert(first);
  result.realSecond = convert(second);
  return result;
}
