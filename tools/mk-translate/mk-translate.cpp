//===- mk-translate.cpp - From an ISA to other forms ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CacheFlags.h"
#include "mk/JIT/CodeCache.h"
#include "mk/JIT/Compiler.h"
#include "mk/Passes/Passes.h"
#include "mk/Support/RunTool.h"
#include "mk/Target/CudaToolkit.h"
#include "mk/Target/IsaJson.h"
#include "mk/Target/Target.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
namespace cl = llvm::cl;

enum class Target { Nvptx, Host };

static cl::OptionCategory category("mk-to-ptx, mk-to-cubin and mk-to-llvmir options");
static cl::opt<Target> target("target", cl::desc("what mk-to-llvmir makes code for"), cl::init(Target::Nvptx),
                              cl::values(clEnumValN(Target::Nvptx, "nvptx", "NVIDIA GPUs (default)"),
                                         clEnumValN(Target::Host, "host", "the processor of this machine")),
                              cl::cat(category));
static cl::opt<std::string> chip("chip", cl::desc("GPU to compile for (default sm_80)"), cl::init("sm_80"),
                                 cl::cat(category));
static cl::opt<unsigned> optLevel(
    "opt-level",
    cl::desc("0: code soon; 1 and 2: what pays; 3: all that LLVM has (default 2; mk-to-llvmir: not optimised)"),
    cl::init(2), cl::cat(category));
static cl::opt<bool> relocatable("relocatable", cl::desc("mk-to-cubin makes code to be linked with other code"),
                                 cl::cat(category));
static cl::opt<std::string>
    kernels("kernels",
            cl::desc("what to make: interpreter, resident (interpreters that stay), opcodes, windows, or several with "
                     "commas (default interpreter,opcodes,windows)"),
            cl::init("interpreter,opcodes,windows"), cl::cat(category));
static cl::opt<bool> guard("guard", cl::desc("make bodies safe with mk-guard (default true)"), cl::init(true),
                           cl::cat(category));
static mk::CacheDirectoryFlag cacheFlag(category);

/// The module that a translation takes.
static FailureOr<ModuleOp> getModule(Operation *op) {
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    return op->emitOpError("is no builtin.module, which is what holds an ISA");
  return module;
}

/// What the options say about the lowering.
static LogicalResult readOptions(ModuleOp module, mk::LoweringOptions &options) {
  if (optLevel > 3)
    return module.emitError() << "--opt-level is " << optLevel.getValue() << ", but must be 0 to 3";
  options.chip = chip;
  options.guard = guard;
  options.interpreter = options.opcodes = options.windows = false;
  SmallVector<StringRef> names;
  StringRef(kernels).split(names, ',');
  for (StringRef name : names) {
    if (name == "interpreter")
      options.interpreter = true;
    else if (name == "resident")
      options.interpreter = options.resident = true;
    else if (name == "opcodes")
      options.opcodes = true;
    else if (name == "windows")
      options.windows = true;
    else
      return module.emitError() << "--kernels has '" << name
                                << "', but knows interpreter, resident, opcodes and "
                                   "windows";
  }
  return success();
}

/// Lowers the ISA for 'target', as the options say.
static LogicalResult lower(ModuleOp module, Target target) {
  mk::LoweringOptions options;
  if (failed(readOptions(module, options)))
    return failure();
  PassManager pm(module->getContext());
  if (target == Target::Nvptx)
    mk::buildLowerToNVVMPipeline(pm, options);
  else
    mk::buildLowerToHostPipeline(pm, options);
  return pm.run(module);
}

/// The compiler for what the options name.
static FailureOr<std::unique_ptr<mk::TargetCompiler>> makeCompiler(ModuleOp module, Target target) {
  auto compiler = target == Target::Nvptx ? mk::TargetCompiler::createNvptx(chip, optLevel)
                                          : mk::TargetCompiler::createHost(optLevel);
  if (!compiler)
    return emitError(module->getLoc(), llvm::toString(compiler.takeError()));
  return std::move(*compiler);
}

/// PTX of the ISA.
static FailureOr<std::string> compileToPtx(ModuleOp module) {
  if (failed(lower(module, Target::Nvptx)))
    return failure();
  auto compiler = makeCompiler(module, Target::Nvptx);
  if (failed(compiler))
    return failure();
  llvm::Expected<std::string> ptx = (*compiler)->compile(module);
  if (!ptx)
    return emitError(module->getLoc(), llvm::toString(ptx.takeError()));
  return std::move(*ptx);
}

static LogicalResult translateToPtx(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module))
    return failure();
  FailureOr<std::string> ptx = compileToPtx(*module);
  if (failed(ptx))
    return failure();
  output << *ptx;
  return success();
}

/// Puts the kernels that an engine will ask for where it looks for them: the interpreters, and each opcode by itself.
/// Windows are not among them, since what an engine compiles depends on the arguments it sees.
static void fillCache(Location location, StringRef isa, const mk::LoweringOptions &options) {
  mk::CodeCache cache({.directory = cacheFlag.directory()});
  auto compiler = mk::Compiler::create(isa, "the ISA", {.optLevel = optLevel, .guard = guard});
  if (!compiler) {
    emitWarning(location, compiler.error().message);
    return;
  }
  const mk::Isa &opcodes = (*compiler)->isa();
  const mk::CodeTarget target{mk::CodeTarget::Nvptx, chip};
  SmallVector<mk::CompileRequest> requests;
  if (options.interpreter) {
    for (mk::Scope scope : {mk::Scope::Lane, mk::Scope::Block})
      if (llvm::any_of(opcodes.opcodes, [&](const mk::OpcodeInfo &opcode) { return opcode.scope == scope; }))
        requests.push_back({.kind = mk::CompileRequest::Interpreter, .target = target, .scope = scope});
    if (opcodes.findOpcode(uint32_t(mk::abi::Builtin::PackedSlot)))
      requests.push_back({.kind = mk::CompileRequest::PackedInterpreter, .target = target});
  }
  if (options.opcodes)
    for (auto [index, opcode] : llvm::enumerate(opcodes.opcodes))
      if (opcode.promotable)
        requests.push_back({.kind = mk::CompileRequest::Opcode, .target = target, .opcode = uint32_t(index)});
  for (const mk::CompileRequest &request : requests) {
    mk::Expected<mk::CacheKey> key = (*compiler)->key(request, mk::CodeObject::Format::Cubin);
    if (key && cache.lookup(*key))
      continue;
    auto made = (*compiler)->compile(request, mk::CodeObject::Format::Cubin);
    if (key && made)
      cache.insert(*key, std::move(made->code));
    else
      emitWarning(location, made ? key.error().message : made.error().message);
  }
  if (std::string defect = cache.stats().firstDefect; !defect.empty())
    emitWarning(location, defect);
}

static LogicalResult translateToCubin(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module))
    return failure();
  mk::LoweringOptions options;
  if (failed(readOptions(*module, options)))
    return failure();
  // Lowering leaves nothing of it.
  std::string isa;
  llvm::raw_string_ostream stream(isa);
  if (failed(writeBytecodeToFile(*module, stream)))
    return failure();
  FailureOr<std::string> ptx = compileToPtx(*module);
  if (failed(ptx))
    return failure();
  llvm::Expected<std::string> cubin =
      mk::CudaToolkit::find().assemble(*ptx, chip, {.relocatable = relocatable, .optLevel = optLevel});
  if (!cubin)
    return emitError(module->getLoc(), llvm::toString(cubin.takeError()));
  output << *cubin;
  if (!cacheFlag.directory().empty())
    fillCache(module->getLoc(), isa, options);
  return success();
}

static LogicalResult translateToLLVMIR(Operation *op, llvm::raw_ostream &output) {
  FailureOr<ModuleOp> module = getModule(op);
  if (failed(module) || failed(lower(*module, target)))
    return failure();
  auto compiler = makeCompiler(*module, target);
  if (failed(compiler))
    return failure();
  llvm::Expected<std::unique_ptr<llvm::Module>> code = (*compiler)->translate(*module);
  if (!code)
    return emitError(module->getLoc(), llvm::toString(code.takeError()));
  if (optLevel.getNumOccurrences() > 0)
    if (llvm::Error error = (*compiler)->optimize(**code))
      return emitError(module->getLoc(), llvm::toString(std::move(error)));
  (*code)->print(output, /*AAW=*/nullptr);
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
  TranslateFromMLIRRegistration cubin("mk-to-cubin", "compile an ISA to machine code of a GPU", translateToCubin,
                                      registerDialects);
  TranslateFromMLIRRegistration llvmir("mk-to-llvmir", "compile an ISA to LLVM IR", translateToLLVMIR,
                                       registerDialects);
  TranslateFromMLIRRegistration json("mk-to-json", "describe an ISA in JSON", translateToJson, registerDialects);
  return failed(mlirTranslateMain(argc, argv, "Megakernel translation driver"));
}

int main(int argc, char **argv) { return mk::runTool(argc, argv, run); }
