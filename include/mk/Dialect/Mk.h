//===- Mk.h - The mk dialect -------------------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The dialect, its enums and its operations, as described in MkDialect.td and MkOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef MK_DIALECT_MK_H
#define MK_DIALECT_MK_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "mk/Dialect/MkDialect.h.inc"
#include "mk/Dialect/MkEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "mk/Dialect/MkAttrs.h.inc"

namespace mk {
/// The fault word of the running slot, as a memory resource.
struct FaultResource : mlir::SideEffects::Resource::Base<FaultResource> {
  llvm::StringRef getName() final { return "mk::fault"; }
};
/// The list of hits, as a memory resource.
struct HitResource : mlir::SideEffects::Resource::Base<HitResource> {
  llvm::StringRef getName() final { return "mk::hits"; }
};
} // namespace mk

#define GET_OP_CLASSES
#include "mk/Dialect/MkOps.h.inc"

namespace mk {

/// Argument words that a value of 'type' takes in a slot; 0 for a type that an opcode cannot take.
unsigned argumentWords(mlir::Type type);

/// Size of an element of that type in a buffer, in bytes.
unsigned elementBytes(mlir::Type type);

/// The memref behind a chain of memref.distinct_objects.
mlir::Value sourceOf(mlir::Value memref);

/// True for memref<?xT, strided<[1], offset: ?>>.
bool isViewType(mlir::Type type);

/// abi::BufferAccess bits that the body of an opcode or window needs for its memref argument 'index'.
unsigned requiredAccess(mlir::FunctionOpInterface op, unsigned index);
/// The same for any memref.
unsigned requiredAccess(mlir::Value memref);

/// True for an opcode or window that may get code of its own: no builtin, and nothing in it needs memory of the engine
/// or knows its slot.
bool isPromotable(mlir::FunctionOpInterface op);

/// Arguments at the end that may be left out (mk.optional).
unsigned optionalArguments(mlir::FunctionOpInterface op);

} // namespace mk

#endif // MK_DIALECT_MK_H
