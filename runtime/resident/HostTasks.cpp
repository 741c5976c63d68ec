//===- HostTasks.cpp - Slots that the host serves -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostTasks.h"

namespace mk {

HostTasks::~HostTasks() {
  stop();
  for (std::thread *thread : {&fenceThread, &loadThread})
    if (thread->joinable())
      thread->join();
}

void HostTasks::stop() {
  {
    std::lock_guard lock(mutex);
    closing = true;
  }
  wake.notify_all();
}

uint32_t HostTasks::addResource(ResourceReader reader, uint64_t bytes) {
  std::lock_guard lock(mutex);
  resources.push_back({std::move(reader), bytes});
  return uint32_t(resources.size());
}

//===----------------------------------------------------------------------===//
// Tasks and their faults
//===----------------------------------------------------------------------===//

bool HostTasks::makeReady(std::span<const HostTask> tasks) {
  if (fences.size() + loads.size() + tasks.size() > Capacity)
    return false;
  for (const HostTask &task : tasks) {
    std::thread &thread = task.isFence() ? fenceThread : loadThread;
    if (!thread.joinable())
      thread = task.isFence() ? std::thread([this] { serveFences(); }) : std::thread([this] { serveLoads(); });
  }
  return true;
}

PublishTicket::Range HostTasks::add(std::span<const HostTask> tasks) {
  uint64_t begin = next;
  for (const HostTask &task : tasks) {
    Waiting &waiting = task.isFence() ? fences : loads;
    HostTask &added = waiting.emplace_hint(waiting.end(), next, task)->second;
    // A fence covers the loads before it, too.
    added.before.tasks = {begin, next++};
  }
  wake.notify_all();
  return {begin, next};
}

bool HostTasks::anyWaits(const PublishTicket::Range &tasks) const {
  for (const Waiting *waiting : {&fences, &loads})
    if (auto at = waiting->lower_bound(tasks.begin); at != waiting->end() && at->first < tasks.end)
      return true;
  return false;
}

bool HostTasks::haveEnded(const PublishTicket::Range &tasks) {
  std::lock_guard lock(mutex);
  return !anyWaits(tasks);
}

PublishTicket::Range HostTasks::added() {
  std::lock_guard lock(mutex);
  return {first, next};
}

bool HostTasks::haveLoaded(uint64_t end) {
  std::lock_guard lock(mutex);
  return loading >= end && (loads.empty() || loads.begin()->first >= end);
}

bool HostTasks::have(const PublishTicket::Range &tasks) {
  std::lock_guard lock(mutex);
  return tasks.begin >= first && tasks.begin <= tasks.end && tasks.end <= next;
}

void HostTasks::keepFault(uint64_t number, SlotFault fault) {
  if (!fault.code)
    return;
  faults.emplace(number, fault);
  if (faults.size() <= keptFaults)
    return;
  forget(faults.begin()->first);
  faults.erase(faults.begin());
}

void HostTasks::forget(uint64_t number) {
  ++forgotten;
  forgottenEnd = std::max(forgottenEnd, number + 1);
}

uint64_t HostTasks::takeFaults(const PublishTicket::Range &tasks, std::vector<SlotFault> &to) {
  std::lock_guard lock(mutex);
  auto begin = faults.lower_bound(tasks.begin), end = faults.lower_bound(tasks.end);
  for (auto at = begin; at != end; ++at)
    to.push_back(at->second);
  faults.erase(begin, end);
  return tasks.begin < forgottenEnd ? std::min(forgotten, tasks.end - tasks.begin) : 0;
}

uint64_t HostTasks::faultsForgotten() {
  std::lock_guard lock(mutex);
  return forgotten;
}

//===----------------------------------------------------------------------===//
// Serving
//===----------------------------------------------------------------------===//

void HostTasks::serveFences() {
  std::unique_lock lock(mutex);
  uint32_t vain = 0;
  while (!closing) {
    bool looks = false, moves = false;
    for (auto following = fences.begin(); following != fences.end();) {
      auto at = following++;
      HostTask &fence = at->second;
      if (anyWaits(fence.before.tasks))
        continue;
      looks = true;
      if (!fence.published) {
        if (engine.linesHaveEnded(fence.before))
          fence.published = engine.publishFence(fence.slot);
        moves |= fence.published.has_value();
      } else if (PublishTicket line = *fence.published; engine.linesHaveEnded(line)) {
        std::vector<SlotFault> lineFaults;
        bool mayBeForgotten = engine.takeFaults(*fence.published, lineFaults) != 0;
        if (!lineFaults.empty())
          keepFault(at->first, {fence.index, lineFaults.front().code, lineFaults.front().detail});
        else if (mayBeForgotten)
          forget(at->first);
        fences.erase(at);
        moves = true;
      }
    }
    vain = moves ? 0 : vain + 1;
    if (!looks) {
      // Loads say when they have ended, and there is nothing else to wait for.
      wake.wait(lock);
      vain = 0;
      continue;
    }
    // Slots end without a sound, usually soon.
    lock.unlock();
    if (vain < 2000)
      std::this_thread::yield();
    else
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    lock.lock();
  }
}

SlotFault HostTasks::load(const abi::Slot &slot) {
  const Resource *resource = nullptr;
  {
    std::lock_guard lock(mutex);
    uint32_t number = slot.args[abi::LoadResource];
    if (number == 0 || number > resources.size())
      return {0, uint32_t(abi::FaultCode::IoHandle), number};
    // Resources are never removed, and a deque does not move them.
    resource = &resources[number - 1];
  }
  uint64_t offset = uint64_t(slot.args[abi::LoadOffsetHigh]) << 32 | slot.args[abi::LoadOffsetLow];
  uint64_t bytes = slot.args[abi::LoadBytes];
  if (offset > resource->bytes || bytes > resource->bytes - offset) {
    // Where the range ends, as far as the word can say it: the sum may not fit 64 bits.
    uint64_t most = UINT32_MAX, end = offset > most ? most : std::min(offset + bytes, most);
    return {0, uint32_t(abi::FaultCode::RangeOverflow), uint32_t(end)};
  }
  if (bytes == 0)
    bytes = resource->bytes - offset;
  // The destination before the source: reading may take long.
  if (SlotFault fault = engine.store(slot, std::span<const std::byte>(static_cast<std::byte *>(nullptr), bytes));
      fault.code)
    return fault;
  const SlotFault failed{0, uint32_t(abi::FaultCode::IoError), 0};
  // The reader is the program's, and what it throws would end the process here.
  try {
    std::vector<std::byte> contents(bytes);
    if (!resource->reader(offset, contents))
      return failed;
    return engine.store(slot, contents);
  } catch (...) {
    return failed;
  }
}

void HostTasks::serveLoads() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return closing || !loads.empty(); });
    if (closing)
      return;
    auto at = loads.begin();
    auto [number, task] = *at;
    bool prefetch = task.slot.args[abi::LoadPrefetch] & 1;
    // Nobody waits for it from now on.
    if (prefetch)
      loads.erase(at);
    loading = number;
    lock.unlock();
    SlotFault fault = load(task.slot);
    lock.lock();
    loading = UINT64_MAX;
    engine.giveBack(task.slot.tenant);
    if (!prefetch) {
      keepFault(number, {task.index, fault.code, fault.detail});
      loads.erase(at);
    }
    wake.notify_all();
  }
}

} // namespace mk
