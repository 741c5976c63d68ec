//===- CompileServiceStressTest.cpp - Much of everything at once ------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MK_TEST_CYCLES is for longer runs: how often the tests of leaks go round.
//
//===----------------------------------------------------------------------===//

#include "HostCode.h"
#include "ServiceTesting.h"
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>
#include <unistd.h>

using namespace mk;

namespace {

unsigned cycles(unsigned usual) {
  const char *given = std::getenv("MK_TEST_CYCLES");
  return given ? std::max(1, std::atoi(given)) : usual;
}

/// Every request is done exactly once, with code that is right or with an error that is to be expected.
TEST(CompileServiceStress, EveryRequestIsDoneOnce) {
  CompileServiceOptions options = alone();
  options.workers = 2;
  options.workerLifetime = 50;
  options.queuedPerWorker = 4;
  options.hardCancel = true;
  options.cache = std::make_shared<CodeCache>(CodeCacheOptions{.directory = {}, .memoryEntries = 6});
  for (const char *fault : {"every=13", "kind=segv,every=29", "kind=kill,every=31", "delay=5,every=3"})
    options.faults.push_back(FaultInjection::parse(fault).value());
  auto service = makeService(std::move(options));

  // A worker is there, however slow the machine.
  ASSERT_TRUE(service->compile(hostOpcode(2)));

  constexpr unsigned threadCount = 4, perThread = 600, keys = 12;
  std::vector<std::atomic<int>> done(threadCount * perThread);
  std::atomic<uint64_t> outcomes[size_t(ErrorCode::PackedArity) + 2] = {};
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < threadCount; ++thread)
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      std::vector<CodeProvider::RequestId> ids;
      for (unsigned i = 0; i < perThread; ++i) {
        float value = float(1 + random() % keys);
        auto answer = [&, value, number = thread * perThread + i](Expected<KernelCode> code) {
          ++done[number];
          ++outcomes[code ? 0 : size_t(code.error().code) + 1];
          if (!code)
            return;
          std::vector<float> z = {0, 0};
          HostRun host;
          host.addBuffer(z);
          wrong += host.run(*code, {1, 0, 2, wordOf(value)}) != 0 || z[1] != value;
        };
        ids.push_back(service->request(numbered(wordOf(value)), double(random() % 100), answer));
        switch (random() % 8) {
        case 0:
          service->cancel(ids[random() % ids.size()]);
          break;
        case 1:
          service->setPriority(ids[random() % ids.size()], double(random() % 100));
          break;
        case 2:
          std::this_thread::sleep_for(std::chrono::milliseconds(random() % 8));
          break;
        case 3:
          (void)service->snapshot();
          break;
        }
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  service.reset();
  for (const auto &count : done)
    ASSERT_EQ(count, 1);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(outcomes[0], 0u);
  uint64_t expected = outcomes[0];
  for (ErrorCode code : {ErrorCode::CompileFailed, ErrorCode::CompilerDied, ErrorCode::Cancelled, ErrorCode::Busy,
                         ErrorCode::Closed, ErrorCode::TimedOut})
    expected += outcomes[size_t(code) + 1];
  EXPECT_EQ(expected, uint64_t(threadCount * perThread));
  EXPECT_GT(outcomes[size_t(ErrorCode::Busy) + 1], 0u);
  EXPECT_GT(outcomes[size_t(ErrorCode::Cancelled) + 1], 0u);
}

/// Resident memory in KiB, and mappings; none of them may be written and executed.
struct Memory {
  uint64_t resident = 0, mappings = 0;
};
Memory measure() {
  Memory memory;
  std::ifstream file("/proc/self/smaps");
  for (std::string line; std::getline(file, line);) {
    uint64_t size;
    if (std::sscanf(line.c_str(), "Rss: %lu", &size) == 1)
      memory.resident += size;
    else if (line.find('-') < line.find(' ') && line.find(':') > line.find(' ')) {
      ++memory.mappings;
      EXPECT_EQ(line.find(" rwx"), std::string::npos) << line;
    }
  }
  return memory;
}

void expectFlat(const Memory &before, unsigned rounds) {
  Memory after = measure();
  // Sanitizers keep what was freed.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return;
#endif
#endif
  EXPECT_LT(after.resident, before.resident + (16 << 10)) << "KiB after " << rounds << " rounds";
  EXPECT_LT(after.mappings, before.mappings + 16) << "after " << rounds << " rounds";
}

TEST(CompileServiceStress, CodeThatComesAndGoesLeavesNothing) {
  auto compiler = Compiler::create(serviceIsa, "test.mlir");
  auto made = (*compiler)->compile(hostOpcode(2), CodeObject::Format::HostObject);
  ASSERT_TRUE(made);
  auto host = HostCode::create();
  ASSERT_TRUE(bool(host));
  const unsigned rounds = cycles(2000);
  // Some are held for a while, so that places are taken in no particular order.
  std::vector<std::shared_ptr<void>> held(20);
  Memory before;
  for (unsigned i = 0; i < rounds + 200; ++i) {
    auto function = (*host)->load(made->code.bytes, made->code.entry);
    ASSERT_TRUE(bool(function)) << llvm::toString(function.takeError());
    held[i * 7919u % held.size()] = function->owner;
    if (i == 200)
      before = measure();
  }
  expectFlat(before, rounds);
}

TEST(CompileServiceStress, CompilingAndEvictingLeavesNothing) {
  for (Isolation isolation : {Isolation::Required, Isolation::None}) {
    CompileServiceOptions options = alone();
    options.isolation = isolation;
    options.cache = std::make_shared<CodeCache>(CodeCacheOptions{.directory = {}, .memoryEntries = 4});
    auto service = makeService(std::move(options));
    const unsigned rounds = cycles(100);
    Memory before;
    for (uint32_t i = 0; i < rounds + 50; ++i) {
      auto code = service->compile(numbered(i));
      ASSERT_TRUE(code) << code.error().message;
      if (i == 50)
        before = measure();
    }
    expectFlat(before, rounds);
    EXPECT_GE(service->snapshot().cache.memoryEvictions, rounds);
  }
}

} // namespace
