//===- Target.h - From lowered modules to machine code ------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last step of compilation: operations in the LLVM and NVVM dialects become LLVM IR, for the host or for NVPTX, and
// that becomes PTX.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TARGET_TARGET_H
#define MK_TARGET_TARGET_H

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>
#include <string>

namespace mlir {
class DialectRegistry;
class ModuleOp;
class Operation;
} // namespace mlir

namespace mk {

/// Registers the translations to LLVM IR that lowered kernels need.
void registerLLVMTranslations(mlir::DialectRegistry &registry);

/// Lets this process keep memory that it frees, for a process that compiles and does little else: the assembler takes
/// and frees tens of MiB for each kernel, and the way to the kernel's pages and back is a seventh of its time. Only
/// glibc's allocator is known to it; with another one nothing happens.
void keepFreedMemory();

/// Compiles lowered modules, one after the other, for one target. It keeps what is dear to make, so it should live
/// long. Not for several threads at once: each takes a compiler of its own.
///
/// The optimisation level, of which 2 is the usual one: 0 is code soon; 1 and 2 are, for NVPTX, the few passes that its
/// kernels need, and LLVM's O1 and O2 for the host; 3 is LLVM's O3.
class TargetCompiler {
public:
  /// For GPUs: 'chip' is "sm_90" or the like. Fails when LLVM does not know it.
  static llvm::Expected<std::unique_ptr<TargetCompiler>> createNvptx(llvm::StringRef chip, unsigned optLevel);
  /// For the processor that this program runs on.
  static llvm::Expected<std::unique_ptr<TargetCompiler>> createHost(unsigned optLevel);
  ~TargetCompiler();

  /// LLVM IR before any optimisation: of the one gpu.module in 'module', whose nvvm.target has the chip, or, for the
  /// host, of the functions in 'module'. The result must be gone before the next call. Fails with the diagnostics
  /// having been emitted.
  llvm::Expected<std::unique_ptr<llvm::Module>> translate(mlir::ModuleOp module);

  /// Optimises LLVM IR of translate(), with the functions of libdevice that it calls. Fails when there is no libdevice.
  llvm::Error optimize(llvm::Module &module);

  /// Machine code of optimised LLVM IR: PTX text, or an ELF object as ORC links it. Fails with what the back end
  /// reports, and when the code calls functions that nobody has.
  llvm::Expected<std::string> emit(llvm::Module &module);

  /// All three.
  llvm::Expected<std::string> compile(mlir::ModuleOp module);

  const llvm::TargetMachine &machine() const;

private:
  class Impl;
  explicit TargetCompiler(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

} // namespace mk

#endif // MK_TARGET_TARGET_H
