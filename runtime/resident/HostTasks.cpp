//===- HostTasks.cpp - Slots that the host serves -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostTasks.h"

namespace mk {

static bool isFence(const abi::Slot &slot) { return slot.opcode == uint32_t(abi::Builtin::BatchFence); }

HostTasks::~HostTasks() {
  {
    std::lock_guard lock(mutex);
    closing = true;
  }
  wake.notify_all();
  for (std::thread *thread : {&fenceThread, &loadThread})
    if (thread->joinable())
      thread->join();
}

uint32_t HostTasks::addResource(ResourceReader reader, uint64_t bytes) {
  std::lock_guard lock(mutex);
  resources.push_back({std::move(reader), bytes});
  return uint32_t(resources.size());
}

std::optional<PublishTicket::Range> HostTasks::add(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                                                   const PublishTicket &before) {
  std::lock_guard lock(mutex);
  forget();
  if (tasks.size() + slots.size() > Capacity)
    return std::nullopt;
  uint64_t begin = first + tasks.size();
  for (size_t i = 0; i < slots.size(); ++i) {
    Task &task = tasks.emplace_back();
    task.slot = slots[i];
    task.index = indexes[i];
    task.before = before;
    // A fence covers the loads before it, too.
    task.before.tasks = {begin, begin + i};
    if (isFence(slots[i]))
      ++fences;
    else
      loads.push_back(begin + i);
    std::thread &thread = isFence(slots[i]) ? fenceThread : loadThread;
    if (!thread.joinable())
      thread = isFence(slots[i]) ? std::thread([this] { serveFences(); }) : std::thread([this] { serveLoads(); });
  }
  wake.notify_all();
  return PublishTicket::Range{begin, begin + slots.size()};
}

bool HostTasks::haveEnded(const PublishTicket::Range &range) {
  std::lock_guard lock(mutex);
  for (uint64_t id = range.begin; id < range.end; ++id)
    if (Task *task = find(id); task && !task->ended)
      return false;
  return true;
}

PublishTicket::Range HostTasks::added() {
  std::lock_guard lock(mutex);
  return {first, first + tasks.size()};
}

bool HostTasks::haveLoaded(uint64_t end) {
  std::lock_guard lock(mutex);
  return loading >= end && (loads.empty() || loads.front() >= end);
}

void HostTasks::takeFaults(const PublishTicket::Range &range, std::vector<SlotFault> &faults) {
  std::lock_guard lock(mutex);
  for (uint64_t id = range.begin; id < range.end; ++id)
    if (Task *task = find(id); task && task->code) {
      faults.push_back({task->index, task->code, task->detail});
      task->code = 0;
    }
  forget();
}

/// With the mutex held. A task whose fault was not asked for goes when there are many behind it.
void HostTasks::forget() {
  while (!tasks.empty() && tasks.front().ended && (!tasks.front().code || tasks.size() > Capacity / 2)) {
    tasks.pop_front();
    ++first;
  }
}

void HostTasks::abandon() {
  std::lock_guard lock(mutex);
  for (Task &task : tasks)
    task.ended = true;
  loads.clear();
  fences = 0;
}

void HostTasks::serveFences() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return closing || fences != 0; });
    if (closing)
      return;
    // In order of their numbers; the deque may grow while the lock is open, but nothing leaves that has not ended.
    for (uint64_t id = first; id < first + tasks.size(); ++id) {
      Task *task = find(id);
      if (!task || task->ended || !isFence(task->slot))
        continue;
      PublishTicket waitsFor = task->published ? *task->published : task->before;
      PublishTicket::Range earlier = task->published ? PublishTicket::Range() : task->before.tasks;
      waitsFor.tasks = {};
      bool ready = true;
      for (uint64_t other = earlier.begin; other < earlier.end && ready; ++other)
        if (Task *before = find(other))
          ready = before->ended;
      if (!ready)
        continue;
      bool wasPublished = task->published.has_value();
      abi::Slot slot = task->slot;
      // Nothing is left to be counted.
      slot.args[0] = 0;
      lock.unlock();
      bool ended = engine.hasEnded(waitsFor);
      std::optional<PublishTicket> published;
      std::vector<SlotFault> faults;
      if (ended && wasPublished)
        faults = engine.takeFaults(waitsFor);
      else if (ended)
        published = engine.publishFence(slot);
      lock.lock();
      task = find(id);
      if (!task || task->ended)
        continue;
      if (ended && wasPublished) {
        task->ended = true;
        --fences;
        if (!faults.empty()) {
          task->code = faults.front().code;
          task->detail = faults.front().detail;
        }
      } else if (published) {
        task->published = published;
      }
    }
    // There is nobody to wake us: slots end without a sound.
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
  if (offset > resource->bytes || bytes > resource->bytes - offset)
    return {0, uint32_t(abi::FaultCode::RangeOverflow), uint32_t(std::min<uint64_t>(offset + bytes, UINT32_MAX))};
  if (bytes == 0)
    bytes = resource->bytes - offset;
  // The destination before the source: reading may take long.
  if (SlotFault fault = engine.store(slot, std::span<const std::byte>(static_cast<std::byte *>(nullptr), bytes));
      fault.code)
    return fault;
  std::vector<std::byte> contents(bytes);
  if (Expected<void> read = resource->reader(offset, contents); !read)
    return {0, uint32_t(abi::FaultCode::IoError), 0};
  return engine.store(slot, contents);
}

void HostTasks::serveLoads() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [&] { return closing || !loads.empty(); });
    if (closing)
      return;
    uint64_t id = loads.front();
    loads.pop_front();
    Task *task = find(id);
    if (!task || task->ended)
      continue;
    bool prefetch = task->slot.args[abi::LoadPrefetch] & 1;
    if (prefetch)
      task->ended = true;
    abi::Slot slot = task->slot;
    loading = id;
    lock.unlock();
    SlotFault fault = load(slot);
    lock.lock();
    loading = UINT64_MAX;
    if (task = find(id); task && !task->ended) {
      task->code = fault.code;
      task->detail = fault.detail;
      task->ended = true;
    }
  }
}

} // namespace mk
