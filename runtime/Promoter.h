//===- Promoter.h - Compiles what is hot, in the background -----*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_PROMOTER_H
#define MK_RUNTIME_PROMOTER_H

#include "CodeUnit.h"
#include <condition_variable>
#include <mutex>
#include <thread>

namespace mk {

/// A thread that compiles and loads batch kernels, hottest first, and the record of all promotions. Thread-safe.
class Promoter {
public:
  /// A batch kernel that is ready to go live.
  struct Loaded {
    CodeUnit *unit;
    std::shared_ptr<Kernel> kernel;
    Scope scope;
  };

  Promoter(Device &device, CodeProvider &code);
  ~Promoter() { shutDown(); }
  /// Finishes the compilation under way and drops the others. No unit is looked at from then on.
  void shutDown();

  /// Queues 'unit', which must stay where it is until shutDown(). 'record' says why; its state is Queued.
  /// Returns the record's place in list().
  size_t enqueue(CodeUnit &unit, Promotion record);
  /// Kernels that were loaded since the last call.
  std::vector<Loaded> takeLoaded();
  /// Notes the first batch that ran on a promotion.
  void noteFirstRun(size_t promotion, Ticket ticket);
  /// The device is lost: everything that waits fails with 'error'.
  void fail(const Error &error);
  /// Waits until nothing is queued or compiling.
  void waitIdle();
  std::vector<Promotion> list() const;

private:
  struct Request {
    CodeUnit *unit;
    size_t promotion;
  };

  void work();
  void process(Request request);
  void failLocked(size_t promotion, const std::string &why);

  Device &device;
  CodeProvider &code;

  mutable std::mutex mutex;
  std::condition_variable wake, idle;
  std::vector<Promotion> promotions;
  std::vector<Request> queue;
  std::vector<Loaded> loaded;
  bool busy = false;
  bool stop = false;
  /// Set once the device is lost.
  std::optional<Error> lost;
  std::thread thread;
};

} // namespace mk

#endif // MK_RUNTIME_PROMOTER_H
