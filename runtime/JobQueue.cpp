//===- JobQueue.cpp - What waits for the dispatcher -----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "JobQueue.h"
#include <algorithm>

namespace mk {

bool JobQueue::Segment::isDone() const {
  return !action && std::all_of(lists.begin(), lists.end(), [](const List &list) { return list.empty(); });
}

uint64_t JobQueue::level(const Waiting &waiting) const {
  uint64_t raised = ageings - waiting.ageings;
  return waiting.job.options.priority - std::min<uint64_t>(waiting.job.options.priority, raised);
}

uint32_t JobQueue::ageOf(const Waiting &waiting) const {
  return uint32_t(std::min<uint64_t>(dispatches - std::max(waiting.dispatches, lastAgeing), UINT32_MAX));
}

void JobQueue::push(Job job) {
  Segment &segment = segments.back();
  if (job.action) {
    segment.action = std::move(job.action);
    segments.emplace_back();
    return;
  }
  waitingSlots += job.slots.size();
  size_t list = job.options.ordered ? Ordered : job.options.priority;
  segment.lists[list].push_back({std::move(job), dispatches, ageings});
}

Job JobQueue::take() {
  Segment &segment = segments.front();
  List *best = nullptr;
  for (List &list : segment.lists) {
    if (list.empty())
      continue;
    auto rank = [this](const Waiting &waiting) { return std::pair(level(waiting), waiting.job.ticket); };
    if (!best || rank(list.front()) < rank(best->front()))
      best = &list;
  }
  if (!best) {
    Job job;
    job.action = std::move(segment.action);
    segments.pop_front();
    return job;
  }

  Job job = std::move(best->front().job);
  best->pop_front();
  waitingSlots -= job.slots.size();
  // With nothing but ordered batches no one is overtaken.
  for (const List &list : segment.lists)
    for (const Waiting &waiting : list) {
      if (waiting.job.ticket > job.ticket)
        break;
      ++overtaken;
      counters.recordRequeue(ageOf(waiting));
    }
  ++dispatches;
  return job;
}

void JobQueue::age() {
  PriorityDrainReason reason = counters.drainRecommendation().reason;
  if (reason != PriorityDrainReason::None && reason != PriorityDrainReason::PendingTelemetry)
    counters = {};
  for (const Segment &segment : segments)
    for (const List &list : segment.lists)
      for (const Waiting &waiting : list)
        if (level(waiting) > 0)
          counters.recordAgedPromotion(ageOf(waiting));
  ++ageings;
  lastAgeing = dispatches;
  overtaken = 0;
}

Backlog JobQueue::backlog() const {
  Backlog backlog{waitingSlots, overtaken, 0};
  for (const Segment &segment : segments)
    for (const List &list : segment.lists)
      if (!list.empty())
        backlog.maxPriorityAge = std::max(backlog.maxPriorityAge, ageOf(list.front()));
  return backlog;
}

} // namespace mk
