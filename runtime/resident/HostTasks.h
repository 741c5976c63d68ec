//===- HostTasks.h - Slots that the host looks after -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two built-in opcodes wait: a fence for other slots, LOAD_MISS for a resource. So does a resumable slot, for its turn
// or for an epoch. A worker that waited would serve nobody, so all three stay on the host until nothing is left to wait
// for. A fence and a resumable slot are published then, the latter again and again until it does not suspend itself; a
// load is done.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_HOSTTASKS_H
#define MK_RUNTIME_RESIDENT_HOSTTASKS_H

#include "mk/Runtime/ResidentEngine.h"
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace mk {

/// A slot that the host looks after.
struct HostTask {
  abi::Slot slot{};
  /// Index in what was published together.
  uint32_t index = 0;
  /// Entries of its opcode, if that is resumable.
  uint32_t entries = 0;
  /// The level on which it is published: whoever waits for a fence waits for it alone.
  uint8_t priority = 0;
  /// EPOCH when it was published last, or a moment before: what changes while it runs is not missed.
  uint32_t epoch = 0;
  /// A fence: what was published before it, in the same call.
  PublishTicket before{};
  /// The line in which it waits or runs.
  std::optional<PublishTicket> published{};

  bool isLoad() const { return slot.opcode == uint32_t(abi::Builtin::LoadMiss); }
  bool isFence() const { return slot.opcode == uint32_t(abi::Builtin::BatchFence); }
  bool isPaused() const { return entries != 0 && slot.args[abi::ResumableFlags] & abi::FlagPaused; }
};

/// Fences, resumable slots and loads in the order of their publication. Thread-safe.
class HostTasks {
public:
  /// Resumable slots that may be under way at once, and so many fences and loads.
  static constexpr size_t Capacity = 1024;

  /// What tasks need of their engine. None of these waits.
  struct Engine {
    /// Whether the lines of a ticket have ended; those that have are taken out of it. With the mutex held.
    std::function<bool(PublishTicket &)> linesHaveEnded;
    /// Takes the faults of the lines of a ticket, which have ended. With the mutex held.
    std::function<void(const PublishTicket &, std::vector<SlotFault> &)> takeFaults;
    /// With which fault a resumable slot ends instead of running, if it may not run any more. With the mutex held.
    std::function<SlotFault(const HostTask &)> refuse;
    /// Publishes what waits for nothing; none when there is no room at the moment. With the mutex held.
    std::function<std::optional<PublishTicket>(const HostTask &)> publish;
    /// The control word EPOCH; none when the device does not answer.
    std::function<std::optional<uint32_t>()> epoch;
    /// Copies to a buffer on behalf of a tenant, or says with which fault the slot ends.
    std::function<SlotFault(const abi::Slot &slot, std::span<const std::byte> bytes)> store;
    /// Gives the credit of a slot back. With the mutex held.
    std::function<void(uint32_t tenant)> giveBack;
  };

  /// Numbers of tasks begin at 'first'. A slot that was requeued 'ageThreshold' times rises to a higher priority.
  HostTasks(Engine engine, uint32_t keptFaults, uint32_t ageThreshold, uint64_t first)
      : engine(std::move(engine)), keptFaults(std::max<size_t>(keptFaults, 2 * Capacity)), ageThreshold(ageThreshold),
        first(first), next(first) {}
  ~HostTasks();

  uint32_t addResource(ResourceReader reader, uint64_t bytes);

  /// Held while tasks are added, together with what they are published with. A ring's mutex is taken after it.
  std::mutex mutex;

  //===--- With the mutex held ---===//

  /// Whether there is room for tasks. If so, threads run that serve them.
  bool makeReady(std::span<const HostTask> tasks);
  /// Adds tasks for which there is room.
  PublishTicket::Range add(std::span<const HostTask> tasks);

  //===--- From any thread ---===//

  bool haveEnded(const PublishTicket::Range &tasks);
  /// Those that were added and may not have ended.
  PublishTicket::Range added();
  /// No load before number 'end' waits or is made, prefetches included.
  bool haveLoaded(uint64_t end);
  /// True for what add() has returned, and for parts of it.
  bool have(const PublishTicket::Range &tasks);
  /// Of tasks that have ended. How many faults of theirs were forgotten before, at most.
  uint64_t takeFaults(const PublishTicket::Range &tasks, std::vector<SlotFault> &faults);
  uint64_t faultsForgotten();
  ResidentTelemetry::Resumables resumables();
  /// Serves nothing any more, the device being lost: what waits does not end.
  void stop();
  /// Gives up resumable slots where they would run again: they end in FAULT.
  void abandonResumables();
  /// Looks at EPOCH at once, which may have changed.
  void lookAtEpoch();

private:
  struct Resource {
    ResourceReader reader;
    uint64_t bytes;
  };
  /// By number.
  using Waiting = std::map<uint64_t, HostTask>;

  void serveLines();
  std::optional<uint32_t> currentEpoch();
  bool tryToRun(HostTask &task, SlotFault &fault);
  SlotFault suspend(HostTask &task, uint32_t code, uint32_t data);
  void serveLoads();
  SlotFault load(const abi::Slot &slot);
  bool anyWaits(const PublishTicket::Range &tasks) const;
  void keepFault(uint64_t number, SlotFault fault);
  void forget(uint64_t number);

  const Engine engine;
  const size_t keptFaults;
  const uint32_t ageThreshold;
  std::condition_variable wake;
  const uint64_t first;
  /// The number of the next task.
  uint64_t next;
  /// Tasks that have not ended: those that workers run at last, and those that a thread of the host does.
  Waiting lines, loads;
  ResidentTelemetry::Resumables counts;
  /// EPOCH as it was read last, and when.
  std::optional<uint32_t> epoch;
  std::chrono::steady_clock::time_point epochTime{};
  /// The load that is being made.
  uint64_t loading = UINT64_MAX;
  /// Faults that were not asked for yet, by number; the oldest give way.
  std::map<uint64_t, SlotFault> faults;
  uint64_t forgotten = 0, forgottenEnd = 0;
  std::deque<Resource> resources;
  bool closing = false, abandoning = false;
  std::thread lineThread, loadThread;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_HOSTTASKS_H
