//===- Target.cpp - From lowered modules to machine code --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Target/Target.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace mk;

void mk::registerLLVMTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

llvm::Expected<std::unique_ptr<llvm::Module>> mk::translateToLLVM(Operation *module, llvm::LLVMContext &context,
                                                                  const llvm::TargetMachine &machine) {
  // Before the translation, since it takes the alignment of loads and stores from the layout.
  Builder b(module->getContext());
  module->setAttr(LLVM::LLVMDialect::getDataLayoutAttrName(),
                  b.getStringAttr(machine.createDataLayout().getStringRepresentation()));
  module->setAttr(LLVM::LLVMDialect::getTargetTripleAttrName(), b.getStringAttr(machine.getTargetTriple().str()));
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "megakernel");
  if (!result)
    return llvm::createStringError("translation to LLVM IR failed");
  for (llvm::Function &function : *result) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    if (StringRef features = machine.getTargetFeatureString(); !features.empty())
      function.addFnAttr("target-features", features);
  }
  return result;
}

void mk::setStrictArithmetic(llvm::TargetOptions &options) { options.AllowFPOpFusion = llvm::FPOpFusion::Strict; }

void mk::optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned optLevel) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
                                            llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  llvm::OptimizationLevel level = levels[std::min(optLevel, 3u)];
  llvm::ModulePassManager pm =
      optLevel == 0 ? builder.buildO0DefaultPipeline(level) : builder.buildPerModuleDefaultPipeline(level);
  pm.run(module, modules);
}

/// convert-gpu-to-nvvm calls libdevice for every function of math. Those that IEEE 754 defines to the last bit are
/// instructions, which need no library.
static void replaceExactFunctions(llvm::Module &module) {
  using namespace llvm;
  const std::pair<StringRef, Intrinsic::ID> exact[] = {{"sqrt", Intrinsic::sqrt},   {"fma", Intrinsic::fma},
                                                       {"floor", Intrinsic::floor}, {"ceil", Intrinsic::ceil},
                                                       {"trunc", Intrinsic::trunc}, {"rint", Intrinsic::rint},
                                                       {"fmin", Intrinsic::minnum}, {"fmax", Intrinsic::maxnum},
                                                       {"fabs", Intrinsic::fabs},   {"copysign", Intrinsic::copysign}};
  for (Function &function : make_early_inc_range(module)) {
    StringRef name = function.getName();
    if (!function.isDeclaration() || !name.consume_front("__nv_") || !function.getReturnType()->isFloatingPointTy())
      continue;
    if (function.getReturnType()->isFloatTy())
      name.consume_back("f");
    for (auto [known, id] : exact)
      if (name == known) {
        Function *intrinsic = Intrinsic::getOrInsertDeclaration(&module, id, {function.getReturnType()});
        function.replaceAllUsesWith(intrinsic);
        function.eraseFromParent();
        break;
      }
  }
}

/// The one gpu.module, and the chip it is for.
static llvm::Expected<std::pair<gpu::GPUModuleOp, NVVM::NVVMTargetAttr>> findGpuModule(ModuleOp module) {
  SmallVector<gpu::GPUModuleOp> found = llvm::to_vector(module.getOps<gpu::GPUModuleOp>());
  if (found.size() != 1)
    return llvm::createStringError("module has %zu gpu.module operations, but PTX is made from one", found.size());
  if (ArrayAttr targets = found.front().getTargetsAttr())
    for (Attribute attribute : targets)
      if (auto target = dyn_cast<NVVM::NVVMTargetAttr>(attribute))
        return std::pair(found.front(), target);
  return llvm::createStringError("gpu.module has no #nvvm.target");
}

static llvm::CodeGenOptLevel codeGenLevel(unsigned optLevel) {
  return optLevel == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default;
}

/// LLVM IR of 'op' for 'machine'.
static llvm::Expected<TargetCode> translateFor(std::unique_ptr<llvm::TargetMachine> machine, Operation *op) {
  TargetCode code{std::make_unique<llvm::LLVMContext>(), std::move(machine), nullptr};
  auto module = translateToLLVM(op, *code.context, *code.machine);
  if (!module)
    return module.takeError();
  code.module = std::move(*module);
  return code;
}

llvm::Expected<TargetCode> mk::translateToNvptx(ModuleOp module, unsigned optLevel) {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;

  auto found = findGpuModule(module);
  if (!found)
    return found.takeError();
  auto [gpuModule, target] = *found;
  llvm::Triple triple(target.getTriple());
  std::string error;
  const llvm::Target *llvmTarget = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!llvmTarget)
    return llvm::createStringError(error);
  llvm::TargetOptions options;
  setStrictArithmetic(options);
  std::string chip = target.getChip().str();
  auto subtarget =
      std::unique_ptr<llvm::MCSubtargetInfo>(llvmTarget->createMCSubtargetInfo(triple, /*CPU=*/"", /*Features=*/""));
  if (!subtarget || !subtarget->isCPUStringValid(chip))
    return llvm::createStringError("chip '%s' is not one that LLVM's NVPTX back end knows, such as sm_80 or sm_90",
                                   chip.c_str());
  std::unique_ptr<llvm::TargetMachine> machine(llvmTarget->createTargetMachine(
      triple, chip, /*Features=*/"", options, std::nullopt, std::nullopt, codeGenLevel(optLevel)));
  auto code = translateFor(std::move(machine), gpuModule);
  if (code)
    replaceExactFunctions(*code->module);
  return code;
}

llvm::Expected<TargetCode> mk::translateToHost(ModuleOp module, unsigned optLevel) {
  llvm::InitializeNativeTarget();
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  setStrictArithmetic(builder->getOptions());
  builder->setCodeGenOptLevel(codeGenLevel(optLevel));
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  return translateFor(std::move(*machine), module);
}

llvm::Expected<std::string> mk::translateToPtx(ModuleOp module, unsigned optLevel) {
  auto code = translateToNvptx(module, optLevel);
  if (!code)
    return code.takeError();
  optimize(*code->module, *code->machine, optLevel);
  for (llvm::Function &function : *code->module)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty())
      return llvm::createStringError("code calls '%s', a function of NVIDIA's libdevice, which is not linked yet; "
                                     "write it with arith operations",
                                     function.getName().str().c_str());

  SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager codegen;
  if (code->machine->addPassesToEmitFile(codegen, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return llvm::createStringError("the NVPTX back end cannot write PTX text");
  codegen.run(*code->module);
  return text.str().str();
}
