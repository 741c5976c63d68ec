//===- PolicyBench.cpp - Time per call of the launch policy ---------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every entry point with requests of one shape: graph, density, pressure and byte fields set, 128 workers, width 256,
// standard policy. benchmarks/results/policy-cpu.md holds figures and says how to get them.
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/LaunchPolicy.h"
#include "mk/Runtime/Policy/Priority.h"
#include <benchmark/benchmark.h>
#include <vector>

using namespace mk;

/// Distinct requests. A power of two of them, so that walking through them in a circle is cheap.
static std::vector<LaunchRequest> makeRequests(uint32_t count) {
  std::vector<LaunchRequest> requests(count);
  for (uint32_t i = 0; i < count; ++i) {
    LaunchRequest &request = requests[i];
    request = LaunchRequest::direct(2048 + i * 7, 128, 256);
    request.maxComputeWorkgroupsPerDimension = 65535;
    request.maxComputeInvocationsPerWorkgroup = 1024;
    request.graphNodeCount = 40000 + i;
    request.graphEdgeCount = 90000 + i;
    request.frontierDensityBps = 100 + i * 37 % 6000;
    request.memoryPressureBps = i * 61 % 10000;
    request.residentDeviceBytes = 1 << 20;
    request.deviceMemoryBudgetBytes = uint64_t(1) << 32;
  }
  return requests;
}

/// One call for each request in a circle.
template <typename Call> static void walk(benchmark::State &state, uint32_t count, Call call) {
  std::vector<LaunchRequest> requests = makeRequests(count);
  LaunchPolicy policy;
  LaunchPolicy::resetLaunchCacheForThread();
  uint32_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(policy);
    auto result = call(policy, requests[i], i);
    benchmark::DoNotOptimize(result);
    i = (i + 1) & (count - 1);
  }
}

static void recommendCached(benchmark::State &state) {
  walk(state, state.range(0),
       [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t) { return policy.recommend(request); });
}
BENCHMARK(recommendCached)->Arg(1)->Arg(64)->Arg(128);

/// Misses that find room: the cache is emptied every 128 calls, which is part of the time.
static void recommendUncached(benchmark::State &state) {
  walk(state, 4096, [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t i) {
    if (i % LaunchPolicy::CacheCapacity == 0)
      LaunchPolicy::resetLaunchCacheForThread();
    return policy.recommend(request);
  });
}
BENCHMARK(recommendUncached);

/// Misses in a full cache.
static void recommendEvicting(benchmark::State &state) {
  walk(state, 4096,
       [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t) { return policy.recommend(request); });
}
BENCHMARK(recommendEvicting);

static void recommendWithPreviousTopology(benchmark::State &state) {
  walk(state, state.range(0), [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t i) {
    return policy.recommendWithPreviousTopology(request, static_cast<DispatchTopology>(i % 6));
  });
}
BENCHMARK(recommendWithPreviousTopology)->Arg(1)->Arg(4096);

static void recommendWithTopologyEvidence(benchmark::State &state) {
  walk(state, 64, [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t) {
    return policy.recommendWithTopologyEvidence(request);
  });
}
BENCHMARK(recommendWithTopologyEvidence);

static void recommendWithPromotionEvidence(benchmark::State &state) {
  walk(state, 64, [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t) {
    return policy.recommendWithPromotionEvidence(request);
  });
}
BENCHMARK(recommendWithPromotionEvidence);

static void calculateOptimalGrid(benchmark::State &state) {
  walk(state, 4096, [](const LaunchPolicy &policy, const LaunchRequest &request, uint32_t) {
    return policy.sizing.calculateOptimalGrid({request.queueLen, request.requestedWorkerGroups},
                                              {request.maxWorkgroupSizeX, request.maxComputeWorkgroupsPerDimension,
                                               request.maxComputeInvocationsPerWorkgroup});
  });
}
BENCHMARK(calculateOptimalGrid);

/// Eight candidates.
static void autotune(benchmark::State &state) {
  std::vector<uint32_t> candidates = {1, 2, 3, 4, 6, 8, 12, 16};
  std::vector<double> costs = {5.0, 4.0, 3.5, 3.25, 3.0, 3.75, 4.5, 6.0};
  LaunchPolicy policy;
  for (auto _ : state) {
    benchmark::DoNotOptimize(costs.data());
    benchmark::ClobberMemory();
    benchmark::DoNotOptimize(policy.autotuneHitCapacityMultiplier(candidates, costs));
  }
}
BENCHMARK(autotune);

/// An n by n step into a vector that has its capacity.
static void naturalGradientStep(benchmark::State &state) {
  uint32_t n = state.range(0);
  std::vector<double> matrix(n * n, 0.5), grad(n, 0.25), out;
  for (auto _ : state) {
    LaunchPolicy::naturalGradientAutotuneStepInto(matrix, grad, n, 0.1, out);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(naturalGradientStep)->Arg(8)->Arg(64);

/// Four iterations over n elements.
static void diffusePriority(benchmark::State &state) {
  std::vector<double> stalks(state.range(0), 8.0), restriction(state.range(0), 0.5), out, scratch;
  for (auto _ : state) {
    diffusePriorityAcrossSiblingsInto(stalks, restriction, 0.2, 4, out, scratch);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(diffusePriority)->Arg(8)->Arg(64);

static void drainRecommendation(benchmark::State &state) {
  PriorityRequeueAccounting accounting{7, 3, 40};
  for (auto _ : state) {
    benchmark::DoNotOptimize(accounting);
    auto result = accounting.drainRecommendation();
    benchmark::DoNotOptimize(result);
  }
}
BENCHMARK(drainRecommendation);

BENCHMARK_MAIN();
