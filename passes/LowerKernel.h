//===- LowerKernel.h - What lowerings of mk.kernel share ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_LOWERKERNEL_H
#define MK_PASSES_LOWERKERNEL_H

#include "mk/Dialect/Mk.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace mk {

/// On what only loads, from memory that the team writes again only behind a barrier that is there anyway.
inline constexpr llvm::StringLiteral settledAttrName = "mk.settled";

/// On what stores to memory that others look at only behind the next barrier.
inline constexpr llvm::StringLiteral aheadAttrName = "mk.ahead";

/// On a loop that reduces, whose iterations each have an element for every accumulator of a lane
/// (passes/LowerLoops.cpp). So it has abi::AccumulatorsPerLane results for each of the loop that it was made of; the
/// first becomes the whole.
inline constexpr llvm::StringLiteral vectorizedAttrName = "mk.vectorized";

/// Replaces the mk operations (and scf.parallel) in the body of a function that was an mk.kernel. What differs between
/// targets is in the virtual functions; "the workers" are what mk.distribute spreads items over, and a worker may be
/// one thread or a team of threads.
class KernelLowering {
public:
  KernelLowering(mlir::FunctionOpInterface function, ScopeKind scope) : function(function), scope(scope) {}
  virtual ~KernelLowering() = default;

  mlir::LogicalResult run();

protected:
  /// True when several threads make a worker.
  virtual bool hasTeam() const = 0;
  /// True when a thread waits where it first uses what it has loaded.
  virtual bool runsInOrder() const { return false; }
  /// The first work item of this worker, the end of its items, and the step between them: indexes, or words, which the
  /// launch keeps from wrapping around (mk/Runtime/Abi.h).
  struct Range {
    mlir::Value begin, end, step;
  };
  virtual Range items(mlir::ImplicitLocOpBuilder &b, mlir::Value count) = 0;
  /// A pointer to a device address (i64).
  virtual mlir::Value pointer(mlir::ImplicitLocOpBuilder &b, mlir::Value address) = 0;

  /// Replaces an mk.serve; a target without resident workers refuses it.
  virtual mlir::LogicalResult lowerServe(ServeOp serve) {
    return serve.emitOpError("is for a GPU; on the host, threads of the runtime serve the rings with the interpreter");
  }

  // Of a team only.
  virtual mlir::Value threadId(mlir::ImplicitLocOpBuilder &) { llvm_unreachable("no team"); }
  virtual mlir::Value threadCount(mlir::ImplicitLocOpBuilder &) { llvm_unreachable("no team"); }
  virtual void barrier(mlir::ImplicitLocOpBuilder &) { llvm_unreachable("no team"); }
  /// A value of the thread 'distance' further on in the warp, all of which come here; meaningless where there is none.
  virtual mlir::Value shuffleDown(mlir::ImplicitLocOpBuilder &, mlir::Value, unsigned distance) {
    llvm_unreachable("no team");
  }
  /// Memory that the team shares, and its largest size in bytes.
  virtual mlir::Value shared(mlir::MemRefType type) { llvm_unreachable("no team"); }
  virtual unsigned maxSharedBytes() const { llvm_unreachable("no team"); }

  mlir::FunctionOpInterface function;
  ScopeKind scope;

private:
  /// Gives what stands for them from then on.
  llvm::SmallVector<mlir::Value> shareScratch();
  // KeepScratch.cpp
  void keepScratch(ArgumentsOp arguments, llvm::ArrayRef<mlir::Value> scratch);
  /// The end of what an item does, but for the telling of its faults.
  mlir::Operation *endOfWork(mlir::Block &body);
  /// Shared memory, which is counted.
  mlir::Value takeShared(mlir::MemRefType type);
  void isolateWrites();
  void hoistLocalMemory();
  // LowerArguments.cpp
  void lowerArguments(ArgumentsOp arguments);
  void fetchAhead(ArgumentsOp arguments);
  /// The step from a word of an instance to that of the next, in bytes (i32): 0 if all share it.
  mlir::Value stepOf(mlir::ImplicitLocOpBuilder &b, ArgumentsOp arguments, unsigned word);

  void lowerTask(TaskOp task);
  void lowerSingle(SingleOp single);
  void lowerDistribute(DistributeOp distribute);
  void lowerView(ViewOp view);
  /// if (thread 0) { body }, with barriers around it if the others wait.
  void onOneThread(mlir::ImplicitLocOpBuilder &b, llvm::function_ref<void()> body, bool wait = true);

  // LowerLoops.cpp
  void lowerLoops();
  void lowerInOrder(mlir::scf::ParallelOp loop);
  void spreadLoop(mlir::scf::ParallelOp loop, bool sync);
  void reduceInLanes(mlir::scf::ParallelOp loop);
  /// The partial results begin at 'first'. 'total' is memory for the result; without it only the first thread gets one.
  mlir::Value combineLanesOfTeam(mlir::ImplicitLocOpBuilder &b, mlir::Region &combine, mlir::Value partials,
                                 mlir::Value first, mlir::Value total, mlir::Value count);
  mlir::Value combineLanesOfThread(mlir::ImplicitLocOpBuilder &b, mlir::Region &combine, mlir::Value partials,
                                   mlir::Value count);
  /// An array of 'count' elements that the worker uses for a moment; 'number' tells those apart that live together.
  mlir::Value scratchArray(mlir::Type element, unsigned count, unsigned number);
  llvm::MapVector<std::pair<mlir::Type, unsigned>, mlir::Value> scratchArrays;
  /// A number of the team that is 0 and 1 in turn.
  mlir::Value toggle(mlir::ImplicitLocOpBuilder &b);
  mlir::Value toggled;
  uint64_t sharedBytes = 0;
  /// The team waits for all of its threads before the next item.
  bool separatesItems = false;
};

/// True inside a loop that is already spread over the team, or in code for one thread of it.
inline bool isInsideThread(mlir::Operation *op) {
  return op->getParentOfType<mlir::scf::ParallelOp>() || op->getParentOfType<SingleOp>();
}

/// The first of the uses of a value, or what holds it, in the innermost branch in 'where' that has all of them; null if
/// some are elsewhere.
mlir::Operation *firstUse(llvm::ArrayRef<mlir::Operation *> users, mlir::Region *where);

/// Erases opcodes and windows: what is left of a module is its kernels.
void eraseIsa(mlir::ModuleOp module);

} // namespace mk

#endif // MK_PASSES_LOWERKERNEL_H
