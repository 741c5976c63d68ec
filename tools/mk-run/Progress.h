//===- Progress.h - Signs of life on long runs -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Says on stderr what is going on: on a terminal in one line that is kept up to date, elsewhere with a line every few
// seconds. A thread of its own does that, so that the run is neither delayed nor has to report often.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_PROGRESS_H
#define MK_TOOLS_MKRUN_PROGRESS_H

#include "llvm/ADT/StringRef.h"
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace mk {

class Progress {
public:
  Progress();
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// Starts a phase of 'steps' steps (0: unknown), e.g. "wave" or "compiling the interpreter".
  void begin(llvm::StringRef phase, uint64_t steps = 0);
  /// One more step of the phase is done.
  void advance();
  /// Clears the line; nothing is shown until the next begin().
  void end();

private:
  void work();
  void show();

  using Clock = std::chrono::steady_clock;
  const bool isTerminal;
  std::mutex mutex;
  std::condition_variable wake;
  std::string phase;
  uint64_t steps = 0, done = 0;
  Clock::time_point start;
  bool isShown = false;
  bool isQuitting = false;
  std::thread thread;
};

} // namespace mk

#endif // MK_TOOLS_MKRUN_PROGRESS_H
