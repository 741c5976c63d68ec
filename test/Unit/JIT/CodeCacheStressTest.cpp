//===- CodeCacheStressTest.cpp - Many users of one cache --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTesting.h"
#include <algorithm>
#include <atomic>
#include <random>
#include <sys/wait.h>
#include <thread>

using namespace mk;
using Clock = std::chrono::steady_clock;

namespace {

constexpr uint32_t keyCount = 40;
constexpr uint64_t diskLimit = 2 << 20;

CodeCacheOptions smallCache(const std::string &folder) {
  CodeCacheOptions options;
  options.directory = folder;
  options.memoryBytes = 300000;
  options.memoryEntries = 16;
  options.diskBytes = diskLimit;
  return options;
}

/// Looks up and stores at random, now and then forgets; returns how often code was wrong.
unsigned useCache(CodeCache &cache, unsigned seed, unsigned rounds) {
  std::mt19937 random(seed);
  unsigned wrong = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    uint32_t number = random() % keyCount;
    CacheKey key = makeKey(number);
    if (std::shared_ptr<const CodeObject> code = cache.lookup(key))
      wrong += *code != makeCode(number, 5000);
    else
      cache.insert(key, makeCode(number, 5000));
    if (random() % 200 == 0)
      cache.erase(key);
    if (random() % 500 == 0)
      cache.clear();
    if (random() % 500 == 0)
      cache.list();
    cache.stats();
  }
  return wrong;
}

uint64_t bytesIn(const TestFolder &folder) {
  uint64_t bytes = 0;
  for (const auto &file : folder.files())
    bytes += std::filesystem::file_size(file);
  return bytes;
}

TEST(CodeCacheStress, threadsShareACache) {
  TestFolder folder;
  CodeCache cache(smallCache(folder.path));
  std::atomic<unsigned> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 8; ++i)
    threads.emplace_back([&, i] { wrong += useCache(cache, i, 1500); });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0u);
  CodeCacheStats stats = cache.stats();
  EXPECT_GT(stats.memoryHits, 0u);
  EXPECT_GT(stats.diskHits, 0u);
  EXPECT_GT(stats.memoryEvictions, 0u);
  EXPECT_GT(stats.diskEvictions, 0u);
  EXPECT_LE(stats.memoryBytes, 300000u);
  EXPECT_EQ(stats.defects, 0u) << stats.firstDefect;
  EXPECT_LE(bytesIn(folder), diskLimit + diskLimit / 64);
}

/// A lookup that has read a file must not bring it back into memory when it was erased meanwhile.
TEST(CodeCacheStress, erasedCodeStaysErased) {
  TestFolder folder;
  CodeCacheOptions options;
  options.directory = folder.path;
  for (unsigned round = 0; round < 100; ++round) {
    // Large, so that reading takes a while.
    CodeCache(options).insert(makeKey(1), makeCode(1, 1 << 20));
    CodeCache cache(options);
    std::atomic<bool> begun = false;
    std::thread reader([&] {
      begun = true;
      cache.lookup(makeKey(1));
    });
    while (!begun)
      std::this_thread::yield();
    auto begin = Clock::now();
    while (Clock::now() - begin < std::chrono::microseconds(10 * round))
      std::this_thread::yield();
    cache.erase(makeKey(1));
    reader.join();
    ASSERT_EQ(cache.lookup(makeKey(1)), nullptr) << "round " << round;
  }
}

/// Four processes, one small folder, and somebody who damages files under their hands.
TEST(CodeCacheStress, processesFightOverAFolder) {
  TestFolder folder;
  std::vector<pid_t> processes;
  for (unsigned i = 0; i < 4; ++i) {
    std::string seed = std::to_string(100 + i);
    pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) {
      execl("/proc/self/exe", "MKJITTests", cacheFighterMode, folder.path.c_str(), seed.c_str(), nullptr);
      _exit(127);
    }
    processes.push_back(process);
  }
  std::mt19937 random(5);
  std::vector<int> codes;
  while (!processes.empty()) {
    for (size_t i = 0; i < processes.size();) {
      int status = 0;
      if (waitpid(processes[i], &status, WNOHANG) == 0) {
        ++i;
        continue;
      }
      codes.push_back(WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status));
      processes.erase(processes.begin() + i);
    }
    std::vector<std::filesystem::path> files;
    std::error_code gone;
    for (std::filesystem::directory_iterator item(folder.path, gone), end; !gone && item != end; item.increment(gone))
      files.push_back(item->path());
    if (!files.empty())
      std::filesystem::resize_file(files[random() % files.size()], random() % 3000, gone);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(codes, std::vector<int>(4, 0));
  EXPECT_LE(bytesIn(folder), diskLimit + 4 * diskLimit / 64);
  // Nothing half done is left.
  for (const auto &file : folder.files())
    EXPECT_EQ(file.extension(), ".mkcode") << file;
}

//===----------------------------------------------------------------------===//
// Time
//===----------------------------------------------------------------------===//

/// Of a call, the median.
template <typename Call> std::chrono::nanoseconds timeOf(unsigned count, Call call) {
  std::vector<std::chrono::nanoseconds> times;
  for (unsigned i = 0; i < count; ++i) {
    auto begin = Clock::now();
    call();
    times.push_back(Clock::now() - begin);
  }
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  return times[count / 2];
}

TEST(CodeCacheTime, hitsAreFast) {
  TestFolder folder;
  CodeCacheOptions options;
  options.directory = folder.path;
  CodeCache cache(options);
  cache.insert(makeKey(1), makeCode(1, 30000));
  EXPECT_LT(timeOf(1001, [&] { ASSERT_NE(cache.lookup(makeKey(1)), nullptr); }), std::chrono::microseconds(100));
  options.memoryEntries = 0;
  CodeCache files(options);
  EXPECT_LT(timeOf(101, [&] { ASSERT_NE(files.lookup(makeKey(1)), nullptr); }), std::chrono::milliseconds(1));
  EXPECT_EQ(files.stats().diskHits, 101u);
}

} // namespace

int fightOverCache(const std::string &folder, unsigned seed) {
  CodeCache cache(smallCache(folder));
  return useCache(cache, seed, 1500) == 0 ? 0 : 1;
}
