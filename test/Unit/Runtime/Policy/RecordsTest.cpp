//===- RecordsTest.cpp - Evidence, labels, printing, hashing, messages ----===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"
#include <unordered_set>

using namespace mk;

//===----------------------------------------------------------------------===//
// Evidence
//===----------------------------------------------------------------------===//

TEST(TopologyEvidence, EachFlawMakesItIncomplete) {
  TopologyEvidence good;
  good.frontierDensityBps = good.semiringFrontierDensityBps = 10000;
  EXPECT_TRUE(good.isComplete());
  TopologyEvidence evidence = good;
  evidence.schemaVersion = 2;
  EXPECT_FALSE(evidence.isComplete());
  evidence = good;
  evidence.frontierDensityBps = 10001;
  EXPECT_FALSE(evidence.isComplete());
  evidence = good;
  evidence.semiringFrontierDensityBps = 10001;
  EXPECT_FALSE(evidence.isComplete());
  evidence = good;
  evidence.outputParityRequired = false;
  EXPECT_FALSE(evidence.isComplete());
}

TEST(PromotionEvidence, EachFlawMakesItIncomplete) {
  PromotionEvidence good;
  EXPECT_FALSE(good.isComplete()) << "thresholds are 0";
  good.jitQueueLenThreshold = good.hotOpcodeThreshold = good.hotWindowThreshold = 1;
  EXPECT_TRUE(good.isComplete());
  good.promoteHotWindows = good.fusedDescriptorWindowRequired = true;
  EXPECT_TRUE(good.isComplete());
  PromotionEvidence evidence = good;
  evidence.schemaVersion = 0;
  EXPECT_FALSE(evidence.isComplete());
  for (uint32_t PromotionEvidence::*threshold :
       {&PromotionEvidence::jitQueueLenThreshold, &PromotionEvidence::hotOpcodeThreshold,
        &PromotionEvidence::hotWindowThreshold}) {
    evidence = good;
    evidence.*threshold = 0;
    EXPECT_FALSE(evidence.isComplete());
  }
  for (bool PromotionEvidence::*flag :
       {&PromotionEvidence::fusedDescriptorWindowRequired, &PromotionEvidence::promoteHotWindows,
        &PromotionEvidence::outputParityRequired}) {
    evidence = good;
    evidence.*flag = false;
    EXPECT_FALSE(evidence.isComplete());
  }
}

TEST(TopologyEvidence, DensityAbove10000PassesThroughAndShows) {
  LaunchRequest request = plainRequest(10);
  request.frontierDensityBps = 10001;
  auto result = LaunchPolicy().recommendWithTopologyEvidence(request);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->evidence.frontierDensityBps, 10001);
  EXPECT_EQ(result->evidence.graphBlasSwitchClass, GraphBlasSwitchClass::Dense);
  EXPECT_FALSE(result->evidence.isComplete());
}

TEST(PromotionEvidence, RoutesFollowTheFlags) {
  auto route = [](uint32_t queue, uint32_t opcodes, uint32_t windows) {
    LaunchRequest request = plainRequest(queue);
    request.hotOpcodeCount = opcodes;
    request.hotWindowCount = windows;
    auto result = LaunchPolicy().recommendWithPromotionEvidence(request);
    EXPECT_TRUE(result->evidence.isComplete());
    EXPECT_EQ(result->evidence.fusedDescriptorWindowRequired, result->recommendation.promoteHotWindows);
    return result->evidence.promotionRoute;
  };
  EXPECT_EQ(route(10, 7, 3), PromotionRoute::Interpreter);
  EXPECT_EQ(route(4096, 7, 3), PromotionRoute::QueueJit);
  EXPECT_EQ(route(4096, 8, 3), PromotionRoute::OpcodeJit);
  EXPECT_EQ(route(0, 7, 4), PromotionRoute::WindowJit);
  EXPECT_EQ(route(10, 8, 4), PromotionRoute::OpcodeAndWindowJit);
}

TEST(Evidence, ErrorsAreThoseOfTheRecommendation) {
  LaunchRequest request = plainRequest(10);
  request.maxWorkgroupSizeX = 0;
  LaunchError error = LaunchPolicy().recommend(request).error();
  EXPECT_EQ(LaunchPolicy().recommendWithTopologyEvidence(request).error(), error);
  EXPECT_EQ(LaunchPolicy().recommendWithPromotionEvidence(request).error(), error);
}

//===----------------------------------------------------------------------===//
// Labels
//===----------------------------------------------------------------------===//

template <typename Enum, typename Parse> static void checkLabels(Enum last, Parse parse) {
  std::unordered_set<std::string> seen;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    Enum value = static_cast<Enum>(i);
    std::string label = stringifyLabel(value);
    EXPECT_TRUE(seen.insert(label).second) << label;
    EXPECT_EQ(parse(label), value) << label;
  }
  EXPECT_STREQ(stringifyLabel(static_cast<Enum>(static_cast<int>(last) + 1)), "unknown");
  EXPECT_FALSE(parse("unknown"));
  EXPECT_FALSE(parse(""));
}

TEST(Labels, RoundTrip) {
  checkLabels(QueuePressure::Saturated, parseQueuePressure);
  checkLabels(ExecutionMode::Jit, parseExecutionMode);
  checkLabels(DispatchTopology::MemoryConstrained, parseDispatchTopology);
  checkLabels(GraphBlasSwitchClass::MemoryConstrained, parseGraphBlasSwitchClass);
  checkLabels(PromotionRoute::OpcodeAndWindowJit, parsePromotionRoute);
  checkLabels(PriorityDrainReason::AgedPromotionCounterExhausted, parsePriorityDrainReason);
  checkLabels(LaunchErrorKind::AllocationFailed, parseLaunchErrorKind);
}

//===----------------------------------------------------------------------===//
// Printing and hashing
//===----------------------------------------------------------------------===//

TEST(Printing, RecordsAreLinesOfJson) {
  EXPECT_EQ(LaunchGeometry::fromSlots(300, 64, 256).str(),
            R"({"workgroup_size_x":64,"slot_count":320,"dispatch_grid":[5,1,1]})");
  EXPECT_EQ((LaunchCacheStats{1, 2, 3}).str(), R"({"entries":1,"hits":2,"misses":3})");
  EXPECT_EQ((GridRequest{1, 2}).str(), R"({"queue_len":1,"requested_worker_groups":2})");
  EXPECT_EQ(GridPlan().str(),
            R"({"geometry":{"workgroup_size_x":0,"slot_count":0,"dispatch_grid":[0,0,0]},"worker_groups":0})");
  EXPECT_EQ((PriorityRequeueAccounting{U64Max, 0, 7}).str(),
            R"({"requeue_count":18446744073709551615,"aged_promotions":0,"max_priority_age":7})");
  EXPECT_EQ(PriorityRequeueAccounting().drainRecommendation().str().find(R"({"should_drain":false,"reason":"none",)"),
            0u);
  EXPECT_EQ(LaunchPolicy().str().find(R"({"sizing":"standard","min_hit_capacity":1024,)"), 0u);
  EXPECT_NE(LaunchPolicy().recommend(plainRequest(1))->str().find(R"("topology":"sparse_frontier",)"),
            std::string::npos);
}

/// One step in any field gives another hash, value by value: the hash reads all of them.
template <typename Record> static void checkHash(Record record) {
  std::unordered_set<size_t> seen = {std::hash<Record>()(record)};
  visitFields(record, [&](const char *key, auto &field) {
    if constexpr (std::is_integral_v<std::remove_reference_t<decltype(field)>>) {
      auto old = field;
      for (int step = 0; step < 100; ++step) {
        ++field;
        EXPECT_TRUE(seen.insert(std::hash<Record>()(record)).second) << key;
      }
      field = old;
    }
  });
  EXPECT_TRUE(seen.contains(std::hash<Record>()(record)));
}

TEST(Hashing, EveryFieldCounts) {
  checkHash(LaunchPolicy());
  checkHash(LaunchRequest());
  checkHash(plainRequest(1000));
  EXPECT_EQ(std::hash<SizingPolicy>()({}), std::hash<SizingPolicy>()(SizingPolicy::standard()));
}

//===----------------------------------------------------------------------===//
// Messages
//===----------------------------------------------------------------------===//

TEST(LaunchError, MessagesNameFieldValueAndRemedy) {
  using enum LaunchErrorKind;
  struct Case {
    LaunchError error;
    std::vector<const char *> parts;
  } cases[] = {
      {{MemoryPressureThresholdExceeds10000Bps, 12345, 10000},
       {"memoryPressureThresholdBps", "12345", "set it to at most 10000"}},
      {{ZeroMaxWorkgroupSizeX, 0, 1}, {"maxWorkgroupSizeX is 0", "set it"}},
      {{ZeroMaxComputeWorkgroupsPerDimension, 0, 1}, {"maxComputeWorkgroupsPerDimension is 0", "set it"}},
      {{ZeroMaxComputeInvocationsPerWorkgroup, 0, 1}, {"maxComputeInvocationsPerWorkgroup is 0", "set it"}},
      {{HitCapacityOverflow, 5000000000, U32Max}, {"expectedHitsPerItem", "5000000000", "set requestedHitCapacity"}},
      {{PeakBytesOverflow, U64Max, 77}, {"residentDeviceBytes", "18446744073709551615", "lower"}},
      {{DeviceOutOfMemory, 132096, 65536}, {"132096", "deviceMemoryBudgetBytes is 65536", "raise the budget"}},
      {{ItemCountExceedsU32, 4294967296, U32Max}, {"itemCount is 4294967296", "split"}},
      {{ItemCountNotPaddable, 4294967295, 4294967232}, {"itemCount is 4294967295", "4294967232", "split"}},
      {{RequeueCounterOverflow, U64Max, U64Max}, {"requeueCount", "18446744073709551615", "drain"}},
      {{AgedPromotionCounterOverflow, U64Max, U64Max}, {"agedPromotions", "18446744073709551615", "drain"}},
      {{AllocationFailed, 12, 0}, {"12 elements", "free memory"}},
  };
  EXPECT_EQ(std::size(cases), static_cast<size_t>(AllocationFailed) + 1) << "one case for each kind";
  for (const Case &c : cases) {
    std::string message = c.error.message();
    for (const char *part : c.parts)
      EXPECT_NE(message.find(part), std::string::npos) << message << "\nlacks: " << part;
    EXPECT_FALSE(message.ends_with('.')) << message;
    EXPECT_FALSE(std::isupper(message[0])) << message;
  }
}

TEST(LaunchError, BecomesAnErrorOfTheRuntime) {
  LaunchError memory{LaunchErrorKind::DeviceOutOfMemory, 2, 1};
  EXPECT_EQ(memory.toError().code, ErrorCode::OutOfMemory);
  EXPECT_EQ(memory.toError().message, memory.message());
  EXPECT_EQ((LaunchError{LaunchErrorKind::ZeroMaxWorkgroupSizeX, 0, 1}).toError().code, ErrorCode::InvalidArgument);
}
