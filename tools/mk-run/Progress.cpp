//===- Progress.cpp - Signs of life on long runs -----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Progress.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

using namespace mk;

Progress::Progress() : isTerminal(llvm::sys::Process::StandardErrIsDisplayed()), thread([this] { work(); }) {}

Progress::~Progress() {
  end();
  {
    std::lock_guard lock(mutex);
    isQuitting = true;
  }
  wake.notify_one();
  thread.join();
}

void Progress::begin(llvm::StringRef name, uint64_t count) {
  end();
  std::lock_guard lock(mutex);
  phase = name.str();
  steps = count;
  done = 0;
  start = Clock::now();
}

void Progress::advance() {
  std::lock_guard lock(mutex);
  ++done;
}

void Progress::end() {
  std::lock_guard lock(mutex);
  phase.clear();
  if (isShown && isTerminal)
    llvm::errs() << "\r\033[K";
  isShown = false;
}

void Progress::work() {
  // What is done within a blink needs no sign of life.
  const auto period = isTerminal ? std::chrono::milliseconds(250) : std::chrono::milliseconds(5000);
  std::unique_lock lock(mutex);
  while (!wake.wait_for(lock, period, [this] { return isQuitting; }))
    if (!phase.empty() && Clock::now() - start >= period)
      show();
}

void Progress::show() {
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  llvm::raw_ostream &os = llvm::errs();
  os << (isTerminal ? "\r\033[K" : "mk-run: ") << phase;
  if (steps)
    os << llvm::format(" %llu of %llu (%.0f %%)", static_cast<unsigned long long>(done + 1),
                       static_cast<unsigned long long>(steps), 100.0 * static_cast<double>(done) / steps);
  os << llvm::format(", %.0f s", seconds);
  if (!isTerminal)
    os << "\n";
  os.flush();
  isShown = true;
}
