//===- CacheTest.cpp - The recommendation cache ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LaunchCache.h"
#include "PolicyTesting.h"
#include <algorithm>
#include <list>
#include <memory>
#include <thread>

using namespace mk;

/// The plain picture of the cache: a list of keys, youngest first.
namespace {
struct ModelCache {
  std::list<std::pair<LaunchPolicy, LaunchRequest>> keys;
  LaunchCacheStats stats;

  void recommend(const LaunchPolicy &policy, const LaunchRequest &request, bool succeeds) {
    auto key = std::make_pair(policy, request);
    auto found = std::find(keys.begin(), keys.end(), key);
    if (found != keys.end()) {
      ++stats.hits;
      keys.splice(keys.begin(), keys, found);
      return;
    }
    ++stats.misses;
    if (!succeeds)
      return;
    keys.push_front(key);
    if (keys.size() > LaunchPolicy::CacheCapacity)
      keys.pop_back();
    stats.entries = keys.size();
  }
};

struct RecommendationCache : testing::Test {
  RecommendationCache() { LaunchPolicy::resetLaunchCacheForThread(); }
};
} // namespace

TEST_F(RecommendationCache, RandomTrafficMatchesTheModel) {
  std::mt19937 random(7);
  ModelCache model;
  LaunchPolicy policies[2];
  policies[1].minHitCapacity = 2048;
  for (int i = 0; i < 50000; ++i) {
    // Mostly a few hot keys, else any of 400; one in 16 fails.
    uint32_t key = random() % 2 ? random() % 60 : random() % 400;
    LaunchRequest request = plainRequest(key + 1);
    bool succeeds = key % 16 != 0;
    if (!succeeds)
      request.maxWorkgroupSizeX = 0;
    const LaunchPolicy &policy = policies[random() % 2];
    auto expected = policy.recommendWithPreviousTopology(request, DispatchTopology::Empty);
    ASSERT_EQ(policy.recommend(request), expected);
    model.recommend(policy, request, succeeds);
    ASSERT_EQ(LaunchPolicy::launchCacheStats(), model.stats) << "call " << i;
  }
  EXPECT_GT(model.stats.hits, 10000u);
  EXPECT_EQ(model.stats.entries, LaunchPolicy::CacheCapacity);
}

TEST_F(RecommendationCache, EveryFieldIsPartOfTheKey) {
  LaunchPolicy policy;
  LaunchRequest request = plainRequest(100);
  ASSERT_TRUE(policy.recommend(request));
  uint64_t misses = 1;
  visitFields(request, [&](const char *key, auto &field) {
    auto old = field++;
    policy.recommend(request);
    EXPECT_EQ(LaunchPolicy::launchCacheStats().misses, ++misses) << key;
    field = old;
  });
  visitFields(policy, [&](const char *key, auto &field) {
    if constexpr (std::is_integral_v<std::remove_reference_t<decltype(field)>>) {
      auto old = field++;
      policy.recommend(request);
      EXPECT_EQ(LaunchPolicy::launchCacheStats().misses, ++misses) << key;
      field = old;
    }
  });
  policy.recommend(request);
  EXPECT_EQ(LaunchPolicy::launchCacheStats().hits, 1u);
}

TEST_F(RecommendationCache, EvidenceLooksUpTheInferredRequest) {
  LaunchPolicy policy;
  LaunchRequest request = plainRequest(100);
  request.graphNodeCount = 1000;
  ASSERT_TRUE(policy.recommend(request));
  ASSERT_TRUE(policy.recommendWithTopologyEvidence(request));
  EXPECT_EQ(LaunchPolicy::launchCacheStats(), (LaunchCacheStats{2, 0, 2}));
  ASSERT_TRUE(policy.recommendWithPromotionEvidence(request));
  ASSERT_TRUE(policy.recommend(request.withInferredSignals()));
  EXPECT_EQ(LaunchPolicy::launchCacheStats(), (LaunchCacheStats{2, 2, 2}));
}

TEST_F(RecommendationCache, PreviousTopologyLeavesItAlone) {
  LaunchPolicy policy;
  ASSERT_TRUE(policy.recommendWithPreviousTopology(plainRequest(1), DispatchTopology::Empty));
  EXPECT_EQ(LaunchPolicy::launchCacheStats(), LaunchCacheStats());
}

TEST_F(RecommendationCache, ThreadsHaveTheirOwn) {
  LaunchPolicy policy;
  ASSERT_TRUE(policy.recommend(plainRequest(1)));
  std::thread([&] {
    EXPECT_EQ(LaunchPolicy::launchCacheStats(), LaunchCacheStats());
    EXPECT_TRUE(policy.recommend(plainRequest(1)));
    EXPECT_EQ(LaunchPolicy::launchCacheStats(), (LaunchCacheStats{1, 0, 1}));
    LaunchPolicy::resetLaunchCacheForThread();
  }).join();
  EXPECT_EQ(LaunchPolicy::launchCacheStats(), (LaunchCacheStats{1, 0, 1}));
}

//===----------------------------------------------------------------------===//
// The table on its own
//===----------------------------------------------------------------------===//

/// Keys are told apart by value, also when all of them have one hash, or when their hashes share few homes at the end
/// of the table.
TEST(LaunchCache, CollidingHashes) {
  for (uint32_t hashes : {1u, 3u}) {
    auto cache = std::make_unique<LaunchCache>();
    auto hashOf = [&](uint32_t i) { return UINT32_MAX - i % hashes; };
    LaunchPolicy policies[2];
    policies[1].saturatedWaves = 5;
    auto recommendation = [](uint32_t i) {
      LaunchRecommendation result;
      result.hitCapacity = i;
      return result;
    };
    for (uint32_t i = 0; i < 300; ++i) {
      ASSERT_EQ(cache->find(policies[i % 2], plainRequest(i / 2), hashOf(i)), nullptr);
      cache->insert(policies[i % 2], plainRequest(i / 2), hashOf(i), recommendation(i));
    }
    for (uint32_t i = 0; i < 300; ++i) {
      const LaunchRecommendation *found = cache->find(policies[i % 2], plainRequest(i / 2), hashOf(i));
      ASSERT_EQ(found != nullptr, i >= 300 - LaunchPolicy::CacheCapacity) << i;
      if (found) {
        EXPECT_EQ(found->hitCapacity, i);
      }
    }
    EXPECT_EQ(cache->stats(), (LaunchCacheStats{128, 128, 300 + 172}));
    cache->reset();
    EXPECT_EQ(cache->stats(), LaunchCacheStats());
    EXPECT_EQ(cache->find(policies[1], plainRequest(149), hashOf(299)), nullptr);
  }
}
