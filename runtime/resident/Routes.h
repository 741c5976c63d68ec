//===- Routes.h - Windows that get code of their own -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_ROUTES_H
#define MK_RUNTIME_RESIDENT_ROUTES_H

#include "../BufferTable.h"
#include "../WindowTable.h"
#include "Publisher.h"
#include "RouteCheck.h"
#include <chrono>
#include <map>

namespace mk {

/// The kinds of windows that are published, and the routes of those that have code. A route goes through the states
/// Queued (asked for), Checking (its code is in the running epoch, and has to agree with the interpreter), Live
/// (publishers use it), and Demoted, Failed or Mismatched.
class Routes : public WindowObserver {
public:
  struct Route {
    CodeUnit *unit = nullptr;
    uint32_t id = 0;
    PromotionState state = PromotionState::Queued;
    /// The host: its code, once compiled. A GPU has it in the kernel.
    std::shared_ptr<Kernel> kernel;
    /// Its code was asked for.
    bool requested = false;
    /// Its code is part of the running epoch.
    bool installed = false;
    /// Instances to check it with, as they were while no worker ran.
    std::vector<RouteCheck::Captured> captured;
    std::string error;
    uint32_t coldChecks = 0;
    /// Checks that could not be made, since a buffer was gone.
    uint32_t vainChecks = 0;
  };

  Routes(const Isa &isa, const IsaLayout &layout, const BufferTable &buffers, const ResidentOptions &options)
      : options(options), buffers(buffers), table(isa, layout, options.maxWindows, options.heatHalfLife) {
    table.keepDoor();
  }

  uint32_t observe(std::span<const abi::Slot> slots, const uint16_t *opcodes) override;

  double now() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }

  /// Guards all below, and the rows of the buffer table.
  std::mutex mutex;
  /// The recent count of the hottest kind.
  double hottest() const;
  /// Gives a route to each kind that is hot and has none, as far as there are some to give.
  std::vector<Route *> propose(uint32_t threshold);
  Route *find(uint32_t id);
  std::map<uint32_t, Route> &all() { return routes; }
  const std::vector<std::unique_ptr<CodeUnit>> &units() const { return table.units(); }
  /// Routes whose code is to be in the next epoch.
  std::vector<Route *> wanted();
  void retire(Route &route, PromotionState state, const std::string &why);
  /// Takes routes from windows that have gone cold.
  void demoteCold(uint32_t threshold);
  /// Forgets what became of all kinds, and how hot they were.
  void reset();

private:
  /// Instances that are kept for the check.
  static constexpr size_t Samples = 4;

  const ResidentOptions &options;
  const BufferTable &buffers;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  WindowTable table;
  std::map<uint32_t, Route> routes;
  uint32_t lastRoute = 0;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_ROUTES_H
