//===- CodeObject.h - Machine code as bytes -----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a compiler makes and what a cache or another process can hold: bytes, and what the runtime has to know to load
// them.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_CODEOBJECT_H
#define MK_JIT_CODEOBJECT_H

#include "mk/Runtime/Abi.h"
#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace mk {

struct CodeObject {
  /// The numbers are part of the serialised form: append only.
  enum class Format : uint8_t {
    /// PTX text.
    Ptx = 0,
    /// A GPU image that can be loaded as it is.
    Cubin = 1,
    /// A GPU object that has to be linked into an image first.
    RelocatableCubin = 2,
    /// An ELF object for the processor of this machine, to be linked by ORC.
    HostObject = 3,
  };
  Format format = Format::Ptx;
  /// The abi::Version that the code was compiled for.
  uint32_t abiVersion = abi::Version;
  /// Which work items it takes and how they are spread: one thread or one CTA each.
  Scope scope = Scope::Lane;
  /// Name of the entry point.
  std::string entry;
  /// The code itself.
  std::string bytes;

  bool operator==(const CodeObject &) const = default;
};

/// "ptx", "cubin", "relocatable cubin" or "host object".
const char *stringifyCodeFormat(CodeObject::Format format);

/// The code as bytes that deserialize() takes, in this process or another one of the same machine.
std::string serialize(const CodeObject &code);

/// Malformed for every string that is not exactly the result of serialize(). Any input is safe.
Expected<CodeObject> deserialize(std::string_view bytes);

} // namespace mk

#endif // MK_JIT_CODEOBJECT_H
