//===- GuardBody.h - One body under mk-guard ----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks on single operations are in Guard.cpp, those on loops in GuardLoops.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_GUARDBODY_H
#define MK_PASSES_GUARDBODY_H

#include "mk/Dialect/Mk.h"
#include "mlir/Analysis/DataFlow/IntegerRangeAnalysis.h"
#include "mlir/Analysis/DataFlowFramework.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"

namespace mk {

/// The largest step of a loop: bounds and extents are far enough from the end of 64 bits for it not to wrap.
inline constexpr int64_t maxStep = int64_t(1) << 31;
/// The largest local memory of a body, in bytes: it lies on the stack, in a GPU thread's local memory, or in
/// the memory of a CTA.
inline constexpr int64_t maxAlloca = 16384;
/// Iterations of a loop in another one that cost no fuel when they are known before.
inline constexpr uint64_t freeTrips = 4096;
/// Iterations of a scf.parallel over more than one extent: their product must not wrap around.
inline constexpr uint64_t maxPoints = uint64_t(1) << 40;

/// Puts checks around the operations of one body. Decisions are taken on the unchanged body, so that the analysis
/// stays valid; then the operations are rewritten one by one.
class Guard {
public:
  Guard(mlir::FunctionOpInterface function, bool bounds, bool division, bool shift, bool scratch, uint64_t fuel)
      : function(function), bounds(bounds), division(division), shift(shift), scratch(scratch), fuel(fuel) {
    if (auto window = dyn_cast<WindowOp>(function.getOperation())) {
      if (std::optional<llvm::ArrayRef<int32_t>> groups = window.getExtents())
        extents = *groups;
      isBlock = window.getScope() == ScopeKind::Block;
    } else {
      isBlock = cast<OpcodeOp>(function.getOperation()).getScope() == ScopeKind::Block;
    }
  }

  mlir::LogicalResult run();

private:
  mlir::LogicalResult decide(mlir::Operation *op, mlir::DataFlowSolver &solver);
  mlir::LogicalResult decideLoop(mlir::LoopLikeOpInterface loop, mlir::DataFlowSolver &solver);
  std::optional<mlir::ConstantIntRanges> range(mlir::Value value, mlir::DataFlowSolver &solver);

  bool indexProved(mlir::Value index, mlir::Value memref, int64_t dim, mlir::DataFlowSolver &solver);
  bool sameExtent(mlir::Value a, mlir::Value b);

  /// Doubles each loop whose checks can be made before it: one copy without them, for when they hold.
  void versionLoops();

  void guardAccess(mlir::Operation *op);
  void guardDivision(mlir::Operation *op);
  void guardShift(mlir::Operation *op);
  void guardVector(mlir::Operation *op, int64_t lanes);
  void guardWhile(mlir::scf::WhileOp loop);
  void guardFor(mlir::scf::ForOp loop);
  void guardParallel(mlir::scf::ParallelOp loop, uint64_t limit);
  void guardConversion(mlir::Operation *op);
  void clearScratch(mlir::memref::AllocaOp alloca);
  /// True when a loop writes all of the memory before anything else uses it.
  bool isFilledFirst(mlir::memref::AllocaOp alloca);

  // Fuel.
  /// True for a loop of which one thread runs all iterations.
  bool isSequential(mlir::Operation *loop);
  /// The block that one thread runs from its start to its end: a body, an iteration of a spread loop, an mk.single.
  mlir::Block *threadOf(mlir::Operation *op);
  /// At most how often the loop runs, where that is known; 0 where it runs to the extent of a memref.
  std::optional<uint64_t> knownTrips(mlir::Operation *loop, mlir::DataFlowSolver &solver);
  /// True when the loop needs no fuel, given those around it.
  bool isFree(mlir::Operation *loop, mlir::DataFlowSolver &solver);
  void makeFuelCells();
  /// What is left of the fuel at a loop, and what it takes from that.
  mlir::Value fuelLeft(mlir::ImplicitLocOpBuilder &b, mlir::Operation *loop);
  void burnFuel(mlir::ImplicitLocOpBuilder &b, mlir::Operation *loop, mlir::Value amount);
  using FuelKey = std::pair<mlir::Block *, mlir::Attribute>;
  FuelKey fuelKey(mlir::Operation *loop) { return {threadOf(loop), loop->getAttr("mk.issue")}; }

  /// Moves 'op' under a condition; its result is zero where the condition fails, and the slot is marked, unless there
  /// is no 'kind' to mark it with.
  void runIf(mlir::ImplicitLocOpBuilder &b, mlir::Value condition, mlir::Operation *op, std::optional<FaultKind> kind,
             mlir::Value detail);
  void raise(mlir::ImplicitLocOpBuilder &b, mlir::Operation *from, FaultKind kind, mlir::Value detail);
  mlir::Value low32(mlir::ImplicitLocOpBuilder &b, mlir::Value value);

  mlir::FunctionOpInterface function;
  bool bounds, division, shift, scratch;
  uint64_t fuel;
  bool isBlock;
  /// What became of the analysis of integer ranges, once it has run.
  std::optional<mlir::LogicalResult> analysis;
  llvm::ArrayRef<int32_t> extents;
  llvm::SmallVector<std::function<void()>> rewrites;
  /// Accesses in the copies of loops that run only when these are in range.
  llvm::SmallPtrSet<mlir::Operation *, 8> checkedBefore;
  /// Where the rewritten accesses go, and whether that is in range.
  struct Access {
    mlir::Value memref;
    llvm::SmallVector<mlir::Value> indices;
    mlir::Attribute issue;
    mlir::Value good;
  };
  llvm::SmallVector<Access> accesses;
  /// Sequential loops that need fuel.
  llvm::SmallSetVector<mlir::Operation *, 4> fuelled;
  /// The fuel of a thread and a slot, where several loops share it. One loop alone compares with a constant.
  llvm::MapVector<FuelKey, mlir::Value> fuelCells;
  /// Bytes of local memory.
  int64_t allocated = 0;
  /// Operations that were looked at, for the remark.
  unsigned considered = 0;
};

} // namespace mk

#endif // MK_PASSES_GUARDBODY_H
