//===- PromotionManager.cpp - What gets code, and keeps it ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PromotionManager.h"
#include "Reproducer.h"
#include <algorithm>
#include <numbers>
#include <tuple>

namespace mk {

//===--- Numbers (docs/Promotion.md) ---===//

/// How often what runs is reviewed, and how long a variant stays live at least, in seconds.
static constexpr double ReviewPeriod = 0.25, MinResidence = 0.5;
/// A promotion stays until its score is below this part of what it took, so many reviews in a row.
static constexpr double ColdScore = 1.0 / 8;
static constexpr uint32_t ColdReviews = 3;
/// What is asked for is dropped when it was not met for so long.
static constexpr double StaleSeconds = 0.05;
/// A specialisation whose guards fail more often than this is given up.
static constexpr double MaxBrokenShare = 0.1;
static constexpr uint64_t MinGuarded = 256;
/// Instances that a candidate has to agree on; less when they write more than this, in bytes, since each is copied five
/// times.
static constexpr size_t CheckedInstances = 8;
static constexpr uint64_t CheckedBytes = uint64_t(64) << 20;
/// Batches without work for the variant that is raced, after which others get their turn.
static constexpr uint32_t MaxIdleBatches = 64;
/// Instances that a disagreeing batch is searched for the one to blame.
static constexpr size_t BlamedInstances = 4096;
/// The first pause after a lost trial, in seconds; it doubles.
static constexpr double FirstPause = 1;

/// Time with the tier below / time with the variant: as measured, or what such code gained elsewhere.
static double speedupOf(const Variant &variant) {
  if (variant.speedup)
    return variant.speedup;
  if (!variant.facts.empty())
    return 1.15;
  if (variant.unit.tier == Tier::Window)
    return 2.9;
  return variant.unit.scope == Scope::Lane ? 4.6 : 1.1;
}

static std::string show(const char *format, auto... values) {
  char text[256];
  snprintf(text, sizeof text, format, values...);
  return text;
}

//===----------------------------------------------------------------------===//
// What pays
//===----------------------------------------------------------------------===//

double PromotionManager::rateOf(const CodeUnit &unit, double now) const {
  // A steady rate r holds the decayed count at r * half-life / ln 2.
  return unit.rate.recent(now, RateHalfLife) * std::numbers::ln2 / RateHalfLife;
}

/// Seconds saved in a second over the seconds that compiling costs, in units of what is asked for: it pays from 1 on.
double PromotionManager::scoreOf(const Variant &variant, double now) const {
  const CodeUnit &unit = variant.unit;
  double below = interpretedSecondsPerSlot * unit.length;
  if (!variant.facts.empty())
    below /= speedupOf(*unit.variants.front());
  double gain = below * (1 - 1 / speedupOf(variant));
  double cost = promoter.expectedCost(unit.tier) * options.payback * variant.penalty.factor;
  return rateOf(unit, now) * gain * options.deviceWeight / cost;
}

bool PromotionManager::mayAsk(const Variant &variant, double now) const {
  return !variant.pending && !variant.kernel && !variant.penalty.blacklisted && now >= variant.penalty.notBefore;
}

Variant &PromotionManager::generalOf(CodeUnit &unit) {
  if (unit.variants.empty())
    unit.variants.push_back(std::make_unique<Variant>(unit, Specialization()));
  return *unit.variants.front();
}

void PromotionManager::promote(const BatchView &batch, std::span<CodeUnit *const> met, const LaunchRequest &request,
                               const LaunchRecommendation &recommendation) {
  if (options.mode == JitMode::Off || recommendation.executionMode == ExecutionMode::Interpreter)
    return;
  struct Candidate {
    CodeUnit *unit;
    uint32_t count;
    uint32_t threshold;
    double score;
  };
  std::vector<Candidate> candidates;
  auto consider = [&](CodeUnit &unit, uint32_t threshold, bool byCount) {
    if (!unit.promotable || (unit.isPromoted() && !mayAsk(*unit.variants.front(), batch.now)))
      return;
    double recent = unit.heat.recent(batch.now, engineOptions.heatHalfLife);
    // A threshold of 0 means always, but what was never met is no candidate.
    double factor = unit.isPromoted() ? unit.variants.front()->penalty.factor : 1;
    if (byCount && recent < std::max(threshold, 1u) * factor)
      return;
    double score = 0;
    if (options.mode == JitMode::On) {
      Variant fresh(unit, {});
      score = scoreOf(unit.isPromoted() ? *unit.variants.front() : fresh, batch.now) / promoter.pressure();
      if (score < 1 || unit.heat.evidence() < options.minimumExecutions)
        return;
    }
    candidates.push_back({&unit, recent >= double(UINT32_MAX) ? UINT32_MAX : uint32_t(recent), threshold, score});
  };
  const LaunchPolicy &policy = engineOptions.policy;
  if (recommendation.promoteHotOpcodes)
    for (const auto &unit : units.opcodes)
      consider(*unit, policy.hotOpcodeThreshold, true);
  if (recommendation.promoteHotWindows)
    for (const auto &unit : units.windows.units())
      consider(*unit, policy.hotWindowThreshold, true);
  if (!recommendation.promoteHotOpcodes && !recommendation.promoteHotWindows) {
    // A long queue alone speaks for compiled code: the opcode that the batch has most of takes the place of hot ones.
    CodeUnit *most = nullptr;
    for (CodeUnit *unit : met)
      if (unit->tier == Tier::Opcode && unit->promotable && unit->alone && (!most || unit->alone > most->alone))
        most = unit;
    if (most)
      consider(*most, policy.jitQueueLenThreshold, false);
  }
  if (candidates.empty())
    return;

  auto evidence = policy.recommendWithPromotionEvidence(request);
  // Without hysteresis the policy may refuse what it accepted with it; then the next batch is the time to promote.
  if (!evidence)
    return;
  std::sort(candidates.begin(), candidates.end(), [](const Candidate &a, const Candidate &b) {
    return std::tie(b.score, b.count, a.unit->what) < std::tie(a.score, a.count, b.unit->what);
  });
  for (const Candidate &candidate : candidates) {
    Promotion record;
    record.count = candidate.count;
    record.threshold = candidate.threshold;
    record.ticket = batch.ticket;
    record.evidence = evidence->evidence;
    record.score = candidate.score;
    promoter.ask(generalOf(*candidate.unit), std::move(record));
  }
}

//===----------------------------------------------------------------------===//
// Checking
//===----------------------------------------------------------------------===//

/// The first slots of at most 'most' instances of the unit, spread over the batch.
std::vector<uint32_t> PromotionManager::findInstances(const CodeUnit &unit, const BatchView &batch, size_t most) {
  std::span<const abi::BufferEntry> rows = buffers.rows();
  std::vector<uint32_t> found;
  for (uint32_t first = 0, length = 1; first < batch.slots.size(); first += length) {
    length = windowLength(batch.slots[first]);
    if (length != unit.length || (unit.tier == Tier::Window) != (length > 1))
      continue;
    if (unit.tier == Tier::Opcode) {
      const OpcodeLayout &op = layout[batch.opcodes[first]];
      if (batch.opcodes[first] != unit.opcode ||
          !std::all_of(op.args.begin(), op.args.end(),
                       [&](const ArgLayout &arg) { return argumentHolds(arg, batch.slots[first], rows); }))
        continue;
    } else if (unit.signature.issues[0].opcode != batch.opcodes[first] ||
               units.windows.find(batch.slots.subspan(first, length), &batch.opcodes[first], rows, batch.ticket,
                                  batch.now) != &unit) {
      continue;
    }
    found.push_back(first);
  }
  if (found.size() <= most)
    return found;
  std::vector<uint32_t> spread;
  for (size_t i = 0; i < most; ++i)
    spread.push_back(found[i * found.size() / most]);
  return spread;
}

static WorkList singleItem(const CodeUnit &unit, const Kernel *kernel, Scope scope, bool interpreted) {
  static constexpr uint32_t first = 0;
  WorkList list;
  list.tier = interpreted ? Tier::Interpreter : unit.tier;
  list.what = unit.what;
  list.kernel = kernel;
  list.scope = scope;
  list.firsts = std::span(&first, 1);
  list.slots = unit.length;
  list.emits = unit.emits;
  list.unit = interpreted ? nullptr : &unit;
  return list;
}

/// True when the candidate has shown that it agrees with the interpreter. False when it does not, or when the batch has
/// nothing to show it with; then it waits.
Expected<bool> PromotionManager::checkCandidate(Variant &variant, const BatchView &batch) {
  const CodeUnit &unit = variant.unit;
  std::span<const abi::BufferEntry> rows = buffers.rows();
  TierCheck check(device, memory, buffers.deviceAddress(), rows);
  const Kernel *interpreter = interpreters[Route(unit.scope)].kernel.get();
  uint32_t agreed = 0;
  uint64_t bytes = 0;
  bool tooLarge = false, varies = false;
  for (uint32_t first : findInstances(unit, batch, CheckedInstances)) {
    if (bytes >= CheckedBytes)
      break;
    std::span<const abi::Slot> instance = batch.slots.subspan(first, unit.length);
    if (!variant.guard.holds(instance.data(), rows))
      continue;
    Expected<TierCheck::Outcome> outcome =
        check.run(unit, instance, singleItem(unit, variant.candidate->kernel.get(), variant.candidate->scope, false),
                  singleItem(unit, interpreter, unit.scope, true));
    if (!outcome)
      return tl::unexpected(outcome.error());
    tooLarge |= outcome->tooLarge;
    varies |= outcome->varies;
    if (outcome->tooLarge || outcome->varies)
      continue;
    if (!outcome->difference.empty()) {
      size_t promotion = *variant.pending;
      variant.pending.reset();
      variant.candidate.reset();
      mismatch(variant, promotion, batch, instance, outcome->difference);
      return false;
    }
    ++agreed;
    bytes += outcome->bytes;
  }
  if (agreed == 0) {
    if (tooLarge)
      promoter.note(*variant.pending, "waits for an instance that writes at most " +
                                          std::to_string(TierCheck::MaxBytes >> 20) + " MiB, to be checked with");
    if (varies)
      promoter.note(*variant.pending, "waits for an instance that gives the same result each time, to be checked with");
    return false;
  }
  promoter.change(*variant.pending, [&](Promotion &promotion) { promotion.checked = agreed; });
  return true;
}

void PromotionManager::mismatch(Variant &variant, size_t promotion, const BatchView &batch,
                                std::span<const abi::Slot> instance, const std::string &difference) {
  variant.penalty.blacklisted = true;
  if (variant.candidate) {
    promoter.move(*std::exchange(variant.pending, std::nullopt), PromotionState::Dropped,
                  "its like was found to be wrong");
    variant.candidate.reset();
  }
  std::string why = difference;
  if (!options.reproducers.empty()) {
    Expected<std::string> written =
        writeReproducer(options.reproducers, code, device, variant, instance, buffers.rows(), difference);
    why += written ? "; reproducer: " + *written : "; no reproducer: " + written.error().message;
  }
  if (variant.kernel && variant.promotion)
    retire(variant, PromotionState::Mismatched, why);
  if (!variant.promotion || *variant.promotion != promotion)
    promoter.move(promotion, PromotionState::Mismatched, why);
}

bool PromotionManager::verifies(const BatchView &batch) {
  if (options.verifyEvery == 0 || batches % options.verifyEvery != 0)
    return false;
  // What writes memory of the engine would do it twice.
  return std::all_of(batch.opcodes.begin(), batch.opcodes.end(),
                     [&](uint16_t dense) { return layout[dense].promotable; });
}

Expected<void> PromotionManager::blame(const BatchView &batch, std::span<Variant *const> suspects,
                                       const std::string &difference) {
  std::span<const abi::BufferEntry> rows = buffers.rows();
  TierCheck check(device, memory, buffers.deviceAddress(), rows);
  bool found = false;
  for (Variant *variant : suspects) {
    const CodeUnit &unit = variant->unit;
    for (size_t i = 0; i < std::min(variant->items.size(), BlamedInstances); ++i) {
      std::span<const abi::Slot> instance = batch.slots.subspan(variant->items[i], unit.length);
      Expected<TierCheck::Outcome> outcome =
          check.run(unit, instance, singleItem(unit, variant->kernel.get(), variant->scope, false),
                    singleItem(unit, interpreters[Route(unit.scope)].kernel.get(), unit.scope, true));
      if (!outcome)
        return tl::unexpected(outcome.error());
      if (outcome->difference.empty())
        continue;
      found = true;
      mismatch(*variant, *variant->promotion, batch, instance, outcome->difference);
      break;
    }
  }
  if (!found)
    for (Variant *variant : suspects)
      promoter.note(*variant->promotion,
                    "a batch differed that it took part in, but no instance on its own: " + difference);
  return {};
}

//===----------------------------------------------------------------------===//
// Before and after a batch
//===----------------------------------------------------------------------===//

Expected<bool> PromotionManager::prepare(const BatchView &batch) {
  ++batches;
  bool changed = false;
  for (Promoter::Arrival &arrival : promoter.takeArrivals(batch.now)) {
    Variant &variant = *arrival.variant;
    if (arrival.kernel && variant.penalty.blacklisted)
      promoter.move(arrival.promotion, PromotionState::Dropped, "its like was found to be wrong");
    if (!arrival.kernel || variant.penalty.blacklisted) {
      variant.pending.reset();
      if (!variant.kernel)
        variant.promotion = arrival.promotion;
      continue;
    }
    variant.candidate = {std::move(*arrival.kernel), arrival.scope};
  }
  // Checking meets windows, which may change the table of units.
  std::vector<Variant *> candidates;
  units.forEach([&](CodeUnit &unit) {
    for (const auto &variant : unit.variants)
      if (variant->candidate)
        candidates.push_back(variant.get());
  });
  for (Variant *variant : candidates) {
    if (options.check) {
      Expected<bool> agrees = checkCandidate(*variant, batch);
      if (!agrees)
        return agrees;
      if (!*agrees)
        continue;
    }
    adopt(*variant, batch.now);
    changed = true;
  }

  forceTransitions(batch.now);
  maintain(batch.now);
  units.forEach([&](CodeUnit &unit) {
    for (const auto &variant : unit.variants)
      variant->active = variant->state == PromotionState::Live && variant->kernel;
  });
  if (trial) {
    trial->onVariant = trial->trial.variantIsNext();
    trial->variant->active = trial->onVariant;
  }
  return changed;
}

Variant *PromotionManager::choose(CodeUnit &unit, const abi::Slot *first, std::span<const abi::BufferEntry> rows) {
  if (options.specialize && unit.untilSample-- == 0) {
    // Every instance of the first few, then a sample.
    unit.untilSample = unit.profile.samples() < ValueProfile::MinSamples ? 0 : 63;
    unit.profile.add(unit.layout, first, rows);
  }
  for (size_t i = 1; i < unit.variants.size(); ++i) {
    Variant &variant = *unit.variants[i];
    if (!variant.active)
      continue;
    bool keeps = variant.guard.holds(first, rows);
    ++(keeps ? variant.kept : variant.broken);
    if (keeps)
      return &variant;
  }
  return unit.variants.front()->active ? unit.variants.front().get() : nullptr;
}

void PromotionManager::record(const BatchResult &result, double now) {
  double device = 0;
  for (const TierRun &run : result.runs) {
    device += run.seconds;
    if (run.tier != Tier::Interpreter || run.slots == 0)
      continue;
    double sample = run.seconds / double(run.slots);
    interpretedSecondsPerSlot = interpretedSecondsPerSlot ? 0.75 * interpretedSecondsPerSlot + 0.25 * sample : sample;
  }
  if (!trial)
    return;
  const CodeUnit &unit = trial->variant->unit;
  uint64_t items = unit.alone;
  if (items == 0 || (trial->onVariant && trial->variant->items.empty())) {
    if (++trial->idle >= MaxIdleBatches)
      trial.reset();
    return;
  }
  trial->idle = 0;
  trial->trial.record(device, result.slots, items);
  settleRace(now);
}

//===----------------------------------------------------------------------===//
// Transitions
//===----------------------------------------------------------------------===//

/// The candidate takes the place of what was there.
void PromotionManager::adopt(Variant &variant, double now) {
  size_t promotion = *std::exchange(variant.pending, std::nullopt);
  bool swaps = variant.kernel && variant.promotion;
  bool live = options.mode == JitMode::Always || (swaps && variant.state == PromotionState::Live);
  if (swaps)
    promoter.move(*variant.promotion, PromotionState::Demoted, "its like took its place");
  variant.kernel = std::move(variant.candidate->kernel);
  variant.scope = variant.candidate->scope;
  variant.candidate.reset();
  variant.promotion = promotion;
  variant.hasRun = false;
  if (live)
    return goLive(variant, now, "");
  variant.state = PromotionState::Trial;
  promoter.move(promotion, PromotionState::Trial, "");
}

void PromotionManager::goLive(Variant &variant, double now, const std::string &why) {
  variant.state = PromotionState::Live;
  variant.liveSince = now;
  variant.coldChecks = 0;
  variant.kept = variant.broken = 0;
  promoter.move(*variant.promotion, PromotionState::Live, why);
}

void PromotionManager::retire(Variant &variant, PromotionState state, const std::string &why) {
  if (trial && trial->variant == &variant)
    trial.reset();
  variant.kernel.reset();
  variant.active = false;
  variant.state = state;
  promoter.move(*variant.promotion, state, why);
}

void PromotionManager::settleRace(double now) {
  Trial::Verdict verdict = trial->trial.verdict();
  if (verdict == Trial::Undecided)
    return;
  Variant &variant = *trial->variant;
  double speedup = trial->trial.speedup();
  std::string figures =
      show("%.3f times as fast as the tier below in %u pairs of batches", speedup, trial->trial.pairs());
  trial.reset();
  variant.speedup = speedup;
  promoter.change(*variant.promotion, [&](Promotion &promotion) { promotion.speedup = speedup; });
  if (verdict == Trial::Faster)
    return goLive(variant, now, figures);
  double pause = FirstPause * double(uint64_t(1) << std::min(variant.penalty.withdrawals++, 20u));
  variant.penalty.notBefore = now + pause;
  retire(variant, PromotionState::Withdrawn, figures + show("; not again for %.0f s", pause));
}

void PromotionManager::forceTransitions(double now) {
  bool demotes = options.demoteEvery && batches % options.demoteEvery == 0;
  bool swaps = options.swapEvery && batches % options.swapEvery == 0;
  if (!demotes && !swaps)
    return;
  units.forEach([&](CodeUnit &unit) {
    for (const auto &variant : unit.variants) {
      if (variant->state != PromotionState::Live || !variant->kernel)
        continue;
      if (demotes)
        retire(*variant, PromotionState::Demoted, "as PromotionOptions::demoteEvery asks");
      else if (!variant->pending)
        promoter.ask(*variant, Promotion());
    }
  });
}

//===----------------------------------------------------------------------===//
// Reviews
//===----------------------------------------------------------------------===//

void PromotionManager::maintain(double now) {
  if (options.mode == JitMode::Always) {
    units.forEach([&](CodeUnit &unit) {
      proposeSpecialization(unit, now);
      for (const auto &variant : unit.variants)
        if (variant->state == PromotionState::Live && variant->kernel)
          reviewGuard(*variant, now);
    });
    return;
  }
  if (!trial) {
    // The hottest of those that wait.
    Variant *next = nullptr;
    units.forEach([&](CodeUnit &unit) {
      for (const auto &variant : unit.variants)
        if (variant->state == PromotionState::Trial && variant->kernel &&
            (!next || rateOf(next->unit, now) < rateOf(unit, now)))
          next = variant.get();
    });
    if (next)
      trial.emplace(next, Trial(options.margin));
  }
  if (now - lastReview < ReviewPeriod)
    return;
  lastReview = now;
  std::vector<Variant *> live;
  units.forEach([&](CodeUnit &unit) {
    proposeSpecialization(unit, now);
    for (const auto &variant : unit.variants) {
      if (variant->pending && !variant->candidate)
        reviewPending(*variant, now);
      if (variant->state == PromotionState::Live && variant->kernel)
        reviewGuard(*variant, now);
      if (variant->state == PromotionState::Live && variant->kernel)
        reviewLive(*variant, now);
      if (variant->state == PromotionState::Live && variant->kernel)
        live.push_back(variant.get());
    }
  });
  std::sort(live.begin(), live.end(),
            [&](const Variant *a, const Variant *b) { return rateOf(a->unit, now) > rateOf(b->unit, now); });
  for (size_t i = options.maxLive; i < live.size(); ++i)
    retire(*live[i], PromotionState::Demoted, "more than " + std::to_string(options.maxLive) + " were live");
}

void PromotionManager::reviewPending(Variant &variant, double now) {
  double score = scoreOf(variant, now);
  // Silent, not just waiting for the batch at hand.
  if (now - variant.unit.lastMet > StaleSeconds + ReviewPeriod)
    promoter.drop(variant);
  else
    promoter.reconsider(variant, score);
}

void PromotionManager::reviewGuard(Variant &variant, double now) {
  uint64_t guarded = variant.kept + variant.broken;
  if (guarded < MinGuarded)
    return;
  if (double(variant.broken) > MaxBrokenShare * double(guarded)) {
    if (options.penalties)
      promoter.penalise(variant);
    variant.penalty.notBefore = now + FirstPause * variant.penalty.factor;
    retire(variant, PromotionState::Demoted,
           show("%llu of %llu instances broke its facts", static_cast<unsigned long long>(variant.broken),
                static_cast<unsigned long long>(guarded)));
    // What was seen before is not what comes now.
    variant.unit.profile = {};
  }
  variant.kept = variant.broken = 0;
}

void PromotionManager::reviewLive(Variant &variant, double now) {
  double score = scoreOf(variant, now);
  variant.coldChecks = score < ColdScore ? variant.coldChecks + 1 : 0;
  double residence = std::max(MinResidence, 20 * promoter.expectedCost(variant.unit.tier));
  if (variant.coldChecks < ColdReviews || now - variant.liveSince < residence)
    return;
  // What keeps coming and going must be worth more.
  if (++variant.penalty.demotions >= 3)
    variant.penalty.factor *= 2;
  retire(variant, PromotionState::Demoted, show("cold: its score was %.3f", score));
}

void PromotionManager::proposeSpecialization(CodeUnit &unit, double now) {
  if (!options.specialize || unit.variants.empty() || unit.variants.front()->state != PromotionState::Live ||
      unit.profile.samples() < ValueProfile::MinSamples)
    return;
  Specialization facts = unit.profile.propose(unit.layout);
  if (facts.empty())
    return;
  size_t alive = 0;
  Variant *same = nullptr;
  for (size_t i = 1; i < unit.variants.size(); ++i) {
    Variant &variant = *unit.variants[i];
    alive += variant.kernel || variant.pending;
    if (variant.facts == facts)
      same = &variant;
  }
  if ((same && !mayAsk(*same, now)) ||
      (!same && (alive >= options.maxSpecializations || unit.variants.size() > 4 * size_t(options.maxSpecializations))))
    return;
  Promotion record;
  if (options.mode == JitMode::On) {
    Variant fresh(unit, facts);
    record.score = scoreOf(same ? *same : fresh, now) / promoter.pressure();
    if (record.score < 1)
      return;
  }
  if (!same)
    same = unit.variants.emplace_back(std::make_unique<Variant>(unit, facts)).get();
  record.count = unit.profile.samples();
  record.threshold = ValueProfile::MinSamples;
  promoter.ask(*same, std::move(record));
}

} // namespace mk
