//===- Staging.h - Builds the launches of a batch ---------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that a batch brings to the device (slots, work lists, argument tables) is built in one piece of host
// memory and copied at once. The device memory behind it is kept from batch to batch. The hit buffer is a piece of
// memory of its own: it exists only once a batch may append hits, and the policy accounts for it separately.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_STAGING_H
#define MK_RUNTIME_STAGING_H

#include "CodeUnit.h"
#include "DeviceMemory.h"

namespace mk {

/// Work items that go to one kernel.
struct WorkList {
  Tier tier = Tier::Interpreter;
  /// Name for people.
  std::string_view what;
  const Kernel *kernel = nullptr;
  Scope scope = Scope::Lane;
  /// For each item its first slot in the batch, ascending.
  std::span<const uint32_t> firsts;
  /// Slots of all items.
  uint64_t slots = 0;
  /// Some of them may append hits.
  bool emits = false;
  /// Some of them ask for the number of their slot, which is that in the batch.
  bool numbered = false;
  /// Tier::Opcode and Tier::Window: where the argument words lie, and slots of an item.
  const CodeUnit *unit = nullptr;
  /// What the code is specialised for, for people.
  std::string_view facts = {};
};

/// What the slots of a batch appended.
struct HitRecords {
  /// As slots of the batch, sorted.
  std::vector<Hit> hits;
  /// Hits for which there was no room.
  uint64_t dropped = 0;
};

/// What build() may take.
struct StagingLimits {
  /// Room for hits, in records, for each launch that may append some.
  uint32_t hitCapacity = 0;
  /// Allocate nothing in advance.
  bool memoryIsScarce = false;
};

class Staging {
public:
  Staging(Device &device, DeviceMemory &memory) : device(device), memory(memory) {}
  ~Staging();

  /// Makes a launch for each list: sizes are left to the caller. A list that is too long for one argument table becomes
  /// several launches.
  Expected<void> build(std::span<const abi::Slot> slots, std::span<const WorkList> lists, uint64_t buffers,
                       uint64_t bufferCount, const StagingLimits &limits);
  /// The launches of the last build(), and the list that each belongs to.
  std::span<Launch> launches() { return launchList; }
  const WorkList &list(size_t launch) const { return plans[launch].list; }
  /// What must travel with the launches.
  Transfer toDevice() const;
  Transfer fromDevice() const;
  /// After the launches have run: what faulted, as slots of the batch, sorted.
  Expected<std::vector<SlotFault>> readFaults();
  /// Likewise: the hits.
  Expected<HitRecords> readHits();
  /// Device memory that the hit buffer has at the moment.
  uint64_t hitBufferBytes() const { return hitMemory.capacity; }

private:
  struct Plan {
    /// The part of a list that one launch takes.
    WorkList list;
    /// Work items are named by an array (Tier::Interpreter): there are windows, or the slots lie as in the batch.
    bool ordered = false;
    /// Slots that a record may name.
    uint64_t slots = 0;
    /// Argument words that differ between instances (the other tiers).
    std::vector<bool> varies;
    /// Offsets in the staging memory.
    uint64_t input = 0, order = 0, faults = 0;
    /// Offset in the hit buffer.
    uint64_t hits = 0;
  };
  /// Device memory that is kept until more is needed.
  struct Kept {
    uint64_t base = 0;
    uint64_t capacity = 0;
  };

  void plan(std::span<const abi::Slot> slots, const WorkList &list);
  Expected<void> reserve(Kept &kept, uint64_t bytes, const char *what, bool memoryIsScarce);
  Expected<void> reserveImage(uint64_t copied);
  void writeSlots(const Plan &plan, std::span<const abi::Slot> slots);
  void writeBatch(std::span<const abi::Slot> slots);
  void writeColumns(const Plan &plan, std::span<const abi::Slot> slots);
  uint32_t batchSlot(const Plan &plan, uint32_t slot) const;
  /// The counters at the start of the image: faults of each launch, then, if any may append hits, hits of each.
  uint64_t counterBytes() const { return plans.size() * sizeof(uint32_t) * (emits ? 2 : 1); }
  uint32_t counter(size_t index) const { return reinterpret_cast<const uint32_t *>(image)[index]; }

  Device &device;
  DeviceMemory &memory;
  std::vector<Plan> plans;
  std::vector<Launch> launchList;

  Kept staged, hitMemory;
  /// Where the whole batch lies in the staging memory, for lists whose slots ask for their number; 0 if there are none.
  uint64_t batch = 0;
  /// Something in the batch may append hits, and the records that each such launch has room for.
  bool emits = false;
  uint32_t hitCapacity = 0;
  /// The host memory that is copied to the beginning of 'staged' (the same where the host can address it).
  std::byte *image = nullptr;
  uint64_t imageCapacity = 0;
  /// Bytes of the image in use.
  uint64_t imageBytes = 0;
};

} // namespace mk

#endif // MK_RUNTIME_STAGING_H
