//===- Staging.cpp - Builds the launches of a batch -----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layout of the staging memory: the fault counters, one u32 for each launch, and as many hit counters; for each launch
// its input; and, behind what is copied, room for its fault records. Sections are 256-byte aligned. An interpreter gets
// the slots of its list, one after the other; where one of them asks for its number, it gets the whole batch (all such
// launches the same copy) and the numbers of its slots.
//
//===----------------------------------------------------------------------===//

#include "Staging.h"
#include "IsaLayout.h"
#include <algorithm>
#include <cstring>

namespace mk {

static constexpr uint64_t alignUp(uint64_t bytes) { return (bytes + 255) / 256 * 256; }

/// Instances whose slots are read together: they stay in the cache while their words go to the columns.
static constexpr size_t TileInstances = 256;

Staging::~Staging() {
  if (image && !device.info().hostAddressable)
    device.releaseHost(image);
  for (Kept *kept : {&staged, &hitMemory})
    if (kept->base)
      memory.release(kept->base);
}

//===----------------------------------------------------------------------===//
// Planning
//===----------------------------------------------------------------------===//

static uint32_t loadWord(std::span<const abi::Slot> slots, uint32_t first, uint32_t offset) {
  uint32_t word;
  std::memcpy(&word, reinterpret_cast<const std::byte *>(&slots[first]) + offset, sizeof word);
  return word;
}

/// Which argument words are not the same in all instances.
static std::vector<bool> findVarying(std::span<const abi::Slot> slots, const WorkList &list) {
  const std::vector<uint32_t> &words = list.unit->layout.words;
  std::vector<bool> varies(words.size());
  std::vector<uint32_t> open(words.size());
  for (uint32_t i = 0; i < words.size(); ++i)
    open[i] = i;
  for (size_t begin = 0; begin < list.firsts.size() && !open.empty(); begin += TileInstances) {
    auto tile = list.firsts.subspan(begin, std::min(TileInstances, list.firsts.size() - begin));
    std::erase_if(open, [&](uint32_t word) {
      uint32_t shared = loadWord(slots, list.firsts[0], words[word]);
      varies[word] = std::any_of(tile.begin(), tile.end(),
                                 [&](uint32_t first) { return loadWord(slots, first, words[word]) != shared; });
      return varies[word];
    });
  }
  return varies;
}

void Staging::plan(std::span<const abi::Slot> slots, const WorkList &list) {
  if (list.tier == Tier::Interpreter) {
    Plan &plan = plans.emplace_back();
    plan.list = list;
    plan.ordered = list.numbered || list.slots != list.firsts.size();
    plan.slots = list.numbered ? slots.size() : list.slots;
    return;
  }
  // Offsets in an argument table have 32 bits.
  size_t limit = (uint64_t(1) << 31) / (sizeof(uint32_t) * std::max<size_t>(list.unit->layout.words.size(), 1));
  for (size_t begin = 0; begin < list.firsts.size(); begin += limit) {
    Plan &plan = plans.emplace_back();
    plan.list = list;
    plan.list.firsts = list.firsts.subspan(begin, std::min(limit, list.firsts.size() - begin));
    plan.slots = plan.list.slots = plan.list.firsts.size() * list.unit->length;
    plan.varies = findVarying(slots, plan.list);
  }
}

/// The size of an argument table: columns, then the words that all instances share, then each varying word's array.
static uint64_t tableBytes(const std::vector<bool> &varies, uint64_t instances) {
  uint64_t varying = uint64_t(std::count(varies.begin(), varies.end(), true));
  uint64_t head = varies.size() * sizeof(abi::ArgColumn) + (varies.size() - varying) * sizeof(uint32_t);
  return alignUp(head) + varying * alignUp(instances * sizeof(uint32_t));
}

Expected<void> Staging::reserve(Kept &kept, uint64_t bytes, const char *what, bool memoryIsScarce) {
  if (bytes <= kept.capacity)
    return {};
  // What is there goes first: both together might not fit.
  if (kept.base)
    memory.release(kept.base);
  kept = {};
  // Half as much again, so that slowly growing batches do not allocate each time; just enough where memory is scarce.
  uint64_t wanted = memoryIsScarce ? bytes : alignUp(bytes + bytes / 2);
  Expected<uint64_t> grown = memory.allocate(wanted, what);
  if (!grown && grown.error().code == ErrorCode::OutOfMemory && wanted != bytes)
    grown = memory.allocate(wanted = bytes, what);
  if (!grown)
    return tl::unexpected(grown.error());
  kept = {*grown, wanted};
  return {};
}

Expected<void> Staging::reserveImage(uint64_t copied) {
  if (device.info().hostAddressable) {
    image = reinterpret_cast<std::byte *>(staged.base);
    return {};
  }
  if (copied <= imageCapacity)
    return {};
  if (image)
    device.releaseHost(image);
  image = nullptr;
  imageCapacity = 0;
  uint64_t wanted = alignUp(copied + copied / 2);
  Expected<std::byte *> grown = device.allocateHost(wanted);
  if (!grown)
    return tl::unexpected(grown.error());
  image = *grown;
  imageCapacity = wanted;
  return {};
}

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

void Staging::writeSlots(const Plan &plan, std::span<const abi::Slot> slots) {
  auto *to = reinterpret_cast<abi::Slot *>(image + plan.input);
  auto *order = plan.ordered ? reinterpret_cast<uint32_t *>(image + plan.order) : nullptr;
  uint32_t packed = 0;
  for (uint32_t first : plan.list.firsts) {
    if (order)
      *order++ = packed;
    uint32_t length = windowLength(slots[first]);
    for (uint32_t place = 0; place < length; ++place) {
      to[packed] = slots[first + place];
      to[packed++].status = uint32_t(abi::SlotStatus::Published);
    }
  }
}

void Staging::writeBatch(std::span<const abi::Slot> slots) {
  auto *to = reinterpret_cast<abi::Slot *>(image + batch);
  for (const abi::Slot &slot : slots) {
    *to = slot;
    to++->status = uint32_t(abi::SlotStatus::Published);
  }
}

void Staging::writeColumns(const Plan &plan, std::span<const abi::Slot> slots) {
  const std::vector<uint32_t> &words = plan.list.unit->layout.words;
  std::span<const uint32_t> firsts = plan.list.firsts;
  std::byte *table = image + plan.input;

  auto *columns = reinterpret_cast<abi::ArgColumn *>(table);
  uint32_t shared = uint32_t(words.size() * sizeof(abi::ArgColumn));
  uint32_t sharedCount = uint32_t(std::count(plan.varies.begin(), plan.varies.end(), false));
  uint64_t varying = alignUp(shared + sharedCount * sizeof(uint32_t));
  struct Column {
    uint32_t word;
    uint32_t *to;
  };
  std::vector<Column> varyingColumns;
  for (size_t i = 0; i < words.size(); ++i) {
    if (!plan.varies[i]) {
      columns[i] = {shared, 0};
      uint32_t word = loadWord(slots, firsts[0], words[i]);
      std::memcpy(table + shared, &word, sizeof word);
      shared += sizeof word;
      continue;
    }
    columns[i] = {uint32_t(varying), sizeof(uint32_t)};
    varyingColumns.push_back({words[i], reinterpret_cast<uint32_t *>(table + varying)});
    varying += alignUp(firsts.size() * sizeof(uint32_t));
  }

  for (size_t begin = 0; begin < firsts.size(); begin += TileInstances) {
    auto tile = firsts.subspan(begin, std::min(TileInstances, firsts.size() - begin));
    for (Column &column : varyingColumns)
      for (uint32_t first : tile)
        *column.to++ = loadWord(slots, first, column.word);
  }
}

Expected<void> Staging::build(std::span<const abi::Slot> slots, std::span<const WorkList> lists, uint64_t buffers,
                              uint64_t bufferCount, const StagingLimits &limits) {
  plans.clear();
  launchList.clear();
  emits = false;
  hitCapacity = limits.hitCapacity;
  for (const WorkList &list : lists)
    plan(slots, list);
  if (plans.empty())
    return {};

  uint64_t hitBytes = 0;
  for (Plan &plan : plans) {
    if (!plan.list.emits)
      continue;
    emits = true;
    plan.hits = hitBytes;
    hitBytes += hitCapacity * sizeof(abi::HitRecord);
  }
  uint64_t end = alignUp(counterBytes());
  batch = 0;
  if (std::any_of(plans.begin(), plans.end(), [](const Plan &plan) { return plan.list.numbered; })) {
    batch = end;
    end += alignUp(slots.size_bytes());
  }
  for (Plan &plan : plans) {
    plan.input = plan.list.numbered ? batch : end;
    if (plan.list.tier != Tier::Interpreter) {
      end += alignUp(tableBytes(plan.varies, plan.list.firsts.size()));
      continue;
    }
    if (!plan.list.numbered)
      end += alignUp(plan.list.slots * sizeof(abi::Slot));
    plan.order = end;
    if (plan.ordered)
      end += alignUp(plan.list.firsts.size() * sizeof(uint32_t));
  }
  uint64_t copied = end;
  for (Plan &plan : plans) {
    plan.faults = end;
    end += alignUp(plan.list.slots * sizeof(abi::FaultRecord));
  }
  if (Expected<void> reserved = reserve(staged, end, "staging a batch", limits.memoryIsScarce); !reserved)
    return reserved;
  if (Expected<void> reserved = reserve(hitMemory, hitBytes, "the hits of a batch", limits.memoryIsScarce); !reserved)
    return reserved;
  if (Expected<void> reserved = reserveImage(copied); !reserved)
    return reserved;

  std::memset(image, 0, counterBytes());
  if (batch)
    writeBatch(slots);
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan &plan = plans[i];
    bool interpreter = plan.list.tier == Tier::Interpreter;
    if (plan.list.numbered)
      std::copy(plan.list.firsts.begin(), plan.list.firsts.end(), reinterpret_cast<uint32_t *>(image + plan.order));
    else if (interpreter)
      writeSlots(plan, slots);
    else
      writeColumns(plan, slots);

    Launch &launch = launchList.emplace_back();
    launch.kernel = plan.list.kernel;
    launch.params.items = plan.list.firsts.size();
    launch.params.input = staged.base + plan.input;
    launch.params.order = interpreter && plan.ordered ? staged.base + plan.order : 0;
    launch.params.buffers = buffers;
    launch.params.bufferCount = bufferCount;
    launch.params.faults = staged.base + plan.faults;
    launch.params.faultCount = staged.base + i * sizeof(uint32_t);
    if (plan.list.emits) {
      launch.params.hits = hitMemory.base + plan.hits;
      launch.params.hitCapacity = hitCapacity;
      launch.params.hitCount = staged.base + (plans.size() + i) * sizeof(uint32_t);
    }
  }
  imageBytes = copied;
  return {};
}

Transfer Staging::toDevice() const {
  return plans.empty() || device.info().hostAddressable ? Transfer() : Transfer{staged.base, {image, imageBytes}};
}

/// The counters: they come back to where they were in the image.
Transfer Staging::fromDevice() const {
  return plans.empty() || device.info().hostAddressable ? Transfer() : Transfer{staged.base, {image, counterBytes()}};
}

//===----------------------------------------------------------------------===//
// Faults and hits
//===----------------------------------------------------------------------===//

/// The slot of the batch that slot 'slot' of a launch is.
uint32_t Staging::batchSlot(const Plan &plan, uint32_t slot) const {
  std::span<const uint32_t> firsts = plan.list.firsts;
  if (plan.list.unit)
    return firsts[slot / plan.list.unit->length] + slot % plan.list.unit->length;
  if (plan.list.numbered)
    return slot;
  if (!plan.ordered)
    return firsts[slot];
  std::span<const uint32_t> order(reinterpret_cast<const uint32_t *>(image + plan.order), firsts.size());
  size_t item = size_t(std::upper_bound(order.begin(), order.end(), slot) - order.begin()) - 1;
  return firsts[item] + slot - order[item];
}

static tl::unexpected<Error> foreignSlot(const WorkList &list, const char *what, uint32_t slot, uint64_t slots) {
  return makeError(ErrorCode::DeviceFailed, "kernel '" + std::string(list.what) + "' reported " + what + " of slot " +
                                                std::to_string(slot) + " of " + std::to_string(slots) +
                                                ": its code is broken");
}

Expected<std::vector<SlotFault>> Staging::readFaults() {
  std::vector<SlotFault> faults;
  if (plans.empty())
    return faults;
  std::vector<abi::FaultRecord> records;
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan &plan = plans[i];
    uint32_t count = counter(i);
    if (count == 0)
      continue;
    if (count > plan.list.slots)
      return makeError(ErrorCode::DeviceFailed, "kernel '" + std::string(plan.list.what) + "' reported " +
                                                    std::to_string(count) + " faults for " +
                                                    std::to_string(plan.list.slots) + " slots: its code is broken");
    records.resize(count);
    if (Expected<void> copied =
            device.copyFromDevice(staged.base + plan.faults, std::as_writable_bytes(std::span(records)));
        !copied)
      return tl::unexpected(copied.error());
    for (const abi::FaultRecord &record : records) {
      if (record.slot >= plan.slots)
        return foreignSlot(plan.list, "a fault", record.slot, plan.slots);
      faults.push_back({batchSlot(plan, record.slot), record.code, record.detail});
    }
  }
  std::sort(faults.begin(), faults.end(), [](const SlotFault &a, const SlotFault &b) { return a.slot < b.slot; });
  return faults;
}

Expected<HitRecords> Staging::readHits() {
  HitRecords result;
  std::vector<abi::HitRecord> records;
  for (size_t i = 0; emits && i < plans.size(); ++i) {
    const Plan &plan = plans[i];
    uint32_t count = counter(plans.size() + i), stored = std::min(count, hitCapacity);
    result.dropped += count - stored;
    if (stored == 0)
      continue;
    records.resize(stored);
    if (Expected<void> copied =
            device.copyFromDevice(hitMemory.base + plan.hits, std::as_writable_bytes(std::span(records)));
        !copied)
      return tl::unexpected(copied.error());
    for (const abi::HitRecord &record : records) {
      if (record.slot >= plan.slots)
        return foreignSlot(plan.list, "a hit", record.slot, plan.slots);
      result.hits.push_back({batchSlot(plan, record.slot), std::to_array(record.values)});
    }
  }
  std::sort(result.hits.begin(), result.hits.end());
  return result;
}

} // namespace mk
