//===- Publisher.cpp - From slots to lines --------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Publisher.h"
#include "../Admission.h"
#include "../Packed.h"

namespace mk {

static std::string slotName(std::span<const uint32_t> indexes, size_t i) {
  return "slot " + std::to_string(indexes.empty() ? i : indexes[i]) + " ";
}

/// Whether the tenant of 'slot' may run an opcode: that of the slot, or one that it packs.
Expected<void> Publisher::checkTenant(const abi::Slot &slot, uint32_t opcode, size_t index) const {
  auto refuse = [&](ErrorCode code, const std::string &why) {
    return makeError(code, "slot " + std::to_string(index) + " of tenant " + std::to_string(slot.tenant) + " " + why);
  };
  auto refuseOpcode = [&](ErrorCode code, const std::string &why) {
    return refuse(code, (opcode == slot.opcode ? "has opcode " : "packs opcode ") + std::to_string(opcode) + why);
  };
  uint32_t rights = tenants.rights(slot.tenant);
  if (!(rights & abi::RightExecute))
    return refuse(ErrorCode::TenantRight, "cannot run: the tenant has no right to execute (bit 0 of its rights)");
  if (!abi::isSystemOpcode(opcode) && !(rights & abi::RightUserOpcodes))
    return refuseOpcode(ErrorCode::TenantRight, ", but the tenant may run built-in opcodes only (bit 5 of its rights)");
  if (opcode >= abi::TenantOpcodeBase && opcode < 0x80000000u &&
      (opcode - abi::TenantOpcodeBase) >> abi::TenantOpcodeShift != slot.tenant)
    return refuseOpcode(ErrorCode::TenantOpcodeWindow,
                        ", which belongs to tenant " +
                            std::to_string((opcode - abi::TenantOpcodeBase) >> abi::TenantOpcodeShift));
  // A packed slot emits what it packs.
  if (const OpcodeLayout &op = layout[layout.find(opcode)]; op.emits && op.route != Route::Packed)
    return refuseOpcode(ErrorCode::Unsupported, ", which emits hits; resident workers have no list for them, submit it "
                                                "in a batch of mk::Engine");
  return {};
}

/// The ring of the item that slots [first, first + length) are.
size_t Publisher::routeOf(const uint16_t *opcodes, size_t first, size_t length) const {
  Route route = layout[opcodes[first]].route;
  for (size_t i = first + 1; i < first + length; ++i)
    route = std::max(route, layout[opcodes[i]].route);
  // Fences, once their slots have ended, are lane slots like others.
  return route == Route::Fence ? size_t(Route::Lane) : size_t(route);
}

Expected<void> Publisher::check(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                                std::vector<uint16_t> &opcodes, uint64_t (&lines)[RingRoutes]) const {
  if (Expected<void> admitted = admit(layout, slots, opcodes); !admitted)
    return admitted;
  // Neighbours tend to be alike.
  uint32_t lastTenant = ~0u, lastOpcode = ~0u;
  for (size_t i = 0, length = 1; i < slots.size(); i += length) {
    length = windowLength(slots[i]);
    if (length > abi::RingUnit)
      return makeError(ErrorCode::Unsupported, slotName(indexes, i) + "starts a window of " + std::to_string(length) +
                                                   " slots, but resident workers take up to " +
                                                   std::to_string(abi::RingUnit) +
                                                   "; publish it in parts, or submit it in a batch of mk::Engine");
    lines[routeOf(opcodes.data(), i, length)] += length;
    for (size_t k = i; k < i + length; ++k) {
      bool packed = layout[opcodes[k]].route == Route::Packed;
      if (slots[k].tenant == lastTenant && slots[k].opcode == lastOpcode && !packed)
        continue;
      size_t index = indexes.empty() ? k : indexes[k];
      if (Expected<void> allowed = checkTenant(slots[k], slots[k].opcode, index); !allowed)
        return allowed;
      for (uint32_t operation = 0; packed && operation < packedCount(slots[k]); ++operation)
        if (Expected<void> allowed = checkTenant(slots[k], packedOpcode(slots[k], operation), index); !allowed)
          return allowed;
      lastTenant = slots[k].tenant;
      lastOpcode = slots[k].opcode;
      if (length > 1 && slots[k].tenant != slots[i].tenant)
        return makeError(ErrorCode::InvalidArgument,
                         slotName(indexes, k) + "of tenant " + std::to_string(slots[k].tenant) +
                             " is in a window of tenant " + std::to_string(slots[i].tenant) +
                             "; the slots of a window have one tenant");
    }
  }
  return {};
}

/// The credit that a publication takes: no more than a tenant may have at once.
Expected<TenantSlots> Publisher::credit(std::span<const abi::Slot> slots, std::span<const HostTask> tasks) const {
  TenantSlots counts{};
  for (const abi::Slot &slot : slots)
    ++counts[slot.tenant];
  for (const HostTask &task : tasks)
    ++counts[task.slot.tenant];
  for (uint32_t tenant = 0; tenant < abi::MaxTenants; ++tenant)
    if (uint32_t quota = tenants.quota(tenant); counts[tenant] > quota)
      return makeError(ErrorCode::InvalidArgument, std::to_string(counts[tenant]) + " slots are more than the " +
                                                       std::to_string(quota) + " that tenant " +
                                                       std::to_string(tenant) +
                                                       " may have at once; publish fewer, or raise its quota");
  return counts;
}

/// The lines that the slots of a ring take from place 'at' on.
uint64_t Publisher::linesFrom(uint64_t at, size_t route, std::span<const abi::Slot> slots,
                              const uint16_t *opcodes) const {
  uint64_t end = at;
  for (size_t i = 0, length = 1; i < slots.size(); i += length) {
    length = windowLength(slots[i]);
    if (routeOf(opcodes, i, length) == route)
      end += Ring::paddingFor(uint32_t(length), end) + length;
  }
  return end - at;
}

/// Whether there can be room, wherever the rings stand.
Expected<void> Publisher::checkFits(std::span<const abi::Slot> slots, const uint16_t *opcodes,
                                    const uint64_t (&lines)[RingRoutes]) const {
  for (size_t route = 0; route < RingRoutes; ++route) {
    // A window leaves less lines unused before it than it has.
    if (!lines[route] || 2 * lines[route] <= sets[route]->capacity())
      continue;
    uint64_t most = 0;
    for (uint64_t at = 0; at < abi::RingUnit; ++at)
      most = std::max(most, linesFrom(at, route, slots, opcodes));
    if (most > sets[route]->capacity())
      return makeError(ErrorCode::InvalidArgument, std::to_string(slots.size()) + " slots take up to " +
                                                       std::to_string(most) + " lines of a ring of " +
                                                       std::to_string(sets[route]->capacity()) +
                                                       " (ResidentOptions::ringLines); publish them in several calls");
  }
  return {};
}

void Publisher::countHeat(std::span<const uint16_t> opcodes) {
  for (size_t i = 0; i < opcodes.size();) {
    size_t end = i + 1;
    while (end < opcodes.size() && opcodes[end] == opcodes[i])
      ++end;
    heat[opcodes[i]].fetch_add(end - i, std::memory_order_relaxed);
    i = end;
  }
}

/// The common case: slots of one tenant and one ring that are in no window, and with which nothing is wrong. None if it
/// is not that.
std::optional<Publisher::Outcome> Publisher::publishAlike(std::span<const abi::Slot> slots, uint32_t priority,
                                                          PublishTicket &ticket, uint32_t &blocked) {
  if (slots.empty())
    return std::nullopt;
  const abi::Slot &model = slots.front();
  if (model.tenant >= abi::MaxTenants || slots.size() > tenants.quota(model.tenant))
    return std::nullopt;
  uint32_t rights = tenants.rights(model.tenant);
  constexpr uint32_t needed = abi::RightExecute | abi::RightUserOpcodes;
  if ((rights & needed) != needed)
    return std::nullopt;
  Route route = Route::Fence;
  uint32_t lastOpcode = 0;
  // Executions of opcodes, by runs; those that do not fit here are not the common case.
  struct Run {
    uint32_t dense, count;
  };
  Run runs[64];
  size_t runCount = 0;
  for (const abi::Slot &slot : slots) {
    if (runCount != 0 && slot.opcode == lastOpcode) {
      ++runs[runCount - 1].count;
    } else {
      uint32_t dense = layout.find(slot.opcode);
      if (dense == IsaLayout::NoOpcode || slot.opcode >= abi::TenantOpcodeBase)
        return std::nullopt;
      const OpcodeLayout &op = layout[dense];
      if (runCount == 0)
        route = op.route;
      if (op.route != route || route > Route::Block || op.emits || runCount == std::size(runs))
        return std::nullopt;
      // There may be windows in it.
      if (finders && route == Route::Block && slots.size() > 1)
        return std::nullopt;
      runs[runCount++] = {dense, 1};
      lastOpcode = slot.opcode;
    }
    if (slot.tenant != model.tenant || slot.order >= abi::PriorityLevels)
      return std::nullopt;
  }

  Ring &ring = (*sets[size_t(route)])[priority];
  std::lock_guard lock(ring.mutex);
  if (slots.size() > ring.capacity())
    return std::nullopt;
  if (!ring.hasRoom(slots.size()))
    return Outcome::NoRoom;
  if (!tenants.take(model.tenant, slots.size())) {
    blocked = model.tenant;
    return Outcome::NoQuota;
  }
  ticket.lines[size_t(route)].begin = ring.next();
  ring.writeAlone(slots, 0);
  ticket.lines[size_t(route)].end = ring.next();
  ring.ring();
  for (size_t i = 0; i < runCount; ++i)
    heat[runs[i].dense].fetch_add(runs[i].count, std::memory_order_relaxed);
  return Outcome::Published;
}

Expected<Publisher::Outcome> Publisher::publish(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                                                std::span<HostTask> tasks, uint32_t priority, PublishTicket &ticket,
                                                uint32_t &blocked, std::optional<uint32_t> forced) {
  if (indexes.empty() && tasks.empty() && !forced)
    if (std::optional<Outcome> outcome = publishAlike(slots, priority, ticket, blocked))
      return *outcome;
  // Kept for the next publication of this thread, so that nothing is allocated once it has grown.
  thread_local std::vector<uint16_t> opcodes;
  uint64_t lines[RingRoutes] = {};
  if (Expected<void> good = check(slots, indexes, opcodes, lines); !good)
    return tl::unexpected(good.error());
  if (Expected<void> good = checkFits(slots, opcodes.data(), lines); !good)
    return tl::unexpected(good.error());
  TenantSlots credits{};
  if (!forced) {
    Expected<TenantSlots> counted = credit(slots, tasks);
    if (!counted)
      return tl::unexpected(counted.error());
    credits = *counted;
  }
  // What is found here must not make a call too long for its ring.
  thread_local std::vector<abi::Slot> marked;
  if (uint64_t blocks = lines[size_t(Route::Block)];
      finders && !forced && blocks > 1 && 2 * blocks <= sets[size_t(Route::Block)]->capacity()) {
    marked.assign(slots.begin(), slots.end());
    finders->mark(marked, opcodes.data());
    slots = marked;
  }
  if (forced) {
    // The engine looks how code works that was found in what a tenant published.
    marked.assign(slots.begin(), slots.end());
    for (abi::Slot &slot : marked)
      slot.tenant = abi::EngineTenant;
    slots = marked;
  }

  std::unique_lock<std::mutex> locks[RingRoutes];
  for (size_t route = 0; route < RingRoutes; ++route) {
    if (!lines[route])
      continue;
    Ring &ring = (*sets[route])[priority];
    locks[route] = std::unique_lock(ring.mutex);
    if (!ring.hasRoom(linesFrom(ring.next(), route, slots, opcodes.data())))
      return Outcome::NoRoom;
  }
  if (!forced)
    if (std::optional<uint32_t> tenant = tenants.take(credits)) {
      blocked = *tenant;
      return Outcome::NoQuota;
    }

  for (size_t route = 0; route < RingRoutes; ++route)
    if (lines[route])
      ticket.lines[route].begin = ticket.lines[route].end = (*sets[route])[priority].next();
  auto nextTask = tasks.begin();
  for (size_t i = 0, length = 1; i < slots.size(); i += length) {
    length = windowLength(slots[i]);
    for (; nextTask != tasks.end() && nextTask->index < indexes[i]; ++nextTask)
      nextTask->before = ticket;
    size_t route = routeOf(opcodes.data(), i, length);
    Ring &ring = (*sets[route])[priority];
    uint32_t code = 0;
    if (length > 1) {
      if (uint32_t padding = Ring::paddingFor(uint32_t(length), ring.next()))
        ring.pad(padding);
      if (forced)
        code = *forced;
      else if (observer)
        code = observer->observe(slots.subspan(i, length), opcodes.data() + i);
    }
    for (size_t k = i; k < i + length; ++k)
      ring.write(slots[k], metaOf(slots[k], k == i ? code : 0), uint32_t(indexes.empty() ? k : indexes[k]),
                 forced ? abi::MaxTenants : slots[k].tenant);
    ticket.lines[route].end = ring.next();
  }
  for (; nextTask != tasks.end(); ++nextTask)
    nextTask->before = ticket;
  for (size_t route = 0; route < RingRoutes; ++route)
    if (lines[route])
      (*sets[route])[priority].ring();
  countHeat(opcodes);
  return Outcome::Published;
}

bool Publisher::publishTask(const abi::Slot &slot, PublishTicket &ticket) {
  const auto dense = uint16_t(layout.find(slot.opcode));
  const size_t route = routeOf(&dense, 0, 1);
  Ring &ring = (*sets[route])[ticket.priority];
  std::lock_guard lock(ring.mutex);
  if (!ring.hasRoom(1))
    return false;
  ticket.lines[route].begin = ring.next();
  ring.write(slot, slot.tenant, 0, abi::MaxTenants);
  ticket.lines[route].end = ring.next();
  ring.ring();
  heat[dense].fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Publisher::reclaim() {
  for (RingSet *set : sets)
    for (uint32_t priority = 0; set && priority < abi::PriorityLevels; ++priority) {
      Ring &ring = (*set)[priority];
      std::lock_guard lock(ring.mutex);
      ring.waiting();
    }
}

} // namespace mk
