//===- CodeCache.h - Code that need not be compiled again ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code objects by what they were made from, in memory and in files that outlive the process:
//
//   auto isa = mk::CacheKey::share(bytecode);
//   auto cache = mk::CodeCache::shared({});
//   mk::CacheKey key;
//   key.add("isa", isa).add("opcode", "axpy").add("chip", "sm_90").add("compiler", build);
//   auto code = cache->lookup(key);
//   if (!code)
//     code = cache->insert(key, compile());
//
// Files may be damaged, foreign or gone, and disks full: that is a miss, never an error. docs/Code-cache.md describes
// the folder. Neither this header nor those it includes need LLVM or MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_CODECACHE_H
#define MK_JIT_CODECACHE_H

#include "mk/JIT/CodeObject.h"
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mk {

/// Everything that a piece of code depends on, as a list of named parts. Two keys are equal when all parts are, in
/// their order; the hash only finds the candidate.
class CacheKey {
public:
  /// 128 bits.
  using Hash = std::array<uint64_t, 2>;

  /// A long part that many keys have in common. It is hashed when it is made, and never again.
  struct Shared {
    std::string bytes;
    Hash hash;
  };
  static std::shared_ptr<const Shared> share(std::string bytes);

  /// Adds a part. Both return *this.
  CacheKey &add(std::string_view name, std::string_view value);
  CacheKey &add(std::string_view name, std::shared_ptr<const Shared> value);

  Hash hash() const;
  bool operator==(const CacheKey &other) const;

  /// The whole key as bytes, and its parts from such bytes: those that were added by value, the others as
  /// "<N bytes>". Nothing when they are not the bytes of a key.
  std::string bytes() const;
  static std::vector<std::pair<std::string, std::string>> describe(std::string_view bytes);

  /// Bytes of memory that it takes, and the parts that it shares, which are not counted.
  size_t ownBytes() const { return text.capacity() + shared.capacity() * sizeof(shared[0]); }
  const std::vector<std::shared_ptr<const Shared>> &sharedParts() const { return shared; }

private:
  /// Names, lengths and values; of a shared part the hash stands for the value.
  std::string text;
  std::vector<std::shared_ptr<const Shared>> shared;
};

struct CodeCacheOptions {
  /// The folder of the files. Made when something is stored; empty for memory alone.
  std::string directory;
  /// Bounds of what is kept in memory: the least recently used goes first.
  uint64_t memoryBytes = 64 << 20;
  uint32_t memoryEntries = 4096;
  /// Bound of the files, which are counted in blocks of 4 KiB: likewise. Several processes that store at the same
  /// moment may exceed it for a while, each by 1/64.
  uint64_t diskBytes = 256 << 20;
};

struct CodeCacheStats {
  uint64_t memoryHits = 0;
  uint64_t diskHits = 0;
  uint64_t misses = 0;
  /// Code that was dropped for the sake of the bounds.
  uint64_t memoryEvictions = 0;
  uint64_t diskEvictions = 0;
  /// What is in memory now.
  uint64_t memoryBytes = 0;
  uint64_t memoryEntries = 0;
  /// Times that a file or the folder could not be used, or not written.
  uint64_t defects = 0;
  /// The first of them in words, for whoever wants to tell the user; empty while there is none.
  std::string firstDefect;
};

/// One file of the cache.
struct CodeCacheFile {
  std::string name;
  uint64_t bytes = 0;
  std::chrono::system_clock::time_point lastUse;
  /// The parts of the key, as CacheKey::describe() has them.
  std::vector<std::pair<std::string, std::string>> key;
  CodeObject::Format format = CodeObject::Format::Ptx;
  std::string entry;
};

/// Thread safety: all of it may be used by several threads, and one folder by several processes, at once. Nobody waits
/// for the files that another thread reads or writes.
class CodeCache {
public:
  /// The folder that a setting asks for: "off" is none, nothing is the default, which is $MK_CACHE_DIR (a setting like
  /// this one), or megakernel below $XDG_CACHE_HOME or ~/.cache.
  static std::string directoryFor(std::string_view setting = {});

  explicit CodeCache(CodeCacheOptions options);
  ~CodeCache();

  /// The cache of this process for a folder: while somebody holds it everybody gets the same one, with the bounds of
  /// who came first.
  static std::shared_ptr<CodeCache> shared(const CodeCacheOptions &options);

  /// The code, or null.
  std::shared_ptr<const CodeObject> lookup(const CacheKey &key);

  /// Keeps 'code', in place of what was there. The file is written by the calling thread.
  std::shared_ptr<const CodeObject> insert(const CacheKey &key, CodeObject code);

  /// Forgets code that turned out to be bad.
  void erase(const CacheKey &key);

  CodeCacheStats stats() const;

  /// Forgets everything; returns how many files were removed.
  uint64_t clear();

  /// The sound files of the folder, the most recently used first.
  std::vector<CodeCacheFile> list();

  const CodeCacheOptions &options() const;

private:
  class Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_JIT_CODECACHE_H
