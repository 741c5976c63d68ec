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

/// Translates a builtin.module or gpu.module to LLVM IR for 'machine'; its functions name the processor. Fails with the
/// diagnostics having been emitted.
llvm::Expected<std::unique_ptr<llvm::Module>> translateToLLVM(mlir::Operation *module, llvm::LLVMContext &context,
                                                              const llvm::TargetMachine &machine);

/// Floating-point arithmetic as the source has it: nothing is contracted.
void setStrictArithmetic(llvm::TargetOptions &options);

/// Runs LLVM's default pipeline for an optimisation level from 0 to 3.
void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned optLevel);

/// LLVM IR and the machine that it is for.
struct TargetCode {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::TargetMachine> machine;
  std::unique_ptr<llvm::Module> module;
};

/// LLVM IR of the one gpu.module in 'module', for the chip in its nvvm.target, before any optimisation. The level is
/// that of the machine. Fails when LLVM does not know the chip.
llvm::Expected<TargetCode> translateToNvptx(mlir::ModuleOp module, unsigned optLevel);

/// LLVM IR of 'module' for the processor that this program runs on, likewise.
llvm::Expected<TargetCode> translateToHost(mlir::ModuleOp module, unsigned optLevel);

/// PTX of the one gpu.module in 'module', for the chip in its nvvm.target. Fails when LLVM does not know the chip, and
/// when the code calls functions that no linked library has.
llvm::Expected<std::string> translateToPtx(mlir::ModuleOp module, unsigned optLevel);

} // namespace mk

#endif // MK_TARGET_TARGET_H
