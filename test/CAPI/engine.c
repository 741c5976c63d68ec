//===- engine.c - What goes right, from C -------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Check.h"
#include <string.h>

enum { N = 1000 };

static void versions(void) {
  CHECK(mkGetAbiVersion() == MK_C_ABI_VERSION);
  CHECK(mkGetSlotAbiVersion() >> 16 == 0x4D4B);
  printf("version %s\n", mkGetVersion());
}

static void names(void) {
  CHECK(mkErrorGetCode(NULL) == mkErrorCodeNone && strcmp(mkErrorGetMessage(NULL), "") == 0);
  CHECK(strcmp(mkErrorCodeName(mkErrorCodeNone), "unknown") == 0);
  printf("%s %s %s\n", mkErrorCodeName(mkErrorCodeInvalidArgument), mkErrorCodeName(mkErrorCodeTenantOpcodeWindow),
         mkErrorCodeName((mkErrorCode)(mkErrorCodeTenantOpcodeWindow + 1)));
  printf("%s %s %s\n", mkTierName(mkTierInterpreter), mkTierName(mkTierWindow), mkTierName((mkTier)(mkTierWindow + 1)));
  printf("%s %s\n", mkPromotionStateName(mkPromotionStateQueued), mkPromotionStateName(mkPromotionStateMismatched));
  printf("%s %s %s %s\n", mkQueuePressureName(mkQueuePressureSaturated), mkExecutionModeName(mkExecutionModeJit),
         mkTopologyName(mkTopologyMemoryConstrained), mkPromotionRouteName(mkPromotionRouteOpcodeAndWindowJit));
}

static void isa(const mkIsa *isa) {
  size_t count;
  MUST(mkIsaGetOpcodeCount(isa, &count));
  printf("%zu opcodes\n", count);
  const mkOpcodeInfo *opcode, *found;
  MUST(mkIsaGetOpcode(isa, 0, &opcode));
  MUST(mkIsaFindOpcode(isa, "axpy", &found));
  CHECK(opcode == found);
  printf("%s %u scope %d, %zu arguments (%u optional), emits %d, promotable %d\n", opcode->name, opcode->code,
         opcode->scope, opcode->argCount, opcode->optionalArgs, opcode->emits, opcode->promotable);
  for (size_t i = 0; i < opcode->argCount; ++i) {
    const mkArgType *type = &opcode->args[i];
    printf("  kind %d element %u access %u words %u %s\n", type->kind, type->element, type->access, type->words,
           type->text);
  }
  MUST(mkIsaGetWindowCount(isa, &count));
  CHECK(count == 1);
  const mkWindowInfo *window, *foundWindow;
  MUST(mkIsaGetWindow(isa, 0, &window));
  MUST(mkIsaFindWindow(isa, "twice", &foundWindow));
  CHECK(window == foundWindow && window->slotCount == 2 && window->codes[1] == 64 && window->argCount == 3);
}

/// Waits, and prints what a person would want to see.
static mkResult *finish(mkEngine *engine, const mkBatch *batch, const mkSubmitOptions *options) {
  mkTicket ticket;
  mkResult *result;
  MUST(mkEngineSubmit(engine, batch, options, &ticket));
  bool done = false;
  while (!done)
    MUST(mkEnginePoll(engine, ticket, &done));
  MUST(mkEngineWait(engine, ticket, &result));
  const mkResultInfo *info;
  MUST(mkResultGetInfo(result, &info));
  CHECK(info->ticket == ticket && info->seconds > 0 && info->hitCapacityMultiplier == 2);
  printf("%llu slots, %zu faults, %zu hits, %llu dropped, %zu runs\n", (unsigned long long)info->slots,
         info->faultCount, info->hitCount, (unsigned long long)info->hitsDropped, info->runCount);
  return result;
}

static void run(mkEngine *engine, const mkIsa *isa) {
  float x[N], y[N];
  for (int i = 0; i < N; ++i) {
    x[i] = (float)i;
    y[i] = 1;
  }
  mkBuffer xs, ys, words;
  MUST(mkEngineAllocate(engine, mkElementF32, N, mkAccessRead, UINT32_MAX, &xs));
  MUST(mkEngineAllocate(engine, mkElementF32, N, mkAccessReadWrite, UINT32_MAX, &ys));
  MUST(mkEngineAllocate(engine, mkElementI32, 8, mkAccessReadWrite, UINT32_MAX, &words));
  MUST(mkEngineWrite(engine, xs, 0, x, sizeof x));
  MUST(mkEngineWrite(engine, ys, 0, y, sizeof y));
  MUST(mkEngineWrite(engine, ys, 0, NULL, 0));

  mkBatch *batch;
  MUST(mkBatchCreate(isa, &batch));
  MUST(mkBatchReserve(batch, 16));
  mkArg axpy[] = {mkArgFloat(0.5), mkArgView(xs, 0, N), mkArgView(ys, 0, N)};
  MUST(mkBatchAddWindow(batch, "twice", axpy, 3, 0));
  mkArg put[] = {mkArgBuffer(words), mkArgUnsigned(3), mkArgSigned(-5)};
  MUST(mkBatchAdd(batch, "put", put, 3, 0));
  mkArg beyond[] = {mkArgBuffer(words), mkArgUnsigned(8), mkArgSigned(-5)};
  MUST(mkBatchAdd(batch, "put", beyond, 3, 0));
  mkArg three = mkArgUnsigned(3);
  MUST(mkBatchAdd(batch, "hit", &three, 1, 0));
  MUST(mkBatchAdd(batch, "complain", &three, 1, 0));
  // Two more on the wire: alone, and as a window.
  mkSlot slot = {0};
  slot.opcode = 65;
  slot.order = 2;
  slot.args[0] = words;
  slot.args[1] = 4;
  slot.args[2] = 44;
  MUST(mkBatchAddSlots(batch, &slot, 1));
  slot.args[1] = 5;
  slot.args[2] = 55;
  MUST(mkBatchAddWindowSlots(batch, &slot, 1));
  const mkSlot *slots;
  size_t slotCount;
  MUST(mkBatchGetSlots(batch, &slots, &slotCount));
  CHECK(slotCount == 8 && slots[0].opcode == 64 && slots[0].order >> 8 == 2 && slots[6].args[2] == 44);
  MUST(mkBatchGetSlots(batch, NULL, NULL));

  mkGraphHint graph = {1000, 2000, 9000};
  mkSubmitOptions options;
  MUST(mkSubmitOptionsInit(&options, sizeof options));
  CHECK(options.structSize == sizeof options && options.priority == 2 && options.ordered && options.wait);
  options.graph = &graph;
  options.priority = 1;
  options.ordered = false;
  options.expectedHitsPerItem = 2;
  options.requestedHitCapacity = 100;
  mkResult *result = finish(engine, batch, &options);

  const mkFault *faults;
  size_t count;
  MUST(mkResultGetFaults(result, &faults, &count));
  for (size_t i = 0; i < count; ++i) {
    char text[MK_FAULT_TEXT_SIZE];
    MUST(mkFaultDescribe(&faults[i], text, sizeof text));
    printf("slot %u: %s\n", faults[i].slot, text);
    MUST(mkFaultDescribe(&faults[i], text, 5));
    CHECK(strlen(text) == 4);
  }
  const mkHit *hits;
  MUST(mkResultGetHits(result, &hits, &count));
  CHECK(count == 1 && hits[0].slot == 4 && hits[0].values[0] == 3 && hits[0].values[2] == 0);
  const mkLaunchRequest *request;
  MUST(mkResultGetRequest(result, &request));
  printf("asked with %u items, %u hits each, %u nodes, density %u\n", request->queueLen, request->expectedHitsPerItem,
         request->graphNodeCount, request->frontierDensityBps);
  const mkLaunchRecommendation *recommendation;
  MUST(mkResultGetRecommendation(result, &recommendation));
  printf("room for %u hits, %s\n", recommendation->hitCapacity, mkTopologyName(recommendation->topology));
  mkLaunchRecommendation last;
  MUST(mkEngineGetLastRecommendation(engine, &last, sizeof last));
  CHECK(last.hitCapacity == recommendation->hitCapacity && last.topology == recommendation->topology);
  const mkResultInfo *info;
  MUST(mkResultGetInfo(result, &info));
  uint64_t answered = 0;
  for (size_t i = 0; i < info->runCount; ++i) {
    const mkTierRun *tierRun;
    MUST(mkResultGetRun(result, i, &tierRun));
    CHECK(tierRun->tier == mkTierInterpreter && strcmp(tierRun->facts, "") == 0 && tierRun->workgroups > 0);
    answered += tierRun->slots;
  }
  CHECK(answered == info->slots);
  mkPriorityAccounting accounting;
  MUST(mkEngineGetPriorityAccounting(engine, &accounting, sizeof accounting));
  CHECK(accounting.requeueCount == 0);

  int32_t values[8];
  MUST(mkEngineRead(engine, ys, 0, y, sizeof y));
  MUST(mkEngineRead(engine, words, 0, values, sizeof values));
  for (int i = 0; i < N; ++i)
    CHECK(y[i] == 1 + (float)i);
  CHECK(values[3] == -5 && values[4] == 44 && values[5] == 55 && values[6] == 0);
  MUST(mkEngineRead(engine, words, 16, values, 4));
  CHECK(values[0] == 44);

  // A batch may be used again.
  MUST(mkBatchClear(batch));
  MUST(mkBatchAdd(batch, "hit", &three, 1, 0));
  mkResult *other = finish(engine, batch, NULL);
  MUST(mkResultGetFaults(other, &faults, &count));
  CHECK(!faults && count == 0);
  mkResultFree(other);
  mkResultFree(result);
  mkBatchFree(batch);
  MUST(mkEngineRelease(engine, xs));
}

static void prelude(mkEngine *engine, const mkIsa *isa) {
  uint32_t word = 17;
  MUST(mkEngineWriteControl(engine, 161, &word, 1));
  mkBatch *batch;
  MUST(mkBatchCreate(isa, &batch));
  mkArg record[] = {mkArgUnsigned(1), mkArgUnsigned(2), mkArgUnsigned(3)};
  for (int i = 0; i < 3; ++i)
    MUST(mkBatchAdd(batch, "mk.printf", record, 3, 0));
  // control[160] += 5, control[162] = 9: one slot.
  uint32_t add[] = {5, 160}, store[] = {9, 162};
  mkPackedOp ops[] = {{2, add, 2}, {1, store, 2}};
  MUST(mkBatchPack(batch, ops, 2, 0));
  // Tenant 1 may not print.
  MUST(mkBatchAdd(batch, "mk.printf", record, 3, 1));
  mkResult *result = finish(engine, batch, NULL);
  const mkFault *faults;
  MUST(mkResultGetFaults(result, &faults, NULL));
  CHECK(faults[0].slot == 4 && faults[0].code == 0x41);
  mkResultFree(result);
  mkBatchFree(batch);

  uint32_t words[3];
  MUST(mkEngineReadControl(engine, 160, words, 3));
  printf("observables %u %u %u\n", words[0], words[1], words[2]);
  mkDebugRecord records[2];
  size_t count;
  uint32_t dropped;
  MUST(mkEngineReadDebugLog(engine, records, 1, &count, &dropped));
  printf("log %zu, dropped %u: %u %u %u\n", count, dropped, records[0].format, records[0].a, records[0].b);
  MUST(mkEngineClearDebugLog(engine));
  MUST(mkEngineReadDebugLog(engine, NULL, 0, &count, NULL));
  CHECK(count == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  versions();
  names();

  mkEngineOptions options;
  mkPolicy policy;
  mkPromotionOptions promotion;
  mkJitOptions jit;
  MUST(mkEngineOptionsInit(&options, sizeof options));
  MUST(mkPolicyInit(&policy, sizeof policy));
  MUST(mkPromotionOptionsInit(&promotion, sizeof promotion));
  MUST(mkJitOptionsInit(&jit, sizeof jit));
  CHECK(options.optLevel == 2 && options.guard && !options.prelude && options.observables == 64);
  CHECK(policy.hotOpcodeThreshold == 8 && policy.memoryPressureThresholdBps == 8500);
  CHECK(promotion.mode == mkJitModeOn && promotion.check && promotion.payback == 2);
  CHECK(jit.isolation == mkIsolationPreferred && jit.deadlineMs == 2000 && !jit.cacheDirectory);
  uint32_t rights[] = {UINT32_MAX, 1};
  policy.minHitCapacity = 10;
  promotion.mode = mkJitModeOff;
  jit.workers = 1;
  options.device = "host";
  options.optLevel = 1;
  options.prelude = true;
  options.memoryBudget = 1 << 20;
  options.debugRecords = 2;
  options.tenantRights = rights;
  options.tenantRightCount = 2;
  options.policy = &policy;
  options.promotion = &promotion;
  options.jit = &jit;
  mkEngine *engine;
  MUST(mkEngineOpenFile(argv[1], &options, &engine));

  const mkDeviceInfo *device;
  MUST(mkEngineGetDevice(engine, &device));
  CHECK(device->concurrentWorkgroups > 0 && device->memoryBytes > 0 && strlen(device->description) > 0);
  printf("device '%s' chip '%s' workgroups of %u\n", device->id, device->chip, device->maxWorkgroupSize);

  const mkIsa *opcodes;
  MUST(mkEngineGetIsa(engine, &opcodes));
  isa(opcodes);
  run(engine, opcodes);
  prelude(engine, opcodes);

  // A batch and a snapshot are good without the engine.
  mkBatch *batch;
  mkSnapshot *snapshot;
  MUST(mkBatchCreate(opcodes, &batch));
  MUST(mkEngineTakeSnapshot(engine, &snapshot));
  mkEngineClose(engine);
  mkArg one = mkArgUnsigned(1);
  MUST(mkBatchAdd(batch, "hit", &one, 1, 0));
  const mkSnapshotInfo *info;
  MUST(mkSnapshotGetInfo(snapshot, &info));
  CHECK(info->promotionCount == 0 && info->eventCount == 0 && info->heatRowCount > 0);
  mkSnapshotFree(snapshot);
  mkBatchFree(batch);

  mkEngineClose(NULL);
  mkBatchFree(NULL);
  mkResultFree(NULL);
  mkSnapshotFree(NULL);
  mkErrorFree(NULL);
  puts("done");
  return 0;
}
