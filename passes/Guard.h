//===- Guard.h - What mk-guard may put a check around -------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// mk-fuse-windows marks these operations with the issue they came from, so that mk-guard lays a fault at the right
// slot; the marks also keep equal operations of two slots apart, each of which may fault.
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_GUARD_H
#define MK_PASSES_GUARD_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mk {

inline bool isSignedDivision(mlir::Operation *op) {
  using namespace mlir::arith;
  return mlir::isa<DivSIOp, RemSIOp, CeilDivSIOp, FloorDivSIOp>(op);
}
inline bool isDivision(mlir::Operation *op) {
  using namespace mlir::arith;
  return isSignedDivision(op) || mlir::isa<DivUIOp, RemUIOp, CeilDivUIOp>(op);
}
inline bool isShift(mlir::Operation *op) {
  using namespace mlir::arith;
  return mlir::isa<ShLIOp, ShRSIOp, ShRUIOp>(op);
}
inline bool isFloatToInt(mlir::Operation *op) { return mlir::isa<mlir::arith::FPToSIOp, mlir::arith::FPToUIOp>(op); }

/// True for every operation that mk-guard may put a check around.
inline bool mayNeedGuard(mlir::Operation *op) {
  using namespace mlir;
  return isDivision(op) || isShift(op) || isFloatToInt(op) ||
         isa<memref::LoadOp, memref::StoreOp, memref::AtomicRMWOp, memref::GenericAtomicRMWOp, scf::ForOp,
             scf::ParallelOp, scf::WhileOp, vector::LoadOp, vector::StoreOp>(op);
}

/// The memref of an access to elements, and its indices as they are now: those that were guarded are other values than
/// before.
inline std::optional<std::pair<mlir::Value, mlir::ValueRange>> placeOf(mlir::Operation *op) {
  using namespace mlir;
  using Place = std::optional<std::pair<Value, ValueRange>>;
  return llvm::TypeSwitch<Operation *, Place>(op)
      .Case<memref::LoadOp, memref::StoreOp>(
          [](auto access) { return Place({access.getMemRef(), access.getIndices()}); })
      .Case<memref::AtomicRMWOp, memref::GenericAtomicRMWOp>(
          [](auto access) { return Place({access.getMemref(), access.getIndices()}); })
      .Case<vector::LoadOp, vector::StoreOp>([](auto access) { return Place({access.getBase(), access.getIndices()}); })
      .Default(std::nullopt);
}

} // namespace mk

#endif // MK_PASSES_GUARD_H
