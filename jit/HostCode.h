//===- HostCode.h - LLVM IR to functions of this process ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_HOSTCODE_H
#define MK_JIT_HOSTCODE_H

#include "mk/Runtime/CodeProvider.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/Error.h"
#include <atomic>
#include <memory>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace mk {

/// Compiles modules in the LLVM dialect for the machine it runs on, each into a JITDylib of its own that is removed
/// with the last owner of its code.
class HostCode : public std::enable_shared_from_this<HostCode> {
public:
  static llvm::Expected<std::shared_ptr<HostCode>> create(unsigned optLevel);

  struct Function {
    HostKernelFn function;
    std::shared_ptr<void> owner;
  };
  /// The function 'entry' of 'module'.
  llvm::Expected<Function> compile(mlir::ModuleOp module, llvm::StringRef entry);

private:
  HostCode() = default;
  unsigned optLevel = 3;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::atomic<unsigned> count = 0;
};

} // namespace mk

#endif // MK_JIT_HOSTCODE_H
