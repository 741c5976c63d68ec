//===- LaunchCache.h - A thread's recent recommendations ----- -*- C++ -*--===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An exact LRU cache in fixed arrays: entries, a doubly linked list of their ages, and a hash table of their numbers
// with linear probing. Entries have the numbers 1 to Capacity; number 0 ends the list and marks a free table place, so
// a zeroed object is an empty cache and costs a thread nothing until it asks.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_POLICY_LAUNCHCACHE_H
#define MK_RUNTIME_POLICY_LAUNCHCACHE_H

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include <array>
#include <cstdint>
#include <limits>
#include <optional>

namespace mk {

class LaunchCache {
public:
  /// Looks a key up and counts a hit or a miss. A hit makes the entry the youngest. The result lives until the next
  /// call.
  const LaunchRecommendation *find(const LaunchPolicy &policy, const LaunchRequest &request, uint32_t hash) {
    for (uint32_t place = home(hash); uint8_t number = table[place]; place = next(place)) {
      const Entry &entry = *entries[number];
      if (hashes[number] != hash || entry.request != request || entry.policy != policy)
        continue;
      hits += hits != std::numeric_limits<uint64_t>::max();
      if (older[0] != number) {
        unlink(number);
        linkYoungest(number);
      }
      return &entry.recommendation;
    }
    misses += misses != std::numeric_limits<uint64_t>::max();
    return nullptr;
  }

  /// Adds an entry that find() did not find. The oldest makes room for it.
  void insert(const LaunchPolicy &policy, const LaunchRequest &request, uint32_t hash,
              const LaunchRecommendation &recommendation) {
    uint8_t number;
    if (size < Capacity) {
      number = ++size;
    } else {
      number = younger[0];
      unlink(number);
      removeFromTable(number);
    }
    entries[number].emplace(policy, request, recommendation);
    hashes[number] = hash;
    uint32_t place = home(hash);
    while (table[place])
      place = next(place);
    table[place] = number;
    linkYoungest(number);
  }

  LaunchCacheStats stats() const { return {size, hits, misses}; }

  void reset() {
    table.fill(0);
    older[0] = younger[0] = 0;
    size = 0;
    hits = misses = 0;
  }

private:
  static constexpr uint32_t Capacity = LaunchPolicy::CacheCapacity;
  /// Places in the table. With an eighth of them taken at most, a probe nearly always ends where it starts.
  static constexpr uint32_t Places = 1024;
  static_assert(Capacity < Places && Capacity < 256);

  struct Entry {
    LaunchPolicy policy;
    LaunchRequest request;
    LaunchRecommendation recommendation;
    Entry(const LaunchPolicy &policy, const LaunchRequest &request, const LaunchRecommendation &recommendation)
        : policy(policy), request(request), recommendation(recommendation) {}
  };

  static uint32_t home(uint32_t hash) { return hash % Places; }
  static uint32_t next(uint32_t place) { return (place + 1) % Places; }

  void unlink(uint8_t number) {
    older[younger[number]] = older[number];
    younger[older[number]] = younger[number];
  }

  void linkYoungest(uint8_t number) {
    older[number] = older[0];
    younger[number] = 0;
    younger[older[0]] = number;
    older[0] = number;
  }

  /// Frees the entry's place, and closes the gap so that every other entry is still reached from its home.
  void removeFromTable(uint8_t number) {
    uint32_t gap = home(hashes[number]);
    while (table[gap] != number)
      gap = next(gap);
    for (uint32_t place = next(gap); uint8_t moved = table[place]; place = next(place)) {
      uint32_t fromHome = (place - home(hashes[moved])) % Places;
      if (fromHome < (place - gap) % Places)
        continue;
      table[gap] = moved;
      gap = place;
    }
    table[gap] = 0;
  }

  std::array<std::optional<Entry>, Capacity + 1> entries;
  std::array<uint32_t, Capacity + 1> hashes{};
  /// Neighbours by age; those of number 0 are the youngest (older[0]) and the oldest (younger[0]).
  std::array<uint8_t, Capacity + 1> older{};
  std::array<uint8_t, Capacity + 1> younger{};
  std::array<uint8_t, Places> table{};
  uint8_t size = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
};

} // namespace mk

#endif // MK_RUNTIME_POLICY_LAUNCHCACHE_H
