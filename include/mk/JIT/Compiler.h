//===- Compiler.h - An ISA, compiled on request -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Keeps one verified ISA and turns requests into code objects, on the calling thread and in this process:
//
//   auto compiler = mk::Compiler::create(source, "isa.mlir");
//   auto made = (*compiler)->compile(
//       {.kind = mk::CompileRequest::Opcode, .target = {mk::CodeTarget::Nvptx, "sm_90"}}, mk::CodeObject::Format::Ptx);
//   puts(made->code.bytes.c_str());
//
// IR that verifies can still crash or hang a compiler. Whoever cannot afford that uses the service in
// mk/JIT/CompileService.h. Neither this header nor those it includes need LLVM or MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_COMPILER_H
#define MK_JIT_COMPILER_H

#include "mk/JIT/CodeCache.h"
#include "mk/JIT/CodeObject.h"
#include "mk/Runtime/CodeProvider.h"
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

namespace mk {

struct CompilerOptions {
  /// LLVM's optimisation level for code of full effort, 0 to 3; 2 is the usual one.
  unsigned optLevel = 2;
  /// Adds the built-in opcodes to the ISA (docs/Prelude.md).
  bool prelude = false;
  /// Runs mk-guard over the bodies. Without it a slot whose arguments are wrong ends the process.
  bool guard = true;
  /// Verifies the IR after each pass: for tests of the passes.
  bool verify = false;
};

/// The steps from a request to code, in their order.
enum class CompilePhase : uint8_t {
  /// Reading the ISA. Done once, before the first request.
  Parse,
  /// Making a module of what is asked for, and checking it.
  Verify,
  /// MLIR.
  Pass,
  /// MLIR to LLVM IR.
  Translate,
  /// LLVM IR to better LLVM IR.
  Optimize,
  /// LLVM IR to PTX or to an object.
  Codegen,
  /// PTX to a cubin.
  Assemble,
  /// Host: the object is placed in memory.
  Link,
  /// Host: the function is looked up.
  Load,
};
constexpr unsigned compilePhaseCount = 9;
/// "parse", "verify", ...
const char *stringifyCompilePhase(CompilePhase phase);
std::optional<CompilePhase> parseCompilePhase(std::string_view name);

/// How long each phase took; zero for those that were not needed.
using PhaseTimes = std::array<std::chrono::nanoseconds, compilePhaseCount>;

struct CompiledCode {
  CodeObject code;
  PhaseTimes phases{};
};

/// What a caller does while code is made.
struct CompileControl {
  /// Called before each phase. An error ends the compilation with it.
  std::function<Expected<void>(CompilePhase)> onPhase;
  /// For tests of whoever checks code: makes wrong code of an opcode or a window, by changing one operation of
  /// arithmetic. Interpreters stay right.
  bool miscompile = false;
};

/// Thread safety: it may be used by several threads, which it serves one at a time.
class Compiler {
public:
  /// Parses and verifies 'source' (MLIR text or bytecode); 'name' stands for it in messages. Malformed with every
  /// diagnostic and its place; InvalidArgument for an ISA without opcodes.
  static Expected<std::unique_ptr<Compiler>> create(std::string_view source, std::string_view name,
                                                    const CompilerOptions &options = {});
  ~Compiler();

  const Isa &isa() const;
  const CompilerOptions &options() const;

  /// The ISA as bytecode, with the built-in opcodes if it has them: create() makes an equal compiler of it.
  std::string bytecode() const;
  /// Likewise, for people.
  std::string text() const;

  /// What a request is called in messages: "interpreter lane", "opcode axpy" or "window add(0,1,2)". Any request.
  std::string describe(const CompileRequest &request) const;

  /// Compiles into 'format', which for the host is HostObject. InvalidArgument for what is not in the ISA or cannot
  /// hold, Unsupported for what this machine lacks, else CompileFailed with the phase and the diagnostics.
  Expected<CompiledCode> compile(const CompileRequest &request, CodeObject::Format format,
                                 const CompileControl &control = {});

  /// Everything that the result of compile() depends on. InvalidArgument for opcodes that the ISA does not have.
  Expected<CacheKey> key(const CompileRequest &request, CodeObject::Format format);

  /// The format that code for a GPU is best made in: a cubin where the CUDA toolkit has an assembler, else PTX.
  static CodeObject::Format gpuFormat();

  /// Names this build of the compiler and the LLVM it uses: other builds may make other code of the same request.
  static const std::string &buildId();

private:
  class Impl;
  explicit Compiler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_JIT_COMPILER_H
