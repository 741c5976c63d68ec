//===- Snapshot.cpp - Promotions and heat for C ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(int(mkPromotionStateQueued) == int(PromotionState::Queued) &&
              int(mkPromotionStateLive) == int(PromotionState::Live) &&
              int(mkPromotionStateInterpreted) == int(PromotionState::Interpreted));

/// The lists of C refer to those of C++, and promotions to their evidence.
struct mkSnapshot {
  explicit mkSnapshot(const Engine &engine)
      // Events first: their promotions are then among those that are asked for later.
      : eventList(engine.promotionEvents()), promotionList(engine.promotions()), heatList(engine.heat()) {
    evidence.reserve(promotionList.size());
    for (const Promotion &from : promotionList) {
      evidence.push_back(convert(from.evidence));
      mkPromotion &to = promotions.emplace_back();
      to.tier = mkTier(from.tier);
      to.what = from.what.c_str();
      to.facts = from.facts.c_str();
      to.state = mkPromotionState(from.state);
      to.count = from.count;
      to.threshold = from.threshold;
      to.ticket = from.ticket;
      to.evidence = &evidence.back();
      to.score = from.score;
      to.compileSeconds = from.compileSeconds;
      to.loadSeconds = from.loadSeconds;
      to.cached = from.cached;
      to.checked = from.checked;
      to.speedup = from.speedup;
      to.firstTicket = from.firstTicket;
      to.error = from.error.c_str();
    }
    for (const PromotionEvent &from : eventList) {
      std::chrono::nanoseconds time = from.time.time_since_epoch();
      events.push_back({uint64_t(time.count()), from.promotion, mkPromotionState(from.state), from.why.c_str()});
    }
    for (const HeatRow &from : heatList)
      heatRows.push_back({mkTier(from.tier), from.what.c_str(), from.total, from.recent, from.evidence});
    info = {promotions.size(), events.size(), heatRows.size()};
  }
  mkSnapshot(const mkSnapshot &) = delete;

  const std::vector<PromotionEvent> eventList;
  const std::vector<Promotion> promotionList;
  const std::vector<HeatRow> heatList;
  std::vector<mkPromotionEvidence> evidence;
  std::vector<mkPromotion> promotions;
  std::vector<mkPromotionEvent> events;
  std::vector<mkHeatRow> heatRows;
  mkSnapshotInfo info{};
};

mkSnapshot *mk::capi::makeSnapshot(const Engine &engine) { return new mkSnapshot(engine); }

extern "C" {

const char *mkPromotionStateName(mkPromotionState state) {
  return nameOf(state, PromotionState::Interpreted, stringifyPromotionState);
}

mkError *mkSnapshotGetInfo(const mkSnapshot *snapshot, const mkSnapshotInfo **info) {
  return call(__func__, {{"snapshot", snapshot}, {"info", info}}, [&]() -> Expected<void> {
    *info = &snapshot->info;
    return {};
  });
}
mkError *mkSnapshotGetPromotion(const mkSnapshot *snapshot, size_t index, const mkPromotion **promotion) {
  return call(__func__, {{"snapshot", snapshot}, {"promotion", promotion}},
              [&] { return storeElement(snapshot->promotions, index, "promotion", promotion); });
}
mkError *mkSnapshotGetEvent(const mkSnapshot *snapshot, size_t index, const mkPromotionEvent **event) {
  return call(__func__, {{"snapshot", snapshot}, {"event", event}},
              [&] { return storeElement(snapshot->events, index, "event", event); });
}
mkError *mkSnapshotGetHeatRow(const mkSnapshot *snapshot, size_t index, const mkHeatRow **row) {
  return call(__func__, {{"snapshot", snapshot}, {"row", row}},
              [&] { return storeElement(snapshot->heatRows, index, "heat row", row); });
}
void mkSnapshotFree(mkSnapshot *snapshot) { delete snapshot; }

} // extern "C"
