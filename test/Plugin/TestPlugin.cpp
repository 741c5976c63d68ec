//===- TestPlugin.cpp - A pass over opcodes, for mk-opt to load -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Uses the classes of the dialect without linking it: mk-opt has them.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

using namespace mlir;

namespace {
struct NameOpcodesPass : PassWrapper<NameOpcodesPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(NameOpcodesPass)
  StringRef getArgument() const override { return "test-name-opcodes"; }
  StringRef getDescription() const override { return "remark on each opcode"; }
  void runOnOperation() override {
    for (auto op : getOperation().getOps<mk::OpcodeOp>())
      op.emitRemark() << "opcode " << op.getOpcode();
  }
};
} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "MkTestPlugin", LLVM_VERSION_STRING, [] { PassRegistration<NameOpcodesPass>(); }};
}
