//===- CodeCacheFilesTest.cpp - Code in files, sound and otherwise ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTesting.h"
#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace mk;
namespace fs = std::filesystem;

namespace {

class CodeCacheFiles : public testing::Test {
protected:
  /// A cache that has nothing in memory yet, as that of a new process.
  std::unique_ptr<CodeCache> open(uint64_t diskBytes = 256 << 20) {
    CodeCacheOptions options;
    options.directory = folder.path;
    options.diskBytes = diskBytes;
    return std::make_unique<CodeCache>(options);
  }

  /// Stores the code of a key, and returns its file.
  fs::path store(uint32_t number) {
    std::vector<fs::path> before = folder.files();
    open()->insert(makeKey(number), makeCode(number));
    for (const fs::path &file : folder.files())
      if (std::find(before.begin(), before.end(), file) == before.end())
        return file;
    ADD_FAILURE() << "no file was written";
    return {};
  }

  /// A miss because of a defect that says 'what', after which the code can be stored again.
  void expectDefect(const std::string &what, bool canBeStored = true) {
    std::unique_ptr<CodeCache> cache = open();
    EXPECT_EQ(cache->lookup(makeKey(1)), nullptr);
    CodeCacheStats stats = cache->stats();
    EXPECT_EQ(stats.misses, 1u);
    EXPECT_EQ(stats.defects, 1u);
    EXPECT_NE(stats.firstDefect.find(what), std::string::npos) << stats.firstDefect;
    EXPECT_EQ(*cache->insert(makeKey(1), makeCode(1)), makeCode(1));
    EXPECT_NE(cache->lookup(makeKey(1)), nullptr);
    EXPECT_EQ(open()->lookup(makeKey(1)) != nullptr, canBeStored);
  }

  TestFolder folder;
};

/// Without the rights of root, if it has them.
class PlainUser {
public:
  explicit PlainUser(const fs::path &folder) {
    if (!isRoot)
      return;
    for (const auto &item : fs::recursive_directory_iterator(folder))
      EXPECT_EQ(lchown(item.path().c_str(), nobody, nobody), 0);
    EXPECT_EQ(chown(folder.c_str(), nobody, nobody), 0);
    EXPECT_EQ(seteuid(nobody), 0);
  }
  ~PlainUser() {
    if (isRoot)
      EXPECT_EQ(seteuid(0), 0);
  }

private:
  static constexpr uid_t nobody = 65534;
  const bool isRoot = geteuid() == 0;
};

//===----------------------------------------------------------------------===//
// Sound files
//===----------------------------------------------------------------------===//

TEST_F(CodeCacheFiles, outliveTheProcess) {
  store(1);
  std::unique_ptr<CodeCache> cache = open();
  std::shared_ptr<const CodeObject> code = cache->lookup(makeKey(1));
  ASSERT_NE(code, nullptr);
  EXPECT_EQ(*code, makeCode(1));
  EXPECT_EQ(cache->lookup(makeKey(1)), code);
  EXPECT_EQ(cache->lookup(makeKey(2)), nullptr);
  CodeCacheStats stats = cache->stats();
  EXPECT_EQ(stats.diskHits, 1u);
  EXPECT_EQ(stats.memoryHits, 1u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.defects, 0u);
}

TEST_F(CodeCacheFiles, belongToTheUserAlone) {
  fs::path file = store(1);
  struct stat status;
  ASSERT_EQ(stat(folder.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(CodeCacheFiles, areListedWithTheLastUsedFirst) {
  fs::path first = store(1), second = store(2);
  fs::last_write_time(first, fs::file_time_type::clock::now() - std::chrono::hours(3));
  fs::last_write_time(second, fs::file_time_type::clock::now() - std::chrono::hours(2));
  writeFile(folder.path / "unrelated.txt", "not ours");
  std::vector<CodeCacheFile> files = open()->list();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, second.filename());
  EXPECT_EQ(files[0].entry, "op2");
  EXPECT_EQ(files[0].format, CodeObject::Format::Cubin);
  EXPECT_EQ(files[0].bytes, (fs::file_size(second) + 4095) / 4096 * 4096);
  EXPECT_EQ(files[0].key[1], (std::pair<std::string, std::string>("opcode", "op2")));
  EXPECT_EQ(files[1].name, first.filename());
  // A look is no use, a hit is.
  EXPECT_EQ(open()->list()[1].lastUse, files[1].lastUse);
  EXPECT_NE(open()->lookup(makeKey(1)), nullptr);
  EXPECT_EQ(open()->list()[0].name, first.filename());
}

TEST_F(CodeCacheFiles, areCleared) {
  store(1);
  store(2);
  writeFile(folder.path / "unrelated.txt", "not ours");
  EXPECT_EQ(open()->clear(), 2u);
  EXPECT_EQ(folder.files(), std::vector<fs::path>{folder.path / "unrelated.txt"});
  EXPECT_EQ(open()->clear(), 0u);
  fs::remove_all(folder.path);
  EXPECT_EQ(open()->clear(), 0u);
  EXPECT_TRUE(open()->list().empty());
}

TEST_F(CodeCacheFiles, areBounded) {
  const uint64_t limit = 1 << 20;
  auto size = [&] {
    uint64_t bytes = 0;
    for (const CodeCacheFile &file : open()->list())
      bytes += file.bytes;
    return bytes;
  };
  std::unique_ptr<CodeCache> cache = open(limit);
  // 100 KiB each, with the key.
  for (uint32_t i = 0; i < 10; ++i)
    cache->insert(makeKey(i), makeCode(i));
  EXPECT_EQ(cache->stats().diskEvictions, 0u);
  // The first is used again, those after it are not.
  std::vector<CodeCacheFile> files = open()->list();
  for (size_t i = 0; i < files.size(); ++i) {
    uint32_t age = std::stoi(files[i].entry.substr(2)) + 1;
    fs::last_write_time(folder.path / files[i].name, fs::file_time_type::clock::now() - std::chrono::hours(100 - age));
  }
  EXPECT_NE(open()->lookup(makeKey(0)), nullptr);
  cache->insert(makeKey(10), makeCode(10));
  EXPECT_LE(size(), limit);
  EXPECT_GT(size(), limit / 2);
  EXPECT_EQ(cache->stats().diskEvictions, 3u);
  std::unique_ptr<CodeCache> fresh = open();
  EXPECT_NE(fresh->lookup(makeKey(0)), nullptr);
  for (uint32_t i : {1, 2, 3})
    EXPECT_EQ(fresh->lookup(makeKey(i)), nullptr) << i;
  EXPECT_NE(fresh->lookup(makeKey(4)), nullptr);

  // What takes more than half of the room is not stored, but it is there for this process.
  cache->insert(makeKey(20), makeCode(20, limit / 2));
  EXPECT_NE(cache->lookup(makeKey(20)), nullptr);
  EXPECT_EQ(open()->lookup(makeKey(20)), nullptr);
  EXPECT_EQ(cache->stats().defects, 0u);
}

/// A writer that died leaves a file of a name of its own, which goes after an hour.
TEST_F(CodeCacheFiles, ofDeadWritersAreRemoved) {
  fs::path file = store(1);
  fs::path old = file.string() + ".0123456789abcdef", young = file.string() + ".fedcba9876543210";
  writeFile(old, "half");
  writeFile(young, "half");
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::minutes(61));
  store(2);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_EQ(open()->list().size(), 2u);
  EXPECT_EQ(open()->clear(), 2u);
  EXPECT_TRUE(fs::exists(young));
}

//===----------------------------------------------------------------------===//
// Damaged files
//===----------------------------------------------------------------------===//

TEST_F(CodeCacheFiles, thatAreCutShortAreMisses) {
  fs::path file = store(1);
  fs::resize_file(file, fs::file_size(file) - 1);
  expectDefect("is damaged; it is removed");
  fs::resize_file(file, 31);
  expectDefect("has an impossible size; it is removed");
  fs::resize_file(file, 0);
  expectDefect("has an impossible size; it is removed");
}

TEST_F(CodeCacheFiles, ofImpossibleSizeAreNotRead) {
  fs::resize_file(store(1), uint64_t(1) << 40);
  expectDefect("has an impossible size; it is removed");
}

TEST_F(CodeCacheFiles, ofAnotherVersionAreMisses) {
  fs::path file = store(1);
  std::string bytes = readFile(file);
  ++bytes[7];
  writeFile(file, bytes);
  EXPECT_EQ(open()->list().size(), 0u);
  EXPECT_FALSE(fs::exists(file));
  writeFile(file, bytes);
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  expectDefect("is of another version; it is removed");
}

/// A sound file under the name of another key: hashes that collide would look like that.
TEST_F(CodeCacheFiles, ofAnotherKeyAreMisses) {
  fs::path file = store(1), other = store(2);
  fs::copy_file(other, file, fs::copy_options::overwrite_existing);
  expectDefect("is code for another key; it is removed");
  EXPECT_EQ(*open()->lookup(makeKey(2)), makeCode(2));
}

/// Sound by its checksum, but not by what it holds: the program that wrote it was wrong.
TEST_F(CodeCacheFiles, withoutCodeAreMisses) {
  CodeObject impossible = makeCode(1);
  impossible.format = CodeObject::Format(9);
  open()->insert(makeKey(1), impossible);
  expectDefect("holds no code; it is removed");
}

TEST_F(CodeCacheFiles, withAnyDamageAreMisses) {
  const fs::path file = store(1);
  const std::string good = readFile(file);
  std::mt19937 random(11);
  for (unsigned round = 0; round < 2000; ++round) {
    std::string bytes = good;
    switch (random() % 4) {
    case 0:
      // One bit, every other time of the first 64 bytes.
      bytes[random() % (random() % 2 ? 64 : bytes.size())] ^= char(1 << random() % 8);
      break;
    case 1:
      bytes.resize(random() % bytes.size());
      break;
    case 2: {
      size_t begin = random() % bytes.size(), count = random() % (bytes.size() - begin) + 1;
      for (size_t i = begin; i < begin + count; ++i)
        bytes[i] = char(random());
      break;
    }
    case 3:
      bytes.append(random() % 100 + 1, char(random()));
      break;
    }
    ASSERT_NE(bytes, good);
    writeFile(file, bytes);
    std::unique_ptr<CodeCache> cache = open();
    ASSERT_EQ(cache->lookup(makeKey(1)), nullptr) << "round " << round;
    ASSERT_EQ(cache->stats().defects, 1u) << "round " << round;
    ASSERT_FALSE(fs::exists(file)) << "round " << round;
  }
  open()->insert(makeKey(1), makeCode(1));
  EXPECT_EQ(readFile(file), good);
}

//===----------------------------------------------------------------------===//
// Files and folders that are not what they should be
//===----------------------------------------------------------------------===//

TEST_F(CodeCacheFiles, areNotReadThroughLinks) {
  fs::path file = store(1), elsewhere = folder.path / "elsewhere";
  fs::rename(file, elsewhere);
  fs::create_symlink(elsewhere, file);
  expectDefect("cannot be opened: Too many levels of symbolic links");
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file)));
  EXPECT_TRUE(fs::exists(elsewhere));
}

TEST_F(CodeCacheFiles, mayBePipesOrFolders) {
  fs::path file = store(1);
  fs::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  expectDefect("is no file of this user alone");
  fs::remove(file);
  fs::create_directory(file);
  expectDefect("is no file of this user alone", /*canBeStored=*/false);
  fs::remove(file);
}

TEST_F(CodeCacheFiles, thatOthersCanWriteAreRefused) {
  fs::path file = store(1);
  fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
  expectDefect("is no file of this user alone");
}

TEST_F(CodeCacheFiles, ofOtherUsersAreRefused) {
  fs::path file = store(1);
  if (geteuid() != 0)
    GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(chown(file.c_str(), 1, 1), 0);
  expectDefect("is no file of this user alone");
}

TEST_F(CodeCacheFiles, thatCannotBeReadAreMisses) {
  fs::path file = store(1);
  PlainUser user(folder.path);
  fs::permissions(file, fs::perms::none);
  expectDefect("cannot be opened: Permission denied");
}

TEST_F(CodeCacheFiles, needAFolderOfTheUser) {
  store(1);
  fs::permissions(folder.path, fs::perms::group_write, fs::perm_options::add);
  expectDefect("belongs to another user or can be written by others", /*canBeStored=*/false);
  fs::permissions(folder.path, fs::perms::group_write, fs::perm_options::remove);
  if (geteuid() != 0)
    GTEST_SKIP() << "only root can give folders away";
  ASSERT_EQ(chown(folder.path.c_str(), 1, 1), 0);
  expectDefect("belongs to another user or can be written by others", /*canBeStored=*/false);
}

TEST_F(CodeCacheFiles, needAFolderThatIsNoLink) {
  store(1);
  fs::path real = folder.path.string() + "-real";
  fs::rename(folder.path, real);
  fs::create_directory_symlink(real, folder.path);
  expectDefect("cannot be used as a folder: Not a directory", /*canBeStored=*/false);
  fs::remove_all(real);
}

TEST_F(CodeCacheFiles, needAFolderThatIsNoFile) {
  writeFile(folder.path, "a file");
  expectDefect("cannot be used as a folder: Not a directory", /*canBeStored=*/false);
  EXPECT_EQ(readFile(folder.path), "a file");
}

TEST_F(CodeCacheFiles, needAFolderThatCanBeMade) {
  writeFile(folder.path, "a file");
  CodeCacheOptions options;
  options.directory = folder.path / "below";
  CodeCache cache(options);
  cache.insert(makeKey(1), makeCode(1));
  EXPECT_NE(cache.lookup(makeKey(1)), nullptr);
  EXPECT_EQ(cache.stats().defects, 1u);
}

TEST_F(CodeCacheFiles, mayLoseTheirFolder) {
  std::unique_ptr<CodeCache> cache = open();
  cache->insert(makeKey(1), makeCode(1));
  fs::remove_all(folder.path);
  EXPECT_NE(cache->lookup(makeKey(1)), nullptr);
  EXPECT_EQ(cache->lookup(makeKey(2)), nullptr);
  cache->insert(makeKey(2), makeCode(2));
  EXPECT_NE(open()->lookup(makeKey(2)), nullptr);
  EXPECT_EQ(cache->stats().defects, 0u);
}

TEST_F(CodeCacheFiles, canBeReadWhereNothingCanBeWritten) {
  store(1);
  PlainUser user(folder.path);
  fs::permissions(folder.path, fs::perms::owner_read | fs::perms::owner_exec);
  std::unique_ptr<CodeCache> cache = open();
  EXPECT_NE(cache->lookup(makeKey(1)), nullptr);
  EXPECT_EQ(cache->stats().defects, 0u);
  cache->insert(makeKey(2), makeCode(2));
  EXPECT_NE(cache->lookup(makeKey(2)), nullptr);
  EXPECT_EQ(cache->stats().defects, 1u);
  EXPECT_NE(cache->stats().firstDefect.find("cannot be written: Permission denied"), std::string::npos);
  fs::permissions(folder.path, fs::perms::owner_all);
}

/// A limit on the size of files ends a write in the middle, as a full disk does.
TEST_F(CodeCacheFiles, areNotLeftHalfWrittenOnAFullDisk) {
  store(1);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto *handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = {50000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::unique_ptr<CodeCache> cache = open();
  cache->insert(makeKey(2), makeCode(2));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(cache->lookup(makeKey(2)), nullptr);
  EXPECT_EQ(cache->stats().defects, 1u);
  EXPECT_NE(cache->stats().firstDefect.find("cannot be written: File too large"), std::string::npos);
  EXPECT_EQ(folder.files().size(), 1u);
}

/// However much goes wrong, one message is kept.
TEST_F(CodeCacheFiles, warnOnce) {
  writeFile(folder.path, "a file");
  std::unique_ptr<CodeCache> cache = open();
  EXPECT_EQ(cache->stats().firstDefect, "");
  cache->lookup(makeKey(1));
  std::string first = cache->stats().firstDefect;
  fs::remove(folder.path);
  fs::create_directory(folder.path);
  fs::permissions(folder.path, fs::perms::all);
  cache->lookup(makeKey(1));
  EXPECT_EQ(cache->stats().defects, 2u);
  EXPECT_EQ(cache->stats().firstDefect, first);
}

} // namespace
