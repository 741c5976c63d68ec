//===- CacheFlags.h - The code cache on command lines -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The flags are there as long as the object: make it before the command line is parsed.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_CACHEFLAGS_H
#define MK_JIT_CACHEFLAGS_H

#include "llvm/Support/CommandLine.h"
#include <string>

namespace mk {

/// --jit-cache=DIR|off
class CacheDirectoryFlag {
public:
  explicit CacheDirectoryFlag(llvm::cl::OptionCategory &category);

  /// CodeCacheOptions::directory.
  std::string directory() const;
  /// Whether it was given.
  bool isGiven() const { return setting.getNumOccurrences() != 0; }

private:
  llvm::cl::opt<std::string> setting;
};

/// That, --jit-cache-show and --jit-cache-clear.
class CacheFlags : public CacheDirectoryFlag {
public:
  explicit CacheFlags(llvm::cl::OptionCategory &category);

  /// Whether the program is to show or clear the cache, and nothing else.
  bool isAsked() const { return show || clear; }
  /// Does so.
  void run(llvm::raw_ostream &os) const;

private:
  llvm::cl::opt<bool> show, clear;
};

} // namespace mk

#endif // MK_JIT_CACHEFLAGS_H
