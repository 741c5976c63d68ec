//===- LaunchPolicyTest.cpp - Properties of recommendations ---------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"

using namespace mk;
using enum DispatchTopology;

/// A request whose topology depends on its density only.
static LaunchRequest withDensity(uint16_t density) {
  LaunchRequest request = plainRequest(2048, 128);
  request.graphNodeCount = 40000;
  request.graphEdgeCount = 90000;
  request.frontierDensityBps = density;
  return request;
}

static LaunchRequest withPressure(uint16_t pressure) {
  LaunchRequest request = withDensity(2000);
  request.memoryPressureBps = pressure;
  return request;
}

static LaunchExpected<LaunchRecommendation> recommend(const LaunchRequest &request, const LaunchPolicy &policy = {}) {
  return policy.recommend(request);
}

static DispatchTopology after(DispatchTopology previous, const LaunchRequest &request,
                              const LaunchPolicy &policy = {}) {
  return policy.recommendWithPreviousTopology(request, previous)->topology;
}

//===----------------------------------------------------------------------===//
// Requests
//===----------------------------------------------------------------------===//

TEST(LaunchPolicy, DefaultIsStandard) { EXPECT_EQ(LaunchPolicy(), LaunchPolicy::standard()); }

TEST(LaunchPolicy, DirectRequestStandsInForTheLimits) {
  LaunchRequest request = LaunchRequest::direct(300, 64, 256);
  EXPECT_EQ(request.maxComputeWorkgroupsPerDimension, 64u);
  EXPECT_EQ(request.maxComputeInvocationsPerWorkgroup, 256u);
  EXPECT_EQ(request.expectedHitsPerItem, 1u);
  EXPECT_EQ(recommend(LaunchRequest::direct(1, 0, 256)).error().kind,
            LaunchErrorKind::ZeroMaxComputeWorkgroupsPerDimension);
  EXPECT_EQ(recommend(LaunchRequest::direct(1, 64, 0)).error().kind, LaunchErrorKind::ZeroMaxWorkgroupSizeX);
}

TEST(LaunchPolicy, InferenceIsIdempotentAndKeepsWhatWasGiven) {
  RandomFields random(2);
  for (int i = 0; i < 100000; ++i) {
    auto request = random.make<LaunchRequest>();
    LaunchRequest once = request.withInferredSignals();
    ASSERT_EQ(once.withInferredSignals(), once);
    ASSERT_TRUE(request.frontierDensityBps == 0 || once.frontierDensityBps == request.frontierDensityBps);
    ASSERT_TRUE(request.memoryPressureBps == 0 || once.memoryPressureBps == request.memoryPressureBps);
    once.frontierDensityBps = request.frontierDensityBps;
    once.memoryPressureBps = request.memoryPressureBps;
    ASSERT_EQ(once, request);
  }
}

TEST(LaunchPolicy, InferredPressureNeedsMoreThan64Bits) {
  LaunchRequest request = plainRequest(1);
  request.residentDeviceBytes = U64Max / 2 + 1;
  request.deviceMemoryBudgetBytes = U64Max;
  EXPECT_EQ(request.withInferredSignals().memoryPressureBps, 5000);
  request.residentDeviceBytes = U64Max - 1;
  EXPECT_EQ(request.withInferredSignals().memoryPressureBps, 9999);
  request.residentDeviceBytes = 1;
  EXPECT_EQ(request.withInferredSignals().memoryPressureBps, 0);
}

//===----------------------------------------------------------------------===//
// Thresholds
//===----------------------------------------------------------------------===//

TEST(LaunchPolicy, ThresholdsAreInclusive) {
  EXPECT_EQ(recommend(withDensity(500))->topology, SparseFrontier);
  EXPECT_EQ(recommend(withDensity(501))->topology, HybridFrontier);
  EXPECT_EQ(recommend(withDensity(3999))->topology, HybridFrontier);
  EXPECT_EQ(recommend(withDensity(4000))->topology, DenseFrontier);
  EXPECT_EQ(recommend(withPressure(8499))->topology, HybridFrontier);
  EXPECT_EQ(recommend(withPressure(8500))->topology, MemoryConstrained);
  EXPECT_EQ(recommend(plainRequest(4095))->executionMode, ExecutionMode::Interpreter);
  EXPECT_EQ(recommend(plainRequest(4096))->executionMode, ExecutionMode::Jit);
}

TEST(LaunchPolicy, FusionNeedsEdgesNodesAndHeat) {
  LaunchRequest request = withDensity(4000);
  request.hotOpcodeCount = 8;
  EXPECT_EQ(recommend(request)->topology, FusedDense);
  LaunchRequest cold = request;
  cold.hotOpcodeCount = 7;
  EXPECT_EQ(recommend(cold)->topology, DenseFrontier);
  LaunchRequest thin = request;
  thin.graphEdgeCount = 65535;
  EXPECT_EQ(recommend(thin)->topology, DenseFrontier);
  LaunchRequest noNodes = request;
  noNodes.graphNodeCount = 0;
  EXPECT_EQ(recommend(noNodes)->topology, DenseFrontier);
}

TEST(LaunchPolicy, EmptyQueueWinsOverEverything) {
  LaunchRequest request = withPressure(10000);
  request.queueLen = 0;
  request.requeueCount = 1;
  for (DispatchTopology previous : AllTopologies) {
    auto result = LaunchPolicy().recommendWithPreviousTopology(request, previous);
    EXPECT_EQ(result->topology, Empty);
    EXPECT_EQ(result->pressure, QueuePressure::Empty);
    EXPECT_TRUE(result->agePriorityWork);
  }
}

//===----------------------------------------------------------------------===//
// Hysteresis
//===----------------------------------------------------------------------===//

/// Whatever densities follow inside a band, a topology on either side of it stays.
TEST(LaunchPolicy, DensityInsideTheBandNeverFlaps) {
  std::mt19937 random(3);
  struct Case {
    DispatchTopology held;
    uint16_t threshold;
  } cases[] = {{SparseFrontier, 500}, {HybridFrontier, 500}, {HybridFrontier, 4000}, {DenseFrontier, 4000}};
  for (Case c : cases) {
    DispatchTopology topology = c.held;
    for (int i = 0; i < 1000; ++i) {
      uint16_t density = c.threshold - 250 + random() % 501;
      topology = after(topology, withDensity(density));
      ASSERT_EQ(topology, c.held) << "density " << density;
    }
  }
}

TEST(LaunchPolicy, DensityBeyondTheBandIsFollowed) {
  EXPECT_EQ(after(SparseFrontier, withDensity(750)), SparseFrontier);
  EXPECT_EQ(after(SparseFrontier, withDensity(751)), HybridFrontier);
  EXPECT_EQ(after(HybridFrontier, withDensity(250)), HybridFrontier);
  EXPECT_EQ(after(HybridFrontier, withDensity(249)), SparseFrontier);
  EXPECT_EQ(after(HybridFrontier, withDensity(4250)), HybridFrontier);
  EXPECT_EQ(after(HybridFrontier, withDensity(4251)), DenseFrontier);
  EXPECT_EQ(after(DenseFrontier, withDensity(3750)), DenseFrontier);
  EXPECT_EQ(after(DenseFrontier, withDensity(3749)), HybridFrontier);
}

TEST(LaunchPolicy, MemoryConstraintHoldsInsideItsBand) {
  EXPECT_EQ(after(MemoryConstrained, withPressure(8250)), MemoryConstrained);
  EXPECT_EQ(after(MemoryConstrained, withPressure(8249)), HybridFrontier);
  EXPECT_EQ(after(HybridFrontier, withPressure(8499)), HybridFrontier);
}

TEST(LaunchPolicy, FusedHoldNeedsHeatButNoNodes) {
  LaunchRequest request = withDensity(3900);
  request.hotWindowCount = 4;
  request.graphNodeCount = 0;
  EXPECT_EQ(after(FusedDense, request), FusedDense);
  request.hotWindowCount = 3;
  EXPECT_EQ(after(FusedDense, request), HybridFrontier);
}

TEST(LaunchPolicy, BandsStopAtTheEndsOf16Bits) {
  LaunchPolicy policy;
  policy.memoryPressureThresholdBps = 200;
  EXPECT_EQ(after(MemoryConstrained, withPressure(0), policy), MemoryConstrained);
  policy.sparseFrontierThresholdBps = 65400;
  EXPECT_EQ(after(SparseFrontier, withDensity(65535), policy), SparseFrontier);
}

/// After an empty queue nothing is held, so the entry point without a cache checks the one with it.
TEST(LaunchPolicy, LeavingEmptyIsAPlainRecommendation) {
  RandomFields random(4);
  int succeeded = 0;
  for (int i = 0; i < 100000; ++i) {
    auto policy = random.make<LaunchPolicy>();
    auto request = random.make<LaunchRequest>();
    auto plain = policy.recommend(request);
    ASSERT_EQ(policy.recommendWithPreviousTopology(request, Empty), plain);
    succeeded += plain.has_value();
  }
  EXPECT_GT(succeeded, 10000);
}

TEST(LaunchPolicy, HysteresisSettlesAfterOneStep) {
  RandomFields random(5);
  for (int i = 0; i < 100000; ++i) {
    auto policy = random.make<LaunchPolicy>();
    auto request = random.make<LaunchRequest>();
    for (DispatchTopology previous : AllTopologies) {
      auto once = policy.recommendWithPreviousTopology(request, previous);
      if (!once)
        continue;
      ASSERT_EQ(after(once->topology, request, policy), once->topology) << policy.str() << request.str();
    }
  }
}

//===----------------------------------------------------------------------===//
// Workers
//===----------------------------------------------------------------------===//

TEST(LaunchPolicy, MemoryPressureShedsAQuarterToAHalf) {
  EXPECT_EQ(recommend(withPressure(8499))->workerGroups, 128u);
  EXPECT_EQ(recommend(withPressure(8500))->workerGroups, 96u);
  EXPECT_EQ(recommend(withPressure(9250))->workerGroups, 80u);
  EXPECT_EQ(recommend(withPressure(10000))->workerGroups, 64u);
  EXPECT_EQ(recommend(withPressure(65535))->workerGroups, 64u);
  uint32_t workers = 128;
  for (uint32_t pressure = 1; pressure <= 10000; ++pressure) {
    uint32_t now = recommend(withPressure(pressure))->workerGroups;
    ASSERT_LE(now, workers) << "pressure " << pressure;
    workers = now;
  }
}

TEST(LaunchPolicy, SparseFrontierShedsDownTo32) {
  LaunchRequest request = withDensity(100);
  request.requestedWorkerGroups = 256;
  EXPECT_EQ(recommend(request)->workerGroups, 51u);
  request.frontierDensityBps = 1;
  EXPECT_EQ(recommend(request)->workerGroups, 32u);
  request.requestedWorkerGroups = 20;
  EXPECT_EQ(recommend(request)->workerGroups, 20u);
  request.requestedWorkerGroups = 256;
  request.graphNodeCount = 0;
  EXPECT_EQ(recommend(request)->workerGroups, 256u);
  uint32_t workers = 0;
  for (uint32_t density = 1; density <= 500; ++density) {
    request = withDensity(density);
    request.requestedWorkerGroups = 256;
    uint32_t now = recommend(request)->workerGroups;
    ASSERT_GE(now, workers) << "density " << density;
    workers = now;
  }
  EXPECT_EQ(workers, 256u);
}

TEST(LaunchPolicy, DerivedWorkersAreNotShed) {
  LaunchRequest request = withPressure(10000);
  request.requestedWorkerGroups = 0;
  EXPECT_EQ(recommend(request)->workerGroups, 255u);
}

TEST(LaunchPolicy, AdapterClampsAfterShedding) {
  LaunchRequest request = withPressure(10000);
  request.requestedWorkerGroups = 1000;
  request.maxComputeWorkgroupsPerDimension = 64;
  EXPECT_EQ(recommend(request)->workerGroups, 64u);
}

//===----------------------------------------------------------------------===//
// Sizes and pressure
//===----------------------------------------------------------------------===//

TEST(LaunchPolicy, LongerQueuesNeverNeedLess) {
  LaunchRecommendation last;
  for (uint32_t queue = 0; queue < 20000; queue += 7) {
    auto now = recommend(plainRequest(queue)).value();
    ASSERT_GE(now.hitCapacity, last.hitCapacity);
    ASSERT_GE(now.geometry.slotCount, last.geometry.slotCount);
    ASSERT_GE(now.geometry.dispatchGrid[0], last.geometry.dispatchGrid[0]);
    ASSERT_GE(now.estimatedPeakDeviceBytes, last.estimatedPeakDeviceBytes);
    ASSERT_GE(now.executionMode, last.executionMode);
    last = now;
  }
}

TEST(LaunchPolicy, PressureClasses) {
  EXPECT_EQ(recommend(plainRequest(511))->pressure, QueuePressure::Light);
  EXPECT_EQ(recommend(plainRequest(512))->pressure, QueuePressure::Balanced);
  // 64 workers of 64 lanes make 4096 lanes.
  EXPECT_EQ(recommend(plainRequest(4096 * 4 - 1))->pressure, QueuePressure::Balanced);
  EXPECT_EQ(recommend(plainRequest(4096 * 4))->pressure, QueuePressure::Saturated);
  LaunchRequest requeued = plainRequest(1);
  requeued.requeueCount = 1;
  EXPECT_EQ(recommend(requeued)->pressure, QueuePressure::Saturated);
  LaunchPolicy policy;
  policy.saturatedWaves = 0;
  EXPECT_EQ(recommend(plainRequest(1), policy)->pressure, QueuePressure::Saturated);
}

TEST(LaunchPolicy, RequestedHitCapacityIsTakenAsItIs) {
  LaunchRequest request = plainRequest(U32Max);
  request.requestedHitCapacity = 1;
  EXPECT_EQ(recommend(request)->hitCapacity, 1u);
}

/// Whatever the input, a success is consistent in wide arithmetic.
TEST(LaunchPolicy, RandomResultsAreConsistent) {
  RandomFields random(6);
  for (int i = 0; i < 100000; ++i) {
    auto policy = random.make<LaunchPolicy>();
    auto request = random.make<LaunchRequest>();
    auto result = policy.recommend(request);
    if (!result)
      continue;
    unsigned __int128 peak = request.residentDeviceBytes;
    peak += static_cast<unsigned __int128>(result->hitCapacity) * policy.scratchBytesPerHit;
    ASSERT_TRUE(peak == result->estimatedPeakDeviceBytes);
    ASSERT_TRUE(request.deviceMemoryBudgetBytes == 0 || peak <= request.deviceMemoryBudgetBytes);
    ASSERT_EQ(result->geometry.slotCount % result->geometry.workgroupSizeX, 0u);
    ASSERT_LE(result->geometry.workgroupSizeX, request.maxWorkgroupSizeX);
    ASSERT_LE(result->geometry.dispatchGrid[0], 1024u);
    ASSERT_LE(result->workerGroups, request.maxComputeWorkgroupsPerDimension);
    ASSERT_TRUE(request.requestedWorkerGroups == 0 || result->workerGroups <= request.requestedWorkerGroups);
    ASSERT_EQ(result->topology == Empty, request.queueLen == 0);
    ASSERT_TRUE(result->topology != FusedDense || result->executionMode == ExecutionMode::Jit);
  }
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// A request with every fault at once; taking the faults away one by one shows the order.
TEST(LaunchPolicy, FirstErrorIsReported) {
  LaunchPolicy policy;
  policy.memoryPressureThresholdBps = 10001;
  policy.scratchBytesPerHit = 1;
  LaunchRequest request;
  request.queueLen = U32Max;
  request.requestedWorkerGroups = 2;
  request.memoryPressureBps = 10001;
  request.residentDeviceBytes = U64Max;
  request.deviceMemoryBudgetBytes = 100;
  request.expectedHitsPerItem = 2;

  EXPECT_EQ(recommend(request, policy).error(),
            (LaunchError{LaunchErrorKind::MemoryPressureThresholdExceeds10000Bps, 10001, 10000}));
  policy.memoryPressureThresholdBps = 10000;
  EXPECT_EQ(recommend(request, policy).error(), (LaunchError{LaunchErrorKind::ZeroMaxWorkgroupSizeX, 0, 1}));
  request.maxWorkgroupSizeX = 1;
  EXPECT_EQ(recommend(request, policy).error(),
            (LaunchError{LaunchErrorKind::ZeroMaxComputeWorkgroupsPerDimension, 0, 1}));
  request.maxComputeWorkgroupsPerDimension = 1;
  EXPECT_EQ(recommend(request, policy).error(),
            (LaunchError{LaunchErrorKind::ZeroMaxComputeInvocationsPerWorkgroup, 0, 1}));
  request.maxComputeInvocationsPerWorkgroup = 1;
  EXPECT_EQ(recommend(request, policy).error(),
            (LaunchError{LaunchErrorKind::HitCapacityOverflow, uint64_t(U32Max) * 2, U32Max}));
  request.requestedHitCapacity = 5;
  EXPECT_EQ(recommend(request, policy).error(), (LaunchError{LaunchErrorKind::PeakBytesOverflow, U64Max, U64Max - 5}));
  request.residentDeviceBytes = 96;
  EXPECT_EQ(recommend(request, policy).error(), (LaunchError{LaunchErrorKind::DeviceOutOfMemory, 101, 100}));
  request.residentDeviceBytes = 95;
  EXPECT_TRUE(recommend(request, policy));
}

TEST(LaunchPolicy, ThresholdAbove10000OnlyMattersWhenWorkIsShed) {
  LaunchPolicy policy;
  policy.memoryPressureThresholdBps = 20000;
  EXPECT_TRUE(recommend(withPressure(10000), policy));
  LaunchRequest request = withPressure(20000);
  EXPECT_FALSE(recommend(request, policy));
  request.requestedWorkerGroups = 1;
  EXPECT_TRUE(recommend(request, policy));
  request.requestedWorkerGroups = 0;
  EXPECT_TRUE(recommend(request, policy));
}

TEST(LaunchPolicy, FirstProductOverflowsEvenWhenTheMultiplierIsZero) {
  LaunchPolicy policy;
  policy.hitCapacityMultiplier = 0;
  LaunchRequest request = plainRequest(1u << 31);
  EXPECT_EQ(recommend(request, policy)->hitCapacity, 1024u);
  request.expectedHitsPerItem = 2;
  EXPECT_EQ(recommend(request, policy).error().kind, LaunchErrorKind::HitCapacityOverflow);
}
