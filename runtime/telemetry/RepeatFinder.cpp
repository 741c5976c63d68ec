//===- RepeatFinder.cpp - Windows that nobody announced -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RepeatFinder.h"
#include <algorithm>
#include <bit>

namespace mk {

/// Stretches are counted up to here.
static constexpr uint32_t MaxRun = 255;
/// Uses of arguments that are looked at for one: more only if somebody chose the words so.
static constexpr uint32_t MaxProbes = 32;
/// For Entry::base: not known yet.
static constexpr uint32_t NoBase = ~0u;

/// Spreads what differs in a few bits over all of them (the finalizer of MurmurHash3).
static uint32_t mix(uint32_t value) {
  value = (value ^ value >> 16) * 0x85EBCA6Bu;
  value = (value ^ value >> 13) * 0xC2B2AE35u;
  return value ^ value >> 16;
}

static RepeatFinderOptions clamp(RepeatFinderOptions options) {
  options.minRepeats = std::max(options.minRepeats, 2u);
  options.maxLength = std::clamp(options.maxLength, 2u, RepeatFinder::MaxLength);
  options.tableLog2 = std::clamp(options.tableLog2, 4u, 20u);
  return options;
}

RepeatFinder::RepeatFinder(const IsaLayout &layout, const RepeatFinderOptions &options)
    : layout(layout), options(clamp(options)), table(size_t(1) << this->options.tableLog2) {
  for (Use &use : used)
    use.position = 0u - MaxLength;
  lastWith.fill(0u - MaxLength - 1);
}

//===----------------------------------------------------------------------===//
// Plan
//===----------------------------------------------------------------------===//

void RepeatFinder::Plan::start() {
  origin = count = 0;
  best[0] = 0;
}

void RepeatFinder::Plan::extend(const Endings &endings) {
  ++count;
  all[count] = endings;
  best[count] = best[count - 1];
  last[count] = 1;
  for (uint32_t i = 0; i < endings.count; ++i) {
    uint32_t length = endings.lengths[i];
    if (length > count || best[count - length] + endings.worths[i] < best[count])
      continue;
    best[count] = best[count - length] + endings.worths[i];
    last[count] = uint8_t(length);
  }
}

/// Puts the windows among the first 'end' slots at the end of 'windows'.
void RepeatFinder::Plan::emit(uint32_t end, std::vector<SlotRange> &windows) const {
  size_t first = windows.size();
  while (end) {
    uint32_t length = last[end];
    end -= length;
    if (length > 1)
      windows.push_back({origin + end, length});
  }
  std::reverse(windows.begin() + ptrdiff_t(first), windows.end());
}

void RepeatFinder::Plan::append(const Endings &endings, std::vector<SlotRange> &windows) {
  if (count == Capacity) {
    // All but the last slots are decided; for those, windows may come that are worth more.
    uint32_t end = count;
    while (end > Capacity - 2 * MaxLength)
      end -= last[end];
    emit(end, windows);
    origin += end;
    count = 0;
    best[0] = 0;
    for (uint32_t i = end + 1; i <= Capacity; ++i)
      extend(all[i]);
  }
  extend(endings);
}

//===----------------------------------------------------------------------===//
// Fingerprints
//===----------------------------------------------------------------------===//

/// Ones for windows of more than d slots begin at 'longerThan.data() + MaxLength - d'.
static constexpr auto longerThan = [] {
  std::array<uint32_t, 2 * RepeatFinder::MaxLength + 1> ones{};
  for (uint32_t i = RepeatFinder::MaxLength + 1; i < ones.size(); ++i)
    ones[i] = ~0u;
  return ones;
}();

/// Type and words of an argument. That two are taken for one, once in 2^32, does no harm.
static uint32_t hashArgument(const ArgLayout &arg, const abi::Slot &slot) {
  const uint32_t *words = slot.args + arg.word;
  uint64_t hash = (uint64_t(arg.type) << 32 | words[0]) * 0x9E3779B97F4A7C15u;
  if (arg.words > 1)
    hash += words[1] * 0xC2B2AE3D27D4EB4Fu;
  if (arg.words > 2)
    hash += words[2] * 0x165667B19E3779F9u;
  hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
  return uint32_t(hash >> 32);
}

/// Adds what the arguments of a slot say, for each window that ends with it, where they can only be those of the
/// slots before it in that window: to 'codes' which they are, and to 'links' how many.
void RepeatFinder::readArguments(const OpcodeLayout &op, const abi::Slot &slot, Row &codes, Row &links) {
  // The compiler cannot know that no store below changes these.
  const ArgLayout *args = op.args.data();
  const uint32_t count = uint32_t(op.args.size()), here = position;
  uint32_t next = uses;
  for (uint32_t argument = 0; argument < count; ++argument) {
    uint32_t hash = hashArgument(args[argument], slot);

    // The last use of the same words. If that lies before a window, so do all others.
    uint32_t &bucket = buckets[hash % UseCount];
    for (uint32_t at = bucket, probe = 0; probe < MaxProbes; ++probe) {
      const Use &use = used[at % UseCount];
      uint32_t distance = here - use.position;
      if (next - at > UseCount || distance >= MaxLength)
        break;
      if (use.hash == hash) {
        uint32_t code = mix((argument << 4 | distance) << 4 | use.argument);
        const uint32_t *mask = longerThan.data() + MaxLength - distance;
        for (uint32_t length = 1; length <= MaxLength; ++length)
          codes[length] += code & mask[length];
        if (distance)
          for (uint32_t length = 1; length <= MaxLength; ++length)
            links[length] -= mask[length];
        break;
      }
      at = use.previous;
    }
    used[next % UseCount] = {hash, bucket, here, argument};
    bucket = next++;
  }
  uses = next;
}

/// The fingerprints of the windows that end in a slot: each is one that ended in the slot before, and the code of this
/// slot. 'row' holds the codes.
static void extend(const std::array<uint32_t, RepeatFinder::MaxLength + 1> &before,
                   std::array<uint32_t, RepeatFinder::MaxLength + 1> &row) {
  row[0] = 0;
  for (uint32_t length = 1; length <= RepeatFinder::MaxLength; ++length)
    row[length] += std::rotl(before[length - 1], 5);
}

/// A slot that no window may have.
void RepeatFinder::readBarrier() {
  Row &row = rows[position % RowCount];
  // Like no other slot, so that nothing that includes it ever comes again.
  row.fill(mix(position) | 1);
  extend(rows[(position - 1) % RowCount], row);
  argumentsBefore[position % RowCount] = arguments;
  periods = 0;
  open = 0;
  ++position;
}

/// Finds the periods p for which the last p slots equal the p slots before them.
void RepeatFinder::findPeriods(const Row &row, uint32_t opcode) {
  uint32_t equal = 0;
  uint32_t &bucket = lastWith[opcode % lastWith.size()];
  // Only slots with the opcode of the last one can end such a period.
  for (uint32_t at = bucket, p; (p = position - at) <= MaxLength; at = previousWith[at % RowCount])
    if (rows[at % RowCount][p] == row[p]) {
      runs[p] = uint8_t(periods >> p & 1 ? std::min(runs[p] + 1u, MaxRun) : 1);
      equal |= 1u << p;
      // A stretch so long has no other periods than multiples of its shortest.
      if (runs[p] >= 2 * MaxLength)
        break;
    }
  periods = equal;
  previousWith[position % RowCount] = bucket;
  bucket = position;
}

//===----------------------------------------------------------------------===//
// Counting
//===----------------------------------------------------------------------===//

RepeatFinder::Entry &RepeatFinder::remember(uint32_t key, bool &isNew) {
  Entry *set = &table[size_t(key >> (32 - options.tableLog2)) & ~size_t(Ways - 1)];
  Entry *rarest = set;
  for (Entry *entry = set; entry != set + Ways; ++entry) {
    if (entry->key == key && entry->seen) {
      isNew = false;
      ++entry->seen;
      return *entry;
    }
    if (entry->seen + entry->error < rarest->seen + rarest->error)
      rarest = entry;
  }
  isNew = true;
  // What was frequent once must not stay for ever.
  if (++replacements == 16u << options.tableLog2)
    age();
  *rarest = {key, 1, rarest->seen + rarest->error, 0};
  return *rarest;
}

void RepeatFinder::age() {
  replacements = 0;
  for (Entry &entry : table) {
    entry.seen = (entry.seen + 1) / 2;
    entry.error /= 2;
    entry.base /= 2;
  }
}

/// Takes a window that came 'times', longer than the ones before. It replaces one that is hardly ever seen without it.
void RepeatFinder::Endings::add(uint32_t length, uint32_t times) {
  if (count && uint64_t(times) * 4 >= uint64_t(seen[count - 1]) * 3) {
    --count;
  } else if (count == Most) {
    std::copy(lengths.begin() + 1, lengths.end(), lengths.begin());
    std::copy(seen.begin() + 1, seen.end(), seen.begin());
    --count;
  }
  lengths[count] = uint8_t(length);
  seen[count++] = times;
}

/// Counts the windows that end in the last slot, and yields those that could be made. They may have up to 'limit'
/// slots, and up to 'bound' once more slots of the call have come.
void RepeatFinder::findEndings(const Row &row, uint32_t limit, uint32_t bound, Endings &endings) {
  // Inside a stretch of period p, longer windows say nothing new. So the period is what it is, not a multiple.
  uint32_t periodic = 0, period = 0, longest = 0;
  for (uint32_t rest = periods & ((2u << bound) - 1); rest; rest &= rest - 1) {
    uint32_t p = uint32_t(std::countr_zero(rest));
    uint32_t stretch = std::min(runs[p] + 2 * p - 1, MaxRun);
    if (uint32_t end = std::min(stretch, MaxLength); end > p)
      periodic |= (2u << end) - (2u << p);
    if (stretch > longest) {
      period = p;
      longest = stretch;
    }
  }
  auto keyOf = [&](uint32_t length) { return mix(row[length] + length * 0x9E3779B1u); };

  // In the third period it is clear what repeats, and once no other window reaches out of the stretch, only that is
  // counted.
  bool isNew;
  if (longest >= std::max(3 * period, options.maxLength)) {
    open = 0;
    if (period < 2 || period > limit)
      return;
    Entry &entry = remember(keyOf(period), isNew);
    if (isNew)
      entry.base = NoBase;
    entry.seen = std::max(entry.seen, longest / period);
    if (entry.seen >= options.minRepeats)
      endings.add(period, entry.seen);
    return;
  }

  // Otherwise a window may be made if its slots as a rule come together: where its first two or more do, so do the
  // others. One slot says little about the next: it may stand anywhere else as well.
  std::copy_backward(seen.begin(), seen.end() - 1, seen.end());
  open = (open << 1 | 2) & ((2u << limit) - 1);
  for (uint32_t rest = open & ~periodic; rest; rest &= rest - 1) {
    uint32_t length = uint32_t(std::countr_zero(rest));
    Entry &entry = remember(keyOf(length), isNew);
    uint32_t before = seen[length];
    seen[length] = entry.seen;
    bool closed = isNew;
    if (length > 2) {
      if (isNew || entry.base >= before)
        entry.base = before - 1;
      // More often than not, by a margin that keeps out what comes every second time.
      closed |= uint64_t(entry.seen) * 8 < uint64_t(before - entry.base) * 5;
    }
    if (closed) {
      open &= ~(1u << length);
      continue;
    }
    // No part of a period is made that was only seen as such, and no pair of which the first is rarely seen with the
    // second.
    uint32_t least = length < period ? std::max(options.minRepeats, longest / period + 2) : options.minRepeats;
    if (length >= 2 && entry.seen >= least && (length > 2 || entry.seen >= before / 8))
      endings.add(length, entry.seen);
  }
  bool whole = endings.count && endings.lengths[endings.count - 1] >= period;
  if (!whole && period >= 2 && period <= limit && longest >= options.minRepeats * period)
    endings.add(period, longest / period);
}

/// Leaves the windows that are worth something, and says how much. 'links' is the part of the last slot in 'shared'.
void RepeatFinder::weigh(const Row &links, Endings &endings) const {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < endings.count; ++i) {
    uint32_t length = endings.lengths[i], common = shared[length];
    uint32_t distinct = arguments - argumentsBefore[(position - length + 1) % RowCount] - common;
    if (common < options.minShared || distinct > options.maxDistinct)
      continue;
    // A first or last slot that has nothing to do with the others only happens to stand there.
    if (options.minShared && (common == shared[length - 1] || links[length] == 0))
      continue;
    // Above all, each slot that needs no worker of its own. Where a period begins, and which of two cuts is better, is
    // decided by what slots share, and then by what is more common.
    endings.lengths[kept] = uint8_t(length);
    endings.worths[kept++] = uint16_t(512 * (length - 1) + 16 * std::min(common, 15u) +
                                      std::min<uint32_t>(std::bit_width(endings.seen[i]), 15));
  }
  endings.count = uint8_t(kept);
}

void RepeatFinder::find(std::span<const abi::Slot> slots, const uint16_t *opcodes, std::vector<SlotRange> &windows) {
  windows.clear();
  plan.start();
  uint32_t limit = 0, bound = uint32_t(std::min<size_t>(slots.size(), options.maxLength));
  Scope scope = Scope::Lane;
  for (size_t i = 0; i < slots.size(); ++i) {
    const abi::Slot &slot = slots[i];
    const OpcodeLayout &op = layout[opcodes[i]];
    if (!op.promotable || windowLength(slot) > 1 || slot.order & abi::OrderContinuation) {
      readBarrier();
      limit = 0;
      plan.append({}, windows);
      continue;
    }
    if (limit && (slot.tenant != slots[i - 1].tenant || op.scope != scope ||
                  (slot.order ^ slots[i - 1].order) & abi::OrderPriorityMask)) {
      limit = 0;
      periods = 0;
    }
    scope = op.scope;
    limit = std::min(limit + 1, options.maxLength);

    Row &row = rows[position % RowCount], links{};
    row.fill(mix(opcodes[i] + 1));
    argumentsBefore[position % RowCount] = arguments;
    readArguments(op, slot, row, links);
    extend(rows[(position - 1) % RowCount], row);
    for (uint32_t length = MaxLength; length > 0; --length)
      shared[length] = shared[length - 1] + links[length];
    arguments += uint32_t(op.args.size());
    findPeriods(row, opcodes[i]);

    Endings endings;
    findEndings(row, limit, bound, endings);
    weigh(links, endings);
    plan.append(endings, windows);
    ++position;
  }
  plan.finish(windows);
}

} // namespace mk
