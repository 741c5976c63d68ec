//===- BuildKernels.cpp - mk-build-kernels ----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

namespace mk {
#define GEN_PASS_DEF_MKBUILDKERNELSPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

/// A kernel that runs 'op' for each instance; an instance answers 'slots' slots.
static void buildBatchKernel(ModuleOp module, FunctionOpInterface op, const Twine &name, ScopeKind scope,
                             unsigned slots) {
  KernelBuilder b(module, name.str(), scope, op.getLoc());
  auto items = DistributeOp::create(b, b.toIndex(b.param(abi::ParamItems)));
  b.setInsertionPointToStart(&items.getBody().front());
  SmallVector<int32_t> handles;
  unsigned words = 0;
  for (Type type : op.getArgumentTypes()) {
    if (isa<MemRefType>(type))
      handles.push_back(words);
    words += argumentWords(type);
  }
  SmallVector<Type> types(words, b.getI32Type());
  types.append(2 * handles.size(), b.getI64Type());
  auto arguments = ArgumentsOp::create(b, types, b.param(abi::ParamInput), b.param(abi::ParamBuffers), handles);
  SmallVector<Value> values, all(arguments.getWords());
  ArrayRef<Value> left = all;
  unsigned handle = 0;
  for (auto [number, type] : llvm::enumerate(op.getArgumentTypes())) {
    ArrayRef<Value> mine = left.take_front(argumentWords(type));
    left = left.drop_front(mine.size());
    if (auto memref = dyn_cast<MemRefType>(type)) {
      ValueRange row = arguments.getRow(handle++);
      values.push_back(b.decodeMemRef(memref, row[0], row[1], mine));
      if (auto facts = op.getArgAttrOfType<FactsAttr>(number, "mk.facts")) {
        auto view = values.back().getDefiningOp<ViewOp>();
        view->setAttr("mk.facts", facts);
        if (facts.getExtent() != 0) {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPoint(view);
          view.getSizeMutable().assign(b.index(facts.getExtent()));
        }
      }
    } else if (auto facts = op.getArgAttrOfType<FactsAttr>(number, "mk.facts"); facts && facts.getConstant()) {
      values.push_back(arith::ConstantOp::create(b, facts.getConstant()));
    } else {
      values.push_back(b.decodeScalar(type, mine));
    }
  }

  Value item = arith::IndexCastUIOp::create(b, b.getI32Type(), items.getItem());
  Value firstSlot = arith::MulIOp::create(b, item, b.i32(slots));
  auto task = TaskOp::create(b, SmallVector<Type>(slots, b.getI64Type()));
  b.fill(task.getBody(), [&] { b.inlineBody(op, values, {firstSlot, Value()}); });
  // Guards compare extents; what is known of these proves some.
  task.walk([](memref::DimOp dim) {
    auto view = sourceOf(dim.getSource()).getDefiningOp<ViewOp>();
    if (view && matchPattern(view.getSize(), m_Constant()))
      dim.replaceAllUsesWith(view.getSize());
  });
  auto report = SingleOp::create(b, /*nowait=*/true);
  b.fill(report.getBody(), [&] {
    for (auto [place, word] : llvm::enumerate(task.getResults()))
      b.reportFault(arith::AddIOp::create(b, firstSlot, b.i32(place)), word);
  });
}

namespace {
struct MkBuildKernelsPass : mk::impl::MkBuildKernelsPassBase<MkBuildKernelsPass> {
  using MkBuildKernelsPassBase::MkBuildKernelsPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto isWanted = [&](Operation *op) { return !promotedOnly || op->hasAttr("mk.promotion"); };
    if (opcodes)
      for (OpcodeOp op : llvm::to_vector(module.getOps<OpcodeOp>()))
        if (isWanted(op) && isPromotable(op))
          buildBatchKernel(module, op, "mk_opcode_" + op.getSymName(), op.getScope(), 1);
    if (!windows)
      return;
    for (WindowOp op : llvm::to_vector(module.getOps<WindowOp>())) {
      if (!isWanted(op))
        continue;
      if (!op.getFused() || !op.getScope()) {
        op.emitOpError("still has issues; run mk-fuse-windows before mk-build-kernels");
        return signalPassFailure();
      }
      if (!isPromotable(op)) {
        op.emitOpError("uses memory of the engine or asks for its slot, which only an interpreter can give; submit its "
                       "slots without a kernel of its own");
        return signalPassFailure();
      }
      buildBatchKernel(module, op, "mk_window_" + op.getSymName(), *op.getScope(), *op.getFused());
    }
  }
};
} // namespace
