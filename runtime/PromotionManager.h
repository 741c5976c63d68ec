//===- PromotionManager.h - What gets code, and keeps it --------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The decisions about variants: which are asked for, checked, raced, live, and given up. docs/Promotion.md has the
// rules and where their numbers come from.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_PROMOTIONMANAGER_H
#define MK_RUNTIME_PROMOTIONMANAGER_H

#include "BufferTable.h"
#include "Interpreters.h"
#include "Promoter.h"
#include "TierCheck.h"
#include "Trial.h"
#include "UnitTable.h"

namespace mk {

/// A batch at hand.
struct BatchView {
  Ticket ticket = 0;
  std::span<const abi::Slot> slots;
  /// Dense, one for each slot.
  std::span<const uint16_t> opcodes;
  /// When it was taken, in seconds.
  double now = 0;
};

/// For the dispatcher's thread.
class PromotionManager {
public:
  /// The rate of executions halves in this time when they end.
  static constexpr double RateHalfLife = 0.1;

  PromotionManager(Device &device, CodeProvider &code, const IsaLayout &layout, const EngineOptions &options,
                   DeviceMemory &memory, BufferTable &buffers, Promoter &promoter, const Interpreters &interpreters,
                   UnitTable &units)
      : device(device), code(code), layout(layout), engineOptions(options), options(options.promotion), memory(memory),
        buffers(buffers), promoter(promoter), interpreters(interpreters), units(units) {}

  /// Before a batch is routed: takes what has been compiled, checks it, and settles which variants take part. True when
  /// other code runs from now on. An error is the device's.
  Expected<bool> prepare(const BatchView &batch);
  /// The variant for an instance whose arguments hold; null leaves it to the interpreter.
  Variant *choose(CodeUnit &unit, const abi::Slot *first, std::span<const abi::BufferEntry> rows);
  /// Once the policy has answered: asks for what is hot and pays.
  void promote(const BatchView &batch, std::span<CodeUnit *const> met, const LaunchRequest &request,
               const LaunchRecommendation &recommendation);
  /// After a batch: its measurements count for the trial, and for what is expected of others.
  void record(const BatchResult &result, double now);

  /// The batch is one of those that run on both tiers.
  bool verifies(const BatchView &batch);
  /// Its results differed. Finds out whose fault that is, on the buffers as they were, which it leaves like that.
  Expected<void> blame(const BatchView &batch, std::span<Variant *const> suspects, const std::string &difference);

  /// True while batches alternate between tiers, so that their times say nothing about anything else.
  bool isRacing() const { return trial.has_value(); }

private:
  struct Race {
    Race(Variant *variant, Trial trial) : variant(variant), trial(std::move(trial)) {}
    Variant *variant;
    Trial trial;
    /// Batches in a row without work for it.
    uint32_t idle = 0;
    /// It took part in the current batch, on this side.
    bool onVariant = false;
  };

  double rateOf(const CodeUnit &unit, double now) const;
  double scoreOf(const Variant &variant, double now) const;
  bool mayAsk(const Variant &variant, double now) const;
  Variant &generalOf(CodeUnit &unit);

  std::vector<uint32_t> findInstances(const CodeUnit &unit, const BatchView &batch, size_t most);
  Expected<bool> checkCandidate(Variant &variant, const BatchView &batch);
  void adopt(Variant &variant, double now);
  void goLive(Variant &variant, double now, const std::string &why);
  void retire(Variant &variant, PromotionState state, const std::string &why);
  void mismatch(Variant &variant, size_t promotion, const BatchView &batch, std::span<const abi::Slot> instance,
                const std::string &difference);
  void forceTransitions(double now);
  void maintain(double now);
  void reviewPending(Variant &variant, double now);
  void reviewGuard(Variant &variant, double now);
  void reviewLive(Variant &variant, double now);
  void proposeSpecialization(CodeUnit &unit, double now);
  void settleRace(double now);

  Device &device;
  CodeProvider &code;
  const IsaLayout &layout;
  const EngineOptions &engineOptions;
  const PromotionOptions &options;
  DeviceMemory &memory;
  BufferTable &buffers;
  Promoter &promoter;
  /// What candidates are checked against.
  const Interpreters &interpreters;
  UnitTable &units;

  uint64_t batches = 0;
  double lastReview = 0;
  std::optional<Race> trial;
  /// Measured: device seconds of a slot with the interpreters.
  double interpretedSecondsPerSlot = 0;
};

} // namespace mk

#endif // MK_RUNTIME_PROMOTIONMANAGER_H
