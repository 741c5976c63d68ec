//===- Engine.h - Open an engine on an ISA -----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The front door of the library: text of an ISA in, a running engine out. It joins the runtime with the JIT. Neither
// this header nor those it includes need LLVM or MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef MK_ENGINE_H
#define MK_ENGINE_H

#include "mk/JIT/CompileService.h"
#include "mk/Runtime/Engine.h"
#include "mk/Runtime/ResidentEngine.h"
#include <string>
#include <string_view>

namespace mk {

/// What compiles an ISA, and where it runs.
struct OpenTarget {
  /// "auto", "host" or "cuda:N".
  std::string device = "auto";
  /// LLVM's optimisation level for code of full effort, 0 to 3; 2 is the usual one.
  unsigned optLevel = 2;
  /// Adds the built-in opcodes to the ISA (docs/Prelude.md).
  bool prelude = false;
  /// Checks what a body does with its arguments and data (mk-guard). Without the checks a bad index or divisor, or an
  /// endless loop, ends the process or never ends: for measurements, and for slots that are trusted entirely.
  bool guard = true;
  /// How code is compiled and kept. The options of its compiler are those above.
  CompileServiceOptions jit{};
};

struct OpenOptions : EngineOptions, OpenTarget {};
struct OpenResidentOptions : ResidentOptions, OpenTarget {};

/// Opens an engine for the ISA in 'source' (MLIR text). 'name' stands for it in messages. Malformed with the parser's
/// or verifier's messages and their lines; InvalidArgument for an ISA without opcodes, and for options out of range;
/// NotFound when the device does not exist.
Expected<std::unique_ptr<Engine>> openEngine(std::string_view source, std::string_view name,
                                             const OpenOptions &options = {});

/// The same, for an engine whose workers stay.
Expected<std::unique_ptr<ResidentEngine>> openResidentEngine(std::string_view source, std::string_view name,
                                                             const OpenResidentOptions &options = {});

/// As openEngine, from a file.
Expected<std::unique_ptr<Engine>> openEngineFile(const std::string &path, const OpenOptions &options = {});

} // namespace mk

#endif // MK_ENGINE_H
