//===- ControlTest.cpp - Control words and debug log ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <gtest/gtest.h>
#include <random>

namespace mk::test {

using Words = std::vector<uint32_t>;

static Expected<DebugLog> decode(const Words &words) { return decodeDebugLog(std::as_bytes(std::span(words))); }

TEST(DebugLog, Decodes) {
  EXPECT_TRUE(decode({0, 7, 7, 7, 7})->records.empty());
  EXPECT_EQ(decode({4, 1, 2, 3, 32, 9, 9, 9, 9})->records, (std::vector<DebugRecord>{{1, 2, 3, 2}}));
  // What did not fit leaves the cursor beyond the end.
  EXPECT_EQ(decode({12, 1, 2, 3, 32})->records.size(), 1u);
  EXPECT_EQ(decode({~0u, 1, 2, 3, 32})->records.size(), 1u);
  EXPECT_TRUE(decode({9})->records.empty());
}

TEST(DebugLog, RefusesWhatIsNone) {
  auto message = [](const Expected<DebugLog> &log) { return log ? "" : log.error().message; };
  EXPECT_EQ(message(decode({})), "a debug log of 0 bytes, but it begins with a word that counts");
  EXPECT_EQ(message(decode({5, 1, 2, 3, 4, 5, 6, 7, 8})), "a debug log with 5 words of records, which have 4 each");
  const std::byte bytes[7] = {};
  EXPECT_EQ(message(decodeDebugLog(bytes)), "a debug log of 7 bytes, but it consists of words of 4 bytes");
}

TEST(DebugLog, TakesAnyBytes) {
  std::mt19937 rng(7);
  std::vector<std::byte> bytes(1028);
  for (std::byte &byte : bytes)
    byte = std::byte(rng());
  for (size_t size = 0; size <= bytes.size(); ++size)
    for (uint32_t cursor : {0u, 4u, 5u, 256u, 260u, ~0u}) {
      for (size_t i = 0; i < std::min<size_t>(size, 4); ++i)
        bytes[i] = std::byte(cursor >> 8 * i);
      if (auto log = decodeDebugLog(std::span(bytes).first(size)))
        EXPECT_LE(log->records.size() * 16 + 4, size);
    }
}

TEST(Control, OptionsHaveARange) {
  auto message = [](const EngineOptions &options) {
    auto engine = Engine::create(createHostDevice({1}), std::make_unique<FakeCode>(), options);
    return engine ? "" : engine.error().message;
  };
  EngineOptions options;
  options.observables = (1 << 20) + 1;
  EXPECT_EQ(message(options), "EngineOptions::observables is 1048577, but at most 1048576 are possible");
  options = {};
  options.debugRecords = (1 << 20) + 1;
  EXPECT_EQ(message(options), "EngineOptions::debugRecords is 1048577, but at most 1048576 are possible");
  options = {};
  options.tenantRights.resize(30);
  EXPECT_EQ(message(options), "EngineOptions::tenantRights.size() is 30, but at most 29 are possible");
}

} // namespace mk::test
