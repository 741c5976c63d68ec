//===- mk-translate.cpp - From an ISA to other forms ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mk/Support/RunTool.h"
#include "mk/Target/IsaJson.h"
#include "mk/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
namespace cl = llvm::cl;

enum class Target { Nvptx, Host };

static cl::OptionCategory category("mk-to-ptx and mk-to-llvmir options");
static cl::opt<Target> target("target", cl::desc("what mk-to-llvmir makes code for"), cl::init(Target::Nvptx),
                              cl::values(clEnumValN(Target::Nvptx, "nvptx", "NVIDIA GPUs (default)"),
                                         clEnumValN(Target::Host, "host", "the processor of this machine")),
                              cl::cat(category));
static cl::opt<std::string> chip("chip", cl::desc("GPU to compile for (default sm_80)"), cl::init("sm_80"),
                                 cl::cat(category));
static cl::opt<unsigned>
    optLevel("opt-level",
             cl::desc("LLVM's optimisation level, 0 to 3 (mk-to-ptx: default 3; mk-to-llvmir: default not optimised)"),
             cl::init(3), cl::cat(category));
static cl::opt<std::string>
    kernels("kernels", cl::desc("what to make: interpreter, opcodes, windows, or several with commas (default all)"),
            cl::init("interpreter,opcodes,windows"), cl::cat(category));
static cl::opt<bool> guard("guard", cl::desc("make bodies safe with mk-guard (default true)"), cl::init(true),
                           cl::cat(category));

/// The module that a translation takes.
static FailureOr<ModuleOp> getModule(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return op->emitOpError("is no builtin.module, which is what holds an ISA");
  return module;
}

/// Lowers the ISA for 'target', as the options say.
static LogicalResult lower(ModuleOp module, Target target) {
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
  if (target == Target::Nvptx)
    mk::buildLowerToNVVMPipeline(pm, options);
  else
    mk::buildLowerToHostPipeline(pm, options);
  return pm.run(module);
}

static LogicalResult translateToPtx(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module) || failed(lower(*module, Target::Nvptx)))
    return failure();
  llvm::Expected<std::string> ptx = mk::translateToPtx(*module, optLevel);
  if (!ptx)
    return module->emitError(llvm::toString(ptx.takeError()));
  output << *ptx;
  return success();
}

static LogicalResult translateToLLVMIR(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module) || failed(lower(*module, target)))
    return failure();
  llvm::Expected<mk::TargetCode> code =
      target == Target::Nvptx ? mk::translateToNvptx(*module, optLevel) : mk::translateToHost(*module, optLevel);
  if (!code)
    return module->emitError(llvm::toString(code.takeError()));
  if (optLevel.getNumOccurrences() > 0)
    mk::optimize(*code->module, *code->machine, optLevel);
  code->module->print(output, /*AAW=*/nullptr);
  return success();
}

static LogicalResult translateToJson(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module))
    return failure();
  mk::writeIsaJson(*module, output);
  return success();
}

static int run(int argc, char **argv) {
  auto registerDialects = [](DialectRegistry &registry) {
    mk::registerAllDialects(registry);
    mk::registerLLVMTranslations(registry);
  };
  TranslateFromMLIRRegistration ptx("mk-to-ptx", "compile an ISA to PTX", translateToPtx, registerDialects);
  TranslateFromMLIRRegistration llvmir("mk-to-llvmir", "compile an ISA to LLVM IR", translateToLLVMIR,
                                       registerDialects);
  TranslateFromMLIRRegistration json("mk-to-json", "describe an ISA in JSON", translateToJson, registerDialects);
  return failed(mlirTranslateMain(argc, argv, "Megakernel translation driver"));
}

int main(int argc, char **argv) { return mk::runTool(argc, argv, run); }
