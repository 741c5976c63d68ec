//===- HostServing.cpp - CPU threads that serve rings ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the resident kernels of a GPU do (passes/BuildResident.cpp), with threads in place of CTAs: claims, ages and
// statuses are the same. The doorbell is ordinary memory here, so every thread reads it, and its tails are what makes
// lines visible: tags need not be looked at.
//
//===----------------------------------------------------------------------===//

#include "HostServing.h"
#include "../ring/Line.h"
#include <algorithm>
#include <chrono>

namespace mk {

static std::atomic_ref<uint32_t> at(uint32_t &word) { return std::atomic_ref(word); }
static abi::RingState &stateOf(const HostService &service) {
  return *reinterpret_cast<abi::RingState *>(service.params.state);
}
static abi::Doorbell &doorbellOf(const HostService &service) {
  return *reinterpret_cast<abi::Doorbell *>(service.params.doorbell);
}
static bool isOver(const HostService &service) {
  return at(doorbellOf(service).epoch).load(std::memory_order_acquire) != uint32_t(service.params.epoch);
}

/// What a thread runs its claims in. Columns of a batch kernel may point into the slots, which stand behind them.
struct HostServing::Scratch {
  abi::ArgColumn columns[abi::RingTile * abi::SlotArgWords];
  abi::Slot tile[abi::RingTile];
  abi::FaultRecord faults[abi::RingTile];
  uint32_t faultCount;
  uint32_t hitCount;
};

HostServing::HostServing(std::vector<HostService> ownedServices, uint32_t count, std::vector<HostClaim> ownedLeftovers)
    : services(std::move(ownedServices)), leftovers(std::move(ownedLeftovers)), leftoverCount(leftovers.size()),
      width(count), running(count) {
  for (uint32_t i = 0; i < count; ++i)
    threads.emplace_back([this] { work(); });
}

HostServing::~HostServing() {
  wake();
  for (std::thread &thread : threads)
    thread.join();
}

void HostServing::wake() {
  bell.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst))
    bell.notify_all();
}

bool HostServing::waitUntilLeft(double seconds) {
  // Some decades: the clock cannot count what is beyond.
  std::chrono::duration<double> most(std::min(seconds, 1e9));
  std::unique_lock lock(mutex);
  return left.wait_for(lock, most, [this] { return running == 0; });
}

bool HostServing::isOver() const {
  return std::any_of(services.begin(), services.end(), [](const HostService &service) { return mk::isOver(service); });
}

std::optional<HostClaim> HostServing::takeLeftover(const HostService &service) {
  if (leftoverCount.load(std::memory_order_relaxed) == 0)
    return std::nullopt;
  std::lock_guard lock(mutex);
  auto found = std::find_if(leftovers.begin(), leftovers.end(),
                            [&](const HostClaim &claim) { return claim.state == service.params.state; });
  if (found == leftovers.end())
    return std::nullopt;
  HostClaim claim = *found;
  leftovers.erase(found);
  leftoverCount.store(leftovers.size(), std::memory_order_relaxed);
  return claim;
}

std::optional<HostClaim> HostServing::claim(const HostService &service) const {
  abi::RingState &state = stateOf(service);
  abi::Doorbell &bell = doorbellOf(service);
  while (true) {
    uint32_t heads[abi::PriorityLevels], tails[abi::PriorityLevels];
    uint32_t first = abi::PriorityLevels, starved = abi::PriorityLevels;
    for (uint32_t p = 0; p < abi::PriorityLevels; ++p) {
      // The head first: it never passes the tail that is read after it.
      heads[p] = at(state.ends[p].head).load(std::memory_order_acquire);
      tails[p] = at(bell.tails[p]).load(std::memory_order_acquire);
      if (heads[p] == tails[p])
        continue;
      first = std::min(first, p);
      if (at(state.passed[p]).load(std::memory_order_relaxed) >= service.params.ageThreshold)
        starved = p;
    }
    if (first == abi::PriorityLevels)
      return std::nullopt;
    uint32_t p = starved != abi::PriorityLevels ? starved : first;
    uint32_t waiting = tails[p] - heads[p], count = waiting;
    // All threads get a share of what waits, in whole units.
    uint32_t inUnit = heads[p] % abi::RingUnit;
    uint32_t share = waiting / (width + 1) / abi::RingUnit * abi::RingUnit + abi::RingUnit - inUnit;
    count = std::min({waiting, share, abi::RingTile - heads[p] % abi::RingTile});
    if (!at(state.ends[p].head).compare_exchange_strong(heads[p], heads[p] + count, std::memory_order_acq_rel))
      continue;
    at(state.passed[p]).store(0, std::memory_order_relaxed);
    for (uint32_t q = p + 1; q < abi::PriorityLevels; ++q)
      if (heads[q] != tails[q])
        at(state.passed[q]).fetch_add(1, std::memory_order_relaxed);
    at(state.claims).fetch_add(1, std::memory_order_relaxed);
    at(state.claimed).fetch_add(count, std::memory_order_relaxed);
    if (p != first)
      at(state.aged).fetch_add(1, std::memory_order_relaxed);
    return HostClaim{service.params.state, p, heads[p], count};
  }
}

HostClaim HostServing::run(const HostService &service, const HostClaim &claim, Scratch &scratch) const {
  const abi::ResidentParams &params = service.params;
  uint32_t log2 = uint32_t(params.linesLog2), mask = (1u << log2) - 1;
  uint64_t ring = uint64_t(claim.priority) << log2;
  const auto *lines = reinterpret_cast<const abi::RingLine *>(params.lines) + ring;
  auto *statuses = reinterpret_cast<uint32_t *>(params.statuses) + ring;
  auto *faults = reinterpret_cast<uint64_t *>(params.faults) + ring;

  abi::LaunchParams launch{};
  launch.buffers = params.buffers;
  launch.bufferCount = params.bufferCount;
  launch.faults = reinterpret_cast<uint64_t>(scratch.faults);
  launch.faultCount = reinterpret_cast<uint64_t>(&scratch.faultCount);
  launch.hitCount = reinterpret_cast<uint64_t>(&scratch.hitCount);

  // A line has its place in the tile. No window leaves the tile, so what begins here ends here.
  uint32_t base = claim.begin & ~(abi::RingTile - 1);
  uint32_t begin = claim.begin - base, claimedEnd = begin + claim.count;
  uint32_t loaded = begin;
  auto loadTo = [&](uint32_t end) {
    for (; loaded < end; ++loaded)
      scratch.tile[loaded] = readLine(lines[(base + loaded) & mask], claim.priority);
  };
  // Of what has just run: 'first' is the slot that records count from.
  uint64_t tileFaults[abi::RingTile / 64] = {};
  auto applyFaults = [&](uint32_t first) {
    for (uint32_t i = 0; i < scratch.faultCount; ++i) {
      const abi::FaultRecord &record = scratch.faults[i];
      uint32_t place = first + record.slot;
      tileFaults[place / 64] |= uint64_t(1) << place % 64;
      faults[(base + place) & mask] = uint64_t(record.code) << 32 | record.detail;
    }
    auto isFault = [](const abi::FaultRecord &record) { return record.code < abi::SuspensionBase; };
    if (auto count = std::count_if(scratch.faults, scratch.faults + scratch.faultCount, isFault))
      at(stateOf(service).faults).fetch_add(uint32_t(count), std::memory_order_relaxed);
  };
  auto finish = [&](uint32_t first, uint32_t end) {
    for (uint32_t place = first; place < end; ++place) {
      uint32_t position = base + place;
      bool hasWord = tileFaults[place / 64] >> place % 64 & 1;
      abi::SlotStatus status =
          hasWord ? abi::statusOfCode(uint32_t(faults[position & mask] >> 32)) : abi::SlotStatus::Done;
      at(statuses[position & mask])
          .store(uint32_t(status) << abi::RingStatusShift | abi::ringTag(position, log2), std::memory_order_release);
    }
  };
  /// Runs an instance on code of its own, if there is some.
  auto runRoute = [&](uint32_t route, uint32_t place) {
    auto code = std::find_if(service.routes.begin(), service.routes.end(),
                             [&](const HostService::Route &code) { return code.route == route; });
    if (code == service.routes.end())
      return false;
    for (size_t word = 0; word < code->words.size(); ++word)
      scratch.columns[word] = {uint32_t(offsetof(Scratch, tile) + place * sizeof(abi::Slot) + code->words[word]), 0};
    abi::LaunchParams one = launch;
    one.items = 1;
    one.input = reinterpret_cast<uint64_t>(scratch.columns);
    scratch.faultCount = 0;
    code->function(&one, 0, 1);
    applyFaults(place);
    return true;
  };

  loadTo(claimedEnd);
  launch.items = abi::RingTile;
  launch.input = reinterpret_cast<uint64_t>(scratch.tile);
  scratch.faultCount = 0;
  // One slot or window after the other, so that none waits for the end of others, nor the end of the epoch for many.
  for (uint32_t place = begin; place < claimedEnd;) {
    if (place != begin && mk::isOver(service))
      return {claim.state, claim.priority, base + place, claimedEnd - place};
    if (scratch.tile[place].order & abi::OrderContinuation) {
      // Its owner has the window's first slot.
      if (metaOf(lines[(base + place) & mask]) == abi::RingPadding)
        finish(place, place + 1);
      ++place;
      continue;
    }
    uint32_t length = std::max(scratch.tile[place].order >> abi::OrderLengthShift & abi::OrderLengthMask, 1u);
    uint32_t end = place + length;
    loadTo(end);
    uint32_t route = length > 1 ? routeOf(lines[(base + place) & mask]) : 0;
    if (!route || !runRoute(route, place)) {
      scratch.faultCount = 0;
      service.interpreter(&launch, place, place + 1);
      applyFaults(0);
    }
    finish(place, end);
    place = end;
  }
  return {};
}

void HostServing::work() {
  // Looks before it sleeps: about as long as waking up takes.
  static constexpr int Looks = 2000;
  auto scratch = std::make_unique<Scratch>();
  int idle = 0;
  while (true) {
    // Before anything is looked at: what changes afterwards rings the bell again.
    uint32_t heard = bell.load(std::memory_order_seq_cst);
    bool any = false, over = false;
    for (const HostService &service : services) {
      over = isOver();
      if (over)
        break;
      at(stateOf(service).heartbeat).fetch_add(1, std::memory_order_relaxed);
      std::optional<HostClaim> claimed = takeLeftover(service);
      if (!claimed)
        claimed = claim(service);
      if (!claimed)
        continue;
      any = true;
      if (HostClaim rest = run(service, *claimed, *scratch); rest.count) {
        std::lock_guard lock(mutex);
        leftovers.push_back(rest);
      }
    }
    if (over)
      break;
    if (any) {
      idle = 0;
      continue;
    }
    if (++idle < Looks) {
      if (idle % 64 == 0)
        std::this_thread::yield();
      continue;
    }
    idle = 0;
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    bell.wait(heard, std::memory_order_seq_cst);
    sleepers.fetch_sub(1, std::memory_order_seq_cst);
  }
  std::lock_guard lock(mutex);
  if (--running == 0)
    left.notify_all();
}

} // namespace mk
