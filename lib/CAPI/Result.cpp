//===- Result.cpp - Results for C -----------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(int(mkTierInterpreter) == int(Tier::Interpreter) && int(mkTierOpcode) == int(Tier::Opcode) &&
              int(mkTierWindow) == int(Tier::Window));
static_assert(sizeof(mkFault) == sizeof(SlotFault) && offsetof(mkFault, code) == offsetof(SlotFault, code) &&
              offsetof(mkFault, detail) == offsetof(SlotFault, detail));
static_assert(sizeof(mkHit) == sizeof(Hit) && offsetof(mkHit, values) == offsetof(Hit, values));

/// The members after 'result' refer to it, or are copies of what it says.
struct mkResult {
  explicit mkResult(BatchResult given)
      : result(std::move(given)), request(convert(result.request)), recommendation(convert(result.recommendation)) {
    for (const TierRun &run : result.runs)
      runs.push_back({mkTier(run.tier), run.what.c_str(), run.facts.c_str(), run.slots, run.items, run.workgroups,
                      run.workgroupSize, run.seconds});
    info.ticket = result.ticket;
    info.slots = result.slots;
    info.faultCount = result.faults.size();
    info.hitCount = result.hits.size();
    info.hitsDropped = result.hitsDropped;
    info.runCount = runs.size();
    info.seconds = result.seconds;
    info.hitCapacityMultiplier = result.hitCapacityMultiplier;
  }
  mkResult(const mkResult &) = delete;

  const BatchResult result;
  mkResultInfo info{};
  std::vector<mkTierRun> runs;
  mkLaunchRequest request;
  mkLaunchRecommendation recommendation;
};

mkResult *mk::capi::makeResult(BatchResult result) { return new mkResult(std::move(result)); }

extern "C" {

const char *mkTierName(mkTier tier) { return nameOf(tier, Tier::Window, stringifyTier); }

mkError *mkFaultDescribe(const mkFault *fault, char *text, size_t size) {
  return call(__func__, {{"fault", fault}, {"text", text}}, [&]() -> Expected<void> {
    if (size == 0)
      return makeError(ErrorCode::InvalidArgument, "there is no room for the description of a fault, give "
                                                   "MK_FAULT_TEXT_SIZE bytes");
    std::string described = describeFault({fault->slot, fault->code, fault->detail});
    text[described.copy(text, size - 1)] = '\0';
    return {};
  });
}

mkError *mkResultGetInfo(const mkResult *result, const mkResultInfo **info) {
  return call(__func__, {{"result", result}, {"info", info}}, [&]() -> Expected<void> {
    *info = &result->info;
    return {};
  });
}
mkError *mkResultGetFaults(const mkResult *result, const mkFault **faults, size_t *count) {
  return call(__func__, {{"result", result}, {"faults", faults}},
              [&] { return storeArray(result->result.faults, faults, count); });
}
mkError *mkResultGetHits(const mkResult *result, const mkHit **hits, size_t *count) {
  return call(__func__, {{"result", result}, {"hits", hits}},
              [&] { return storeArray(result->result.hits, hits, count); });
}
mkError *mkResultGetRun(const mkResult *result, size_t index, const mkTierRun **run) {
  return call(__func__, {{"result", result}, {"run", run}},
              [&] { return storeElement(result->runs, index, "run", run); });
}
mkError *mkResultGetRequest(const mkResult *result, const mkLaunchRequest **request) {
  return call(__func__, {{"result", result}, {"request", request}}, [&]() -> Expected<void> {
    *request = &result->request;
    return {};
  });
}
mkError *mkResultGetRecommendation(const mkResult *result, const mkLaunchRecommendation **recommendation) {
  return call(__func__, {{"result", result}, {"recommendation", recommendation}}, [&]() -> Expected<void> {
    *recommendation = &result->recommendation;
    return {};
  });
}
void mkResultFree(mkResult *result) { delete result; }

} // extern "C"
