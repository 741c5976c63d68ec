//===- Check.h - What the tests in C share ------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TEST_CAPI_CHECK_H
#define MK_TEST_CAPI_CHECK_H

#include "mk-c/Engine.h"
#include <stdio.h>
#include <stdlib.h>

/// Ends the program unless a call succeeded.
#define MUST(call) must(call, #call)
static inline void must(mkError *error, const char *call) {
  if (!error)
    return;
  fprintf(stderr, "%s: %s: %s\n", call, mkErrorCodeName(mkErrorGetCode(error)), mkErrorGetMessage(error));
  exit(1);
}

#define CHECK(condition) check(condition, #condition, __LINE__)
static inline void check(bool holds, const char *condition, int line) {
  if (holds)
    return;
  fprintf(stderr, "line %d: %s does not hold\n", line, condition);
  exit(1);
}

/// Prints the error that a call is to end with, and gives it back.
#define SHOW(call) show(call, #call)
static inline void show(mkError *error, const char *call) {
  if (!error) {
    fprintf(stderr, "%s: succeeded\n", call);
    exit(1);
  }
  printf("%s: %s\n", mkErrorCodeName(mkErrorGetCode(error)), mkErrorGetMessage(error));
  mkErrorFree(error);
}

#endif // MK_TEST_CAPI_CHECK_H
