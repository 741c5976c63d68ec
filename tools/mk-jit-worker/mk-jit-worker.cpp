//===- mk-jit-worker.cpp - Compiles for a compile service -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/Worker.h"
#include <cstdio>
#include <unistd.h>

int main() {
  int code = mk::runWorker();
  if (code == mk::WorkerMisused)
    std::fputs("mk-jit-worker: error: compiles for Megakernel's compile service, which starts it; there is nothing to "
               "run by hand\n",
               stderr);
  // Nothing here is worth an orderly end.
  fflush(stderr);
  _exit(code);
}
