//===- CodeCacheFolder.cpp - The files of the code cache --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The code in the files is run, so a file counts only if nobody else can have written it: the folder and the file
// belong to this user, others may not write them, and no link leads there. A file appears under its name complete, by a
// rename. Nothing is flushed to the disk before: after a power cut the checksum tells.
//
// Files are read rather than mapped, since another process may truncate what is mapped.
//
//===----------------------------------------------------------------------===//

#include "CodeCacheFolder.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <algorithm>
#include <dirent.h>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace mk;
using namespace llvm::support;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// The form of a file
//===----------------------------------------------------------------------===//

namespace {
/// A file is this, the key, and the serialised code.
struct Header {
  char magic[8];
  /// Of everything that follows it.
  ulittle64_t check[2];
  ulittle64_t keyBytes;
};
static_assert(sizeof(Header) == 32 && alignof(Header) == 1);
} // namespace

/// The last byte is the version of the form.
constexpr std::string_view magic = "MKCACHE\1";
constexpr size_t checkedFrom = offsetof(Header, keyBytes);

static CacheKey::Hash checksum(StringRef file) {
  llvm::XXH128_hash_t hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(file.substr(checkedFrom)));
  return {hash.low64, hash.high64};
}

static std::string makeFile(StringRef key, StringRef code) {
  Header header = {};
  magic.copy(header.magic, sizeof(header.magic));
  header.keyBytes = key.size();
  std::string file;
  file.reserve(sizeof(header) + key.size() + code.size());
  file.append(reinterpret_cast<const char *>(&header), sizeof(header));
  file += key;
  file += code;
  CacheKey::Hash check = checksum(file);
  for (unsigned i = 0; i < check.size(); ++i)
    endian::write64le(&file[offsetof(Header, check) + i * sizeof(uint64_t)], check[i]);
  return file;
}

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

constexpr StringRef suffix = ".mkcode";
constexpr size_t hashDigits = 32, suffixDigits = 16;

static std::string hex(uint64_t number) { return llvm::utohexstr(number, /*LowerCase=*/true, suffixDigits); }

static std::string nameOf(const CacheKey &key) {
  CacheKey::Hash hash = key.hash();
  return hex(hash[1]) + hex(hash[0]) + suffix.str();
}

/// A name that nobody else has, for a file that is being written.
static std::string temporaryName(const std::string &name) {
  std::random_device random;
  return name + "." + hex(uint64_t(random()) << 32 | random());
}

namespace {
/// The cache touches nothing else in its folder, which may be one that the user has put other things into.
enum class NameKind { Other, Entry, Temporary };
} // namespace

static NameKind kindOf(StringRef name) {
  auto isHex = [](StringRef text) { return llvm::all_of(text, llvm::isHexDigit); };
  if (name.size() < hashDigits || !isHex(name.take_front(hashDigits)))
    return NameKind::Other;
  StringRef rest = name.drop_front(hashDigits);
  if (!rest.consume_front(suffix))
    return NameKind::Other;
  if (rest.empty())
    return NameKind::Entry;
  return rest.consume_front(".") && rest.size() == suffixDigits && isHex(rest) ? NameKind::Temporary : NameKind::Other;
}

/// The names of a kind, with what the folder says about them.
template <typename Visit> static void forEachFile(int folder, Visit visit) {
  int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
  DIR *directory = copy < 0 ? nullptr : fdopendir(copy);
  if (!directory) {
    if (copy >= 0)
      close(copy);
    return;
  }
  rewinddir(directory);
  while (const dirent *item = readdir(directory)) {
    std::string name = item->d_name;
    NameKind kind = kindOf(name);
    struct stat status;
    if (kind != NameKind::Other && fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      visit(name, kind, status);
  }
  closedir(directory);
}

/// What a file of this size takes.
static uint64_t bytesOnDisk(uint64_t size) { return llvm::alignTo(size, 4096); }

/// A file that is still being written after an hour is one whose writer died.
static bool isStale(const struct stat &status) { return status.st_mtim.tv_sec < time(nullptr) - 3600; }

static bool isOurs(const struct stat &status) {
  return status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH));
}

//===----------------------------------------------------------------------===//
// The folder
//===----------------------------------------------------------------------===//

void CodeCacheFolder::noteDefect(const std::string &what, const std::string &name) {
  if (defects++ != 0)
    return;
  std::lock_guard lock(firstDefectMutex);
  firstDefect = "code cache: '" + path + (name.empty() ? "" : "/" + name) + "' " + what;
}

void CodeCacheFolder::discard(int folder, const std::string &what, const std::string &name) {
  noteDefect(what + "; it is removed", name);
  unlinkat(folder, name.c_str(), 0);
}

Descriptor::~Descriptor() {
  if (number >= 0)
    close(number);
}

std::optional<Descriptor> CodeCacheFolder::open(bool create) {
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int number = ::open(path.c_str(), flags);
  if (number < 0 && errno == ENOENT) {
    if (!create)
      return std::nullopt;
    if (std::error_code error = llvm::sys::fs::create_directories(path, true, llvm::sys::fs::owner_all)) {
      noteDefect("cannot be made: " + error.message());
      return std::nullopt;
    }
    number = ::open(path.c_str(), flags);
  }
  Descriptor folder(number);
  struct stat status;
  if (folder < 0 || fstat(folder, &status) != 0) {
    noteDefect("cannot be used as a folder: " + llvm::sys::StrError());
    return std::nullopt;
  }
  if (!isOurs(status)) {
    noteDefect("belongs to another user or can be written by others; nothing is cached in files");
    return std::nullopt;
  }
  return folder;
}

std::optional<CodeCacheFolder::Content> CodeCacheFolder::load(int folder, const std::string &name) {
  // Not blocking: the name may be a pipe's.
  Descriptor file(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file < 0) {
    if (errno != ENOENT)
      noteDefect("cannot be opened: " + llvm::sys::StrError(), name);
    return std::nullopt;
  }
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || !isOurs(status)) {
    noteDefect("is no file of this user alone", name);
    return std::nullopt;
  }
  Header header;
  if (status.st_size < off_t(sizeof(header)) || uint64_t(status.st_size) > largestFile()) {
    discard(folder, "has an impossible size", name);
    return std::nullopt;
  }
  std::string bytes(status.st_size, '\0');
  for (size_t have = 0; have < bytes.size();) {
    ssize_t count = ::read(file, &bytes[have], bytes.size() - have);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      discard(folder, "cannot be read", name);
      return std::nullopt;
    }
    have += count;
  }
  bytes.copy(reinterpret_cast<char *>(&header), sizeof(header));
  if (std::string_view(header.magic, sizeof(header.magic)) != magic) {
    discard(folder, "is of another version", name);
    return std::nullopt;
  }
  StringRef rest = StringRef(bytes).drop_front(sizeof(header));
  if (checksum(bytes) != CacheKey::Hash{header.check[0], header.check[1]} || header.keyBytes > rest.size()) {
    discard(folder, "is damaged", name);
    return std::nullopt;
  }
  Expected<CodeObject> code = deserialize(rest.drop_front(header.keyBytes));
  if (!code) {
    discard(folder, "holds no code", name);
    return std::nullopt;
  }
  return Content{rest.take_front(header.keyBytes).str(), std::move(*code)};
}

std::optional<CodeObject> CodeCacheFolder::read(const CacheKey &key) {
  std::optional<Descriptor> folder = open(/*create=*/false);
  if (!folder)
    return std::nullopt;
  std::string name = nameOf(key);
  std::optional<Content> content = load(*folder, name);
  if (!content)
    return std::nullopt;
  if (content->key != key.bytes()) {
    discard(*folder, "is code for another key", name);
    return std::nullopt;
  }
  // The time of its last use, for trim().
  utimensat(*folder, name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  return std::move(content->code);
}

void CodeCacheFolder::write(const CacheKey &key, const CodeObject &code) {
  std::string bytes = makeFile(key.bytes(), serialize(code));
  if (bytes.size() > largestFile())
    return;
  std::optional<Descriptor> folder = open(/*create=*/true);
  if (!folder)
    return;
  std::string name = nameOf(key), temporary = temporaryName(name);
  // Errors of closing do not matter: a file that was cut short is found out by its checksum.
  Descriptor file(openat(*folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  bool written = file >= 0;
  for (size_t done = 0; written && done < bytes.size();) {
    ssize_t count = ::write(file, &bytes[done], bytes.size() - done);
    if (count > 0)
      done += count;
    else
      written = count < 0 && errno == EINTR;
  }
  if (!written || renameat(*folder, temporary.c_str(), *folder, name.c_str()) != 0) {
    noteDefect("cannot be written: " + llvm::sys::StrError(), name);
    if (file >= 0)
      unlinkat(*folder, temporary.c_str(), 0);
    return;
  }
  if (untrimmed += bytesOnDisk(bytes.size()); untrimmed >= limit / 64)
    trim(*folder);
}

void CodeCacheFolder::trim(int folder) {
  // Who else would trim now would find the same files.
  if (untrimmed.exchange(0) == 0)
    return;
  struct File {
    std::string name;
    timespec lastUse;
    uint64_t bytes;
  };
  std::vector<File> files;
  uint64_t total = 0;
  forEachFile(folder, [&](const std::string &name, NameKind kind, const struct stat &status) {
    if (kind == NameKind::Temporary && isStale(status)) {
      unlinkat(folder, name.c_str(), 0);
      return;
    }
    total += bytesOnDisk(status.st_size);
    if (kind == NameKind::Entry)
      files.push_back({name, status.st_mtim, bytesOnDisk(status.st_size)});
  });
  if (total <= limit)
    return;
  std::sort(files.begin(), files.end(), [](const File &a, const File &b) {
    return std::pair(a.lastUse.tv_sec, a.lastUse.tv_nsec) < std::pair(b.lastUse.tv_sec, b.lastUse.tv_nsec);
  });
  // Some more, so that the next one does not have to.
  for (const File &file : files) {
    if (total <= limit - limit / 8)
      break;
    if (unlinkat(folder, file.name.c_str(), 0) == 0)
      ++evictions;
    total -= file.bytes;
  }
}

void CodeCacheFolder::erase(const CacheKey &key) {
  std::optional<Descriptor> folder = open(/*create=*/false);
  if (!folder)
    return;
  unlinkat(*folder, nameOf(key).c_str(), 0);
}

uint64_t CodeCacheFolder::clear() {
  std::optional<Descriptor> folder = open(/*create=*/false);
  if (!folder)
    return 0;
  uint64_t count = 0;
  forEachFile(*folder, [&](const std::string &name, NameKind kind, const struct stat &status) {
    if ((kind == NameKind::Entry || isStale(status)) && unlinkat(*folder, name.c_str(), 0) == 0)
      count += kind == NameKind::Entry;
  });
  return count;
}

std::vector<CodeCacheFile> CodeCacheFolder::list() {
  std::vector<CodeCacheFile> files;
  std::optional<Descriptor> folder = open(/*create=*/false);
  if (!folder)
    return files;
  forEachFile(*folder, [&](const std::string &name, NameKind kind, const struct stat &status) {
    if (kind != NameKind::Entry)
      return;
    std::optional<Content> content = load(*folder, name);
    if (!content)
      return;
    CodeCacheFile file;
    file.name = name;
    file.bytes = bytesOnDisk(status.st_size);
    file.lastUse = std::chrono::system_clock::time_point(std::chrono::seconds(status.st_mtim.tv_sec) +
                                                         std::chrono::microseconds(status.st_mtim.tv_nsec / 1000));
    file.key = CacheKey::describe(content->key);
    file.format = content->code.format;
    file.entry = std::move(content->code.entry);
    files.push_back(std::move(file));
  });
  std::sort(files.begin(), files.end(),
            [](const CodeCacheFile &a, const CodeCacheFile &b) { return a.lastUse > b.lastUse; });
  return files;
}

void CodeCacheFolder::addTo(CodeCacheStats &stats) const {
  stats.diskEvictions += evictions;
  stats.defects += defects;
  std::lock_guard lock(firstDefectMutex);
  stats.firstDefect = firstDefect;
}
