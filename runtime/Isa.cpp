//===- Isa.cpp - What the runtime knows about opcodes ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Isa.h"
#include <algorithm>
#include <array>
#include <span>

namespace mk {

//===----------------------------------------------------------------------===//
// Element types and scopes
//===----------------------------------------------------------------------===//

namespace {
struct ElementRow {
  const char *name;
  uint32_t bytes;
};
} // namespace

/// In the order of ElementType.
static constexpr std::array<ElementRow, 10> elementRows = {{
    {"i1", 1},
    {"i8", 1},
    {"i16", 2},
    {"i32", 4},
    {"i64", 8},
    {"f16", 2},
    {"bf16", 2},
    {"f32", 4},
    {"f64", 8},
    {"index", 8},
}};
static_assert(elementRows.size() == size_t(ElementType::Index) + 1);

uint32_t elementBytes(ElementType type) { return elementRows[size_t(type)].bytes; }

const char *stringifyElementType(ElementType type) { return elementRows[size_t(type)].name; }

std::optional<ElementType> parseElementType(std::string_view name) {
  for (size_t i = 0; i < elementRows.size(); ++i)
    if (name == elementRows[i].name)
      return ElementType(i);
  return std::nullopt;
}

const char *stringifyScope(Scope scope) { return scope == Scope::Lane ? "lane" : "block"; }

//===----------------------------------------------------------------------===//
// Arguments and opcodes
//===----------------------------------------------------------------------===//

uint32_t ArgType::words() const {
  switch (kind) {
  case Scalar:
    return element == ElementType::I64 || element == ElementType::F64 ? 2 : 1;
  case Buffer:
    return 1;
  case View:
    return 3;
  }
  return 0;
}

std::string ArgType::str() const {
  std::string name = stringifyElementType(element);
  switch (kind) {
  case Scalar:
    return name;
  case Buffer:
    return "memref<?x" + name + ">";
  case View:
    return "memref<?x" + name + ", strided<[1], offset: ?>>";
  }
  return name;
}

static uint32_t countWords(std::span<const ArgType> args) {
  uint32_t words = 0;
  for (const ArgType &arg : args)
    words += arg.words();
  return words;
}

uint32_t OpcodeInfo::words() const { return countWords(args); }
uint32_t OpcodeInfo::requiredWords() const { return countWords(std::span(args).first(args.size() - optional)); }

uint32_t WindowSignature::words() const { return countWords(args); }

std::optional<uint32_t> Isa::findOpcode(std::string_view name) const {
  auto it = std::find_if(opcodes.begin(), opcodes.end(), [&](const OpcodeInfo &op) { return op.name == name; });
  if (it == opcodes.end())
    return std::nullopt;
  return uint32_t(it - opcodes.begin());
}

std::optional<uint32_t> Isa::findOpcode(uint32_t code) const {
  auto it = std::find_if(opcodes.begin(), opcodes.end(), [&](const OpcodeInfo &op) { return op.code == code; });
  if (it == opcodes.end())
    return std::nullopt;
  return uint32_t(it - opcodes.begin());
}

const WindowInfo *Isa::findWindow(std::string_view name) const {
  auto it = std::find_if(windows.begin(), windows.end(), [&](const WindowInfo &window) { return window.name == name; });
  return it == windows.end() ? nullptr : &*it;
}

//===----------------------------------------------------------------------===//
// Window signatures
//===----------------------------------------------------------------------===//

std::string WindowSignature::str(const Isa &isa) const {
  std::string text;
  for (const Issue &issue : issues) {
    if (!text.empty())
      text += ' ';
    text += isa.opcodes[issue.opcode].name;
    char separator = '(';
    for (uint32_t operand : issue.operands) {
      text += separator;
      text += std::to_string(operand);
      separator = ',';
    }
    text += issue.operands.empty() ? "()" : ")";
  }

  // Types follow from the opcodes. Of the extents only groups of two and more are told: the rest follows from them.
  const char *separator = " | ";
  for (size_t i = 0; i < extents.size(); ++i) {
    bool leads = extents[i] >= 0 && std::find(extents.begin(), extents.begin() + i, extents[i]) == extents.begin() + i;
    if (!leads || std::count(extents.begin() + i, extents.end(), extents[i]) < 2)
      continue;
    text += separator;
    text += std::to_string(i);
    for (size_t j = i + 1; j < extents.size(); ++j) {
      if (extents[j] != extents[i])
        continue;
      text += '=';
      text += std::to_string(j);
    }
    separator = " ";
  }
  separator = " | transient ";
  for (size_t i = 0; i < args.size(); ++i) {
    if (!(args[i].access & abi::AccessTransient))
      continue;
    text += separator;
    text += std::to_string(i);
    separator = " ";
  }
  return text;
}

} // namespace mk
