//===- Elements.cpp - Values in buffers --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Elements.h"
#include "Npy.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mk;
using llvm::StringRef;
using llvm::Twine;

Expected<Fill> Fill::open(const Workload &workload, const BufferSpec &spec) {
  Fill fill;
  fill.workload = &workload;
  fill.spec = &spec;
  uint32_t width = elementBytes(spec.type);
  if (spec.fill.kind == FillSpec::Zero || spec.fill.kind == FillSpec::Values) {
    fill.elements = *spec.count;
    return fill;
  }

  bool isNpy = spec.fill.kind == FillSpec::Npy;
  std::string path = spec.fill.path + (isNpy ? ".npy" : ".raw");
  auto opened = llvm::MemoryBuffer::getFile(spec.fill.file, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!opened)
    return workload.fail(ErrorCode::NotFound, path,
                         "cannot read '" + spec.fill.file + "': " + opened.getError().message());
  fill.file = std::move(*opened);
  fill.data = fill.file->getBuffer();
  if (isNpy) {
    Expected<NpyHeader> header = parseNpyHeader(fill.data);
    if (!header)
      return workload.fail(ErrorCode::Malformed, path, "'" + spec.fill.file + "' " + header.error().message);
    if (!npyFits(header->dtype, spec.type))
      return workload.fail(ErrorCode::Malformed, path,
                           "'" + spec.fill.file + "' holds elements of type '" + header->dtype + "', but buffer '" +
                               spec.name + "' is " + stringifyElementType(spec.type) + ", which is " +
                               npyTypesFor(spec.type) + " in numpy");
    fill.data = fill.data.substr(header->dataOffset, header->count * width);
  } else if (fill.data.size() % width != 0) {
    return workload.fail(ErrorCode::Malformed, path,
                         "'" + spec.fill.file + "' has " + Twine(fill.data.size()) +
                             " bytes, which is no multiple of " + Twine(width) + ", the size of " +
                             stringifyElementType(spec.type));
  }
  fill.elements = fill.data.size() / width;
  if (fill.elements == 0)
    return workload.fail(ErrorCode::Malformed, path, "'" + spec.fill.file + "' holds no elements");
  if (spec.count && *spec.count != fill.elements)
    return workload.fail(ErrorCode::Malformed, path,
                         "'" + spec.fill.file + "' holds " + Twine(fill.elements) + " elements, but 'count' is " +
                             Twine(*spec.count));
  return fill;
}

static const llvm::fltSemantics &semanticsOf(ElementType type) {
  return type == ElementType::F16 ? llvm::APFloat::IEEEhalf() : llvm::APFloat::BFloat();
}

/// Writes one float; values round to nearest.
static void storeFloat(ElementType type, double value, std::byte *out) {
  if (type == ElementType::F64) {
    std::memcpy(out, &value, sizeof(value));
  } else if (type == ElementType::F32) {
    auto single = static_cast<float>(value);
    std::memcpy(out, &single, sizeof(single));
  } else {
    llvm::APFloat narrow(value);
    bool losesInfo;
    narrow.convert(semanticsOf(type), llvm::APFloat::rmNearestTiesToEven, &losesInfo);
    auto bits = static_cast<uint16_t>(narrow.bitcastToAPInt().getZExtValue());
    std::memcpy(out, &bits, sizeof(bits));
  }
}

/// True when 'value' can be kept in 'bits' bits, with or without sign.
static bool fitsBits(uint64_t value, bool isNegative, unsigned bits) {
  if (bits == 64)
    return true;
  return isNegative ? llvm::isIntN(bits, static_cast<int64_t>(value)) : llvm::isUIntN(bits, value);
}

Expected<void> Fill::make(uint64_t first, llvm::MutableArrayRef<std::byte> out) const {
  uint32_t width = elementBytes(spec->type);
  if (spec->fill.kind == FillSpec::Zero) {
    std::memset(out.data(), 0, out.size());
    return {};
  }
  if (spec->fill.kind != FillSpec::Values) {
    std::memcpy(out.data(), data.data() + first * width, out.size());
    return {};
  }
  uint64_t count = out.size() / width;
  bool isFloat = spec->type == ElementType::F16 || spec->type == ElementType::BF16 || spec->type == ElementType::F32 ||
                 spec->type == ElementType::F64;
  if (isFloat) {
    Series values = spec->fill.values.toReal();
    for (uint64_t i = 0; i < count; ++i)
      storeFloat(spec->type, values.realAt(first + i), out.data() + i * width);
    return {};
  }
  const Series &values = spec->fill.values;
  unsigned bits = spec->type == ElementType::I1 ? 1 : width * 8;
  for (uint64_t i = 0; i < count; ++i) {
    auto value = static_cast<uint64_t>(values.integerAt(first + i));
    bool isNegative = values.kind == Series::Constant ? values.isNegative : static_cast<int64_t>(value) < 0;
    if (!fitsBits(value, isNegative, bits) || (bits == 1 && isNegative))
      return workload->fail(ErrorCode::InvalidArgument, spec->fill.path,
                            "the value of element " + Twine(first + i) + ", " +
                                (isNegative ? Twine(static_cast<int64_t>(value)) : Twine(value)) + ", does not fit " +
                                stringifyElementType(spec->type));
    std::memcpy(out.data() + i * width, &value, width);
  }
  return {};
}

std::string mk::showElement(ElementType type, const std::byte *bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, bytes, elementBytes(type));
  std::string text;
  llvm::raw_string_ostream os(text);
  switch (type) {
  case ElementType::F16:
  case ElementType::BF16: {
    llvm::APFloat value(semanticsOf(type), llvm::APInt(16, bits));
    os << llvm::format("%.5g", value.convertToDouble());
    break;
  }
  case ElementType::F32:
    os << llvm::format("%.9g", static_cast<double>(llvm::bit_cast<float>(static_cast<uint32_t>(bits))));
    break;
  case ElementType::F64:
    os << llvm::format("%.17g", llvm::bit_cast<double>(bits));
    break;
  default:
    os << llvm::SignExtend64(bits, elementBytes(type) * 8);
    break;
  }
  os << " (0x" << llvm::utohexstr(bits, /*LowerCase=*/true, elementBytes(type) * 2) << ")";
  return text;
}
