//===- resident.c - The resident engine, from C -------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk-c/Resident.h"
#include "Check.h"
#include <string.h>

enum { N = 256, OpcodePut = 65, OpcodeHit = 66, OpcodeComplain = 67, OpcodeSteps = 68, OpcodeLoadMiss = 0xFFFD };

static mkSlot slotOf(uint32_t opcode, uint32_t tenant, uint32_t a, uint32_t b, uint32_t c) {
  mkSlot slot = {0};
  slot.opcode = opcode;
  slot.tenant = tenant;
  slot.order = 2;
  slot.args[0] = a;
  slot.args[1] = b;
  slot.args[2] = c;
  return slot;
}

static mkSlot loadOf(uint32_t resource, mkBuffer to, uint32_t offset, uint32_t size) {
  mkSlot slot = slotOf(OpcodeLoadMiss, 0, resource, 0, to);
  slot.args[3] = offset;
  slot.args[5] = size;
  return slot;
}

/// Publishes, waits, and prints the faults. The number of faults.
static size_t finish(mkResidentEngine *engine, const mkSlot *slots, size_t slotCount) {
  mkPublishTicket ticket;
  mkPublishResult *result;
  MUST(mkResidentEnginePublish(engine, slots, slotCount, NULL, &ticket));
  CHECK(ticket.slots == slotCount);
  MUST(mkResidentEngineWait(engine, &ticket, &result));
  const mkFault *faults;
  size_t count;
  MUST(mkPublishResultGetFaults(result, &faults, &count));
  uint64_t forgotten = 1;
  MUST(mkPublishResultGetForgotten(result, &forgotten));
  CHECK(forgotten == 0);
  for (size_t i = 0; i < count; ++i) {
    char text[MK_FAULT_TEXT_SIZE];
    MUST(mkFaultDescribe(&faults[i], text, sizeof text));
    printf("slot %u: %s\n", faults[i].slot, text);
  }
  mkPublishResultFree(result);
  return count;
}

static void publish(mkResidentEngine *engine) {
  puts("-- publish");
  mkBuffer words;
  MUST(mkResidentEngineAllocate(engine, mkElementI32, 8, mkAccessReadWrite, UINT32_MAX, &words));
  int32_t before[8] = {1, 2, 3, 4, 5, 6, 7, 8}, after[8];
  MUST(mkResidentEngineWrite(engine, words, 0, before, sizeof before));
  mkSlot slots[] = {slotOf(OpcodePut, 0, words, 0, 10), slotOf(OpcodePut, 0, words, 8, 20),
                    slotOf(OpcodeComplain, 0, 3, 0, 0), slotOf(OpcodePut, 0, words, 7, 30)};
  CHECK(finish(engine, slots, 4) == 2);
  CHECK(finish(engine, NULL, 0) == 0);
  MUST(mkResidentEngineRead(engine, words, 0, after, sizeof after));
  CHECK(after[0] == 10 && after[1] == 2 && after[7] == 30);

  // A ticket is a value.
  mkPublishOptions options;
  MUST(mkPublishOptionsInit(&options, sizeof options));
  CHECK(options.structSize == sizeof options && options.priority == 2 && options.wait);
  options.priority = 4;
  mkPublishTicket ticket, copy;
  MUST(mkResidentEnginePublish(engine, slots, 4, &options, &ticket));
  copy = ticket;
  CHECK(copy.priority == 4);
  bool done = false;
  while (!done)
    MUST(mkResidentEnginePoll(engine, &copy, &done));
  mkPublishResult *first, *second;
  MUST(mkResidentEngineWait(engine, &copy, &first));
  MUST(mkResidentEngineWait(engine, &ticket, &second));
  const mkFault *faults;
  size_t count;
  MUST(mkPublishResultGetFaults(first, &faults, &count));
  CHECK(count == 2 && faults[0].slot == 1 && faults[1].slot == 2);
  MUST(mkPublishResultGetFaults(second, &faults, NULL));
  CHECK(!faults);
  mkPublishResultFree(first);
  mkPublishResultFree(second);

  MUST(mkResidentEngineRelease(engine, words));
  CHECK(finish(engine, slots, 1) == 1);
  SHOW(mkResidentEngineRead(engine, words, 0, after, 4));
  SHOW(mkResidentEngineAllocate(engine, 10, 1, mkAccessRead, 1, &words));
  CHECK(words == 0);
  slots[0].opcode = 1000;
  SHOW(mkResidentEnginePublish(engine, slots, 1, NULL, &ticket));
  CHECK(ticket.slots == 0);
  slots[0].opcode = OpcodeHit;
  SHOW(mkResidentEnginePublish(engine, slots, 1, NULL, &ticket));
  options.priority = 5;
  SHOW(mkResidentEnginePublish(engine, slots, 1, &options, &ticket));
}

static void control(mkResidentEngine *engine) {
  puts("-- control");
  uint32_t words[2] = {11, 22}, back[2];
  MUST(mkResidentEngineWriteControl(engine, 160, words, 2));
  MUST(mkResidentEngineReadControl(engine, 160, back, 2));
  CHECK(back[0] == 11 && back[1] == 22);
  SHOW(mkResidentEngineReadControl(engine, 192, back, 1));
  SHOW(mkResidentEngineWriteControl(engine, 192, back, 1));

  const mkIsa *isa;
  const mkOpcodeInfo *print;
  MUST(mkResidentEngineGetIsa(engine, &isa));
  MUST(mkIsaFindOpcode(isa, "mk.printf", &print));
  mkSlot slot = slotOf(print->code, 0, 1, 2, 3);
  for (int i = 0; i < 3; ++i)
    CHECK(finish(engine, &slot, 1) == 0);
  mkDebugRecord record;
  size_t count;
  uint32_t dropped;
  MUST(mkResidentEngineReadDebugLog(engine, &record, 1, &count, &dropped));
  printf("log %zu, dropped %u: %u %u %u\n", count, dropped, record.format, record.a, record.b);
  MUST(mkResidentEngineReadDebugLog(engine, NULL, 0, &count, NULL));
}

static void tenants(mkResidentEngine *engine) {
  puts("-- tenants");
  mkPublishTicket ticket;
  mkSlot one = slotOf(OpcodeComplain, 1, 0, 0, 0);
  SHOW(mkResidentEnginePublish(engine, &one, 1, NULL, &ticket));
  mkSlot three[3];
  for (int i = 0; i < 3; ++i)
    three[i] = slotOf(OpcodeComplain, 2, 0, 0, 0);
  SHOW(mkResidentEnginePublish(engine, three, 3, NULL, &ticket));
  CHECK(finish(engine, three, 2) == 2);
  mkTenantOptions options = {mkTenantRightExecute | mkTenantRightUserOpcodes, UINT32_MAX};
  MUST(mkResidentEngineSetTenant(engine, 1, &options));
  CHECK(finish(engine, &one, 1) == 1);
  options.rights = 0;
  MUST(mkResidentEngineSetTenant(engine, 1, &options));
  SHOW(mkResidentEnginePublish(engine, &one, 1, NULL, &ticket));
  SHOW(mkResidentEngineSetTenant(engine, MK_TENANT_COUNT, &options));
}

static int calls;
static int readBytes(void *context, uint64_t offset, void *bytes, size_t size) {
  CHECK(context == &calls);
  ++calls;
  for (size_t i = 0; i < size; ++i)
    ((unsigned char *)bytes)[i] = (unsigned char)(offset + i);
  return 0;
}
static int readNothing(void *context, uint64_t offset, void *bytes, size_t size) {
  (void)context, (void)offset, (void)bytes, (void)size;
  return -1;
}

static void loads(mkResidentEngine *engine) {
  puts("-- loads");
  uint32_t good, bad;
  MUST(mkResidentEngineAddResource(engine, readBytes, &calls, 64, &good));
  MUST(mkResidentEngineAddResource(engine, readNothing, NULL, 64, &bad));
  mkBuffer bytes;
  MUST(mkResidentEngineAllocate(engine, mkElementI8, 16, mkAccessReadWrite, UINT32_MAX, &bytes));
  mkSlot slots[] = {loadOf(good, bytes, 4, 8), loadOf(good, bytes, 60, 8), loadOf(bad, bytes, 0, 8),
                    loadOf(bad + 1, bytes, 0, 8)};
  CHECK(finish(engine, slots, 4) == 3);
  unsigned char read[16];
  MUST(mkResidentEngineRead(engine, bytes, 0, read, sizeof read));
  CHECK(calls == 1 && read[0] == 4 && read[7] == 11 && read[8] == 0);
}

/// A window of the ISA, made by a batch, becomes hot and gets code of its own.
static mkResidentWindows *windows(mkResidentEngine *engine) {
  puts("-- windows");
  float x[N], y[N];
  for (int i = 0; i < N; ++i) {
    x[i] = (float)i;
    y[i] = 1;
  }
  mkBuffer xs, ys;
  MUST(mkResidentEngineAllocate(engine, mkElementF32, N, mkAccessRead, UINT32_MAX, &xs));
  MUST(mkResidentEngineAllocate(engine, mkElementF32, N, mkAccessReadWrite, UINT32_MAX, &ys));
  MUST(mkResidentEngineWrite(engine, xs, 0, x, sizeof x));
  MUST(mkResidentEngineWrite(engine, ys, 0, y, sizeof y));
  const mkIsa *isa;
  mkBatch *batch;
  MUST(mkResidentEngineGetIsa(engine, &isa));
  MUST(mkBatchCreate(isa, &batch));
  mkArg axpy[] = {mkArgFloat(0.5), mkArgView(xs, 0, N), mkArgView(ys, 0, N)};
  MUST(mkBatchAddWindow(batch, "twice", axpy, 3, 0));
  const mkSlot *slots;
  size_t slotCount;
  MUST(mkBatchGetSlots(batch, &slots, &slotCount));
  CHECK(slotCount == 2);

  int runs = 0;
  for (; runs < 60; ++runs)
    CHECK(finish(engine, slots, slotCount) == 0);
  MUST(mkResidentEngineWaitForPromotions(engine));
  mkResidentWindows *list;
  const mkResidentWindow *window;
  size_t count;
  MUST(mkResidentEngineTakeWindows(engine, &list));
  MUST(mkResidentWindowsGetCount(list, &count));
  MUST(mkResidentWindowsGet(list, 0, &window));
  CHECK(count == 1 && window->total >= 50 && window->recent > 0);
  printf("%s: %s '%s'\n", window->what, mkPromotionStateName(window->state), window->error);
  for (; runs < 70; ++runs)
    CHECK(finish(engine, slots, slotCount) == 0);
  MUST(mkResidentEngineRead(engine, ys, 0, y, sizeof y));
  for (int i = 0; i < N; ++i)
    CHECK(y[i] == 1 + (float)(runs * i));
  mkBatchFree(batch);
  return list;
}

static void resumables(mkResidentEngine *engine) {
  puts("-- resumables");
  const mkIsa *isa;
  const mkOpcodeInfo *opcode;
  MUST(mkResidentEngineGetIsa(engine, &isa));
  MUST(mkIsaFindOpcode(isa, "steps", &opcode));
  CHECK(opcode->entries == 2 && !opcode->promotable);
  mkBuffer words;
  MUST(mkResidentEngineAllocate(engine, mkElementI32, 4, mkAccessReadWrite, UINT32_MAX, &words));
  int32_t counts[4] = {0, 0, 0, 0};
  MUST(mkResidentEngineWrite(engine, words, 0, counts, sizeof counts));
  // It runs nine times, the other seven times, since it begins with two as done.
  mkSlot slots[2] = {slotOf(OpcodeSteps, 0, words, 1, 9), slotOf(OpcodeSteps, 0, words, 2, 9)};
  slots[1].args[mkResumableData] = 2;
  CHECK(finish(engine, slots, 2) == 0);
  MUST(mkResidentEngineRead(engine, words, 0, counts, sizeof counts));
  CHECK(counts[0] == 0 && counts[1] == 9 && counts[2] == 7);
  mkResidentTelemetry telemetry;
  MUST(mkResidentEngineGetTelemetry(engine, &telemetry, sizeof telemetry));
  CHECK(telemetry.yields == 14 && telemetry.requeues == 0 && telemetry.waits == 0);
  CHECK(telemetry.resumableLive == 0 && telemetry.resumablePaused == 0 && telemetry.resumableAged == 0);
  slots[0].args[mkResumableEntry] = 2;
  mkPublishTicket ticket;
  SHOW(mkResidentEnginePublish(engine, slots, 1, NULL, &ticket));
  MUST(mkResidentEngineRelease(engine, words));
}

static void epochs(mkResidentEngine *engine) {
  puts("-- epochs");
  mkResidentTelemetry before, after;
  MUST(mkResidentEngineDrain(engine));
  MUST(mkResidentEngineGetTelemetry(engine, &before, sizeof before));
  mkEpochSwap swap;
  MUST(mkResidentEngineSwap(engine, &swap, sizeof swap));
  CHECK(swap.epoch > before.epoch && swap.routes <= 1 && swap.leaveSeconds >= 0 && swap.startSeconds >= 0);
  MUST(mkResidentEngineDemoteAll(engine));
  MUST(mkResidentEngineGetTelemetry(engine, &after, sizeof after));
  CHECK(after.epoch >= swap.epoch && after.swaps > before.swaps && after.faultsForgotten == 0);
  CHECK(after.levels[mkRingLane][2].published >= 10 && after.levels[mkRingLane][4].published == 4);
  CHECK(after.levels[mkRingBlock][2].published >= 140 && after.levels[mkRingBlock][2].waiting == 0);
  CHECK(after.tenants[0].published > 140 && after.tenants[2].published == 2);
  CHECK(before.workers[mkRingLane].claims > 0 && before.workers[mkRingLane].claimed > 0);
  CHECK(strcmp(mkHealthName(after.health), "unknown") != 0);
  printf("%s %s %s\n", mkHealthName(mkHealthHealthy), mkHealthName(mkHealthIncomplete),
         mkHealthName((mkHealth)(mkHealthIncomplete + 1)));
}

/// A handle that was asked for is NULL, whichever argument is missing.
static void handles(mkResidentEngine *engine) {
  mkResidentEngine *opened = engine;
  mkPublishResult *result = (mkPublishResult *)engine;
  mkResidentWindows *windows = (mkResidentWindows *)engine;
  SHOW(mkResidentEngineOpen(NULL, NULL, NULL, &opened));
  SHOW(mkResidentEngineWait(engine, NULL, &result));
  SHOW(mkResidentEngineTakeWindows(NULL, &windows));
  CHECK(!opened && !result && !windows);
}

static void nulls(mkResidentEngine *engine, const mkResidentWindows *list) {
  puts("-- NULL");
  mkResidentEngine *none;
  const mkIsa *isa;
  const mkDeviceInfo *device;
  mkBuffer buffer;
  uint32_t word = 0;
  size_t count;
  mkTenantOptions tenant = {0, 0};
  mkPublishTicket ticket = {{0}, 0, 0};
  mkPublishResult *result;
  mkEpochSwap swap;
  mkResidentTelemetry telemetry;
  mkResidentWindows *windows;
  const mkResidentWindow *window;
  const mkFault *faults;
  uint64_t forgotten;
  bool done;
  // A result cannot be made by hand; what stands for one is never looked at.
  const mkPublishResult *some = (const mkPublishResult *)&word;
  SHOW(mkResidentOptionsInit(NULL, sizeof(mkResidentOptions)));
  SHOW(mkPublishOptionsInit(NULL, sizeof(mkPublishOptions)));
  SHOW(mkResidentEngineOpen(NULL, NULL, NULL, &none));
  SHOW(mkResidentEngineOpen("", NULL, NULL, NULL));
  SHOW(mkResidentEngineGetIsa(NULL, &isa));
  SHOW(mkResidentEngineGetIsa(engine, NULL));
  SHOW(mkResidentEngineGetDevice(NULL, &device));
  SHOW(mkResidentEngineGetDevice(engine, NULL));
  SHOW(mkResidentEngineAllocate(NULL, mkElementF32, 1, mkAccessRead, 1, &buffer));
  SHOW(mkResidentEngineAllocate(engine, mkElementF32, 1, mkAccessRead, 1, NULL));
  SHOW(mkResidentEngineRelease(NULL, 1));
  SHOW(mkResidentEngineWrite(NULL, 1, 0, &word, 4));
  SHOW(mkResidentEngineWrite(engine, 1, 0, NULL, 4));
  SHOW(mkResidentEngineRead(NULL, 1, 0, &word, 4));
  SHOW(mkResidentEngineRead(engine, 1, 0, NULL, 4));
  SHOW(mkResidentEngineReadControl(NULL, 0, &word, 1));
  SHOW(mkResidentEngineReadControl(engine, 0, NULL, 1));
  SHOW(mkResidentEngineWriteControl(NULL, 0, &word, 1));
  SHOW(mkResidentEngineWriteControl(engine, 0, NULL, 1));
  SHOW(mkResidentEngineReadDebugLog(NULL, NULL, 0, &count, NULL));
  SHOW(mkResidentEngineReadDebugLog(engine, NULL, 1, &count, NULL));
  SHOW(mkResidentEngineReadDebugLog(engine, NULL, 0, NULL, NULL));
  SHOW(mkResidentEngineSetTenant(NULL, 0, &tenant));
  SHOW(mkResidentEngineSetTenant(engine, 0, NULL));
  SHOW(mkResidentEngineAddResource(NULL, readNothing, NULL, 1, &word));
  SHOW(mkResidentEngineAddResource(engine, NULL, NULL, 1, &word));
  SHOW(mkResidentEngineAddResource(engine, readNothing, NULL, 1, NULL));
  SHOW(mkResidentEnginePublish(NULL, NULL, 0, NULL, &ticket));
  SHOW(mkResidentEnginePublish(engine, NULL, 1, NULL, &ticket));
  SHOW(mkResidentEnginePublish(engine, NULL, 0, NULL, NULL));
  SHOW(mkResidentEnginePoll(NULL, &ticket, &done));
  SHOW(mkResidentEnginePoll(engine, NULL, &done));
  SHOW(mkResidentEnginePoll(engine, &ticket, NULL));
  SHOW(mkResidentEngineWait(NULL, &ticket, &result));
  SHOW(mkResidentEngineWait(engine, NULL, &result));
  SHOW(mkResidentEngineWait(engine, &ticket, NULL));
  SHOW(mkResidentEngineDrain(NULL));
  SHOW(mkPublishResultGetFaults(NULL, &faults, &count));
  SHOW(mkPublishResultGetFaults(some, NULL, &count));
  SHOW(mkPublishResultGetForgotten(NULL, &forgotten));
  SHOW(mkPublishResultGetForgotten(some, NULL));
  SHOW(mkResidentEngineSwap(NULL, &swap, sizeof swap));
  SHOW(mkResidentEngineSwap(engine, NULL, sizeof swap));
  SHOW(mkResidentEngineDemoteAll(NULL));
  SHOW(mkResidentEngineWaitForPromotions(NULL));
  SHOW(mkResidentEngineGetTelemetry(NULL, &telemetry, sizeof telemetry));
  SHOW(mkResidentEngineGetTelemetry(engine, NULL, sizeof telemetry));
  SHOW(mkResidentEngineTakeWindows(NULL, &windows));
  SHOW(mkResidentEngineTakeWindows(engine, NULL));
  SHOW(mkResidentWindowsGetCount(NULL, &count));
  SHOW(mkResidentWindowsGetCount(list, NULL));
  SHOW(mkResidentWindowsGet(NULL, 0, &window));
  SHOW(mkResidentWindowsGet(list, 0, NULL));
  mkResidentEngineClose(NULL);
  mkPublishResultFree(NULL);
  mkResidentWindowsFree(NULL);
  handles(engine);
}

/// Shows how an engine is not opened.
static void refuse(const mkResidentOptions *options) {
  mkResidentEngine *engine = (mkResidentEngine *)&engine;
  SHOW(mkResidentEngineOpen("mk.opcode @nothing code(64) scope(lane) () { mk.return }", NULL, options, &engine));
  CHECK(!engine);
}

static void structs(mkResidentEngine *engine) {
  puts("-- structs");
  mkResidentOptions options;
  mkPublishOptions publish;
  mkEpochSwap swap;
  mkResidentTelemetry before, after;
  SHOW(mkResidentOptionsInit(&options, 3));
  SHOW(mkPublishOptionsInit(&publish, sizeof publish + 1));
  MUST(mkResidentEngineGetTelemetry(engine, &before, sizeof before));
  SHOW(mkResidentEngineSwap(engine, &swap, 1));
  SHOW(mkResidentEngineGetTelemetry(engine, &after, 1));
  MUST(mkResidentEngineGetTelemetry(engine, &after, sizeof after));
  CHECK(before.epoch == after.epoch);

  MUST(mkPublishOptionsInit(&publish, sizeof publish));
  publish.structSize = 7;
  mkPublishTicket ticket;
  SHOW(mkResidentEnginePublish(engine, NULL, 0, &publish, &ticket));
  bool done;
  mkPublishResult *result = (mkPublishResult *)&result;
  ticket.priority = 5;
  SHOW(mkResidentEnginePoll(engine, &ticket, &done));
  SHOW(mkResidentEngineWait(engine, &ticket, &result));
  CHECK(!result);
  // Of no engine: made by hand.
  memset(&ticket, 0, sizeof ticket);
  ticket.opaque[5] = 1;
  SHOW(mkResidentEnginePoll(engine, &ticket, &done));
  SHOW(mkResidentEngineWait(engine, &ticket, &result));

  MUST(mkResidentOptionsInit(&options, sizeof options));
  options.device = "host";
  options.structSize = 5;
  refuse(&options);
  options.structSize = sizeof options;
  mkPolicy policy;
  MUST(mkPolicyInit(&policy, sizeof policy));
  options.policy = &policy;
  policy.structSize = 1;
  refuse(&options);
  options.policy = NULL;
  mkJitOptions jit;
  MUST(mkJitOptionsInit(&jit, sizeof jit));
  options.jit = &jit;
  jit.structSize = 4;
  refuse(&options);
  options.jit = NULL;
  options.tenantCount = 1;
  refuse(&options);
  options.tenantCount = 0;
  options.ringLines = 300;
  refuse(&options);
  options.ringLines = 256;
  options.maxBuffers = 0;
  refuse(&options);
  options.maxBuffers = 4096;
  options.heatHalfLife = 0;
  refuse(&options);
  options.heatHalfLife = 1;
  options.keptFaults = UINT32_MAX;
  refuse(&options);
  options.keptFaults = 1024;
  options.device = "abacus";
  refuse(&options);
  options.device = "host";
  options.optLevel = 4;
  refuse(&options);
  mkTenantOptions many[MK_TENANT_COUNT + 1];
  memset(many, 0xFF, sizeof many);
  options.optLevel = 2;
  options.tenants = many;
  options.tenantCount = MK_TENANT_COUNT + 1;
  refuse(&options);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  static char source[1 << 14];
  FILE *file = fopen(argv[1], "r");
  CHECK(file && fread(source, 1, sizeof source - 1, file) > 0 && feof(file));
  fclose(file);

  mkTenantOptions rights[] = {
      {UINT32_MAX, UINT32_MAX}, {mkTenantRightExecute, UINT32_MAX}, {UINT32_MAX, 2}, {UINT32_MAX, UINT32_MAX}};
  mkResidentOptions options;
  MUST(mkResidentOptionsInit(&options, sizeof options));
  CHECK(options.structSize == sizeof options && options.ringLines == 8192 && options.promote && options.guard);
  options.device = "host";
  options.prelude = true;
  options.ringLines = 1024;
  options.observables = 32;
  options.debugRecords = 2;
  // What was hot stays so, also on a machine that is busy.
  options.heatHalfLife = 60;
  options.tenants = rights;
  options.tenantCount = 4;
  mkResidentEngine *engine;
  MUST(mkResidentEngineOpen(source, "isa.mlir", &options, &engine));
  const mkDeviceInfo *device;
  MUST(mkResidentEngineGetDevice(engine, &device));
  printf("device '%s'\n", device->id);

  publish(engine);
  control(engine);
  tenants(engine);
  loads(engine);
  mkResidentWindows *list = windows(engine);
  resumables(engine);
  epochs(engine);
  nulls(engine, list);
  structs(engine);

  mkResidentEngineClose(engine);
  // A value, which stays.
  const mkResidentWindow *window;
  SHOW(mkResidentWindowsGet(list, 1, &window));
  CHECK(!window);
  MUST(mkResidentWindowsGet(list, 0, &window));
  CHECK(strncmp(window->what, "axpy", 4) == 0);
  mkResidentWindowsFree(list);
  puts("done");
  return 0;
}
