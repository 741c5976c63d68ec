//===- InProcess.cpp - Compilation in this process --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Backend.h"
#include "InjectFault.h"
#include <atomic>

using namespace mk;

namespace {
class InProcess final : public Backend {
public:
  InProcess(std::string bytecode, const CompilerOptions &options) : bytecode(std::move(bytecode)), options(options) {
    // They are in the bytecode.
    this->options.prelude = false;
  }

  /// Each backend has a compiler of its own: they run at once.
  Expected<void> start() override {
    if (compiler)
      return {};
    auto made = Compiler::create(bytecode, "the ISA", options);
    if (!made)
      return tl::unexpected(made.error());
    compiler = std::move(*made);
    return {};
  }

  bool isReady() override { return compiler != nullptr; }

  Expected<CompiledCode> compile(const WorkOrder &order) override {
    auto begin = std::chrono::steady_clock::now();
    CompileControl control = controlFor(order.fault);
    // A phase cannot be interrupted from outside, so this is done between two of them.
    control.onPhase = [&, inject = std::move(control.onPhase)](CompilePhase phase) -> Expected<void> {
      if (interrupted)
        return makeError(ErrorCode::Cancelled, "nobody waits for the code any more");
      if (std::chrono::steady_clock::now() - begin > order.deadline)
        return makeError(ErrorCode::TimedOut, "compiling took longer than " + std::to_string(order.deadline.count()) +
                                                  " ms, and was given up before " + stringifyCompilePhase(phase));
      return inject ? inject(phase) : Expected<void>();
    };
    if (order.fault && order.fault->phase == CompilePhase::Parse)
      if (auto parsed = control.onPhase(CompilePhase::Parse); !parsed)
        return tl::unexpected(parsed.error());
    return compiler->compile(order.request, order.format, control);
  }

  void interrupt() override { interrupted = true; }
  void rearm() override { interrupted = false; }

private:
  std::string bytecode;
  CompilerOptions options;
  std::unique_ptr<Compiler> compiler;
  std::atomic<bool> interrupted = false;
};
} // namespace

std::unique_ptr<Backend> mk::createInProcessBackend(std::string bytecode, const CompilerOptions &options) {
  return std::make_unique<InProcess>(std::move(bytecode), options);
}
