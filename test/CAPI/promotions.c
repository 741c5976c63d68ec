//===- promotions.c - Promotions and heat, from C -----------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Opens an engine whose code is compiled in other processes, or not at all, and runs a window until it has code of its
// own.
//
//===----------------------------------------------------------------------===//

#include "Check.h"
#include <string.h>

enum { N = 256, Instances = 64 };

int main(int argc, char **argv) {
  CHECK(argc == 2);
  mkPromotionOptions promotion;
  MUST(mkPromotionOptionsInit(&promotion, sizeof promotion));
  promotion.mode = mkJitModeAlways;
  mkJitOptions jit;
  MUST(mkJitOptionsInit(&jit, sizeof jit));
  jit.isolation = mkIsolationRequired;
  mkEngineOptions options;
  MUST(mkEngineOptionsInit(&options, sizeof options));
  options.device = "host";
  options.promotion = &promotion;
  options.jit = &jit;
  mkEngine *engine;
  MUST(mkEngineOpenFile(argv[1], &options, &engine));

  const mkIsa *isa;
  MUST(mkEngineGetIsa(engine, &isa));
  mkBuffer x, y;
  MUST(mkEngineAllocate(engine, mkElementF32, N, mkAccessRead, UINT32_MAX, &x));
  MUST(mkEngineAllocate(engine, mkElementF32, N * Instances, mkAccessReadWrite, UINT32_MAX, &y));
  mkBatch *batch;
  MUST(mkBatchCreate(isa, &batch));
  for (uint32_t i = 0; i < Instances; ++i) {
    mkArg args[] = {mkArgFloat(2), mkArgView(x, 0, N), mkArgView(y, i * N, N)};
    MUST(mkBatchAddWindow(batch, "twice", args, 3, 0));
  }

  bool isPromoted = false;
  for (int wave = 0; wave < 1000 && !isPromoted; ++wave) {
    mkTicket ticket;
    mkResult *result;
    MUST(mkEngineSubmit(engine, batch, NULL, &ticket));
    MUST(mkEngineWait(engine, ticket, &result));
    const mkTierRun *run;
    MUST(mkResultGetRun(result, 0, &run));
    if (run->tier == mkTierWindow) {
      isPromoted = true;
      printf("%s: %s, %llu slots in %llu items\n", mkTierName(run->tier), run->what, (unsigned long long)run->slots,
             (unsigned long long)run->items);
    }
    mkResultFree(result);
    MUST(mkEngineWaitForPromotions(engine));
  }
  CHECK(isPromoted);

  mkSnapshot *snapshot;
  MUST(mkEngineTakeSnapshot(engine, &snapshot));
  const mkSnapshotInfo *info;
  MUST(mkSnapshotGetInfo(snapshot, &info));
  for (size_t i = 0; i < info->promotionCount; ++i) {
    const mkPromotion *promoted;
    MUST(mkSnapshotGetPromotion(snapshot, i, &promoted));
    if (promoted->tier != mkTierWindow || promoted->firstTicket == 0)
      continue;
    CHECK(promoted->ticket > 0 && promoted->compileSeconds > 0 && promoted->checked > 0);
    CHECK(promoted->evidence->promoteHotWindows && promoted->evidence->executionMode == mkExecutionModeJit);
    printf("promotion %s: %s, threshold %u, %s, '%s'\n", mkTierName(promoted->tier),
           mkPromotionStateName(promoted->state), promoted->threshold, mkPromotionRouteName(promoted->evidence->route),
           promoted->error);
    break;
  }
  uint64_t before = 0;
  for (size_t i = 0; i < info->eventCount; ++i) {
    const mkPromotionEvent *event;
    MUST(mkSnapshotGetEvent(snapshot, i, &event));
    CHECK(event->promotion < info->promotionCount && event->nanoseconds >= before);
    before = event->nanoseconds;
    if (i == 0)
      printf("first event: %s\n", mkPromotionStateName(event->state));
  }
  const mkHeatRow *row;
  MUST(mkSnapshotGetHeatRow(snapshot, 0, &row));
  CHECK(row->recent > 0 && row->total >= row->evidence && row->evidence > 0);
  printf("hottest: %s %s\n", mkTierName(row->tier), row->what);
  SHOW(mkSnapshotGetEvent(snapshot, info->eventCount, &(const mkPromotionEvent *){NULL}));

  // The snapshot stays as it was.
  mkEngineClose(engine);
  MUST(mkSnapshotGetHeatRow(snapshot, 0, &row));
  CHECK(strncmp(row->what, "axpy", 4) == 0);
  mkSnapshotFree(snapshot);
  mkBatchFree(batch);
  return 0;
}
