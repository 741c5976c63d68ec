//===- Compiler.cpp - An ISA, compiled on request ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/Compiler.h"
#include "CompilerHash.h"
#include "IsaReader.h"
#include "mk/Passes/Passes.h"
#include "mk/Target/CudaToolkit.h"
#include "mk/Target/Target.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm-c/Core.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/TargetParser/Host.h"
#include <map>
#include <mutex>

using namespace mlir;
using namespace mk;

namespace {

/// Collects errors (with their notes) as text while it lives.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
            append(diagnostic, "error: ");
          return success();
        }) {}
  std::string take() { return std::move(text); }

private:
  void append(Diagnostic &diagnostic, const char *severity) {
    llvm::raw_string_ostream stream(text);
    if (!text.empty())
      stream << '\n';
    if (auto place = diagnostic.getLocation()->findInstanceOf<FileLineColLoc>())
      stream << place.getFilename().getValue() << ':' << place.getLine() << ':' << place.getColumn() << ": ";
    stream << severity << diagnostic.str();
    for (Diagnostic &note : diagnostic.getNotes())
      append(note, "note: ");
  }

  std::string text;
  ScopedDiagnosticHandler handler;
};

} // namespace

/// The parser recurses with the brackets of its input, on the stack of whoever opens an engine.
constexpr unsigned maxNesting = 256;
static unsigned nestingOf(llvm::StringRef source) {
  unsigned depth = 0, deepest = 0;
  char before = 0;
  for (size_t i = 0; i < source.size(); before = source[i++]) {
    if (source.substr(i).starts_with("//"))
      i = std::min(source.find('\n', i), source.size() - 1);
    else if (llvm::StringRef("([{<").contains(source[i]))
      deepest = std::max(deepest, ++depth);
    else if (llvm::StringRef(")]}>").contains(source[i]) && before != '-' && depth != 0)
      --depth;
  }
  return deepest;
}

const char *mk::stringifyCompilePhase(CompilePhase phase) {
  static constexpr const char *names[compilePhaseCount] = {"parse",   "verify",   "pass", "translate", "optimize",
                                                           "codegen", "assemble", "link", "load"};
  return names[size_t(phase)];
}

std::optional<CompilePhase> mk::parseCompilePhase(std::string_view name) {
  for (unsigned phase = 0; phase < compilePhaseCount; ++phase)
    if (name == stringifyCompilePhase(CompilePhase(phase)))
      return CompilePhase(phase);
  return std::nullopt;
}

namespace {
/// The phases of one compilation: tells who controls it, and takes their times.
class Phases {
public:
  Phases(const CompileControl &control, PhaseTimes &times) : control(control), times(times) {}

  mk::Expected<void> enter(CompilePhase next) {
    leave();
    current = next;
    begin = std::chrono::steady_clock::now();
    return control.onPhase ? control.onPhase(next) : mk::Expected<void>();
  }
  void leave() {
    if (current)
      times[size_t(*current)] += std::chrono::steady_clock::now() - begin;
    current.reset();
  }
  const char *name() const { return current ? stringifyCompilePhase(*current) : ""; }

private:
  const CompileControl &control;
  PhaseTimes &times;
  std::optional<CompilePhase> current;
  std::chrono::steady_clock::time_point begin;
};
} // namespace

class Compiler::Impl {
public:
  Impl() : context(registry(), MLIRContext::Threading::DISABLED) { context.loadAllAvailableDialects(); }

  static DialectRegistry registry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerLLVMTranslations(registry);
    return registry;
  }

  /// What a request says about the lowering.
  struct Plan {
    /// interpreter, opcodes or windows; and of interpreters which.
    CompileRequest::Kind kind;
    std::string interpreter;
    std::string entry;
    Scope scope;
    OwningOpRef<ModuleOp> module;
    bool resident = false;
  };
  mk::Expected<Plan> plan(const CompileRequest &request);
  mk::Expected<void> checkOpcode(uint32_t opcode) const;
  mk::Expected<void> checkWindow(const WindowSignature &window) const;
  /// Puts the windows of a resident interpreter in place of those that the ISA names.
  mk::Expected<void> addRoutes(ModuleOp module, const CompileRequest &request);
  /// Leaves, of a module with the opcode or window 'name', the window 'name' that 'facts' specialises it to.
  mk::Expected<void> specialize(ModuleOp module, StringRef name, const std::vector<ArgType> &args,
                                const Specialization &facts, StringRef newName);

  PassManager &lowering(const Plan &plan, const CodeTarget &target);
  llvm::Expected<TargetCompiler *> targetCompiler(const CodeTarget &target, unsigned optLevel);
  /// The opcode as bytes without locations, or all of the ISA.
  const std::shared_ptr<const CacheKey::Shared> &slice(std::optional<uint32_t> opcode);

  std::mutex mutex;
  MLIRContext context;
  OwningOpRef<ModuleOp> isaModule;
  Isa isa;
  CompilerOptions options;
  /// What is dear to make is kept: pass managers with their patterns, and target machines.
  std::map<std::string, std::unique_ptr<PassManager>> passManagers;
  std::map<std::pair<std::string, unsigned>, std::unique_ptr<TargetCompiler>> targetCompilers;
  std::map<std::optional<uint32_t>, std::shared_ptr<const CacheKey::Shared>> slices;
};

mk::Expected<std::unique_ptr<Compiler>> Compiler::create(std::string_view source, std::string_view name,
                                                         const CompilerOptions &options) {
  if (options.optLevel > 3)
    return makeError(ErrorCode::InvalidArgument,
                     "optimisation level " + std::to_string(options.optLevel) + " is not one of 0 to 3");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  DiagnosticCollector diagnostics(&impl->context);
  auto buffer = llvm::MemoryBuffer::getMemBufferCopy(source, name);
  if (!isBytecode(*buffer) && nestingOf(source) > maxNesting)
    return makeError(ErrorCode::Malformed, std::string(name) + " nests brackets more than " +
                                               std::to_string(maxNesting) + " deep, which no ISA needs");
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  impl->isaModule = parseSourceFile<ModuleOp>(sources, &impl->context);
  if (!impl->isaModule)
    return makeError(ErrorCode::Malformed, std::string(name) + " is not a valid ISA:\n" + diagnostics.take());
  if (options.prelude) {
    PassManager pm(&impl->context);
    pm.addPass(createMkLinkPreludePass());
    if (failed(pm.run(*impl->isaModule)))
      return makeError(ErrorCode::Malformed,
                       std::string(name) + " cannot be linked with the prelude:\n" + diagnostics.take());
  }
  impl->isa = readIsa(*impl->isaModule);
  if (impl->isa.opcodes.empty())
    return makeError(ErrorCode::InvalidArgument,
                     std::string(name) + " has no mk.opcode; an ISA defines at least one opcode");
  return std::unique_ptr<Compiler>(new Compiler(std::move(impl)));
}

Compiler::Compiler(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Compiler::~Compiler() = default;

const Isa &Compiler::isa() const { return impl->isa; }
const CompilerOptions &Compiler::options() const { return impl->options; }

static std::string bytecodeOf(Operation *op) {
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  // Fails only for versions of the format that do not exist.
  (void)writeBytecodeToFile(op, stream, BytecodeWriterConfig("megakernel"));
  return bytes;
}

std::string Compiler::bytecode() const {
  std::lock_guard lock(impl->mutex);
  return bytecodeOf(*impl->isaModule);
}

std::string Compiler::text() const {
  std::lock_guard lock(impl->mutex);
  std::string text;
  llvm::raw_string_ostream stream(text);
  impl->isaModule->print(stream);
  return text;
}

std::string Compiler::describe(const CompileRequest &request) const {
  auto isKnown = [&](uint32_t opcode) { return opcode < impl->isa.opcodes.size(); };
  switch (request.kind) {
  case CompileRequest::Interpreter:
    return std::string(request.resident ? "resident " : "") + "interpreter " + stringifyScope(request.scope);
  case CompileRequest::PackedInterpreter:
    return std::string(request.resident ? "resident " : "") + "interpreter packed";
  case CompileRequest::Opcode:
    return "opcode " + (isKnown(request.opcode) ? impl->isa.opcodes[request.opcode].name
                                                : "index " + std::to_string(request.opcode));
  case CompileRequest::Window:
    return llvm::all_of(request.window.issues, [&](const auto &issue) { return isKnown(issue.opcode); })
               ? "window " + request.window.str(impl->isa)
               : "a window of unknown opcodes";
  }
  llvm_unreachable("no such kind");
}

//===----------------------------------------------------------------------===//
// From requests to modules
//===----------------------------------------------------------------------===//

static bool isSpecialized(const Specialization &facts) {
  return llvm::any_of(facts, [](const ArgFacts &fact) { return fact != ArgFacts(); });
}

mk::Expected<void> Compiler::Impl::checkOpcode(uint32_t opcode) const {
  if (opcode >= isa.opcodes.size())
    return makeError(ErrorCode::InvalidArgument,
                     "opcode index " + std::to_string(opcode) + " is not below " + std::to_string(isa.opcodes.size()));
  if (!isa.opcodes[opcode].promotable)
    return makeError(ErrorCode::InvalidArgument, "opcode '" + isa.opcodes[opcode].name +
                                                     "' is built in, uses memory of the engine or knows its slot, "
                                                     "which only an interpreter can give");
  return {};
}

mk::Expected<Compiler::Impl::Plan> Compiler::Impl::plan(const CompileRequest &request) {
  bool isInterpreter = request.kind == CompileRequest::Interpreter || request.kind == CompileRequest::PackedInterpreter;
  if (!isInterpreter && (request.resident || !request.routes.empty()))
    return makeError(ErrorCode::InvalidArgument, "only interpreters have a resident form and routes");
  if (isInterpreter && !request.facts.empty())
    return makeError(ErrorCode::InvalidArgument,
                     "facts specialise an opcode or a window, not an interpreter; leave them out");
  Plan plan{request.kind, {}, {}, request.scope, {}};
  switch (request.kind) {
  case CompileRequest::Interpreter:
    plan.interpreter = stringifyScope(request.scope);
    break;
  case CompileRequest::PackedInterpreter:
    plan.interpreter = "packed";
    plan.scope = Scope::Lane;
    for (const OpcodeInfo &op : isa.opcodes)
      if (abi::isPackable(op.code) && op.scope == Scope::Block)
        plan.scope = Scope::Block;
    break;
  case CompileRequest::Opcode: {
    if (auto checked = checkOpcode(request.opcode); !checked)
      return tl::unexpected(checked.error());
    const OpcodeInfo &info = isa.opcodes[request.opcode];
    plan.module = makeOpcodeModule(*isaModule, request.opcode);
    plan.scope = info.scope;
    plan.entry = "mk_opcode_" + info.name;
    if (isSpecialized(request.facts)) {
      std::string name = freeName(*plan.module);
      if (auto made = specialize(*plan.module, info.name, info.args, request.facts, name); !made)
        return tl::unexpected(made.error());
      plan.kind = CompileRequest::Window;
      plan.entry = "mk_window_" + name;
    }
    return plan;
  }
  case CompileRequest::Window: {
    if (auto checked = checkWindow(request.window); !checked)
      return tl::unexpected(checked.error());
    plan.scope = Scope::Lane;
    for (const WindowSignature::Issue &issue : request.window.issues)
      if (isa.opcodes[issue.opcode].scope == Scope::Block)
        plan.scope = Scope::Block;
    std::string name;
    plan.module = makeWindowModule(*isaModule, request.window, name);
    plan.entry = "mk_window_" + name;
    if (failed(verify(*plan.module)))
      return makeError(ErrorCode::InvalidArgument, "the signature does not fit the ISA: " + request.window.str(isa));
    if (isSpecialized(request.facts))
      if (auto made = specialize(*plan.module, name, request.window.args, request.facts, name); !made)
        return tl::unexpected(made.error());
    return plan;
  }
  }
  plan.module = cast<ModuleOp>((*isaModule)->clone());
  plan.resident = request.resident;
  plan.entry = (request.resident ? "mk_resident_" : "mk_interpreter_") + plan.interpreter;
  if (request.resident)
    if (auto added = addRoutes(*plan.module, request); !added)
      return tl::unexpected(added.error());
  return plan;
}

/// Where the words of the signature's arguments lie, in words from the first slot of an instance: each where it is met
/// first.
static std::vector<int32_t> placesOf(const Isa &isa, const WindowSignature &window) {
  std::vector<int32_t> places;
  size_t next = 0;
  for (auto [issue, slot] : llvm::enumerate(window.issues)) {
    uint32_t word = abi::SlotArgWord;
    for (auto [operand, arg] : llvm::zip_equal(slot.operands, isa.opcodes[slot.opcode].args)) {
      if (operand == next) {
        for (uint32_t i = 0; i < arg.words(); ++i)
          places.push_back(int32_t(issue * abi::SlotWords + word + i));
        ++next;
      }
      word += arg.words();
    }
  }
  return places;
}

mk::Expected<void> Compiler::Impl::addRoutes(ModuleOp module, const CompileRequest &request) {
  if (request.target.kind != CodeTarget::Nvptx)
    return makeError(
        ErrorCode::InvalidArgument,
        "the resident form is for a GPU; on the host, threads of the runtime serve rings with the interpreter");
  // The windows that the ISA names are no routes.
  for (WindowOp window : llvm::make_early_inc_range(module.getOps<WindowOp>()))
    window.erase();
  Builder b(&context);
  for (const CompileRequest::Route &route : request.routes) {
    if (auto checked = checkWindow(route.window); !checked)
      return checked;
    WindowOp window = addWindow(module, *isaModule, route.window, "route" + std::to_string(route.id));
    if (failed(verify(window)))
      return makeError(ErrorCode::InvalidArgument, "the signature does not fit the ISA: " + route.window.str(isa));
    window->setAttr(routeAttrName, b.getI32IntegerAttr(int32_t(route.id)));
    window->setAttr(routePlacesAttrName, b.getDenseI32ArrayAttr(placesOf(isa, route.window)));
  }
  return {};
}

mk::Expected<void> Compiler::Impl::checkWindow(const WindowSignature &window) const {
  for (const WindowSignature::Issue &issue : window.issues) {
    if (issue.opcode >= isa.opcodes.size())
      return makeError(ErrorCode::InvalidArgument, "the signature names opcode index " + std::to_string(issue.opcode) +
                                                       ", which is not below " + std::to_string(isa.opcodes.size()));
    if (auto checked = checkOpcode(issue.opcode); !checked)
      return checked;
    for (uint32_t operand : issue.operands)
      if (operand >= window.args.size())
        return makeError(ErrorCode::InvalidArgument, "the signature names argument " + std::to_string(operand) +
                                                         ", which is not below " + std::to_string(window.args.size()));
    if (issue.operands.size() != isa.opcodes[issue.opcode].args.size())
      return makeError(ErrorCode::InvalidArgument, "the signature does not fit the ISA: " + window.str(isa));
  }
  return {};
}

/// The value of a scalar argument whose words are 'words'. Null when it has more bits than its words.
static TypedAttr constantOf(Type type, const ArgType &arg, uint64_t words) {
  if (arg.words() == 1 && words > UINT32_MAX)
    return {};
  if (type.isIndex())
    return IntegerAttr::get(type, int64_t(words));
  unsigned width = type.getIntOrFloatBitWidth();
  llvm::APInt bits(width, words, /*isSigned=*/false, /*implicitTrunc=*/true);
  if (auto floating = dyn_cast<FloatType>(type))
    return FloatAttr::get(type, llvm::APFloat(floating.getFloatSemantics(), bits));
  return IntegerAttr::get(type, bits);
}

mk::Expected<void> Compiler::Impl::specialize(ModuleOp module, StringRef name, const std::vector<ArgType> &args,
                                              const Specialization &facts, StringRef newName) {
  auto refuse = [&](const llvm::Twine &what) {
    return makeError(ErrorCode::InvalidArgument, "the facts do not fit " + name.str() + ": " + what.str());
  };
  if (facts.size() != args.size())
    return refuse("found facts about " + llvm::Twine(facts.size()) + " arguments, expected " +
                  llvm::Twine(args.size()));
  DiagnosticCollector diagnostics(&context);
  auto op = cast<FunctionOpInterface>(SymbolTable::lookupSymbolIn(module, name));
  SmallVector<Attribute> attributes;
  for (auto [index, fact] : llvm::enumerate(facts)) {
    TypedAttr constant;
    Type type = op.getArgumentTypes()[index];
    if (fact.constant) {
      if (args[index].kind != ArgType::Scalar)
        return refuse("argument " + llvm::Twine(index) + " has type " + args[index].str() +
                      ", but only scalars are constants");
      constant = constantOf(type, args[index], *fact.constant);
      if (!constant)
        return refuse("argument " + llvm::Twine(index) + " has type " + args[index].str() + ", which " +
                      llvm::Twine(*fact.constant) + " is too large for");
    }
    auto emitError = [&] { return mlir::emitError(UnknownLoc::get(&context)) << "argument " << unsigned(index); };
    FactsAttr attribute = FactsAttr::getChecked([&] { return emitError() << ": "; }, &context, constant, fact.extent,
                                                fact.multiple, fact.aligned);
    if (!attribute || failed(attribute.verifyFor(type, [&] { return emitError() << ' '; })))
      return refuse(diagnostics.take());
    attributes.push_back(attribute);
  }
  Builder b(&context);
  op->setAttr("mk.specialize", b.getArrayAttr(b.getArrayAttr(attributes)));
  std::unique_ptr<PassManager> &pm = passManagers["specialize"];
  if (!pm) {
    pm = std::make_unique<PassManager>(&context);
    pm->enableVerifier(options.verify);
    pm->addPass(createMkSpecializePass());
  }
  if (failed(pm->run(module)))
    return refuse(diagnostics.take());
  if (llvm::isa<WindowOp>(op.getOperation()))
    op->erase();
  cast<WindowOp>(SymbolTable::lookupSymbolIn(module, (name + ".s0").str())).setSymName(newName);
  return {};
}

/// Changes the first operation of arithmetic in an opcode of 'module' that has another of the same shape.
static void miscompileOne(ModuleOp module) {
  static const std::pair<StringRef, StringRef> others[] = {
      {"arith.addf", "arith.subf"},       {"arith.subf", "arith.addf"},         {"arith.mulf", "arith.addf"},
      {"arith.divf", "arith.mulf"},       {"arith.maximumf", "arith.minimumf"}, {"arith.minimumf", "arith.maximumf"},
      {"arith.maxnumf", "arith.minnumf"}, {"arith.minnumf", "arith.maxnumf"},   {"arith.addi", "arith.subi"},
      {"arith.subi", "arith.addi"},       {"arith.muli", "arith.addi"},         {"arith.andi", "arith.ori"},
      {"arith.ori", "arith.andi"},        {"arith.xori", "arith.ori"},          {"arith.maxsi", "arith.minsi"},
      {"arith.minsi", "arith.maxsi"},     {"arith.maxui", "arith.minui"},       {"arith.minui", "arith.maxui"}};
  module.walk([&](Operation *op) {
    // Indices are left alone: the result would not be wrong values, but wrong addresses.
    if (op->getNumResults() != 1 || op->getResult(0).getType().isIndex())
      return WalkResult::advance();
    for (auto [name, other] : others) {
      if (op->getName().getStringRef() != name)
        continue;
      OpBuilder b(op);
      Operation *wrong = b.create(op->getLoc(), b.getStringAttr(other), op->getOperands(), op->getResultTypes());
      op->replaceAllUsesWith(wrong);
      op->erase();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
}

//===----------------------------------------------------------------------===//
// From modules to code
//===----------------------------------------------------------------------===//

PassManager &Compiler::Impl::lowering(const Plan &plan, const CodeTarget &target) {
  std::string key = target.kind == CodeTarget::Nvptx ? "nvvm " + target.chip : "host";
  key += ' ' + std::to_string(plan.kind) + ' ' + plan.interpreter + (plan.resident ? " resident" : "");
  std::unique_ptr<PassManager> &pm = passManagers[key];
  if (pm)
    return *pm;
  LoweringOptions lowering;
  lowering.interpreter = !plan.interpreter.empty();
  lowering.resident = plan.resident;
  lowering.opcodes = plan.kind == CompileRequest::Opcode;
  lowering.windows = plan.kind == CompileRequest::Window;
  if (!plan.interpreter.empty())
    lowering.scope = plan.interpreter;
  lowering.guard = options.guard;
  pm = std::make_unique<PassManager>(&context);
  pm->enableVerifier(options.verify);
  if (target.kind == CodeTarget::Nvptx) {
    lowering.chip = target.chip;
    buildLowerToNVVMPipeline(*pm, lowering);
  } else {
    buildLowerToHostPipeline(*pm, lowering);
  }
  return *pm;
}

llvm::Expected<TargetCompiler *> Compiler::Impl::targetCompiler(const CodeTarget &target, unsigned optLevel) {
  std::unique_ptr<TargetCompiler> &kept =
      targetCompilers[{target.kind == CodeTarget::Nvptx ? target.chip : "host", optLevel}];
  if (!kept) {
    auto made = target.kind == CodeTarget::Nvptx ? TargetCompiler::createNvptx(target.chip, optLevel)
                                                 : TargetCompiler::createHost(optLevel);
    if (!made)
      return made.takeError();
    kept = std::move(*made);
  }
  return kept.get();
}

static mk::Expected<void> checkFormat(const CodeTarget &target, CodeObject::Format format) {
  bool isHost = format == CodeObject::Format::HostObject;
  if (isHost == (target.kind == CodeTarget::Host))
    return {};
  return makeError(ErrorCode::InvalidArgument, std::string("a ") + stringifyCodeFormat(format) + " is no code for " +
                                                   (isHost ? "a GPU" : "the host"));
}

mk::Expected<CompiledCode> Compiler::compile(const CompileRequest &request, CodeObject::Format format,
                                             const CompileControl &control) {
  std::lock_guard lock(impl->mutex);
  if (auto fits = checkFormat(request.target, format); !fits)
    return tl::unexpected(fits.error());
  DiagnosticCollector diagnostics(&impl->context);
  CompiledCode made;
  Phases phases(control, made.phases);
  auto fail = [&](llvm::Error error = llvm::Error::success(), ErrorCode code = ErrorCode::CompileFailed) {
    std::string what = "cannot compile " + describe(request) + ": " + phases.name() + " failed";
    if (std::string details = llvm::toString(std::move(error)); !details.empty())
      what += ": " + details;
    if (std::string details = diagnostics.take(); !details.empty())
      what += ":\n" + details;
    return makeError(code, std::move(what));
  };

#define MK_ENTER(phase)                                                                                                \
  if (auto entered = phases.enter(CompilePhase::phase); !entered)                                                      \
  return tl::unexpected(entered.error())

  MK_ENTER(Verify);
  auto plan = impl->plan(request);
  if (!plan)
    return tl::unexpected(plan.error());
  if (control.miscompile && plan->interpreter.empty())
    miscompileOne(*plan->module);

  MK_ENTER(Pass);
  if (failed(impl->lowering(*plan, request.target).run(*plan->module)))
    return fail();

  MK_ENTER(Translate);
  const unsigned optLevel = request.effort == Effort::Quick ? 0 : impl->options.optLevel;
  auto target = impl->targetCompiler(request.target, optLevel);
  if (!target)
    return fail(target.takeError());
  auto module = (*target)->translate(*plan->module);
  if (!module)
    return fail(module.takeError());

  MK_ENTER(Optimize);
  if (llvm::Error error = (*target)->optimize(**module))
    return fail(std::move(error));

  MK_ENTER(Codegen);
  auto emitted = (*target)->emit(**module);
  if (!emitted)
    return fail(emitted.takeError());

  if (format == CodeObject::Format::Cubin || format == CodeObject::Format::RelocatableCubin) {
    MK_ENTER(Assemble);
    CudaToolkit toolkit = CudaToolkit::find();
    AssembleOptions assembling;
    assembling.relocatable = format == CodeObject::Format::RelocatableCubin;
    assembling.optLevel = optLevel;
    // No assembler at all is no fault of the code.
    if (auto version = toolkit.assemblerVersion(); !version)
      return fail(version.takeError(), ErrorCode::Unsupported);
    emitted = toolkit.assemble(*emitted, request.target.chip, assembling);
    if (!emitted)
      return fail(emitted.takeError());
  }
#undef MK_ENTER
  phases.leave();
  made.code.format = format;
  made.code.scope = plan->scope;
  made.code.entry = plan->entry;
  made.code.bytes = std::move(*emitted);
  return made;
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

const std::string &Compiler::buildId() {
  static const std::string id = [] {
    // What this was built for, and what it runs with.
    unsigned major = 0, minor = 0, patch = 0;
    LLVMGetVersion(&major, &minor, &patch);
    return std::string(MK_COMPILER_HASH) + " LLVM " LLVM_VERSION_STRING " " + std::to_string(major) + '.' +
           std::to_string(minor) + '.' + std::to_string(patch);
  }();
  return id;
}

/// The processor of this machine.
static const std::string &hostProcessor() {
  static const std::string name = [] {
    std::string text = llvm::sys::getHostCPUName().str();
    std::map<StringRef, bool> features;
    llvm::StringMap<bool> found = llvm::sys::getHostCPUFeatures();
    for (const auto &feature : found)
      features[feature.getKey()] = feature.getValue();
    for (auto [feature, present] : features)
      text += (present ? " +" : " -") + feature.str();
    return text;
  }();
  return name;
}

/// The parts of the CUDA toolkit that code for GPUs depends on.
static const std::string &libdeviceId() {
  static const std::string id = [] {
    auto path = CudaToolkit::find().libdevice();
    if (!path) {
      llvm::consumeError(path.takeError());
      return std::string("none");
    }
    llvm::sys::fs::file_status status;
    (void)llvm::sys::fs::status(*path, status);
    return *path + ' ' + std::to_string(status.getSize()) + ' ' +
           std::to_string(status.getLastModificationTime().time_since_epoch().count());
  }();
  return id;
}
static constexpr char noAssembler[] = "none";
static const std::string &assemblerId() {
  static const std::string id = []() -> std::string {
    auto version = CudaToolkit::find().assemblerVersion();
    if (version)
      return *version;
    llvm::consumeError(version.takeError());
    return noAssembler;
  }();
  return id;
}

CodeObject::Format Compiler::gpuFormat() {
  return assemblerId() == noAssembler ? CodeObject::Format::Ptx : CodeObject::Format::Cubin;
}

const std::shared_ptr<const CacheKey::Shared> &Compiler::Impl::slice(std::optional<uint32_t> opcode) {
  std::shared_ptr<const CacheKey::Shared> &kept = slices[opcode];
  if (!kept) {
    OwningOpRef<ModuleOp> module =
        opcode ? makeOpcodeModule(*isaModule, *opcode) : cast<ModuleOp>((*isaModule)->clone());
    Location nowhere = UnknownLoc::get(&context);
    module->walk([&](Operation *op) {
      op->setLoc(nowhere);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setLoc(nowhere);
    });
    kept = CacheKey::share(bytecodeOf(*module));
  }
  return kept;
}

/// A window but for its opcodes.
static std::string signatureText(const WindowSignature &window) {
  std::string text;
  for (const WindowSignature::Issue &issue : window.issues) {
    text += '(';
    for (uint32_t operand : issue.operands)
      text += std::to_string(operand) + ',';
    text += ')';
  }
  for (const ArgType &arg : window.args)
    text += ' ' + arg.str() + '/' + std::to_string(arg.access);
  for (int32_t extent : window.extents)
    text += ' ' + std::to_string(extent);
  return text;
}

mk::Expected<CacheKey> Compiler::key(const CompileRequest &request, CodeObject::Format format) {
  std::lock_guard lock(impl->mutex);
  if (auto fits = checkFormat(request.target, format); !fits)
    return tl::unexpected(fits.error());
  CacheKey key;
  switch (request.kind) {
  case CompileRequest::Interpreter:
    key.add("kind", "interpreter").add("scope", stringifyScope(request.scope)).add("isa", impl->slice(std::nullopt));
    break;
  case CompileRequest::PackedInterpreter:
    key.add("kind", "packed interpreter").add("isa", impl->slice(std::nullopt));
    break;
  case CompileRequest::Opcode:
    if (auto checked = impl->checkOpcode(request.opcode); !checked)
      return tl::unexpected(checked.error());
    key.add("kind", "opcode").add("opcode", impl->slice(request.opcode));
    break;
  case CompileRequest::Window: {
    // Opcodes by what they are, not by their place in the ISA.
    key.add("kind", "window");
    if (auto checked = impl->checkWindow(request.window); !checked)
      return tl::unexpected(checked.error());
    for (const WindowSignature::Issue &issue : request.window.issues)
      key.add("opcode", impl->slice(issue.opcode));
    key.add("signature", signatureText(request.window));
    break;
  }
  }
  if (request.resident)
    key.add("resident", "");
  for (const CompileRequest::Route &route : request.routes) {
    std::string opcodes;
    for (const WindowSignature::Issue &issue : route.window.issues)
      opcodes += std::to_string(issue.opcode) + ' ';
    key.add("route", std::to_string(route.id) + ' ' + opcodes + signatureText(route.window));
  }
  if (isSpecialized(request.facts)) {
    std::string facts;
    for (const ArgFacts &fact : request.facts)
      facts += (fact.constant ? std::to_string(*fact.constant) : "-") + ' ' + std::to_string(fact.extent) + ' ' +
               std::to_string(fact.multiple) + ' ' + std::to_string(fact.aligned) + '\n';
    key.add("facts", facts);
  }
  key.add("format", stringifyCodeFormat(format));
  if (request.target.kind == CodeTarget::Nvptx) {
    key.add("chip", request.target.chip).add("libdevice", libdeviceId());
    // Found out only when it matters: that takes longer than all the rest.
    if (format != CodeObject::Format::Ptx)
      key.add("assembler", assemblerId());
  } else {
    key.add("processor", hostProcessor());
  }
  key.add("effort", request.effort == Effort::Quick ? "quick" : "full")
      .add("options", std::to_string(impl->options.optLevel) + (impl->options.guard ? " guard" : ""))
      .add("compiler", buildId())
      .add("abi", std::to_string(abi::Version));
  return key;
}
