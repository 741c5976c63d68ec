//===- Engine.h - Slots in, results out --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine owns buffers, takes batches of slots and windows, and runs them on one device: at first all through the
// interpreter, later what is hot through compiled batch kernels. Which, and when, the launch policy decides; compiling
// happens in a background thread, and publishing never waits for it.
//
// Order: batches run one after the other, and each sees the results of those before it. Ordered batches, which is what
// batches are unless they say otherwise, run in the order of submission. Inside a batch, slots and windows are
// unordered; the slots of a window run in order, on one worker. Work items of a batch that write what others read or
// write must be put into different batches.
//
// Priorities: a batch that is submitted with SubmitOptions::ordered = false may overtake any batch that waits, and be
// overtaken by any; of the batches that may run next, the most urgent does, and of equally urgent ones the one
// submitted first. An ordered batch waits for the ordered ones before it, whatever its priority. Nothing overtakes
// write(), read() or release(), and they overtake nothing. Waiting batches age: each time one is overtaken, and when
// the oldest has waited for LaunchPolicy::priorityAgeThreshold dispatches, every batch that waits becomes more urgent
// by a level. So a batch of priority p, once the ordered batches before it are done if it is ordered, is overtaken by
// at most p batches that were submitted later.
//
// Back-pressure: while the policy calls the queue saturated, submit() waits until fewer than lanes *
// LaunchPolicy::saturatedWaves slots wait, where the lanes are those of the last recommendation. A batch that finds
// nothing waiting is taken at once, whatever its size.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ENGINE_H
#define MK_RUNTIME_ENGINE_H

#include "mk/Runtime/CodeProvider.h"
#include "mk/Runtime/Device.h"
#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include "mk/Runtime/Policy/LaunchPolicy.h"
#include "mk/Runtime/Policy/Priority.h"
#include "mk/Runtime/Promotion.h"
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mk {

/// A buffer of the engine: a row of the buffer table. 0 is no buffer.
using BufferHandle = uint32_t;

/// Elements [offset, offset + count) of a buffer.
struct View {
  BufferHandle buffer = 0;
  uint32_t offset = 0;
  uint32_t count = 0;
};

/// The value of one argument. Integers go to any integer or index argument that holds them, floats to any float
/// argument (rounded to its type).
using Arg = std::variant<View, uint64_t, int64_t, double>;

/// Packs 'value' into the argument words at 'words' (type.words() of them). An integer of n bits takes -2^(n-1) to
/// 2^n-1, an index 0 to 2^32-1. A float is rounded to nearest, ties to even; infinities and NaN pass. A whole-buffer
/// argument takes a View with offset 0 and count 0. InvalidArgument when the value does not fit the type.
Expected<void> encodeArg(const ArgType &type, const Arg &value, uint32_t *words);

/// One operation of a packed slot.
struct PackedOp {
  /// The number of an opcode below 256, BATCH_FENCE excepted.
  uint32_t opcode = 0;
  /// Its argument words. Optional arguments may be left out.
  std::vector<uint32_t> words;
};

/// Slots and windows that are submitted together.
class Batch {
public:
  explicit Batch(const Isa &isa) : isa(&isa) {}

  /// Appends one slot. NotFound for an unknown opcode, InvalidArgument for arguments that do not fit. Optional
  /// arguments may be left out.
  Expected<void> add(std::string_view opcode, std::span<const Arg> args, uint32_t tenant = 0);
  /// Appends the slots of a named window of the ISA.
  Expected<void> addWindow(std::string_view window, std::span<const Arg> args, uint32_t tenant = 0);
  /// Appends 'slots' as one window: sets lengths and continuation flags. 1 to abi::MaxWindowLength slots.
  Expected<void> addWindow(std::span<const abi::Slot> slots);
  /// Appends one slot (the built-in opcode PACKED_SLOT) that runs several operations, in order, on one worker. NotFound
  /// without that opcode; PackedCount, PackedMetadata, PackedOffset, PackedPayload, PackedOpcode or PackedArity for
  /// what does not fit, and then nothing is appended.
  Expected<void> pack(std::span<const PackedOp> ops, uint32_t tenant = 0);
  /// Appends slots as they are on the wire; Engine::submit checks them.
  void addSlots(std::span<const abi::Slot> slots);

  std::span<const abi::Slot> slots() const { return wire; }
  size_t size() const { return wire.size(); }
  void clear() { wire.clear(); }
  void reserve(size_t slots) { wire.reserve(slots); }

private:
  const Isa *isa;
  std::vector<abi::Slot> wire;
};

/// A slot that ended in FAULT.
struct SlotFault {
  /// Index in the batch.
  uint32_t slot = 0;
  /// A FaultCode, or 0x80000000 + a user code.
  uint32_t code = 0;
  uint32_t detail = 0;
};
/// What a slot appended to the hit buffer (mk.emit).
struct Hit {
  /// Index in the batch.
  uint32_t slot = 0;
  std::array<uint32_t, abi::HitValues> values{};
  auto operator<=>(const Hit &) const = default;
};
/// For people: "buffer_bounds (0x91) at index 12", "user fault 7", ...
std::string describeFault(const SlotFault &fault);

/// One launch for a batch.
struct TierRun {
  Tier tier = Tier::Interpreter;
  /// The opcode's name, the readable form of the window's signature, or "lane", "block", "packed" or "fence" for an
  /// interpreter.
  std::string what;
  /// What its code is specialised for, e.g. "0.extent=4096, 2=7", arguments being numbered from 0; empty for general
  /// code.
  std::string facts;
  /// Slots answered, and the work items they came in.
  uint64_t slots = 0;
  uint64_t items = 0;
  uint32_t workgroups = 0;
  uint32_t workgroupSize = 0;
  /// Time on the device.
  double seconds = 0;
};

/// What became of a batch. Every slot is DONE except those in 'faults'.
struct BatchResult {
  uint64_t ticket = 0;
  uint64_t slots = 0;
  /// Sorted by slot.
  std::vector<SlotFault> faults;
  /// Sorted by slot, then by values. Each launch has room for recommendation.hitCapacity of them.
  std::vector<Hit> hits;
  /// Hits for which there was no room.
  uint64_t hitsDropped = 0;
  std::vector<TierRun> runs;
  /// From the start of the dispatch to the last result, on the host's clock.
  double seconds = 0;
  /// What the policy was asked, and what it said.
  LaunchRequest request;
  LaunchRecommendation recommendation;
  /// The policy's factor on the expected hits: EngineOptions::policy's own unless it is being tuned.
  uint32_t hitCapacityMultiplier = 0;
};

/// Heat of one opcode or window.
struct HeatRow {
  Tier tier = Tier::Opcode;
  /// As in TierRun.
  std::string what;
  /// Executions in all.
  uint64_t total = 0;
  /// Executions in the decaying window of observation, which are what promotes. A slot inside a window is evidence for
  /// its window alone: of its opcode it raises the total only.
  double recent = 0;
  /// Executions that were evidence, undecayed.
  uint64_t evidence = 0;
};

/// One PRINTF.
struct DebugRecord {
  uint32_t format = 0, a = 0, b = 0;
  /// Index in its batch.
  uint32_t slot = 0;
  auto operator<=>(const DebugRecord &) const = default;
};
struct DebugLog {
  /// In the order in which room was taken for them.
  std::vector<DebugRecord> records;
  /// Records for which there was no room.
  uint32_t dropped = 0;
};
/// The records in the bytes of a debug log: a word that counts, then the records. Malformed for bytes that are none.
Expected<DebugLog> decodeDebugLog(std::span<const std::byte> bytes);

struct EngineOptions {
  /// Asked before every batch, and obeyed: docs/LaunchPolicy.md says what each of its answers does.
  LaunchPolicy policy;
  /// What is compiled, and what it must prove.
  PromotionOptions promotion;
  /// The time in which a heat count halves, in seconds.
  double heatHalfLife = 1.0;
  /// Bytes of device memory that buffers, their table, the control words, the debug log and staging may take together;
  /// 0 for no bound.
  uint64_t memoryBudget = 0;
  /// Most kinds of windows that are tracked at once; the coldest of those without a promotion are forgotten.
  uint32_t maxWindows = 1024;
  /// Tunes the workgroup size (64, 128 or 256 threads) and the policy's hit-capacity multiplier (1, 2 or 4) by the
  /// measured times of dispatches. The host has no workgroups to tune.
  bool autotune = false;
  /// Words behind the 160 control words that built-in opcodes write for the host, and records that the debug log has
  /// room for: 0 to 2^20.
  uint32_t observables = 64;
  uint32_t debugRecords = 64;
  /// Rights (abi::TenantRight) of tenants 0, 1, ... to what built-in opcodes do; a tenant that is not listed has all.
  std::vector<uint32_t> tenantRights;
};

/// A graph hint for the policy: see LaunchRequest.
struct GraphHint {
  uint32_t nodes = 0;
  uint32_t edges = 0;
  /// 0 lets the policy infer it.
  uint16_t frontierDensityBps = 0;
};

struct SubmitOptions {
  std::optional<GraphHint> graph;
  /// 0 (critical) to 4 (idle), as for slots. It tells batches of different submissions apart, not slots of a batch.
  uint32_t priority = abi::PriorityNormal;
  /// Runs after all ordered batches that were submitted before. False: whenever its priority lets it.
  bool ordered = true;
  /// Hits that a slot is expected to append; 0 counts as 1.
  uint32_t expectedHitsPerItem = 0;
  /// Room for hits, in entries; 0 lets the policy derive it.
  uint32_t requestedHitCapacity = 0;
  /// While the queue is saturated: wait for it to drain, or fail with Busy.
  bool wait = true;
};

/// Names a submitted batch; tickets count from 1.
using Ticket = uint64_t;

/// Thread safety: all members may be called from several threads.
class Engine {
public:
  /// Compiles and loads the interpreters. 'device' and 'code' are owned by the engine from here on. InvalidArgument for
  /// an ISA that contradicts itself; the errors of the provider and of the device.
  static Expected<std::unique_ptr<Engine>> create(std::unique_ptr<Device> device, std::unique_ptr<CodeProvider> code,
                                                  EngineOptions options = {});
  /// Finishes all submitted batches.
  ~Engine();
  Engine(const Engine &) = delete;
  Engine &operator=(const Engine &) = delete;

  const Isa &isa() const;
  const DeviceInfo &device() const;

  /// A buffer of 'count' elements, zero-filled. Bit t of 'tenants' allows tenant t. OutOfMemory beyond the device or
  /// the budget. With abi::AccessTransient what a window writes to the buffer is for the same window: afterwards the
  /// contents may be anything, so that fused code need not write them at all.
  Expected<BufferHandle> allocate(ElementType type, uint64_t count, uint32_t access = abi::AccessReadWrite,
                                  uint32_t tenants = ~0u);
  /// Frees a buffer once the batches submitted so far are done. From now on the handle is unknown, and in batches
  /// submitted later its use is a fault (until a new buffer takes it over).
  Expected<void> release(BufferHandle buffer);
  /// Copies to or from a buffer, from byte 'offset' on, after the batches submitted so far. NotFound for no such
  /// buffer, InvalidArgument beyond its end.
  Expected<void> write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes);
  Expected<void> read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes);

  /// Control words (docs/Prelude.md), after the batches submitted so far. From abi::ControlObservable on they are the
  /// observables. InvalidArgument beyond the last.
  Expected<std::vector<uint32_t>> readControl(uint32_t first, uint32_t count);
  Expected<void> writeControl(uint32_t first, std::span<const uint32_t> words);
  /// What PRINTF has written since the log was cleared, after the batches submitted so far.
  Expected<DebugLog> readDebugLog();
  Expected<void> clearDebugLog();

  /// Checks the whole batch (opcodes, tenants, priorities, window shapes) and queues it, or refuses it whole. What only
  /// shows at run time (handles, views, indexes) becomes a fault of its slot. Status words are ignored. NotFound for an
  /// opcode that the ISA lacks, a code of its own for what built-in opcodes ask (OpcodeReserved, FenceRange, Packed...,
  /// Unsupported for LOAD_MISS), else InvalidArgument; all name the slot. While the queue is saturated the call waits,
  /// or is Busy when it must not (SubmitOptions::wait). Closed when the engine is destroyed meanwhile.
  Expected<Ticket> submit(const Batch &batch, const SubmitOptions &options = {});
  /// True when the batch is done, well or not. NotFound for a ticket that does not exist or was waited for.
  Expected<bool> poll(Ticket ticket);
  /// Waits for the batch and takes its result, which is kept until then. A ticket can be waited for once: NotFound
  /// later, or when it does not exist. The error of a batch that did not run: the policy refused it, memory was
  /// exhausted, the device is lost (DeviceFailed, for every batch from then on).
  Expected<BatchResult> wait(Ticket ticket);

  /// Waits until no promotion is queued and the interpreters are the best there will be (for tests and for measurements
  /// of the steady state). What has arrived is checked and raced with the next batches.
  void waitForPromotions();
  std::vector<Promotion> promotions() const;
  /// The transitions of all promotions in the order in which they happened, the last 4096 of them.
  std::vector<PromotionEvent> promotionEvents() const;
  /// Hottest first.
  std::vector<HeatRow> heat() const;

  /// What the policy said last; none before the first batch. A publisher that can build a step in several forms reads
  /// the topology here: a list of the active nodes while it is SparseFrontier, all nodes when it is DenseFrontier, and
  /// smaller batches or buffers when it is MemoryConstrained.
  std::optional<LaunchRecommendation> lastRecommendation() const;
  /// How often waiting batches were overtaken and promoted for their age, since the counters were last nearly full.
  PriorityRequeueAccounting priorityAccounting() const;

private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_RUNTIME_ENGINE_H
