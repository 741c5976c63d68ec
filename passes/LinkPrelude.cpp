//===- LinkPrelude.cpp - mk-link-prelude ------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"

namespace mk {
#define GEN_PASS_DEF_MKLINKPRELUDEPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

/// dialect/prelude/prelude.mlir.
static constexpr StringLiteral prelude =
#include "Prelude.inc"
    ;

namespace {
struct MkLinkPreludePass : mk::impl::MkLinkPreludePassBase<MkLinkPreludePass> {
  using MkLinkPreludePassBase::MkLinkPreludePassBase;

  void runOnOperation() override {
    OwningOpRef<ModuleOp> source = parseSourceString<ModuleOp>(prelude, &getContext(), "prelude.mlir");
    if (!source)
      return signalPassFailure();
    SmallVector<OpcodeOp> wanted;
    for (const std::string &name : opcodes) {
      auto op = source->lookupSymbol<OpcodeOp>("mk." + name);
      if (!op) {
        InFlightDiagnostic diag = getOperation().emitError()
                                  << "there is no built-in opcode '" << name << "'; there are ";
        llvm::interleaveComma(source->getOps<OpcodeOp>(), diag,
                              [&](OpcodeOp op) { diag << op.getSymName().drop_front(3); });
        return signalPassFailure();
      }
      wanted.push_back(op);
    }
    if (opcodes.empty())
      wanted = llvm::to_vector(source->getOps<OpcodeOp>());
    for (OpcodeOp op : wanted)
      if (failed(link(op)))
        return signalPassFailure();
  }

  /// Adds a copy of 'op' unless the module has it.
  LogicalResult link(OpcodeOp op) {
    for (Operation &other : getOperation().getOps()) {
      auto symbol = dyn_cast<SymbolOpInterface>(other);
      auto opcode = dyn_cast<OpcodeOp>(other);
      bool sameName = symbol && symbol.getName() == op.getSymName();
      bool sameCode = opcode && opcode.getCode() == op.getCode();
      if (sameName && sameCode)
        return success();
      if (!sameName && !sameCode)
        continue;
      InFlightDiagnostic diag = emitError(other.getLoc());
      if (sameName)
        diag << "has the name of the built-in opcode @" << op.getSymName() << "; rename it";
      else
        diag << "has code " << op.getOpcode() << ", which is that of the built-in opcode @" << op.getSymName()
             << "; change it";
      diag.attachNote(op.getLoc()) << "built-in opcode defined here";
      return diag;
    }
    getOperation().push_back(op->clone());
    return success();
  }
};
} // namespace
