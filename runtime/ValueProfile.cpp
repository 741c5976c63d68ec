//===- ValueProfile.cpp - What arguments turn out to be -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ValueProfile.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace mk {

uint32_t InstanceLayout::load(const abi::Slot *first, uint32_t offset) {
  uint32_t word;
  std::memcpy(&word, reinterpret_cast<const std::byte *>(first) + offset, sizeof word);
  return word;
}

static float halfToFloat(uint32_t bits) {
  uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023;
  float value =
      exponent == 0 ? std::ldexp(float(fraction), -24) : std::ldexp(float(fraction | 1024), int(exponent) - 25);
  if (exponent == 31)
    value = fraction ? NAN : INFINITY;
  return bits >> 15 & 1 ? -value : value;
}

std::string describeScalar(ElementType type, uint64_t bits) {
  double value;
  switch (type) {
  case ElementType::F16:
    value = halfToFloat(uint32_t(bits));
    break;
  case ElementType::BF16:
    value = std::bit_cast<float>(uint32_t(bits) << 16);
    break;
  case ElementType::F32:
    value = std::bit_cast<float>(uint32_t(bits));
    break;
  case ElementType::F64:
    value = std::bit_cast<double>(bits);
    break;
  case ElementType::I8:
    return std::to_string(int8_t(bits));
  case ElementType::I16:
    return std::to_string(int16_t(bits));
  case ElementType::I32:
    return std::to_string(int32_t(bits));
  case ElementType::I64:
    return std::to_string(int64_t(bits));
  default:
    return std::to_string(bits);
  }
  if (std::isnan(value))
    return "nan";
  char text[40];
  // As many digits as tell two floats of the type apart.
  snprintf(text, sizeof text, "%.*g", type == ElementType::F64 ? 17 : 9, value);
  return text;
}

std::string describeFacts(const InstanceLayout &layout, const Specialization &facts) {
  std::string text;
  auto write = [&](size_t arg, const char *name, const std::string &value) {
    text += (text.empty() ? "" : ", ") + std::to_string(arg) + name + value;
  };
  auto add = [&](size_t arg, const char *name, uint64_t value) { write(arg, name, std::to_string(value)); };
  for (size_t arg = 0; arg < facts.size(); ++arg) {
    const ArgFacts &fact = facts[arg];
    if (fact.constant)
      write(arg, "=", describeScalar(layout.args[arg].element, *fact.constant));
    if (fact.extent)
      add(arg, ".extent=", fact.extent);
    if (fact.multiple > 1)
      add(arg, ".multiple=", fact.multiple);
    if (fact.aligned > 1)
      add(arg, ".aligned=", fact.aligned);
  }
  return text;
}

//===----------------------------------------------------------------------===//
// FactGuard
//===----------------------------------------------------------------------===//

FactGuard::FactGuard(const InstanceLayout &layout, const Specialization &facts, bool separate) {
  uint32_t word = 0;
  bool writes = false;
  for (const ArgType &type : layout.args) {
    if (separate && !facts.empty() && type.kind != ArgType::Scalar)
      memrefs.push_back({layout.words[word], type.kind == ArgType::View, bool(type.access & abi::AccessWrite),
                         elementBytes(type.element)});
    writes |= (type.access & abi::AccessWrite) != 0;
    word += type.words();
  }
  if (!writes)
    memrefs.clear();
  word = 0;
  for (size_t arg = 0; arg < facts.size(); word += layout.args[arg++].words()) {
    const ArgFacts &fact = facts[arg];
    const ArgType &type = layout.args[arg];
    auto test = [&](Test::Kind kind, uint32_t at, uint64_t value) {
      tests.push_back({kind, layout.words[word + at], value, uint32_t(std::countr_zero(elementBytes(type.element)))});
    };
    if (fact.constant)
      for (uint32_t i = 0; i < type.words(); ++i)
        test(Test::WordIs, i, uint32_t(*fact.constant >> (32 * i)));
    bool view = type.kind == ArgType::View;
    if (fact.extent)
      view ? test(Test::WordIs, 2, fact.extent) : test(Test::ElementsAre, 0, fact.extent);
    if (fact.multiple > 1)
      view ? test(Test::WordIsMultiple, 2, fact.multiple) : test(Test::ElementsAreMultiple, 0, fact.multiple);
    if (fact.aligned > 1 && view)
      test(Test::WordIsMultiple, 1, fact.aligned);
  }
}

static bool isMultiple(uint64_t number, uint64_t of) {
  return std::has_single_bit(of) ? (number & (of - 1)) == 0 : number % of == 0;
}

bool FactGuard::holds(const Test &test, const abi::Slot *first, std::span<const abi::BufferEntry> buffers) {
  uint32_t word = InstanceLayout::load(first, test.offset);
  switch (test.kind) {
  case Test::WordIs:
    return word == test.value;
  case Test::WordIsMultiple:
    return isMultiple(word, test.value);
  case Test::ElementsAre:
    return buffers[word].bytes >> test.elementShift == test.value;
  case Test::ElementsAreMultiple:
    return isMultiple(buffers[word].bytes >> test.elementShift, test.value);
  }
  return false;
}

bool FactGuard::areSeparate(const abi::Slot *first, std::span<const abi::BufferEntry> buffers) const {
  auto handleOf = [&](const Memref &memref) { return InstanceLayout::load(first, memref.offset); };
  auto rangeOf = [&](const Memref &memref) {
    if (!memref.view)
      return std::pair(uint64_t(0), buffers[handleOf(memref)].bytes);
    uint64_t begin = uint64_t(InstanceLayout::load(first, memref.offset + 4)) * memref.elementBytes;
    return std::pair(begin, begin + uint64_t(InstanceLayout::load(first, memref.offset + 8)) * memref.elementBytes);
  };
  for (size_t i = 1; i < memrefs.size(); ++i) {
    uint32_t handle = handleOf(memrefs[i]);
    for (size_t j = 0; j < i; ++j) {
      // Most are of different buffers.
      if (handleOf(memrefs[j]) != handle || (!memrefs[i].written && !memrefs[j].written))
        continue;
      auto [beginA, endA] = rangeOf(memrefs[i]);
      auto [beginB, endB] = rangeOf(memrefs[j]);
      if (std::max(beginA, beginB) < std::min(endA, endB))
        return false;
    }
  }
  return true;
}

//===----------------------------------------------------------------------===//
// ValueProfile
//===----------------------------------------------------------------------===//

void ValueProfile::Candidate::add(uint64_t seen) {
  if (seen == value && votes) {
    ++votes;
    ++met;
  } else if (votes == 0) {
    value = seen;
    votes = met = 1;
  } else {
    --votes;
  }
}

void ValueProfile::add(const InstanceLayout &layout, const abi::Slot *first,
                       std::span<const abi::BufferEntry> buffers) {
  if (count == MaxSamples)
    *this = {};
  arguments.resize(layout.args.size());
  ++count;
  const uint32_t *offset = layout.words.data();
  for (size_t i = 0; i < layout.args.size(); offset += layout.args[i++].words()) {
    const ArgType &type = layout.args[i];
    Argument &argument = arguments[i];
    auto word = [&](uint32_t at) { return uint64_t(InstanceLayout::load(first, offset[at])); };
    if (type.kind == ArgType::Scalar) {
      argument.value.add(type.words() == 2 ? word(0) | word(1) << 32 : word(0));
      continue;
    }
    bool view = type.kind == ArgType::View;
    uint64_t extent = view ? word(2) : buffers[word(0)].bytes / elementBytes(type.element);
    argument.value.add(extent);
    argument.extents |= extent;
    argument.offsets |= view ? word(1) : 0;
  }
}

/// The largest power of two, up to 'limit', that divides every number of which 'bits' is the or.
static uint64_t alignmentOf(uint64_t bits, uint64_t limit) {
  return std::min(bits ? uint64_t(1) << std::countr_zero(bits) : limit, limit);
}

Specialization ValueProfile::propose(const InstanceLayout &layout) const {
  Specialization facts(layout.args.size());
  if (count < MinSamples)
    return {};
  for (size_t i = 0; i < facts.size(); ++i) {
    const ArgType &type = layout.args[i];
    const Argument &argument = arguments[i];
    bool constant = argument.value.met >= MinShare * count;
    if (type.kind == ArgType::Scalar) {
      if (constant)
        facts[i].constant = argument.value.value;
      continue;
    }
    if (constant)
      facts[i].extent = argument.value.value;
    else
      facts[i].multiple = alignmentOf(argument.extents, MaxAlignment);
    if (type.kind == ArgType::View)
      facts[i].aligned = alignmentOf(argument.offsets, MaxAlignment);
  }
  return facts == Specialization(facts.size()) ? Specialization() : facts;
}

} // namespace mk
