//===- ResidentEngine.h - Publish to workers that stay -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine for live traffic. Its interpreters do not end with a batch: they stay on the device and serve rings, so
// that a slot is answered within microseconds of its publication. mk::Engine runs whole batches faster; this one
// answers sooner.
//
// Order: what is published is unordered, but for the slots of a window, which one worker runs in order, and for fences.
// A publisher that needs a result waits for its ticket before it publishes what uses the result.
//
// Priorities: there is a ring for each. Of the rings that have work, workers claim from the most urgent one, but a ring
// that was passed over LaunchPolicy::priorityAgeThreshold times comes first. So its next lines are claimed after at
// most that many claims, and one more for each other level, whatever is published elsewhere.
//
// Back-pressure: a ring has a fixed number of lines. Without room a publication waits or is refused, as its options
// say. Publishing does not allocate.
//
// Epochs: code is changed by letting all workers leave and starting others; the rings stay as they are, and what waits
// in them is served by the next epoch. A publisher notices the pause at most.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENTENGINE_H
#define MK_RUNTIME_RESIDENTENGINE_H

#include "mk/Runtime/Engine.h"
#include "mk/Runtime/Watchdog.h"

namespace mk {

/// What a tenant may do.
struct TenantOptions {
  /// abi::TenantRight bits.
  uint32_t rights = ~0u;
  /// Slots that it may have waiting or running at once, fences, loads and suspended ones among them; more are refused
  /// with Busy. They are counted off in the order of their ring.
  uint32_t quota = ~0u;
};

/// Reads bytes [offset, offset + to.size()) of a resource; an error, or an exception, makes the slot that asked for
/// them FAULT. Called from the engine's I/O thread.
using ResourceReader = std::function<Expected<void>(uint64_t offset, std::span<std::byte> to)>;

struct ResidentOptions {
  LaunchPolicy policy;
  /// Lines of each ring, a power of two from 256 to 2^20. There are five rings for each interpreter in use.
  uint32_t ringLines = 8192;
  /// Rows of the buffer table, system rows included.
  uint32_t maxBuffers = 4096;
  /// As in EngineOptions.
  uint64_t memoryBudget = 0;
  uint32_t observables = 64;
  uint32_t debugRecords = 64;
  /// For tenants 0, 1, ...; a tenant that is not listed has the defaults.
  std::vector<TenantOptions> tenants;
  /// Faults that are kept for each ring until their tickets are waited for; the oldest give way. At most 2^20; there
  /// are never less than a ring has lines.
  uint32_t keptFaults = 1024;
  /// The longest that workers may take to leave, in seconds. Afterwards the device counts as lost. They leave after the
  /// slot or window that they run. The end of the engine waits for them in any case.
  double leaveSeconds = 10;
  /// Compiles hot windows and puts them into the next epoch.
  bool promote = true;
  /// Runs of a kind of window, decayed by half in 'heatHalfLife' seconds, that make it hot.
  double heatHalfLife = 1.0;
  /// The least time between two epochs that promotions cause, in seconds.
  double swapInterval = 0.02;
  /// Kinds of windows with code of their own in one epoch, and kinds that are tracked. A kind is tracked from its
  /// second run on; what is seen before costs no memory of its own.
  uint32_t maxRoutes = 16;
  uint32_t maxWindows = 256;
  /// Finds windows in calls that publish single slots of block scope (docs/Telemetry.md), so that they run in order on
  /// one worker and may get code of their own.
  bool findWindows = true;
  /// The time without progress after which something is wrong, in seconds.
  double watchdogPatience = 1;
};

struct PublishOptions {
  /// 0 (critical) to 4 (idle).
  uint32_t priority = abi::PriorityNormal;
  /// Without room: waits for it, or fails with Busy.
  bool wait = true;
};

/// What was published together: parts of the rings. A value that may be copied; it is good as long as its engine.
struct PublishTicket {
  /// Positions and numbers begin elsewhere in each engine.
  struct Range {
    uint64_t begin = 0, end = 0;
  };
  /// In the rings of lanes, blocks and packed slots.
  Range lines[3];
  /// Fences, loads and resumable slots, which the host looks after.
  Range tasks;
  uint32_t slots = 0;
  uint8_t priority = 0;
};

/// How an epoch ended and the next began. Seconds.
struct EpochSwap {
  uint32_t epoch = 0;
  double leaveSeconds = 0, loadSeconds = 0, startSeconds = 0;
  /// Windows with code of their own from now on.
  uint32_t routes = 0;
};

/// What the engine counts. Counts of running workers may lag by what they claimed last.
struct ResidentTelemetry {
  struct Level {
    uint64_t published = 0;
    /// Published, not yet ended.
    uint64_t waiting = 0;
  };
  /// Of lanes, blocks and packed slots, by priority.
  Level levels[3][abi::PriorityLevels];
  /// Likewise; modulo 2^32: lines claimed, claims, claims for age, faults, looks of workers.
  struct Workers {
    uint32_t claimed = 0, claims = 0, aged = 0, faults = 0, heartbeat = 0;
  };
  Workers workers[3];
  struct Tenant {
    uint64_t published = 0, ended = 0, refused = 0;
  };
  Tenant tenants[abi::MaxTenants];
  /// By dense index: executions in all, and in the decaying window of observation.
  struct Opcode {
    uint64_t total = 0;
    double recent = 0;
  };
  std::vector<Opcode> opcodes;
  /// Slots of resumable opcodes: those that have not ended, and those of them that wait for an epoch; suspensions by
  /// kind, and how often a slot rose to a higher priority for its age.
  struct Resumables {
    uint64_t live = 0, paused = 0, yields = 0, requeues = 0, waits = 0, aged = 0;
  };
  Resumables resumables;
  /// Windows that were found in single slots.
  uint64_t windowsFound = 0;
  /// What the watchdog says of the time since it last saw progress.
  WatchdogVerdict verdict;
  uint32_t epoch = 0;
  uint64_t swaps = 0;
  /// Faults whose tickets nobody waited for in time.
  uint64_t faultsForgotten = 0;
};

/// A kind of window, and what became of it.
struct ResidentWindow {
  std::string what;
  uint64_t total = 0;
  double recent = 0;
  /// Interpreted, Queued, Live, Failed or Mismatched.
  PromotionState state = PromotionState::Interpreted;
  std::string error;
};

/// Thread safety: all members may be called from several threads.
class ResidentEngine {
public:
  /// Compiles and starts the workers. InvalidArgument for options or an ISA out of range, Unsupported for a device
  /// without resident mode; the errors of the provider and of the device.
  static Expected<std::unique_ptr<ResidentEngine>>
  create(std::unique_ptr<Device> device, std::unique_ptr<CodeProvider> code, const ResidentOptions &options = {});
  /// Waits for everything that was published, then lets the workers leave. Resumable slots that would run again end in
  /// FAULT instead (abi::FaultCode::TaskState). Other threads may be in calls that wait, which return before: those
  /// that wait for room with Closed, the others with what they waited for. No other call may be under way.
  ~ResidentEngine();
  ResidentEngine(const ResidentEngine &) = delete;
  ResidentEngine &operator=(const ResidentEngine &) = delete;

  const Isa &isa() const;
  const DeviceInfo &device() const;

  /// As Engine::allocate.
  Expected<BufferHandle> allocate(ElementType type, uint64_t count, uint32_t access = abi::AccessReadWrite,
                                  uint32_t tenants = ~0u);
  /// Waits for all that was published so far, and takes the buffer away: slots that are published meanwhile may find it
  /// or fault. On a GPU its memory is given back at the end of the epoch.
  Expected<void> release(BufferHandle buffer);
  /// Copies at once, whatever runs. Slots published afterwards see what was written; read() sees what slots wrote whose
  /// tickets were waited for.
  Expected<void> write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes);
  Expected<void> read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes);

  Expected<std::vector<uint32_t>> readControl(uint32_t first, uint32_t count);
  Expected<void> writeControl(uint32_t first, std::span<const uint32_t> words);
  Expected<DebugLog> readDebugLog();
  /// Changes the rights of a tenant, for what is published, or resumed, from now on; device-side checks of built-in
  /// opcodes follow.
  Expected<void> setTenant(uint32_t tenant, const TenantOptions &options);

  /// Makes a resource known to LOAD_MISS. 'bytes' is its size. InvalidArgument without a reader. A reader must not wait
  /// for its own load: not drain(), nor release() a buffer.
  Expected<uint32_t> addResource(ResourceReader reader, uint64_t bytes);

  /// Publishes slots and windows: all, or none. The errors of Engine::submit; besides, TenantRight for what its rights
  /// do not let a tenant publish, TenantOpcodeWindow for an opcode in the range of another tenant, Unsupported for
  /// opcodes that emit hits and windows of more than abi::RingUnit slots, Busy without room (or beyond a tenant's
  /// quota) when the call must not wait, Closed when the engine is destroyed while it waits. InvalidArgument for what
  /// would never find room: more slots than a ring has lines, or than the quota of their tenant, or more fences and
  /// loads, or resumable slots, than may be under way at once (1024 of each). A resumable slot begins at an entry that
  /// its opcode has; of its words in abi::ResumableWord those that the engine writes need not be given. Before a window
  /// there may be lines that stay unused, as many as the worst place in the ring needs.
  Expected<PublishTicket> publish(std::span<const abi::Slot> slots, const PublishOptions &options = {});
  /// True when all slots have ended.
  Expected<bool> poll(const PublishTicket &ticket);
  /// Waits for all slots and returns those that faulted, sorted; each is returned once. '*forgotten' is how many faults
  /// of the ticket gave way to younger ones (ResidentOptions::keptFaults), at most: unless it is 0, slots that are not
  /// returned may have faulted, too. DeviceFailed when the device was lost before they had ended, InvalidArgument for
  /// the ticket of another engine.
  Expected<std::vector<SlotFault>> wait(const PublishTicket &ticket, uint64_t *forgotten = nullptr);
  /// Waits until nothing that was published so far waits or runs, fences, loads and resumable slots included.
  Expected<void> drain();

  /// Ends the epoch and starts the next, with what was compiled since.
  Expected<EpochSwap> swap();
  /// The last 4096 swaps.
  std::vector<EpochSwap> swaps() const;
  /// Takes all windows back to the interpreter, and begins to count anew.
  Expected<void> demoteAll();
  /// Waits until no window waits to be compiled or to go live. Meanwhile epochs do not keep to 'swapInterval'.
  void waitForPromotions();
  std::vector<ResidentWindow> windows() const;
  Expected<ResidentTelemetry> telemetry();

private:
  class Impl;
  explicit ResidentEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENTENGINE_H
