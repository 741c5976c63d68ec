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

/// Threads that claim lines of rings, run them and write their statuses. They leave when the doorbell of a service
/// names another epoch than its parameters. An idle thread looks again and again for a while, and then sleeps until
/// wake().
class HostServing {
public:
  HostServing(std::vector<HostService> services, uint32_t threads);
  /// The threads must have been told to leave.
  ~HostServing();

  void wake();
  /// True when all threads have left; waits for that up to 'seconds'.
  bool waitUntilLeft(double seconds);

private:
  struct Scratch;
  struct Claim {
    uint32_t priority = 0, begin = 0, count = 0;
  };
  void work();
  bool hasLeft() const;
  bool claim(const HostService &service, Claim &claim) const;
  void run(const HostService &service, const Claim &claim, Scratch &scratch) const;

  const std::vector<HostService> services;
  std::atomic<uint32_t> bell = 0;
  std::atomic<uint32_t> sleepers = 0;
  std::mutex mutex;
  std::condition_variable left;
  const uint32_t width;
  uint32_t running;
  std::vector<std::thread> threads;
};

} // namespace mk

#endif // MK_RUNTIME_HOST_HOSTSERVING_H
