//===- KernelBuilder.h - What interpreters and batch kernels share -*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_KERNELBUILDER_H
#define MK_PASSES_KERNELBUILDER_H

#include "mk/Dialect/Mk.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mk {

/// Marks the scf.index_switch of an interpreter: of its cases one runs for a slot, so that they share local memory.
inline constexpr llvm::StringLiteral armsAttrName = "mk.arms";

/// What a body may know of its slot, as i32.
struct SlotValues {
  mlir::Value index;
  /// None in a batch kernel.
  mlir::Value tenant;
};

/// Builds the frame of an mk.kernel and the code that decodes arguments and reports faults. All words are i32, all
/// addresses i64.
class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  /// Starts a kernel at the end of 'module'; code goes into its body from here on.
  KernelBuilder(mlir::ModuleOp module, llvm::StringRef name, ScopeKind scope, mlir::Location loc);

  KernelOp kernel;

  /// A launch parameter (abi::LaunchParamIndex).
  mlir::Value param(unsigned index) { return kernel.getArgument(index); }

  mlir::Value index(int64_t value);
  mlir::Value i32(uint32_t value);
  mlir::Value i64(uint64_t value);
  mlir::Value toIndex(mlir::Value word);
  mlir::Value toI64(mlir::Value value);

  /// Memory at an address as an array of T, of unknown extent.
  mlir::Value arrayAt(mlir::Value address, mlir::Type element);
  mlir::Value load(mlir::Value array, mlir::Value at);
  /// at + offset, as an index.
  mlir::Value plus(mlir::Value at, int64_t offset);

  /// The row of the buffer table for a handle (i32), as an index: 0, which is invalid, where there is none.
  mlir::Value tableRow(mlir::Value handle);
  /// A field of a row: 0 base, 1 bytes, 2 tenants and access.
  mlir::Value bufferField(mlir::Value row, unsigned field);
  /// Whether the tenant bits of a row have this tenant (i32, in range).
  mlir::Value allowsTenant(mlir::Value rights, mlir::Value tenant);

  /// The value of a scalar argument from its words.
  mlir::Value decodeScalar(mlir::Type type, llvm::ArrayRef<mlir::Value> words);
  /// The memref of a buffer or view argument whose row and range are known to be good.
  mlir::Value decodeMemRef(mlir::MemRefType type, mlir::Value base, mlir::Value bytes,
                           llvm::ArrayRef<mlir::Value> words);

  /// Clones the body of 'op' to the insertion point, with 'arguments' for its arguments, and turns what it asks of the
  /// engine (mk.emit, mk.memory, ...) into code. Records name the slot slot.index + issue.
  void inlineBody(mlir::FunctionOpInterface op, mlir::ValueRange arguments, const SlotValues &slot);

  /// Appends a fault record for 'slot' (i32) unless 'word' (i64) is abi::NoFault, and runs 'also' with the code and the
  /// detail in that case; 'otherwise' in the other. Belongs into an mk.single.
  void reportFault(mlir::Value slot, mlir::Value word,
                   llvm::function_ref<void(mlir::Value code, mlir::Value detail)> also = nullptr,
                   llvm::function_ref<void()> otherwise = nullptr);

  /// Makes an operation with one block (mk.task, mk.single) that ends in mk.yield, and fills it.
  void fill(mlir::Region &region, llvm::function_ref<void()> body);

private:
  void expandEmit(EmitOp emit, mlir::Value firstSlot);
  /// The memref of a row, with no elements unless 'allowed' (if any).
  mlir::Value memRefOf(mlir::Type type, mlir::Value row, mlir::Value allowed = mlir::Value());
  void expandSuspend(SuspendOp suspend);
  void expandBuffer(BufferOp buffer, mlir::Value tenant);

  mlir::Value buffers;
};

} // namespace mk

#endif // MK_PASSES_KERNELBUILDER_H
