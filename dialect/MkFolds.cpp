//===- MkFolds.cpp - Canonicalization of mk operations ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mk;

/// A task in which nothing can fault is its region, with fault words that say so.
LogicalResult TaskOp::canonicalize(TaskOp task, PatternRewriter &rewriter) {
  WalkResult faults = task.getBody().walk(
      [](Operation *op) { return isa<FaultOp, RaiseOp>(op) ? WalkResult::interrupt() : WalkResult::advance(); });
  if (faults.wasInterrupted())
    return failure();
  Block *body = &task.getBody().front();
  rewriter.eraseOp(body->getTerminator());
  rewriter.inlineBlockBefore(body, task);
  Value none = arith::ConstantOp::create(rewriter, task.getLoc(),
                                         rewriter.getI64IntegerAttr(static_cast<int64_t>(abi::NoFault)));
  rewriter.replaceOp(task, SmallVector<Value>(task.getNumResults(), none));
  return success();
}
