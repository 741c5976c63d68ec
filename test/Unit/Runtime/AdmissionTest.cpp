//===- AdmissionTest.cpp - Checks of a batch ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Admission.h"
#include "FakeCode.h"
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class Admission : public testing::Test {
protected:
  IsaLayout layout = *IsaLayout::create(makeIsa());

  Error refusal(const std::vector<abi::Slot> &slots) { return refusalOf(slots); }
  Error refusalOf(std::span<const abi::Slot> slots) {
    auto admitted = admit(layout, slots);
    EXPECT_FALSE(admitted);
    return admitted ? Error() : admitted.error();
  }
};
} // namespace

static abi::Slot ordered(uint32_t order) {
  abi::Slot slot = makeSlot(Oops, {1});
  slot.order = order;
  return slot;
}

TEST_F(Admission, YieldsDenseOpcodes) {
  auto admitted = admit(layout, std::vector<abi::Slot>{makeSlot(Put, {}), makeSlot(Fill, {})});
  ASSERT_TRUE(admitted);
  EXPECT_EQ(*admitted, (std::vector<uint16_t>{PutIndex, FillIndex}));
  EXPECT_TRUE(admit(layout, {}));
}

TEST_F(Admission, NamesTheSlotWithAnUnknownOpcode) {
  Error error = refusal({makeSlot(Fill, {}), makeSlot(4711, {})});
  EXPECT_EQ(error.code, ErrorCode::NotFound);
  EXPECT_EQ(error.message, "slot 1 has opcode 4711, which the ISA does not have");
}

TEST_F(Admission, ResumableOpcodesAreNotForBatches) {
  Error error = refusal({makeSlot(Fill, {}), makeSlot(Again, {})});
  EXPECT_EQ(error.code, ErrorCode::Unsupported);
  EXPECT_EQ(error.message,
            "slot 1 has opcode 1003, which is resumable; publish it to mk::ResidentEngine, and not in a window");
}

TEST_F(Admission, BatchesHaveALength) {
  // Nobody looks at the slots.
  abi::Slot slot = makeSlot(Fill, {});
  EXPECT_EQ(refusalOf(std::span(&slot, size_t(abi::MaxSlots) + 1)).message,
            "a batch of 1073741825 slots: it may have 1073741824, submit several");
}

TEST_F(Admission, TenantsAndPrioritiesHaveARange) {
  EXPECT_EQ(refusal({makeSlot(Oops, {1}, 29)}).message, "slot 0 has tenant 29, but tenants are 0 to 28");
  EXPECT_TRUE(admit(layout, std::vector{makeSlot(Oops, {1}, 28)}));
  EXPECT_EQ(refusal({ordered(5)}).message, "slot 0 has priority 5, but priorities are 0 to 4");
  EXPECT_TRUE(admit(layout, std::vector{ordered(4)}));
  EXPECT_EQ(refusal({ordered(1u << 17)}).message, "slot 0 has reserved bits set in word 3, leave bits 17 to 31 at 0");
}

TEST_F(Admission, StatusIsIgnored) {
  abi::Slot slot = ordered(0);
  slot.status = 0xDEADBEEF;
  EXPECT_TRUE(admit(layout, std::vector{slot}));
}

TEST_F(Admission, WindowsMustBeWhole) {
  uint32_t two = 2u << abi::OrderLengthShift, one = 1u << abi::OrderLengthShift, next = abi::OrderContinuation;
  EXPECT_TRUE(admit(layout, std::vector{ordered(two), ordered(next)}));
  EXPECT_TRUE(admit(layout, std::vector{ordered(one), ordered(0), ordered(two), ordered(next | one), ordered(0)}));
  EXPECT_EQ(refusal({ordered(two)}).message, "slot 0 starts a window of 2 slots, but the batch has 1 from there on");
  EXPECT_EQ(refusal({ordered(two), ordered(0)}).message,
            "slot 1 lies in the window of slot 0, but is not marked as its continuation (word 3, bit 16)");
  EXPECT_EQ(refusal({ordered(two), ordered(next | two), ordered(next)}).message,
            "slot 1 starts a window inside the window of slot 0, windows do not nest");
  EXPECT_EQ(refusal({ordered(two), ordered(next), ordered(next)}).message,
            "slot 2 continues a window (word 3, bit 16), but no window before it is that long");
}

} // namespace mk::test
