//===- CompileServiceTest.cpp - Requests, the queue, and the cache ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ServiceTesting.h"
#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

using namespace mk;

namespace {

/// Options with a fault for all that is not an interpreter.
CompileServiceOptions withFault(const char *fault) {
  CompileServiceOptions options = alone();
  options.faults = {FaultInjection::parse(fault).value()};
  return options;
}

std::vector<std::string> whatHappened(const CompileService &service, CompileEvent::Kind kind) {
  std::vector<std::string> what;
  for (const CompileEvent &event : service.events())
    if (event.kind == kind)
      what.push_back(event.what);
  return what;
}

/// Waits until a worker has begun with something.
void waitUntilRunning(const CompileService &service) {
  while (service.snapshot().running == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

// What the header shows.
TEST(CompileService, ServesWithoutAnEngine) {
  auto service = CompileService::create(serviceIsa, "isa.mlir");
  ASSERT_TRUE(service) << service.error().message;
  CompileRequest request{.kind = CompileRequest::Opcode, .target = {}, .opcode = 0};
  std::promise<Expected<KernelCode>> promise;
  (*service)->request(request, /*priority=*/1, [&](Expected<KernelCode> code) { promise.set_value(std::move(code)); });
  Expected<KernelCode> first = promise.get_future().get();
  Expected<KernelCode> code = (*service)->compile(request);
  ASSERT_TRUE(first && code);
  EXPECT_EQ(first->function, code->function);
  EXPECT_TRUE(code->cached);

  std::vector<float> x = {1, 2, 3}, y = {10, 20, 30};
  HostRun host;
  host.addBuffer(x);
  host.addBuffer(y);
  EXPECT_EQ(host.run(*code, {1, 0, 3, 2, 0, 3, wordOf(2)}), 0u);
  EXPECT_EQ(y, (std::vector<float>{12, 24, 36}));
}

TEST(CompileService, MakesCodeForGpus) {
  auto service = makeService(alone());
  auto code = service->compile(gpuOpcode(0));
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_NE(code->ptx.find(".entry mk_opcode_axpy("), std::string::npos);
  EXPECT_EQ(code->scope, Scope::Block);
  EXPECT_EQ(code->function, nullptr);
  EXPECT_FALSE(code->cached);
  if (Compiler::gpuFormat() != CodeObject::Format::Cubin)
    GTEST_SKIP() << "no assembler of the CUDA toolkit";
  CompileServiceOptions options = alone();
  options.gpuFormat.reset();
  auto cubin = makeService(options)->compile(gpuOpcode(0));
  ASSERT_TRUE(cubin) << cubin.error().message;
  EXPECT_EQ(cubin->cubin.substr(0, 4), "\177ELF");
  EXPECT_EQ(cubin->ptx, "");
}

TEST(CompileService, IsIsolatedInATreeThatWasBuilt) {
  auto service = makeService(alone());
  ASSERT_TRUE(service->compile(hostOpcode(0)));
  CompileServiceStats stats = service->snapshot();
  EXPECT_TRUE(stats.isolated);
  EXPECT_EQ(stats.workers, 1u);
  EXPECT_EQ(stats.workersReady, 1u);
  EXPECT_EQ(stats.workerStarts, 1u);
}

TEST(CompileService, ReportsTheTimesOfPhases) {
  auto service = makeService(alone());
  ASSERT_TRUE(service->compile(hostOpcode(0)));
  CompileServiceStats stats = service->snapshot();
  for (CompilePhase phase : {CompilePhase::Verify, CompilePhase::Pass, CompilePhase::Translate, CompilePhase::Optimize,
                             CompilePhase::Codegen, CompilePhase::Link}) {
    const PhaseHistogram &histogram = stats.phases[size_t(phase)];
    EXPECT_EQ(histogram.count, 1u) << stringifyCompilePhase(phase);
    EXPECT_GT(histogram.sum.count(), 0);
    uint64_t sum = 0;
    for (uint64_t bucket : histogram.buckets)
      sum += bucket;
    EXPECT_EQ(sum, 1u);
  }
  EXPECT_EQ(stats.phases[size_t(CompilePhase::Assemble)].count, 0u);
  EXPECT_EQ(stats.compiled, 1u);
}

TEST(CompileService, RefusesWhatTheIsaDoesNotHave) {
  auto service = makeService(alone());
  auto missing = service->compile(hostOpcode(9));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(missing.error().message, "opcode index 9 is not below 4");
  auto facts = service->compile(hostOpcode(1, {{.extent = 4}, {.extent = 4}}));
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(service->snapshot().refused, 1u);
  auto bad = CompileService::create("mk.opcode", "bad.mlir");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::Malformed);
}

TEST(CompileService, AnswersFromACache) {
  CompileServiceOptions options = alone();
  auto cache = options.cache;
  auto first = makeService(options)->compile(hostOpcode(0));
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->cached);
  options.cache = cache;
  auto service = makeService(options);
  Pending pending(*service, hostOpcode(0));
  // Before the call returned.
  ASSERT_TRUE(pending.isDone());
  auto code = pending.get();
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_TRUE(code->cached);
  EXPECT_EQ(service->snapshot().cacheHits, 1u);
  EXPECT_EQ(service->snapshot().compiled, 0u);
  EXPECT_EQ(whatHappened(*service, CompileEvent::CacheHit), std::vector<std::string>{"opcode axpy"});
  std::vector<float> z = {1, 2}, y = {0, 0};
  HostRun host;
  host.addBuffer(z);
  host.addBuffer(y);
  EXPECT_EQ(host.run(*code, {1, 0, 2, 2, 0, 2, wordOf(3)}), 0u);
  EXPECT_EQ(y, (std::vector<float>{3, 6}));
}

TEST(CompileService, CompilesAKeyOnce) {
  auto service = makeService(withFault("delay=50"));
  std::vector<std::unique_ptr<Pending>> pending;
  for (int i = 0; i < 8; ++i)
    pending.push_back(std::make_unique<Pending>(*service, hostOpcode(0)));
  HostKernelFn function = nullptr;
  for (auto &one : pending) {
    auto code = one->get();
    ASSERT_TRUE(code) << code.error().message;
    EXPECT_TRUE(!function || code->function == function);
    function = code->function;
  }
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.compiled, 1u);
  EXPECT_EQ(stats.joined, 7u);
}

TEST(CompileService, ServesTheHottestFirst) {
  auto service = makeService(withFault("delay=50,nth=1"));
  Pending running(*service, numbered(1), 0);
  waitUntilRunning(*service);
  Pending cold(*service, hostOpcode(0), 1), warm(*service, hostOpcode(1), 2), hot(*service, hostOpcode(2), 3);
  Pending risen(*service, hostOpcode(3), 0);
  service->setPriority(risen.id, 4);
  service->setPriority(12345, 4);
  for (Pending *pending : {&running, &cold, &warm, &hot, &risen})
    EXPECT_TRUE(pending->get());
  EXPECT_EQ(whatHappened(*service, CompileEvent::Finished),
            (std::vector<std::string>{"opcode fill", "opcode grow", "opcode scale", "opcode fill", "opcode axpy"}));
}

TEST(CompileService, DropsTheColdestWhenTheQueueIsFull) {
  CompileServiceOptions options = withFault("delay=100,nth=1");
  options.queuedPerWorker = 2;
  auto service = makeService(options);
  Pending running(*service, numbered(1), 0);
  waitUntilRunning(*service);
  Pending cold(*service, numbered(2), 1), warm(*service, numbered(3), 2);
  Pending colder(*service, numbered(4), 0.5);
  ASSERT_TRUE(colder.isDone());
  EXPECT_EQ(colder.get().error().code, ErrorCode::Busy);
  Pending hot(*service, numbered(5), 3);
  ASSERT_TRUE(cold.isDone());
  EXPECT_EQ(cold.get().error().code, ErrorCode::Busy);
  // Somebody waits for it, so it has its place.
  Pending waited(*service, numbered(6), INFINITY);
  for (Pending *pending : {&running, &warm, &hot, &waited})
    EXPECT_TRUE(pending->get());
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.dropped, 1u);
  EXPECT_EQ(stats.refused, 1u);
  EXPECT_EQ(stats.compiled, 4u);
}

TEST(CompileService, CancelsWhatWaits) {
  auto service = makeService(withFault("delay=50,nth=1"));
  Pending running(*service, numbered(1));
  waitUntilRunning(*service);
  Pending one(*service, numbered(2)), same(*service, numbered(2)), other(*service, numbered(3));
  service->cancel(other.id);
  ASSERT_TRUE(other.isDone());
  auto cancelled = other.get();
  EXPECT_EQ(cancelled.error().code, ErrorCode::Cancelled);
  EXPECT_EQ(cancelled.error().message, "the request was cancelled");
  // The other who waits for the same code gets it.
  service->cancel(one.id);
  EXPECT_EQ(one.get().error().code, ErrorCode::Cancelled);
  EXPECT_TRUE(same.get());
  EXPECT_TRUE(running.get());
  // Nothing to cancel.
  service->cancel(one.id);
  service->cancel(12345);
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.cancelled, 2u);
  EXPECT_EQ(stats.compiled, 2u);
}

TEST(CompileService, KeepsTheCodeThatNobodyWaitsForAnyMore) {
  auto service = makeService(withFault("delay=50"));
  Pending running(*service, hostOpcode(0));
  waitUntilRunning(*service);
  service->cancel(running.id);
  ASSERT_TRUE(running.isDone());
  EXPECT_EQ(running.get().error().code, ErrorCode::Cancelled);
  while (service->snapshot().running != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  auto code = service->compile(hostOpcode(0));
  ASSERT_TRUE(code);
  EXPECT_TRUE(code->cached);
}

TEST(CompileService, EndsWhatNobodyWaitsForAnyMore) {
  CompileServiceOptions options = withFault("kind=loop,nth=1");
  options.hardCancel = true;
  options.deadline = std::chrono::seconds(60);
  auto service = makeService(options);
  Pending running(*service, hostOpcode(0));
  waitUntilRunning(*service);
  Stopwatch watch;
  service->cancel(running.id);
  EXPECT_EQ(running.get().error().code, ErrorCode::Cancelled);
  EXPECT_TRUE(service->compile(hostOpcode(0)));
  EXPECT_LT(watch.seconds(), 20);
  EXPECT_EQ(service->snapshot().workerReplacements, 1u);
}

TEST(CompileService, ClosesAtOnce) {
  CompileServiceOptions options = withFault("kind=loop");
  options.deadline = std::chrono::seconds(60);
  auto service = makeService(options);
  Pending running(*service, hostOpcode(0)), waiting(*service, hostOpcode(1));
  waitUntilRunning(*service);
  Stopwatch watch;
  service.reset();
  EXPECT_LT(watch.seconds(), 5);
  for (Pending *pending : {&running, &waiting}) {
    auto closed = pending->get();
    EXPECT_EQ(closed.error().code, ErrorCode::Closed);
    EXPECT_EQ(closed.error().message, "the compile service was closed");
  }
}

TEST(CompileService, StartsAndEndsAtAnyMoment) {
  for (int i = 0; i < 20; ++i) {
    auto service = makeService(alone());
    std::vector<std::unique_ptr<Pending>> pending;
    for (int j = 0; j < i % 3; ++j)
      pending.push_back(std::make_unique<Pending>(*service, hostOpcode(j)));
    std::this_thread::sleep_for(std::chrono::milliseconds(i * 7 % 40));
    Stopwatch watch;
    service.reset();
    EXPECT_LT(watch.seconds(), 5);
    for (auto &one : pending)
      EXPECT_TRUE(one->isDone());
  }
}

TEST(CompileService, WorksWithoutProcessesWhereItMay) {
  CompileServiceOptions options = alone();
  options.workerProgram = "/nowhere/mk-jit-worker";
  options.isolation = Isolation::Required;
  auto required = CompileService::create(serviceIsa, "isa.mlir", options);
  ASSERT_FALSE(required);
  EXPECT_EQ(required.error().code, ErrorCode::Unsupported);
  EXPECT_EQ(required.error().message, "found no program mk-jit-worker at /nowhere/mk-jit-worker; install it, or set "
                                      "MK_JIT_WORKER to its path");
  // One that is missing, and one that is something else.
  for (const char *program : {"/nowhere/mk-jit-worker", "/bin/true"}) {
    options.isolation = Isolation::Preferred;
    options.workerProgram = program;
    auto service = makeService(options);
    auto code = service->compile(numbered(program[1]));
    ASSERT_TRUE(code) << code.error().message;
    EXPECT_FALSE(service->snapshot().isolated);
    EXPECT_EQ(whatHappened(*service, CompileEvent::NotIsolated).size(), 1u);
  }
  options.isolation = Isolation::Required;
  auto service = makeService(options);
  auto code = service->compile(hostOpcode(0));
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::CompilerDied);
  EXPECT_EQ(code.error().message, "/bin/true did not answer as mk-jit-worker does: the compiler died: exit code 0");
}

/// A program that is not mk-jit-worker, and what is said of it when there is no other way.
TEST(CompileService, SaysWhatIsWrongWithAWorker) {
  std::string path = testing::TempDir() + "mk-not-a-worker-" + std::to_string(getpid());
  auto message = [&](const std::string &content) -> std::string {
    std::ofstream(path) << content;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    CompileServiceOptions options = alone();
    options.workerProgram = path;
    options.isolation = Isolation::Required;
    auto service = CompileService::create(serviceIsa, "isa.mlir", options);
    if (!service)
      return service.error().message;
    auto code = (*service)->compile(hostOpcode(0));
    return code ? "" : code.error().message;
  };
  // Standard input is the socket.
  EXPECT_EQ(message("no program"), "cannot start " + path + ": Exec format error");
  EXPECT_EQ(message("#!/bin/sh\nprintf '\\004\\000\\000\\000\\000oops' >&0; read x\n"),
            path + " is of another build than this program; install both together, or set MK_JIT_WORKER");
  EXPECT_EQ(message("#!/bin/sh\nprintf '\\377\\377\\377\\377\\377' >&0; read x\n"),
            path + " did not answer as mk-jit-worker does: the compiler said what makes no sense");
  EXPECT_EQ(message("#!/bin/sh\necho out of order >&2; exit 3\n"),
            path + " did not answer as mk-jit-worker does: the compiler died: exit code 3; it said:\nout of order");
  std::filesystem::remove(path);
}

TEST(CompileService, CancelsAndTimesInThisProcessToo) {
  CompileServiceOptions options = withFault("delay=50,phase=pass,every=1");
  options.isolation = Isolation::None;
  options.hardCancel = true;
  options.deadline = std::chrono::milliseconds(20);
  auto service = makeService(options);
  auto late = service->compile(hostOpcode(0));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::TimedOut);
  EXPECT_EQ(late.error().message, "compiling took longer than 20 ms, and was given up before translate");
  Pending running(*service, hostOpcode(1));
  waitUntilRunning(*service);
  service->cancel(running.id);
  while (service->snapshot().running != 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(service->snapshot().compiled, 0u);
}

TEST(CompileService, ReplacesOldWorkers) {
  CompileServiceOptions options = alone();
  options.workerLifetime = 2;
  auto service = makeService(options);
  for (uint32_t i = 0; i < 5; ++i)
    ASSERT_TRUE(service->compile(numbered(i)));
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.workerReplacements, 2u);
  EXPECT_EQ(stats.workerDeaths, 0u);
  EXPECT_EQ(stats.workerStarts, 3u);
}

TEST(CompileService, TellsWhatHappens) {
  std::mutex mutex;
  std::vector<CompileEvent> seen;
  CompileServiceOptions options = withFault("kind=fail,phase=optimize,only=fill");
  options.onEvent = [&](const CompileEvent &event) {
    std::lock_guard lock(mutex);
    seen.push_back(event);
  };
  auto service = makeService(options);
  EXPECT_TRUE(service->compile(hostOpcode(0)));
  EXPECT_FALSE(service->compile(hostOpcode(1)));
  service->compile(hostOpcode(0));
  service.reset();
  std::vector<std::string> kinds;
  for (const CompileEvent &event : seen)
    if (event.kind != CompileEvent::WorkerReady)
      kinds.push_back(std::string(stringifyCompileEvent(event.kind)) + ' ' + event.what);
  EXPECT_EQ(kinds, (std::vector<std::string>{"queued opcode axpy", "started opcode axpy", "finished opcode axpy",
                                             "queued opcode fill", "started opcode fill", "failed opcode fill",
                                             "cache_hit opcode axpy"}));
}

/// Each kind of fact: the same results as the general code.
TEST(CompileService, SpecializedCodeComputesTheSame) {
  auto service = makeService(alone());
  const Specialization axpy[] = {
      {{}, {}, {}},
      {{}, {}, {.constant = wordOf(2.5f)}},
      {{.extent = 8}, {}, {}},
      {{.extent = 8}, {.extent = 8}, {.constant = wordOf(2.5f)}},
      {{.multiple = 4}, {.multiple = 8}, {}},
      {{.aligned = 4}, {.aligned = 4}, {}},
      {{.multiple = 4, .aligned = 4}, {.multiple = 4, .aligned = 4}, {.constant = wordOf(2.5f)}},
  };
  std::vector<float> want;
  // Kept, so that no two are at one place by chance.
  std::vector<KernelCode> codes;
  for (const Specialization &facts : axpy) {
    auto code = service->compile(hostOpcode(0, facts));
    ASSERT_TRUE(code) << code.error().message;
    for (const KernelCode &other : codes)
      EXPECT_NE(other.function, code->function);
    codes.push_back(*code);
    std::vector<float> x(16), y(16);
    for (int i = 0; i < 16; ++i)
      x[i] = 0.1f * i, y[i] = i;
    HostRun host;
    host.addBuffer(x);
    host.addBuffer(y);
    EXPECT_EQ(host.run(*code, {1, 4, 8, 2, 8, 8, wordOf(2.5f)}), 0u);
    if (want.empty()) {
      want = y;
      EXPECT_EQ(want[8], 8 + 2.5f * (0.1f * 4));
    }
    EXPECT_EQ(y, want);
  }

  // Constants of every width: 64 bits in two words, fewer in the low bits of one.
  const uint64_t by = 0xfedcba9876543210;
  const Specialization grow[] = {
      {{}, {}, {}, {}, {}},
      {{}, {.constant = 1}, {}, {}, {}},
      {{}, {}, {.constant = by}, {}, {}},
      {{}, {}, {}, {.constant = 0x8001}, {}},
      {{}, {}, {}, {.constant = 0xffff8001}, {.constant = 1}},
      {{.extent = 3}, {.constant = 1}, {.constant = by}, {.constant = 0x8001}, {.constant = 1}}};
  for (const Specialization &facts : grow) {
    auto code = service->compile(hostOpcode(3, facts));
    ASSERT_TRUE(code) << code.error().message;
    std::vector<int64_t> z = {1, 2, 3};
    HostRun host;
    host.addBuffer(z);
    EXPECT_EQ(host.run(*code, {1, 1, uint32_t(by), uint32_t(by >> 32), 0x8001, 1}), 0u);
    EXPECT_EQ(z, (std::vector<int64_t>{1, 2 + int64_t(by) - 0x7fff, 3}));
  }

  // Windows: facts about the arguments of the signature.
  WindowSignature window;
  window.issues = {{1, {0, 1}}, {2, {0, 2}}};
  window.args = {{ArgType::View, ElementType::F32, mk::abi::AccessReadWrite},
                 {ArgType::Scalar, ElementType::F32, 0},
                 {ArgType::Scalar, ElementType::F32, 0}};
  window.extents = {0, -1, -1};
  const Specialization windows[] = {{},
                                    {{}, {.constant = wordOf(3)}, {}},
                                    {{.extent = 4}, {}, {.constant = wordOf(5)}},
                                    {{.multiple = 4, .aligned = 4}, {}, {}}};
  for (const Specialization &facts : windows) {
    auto code = service->compile({.kind = CompileRequest::Window, .target = {}, .window = window, .facts = facts});
    ASSERT_TRUE(code) << code.error().message;
    std::vector<float> z(8, 1);
    HostRun host;
    host.addBuffer(z);
    EXPECT_EQ(host.run(*code, {1, 4, 4, wordOf(3), wordOf(5)}), 0u);
    EXPECT_EQ(z, (std::vector<float>{1, 1, 1, 1, 15, 15, 15, 15}));
  }
}

TEST(CompileService, QuickCodeComputesTheSame) {
  auto service = makeService(alone());
  for (Effort effort : {Effort::Quick, Effort::Full}) {
    CompileRequest request = hostOpcode(2);
    request.effort = effort;
    auto code = service->compile(request);
    ASSERT_TRUE(code);
    EXPECT_FALSE(code->cached);
    std::vector<float> z = {1, 2, 3};
    HostRun host;
    host.addBuffer(z);
    EXPECT_EQ(host.run(*code, {1, 0, 3, wordOf(2)}), 0u);
    EXPECT_EQ(z, (std::vector<float>{2, 4, 6}));
  }
}

TEST(CompileService, MakesTheSamePtxOnEveryThreadAndInEveryProcess) {
  CompileServiceOptions options = alone();
  options.workers = 2;
  options.workerLifetime = 3;
  std::string want;
  for (int i = 0; i < 8; ++i) {
    options.cache = std::make_shared<CodeCache>(CodeCacheOptions());
    options.isolation = i % 2 ? Isolation::None : Isolation::Required;
    auto service = makeService(options);
    Pending other(*service, gpuOpcode(1));
    auto code = service->compile(gpuOpcode(0));
    ASSERT_TRUE(code);
    if (want.empty())
      want = code->ptx;
    EXPECT_EQ(code->ptx, want);
  }
}

} // namespace
