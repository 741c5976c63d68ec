//===- CodeUnit.h - What can have code of its own ---------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CODEUNIT_H
#define MK_RUNTIME_CODEUNIT_H

#include "ValueProfile.h"
#include "mk/Runtime/Engine.h"
#include <algorithm>
#include <cmath>

namespace mk {

struct CodeUnit;

/// Counts executions, in all and in a window of observation in which a count halves every half-life. Times are in
/// seconds from any origin.
class HeatCounter {
public:
  /// Counts 'executions', of which 'evidence' speak for a promotion.
  void add(uint64_t executions, uint64_t evidence, double now, double halfLife) {
    all += executions;
    allEvidence += evidence;
    decayed = recent(now, halfLife) + double(evidence);
    stamp = now;
  }

  /// Forgets what is recent.
  void cool() { decayed = 0; }

  uint64_t total() const { return all; }
  uint64_t evidence() const { return allEvidence; }
  double recent(double now, double halfLife) const {
    return now > stamp ? decayed * std::exp2((stamp - now) / halfLife) : decayed;
  }

private:
  uint64_t all = 0;
  uint64_t allEvidence = 0;
  double decayed = 0;
  double stamp = 0;
};

/// Code for a unit: for all its instances, or for those that keep certain facts. It belongs to the dispatcher, but what
/// the compile thread reads of it never changes.
struct Variant {
  /// Why, and until when, there should be no other attempt. Failures that would only repeat end all attempts.
  struct Penalty {
    /// What the next attempt must be worth more than the first.
    double factor = 1;
    double notBefore = 0;
    bool blacklisted = false;
    std::string lastError;
    uint32_t withdrawals = 0;
    uint32_t demotions = 0;
  };

  Variant(CodeUnit &unit, Specialization facts);

  CodeUnit &unit;
  const Specialization facts;
  const std::string factsText;
  const FactGuard guard;

  /// Its last promotion but for one that is under way; none before the first.
  std::optional<size_t> promotion;
  PromotionState state = PromotionState::Dropped;
  Penalty penalty;
  /// A promotion is under way: it was asked for, or its code waits for slots to be checked with.
  std::optional<size_t> pending;
  struct Candidate {
    std::shared_ptr<Kernel> kernel;
    Scope scope;
  };
  std::optional<Candidate> candidate;
  /// In the states Trial and Live.
  std::shared_ptr<Kernel> kernel;
  Scope scope = Scope::Lane;
  bool hasRun = false;
  double liveSince = 0;
  /// Times in a row that it was found cold.
  uint32_t coldChecks = 0;
  /// How many times faster than the tier below it was when both were raced; 0 before.
  double speedup = 0;
  /// Instances that kept the facts, and that did not, since it went live.
  uint64_t kept = 0, broken = 0;
  /// It takes instances of the current batch, and their first slots.
  bool active = false;
  std::vector<uint32_t> items;
};

/// An opcode or a kind of window: what is counted, promoted, and then has code of its own.
struct CodeUnit {
  //===--- Fixed ---===//

  Tier tier = Tier::Opcode;
  /// The opcode's name, or the readable form of the signature.
  std::string what;
  /// Tier::Opcode: the dense index.
  uint32_t opcode = 0;
  /// Tier::Window.
  WindowSignature signature;
  /// Slots of one instance.
  uint32_t length = 1;
  /// For each argument (of the signature), its words in an instance.
  InstanceLayout layout;
  /// The interpreter that runs its instances.
  Scope scope = Scope::Lane;
  /// Its code may append hits.
  bool emits = false;
  /// May get a batch kernel.
  bool promotable = true;

  //===--- Heat ---===//

  HeatCounter heat;
  /// What promotions have to pay by: it forgets faster than the heat.
  HeatCounter rate;
  /// In the current batch: executions on their own (for a window, all), and inside windows.
  uint64_t alone = 0;
  uint64_t inWindows = 0;
  /// The batch in which it was met last, and when.
  Ticket lastTicket = 0;
  double lastMet = 0;
  ValueProfile profile;
  /// Instances until the next sample.
  uint32_t untilSample = 0;

  //===--- Code ---===//

  /// The general one first. Empty until a promotion has been asked for.
  std::vector<std::unique_ptr<Variant>> variants;
  /// Resident mode: the number that lines give it, and what became of it (resident/Routes.h); 0 for none.
  uint32_t route = 0;
  /// Likewise: instances to check a route with.
  std::vector<std::vector<abi::Slot>> samples;

  bool isPromoted() const { return !variants.empty(); }
  /// Somebody else holds on to it.
  bool isInUse() const {
    return route != 0 || std::any_of(variants.begin(), variants.end(), [](const auto &variant) {
             return variant->pending || variant->candidate || variant->kernel;
           });
  }
};

inline Variant::Variant(CodeUnit &unit, Specialization facts)
    : unit(unit), facts(std::move(facts)), factsText(describeFacts(unit.layout, this->facts)),
      guard(unit.layout, this->facts, unit.tier == Tier::Opcode) {}

} // namespace mk

#endif // MK_RUNTIME_CODEUNIT_H
