//===- CountMinSketchTest.cpp - Counts of many keys in little memory ------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "telemetry/CountMinSketch.h"
#include "Allocations.h"
#include "CodeUnit.h"
#include <gtest/gtest.h>
#include <map>
#include <random>

namespace mk::test {

static SketchShape shape(uint64_t depth, uint64_t width) { return *SketchShape::create(depth, width); }

TEST(CountMinSketch, BucketsAreTheAgreedOnes) {
  const std::pair<uint64_t, std::array<uint64_t, 4>> golden[] = {
      {0, {47, 116, 79, 108}},
      {1, {65, 73, 94, 82}},
      {2, {78, 66, 13, 55}},
      {7, {87, 1, 1, 66}},
      {99, {99, 82, 85, 24}},
      {0x1000, {71, 28, 103, 73}},
      {0x40000000, {127, 93, 116, 93}},
      {0xFFFFFFFF, {64, 63, 118, 41}},
  };
  for (const auto &[key, buckets] : golden)
    for (uint64_t row = 0; row < 4; ++row)
      EXPECT_EQ(shape(4, 128).bucket(row, key), buckets[row]) << key << " in row " << row;
}

TEST(CountMinSketch, RefusesShapesThatAreNone) {
  auto message = [](uint64_t depth, uint64_t width) {
    auto shape = SketchShape::create(depth, width);
    return shape ? "" : shape.error().message;
  };
  EXPECT_EQ(message(0, 8), "a sketch of 0 rows of 8 counters counts nothing, both must be 1 or more");
  EXPECT_EQ(message(8, 0), "a sketch of 8 rows of 0 counters counts nothing, both must be 1 or more");
  EXPECT_EQ(message(1 << 14, (1 << 14) + 1),
            "a sketch of 16384 rows of 16385 counters is too large, it may have 268435456 counters");
  // The product is 0 modulo 2^64.
  EXPECT_NE(message(uint64_t(1) << 32, uint64_t(1) << 32), "");
  EXPECT_NE(message(2, ~uint64_t(0)), "");
  EXPECT_EQ(message(1 << 14, 1 << 14), "");
}

TEST(CountMinSketch, NeverCountsTooLittle) {
  CountMinSketch sketch(shape(4, 64));
  std::map<uint64_t, uint64_t> exact;
  std::mt19937_64 rng(7);
  for (int i = 0; i < 20000; ++i) {
    uint64_t key = rng() % 500 * (rng() % 3 ? 1 : 0x100000001), count = rng() % 5;
    sketch.add(key, count);
    exact[key] += count;
  }
  for (const auto &[key, count] : exact)
    EXPECT_GE(sketch.estimate(key), count);
}

TEST(CountMinSketch, IsExactWhileNothingCollides) {
  CountMinSketch sketch(shape(4, 128));
  sketch.add(0, 5);
  sketch.add(99, 7);
  sketch.add(0);
  EXPECT_EQ(sketch.estimate(0), 6u);
  EXPECT_EQ(sketch.estimate(99), 7u);
  EXPECT_EQ(sketch.estimate(1), 0u);
}

TEST(CountMinSketch, OverflowIsAnErrorOrTheEnd) {
  CountMinSketch sketch(shape(2, 8));
  sketch.add(3, ~uint64_t(0) - 1);
  EXPECT_TRUE(sketch.addChecked(3, 1));
  Expected<void> added = sketch.addChecked(3, 1);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().message,
            "the count of key 3 in row 0 is 18446744073709551615 and overflows with 1 more, start "
            "a new sketch");
  EXPECT_EQ(sketch.estimate(3), ~uint64_t(0));
  sketch.add(3, 5);
  EXPECT_EQ(sketch.estimate(3), ~uint64_t(0));
  EXPECT_TRUE(sketch.addChecked(3, 0));
}

TEST(CountMinSketch, AFailedAdditionAddsNothing) {
  // Two keys that share their counter in row 1 alone.
  SketchShape sides = shape(2, 8);
  uint64_t other = 1;
  while (sides.bucket(0, other) == sides.bucket(0, 0) || sides.bucket(1, other) != sides.bucket(1, 0))
    ++other;
  CountMinSketch sketch(sides);
  sketch.add(other, ~uint64_t(0));
  EXPECT_FALSE(sketch.addChecked(0, 3));
  EXPECT_EQ(sketch.estimate(0), 0u);
}

TEST(CountMinSketch, MergesSketchesOfOneShape) {
  CountMinSketch a(shape(4, 128)), b(shape(4, 128)), both(shape(4, 128));
  for (uint64_t key = 0; key < 300; ++key) {
    a.add(key, key);
    b.add(key * 7, 3);
    both.add(key, key);
    both.add(key * 7, 3);
  }
  ASSERT_TRUE(a.merge(b));
  for (uint64_t key = 0; key < 2100; ++key)
    EXPECT_EQ(a.estimate(key), both.estimate(key));
}

TEST(CountMinSketch, AFailedMergeAddsNothing) {
  auto message = [](Expected<void> merged) { return merged ? "" : merged.error().message; };
  CountMinSketch a(shape(4, 128)), narrow(shape(4, 127)), shallow(shape(3, 128));
  EXPECT_EQ(message(a.merge(narrow)),
            "a sketch of 4 by 127 cannot be merged into one of 4 by 128, they must have one shape");
  EXPECT_NE(message(a.merge(shallow)), "");

  CountMinSketch b(shape(4, 128));
  a.add(99, ~uint64_t(0));
  b.add(99, 1);
  b.add(0, 5);
  std::string error = message(a.merge(b));
  EXPECT_EQ(error,
            "counter 99 overflows in the merge, as 18446744073709551615 + 1 is beyond 64 bits; start a new sketch");
  EXPECT_EQ(a.estimate(0), 0u);
}

namespace {
/// A sketch beside the exact counts.
struct Reference {
  Reference(SketchShape shape, double halfLife) : sketch(shape, halfLife), halfLife(halfLife) {}
  void add(uint64_t key, uint64_t count, double now) {
    sketch.add(key, double(count), now);
    exact[key].add(count, count, now, halfLife);
    last = std::max(last, now);
  }
  /// No count is too low; yields how many keys are too high by more than 'part' of the total.
  size_t check(double now, double part) const {
    double total = 0;
    size_t wrong = 0;
    for (const auto &[key, counter] : exact)
      total += counter.recent(now, halfLife);
    EXPECT_NEAR(sketch.total(now), total, total * 1e-9);
    for (const auto &[key, counter] : exact) {
      double count = counter.recent(now, halfLife);
      EXPECT_GE(sketch.estimate(key, now), count * (1 - 1e-9) - 0x1p-400) << key << " at " << now;
      wrong += sketch.estimate(key, now) > count + part * total;
    }
    return wrong;
  }

  DecayingSketch sketch;
  double halfLife, last = 0;
  std::map<uint64_t, HeatCounter> exact;
};
} // namespace

TEST(DecayingSketch, HalvesEveryHalfLife) {
  DecayingSketch sketch(shape(4, 128), 2);
  EXPECT_EQ(sketch.estimate(7, 50), 0);
  sketch.add(7, 16, 100);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 100), 16);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 102), 8);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 106), 2);
  sketch.add(7, 6, 106);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 106), 8);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 108), 4);
  EXPECT_DOUBLE_EQ(sketch.total(108), 4);
  EXPECT_EQ(sketch.estimate(8, 108), 0);
}

TEST(DecayingSketch, TimeDoesNotRunBackwards) {
  DecayingSketch sketch(shape(4, 128), 1);
  sketch.add(7, 8, 10);
  sketch.add(7, 8, 5);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 3), 16);
  EXPECT_DOUBLE_EQ(sketch.estimate(7, 11), 8);
}

TEST(DecayingSketch, RandomStreams) {
  std::mt19937_64 rng(7);
  for (double halfLife : {0.001, 1.0, 60.0}) {
    Reference reference(shape(4, 256), halfLife);
    double now = 1e6;
    for (int i = 0; i < 20000; ++i) {
      // Few keys often, many keys seldom.
      uint64_t key = rng() % 2 ? rng() % 16 : rng() % 4096;
      reference.add(key, 1 + rng() % 100, now += halfLife * double(rng() % 100) / 1000);
    }
    EXPECT_LE(reference.check(now, 2.72 / 256), reference.exact.size() / 50);
    reference.check(now + halfLife * 10, 1);
  }
}

TEST(DecayingSketch, LongTimesAndLongPauses) {
  Reference reference(shape(4, 256), 0.5);
  double now = 0;
  std::mt19937_64 rng(7);
  for (int i = 0; i < 3000; ++i) {
    // Pauses of up to 3, 300 or 30000 half-lives, and none.
    double pause = std::array{0.0, 1.5, 150.0, 15000.0}[rng() % 4] * double(rng() % 1000) / 1000;
    reference.add(rng() % 20, 1 + rng() % 1000000, now += pause);
    if (i % 10 == 0)
      reference.check(now, 1);
  }
}

TEST(DecayingSketch, KeysThatAllCollide) {
  // All keys share a counter in row 0, so that only the other rows tell them apart; and one key is fed to the brim.
  SketchShape sides = shape(3, 32);
  std::vector<uint64_t> keys;
  for (uint64_t key = 0; keys.size() < 200; ++key)
    if (sides.bucket(0, key) == 0)
      keys.push_back(key);
  Reference reference(sides, 1);
  for (size_t i = 0; i < 5000; ++i) {
    reference.add(keys[i * i % keys.size()], 1, double(i) / 100);
    reference.add(keys[0], uint64_t(1) << 52, double(i) / 100);
    if (i % 100 == 0)
      reference.check(double(i) / 100, 1);
  }
}

TEST(DecayingSketch, NothingIsAllocatedWhateverComes) {
  DecayingSketch sketch(shape(4, 1024), 1);
  std::mt19937_64 rng(7);
  uint64_t before = allocations();
  for (int i = 0; i < 100000; ++i)
    sketch.add(rng(), 1, i);
  EXPECT_EQ(allocations(), before);
}

} // namespace mk::test
