//===- Engine.cpp - The engine for C --------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(std::is_same_v<mkBuffer, BufferHandle> && std::is_same_v<mkTicket, Ticket>);
static_assert(sizeof(mkDebugRecord) == sizeof(DebugRecord) && offsetof(mkDebugRecord, b) == offsetof(DebugRecord, b) &&
              offsetof(mkDebugRecord, slot) == offsetof(DebugRecord, slot));

struct mkEngine {
  explicit mkEngine(std::unique_ptr<Engine> opened)
      : engine(std::move(opened)), isa(std::make_shared<mkIsa>(engine->isa())), device(convert(engine->device())) {}

  std::unique_ptr<Engine> engine;
  std::shared_ptr<const mkIsa> isa;
  mkDeviceInfo device;
};

mkDeviceInfo mk::capi::convert(const DeviceInfo &info) {
  mkDeviceInfo device{};
  device.id = info.id.c_str();
  device.description = info.description.c_str();
  device.chip = info.target.chip.c_str();
  device.maxWorkgroupSize = info.maxWorkgroupSize;
  device.maxWorkgroups = info.maxWorkgroups;
  device.concurrentWorkgroups = info.concurrentWorkgroups;
  device.memoryBytes = info.memoryBytes;
  return device;
}

Expected<ElementType> mk::capi::readElementType(mkElementType element) {
  if (element > mkElementIndex)
    return makeError(ErrorCode::InvalidArgument, "a buffer of element type " + std::to_string(element) +
                                                     " was asked for, but element types are 0 (mkElementI1) to " +
                                                     std::to_string(mkElementIndex) + " (mkElementIndex)");
  return ElementType(element);
}

Expected<void> mk::capi::copyDebugLog(const Expected<DebugLog> &log, mkDebugRecord *records, size_t capacity,
                                      size_t *count, uint32_t *dropped) {
  if (!log)
    return tl::unexpected(log.error());
  *count = log->records.size();
  size_t copied = std::min(capacity, *count);
  if (copied)
    std::memcpy(records, log->records.data(), copied * sizeof *records);
  if (dropped)
    *dropped = log->dropped;
  return {};
}

static Expected<void> storeEngine(Expected<std::unique_ptr<Engine>> opened, mkEngine **engine) {
  if (!opened)
    return tl::unexpected(opened.error());
  *engine = new mkEngine(std::move(*opened));
  return {};
}

extern "C" {

//===----------------------------------------------------------------------===//
// Opening and closing
//===----------------------------------------------------------------------===//

mkError *mkEngineOpen(const char *source, const char *name, const mkEngineOptions *options, mkEngine **engine) {
  return call(__func__, {{"source", source}, {"engine", engine}}, [&]() -> Expected<void> {
    Expected<OpenOptions> read = readEngineOptions(options);
    if (!read)
      return tl::unexpected(read.error());
    return storeEngine(openEngine(source, name ? name : "isa", *read), engine);
  });
}
mkError *mkEngineOpenFile(const char *path, const mkEngineOptions *options, mkEngine **engine) {
  return call(__func__, {{"path", path}, {"engine", engine}}, [&]() -> Expected<void> {
    Expected<OpenOptions> read = readEngineOptions(options);
    if (!read)
      return tl::unexpected(read.error());
    return storeEngine(openEngineFile(path, *read), engine);
  });
}
void mkEngineClose(mkEngine *engine) { delete engine; }

mkError *mkEngineGetIsa(const mkEngine *engine, const mkIsa **isa) {
  return call(__func__, {{"engine", engine}, {"isa", isa}}, [&]() -> Expected<void> {
    *isa = engine->isa.get();
    return {};
  });
}
mkError *mkEngineGetDevice(const mkEngine *engine, const mkDeviceInfo **device) {
  return call(__func__, {{"engine", engine}, {"device", device}}, [&]() -> Expected<void> {
    *device = &engine->device;
    return {};
  });
}

//===----------------------------------------------------------------------===//
// Buffers and control words
//===----------------------------------------------------------------------===//

mkError *mkEngineAllocate(mkEngine *engine, mkElementType element, uint64_t count, mkAccess access, uint32_t tenants,
                          mkBuffer *buffer) {
  return call(__func__, {{"engine", engine}, {"buffer", buffer}}, [&]() -> Expected<void> {
    *buffer = 0;
    Expected<ElementType> type = readElementType(element);
    if (!type)
      return tl::unexpected(type.error());
    return store(engine->engine->allocate(*type, count, access, tenants), buffer);
  });
}
mkError *mkEngineRelease(mkEngine *engine, mkBuffer buffer) {
  return call(__func__, {{"engine", engine}}, [&] { return engine->engine->release(buffer); });
}
mkError *mkEngineWrite(mkEngine *engine, mkBuffer buffer, uint64_t offset, const void *bytes, size_t size) {
  return call(__func__, {{"engine", engine}, {"bytes", bytes, size}},
              [&] { return engine->engine->write(buffer, offset, {static_cast<const std::byte *>(bytes), size}); });
}
mkError *mkEngineRead(mkEngine *engine, mkBuffer buffer, uint64_t offset, void *bytes, size_t size) {
  return call(__func__, {{"engine", engine}, {"bytes", bytes, size}},
              [&] { return engine->engine->read(buffer, offset, {static_cast<std::byte *>(bytes), size}); });
}

mkError *mkEngineReadControl(mkEngine *engine, uint32_t first, uint32_t *words, size_t count) {
  return call(__func__, {{"engine", engine}, {"words", words, count}},
              [&] { return copyControl(*engine->engine, first, words, count); });
}
mkError *mkEngineWriteControl(mkEngine *engine, uint32_t first, const uint32_t *words, size_t count) {
  return call(__func__, {{"engine", engine}, {"words", words, count}},
              [&] { return engine->engine->writeControl(first, {words, count}); });
}

mkError *mkEngineReadDebugLog(mkEngine *engine, mkDebugRecord *records, size_t capacity, size_t *count,
                              uint32_t *dropped) {
  return call(__func__, {{"engine", engine}, {"records", records, capacity}, {"count", count}},
              [&] { return copyDebugLog(engine->engine->readDebugLog(), records, capacity, count, dropped); });
}
mkError *mkEngineClearDebugLog(mkEngine *engine) {
  return call(__func__, {{"engine", engine}}, [&] { return engine->engine->clearDebugLog(); });
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

mkError *mkEngineSubmit(mkEngine *engine, const mkBatch *batch, const mkSubmitOptions *options, mkTicket *ticket) {
  return call(__func__, {{"engine", engine}, {"batch", batch}, {"ticket", ticket}}, [&]() -> Expected<void> {
    *ticket = 0;
    Expected<SubmitOptions> read = readSubmitOptions(options);
    if (!read)
      return tl::unexpected(read.error());
    return store(engine->engine->submit(batch->batch, *read), ticket);
  });
}
mkError *mkEnginePoll(mkEngine *engine, mkTicket ticket, bool *done) {
  return call(__func__, {{"engine", engine}, {"done", done}},
              [&] { return store(engine->engine->poll(ticket), done); });
}
mkError *mkEngineWait(mkEngine *engine, mkTicket ticket, mkResult **result) {
  return call(__func__, {{"engine", engine}, {"result", result}}, [&]() -> Expected<void> {
    Expected<BatchResult> taken = engine->engine->wait(ticket);
    if (!taken)
      return tl::unexpected(taken.error());
    *result = makeResult(std::move(*taken));
    return {};
  });
}

//===----------------------------------------------------------------------===//
// What the engine has learnt
//===----------------------------------------------------------------------===//

mkError *mkEngineWaitForPromotions(mkEngine *engine) {
  return call(__func__, {{"engine", engine}}, [&]() -> Expected<void> {
    engine->engine->waitForPromotions();
    return {};
  });
}
mkError *mkEngineTakeSnapshot(const mkEngine *engine, mkSnapshot **snapshot) {
  return call(__func__, {{"engine", engine}, {"snapshot", snapshot}}, [&]() -> Expected<void> {
    *snapshot = makeSnapshot(*engine->engine);
    return {};
  });
}
mkError *mkEngineGetLastRecommendation(const mkEngine *engine, mkLaunchRecommendation *recommendation,
                                       size_t structSize) {
  return call(__func__, {{"engine", engine}, {"recommendation", recommendation}}, [&]() -> Expected<void> {
    std::optional<LaunchRecommendation> last = engine->engine->lastRecommendation();
    if (!last)
      return makeError(ErrorCode::NotFound, "the policy has recommended nothing yet; it is asked for every batch");
    return storeStruct("mkLaunchRecommendation", convert(*last), recommendation, structSize);
  });
}
mkError *mkEngineGetPriorityAccounting(const mkEngine *engine, mkPriorityAccounting *accounting, size_t structSize) {
  return call(__func__, {{"engine", engine}, {"accounting", accounting}}, [&]() -> Expected<void> {
    PriorityRequeueAccounting from = engine->engine->priorityAccounting();
    mkPriorityAccounting to{};
    to.requeueCount = from.requeueCount;
    to.agedPromotions = from.agedPromotions;
    to.maxPriorityAge = from.maxPriorityAge;
    return storeStruct("mkPriorityAccounting", to, accounting, structSize);
  });
}

} // extern "C"
