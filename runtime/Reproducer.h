//===- Reproducer.h - A disagreement, written down --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_REPRODUCER_H
#define MK_RUNTIME_REPRODUCER_H

#include "CodeUnit.h"
#include <span>

namespace mk {

/// Writes what is needed to see 'variant' and the interpreter disagree on 'instance' into a new folder of 'folder': the
/// ISA, a workload for mk-run, and the contents of what the instance names, as they are before it runs. Yields the new
/// folder. NotFound when it cannot be written; Unsupported when the provider has no text of the ISA.
Expected<std::string> writeReproducer(const std::string &folder, const CodeProvider &code, Device &device,
                                      const Variant &variant, std::span<const abi::Slot> instance,
                                      std::span<const abi::BufferEntry> rows, const std::string &difference);

} // namespace mk

#endif // MK_RUNTIME_REPRODUCER_H
