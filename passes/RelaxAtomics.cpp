//===- RelaxAtomics.cpp - mk-relax-atomics ----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mk {
#define GEN_PASS_DEF_MKRELAXATOMICSPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;

namespace {
struct MkRelaxAtomicsPass : mk::impl::MkRelaxAtomicsPassBase<MkRelaxAtomicsPass> {
  using MkRelaxAtomicsPassBase::MkRelaxAtomicsPassBase;

  void runOnOperation() override {
    auto relaxed = LLVM::AtomicOrdering::monotonic;
    std::optional<StringRef> name;
    if (!scope.empty())
      name = scope;
    getOperation()->walk([&](Operation *op) {
      if (auto rmw = dyn_cast<LLVM::AtomicRMWOp>(op)) {
        rmw.setOrdering(relaxed);
        rmw.setSyncscope(name);
      } else if (auto exchange = dyn_cast<LLVM::AtomicCmpXchgOp>(op)) {
        exchange.setSuccessOrdering(relaxed);
        exchange.setFailureOrdering(relaxed);
        exchange.setSyncscope(name);
      }
    });
  }
};
} // namespace
