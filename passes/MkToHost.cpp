//===- MkToHost.cpp - convert-mk-to-host ------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LowerKernel.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mk {
#define GEN_PASS_DEF_CONVERTMKTOHOSTPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

namespace {

/// A worker is one thread, in both scopes; the caller gives it a range of items.
class HostLowering : public KernelLowering {
public:
  HostLowering(func::FuncOp function, ScopeKind scope) : KernelLowering(function, scope) {}

protected:
  bool hasTeam() const override { return false; }

  Range items(ImplicitLocOpBuilder &b, Value) override {
    auto bound = [&](unsigned argument) -> Value {
      return arith::IndexCastUIOp::create(b, b.getIndexType(), function.getArgument(argument));
    };
    Value begin = bound(1), end = bound(2);
    return {begin, end, arith::ConstantIndexOp::create(b, 1)};
  }

  Value pointer(ImplicitLocOpBuilder &b, Value address) override {
    return LLVM::IntToPtrOp::create(b, LLVM::LLVMPointerType::get(b.getContext()), address);
  }
};

struct ConvertMkToHostPass : mk::impl::ConvertMkToHostPassBase<ConvertMkToHostPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    eraseIsa(module);
    Type i64 = IntegerType::get(&getContext(), 64), ptr = LLVM::LLVMPointerType::get(&getContext());
    for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>())) {
      Location loc = kernel.getLoc();
      OpBuilder b(kernel);
      auto function =
          func::FuncOp::create(b, loc, kernel.getSymName(), b.getFunctionType({ptr, i64, i64}, TypeRange{}));
      ScopeKind scope = kernel.getScope();
      function.getBody().takeBody(kernel.getBody());
      Block &body = function.getBody().front();
      unsigned params = body.getNumArguments();
      Value address = body.addArgument(ptr, loc);
      body.addArguments({i64, i64}, {loc, loc});
      b.setInsertionPointToStart(&body);
      for (unsigned i = 0; i < params; ++i) {
        Value field = LLVM::GEPOp::create(b, loc, ptr, i64, address, ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(i)});
        body.getArgument(i).replaceAllUsesWith(LLVM::LoadOp::create(b, loc, i64, field));
      }
      body.eraseArguments(0, params);
      Operation *end = body.getTerminator();
      b.setInsertionPoint(end);
      func::ReturnOp::create(b, end->getLoc());
      end->erase();
      kernel.erase();
      if (failed(HostLowering(function, scope).run()))
        return signalPassFailure();
    }
  }
};

} // namespace
