//===- Backend.h - Where a request is compiled --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_BACKEND_H
#define MK_JIT_BACKEND_H

#include "mk/JIT/Compiler.h"
#include "mk/JIT/FaultInjection.h"
#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace mk {

/// A request on its way to a compiler.
struct WorkOrder {
  CompileRequest request;
  CodeObject::Format format = CodeObject::Format::Ptx;
  std::optional<FaultInjection> fault;
  /// See CompileServiceOptions::deadline.
  std::chrono::milliseconds deadline{0};
};

/// Compiles one order after the other. Used by one thread, but for interrupt().
class Backend {
public:
  virtual ~Backend() = default;
  /// Makes it ready to compile, if it is not. After an error it may be called again.
  virtual Expected<void> start() = 0;
  virtual bool isReady() = 0;
  virtual Expected<CompiledCode> compile(const WorkOrder &order) = 0;
  /// start() or compile() returns Cancelled soon, as will the next ones until rearm(). For any thread.
  virtual void interrupt() = 0;
  virtual void rearm() = 0;
  /// Of the last CompilerDied: the compiler did that itself, and might again.
  virtual bool hasCrashed() const { return false; }
  /// Of the last CompilerDied: the compiler had begun with the order.
  virtual bool hasBegun() const { return true; }
  /// Compilations since it was started.
  virtual unsigned age() const { return 0; }
  /// Ends what start() started.
  virtual void stop() {}
};

/// Compiles in this process.
std::unique_ptr<Backend> createInProcessBackend(std::string bytecode, const CompilerOptions &options);

} // namespace mk

#endif // MK_JIT_BACKEND_H
