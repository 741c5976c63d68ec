//===- CacheTesting.h - What tests of the code cache share --------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TEST_UNIT_JIT_CACHETESTING_H
#define TEST_UNIT_JIT_CACHETESTING_H

#include "mk/JIT/CodeCache.h"
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

/// A folder of its own, which goes with the test. It is not made.
class TestFolder {
public:
  TestFolder() : path(testing::TempDir() + "mk-cache-test-" + std::to_string(getpid())) {
    std::filesystem::remove_all(path);
  }
  ~TestFolder() { std::filesystem::remove_all(path); }

  /// The files in it.
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> result;
    if (std::filesystem::exists(path))
      for (const auto &item : std::filesystem::directory_iterator(path))
        result.push_back(item.path());
    return result;
  }

  const std::filesystem::path path;
};

inline std::string readFile(const std::filesystem::path &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline void writeFile(const std::filesystem::path &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A long part that all keys of the tests share, as an ISA would be.
inline const std::shared_ptr<const mk::CacheKey::Shared> &testIsa() {
  static const auto isa = mk::CacheKey::share(std::string(100000, 'i'));
  return isa;
}

inline mk::CacheKey makeKey(uint32_t number) {
  mk::CacheKey key;
  key.add("isa", testIsa()).add("opcode", "op" + std::to_string(number)).add("chip", "sm_90");
  return key;
}

/// Code that tells which key it is for, and of a size that depends on it.
inline mk::CodeObject makeCode(uint32_t number, size_t bytes = 1000) {
  mk::CodeObject code;
  code.format = mk::CodeObject::Format::Cubin;
  code.entry = "op" + std::to_string(number);
  code.bytes = std::string(bytes + number % 7, char('a' + number % 26));
  return code;
}

/// The process that the stress test starts several of: stores and looks up in 'folder', in an order of its own. Its
/// exit code is 0 if it saw no wrong code.
constexpr const char *cacheFighterMode = "--fight-over-cache";
int fightOverCache(const std::string &folder, unsigned seed);

#endif // TEST_UNIT_JIT_CACHETESTING_H
