//===- TierCheck.cpp - Two tiers, one answer ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TierCheck.h"
#include <algorithm>
#include <cstring>
#include <tuple>

namespace mk {

//===----------------------------------------------------------------------===//
// Snapshot
//===----------------------------------------------------------------------===//

void Snapshot::add(const ArgType &type, const uint32_t *words, std::span<const abi::BufferEntry> rows, bool window) {
  if (type.kind == ArgType::Scalar || !(type.access & abi::AccessWrite))
    return;
  const abi::BufferEntry &row = rows[words[0]];
  uint64_t size = elementBytes(type.element);
  Range range{words[0], 0, row.bytes, type.element, window && (row.access & abi::AccessTransient), row.base};
  if (type.kind == ArgType::View) {
    range.begin = words[1] * size;
    range.end = range.begin + words[2] * size;
  }
  if (range.begin != range.end)
    ranges.push_back(std::move(range));
}

void Snapshot::addWritten(const CodeUnit &unit, const abi::Slot *first, std::span<const abi::BufferEntry> rows) {
  const uint32_t *offset = unit.layout.words.data();
  for (const ArgType &type : unit.layout.args) {
    uint32_t words[3] = {};
    for (uint32_t i = 0; i < type.words(); ++i)
      words[i] = InstanceLayout::load(first, *offset++);
    add(type, words, rows, unit.tier == Tier::Window);
  }
}

void Snapshot::addWritten(std::span<const ArgType> args, const abi::Slot &slot,
                          std::span<const abi::BufferEntry> rows) {
  const uint32_t *words = slot.args;
  for (const ArgType &type : args) {
    add(type, words, rows, windowLength(slot) > 1 || slot.order & abi::OrderContinuation);
    words += type.words();
  }
}

void Snapshot::close() {
  std::sort(ranges.begin(), ranges.end(), [](const Range &a, const Range &b) {
    return std::tie(a.handle, a.begin, a.end) < std::tie(b.handle, b.begin, b.end);
  });
  std::vector<Range> joined;
  for (Range &range : ranges) {
    // Ranges of one type begin at multiples of its size.
    bool joins = !joined.empty() && joined.back().handle == range.handle && range.begin <= joined.back().end &&
                 range.element == joined.back().element;
    if (!joins) {
      joined.push_back(std::move(range));
      continue;
    }
    joined.back().end = std::max(joined.back().end, range.end);
    joined.back().transient &= range.transient;
  }
  ranges = std::move(joined);
}

uint64_t Snapshot::bytes() const {
  uint64_t sum = 0;
  for (const Range &range : ranges)
    sum += range.end - range.begin;
  return sum;
}

Expected<void> Snapshot::take(Device &device) {
  for (Range &range : ranges) {
    range.contents.resize(range.end - range.begin);
    if (Expected<void> copied = device.copyFromDevice(range.base + range.begin, range.contents); !copied)
      return copied;
  }
  return {};
}

Expected<void> Snapshot::restore(Device &device) const {
  for (const Range &range : ranges)
    if (Expected<void> copied = device.copyToDevice(range.base + range.begin, range.contents); !copied)
      return copied;
  return {};
}

/// The exponent is all ones and the fraction is not zero.
static bool isNan(ElementType type, uint64_t bits) {
  auto test = [&](unsigned width, unsigned fraction) {
    uint64_t magnitude = bits & ((uint64_t(1) << (width - 1)) - 1);
    uint64_t infinity = ((uint64_t(1) << (width - 1 - fraction)) - 1) << fraction;
    return magnitude > infinity;
  };
  switch (type) {
  case ElementType::F16:
    return test(16, 10);
  case ElementType::BF16:
    return test(16, 7);
  case ElementType::F32:
    return test(32, 23);
  case ElementType::F64:
    return test(64, 52);
  default:
    return false;
  }
}

std::string Snapshot::difference(const Snapshot &other, std::span<const abi::BufferEntry> rows) const {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const Range &a = ranges[i], &b = other.ranges[i];
    if (a.transient || std::memcmp(a.contents.data(), b.contents.data(), a.contents.size()) == 0)
      continue;
    uint32_t size = elementBytes(a.element);
    for (size_t at = 0; at < a.contents.size(); at += size) {
      uint64_t left = 0, right = 0;
      // A buffer need not end with a whole element of the type by which a slot knows it.
      size_t bytes = std::min<size_t>(size, a.contents.size() - at);
      std::memcpy(&left, &a.contents[at], bytes);
      std::memcpy(&right, &b.contents[at], bytes);
      if (left == right || (isNan(a.element, left) && isNan(a.element, right)))
        continue;
      char text[128];
      snprintf(text, sizeof text, "element %llu of buffer %u (%s) is 0x%llx, but the interpreter makes it 0x%llx",
               static_cast<unsigned long long>((a.begin + at) / size), a.handle, stringifyElementType(a.element),
               static_cast<unsigned long long>(left), static_cast<unsigned long long>(right));
      return text;
    }
  }
  return "";
}

//===----------------------------------------------------------------------===//
// TierCheck
//===----------------------------------------------------------------------===//

std::string differenceOf(std::span<const SlotFault> faultsA, const HitRecords &hitsA,
                         std::span<const SlotFault> faultsB, const HitRecords &hitsB) {
  for (size_t i = 0; i < std::max(faultsA.size(), faultsB.size()); ++i) {
    auto text = [&](std::span<const SlotFault> faults) {
      return i < faults.size() ? "slot " + std::to_string(faults[i].slot) + " with " + describeFault(faults[i])
                               : std::string("no slot");
    };
    if (text(faultsA) != text(faultsB))
      return text(faultsA) + " faults next, but with the interpreter " + text(faultsB);
  }
  uint64_t countA = hitsA.hits.size() + hitsA.dropped, countB = hitsB.hits.size() + hitsB.dropped;
  if (countA != countB)
    return std::to_string(countA) + " hits, but the interpreter makes " + std::to_string(countB);
  // Which hits are dropped is chance.
  if (hitsA.dropped == 0 && hitsA.hits != hitsB.hits)
    return "hits with other values than the interpreter's";
  return "";
}

Expected<TierCheck::Answer> TierCheck::answer(const Snapshot &before, std::span<const abi::Slot> slots,
                                              const WorkList &list) {
  StagingLimits limits;
  limits.hitCapacity = 4096;
  limits.memoryIsScarce = true;
  if (Expected<void> built = staging.build(slots, std::span(&list, 1), table, rows.size(), limits); !built)
    return tl::unexpected(built.error());
  for (Launch &launch : staging.launches()) {
    launch.workgroups = 1;
    launch.workgroupSize = device.info().maxWorkgroupSize;
  }
  if (Expected<void> ran = device.run(staging.toDevice(), staging.launches(), staging.fromDevice()); !ran)
    return tl::unexpected(ran.error());
  Expected<std::vector<SlotFault>> faults = staging.readFaults();
  if (!faults)
    return tl::unexpected(faults.error());
  Expected<HitRecords> hits = staging.readHits();
  if (!hits)
    return tl::unexpected(hits.error());
  Answer answer{before, std::move(*faults), std::move(*hits)};
  if (Expected<void> taken = answer.written.take(device); !taken)
    return tl::unexpected(taken.error());
  if (Expected<void> restored = before.restore(device); !restored)
    return tl::unexpected(restored.error());
  return answer;
}

Expected<TierCheck::Outcome> TierCheck::run(const CodeUnit &unit, std::span<const abi::Slot> slots,
                                            const WorkList &variant, const WorkList &interpreter) {
  Snapshot before;
  before.addWritten(unit, slots.data(), rows);
  before.close();
  if (before.bytes() > MaxBytes)
    return Outcome{.tooLarge = true, .bytes = before.bytes()};
  if (Expected<void> taken = before.take(device); !taken)
    return tl::unexpected(taken.error());
  Expected<Answer> above = answer(before, slots, variant);
  if (!above)
    return tl::unexpected(above.error());
  Expected<Answer> below = answer(before, slots, interpreter);
  if (!below)
    return tl::unexpected(below.error());
  auto compare = [&](const Answer &a, const Answer &b) {
    std::string difference = a.written.difference(b.written, rows);
    return difference.empty() ? differenceOf(a.faults, a.hits, b.faults, b.hits) : difference;
  };
  std::string difference = compare(*above, *below);
  if (difference.empty())
    return Outcome{.bytes = before.bytes()};
  Expected<Answer> again = answer(before, slots, interpreter);
  if (!again)
    return tl::unexpected(again.error());
  if (!compare(*again, *below).empty())
    return Outcome{.varies = true, .bytes = before.bytes()};
  return Outcome{.bytes = before.bytes(), .difference = difference};
}

} // namespace mk
