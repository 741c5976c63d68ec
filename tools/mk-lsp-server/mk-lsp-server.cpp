//===- mk-lsp-server.cpp - ISAs in editors ----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mk/Support/DebugOutput.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mk::enableDebugOutput(argv[0]);
  mlir::DialectRegistry registry;
  mk::registerAllDialects(registry);
  return failed(mlir::MlirLspServerMain(argc, argv, registry));
}
