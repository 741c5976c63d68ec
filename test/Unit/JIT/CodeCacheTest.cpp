//===- CodeCacheTest.cpp - Keys, and code in memory -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTesting.h"
#include <cstdlib>

using namespace mk;

namespace {

CodeCacheOptions inMemory(uint64_t bytes = 64 << 20, uint32_t entries = 4096) {
  CodeCacheOptions options;
  options.memoryBytes = bytes;
  options.memoryEntries = entries;
  return options;
}

/// A variable of the environment, as long as the test runs.
class Variable {
public:
  Variable(const char *name, const char *value) : name(name) {
    if (const char *now = std::getenv(name))
      before = now;
    set(value);
  }
  ~Variable() { set(before ? before->c_str() : nullptr); }

private:
  void set(const char *value) { value ? setenv(name, value, 1) : unsetenv(name); }

  const char *name;
  std::optional<std::string> before;
};

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

TEST(CacheKey, isEqualWhenAllPartsAre) {
  EXPECT_EQ(makeKey(1), makeKey(1));
  EXPECT_EQ(makeKey(1).hash(), makeKey(1).hash());
  EXPECT_NE(makeKey(1), makeKey(2));
  EXPECT_NE(makeKey(1).hash(), makeKey(2).hash());
}

TEST(CacheKey, comparesSharedPartsByTheirBytes) {
  CacheKey a, b, c;
  a.add("isa", CacheKey::share("first"));
  b.add("isa", CacheKey::share("first"));
  c.add("isa", CacheKey::share("other"));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  // Even when the hashes collide.
  CacheKey d;
  d.add("isa", std::make_shared<const CacheKey::Shared>(CacheKey::Shared{"tsrif", CacheKey::share("first")->hash}));
  EXPECT_EQ(a.hash(), d.hash());
  EXPECT_NE(a, d);
}

/// The same letters, cut differently.
TEST(CacheKey, keepsPartsApart) {
  std::vector<CacheKey> keys(8);
  keys[0].add("ab", "cd").add("ef", "gh");
  keys[1].add("a", "bcd").add("ef", "gh");
  keys[2].add("ab", "c").add("def", "gh");
  keys[3].add("ab", "cd").add("ef", CacheKey::share("gh"));
  keys[4].add("ab", CacheKey::share("cd")).add("ef", "gh");
  keys[5].add("ef", "gh").add("ab", "cd");
  keys[6].add("ab", "cdefgh");
  for (size_t i = 0; i < keys.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      EXPECT_NE(keys[i], keys[j]) << i << ' ' << j;
      EXPECT_NE(keys[i].hash(), keys[j].hash()) << i << ' ' << j;
      EXPECT_NE(keys[i].bytes(), keys[j].bytes()) << i << ' ' << j;
    }
}

TEST(CacheKey, describesItsBytes) {
  using Parts = std::vector<std::pair<std::string, std::string>>;
  std::string bytes = makeKey(5).bytes();
  EXPECT_EQ(CacheKey::describe(bytes), (Parts{{"isa", "<100000 bytes>"}, {"opcode", "op5"}, {"chip", "sm_90"}}));
  EXPECT_EQ(CacheKey::describe(""), Parts());
  EXPECT_EQ(CacheKey::describe(bytes.substr(0, 40)), Parts());
  EXPECT_EQ(CacheKey::describe(std::string(40, '\xff')), Parts());
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

TEST(CodeCache, returnsWhatWasStored) {
  CodeCache cache(inMemory());
  EXPECT_EQ(cache.lookup(makeKey(1)), nullptr);
  std::shared_ptr<const CodeObject> stored = cache.insert(makeKey(1), makeCode(1));
  EXPECT_EQ(*stored, makeCode(1));
  EXPECT_EQ(cache.lookup(makeKey(1)), stored);
  EXPECT_EQ(cache.lookup(makeKey(2)), nullptr);
  EXPECT_EQ(*cache.insert(makeKey(1), makeCode(3)), makeCode(3));
  EXPECT_EQ(*cache.lookup(makeKey(1)), makeCode(3));

  CodeCacheStats stats = cache.stats();
  EXPECT_EQ(stats.memoryHits, 2u);
  EXPECT_EQ(stats.diskHits, 0u);
  EXPECT_EQ(stats.misses, 2u);
  EXPECT_EQ(stats.memoryEntries, 1u);
  EXPECT_EQ(stats.memoryEvictions, 0u);
  EXPECT_EQ(stats.defects, 0u);
}

/// Two keys of one hash: the other's code is not returned, and one of them is kept.
TEST(CodeCache, comparesKeysThatCollide) {
  CodeCache cache(inMemory());
  auto part = CacheKey::share("one");
  CacheKey one, other;
  one.add("isa", part);
  other.add("isa", std::make_shared<const CacheKey::Shared>(CacheKey::Shared{"two", part->hash}));
  cache.insert(one, makeCode(1));
  EXPECT_EQ(cache.lookup(other), nullptr);
  cache.insert(other, makeCode(2));
  EXPECT_EQ(*cache.lookup(other), makeCode(2));
  EXPECT_EQ(cache.lookup(one), nullptr);
  EXPECT_EQ(cache.stats().memoryEntries, 1u);
}

TEST(CodeCache, dropsTheLeastRecentlyUsed) {
  CodeCache cache(inMemory(64 << 20, 3));
  for (uint32_t i = 0; i < 3; ++i)
    cache.insert(makeKey(i), makeCode(i));
  EXPECT_NE(cache.lookup(makeKey(0)), nullptr);
  std::shared_ptr<const CodeObject> held = cache.lookup(makeKey(1));
  EXPECT_NE(cache.lookup(makeKey(0)), nullptr);
  EXPECT_NE(cache.lookup(makeKey(2)), nullptr);
  cache.insert(makeKey(3), makeCode(3));
  EXPECT_EQ(cache.lookup(makeKey(1)), nullptr);
  EXPECT_EQ(*held, makeCode(1));
  for (uint32_t i : {0, 2, 3})
    EXPECT_NE(cache.lookup(makeKey(i)), nullptr) << i;
  EXPECT_EQ(cache.stats().memoryEvictions, 1u);
  EXPECT_EQ(cache.stats().memoryEntries, 3u);
}

TEST(CodeCache, boundsItsBytes) {
  CodeCache cache(inMemory(1 << 20));
  for (uint32_t i = 0; i < 200; ++i) {
    cache.insert(makeKey(i), makeCode(i, 20000));
    ASSERT_LE(cache.stats().memoryBytes, 1u << 20);
  }
  CodeCacheStats stats = cache.stats();
  // The shared part is counted once: with it in each entry there would be room for 8.
  EXPECT_GT(stats.memoryEntries, 40u);
  EXPECT_EQ(stats.memoryEntries + stats.memoryEvictions, 200u);
  EXPECT_NE(cache.lookup(makeKey(199)), nullptr);

  // Too large for anything else to stay.
  cache.insert(makeKey(1000), makeCode(1000, 600000));
  EXPECT_EQ(cache.lookup(makeKey(1000)), nullptr);
  EXPECT_EQ(cache.stats().memoryEntries, stats.memoryEntries);

  cache.clear();
  EXPECT_EQ(cache.stats().memoryBytes, 0u);
  EXPECT_EQ(cache.stats().memoryEntries, 0u);
}

TEST(CodeCache, holdsNothingWithoutRoom) {
  CodeCache none(inMemory(64 << 20, 0)), small(inMemory(100));
  none.insert(makeKey(1), makeCode(1));
  small.insert(makeKey(1), makeCode(1));
  EXPECT_EQ(none.lookup(makeKey(1)), nullptr);
  EXPECT_EQ(small.lookup(makeKey(1)), nullptr);
}

TEST(CodeCache, forgetsBadCode) {
  TestFolder folder;
  CodeCacheOptions options;
  options.directory = folder.path;
  CodeCache cache(options);
  cache.insert(makeKey(1), makeCode(1));
  cache.insert(makeKey(2), makeCode(2));
  cache.erase(makeKey(1));
  EXPECT_EQ(cache.lookup(makeKey(1)), nullptr);
  EXPECT_NE(cache.lookup(makeKey(2)), nullptr);
  EXPECT_EQ(folder.files().size(), 1u);
  cache.erase(makeKey(1));
  EXPECT_EQ(cache.stats().defects, 0u);
}

//===----------------------------------------------------------------------===//
// One cache per folder
//===----------------------------------------------------------------------===//

TEST(CodeCache, isSharedByFolder) {
  TestFolder folder;
  CodeCacheOptions options;
  options.directory = folder.path;
  std::shared_ptr<CodeCache> cache = CodeCache::shared(options);
  options.directory = folder.path / "." / "";
  options.memoryEntries = 1;
  EXPECT_EQ(CodeCache::shared(options), cache);
  EXPECT_EQ(cache->options().memoryEntries, CodeCacheOptions().memoryEntries);
  EXPECT_EQ(cache->options().directory, folder.path);
  options.directory = "relative";
  EXPECT_EQ(CodeCache::shared(options)->options().directory, std::filesystem::current_path() / "relative");
  std::shared_ptr<CodeCache> memory = CodeCache::shared({});
  EXPECT_NE(memory, cache);
  EXPECT_EQ(CodeCache::shared({}), memory);
  // Nothing is made before something is stored.
  EXPECT_FALSE(std::filesystem::exists(folder.path));
}

TEST(CodeCache, knowsTheUsersFolder) {
  Variable home("HOME", "/home/someone");
  {
    Variable mk("MK_CACHE_DIR", nullptr), xdg("XDG_CACHE_HOME", nullptr);
    EXPECT_EQ(CodeCache::directoryFor(), "/home/someone/.cache/megakernel");
  }
  Variable xdg("XDG_CACHE_HOME", "/xdg");
  {
    Variable mk("MK_CACHE_DIR", "");
    EXPECT_EQ(CodeCache::directoryFor(), "/xdg/megakernel");
  }
  {
    Variable mk("MK_CACHE_DIR", "/mine");
    EXPECT_EQ(CodeCache::directoryFor(), "/mine");
    EXPECT_EQ(CodeCache::directoryFor("/given"), "/given");
    EXPECT_EQ(CodeCache::directoryFor("off"), "");
  }
  Variable mk("MK_CACHE_DIR", "off");
  EXPECT_EQ(CodeCache::directoryFor(), "");
  EXPECT_EQ(CodeCache::directoryFor("/given"), "/given");
}

} // namespace
