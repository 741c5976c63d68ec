//===- Batch.cpp - Slots and windows that are submitted together ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Engine.h"
#include <bit>
#include <cmath>
#include <cstring>

namespace mk {

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

static tl::unexpected<Error> invalid(std::string message) {
  return makeError(ErrorCode::InvalidArgument, std::move(message));
}

static std::string describe(const Arg &value) {
  if (const View *view = std::get_if<View>(&value))
    return "view {buffer " + std::to_string(view->buffer) + ", offset " + std::to_string(view->offset) + ", count " +
           std::to_string(view->count) + "}";
  if (const uint64_t *number = std::get_if<uint64_t>(&value))
    return std::to_string(*number);
  if (const int64_t *number = std::get_if<int64_t>(&value))
    return std::to_string(*number);
  char text[32];
  snprintf(text, sizeof text, "%.17g", std::get<double>(value));
  return text;
}

/// Rounds to a binary format of 16 bits, to nearest, ties to even. From double in one step: going through float would
/// round twice. A NaN becomes the quiet NaN; nullopt for a finite value that rounds to infinity.
static std::optional<uint16_t> roundTo16(double value, int exponentBits) {
  int mantissaBits = 15 - exponentBits;
  int bias = (1 << (exponentBits - 1)) - 1;
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  uint16_t infinity = uint16_t(((1 << exponentBits) - 1) << mantissaBits);
  if (std::isnan(value))
    return uint16_t(sign | infinity | (1 << (mantissaBits - 1)));
  if (std::isinf(value))
    return uint16_t(sign | infinity);
  if (value == 0)
    return sign;

  // |value| = fraction * 2^exponent with fraction in [1, 2). Below the normal range the exponent stops at its minimum.
  int exponent = std::ilogb(value);
  int minExponent = 1 - bias;
  int quantum = std::max(exponent, minExponent) - mantissaBits;
  // Exact: a scaling by a power of two; below 2^(mantissaBits + 1), so that rounding to an integer is the only step.
  double scaled = std::ldexp(std::fabs(value), -quantum);
  double whole = std::floor(scaled);
  double rest = scaled - whole;
  uint32_t steps = uint32_t(whole);
  if (rest > 0.5 || (rest == 0.5 && (steps & 1)))
    ++steps;
  // Steps carry into the exponent field, from the subnormals into the normals too.
  uint32_t bits = exponent < minExponent ? steps : (uint32_t(exponent + bias - 1) << mantissaBits) + steps;
  if (bits >= infinity)
    return std::nullopt;
  return uint16_t(sign | bits);
}

static Expected<void> encodeFloat(ElementType type, const Arg &value, uint32_t *words) {
  const double *number = std::get_if<double>(&value);
  if (!number)
    return invalid(std::string("a value of type ") + stringifyElementType(type) + " was given as " + describe(value) +
                   ", give a floating-point number");
  auto overflow = [&] { return invalid(describe(value) + " is beyond the range of " + stringifyElementType(type)); };
  switch (type) {
  case ElementType::F64: {
    uint64_t bits = std::bit_cast<uint64_t>(*number);
    words[0] = uint32_t(bits);
    words[1] = uint32_t(bits >> 32);
    return {};
  }
  case ElementType::F32: {
    float rounded = float(*number);
    if (std::isinf(rounded) && !std::isinf(*number))
      return overflow();
    words[0] = std::bit_cast<uint32_t>(rounded);
    return {};
  }
  default: {
    std::optional<uint16_t> bits = roundTo16(*number, type == ElementType::F16 ? 5 : 8);
    if (!bits)
      return overflow();
    words[0] = *bits;
    return {};
  }
  }
}

static Expected<void> encodeInteger(ElementType type, const Arg &value, uint32_t *words) {
  bool negative = false;
  uint64_t bits = 0;
  if (const uint64_t *number = std::get_if<uint64_t>(&value)) {
    bits = *number;
  } else if (const int64_t *number = std::get_if<int64_t>(&value)) {
    bits = uint64_t(*number);
    negative = *number < 0;
  } else {
    return invalid(std::string("a value of type ") + stringifyElementType(type) + " was given as " + describe(value) +
                   ", give an integer");
  }

  if (type == ElementType::I64) {
    words[0] = uint32_t(bits);
    words[1] = uint32_t(bits >> 32);
    return {};
  }
  // Integers have no sign of their own: an i8 takes -128 to 255. An index is a u32.
  uint32_t width = type == ElementType::Index ? 32 : type == ElementType::I1 ? 1 : 8 * elementBytes(type);
  bool fits =
      negative ? type != ElementType::Index && int64_t(bits) >= -(int64_t(1) << (width - 1)) : bits >> width == 0;
  if (!fits) {
    int64_t least = type == ElementType::Index ? 0 : -(int64_t(1) << (width - 1));
    return invalid(describe(value) + " is beyond the range of " + stringifyElementType(type) + ", which is " +
                   std::to_string(least) + " to " + std::to_string((uint64_t(1) << width) - 1));
  }
  words[0] = uint32_t(bits) & uint32_t((uint64_t(1) << width) - 1);
  return {};
}

Expected<void> encodeArg(const ArgType &type, const Arg &value, uint32_t *words) {
  if (type.kind == ArgType::Scalar) {
    switch (type.element) {
    case ElementType::F16:
    case ElementType::BF16:
    case ElementType::F32:
    case ElementType::F64:
      return encodeFloat(type.element, value, words);
    default:
      return encodeInteger(type.element, value, words);
    }
  }

  const View *view = std::get_if<View>(&value);
  if (!view)
    return invalid("an argument of type " + type.str() + " was given as " + describe(value) + ", give a view");
  words[0] = view->buffer;
  if (type.kind == ArgType::Buffer) {
    if (view->offset != 0 || view->count != 0)
      return invalid("an argument of type " + type.str() + " takes a whole buffer, but was given " + describe(value) +
                     "; set offset and count to 0, or declare the argument as a view");
    return {};
  }
  words[1] = view->offset;
  words[2] = view->count;
  return {};
}

//===----------------------------------------------------------------------===//
// Batch
//===----------------------------------------------------------------------===//

static std::string listTypes(const std::vector<ArgType> &types) {
  std::string text = "(";
  for (const ArgType &type : types)
    text += (text.size() > 1 ? ", " : "") + type.str();
  return text + ")";
}

/// Encodes 'args' one after the other; the last 'optional' types may have none. 'what' names their owner in messages.
static Expected<void> encodeArgs(const std::string &what, const std::vector<ArgType> &types, std::span<const Arg> args,
                                 uint32_t *words, uint32_t optional = 0) {
  if (args.size() > types.size() || args.size() + optional < types.size())
    return invalid(what + " takes " + std::to_string(types.size()) + " arguments " + listTypes(types) + ", but " +
                   std::to_string(args.size()) + (args.size() == 1 ? " was given" : " were given"));
  for (size_t i = 0; i < args.size(); ++i) {
    if (Expected<void> encoded = encodeArg(types[i], args[i], words); !encoded)
      return invalid("argument " + std::to_string(i) + " of " + what + ": " + encoded.error().message);
    words += types[i].words();
  }
  return {};
}

static abi::Slot makeSlot(const OpcodeInfo &op, uint32_t tenant) {
  abi::Slot slot{};
  slot.status = uint32_t(abi::SlotStatus::Published);
  slot.opcode = op.code;
  slot.tenant = tenant;
  slot.order = abi::PriorityNormal;
  return slot;
}

static Expected<void> checkWords(const OpcodeInfo &op) {
  if (op.words() > abi::SlotArgWords)
    return invalid("the arguments of opcode '" + op.name + "' take " + std::to_string(op.words()) +
                   " words, but a slot has " + std::to_string(abi::SlotArgWords));
  return {};
}

Expected<void> Batch::add(std::string_view opcode, std::span<const Arg> args, uint32_t tenant) {
  std::optional<uint32_t> index = isa->findOpcode(opcode);
  if (!index)
    return makeError(ErrorCode::NotFound, "the ISA has no opcode '" + std::string(opcode) + "'");
  const OpcodeInfo &op = isa->opcodes[*index];
  if (Expected<void> fits = checkWords(op); !fits)
    return fits;
  abi::Slot slot = makeSlot(op, tenant);
  if (Expected<void> encoded = encodeArgs("opcode '" + op.name + "'", op.args, args, slot.args, op.optional); !encoded)
    return encoded;
  wire.push_back(slot);
  return {};
}

Expected<void> Batch::addWindow(std::string_view name, std::span<const Arg> args, uint32_t tenant) {
  const WindowInfo *window = isa->findWindow(name);
  if (!window)
    return makeError(ErrorCode::NotFound, "the ISA has no window '" + std::string(name) + "'");
  std::string what = "window '" + window->name + "'";

  // Each argument is encoded once, then its words go to every issue that takes it.
  std::vector<uint32_t> offsets;
  uint32_t count = 0;
  for (const ArgType &type : window->args) {
    offsets.push_back(count);
    count += type.words();
  }
  std::vector<uint32_t> words(count);
  if (Expected<void> encoded = encodeArgs(what, window->args, args, words.data()); !encoded)
    return encoded;

  std::vector<abi::Slot> slots;
  for (const WindowInfo::Issue &issue : window->issues) {
    if (issue.opcode >= isa->opcodes.size())
      return invalid(what + " issues opcode " + std::to_string(issue.opcode) + ", but the ISA has " +
                     std::to_string(isa->opcodes.size()));
    const OpcodeInfo &op = isa->opcodes[issue.opcode];
    if (Expected<void> fits = checkWords(op); !fits)
      return fits;
    abi::Slot slot = makeSlot(op, tenant);
    uint32_t *to = slot.args;
    for (size_t i = 0; i < op.args.size(); ++i) {
      uint32_t operand = i < issue.operands.size() ? issue.operands[i] : ~0u;
      if (operand >= window->args.size() || window->args[operand].kind != op.args[i].kind ||
          window->args[operand].element != op.args[i].element)
        return invalid(what + ": argument " + std::to_string(i) + " of its issue of '" + op.name + "' needs type " +
                       op.args[i].str() + ", which its operand does not have");
      uint32_t size = op.args[i].words();
      std::memcpy(to, words.data() + offsets[operand], size * sizeof(uint32_t));
      to += size;
    }
    slots.push_back(slot);
  }
  return addWindow(slots);
}

Expected<void> Batch::addWindow(std::span<const abi::Slot> slots) {
  if (slots.empty() || slots.size() > abi::MaxWindowLength)
    return invalid("a window of " + std::to_string(slots.size()) + " slots: it may have 1 to " +
                   std::to_string(abi::MaxWindowLength));
  for (size_t i = 0; i < slots.size(); ++i) {
    abi::Slot slot = slots[i];
    slot.order &= abi::OrderPriorityMask;
    slot.order |= i == 0 ? uint32_t(slots.size()) << abi::OrderLengthShift : abi::OrderContinuation;
    wire.push_back(slot);
  }
  return {};
}

void Batch::addSlots(std::span<const abi::Slot> slots) { wire.insert(wire.end(), slots.begin(), slots.end()); }

} // namespace mk
