//===- IsaJson.h - An ISA, described in JSON ----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For programs that make slots and do not know MLIR. docs/ISA-JSON.md describes the format.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TARGET_ISAJSON_H
#define MK_TARGET_ISAJSON_H

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace mk {

/// Writes what publishers need to know of the opcodes and windows of a verified module. Equal modules give equal text.
void writeIsaJson(mlir::ModuleOp module, llvm::raw_ostream &output);

} // namespace mk

#endif // MK_TARGET_ISAJSON_H
