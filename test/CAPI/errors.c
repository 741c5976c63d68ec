//===- errors.c - What goes wrong, from C -------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"
#include <string.h>

static void nulls(mkEngine *engine, const mkIsa *isa) {
  puts("-- NULL");
  size_t count;
  bool done;
  mkTicket ticket;
  mkBuffer buffer;
  uint32_t word = 0;
  char text[8];
  mkFault fault = {0, 1, 0};
  mkBatch *batch;
  mkResult *result;
  mkSnapshot *snapshot;
  mkLaunchRecommendation recommendation;
  mkPriorityAccounting accounting;
  const mkOpcodeInfo *opcode;
  const mkWindowInfo *window;
  const mkPromotion *promotion;
  const mkPromotionEvent *event;
  const mkHeatRow *row;
  const mkTierRun *run;
  // A handle that was asked for is NULL, whichever argument is missing.
  mkBatch *noBatch = (mkBatch *)&word;
  mkSnapshot *noSnapshot = (mkSnapshot *)&word;
  mkEngine *noEngine = engine, *noFile = engine;
  const mkIsa *noIsa = isa;
  CHECK(noBatch && noSnapshot && noEngine && noFile && noIsa);
  MUST(mkBatchCreate(isa, &batch));
  MUST(mkEngineTakeSnapshot(engine, &snapshot));

  SHOW(mkEngineOpen(NULL, NULL, NULL, &noEngine));
  SHOW(mkEngineOpen("", NULL, NULL, NULL));
  SHOW(mkEngineOpenFile(NULL, NULL, &noFile));
  SHOW(mkEngineOpenFile("isa.mlir", NULL, NULL));
  SHOW(mkEngineGetIsa(NULL, &noIsa));
  SHOW(mkEngineGetIsa(engine, NULL));
  SHOW(mkEngineGetDevice(NULL, NULL));
  SHOW(mkEngineGetDevice(engine, NULL));
  SHOW(mkEngineAllocate(NULL, mkElementF32, 1, mkAccessRead, 1, &buffer));
  SHOW(mkEngineAllocate(engine, mkElementF32, 1, mkAccessRead, 1, NULL));
  SHOW(mkEngineRelease(NULL, 1));
  SHOW(mkEngineWrite(NULL, 1, 0, &word, 4));
  SHOW(mkEngineWrite(engine, 1, 0, NULL, 4));
  SHOW(mkEngineRead(NULL, 1, 0, &word, 4));
  SHOW(mkEngineRead(engine, 1, 0, NULL, 4));
  SHOW(mkEngineReadControl(NULL, 0, &word, 1));
  SHOW(mkEngineReadControl(engine, 0, NULL, 1));
  SHOW(mkEngineWriteControl(NULL, 0, &word, 1));
  SHOW(mkEngineWriteControl(engine, 0, NULL, 1));
  SHOW(mkEngineReadDebugLog(NULL, NULL, 0, &count, NULL));
  SHOW(mkEngineReadDebugLog(engine, NULL, 1, &count, NULL));
  SHOW(mkEngineReadDebugLog(engine, NULL, 0, NULL, NULL));
  SHOW(mkEngineClearDebugLog(NULL));
  SHOW(mkEngineSubmit(NULL, batch, NULL, &ticket));
  SHOW(mkEngineSubmit(engine, NULL, NULL, &ticket));
  SHOW(mkEngineSubmit(engine, batch, NULL, NULL));
  SHOW(mkEnginePoll(NULL, 1, &done));
  SHOW(mkEnginePoll(engine, 1, NULL));
  SHOW(mkEngineWait(NULL, 1, &result));
  SHOW(mkEngineWait(engine, 1, NULL));
  SHOW(mkEngineWaitForPromotions(NULL));
  SHOW(mkEngineTakeSnapshot(NULL, &noSnapshot));
  SHOW(mkEngineTakeSnapshot(engine, NULL));
  SHOW(mkEngineGetLastRecommendation(NULL, &recommendation, sizeof recommendation));
  SHOW(mkEngineGetLastRecommendation(engine, NULL, sizeof recommendation));
  SHOW(mkEngineGetPriorityAccounting(NULL, &accounting, sizeof accounting));
  SHOW(mkEngineGetPriorityAccounting(engine, NULL, sizeof accounting));

  SHOW(mkEngineOptionsInit(NULL, sizeof(mkEngineOptions)));
  SHOW(mkSubmitOptionsInit(NULL, sizeof(mkSubmitOptions)));
  SHOW(mkPromotionOptionsInit(NULL, sizeof(mkPromotionOptions)));
  SHOW(mkJitOptionsInit(NULL, sizeof(mkJitOptions)));
  SHOW(mkPolicyInit(NULL, sizeof(mkPolicy)));

  SHOW(mkIsaGetOpcodeCount(NULL, &count));
  SHOW(mkIsaGetOpcodeCount(isa, NULL));
  SHOW(mkIsaGetOpcode(NULL, 0, &opcode));
  SHOW(mkIsaGetOpcode(isa, 0, NULL));
  SHOW(mkIsaFindOpcode(NULL, "put", &opcode));
  SHOW(mkIsaFindOpcode(isa, NULL, &opcode));
  SHOW(mkIsaFindOpcode(isa, "put", NULL));
  SHOW(mkIsaGetWindowCount(NULL, &count));
  SHOW(mkIsaGetWindowCount(isa, NULL));
  SHOW(mkIsaGetWindow(NULL, 0, &window));
  SHOW(mkIsaGetWindow(isa, 0, NULL));
  SHOW(mkIsaFindWindow(NULL, "twice", &window));
  SHOW(mkIsaFindWindow(isa, NULL, &window));
  SHOW(mkIsaFindWindow(isa, "twice", NULL));

  mkPackedOp op = {2, NULL, 2};
  SHOW(mkBatchCreate(NULL, &noBatch));
  SHOW(mkBatchCreate(isa, NULL));
  SHOW(mkBatchAdd(NULL, "put", NULL, 0, 0));
  SHOW(mkBatchAdd(batch, NULL, NULL, 0, 0));
  SHOW(mkBatchAdd(batch, "put", NULL, 1, 0));
  SHOW(mkBatchAddWindow(NULL, "twice", NULL, 0, 0));
  SHOW(mkBatchAddWindow(batch, NULL, NULL, 0, 0));
  SHOW(mkBatchAddWindow(batch, "twice", NULL, 1, 0));
  SHOW(mkBatchAddWindowSlots(NULL, NULL, 0));
  SHOW(mkBatchAddWindowSlots(batch, NULL, 1));
  SHOW(mkBatchAddSlots(NULL, NULL, 0));
  SHOW(mkBatchAddSlots(batch, NULL, 1));
  SHOW(mkBatchPack(NULL, NULL, 0, 0));
  SHOW(mkBatchPack(batch, NULL, 1, 0));
  SHOW(mkBatchPack(batch, &op, 1, 0));
  SHOW(mkBatchReserve(NULL, 1));
  SHOW(mkBatchClear(NULL));
  SHOW(mkBatchGetSlots(NULL, NULL, &count));

  // Results and snapshots cannot be made by hand; what stands for one is never looked at.
  const mkResultInfo *info;
  const mkFault *faults;
  const mkHit *hits;
  const mkLaunchRequest *request;
  const mkLaunchRecommendation *said;
  const mkSnapshotInfo *counts;
  const mkResult *some = (const mkResult *)&word;
  SHOW(mkResultGetInfo(NULL, &info));
  SHOW(mkResultGetInfo(some, NULL));
  SHOW(mkResultGetFaults(NULL, &faults, &count));
  SHOW(mkResultGetFaults(some, NULL, &count));
  SHOW(mkResultGetHits(NULL, &hits, &count));
  SHOW(mkResultGetHits(some, NULL, &count));
  SHOW(mkResultGetRun(NULL, 0, &run));
  SHOW(mkResultGetRun(some, 0, NULL));
  SHOW(mkResultGetRequest(NULL, &request));
  SHOW(mkResultGetRequest(some, NULL));
  SHOW(mkResultGetRecommendation(NULL, &said));
  SHOW(mkResultGetRecommendation(some, NULL));
  SHOW(mkSnapshotGetInfo(NULL, &counts));
  SHOW(mkSnapshotGetInfo(snapshot, NULL));
  SHOW(mkSnapshotGetPromotion(NULL, 0, &promotion));
  SHOW(mkSnapshotGetPromotion(snapshot, 0, NULL));
  SHOW(mkSnapshotGetEvent(NULL, 0, &event));
  SHOW(mkSnapshotGetEvent(snapshot, 0, NULL));
  SHOW(mkSnapshotGetHeatRow(NULL, 0, &row));
  SHOW(mkSnapshotGetHeatRow(snapshot, 0, NULL));
  SHOW(mkFaultDescribe(NULL, text, sizeof text));
  SHOW(mkFaultDescribe(&fault, NULL, 8));
  CHECK(!noBatch && !noSnapshot && !noEngine && !noFile && !noIsa);

  puts("-- indexes");
  SHOW(mkSnapshotGetPromotion(snapshot, 0, &promotion));
  CHECK(!promotion);
  SHOW(mkSnapshotGetEvent(snapshot, 0, &event));
  SHOW(mkSnapshotGetHeatRow(snapshot, 1000, &row));
  SHOW(mkIsaGetOpcode(isa, 100, &opcode));
  SHOW(mkIsaGetWindow(isa, 1, &window));
  SHOW(mkIsaFindOpcode(isa, "pat", &opcode));
  CHECK(!opcode);
  SHOW(mkIsaFindWindow(isa, "thrice", &window));
  SHOW(mkFaultDescribe(&fault, text, 0));
  mkSnapshotFree(snapshot);
  mkBatchFree(batch);
}

/// Shows how an engine is not opened.
static void refuse(const mkEngineOptions *options) {
  mkEngine *engine = (mkEngine *)&engine;
  SHOW(mkEngineOpen("mk.opcode @nothing code(64) scope(lane) () { mk.return }", NULL, options, &engine));
  CHECK(!engine);
}

static void structs(mkEngine *engine, const mkBatch *batch) {
  puts("-- structs");
  mkEngineOptions options;
  mkPolicy policy;
  mkPromotionOptions promotion;
  mkJitOptions jit;
  mkSubmitOptions submit;
  mkLaunchRecommendation recommendation;
  mkPriorityAccounting accounting;
  mkTicket ticket;
  SHOW(mkEngineOptionsInit(&options, 3));
  SHOW(mkPolicyInit(&policy, sizeof policy + 1));
  SHOW(mkPromotionOptionsInit(&promotion, 0));
  SHOW(mkJitOptionsInit(&jit, 4000));
  SHOW(mkSubmitOptionsInit(&submit, SIZE_MAX));
  SHOW(mkEngineGetLastRecommendation(engine, &recommendation, 1));
  SHOW(mkEngineGetPriorityAccounting(engine, &accounting, 1));

  MUST(mkEngineOptionsInit(&options, sizeof options));
  MUST(mkPolicyInit(&policy, sizeof policy));
  MUST(mkPromotionOptionsInit(&promotion, sizeof promotion));
  MUST(mkJitOptionsInit(&jit, sizeof jit));
  MUST(mkSubmitOptionsInit(&submit, sizeof submit));
  submit.structSize = 7;
  SHOW(mkEngineSubmit(engine, batch, &submit, &ticket));
  CHECK(ticket == 0);
  options.device = "host";
  options.structSize = 5;
  refuse(&options);
  options.structSize = sizeof options;
  options.policy = &policy;
  options.promotion = &promotion;
  options.jit = &jit;
  policy.structSize = 1;
  refuse(&options);
  policy.structSize = sizeof policy;
  promotion.structSize = 2;
  refuse(&options);
  promotion.structSize = sizeof promotion;
  jit.structSize = 4;
  refuse(&options);
  jit.structSize = sizeof jit;

  puts("-- options");
  policy.denseFrontierThresholdBps = 65536;
  refuse(&options);
  options.policy = NULL;
  promotion.mode = 3;
  refuse(&options);
  options.promotion = NULL;
  jit.isolation = 3;
  refuse(&options);
  jit.isolation = mkIsolationRequired;
  jit.workerProgram = "/nowhere/worker";
  refuse(&options);
  jit.workerProgram = "/bin/true";
  refuse(&options);
  options.jit = NULL;
  options.optLevel = 4;
  refuse(&options);
  options.optLevel = 2;
  options.device = "abacus";
  refuse(&options);
  options.device = "host";
  options.heatHalfLife = 0;
  refuse(&options);
  options.heatHalfLife = 1;
  options.tenantRightCount = 1;
  refuse(&options);

  mkGraphHint graph = {1, 1, 70000};
  submit.structSize = sizeof submit;
  submit.graph = &graph;
  SHOW(mkEngineSubmit(engine, batch, &submit, &ticket));
  submit.graph = NULL;
  submit.priority = 5;
  SHOW(mkEngineSubmit(engine, batch, &submit, &ticket));
}

static void isas(void) {
  puts("-- ISA");
  mkEngine *engine;
  SHOW(mkEngineOpenFile("/nowhere/isa.mlir", NULL, &engine));
  SHOW(mkEngineOpen("", "empty.mlir", NULL, &engine));
  SHOW(mkEngineOpen("mk.opcode @one code(64) scope(lane) () {\n  mk.oops\n}", "typed.mlir", NULL, &engine));
  SHOW(mkEngineOpen("\n\nmk.opcode @one code(64) scope(lane) () {", NULL, NULL, &engine));
  SHOW(mkEngineOpen("mk.opcode @one code(3) scope(lane) () { mk.return }", "number.mlir", NULL, &engine));
  CHECK(!engine);
}

static void buffers(mkEngine *engine) {
  puts("-- buffers");
  mkBuffer buffer;
  uint32_t word = 0;
  SHOW(mkEngineAllocate(engine, 10, 1, mkAccessRead, 1, &buffer));
  SHOW(mkEngineAllocate(engine, mkElementF32, 0, mkAccessRead, 1, &buffer));
  SHOW(mkEngineAllocate(engine, mkElementF32, 1, 8, 1, &buffer));
  SHOW(mkEngineAllocate(engine, mkElementF64, UINT64_MAX, mkAccessRead, 1, &buffer));
  SHOW(mkEngineAllocate(engine, mkElementI8, 1 << 24, mkAccessRead, 1, &buffer));
  CHECK(buffer == 0);
  MUST(mkEngineAllocate(engine, mkElementI32, 4, mkAccessReadWrite, 1, &buffer));
  SHOW(mkEngineWrite(engine, buffer, 13, &word, 4));
  SHOW(mkEngineRead(engine, buffer, 16, &word, 4));
  SHOW(mkEngineRead(engine, 99, 0, &word, 4));
  MUST(mkEngineRelease(engine, buffer));
  SHOW(mkEngineRelease(engine, buffer));
  SHOW(mkEngineWrite(engine, buffer, 0, &word, 4));
  SHOW(mkEngineReadControl(engine, 224, &word, 1));
  SHOW(mkEngineReadControl(engine, 0, &word, (size_t)1 << 40));
  SHOW(mkEngineWriteControl(engine, 224, &word, 1));
}

static void batches(mkEngine *engine, mkBatch *batch) {
  puts("-- batches");
  mkArg args[] = {mkArgBuffer(3), mkArgUnsigned(0), mkArgSigned(0), mkArgFloat(1)};
  SHOW(mkBatchAdd(batch, "pat", args, 3, 0));
  SHOW(mkBatchAdd(batch, "put", args, 2, 0));
  SHOW(mkBatchAdd(batch, "put", args, 4, 0));
  args[2] = mkArgFloat(1.5);
  SHOW(mkBatchAdd(batch, "put", args, 3, 0));
  args[2] = mkArgUnsigned((uint64_t)1 << 32);
  SHOW(mkBatchAdd(batch, "put", args, 3, 0));
  args[0] = mkArgView(3, 1, 2);
  SHOW(mkBatchAdd(batch, "put", args, 3, 0));
  SHOW(mkBatchAddWindow(batch, "thrice", args, 3, 0));
  SHOW(mkBatchAddWindow(batch, "twice", NULL, 0, 0));
  args[2].kind = 4;
  SHOW(mkBatchAdd(batch, "put", args, 3, 0));
  SHOW(mkBatchAddWindow(batch, "twice", args, 3, 0));
  SHOW(mkBatchAddWindowSlots(batch, NULL, 0));
  uint32_t words[12] = {0};
  mkPackedOp fence = {7, words, 2}, few = {2, words, 1}, many = {2, words, 12};
  SHOW(mkBatchPack(batch, &fence, 1, 0));
  SHOW(mkBatchPack(batch, &few, 1, 0));
  SHOW(mkBatchPack(batch, &many, 1, 0));
  SHOW(mkBatchReserve(batch, SIZE_MAX));
  size_t count;
  MUST(mkBatchGetSlots(batch, NULL, &count));
  CHECK(count == 0);

  mkTicket ticket;
  mkResult *result;
  bool done;
  mkSlot slot = {0};
  slot.opcode = 1000;
  MUST(mkBatchAddSlots(batch, &slot, 1));
  SHOW(mkEngineSubmit(engine, batch, NULL, &ticket));
  MUST(mkBatchClear(batch));
  mkArg one = mkArgUnsigned(1);
  MUST(mkBatchAdd(batch, "hit", &one, 1, 29));
  SHOW(mkEngineSubmit(engine, batch, NULL, &ticket));
  MUST(mkBatchClear(batch));
  MUST(mkBatchAdd(batch, "hit", &one, 1, 0));

  puts("-- tickets");
  SHOW(mkEnginePoll(engine, 0, &done));
  SHOW(mkEngineWait(engine, 77, &result));
  CHECK(!result);
  MUST(mkEngineSubmit(engine, batch, NULL, &ticket));
  MUST(mkEngineWait(engine, ticket, &result));
  const mkTierRun *run;
  SHOW(mkResultGetRun(result, 1, &run));
  mkResultFree(result);
  SHOW(mkEngineWait(engine, ticket, &result));
  SHOW(mkEnginePoll(engine, ticket, &done));
  // A batch that the policy refuses: 4294967295 hits for each slot have no room.
  mkSubmitOptions options;
  MUST(mkSubmitOptionsInit(&options, sizeof options));
  options.expectedHitsPerItem = UINT32_MAX;
  MUST(mkEngineSubmit(engine, batch, &options, &ticket));
  SHOW(mkEngineWait(engine, ticket, &result));
  CHECK(!result);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  mkPromotionOptions promotion;
  MUST(mkPromotionOptionsInit(&promotion, sizeof promotion));
  promotion.mode = mkJitModeOff;
  mkEngineOptions options;
  MUST(mkEngineOptionsInit(&options, sizeof options));
  options.device = "host";
  options.prelude = true;
  options.memoryBudget = 1 << 20;
  options.promotion = &promotion;
  mkEngine *engine;
  MUST(mkEngineOpenFile(argv[1], &options, &engine));
  const mkIsa *isa;
  MUST(mkEngineGetIsa(engine, &isa));
  mkBatch *batch;
  MUST(mkBatchCreate(isa, &batch));

  puts("-- before the first batch");
  mkLaunchRecommendation recommendation;
  SHOW(mkEngineGetLastRecommendation(engine, &recommendation, sizeof recommendation));
  nulls(engine, isa);
  isas();
  buffers(engine);
  batches(engine, batch);
  structs(engine, batch);

  mkBatchFree(batch);
  mkEngineClose(engine);
  return 0;
}
