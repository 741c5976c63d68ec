//===- LowerServe.h - Resident workers on a GPU --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_LOWERSERVE_H
#define MK_PASSES_LOWERSERVE_H

#include "mk/Dialect/Mk.h"

namespace mk {

/// Replaces 'serve' and the mk.complete in it by the loop of a CTA that claims lines, puts them into shared memory and
/// runs them. 'shared' gives shared memory of the function that was the kernel, whose arguments are those of
/// abi::ResidentParams.
mlir::LogicalResult lowerServe(ServeOp serve, mlir::FunctionOpInterface function, ScopeKind scope,
                               llvm::function_ref<mlir::Value(mlir::MemRefType)> shared);

} // namespace mk

#endif // MK_PASSES_LOWERSERVE_H
