//===- RunTool.cpp - The frame of a program's main --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Support/RunTool.h"
#include "mk/Support/DebugOutput.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

/// Enough for some hundred thousand levels of nested operations.
constexpr unsigned stackBytes = 512u << 20;

int mk::runTool(int argc, char **argv, llvm::function_ref<int(int, char **)> body) {
  // Before the recovery, so that its signal handlers are the last.
  llvm::InitLLVM init(argc, argv);
  enableDebugOutput(argv[0]);
  const llvm::StringRef threading = "--mlir-disable-threading";
  llvm::SmallVector<char *> arguments(argv, argv + argc);
  if (llvm::none_of(arguments, [&](llvm::StringRef argument) {
        return argument.starts_with(threading) || argument.starts_with(threading.drop_front());
      }))
    arguments.push_back(const_cast<char *>(threading.data()));
  const int count = arguments.size();
  arguments.push_back(nullptr);

  int code = 0;
  llvm::CrashRecoveryContext::Enable();
  llvm::CrashRecoveryContext recovery;
  recovery.DumpStackAndCleanupOnFailure = true;
  if (recovery.RunSafelyOnThread([&] { code = body(count, arguments.data()); }, stackBytes))
    return code;
  llvm::errs() << llvm::sys::path::filename(argv[0]) << ": error: crashed on this input, which is a bug (exit code "
               << recovery.RetCode << "); run it with --mlir-pass-pipeline-crash-reproducer=FILE to see the pass\n";
  llvm::outs().flush();
  // Nothing that was under way can be trusted to end well.
  std::_Exit(internalErrorCode);
}
