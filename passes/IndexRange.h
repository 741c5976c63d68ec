//===- IndexRange.h - What values an index may have ---------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A GPU computes with 32 bits: an addition of 64 takes two instructions, and so does a comparison. Arguments are words
// of 32 bits, so that most bounds of loops are known to fit; an index is 64 bits wide only by its type.
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_INDEXRANGE_H
#define MK_PASSES_INDEXRANGE_H

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Interfaces/InferIntRangeInterface.h"

namespace mk {

/// The values that an index or integer may have, as far as the few operations before it tell: an analysis of the whole
/// body would take longer than all that is done with it.
mlir::ConstantIntRanges rangeOf(mlir::Value value);

/// True when all values, unsigned, fit into 32 bits together with 'more'.
bool fitsWord(mlir::Value value, uint64_t more = 0);

/// How many places from 'begin' on, 'step' apart, are below 'end', where that is known whatever these are.
std::optional<uint64_t> knownTrips(mlir::Value begin, mlir::Value end, mlir::Value step);

/// An index or a number of 32 bits as the other, where its value fits.
mlir::Value castIndex(mlir::ImplicitLocOpBuilder &b, mlir::Value value, mlir::Type type);

} // namespace mk

#endif // MK_PASSES_INDEXRANGE_H
