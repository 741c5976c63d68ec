//===- HostTasks.cpp - Slots that the host looks after --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostTasks.h"
#include <algorithm>

namespace mk {

HostTasks::~HostTasks() {
  stop();
  for (std::thread *thread : {&lineThread, &loadThread})
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

void HostTasks::abandonResumables() {
  {
    std::lock_guard lock(mutex);
    abandoning = true;
  }
  wake.notify_all();
}

void HostTasks::lookAtEpoch() {
  {
    std::lock_guard lock(mutex);
    epochTime = {};
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
  size_t resumable = std::count_if(tasks.begin(), tasks.end(), [](const HostTask &task) { return task.entries != 0; });
  if (counts.live + resumable > Capacity ||
      lines.size() - counts.live + loads.size() + tasks.size() - resumable > Capacity)
    return false;
  for (const HostTask &task : tasks) {
    std::thread &thread = task.isLoad() ? loadThread : lineThread;
    if (!thread.joinable())
      thread = task.isLoad() ? std::thread([this] { serveLoads(); }) : std::thread([this] { serveLines(); });
  }
  return true;
}

PublishTicket::Range HostTasks::add(std::span<const HostTask> tasks) {
  uint64_t begin = next;
  for (const HostTask &task : tasks) {
    Waiting &waiting = task.isLoad() ? loads : lines;
    HostTask &added = waiting.emplace_hint(waiting.end(), next, task)->second;
    // A fence covers the tasks before it, too.
    added.before.tasks = {begin, next++};
    counts.live += task.entries != 0;
  }
  wake.notify_all();
  return {begin, next};
}

bool HostTasks::anyWaits(const PublishTicket::Range &tasks) const {
  for (const Waiting *waiting : {&lines, &loads})
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

ResidentTelemetry::Resumables HostTasks::resumables() {
  std::lock_guard lock(mutex);
  counts.paused = std::count_if(lines.begin(), lines.end(), [](const auto &line) { return line.second.isPaused(); });
  return counts;
}

//===----------------------------------------------------------------------===//
// Serving
//===----------------------------------------------------------------------===//

/// EPOCH, as it was a moment ago: to read a word of a GPU takes microseconds.
std::optional<uint32_t> HostTasks::currentEpoch() {
  if (auto now = std::chrono::steady_clock::now(); now - epochTime > std::chrono::microseconds(100)) {
    epoch = engine.epoch();
    epochTime = now;
  }
  return epoch;
}

/// Publishes a task unless it has to wait, or gives the fault with which it ends. True when it has come further.
bool HostTasks::tryToRun(HostTask &task, SlotFault &fault) {
  if (task.isFence()) {
    if (!engine.linesHaveEnded(task.before))
      return false;
  } else {
    fault = abandoning ? SlotFault{0, uint32_t(abi::FaultCode::TaskState), task.slot.args[abi::ResumableFlags]}
                       : engine.refuse(task);
    if (fault.code)
      return true;
    std::optional<uint32_t> now = currentEpoch();
    if (!now || (task.isPaused() && int32_t(*now - task.slot.args[abi::ResumeEpoch]) < 0))
      return false;
    if (task.isPaused())
      task.slot.args[abi::ResumableFlags] = abi::FlagResumeReady;
    task.epoch = *now;
  }
  task.published = engine.publish(task);
  return task.published.has_value();
}

/// Notes what a task asked for that suspended itself, or gives the fault with which it ends.
SlotFault HostTasks::suspend(HostTask &task, uint32_t code, uint32_t data) {
  uint32_t *words = task.slot.args;
  const uint32_t entry = code & abi::MaxEntries, value = code >> abi::SuspensionValueShift & abi::MaxSuspensionValue;
  if (entry >= task.entries)
    return {0, uint32_t(abi::FaultCode::ContinuationPc), entry};
  auto count = [&](abi::ResumableWord word) { return words[word] != UINT32_MAX && ++words[word]; };
  const SlotFault full{0, uint32_t(abi::FaultCode::CounterOverflow), UINT32_MAX};
  words[abi::ContinuationPc] = entry;
  words[abi::ContinuationData] = data;
  switch (abi::statusOfCode(code)) {
  case abi::SlotStatus::Wait:
    words[abi::ResumeEpoch] = task.epoch + value;
    words[abi::ResumableFlags] = abi::FlagPaused;
    ++counts.waits;
    break;
  case abi::SlotStatus::Yield:
    if (!count(abi::YieldCount))
      return full;
    words[abi::ResumableFlags] = abi::FlagYielded;
    ++counts.yields;
    break;
  default:
    if (!count(abi::RequeueCount) || !count(abi::AgeTicks))
      return full;
    words[abi::ResumableFlags] = abi::FlagRequeued;
    ++counts.requeues;
    task.priority = uint8_t(std::min(value, abi::PriorityLevels - 1));
    if (words[abi::AgeTicks] >= ageThreshold && task.priority > 0) {
      --task.priority;
      words[abi::AgeTicks] = 0;
      ++counts.aged;
    }
  }
  return {};
}

void HostTasks::serveLines() {
  std::unique_lock lock(mutex);
  uint32_t vain = 0;
  while (!closing) {
    bool looks = false, moves = false, areAllPaused = true;
    for (auto following = lines.begin(); following != lines.end();) {
      auto at = following++;
      HostTask &task = at->second;
      if (task.isFence() && anyWaits(task.before.tasks))
        continue;
      looks = true;
      areAllPaused &= task.isPaused() && !task.published;
      bool ended = false;
      SlotFault fault{};
      if (!task.published) {
        moves |= tryToRun(task, fault);
        ended = fault.code != 0;
      } else if (PublishTicket line = *task.published; engine.linesHaveEnded(line)) {
        std::vector<SlotFault> faults;
        engine.takeFaults(*task.published, faults);
        task.published.reset();
        moves = ended = true;
        if (!faults.empty()) {
          fault = faults.front();
          if (abi::statusOfCode(fault.code) != abi::SlotStatus::Fault) {
            fault = suspend(task, fault.code, fault.detail);
            ended = fault.code != 0;
          }
        }
      }
      if (!ended)
        continue;
      engine.giveBack(task.slot.tenant);
      counts.live -= task.entries != 0;
      keepFault(at->first, {task.index, fault.code, fault.detail});
      lines.erase(at);
    }
    vain = moves ? 0 : vain + 1;
    if (!looks) {
      // Loads say when they have ended, and there is nothing else to wait for.
      wake.wait(lock);
      vain = 0;
      continue;
    }
    // Slots end without a sound, usually soon.
    if (vain >= 2000) {
      wake.wait_for(lock, std::chrono::microseconds(areAllPaused ? 500 : 50));
      continue;
    }
    lock.unlock();
    std::this_thread::yield();
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
