//===- Engine.h - Slots in, results out ---------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine: it owns buffers, takes batches, and runs them on one device, at first on the interpreter, and what is hot
// on code of its own. Batches run one after the other, each sees the results of those before it; inside a batch, slots
// and windows are in no order. mk/Runtime/Engine.h says more about order and priorities.
//
// Threads: any number may call any function of an engine at once. Only mkEngineClose() must be the last call.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_ENGINE_H
#define MK_C_ENGINE_H

#include "mk-c/Batch.h"
#include "mk-c/Options.h"
#include "mk-c/Result.h"
#include "mk-c/Snapshot.h"

MK_C_BEGIN

typedef struct mkEngine mkEngine;

//===----------------------------------------------------------------------===//
// Opening and closing
//===----------------------------------------------------------------------===//

typedef struct mkEngineOptions {
  size_t structSize;
  /// "host", "cuda:N" (or "cuda", the first), or "auto": a GPU if there is one. NULL is "auto".
  const char *device;
  /// LLVM's optimisation level, 0 to 3.
  uint32_t optLevel;
  /// Adds the built-in opcodes to the ISA (docs/Prelude.md).
  bool prelude;
  /// Checks what a body does with its arguments and data. Without the checks a bad index or divisor, or an endless
  /// loop, ends the process or never ends: for measurements, and for slots that are trusted entirely.
  bool guard;
  /// Tunes workgroup size and hit capacity by the measured times of dispatches.
  bool autotune;
  /// Bytes of device memory that may be taken in all; 0 for no bound.
  uint64_t memoryBudget;
  /// The time in which a heat count halves, in seconds.
  double heatHalfLife;
  /// Most kinds of windows that are tracked at once.
  uint32_t maxWindows;
  /// Words behind the 160 control words that built-in opcodes write for the host, and records that the debug log has
  /// room for.
  uint32_t observables;
  uint32_t debugRecords;
  /// Rights of tenants 0, 1, ... to what built-in opcodes do; a tenant that is not listed has all.
  const uint32_t *tenantRights;
  size_t tenantRightCount;
  /// NULL for the defaults of each.
  const mkPolicy *policy;
  const mkPromotionOptions *promotion;
  const mkJitOptions *jit;
} mkEngineOptions;

/// Sets the defaults. 'structSize' is sizeof(mkEngineOptions).
MK_FALLIBLE mkError *mkEngineOptionsInit(mkEngineOptions *options, size_t structSize);

/// Opens an engine for an ISA, MLIR text that ends with NUL. 'name' stands for it in messages, and may be NULL. Options
/// are read during the call alone; NULL means the defaults. Malformed with the messages of the parser or verifier and
/// their lines; NotFound when there is no such device; InvalidArgument for an ISA without opcodes, and for options that
/// are out of range.
///
/// It may start processes that compile (mk-jit-worker). A program that uses CUDA itself calls it before that.
MK_FALLIBLE mkError *mkEngineOpen(const char *source, const char *name, const mkEngineOptions *options,
                                  mkEngine **engine);
/// The same, for a file; NotFound when it cannot be read.
MK_FALLIBLE mkError *mkEngineOpenFile(const char *path, const mkEngineOptions *options, mkEngine **engine);
/// Finishes all submitted batches, and gives everything of the engine back. Results, snapshots and batches stay.
MK_API void mkEngineClose(mkEngine *engine);

/// The ISA, which belongs to the engine.
MK_FALLIBLE mkError *mkEngineGetIsa(const mkEngine *engine, const mkIsa **isa);

typedef struct mkDeviceInfo {
  /// "host" or "cuda:N".
  const char *id;
  /// For people: the CPU with its threads, or the GPU's name, chip and driver.
  const char *description;
  /// The chip of a GPU, such as "sm_90"; "" for the host.
  const char *chip;
  uint32_t maxWorkgroupSize;
  uint32_t maxWorkgroups;
  /// Workgroups (host: threads) that run at the same time.
  uint32_t concurrentWorkgroups;
  uint64_t memoryBytes;
} mkDeviceInfo;

MK_FALLIBLE mkError *mkEngineGetDevice(const mkEngine *engine, const mkDeviceInfo **device);

//===----------------------------------------------------------------------===//
// Buffers and control words
//===----------------------------------------------------------------------===//

/// A buffer of 'count' elements, zero-filled. Bit t of 'tenants' allows tenant t; UINT32_MAX allows all. OutOfMemory
/// beyond the device or the budget.
MK_FALLIBLE mkError *mkEngineAllocate(mkEngine *engine, mkElementType element, uint64_t count, mkAccess access,
                                      uint32_t tenants, mkBuffer *buffer);
/// Frees a buffer once the batches submitted so far are done. NotFound from now on, and in later batches a fault.
MK_FALLIBLE mkError *mkEngineRelease(mkEngine *engine, mkBuffer buffer);
/// Copies to or from a buffer, from byte 'offset' on, after the batches submitted so far. NotFound for no such buffer,
/// InvalidArgument beyond its end.
MK_FALLIBLE mkError *mkEngineWrite(mkEngine *engine, mkBuffer buffer, uint64_t offset, const void *bytes, size_t size);
MK_FALLIBLE mkError *mkEngineRead(mkEngine *engine, mkBuffer buffer, uint64_t offset, void *bytes, size_t size);

/// Control words (docs/Prelude.md), after the batches submitted so far. InvalidArgument beyond the last.
MK_FALLIBLE mkError *mkEngineReadControl(mkEngine *engine, uint32_t first, uint32_t *words, size_t count);
MK_FALLIBLE mkError *mkEngineWriteControl(mkEngine *engine, uint32_t first, const uint32_t *words, size_t count);

/// One PRINTF.
typedef struct mkDebugRecord {
  uint32_t format;
  uint32_t a;
  uint32_t b;
  /// Index in its batch.
  uint32_t slot;
} mkDebugRecord;

/// What PRINTF has written since the log was cleared, after the batches submitted so far. Copies at most 'capacity'
/// records; '*count' is how many there are, '*dropped', which may be NULL, for how many the log had no room.
MK_FALLIBLE mkError *mkEngineReadDebugLog(mkEngine *engine, mkDebugRecord *records, size_t capacity, size_t *count,
                                          uint32_t *dropped);
MK_FALLIBLE mkError *mkEngineClearDebugLog(mkEngine *engine);

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

/// Names a submitted batch; tickets count from 1.
typedef uint64_t mkTicket;

/// A graph hint for the policy.
typedef struct mkGraphHint {
  uint32_t nodes;
  uint32_t edges;
  /// In hundredths of a percent, at most 65535; 0 lets the policy infer it.
  uint32_t frontierDensityBps;
} mkGraphHint;

typedef struct mkSubmitOptions {
  size_t structSize;
  /// NULL for none.
  const mkGraphHint *graph;
  /// 0 (critical) to 4 (idle); 2 is the usual one.
  uint32_t priority;
  /// Hits that a slot is expected to append; 0 counts as 1.
  uint32_t expectedHitsPerItem;
  /// Room for hits, in entries; 0 lets the policy derive it.
  uint32_t requestedHitCapacity;
  /// Runs after all ordered batches that were submitted before. False: whenever its priority lets it.
  bool ordered;
  /// While the queue is saturated: wait for it to drain, or fail with Busy.
  bool wait;
} mkSubmitOptions;

/// Sets the defaults. 'structSize' is sizeof(mkSubmitOptions).
MK_FALLIBLE mkError *mkSubmitOptionsInit(mkSubmitOptions *options, size_t structSize);

/// Checks the whole batch and queues a copy of it, or refuses it whole; the error names the slot. What only shows at
/// run time becomes a fault of its slot. NULL options are the defaults.
MK_FALLIBLE mkError *mkEngineSubmit(mkEngine *engine, const mkBatch *batch, const mkSubmitOptions *options,
                                    mkTicket *ticket);
/// True when the batch is done, well or not. NotFound for a ticket that does not exist or was waited for.
MK_FALLIBLE mkError *mkEnginePoll(mkEngine *engine, mkTicket ticket, bool *done);
/// Waits for the batch, and takes its result. A ticket can be waited for once: NotFound later, or when it does not
/// exist. The error of a batch that did not run: the policy refused it, memory was exhausted, the device is lost.
MK_FALLIBLE mkError *mkEngineWait(mkEngine *engine, mkTicket ticket, mkResult **result);

//===----------------------------------------------------------------------===//
// What the engine has learnt
//===----------------------------------------------------------------------===//

/// Waits until no promotion is queued: for tests, and for measurements of the steady state. What has arrived is checked
/// and raced with the next batches.
MK_FALLIBLE mkError *mkEngineWaitForPromotions(mkEngine *engine);
/// Promotions, events and heat as they are now.
MK_FALLIBLE mkError *mkEngineTakeSnapshot(const mkEngine *engine, mkSnapshot **snapshot);
/// What the policy said last; NotFound before the first batch. 'structSize' is sizeof(mkLaunchRecommendation).
MK_FALLIBLE mkError *mkEngineGetLastRecommendation(const mkEngine *engine, mkLaunchRecommendation *recommendation,
                                                   size_t structSize);
/// 'structSize' is sizeof(mkPriorityAccounting).
MK_FALLIBLE mkError *mkEngineGetPriorityAccounting(const mkEngine *engine, mkPriorityAccounting *accounting,
                                                   size_t structSize);

MK_C_END

#endif // MK_C_ENGINE_H
