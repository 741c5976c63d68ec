//===- Interpreters.h - The code that answers at once -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_INTERPRETERS_H
#define MK_RUNTIME_INTERPRETERS_H

#include "IsaLayout.h"
#include "mk/Runtime/CodeProvider.h"
#include "mk/Runtime/Device.h"
#include <condition_variable>
#include <map>
#include <mutex>

namespace mk {

/// The interpreters of an engine. On the host, where optimising one takes far longer than making it, what was made
/// quickly answers until the better one is there. On a GPU the assembler takes most of the time either way.
class Interpreters {
public:
  struct Interpreter {
    std::shared_ptr<Kernel> kernel;
    Scope scope = Scope::Lane;
  };

  Interpreters(Device &device, CodeProvider &code) : device(device), code(code) {}
  ~Interpreters() { shutDown(); }
  /// Cancels what is under way, and waits for it.
  void shutDown();

  /// Compiles and loads what opcodes of 'layout' need.
  Expected<void> load(const IsaLayout &layout);
  /// For the dispatcher, between batches: takes better code that has come. True when there was some.
  bool adopt();
  const Interpreter &operator[](Route route) const { return loaded[size_t(route)]; }
  /// Waits until no better code is to come.
  void waitIdle();

private:
  void askForBetter(const CompileRequest &request, Route route);
  Expected<Interpreter> place(const Expected<KernelCode> &compiled);

  Device &device;
  CodeProvider &code;
  /// By Route: lane, block, packed.
  Interpreter loaded[3];

  std::mutex mutex;
  std::condition_variable idle;
  std::map<Route, CodeProvider::RequestId> pending;
  std::map<Route, Interpreter> better;
};

} // namespace mk

#endif // MK_RUNTIME_INTERPRETERS_H
