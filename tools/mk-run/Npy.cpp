//===- Npy.cpp - NumPy's array files -----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A .npy file is "\x93NUMPY", two version bytes, the length of the header (2 bytes in version 1, else 4), the header, a
// Python dictionary literal with the keys 'descr', 'fortran_order' and 'shape', and the elements. The dictionary is
// parsed by hand and strictly: what numpy itself writes is understood, all else is refused.
//
//===----------------------------------------------------------------------===//

#include "Npy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include <optional>

using namespace mk;
using llvm::StringRef;
using llvm::Twine;

static constexpr StringRef Magic("\x93NUMPY", 6);

static tl::unexpected<Error> malformed(const Twine &message) { return makeError(ErrorCode::Malformed, message.str()); }

/// Text from the file, shortened and made printable for a message.
static std::string quoted(StringRef text) {
  std::string out = "'";
  for (char c : text.take_front(60))
    out += llvm::isPrint(c) ? c : '?';
  return out + (text.size() > 60 ? "...'" : "'");
}

namespace {
/// Reads the dictionary literal of a header.
class HeaderParser {
public:
  explicit HeaderParser(StringRef text) : rest(text), whole(text) {}

  Expected<void> parse() {
    if (!take("{"))
      return unexpectedText("'{'");
    while (!take("}")) {
      std::optional<StringRef> key = takeString();
      if (!key || !take(":"))
        return unexpectedText("a key and ':'");
      Expected<void> value = parseValue(*key);
      if (!value)
        return value;
      if (!take(",") && !peek("}"))
        return unexpectedText("',' or '}'");
    }
    if (!rest.trim().empty())
      return unexpectedText("the end of the header");
    if (!descr)
      return malformed("the header has no 'descr': " + quoted(whole.trim()));
    if (!fortranOrder)
      return malformed("the header has no 'fortran_order': " + quoted(whole.trim()));
    if (!hasShape)
      return malformed("the header has no 'shape': " + quoted(whole.trim()));
    return {};
  }

  std::optional<StringRef> descr;
  std::optional<bool> fortranOrder;
  bool hasShape = false;
  llvm::SmallVector<uint64_t> shape;

private:
  Expected<void> parseValue(StringRef key) {
    if (key == "descr") {
      // A list here describes a structured type.
      if (peek("["))
        return malformed("the elements are structures; plain numbers are expected");
      descr = takeString();
      if (!descr)
        return unexpectedText("a string for 'descr'");
      return {};
    }
    if (key == "fortran_order") {
      if (take("True"))
        fortranOrder = true;
      else if (take("False"))
        fortranOrder = false;
      else
        return unexpectedText("True or False for 'fortran_order'");
      return {};
    }
    if (key == "shape")
      return parseShape();
    return malformed("the header has an unknown key " + quoted(key));
  }

  Expected<void> parseShape() {
    hasShape = true;
    if (!take("("))
      return unexpectedText("a tuple for 'shape'");
    while (!take(")")) {
      rest = rest.ltrim();
      StringRef digits = rest.take_while([](char c) { return llvm::isDigit(c); });
      uint64_t extent;
      if (digits.empty())
        return unexpectedText("a dimension");
      if (digits.getAsInteger(10, extent))
        return malformed("dimension " + quoted(digits) + " does not fit 64 bits");
      rest = rest.drop_front(digits.size());
      shape.push_back(extent);
      if (!take(",") && !peek(")"))
        return unexpectedText("',' or ')'");
    }
    return {};
  }

  bool peek(StringRef token) {
    rest = rest.ltrim();
    return rest.starts_with(token);
  }
  bool take(StringRef token) { return peek(token) && rest.consume_front(token); }

  /// A string literal without escapes.
  std::optional<StringRef> takeString() {
    rest = rest.ltrim();
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"'))
      return std::nullopt;
    size_t end = rest.find(rest.front(), 1);
    if (end == StringRef::npos)
      return std::nullopt;
    StringRef text = rest.slice(1, end);
    rest = rest.drop_front(end + 1);
    return text;
  }

  tl::unexpected<Error> unexpectedText(const Twine &wanted) {
    return malformed("the header has " + quoted(rest.rtrim()) + " where " + wanted + " is expected");
  }

  StringRef rest;
  StringRef whole;
};
} // namespace

/// Width of a numpy type in bytes, if it is one that some buffer could hold.
static std::optional<uint32_t> dtypeBytes(StringRef dtype) {
  for (ElementType type : {ElementType::I1, ElementType::I8, ElementType::I16, ElementType::I32, ElementType::I64,
                           ElementType::F16, ElementType::BF16, ElementType::F32, ElementType::F64})
    if (npyFits(dtype, type))
      return elementBytes(type);
  return std::nullopt;
}

Expected<NpyHeader> mk::parseNpyHeader(StringRef bytes) {
  if (!bytes.starts_with(Magic))
    return malformed("starts with " + quoted(bytes.take_front(6)) + ", not with numpy's magic '\\x93NUMPY'");
  if (bytes.size() < 10)
    return malformed("ends after " + Twine(bytes.size()) + " bytes, inside the preamble");
  unsigned major = static_cast<unsigned char>(bytes[6]), minor = static_cast<unsigned char>(bytes[7]);
  if (major < 1 || major > 3)
    return malformed("has version " + Twine(major) + "." + Twine(minor) + "; 1.0 to 3.0 are known");
  size_t lengthBytes = major == 1 ? 2 : 4;
  size_t headerStart = 8 + lengthBytes;
  if (bytes.size() < headerStart)
    return malformed("ends after " + Twine(bytes.size()) + " bytes, inside the preamble");
  uint64_t headerLength = major == 1 ? llvm::support::endian::read16le(bytes.data() + 8)
                                     : llvm::support::endian::read32le(bytes.data() + 8);
  if (bytes.size() - headerStart < headerLength)
    return malformed("promises a header of " + Twine(headerLength) + " bytes but has " +
                     Twine(bytes.size() - headerStart) + " after the preamble");

  HeaderParser parser(bytes.substr(headerStart, headerLength));
  if (Expected<void> parsed = parser.parse(); !parsed)
    return tl::unexpected<Error>(parsed.error());

  NpyHeader header;
  header.dtype = parser.descr->str();
  header.dataOffset = headerStart + headerLength;
  if (StringRef(header.dtype).starts_with(">"))
    return malformed("has big-endian elements (" + quoted(header.dtype) +
                     "); convert them, e.g. with a.astype(a.dtype.newbyteorder('<'))");
  std::optional<uint32_t> width = dtypeBytes(header.dtype);
  if (!width)
    return malformed("has elements of type " + quoted(header.dtype) +
                     "; integers, floats and booleans up to 64 bits are known");
  header.elementBytes = *width;
  // In one dimension both orders are the same.
  if (*parser.fortranOrder && parser.shape.size() > 1)
    return malformed("has Fortran order; save it in C order, e.g. with np.ascontiguousarray");

  std::optional<uint64_t> total = header.elementBytes;
  for (uint64_t extent : parser.shape)
    if (total)
      total = llvm::checkedMulUnsigned<uint64_t>(*total, extent);
  // A dimension of 0 empties the array, however large the others are.
  if (llvm::is_contained(parser.shape, 0))
    total = 0;
  if (!total)
    return malformed("has a shape of more than 2^64 bytes");
  uint64_t present = bytes.size() - header.dataOffset;
  if (*total > present)
    return malformed("promises " + Twine(*total) + " bytes of elements but holds " + Twine(present));
  header.count = *total / header.elementBytes;
  return header;
}

/// The spellings for each element type; the first is the one that is written.
static llvm::ArrayRef<StringRef> spellings(ElementType type) {
  static const StringRef i1[] = {"|b1"}, i8[] = {"|i1", "|u1", "<i1", "<u1"}, i16[] = {"<i2", "<u2"},
                         i32[] = {"<i4", "<u4"}, i64[] = {"<i8", "<u8"}, index[] = {"<u8", "<i8"}, f16[] = {"<f2"},
                         bf16[] = {"|V2", "<V2"}, f32[] = {"<f4"}, f64[] = {"<f8"};
  switch (type) {
  case ElementType::I1:
    return i1;
  case ElementType::I8:
    return i8;
  case ElementType::I16:
    return i16;
  case ElementType::I32:
    return i32;
  case ElementType::I64:
    return i64;
  case ElementType::Index:
    return index;
  case ElementType::F16:
    return f16;
  case ElementType::BF16:
    return bf16;
  case ElementType::F32:
    return f32;
  case ElementType::F64:
    return f64;
  }
  return {};
}

bool mk::npyFits(StringRef dtype, ElementType type) { return llvm::is_contained(spellings(type), dtype); }

std::string mk::npyTypesFor(ElementType type) { return llvm::join(spellings(type).take_front(2), " or "); }

std::string mk::makeNpyHeader(ElementType type, uint64_t count) {
  std::string text =
      ("{'descr': '" + spellings(type).front() + "', 'fortran_order': False, 'shape': (" + Twine(count) + ",), }")
          .str();
  // The elements start at a multiple of 64 bytes, and the header ends in a newline.
  size_t padding = 64 - (Magic.size() + 4 + text.size() + 1) % 64;
  text.append(padding % 64, ' ');
  text += '\n';
  std::string out = Magic.str();
  out += '\x01';
  out += '\0';
  out += static_cast<char>(text.size() & 0xFF);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}
