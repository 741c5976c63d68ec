//===- CodeCacheFolder.h - The files of the code cache ------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef JIT_CODECACHEFOLDER_H
#define JIT_CODECACHEFOLDER_H

#include "mk/JIT/CodeCache.h"
#include <atomic>
#include <mutex>
#include <optional>

namespace mk {

/// An open file or folder, closed at the end of the scope.
class Descriptor {
public:
  explicit Descriptor(int number) : number(number) {}
  Descriptor(Descriptor &&other) : number(std::exchange(other.number, -1)) {}
  Descriptor &operator=(Descriptor &&) = delete;
  ~Descriptor();
  /// Negative if it could not be opened.
  operator int() const { return number; }

private:
  int number;
};

/// A folder with a file per key, named by its hash. Nothing is held open or locked between calls, so that other
/// processes, and people, may do what they like with it. Thread-safe.
class CodeCacheFolder {
public:
  CodeCacheFolder(std::string path, uint64_t limit) : path(std::move(path)), limit(limit) {}

  std::optional<CodeObject> read(const CacheKey &key);
  void write(const CacheKey &key, const CodeObject &code);
  void erase(const CacheKey &key);
  uint64_t clear();
  std::vector<CodeCacheFile> list();

  /// Adds what this folder has counted.
  void addTo(CodeCacheStats &stats) const;

private:
  /// The folder, open, when there is one that may be trusted; made first if 'create' says so.
  std::optional<Descriptor> open(bool create);
  /// One is not worth more than half of the others.
  uint64_t largestFile() const { return limit / 2; }
  /// What is in a sound file.
  struct Content {
    std::string key;
    CodeObject code;
  };
  std::optional<Content> load(int folder, const std::string &name);
  /// Removes old files until the bound holds, and what writers that died left behind.
  void trim(int folder);
  /// Counts something that cannot be used, the folder itself if it has no name.
  void noteDefect(const std::string &what, const std::string &name = {});
  /// The same for a file of ours, which is no use to anybody and therefore removed.
  void discard(int folder, const std::string &what, const std::string &name);

  const std::string path;
  const uint64_t limit;
  /// Bytes that this process has written since it last trimmed. At first, the limit: others may have written.
  std::atomic<uint64_t> untrimmed = limit;
  std::atomic<uint64_t> evictions = 0;
  std::atomic<uint64_t> defects = 0;
  mutable std::mutex firstDefectMutex;
  std::string firstDefect;
};

} // namespace mk

#endif // JIT_CODECACHEFOLDER_H
