//===- Promoter.cpp - Asks for code, and keeps the records ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Promoter.h"

namespace mk {

using Clock = std::chrono::steady_clock;

static double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

/// How long what was dropped waits before it is asked for again, in seconds: a full queue empties in about that time.
static constexpr double DropPause = 0.25;

/// Failures that say nothing about the code: it was not wanted, or not made.
static bool isNoFailure(ErrorCode code) {
  return code == ErrorCode::Busy || code == ErrorCode::Cancelled || code == ErrorCode::Closed;
}

/// Failures that the same request may not meet again.
static bool isPassing(ErrorCode code) {
  return code == ErrorCode::CompilerDied || code == ErrorCode::TimedOut || code == ErrorCode::OutOfMemory;
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

void Promoter::moveLocked(size_t promotion, PromotionState state, const std::string &why) {
  Promotion &record = promotions[promotion];
  record.state = state;
  if (state >= PromotionState::Failed)
    record.error = why;
  if (eventLog.size() == MaxEvents)
    eventLog.pop_front();
  eventLog.push_back({Clock::now(), promotion, state, why});
}

void Promoter::move(size_t promotion, PromotionState state, const std::string &why) {
  std::lock_guard lock(mutex);
  moveLocked(promotion, state, why);
}

void Promoter::note(size_t promotion, const std::string &why) {
  std::lock_guard lock(mutex);
  std::string error = promotions[promotion].error;
  moveLocked(promotion, promotions[promotion].state, why);
  promotions[promotion].error = error;
}

std::vector<Promotion> Promoter::list() const {
  std::lock_guard lock(mutex);
  return promotions;
}

std::vector<PromotionEvent> Promoter::events() const {
  std::lock_guard lock(mutex);
  return {eventLog.begin(), eventLog.end()};
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

void Promoter::ask(Variant &variant, Promotion record) {
  const CodeUnit &unit = variant.unit;
  CompileRequest wanted{.kind = unit.tier == Tier::Opcode ? CompileRequest::Opcode : CompileRequest::Window,
                        .target = device.info().target,
                        .opcode = unit.opcode,
                        .window = unit.signature,
                        .facts = variant.facts};
  record.tier = unit.tier;
  record.what = unit.what;
  record.facts = variant.factsText;
  size_t promotion;
  double score = record.score;
  {
    std::lock_guard lock(mutex);
    // What was dropped was nothing: the next attempt takes its place.
    if (variant.promotion && promotions[*variant.promotion].state == PromotionState::Dropped && !variant.kernel) {
      promotion = *variant.promotion;
      promotions[promotion] = std::move(record);
    } else {
      promotion = promotions.size();
      promotions.push_back(std::move(record));
    }
    variant.pending = promotion;
    if (lost) {
      moveLocked(promotion, PromotionState::Failed, lost->message);
      return;
    }
    moveLocked(promotion, PromotionState::Queued, "");
    pending.emplace(promotion, Pending{&variant, 0, Clock::now()});
  }
  CodeProvider::RequestId id = code.request(
      wanted, score, [this, promotion](Expected<KernelCode> compiled) { finish(promotion, std::move(compiled)); });
  std::lock_guard lock(mutex);
  if (auto it = pending.find(promotion); it != pending.end())
    it->second.request = id;
}

void Promoter::finish(size_t promotion, Expected<KernelCode> compiled) {
  auto compiledAt = Clock::now();
  Expected<std::shared_ptr<Kernel>> kernel =
      compiled ? device.load(*compiled) : Expected<std::shared_ptr<Kernel>>(tl::unexpected(compiled.error()));
  auto loadedAt = Clock::now();

  std::lock_guard lock(mutex);
  const Pending &request = pending.at(promotion);
  Promotion &record = promotions[promotion];
  record.compileSeconds = seconds(compiledAt - request.since);
  if (compiled) {
    record.loadSeconds = seconds(loadedAt - compiledAt);
    record.cached = compiled->cached;
    // Half old, half new: compile times differ with the code, so one says little.
    if (!record.cached)
      cost[size_t(record.tier)] = 0.5 * cost[size_t(record.tier)] + 0.5 * (record.compileSeconds + record.loadSeconds);
  }
  if (lost)
    kernel = tl::unexpected(*lost);
  if (!kernel)
    moveLocked(promotion, isNoFailure(kernel.error().code) ? PromotionState::Dropped : PromotionState::Failed,
               kernel.error().message);
  else if (options.check)
    moveLocked(promotion, PromotionState::Checking, record.cached ? "from the code cache" : "");
  else
    moveLocked(promotion, options.mode == JitMode::Always ? PromotionState::Live : PromotionState::Trial, "");
  arrivals.push_back({request.variant, promotion, std::move(kernel), compiled ? compiled->scope : Scope::Lane});
  pending.erase(promotion);
  // With the lock held: when the last one is gone, so may be this object.
  if (pending.empty())
    idle.notify_all();
}

void Promoter::reconsider(const Variant &variant, double score) {
  CodeProvider::RequestId request = 0;
  {
    std::lock_guard lock(mutex);
    auto it = pending.find(*variant.pending);
    if (it == pending.end())
      return;
    request = it->second.request;
    promotions[*variant.pending].score = score;
  }
  code.setPriority(request, score);
}

void Promoter::drop(const Variant &variant) {
  CodeProvider::RequestId request = 0;
  {
    std::lock_guard lock(mutex);
    auto it = pending.find(*variant.pending);
    if (it == pending.end())
      return;
    request = it->second.request;
  }
  code.cancel(request);
}

void Promoter::penalise(Variant &variant) {
  variant.penalty.factor *= 4 * (1 + std::uniform_real_distribution<double>(0, 0.15)(random));
}

std::vector<Promoter::Arrival> Promoter::takeArrivals(double now) {
  std::vector<Arrival> taken;
  {
    std::lock_guard lock(mutex);
    taken.swap(arrivals);
  }
  for (Arrival &arrival : taken) {
    if (arrival.kernel)
      continue;
    const Error &error = arrival.kernel.error();
    Variant::Penalty &penalty = arrival.variant->penalty;
    if (isNoFailure(error.code)) {
      penalty.notBefore = now + DropPause;
      continue;
    }
    if (!options.penalties)
      continue;
    if (!isPassing(error.code) && penalty.lastError == error.message) {
      penalty.blacklisted = true;
      note(arrival.promotion, "failed twice in the same way: never again");
      continue;
    }
    penalty.lastError = error.message;
    penalise(*arrival.variant);
    note(arrival.promotion, "the next attempt must be worth " + std::to_string(penalty.factor) + " times as much");
  }
  return taken;
}

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

double Promoter::expectedCost(Tier tier) const {
  std::lock_guard lock(mutex);
  return cost[size_t(tier)];
}

double Promoter::pressure() const {
  std::lock_guard lock(mutex);
  return 1 + double(pending.size()) / 4;
}

//===----------------------------------------------------------------------===//
// Life time
//===----------------------------------------------------------------------===//

void Promoter::shutDown() {
  std::vector<CodeProvider::RequestId> requests;
  {
    std::lock_guard lock(mutex);
    for (const auto &[promotion, request] : pending)
      requests.push_back(request.request);
  }
  for (CodeProvider::RequestId request : requests)
    code.cancel(request);
  waitIdle();
}

void Promoter::fail(const Error &error) {
  std::lock_guard lock(mutex);
  lost = error;
  for (const auto &[promotion, request] : pending)
    moveLocked(promotion, PromotionState::Failed, error.message);
}

void Promoter::waitIdle() {
  std::unique_lock lock(mutex);
  idle.wait(lock, [this] { return pending.empty(); });
}

} // namespace mk
