//===- Session.h - One run of a workload -------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A session is an engine with the workload's buffers and batches in it. mk-run opens one for the run, and with --verify
// a second one that never promotes, and compares the two.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_SESSION_H
#define MK_TOOLS_MKRUN_SESSION_H

#include "Progress.h"
#include "Workload.h"
#include "mk/Engine.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mk {

class Trace;

/// Waves that were alike: the same batch on the same tiers, with the same answer of the policy. They followed each
/// other, or took turns with those of the group before or after.
struct WaveGroup {
  /// Numbers of the first and the last wave, from 1.
  uint64_t first = 0, last = 0;
  uint32_t batch = 0;
  uint64_t slots = 0;
  /// Faults, hits, and hits without room in each wave.
  uint64_t faults = 0;
  uint64_t hits = 0;
  uint64_t hitsDropped = 0;
  /// As in the first wave, but with the times of all added up.
  std::vector<TierRun> runs;
  /// For each wave, by the host's clock.
  std::vector<double> seconds;
  /// Those of the first wave.
  LaunchRequest request;
  LaunchRecommendation recommendation;
  uint32_t hitCapacityMultiplier = 0;

  uint64_t waves() const { return seconds.size(); }
  double totalSeconds() const;
};

/// The route that a recommendation stands for.
PromotionRoute routeOf(const LaunchRecommendation &recommendation);

/// All records of a wave, in short: how many, and a hash over their words. For comparing runs.
struct Digest {
  uint64_t count = 0;
  uint64_t hash = 0;
  bool operator==(const Digest &) const = default;
};

/// Faults of a run.
struct FaultLog {
  uint64_t total = 0;
  /// Fault code -> how many slots.
  std::map<uint32_t, uint64_t> byCode;
  struct Entry {
    uint64_t wave = 0;
    SlotFault fault;
    std::string opcode;
  };
  /// The first few, in order.
  std::vector<Entry> first;
  static constexpr size_t MaxFirst = 10;
  std::vector<Digest> waves;
};

/// Hits of a run.
struct HitLog {
  /// Recorded, and without room.
  uint64_t total = 0;
  uint64_t dropped = 0;
  struct Entry {
    uint64_t wave = 0;
    Hit hit;
    std::string opcode;
  };
  /// The first few, in order.
  std::vector<Entry> first;
  static constexpr size_t MaxFirst = 10;
  /// Hits emitted in each wave. Which ones found room is a matter of luck, so the hash is 0 when one did not.
  std::vector<Digest> waves;
};

/// What a run produced, beside the buffers.
struct RunRecord {
  std::vector<WaveGroup> groups;
  FaultLog faults;
  HitLog hits;
  uint64_t waves = 0;
  uint64_t slots = 0;
  double seconds = 0;
  /// Ticket of the first wave.
  uint64_t firstTicket = 1;

  /// The wave of a ticket.
  uint64_t waveOf(uint64_t ticket) const { return ticket + 1 - firstTicket; }
};

struct RunOptions {
  uint64_t repeat = 1;
  bool waitForPromotions = false;
  /// Gets every wave; may be null.
  Trace *trace = nullptr;
};

/// A difference between two sessions, in words; empty when there is none.
struct Comparison {
  std::string difference;
  uint64_t bytes = 0;
};

class Session {
public:
  /// Opens the engine, allocates and fills the buffers, makes all slots. Runs nothing.
  static Expected<std::unique_ptr<Session>> open(const std::string &isaFile, const Workload &workload,
                                                 const OpenOptions &options, Progress &progress);

  Expected<RunRecord> run(const RunOptions &options, Progress &progress);

  /// Hands the contents of a buffer, piece by piece, to 'sink'.
  Expected<void> read(size_t buffer,
                      llvm::function_ref<Expected<void>(uint64_t offset, llvm::ArrayRef<std::byte> bytes)> sink);

  /// Compares all buffers, byte for byte, with those of 'reference'.
  Expected<Comparison> compareBuffers(Session &reference);

  Engine &engine() { return *theEngine; }
  const Workload &workload() const { return *theWorkload; }
  uint64_t elements(size_t buffer) const { return counts[buffer]; }
  uint64_t bufferBytes() const;
  uint64_t slotsPerRound() const;

private:
  Session() = default;
  Expected<void> makeBuffers(Progress &progress);
  Expected<void> makeBatches();

  const Workload *theWorkload = nullptr;
  std::unique_ptr<Engine> theEngine;
  std::vector<BufferHandle> handles;
  std::vector<uint64_t> counts;
  std::vector<Batch> batches;
};

/// Compares the faults, or the hits, of two runs.
Comparison compareFaults(const FaultLog &run, const FaultLog &reference);
Comparison compareHits(const HitLog &run, const HitLog &reference);

} // namespace mk

#endif // MK_TOOLS_MKRUN_SESSION_H
