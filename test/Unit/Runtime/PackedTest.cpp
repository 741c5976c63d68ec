//===- PackedTest.cpp - Several operations in one slot --------------------===//
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

using Words = std::vector<uint32_t>;

/// Some built-in opcodes, 9 with nine arguments, one that is too far up, and one that may append hits.
static Isa makePackedIsa() {
  ArgType word{ArgType::Scalar, ElementType::I32, abi::AccessNone};
  auto op = [&](const char *name, uint32_t code, uint32_t args, uint32_t optional = 0) {
    OpcodeInfo info{name, code, Scope::Lane, std::vector<ArgType>(args, word)};
    info.optional = optional;
    return info;
  };
  Isa isa;
  isa.opcodes = {op("mk.nop", 0, 0),         op("mk.store_u32", 1, 2),
                 op("mk.atomic_add", 2, 2),  op("mk.compare_swap", 4, 4, 1),
                 op("mk.batch_fence", 7, 2), op("mk.packed_slot", uint32_t(abi::Builtin::PackedSlot), 0),
                 op("nine", 9, 9),           op("far", 256, 0)};
  return isa;
}

namespace {
class Packed : public testing::Test {
protected:
  Isa isa = makePackedIsa();
  IsaLayout layout = *IsaLayout::create(isa);

  Error refusal(const std::vector<PackedOp> &ops) {
    Batch batch(isa);
    auto packed = batch.pack(ops);
    EXPECT_FALSE(packed);
    EXPECT_EQ(batch.size(), 0u);
    return packed ? Error() : packed.error();
  }
};
} // namespace

static Words wordsOf(const abi::Slot &slot) {
  Words words = {slot.status, slot.opcode, slot.tenant, slot.order};
  words.insert(words.end(), std::begin(slot.args), std::end(slot.args));
  return words;
}

TEST_F(Packed, Vectors) {
  Batch batch(isa);
  ASSERT_TRUE(batch.pack(std::vector<PackedOp>{{1, {10, 32}}, {2, {1, 64}}}, 7));
  ASSERT_TRUE(batch.pack(std::vector<PackedOp>{{1, {7, 160}}}));
  ASSERT_TRUE(batch.pack(std::vector<PackedOp>{}));
  ASSERT_TRUE(batch.pack(std::vector<PackedOp>(4, {1, {1, 2}})));
  const uint32_t packed = 0x80000001;
  EXPECT_EQ(wordsOf(batch.slots()[0]),
            (Words{1, packed, 7, 2, 0x00010402, 0x00000202, 10, 32, 1, 64, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(wordsOf(batch.slots()[1]), (Words{1, packed, 0, 2, 0x00010201, 7, 160, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(wordsOf(batch.slots()[2]), (Words{1, packed, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(wordsOf(batch.slots()[3]),
            (Words{1, packed, 0, 2, 0x00010804, 0x04010201, 0x00000601, 1, 2, 1, 2, 1, 2, 1, 2, 0}));
  EXPECT_TRUE(admit(layout, batch.slots()));
}

TEST_F(Packed, EverySizeThatFits) {
  for (size_t n = 0; n <= 23; ++n) {
    Batch batch(isa);
    ASSERT_TRUE(batch.pack(std::vector<PackedOp>(n, {0, {}}))) << n;
    EXPECT_TRUE(admit(layout, batch.slots())) << n;
  }
  Batch batch(isa);
  EXPECT_TRUE(batch.pack(std::vector<PackedOp>{{9, Words(9)}, {0, {}}}));
  EXPECT_TRUE(batch.pack(std::vector<PackedOp>{{4, {1, 2, 3}}, {4, {1, 2, 3, 4}}}));
}

TEST_F(Packed, TheEncoderSaysWhatDoesNotFit) {
  auto check = [&](const std::vector<PackedOp> &ops, ErrorCode code, const char *message) {
    Error error = refusal(ops);
    EXPECT_EQ(error.code, code);
    EXPECT_EQ(error.message, message);
  };
  check(std::vector<PackedOp>(256, {0, {}}), ErrorCode::PackedCount, "the slot packs 256 operations, but 23 fit");
  check(std::vector<PackedOp>(24, {0, {}}), ErrorCode::PackedMetadata, "the slot packs 24 operations, but 23 fit");
  check({{9, Words(256)}, {0, {}}}, ErrorCode::PackedOffset,
        "the slot packs operation 1 with arguments from word 256 on, but offsets are at most 255");
  check({{9, Words(9)}, {1, {1, 2}}}, ErrorCode::PackedPayload,
        "the slot packs 2 operations with 11 argument words, but 10 fit");
  for (uint32_t code : {8u, 256u, 257u})
    check({{0, {}}, {code, {}}}, ErrorCode::PackedOpcode,
          ("the slot packs opcode " + std::to_string(code) +
           " as operation 1, but a packed slot holds opcodes of the ISA below 256 that are neither resumable nor "
           "BATCH_FENCE (7)")
              .c_str());
  check({{7, {0, 0}}}, ErrorCode::PackedOpcode,
        "the slot packs opcode 7 as operation 0, but a packed slot holds opcodes of the ISA below 256 that are neither "
        "resumable nor "
        "BATCH_FENCE (7)");
  check({{9, Words(9)}, {1, {2}}}, ErrorCode::PackedArity,
        "the slot packs opcode 'mk.store_u32' as operation 1 with 1 argument word, but it takes 2");
  check(std::vector<PackedOp>(6, {2, {1}}), ErrorCode::PackedArity,
        "the slot packs opcode 'mk.atomic_add' as operation 0 with 1 argument word, but it takes 2");
  check({{1, {1, 2, 3}}}, ErrorCode::PackedArity,
        "the slot packs opcode 'mk.store_u32' as operation 0 with 3 argument words, but it takes 2");
}

TEST_F(Packed, NeedsItsOpcode) {
  Isa plain = makeIsa();
  Batch batch(plain);
  auto packed = batch.pack({});
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().code, ErrorCode::NotFound);
  EXPECT_EQ(packed.error().message, "the ISA does not have the built-in opcode PACKED_SLOT, link the prelude");
  auto admitted = admit(*IsaLayout::create(plain), std::vector{makeSlot(0x80000001, {})});
  ASSERT_FALSE(admitted);
  EXPECT_EQ(admitted.error().message, "slot 0 has opcode 2147483649, a built-in opcode that the ISA does not have; "
                                      "link the prelude (OpenOptions::prelude)");
}

TEST_F(Packed, OptionalArgumentsMayBeLeftOut) {
  Batch batch(isa);
  EXPECT_TRUE(batch.add("mk.compare_swap", std::vector<Arg>{uint64_t(1), uint64_t(2), uint64_t(3)}));
  EXPECT_TRUE(batch.add("mk.compare_swap", std::vector<Arg>(4, uint64_t(5))));
  EXPECT_EQ(batch.slots()[0].args[3], 0u);
  EXPECT_FALSE(batch.add("mk.compare_swap", std::vector<Arg>(2, uint64_t(5))));
  EXPECT_FALSE(batch.add("mk.compare_swap", std::vector<Arg>(5, uint64_t(5))));
  isa.opcodes[0].optional = 1;
  auto layout = IsaLayout::create(isa);
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().message, "of the arguments of opcode 'mk.nop' 1 may be left out, but it has 0");
}

} // namespace mk::test
