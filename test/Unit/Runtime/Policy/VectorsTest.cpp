//===- VectorsTest.cpp - Replay of the golden vectors ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every line of test/Data/policy, compared for equality: integers exactly, floats by their bits.
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"
#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <semaphore>
#include <thread>

using namespace mk;
using json = nlohmann::json;

static std::vector<json> readLines(const std::string &name) {
  std::ifstream file(MK_POLICY_DATA "/" + name);
  EXPECT_TRUE(file) << "cannot read " << name;
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);)
    lines.push_back(json::parse(line));
  return lines;
}

//===----------------------------------------------------------------------===//
// JSON to values
//===----------------------------------------------------------------------===//

template <std::unsigned_integral T> static T readInteger(const json &value) {
  EXPECT_TRUE(value.is_number_unsigned()) << value;
  uint64_t number = value.get<uint64_t>();
  EXPECT_LE(number, std::numeric_limits<T>::max());
  return static_cast<T>(number);
}

template <typename Record> static Record readRecord(const json &object) {
  Record record;
  visitFields(record, [&](const char *key, auto &field) {
    using Field = std::remove_reference_t<decltype(field)>;
    if constexpr (std::is_same_v<Field, SizingPolicy>)
      EXPECT_EQ(object.at(key), "standard");
    else
      field = readInteger<Field>(object.at(key));
  });
  return record;
}

static double readDouble(const json &value) {
  if (value.is_number_float())
    return value.get<double>();
  std::string text = value.get<std::string>();
  if (text == "inf" || text == "-inf")
    return text == "inf" ? INFINITY : -INFINITY;
  EXPECT_TRUE(text == "nan" || text == "-nan") << text;
  return std::bit_cast<double>(text == "nan" ? 0x7FF8000000000000 : 0xFFF8000000000000);
}

static std::vector<double> readDoubles(const json &array) {
  std::vector<double> values;
  for (const json &value : array)
    values.push_back(readDouble(value));
  return values;
}

static std::vector<uint32_t> readIntegers(const json &array) {
  std::vector<uint32_t> values;
  for (const json &value : array)
    values.push_back(readInteger<uint32_t>(value));
  return values;
}

//===----------------------------------------------------------------------===//
// Values to JSON
//===----------------------------------------------------------------------===//

template <typename Record> static json toJson(const Record &record) {
  json object;
  visitFields(record, [&](const char *key, const auto &field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_enum_v<Field>)
      object[key] = stringifyLabel(field);
    else if constexpr (std::is_same_v<Field, LaunchGeometry>)
      object[key] = toJson(field);
    else
      object[key] = field;
  });
  return object;
}

template <typename T> static json outcome(const LaunchExpected<T> &result) {
  if (result)
    return toJson(*result);
  json object = {{"error", stringifyLaunchErrorKind(result.error().kind)}};
  if (result.error().kind == LaunchErrorKind::DeviceOutOfMemory) {
    object["requested"] = result.error().requested;
    object["available"] = result.error().available;
  }
  return object;
}

/// Checks a call with evidence against the plain call's outcome and the expected record.
template <typename Evidence>
static void checkEvidence(const LaunchExpected<WithEvidence<Evidence>> &result, const json &line, const char *key) {
  auto recommendation = result.map([](const WithEvidence<Evidence> &value) { return value.recommendation; });
  EXPECT_EQ(outcome(recommendation), line["expect"]) << key;
  ASSERT_EQ(result.has_value(), line.contains(key));
  if (!result)
    return;
  json record = toJson(result->evidence);
  record["is_complete"] = result->evidence.isComplete();
  EXPECT_EQ(record, line[key]);
}

static void expectSameBits(const std::vector<double> &actual, const json &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    double wanted = readDouble(expected[i]);
    if (std::isnan(wanted))
      EXPECT_TRUE(std::isnan(actual[i])) << "element " << i;
    else
      EXPECT_EQ(std::bit_cast<uint64_t>(actual[i]), std::bit_cast<uint64_t>(wanted)) << "element " << i;
  }
}

//===----------------------------------------------------------------------===//
// Single recommendations
//===----------------------------------------------------------------------===//

static DispatchTopology readTopology(const json &label) {
  return parseDispatchTopology(label.get<std::string>()).value();
}

TEST(PolicyVectors, Recommendations) {
  std::vector<json> lines = readLines("launch_policy.jsonl");
  EXPECT_EQ(lines.size(), 600u);
  for (const json &line : lines) {
    SCOPED_TRACE(line["id"].get<std::string>());
    LaunchPolicy policy = readRecord<LaunchPolicy>(line["policy"]);
    LaunchRequest request = readRecord<LaunchRequest>(line["request"]);
    // What is printed can be asked again.
    EXPECT_EQ(json::parse(policy.str()), line["policy"]);
    EXPECT_EQ(json::parse(request.str()), line["request"]);
    if (line["fn"] == "recommend_with_previous_topology") {
      auto result = policy.recommendWithPreviousTopology(request, readTopology(line["previous_topology"]));
      EXPECT_EQ(outcome(result), line["expect"]);
      continue;
    }
    ASSERT_EQ(line["fn"], "recommend");
    // Once computed, once out of the cache.
    EXPECT_EQ(outcome(policy.recommend(request)), line["expect"]);
    EXPECT_EQ(outcome(policy.recommend(request)), line["expect"]);
    checkEvidence(policy.recommendWithTopologyEvidence(request), line, "topology_evidence");
    checkEvidence(policy.recommendWithPromotionEvidence(request), line, "promotion_evidence");
  }
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static void checkGradient(const json &line) {
  std::vector<double> matrix = readDoubles(line["m_inv_sqrt"]), grad = readDoubles(line["grad"]);
  uint32_t n = readInteger<uint32_t>(line["n"]);
  double rate = readDouble(line["learning_rate"]);
  std::vector<double> out = {1, 2, 3}, tryOut = {4};
  LaunchPolicy::naturalGradientAutotuneStepInto(matrix, grad, n, rate, out);
  expectSameBits(out, line["expect"]);
  ASSERT_TRUE(LaunchPolicy::tryNaturalGradientAutotuneStepInto(matrix, grad, n, rate, tryOut));
  expectSameBits(tryOut, line["expect"]);
  expectSameBits(LaunchPolicy::naturalGradientAutotuneStep(matrix, grad, n, rate), line["expect"]);
  expectSameBits(LaunchPolicy::tryNaturalGradientAutotuneStep(matrix, grad, n, rate).value(), line["expect"]);
}

static void checkDiffusion(const json &line) {
  std::vector<double> stalks = readDoubles(line["priority_stalks"]), diag = readDoubles(line["restriction_diag"]);
  double damping = readDouble(line["damping"]);
  uint32_t iterations = readInteger<uint32_t>(line["iterations"]);
  std::vector<double> out = {1, 2, 3}, scratch = {4}, tryOut, tryScratch = {5, 6};
  diffusePriorityAcrossSiblingsInto(stalks, diag, damping, iterations, out, scratch);
  expectSameBits(out, line["expect"]);
  expectSameBits(scratch, line["expect_scratch"]);
  ASSERT_TRUE(tryDiffusePriorityAcrossSiblingsInto(stalks, diag, damping, iterations, tryOut, tryScratch));
  expectSameBits(tryOut, line["expect"]);
  expectSameBits(tryScratch, line["expect_scratch"]);
  expectSameBits(diffusePriorityAcrossSiblings(stalks, diag, damping, iterations), line["expect"]);
  expectSameBits(tryDiffusePriorityAcrossSiblings(stalks, diag, damping, iterations).value(), line["expect"]);
}

static void checkAccounting(const json &line) {
  auto accounting = readRecord<PriorityRequeueAccounting>(line["start"]);
  for (const json &op : line["ops"]) {
    uint32_t age = readInteger<uint32_t>(op["age_ticks"]);
    LaunchExpected<void> result;
    if (op["op"] == "record_requeue")
      accounting.recordRequeue(age);
    else if (op["op"] == "record_aged_promotion")
      accounting.recordAgedPromotion(age);
    else if (op["op"] == "try_record_requeue")
      result = accounting.tryRecordRequeue(age);
    else if (op["op"] == "try_record_aged_promotion")
      result = accounting.tryRecordAgedPromotion(age);
    else
      FAIL() << op;
    EXPECT_EQ(result ? "ok" : stringifyLaunchErrorKind(result.error().kind), op["result"]);
    EXPECT_EQ(toJson(accounting), op["after"]);
  }
}

static void checkMath(const json &line) {
  auto number = [&](const char *key) { return readInteger<uint32_t>(line.at(key)); };
  std::string fn = line["fn"];
  const json *expect = line.contains("expect") ? &line["expect"] : nullptr;
  SizingPolicy sizing;
  if (fn == "autotune_hit_capacity_multiplier" || fn == "autotune_workgroup_size") {
    LaunchPolicy policy = readRecord<LaunchPolicy>(line["policy"]);
    std::vector<uint32_t> candidates = readIntegers(line["candidates"]);
    std::vector<double> costs = readDoubles(line["costs"]);
    EXPECT_EQ(fn == "autotune_workgroup_size" ? policy.autotuneWorkgroupSize(candidates, costs, number("current_size"))
                                              : policy.autotuneHitCapacityMultiplier(candidates, costs),
              *expect);
  } else if (fn == "natural_gradient_autotune_step") {
    checkGradient(line);
  } else if (fn == "diffuse_priority") {
    checkDiffusion(line);
  } else if (fn == "drain_recommendation") {
    auto drain = readRecord<PriorityRequeueAccounting>(line["accounting"]).drainRecommendation();
    EXPECT_EQ(toJson(drain), *expect);
    EXPECT_EQ(drain.fix, PriorityCounterDrainFix);
  } else if (fn == "priority_accounting") {
    checkAccounting(line);
  } else if (fn == "default_worker_groups_from_limits") {
    EXPECT_EQ(sizing.defaultWorkerGroupsFromLimits(number("max_compute_workgroups_per_dimension"),
                                                   number("max_compute_invocations_per_workgroup")),
              *expect);
  } else if (fn == "worker_workgroup_size") {
    EXPECT_EQ(sizing.workerWorkgroupSize(number("worker_count"), number("max_workgroup_size_x")), *expect);
  } else if (fn == "padded_slot_count") {
    EXPECT_EQ(sizing.paddedSlotCount(number("slot_count"), number("workgroup_size_x")), *expect);
  } else if (fn == "dispatch_grid_for") {
    json grid = sizing.dispatchGridFor(number("worker_count"), number("queue_len"), number("max_workgroup_size_x"));
    EXPECT_EQ(grid, *expect);
  } else if (fn == "calculate_optimal_grid") {
    auto request = readRecord<GridRequest>(line);
    auto limits = readRecord<GridLimits>(line);
    EXPECT_EQ(outcome(sizing.calculateOptimalGrid(request, limits)), *expect);
    EXPECT_EQ(outcome(GridPlan::recommend(request, limits)), *expect);
  } else if (fn == "geometry_from_slots") {
    uint32_t slots = number("slot_count"), workers = number("worker_count"), width = number("max_workgroup_size_x");
    LaunchGeometry geometry = sizing.geometryFromSlots(slots, workers, width);
    EXPECT_EQ(toJson(geometry), *expect);
    EXPECT_EQ(LaunchGeometry::fromSlots(slots, workers, width), geometry);
    EXPECT_EQ(geometry.coveringWorkerGroups(), number("covering_worker_groups"));
  } else if (fn == "geometry_from_item_count") {
    EXPECT_EQ(outcome(LaunchGeometry::fromItemCount(readInteger<uint64_t>(line["item_count"]), number("worker_count"),
                                                    number("max_workgroup_size_x"))),
              *expect);
  } else {
    FAIL() << "unknown function";
  }
}

TEST(PolicyVectors, Arithmetic) {
  std::vector<json> lines = readLines("policy_math.jsonl");
  EXPECT_EQ(lines.size(), 149u);
  for (const json &line : lines) {
    SCOPED_TRACE(line["id"].get<std::string>());
    checkMath(line);
  }
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

namespace {
/// A thread that runs one piece of work at a time, while its owner waits.
class Worker {
public:
  ~Worker() {
    run(nullptr);
    thread.join();
  }
  void run(std::function<void()> next) {
    work = std::move(next);
    start.release();
    done.acquire();
  }

private:
  void loop() {
    for (bool more = true; more;) {
      start.acquire();
      more = static_cast<bool>(work);
      if (more)
        work();
      done.release();
    }
  }
  std::function<void()> work;
  std::binary_semaphore start{0}, done{0};
  std::thread thread{[this] { loop(); }};
};
} // namespace

static LaunchRequest readDirectRequest(const json &object) {
  std::vector<uint32_t> direct = readIntegers(object["direct"]);
  LaunchRequest request = LaunchRequest::direct(direct.at(0), direct.at(1), direct.at(2));
  visitFields(request, [&](const char *key, auto &field) {
    if (object.contains(key))
      field = readInteger<std::remove_reference_t<decltype(field)>>(object[key]);
  });
  return request;
}

static void checkCacheOp(const json &scenario, const json &op) {
  if (op["op"] == "reset") {
    LaunchPolicy::resetLaunchCacheForThread();
  } else {
    LaunchPolicy policy = readRecord<LaunchPolicy>(scenario["policies"].at(op["policy"].get<size_t>()));
    LaunchRequest request = readDirectRequest(scenario["requests"].at(op["request"].get<size_t>()));
    auto plain = [](const auto &value) { return value.recommendation; };
    json result;
    if (op["op"] == "recommend")
      result = outcome(policy.recommend(request));
    else if (op["op"] == "recommend_with_previous_topology")
      result = outcome(policy.recommendWithPreviousTopology(request, readTopology(op["previous_topology"])));
    else if (op["op"] == "recommend_with_topology_evidence")
      result = outcome(policy.recommendWithTopologyEvidence(request).map(plain));
    else if (op["op"] == "recommend_with_promotion_evidence")
      result = outcome(policy.recommendWithPromotionEvidence(request).map(plain));
    EXPECT_EQ(result, scenario["results"].at(op["result"].get<size_t>()));
  }
  LaunchCacheStats stats = LaunchPolicy::launchCacheStats();
  EXPECT_EQ(json({stats.entries, stats.hits, stats.misses}), op["stats"]);
}

TEST(PolicyVectors, CacheSequences) {
  size_t calls = 0;
  std::vector<json> scenarios = readLines("policy_cache.jsonl");
  EXPECT_EQ(scenarios.size(), 15u);
  for (const json &scenario : scenarios) {
    SCOPED_TRACE(scenario["id"].get<std::string>());
    std::vector<std::unique_ptr<Worker>> workers(scenario["threads"].get<size_t>());
    for (auto &worker : workers)
      worker = std::make_unique<Worker>();
    for (size_t i = 0; i < scenario["ops"].size(); ++i, ++calls) {
      const json &op = scenario["ops"][i];
      workers.at(op["thread"].get<size_t>())->run([&] {
        SCOPED_TRACE("op " + std::to_string(i));
        checkCacheOp(scenario, op);
      });
    }
  }
  EXPECT_EQ(calls, 2611u);
}
