//===- Publisher.h - From slots to lines -------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_PUBLISHER_H
#define MK_RUNTIME_RESIDENT_PUBLISHER_H

#include "../IsaLayout.h"
#include "Finders.h"
#include "HostTasks.h"
#include "Tenants.h"
#include <optional>

namespace mk {

/// The rings that slots go to: those of lanes, of blocks, and of packed slots.
inline constexpr size_t RingRoutes = 3;

/// Finds out which code a window is to run on, and counts it.
class WindowObserver {
public:
  virtual ~WindowObserver() = default;
  /// The route of the window 'slots'; 0 for the interpreter.
  virtual uint32_t observe(std::span<const abi::Slot> slots, const uint16_t *opcodes) = 0;
};

/// Checks what is published and writes it into the rings, all or nothing. Thread-safe.
class Publisher {
public:
  Publisher(const IsaLayout &layout, Tenants &tenants, bool findsWindows)
      : layout(layout), tenants(tenants), heat(layout.size()) {
    if (findsWindows)
      finders.emplace(layout);
  }

  /// Before anything is published.
  void attach(size_t route, RingSet *set) { sets[route] = set; }
  void observeWindows(WindowObserver *newObserver) { observer = newObserver; }

  /// NoTaskRoom is for who adds the tasks.
  enum class Outcome { Published, NoRoom, NoQuota, NoTaskRoom };
  /// 'indexes' names the slots in faults; empty when they are 0, 1, 2, ... 'tasks' stand between the slots: they take
  /// credit with them, and learn what is before them. NoRoom when a ring has none, NoQuota when a tenant has no credit:
  /// 'blocked' says which. The ticket's ranges are filled in.
  Expected<Outcome> publish(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                            std::span<HostTask> tasks, uint32_t priority, PublishTicket &ticket, uint32_t &blocked) {
    return publish(slots, indexes, tasks, priority, ticket, blocked, std::nullopt);
  }
  /// Publishes a window for the engine itself, as abi::EngineTenant, which has no credit to give. It runs on 'route',
  /// and is not observed.
  Expected<Outcome> publishOn(uint32_t route, std::span<const abi::Slot> window, uint32_t priority,
                              PublishTicket &ticket) {
    uint32_t blocked = 0;
    return publish(window, {}, {}, priority, ticket, blocked, route);
  }
  /// Whether a tenant may publish a slot, number 'index' of its call, and with which error not.
  Expected<void> checkTenant(const abi::Slot &slot, uint32_t opcode, size_t index) const;
  /// Publishes a slot whose right and credit were looked at when it came, and whose credit the ring does not give back.
  /// False when there is no room.
  bool publishTask(const abi::Slot &slot, PublishTicket &ticket);

  /// Notices what has ended, so that its credit is given back.
  void reclaim();
  /// Windows that nobody announced.
  uint64_t windowsFound() const { return finders ? finders->found() : 0; }
  /// Executions of an opcode, by dense index, those in windows included.
  uint64_t executions(uint32_t dense) const { return heat[dense].load(std::memory_order_relaxed); }

private:
  Expected<Outcome> publish(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                            std::span<HostTask> tasks, uint32_t priority, PublishTicket &ticket, uint32_t &blocked,
                            std::optional<uint32_t> forced);
  std::optional<Outcome> publishAlike(std::span<const abi::Slot> slots, uint32_t priority, PublishTicket &ticket,
                                      uint32_t &blocked);
  Expected<void> check(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                       std::vector<uint16_t> &opcodes, uint64_t (&lines)[RingRoutes]) const;
  Expected<TenantSlots> credit(std::span<const abi::Slot> slots, std::span<const HostTask> tasks) const;
  Expected<void> checkFits(std::span<const abi::Slot> slots, const uint16_t *opcodes,
                           const uint64_t (&lines)[RingRoutes]) const;
  uint64_t linesFrom(uint64_t at, size_t route, std::span<const abi::Slot> slots, const uint16_t *opcodes) const;
  size_t routeOf(const uint16_t *opcodes, size_t first, size_t length) const;
  void countHeat(std::span<const uint16_t> opcodes);

  const IsaLayout &layout;
  Tenants &tenants;
  RingSet *sets[RingRoutes] = {};
  WindowObserver *observer = nullptr;
  std::optional<Finders> finders;
  std::vector<std::atomic<uint64_t>> heat;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_PUBLISHER_H
