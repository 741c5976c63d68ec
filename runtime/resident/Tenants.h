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

namespace mk {

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

  /// Counts 'slots' as published unless that is beyond the quota.
  bool take(uint32_t tenant, uint64_t slots) {
    TenantCounters::Tenant &count = counters.tenants[tenant];
    uint64_t before = count.published.fetch_add(slots, std::memory_order_relaxed);
    uint32_t most = quota(tenant);
    if (most == ~0u || before + slots - count.ended.load(std::memory_order_relaxed) <= most)
      return true;
    count.published.fetch_sub(slots, std::memory_order_relaxed);
    return false;
  }
  /// Takes back what was counted and then not published.
  void giveBack(uint32_t tenant, uint64_t slots) {
    counters.tenants[tenant].published.fetch_sub(slots, std::memory_order_relaxed);
  }
  void countRefusal(uint32_t tenant, uint64_t slots) {
    counters.tenants[tenant].refused.fetch_add(slots, std::memory_order_relaxed);
  }

  TenantCounters counters;

private:
  struct Entry {
    std::atomic<uint32_t> rights = ~0u, quota = ~0u;
  };
  Entry entries[abi::MaxTenants];
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_TENANTS_H
