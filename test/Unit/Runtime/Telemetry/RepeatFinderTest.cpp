//===- RepeatFinderTest.cpp - Windows that nobody announced ---------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "telemetry/RepeatFinder.h"
#include "Allocations.h"
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>

namespace mk::test {

namespace {
/// Opcodes 0 to 7 read a view, a scalar and write a view; 8 is like them, but may not be promoted; 9 has block scope.
constexpr uint32_t Opcodes = 8, Unpromotable = 8, Block = 9;

struct Step {
  uint32_t opcode;
  /// Numbers of views, and a scalar.
  uint32_t in, scalar, out;
};

class RepeatFinding : public testing::Test {
protected:
  RepeatFinding() { restart(); }

  static Isa makeIsa() {
    ArgType view{ArgType::View, ElementType::F32, abi::AccessRead}, scalar{ArgType::Scalar, ElementType::F32};
    ArgType target{ArgType::View, ElementType::F32, abi::AccessWrite};
    Isa isa;
    for (uint32_t i = 0; i <= Block; ++i) {
      OpcodeInfo &op = isa.opcodes.emplace_back();
      op.name = "op" + std::to_string(i);
      op.code = 64 + i;
      op.args = {view, scalar, target};
      op.promotable = i != Unpromotable;
      op.scope = i == Block ? Scope::Block : Scope::Lane;
    }
    return isa;
  }

  void restart(const RepeatFinderOptions &options = {}) {
    finder = std::make_unique<RepeatFinder>(layout, options);
    history.clear();
  }

  static abi::Slot makeSlot(const Step &step) {
    abi::Slot slot{};
    slot.opcode = 64 + step.opcode;
    slot.order = abi::PriorityNormal;
    uint32_t words[] = {1, step.in * 16, 16, step.scalar, 1, step.out * 16, 16};
    std::copy(std::begin(words), std::end(words), slot.args);
    return slot;
  }

  /// A view that nothing else uses.
  uint32_t fresh() { return ++views; }
  /// Slots with the given opcodes in which each reads what the one before it wrote.
  std::vector<abi::Slot> chain(const std::vector<uint32_t> &opcodes) {
    std::vector<abi::Slot> slots;
    uint32_t view = fresh();
    for (uint32_t opcode : opcodes) {
      uint32_t next = fresh();
      slots.push_back(makeSlot({opcode, view, fresh(), next}));
      view = next;
    }
    return slots;
  }
  abi::Slot noise() { return makeSlot({uint32_t(rng() % Opcodes), fresh(), fresh(), fresh()}); }

  const std::vector<SlotRange> &find(std::span<const abi::Slot> slots) {
    std::vector<uint16_t> opcodes;
    for (const abi::Slot &slot : slots)
      opcodes.push_back(uint16_t(slot.opcode - 64));
    finder->find(slots, opcodes.data(), windows);
    check(slots);
    return windows;
  }

  /// What makes two sequences the same, the slow way.
  static std::vector<uint32_t> shape(std::span<const abi::Slot> slots) {
    std::vector<uint32_t> result;
    std::map<std::vector<uint32_t>, uint32_t> groups;
    for (const abi::Slot &slot : slots) {
      result.push_back(slot.opcode);
      for (auto [kind, word, count] : {std::array{0, 0, 3}, {1, 3, 1}, {0, 4, 3}}) {
        std::vector<uint32_t> key(slot.args + word, slot.args + word + count);
        key.push_back(uint32_t(kind));
        result.push_back(groups.emplace(key, groups.size()).first->second);
      }
    }
    return result;
  }

  /// Windows are in order, apart, of single slots of one kind that may be promoted, and have come often enough.
  void check(std::span<const abi::Slot> slots) {
    size_t before = history.size();
    history.insert(history.end(), slots.begin(), slots.end());
    uint32_t end = 0;
    for (const SlotRange &window : windows) {
      ASSERT_GE(window.begin, end);
      ASSERT_GE(window.length, 2u);
      ASSERT_LE(window.length, RepeatFinder::MaxLength);
      end = window.begin + window.length;
      ASSERT_LE(end, slots.size());
      const abi::Slot &first = slots[window.begin];
      for (const abi::Slot &slot : slots.subspan(window.begin, window.length)) {
        ASSERT_EQ(slot.order, first.order);
        ASSERT_LE(slot.order, abi::OrderPriorityMask);
        ASSERT_EQ(slot.tenant, first.tenant);
        ASSERT_NE(slot.opcode, 64 + Unpromotable);
        ASSERT_EQ(slot.opcode == 64 + Block, first.opcode == 64 + Block);
      }
      if (!checkCounts)
        continue;
      std::vector<uint32_t> wanted = shape(slots.subspan(window.begin, window.length));
      uint32_t count = 0;
      for (size_t at = 0; at + window.length <= before + end && count < 4; ++at)
        count += shape(std::span(history).subspan(at, window.length)) == wanted;
      ASSERT_GE(count, 4u) << "window at " << window.begin << " of " << window.length;
    }
  }

  static void append(std::vector<abi::Slot> &to, const std::vector<abi::Slot> &slots) {
    to.insert(to.end(), slots.begin(), slots.end());
  }
  uint32_t covered() const {
    uint32_t count = 0;
    for (const SlotRange &window : windows)
      count += window.length;
    return count;
  }

  Isa isa = makeIsa();
  IsaLayout layout = *IsaLayout::create(isa);
  std::unique_ptr<RepeatFinder> finder;
  std::vector<SlotRange> windows;
  std::vector<abi::Slot> history;
  bool checkCounts = true;
  uint32_t views = 0;
  std::mt19937 rng{7};
};
} // namespace

/// Opcodes of a pattern in which no two come twice one after the other.
static std::vector<uint32_t> pattern(uint32_t length) {
  static constexpr uint32_t opcodes[] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 4, 6, 1, 3, 5, 7};
  return {opcodes, opcodes + length};
}

TEST_F(RepeatFinding, FindsThePeriodWhateverItIs) {
  for (uint32_t length = 2; length <= RepeatFinder::MaxLength; ++length) {
    restart();
    std::vector<abi::Slot> slots;
    for (uint32_t i = 0; i < 20; ++i)
      append(slots, chain(pattern(length)));
    find(slots);
    // From the fourth time on each is one window.
    ASSERT_GE(windows.size(), 16u) << length;
    for (const SlotRange &window : windows) {
      EXPECT_EQ(window.length, length);
      EXPECT_EQ(window.begin % length, 0u) << length;
    }
    EXPECT_GE(windows[0].begin, 3 * length);
    EXPECT_EQ(windows.back().begin, 19 * length);
  }
}

TEST_F(RepeatFinding, FindsThePeriodWhereverItBegins) {
  for (uint32_t length : {2u, 3u, 5u, 8u, 16u})
    for (uint32_t offset = 0; offset < length; ++offset) {
      restart();
      std::vector<abi::Slot> slots;
      for (uint32_t i = 0; i < 12; ++i)
        append(slots, chain(pattern(length)));
      find(std::span(slots).subspan(offset));
      ASSERT_GE(windows.size(), 7u) << length << " at " << offset;
      for (const SlotRange &window : windows) {
        EXPECT_EQ(window.length, length);
        EXPECT_EQ((window.begin + offset) % length, 0u);
      }
    }
}

TEST_F(RepeatFinding, RemembersFromCallToCall) {
  for (uint32_t length = 2; length <= RepeatFinder::MaxLength; ++length) {
    restart();
    for (uint32_t i = 0; i < 3; ++i)
      EXPECT_TRUE(find(chain(pattern(length))).empty());
    for (uint32_t i = 0; i < 10; ++i)
      EXPECT_EQ(find(chain(pattern(length))), (std::vector<SlotRange>{{0, length}})) << length << " " << i;
  }
}

TEST_F(RepeatFinding, OtherCallsInBetweenDoNotMatter) {
  std::vector<abi::Slot> other = chain({1, 1, 4});
  for (uint32_t i = 0; i < 40; ++i) {
    find(chain({0, 1, 2, 3}));
    if (i > 20) {
      EXPECT_EQ(windows, (std::vector<SlotRange>{{0, 4}}));
    }
    find(std::span(other).first(i % 3));
    for (uint32_t n = rng() % 5; n > 0; --n)
      find(std::vector{noise()});
  }
}

TEST_F(RepeatFinding, WindowsDoNotCrossCalls) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 60; ++i)
    append(slots, chain({0, 1, 2}));
  uint32_t found = 0;
  for (size_t at = 0; at + 2 <= slots.size(); at += 2)
    for (const SlotRange &window : find(std::span(slots).subspan(at, 2)))
      found += window.length > 2;
  EXPECT_EQ(found, 0u);
}

TEST_F(RepeatFinding, PatternsWithRepeatsInside) {
  using Pattern = std::vector<uint32_t>;
  for (const Pattern &opcodes : {Pattern{0, 0, 0, 1},
                                 {1, 0, 0, 0},
                                 {0, 1, 0, 1, 2},
                                 {2, 0, 1, 0, 1},
                                 {0, 1, 1, 0, 1},
                                 {3, 0, 0, 0, 0, 0, 0, 0}}) {
    restart();
    for (uint32_t i = 0; i < 30; ++i) {
      find(chain(opcodes));
      if (i >= 10) {
        EXPECT_EQ(windows, (std::vector<SlotRange>{{0, uint32_t(opcodes.size())}}));
      }
    }
  }
}

TEST_F(RepeatFinding, NoiseBetweenRepeats) {
  std::vector<abi::Slot> slots;
  std::vector<SlotRange> wanted;
  for (uint32_t i = 0; i < 120; ++i) {
    for (uint32_t n = 1 + rng() % 3; n > 0; --n)
      slots.push_back(noise());
    wanted.push_back({uint32_t(slots.size()), 5});
    append(slots, chain({0, 1, 2, 3, 4}));
  }
  find(slots);
  uint32_t hits = 0;
  for (const SlotRange &window : wanted)
    hits += std::find(windows.begin(), windows.end(), window) != windows.end();
  EXPECT_GE(hits, 100u);
  // Noise is not made into windows.
  EXPECT_LE(windows.size(), hits + 10);
}

TEST_F(RepeatFinding, TwoPatternsInTurnAndAtRandom) {
  for (bool random : {false, true}) {
    restart();
    std::vector<abi::Slot> slots;
    std::vector<SlotRange> wanted;
    for (uint32_t i = 0; i < 300; ++i) {
      bool first = random ? rng() & 1 : i & 1;
      wanted.push_back({uint32_t(slots.size()), first ? 4u : 3u});
      append(slots, first ? chain({0, 1, 2, 3}) : chain({4, 5, 6}));
    }
    find(slots);
    // In turn they are one pattern of seven.
    if (!random)
      for (size_t i = 0; i + 1 < wanted.size(); i += 2)
        wanted[i].length = 7;
    uint32_t hits = 0;
    for (const SlotRange &window : windows)
      hits += window.begin > 400 && std::find(wanted.begin(), wanted.end(), window) != wanted.end();
    uint32_t late = 0;
    for (const SlotRange &window : windows)
      late += window.begin > 400;
    EXPECT_GE(covered(), slots.size() * 8 / 10) << random;
    EXPECT_GE(hits, late * 95 / 100) << random;
  }
}

TEST_F(RepeatFinding, ArgumentsInCommonArePartOfThePattern) {
  // The same opcodes, but what the second reads is now this, now that.
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 200; ++i) {
    uint32_t x = fresh(), y = fresh(), z = fresh();
    slots.push_back(makeSlot({0, x, fresh(), y}));
    slots.push_back(makeSlot({1, i % 2 ? x : y, fresh(), z}));
    slots.push_back(makeSlot({2, z, fresh(), fresh()}));
    slots.push_back(noise());
  }
  find(slots);
  std::map<std::vector<uint32_t>, uint32_t> kinds;
  for (const SlotRange &window : windows)
    if (window.length == 3)
      ++kinds[shape(std::span(slots).subspan(window.begin, window.length))];
  EXPECT_EQ(kinds.size(), 2u);
}

TEST_F(RepeatFinding, SlotsWithNothingInCommonStaySingle) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 300; ++i)
    slots.push_back(makeSlot({i % 3, fresh(), fresh(), fresh()}));
  EXPECT_TRUE(find(slots).empty());
  RepeatFinderOptions options;
  options.minShared = 0;
  restart(options);
  EXPECT_EQ(find(slots).size(), 97u);
}

TEST_F(RepeatFinding, OneOpcodeOverAndOverIsNoWindow) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 600; ++i)
    slots.push_back(makeSlot({3, fresh(), 7, fresh()}));
  EXPECT_TRUE(find(slots).empty());
}

TEST_F(RepeatFinding, BoundariesAreKept) {
  // After each pattern of four, something changes inside the next.
  for (int what = 0; what < 5; ++what) {
    restart();
    std::vector<abi::Slot> slots;
    for (uint32_t i = 0; i < 200; ++i) {
      std::vector<abi::Slot> next = chain({0, 1, 2, 3});
      if (i % 3 == 2 && what == 0)
        next[1].tenant = 1;
      if (i % 3 == 2 && what == 1)
        next[2].order = 3;
      if (i % 3 == 2 && what == 2)
        next[2].opcode = 64 + Unpromotable;
      if (i % 3 == 2 && what == 3)
        next[1].opcode = 64 + Block;
      if (i % 3 == 2 && what == 4) {
        next[1].order |= 2u << abi::OrderLengthShift;
        next[2].order |= abi::OrderContinuation;
      }
      append(slots, next);
    }
    // check() fails if a window has slots of both kinds.
    find(slots);
    uint32_t whole = 0;
    for (const SlotRange &window : windows)
      whole += window.begin % 4 == 0 && window.length == 4 && window.begin / 4 % 3 != 2;
    EXPECT_GE(whole, 100u) << what;
  }
}

TEST_F(RepeatFinding, ThresholdAndLengthAreOptions) {
  for (uint32_t repeats : {2u, 4u, 9u}) {
    RepeatFinderOptions options;
    options.minRepeats = repeats;
    restart(options);
    checkCounts = false;
    uint32_t calls = 1;
    while (find(chain({0, 1, 2})).empty())
      ++calls;
    EXPECT_GE(calls, repeats);
    EXPECT_LE(calls, std::max(repeats, 6u));
  }
  RepeatFinderOptions options;
  options.maxLength = 8;
  restart(options);
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 30; ++i)
    append(slots, chain(pattern(12)));
  for (const SlotRange &window : find(slots))
    EXPECT_LE(window.length, 8u);
  EXPECT_FALSE(windows.empty());
}

TEST_F(RepeatFinding, RandomStreamsGiveNextToNothing) {
  checkCounts = false;
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 100000; ++i)
    slots.push_back(noise());
  find(slots);
  EXPECT_EQ(covered(), 0u);
  // With arguments in common now and then.
  for (abi::Slot &slot : slots)
    slot = makeSlot({uint32_t(rng() % Opcodes), uint32_t(rng() % 64), fresh(), uint32_t(rng() % 64)});
  find(slots);
  EXPECT_LE(covered(), slots.size() / 50);
}

TEST_F(RepeatFinding, DriftsWithTheProgram) {
  checkCounts = false;
  for (uint32_t phase = 0; phase < 6; ++phase) {
    std::vector<uint32_t> opcodes = {phase, (phase + 1) % Opcodes, (phase + 3) % Opcodes};
    for (uint32_t i = 0; i < 1000; ++i) {
      std::vector<abi::Slot> slots = {noise()};
      append(slots, chain(opcodes));
      find(slots);
    }
    EXPECT_EQ(windows, (std::vector<SlotRange>{{1, 3}})) << phase;
  }
}

TEST_F(RepeatFinding, NothingIsAllocatedWhateverComes) {
  std::vector<abi::Slot> slots;
  std::vector<uint16_t> opcodes;
  for (uint32_t i = 0; i < 200000; ++i) {
    // Noise, patterns of all lengths, and all in one bucket or the same words.
    uint32_t kind = i / 1000 % 4, view = kind == 1 ? i / 3 : kind == 2 ? 5 : fresh();
    slots.push_back(makeSlot({uint32_t(rng() % (1 + i / 1000 % Opcodes)), view, kind == 3 ? 1 : fresh(), view}));
    opcodes.push_back(uint16_t(slots.back().opcode - 64));
  }
  windows.reserve(slots.size());
  uint64_t before = allocations();
  finder->find(slots, opcodes.data(), windows);
  EXPECT_EQ(allocations(), before);
}

TEST_F(RepeatFinding, TheSameStreamGivesTheSameWindows) {
  checkCounts = false;
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 5000; ++i)
    append(slots, rng() % 3 ? chain({0, 1, uint32_t(rng() % 2), 3}) : std::vector{noise()});
  std::vector<SlotRange> first = find(slots);
  restart();
  EXPECT_EQ(find(slots), first);
  EXPECT_FALSE(first.empty());
}

TEST_F(RepeatFinding, LongCallsAreDecidedPieceByPiece) {
  std::vector<abi::Slot> slots;
  checkCounts = false;
  for (uint32_t i = 0; i < 2000; ++i)
    append(slots, chain({0, 1, 2, 3, 4}));
  find(slots);
  for (const SlotRange &window : windows) {
    EXPECT_EQ(window.begin % 5, 0u);
    EXPECT_EQ(window.length, 5u);
  }
  EXPECT_GE(windows.size(), 1996u);
}

TEST_F(RepeatFinding, NoSlotsNoWindows) { EXPECT_TRUE(find({}).empty()); }

} // namespace mk::test
