//===- CodeObject.cpp - Machine code as bytes -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The serialised form: a magic word, the fixed fields, the length of the entry's name, the name, and the code up to the
// end. Numbers are little-endian.
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CodeObject.h"
#include "llvm/Support/Endian.h"

using namespace mk;
using namespace llvm::support;

namespace {
struct Header {
  char magic[4];
  uint8_t format;
  uint8_t scope;
  ulittle16_t reserved;
  ulittle32_t abiVersion;
  ulittle32_t entryBytes;
};
static_assert(sizeof(Header) == 16 && alignof(Header) == 1);
} // namespace

constexpr std::string_view magic = "MKC1";

const char *mk::stringifyCodeFormat(CodeObject::Format format) {
  switch (format) {
  case CodeObject::Format::Ptx:
    return "ptx";
  case CodeObject::Format::Cubin:
    return "cubin";
  case CodeObject::Format::RelocatableCubin:
    return "relocatable cubin";
  case CodeObject::Format::HostObject:
    return "host object";
  }
  return "unknown";
}

std::string mk::serialize(const CodeObject &code) {
  Header header = {};
  magic.copy(header.magic, sizeof(header.magic));
  header.format = uint8_t(code.format);
  header.scope = uint8_t(code.scope);
  header.abiVersion = code.abiVersion;
  header.entryBytes = code.entry.size();
  std::string bytes;
  bytes.reserve(sizeof(header) + code.entry.size() + code.bytes.size());
  bytes.append(reinterpret_cast<const char *>(&header), sizeof(header));
  bytes += code.entry;
  bytes += code.bytes;
  return bytes;
}

Expected<CodeObject> mk::deserialize(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header))
    return makeError(ErrorCode::Malformed, "found " + std::to_string(bytes.size()) +
                                               " bytes, but a code object has at least " +
                                               std::to_string(sizeof(header)) + "; compile the code again");
  bytes.copy(reinterpret_cast<char *>(&header), sizeof(header));
  bytes.remove_prefix(sizeof(header));
  if (std::string_view(header.magic, sizeof(header.magic)) != magic || header.reserved != 0)
    return makeError(ErrorCode::Malformed, "these bytes are no code object of this version; compile the code again");
  if (header.format > uint8_t(CodeObject::Format::HostObject))
    return makeError(ErrorCode::Malformed, "format " + std::to_string(header.format) +
                                               " of a code object is unknown; compile the code again");
  if (header.scope > uint8_t(Scope::Block))
    return makeError(ErrorCode::Malformed,
                     "scope " + std::to_string(header.scope) + " of a code object is unknown; compile the code again");
  if (header.entryBytes > bytes.size())
    return makeError(ErrorCode::Malformed, "the entry of a code object is said to have " +
                                               std::to_string(header.entryBytes) + " bytes, but only " +
                                               std::to_string(bytes.size()) + " are left; compile the code again");
  CodeObject code;
  code.format = CodeObject::Format(header.format);
  code.scope = Scope(header.scope);
  code.abiVersion = header.abiVersion;
  code.entry = bytes.substr(0, header.entryBytes);
  code.bytes = bytes.substr(header.entryBytes);
  return code;
}
