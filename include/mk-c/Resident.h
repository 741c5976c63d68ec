//===- Resident.h - Slots to workers that stay --------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The engine for live traffic: its workers stay on the device and serve rings, so that a slot is answered within
// microseconds of its publication (docs/Resident.md). mkEngine runs whole batches faster; this one answers sooner.
//
// What is published is unordered, but for the slots of a window, which one worker runs in order, and for fences. A
// program that needs a result waits for its ticket before it publishes what uses the result.
//
// Threads: any number may call any function of an engine at once. Only mkResidentEngineClose() must be the last call.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_RESIDENT_H
#define MK_C_RESIDENT_H

#include "mk-c/Engine.h"

MK_C_BEGIN

typedef struct mkResidentEngine mkResidentEngine;

//===----------------------------------------------------------------------===//
// Opening and closing
//===----------------------------------------------------------------------===//

/// What a tenant may do: bits.
typedef uint32_t mkTenantRights;
enum {
  mkTenantRightExecute = 1,
  mkTenantRightSystemWrite = 2,
  mkTenantRightIo = 4,
  mkTenantRightPrintf = 8,
  mkTenantRightShutdown = 16,
  mkTenantRightUserOpcodes = 32,
};

typedef struct mkTenantOptions {
  /// UINT32_MAX for all rights.
  mkTenantRights rights;
  /// Slots that it may have waiting or running at once, fences, loads and suspended ones among them; UINT32_MAX for no
  /// bound.
  uint32_t quota;
} mkTenantOptions;

typedef struct mkResidentOptions {
  size_t structSize;
  /// As in mkEngineOptions.
  const char *device;
  uint32_t optLevel;
  bool prelude;
  bool guard;
  /// Compiles hot windows and puts them into the next epoch.
  bool promote;
  /// Finds windows in calls that publish single slots of block scope, so that they run in order on one worker and may
  /// get code of their own.
  bool findWindows;
  /// Lines of each ring, a power of two from 256 to 2^20. There are five rings for each interpreter in use.
  uint32_t ringLines;
  /// Rows of the buffer table, system rows included.
  uint32_t maxBuffers;
  /// As in mkEngineOptions.
  uint64_t memoryBudget;
  uint32_t observables;
  uint32_t debugRecords;
  /// For tenants 0, 1, ...; a tenant that is not listed has all rights, and no bound.
  const mkTenantOptions *tenants;
  size_t tenantCount;
  /// Faults that are kept for each ring until their tickets are waited for; the oldest give way. At most 2^20; there
  /// are never less than a ring has lines.
  uint32_t keptFaults;
  /// Kinds of windows with code of their own in one epoch, and kinds that are tracked.
  uint32_t maxRoutes;
  uint32_t maxWindows;
  /// The longest that workers may take to leave, in seconds. Afterwards the device counts as lost.
  double leaveSeconds;
  /// The time in which the count of runs that makes a window hot halves, in seconds.
  double heatHalfLife;
  /// The least time between two epochs that promotions cause, in seconds.
  double swapInterval;
  /// The time without progress after which something is wrong, in seconds.
  double watchdogPatience;
  /// NULL for the defaults of each.
  const mkPolicy *policy;
  const mkJitOptions *jit;
} mkResidentOptions;

/// Sets the defaults. 'structSize' is sizeof(mkResidentOptions).
MK_FALLIBLE mkError *mkResidentOptionsInit(mkResidentOptions *options, size_t structSize);

/// Opens an engine for an ISA, MLIR text that ends with NUL, and starts its workers. 'name' stands for the text in
/// messages, and may be NULL. Options are read during the call alone; NULL means the defaults. The errors of
/// mkEngineOpen(), and Unsupported for a device without resident mode.
MK_FALLIBLE mkError *mkResidentEngineOpen(const char *source, const char *name, const mkResidentOptions *options,
                                          mkResidentEngine **engine);
/// Waits for everything that was published, lets the workers leave, and gives everything of the engine back. Resumable
/// slots that would run again end in task_state (0x70) instead. Results and lists of windows stay.
MK_API void mkResidentEngineClose(mkResidentEngine *engine);

/// The ISA, which belongs to the engine. Batches that are made with it collect slots to publish (mkBatchGetSlots).
MK_FALLIBLE mkError *mkResidentEngineGetIsa(const mkResidentEngine *engine, const mkIsa **isa);
MK_FALLIBLE mkError *mkResidentEngineGetDevice(const mkResidentEngine *engine, const mkDeviceInfo **device);

//===----------------------------------------------------------------------===//
// Buffers, control words, tenants, resources
//===----------------------------------------------------------------------===//

/// As mkEngineAllocate().
MK_FALLIBLE mkError *mkResidentEngineAllocate(mkResidentEngine *engine, mkElementType element, uint64_t count,
                                              mkAccess access, uint32_t tenants, mkBuffer *buffer);
/// Waits for all that was published so far, and takes the buffer away: NotFound from now on, and in later slots a
/// fault. Its memory is given back at the end of the epoch.
MK_FALLIBLE mkError *mkResidentEngineRelease(mkResidentEngine *engine, mkBuffer buffer);
/// Copies to or from a buffer, from byte 'offset' on, at once, whatever runs. Slots published afterwards see what was
/// written; what is read has the effects of the slots whose tickets were waited for. NotFound for no such buffer,
/// InvalidArgument beyond its end.
MK_FALLIBLE mkError *mkResidentEngineWrite(mkResidentEngine *engine, mkBuffer buffer, uint64_t offset,
                                           const void *bytes, size_t size);
MK_FALLIBLE mkError *mkResidentEngineRead(mkResidentEngine *engine, mkBuffer buffer, uint64_t offset, void *bytes,
                                          size_t size);

/// Control words (docs/Prelude.md), as they are now. InvalidArgument beyond the last.
MK_FALLIBLE mkError *mkResidentEngineReadControl(mkResidentEngine *engine, uint32_t first, uint32_t *words,
                                                 size_t count);
MK_FALLIBLE mkError *mkResidentEngineWriteControl(mkResidentEngine *engine, uint32_t first, const uint32_t *words,
                                                  size_t count);
/// What PRINTF has written. Copies at most 'capacity' records; '*count' is how many there are, '*dropped', which may be
/// NULL, for how many the log had no room.
MK_FALLIBLE mkError *mkResidentEngineReadDebugLog(mkResidentEngine *engine, mkDebugRecord *records, size_t capacity,
                                                  size_t *count, uint32_t *dropped);

/// Changes rights and quota of a tenant, for what is published, or resumed, from now on. InvalidArgument for no such
/// tenant.
MK_FALLIBLE mkError *mkResidentEngineSetTenant(mkResidentEngine *engine, uint32_t tenant,
                                               const mkTenantOptions *options);

/// Writes bytes [offset, offset + size) of a resource to 'bytes', and returns 0; any other number makes the slot that
/// asked for them FAULT. It is called by a thread of the engine, with what mkResidentEngineAddResource() was given, and
/// returns in the ordinary way: no longjmp, no exception.
typedef int (*mkResourceReader)(void *context, uint64_t offset, void *bytes, size_t size);

/// Makes a resource of 'size' bytes known to LOAD_MISS; '*resource' is its number there. The reader may be called, and
/// 'context' has to stay, until the engine is closed. 'context' may be NULL.
MK_FALLIBLE mkError *mkResidentEngineAddResource(mkResidentEngine *engine, mkResourceReader reader, void *context,
                                                 uint64_t size, uint32_t *resource);

//===----------------------------------------------------------------------===//
// Publishing
//===----------------------------------------------------------------------===//

/// Indexes into mkSlot::args of a slot whose opcode is resumable (mkOpcodeInfo::entries); its own arguments have the
/// first three. The publisher gives the first two of these, and task and parent if it likes; the engine writes the
/// rest.
typedef enum mkResumableWord {
  /// Where the body begins, from 0 to mkOpcodeInfo::entries - 1.
  mkResumableEntry = 3,
  mkResumableData = 4,
  mkResumableEpoch = 5,
  mkResumableTask = 6,
  mkResumableParent = 7,
  mkResumableAge = 8,
  mkResumableRequeues = 9,
  mkResumableYields = 10,
  mkResumableFlags = 11
} mkResumableWord;

typedef struct mkPublishOptions {
  size_t structSize;
  /// 0 (critical) to 4 (idle); 2 is the usual one.
  uint32_t priority;
  /// Without room: waits for it, or fails with Busy.
  bool wait;
} mkPublishOptions;

/// Sets the defaults. 'structSize' is sizeof(mkPublishOptions).
MK_FALLIBLE mkError *mkPublishOptionsInit(mkPublishOptions *options, size_t structSize);

/// What was published together: a value that may be copied, and needs no release. It is good for its engine alone, and
/// as long as that.
typedef struct mkPublishTicket {
  /// Where in the rings.
  uint64_t opaque[8];
  uint32_t slots;
  uint32_t priority;
} mkPublishTicket;

/// What became of the slots of a ticket: all are done except those among the faults, and those whose faults were
/// forgotten. A value, which outlives its engine.
typedef struct mkPublishResult mkPublishResult;

/// Publishes slots and windows: all, or none; then the error names the slot. NULL options are the defaults. The errors
/// of mkEngineSubmit(); besides, TenantRight for what its rights do not let a tenant publish, TenantOpcodeWindow for
/// an opcode in the range of another tenant, Unsupported for opcodes that emit hits, Busy without room (or beyond a
/// tenant's quota) when the call must not wait. InvalidArgument for what would never find room: more slots than a ring
/// has lines, or than the quota of their tenant, or more fences and loads, or resumable slots, than may be under way at
/// once (1024 of each), or a resumable slot that begins at an entry which its opcode does not have.
MK_FALLIBLE mkError *mkResidentEnginePublish(mkResidentEngine *engine, const mkSlot *slots, size_t slotCount,
                                             const mkPublishOptions *options, mkPublishTicket *ticket);
/// True when all slots have ended.
MK_FALLIBLE mkError *mkResidentEnginePoll(mkResidentEngine *engine, const mkPublishTicket *ticket, bool *done);
/// Waits for all slots. Each fault is handed out once: who waits again gets none. DeviceFailed when the device was lost
/// before they had ended, InvalidArgument for the ticket of another engine.
MK_FALLIBLE mkError *mkResidentEngineWait(mkResidentEngine *engine, const mkPublishTicket *ticket,
                                          mkPublishResult **result);
/// Waits until nothing that was published so far waits or runs.
MK_FALLIBLE mkError *mkResidentEngineDrain(mkResidentEngine *engine);

/// Sorted by slot, its index in the call that published it; NULL and 0 for none. 'count' may be NULL.
MK_FALLIBLE mkError *mkPublishResultGetFaults(const mkPublishResult *result, const mkFault **faults, size_t *count);
/// How many faults of the ticket gave way to younger ones (keptFaults), at most. Unless it is 0, slots that are not
/// among the faults may have faulted, too.
MK_FALLIBLE mkError *mkPublishResultGetForgotten(const mkPublishResult *result, uint64_t *count);
MK_API void mkPublishResultFree(mkPublishResult *result);

//===----------------------------------------------------------------------===//
// Epochs and what the engine has learnt
//===----------------------------------------------------------------------===//

/// How an epoch ended and the next began.
typedef struct mkEpochSwap {
  uint32_t epoch;
  /// Windows with code of their own from now on.
  uint32_t routes;
  double leaveSeconds;
  double loadSeconds;
  double startSeconds;
} mkEpochSwap;

/// Ends the epoch and starts the next, with what was compiled since. 'structSize' is sizeof(mkEpochSwap).
MK_FALLIBLE mkError *mkResidentEngineSwap(mkResidentEngine *engine, mkEpochSwap *swap, size_t structSize);
/// Takes all windows back to the interpreter, and begins to count anew.
MK_FALLIBLE mkError *mkResidentEngineDemoteAll(mkResidentEngine *engine);
/// Waits until no window waits to be compiled or to go live: for tests, and for measurements of the steady state.
MK_FALLIBLE mkError *mkResidentEngineWaitForPromotions(mkResidentEngine *engine);

/// What two looks at the workers tell.
typedef enum mkHealth {
  /// Slots ended since the look before; or none did, but not for long enough to say more.
  mkHealthHealthy = 0,
  /// There is nothing to do.
  mkHealthIdle,
  /// Workers look for work, and all that waits may not run.
  mkHealthBlocked,
  /// Workers look for work, and there is some that may run, but none has ended for too long.
  mkHealthLivelock,
  /// Workers are there, but have not even looked for work for too long.
  mkHealthDead,
  /// Workers have left, and slots that may run are left.
  mkHealthIncomplete,
} mkHealth;
/// "healthy", "idle", ...; "unknown" for what there is not.
MK_API const char *mkHealthName(mkHealth health);

/// Which ring a slot goes to, by what runs it.
enum {
  mkRingLane = 0,
  mkRingBlock = 1,
  mkRingPacked = 2,
};
#define MK_RING_COUNT 3
#define MK_PRIORITY_COUNT 5
#define MK_TENANT_COUNT 29

typedef struct mkRingLevel {
  uint64_t published;
  /// Published, not yet ended.
  uint64_t waiting;
} mkRingLevel;

/// Counts of running workers may lag by what they claimed last. All are modulo 2^32.
typedef struct mkRingWorkers {
  /// Lines claimed, claims, claims for age, faults, looks for work.
  uint32_t claimed;
  uint32_t claims;
  uint32_t aged;
  uint32_t faults;
  uint32_t heartbeat;
} mkRingWorkers;

typedef struct mkTenantCounts {
  uint64_t published;
  uint64_t ended;
  uint64_t refused;
} mkTenantCounts;

typedef struct mkResidentTelemetry {
  mkRingLevel levels[MK_RING_COUNT][MK_PRIORITY_COUNT];
  mkRingWorkers workers[MK_RING_COUNT];
  mkTenantCounts tenants[MK_TENANT_COUNT];
  /// Windows that were found in single slots.
  uint64_t windowsFound;
  uint64_t swaps;
  /// Faults whose tickets nobody waited for in time.
  uint64_t faultsForgotten;
  uint32_t epoch;
  /// What the watchdog says of the time since it last saw progress: slots that ended in it, modulo 2^32, and whether
  /// any ended in FAULT.
  mkHealth health;
  uint32_t doneDelta;
  bool faulted;
  /// Slots of resumable opcodes: those that have not ended, and those of them that wait for an epoch; suspensions by
  /// kind, and how often a slot rose to a higher priority for its age.
  uint64_t resumableLive, resumablePaused, yields, requeues, waits, resumableAged;
} mkResidentTelemetry;

/// What the engine counts. 'structSize' is sizeof(mkResidentTelemetry).
MK_FALLIBLE mkError *mkResidentEngineGetTelemetry(mkResidentEngine *engine, mkResidentTelemetry *telemetry,
                                                  size_t structSize);

/// A kind of window, and what became of it.
typedef struct mkResidentWindow {
  /// The readable form of the window.
  const char *what;
  /// Executions in all, and those in the decaying window of observation.
  uint64_t total;
  double recent;
  mkPromotionState state;
  /// Why it has no code of its own, if there is a reason; else "".
  const char *error;
} mkResidentWindow;

/// The kinds of windows as they were at one moment: a value, which outlives its engine.
typedef struct mkResidentWindows mkResidentWindows;

MK_FALLIBLE mkError *mkResidentEngineTakeWindows(const mkResidentEngine *engine, mkResidentWindows **windows);
MK_FALLIBLE mkError *mkResidentWindowsGetCount(const mkResidentWindows *windows, size_t *count);
/// InvalidArgument for an index beyond the last.
MK_FALLIBLE mkError *mkResidentWindowsGet(const mkResidentWindows *windows, size_t index,
                                          const mkResidentWindow **window);
MK_API void mkResidentWindowsFree(mkResidentWindows *windows);

MK_C_END

#endif // MK_C_RESIDENT_H
