//===- Worker.h - The inside of mk-jit-worker ---------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_WORKER_H
#define MK_JIT_WORKER_H

namespace mk {

/// Exit codes of a worker process that mean something to the service.
enum WorkerExit : int {
  /// The service is gone, or told it to end.
  WorkerDone = 0,
  /// It was not started by a service (EX_USAGE of sysexits.h).
  WorkerMisused = 64,
  /// There is no memory left of what it may take.
  WorkerOutOfMemory = 65,
};

/// Serves the compile service at the other end of standard input until that is closed, and returns a WorkerExit. The
/// process belongs to it: it gives up all other files, signals of the terminal, and its priority.
int runWorker();

} // namespace mk

#endif // MK_JIT_WORKER_H
