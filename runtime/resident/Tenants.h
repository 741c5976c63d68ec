//===- Tenants.h - Rights and credits of tenants -----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_TENANTS_H
#define MK_RUNTIME_RESIDENT_TENANTS_H

#include "../ring/Ring.h"
#include "mk/Runtime/ResidentEngine.h"
#include <array>
#include <optional>

namespace mk {

/// A number of slots for each tenant.
using TenantSlots = std::array<uint64_t, abi::MaxTenants>;

/// What tenants may publish. A quota is a credit: a slot takes one when it is published and gives it back when its end
/// is noticed.
class Tenants {
public:
  explicit Tenants(std::span<const TenantOptions> options) {
    for (size_t i = 0; i < options.size() && i < abi::MaxTenants; ++i)
      set(uint32_t(i), options[i]);
  }

  void set(uint32_t tenant, const TenantOptions &options) {
    entries[tenant].rights.store(options.rights, std::memory_order_release);
    entries[tenant].quota.store(options.quota, std::memory_order_release);
  }
  uint32_t rights(uint32_t tenant) const { return entries[tenant].rights.load(std::memory_order_acquire); }
  uint32_t quota(uint32_t tenant) const { return entries[tenant].quota.load(std::memory_order_acquire); }

  /// Counts slots as published, unless that is beyond the quota.
  bool take(uint32_t tenant, uint64_t slots) {
    std::unique_lock lock(taking, std::defer_lock);
    if (quota(tenant) != Unbounded)
      lock.lock();
    if (!fits(tenant, slots))
      return false;
    counters.tenants[tenant].published.fetch_add(slots, std::memory_order_relaxed);
    return true;
  }
  /// The same for several tenants: all, or none. The tenant whose quota is in the way, if one is.
  std::optional<uint32_t> take(const TenantSlots &slots) {
    std::lock_guard lock(taking);
    for (uint32_t tenant = 0; tenant < abi::MaxTenants; ++tenant)
      if (slots[tenant] && !fits(tenant, slots[tenant]))
        return tenant;
    for (uint32_t tenant = 0; tenant < abi::MaxTenants; ++tenant)
      if (slots[tenant])
        counters.tenants[tenant].published.fetch_add(slots[tenant], std::memory_order_relaxed);
    return std::nullopt;
  }
  /// Counts slots as ended that are in no ring.
  void giveBack(uint32_t tenant, uint64_t slots) {
    counters.tenants[tenant].ended.fetch_add(slots, std::memory_order_relaxed);
  }
  void countRefusal(uint32_t tenant, uint64_t slots) {
    counters.tenants[tenant].refused.fetch_add(slots, std::memory_order_relaxed);
  }

  TenantCounters counters;

private:
  static constexpr uint32_t Unbounded = ~0u;
  struct Entry {
    std::atomic<uint32_t> rights = ~0u, quota = Unbounded;
  };
  bool fits(uint32_t tenant, uint64_t slots) const {
    const TenantCounters::Tenant &count = counters.tenants[tenant];
    uint32_t most = quota(tenant);
    // In this order: what has ended was published before.
    uint64_t ended = count.ended.load(std::memory_order_acquire);
    return most == Unbounded || count.published.load(std::memory_order_relaxed) - ended + slots <= most;
  }

  /// Held while bounded credit is taken, so that a call that gets none is in nobody's way.
  std::mutex taking;
  Entry entries[abi::MaxTenants];
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_TENANTS_H
