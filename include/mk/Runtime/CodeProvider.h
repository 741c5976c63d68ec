//===- CodeProvider.h - Where the runtime gets code from ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The runtime does not know MLIR or LLVM. It asks a CodeProvider for the interpreter, for an opcode's batch kernel or
// for a fused window, and hands what it gets to the device. jit/ implements this interface (mk/JIT/CompileService.h);
// an embedder with precompiled code, or a test, implements its own.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CODEPROVIDER_H
#define MK_RUNTIME_CODEPROVIDER_H

#include "mk/Runtime/Abi.h"
#include "mk/Runtime/Error.h"
#include "mk/Runtime/Isa.h"
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mk {

/// A kernel for the host: runs the work items [begin, end). Called by several threads at once, each with its own range.
using HostKernelFn = void (*)(const abi::LaunchParams *params, uint64_t begin, uint64_t end);

/// What to compile for.
struct CodeTarget {
  enum Kind : uint8_t { Host, Nvptx } kind = Host;
  /// Nvptx only: the GPU, e.g. "sm_90".
  std::string chip;
  bool operator==(const CodeTarget &) const = default;
};

/// One compiled kernel.
struct KernelCode {
  /// The abi::Version that the code was compiled for.
  uint32_t abiVersion = abi::Version;
  /// Which work items it takes and how they are spread: one thread or one CTA each.
  Scope scope = Scope::Lane;
  /// Name of the entry point.
  std::string entry;
  /// Nvptx: the PTX text, or a cubin, which the device takes rather.
  std::string ptx;
  std::string cubin;
  /// Host: the function, valid while 'owner' lives.
  HostKernelFn function = nullptr;
  std::shared_ptr<void> owner;
  /// Nothing had to be compiled: a code cache had it.
  bool cached = false;
};

/// What holds for an argument in every instance that specialised code is used for: #mk.facts of the dialect.
struct ArgFacts {
  /// Scalar: its value, as its words hold it (the first is the low half).
  std::optional<uint64_t> constant{};
  /// Memref: its elements, 0 when they vary.
  uint64_t extent = 0;
  /// Memref: a number that its elements are a multiple of.
  uint64_t multiple = 1;
  /// View: a number of elements that its offset is a multiple of.
  uint64_t aligned = 1;
  bool operator==(const ArgFacts &) const = default;
};

/// Facts about each argument of an opcode, or of a window's signature; none at all for general code.
using Specialization = std::vector<ArgFacts>;

/// How much to optimise: quickly made code answers until the better one is there.
enum class Effort : uint8_t { Quick, Full };

/// A kernel to compile.
struct CompileRequest {
  enum Kind : uint8_t {
    /// The interpreter for work items of one scope. The lane interpreter knows the lane opcodes; the block interpreter
    /// knows all of them, so that it can run mixed windows.
    Interpreter,
    /// The interpreter for packed slots. Asked for only when the ISA has PACKED_SLOT.
    PackedInterpreter,
    /// A batch kernel for one opcode: arguments in an abi::ArgColumn table, no checks of handles and views, which the
    /// engine has made.
    Opcode,
    /// A batch kernel for one kind of window, fused where that is possible.
    Window,
  } kind = Interpreter;
  CodeTarget target;
  /// Interpreter.
  Scope scope = Scope::Lane;
  /// Opcode: the dense index.
  uint32_t opcode = 0;
  /// Window.
  WindowSignature window{};
  /// Opcode and Window.
  Specialization facts{};
  Effort effort = Effort::Full;
  /// Interpreter and PackedInterpreter, Nvptx only: the form that stays and serves rings (docs/Resident.md).
  bool resident = false;
  /// Resident interpreters: windows that run on fused code of their own, by the number that lines give them.
  struct Route {
    uint32_t id = 0;
    WindowSignature window{};
    bool operator==(const Route &) const = default;
  };
  std::vector<Route> routes{};

  bool operator==(const CompileRequest &) const = default;
};

/// Makes code, in the background. Thread-safe.
class CodeProvider {
public:
  virtual ~CodeProvider() = default;

  /// The ISA that this provider compiles; it does not change.
  virtual const Isa &isa() const = 0;

  /// Names a request that is not done; never 0.
  using RequestId = uint64_t;
  using Done = std::function<void(Expected<KernelCode>)>;
  /// Asks for a kernel. Requests of higher priority come first. 'done' is called exactly once, from a thread of the
  /// provider or before this call returns, and before the provider is gone. Errors: CompileFailed (the same request
  /// will fail again), CompilerDied, TimedOut, OutOfMemory, Unsupported, Busy (the queue is full of hotter requests),
  /// Cancelled, Closed.
  virtual RequestId request(const CompileRequest &request, double priority, Done done) = 0;
  /// Nothing happens when the request is done.
  virtual void setPriority(RequestId id, double priority) {}
  /// The request is done with Cancelled unless its code is there already. Nothing happens when it is done.
  virtual void cancel(RequestId id) {}

  /// MLIR text of the ISA, for whoever has to see a fault again; empty if there is none.
  virtual std::string source() const { return {}; }

  /// request(), and waits for it.
  Expected<KernelCode> compile(const CompileRequest &request);
};

} // namespace mk

#endif // MK_RUNTIME_CODEPROVIDER_H
