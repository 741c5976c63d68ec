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
  Value table = b.arrayAt(b.param(abi::ParamInput), b.getI32Type());

  // Where each word's column starts, in words, and the step to the next instance. Read once, before the items: stores
  // of the bodies might touch the table as far as the compiler knows. They stay words of 32 bits, which take half the
  // registers: the table has less than 4 GiB.
  struct Column {
    Value start, step;
  };
  auto wordAt = [&](Value place) { return b.load(table, b.toIndex(place)); };
  SmallVector<Column> columns;
  unsigned words = 0;
  for (Type type : op.getArgumentTypes())
    words += argumentWords(type);
  for (unsigned i = 0; i < words; ++i) {
    auto inWords = [&](unsigned at) -> Value {
      return arith::ShRUIOp::create(b, b.load(table, b.index(at)), b.i32(2));
    };
    Value start = inWords(2 * i);
    columns.push_back({start, inWords(2 * i + 1)});
  }

  // Most often all instances name the same buffers: then these are looked up once, not on the way to the data of each.
  struct Rows {
    Value isShared, base, bytes;
  };
  SmallVector<Rows> rows;
  unsigned place = 0;
  for (Type type : op.getArgumentTypes()) {
    rows.emplace_back();
    if (isa<MemRefType>(type)) {
      Value handle = b.toIndex(wordAt(columns[place].start));
      Value isShared = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, columns[place].step, b.i32(0));
      rows.back() = {isShared, b.bufferField(handle, 0), b.bufferField(handle, 1)};
    }
    place += argumentWords(type);
  }

  auto items = DistributeOp::create(b, b.toIndex(b.param(abi::ParamItems)));
  b.setInsertionPointToStart(&items.getBody().front());
  Value item = arith::IndexCastUIOp::create(b, b.getI32Type(), items.getItem());
  SmallVector<Value> values;
  ArrayRef<Column> rest = columns;
  for (auto [number, type] : llvm::enumerate(op.getArgumentTypes())) {
    SmallVector<Value> loaded;
    for (const Column &column : rest.take_front(argumentWords(type))) {
      Value distance = arith::MulIOp::create(b, item, column.step);
      loaded.push_back(wordAt(arith::AddIOp::create(b, column.start, distance)));
    }
    rest = rest.drop_front(loaded.size());
    if (auto memref = dyn_cast<MemRefType>(type)) {
      auto row = scf::IfOp::create(b, {b.getI64Type(), b.getI64Type()}, rows[number].isShared, /*withElseRegion=*/true);
      {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(row.thenBlock());
        scf::YieldOp::create(b, ValueRange{rows[number].base, rows[number].bytes});
        b.setInsertionPointToStart(row.elseBlock());
        Value handle = b.toIndex(loaded[0]);
        scf::YieldOp::create(b, ValueRange{b.bufferField(handle, 0), b.bufferField(handle, 1)});
      }
      values.push_back(b.decodeMemRef(memref, row.getResult(0), row.getResult(1), loaded));
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
      values.push_back(b.decodeScalar(type, loaded));
    }
  }

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
