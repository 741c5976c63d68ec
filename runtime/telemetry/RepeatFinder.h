//===- RepeatFinder.h - Windows that nobody announced -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A publisher that sends add, mul, relu, add, mul, relu, ... as single slots could have sent windows. The finder reads
// its stream and says where they would have been: sequences of slots that have come before with the same opcodes, and
// with the same arguments in common, whatever the arguments are. docs/Telemetry.md says how it works and what it costs.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_TELEMETRY_REPEATFINDER_H
#define MK_RUNTIME_TELEMETRY_REPEATFINDER_H

#include "../IsaLayout.h"
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mk {

/// Slots [begin, begin + length) of what was published.
struct SlotRange {
  uint32_t begin = 0;
  uint32_t length = 0;
  bool operator==(const SlotRange &) const = default;
};

struct RepeatFinderOptions {
  /// How often a sequence must have come, in this stream and counting this time, before it is made a window. 2 or more.
  uint32_t minRepeats = 4;
  /// The longest window, 2 to RepeatFinder::MaxLength slots.
  uint32_t maxLength = 16;
  /// Arguments that slots of a window must have in common with earlier slots of it. Without any, nothing is gained by
  /// one worker for them all. Unless this is 0, the first and the last slot must have a part in that.
  uint32_t minShared = 1;
  /// The most arguments that differ in a window: beyond, it would have no signature (WindowTable::MaxArgs).
  uint32_t maxDistinct = 64;
  /// log2 of the number of sequences that are remembered, 16 bytes each. 4 to 20.
  uint32_t tableLog2 = 12;
};

/// Finds repeating sequences in one publisher's stream of slots. All memory is taken by the constructor.
///
/// A window that find() proposes is a run of single slots of one call, with one tenant, one priority and one scope,
/// whose opcodes may all be promoted. Slots of a call are in no order, so to run some of them in the order in which
/// they came, on one worker, is one of the orders that the publisher has allowed; between calls there may be an order,
/// and so a window never has slots of two. What is found is a matter of speed alone.
///
/// The answers depend on nothing but the options and the calls so far. Thread safety: none.
class RepeatFinder {
public:
  static constexpr uint32_t MaxLength = 16;

  /// 'layout' has to live as long as the finder. Options beyond their range are brought into it.
  explicit RepeatFinder(const IsaLayout &layout, const RepeatFinderOptions &options = {});

  /// Reads the slots of one call and puts the windows that they could have been into 'windows', in ascending order and
  /// without overlap. 'opcodes' are the dense indexes of the slots. Slots that are in windows already are left alone.
  void find(std::span<const abi::Slot> slots, const uint16_t *opcodes, std::vector<SlotRange> &windows);

private:
  /// One value for each window that ends in a slot, by its length. That of no slots is 0.
  using Row = std::array<uint32_t, MaxLength + 1>;
  /// Rows that are looked back at, a power of two above MaxLength.
  static constexpr uint32_t RowCount = 32;

  /// A sequence that is remembered. It gives its place to a new one by the rule of Metwally et al., Efficient
  /// computation of frequent and top-k elements in data streams (2005): the rarest goes, and the new one may have come
  /// as often as that.
  struct Entry {
    uint32_t key = 0;
    /// How often it came while it was remembered.
    uint32_t seen = 0;
    /// How often it may have come before.
    uint32_t error = 0;
    /// What was 'seen' of the sequence without its last slot when this one was new.
    uint32_t base = 0;
  };
  static constexpr uint32_t Ways = 4;

  /// Where an argument was used.
  struct Use {
    uint32_t hash = 0;
    /// The use with the same bucket before this one.
    uint32_t previous = 0;
    uint32_t position = 0;
    uint32_t argument = 0;
  };
  /// Uses that are looked back at, a power of two not below MaxLength * abi::SlotArgWords.
  static constexpr uint32_t UseCount = 256;

  /// Windows that could be made and that end in one slot: the longest that are worth it.
  struct Endings {
    static constexpr uint32_t Most = 4;
    uint8_t count = 0;
    std::array<uint8_t, Most> lengths;
    std::array<uint16_t, Most> worths;
    std::array<uint32_t, Most> seen;

    void add(uint32_t length, uint32_t times);
  };

  /// Chooses among windows that could be made, such that they are worth most together.
  class Plan {
  public:
    void start();
    /// The next slot, and the windows that could end in it.
    void append(const Endings &endings, std::vector<SlotRange> &windows);
    void finish(std::vector<SlotRange> &windows) { emit(count, windows); }

  private:
    static constexpr uint32_t Capacity = 512;
    void extend(const Endings &endings);
    void emit(uint32_t end, std::vector<SlotRange> &windows) const;

    /// Slots before the first of the plan, and slots in it.
    uint32_t origin = 0, count = 0;
    /// For each number of slots: the best worth of windows in them, and the length of the one that ends with them, or
    /// 1.
    std::array<uint32_t, Capacity + 1> best;
    std::array<uint8_t, Capacity + 1> last;
    std::array<Endings, Capacity + 1> all;
  };

  void readArguments(const OpcodeLayout &op, const abi::Slot &slot, Row &codes, Row &links);
  void readBarrier();
  void findPeriods(const Row &row, uint32_t opcode);
  Entry &remember(uint32_t key, bool &isNew);
  void age();
  void findEndings(const Row &row, uint32_t limit, uint32_t bound, Endings &endings);
  void weigh(const Row &links, Endings &endings) const;

  const IsaLayout &layout;
  const RepeatFinderOptions options;

  /// Slots read so far, modulo 2^32; argument words, and uses of arguments.
  uint32_t position = 0, arguments = 0, uses = 0;
  std::array<uint32_t, UseCount> buckets{};
  std::array<Use, UseCount> used{};

  /// Fingerprints of the windows that end in the last slots, arguments that the slots of those that end in the very
  /// last have in common, and for the last slots the arguments read before them.
  std::array<Row, RowCount> rows{};
  Row shared{};
  std::array<uint32_t, RowCount> argumentsBefore{};
  /// The last slot with an opcode of each bucket, and for each slot the one before it in its bucket.
  std::array<uint32_t, 256> lastWith;
  std::array<uint32_t, RowCount> previousWith{};
  /// Bit p: the last p slots equal the p slots before them. runs[p] says for how many slots in a row that has been so,
  /// up to 255.
  uint32_t periods = 0;
  std::array<uint8_t, MaxLength + 1> runs{};

  /// Bit n: the window of n slots that ends in the last slot has come before, and as a rule when its first slots came.
  uint32_t open = 0;
  /// How often those windows came.
  Row seen{};
  std::vector<Entry> table;
  uint32_t replacements = 0;
  Plan plan;
};

} // namespace mk

#endif // MK_RUNTIME_TELEMETRY_REPEATFINDER_H
