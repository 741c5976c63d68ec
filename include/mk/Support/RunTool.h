//===- RunTool.h - The frame of a program's main ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_SUPPORT_RUNTOOL_H
#define MK_SUPPORT_RUNTOOL_H

#include "llvm/ADT/STLFunctionalExtras.h"

namespace mk {

/// The exit code of a program in which something broke that no input should break (EX_SOFTWARE of sysexits.h).
inline constexpr int internalErrorCode = 70;

/// Runs the main of a tool. A crash in it (a signal, an abort of LLVM, no memory) ends the program with a message and
/// internalErrorCode. It has a deep stack, since parsers and printers recurse with the nesting of the input. MLIR's
/// own threads are off unless the command line asks for them, since a crash there cannot be caught.
int runTool(int argc, char **argv, llvm::function_ref<int(int argc, char **argv)> body);

} // namespace mk

#endif // MK_SUPPORT_RUNTOOL_H
