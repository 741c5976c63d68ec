//===- FaultInjection.h - Rare failures on demand -----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What can go wrong when code is compiled goes wrong when a test asks for it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_FAULTINJECTION_H
#define MK_JIT_FAULTINJECTION_H

#include "mk/JIT/Compiler.h"
#include <cstdint>
#include <string>
#include <string_view>

namespace mk {

struct FaultInjection {
  enum Kind : uint8_t {
    /// The phase reports an error.
    Fail,
    /// The process ends: by SIGSEGV, by abort(), by exit(), or by SIGKILL as the kernel sends it when memory is short.
    Segv,
    Abort,
    Exit,
    Kill,
    /// The phase never ends.
    Loop,
    /// The phase takes memory without end.
    Allocate,
    /// The phase takes longer, by 'milliseconds'.
    Delay,
    /// The code computes something else.
    Wrong,
  } kind = Fail;
  CompilePhase phase = CompilePhase::Codegen;
  uint32_t milliseconds = 0;
  /// Hits each compilation whose number is a multiple of 'every', or the one with the number 'nth'. Those that 'only'
  /// names are counted, from 1: an opcode (also in windows), or "interpreter", "opcode" or "window". Without it all but
  /// interpreters, below which there is nothing that a run could go on with.
  uint32_t every = 1;
  uint32_t nth = 0;
  std::string only{};

  /// From a list such as "kind=segv,phase=codegen,every=3": the fields above by their names, "kind" as fail, segv,
  /// abort, exit, kill, loop, allocate, delay or wrong, and "delay=MS" in short. InvalidArgument says what is wrong.
  static Expected<FaultInjection> parse(std::string_view text);

  bool operator==(const FaultInjection &) const = default;
};

} // namespace mk

#endif // MK_JIT_FAULTINJECTION_H
