//===- Finders.h - Windows in the streams of publishers ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_FINDERS_H
#define MK_RUNTIME_RESIDENT_FINDERS_H

#include "../telemetry/RepeatFinder.h"
#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace mk {

/// A finder for each thread that publishes, made when it is first asked for. Thread-safe.
class Finders {
public:
  /// Publishers that have a finder; others go without.
  static constexpr size_t Most = 256;

  explicit Finders(const IsaLayout &layout) : layout(layout) {}

  /// Marks windows in 'slots', which are admitted; 'opcodes' are their dense indexes.
  void mark(std::span<abi::Slot> slots, const uint16_t *opcodes) {
    RepeatFinder *finder = mine();
    if (!finder)
      return;
    thread_local std::vector<SlotRange> windows;
    windows.clear();
    finder->find(slots, opcodes, windows);
    for (const SlotRange &window : windows) {
      slots[window.begin].order |= window.length << abi::OrderLengthShift;
      for (uint32_t i = 1; i < window.length; ++i)
        slots[window.begin + i].order |= abi::OrderContinuation;
    }
    count.fetch_add(windows.size(), std::memory_order_relaxed);
  }
  uint64_t found() const { return count.load(std::memory_order_relaxed); }

private:
  RepeatFinder *mine() {
    std::lock_guard lock(mutex);
    auto it = finders.find(std::this_thread::get_id());
    if (it == finders.end()) {
      if (finders.size() == Most)
        return nullptr;
      it = finders.emplace(std::this_thread::get_id(), std::make_unique<RepeatFinder>(layout)).first;
    }
    return it->second.get();
  }

  const IsaLayout &layout;
  std::mutex mutex;
  std::unordered_map<std::thread::id, std::unique_ptr<RepeatFinder>> finders;
  std::atomic<uint64_t> count = 0;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_FINDERS_H
