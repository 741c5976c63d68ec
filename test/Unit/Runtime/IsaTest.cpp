//===- IsaTest.cpp - Descriptions of ISAs ---------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include "IsaLayout.h"
#include <gtest/gtest.h>

namespace mk::test {

TEST(Isa, ElementTypesHaveNamesAndSizes) {
  struct Row {
    ElementType type;
    const char *name;
    uint32_t bytes;
  };
  for (Row row : {Row{ElementType::I1, "i1", 1}, Row{ElementType::I8, "i8", 1}, Row{ElementType::I16, "i16", 2},
                  Row{ElementType::I32, "i32", 4}, Row{ElementType::I64, "i64", 8}, Row{ElementType::F16, "f16", 2},
                  Row{ElementType::BF16, "bf16", 2}, Row{ElementType::F32, "f32", 4}, Row{ElementType::F64, "f64", 8},
                  Row{ElementType::Index, "index", 8}}) {
    EXPECT_STREQ(stringifyElementType(row.type), row.name);
    EXPECT_EQ(elementBytes(row.type), row.bytes);
    EXPECT_EQ(parseElementType(row.name), row.type);
  }
  EXPECT_EQ(parseElementType("f8"), std::nullopt);
  EXPECT_EQ(parseElementType(""), std::nullopt);
}

TEST(Isa, ArgumentsCountTheirWords) {
  EXPECT_EQ((ArgType{ArgType::Scalar, ElementType::F16}.words()), 1u);
  EXPECT_EQ((ArgType{ArgType::Scalar, ElementType::Index}.words()), 1u);
  EXPECT_EQ((ArgType{ArgType::Scalar, ElementType::I64}.words()), 2u);
  EXPECT_EQ((ArgType{ArgType::Scalar, ElementType::F64}.words()), 2u);
  EXPECT_EQ((ArgType{ArgType::Buffer, ElementType::F64}.words()), 1u);
  EXPECT_EQ((ArgType{ArgType::View, ElementType::F64}.words()), 3u);
  EXPECT_EQ((ArgType{ArgType::Buffer, ElementType::BF16}.str()), "memref<?xbf16>");
  EXPECT_EQ((ArgType{ArgType::View, ElementType::F32}.str()), "memref<?xf32, strided<[1], offset: ?>>");
  EXPECT_EQ((ArgType{ArgType::Scalar, ElementType::Index}.str()), "index");
}

TEST(Isa, FindsOpcodesAndWindows) {
  Isa isa = makeIsa();
  EXPECT_EQ(isa.findOpcode("bump"), std::optional<uint32_t>(BumpIndex));
  EXPECT_EQ(isa.findOpcode("bum"), std::nullopt);
  EXPECT_EQ(isa.findOpcode(uint32_t(Put)), std::optional<uint32_t>(PutIndex));
  EXPECT_EQ(isa.findOpcode(uint32_t(0)), std::nullopt);
  ASSERT_NE(isa.findWindow("fill_add"), nullptr);
  EXPECT_EQ(isa.findWindow("fill_add")->issues.size(), 2u);
  EXPECT_EQ(isa.findWindow("x"), nullptr);
  EXPECT_EQ(isa.opcodes[AddIndex].words(), 9u);
  EXPECT_EQ(isa.opcodes[PutIndex].words(), 5u);
}

TEST(Isa, SignaturesReadWell) {
  Isa isa = makeIsa();
  ArgType view{ArgType::View, ElementType::I32, abi::AccessReadWrite};
  ArgType i32{ArgType::Scalar, ElementType::I32, abi::AccessNone};
  WindowSignature signature;
  signature.issues = {{AddIndex, {0, 1, 2}}, {FillIndex, {2, 3}}};
  signature.args = {view, view, view, i32};
  signature.extents = {0, 0, 0, -1};
  EXPECT_EQ(signature.str(isa), "add(0,1,2) fill(2,3) | 0=1=2");
  EXPECT_EQ(signature.words(), 10u);
  signature.extents = {0, 1, 0, -1};
  EXPECT_EQ(signature.str(isa), "add(0,1,2) fill(2,3) | 0=2");
  signature.extents = {0, 1, 2, -1};
  EXPECT_EQ(signature.str(isa), "add(0,1,2) fill(2,3)");
  signature.args.push_back(view);
  signature.extents = {0, 1, 0, -1, 1};
  EXPECT_EQ(signature.str(isa), "add(0,1,2) fill(2,3) | 0=2 1=4");
}

TEST(IsaLayout, FindsEveryOpcode) {
  Isa isa;
  for (uint32_t i = 0; i < 1000; ++i)
    isa.opcodes.push_back({"op" + std::to_string(i), 64 + i * 7919, Scope::Lane, {}});
  Expected<IsaLayout> layout = IsaLayout::create(isa);
  ASSERT_TRUE(layout);
  for (uint32_t i = 0; i < 1000; ++i)
    EXPECT_EQ(layout->find(isa.opcodes[i].code), i);
  EXPECT_EQ(layout->find(63), IsaLayout::NoOpcode);
  EXPECT_EQ(layout->find(~0u), IsaLayout::NoOpcode);
}

static std::string layoutError(const Isa &isa) {
  Expected<IsaLayout> layout = IsaLayout::create(isa);
  EXPECT_FALSE(layout);
  return layout ? "" : layout.error().message;
}

TEST(IsaLayout, RefusesContradictions) {
  EXPECT_EQ(layoutError({}), "the ISA has no opcodes, define at least one");
  Isa isa;
  isa.opcodes = {{"a", 64, Scope::Lane, {}}, {"b", 64, Scope::Lane, {}}};
  EXPECT_EQ(layoutError(isa), "opcodes 'a' and 'b' both have the number 64, change one");
  isa.opcodes = {{"a", 64, Scope::Lane, {}}, {"a", 65, Scope::Lane, {}}};
  EXPECT_EQ(layoutError(isa), "the ISA has two opcodes 'a', rename one");
  ArgType view{ArgType::View, ElementType::I32, abi::AccessRead}, i32;
  isa.opcodes = {{"a", 64, Scope::Lane, {view, view, view, view, i32}}};
  EXPECT_EQ(layoutError(isa), "the arguments of opcode 'a' take 13 words, but a slot has 12");
  isa.opcodes = {{"a", 64, Scope::Lane, {view, i32}}};
  isa.opcodes[0].entries = 2;
  EXPECT_EQ(layoutError(isa),
            "opcode 'a' has 2 entries and 4 argument words, but with entries, of which there are at most "
            "4095, it has 5 words, none of which may be left out");
  isa.opcodes[0].args.push_back(i32);
  EXPECT_TRUE(IsaLayout::create(isa));
}

} // namespace mk::test
