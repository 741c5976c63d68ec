//===- CompileService.h - Code in the background ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The CodeProvider that compiles. It needs no engine: an ISA and a target in, PTX, a cubin or a function out.
//
//   auto service = mk::CompileService::create(source, "isa.mlir");
//   if (!service)
//     return report(service.error());
//   mk::CompileRequest request{.kind = mk::CompileRequest::Opcode, .target = {}, .opcode = 0};
//   (*service)->request(request, /*priority=*/1, [](mk::Expected<mk::KernelCode> code) { use(std::move(code)); });
//   mk::Expected<mk::KernelCode> code = (*service)->compile(request); // or wait for it
//
// Compilation runs in processes of its own (mk-jit-worker), so that a compiler that crashes, hangs or takes all memory
// costs a request and nothing else. docs/Compile-service.md describes what happens then. Neither this header nor those
// it includes need LLVM or MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_COMPILESERVICE_H
#define MK_JIT_COMPILESERVICE_H

#include "mk/JIT/CodeCache.h"
#include "mk/JIT/Compiler.h"
#include "mk/JIT/FaultInjection.h"
#include "mk/Runtime/CodeProvider.h"
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

/// Where code is compiled.
enum class Isolation : uint8_t {
  /// In processes of its own, or not at all.
  Required,
  /// In this process if mk-jit-worker cannot be started when the service is created. An event says so.
  Preferred,
  /// In this process, on threads of the service.
  None,
};

/// A transition of a request or of a worker.
struct CompileEvent {
  enum Kind : uint8_t {
    /// A request waits for a worker.
    Queued,
    /// A request joined one that was there already.
    Joined,
    /// A cache had the code.
    CacheHit,
    /// A worker began with it.
    Started,
    /// The code is there.
    Finished,
    /// There will be no code. 'error' says why.
    Failed,
    /// Nobody wants the code any more.
    Cancelled,
    /// Hotter requests took its place in the queue.
    Dropped,
    /// A worker process was started, and can compile.
    WorkerReady,
    /// A worker process ended without having been told to.
    WorkerDied,
    /// A worker process was replaced: it was old, or its work had no end.
    WorkerReplaced,
    /// There are no worker processes, so compilation happens in this process.
    NotIsolated,
  } kind = Queued;
  std::chrono::steady_clock::time_point time;
  /// The first of the requests that it is about; 0 for events of workers.
  CodeProvider::RequestId request = 0;
  /// What is compiled, as Compiler::describe() has it.
  std::string what;
  double priority = 0;
  /// Finished, Failed: since it was queued, and since it was started. WorkerReady: since the process was started.
  std::chrono::nanoseconds waited{0}, took{0};
  /// Finished.
  PhaseTimes phases{};
  /// Failed, Dropped, WorkerDied, WorkerReplaced, NotIsolated.
  std::string reason;
  std::optional<ErrorCode> error;
};
/// "queued", "joined", ...
const char *stringifyCompileEvent(CompileEvent::Kind kind);

struct CompileServiceOptions {
  CompilerOptions compiler{};
  /// Compilations at once. 0 is one for 8 cores.
  unsigned workers = 0;
  /// Requests that may wait for each worker. The coldest goes when there is one more.
  unsigned queuedPerWorker = 8;
  Isolation isolation = Isolation::Preferred;
  /// The path of mk-jit-worker. Empty is $MK_JIT_WORKER, or else where a build or an installation has it: beside the
  /// program, in ../bin or ../libexec/megakernel from there, or in those as seen from the shared library that has the
  /// service.
  std::string workerProgram{};
  /// Memory that a worker process may take, in bytes.
  uint64_t workerMemory = uint64_t(2) << 30;
  /// Compilations after which a worker process is replaced by a new one.
  unsigned workerLifetime = 1024;
  /// Time on a processor that one kernel may take. Interpreters may take it once for each 8 opcodes. A compiler that
  /// does not even use the processor is given up after 10 times as long.
  std::chrono::milliseconds deadline{2000};
  /// Ends the worker process of a compilation that nobody waits for any more. Without it the result goes to the cache.
  bool hardCancel = false;
  /// Where code is kept. Null is a cache in memory, which all engines of the process share.
  std::shared_ptr<CodeCache> cache{};
  /// The form of code for GPUs; nothing is Compiler::gpuFormat().
  std::optional<CodeObject::Format> gpuFormat{};
  /// Tells debuggers and perf about host code. The file of perf stays in /tmp.
  bool debugger = false;
  bool perf = false;
  /// For tests.
  std::vector<FaultInjection> faults{};
  /// Called for each event, from any thread. It must be quick, and must not call the service.
  std::function<void(const CompileEvent &)> onEvent{};
};

/// Times of one phase: 'count' of them, their sum, and how many took less than 2^i microseconds but no less than half
/// of that. The last bucket holds the rest.
struct PhaseHistogram {
  uint64_t count = 0;
  std::chrono::nanoseconds sum{0};
  std::array<uint64_t, 24> buckets{};
};

struct CompileServiceStats {
  /// Now.
  uint32_t workers = 0, workersReady = 0;
  uint32_t queued = 0, running = 0;
  bool isolated = false;
  /// Until now. requests is the sum of joined, cacheHits, refused and those that were queued.
  uint64_t requests = 0, joined = 0, cacheHits = 0, refused = 0;
  uint64_t compiled = 0, failed = 0, dropped = 0, cancelled = 0;
  uint64_t workerStarts = 0, workerDeaths = 0, workerReplacements = 0;
  std::array<PhaseHistogram, compilePhaseCount> phases;
  CodeCacheStats cache;
};

/// Thread safety: all of it may be used by several threads.
///
/// 'done' of a request may be called on any thread that is in a call of the service, which holds no lock then.
class CompileService final : public CodeProvider {
public:
  /// Reads the ISA as Compiler::create() does, and starts the workers; they are ready some time later. Unsupported when
  /// isolation is required and mk-jit-worker cannot be started.
  ///
  /// A program that uses CUDA calls it before CUDA is initialised.
  static Expected<std::unique_ptr<CompileService>> create(std::string_view source, std::string_view name,
                                                          CompileServiceOptions options = {});
  /// Requests that are not done are done with Closed. What runs is given up.
  ~CompileService() override;

  const Isa &isa() const override;
  std::string source() const override;

  /// Of equal requests one is compiled, and all are done with its code. A request of infinite priority is never dropped
  /// nor refused: somebody waits for it.
  RequestId request(const CompileRequest &request, double priority, Done done) override;
  void setPriority(RequestId id, double priority) override;
  /// 'done' has been called when this returns.
  void cancel(RequestId id) override;

  CompileServiceStats snapshot() const;
  /// The last 1024 events, the oldest first.
  std::vector<CompileEvent> events() const;

private:
  class Impl;
  explicit CompileService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_JIT_COMPILESERVICE_H
