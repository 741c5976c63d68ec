//===- CodeProvider.h - Where the runtime gets code from ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime does not know MLIR or LLVM. It asks a CodeProvider for the interpreter, for an opcode's batch kernel or
// for a fused window, and hands what it gets to the device. jit/ implements this interface; an embedder with
// precompiled code, or a test, implements its own.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CODEPROVIDER_H
#define MK_RUNTIME_CODEPROVIDER_H

#include "mk/Runtime/Abi.h"
#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include <memory>
#include <string>

namespace mk {

/// A kernel for the host: runs the work items [begin, end). Called by several threads at once, each with its own range.
using HostKernelFn = void (*)(const abi::LaunchParams *params, uint64_t begin, uint64_t end);

/// What to compile for.
struct CodeTarget {
  enum Kind : uint8_t { Host, Nvptx } kind = Host;
  /// Nvptx only: the GPU, e.g. "sm_90".
  std::string chip;
};

/// One compiled kernel.
struct KernelCode {
  /// The abi::Version that the code was compiled for.
  uint32_t abiVersion = abi::Version;
  /// Which work items it takes and how they are spread: one thread or one CTA each.
  Scope scope = Scope::Lane;
  /// Name of the entry point.
  std::string entry;
  /// Nvptx: the PTX text.
  std::string ptx;
  /// Host: the function, valid while 'owner' lives.
  HostKernelFn function = nullptr;
  std::shared_ptr<void> owner;
};

/// Makes code. Calls come from the engine's threads, possibly several at once.
class CodeProvider {
public:
  virtual ~CodeProvider() = default;

  /// The ISA that this provider compiles; it does not change.
  virtual const Isa &isa() const = 0;

  /// The interpreter for work items of one scope. The lane interpreter knows the lane opcodes; the block interpreter
  /// knows all of them, so that it can run mixed windows.
  virtual Expected<KernelCode> compileInterpreter(const CodeTarget &target, Scope scope) = 0;

  /// The interpreter for packed slots. Asked for only when the ISA has PACKED_SLOT.
  virtual Expected<KernelCode> compilePackedInterpreter(const CodeTarget &target) {
    return makeError(ErrorCode::Unsupported, "this code provider has no interpreter for packed slots");
  }

  /// A batch kernel for one opcode (dense index): arguments in an abi::ArgColumn table, no checks of handles and views,
  /// which the engine has made.
  virtual Expected<KernelCode> compileOpcode(const CodeTarget &target, uint32_t opcode) = 0;

  /// A batch kernel for one kind of window, fused where that is possible.
  virtual Expected<KernelCode> compileWindow(const CodeTarget &target, const WindowSignature &window) = 0;
};

} // namespace mk

#endif // MK_RUNTIME_CODEPROVIDER_H
