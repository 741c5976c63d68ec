//===- CodeObjectTest.cpp - Machine code as bytes ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CodeObject.h"
#include <gtest/gtest.h>
#include <random>

using namespace mk;

namespace {

CodeObject makeObject() {
  CodeObject code;
  code.format = CodeObject::Format::HostObject;
  code.abiVersion = 0x12345678;
  code.scope = Scope::Block;
  code.entry = "mk_opcode_axpy";
  code.bytes = std::string("\x7f\0ELF", 5);
  return code;
}

/// The message of the error that 'bytes' lead to.
std::string errorOf(std::string_view bytes) {
  Expected<CodeObject> code = deserialize(bytes);
  if (code)
    return "none";
  EXPECT_EQ(code.error().code, ErrorCode::Malformed);
  return code.error().message;
}

TEST(CodeObject, survivesTheWayThroughBytes) {
  for (CodeObject::Format format : {CodeObject::Format::Ptx, CodeObject::Format::Cubin,
                                    CodeObject::Format::RelocatableCubin, CodeObject::Format::HostObject}) {
    CodeObject code = makeObject();
    code.format = format;
    Expected<CodeObject> back = deserialize(serialize(code));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, code) << stringifyCodeFormat(format);
  }
  Expected<CodeObject> empty = deserialize(serialize(CodeObject()));
  ASSERT_TRUE(empty);
  EXPECT_EQ(*empty, CodeObject());
}

TEST(CodeObject, saysWhatIsWrongWithBytes) {
  std::string good = serialize(makeObject());
  auto with = [&](size_t place, char byte) {
    std::string bytes = good;
    bytes[place] = byte;
    return bytes;
  };
  EXPECT_EQ(errorOf(good.substr(0, 15)), "found 15 bytes, but a code object has at least 16; compile the code again");
  EXPECT_EQ(errorOf(with(0, 'X')), "these bytes are no code object of this version; compile the code again");
  EXPECT_EQ(errorOf(with(6, 1)), "these bytes are no code object of this version; compile the code again");
  EXPECT_EQ(errorOf(with(4, 4)), "format 4 of a code object is unknown; compile the code again");
  EXPECT_EQ(errorOf(with(5, 2)), "scope 2 of a code object is unknown; compile the code again");
  EXPECT_EQ(errorOf(with(12, 20)),
            "the entry of a code object is said to have 20 bytes, but only 19 are left; compile the code again");
}

/// What is accepted is what serialize() would have written, whatever the input.
TEST(CodeObject, takesAnyBytes) {
  std::mt19937 random(1);
  const std::string good = serialize(makeObject());
  unsigned accepted = 0;
  for (unsigned round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (unsigned change = random() % 4 + 1; change > 0; --change)
      bytes[random() % bytes.size()] = char(random());
    bytes.resize(random() % 4 ? bytes.size() : random() % (bytes.size() + 20));
    if (Expected<CodeObject> code = deserialize(bytes)) {
      ++accepted;
      ASSERT_EQ(serialize(*code), bytes);
    }
  }
  EXPECT_GT(accepted, 100u);
}

} // namespace
