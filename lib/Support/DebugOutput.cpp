//===- DebugOutput.cpp - MK_DEBUG -------------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Support/DebugOutput.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/Support/Debug.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>
#include <string>

void mk::enableDebugOutput(llvm::StringRef tool) {
  const char *variable = std::getenv("MK_DEBUG");
  if (!variable || !*variable)
    return;
#ifdef NDEBUG
  llvm::errs() << llvm::sys::path::filename(tool)
               << ": warning: MK_DEBUG is set, but this build has no debug output; use one with assertions\n";
#else
  (void)tool;
  llvm::DebugFlag = true;
  llvm::StringRef value = variable;
  if (value == "all")
    return;
  llvm::SmallVector<llvm::StringRef> names;
  value.split(names, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  auto strings = llvm::map_to_vector(names, [](llvm::StringRef name) { return name.str(); });
  auto types = llvm::map_to_vector(strings, [](const std::string &name) { return name.c_str(); });
  llvm::setCurrentDebugTypes(types.data(), types.size());
#endif
}
