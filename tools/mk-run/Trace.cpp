//===- Trace.cpp - A run on a time line -------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trace.h"
#include <algorithm>

namespace json = llvm::json;

namespace mk {

namespace {
/// Rows of the time line.
enum Track : unsigned { WaveTrack = 1, DeviceTrack = 2, FirstPromotionTrack = 3 };
} // namespace

/// The policy prints its records as JSON.
static json::Value parsed(const std::string &text) {
  llvm::Expected<json::Value> value = json::parse(text);
  if (value)
    return std::move(*value);
  llvm::consumeError(value.takeError());
  return text;
}

Expected<std::unique_ptr<Trace>> Trace::open(const std::string &path) {
  std::error_code code;
  auto file = std::make_unique<llvm::raw_fd_ostream>(path, code);
  if (code)
    return makeError(ErrorCode::NotFound, "--trace: cannot write '" + path + "': " + code.message());
  return std::unique_ptr<Trace>(new Trace(std::move(file)));
}

Trace::Trace(std::unique_ptr<llvm::raw_fd_ostream> file) : file(std::move(file)), json(*this->file) {
  json.objectBegin();
  json.attribute("displayTimeUnit", "ms");
  json.attributeBegin("traceEvents");
  json.arrayBegin();
  nameTrack(WaveTrack, "waves");
  nameTrack(DeviceTrack, "device");
}

Trace::~Trace() {
  json.arrayEnd();
  json.attributeEnd();
  json.objectEnd();
}

double Trace::at(std::chrono::steady_clock::time_point time) const {
  return std::chrono::duration<double, std::micro>(time - start).count();
}

void Trace::nameTrack(unsigned track, llvm::StringRef name) {
  json.value(json::Object{
      {"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", json::Object{{"name", name}}}});
}

void Trace::span(llvm::StringRef name, unsigned track, double begin, double microseconds, json::Object args) {
  json.value(json::Object{{"name", name},
                          {"ph", "X"},
                          {"pid", 1},
                          {"tid", track},
                          {"ts", begin},
                          {"dur", microseconds},
                          {"args", std::move(args)}});
}

void Trace::wave(llvm::StringRef batch, std::chrono::steady_clock::time_point begin, const BatchResult &result) {
  double from = at(begin);
  begun[result.ticket] = from;
  span(batch, WaveTrack, from, at(std::chrono::steady_clock::now()) - from,
       json::Object{{"ticket", result.ticket},
                    {"slots", result.slots},
                    {"faults", result.faults.size()},
                    {"hits", result.hits.size()},
                    {"request", parsed(result.request.str())},
                    {"recommendation", parsed(result.recommendation.str())}});
  // Launches follow each other; where in the wave they began is not known, so they are drawn from its start.
  for (const TierRun &run : result.runs) {
    span(run.what, DeviceTrack, from, run.seconds * 1e6,
         json::Object{{"tier", stringifyTier(run.tier)},
                      {"facts", run.facts},
                      {"slots", run.slots},
                      {"items", run.items},
                      {"workgroups", run.workgroups},
                      {"workgroupSize", run.workgroupSize}});
    from += run.seconds * 1e6;
  }
}

void Trace::promotions(const std::vector<Promotion> &promotions, const std::vector<PromotionEvent> &events) {
  double end = at(std::chrono::steady_clock::now());
  for (size_t i = 0; i < promotions.size(); ++i) {
    const Promotion &promotion = promotions[i];
    unsigned track = FirstPromotionTrack + unsigned(i);
    std::string name = std::string(stringifyTier(promotion.tier)) + " " + promotion.what;
    nameTrack(track, promotion.facts.empty() ? name : name + " with " + promotion.facts);
    // From each event to the next: the state that it was in, and why.
    for (auto event = events.begin(); event != events.end();) {
      auto isOurs = [&](const PromotionEvent &other) { return other.promotion == i; };
      if (!isOurs(*event)) {
        ++event;
        continue;
      }
      auto next = std::find_if(event + 1, events.end(), isOurs);
      double from = at(event->time);
      json::Object args{{"why", event->why}};
      if (event->state == PromotionState::Queued) {
        args["count"] = promotion.count;
        args["threshold"] = promotion.threshold;
        args["score"] = promotion.score;
        args["ticket"] = promotion.ticket;
        args["compileMilliseconds"] = promotion.compileSeconds * 1e3;
        args["loadMilliseconds"] = promotion.loadSeconds * 1e3;
        args["cached"] = promotion.cached;
        args["evidence"] = parsed(promotion.evidence.str());
      }
      if (event->state == PromotionState::Live) {
        args["firstTicket"] = promotion.firstTicket;
        args["checked"] = promotion.checked;
        args["speedup"] = promotion.speedup;
      }
      span(stringifyPromotionState(event->state), track, from, (next == events.end() ? end : at(next->time)) - from,
           std::move(args));
      event = next;
    }
  }
}

} // namespace mk
