//===- ValueProfileTest.cpp - What arguments turn out to be ---------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ValueProfile.h"
#include "FakeCode.h"
#include <gtest/gtest.h>

namespace mk::test {

namespace {
/// A view of i32, a whole buffer of f32, an i64.
class Profile : public testing::Test {
protected:
  InstanceLayout layout{{{ArgType::View, ElementType::I32, abi::AccessWrite},
                         {ArgType::Buffer, ElementType::F32, abi::AccessRead},
                         {ArgType::Scalar, ElementType::I64, abi::AccessNone}},
                        {16, 20, 24, 28, 32, 36}};
  std::vector<abi::BufferEntry> rows{
      {}, {}, {}, {0x1000, 4096, ~0u, abi::AccessReadWrite}, {0x2000, 256, ~0u, abi::AccessReadWrite}};
  ValueProfile profile;

  static abi::Slot slot(uint32_t offset, uint32_t count, uint32_t buffer, uint64_t scalar) {
    return makeSlot(64, {3, offset, count, buffer, uint32_t(scalar), uint32_t(scalar >> 32)});
  }
  void add(abi::Slot slot) { profile.add(layout, &slot, rows); }
  bool holds(const Specialization &facts, abi::Slot slot, bool separate = false) {
    return FactGuard(layout, facts, separate).holds(&slot, rows);
  }
};
} // namespace

TEST_F(Profile, ProposesWhatHoldsForNearlyAll) {
  for (uint32_t i = 0; i < 100; ++i)
    add(slot(i * 8, i % 2 ? 64 : 16, 4, i % 50 == 7 ? 1 : 0x500000002));
  Specialization facts = profile.propose(layout);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0], (ArgFacts{std::nullopt, 0, 16, 8}));
  EXPECT_EQ(facts[1], (ArgFacts{std::nullopt, 64, 1, 1}));
  EXPECT_EQ(facts[2], (ArgFacts{0x500000002, 0, 1, 1}));
  EXPECT_EQ(describeFacts(layout, facts), "0.multiple=16, 0.aligned=8, 1.extent=64, 2=21474836482");

  EXPECT_TRUE(holds(facts, slot(8, 32, 4, 0x500000002)));
  EXPECT_FALSE(holds(facts, slot(4, 32, 4, 0x500000002)));
  EXPECT_FALSE(holds(facts, slot(8, 33, 4, 0x500000002)));
  EXPECT_FALSE(holds(facts, slot(8, 32, 3, 0x500000002)));
  EXPECT_FALSE(holds(facts, slot(8, 32, 4, 0x500000003)));
  EXPECT_FALSE(holds(facts, slot(8, 32, 4, 0x600000002)));
  EXPECT_TRUE(holds({}, slot(1, 1, 3, 0)));
}

TEST(DescribeScalar, KnowsTheTypes) {
  EXPECT_EQ(describeScalar(ElementType::I8, 0xFD), "-3");
  EXPECT_EQ(describeScalar(ElementType::I16, 0xFFFE), "-2");
  EXPECT_EQ(describeScalar(ElementType::I32, 0xFFFFFFFF), "-1");
  EXPECT_EQ(describeScalar(ElementType::I64, ~uint64_t(6)), "-7");
  EXPECT_EQ(describeScalar(ElementType::Index, 0xFFFFFFFF), "4294967295");
  EXPECT_EQ(describeScalar(ElementType::I1, 1), "1");
  EXPECT_EQ(describeScalar(ElementType::F16, 0xC100), "-2.5");
  EXPECT_EQ(describeScalar(ElementType::F16, 0x0001), "5.96046448e-08");
  EXPECT_EQ(describeScalar(ElementType::BF16, 0x3F80), "1");
  EXPECT_EQ(describeScalar(ElementType::F32, 0xFF800000), "-inf");
  EXPECT_EQ(describeScalar(ElementType::F32, 0x3DCCCCCD), "0.100000001");
  EXPECT_EQ(describeScalar(ElementType::F64, 0xBFD0000000000000), "-0.25");
  EXPECT_EQ(describeScalar(ElementType::F64, 0x7FF8000000000000), "nan");
}

TEST_F(Profile, ProposesNothingOfLittleOrOfWhatVaries) {
  for (uint32_t i = 0; i < ValueProfile::MinSamples - 1; ++i)
    add(slot(0, 64, 4, 1));
  EXPECT_TRUE(profile.propose(layout).empty());
  profile = {};
  for (uint32_t i = 0; i < 200; ++i)
    add(slot(i, 1 + i, 3 + i % 2, i));
  // Both buffers have a multiple of 16 elements.
  Specialization facts = profile.propose(layout);
  EXPECT_EQ(describeFacts(layout, facts), "1.multiple=16");
}

TEST_F(Profile, FollowsTheRun) {
  for (uint32_t i = 0; i < ValueProfile::MaxSamples; ++i)
    add(slot(0, 64, 4, 1));
  for (uint32_t i = 0; i < ValueProfile::MinSamples; ++i)
    add(slot(0, 64, 4, 2));
  EXPECT_EQ(profile.propose(layout)[2].constant, 2u);
}

TEST_F(Profile, SpecialisedOpcodesWantMemrefsApart) {
  InstanceLayout two{
      {{ArgType::View, ElementType::I32, abi::AccessWrite}, {ArgType::View, ElementType::I32, abi::AccessRead}},
      {16, 20, 24, 28, 32, 36}};
  Specialization facts(2);
  facts[0].aligned = 4;
  FactGuard guard(two, facts, true), window(two, facts, false);
  auto views = [&](uint32_t buffer, uint32_t offset) { return makeSlot(64, {3, 0, 64, buffer, offset, 64}); };
  abi::Slot apart = views(3, 64), overlapping = views(3, 63), elsewhere = views(4, 0), same = views(3, 0);
  EXPECT_TRUE(guard.holds(&apart, rows));
  EXPECT_TRUE(guard.holds(&elsewhere, rows));
  EXPECT_FALSE(guard.holds(&overlapping, rows));
  EXPECT_FALSE(guard.holds(&same, rows));
  EXPECT_TRUE(window.holds(&overlapping, rows));
}

} // namespace mk::test
