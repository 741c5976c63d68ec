//===- Passes.h - Passes and pipelines over mk --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Creation and registration of the passes in Passes.td, and the pipelines that order them.
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_PASSES_H
#define MK_PASSES_PASSES_H

#include "mk/Dialect/Mk.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassOptions.h"
#include <string>

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace mk {

#define GEN_PASS_DECL
#include "mk/Passes/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "mk/Passes/Passes.h.inc"

/// On a window of a module whose interpreters are to be resident: the number of its route (i32), and where its argument
/// words lie, in words from the first slot of an instance (an array of i32).
inline constexpr llvm::StringLiteral routeAttrName = "mk.route", routePlacesAttrName = "mk.places";

/// Which kernels a lowering pipeline makes.
struct LoweringOptions : mlir::PassPipelineOptions<LoweringOptions> {
  Option<bool> interpreter{*this, "interpreter", llvm::cl::desc("make the interpreters"), llvm::cl::init(true)};
  Option<std::string> scope{*this, "scope", llvm::cl::desc("which interpreters: lane, block, packed or all"),
                            llvm::cl::init("all")};
  Option<bool> resident{*this, "resident", llvm::cl::desc("make interpreters that stay and serve rings"),
                        llvm::cl::init(false)};
  Option<bool> opcodes{*this, "opcodes", llvm::cl::desc("make batch kernels of opcodes"), llvm::cl::init(true)};
  Option<bool> windows{*this, "windows", llvm::cl::desc("make batch kernels of windows"), llvm::cl::init(true)};
  Option<bool> promotedOnly{*this, "promoted-only",
                            llvm::cl::desc("make only the batch kernels that mk-promote has marked"),
                            llvm::cl::init(false)};
  Option<bool> guard{*this, "guard", llvm::cl::desc("make bodies safe with mk-guard"), llvm::cl::init(true)};
  Option<std::string> chip{*this, "chip", llvm::cl::desc("GPU to compile for (mk-lower-to-nvvm)"),
                           llvm::cl::init("sm_80")};
};

/// From an ISA to a gpu.module in the LLVM and NVVM dialects.
void buildLowerToNVVMPipeline(mlir::OpPassManager &pm, const LoweringOptions &options);
/// From an ISA to functions in the LLVM dialect.
void buildLowerToHostPipeline(mlir::OpPassManager &pm, const LoweringOptions &options);

/// Registers mk, the dialects that bodies are written in, and those that the pipelines produce, with the interfaces
/// that their conversions need.
void registerAllDialects(mlir::DialectRegistry &registry);
/// Registers the pipelines above as mk-lower-to-nvvm and mk-lower-to-host.
void registerMkPipelines();
/// Registers all our passes and pipelines, those that the pipelines consist of, and the upstream passes that one runs
/// over opcode bodies.
void registerAllPasses();

} // namespace mk

#endif // MK_PASSES_PASSES_H
