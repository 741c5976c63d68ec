//===- Trace.cpp - A run on a time line -------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trace.h"

namespace json = llvm::json;

namespace mk {

namespace {
/// Rows of the time line.
enum Track : unsigned { WaveTrack = 1, DeviceTrack = 2, PromotionTrack = 3 };
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
  for (auto [track, name] :
       {std::pair(WaveTrack, "waves"), std::pair(DeviceTrack, "device"), std::pair(PromotionTrack, "promotions")})
    json.value(json::Object{{"name", "thread_name"},
                            {"ph", "M"},
                            {"pid", 1},
                            {"tid", unsigned(track)},
                            {"args", json::Object{{"name", name}}}});
}

Trace::~Trace() {
  json.arrayEnd();
  json.attributeEnd();
  json.objectEnd();
}

double Trace::at(std::chrono::steady_clock::time_point time) const {
  return std::chrono::duration<double, std::micro>(time - start).count();
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
                      {"slots", run.slots},
                      {"items", run.items},
                      {"workgroups", run.workgroups},
                      {"workgroupSize", run.workgroupSize}});
    from += run.seconds * 1e6;
  }
}

void Trace::promotion(const Promotion &promotion) {
  json::Object args{{"tier", stringifyTier(promotion.tier)},
                    {"state", stringifyPromotionState(promotion.state)},
                    {"count", promotion.count},
                    {"threshold", promotion.threshold},
                    {"ticket", promotion.ticket},
                    {"firstTicket", promotion.firstTicket},
                    {"compileMilliseconds", promotion.compileSeconds * 1e3},
                    {"loadMilliseconds", promotion.loadSeconds * 1e3},
                    {"evidence", parsed(promotion.evidence.str())}};
  if (!promotion.error.empty())
    args["error"] = promotion.error;
  // From the wave in which it was decided; until the wave that first used it, or, if none did, for as long as it took.
  double from = begun[promotion.ticket];
  double to = promotion.firstTicket ? begun[promotion.firstTicket]
                                    : from + (promotion.compileSeconds + promotion.loadSeconds) * 1e6;
  span(promotion.what, PromotionTrack, from, to - from, std::move(args));
}

} // namespace mk
