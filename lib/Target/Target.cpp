//===- Target.cpp - From lowered modules to machine code --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Target/Target.h"
#include "mk/Target/CudaToolkit.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Intrinsics.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/IPO/Internalize.h"
#include <map>
#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace mlir;
using namespace mk;

void mk::keepFreedMemory() {
#ifdef __GLIBC__
  // The largest threshold that mallopt takes on machines of 64 bits.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void mk::registerLLVMTranslations(DialectRegistry &registry) {
  registerBuiltinDialectTranslation(registry);
  registerGPUDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  registerNVVMDialectTranslation(registry);
}

/// LLVM IR of a builtin.module or gpu.module for 'machine'; its functions name the processor.
static llvm::Expected<std::unique_ptr<llvm::Module>> translateToLLVM(Operation *module, llvm::LLVMContext &context,
                                                                     const llvm::TargetMachine &machine) {
  // Before the translation, since it takes the alignment of loads and stores from the layout.
  Builder b(module->getContext());
  module->setAttr(LLVM::LLVMDialect::getDataLayoutAttrName(),
                  b.getStringAttr(machine.createDataLayout().getStringRepresentation()));
  module->setAttr(LLVM::LLVMDialect::getTargetTripleAttrName(), b.getStringAttr(machine.getTargetTriple().str()));
#ifdef NDEBUG
  constexpr bool disableVerification = true;
#else
  constexpr bool disableVerification = false;
#endif
  std::unique_ptr<llvm::Module> result = translateModuleToLLVMIR(module, context, "megakernel", disableVerification);
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

/// Floating-point arithmetic as the source has it: nothing is contracted.
static void setStrictArithmetic(llvm::TargetOptions &options) { options.AllowFPOpFusion = llvm::FPOpFusion::Strict; }

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

/// What batch kernels gain from; docs/Targets.md has the comparison with LLVM's own pipelines. ptxas optimises once
/// more, and better where it finds less done.
constexpr llvm::StringLiteral batchKernelPasses =
    "function(infer-address-spaces,sroa<modify-cfg>,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
    "loop-mssa(loop-rotate,licm),separate-const-offset-from-gep,early-cse,loop-mssa(licm),simplifycfg)";

/// What kernels without a loop of their own need: ptxas makes as good code of it as of what the other passes leave, and
/// those take two thirds of the time. Without a block of its own before the loop over the items, which LoopSimplify
/// makes, it would not keep in uniform registers what is the same for all items.
constexpr llvm::StringLiteral straightKernelPasses =
    "function(infer-address-spaces,sroa<modify-cfg>,early-cse,simplifycfg,loop-simplify)";

/// Interpreters gain from cleaning up once more after the loops, and from pointers that are stepped: the operations of
/// a window find in the cache what the one before has left there, so that loops wait for latency, not for bandwidth.
/// ptxas unrolls them fourfold if they have such addresses. For batch kernels loop-reduce takes half as long again as
/// all the rest, and they are no faster.
constexpr llvm::StringLiteral interpreterPasses =
    "function(infer-address-spaces,sroa<modify-cfg>,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
    "loop-mssa(loop-rotate,licm),instcombine<no-verify-fixpoint>,separate-const-offset-from-gep,early-cse,"
    "loop-mssa(licm),simplifycfg,loop(loop-reduce))";

/// Before all else where libdevice was linked: its functions ask with __nvvm_reflect how exact they shall be.
constexpr llvm::StringLiteral libdevicePasses = "nvvm-reflect,always-inline,globaldce";

/// Constants and types stay in an LLVMContext as long as it lives.
constexpr unsigned modulesPerContext = 256;

class TargetCompiler::Impl {
public:
  Impl(std::unique_ptr<llvm::TargetMachine> machine, unsigned optLevel);

  bool isGpu() const { return machine->getTargetTriple().isNVPTX(); }
  llvm::ModulePassManager parse(StringRef text);
  void run(llvm::ModulePassManager &passes, llvm::Module &module);
  void optimize(llvm::Module &module);
  llvm::Error linkLibdevice(llvm::Module &module);

  std::unique_ptr<llvm::TargetMachine> machine;
  unsigned optLevel;
  std::unique_ptr<llvm::LLVMContext> context;
  unsigned translated = 0;
  /// What the back end reported of the current module.
  std::string errors;

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
  /// The short pipelines. Those of LLVM are made anew for each module: their inliner runs once only.
  llvm::ModulePassManager straightKernels, batchKernels, interpreters;

  /// Passes that emit code, and where they write it.
  struct Emitter {
    SmallVector<char, 0> output;
    llvm::raw_svector_ostream stream{output};
    llvm::legacy::PassManager passes;
  };
  llvm::Expected<std::unique_ptr<Emitter>> makeEmitter();
  /// Those that are kept, by how hard they try.
  std::map<llvm::CodeGenOptLevel, std::unique_ptr<Emitter>> emitters;
  llvm::CodeGenOptLevel codeGenLevel(const llvm::Module &module) const;
};

static llvm::PipelineTuningOptions hostTuning() {
  llvm::PipelineTuningOptions tuning;
  tuning.SLPVectorization = true;
  return tuning;
}

TargetCompiler::Impl::Impl(std::unique_ptr<llvm::TargetMachine> targetMachine, unsigned optLevel)
    : machine(std::move(targetMachine)), optLevel(optLevel), builder(machine.get(), hostTuning()) {
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  if (isGpu()) {
    straightKernels = parse(straightKernelPasses);
    batchKernels = parse(batchKernelPasses);
    interpreters = parse(interpreterPasses);
  }
}

llvm::ModulePassManager TargetCompiler::Impl::parse(StringRef text) {
  llvm::ModulePassManager passes;
  llvm::cantFail(builder.parsePassPipeline(passes, text));
  return passes;
}

/// Whether code branches on opcodes.
static bool isInterpreter(const llvm::Module &module) {
  return llvm::any_of(module, [](const llvm::Function &function) {
    return llvm::any_of(function, [](const llvm::BasicBlock &block) { return isa<llvm::SwitchInst>(block.back()); });
  });
}

/// Whether kernels loop over their items only: no function jumps back more than once. The translation from MLIR and
/// libdevice have blocks behind those that dominate them.
static bool isStraight(const llvm::Module &module) {
  return llvm::all_of(module, [](const llvm::Function &function) {
    llvm::SmallPtrSet<const llvm::BasicBlock *, 16> before;
    unsigned jumpsBack = 0;
    for (const llvm::BasicBlock &block : function) {
      before.insert(&block);
      jumpsBack +=
          llvm::count_if(llvm::successors(&block), [&](const llvm::BasicBlock *next) { return before.contains(next); });
    }
    return jumpsBack <= 1;
  });
}

void TargetCompiler::Impl::run(llvm::ModulePassManager &passes, llvm::Module &module) {
  passes.run(module, modules);
  loops.clear();
  functions.clear();
  sccs.clear();
  modules.clear();
}

static bool isShared(const llvm::GlobalVariable &variable) {
  return variable.getAddressSpace() == unsigned(NVVM::NVVMMemorySpace::Shared);
}

/// The function that all users of a variable are in, or null.
static llvm::Function *onlyUserOf(const llvm::GlobalVariable &variable) {
  llvm::Function *only = nullptr;
  for (const llvm::User *user : variable.users()) {
    auto *instruction = dyn_cast<llvm::Instruction>(user);
    if (!instruction || (only && only != instruction->getFunction()))
      return nullptr;
    only = const_cast<llvm::Function *>(instruction->getFunction());
  }
  return only;
}

/// Makes one array of the shared variables of a kernel, and takes its address once. At its lowest level the back end
/// would take the address of each in every block, also of a loop: three instructions or four, which ptxas leaves there.
/// Places in one array are constants in the instructions that access them.
static void joinSharedVariables(llvm::Module &module) {
  llvm::MapVector<llvm::Function *, SmallVector<llvm::GlobalVariable *, 8>> kernels;
  for (llvm::GlobalVariable &variable : llvm::make_filter_range(module.globals(), isShared)) {
    llvm::convertUsersOfConstantsToInstructions(&variable);
    llvm::Function *user = onlyUserOf(variable);
    if (user && variable.hasLocalLinkage())
      kernels[user].push_back(&variable);
  }
  const llvm::DataLayout &layout = module.getDataLayout();
  for (auto &[function, variables] : kernels) {
    uint64_t size = 0;
    llvm::Align align;
    SmallVector<uint64_t> places;
    for (llvm::GlobalVariable *variable : variables) {
      llvm::Align mine = layout.getValueOrABITypeAlignment(variable->getAlign(), variable->getValueType());
      align = std::max(align, mine);
      places.push_back(llvm::alignTo(size, mine));
      size = places.back() + layout.getTypeAllocSize(variable->getValueType());
    }
    auto *type = llvm::ArrayType::get(llvm::Type::getInt8Ty(module.getContext()), size);
    auto *array = new llvm::GlobalVariable(module, type, /*isConstant=*/false, llvm::GlobalValue::InternalLinkage,
                                           llvm::UndefValue::get(type), "", /*InsertBefore=*/nullptr,
                                           llvm::GlobalValue::NotThreadLocal, variables.front()->getAddressSpace());
    array->takeName(variables.front());
    array->setAlignment(align);
    llvm::IRBuilder<> b(&function->getEntryBlock(), function->getEntryBlock().begin());
    // No operation, but an instruction: what is constant, the back end makes anew in each block.
    auto *address = b.Insert(new llvm::BitCastInst(array, array->getType()));
    for (auto [variable, place] : llvm::zip_equal(variables, places)) {
      variable->replaceAllUsesWith(place == 0 ? address : b.CreateConstGEP1_64(b.getInt8Ty(), address, place));
      variable->eraseFromParent();
    }
  }
}

void TargetCompiler::Impl::optimize(llvm::Module &module) {
  if (optLevel == 0)
    return;
  if (isGpu() && optLevel < 3) {
    run(isInterpreter(module) ? interpreters : isStraight(module) ? straightKernels : batchKernels, module);
    return joinSharedVariables(module);
  }
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O1, llvm::OptimizationLevel::O2,
                                            llvm::OptimizationLevel::O3};
  llvm::ModulePassManager passes = builder.buildPerModuleDefaultPipeline(levels[std::min(optLevel, 3u) - 1]);
  run(passes, module);
}

/// Whether the NVPTX printer will remember something of 'module'.
static bool hasSharedVariables(const llvm::Module &module) { return llvm::any_of(module.globals(), isShared); }

/// The passes that the back end adds at other levels take longer than all the rest. ptxas does their work for batch
/// kernels, but not all of it for interpreters: those stay slower without what the first level adds.
llvm::CodeGenOptLevel TargetCompiler::Impl::codeGenLevel(const llvm::Module &module) const {
  if (!isGpu() || optLevel == 3)
    return optLevel == 0 ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Default;
  return optLevel != 0 && isInterpreter(module) ? llvm::CodeGenOptLevel::Less : llvm::CodeGenOptLevel::None;
}

llvm::Expected<std::unique_ptr<TargetCompiler::Impl::Emitter>> TargetCompiler::Impl::makeEmitter() {
  auto made = std::make_unique<Emitter>();
  auto type = isGpu() ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(made->passes, made->stream, nullptr, type))
    return llvm::createStringError("the back end for " + machine->getTargetTriple().str() +
                                   " cannot write machine code");
  return made;
}

TargetCompiler::TargetCompiler(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
TargetCompiler::~TargetCompiler() = default;

const llvm::TargetMachine &TargetCompiler::machine() const { return *impl->machine; }

llvm::Expected<std::unique_ptr<TargetCompiler>> TargetCompiler::createNvptx(StringRef chip, unsigned optLevel) {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;

  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string error;
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return llvm::createStringError(error);
  auto subtarget =
      std::unique_ptr<llvm::MCSubtargetInfo>(target->createMCSubtargetInfo(triple, /*CPU=*/"", /*Features=*/""));
  if (!subtarget || !subtarget->isCPUStringValid(chip))
    return llvm::createStringError("chip '" + chip +
                                   "' is not one that LLVM's NVPTX back end knows, such as sm_80 or sm_90");
  llvm::TargetOptions options;
  setStrictArithmetic(options);
  std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, chip, /*Features=*/"", options, std::nullopt, std::nullopt));
  return std::unique_ptr<TargetCompiler>(new TargetCompiler(std::make_unique<Impl>(std::move(machine), optLevel)));
}

llvm::Expected<std::unique_ptr<TargetCompiler>> TargetCompiler::createHost(unsigned optLevel) {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;

  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  setStrictArithmetic(builder->getOptions());
  // As LLJIT sets them for itself.
  builder->setRelocationModel(llvm::Reloc::PIC_);
  builder->setCodeModel(llvm::CodeModel::Small);
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  return std::unique_ptr<TargetCompiler>(new TargetCompiler(std::make_unique<Impl>(std::move(*machine), optLevel)));
}

llvm::Expected<std::unique_ptr<llvm::Module>> TargetCompiler::translate(ModuleOp module) {
  Operation *op = module;
  if (impl->isGpu()) {
    auto found = findGpuModule(module);
    if (!found)
      return found.takeError();
    auto [gpuModule, target] = *found;
    if (target.getChip() != impl->machine->getTargetCPU())
      return llvm::createStringError("gpu.module is for '" + target.getChip() + "', but the compiler makes code for '" +
                                     impl->machine->getTargetCPU() + "'");
    op = gpuModule;
  }
  if (impl->translated++ % modulesPerContext == 0) {
    impl->emitters.clear();
    impl->context = std::make_unique<llvm::LLVMContext>();
    impl->context->setDiagnosticHandlerCallBack(
        [](const llvm::DiagnosticInfo *info, void *errors) {
          if (info->getSeverity() != llvm::DS_Error)
            return;
          llvm::raw_string_ostream stream(*static_cast<std::string *>(errors));
          llvm::DiagnosticPrinterRawOStream printer(stream);
          stream << (stream.str().empty() ? "" : "\n");
          info->print(printer);
        },
        &impl->errors);
  }
  auto result = translateToLLVM(op, *impl->context, *impl->machine);
  if (result && impl->isGpu())
    replaceExactFunctions(**result);
  return result;
}

/// The first function that is called and not there.
static llvm::Function *findMissingFunction(llvm::Module &module) {
  for (llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() && !function.use_empty() &&
        function.getName() != "__nvvm_reflect")
      return &function;
  return nullptr;
}

/// Links what 'module' calls of libdevice.
llvm::Error TargetCompiler::Impl::linkLibdevice(llvm::Module &module) {
  std::string wanted = findMissingFunction(module)->getName().str();
  auto path = CudaToolkit::find().libdevice();
  if (!path)
    return llvm::createStringError("code calls '" + wanted +
                                   "', a function of NVIDIA's libdevice: " + llvm::toString(path.takeError()));
  auto buffer = llvm::MemoryBuffer::getFile(*path);
  if (!buffer)
    return llvm::createStringError("cannot read '" + *path + "': " + buffer.getError().message());
  auto library = llvm::getOwningLazyBitcodeModule(std::move(*buffer), module.getContext());
  if (!library)
    return llvm::createStringError("'" + *path + "' is not bitcode that LLVM " LLVM_VERSION_STRING " reads: " +
                                   llvm::toString(library.takeError()));
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(module.getDataLayout());
  bool failed = llvm::Linker::linkModules(module, std::move(*library), llvm::Linker::LinkOnlyNeeded,
                                          [](llvm::Module &linked, const llvm::StringSet<> &names) {
                                            llvm::internalizeModule(linked, [&](const llvm::GlobalValue &value) {
                                              return !names.contains(value.getName());
                                            });
                                          });
  if (failed)
    return llvm::createStringError("cannot link '" + *path + "': " + errors);
  if (llvm::Function *missing = findMissingFunction(module))
    return llvm::createStringError("code calls '" + missing->getName() + "', which '" + *path + "' does not have");
  // Denormal numbers are numbers, as in the opcodes of the host.
  module.addModuleFlag(llvm::Module::Override, "nvvm-reflect-ftz", uint32_t(0));
  llvm::ModulePassManager passes = parse(libdevicePasses);
  run(passes, module);
  return llvm::Error::success();
}

llvm::Error TargetCompiler::optimize(llvm::Module &module) {
  if (impl->isGpu() && findMissingFunction(module))
    if (llvm::Error error = impl->linkLibdevice(module))
      return error;
  impl->optimize(module);
  return llvm::Error::success();
}

llvm::Expected<std::string> TargetCompiler::emit(llvm::Module &module) {
  // To make the passes takes a third of a millisecond. They are not kept once they have seen a shared variable:
  // NVPTXAsmPrinter remembers those of a function by its address, also when it is gone.
  const bool isKept = impl->isGpu() && !hasSharedVariables(module);
  const llvm::CodeGenOptLevel level = impl->codeGenLevel(module);
  impl->machine->setOptLevel(level);
  // Making passes of the lowest level sets this for good.
  impl->machine->setFastISel(level == llvm::CodeGenOptLevel::None);
  std::unique_ptr<Impl::Emitter> fresh;
  std::unique_ptr<Impl::Emitter> &emitter = isKept ? impl->emitters[level] : fresh;
  if (!emitter) {
    auto made = impl->makeEmitter();
    if (!made)
      return made.takeError();
    emitter = std::move(*made);
  }
  impl->errors.clear();
  emitter->passes.run(module);
  std::string output(emitter->output.begin(), emitter->output.end());
  emitter->output.clear();
  if (!impl->errors.empty())
    return llvm::createStringError("the back end failed: " + impl->errors);
  return output;
}

llvm::Expected<std::string> TargetCompiler::compile(ModuleOp module) {
  auto code = translate(module);
  if (!code)
    return code.takeError();
  if (llvm::Error error = optimize(**code))
    return error;
  return emit(**code);
}
