//===- IndexOffset.h - Indexes a constant away from another -------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Guards and vectors look through i + 1: the accesses of a stencil.
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_INDEXOFFSET_H
#define MK_PASSES_INDEXOFFSET_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

namespace mk {

/// Takes constants off an index: what is left, and their sum, of less than 2^31.
inline std::pair<mlir::Value, int64_t> splitOffset(mlir::Value index) {
  int64_t distance = 0;
  while (auto add = index.getDefiningOp<mlir::arith::AddIOp>()) {
    std::optional<int64_t> right = mlir::getConstantIntValue(add.getRhs());
    std::optional<int64_t> constant = right ? right : mlir::getConstantIntValue(add.getLhs());
    if (!constant || !llvm::isInt<31>(*constant) || !llvm::isInt<31>(distance + *constant))
      break;
    distance += *constant;
    index = right ? add.getLhs() : add.getRhs();
  }
  return {index, distance};
}

} // namespace mk

#endif // MK_PASSES_INDEXOFFSET_H
