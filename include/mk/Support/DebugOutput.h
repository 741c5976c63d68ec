//===- DebugOutput.h - MK_DEBUG -----------------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Tools usually have --debug-only for this, but LLVM's packages are built without it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_SUPPORT_DEBUGOUTPUT_H
#define MK_SUPPORT_DEBUGOUTPUT_H

#include "llvm/ADT/StringRef.h"

namespace mk {

/// Switches the debug output (LDBG) of our own code on for the types that the environment variable MK_DEBUG lists with
/// commas; a type is the argument of a pass, and 'all' stands for every one. A build without assertions has no such
/// output, and says so in the name of 'tool' when the variable is set.
void enableDebugOutput(llvm::StringRef tool);

} // namespace mk

#endif // MK_SUPPORT_DEBUGOUTPUT_H
