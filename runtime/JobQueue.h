//===- JobQueue.h - What waits for the dispatcher ---------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Batches and, between them, actions (copies, releases), which nothing overtakes. Engine.h has the contract. Ages are
// in dispatches. Ageing all that waits costs nothing: it is counted, and a batch's level follows from its priority and
// from how often the queue has aged since the batch came.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_JOBQUEUE_H
#define MK_RUNTIME_JOBQUEUE_H

#include "mk/Runtime/Engine.h"
#include <deque>

namespace mk {

/// A batch, or an action that has its place between batches.
struct Job {
  Ticket ticket = 0;
  std::vector<abi::Slot> slots;
  std::vector<uint16_t> opcodes;
  SubmitOptions options;
  std::function<void()> action;
};

/// What the policy is told about the queue.
struct Backlog {
  /// Slots that wait.
  uint64_t slots = 0;
  /// Times that waiting batches were overtaken since they aged last.
  uint64_t requeueCount = 0;
  /// Dispatches that the oldest has waited for since then.
  uint32_t maxPriorityAge = 0;
};

/// Not thread-safe.
class JobQueue {
public:
  /// Tickets of batches grow from call to call.
  void push(Job job);
  bool empty() const { return segments.size() == 1 && segments.front().isDone(); }
  /// The next job: the most urgent of the batches before the next action, or that action.
  Job take();
  /// Every waiting batch becomes more urgent by a level, and young again.
  void age();

  /// Slots of all batches that wait.
  uint64_t slots() const { return waitingSlots; }
  Backlog backlog() const;
  const PriorityRequeueAccounting &accounting() const { return counters; }

private:
  struct Waiting {
    Job job;
    /// Dispatches, and ageings, before it came.
    uint64_t dispatches;
    uint64_t ageings;
  };
  using List = std::deque<Waiting>;
  static constexpr size_t Ordered = abi::PriorityLevels;

  /// Batches up to an action. One list for each priority, and one for the ordered batches: in each, the first is the
  /// most urgent that may run.
  struct Segment {
    std::array<List, abi::PriorityLevels + 1> lists;
    std::function<void()> action;

    bool isDone() const;
  };

  uint64_t level(const Waiting &waiting) const;
  uint32_t ageOf(const Waiting &waiting) const;

  /// The last one has no action yet.
  std::deque<Segment> segments = std::deque<Segment>(1);
  uint64_t waitingSlots = 0;
  uint64_t dispatches = 0;
  uint64_t ageings = 0;
  /// The dispatch at which the queue aged last.
  uint64_t lastAgeing = 0;
  uint64_t overtaken = 0;
  PriorityRequeueAccounting counters;
};

} // namespace mk

#endif // MK_RUNTIME_JOBQUEUE_H
