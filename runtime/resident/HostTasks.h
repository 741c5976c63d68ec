//===- HostTasks.h - Slots that the host serves ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two built-in opcodes wait: a fence for other slots, LOAD_MISS for a resource. A worker that waited would serve
// nobody, so both stay on the host until nothing is left to wait for. A fence is published then; a load is done.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_HOSTTASKS_H
#define MK_RUNTIME_RESIDENT_HOSTTASKS_H

#include "mk/Runtime/ResidentEngine.h"
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace mk {

/// Fences and loads in the order of their publication. Thread-safe.
class HostTasks {
public:
  /// Tasks that may wait or be waited for at once.
  static constexpr size_t Capacity = 1024;

  struct Task {
    abi::Slot slot{};
    /// Index in what was published together.
    uint32_t index = 0;
    /// What was published before it, in the same call.
    PublishTicket before{};
    /// A fence that has been published.
    std::optional<PublishTicket> published{};
    bool ended = false;
    uint32_t code = 0, detail = 0;
  };
  /// What tasks need of their engine. None of these waits.
  struct Engine {
    /// The slots of a ticket have ended.
    std::function<bool(const PublishTicket &)> hasEnded;
    /// Takes the faults of a ticket that has ended.
    std::function<std::vector<SlotFault>(const PublishTicket &)> takeFaults;
    /// Publishes a fence that waits for nothing; none when there is no room at the moment.
    std::function<std::optional<PublishTicket>(const abi::Slot &)> publishFence;
    /// Copies to a buffer on behalf of a tenant, or says with which fault the slot ends.
    std::function<SlotFault(const abi::Slot &slot, std::span<const std::byte> bytes)> store;
  };

  explicit HostTasks(Engine engine) : engine(std::move(engine)) {}
  ~HostTasks();

  uint32_t addResource(ResourceReader reader, uint64_t bytes);

  /// Adds tasks; none when there is no room for them. 'before' is what they were published with.
  std::optional<PublishTicket::Range> add(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                                          const PublishTicket &before);
  bool haveEnded(const PublishTicket::Range &tasks);
  /// Those that were added and may not have ended.
  PublishTicket::Range added();
  /// No load before number 'end' waits or is made, prefetches included.
  bool haveLoaded(uint64_t end);
  /// Of tasks that have ended.
  void takeFaults(const PublishTicket::Range &tasks, std::vector<SlotFault> &faults);
  /// Ends all that waits, the device being lost.
  void abandon();

private:
  struct Resource {
    ResourceReader reader;
    uint64_t bytes;
  };
  void serveFences();
  void serveLoads();
  SlotFault load(const abi::Slot &slot);
  Task *find(uint64_t id) { return id < first || id >= first + tasks.size() ? nullptr : &tasks[id - first]; }
  void forget();

  const Engine engine;
  std::mutex mutex;
  std::condition_variable wake;
  /// Tasks from number 'first' on. Those that have ended and were waited for leave at the front.
  std::deque<Task> tasks;
  uint64_t first = 0;
  /// Loads that wait.
  std::deque<uint64_t> loads;
  /// The one that is being made.
  uint64_t loading = UINT64_MAX;
  uint64_t fences = 0;
  std::deque<Resource> resources;
  bool closing = false;
  std::thread fenceThread, loadThread;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_HOSTTASKS_H
