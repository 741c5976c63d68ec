//===- Elements.h - Values in buffers ----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes the bytes of a buffer from its fill, piece by piece, and shows elements in messages.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_ELEMENTS_H
#define MK_TOOLS_MKRUN_ELEMENTS_H

#include "Workload.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstddef>
#include <memory>

namespace mk {

/// The contents of a buffer before the run.
class Fill {
public:
  /// Opens the file of the fill and checks that it agrees with the buffer.
  static Expected<Fill> open(const Workload &workload, const BufferSpec &spec);

  /// Elements of the buffer.
  uint64_t count() const { return elements; }
  /// True when every byte is 0, as in a new buffer.
  bool isZero() const { return spec->fill.kind == FillSpec::Zero; }
  /// Writes elements first, first + 1, ... to 'out', which holds a whole number of them.
  Expected<void> make(uint64_t first, llvm::MutableArrayRef<std::byte> out) const;

private:
  const Workload *workload = nullptr;
  const BufferSpec *spec = nullptr;
  uint64_t elements = 0;
  std::unique_ptr<llvm::MemoryBuffer> file;
  /// The elements in the file.
  llvm::StringRef data;
};

/// One element for people: its value and its bits, e.g. "1.5 (0x3fc00000)".
std::string showElement(ElementType type, const std::byte *bytes);

} // namespace mk

#endif // MK_TOOLS_MKRUN_ELEMENTS_H
