//===- Sequence.cpp - Cache sequences on real threads ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Calls.h"
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>

using namespace mk;

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

/// One call, ready to be made.
struct Op {
  size_t thread = 0;
  /// Gives the outcome; null for a reset.
  std::function<json()> call;
};
} // namespace

static std::vector<LaunchPolicy> readPolicies(const Reader &array) {
  std::vector<LaunchPolicy> policies;
  for (const Reader &policy : array.elements())
    policies.push_back(policy.record<LaunchPolicy>());
  return policies;
}

static std::vector<LaunchRequest> readRequests(const Reader &array) {
  std::vector<LaunchRequest> requests;
  for (const Reader &object : array.elements()) {
    Reader direct = object["direct"];
    std::vector<uint32_t> values = direct.integers();
    if (values.size() != 3) {
      direct.complain("an array of 3 integers");
      values.resize(3);
    }
    requests.push_back(LaunchRequest::direct(values[0], values[1], values[2]));
    object.overwrite(requests.back());
  }
  return requests;
}

/// The element of 'list' that the integer at 'index' names.
template <typename T> static T element(const std::vector<T> &list, const Reader &index) {
  uint64_t i = index.integer<uint64_t>();
  if (i < list.size())
    return list[i];
  index.complain("an index below " + std::to_string(list.size()));
  return {};
}

static std::function<json()> readCall(const Reader &op, const std::vector<LaunchPolicy> &policies,
                                      const std::vector<LaunchRequest> &requests) {
  std::string name = op["op"].string();
  if (name == "reset")
    return [] {
      LaunchPolicy::resetLaunchCacheForThread();
      return json();
    };
  LaunchPolicy policy = element(policies, op["policy"]);
  LaunchRequest request = element(requests, op["request"]);
  auto recommendation = [](const auto &value) { return value.recommendation; };
  if (name == "recommend")
    return [=] { return outcome(policy.recommend(request)); };
  if (name == "recommend_with_topology_evidence")
    return [=] { return outcome(policy.recommendWithTopologyEvidence(request).map(recommendation)); };
  if (name == "recommend_with_promotion_evidence")
    return [=] { return outcome(policy.recommendWithPromotionEvidence(request).map(recommendation)); };
  if (name == "recommend_with_previous_topology") {
    DispatchTopology previous = op["previous_topology"].topology();
    return [=] { return outcome(policy.recommendWithPreviousTopology(request, previous)); };
  }
  op["op"].complain("recommend, recommend_with_previous_topology, recommend_with_topology_evidence, "
                    "recommend_with_promotion_evidence or reset");
  return {};
}

void mk::runSequence(const Reader &line, json &out) {
  constexpr uint64_t MaxThreads = 256;
  size_t threads = line["threads"].integer(MaxThreads, 1);
  std::vector<LaunchPolicy> policies = readPolicies(line["policies"]);
  std::vector<LaunchRequest> requests = readRequests(line["requests"]);
  std::vector<Op> ops;
  for (const Reader &op : line["ops"].elements())
    ops.push_back({op["thread"].integer(threads - 1), readCall(op, policies, requests)});
  if (!line.ok())
    return;

  std::vector<std::unique_ptr<Worker>> workers(threads);
  for (auto &worker : workers)
    worker = std::make_unique<Worker>();
  json stats = json::array(), outcomes = json::array();
  for (const Op &op : ops)
    workers[op.thread]->run([&] {
      outcomes.push_back(op.call());
      LaunchCacheStats now = LaunchPolicy::launchCacheStats();
      stats.push_back({now.entries, now.hits, now.misses});
    });
  out["stats"] = std::move(stats);
  out["outcomes"] = std::move(outcomes);
}
