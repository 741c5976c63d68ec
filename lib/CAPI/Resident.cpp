//===- Resident.cpp - The resident engine for C ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk-c/Resident.h"
#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(int(mkTenantRightExecute) == int(abi::RightExecute) &&
              int(mkTenantRightSystemWrite) == int(abi::RightSystemWrite) &&
              int(mkTenantRightIo) == int(abi::RightIo) && int(mkTenantRightPrintf) == int(abi::RightPrintf) &&
              int(mkTenantRightShutdown) == int(abi::RightShutdown) &&
              int(mkTenantRightUserOpcodes) == int(abi::RightUserOpcodes));
static_assert(int(mkHealthHealthy) == int(Health::Healthy) && int(mkHealthIdle) == int(Health::Idle) &&
              int(mkHealthBlocked) == int(Health::Blocked) && int(mkHealthLivelock) == int(Health::Livelock) &&
              int(mkHealthDead) == int(Health::Dead) && int(mkHealthIncomplete) == int(Health::Incomplete));
static_assert(int(mkResumableEntry) == abi::ContinuationPc && int(mkResumableData) == abi::ContinuationData &&
              int(mkResumableEpoch) == abi::ResumeEpoch && int(mkResumableTask) == abi::TaskId &&
              int(mkResumableParent) == abi::ParentTaskId && int(mkResumableAge) == abi::AgeTicks &&
              int(mkResumableRequeues) == abi::RequeueCount && int(mkResumableYields) == abi::YieldCount &&
              int(mkResumableFlags) == abi::ResumableFlags);
static_assert(std::extent_v<decltype(ResidentTelemetry::levels)> == MK_RING_COUNT &&
              abi::PriorityLevels == MK_PRIORITY_COUNT && abi::MaxTenants == MK_TENANT_COUNT);
static_assert(sizeof(mkPublishTicket) == sizeof(PublishTicket) && offsetof(PublishTicket, lines) == 0 &&
              offsetof(mkPublishTicket, opaque) == 0 &&
              offsetof(mkPublishTicket, slots) == offsetof(PublishTicket, slots) &&
              sizeof(mkPublishTicket::opaque) == sizeof(PublishTicket::lines) + sizeof(PublishTicket::tasks));

struct mkResidentEngine {
  explicit mkResidentEngine(std::unique_ptr<ResidentEngine> opened)
      : engine(std::move(opened)), isa(std::make_shared<mkIsa>(engine->isa())), device(convert(engine->device())) {}

  std::unique_ptr<ResidentEngine> engine;
  std::shared_ptr<const mkIsa> isa;
  mkDeviceInfo device;
};

struct mkPublishResult {
  std::vector<SlotFault> faults;
  uint64_t forgotten = 0;
};

/// 'windows' refers to 'list'.
struct mkResidentWindows {
  explicit mkResidentWindows(const ResidentEngine &engine) : list(engine.windows()) {
    for (const ResidentWindow &from : list)
      windows.push_back({from.what.c_str(), from.total, from.recent, mkPromotionState(from.state), from.error.c_str()});
  }
  mkResidentWindows(const mkResidentWindows &) = delete;

  const std::vector<ResidentWindow> list;
  std::vector<mkResidentWindow> windows;
};

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

static mkResidentOptions defaultResidentOptions() {
  OpenResidentOptions from;
  mkResidentOptions options{};
  options.structSize = sizeof options;
  options.optLevel = from.optLevel;
  options.prelude = from.prelude;
  options.guard = from.guard;
  options.promote = from.promote;
  options.findWindows = from.findWindows;
  options.ringLines = from.ringLines;
  options.maxBuffers = from.maxBuffers;
  options.memoryBudget = from.memoryBudget;
  options.observables = from.observables;
  options.debugRecords = from.debugRecords;
  options.keptFaults = from.keptFaults;
  options.maxRoutes = from.maxRoutes;
  options.maxWindows = from.maxWindows;
  options.leaveSeconds = from.leaveSeconds;
  options.heatHalfLife = from.heatHalfLife;
  options.swapInterval = from.swapInterval;
  options.watchdogPatience = from.watchdogPatience;
  return options;
}

static Expected<OpenResidentOptions> readResidentOptions(const mkResidentOptions *given) {
  Expected<mkResidentOptions> options = readOptions("mkResidentOptions", given, defaultResidentOptions());
  if (!options)
    return tl::unexpected(options.error());
  OpenResidentOptions read;
  if (Expected<void> policy = store(readPolicy(options->policy), &read.policy); !policy)
    return tl::unexpected(policy.error());
  if (Expected<void> jit = store(readJitOptions(options->jit), &read.jit); !jit)
    return tl::unexpected(jit.error());
  if (Expected<void> tenants =
          checkPointers("mkResidentOptions", {{"tenants", options->tenants, options->tenantCount}});
      !tenants)
    return tl::unexpected(tenants.error());
  for (size_t i = 0; i < options->tenantCount; ++i)
    read.tenants.push_back({options->tenants[i].rights, options->tenants[i].quota});
  if (options->device)
    read.device = options->device;
  read.optLevel = options->optLevel;
  read.prelude = options->prelude;
  read.guard = options->guard;
  read.promote = options->promote;
  read.findWindows = options->findWindows;
  read.ringLines = options->ringLines;
  read.maxBuffers = options->maxBuffers;
  read.memoryBudget = options->memoryBudget;
  read.observables = options->observables;
  read.debugRecords = options->debugRecords;
  read.keptFaults = options->keptFaults;
  read.maxRoutes = options->maxRoutes;
  read.maxWindows = options->maxWindows;
  read.leaveSeconds = options->leaveSeconds;
  read.heatHalfLife = options->heatHalfLife;
  read.swapInterval = options->swapInterval;
  read.watchdogPatience = options->watchdogPatience;
  return read;
}

static mkPublishOptions defaultPublishOptions() {
  PublishOptions from;
  mkPublishOptions options{};
  options.structSize = sizeof options;
  options.priority = from.priority;
  options.wait = from.wait;
  return options;
}

static mkPublishTicket convert(const PublishTicket &from) {
  mkPublishTicket to{};
  std::memcpy(to.opaque, &from, sizeof to.opaque);
  to.slots = from.slots;
  to.priority = from.priority;
  return to;
}

static Expected<PublishTicket> readTicket(const mkPublishTicket &from) {
  // One that was never filled in, most likely.
  if (from.priority >= abi::PriorityLevels)
    return makeError(ErrorCode::InvalidArgument,
                     "mkPublishTicket::priority is " + std::to_string(from.priority) +
                         ", but priorities are 0 to 4; pass a ticket as mkResidentEnginePublish filled it in");
  PublishTicket to;
  std::memcpy(static_cast<void *>(&to), from.opaque, sizeof from.opaque);
  to.slots = from.slots;
  to.priority = uint8_t(from.priority);
  return to;
}

static mkResidentTelemetry convert(const ResidentTelemetry &from) {
  mkResidentTelemetry to{};
  for (size_t ring = 0; ring < MK_RING_COUNT; ++ring) {
    for (size_t priority = 0; priority < MK_PRIORITY_COUNT; ++priority)
      to.levels[ring][priority] = {from.levels[ring][priority].published, from.levels[ring][priority].waiting};
    const ResidentTelemetry::Workers &workers = from.workers[ring];
    to.workers[ring] = {workers.claimed, workers.claims, workers.aged, workers.faults, workers.heartbeat};
  }
  for (size_t tenant = 0; tenant < MK_TENANT_COUNT; ++tenant)
    to.tenants[tenant] = {from.tenants[tenant].published, from.tenants[tenant].ended, from.tenants[tenant].refused};
  to.windowsFound = from.windowsFound;
  to.swaps = from.swaps;
  to.faultsForgotten = from.faultsForgotten;
  to.epoch = from.epoch;
  to.health = mkHealth(from.verdict.health);
  to.doneDelta = from.verdict.doneDelta;
  to.faulted = from.verdict.faulted;
  to.resumableLive = from.resumables.live;
  to.resumablePaused = from.resumables.paused;
  to.yields = from.resumables.yields;
  to.requeues = from.resumables.requeues;
  to.waits = from.resumables.waits;
  to.resumableAged = from.resumables.aged;
  return to;
}

extern "C" {

//===----------------------------------------------------------------------===//
// Opening and closing
//===----------------------------------------------------------------------===//

mkError *mkResidentOptionsInit(mkResidentOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkResidentOptions", defaultResidentOptions(), options, structSize); });
}
mkError *mkResidentEngineOpen(const char *source, const char *name, const mkResidentOptions *options,
                              mkResidentEngine **engine) {
  return call(__func__, {{"source", source}, {"engine", engine}}, [&]() -> Expected<void> {
    Expected<OpenResidentOptions> read = readResidentOptions(options);
    if (!read)
      return tl::unexpected(read.error());
    Expected<std::unique_ptr<ResidentEngine>> opened = openResidentEngine(source, name ? name : "isa", *read);
    if (!opened)
      return tl::unexpected(opened.error());
    *engine = new mkResidentEngine(std::move(*opened));
    return {};
  });
}
void mkResidentEngineClose(mkResidentEngine *engine) { delete engine; }

mkError *mkResidentEngineGetIsa(const mkResidentEngine *engine, const mkIsa **isa) {
  return call(__func__, {{"engine", engine}, {"isa", isa}}, [&]() -> Expected<void> {
    *isa = engine->isa.get();
    return {};
  });
}
mkError *mkResidentEngineGetDevice(const mkResidentEngine *engine, const mkDeviceInfo **device) {
  return call(__func__, {{"engine", engine}, {"device", device}}, [&]() -> Expected<void> {
    *device = &engine->device;
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Buffers, control words, tenants, resources
//===----------------------------------------------------------------------===//

mkError *mkResidentEngineAllocate(mkResidentEngine *engine, mkElementType element, uint64_t count, mkAccess access,
                                  uint32_t tenants, mkBuffer *buffer) {
  return call(__func__, {{"engine", engine}, {"buffer", buffer}}, [&]() -> Expected<void> {
    *buffer = 0;
    Expected<ElementType> type = readElementType(element);
    if (!type)
      return tl::unexpected(type.error());
    return store(engine->engine->allocate(*type, count, access, tenants), buffer);
  });
}
mkError *mkResidentEngineRelease(mkResidentEngine *engine, mkBuffer buffer) {
  return call(__func__, {{"engine", engine}}, [&] { return engine->engine->release(buffer); });
}
mkError *mkResidentEngineWrite(mkResidentEngine *engine, mkBuffer buffer, uint64_t offset, const void *bytes,
                               size_t size) {
  return call(__func__, {{"engine", engine}, {"bytes", bytes, size}},
              [&] { return engine->engine->write(buffer, offset, {static_cast<const std::byte *>(bytes), size}); });
}
mkError *mkResidentEngineRead(mkResidentEngine *engine, mkBuffer buffer, uint64_t offset, void *bytes, size_t size) {
  return call(__func__, {{"engine", engine}, {"bytes", bytes, size}},
              [&] { return engine->engine->read(buffer, offset, {static_cast<std::byte *>(bytes), size}); });
}

mkError *mkResidentEngineReadControl(mkResidentEngine *engine, uint32_t first, uint32_t *words, size_t count) {
  return call(__func__, {{"engine", engine}, {"words", words, count}},
              [&] { return copyControl(*engine->engine, first, words, count); });
}
mkError *mkResidentEngineWriteControl(mkResidentEngine *engine, uint32_t first, const uint32_t *words, size_t count) {
  return call(__func__, {{"engine", engine}, {"words", words, count}},
              [&] { return engine->engine->writeControl(first, {words, count}); });
}
mkError *mkResidentEngineReadDebugLog(mkResidentEngine *engine, mkDebugRecord *records, size_t capacity, size_t *count,
                                      uint32_t *dropped) {
  return call(__func__, {{"engine", engine}, {"records", records, capacity}, {"count", count}},
              [&] { return copyDebugLog(engine->engine->readDebugLog(), records, capacity, count, dropped); });
}

mkError *mkResidentEngineSetTenant(mkResidentEngine *engine, uint32_t tenant, const mkTenantOptions *options) {
  return call(__func__, {{"engine", engine}, {"options", options}},
              [&] { return engine->engine->setTenant(tenant, {options->rights, options->quota}); });
}
mkError *mkResidentEngineAddResource(mkResidentEngine *engine, mkResourceReader reader, void *context, uint64_t size,
                                     uint32_t *resource) {
  return call(__func__,
              {{"engine", engine}, {"reader", reinterpret_cast<const void *>(reader)}, {"resource", resource}},
              [&]() -> Expected<void> {
                auto read = [reader, context](uint64_t offset, std::span<std::byte> to) -> Expected<void> {
                  if (reader(context, offset, to.data(), to.size()) == 0)
                    return {};
                  // The slot's fault is all that is seen of it.
                  return tl::unexpected(Error{ErrorCode::NotFound, "the program's reader failed"});
                };
                return store(engine->engine->addResource(read, size), resource);
              });
}

//===----------------------------------------------------------------------===//
// Publishing
//===----------------------------------------------------------------------===//

mkError *mkPublishOptionsInit(mkPublishOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkPublishOptions", defaultPublishOptions(), options, structSize); });
}
mkError *mkResidentEnginePublish(mkResidentEngine *engine, const mkSlot *slots, size_t slotCount,
                                 const mkPublishOptions *options, mkPublishTicket *ticket) {
  return call(__func__, {{"engine", engine}, {"slots", slots, slotCount}, {"ticket", ticket}}, [&]() -> Expected<void> {
    *ticket = {};
    Expected<mkPublishOptions> read = readOptions("mkPublishOptions", options, defaultPublishOptions());
    if (!read)
      return tl::unexpected(read.error());
    PublishOptions how;
    how.priority = read->priority;
    how.wait = read->wait;
    Expected<PublishTicket> published = engine->engine->publish(slotsOf(slots, slotCount), how);
    if (!published)
      return tl::unexpected(published.error());
    *ticket = convert(*published);
    return {};
  });
}
mkError *mkResidentEnginePoll(mkResidentEngine *engine, const mkPublishTicket *ticket, bool *done) {
  return call(__func__, {{"engine", engine}, {"ticket", ticket}, {"done", done}}, [&]() -> Expected<void> {
    Expected<PublishTicket> read = readTicket(*ticket);
    return read ? store(engine->engine->poll(*read), done) : tl::unexpected(read.error());
  });
}
mkError *mkResidentEngineWait(mkResidentEngine *engine, const mkPublishTicket *ticket, mkPublishResult **result) {
  return call(__func__, {{"engine", engine}, {"ticket", ticket}, {"result", result}}, [&]() -> Expected<void> {
    Expected<PublishTicket> read = readTicket(*ticket);
    if (!read)
      return tl::unexpected(read.error());
    // Faults are handed out once, so that there has to be room for them before.
    auto made = std::make_unique<mkPublishResult>();
    if (Expected<void> ended = store(engine->engine->wait(*read, &made->forgotten), &made->faults); !ended)
      return ended;
    *result = made.release();
    return {};
  });
}
mkError *mkResidentEngineDrain(mkResidentEngine *engine) {
  return call(__func__, {{"engine", engine}}, [&] { return engine->engine->drain(); });
}

mkError *mkPublishResultGetFaults(const mkPublishResult *result, const mkFault **faults, size_t *count) {
  return call(__func__, {{"result", result}, {"faults", faults}},
              [&] { return storeArray(result->faults, faults, count); });
}
mkError *mkPublishResultGetForgotten(const mkPublishResult *result, uint64_t *count) {
  return call(__func__, {{"result", result}, {"count", count}}, [&]() -> Expected<void> {
    *count = result->forgotten;
    return {};
  });
}
void mkPublishResultFree(mkPublishResult *result) { delete result; }

//===----------------------------------------------------------------------===//
// Epochs and what the engine has learnt
//===----------------------------------------------------------------------===//

mkError *mkResidentEngineSwap(mkResidentEngine *engine, mkEpochSwap *swap, size_t structSize) {
  return call(__func__, {{"engine", engine}, {"swap", swap}}, [&]() -> Expected<void> {
    // Before anything has happened.
    if (Expected<void> known = checkSize("mkEpochSwap", structSize, firstSize<mkEpochSwap>, sizeof *swap); !known)
      return known;
    Expected<EpochSwap> from = engine->engine->swap();
    if (!from)
      return tl::unexpected(from.error());
    mkEpochSwap to{};
    to.epoch = from->epoch;
    to.routes = from->routes;
    to.leaveSeconds = from->leaveSeconds;
    to.loadSeconds = from->loadSeconds;
    to.startSeconds = from->startSeconds;
    return storeStruct("mkEpochSwap", to, swap, structSize);
  });
}
mkError *mkResidentEngineDemoteAll(mkResidentEngine *engine) {
  return call(__func__, {{"engine", engine}}, [&] { return engine->engine->demoteAll(); });
}
mkError *mkResidentEngineWaitForPromotions(mkResidentEngine *engine) {
  return call(__func__, {{"engine", engine}}, [&]() -> Expected<void> {
    engine->engine->waitForPromotions();
    return {};
  });
}

const char *mkHealthName(mkHealth health) { return nameOf(health, Health::Incomplete, stringifyHealth); }

mkError *mkResidentEngineGetTelemetry(mkResidentEngine *engine, mkResidentTelemetry *telemetry, size_t structSize) {
  return call(__func__, {{"engine", engine}, {"telemetry", telemetry}}, [&]() -> Expected<void> {
    Expected<ResidentTelemetry> from = engine->engine->telemetry();
    if (!from)
      return tl::unexpected(from.error());
    return storeStruct("mkResidentTelemetry", convert(*from), telemetry, structSize);
  });
}

mkError *mkResidentEngineTakeWindows(const mkResidentEngine *engine, mkResidentWindows **windows) {
  return call(__func__, {{"engine", engine}, {"windows", windows}}, [&]() -> Expected<void> {
    *windows = new mkResidentWindows(*engine->engine);
    return {};
  });
}
mkError *mkResidentWindowsGetCount(const mkResidentWindows *windows, size_t *count) {
  return call(__func__, {{"windows", windows}, {"count", count}}, [&]() -> Expected<void> {
    *count = windows->windows.size();
    return {};
  });
}
mkError *mkResidentWindowsGet(const mkResidentWindows *windows, size_t index, const mkResidentWindow **window) {
  return call(__func__, {{"windows", windows}, {"window", window}},
              [&] { return storeElement(windows->windows, index, "window", window); });
}
void mkResidentWindowsFree(mkResidentWindows *windows) { delete windows; }

} // extern "C"
