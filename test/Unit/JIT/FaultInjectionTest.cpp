//===- FaultInjectionTest.cpp - Compilers that fail, crash and hang ---------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ServiceTesting.h"

using namespace mk;

namespace {

std::unique_ptr<CompileService> serviceWith(const std::string &fault) {
  CompileServiceOptions options = alone();
  auto parsed = FaultInjection::parse(fault);
  EXPECT_TRUE(parsed) << parsed.error().message;
  options.faults = {*parsed};
  // Taking memory is slow on some machines, and what is tested is the limit to it.
  options.deadline = std::chrono::milliseconds(parsed->kind == FaultInjection::Allocate ? 20000 : 500);
  options.workerMemory = 768 << 20;
  return makeService(std::move(options));
}

TEST(FaultInjection, ReadsWhatAFlagSays) {
  FaultInjection fault;
  EXPECT_EQ(FaultInjection::parse("every=3"), (fault = {}, fault.every = 3, fault));
  EXPECT_EQ(FaultInjection::parse("kind=segv,phase=pass,nth=2,only=axpy"),
            (FaultInjection{FaultInjection::Segv, CompilePhase::Pass, 0, 1, 2, "axpy"}));
  EXPECT_EQ(FaultInjection::parse("delay=20"), (FaultInjection{FaultInjection::Delay, CompilePhase::Codegen, 20}));
  auto message = [](const char *text) {
    auto parsed = FaultInjection::parse(text);
    EXPECT_FALSE(parsed);
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_EQ(message(""), "fault injection '': found '', expected KEY=VALUE");
  EXPECT_EQ(message("kind=bad"), "fault injection 'kind=bad': found kind 'bad', expected fail, segv, abort, exit, "
                                 "kill, loop, allocate, delay or wrong");
  EXPECT_EQ(message("phase=bad"), "fault injection 'phase=bad': found phase 'bad', expected parse, verify, pass, "
                                  "translate, optimize, codegen, assemble, link or load");
  EXPECT_EQ(message("every=0"), "fault injection 'every=0': found 'every=0', expected a number of at least 1");
  EXPECT_EQ(message("nth=x"), "fault injection 'nth=x': found 'nth=x', expected a number of at least 1");
  EXPECT_EQ(message("often=1"),
            "fault injection 'often=1': found key 'often', expected kind, phase, delay, every, nth or only");
  EXPECT_EQ(message("kind=delay"),
            "fault injection 'kind=delay': kind=delay needs to know how long; write delay=MILLISECONDS");
  EXPECT_EQ(message("kind=segv,phase=link"),
            "fault injection 'kind=segv,phase=link': the phases link and load can only fail or be late");
}

/// A failure in each phase: that request fails, saying where, and the next one does not.
class FailingPhase : public testing::TestWithParam<CompilePhase> {};

TEST_P(FailingPhase, FailsOneRequest) {
  std::string name = stringifyCompilePhase(GetParam());
  auto service = serviceWith("nth=1,phase=" + name);
  CompileRequest request = GetParam() == CompilePhase::Assemble ? gpuOpcode(0) : hostOpcode(0);
  if (GetParam() == CompilePhase::Assemble) {
    if (Compiler::gpuFormat() != CodeObject::Format::Cubin)
      GTEST_SKIP() << "no assembler of the CUDA toolkit";
    CompileServiceOptions options = alone();
    options.gpuFormat.reset();
    options.faults = {FaultInjection::parse("nth=1,phase=assemble").value()};
    service = makeService(std::move(options));
  }
  auto failed = service->compile(request);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::CompileFailed);
  EXPECT_EQ(failed.error().message, name + " failed: a failure was injected");
  auto code = service->compile(request);
  ASSERT_TRUE(code) << code.error().message;
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.failed, 1u);
  EXPECT_EQ(stats.workerDeaths, 0u);
}

INSTANTIATE_TEST_SUITE_P(Phases, FailingPhase,
                         testing::Values(CompilePhase::Parse, CompilePhase::Verify, CompilePhase::Pass,
                                         CompilePhase::Translate, CompilePhase::Optimize, CompilePhase::Codegen,
                                         CompilePhase::Assemble, CompilePhase::Link, CompilePhase::Load),
                         [](const auto &info) { return std::string(stringifyCompilePhase(info.param)); });

/// Ways in which a compiler ends, what is said of them, and how long the worker takes to come back.
struct Ending {
  const char *kind;
  ErrorCode code;
  const char *message;
  /// Whether the key is to blame when it happens again.
  bool isBlamed;
};

class EndingWorker : public testing::TestWithParam<Ending> {};

TEST_P(EndingWorker, CostsOneRequest) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  if (GetParam().code == ErrorCode::OutOfMemory)
    GTEST_SKIP() << "sanitizers take memory without a limit";
#endif
#endif
  auto service = serviceWith(std::string("only=axpy,phase=optimize,kind=") + GetParam().kind);
  ASSERT_TRUE(service->compile(hostOpcode(1)));
  for (bool isFirst : {true, false}) {
    auto ended = service->compile(hostOpcode(0));
    Stopwatch watch;
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, isFirst || !GetParam().isBlamed ? GetParam().code : ErrorCode::CompileFailed);
    EXPECT_NE(ended.error().message.find(GetParam().message), std::string::npos) << ended.error().message;
    // The next one, of another key.
    auto code = service->compile(hostOpcode(2, {{}, {.constant = isFirst}}));
    ASSERT_TRUE(code) << code.error().message;
    RecordProperty(isFirst ? "first_ms" : "second_ms", int(watch.seconds() * 1000));
    EXPECT_LT(watch.seconds(), 10);
  }
  uint64_t ends = service->snapshot().workerDeaths + service->snapshot().workerReplacements;
  EXPECT_EQ(ends, 2u);
  if (!GetParam().isBlamed)
    return;
  // It is not tried again.
  auto blamed = service->compile(hostOpcode(0));
  ASSERT_FALSE(blamed);
  EXPECT_EQ(blamed.error().code, ErrorCode::CompileFailed);
  EXPECT_EQ(blamed.error().message.find("2 workers died of it: the compiler died in phase optimize"), 0u)
      << blamed.error().message;
  EXPECT_EQ(service->snapshot().workerDeaths, 2u);
}

INSTANTIATE_TEST_SUITE_P(
    Endings, EndingWorker,
    testing::Values(Ending{"segv", ErrorCode::CompilerDied, "in phase optimize: Segmentation fault", true},
                    Ending{"abort", ErrorCode::CompilerDied, "in phase optimize: Aborted", true},
                    Ending{"exit", ErrorCode::CompilerDied, "in phase optimize: exit code 1", true},
                    Ending{"kill", ErrorCode::CompilerDied, "in phase optimize: Killed", false},
                    Ending{"loop", ErrorCode::TimedOut, "compiling took too long, and was given up in phase optimize",
                           false},
                    Ending{"allocate", ErrorCode::OutOfMemory,
                           "the compiler needs more than 768 MiB of memory in phase optimize", false}),
    [](const auto &info) { return std::string(info.param.kind); });

TEST(FaultInjection, ASleepingCompilerIsGivenUpToo) {
  CompileServiceOptions options = alone();
  options.faults = {FaultInjection::parse("delay=60000,nth=1").value()};
  options.deadline = std::chrono::milliseconds(100);
  auto service = makeService(std::move(options));
  Stopwatch watch;
  auto late = service->compile(hostOpcode(0));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::TimedOut);
  EXPECT_LT(watch.seconds(), 30);
}

TEST(FaultInjection, AnInterpreterGetsASecondChance) {
  auto service = serviceWith("kind=segv,nth=1,only=interpreter");
  auto code = service->compile({.kind = CompileRequest::Interpreter, .target = {}, .scope = Scope::Block});
  ASSERT_TRUE(code) << code.error().message;
  EXPECT_EQ(service->snapshot().workerDeaths, 1u);
}

TEST(FaultInjection, CountsWhatItHits) {
  auto service = serviceWith("every=3");
  std::string outcome;
  for (uint32_t i = 0; i < 7; ++i)
    outcome += service->compile(numbered(i)) ? '.' : 'x';
  EXPECT_EQ(outcome, "..x..x.");
  // Interpreters only by name.
  EXPECT_TRUE(service->compile({.kind = CompileRequest::Interpreter, .target = {}, .scope = Scope::Lane}));
  auto interpreters = serviceWith("only=interpreter");
  EXPECT_FALSE(interpreters->compile({.kind = CompileRequest::Interpreter, .target = {}, .scope = Scope::Lane}));
  EXPECT_TRUE(interpreters->compile(hostOpcode(0)));
}

TEST(FaultInjection, WrongCodeIsWrongAndIsNotKept) {
  auto run = [](const KernelCode &code) {
    std::vector<float> x = {1, 2, 3}, y = {10, 20, 30};
    HostRun host;
    host.addBuffer(x);
    host.addBuffer(y);
    EXPECT_EQ(host.run(code, {1, 0, 3, 2, 0, 3, wordOf(2)}), 0u);
    return y;
  };
  auto service = serviceWith("kind=wrong,only=axpy,nth=1");
  auto wrong = service->compile(hostOpcode(0));
  ASSERT_TRUE(wrong) << wrong.error().message;
  EXPECT_NE(run(*wrong), (std::vector<float>{12, 24, 36}));
  auto right = service->compile(hostOpcode(0));
  ASSERT_TRUE(right) << right.error().message;
  EXPECT_FALSE(right->cached);
  EXPECT_EQ(run(*right), (std::vector<float>{12, 24, 36}));
}

} // namespace
