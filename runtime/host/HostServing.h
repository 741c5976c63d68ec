//===- HostServing.h - CPU threads that serve rings --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_HOST_HOSTSERVING_H
#define MK_RUNTIME_HOST_HOSTSERVING_H

#include "mk/Runtime/Device.h"
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace mk {

/// A service as its threads see it: functions in place of kernels.
struct HostService {
  HostKernelFn interpreter = nullptr;
  Scope scope = Scope::Lane;
  abi::ResidentParams params{};
  struct Route {
    uint32_t route;
    HostKernelFn function;
    uint32_t slots;
    std::span<const uint32_t> words;
  };
  std::vector<Route> routes;
};

/// Lines of one ring that belong to one thread.
struct HostClaim {
  /// abi::ResidentParams::state of the service, which stays when epochs change.
  uint64_t state = 0;
  uint32_t priority = 0, begin = 0, count = 0;
};

/// Threads that claim lines of rings, run them and write their statuses. They leave when the doorbell of a service
/// names another epoch than its parameters: after the slot or window that they run, so that what is left of their
/// claims is for the threads of the next epoch. An idle thread looks again and again for a while, and then sleeps until
/// wake().
class HostServing {
public:
  /// 'leftovers' comes first.
  HostServing(std::vector<HostService> services, uint32_t threads, std::vector<HostClaim> leftovers);
  /// The threads must have been told to leave.
  ~HostServing();

  void wake();
  /// True when all threads have left; waits for that up to 'seconds', which may be infinite.
  bool waitUntilLeft(double seconds);
  /// When all threads have left.
  std::vector<HostClaim> takeLeftovers() { return std::move(leftovers); }

private:
  struct Scratch;
  void work();
  bool isOver() const;
  std::optional<HostClaim> takeLeftover(const HostService &service);
  std::optional<HostClaim> claim(const HostService &service) const;
  /// Gives what is left of the claim when the epoch ends meanwhile.
  HostClaim run(const HostService &service, const HostClaim &claim, Scratch &scratch) const;

  const std::vector<HostService> services;
  std::atomic<uint32_t> bell = 0;
  std::atomic<uint32_t> sleepers = 0;
  std::mutex mutex;
  std::condition_variable left;
  /// Guarded by the mutex. The number is for a look without it.
  std::vector<HostClaim> leftovers;
  std::atomic<size_t> leftoverCount;
  const uint32_t width;
  uint32_t running;
  std::vector<std::thread> threads;
};

} // namespace mk

#endif // MK_RUNTIME_HOST_HOSTSERVING_H
