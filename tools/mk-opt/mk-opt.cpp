//===- mk-opt.cpp - Runs passes over ISAs -----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CacheFlags.h"
#include "mk/Passes/Passes.h"
#include "mk/Support/RunTool.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

static int run(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mk::registerAllDialects(registry);
  mk::registerAllPasses();
  std::string header = mlir::registerCLIOptions("Megakernel pass driver\n", registry);
#ifdef MK_LINK_STATIC
  // A plugin brings the shared libraries of MLIR along, and a program that holds MLIR twice crashes.
  for (llvm::StringRef name : {"load-dialect-plugin", "load-pass-plugin"})
    llvm::cl::getRegisteredOptions()[name]->removeArgument();
#endif
  llvm::cl::OptionCategory category("code cache options");
  mk::CacheFlags cache(category);
  auto [input, output] = mlir::parseCLIOptions(argc, argv, header);
  if (cache.isAsked()) {
    cache.run(llvm::outs());
    return 0;
  }
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, input, output, registry));
}

int main(int argc, char **argv) { return mk::runTool(argc, argv, run); }
