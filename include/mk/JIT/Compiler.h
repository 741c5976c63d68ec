//===- Compiler.h - An ISA, compiled on request -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The CodeProvider that compiles: it keeps one verified ISA and turns requests into PTX text or, through ORC, into
// functions of this process. It needs no engine:
//
//   auto compiler = mk::Compiler::create(source, "isa.mlir");
//   auto code = (*compiler)->compileOpcode({mk::CodeTarget::Nvptx, "sm_90"}, 0);
//   puts(code->ptx.c_str());
//
// Neither this header nor those it includes need LLVM or MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_COMPILER_H
#define MK_JIT_COMPILER_H

#include "mk/Runtime/CodeProvider.h"
#include <memory>
#include <string_view>

namespace mk {

struct CompilerOptions {
  /// LLVM's optimisation level, 0 to 3.
  unsigned optLevel = 3;
  /// Adds the built-in opcodes to the ISA (docs/Prelude.md).
  bool prelude = false;
  /// Runs mk-guard over the bodies. Without it a slot whose arguments are wrong ends the process.
  bool guard = true;
};

/// Thread safety: requests may come from several threads; they are compiled one at a time.
class Compiler final : public CodeProvider {
public:
  /// Parses and verifies 'source' (MLIR text or bytecode); 'name' stands for it in messages. Malformed with every
  /// diagnostic and its place; InvalidArgument for an ISA without opcodes.
  static Expected<std::unique_ptr<Compiler>> create(std::string_view source, std::string_view name,
                                                    const CompilerOptions &options = {});
  ~Compiler() override;

  const Isa &isa() const override;
  Expected<KernelCode> compileInterpreter(const CodeTarget &target, Scope scope) override;
  Expected<KernelCode> compilePackedInterpreter(const CodeTarget &target) override;
  Expected<KernelCode> compileOpcode(const CodeTarget &target, uint32_t opcode) override;
  Expected<KernelCode> compileWindow(const CodeTarget &target, const WindowSignature &window) override;

private:
  class Impl;
  explicit Compiler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_JIT_COMPILER_H
