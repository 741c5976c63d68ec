//===- Result.h - What became of a batch --------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every slot of a batch is done except those among the faults. A result is a value: it never changes, and outlives its
// engine. What the functions hand out belongs to it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_RESULT_H
#define MK_C_RESULT_H

#include "mk-c/Policy.h"

MK_C_BEGIN

typedef struct mkResult mkResult;

/// Which code answered.
typedef enum mkTier { mkTierInterpreter = 0, mkTierOpcode, mkTierWindow } mkTier;
/// "interpreter", "opcode", "window"; "unknown" for what there is not.
MK_API const char *mkTierName(mkTier tier);

/// A slot that ended in FAULT.
typedef struct mkFault {
  /// Index in the batch.
  uint32_t slot;
  /// A code of docs/Runtime-ABI.md, or 0x80000000 + the code of mk.fault user(code).
  uint32_t code;
  uint32_t detail;
} mkFault;

/// Room for every description of a fault.
#define MK_FAULT_TEXT_SIZE 96
/// Writes what a person reads, such as "buffer_bounds (0x91) at index 12", to 'text'. What does not fit is cut off;
/// there is a NUL at the end in any case. InvalidArgument for a size of 0.
MK_FALLIBLE mkError *mkFaultDescribe(const mkFault *fault, char *text, size_t size);

/// What a slot appended to the hit buffer.
typedef struct mkHit {
  /// Index in the batch.
  uint32_t slot;
  uint32_t values[3];
} mkHit;

/// One launch for a batch.
typedef struct mkTierRun {
  mkTier tier;
  /// The opcode's name, the readable form of a window, or "lane", "block", "packed" or "fence" for an interpreter.
  const char *what;
  /// What its code is specialised for; "" for general code.
  const char *facts;
  /// Slots answered, and the work items they came in.
  uint64_t slots;
  uint64_t items;
  uint32_t workgroups;
  uint32_t workgroupSize;
  /// Time on the device.
  double seconds;
} mkTierRun;

typedef struct mkResultInfo {
  uint64_t ticket;
  uint64_t slots;
  size_t faultCount;
  size_t hitCount;
  /// Hits for which there was no room.
  uint64_t hitsDropped;
  size_t runCount;
  /// From the start of the dispatch to the last result, on the host's clock.
  double seconds;
  /// The policy's factor on the expected hits.
  uint32_t hitCapacityMultiplier;
} mkResultInfo;

MK_FALLIBLE mkError *mkResultGetInfo(const mkResult *result, const mkResultInfo **info);
/// Sorted by slot; NULL and 0 for none. 'count' may be NULL.
MK_FALLIBLE mkError *mkResultGetFaults(const mkResult *result, const mkFault **faults, size_t *count);
/// Sorted by slot, then by values; NULL and 0 for none. 'count' may be NULL.
MK_FALLIBLE mkError *mkResultGetHits(const mkResult *result, const mkHit **hits, size_t *count);
/// InvalidArgument for an index from mkResultInfo::runCount on.
MK_FALLIBLE mkError *mkResultGetRun(const mkResult *result, size_t index, const mkTierRun **run);
/// What the policy was asked for this batch, and what it said.
MK_FALLIBLE mkError *mkResultGetRequest(const mkResult *result, const mkLaunchRequest **request);
MK_FALLIBLE mkError *mkResultGetRecommendation(const mkResult *result, const mkLaunchRecommendation **recommendation);
MK_API void mkResultFree(mkResult *result);

MK_C_END

#endif // MK_C_RESULT_H
