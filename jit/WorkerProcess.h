//===- WorkerProcess.h - Compilation in another process -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_WORKERPROCESS_H
#define MK_JIT_WORKERPROCESS_H

#include "Backend.h"
#include "Wire.h"
#include <atomic>
#include <string>
#include <sys/types.h>

namespace mk {

/// The service's side of a process of mk-jit-worker. It never waits without end, and raises no signals in this process.
/// The process ends with the thread that spawned it.
class WorkerProcess final : public Backend {
public:
  /// The path of mk-jit-worker; see CompileServiceOptions::workerProgram. Unsupported says where it was looked for.
  static Expected<std::string> findProgram(const std::string &asked);

  WorkerProcess(std::string program, const CompilerOptions &options, uint64_t memory);
  ~WorkerProcess() override;

  /// Starts the process without waiting for it, if there is none.
  Expected<void> spawn();
  /// What start() opens.
  void setBytecode(std::string bytecode) { opening.bytecode = std::move(bytecode); }
  /// A process has said that it is of our build, at least once.
  bool hasEverAnswered() const { return answered; }

  Expected<void> start() override;
  bool isReady() override;
  Expected<CompiledCode> compile(const WorkOrder &order) override;
  void interrupt() override;
  void rearm() override;
  bool hasCrashed() const override { return crashed; }
  bool hasBegun() const override { return phase.has_value(); }
  unsigned age() const override { return compilations; }
  void stop() override;

private:
  struct Limits;
  Expected<void> send(wire::Type type, std::string_view payload, const Limits &limits);
  Expected<wire::Frame> receive(const Limits &limits);
  /// Waits until the socket can be read or written. An error ends the process.
  Expected<void> wait(short events, const Limits &limits);
  void readMessages();
  std::chrono::nanoseconds processorTime() const;
  /// Ends the process and says how it ended.
  Error death();
  Error kill(ErrorCode code, std::string message);
  /// Kills and reaps; the status of waitpid, or -1 when somebody else has taken it.
  int reap();

  std::string program;
  wire::Opening opening;
  pid_t pid = -1;
  int socket = -1, messages = -1, interruption = -1;
  bool open = false, answered = false, crashed = false;
  unsigned compilations = 0;
  wire::Stream stream;
  /// The end of what it wrote to standard error.
  std::string tail;
  /// The phase that it is in.
  std::optional<CompilePhase> phase;
  std::atomic<bool> interrupted = false;
};

} // namespace mk

#endif // MK_JIT_WORKERPROCESS_H
