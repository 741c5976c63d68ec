//===- Promotion.h - From hot to compiled, and back --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An opcode or a kind of window that the launch policy calls hot gets code of its own when that pays: docs/Promotion.md
// tells the whole story. In short, with the default options:
//
//   asked for   when rate * gain is worth the cost of compiling
//   checked     against the interpreter, on copies of real slots
//   raced       against the tier below, on real batches
//   live        until it is cold, or disagrees with the interpreter, or its guards fail too often
//
// What goes wrong costs speed alone: the tier below answers, and the next attempt comes later or never.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_PROMOTION_H
#define MK_RUNTIME_PROMOTION_H

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include <chrono>
#include <cstdint>
#include <string>

namespace mk {

/// Which code answered.
enum class Tier : uint8_t { Interpreter, Opcode, Window };
const char *stringifyTier(Tier tier);

/// The state of a promotion.
enum class PromotionState : uint8_t {
  /// Asked for.
  Queued,
  /// Loaded. Waits for slots on which it has to agree with the interpreter.
  Checking,
  /// Agrees. Waits for its turn, or takes every other batch until it is known which tier is faster.
  Trial,
  /// Takes what is its own.
  Live,
  /// Compiling or loading failed.
  Failed,
  /// Nobody needed it any more before it was compiled.
  Dropped,
  /// Was not faster.
  Withdrawn,
  /// Was live, but went cold, or its guards failed too often.
  Demoted,
  /// Disagreed with the interpreter; there will be no other attempt.
  Mismatched,
  /// Of a kind of window in a resident engine: it has no code, and none was asked for.
  Interpreted,
};
const char *stringifyPromotionState(PromotionState state);

/// One promotion with its evidence.
struct Promotion {
  /// Tier::Opcode or Tier::Window.
  Tier tier = Tier::Opcode;
  /// As in TierRun.
  std::string what;
  std::string facts;
  PromotionState state = PromotionState::Queued;
  /// The recent count that made it a candidate, the threshold, and the batch (ticket) in which that was seen. On the
  /// route QueueJit the length of the queue decides (evidence.queueLen), and the threshold is the queue's.
  uint32_t count = 0;
  uint32_t threshold = 0;
  uint64_t ticket = 0;
  /// What the policy said then, for all candidates of the batch.
  PromotionEvidence evidence;
  /// Seconds that it was expected to save in a second, over those that compiling was expected to cost.
  double score = 0;
  /// Time from the request to the code (which a code cache may have had), and load time, in seconds, once known.
  double compileSeconds = 0;
  double loadSeconds = 0;
  bool cached = false;
  /// Instances on which it agreed with the interpreter before it went live.
  uint32_t checked = 0;
  /// How many times faster batches were with it than with the tier below; 0 while that is unknown.
  double speedup = 0;
  /// The first batch that ran on it; 0 while there is none.
  uint64_t firstTicket = 0;
  /// Failed, Dropped, Withdrawn, Demoted and Mismatched: why.
  std::string error;
};

/// A transition of a promotion, or something that happened to it.
struct PromotionEvent {
  std::chrono::steady_clock::time_point time;
  /// Its place in Engine::promotions().
  size_t promotion = 0;
  /// The state that it is in from now on.
  PromotionState state = PromotionState::Queued;
  /// For people: why, with figures.
  std::string why;
};

/// When compiled code takes over.
enum class JitMode : uint8_t {
  /// Never: everything stays with the interpreter.
  Off,
  /// When the policy calls something hot, it pays, and it is faster.
  On,
  /// Whenever the policy calls something hot.
  Always,
};

struct PromotionOptions {
  JitMode mode = JitMode::On;

  /// JitMode::On: what a promotion has to save in a second, in units of what compiling costs.
  double payback = 2;
  /// JitMode::On: how many seconds of the host's compiler a second of the device is worth.
  double deviceWeight = 1;
  /// JitMode::On: executions below which nothing is promoted, so that one burst cannot decide.
  uint32_t minimumExecutions = 256;
  /// JitMode::On: what a tier must be faster by, as a fraction of the time below.
  double margin = 0.02;

  /// Compiled code must agree with the interpreter on copies of real slots before it goes live.
  bool check = true;
  /// One in so many batches runs on both tiers, and the results are compared; 0 for none. The interpreter's stand.
  uint32_t verifyEvery = 0;
  /// Where a disagreement is written down, with all that is needed to see it again (mk-run runs it): a folder, made
  /// when it is needed. Empty for none.
  std::string reproducers{};

  /// Code for the values that arguments turn out to have.
  bool specialize = true;
  /// Most specialisations of an opcode or window that may be live at once.
  uint32_t maxSpecializations = 4;
  /// Most batch kernels that are live at once. The coldest goes.
  uint32_t maxLive = 256;

  /// Failures make the next attempt dearer, and end the attempts when they repeat.
  bool penalties = true;
  /// For tests, which have to see rare things often: every so many batches all that is live is demoted, or is compiled
  /// again and swapped for its like. 0 for never.
  uint32_t demoteEvery = 0;
  uint32_t swapEvery = 0;
};

} // namespace mk

#endif // MK_RUNTIME_PROMOTION_H
