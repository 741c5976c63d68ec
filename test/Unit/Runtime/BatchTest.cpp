//===- BatchTest.cpp - Encoding of arguments and windows ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <bit>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace mk::test {

static ArgType scalar(ElementType type) { return {ArgType::Scalar, type, abi::AccessNone}; }

/// The first word, or an error's message in a failing expectation.
static uint32_t encode(ElementType type, const Arg &value) {
  uint32_t words[3] = {};
  Expected<void> encoded = encodeArg(scalar(type), value, words);
  EXPECT_TRUE(encoded) << encoded.error().message;
  return words[0];
}

static std::string refusal(const ArgType &type, const Arg &value) {
  uint32_t words[3] = {};
  Expected<void> encoded = encodeArg(type, value, words);
  EXPECT_FALSE(encoded);
  if (encoded)
    return "";
  EXPECT_EQ(encoded.error().code, ErrorCode::InvalidArgument);
  return encoded.error().message;
}

TEST(EncodeArg, IntegersKeepTheirBits) {
  EXPECT_EQ(encode(ElementType::I32, uint64_t(0xFFFFFFFF)), 0xFFFFFFFFu);
  EXPECT_EQ(encode(ElementType::I32, int64_t(-1)), 0xFFFFFFFFu);
  EXPECT_EQ(encode(ElementType::I32, int64_t(INT32_MIN)), 0x80000000u);
  EXPECT_EQ(encode(ElementType::I16, int64_t(-32768)), 0x8000u);
  EXPECT_EQ(encode(ElementType::I8, int64_t(-1)), 0xFFu);
  EXPECT_EQ(encode(ElementType::I8, uint64_t(255)), 0xFFu);
  EXPECT_EQ(encode(ElementType::I1, uint64_t(1)), 1u);
  EXPECT_EQ(encode(ElementType::I1, int64_t(-1)), 1u);
  EXPECT_EQ(encode(ElementType::Index, uint64_t(0xFFFFFFFF)), 0xFFFFFFFFu);
}

TEST(EncodeArg, IntegersBeyondTheTypeAreRefused) {
  EXPECT_EQ(refusal(scalar(ElementType::I8), uint64_t(256)), "256 is beyond the range of i8, which is -128 to 255");
  EXPECT_EQ(refusal(scalar(ElementType::I8), int64_t(-129)), "-129 is beyond the range of i8, which is -128 to 255");
  EXPECT_EQ(refusal(scalar(ElementType::I1), uint64_t(2)), "2 is beyond the range of i1, which is -1 to 1");
  EXPECT_EQ(refusal(scalar(ElementType::Index), int64_t(-1)),
            "-1 is beyond the range of index, which is 0 to 4294967295");
  EXPECT_EQ(refusal(scalar(ElementType::I32), int64_t(INT64_MIN)),
            "-9223372036854775808 is beyond the range of i32, which is -2147483648 to 4294967295");
}

TEST(EncodeArg, WideScalarsTakeTwoWordsLowFirst) {
  uint32_t words[2];
  ASSERT_TRUE(encodeArg(scalar(ElementType::I64), uint64_t(0x1122334455667788), words));
  EXPECT_EQ(words[0], 0x55667788u);
  EXPECT_EQ(words[1], 0x11223344u);
  ASSERT_TRUE(encodeArg(scalar(ElementType::I64), int64_t(-2), words));
  EXPECT_EQ(words[0], 0xFFFFFFFEu);
  EXPECT_EQ(words[1], 0xFFFFFFFFu);
  ASSERT_TRUE(encodeArg(scalar(ElementType::F64), 1.0, words));
  EXPECT_EQ(words[0], 0u);
  EXPECT_EQ(words[1], 0x3FF00000u);
}

TEST(EncodeArg, FloatsRoundToNearestEven) {
  EXPECT_EQ(encode(ElementType::F32, 1.0), 0x3F800000u);
  EXPECT_EQ(encode(ElementType::F32, 1.0 + std::ldexp(1, -24)), 0x3F800000u);
  EXPECT_EQ(encode(ElementType::F32, 1.0 + 3 * std::ldexp(1, -24)), 0x3F800002u);
  EXPECT_EQ(encode(ElementType::F16, 1.0), 0x3C00u);
  EXPECT_EQ(encode(ElementType::F16, -2.5), 0xC100u);
  EXPECT_EQ(encode(ElementType::F16, 1.0 + std::ldexp(1, -11)), 0x3C00u);
  EXPECT_EQ(encode(ElementType::F16, 1.0 + 3 * std::ldexp(1, -11)), 0x3C02u);
  EXPECT_EQ(encode(ElementType::BF16, 1.0), 0x3F80u);
  EXPECT_EQ(encode(ElementType::BF16, 1.0 + std::ldexp(1, -8)), 0x3F80u);
  EXPECT_EQ(encode(ElementType::BF16, 1.0 + 3 * std::ldexp(1, -8)), 0x3F82u);
}

// Through float this value would round to a tie first, and then the wrong way.
TEST(EncodeArg, HalvesRoundOnce) {
  double value = 1.0 + std::ldexp(1, -11) + std::ldexp(1, -40);
  EXPECT_EQ(encode(ElementType::F16, value), 0x3C01u);
}

TEST(EncodeArg, SubnormalsAndTheirBorders) {
  EXPECT_EQ(encode(ElementType::F16, std::ldexp(1, -24)), 0x0001u);
  EXPECT_EQ(encode(ElementType::F16, std::ldexp(1, -25)), 0x0000u);
  EXPECT_EQ(encode(ElementType::F16, std::ldexp(1.5, -25)), 0x0001u);
  EXPECT_EQ(encode(ElementType::F16, std::ldexp(1, -14)), 0x0400u);
  // Just below the smallest normal: rounds up into it.
  EXPECT_EQ(encode(ElementType::F16, std::ldexp(1, -14) - std::ldexp(1, -26)), 0x0400u);
  EXPECT_EQ(encode(ElementType::F16, -std::ldexp(1, -300)), 0x8000u);
  EXPECT_EQ(encode(ElementType::F16, -0.0), 0x8000u);
  EXPECT_EQ(encode(ElementType::BF16, std::ldexp(1, -133)), 0x0001u);
}

TEST(EncodeArg, LargestFinitesInfinitiesAndNans) {
  double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(encode(ElementType::F16, 65504.0), 0x7BFFu);
  EXPECT_EQ(encode(ElementType::F16, 65519.0), 0x7BFFu);
  EXPECT_EQ(encode(ElementType::F16, infinity), 0x7C00u);
  EXPECT_EQ(encode(ElementType::F16, -infinity), 0xFC00u);
  EXPECT_EQ(encode(ElementType::F16, std::nan("")), 0x7E00u);
  EXPECT_EQ(encode(ElementType::BF16, infinity), 0x7F80u);
  EXPECT_EQ(encode(ElementType::BF16, std::nan("")), 0x7FC0u);
  EXPECT_EQ(refusal(scalar(ElementType::F16), 65520.0), "65520 is beyond the range of f16");
  EXPECT_EQ(refusal(scalar(ElementType::F32), 1e39), "9.9999999999999994e+38 is beyond the range of f32");
}

/// Every f16 and bf16 value, written as a double, gives its own bits back.
TEST(EncodeArg, RoundTripsAllHalves) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    uint32_t exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double sign = bits & 0x8000 ? -1 : 1;
    if (exponent != 31) {
      double value = exponent ? std::ldexp(1024.0 + mantissa, int(exponent) - 25) : std::ldexp(double(mantissa), -24);
      ASSERT_EQ(encode(ElementType::F16, sign * value), bits);
    }
    float wide = std::bit_cast<float>(bits << 16);
    if (!std::isnan(wide)) {
      ASSERT_EQ(encode(ElementType::BF16, double(wide)), bits);
    }
  }
}

TEST(EncodeArg, KindsMustFit) {
  EXPECT_EQ(refusal(scalar(ElementType::I32), 1.5), "a value of type i32 was given as 1.5, give an integer");
  EXPECT_EQ(refusal(scalar(ElementType::F32), uint64_t(1)),
            "a value of type f32 was given as 1, give a floating-point number");
  EXPECT_EQ(refusal(scalar(ElementType::F32), View{1, 0, 4}),
            "a value of type f32 was given as view {buffer 1, offset 0, count 4}, give a floating-point number");
  ArgType view{ArgType::View, ElementType::F32, abi::AccessRead};
  EXPECT_EQ(refusal(view, uint64_t(1)),
            "an argument of type memref<?xf32, strided<[1], offset: ?>> was given as 1, give a view");
  ArgType buffer{ArgType::Buffer, ElementType::F32, abi::AccessRead};
  EXPECT_EQ(refusal(buffer, View{1, 2, 3}),
            "an argument of type memref<?xf32> takes a whole buffer, but was given view {buffer 1, offset 2, count 3}; "
            "set offset and count to 0, or declare the argument as a view");
}

TEST(EncodeArg, ViewsAndBuffers) {
  uint32_t words[3] = {9, 9, 9};
  ASSERT_TRUE(encodeArg({ArgType::View, ElementType::F32, abi::AccessRead}, View{7, 8, 16}, words));
  EXPECT_EQ(words[0], 7u);
  EXPECT_EQ(words[1], 8u);
  EXPECT_EQ(words[2], 16u);
  words[1] = 99;
  ASSERT_TRUE(encodeArg({ArgType::Buffer, ElementType::F32, abi::AccessRead}, View{5, 0, 0}, words));
  EXPECT_EQ(words[0], 5u);
  EXPECT_EQ(words[1], 99u);
}

TEST(Batch, AddsASlot) {
  Isa isa = makeIsa();
  Batch batch(isa);
  ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{3, 4, 5}, int64_t(-7)}, 2));
  ASSERT_EQ(batch.size(), 1u);
  const abi::Slot &slot = batch.slots()[0];
  EXPECT_EQ(slot.status, uint32_t(abi::SlotStatus::Published));
  EXPECT_EQ(slot.opcode, uint32_t(Fill));
  EXPECT_EQ(slot.tenant, 2u);
  EXPECT_EQ(slot.order, abi::PriorityNormal);
  EXPECT_EQ(slot.args[0], 3u);
  EXPECT_EQ(slot.args[1], 4u);
  EXPECT_EQ(slot.args[2], 5u);
  EXPECT_EQ(slot.args[3], uint32_t(-7));
}

TEST(Batch, RefusesWhatDoesNotFit) {
  Isa isa = makeIsa();
  Batch batch(isa);
  Expected<void> unknown = batch.add("nope", {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::NotFound);
  EXPECT_EQ(unknown.error().message, "the ISA has no opcode 'nope'");
  Expected<void> few = batch.add("oops", {});
  ASSERT_FALSE(few);
  EXPECT_EQ(few.error().message, "opcode 'oops' takes 1 arguments (i32), but 0 were given");
  Expected<void> wrong = batch.add("oops", std::vector<Arg>{2.0});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "argument 0 of opcode 'oops': a value of type i32 was given as 2, give an integer");
  EXPECT_FALSE(batch.addWindow("nope", {}));
  EXPECT_FALSE(batch.addWindow("fill_add", {}));
  EXPECT_FALSE(batch.addWindow(std::span<const abi::Slot>()));
  EXPECT_FALSE(batch.addWindow(std::vector<abi::Slot>(256)));
  EXPECT_EQ(batch.size(), 0u);
}

TEST(Batch, ExpandsANamedWindow) {
  Isa isa = makeIsa();
  Batch batch(isa);
  std::vector<Arg> args = {View{1, 0, 4}, View{2, 0, 4}, View{3, 0, 4}, int64_t(9)};
  ASSERT_TRUE(batch.addWindow("fill_add", args, 5));
  ASSERT_EQ(batch.size(), 2u);
  const abi::Slot &fill = batch.slots()[0], &add = batch.slots()[1];
  EXPECT_EQ(fill.opcode, uint32_t(Fill));
  EXPECT_EQ(fill.order, abi::PriorityNormal | 2u << abi::OrderLengthShift);
  EXPECT_EQ(fill.args[0], 1u);
  EXPECT_EQ(fill.args[3], 9u);
  EXPECT_EQ(add.opcode, uint32_t(Add));
  EXPECT_EQ(add.order, abi::PriorityNormal | abi::OrderContinuation);
  EXPECT_EQ(add.tenant, 5u);
  EXPECT_EQ(add.args[0], 1u);
  EXPECT_EQ(add.args[3], 2u);
  EXPECT_EQ(add.args[6], 3u);
}

TEST(Batch, RefusesAWindowWhoseOperandsDoNotFit) {
  Isa isa = makeIsa();
  isa.windows[0].issues[0].operands = {3, 0};
  Batch batch(isa);
  std::vector<Arg> args = {View{1, 0, 4}, View{2, 0, 4}, View{3, 0, 4}, int64_t(9)};
  Expected<void> added = batch.addWindow("fill_add", args);
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().message, "window 'fill_add': argument 0 of its issue of 'fill' needs type memref<?xi32, "
                                   "strided<[1], offset: ?>>, which its operand does not have");
}

TEST(Batch, MakesAWindowOfSlots) {
  Isa isa = makeIsa();
  Batch batch(isa);
  std::vector<abi::Slot> slots(3, makeSlot(Oops, {1}));
  slots[1].order = 4 | 77u << abi::OrderLengthShift;
  ASSERT_TRUE(batch.addWindow(slots));
  EXPECT_EQ(batch.slots()[0].order, abi::PriorityNormal | 3u << abi::OrderLengthShift);
  EXPECT_EQ(batch.slots()[1].order, 4u | abi::OrderContinuation);
  EXPECT_EQ(batch.slots()[2].order, abi::PriorityNormal | abi::OrderContinuation);
}

} // namespace mk::test
