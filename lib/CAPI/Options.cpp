//===- Options.cpp - Options from C ---------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(int(mkJitModeOff) == int(JitMode::Off) && int(mkJitModeOn) == int(JitMode::On) &&
              int(mkJitModeAlways) == int(JitMode::Always));
static_assert(int(mkIsolationRequired) == int(Isolation::Required) &&
              int(mkIsolationPreferred) == int(Isolation::Preferred) && int(mkIsolationNone) == int(Isolation::None));

static std::string textOf(const char *text) { return text ? text : ""; }

/// An enumerator, unless the number is beyond 'last'.
template <typename T> static Expected<T> readEnum(const char *field, uint32_t value, T last) {
  if (value > uint32_t(last))
    return makeError(ErrorCode::InvalidArgument, std::string(field) + " is " + std::to_string(value) +
                                                     ", but its values are 0 to " + std::to_string(uint32_t(last)));
  return T(value);
}

//===----------------------------------------------------------------------===//
// Promotion
//===----------------------------------------------------------------------===//

static mkPromotionOptions defaultPromotionOptions() {
  PromotionOptions from;
  mkPromotionOptions options{};
  options.structSize = sizeof options;
  options.mode = mkJitMode(from.mode);
  options.minimumExecutions = from.minimumExecutions;
  options.payback = from.payback;
  options.deviceWeight = from.deviceWeight;
  options.margin = from.margin;
  options.verifyEvery = from.verifyEvery;
  options.maxSpecializations = from.maxSpecializations;
  options.maxLive = from.maxLive;
  options.check = from.check;
  options.specialize = from.specialize;
  options.penalties = from.penalties;
  return options;
}

Expected<PromotionOptions> mk::capi::readPromotionOptions(const mkPromotionOptions *given) {
  Expected<mkPromotionOptions> options = readOptions("mkPromotionOptions", given, defaultPromotionOptions());
  if (!options)
    return tl::unexpected(options.error());
  Expected<JitMode> mode = readEnum("mkPromotionOptions::mode", options->mode, JitMode::Always);
  if (!mode)
    return tl::unexpected(mode.error());
  PromotionOptions read;
  read.mode = *mode;
  read.minimumExecutions = options->minimumExecutions;
  read.payback = options->payback;
  read.deviceWeight = options->deviceWeight;
  read.margin = options->margin;
  read.reproducers = textOf(options->reproducers);
  read.verifyEvery = options->verifyEvery;
  read.maxSpecializations = options->maxSpecializations;
  read.maxLive = options->maxLive;
  read.check = options->check;
  read.specialize = options->specialize;
  read.penalties = options->penalties;
  return read;
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

static mkJitOptions defaultJitOptions() {
  CompileServiceOptions from;
  CodeCacheOptions cache;
  mkJitOptions options{};
  options.structSize = sizeof options;
  options.isolation = mkIsolation(from.isolation);
  options.workers = from.workers;
  options.queuedPerWorker = from.queuedPerWorker;
  options.workerLifetime = from.workerLifetime;
  options.workerMemory = from.workerMemory;
  options.deadlineMs = uint32_t(from.deadline.count());
  options.hardCancel = from.hardCancel;
  options.debugger = from.debugger;
  options.perf = from.perf;
  options.cacheMemoryBytes = cache.memoryBytes;
  options.cacheDiskBytes = cache.diskBytes;
  return options;
}

Expected<CompileServiceOptions> mk::capi::readJitOptions(const mkJitOptions *given) {
  Expected<mkJitOptions> options = readOptions("mkJitOptions", given, defaultJitOptions());
  if (!options)
    return tl::unexpected(options.error());
  Expected<Isolation> isolation = readEnum("mkJitOptions::isolation", options->isolation, Isolation::None);
  if (!isolation)
    return tl::unexpected(isolation.error());
  CompileServiceOptions read;
  read.isolation = *isolation;
  read.workers = options->workers;
  read.queuedPerWorker = options->queuedPerWorker;
  read.workerLifetime = options->workerLifetime;
  read.workerMemory = options->workerMemory;
  read.workerProgram = textOf(options->workerProgram);
  read.deadline = std::chrono::milliseconds(options->deadlineMs);
  read.hardCancel = options->hardCancel;
  read.debugger = options->debugger;
  read.perf = options->perf;
  CodeCacheOptions cache;
  if (options->cacheDirectory)
    cache.directory = CodeCache::directoryFor(options->cacheDirectory);
  cache.memoryBytes = options->cacheMemoryBytes;
  cache.diskBytes = options->cacheDiskBytes;
  read.cache = CodeCache::shared(cache);
  return read;
}

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

static mkEngineOptions defaultEngineOptions() {
  OpenOptions from;
  mkEngineOptions options{};
  options.structSize = sizeof options;
  options.optLevel = from.optLevel;
  options.prelude = from.prelude;
  options.guard = from.guard;
  options.autotune = from.autotune;
  options.memoryBudget = from.memoryBudget;
  options.heatHalfLife = from.heatHalfLife;
  options.maxWindows = from.maxWindows;
  options.observables = from.observables;
  options.debugRecords = from.debugRecords;
  return options;
}

Expected<OpenOptions> mk::capi::readEngineOptions(const mkEngineOptions *given) {
  Expected<mkEngineOptions> options = readOptions("mkEngineOptions", given, defaultEngineOptions());
  if (!options)
    return tl::unexpected(options.error());
  OpenOptions read;
  if (Expected<void> policy = store(readPolicy(options->policy), &read.policy); !policy)
    return tl::unexpected(policy.error());
  if (Expected<void> promotion = store(readPromotionOptions(options->promotion), &read.promotion); !promotion)
    return tl::unexpected(promotion.error());
  if (Expected<void> jit = store(readJitOptions(options->jit), &read.jit); !jit)
    return tl::unexpected(jit.error());
  if (Expected<void> rights =
          checkPointers("mkEngineOptions", {{"tenantRights", options->tenantRights, options->tenantRightCount}});
      !rights)
    return tl::unexpected(rights.error());
  if (options->device)
    read.device = options->device;
  read.optLevel = options->optLevel;
  read.prelude = options->prelude;
  read.guard = options->guard;
  read.autotune = options->autotune;
  read.memoryBudget = options->memoryBudget;
  read.heatHalfLife = options->heatHalfLife;
  read.maxWindows = options->maxWindows;
  read.observables = options->observables;
  read.debugRecords = options->debugRecords;
  read.tenantRights.assign(options->tenantRights, options->tenantRights + options->tenantRightCount);
  return read;
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

static mkSubmitOptions defaultSubmitOptions() {
  SubmitOptions from;
  mkSubmitOptions options{};
  options.structSize = sizeof options;
  options.priority = from.priority;
  options.expectedHitsPerItem = from.expectedHitsPerItem;
  options.requestedHitCapacity = from.requestedHitCapacity;
  options.ordered = from.ordered;
  options.wait = from.wait;
  return options;
}

Expected<SubmitOptions> mk::capi::readSubmitOptions(const mkSubmitOptions *given) {
  Expected<mkSubmitOptions> options = readOptions("mkSubmitOptions", given, defaultSubmitOptions());
  if (!options)
    return tl::unexpected(options.error());
  SubmitOptions read;
  if (const mkGraphHint *graph = options->graph) {
    Expected<uint16_t> density = readBps("mkGraphHint::frontierDensityBps", graph->frontierDensityBps);
    if (!density)
      return tl::unexpected(density.error());
    read.graph = GraphHint{graph->nodes, graph->edges, *density};
  }
  read.priority = options->priority;
  read.expectedHitsPerItem = options->expectedHitsPerItem;
  read.requestedHitCapacity = options->requestedHitCapacity;
  read.ordered = options->ordered;
  read.wait = options->wait;
  return read;
}

extern "C" {

mkError *mkPromotionOptionsInit(mkPromotionOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkPromotionOptions", defaultPromotionOptions(), options, structSize); });
}
mkError *mkJitOptionsInit(mkJitOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkJitOptions", defaultJitOptions(), options, structSize); });
}
mkError *mkEngineOptionsInit(mkEngineOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkEngineOptions", defaultEngineOptions(), options, structSize); });
}
mkError *mkSubmitOptionsInit(mkSubmitOptions *options, size_t structSize) {
  return call(__func__, {{"options", options}},
              [&] { return initialize("mkSubmitOptions", defaultSubmitOptions(), options, structSize); });
}

} // extern "C"
