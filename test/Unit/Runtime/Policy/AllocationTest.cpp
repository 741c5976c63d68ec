//===- AllocationTest.cpp - What allocates, and being refused -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PolicyTesting.h"
#include <cstdlib>
#include <new>

using namespace mk;

/// Allocations of this thread so far, and whether further ones are refused.
static thread_local size_t allocations = 0;
static thread_local bool refuse = false;

void *operator new(size_t bytes) {
  ++allocations;
  void *memory = refuse ? nullptr : std::malloc(bytes ? bytes : 1);
  if (!memory)
    throw std::bad_alloc();
  return memory;
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }

namespace {
/// Refuses allocations during its life.
struct Refusal {
  Refusal() { refuse = true; }
  ~Refusal() { refuse = false; }
};
} // namespace

/// Misses, hits, evictions, errors, evidence, hysteresis, selectors.
TEST(PolicyAllocation, DecidingNeverAllocates) {
  LaunchPolicy policy;
  LaunchPolicy::resetLaunchCacheForThread();
  uint32_t candidates[] = {1, 2};
  double costs[] = {2.0, 1.0};
  size_t before = allocations;
  uint32_t failures = 0;
  for (uint32_t queue = 0; queue < 300; ++queue) {
    LaunchRequest request = plainRequest(queue);
    request.maxWorkgroupSizeX = queue % 3;
    failures += !policy.recommend(request);
    failures += !policy.recommend(request);
    failures += !policy.recommendWithPreviousTopology(request, DispatchTopology::DenseFrontier);
    failures += !policy.recommendWithTopologyEvidence(request);
    failures += !policy.recommendWithPromotionEvidence(request);
    policy.autotuneHitCapacityMultiplier(candidates, costs);
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(failures, 500u);
}

TEST(PolicyAllocation, TryFormsReportARefusal) {
  std::vector<double> one(1, 1.0), out, scratch;
  LaunchExpected<void> gradientInto, diffusionInto;
  LaunchErrorKind gradient, diffusion;
  {
    Refusal refusal;
    gradientInto = LaunchPolicy::tryNaturalGradientAutotuneStepInto(one, one, 1, 1.0, out);
    diffusionInto = tryDiffusePriorityAcrossSiblingsInto(one, one, 1.0, 1, out, scratch);
    gradient = LaunchPolicy::tryNaturalGradientAutotuneStep(one, one, 1, 1.0).error().kind;
    diffusion = tryDiffusePriorityAcrossSiblings(one, one, 1.0, 1).error().kind;
  }
  ASSERT_FALSE(gradientInto);
  EXPECT_EQ(gradientInto.error(), (LaunchError{LaunchErrorKind::AllocationFailed, 1, 0}));
  ASSERT_FALSE(diffusionInto);
  EXPECT_EQ(diffusionInto.error(), (LaunchError{LaunchErrorKind::AllocationFailed, 1, 0}));
  EXPECT_EQ(gradient, LaunchErrorKind::AllocationFailed);
  EXPECT_EQ(diffusion, LaunchErrorKind::AllocationFailed);
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(scratch.empty());
}

TEST(PolicyAllocation, VectorsWithRoomNeedNoMemory) {
  std::vector<double> one(1, 1.0), out(1), scratch(1);
  Refusal refusal;
  EXPECT_TRUE(LaunchPolicy::tryNaturalGradientAutotuneStepInto(one, one, 1, 1.0, out));
  EXPECT_TRUE(tryDiffusePriorityAcrossSiblingsInto(one, one, 1.0, 1, out, scratch));
}

TEST(PolicyAllocationDeathTest, PlainFormsTerminate) {
  std::vector<double> one(1, 1.0);
  EXPECT_DEATH(
      {
        Refusal refusal;
        LaunchPolicy::naturalGradientAutotuneStep(one, one, 1, 1.0);
      },
      "");
  EXPECT_DEATH(
      {
        Refusal refusal;
        diffusePriorityAcrossSiblings(one, one, 1.0, 1);
      },
      "");
}
