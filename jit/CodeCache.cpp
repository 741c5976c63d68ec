//===- CodeCache.cpp - Code that need not be compiled again -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Keys, and the part of the cache that is in memory.
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CodeCache.h"
#include "CodeCacheFolder.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <cstdlib>
#include <list>
#include <map>
#include <mutex>
#include <unordered_map>

using namespace mk;
using namespace llvm::support;

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

static CacheKey::Hash hashOf(std::string_view bytes) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(bytes));
  return {hash.low64, hash.high64};
}

static void appendNumber(std::string &text, uint64_t number) {
  char bytes[sizeof(number)];
  endian::write64le(bytes, number);
  text.append(bytes, sizeof(bytes));
}

/// Takes a number off the front.
static bool readNumber(std::string_view &text, uint64_t &number) {
  if (text.size() < sizeof(number))
    return false;
  number = endian::read64le(text.data());
  text.remove_prefix(sizeof(number));
  return true;
}

/// Takes a string of 'length' bytes off the front.
static bool readString(std::string_view &text, uint64_t length, std::string_view &string) {
  if (text.size() < length)
    return false;
  string = text.substr(0, length);
  text.remove_prefix(length);
  return true;
}

/// How a part begins in the text.
constexpr char valueTag = 'v', sharedTag = 's';

std::shared_ptr<const CacheKey::Shared> CacheKey::share(std::string bytes) {
  Hash hash = hashOf(bytes);
  return std::make_shared<const Shared>(Shared{std::move(bytes), hash});
}

CacheKey &CacheKey::add(std::string_view name, std::string_view value) {
  text += valueTag;
  appendNumber(text, name.size());
  text += name;
  appendNumber(text, value.size());
  text += value;
  return *this;
}

CacheKey &CacheKey::add(std::string_view name, std::shared_ptr<const Shared> value) {
  text += sharedTag;
  appendNumber(text, name.size());
  text += name;
  appendNumber(text, value->bytes.size());
  for (uint64_t word : value->hash)
    appendNumber(text, word);
  shared.push_back(std::move(value));
  return *this;
}

CacheKey::Hash CacheKey::hash() const { return hashOf(text); }

bool CacheKey::operator==(const CacheKey &other) const {
  // Equal texts have as many shared parts.
  return text == other.text &&
         llvm::equal(shared, other.shared, [](const auto &a, const auto &b) { return a == b || a->bytes == b->bytes; });
}

std::string CacheKey::bytes() const {
  size_t size = sizeof(uint64_t) + text.size();
  for (const auto &part : shared)
    size += part->bytes.size();
  std::string bytes;
  bytes.reserve(size);
  appendNumber(bytes, text.size());
  bytes += text;
  for (const auto &part : shared)
    bytes += part->bytes;
  return bytes;
}

std::vector<std::pair<std::string, std::string>> CacheKey::describe(std::string_view bytes) {
  std::vector<std::pair<std::string, std::string>> parts;
  uint64_t length;
  std::string_view text;
  if (!readNumber(bytes, length) || !readString(bytes, length, text))
    return {};
  while (!text.empty()) {
    const char tag = text.front();
    text.remove_prefix(1);
    std::string_view name, value;
    if (!readNumber(text, length) || !readString(text, length, name) || !readNumber(text, length) ||
        !readString(text, tag == sharedTag ? sizeof(Hash) : length, value))
      return {};
    parts.emplace_back(name, tag == sharedTag ? "<" + std::to_string(length) + " bytes>" : std::string(value));
  }
  return parts;
}

//===----------------------------------------------------------------------===//
// In memory
//===----------------------------------------------------------------------===//

namespace {
struct HashOfHash {
  size_t operator()(const CacheKey::Hash &hash) const { return hash[0]; }
};

/// Least recently used code goes first. Not thread-safe.
class MemoryCache {
public:
  MemoryCache(uint64_t maxBytes, uint32_t maxEntries) : maxBytes(maxBytes), maxEntries(maxEntries) {}

  std::shared_ptr<const CodeObject> lookup(const CacheKey &key) {
    auto found = index.find(key.hash());
    if (found == index.end() || found->second->key != key)
      return nullptr;
    entries.splice(entries.begin(), entries, found->second);
    return entries.front().code;
  }

  void insert(const CacheKey &key, std::shared_ptr<const CodeObject> code) {
    erase(key);
    Entry entry{key, std::move(code)};
    // One object is not worth half of the others.
    if (maxEntries == 0 || bytesOf(entry) > maxBytes / 2)
      return;
    bytes += bytesOf(entry);
    for (const auto &part : key.sharedParts())
      if (uses[part.get()]++ == 0)
        bytes += part->bytes.size();
    entries.push_front(std::move(entry));
    index[key.hash()] = entries.begin();
    while (bytes > maxBytes || entries.size() > maxEntries) {
      remove(std::prev(entries.end()));
      ++evictions;
    }
  }

  /// Whatever has the hash of this key: it is the same key, or as good as lost.
  void erase(const CacheKey &key) {
    auto found = index.find(key.hash());
    if (found != index.end())
      remove(found->second);
  }

  void clear() {
    while (!entries.empty())
      remove(entries.begin());
  }

  void addTo(CodeCacheStats &stats) const {
    stats.memoryEvictions += evictions;
    stats.memoryBytes += bytes;
    stats.memoryEntries += entries.size();
  }

private:
  struct Entry {
    CacheKey key;
    std::shared_ptr<const CodeObject> code;
  };

  static uint64_t bytesOf(const Entry &entry) {
    return sizeof(Entry) + sizeof(CodeObject) + entry.key.ownBytes() + entry.code->entry.size() +
           entry.code->bytes.size();
  }

  void remove(std::list<Entry>::iterator entry) {
    bytes -= bytesOf(*entry);
    for (const auto &part : entry->key.sharedParts()) {
      auto use = uses.find(part.get());
      if (--use->second == 0) {
        bytes -= part->bytes.size();
        uses.erase(use);
      }
    }
    index.erase(entry->key.hash());
    entries.erase(entry);
  }

  const uint64_t maxBytes;
  const uint32_t maxEntries;
  /// The most recently used first.
  std::list<Entry> entries;
  std::unordered_map<CacheKey::Hash, std::list<Entry>::iterator, HashOfHash> index;
  /// How often each shared part is in a key here.
  std::unordered_map<const CacheKey::Shared *, uint32_t> uses;
  uint64_t bytes = 0;
  uint64_t evictions = 0;
};
} // namespace

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

class CodeCache::Impl {
public:
  explicit Impl(CodeCacheOptions given)
      : options(std::move(given)), memory(options.memoryBytes, options.memoryEntries) {
    if (!options.directory.empty())
      folder.emplace(options.directory, options.diskBytes);
  }

  const CodeCacheOptions options;
  /// Guards the next three, and is not held while files are used.
  mutable std::mutex mutex;
  MemoryCache memory;
  CodeCacheStats counts;
  /// Changes when what a file held a moment ago may be old.
  uint64_t generation = 0;
  std::optional<CodeCacheFolder> folder;
};

/// An absolute path, so that it stays the same folder.
static CodeCacheOptions withAbsoluteFolder(CodeCacheOptions options) {
  if (options.directory.empty())
    return options;
  llvm::SmallString<128> path(options.directory);
  llvm::sys::fs::make_absolute(path);
  llvm::sys::path::remove_dots(path);
  options.directory = path.str();
  return options;
}

CodeCache::CodeCache(CodeCacheOptions options) : impl(std::make_unique<Impl>(withAbsoluteFolder(std::move(options)))) {}
CodeCache::~CodeCache() = default;

std::string CodeCache::directoryFor(std::string_view setting) {
  if (setting == "off")
    return {};
  if (!setting.empty())
    return std::string(setting);
  if (const char *variable = std::getenv("MK_CACHE_DIR"); variable && *variable)
    return directoryFor(variable);
  llvm::SmallString<128> path;
  if (!llvm::sys::path::cache_directory(path))
    return {};
  llvm::sys::path::append(path, "megakernel");
  return path.str().str();
}

std::shared_ptr<CodeCache> CodeCache::shared(const CodeCacheOptions &given) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<CodeCache>> caches;
  CodeCacheOptions options = withAbsoluteFolder(given);
  std::lock_guard lock(mutex);
  std::weak_ptr<CodeCache> &known = caches[options.directory];
  std::shared_ptr<CodeCache> cache = known.lock();
  if (!cache)
    known = cache = std::make_shared<CodeCache>(std::move(options));
  return cache;
}

std::shared_ptr<const CodeObject> CodeCache::lookup(const CacheKey &key) {
  uint64_t generation;
  {
    std::lock_guard lock(impl->mutex);
    if (std::shared_ptr<const CodeObject> code = impl->memory.lookup(key)) {
      ++impl->counts.memoryHits;
      return code;
    }
    generation = impl->generation;
  }
  std::optional<CodeObject> read;
  if (impl->folder)
    read = impl->folder->read(key);
  std::shared_ptr<const CodeObject> code;
  if (read)
    code = std::make_shared<const CodeObject>(std::move(*read));
  std::lock_guard lock(impl->mutex);
  if (!code) {
    ++impl->counts.misses;
    return nullptr;
  }
  ++impl->counts.diskHits;
  if (generation == impl->generation)
    impl->memory.insert(key, code);
  return code;
}

// The next three change the files first: what a lookup has read before counts as old after.

std::shared_ptr<const CodeObject> CodeCache::insert(const CacheKey &key, CodeObject object) {
  auto code = std::make_shared<const CodeObject>(std::move(object));
  if (impl->folder)
    impl->folder->write(key, *code);
  std::lock_guard lock(impl->mutex);
  impl->memory.insert(key, code);
  ++impl->generation;
  return code;
}

void CodeCache::erase(const CacheKey &key) {
  if (impl->folder)
    impl->folder->erase(key);
  std::lock_guard lock(impl->mutex);
  impl->memory.erase(key);
  ++impl->generation;
}

uint64_t CodeCache::clear() {
  uint64_t files = impl->folder ? impl->folder->clear() : 0;
  std::lock_guard lock(impl->mutex);
  impl->memory.clear();
  ++impl->generation;
  return files;
}

CodeCacheStats CodeCache::stats() const {
  std::lock_guard lock(impl->mutex);
  CodeCacheStats stats = impl->counts;
  impl->memory.addTo(stats);
  if (impl->folder)
    impl->folder->addTo(stats);
  return stats;
}

std::vector<CodeCacheFile> CodeCache::list() {
  return impl->folder ? impl->folder->list() : std::vector<CodeCacheFile>();
}

const CodeCacheOptions &CodeCache::options() const { return impl->options; }
