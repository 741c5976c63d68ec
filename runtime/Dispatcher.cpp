//===- Dispatcher.cpp - Runs one batch after the other --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Dispatcher.h"
#include <algorithm>
#include <tuple>

namespace mk {

/// The widths to tune between: none where there is only one.
static std::vector<uint32_t> workgroupSizes(const DeviceInfo &info) {
  std::vector<uint32_t> sizes;
  for (uint32_t size : {64u, 128u, 256u})
    if (size <= info.maxWorkgroupSize)
      sizes.push_back(size);
  return sizes;
}

Dispatcher::Dispatcher(Device &device, CodeProvider &code, const IsaLayout &layout, const EngineOptions &options,
                       DeviceMemory &memory, BufferTable &buffers, Promoter &promoter, Interpreters &interpreters)
    : device(device), code(code), layout(layout), options(options), buffers(buffers), promoter(promoter),
      interpreters(interpreters), staging(device, memory),
      workgroupTuner(workgroupSizes(device.info()),
                     [this](auto sizes, auto costs) {
                       return this->options.policy.autotuneWorkgroupSize(sizes, costs,
                                                                         this->device.info().maxWorkgroupSize);
                     }),
      multiplierTuner({1, 2, 4},
                      [this](auto multipliers, auto costs) {
                        return this->options.policy.autotuneHitCapacityMultiplier(multipliers, costs);
                      }),
      units(code.isa(), layout, options.maxWindows, options.heatHalfLife),
      manager(device, code, layout, this->options, memory, buffers, promoter, interpreters, units) {}

double Dispatcher::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - epoch).count();
}

//===----------------------------------------------------------------------===//
// Routing and counting
//===----------------------------------------------------------------------===//

/// Gives the instance to a variant, if there is one for it.
bool Dispatcher::take(CodeUnit &unit, uint32_t first, std::span<const abi::Slot> slots) {
  Variant *variant = unit.isPromoted() ? manager.choose(unit, &slots[first], buffers.rows()) : nullptr;
  if (!variant)
    return false;
  if (variant->items.empty())
    working.push_back(variant);
  variant->items.push_back(first);
  return true;
}

static bool argumentsHold(const OpcodeLayout &op, const abi::Slot &slot, std::span<const abi::BufferEntry> buffers) {
  for (const ArgLayout &arg : op.args)
    if (!argumentHolds(arg, slot, buffers))
      return false;
  return true;
}

/// Counts each work item and puts it on the list of the kernel that will run it.
void Dispatcher::route(const BatchView &batch) {
  auto [ticket, slots, opcodes, now] = batch;
  auto meet = [&](CodeUnit &unit) -> CodeUnit & {
    if (unit.alone == 0 && unit.inWindows == 0)
      met.push_back(&unit);
    return unit;
  };
  auto interpret = [&](Route route, uint32_t first, uint32_t length, bool emits, bool numbered) {
    Interpreted &to = interpreted[size_t(route)];
    to.firsts.push_back(first);
    to.slots += length;
    to.emits |= emits;
    to.numbered |= numbered;
  };

  std::span<const abi::BufferEntry> rows = buffers.rows();
  for (uint32_t first = 0, length = 1; first < slots.size(); first += length) {
    length = windowLength(slots[first]);
    if (length == 1) {
      CodeUnit &unit = *units.opcodes[opcodes[first]];
      const OpcodeLayout &op = layout[opcodes[first]];
      ++meet(unit).alone;
      if (unit.isPromoted() && argumentsHold(op, slots[first], rows) && take(unit, first, slots))
        continue;
      if (op.route == Route::Fence)
        fences.push_back(first);
      else
        interpret(op.route, first, 1, op.emits, op.numbered);
      continue;
    }

    Route route = Route::Lane;
    bool emits = false, promotable = true, numbered = false;
    for (uint32_t place = first; place < first + length; ++place) {
      ++meet(*units.opcodes[opcodes[place]]).inWindows;
      if (layout[opcodes[place]].scope == Scope::Block)
        route = Route::Block;
      emits |= layout[opcodes[place]].emits;
      promotable &= layout[opcodes[place]].promotable;
      numbered |= layout[opcodes[place]].numbered;
    }
    CodeUnit *unit =
        promotable ? units.windows.find(slots.subspan(first, length), &opcodes[first], rows, ticket, now) : nullptr;
    if (unit)
      ++meet(*unit).alone;
    if (!unit || !take(*unit, first, slots))
      interpret(route, first, length, emits, numbered);
  }
}

double Dispatcher::recentWithBatch(const CodeUnit &unit, double now) const {
  return unit.heat.recent(now, options.heatHalfLife) + double(unit.alone);
}

void Dispatcher::countHeat(double now) {
  for (CodeUnit *unit : met) {
    unit->heat.add(unit->alone + unit->inWindows, unit->alone, now, options.heatHalfLife);
    unit->rate.add(unit->alone, unit->alone, now, PromotionManager::RateHalfLife);
    unit->lastMet = now;
  }
}

void Dispatcher::clearBatch() {
  for (CodeUnit *unit : met)
    unit->alone = unit->inWindows = 0;
  for (Variant *variant : working)
    variant->items.clear();
  met.clear();
  working.clear();
  for (Interpreted &interpreter : interpreted) {
    interpreter.firsts.clear();
    interpreter.slots = 0;
    interpreter.emits = interpreter.numbered = false;
  }
  fences.clear();
}

std::vector<HeatRow> Dispatcher::heat() const {
  std::lock_guard lock(mutex);
  double time = now();
  std::vector<HeatRow> rows;
  auto add = [&](const CodeUnit &unit) {
    if (unit.heat.total())
      rows.push_back({unit.tier, unit.what, unit.heat.total(), unit.heat.recent(time, options.heatHalfLife),
                      unit.heat.evidence()});
  };
  units.forEach(add);
  std::sort(rows.begin(), rows.end(), [](const HeatRow &a, const HeatRow &b) {
    return std::tie(b.recent, b.total, a.what) < std::tie(a.recent, a.total, b.what);
  });
  return rows;
}

//===----------------------------------------------------------------------===//
// Policy and promotion
//===----------------------------------------------------------------------===//

static uint32_t toCount(double recent) { return recent >= double(UINT32_MAX) ? UINT32_MAX : uint32_t(recent); }

LaunchRequest Dispatcher::makeRequest(const Job &job, uint32_t workgroupSize, double now) const {
  const DeviceInfo &info = device.info();
  double hotOpcode = 0, hotWindow = 0;
  for (const auto &unit : units.opcodes)
    if (unit->promotable)
      hotOpcode = std::max(hotOpcode, recentWithBatch(*unit, now));
  for (const auto &unit : units.windows.units())
    hotWindow = std::max(hotWindow, recentWithBatch(*unit, now));

  LaunchRequest request;
  request.queueLen = uint32_t(job.slots.size());
  // Of narrower workgroups more run at the same time.
  request.requestedWorkerGroups = info.concurrentWorkgroups * (info.maxWorkgroupSize / workgroupSize);
  request.maxWorkgroupSizeX = workgroupSize;
  request.maxComputeWorkgroupsPerDimension = info.maxWorkgroups;
  request.maxComputeInvocationsPerWorkgroup = info.maxWorkgroupSize;
  request.requestedHitCapacity = job.options.requestedHitCapacity;
  request.expectedHitsPerItem = std::max(job.options.expectedHitsPerItem, 1u);
  request.hotOpcodeCount = toCount(hotOpcode);
  request.hotWindowCount = toCount(hotWindow);
  if (job.options.graph) {
    request.graphNodeCount = job.options.graph->nodes;
    request.graphEdgeCount = job.options.graph->edges;
    request.frontierDensityBps = job.options.graph->frontierDensityBps;
  }
  // The hit buffer comes and goes with the launch: the policy adds the one that it recommends.
  request.residentDeviceBytes = device.bytesInUse() - staging.hitBufferBytes();
  request.deviceMemoryBudgetBytes = options.memoryBudget;
  return request;
}

LaunchExpected<LaunchRecommendation> Dispatcher::ask(const LaunchPolicy &policy, const LaunchRequest &request) const {
  return recommended ? policy.recommendWithPreviousTopology(request, recommended->topology) : policy.recommend(request);
}

Expected<void> Dispatcher::askPolicy(const Job &job, const Backlog &backlog, double now, BatchResult &result) {
  LaunchPolicy policy = options.policy;
  uint32_t workgroupSize = device.info().maxWorkgroupSize;
  tunesMultiplier = false;
  if (options.autotune) {
    workgroupSize = workgroupTuner.choose(job.slots.size());
    // One at a time: while the size is on trial, a cost says nothing about the multiplier.
    bool emits = std::any_of(met.begin(), met.end(), [](const CodeUnit *unit) { return unit->emits; });
    tunesMultiplier = emits && !workgroupTuner.onTrial() && job.options.requestedHitCapacity == 0;
    if (tunesMultiplier)
      policy.hitCapacityMultiplier = multiplierTuner.choose(job.slots.size());
  }

  LaunchRequest request = makeRequest(job, workgroupSize, now);
  request.requeueCount = backlog.requeueCount;
  request.maxPriorityAge = backlog.maxPriorityAge;
  LaunchExpected<LaunchRecommendation> answer = ask(policy, request);
  if (answer && backlog.slots) {
    // Frontier and hits are those of the batch, whatever waits behind it; so that is no reason to refuse it either.
    request.frontierDensityBps = request.withInferredSignals().frontierDensityBps;
    request.requestedHitCapacity = answer->hitCapacity;
    request.queueLen = uint32_t(std::min<uint64_t>(request.queueLen + backlog.slots, UINT32_MAX));
    answer = ask(policy, request);
  }
  if (!answer)
    return tl::unexpected(answer.error().toError());
  result.request = request;
  result.recommendation = *answer;
  result.hitCapacityMultiplier = policy.hitCapacityMultiplier;
  std::lock_guard lock(recommendationMutex);
  recommended = *answer;
  return {};
}

std::optional<LaunchRecommendation> Dispatcher::lastRecommendation() const {
  std::lock_guard lock(recommendationMutex);
  return recommended;
}

/// Tells the tuners what the batch cost. A hit that is lost costs as much as a second on the device.
void Dispatcher::measure(const BatchResult &result) {
  double seconds = 0;
  for (const TierRun &run : result.runs)
    seconds += run.seconds;
  if (!options.autotune || result.slots == 0 || manager.isRacing())
    return;
  workgroupTuner.record(seconds / double(result.slots));
  if (tunesMultiplier)
    multiplierTuner.record((seconds + double(result.hitsDropped)) / double(result.slots));
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

std::vector<WorkList> Dispatcher::workLists(std::span<Variant *const> variants) const {
  static constexpr const char *names[] = {"lane", "block", "packed"};
  std::vector<WorkList> lists;
  for (size_t i = 0; i < std::size(interpreted); ++i) {
    const Interpreted &from = interpreted[i];
    const Interpreters::Interpreter &by = interpreters[Route(i)];
    if (!from.firsts.empty())
      lists.push_back({Tier::Interpreter, names[i], by.kernel.get(), by.scope, from.firsts, from.slots, from.emits,
                       from.numbered, nullptr});
  }
  for (const Variant *variant : variants) {
    const CodeUnit &unit = variant->unit;
    lists.push_back({unit.tier, unit.what, variant->kernel.get(), variant->scope, variant->items,
                     variant->items.size() * unit.length, unit.emits, false, &unit, variant->factsText});
  }
  // Launches run one after the other, so the fences see the others done, and each the ones before it.
  for (const uint32_t &fence : fences) {
    Scope scope = layout[layout.find(uint32_t(abi::Builtin::BatchFence))].scope;
    lists.push_back({Tier::Interpreter, "fence", interpreters[Route(scope)].kernel.get(), scope, std::span(&fence, 1),
                     1, false, true, nullptr});
  }
  return lists;
}

/// CTAs of a batch kernel for each that can run at once: those that wait take the places of those that are done first,
/// where a fixed share of the items would leave some idle at the end. Each has a start, which with few items shows.
static constexpr uint64_t turns = 8;

/// The policy sizes the whole batch; a launch takes as much of that as it has work items for and as the kernel can use.
void Dispatcher::size(Launch &launch, const WorkList &list, const BatchResult &result) const {
  const LaunchRecommendation &recommendation = result.recommendation;
  bool lanes = list.scope == Scope::Lane;
  launch.workgroupSize = lanes ? recommendation.geometry.workgroupSizeX : result.request.maxWorkgroupSizeX;
  uint64_t recommended = lanes ? recommendation.geometry.dispatchGrid[0] : recommendation.workerGroups;
  uint64_t itemsEach = lanes ? launch.workgroupSize : 1;
  uint64_t covering = (launch.params.items + itemsEach - 1) / itemsEach;
  uint64_t fitting =
      uint64_t(list.kernel->concurrentWorkgroups) * (device.info().maxWorkgroupSize / launch.workgroupSize);
  uint64_t used = std::min(recommended, fitting);
  bool isLimited = recommended < result.request.requestedWorkerGroups;
  if (list.tier != Tier::Interpreter && !lanes && !isLimited)
    used = std::min<uint64_t>(used * turns, device.info().maxWorkgroups);
  launch.workgroups = uint32_t(std::min(covering, used));
}

Expected<void> Dispatcher::run(std::span<const abi::Slot> slots, std::span<const WorkList> lists, BatchResult &result) {
  StagingLimits limits;
  limits.hitCapacity = result.recommendation.hitCapacity;
  limits.memoryIsScarce = result.recommendation.topology == DispatchTopology::MemoryConstrained;
  if (Expected<void> built = staging.build(slots, lists, buffers.deviceAddress(), buffers.rows().size(), limits);
      !built)
    return built;
  std::span<Launch> launches = staging.launches();
  if (launches.empty())
    return {};
  for (size_t i = 0; i < launches.size(); ++i)
    size(launches[i], staging.list(i), result);
  if (Expected<void> ran = device.run(staging.toDevice(), launches, staging.fromDevice()); !ran)
    return ran;
  Expected<std::vector<SlotFault>> faults = staging.readFaults();
  if (!faults)
    return tl::unexpected(faults.error());
  result.faults = std::move(*faults);
  Expected<HitRecords> hits = staging.readHits();
  if (!hits)
    return tl::unexpected(hits.error());
  result.hits = std::move(hits->hits);
  result.hitsDropped = hits->dropped;

  for (size_t i = 0; i < launches.size(); ++i) {
    const WorkList &list = staging.list(i);
    const Launch &launch = launches[i];
    result.runs.push_back({list.tier, std::string(list.what), std::string(list.facts), list.slots, launch.params.items,
                           launch.workgroups, launch.workgroupSize, launch.seconds});
  }
  return {};
}

/// The most that a batch may write to be run on both tiers, in bytes.
static constexpr uint64_t MaxVerifiedBytes = uint64_t(1) << 30;

/// First as routed, then on the interpreters alone, whose results stand.
Expected<void> Dispatcher::runOnBothTiers(const BatchView &batch, BatchResult &result) {
  std::span<const abi::BufferEntry> rows = buffers.rows();
  Snapshot before;
  for (size_t slot = 0; slot < batch.slots.size(); ++slot)
    if (argumentsHold(layout[batch.opcodes[slot]], batch.slots[slot], rows))
      before.addWritten(code.isa().opcodes[batch.opcodes[slot]].args, batch.slots[slot], rows);
  before.close();
  if (before.bytes() > MaxVerifiedBytes)
    return run(batch.slots, workLists(working), result);
  if (Expected<void> taken = before.take(device); !taken)
    return taken;

  BatchResult above = result;
  if (Expected<void> ran = run(batch.slots, workLists(working), above); !ran)
    return ran;
  Snapshot written = before;
  if (Expected<void> taken = written.take(device); !taken)
    return taken;
  if (Expected<void> restored = before.restore(device); !restored)
    return restored;

  for (const Variant *variant : working) {
    const CodeUnit &unit = variant->unit;
    Interpreted &to = interpreted[size_t(unit.scope)];
    to.firsts.insert(to.firsts.end(), variant->items.begin(), variant->items.end());
    std::sort(to.firsts.begin(), to.firsts.end());
    to.slots += variant->items.size() * unit.length;
    to.emits |= unit.emits;
  }
  if (Expected<void> ran = run(batch.slots, workLists({}), result); !ran)
    return ran;
  Snapshot expected = before;
  if (Expected<void> taken = expected.take(device); !taken)
    return taken;
  // What is reported is what ran first; what stands is what the interpreter found.
  result.runs = std::move(above.runs);
  std::string difference = written.difference(expected, rows);
  if (difference.empty())
    difference =
        differenceOf(above.faults, {above.hits, above.hitsDropped}, result.faults, {result.hits, result.hitsDropped});
  if (!difference.empty()) {
    if (Expected<void> restored = before.restore(device); !restored)
      return restored;
    if (Expected<void> blamed = manager.blame(batch, working, difference); !blamed)
      return blamed;
    if (Expected<void> restored = expected.restore(device); !restored)
      return restored;
  }
  return {};
}

Expected<void> Dispatcher::run(const BatchView &batch, BatchResult &result) {
  bool both = !working.empty() && manager.verifies(batch);
  if (Expected<void> ran = both ? runOnBothTiers(batch, result) : run(batch.slots, workLists(working), result); !ran)
    return ran;
  for (Variant *variant : working)
    if (!std::exchange(variant->hasRun, true))
      promoter.change(*variant->promotion, [&](Promotion &promotion) { promotion.firstTicket = batch.ticket; });
  return {};
}

Expected<BatchResult> Dispatcher::dispatch(const Job &job, const Backlog &backlog) {
  double start = now();
  if (Expected<void> synced = buffers.sync(); !synced)
    return tl::unexpected(synced.error());

  BatchResult result;
  result.ticket = job.ticket;
  result.slots = job.slots.size();
  BatchView batch{job.ticket, job.slots, job.opcodes, start};
  {
    std::lock_guard lock(mutex);
    bool better = interpreters.adopt();
    Expected<bool> changed = manager.prepare(batch);
    if (!changed)
      return tl::unexpected(changed.error());
    // What was measured was other code.
    if (better || *changed) {
      workgroupTuner.forget();
      multiplierTuner.forget();
    }
    route(batch);
    if (Expected<void> asked = askPolicy(job, backlog, start, result); !asked) {
      clearBatch();
      return tl::unexpected(asked.error());
    }
    countHeat(start);
    manager.promote(batch, met, result.request, result.recommendation);
  }
  Expected<void> ran = run(batch, result);
  {
    std::lock_guard lock(mutex);
    if (ran)
      manager.record(result, now());
    clearBatch();
  }
  if (!ran)
    return tl::unexpected(ran.error());
  measure(result);
  result.seconds = now() - start;
  return result;
}

} // namespace mk
