//===- MegakernelPlugin.cpp - The mk dialect and passes for mlir-opt --------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Brings our dialect, passes and pipelines into a tool that has no part of them, such as a stock mlir-opt. Load the
// file as a dialect plugin and as a pass plugin.
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mlir/Tools/Plugins/DialectPlugin.h"
#include "mlir/Tools/Plugins/PassPlugin.h"

// With the dialect come those that its pipelines produce and the interfaces that they need: the tool may lack some.
extern "C" LLVM_ATTRIBUTE_WEAK mlir::DialectPluginLibraryInfo mlirGetDialectPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Megakernel", LLVM_VERSION_STRING,
          [](mlir::DialectRegistry *registry) { mk::registerAllDialects(*registry); }};
}

extern "C" LLVM_ATTRIBUTE_WEAK mlir::PassPluginLibraryInfo mlirGetPassPluginInfo() {
  return {MLIR_PLUGIN_API_VERSION, "Megakernel", LLVM_VERSION_STRING, [] {
            mk::registerMkPasses();
            mk::registerMkPipelines();
          }};
}
