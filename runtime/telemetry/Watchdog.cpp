//===- Watchdog.cpp - Is there progress? ----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Watchdog.h"

namespace mk {

const char *stringifyHealth(Health health) {
  switch (health) {
  case Health::Healthy:
    return "healthy";
  case Health::Idle:
    return "idle";
  case Health::Blocked:
    return "blocked";
  case Health::Livelock:
    return "livelock";
  case Health::Dead:
    return "dead";
  case Health::Incomplete:
    return "incomplete";
  }
  return "unknown";
}

static Health judge(const ProgressSnapshot &before, const ProgressSnapshot &after, const WatchdogOptions &options) {
  bool ended = after.doneCount != before.doneCount;
  bool allBlocked = after.blocked >= after.schedulable;
  bool mayRun = after.running > 0 || !allBlocked;
  bool nothing = after.running == 0 && after.schedulable == 0;
  if (after.liveWorkers == 0) {
    if (mayRun)
      return Health::Incomplete;
    if (!nothing)
      return Health::Blocked;
    return ended ? Health::Healthy : Health::Idle;
  }

  if (ended)
    return Health::Healthy;
  bool patient = after.seconds - before.seconds < options.patience;
  bool looked = after.heartbeat != before.heartbeat;
  if (!looked && !patient && !(nothing && options.workersSleep))
    return Health::Dead;
  if (nothing)
    return Health::Idle;
  if (looked && !mayRun)
    return Health::Blocked;
  return looked && !patient ? Health::Livelock : Health::Healthy;
}

WatchdogVerdict judgeProgress(const ProgressSnapshot &before, const ProgressSnapshot &after,
                              const WatchdogOptions &options) {
  return {judge(before, after, options), after.faultCount != before.faultCount, after.doneCount - before.doneCount};
}

} // namespace mk
