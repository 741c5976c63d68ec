//===- Promoter.h - Asks for code, and keeps the records --------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_PROMOTER_H
#define MK_RUNTIME_PROMOTER_H

#include "CodeUnit.h"
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <unordered_map>

namespace mk {

/// The way of a variant from the request to the loaded kernel, the record of all promotions, and what their failures
/// cost them. Whether a promotion pays is the dispatcher's to say.
class Promoter {
public:
  /// Events that are kept.
  static constexpr size_t MaxEvents = 4096;

  /// What came of a request.
  struct Arrival {
    Variant *variant;
    size_t promotion;
    Expected<std::shared_ptr<Kernel>> kernel;
    Scope scope;
  };

  Promoter(Device &device, CodeProvider &code, const PromotionOptions &options)
      : device(device), code(code), options(options) {}
  ~Promoter() { shutDown(); }
  /// Cancels what is under way and waits until no variant is looked at any more.
  void shutDown();
  /// The device is lost: everything that is under way fails with 'error'.
  void fail(const Error &error);

  //===--- For the dispatcher's thread ---===//

  /// Asks for code for 'variant', which must stay where it is until shutDown(). 'record' says why.
  void ask(Variant &variant, Promotion record);
  /// What is asked for has another score now, or is not needed any more.
  void reconsider(const Variant &variant, double score);
  void drop(const Variant &variant);
  /// What came since the last call. Failures have had their effect on the variant's penalty.
  std::vector<Arrival> takeArrivals(double now);

  /// The promotion is in 'state' from now on, for the reason 'why'.
  void move(size_t promotion, PromotionState state, const std::string &why);
  /// Something happened to it.
  void note(size_t promotion, const std::string &why);
  template <typename Change> void change(size_t promotion, Change change) {
    std::lock_guard lock(mutex);
    change(promotions[promotion]);
  }
  /// The next attempt has to be worth more, by a factor of four and a little chance: what was promoted together should
  /// not come back together.
  void penalise(Variant &variant);

  /// Seconds that compiling takes, as far as is known.
  double expectedCost(Tier tier) const;
  /// By how much more a promotion has to pay because others wait already.
  double pressure() const;

  //===--- For all threads ---===//

  /// Waits until nothing is asked for.
  void waitIdle();
  std::vector<Promotion> list() const;
  std::vector<PromotionEvent> events() const;

private:
  struct Pending {
    Variant *variant;
    CodeProvider::RequestId request = 0;
    std::chrono::steady_clock::time_point since;
  };

  void finish(size_t promotion, Expected<KernelCode> compiled);
  void moveLocked(size_t promotion, PromotionState state, const std::string &why);

  Device &device;
  CodeProvider &code;
  const PromotionOptions &options;
  std::minstd_rand random;

  mutable std::mutex mutex;
  std::condition_variable idle;
  std::vector<Promotion> promotions;
  std::deque<PromotionEvent> eventLog;
  std::unordered_map<size_t, Pending> pending;
  std::vector<Arrival> arrivals;
  /// By Tier. The first guesses are for a GPU without cached code (docs/Promotion.md).
  double cost[3] = {0.05, 0.012, 0.015};
  /// Set once the device is lost.
  std::optional<Error> lost;
};

} // namespace mk

#endif // MK_RUNTIME_PROMOTER_H
