//===- mk-translate.cpp - From an ISA to PTX --------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mk/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
namespace cl = llvm::cl;

static cl::OptionCategory category("mk-to-ptx options");
static cl::opt<std::string> chip("chip", cl::desc("GPU to compile for (default sm_80)"), cl::init("sm_80"),
                                 cl::cat(category));
static cl::opt<unsigned> optLevel("opt-level", cl::desc("LLVM's optimisation level, 0 to 3 (default 3)"), cl::init(3),
                                  cl::cat(category));
static cl::opt<std::string>
    kernels("kernels", cl::desc("what to make: interpreter, opcodes, windows, or several with commas (default all)"),
            cl::init("interpreter,opcodes,windows"), cl::cat(category));
static cl::opt<bool> guard("guard", cl::desc("make bodies safe with mk-guard (default true)"), cl::init(true),
                           cl::cat(category));

static LogicalResult translate(Operation *op, llvm::raw_ostream &output) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return op->emitError("--mk-to-ptx takes a builtin.module");
  if (optLevel > 3)
    return module.emitError() << "--opt-level is " << optLevel.getValue() << ", but must be 0 to 3";
  mk::LoweringOptions options;
  options.chip = chip;
  options.guard = guard;
  options.interpreter = options.opcodes = options.windows = false;
  SmallVector<StringRef> names;
  StringRef(kernels).split(names, ',');
  for (StringRef name : names) {
    if (name == "interpreter")
      options.interpreter = true;
    else if (name == "opcodes")
      options.opcodes = true;
    else if (name == "windows")
      options.windows = true;
    else
      return module.emitError() << "--kernels has '" << name << "', but knows interpreter, opcodes and windows";
  }
  PassManager pm(module->getContext());
  mk::buildLowerToNVVMPipeline(pm, options);
  if (failed(pm.run(module)))
    return failure();
  llvm::Expected<std::string> ptx = mk::translateToPtx(module, optLevel);
  if (!ptx)
    return module.emitError(llvm::toString(ptx.takeError()));
  output << *ptx;
  return success();
}

int main(int argc, char **argv) {
  TranslateFromMLIRRegistration registration("mk-to-ptx", "compile an ISA to PTX", translate,
                                             [](DialectRegistry &registry) {
                                               mk::registerAllDialects(registry);
                                               mk::registerLLVMTranslations(registry);
                                             });
  return failed(mlirTranslateMain(argc, argv, "Megakernel translation driver"));
}
