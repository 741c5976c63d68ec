//===- IndexRange.cpp - What values an index may have -----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexRange.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mk;

/// Operations that are looked at one behind the other: those between an argument and the bound of a loop.
constexpr unsigned maxDepth = 8;

static ConstantIntRanges rangeOf(Value value, unsigned depth);

/// What the index of a loop may be that counts from 'lower' to 'upper'.
static ConstantIntRanges between(Value lower, Value upper, unsigned depth) {
  APInt first = rangeOf(lower, depth).smin(), end = rangeOf(upper, depth).smax();
  // In a loop that never runs, anything holds.
  return ConstantIntRanges::fromSigned(first, first.slt(end) ? end - 1 : first);
}

static ConstantIntRanges rangeOf(Value value, unsigned depth) {
  ConstantIntRanges all = ConstantIntRanges::maxRange(ConstantIntRanges::getStorageBitwidth(value.getType()));
  if (depth == maxDepth)
    return all;
  ++depth;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    unsigned number = argument.getArgNumber();
    Operation *parent = argument.getOwner()->getParentOp();
    if (auto loop = dyn_cast<scf::ForOp>(parent); loop && number == 0 && !loop.getUnsignedCmp())
      return between(loop.getLowerBound(), loop.getUpperBound(), depth);
    if (auto loop = dyn_cast<scf::ParallelOp>(parent); loop && number < loop.getNumLoops())
      return between(loop.getLowerBound()[number], loop.getUpperBound()[number], depth);
    return all;
  }
  unsigned number = cast<OpResult>(value).getResultNumber();
  if (auto branch = value.getDefiningOp<scf::IfOp>())
    return rangeOf(branch.thenYield().getOperand(number), depth)
        .rangeUnion(rangeOf(branch.elseYield().getOperand(number), depth));
  auto op = value.getDefiningOp<InferIntRangeInterface>();
  if (!op || op->getNumRegions() != 0)
    return all;
  SmallVector<ConstantIntRanges> operands =
      llvm::map_to_vector(op->getOperands(), [&](Value operand) { return rangeOf(operand, depth); });
  op.inferResultRanges(operands, [&](Value result, const ConstantIntRanges &range) {
    if (result == value)
      all = range;
  });
  return all;
}

ConstantIntRanges mk::rangeOf(Value value) { return ::rangeOf(value, /*depth=*/0); }

bool mk::fitsWord(Value value, uint64_t more) {
  APInt most = rangeOf(value).umax();
  return more <= UINT32_MAX && most.ule(UINT32_MAX - more);
}

std::optional<uint64_t> mk::knownTrips(Value begin, Value end, Value step) {
  std::optional<int64_t> by = getConstantIntValue(step);
  ConstantIntRanges first = rangeOf(begin), last = rangeOf(end);
  if (!by || *by <= 0 || !fitsWord(begin) || !fitsWord(end))
    return std::nullopt;
  auto trips = [&](const APInt &from, const APInt &to) -> uint64_t {
    return from.ult(to) ? llvm::divideCeil((to - from).getZExtValue(), uint64_t(*by)) : 0;
  };
  uint64_t least = trips(first.umax(), last.umin()), most = trips(first.umin(), last.umax());
  return least == most ? std::optional(least) : std::nullopt;
}

Value mk::castIndex(ImplicitLocOpBuilder &b, Value value, Type type) {
  return value.getType() == type ? value : arith::IndexCastUIOp::create(b, type, value).getResult();
}
