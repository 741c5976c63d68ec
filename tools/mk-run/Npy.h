//===- Npy.h - NumPy's array files -------------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads and writes .npy files (versions 1.0 to 3.0): little-endian, C order, any number of dimensions, which are taken
// as one. Types that numpy lacks stand for themselves by width: bf16 as '|V2', the way the common bfloat16 extension
// writes it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_NPY_H
#define MK_TOOLS_MKRUN_NPY_H

#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace mk {

/// What the header of a .npy file says.
struct NpyHeader {
  /// numpy's name of the type, e.g. "<f4".
  std::string dtype;
  /// The product of the dimensions (1 for a scalar).
  uint64_t count = 0;
  uint32_t elementBytes = 0;
  /// Where the elements start in the file.
  uint64_t dataOffset = 0;
};

/// Understands the header of the file in 'bytes', and checks that the elements that it promises are there. Malformed
/// with what was found; the caller adds the file's name.
Expected<NpyHeader> parseNpyHeader(llvm::StringRef bytes);

/// True when elements of numpy type 'dtype' can stand in a buffer of 'type' bit for bit; signs do not matter.
bool npyFits(llvm::StringRef dtype, ElementType type);

/// The numpy types that fit, for messages, e.g. "<i4 or <u4".
std::string npyTypesFor(ElementType type);

/// The header, padding included, for 'count' elements in one dimension.
std::string makeNpyHeader(ElementType type, uint64_t count);

} // namespace mk

#endif // MK_TOOLS_MKRUN_NPY_H
