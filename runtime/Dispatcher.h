//===- Dispatcher.h - Runs one batch after the other ------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_DISPATCHER_H
#define MK_RUNTIME_DISPATCHER_H

#include "Autotuner.h"
#include "BufferTable.h"
#include "JobQueue.h"
#include "PromotionManager.h"
#include "Staging.h"
#include <chrono>

namespace mk {

/// The path of a batch: count what is hot, ask the policy, give every work item its place, launch, collect the faults.
/// Batches come from one thread; heat() may be asked from any.
class Dispatcher {
public:
  Dispatcher(Device &device, CodeProvider &code, const IsaLayout &layout, const EngineOptions &options,
             DeviceMemory &memory, BufferTable &buffers, Promoter &promoter, Interpreters &interpreters);

  /// Runs a batch that was admitted. A policy that refuses it, or too little memory, is the batch's error; DeviceFailed
  /// is the end of the device.
  Expected<BatchResult> dispatch(const Job &job, const Backlog &backlog);

  /// The policy's last answer. From any thread.
  std::optional<LaunchRecommendation> lastRecommendation() const;

  std::vector<HeatRow> heat() const;

private:
  /// Where the slots of one interpreter go.
  struct Interpreted {
    std::vector<uint32_t> firsts;
    uint64_t slots = 0;
    bool emits = false;
    bool numbered = false;
  };

  double now() const;
  void route(const BatchView &batch);
  bool take(CodeUnit &unit, uint32_t first, std::span<const abi::Slot> slots);
  LaunchRequest makeRequest(const Job &job, uint32_t workgroupSize, double now) const;
  LaunchExpected<LaunchRecommendation> ask(const LaunchPolicy &policy, const LaunchRequest &request) const;
  Expected<void> askPolicy(const Job &job, const Backlog &backlog, double now, BatchResult &result);
  void measure(const BatchResult &result);
  double recentWithBatch(const CodeUnit &unit, double now) const;
  void countHeat(double now);
  std::vector<WorkList> workLists(std::span<Variant *const> variants) const;
  void size(Launch &launch, const WorkList &list, const BatchResult &result) const;
  Expected<void> run(std::span<const abi::Slot> slots, std::span<const WorkList> lists, BatchResult &result);
  Expected<void> runOnBothTiers(const BatchView &batch, BatchResult &result);
  Expected<void> run(const BatchView &batch, BatchResult &result);
  void clearBatch();

  Device &device;
  CodeProvider &code;
  const IsaLayout &layout;
  const EngineOptions options;
  BufferTable &buffers;
  Promoter &promoter;
  Interpreters &interpreters;
  Staging staging;
  const std::chrono::steady_clock::time_point epoch = std::chrono::steady_clock::now();

  /// By Route: lane, block, packed.
  Interpreted interpreted[3];
  /// Fences of the current batch.
  std::vector<uint32_t> fences;

  mutable std::mutex recommendationMutex;
  std::optional<LaunchRecommendation> recommended;

  /// Used with EngineOptions::autotune only.
  Autotuner workgroupTuner, multiplierTuner;
  bool tunesMultiplier = false;

  /// Guards the units and their heat against heat().
  mutable std::mutex mutex;
  UnitTable units;
  PromotionManager manager;

  /// Units that the current batch counts, and variants with work in it.
  std::vector<CodeUnit *> met;
  std::vector<Variant *> working;
};

} // namespace mk

#endif // MK_RUNTIME_DISPATCHER_H
