//===- Snapshot.h - What an engine has seen and compiled ----------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Promotions, their history and the heat of everything, as they were at one moment. A snapshot is a value: it never
// changes, and outlives its engine. What the functions hand out belongs to it. docs/Promotion.md explains the terms.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_SNAPSHOT_H
#define MK_C_SNAPSHOT_H

#include "mk-c/Result.h"

MK_C_BEGIN

typedef struct mkSnapshot mkSnapshot;

typedef enum mkPromotionState {
  /// Asked for.
  mkPromotionStateQueued = 0,
  /// Loaded. Waits for slots on which it has to agree with the interpreter.
  mkPromotionStateChecking,
  /// Agrees. Waits for its turn, or takes every other batch until it is known which tier is faster.
  mkPromotionStateTrial,
  /// Takes what is its own.
  mkPromotionStateLive,
  /// Compiling or loading failed.
  mkPromotionStateFailed,
  /// Nobody needed it any more before it was compiled.
  mkPromotionStateDropped,
  /// Was not faster.
  mkPromotionStateWithdrawn,
  /// Was live, but went cold, or its guards failed too often.
  mkPromotionStateDemoted,
  /// Disagreed with the interpreter; there will be no other attempt.
  mkPromotionStateMismatched,
  /// Of a kind of window in a resident engine: it has no code, and none was asked for.
  mkPromotionStateInterpreted,
} mkPromotionState;
/// "queued", ...; "unknown" for what there is not.
MK_API const char *mkPromotionStateName(mkPromotionState state);

typedef struct mkPromotion {
  /// mkTierOpcode or mkTierWindow.
  mkTier tier;
  /// As in mkTierRun.
  const char *what;
  const char *facts;
  mkPromotionState state;
  /// The recent count that made it a candidate, the threshold, and the batch in which that was seen.
  uint32_t count;
  uint32_t threshold;
  uint64_t ticket;
  /// What the policy said then.
  const mkPromotionEvidence *evidence;
  /// Seconds that it was expected to save in a second, over those that compiling was expected to cost.
  double score;
  /// Once known.
  double compileSeconds;
  double loadSeconds;
  /// A code cache had it.
  bool cached;
  /// Instances on which it agreed with the interpreter before it went live.
  uint32_t checked;
  /// How many times faster batches were with it; 0 while that is unknown.
  double speedup;
  /// The first batch that ran on it; 0 while there is none.
  uint64_t firstTicket;
  /// Why it is Failed, Dropped, Withdrawn, Demoted or Mismatched; else "".
  const char *error;
} mkPromotion;

/// A transition of a promotion, or something that happened to it.
typedef struct mkPromotionEvent {
  /// Of CLOCK_MONOTONIC.
  uint64_t nanoseconds;
  /// Its index in the snapshot.
  size_t promotion;
  /// The state that it is in from then on.
  mkPromotionState state;
  /// For people: why, with figures.
  const char *why;
} mkPromotionEvent;

/// Heat of one opcode or window.
typedef struct mkHeatRow {
  mkTier tier;
  /// As in mkTierRun.
  const char *what;
  /// Executions in all, those in the decaying window of observation, and those that were evidence.
  uint64_t total;
  double recent;
  uint64_t evidence;
} mkHeatRow;

typedef struct mkSnapshotInfo {
  size_t promotionCount;
  size_t eventCount;
  size_t heatRowCount;
} mkSnapshotInfo;

MK_FALLIBLE mkError *mkSnapshotGetInfo(const mkSnapshot *snapshot, const mkSnapshotInfo **info);
/// InvalidArgument for an index beyond the last. Events are in the order in which they happened, the last 4096 of them;
/// heat rows begin with the hottest.
MK_FALLIBLE mkError *mkSnapshotGetPromotion(const mkSnapshot *snapshot, size_t index, const mkPromotion **promotion);
MK_FALLIBLE mkError *mkSnapshotGetEvent(const mkSnapshot *snapshot, size_t index, const mkPromotionEvent **event);
MK_FALLIBLE mkError *mkSnapshotGetHeatRow(const mkSnapshot *snapshot, size_t index, const mkHeatRow **row);
MK_API void mkSnapshotFree(mkSnapshot *snapshot);

MK_C_END

#endif // MK_C_SNAPSHOT_H
