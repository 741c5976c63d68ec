//===- CacheFlags.cpp - The code cache on command lines ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CacheFlags.h"
#include "mk/JIT/CodeCache.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Chrono.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/WithColor.h"
#include "llvm/Support/raw_ostream.h"

using namespace mk;
namespace cl = llvm::cl;

CacheDirectoryFlag::CacheDirectoryFlag(cl::OptionCategory &category)
    : setting("jit-cache", cl::value_desc("DIR|off"), cl::cat(category),
              cl::desc("Folder of the code cache (default: $MK_CACHE_DIR, or megakernel in the user's cache folder)")) {
}

std::string CacheDirectoryFlag::directory() const { return CodeCache::directoryFor(setting.getValue()); }

CacheFlags::CacheFlags(cl::OptionCategory &category)
    : CacheDirectoryFlag(category),
      show("jit-cache-show", cl::desc("List what is in the code cache, and do nothing else"), cl::cat(category)),
      clear("jit-cache-clear", cl::desc("Empty the code cache, and do nothing else"), cl::cat(category)) {}

static std::string countOf(uint64_t files) { return std::to_string(files) + (files == 1 ? " file" : " files"); }

/// The parts of a key on one line.
static std::string lineOf(const CodeCacheFile &file) {
  constexpr size_t longest = 24;
  std::string line;
  llvm::raw_string_ostream os(line);
  for (const auto &[name, value] : file.key) {
    os << ' ' << name << '=';
    llvm::printEscapedString(llvm::StringRef(value).take_front(longest), os);
    if (value.size() > longest)
      os << "...";
  }
  return line;
}

void CacheFlags::run(llvm::raw_ostream &os) const {
  CodeCacheOptions options;
  options.directory = directory();
  if (options.directory.empty()) {
    os << "the code cache is off: nothing is kept in files\n";
    return;
  }
  CodeCache cache(options);
  const std::string &folder = cache.options().directory;
  if (clear)
    os << folder << ": " << countOf(cache.clear()) << " removed\n";
  if (show) {
    std::vector<CodeCacheFile> files = cache.list();
    uint64_t bytes = 0;
    for (const CodeCacheFile &file : files)
      bytes += file.bytes;
    os << llvm::formatv("{0}: {1}, {2} KiB of {3} MiB\n", folder, countOf(files.size()), bytes >> 10,
                        options.diskBytes >> 20);
    if (!files.empty())
      os << "last use             KiB    code               entry\n";
    for (const CodeCacheFile &file : files)
      os << llvm::formatv("{0:%Y-%m-%d %H:%M:%S}  {1,-5}  {2,-17}  {3}{4}\n", llvm::sys::TimePoint<>(file.lastUse),
                          file.bytes >> 10, stringifyCodeFormat(file.format), file.entry, lineOf(file));
  }
  if (std::string defect = cache.stats().firstDefect; !defect.empty())
    llvm::WithColor::warning() << defect << '\n';
}
