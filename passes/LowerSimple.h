//===- LowerSimple.h - To LLVM, without the dialect conversion ----*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_LOWERSIMPLE_H
#define MK_PASSES_LOWERSIMPLE_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace mk {

/// Rewrites to the LLVM and NVVM dialects what most of a kernel is made of and has an obvious counterpart: arithmetic,
/// accesses of views and of local memory, scf.if and scf.for, the numbers of threads, the function around them. Values
/// of type index become i64, and each constant stands once. The dialect conversion would do the same with its patterns,
/// but takes several times as long; it gets what this leaves: operations with flags, vectors of more than one
/// dimension, memrefs of other origin, shared memory, and all other operations.
class SimpleLowering {
public:
  explicit SimpleLowering(mlir::MLIRContext *context);
  void run(mlir::gpu::GPUFuncOp function) const;

private:
  template <typename From, typename To> void add(mlir::MLIRContext *context);

  /// Operations of arith, and those of LLVM with the same operands and results.
  llvm::DenseMap<mlir::OperationName, mlir::OperationName> counterparts;
};

} // namespace mk

#endif // MK_PASSES_LOWERSIMPLE_H
