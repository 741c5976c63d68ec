//===- Session.cpp - One run of a workload -----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "Elements.h"
#include "Trace.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cstring>
#include <numeric>
#include <unistd.h>

using namespace mk;
using llvm::Twine;

/// Buffers are filled, read and compared in pieces of this size; a multiple of every element's.
static constexpr uint64_t PieceBytes = 16u << 20;

double WaveGroup::totalSeconds() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

PromotionRoute mk::routeOf(const LaunchRecommendation &recommendation) {
  if (recommendation.executionMode == ExecutionMode::Interpreter)
    return PromotionRoute::Interpreter;
  if (recommendation.promoteHotOpcodes)
    return recommendation.promoteHotWindows ? PromotionRoute::OpcodeAndWindowJit : PromotionRoute::OpcodeJit;
  return recommendation.promoteHotWindows ? PromotionRoute::WindowJit : PromotionRoute::QueueJit;
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<Session>> Session::open(const std::string &isaFile, const Workload &workload,
                                                 const OpenOptions &options, Progress &progress) {
  progress.begin("compiling the interpreter");
  Expected<std::unique_ptr<Engine>> engine = openEngineFile(isaFile, options);
  progress.end();
  if (!engine)
    return tl::unexpected<Error>(engine.error());
  std::unique_ptr<Session> session(new Session);
  session->theWorkload = &workload;
  session->theEngine = std::move(*engine);
  if (Expected<void> made = session->makeBuffers(progress); !made)
    return tl::unexpected<Error>(made.error());
  progress.begin("making slots");
  Expected<void> made = session->makeBatches();
  progress.end();
  if (!made)
    return tl::unexpected<Error>(made.error());
  return session;
}

Expected<void> Session::makeBuffers(Progress &progress) {
  // All are allocated before the first is filled: what does not fit shows at once.
  std::vector<Fill> fills;
  for (const BufferSpec &spec : theWorkload->buffers) {
    Expected<Fill> fill = Fill::open(*theWorkload, spec);
    if (!fill)
      return tl::unexpected<Error>(fill.error());
    uint64_t memory = theEngine->device().memoryBytes;
    if (uint32_t width = elementBytes(spec.type); memory && fill->count() > memory / width)
      return theWorkload->fail(ErrorCode::OutOfMemory, spec.path,
                               "buffer '" + spec.name + "' has " + Twine(fill->count()) + " elements of " +
                                   Twine(width) + " bytes, but device " + theEngine->device().id + " has " +
                                   Twine(memory >> 20) + " MiB in all");
    Expected<BufferHandle> handle = theEngine->allocate(spec.type, fill->count(), spec.access, spec.tenants);
    if (!handle)
      return theWorkload->fail(handle.error().code, spec.path, "buffer '" + spec.name + "': " + handle.error().message);
    handles.push_back(*handle);
    counts.push_back(fill->count());
    fills.push_back(std::move(*fill));
  }

  std::vector<std::byte> piece;
  for (size_t i = 0; i < fills.size(); ++i) {
    if (fills[i].isZero())
      continue;
    uint32_t width = elementBytes(theWorkload->buffers[i].type);
    uint64_t bytes = counts[i] * width;
    progress.begin("filling buffer " + theWorkload->buffers[i].name, llvm::divideCeil(bytes, PieceBytes));
    for (uint64_t at = 0; at < bytes; at += PieceBytes) {
      piece.resize(std::min(PieceBytes, bytes - at));
      if (Expected<void> made = fills[i].make(at / width, piece); !made)
        return made;
      if (Expected<void> written = theEngine->write(handles[i], at, piece); !written)
        return written;
      progress.advance();
    }
  }
  progress.end();
  return {};
}

Expected<void> Session::makeBatches() {
  // Every slot is made before the first is run, so that a mistake in the last batch leaves nothing half done.
  uint64_t total = 0;
  for (const BatchSpec &spec : theWorkload->batches) {
    uint64_t slots = countSlots(spec, theEngine->isa());
    if (slots > std::numeric_limits<uint32_t>::max())
      return theWorkload->fail(ErrorCode::InvalidArgument, spec.path,
                               Twine(slots) + " slots are too many for one batch; at most 4294967295 fit");
    total = llvm::SaturatingAdd(total, slots);
  }
  uint64_t memory = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (total > memory / 2 / sizeof(abi::Slot))
    return theWorkload->fail(ErrorCode::OutOfMemory, "batches",
                             Twine(total) + " slots of 64 bytes are more than half of this machine's " +
                                 Twine(memory >> 20) + " MiB; split the workload, or repeat smaller batches");
  for (const BatchSpec &spec : theWorkload->batches) {
    Expected<Batch> batch = buildBatch(*theWorkload, spec, theEngine->isa(), handles, counts);
    if (!batch)
      return tl::unexpected<Error>(batch.error());
    batches.push_back(std::move(*batch));
  }
  return {};
}

uint64_t Session::bufferBytes() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    bytes += counts[i] * elementBytes(theWorkload->buffers[i].type);
  return bytes;
}

uint64_t Session::slotsPerRound() const {
  uint64_t slots = 0;
  for (size_t i = 0; i < batches.size(); ++i)
    slots += batches[i].size() * theWorkload->batches[i].repeat;
  return slots;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// True when 'result', of batch number 'batch', continues 'group'.
static bool belongsTo(const WaveGroup &group, uint32_t batch, const BatchResult &result) {
  return group.batch == batch && group.slots == result.slots && group.faults == result.faults.size() &&
         group.hits == result.hits.size() && group.hitsDropped == result.hitsDropped &&
         group.recommendation.pressure == result.recommendation.pressure &&
         group.recommendation.workerGroups == result.recommendation.workerGroups &&
         group.recommendation.hitCapacity == result.recommendation.hitCapacity &&
         group.recommendation.topology == result.recommendation.topology &&
         routeOf(group.recommendation) == routeOf(result.recommendation) && group.runs.size() == result.runs.size() &&
         std::equal(group.runs.begin(), group.runs.end(), result.runs.begin(), [](const TierRun &a, const TierRun &b) {
           return a.tier == b.tier && a.what == b.what && a.slots == b.slots && a.items == b.items &&
                  a.workgroups == b.workgroups && a.workgroupSize == b.workgroupSize;
         });
}

static void addWave(RunRecord &record, uint32_t batch, BatchResult result) {
  uint64_t wave = ++record.waves;
  record.slots += result.slots;
  record.seconds += result.seconds;
  // While two tiers are raced, waves take turns; so the last two groups are looked at.
  WaveGroup *alike = nullptr;
  for (size_t back = 1; back <= std::min<size_t>(record.groups.size(), 2) && !alike; ++back) {
    WaveGroup &group = record.groups[record.groups.size() - back];
    if (group.batch != batch)
      break;
    if (belongsTo(group, batch, result))
      alike = &group;
  }
  if (!alike) {
    WaveGroup group;
    group.first = wave;
    group.batch = batch;
    group.slots = result.slots;
    group.faults = result.faults.size();
    group.hits = result.hits.size();
    group.hitsDropped = result.hitsDropped;
    group.request = result.request;
    group.recommendation = result.recommendation;
    group.hitCapacityMultiplier = result.hitCapacityMultiplier;
    group.runs = result.runs;
    record.groups.push_back(std::move(group));
    alike = &record.groups.back();
  } else {
    for (auto [sum, run] : llvm::zip_equal(alike->runs, result.runs))
      sum.seconds += run.seconds;
  }
  alike->last = wave;
  alike->seconds.push_back(result.seconds);
}

/// FNV-1a over words.
static constexpr uint64_t HashStart = 0xCBF29CE484222325u;
static void hashWords(uint64_t &hash, std::initializer_list<uint32_t> words) {
  for (uint32_t word : words)
    hash = (hash ^ word) * 0x100000001B3u;
}

static std::string opcodeOf(const Batch &batch, uint32_t slot, const Isa &isa) {
  std::optional<uint32_t> opcode = isa.findOpcode(batch.slots()[slot].opcode);
  return opcode ? isa.opcodes[*opcode].name : "?";
}

static void addFaults(FaultLog &log, uint64_t wave, llvm::ArrayRef<SlotFault> faults, const Batch &batch,
                      const Isa &isa) {
  Digest digest{faults.size(), HashStart};
  for (const SlotFault &fault : faults) {
    hashWords(digest.hash, {fault.slot, fault.code, fault.detail});
    ++log.byCode[fault.code];
    if (log.first.size() < FaultLog::MaxFirst)
      log.first.push_back({wave, fault, opcodeOf(batch, fault.slot, isa)});
  }
  log.total += faults.size();
  log.waves.push_back(digest);
}

static void addHits(HitLog &log, uint64_t wave, const BatchResult &result, const Batch &batch, const Isa &isa) {
  Digest digest{result.hits.size() + result.hitsDropped, HashStart};
  for (const Hit &hit : result.hits) {
    hashWords(digest.hash, {hit.slot, hit.values[0], hit.values[1], hit.values[2]});
    if (log.first.size() < HitLog::MaxFirst)
      log.first.push_back({wave, hit, opcodeOf(batch, hit.slot, isa)});
  }
  if (result.hitsDropped)
    digest.hash = 0;
  log.total += result.hits.size();
  log.dropped += result.hitsDropped;
  log.waves.push_back(digest);
}

Expected<RunRecord> Session::run(const RunOptions &options, Progress &progress) {
  RunRecord record;
  uint64_t waves = 0;
  for (const BatchSpec &spec : theWorkload->batches)
    waves += spec.repeat;
  progress.begin("wave", waves * options.repeat);
  for (uint64_t round = 0; round < options.repeat; ++round) {
    for (uint32_t i = 0; i < batches.size(); ++i) {
      const BatchSpec &spec = theWorkload->batches[i];
      for (uint64_t n = 0; n < spec.repeat; ++n) {
        auto begin = std::chrono::steady_clock::now();
        Expected<Ticket> ticket = theEngine->submit(batches[i], spec.submit);
        if (!ticket)
          return theWorkload->fail(ticket.error().code, spec.path, ticket.error().message);
        if (record.waves == 0)
          record.firstTicket = *ticket;
        Expected<BatchResult> result = theEngine->wait(*ticket);
        if (!result)
          return theWorkload->fail(result.error().code, spec.path,
                                   "wave " + Twine(record.waves + 1) + ": " + result.error().message);
        if (options.trace)
          options.trace->wave(spec.name, begin, *result);
        addFaults(record.faults, record.waves + 1, result->faults, batches[i], theEngine->isa());
        addHits(record.hits, record.waves + 1, *result, batches[i], theEngine->isa());
        addWave(record, i, std::move(*result));
        if (options.waitForPromotions)
          theEngine->waitForPromotions();
        progress.advance();
      }
    }
  }
  progress.end();
  return record;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

Expected<void> Session::read(size_t buffer,
                             llvm::function_ref<Expected<void>(uint64_t, llvm::ArrayRef<std::byte>)> sink) {
  uint64_t bytes = counts[buffer] * elementBytes(theWorkload->buffers[buffer].type);
  std::vector<std::byte> piece;
  for (uint64_t at = 0; at < bytes; at += PieceBytes) {
    piece.resize(std::min(PieceBytes, bytes - at));
    if (Expected<void> got = theEngine->read(handles[buffer], at, piece); !got)
      return got;
    if (Expected<void> taken = sink(at, piece); !taken)
      return taken;
  }
  return {};
}

Expected<Comparison> Session::compareBuffers(Session &reference) {
  Comparison comparison;
  std::vector<std::byte> other;
  for (size_t i = 0; i < handles.size() && comparison.difference.empty(); ++i) {
    const BufferSpec &spec = theWorkload->buffers[i];
    if (spec.access & abi::AccessTransient)
      continue;
    uint32_t width = elementBytes(spec.type);
    auto compare = [&](uint64_t at, llvm::ArrayRef<std::byte> piece) -> Expected<void> {
      other.resize(piece.size());
      if (Expected<void> got = reference.theEngine->read(reference.handles[i], at, other); !got)
        return got;
      comparison.bytes += piece.size();
      if (!comparison.difference.empty() || std::memcmp(piece.data(), other.data(), piece.size()) == 0)
        return {};
      uint64_t byte = std::mismatch(piece.begin(), piece.end(), other.begin()).first - piece.begin();
      uint64_t start = byte / width * width;
      comparison.difference = ("buffer '" + spec.name + "', element " + Twine((at + start) / width) + ": " +
                               showElement(spec.type, piece.data() + start) + ", the interpreter has " +
                               showElement(spec.type, other.data() + start))
                                  .str();
      return {};
    };
    if (Expected<void> done = read(i, compare); !done)
      return tl::unexpected<Error>(done.error());
  }
  return comparison;
}

Comparison mk::compareFaults(const FaultLog &run, const FaultLog &reference) {
  Comparison comparison;
  for (size_t wave = 0; wave < run.waves.size() && wave < reference.waves.size(); ++wave) {
    const Digest &a = run.waves[wave], &b = reference.waves[wave];
    if (a == b)
      continue;
    comparison.difference =
        ("wave " + Twine(wave + 1) + ": " + Twine(a.count) + " slots faulted, the interpreter has " + Twine(b.count) +
         (a.count == b.count ? " with other slots, codes or details" : ""))
            .str();
    return comparison;
  }
  return comparison;
}

Comparison mk::compareHits(const HitLog &run, const HitLog &reference) {
  Comparison comparison;
  for (size_t wave = 0; wave < run.waves.size() && wave < reference.waves.size(); ++wave) {
    const Digest &a = run.waves[wave], &b = reference.waves[wave];
    if (a.count == b.count && (a.hash == b.hash || !a.hash || !b.hash))
      continue;
    comparison.difference = ("wave " + Twine(wave + 1) + ": " + Twine(a.count) + " hits, the interpreter has " +
                             Twine(b.count) + (a.count == b.count ? " with other slots or values" : ""))
                                .str();
    return comparison;
  }
  return comparison;
}
