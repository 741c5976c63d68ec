//===- Options.h - How an engine compiles and promotes ------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Options in parts, each with an init function that sets the defaults. NULL in place of a part means its defaults.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_OPTIONS_H
#define MK_C_OPTIONS_H

#include "mk-c/Policy.h"

MK_C_BEGIN

/// When compiled code takes over.
typedef uint32_t mkJitMode;
enum {
  /// Never: everything stays with the interpreter.
  mkJitModeOff = 0,
  /// When the policy calls something hot, it pays, and it is faster.
  mkJitModeOn = 1,
  /// Whenever the policy calls something hot.
  mkJitModeAlways = 2,
};

/// What is compiled, and what it must prove (docs/Promotion.md).
typedef struct mkPromotionOptions {
  size_t structSize;
  mkJitMode mode;
  /// mkJitModeOn: executions below which nothing is promoted.
  uint32_t minimumExecutions;
  /// mkJitModeOn: what a promotion has to save in a second, in units of what compiling costs.
  double payback;
  /// mkJitModeOn: how many seconds of the host's compiler a second of the device is worth.
  double deviceWeight;
  /// mkJitModeOn: what a tier must be faster by, as a fraction of the time below.
  double margin;
  /// A folder to which disagreements with the interpreter are written; NULL for none.
  const char *reproducers;
  /// One in so many batches runs on both tiers, and the results are compared; 0 for none.
  uint32_t verifyEvery;
  /// Most specialisations of an opcode or window, and most kernels in all, that are live at once.
  uint32_t maxSpecializations;
  uint32_t maxLive;
  /// Compiled code must agree with the interpreter on copies of real slots before it goes live.
  bool check;
  /// Code for the values that arguments turn out to have.
  bool specialize;
  /// Failures make the next attempt dearer, and end the attempts when they repeat.
  bool penalties;
} mkPromotionOptions;

/// Sets the defaults. 'structSize' is sizeof(mkPromotionOptions).
MK_FALLIBLE mkError *mkPromotionOptionsInit(mkPromotionOptions *options, size_t structSize);

/// Where code is compiled.
typedef uint32_t mkIsolation;
enum {
  /// In processes of its own (mk-jit-worker), or not at all.
  mkIsolationRequired = 0,
  /// In this process if mk-jit-worker cannot be started when the engine is opened.
  mkIsolationPreferred = 1,
  /// In this process.
  mkIsolationNone = 2,
};

/// How code is compiled and kept (docs/Compile-service.md).
typedef struct mkJitOptions {
  size_t structSize;
  mkIsolation isolation;
  /// Compilations at once; 0 is one for 8 cores.
  uint32_t workers;
  /// Requests that may wait for each worker.
  uint32_t queuedPerWorker;
  /// Compilations after which a worker process is replaced.
  uint32_t workerLifetime;
  /// Memory that a worker process may take, in bytes.
  uint64_t workerMemory;
  /// The path of mk-jit-worker; NULL looks for it: docs/C-API.md says where.
  const char *workerProgram;
  /// Time on a processor that one kernel may take, in milliseconds.
  uint32_t deadlineMs;
  /// Ends the process of a compilation that nobody waits for any more.
  bool hardCancel;
  /// Tells debuggers, and perf, about host code.
  bool debugger;
  bool perf;
  /// The folder of the code cache; "" is the user's own ($MK_CACHE_DIR, or megakernel in the cache folder), NULL or
  /// "off" none: code is kept in memory alone. Engines of a process with the same folder share a cache, with the bounds
  /// of the first.
  const char *cacheDirectory;
  uint64_t cacheMemoryBytes;
  uint64_t cacheDiskBytes;
} mkJitOptions;

/// Sets the defaults. 'structSize' is sizeof(mkJitOptions).
MK_FALLIBLE mkError *mkJitOptionsInit(mkJitOptions *options, size_t structSize);

MK_C_END

#endif // MK_C_OPTIONS_H
