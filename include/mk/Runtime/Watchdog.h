//===- Watchdog.h - Is there progress? --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What two looks at the workers tell: a function of its arguments, which neither waits nor allocates.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_WATCHDOG_H
#define MK_RUNTIME_WATCHDOG_H

#include <cstdint>

namespace mk {

/// What is seen of the workers at one time. The counters are modulo 2^32.
struct ProgressSnapshot {
  /// When, in seconds from any origin.
  double seconds = 0;
  /// Slots that have ended, in DONE or in FAULT, and those in FAULT.
  uint32_t doneCount = 0;
  uint32_t faultCount = 0;
  /// Moves while workers look for work.
  uint32_t heartbeat = 0;
  /// Workers that have not left. 0 when they are not meant to stay (a launch has ended).
  uint32_t liveWorkers = 0;
  /// Slots that wait, and how many of those may not run yet (for their tenant, a quota or a fence).
  uint64_t schedulable = 0;
  uint64_t blocked = 0;
  /// Slots that a worker has, or that wait for a load.
  uint64_t running = 0;
};

struct WatchdogOptions {
  /// The time T without progress, in seconds, after which something is wrong.
  double patience = 1;
  /// Workers without work may sleep, so that their heartbeat says nothing then.
  bool workersSleep = false;
};

enum class Health : uint8_t {
  /// Slots ended since the snapshot before; or none did, but not for long enough to say more.
  Healthy,
  /// There is nothing to do.
  Idle,
  /// Workers look for work, and all that waits may not run.
  Blocked,
  /// Workers look for work, and there is some that may run, but none has ended for T.
  Livelock,
  /// Workers are there, but have not even looked for work for T.
  Dead,
  /// Workers have left, and slots that may run are left.
  Incomplete,
};
/// "healthy", "idle", "blocked", "livelock", "dead", "incomplete".
const char *stringifyHealth(Health health);

struct WatchdogVerdict {
  Health health = Health::Healthy;
  /// Slots ended in FAULT since the snapshot before.
  bool faulted = false;
  /// Slots that ended since, modulo 2^32.
  uint32_t doneDelta = 0;
  bool operator==(const WatchdogVerdict &) const = default;
};

/// Judges by two snapshots. For verdicts that need T without progress, 'before' has to be that old: keep the last
/// snapshot with progress, or the first, until there is progress again. If 'after' is not the later one, no time has
/// passed.
WatchdogVerdict judgeProgress(const ProgressSnapshot &before, const ProgressSnapshot &after,
                              const WatchdogOptions &options = {});

} // namespace mk

#endif // MK_RUNTIME_WATCHDOG_H
