//===- JitFlags.h - Options of compilation and promotion ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_JITFLAGS_H
#define MK_TOOLS_MKRUN_JITFLAGS_H

#include "mk/Engine.h"
#include "mk/JIT/CacheFlags.h"
#include "llvm/Support/CommandLine.h"

namespace mk {

/// The options whose names begin with jit.
class JitFlags {
public:
  explicit JitFlags(llvm::cl::OptionCategory &category);

  /// Puts what was asked for into 'options'. InvalidArgument for what cannot be.
  Expected<void> apply(OpenOptions &options) const;

  const CacheFlags cache;

private:
  llvm::cl::opt<JitMode> mode;
  llvm::cl::opt<double> payback;
  llvm::cl::opt<bool> specialize;
  llvm::cl::opt<Isolation> isolation;
  llvm::cl::opt<unsigned> verifyEvery, demoteEvery, swapEvery;
  llvm::cl::opt<std::string> reproducers;
  llvm::cl::list<std::string> faults;
  llvm::cl::opt<bool> fuzz;
};

} // namespace mk

#endif // MK_TOOLS_MKRUN_JITFLAGS_H
