//===- IsaReader.h - Between MLIR modules and the runtime's ISA ---*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_ISAREADER_H
#define MK_JIT_ISAREADER_H

#include "mk/Dialect/Mk.h"
#include "mk/Runtime/Isa.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace mk {

/// Describes the opcodes and windows of a verified module.
Isa readIsa(mlir::ModuleOp module);

/// A module with the opcode of dense index 'opcode' and nothing else.
mlir::OwningOpRef<mlir::ModuleOp> makeOpcodeModule(mlir::ModuleOp isa, uint32_t opcode);

/// A name for a window, which nothing in 'module' has.
std::string freeName(mlir::ModuleOp module);

/// A module with an mk.window of the signature, whose name is left in 'name', and the opcodes it needs.
mlir::OwningOpRef<mlir::ModuleOp> makeWindowModule(mlir::ModuleOp isa, const WindowSignature &signature,
                                                   std::string &name);
/// Adds an mk.window of a signature over the opcodes of 'isa' to 'module', which has them.
WindowOp addWindow(mlir::ModuleOp module, mlir::ModuleOp isa, const WindowSignature &signature, llvm::StringRef name);

} // namespace mk

#endif // MK_JIT_ISAREADER_H
