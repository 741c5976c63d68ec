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

Dispatcher::Dispatcher(Device &device, const Isa &isa, const IsaLayout &layout, const EngineOptions &options,
                       DeviceMemory &memory, BufferTable &buffers, Promoter &promoter)
    : device(device), layout(layout), options(options), buffers(buffers), promoter(promoter), staging(device, memory),
      workgroupTuner(workgroupSizes(device.info()),
                     [this](auto sizes, auto costs) {
                       return this->options.policy.autotuneWorkgroupSize(sizes, costs,
                                                                         this->device.info().maxWorkgroupSize);
                     }),
      multiplierTuner({1, 2, 4},
                      [this](auto multipliers, auto costs) {
                        return this->options.policy.autotuneHitCapacityMultiplier(multipliers, costs);
                      }),
      windows(isa, layout, options.maxWindows, options.heatHalfLife) {
  for (uint32_t dense = 0; dense < layout.size(); ++dense) {
    auto unit = std::make_unique<CodeUnit>();
    unit->tier = Tier::Opcode;
    unit->what = isa.opcodes[dense].name;
    unit->opcode = dense;
    unit->emits = layout[dense].emits;
    unit->promotable = layout[dense].promotable;
    for (uint32_t word = 0; word < layout[dense].words; ++word)
      unit->words.push_back(offsetof(abi::Slot, args) + word * sizeof(uint32_t));
    opcodeUnits.push_back(std::move(unit));
  }
}

Expected<void> Dispatcher::loadInterpreter(Expected<KernelCode> code, Route route) {
  if (!code)
    return tl::unexpected(code.error());
  Expected<std::shared_ptr<Kernel>> kernel = device.load(*code);
  if (!kernel)
    return tl::unexpected(kernel.error());
  interpreters[size_t(route)].kernel = std::move(*kernel);
  interpreters[size_t(route)].scope = code->scope;
  return {};
}

Expected<void> Dispatcher::loadInterpreters(CodeProvider &code) {
  const CodeTarget &target = device.info().target;
  auto has = [&](auto holds) {
    for (uint32_t dense = 0; dense < layout.size(); ++dense)
      if (holds(layout[dense]))
        return true;
    return false;
  };
  for (Scope scope : {Scope::Lane, Scope::Block}) {
    // Windows with a block opcode go to the block interpreter whole, so it is needed only when there is such an opcode.
    if (!has([&](const OpcodeLayout &op) { return op.scope == scope; }))
      continue;
    if (Expected<void> loaded = loadInterpreter(code.compileInterpreter(target, scope), Route(scope)); !loaded)
      return loaded;
  }
  if (has([](const OpcodeLayout &op) { return op.route == Route::Packed; }))
    return loadInterpreter(code.compilePackedInterpreter(target), Route::Packed);
  return {};
}

double Dispatcher::now() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - epoch).count();
}

//===----------------------------------------------------------------------===//
// Routing and counting
//===----------------------------------------------------------------------===//

/// Kernels that were loaded since the last batch go live.
void Dispatcher::adoptLoaded() {
  std::vector<Promoter::Loaded> ready = promoter.takeLoaded();
  for (Promoter::Loaded &loaded : ready) {
    loaded.unit->kernel = std::move(loaded.kernel);
    loaded.unit->scope = loaded.scope;
  }
  // What was measured was other code.
  if (!ready.empty()) {
    workgroupTuner.forget();
    multiplierTuner.forget();
  }
}

void Dispatcher::take(CodeUnit &unit, uint32_t first) {
  if (unit.items.empty())
    working.push_back(&unit);
  unit.items.push_back(first);
}

static bool argumentsHold(const OpcodeLayout &op, const abi::Slot &slot, std::span<const abi::BufferEntry> buffers) {
  for (const ArgLayout &arg : op.args)
    if (!argumentHolds(arg, slot, buffers))
      return false;
  return true;
}

/// Counts each work item and puts it on the list of the kernel that will run it.
void Dispatcher::route(Ticket ticket, std::span<const abi::Slot> slots, std::span<const uint16_t> opcodes, double now) {
  auto meet = [&](CodeUnit &unit) -> CodeUnit & {
    if (unit.alone == 0 && unit.inWindows == 0)
      met.push_back(&unit);
    return unit;
  };
  auto interpret = [&](Route route, uint32_t first, uint32_t length, bool emits, bool numbered) {
    Interpreted &to = interpreters[size_t(route)];
    to.firsts.push_back(first);
    to.slots += length;
    to.emits |= emits;
    to.numbered |= numbered;
  };

  std::span<const abi::BufferEntry> rows = buffers.rows();
  for (uint32_t first = 0, length = 1; first < slots.size(); first += length) {
    length = windowLength(slots[first]);
    if (length == 1) {
      CodeUnit &unit = *opcodeUnits[opcodes[first]];
      const OpcodeLayout &op = layout[opcodes[first]];
      ++meet(unit).alone;
      if (unit.kernel && argumentsHold(op, slots[first], rows))
        take(unit, first);
      else if (op.route == Route::Fence)
        fences.push_back(first);
      else
        interpret(op.route, first, 1, op.emits, op.numbered);
      continue;
    }

    Route route = Route::Lane;
    bool emits = false, promotable = true, numbered = false;
    for (uint32_t place = first; place < first + length; ++place) {
      ++meet(*opcodeUnits[opcodes[place]]).inWindows;
      if (layout[opcodes[place]].scope == Scope::Block)
        route = Route::Block;
      emits |= layout[opcodes[place]].emits;
      promotable &= layout[opcodes[place]].promotable;
      numbered |= layout[opcodes[place]].numbered;
    }
    CodeUnit *unit =
        promotable ? windows.find(slots.subspan(first, length), &opcodes[first], rows, ticket, now) : nullptr;
    if (unit)
      ++meet(*unit).alone;
    if (unit && unit->kernel)
      take(*unit, first);
    else
      interpret(route, first, length, emits, numbered);
  }
}

double Dispatcher::recentWithBatch(const CodeUnit &unit, double now) const {
  return unit.heat.recent(now, options.heatHalfLife) + double(unit.alone);
}

void Dispatcher::countHeat(double now) {
  for (CodeUnit *unit : met)
    unit->heat.add(unit->alone + unit->inWindows, unit->alone, now, options.heatHalfLife);
}

void Dispatcher::clearBatch() {
  for (CodeUnit *unit : met)
    unit->alone = unit->inWindows = 0;
  for (CodeUnit *unit : working)
    unit->items.clear();
  met.clear();
  working.clear();
  for (Interpreted &interpreter : interpreters) {
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
  for (const auto &unit : opcodeUnits)
    add(*unit);
  for (const auto &unit : windows.units())
    add(*unit);
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
  for (const auto &unit : opcodeUnits)
    if (unit->promotable)
      hotOpcode = std::max(hotOpcode, recentWithBatch(*unit, now));
  for (const auto &unit : windows.units())
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
  if (!options.autotune || result.slots == 0)
    return;
  workgroupTuner.record(seconds / double(result.slots));
  if (tunesMultiplier)
    multiplierTuner.record((seconds + double(result.hitsDropped)) / double(result.slots));
}

/// Of those that the batch executes on their own.
CodeUnit *Dispatcher::mostFrequentOpcode() const {
  CodeUnit *best = nullptr;
  for (CodeUnit *unit : met)
    if (unit->tier == Tier::Opcode && unit->promotable && unit->alone && (!best || unit->alone > best->alone))
      best = unit;
  return best;
}

/// Queues every unit whose own count reaches its threshold and that has not been queued before, the hottest first. When
/// a long queue alone speaks for compiled code, the opcode that the batch has most of takes the place of hot ones.
void Dispatcher::promote(Ticket ticket, const LaunchRequest &request, const LaunchRecommendation &recommendation,
                         double now) {
  if (recommendation.executionMode == ExecutionMode::Interpreter)
    return;
  struct Candidate {
    CodeUnit *unit;
    uint32_t count;
    uint32_t threshold;
  };
  std::vector<Candidate> candidates;
  auto consider = [&](CodeUnit &unit, uint32_t threshold) {
    uint32_t count = toCount(unit.heat.recent(now, options.heatHalfLife));
    // A threshold of 0 means always, but what was never met is no candidate.
    if (unit.promotable && !unit.promoted && count >= std::max(threshold, 1u))
      candidates.push_back({&unit, count, threshold});
  };
  if (recommendation.promoteHotOpcodes)
    for (const auto &unit : opcodeUnits)
      consider(*unit, options.policy.hotOpcodeThreshold);
  if (recommendation.promoteHotWindows)
    for (const auto &unit : windows.units())
      consider(*unit, options.policy.hotWindowThreshold);
  if (!recommendation.promoteHotOpcodes && !recommendation.promoteHotWindows)
    if (CodeUnit *unit = mostFrequentOpcode(); unit && !unit->promoted)
      candidates.push_back(
          {unit, toCount(unit->heat.recent(now, options.heatHalfLife)), options.policy.jitQueueLenThreshold});
  if (candidates.empty())
    return;

  auto evidence = options.policy.recommendWithPromotionEvidence(request);
  // Without hysteresis the policy may refuse what it accepted with it; then the next batch is the time to promote.
  if (!evidence)
    return;
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
    return std::tie(b.count, a.unit->what) < std::tie(a.count, b.unit->what);
  });
  for (const Candidate &candidate : candidates) {
    Promotion record;
    record.tier = candidate.unit->tier;
    record.what = candidate.unit->what;
    record.count = candidate.count;
    record.threshold = candidate.threshold;
    record.ticket = ticket;
    record.evidence = evidence->evidence;
    candidate.unit->promoted = true;
    candidate.unit->promotion = promoter.enqueue(*candidate.unit, std::move(record));
  }
}

//===----------------------------------------------------------------------===//
// Launching
//===----------------------------------------------------------------------===//

std::vector<WorkList> Dispatcher::workLists() const {
  static constexpr const char *names[] = {"lane", "block", "packed"};
  std::vector<WorkList> lists;
  for (size_t i = 0; i < std::size(interpreters); ++i) {
    const Interpreted &from = interpreters[i];
    if (!from.firsts.empty())
      lists.push_back({Tier::Interpreter, names[i], from.kernel.get(), from.scope, from.firsts, from.slots, from.emits,
                       from.numbered, nullptr});
  }
  for (const CodeUnit *unit : working)
    lists.push_back({unit->tier, unit->what, unit->kernel.get(), unit->scope, unit->items,
                     unit->items.size() * unit->length, unit->emits, false, unit});
  // Launches run one after the other, so the fences see the others done, and each the ones before it.
  for (const uint32_t &fence : fences) {
    Scope scope = layout[layout.find(uint32_t(abi::Builtin::BatchFence))].scope;
    lists.push_back({Tier::Interpreter, "fence", interpreters[size_t(scope)].kernel.get(), scope, std::span(&fence, 1),
                     1, false, true, nullptr});
  }
  return lists;
}

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
  launch.workgroups = uint32_t(std::min({recommended, covering, fitting}));
}

Expected<void> Dispatcher::run(Ticket ticket, std::span<const abi::Slot> slots, BatchResult &result) {
  std::vector<WorkList> lists = workLists();
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
    result.runs.push_back({list.tier, std::string(list.what), list.slots, launch.params.items, launch.workgroups,
                           launch.workgroupSize, launch.seconds});
  }
  for (CodeUnit *unit : working)
    if (!std::exchange(unit->hasRun, true))
      promoter.noteFirstRun(unit->promotion, ticket);
  return {};
}

Expected<BatchResult> Dispatcher::dispatch(const Job &job, const Backlog &backlog) {
  double start = now();
  if (Expected<void> synced = buffers.sync(); !synced)
    return tl::unexpected(synced.error());

  BatchResult result;
  result.ticket = job.ticket;
  result.slots = job.slots.size();
  {
    std::lock_guard lock(mutex);
    adoptLoaded();
    route(job.ticket, job.slots, job.opcodes, start);
    if (Expected<void> asked = askPolicy(job, backlog, start, result); !asked) {
      clearBatch();
      return tl::unexpected(asked.error());
    }
    countHeat(start);
    if (options.promote)
      promote(job.ticket, result.request, result.recommendation, start);
  }
  Expected<void> ran = run(job.ticket, job.slots, result);
  {
    std::lock_guard lock(mutex);
    clearBatch();
  }
  if (!ran)
    return tl::unexpected(ran.error());
  measure(result);
  result.seconds = now() - start;
  return result;
}

} // namespace mk
