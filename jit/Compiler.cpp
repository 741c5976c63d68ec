//===- Compiler.cpp - An ISA, compiled on request ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/Compiler.h"
#include "HostCode.h"
#include "IsaReader.h"
#include "mk/Passes/Passes.h"
#include "mk/Target/Target.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/SourceMgr.h"
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

class Compiler::Impl {
public:
  Impl() : context(registry(), MLIRContext::Threading::DISABLED) { context.loadAllAvailableDialects(); }

  static DialectRegistry registry() {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerLLVMTranslations(registry);
    return registry;
  }

  /// Runs the lowering for 'target' over 'module' and makes code from its kernel 'entry'.
  mk::Expected<KernelCode> compile(ModuleOp module, const CodeTarget &target, LoweringOptions &options,
                                   const std::string &entry, Scope scope);

  std::mutex mutex;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Isa isa;
  CompilerOptions options;
  std::shared_ptr<HostCode> host;
};

mk::Expected<KernelCode> Compiler::Impl::compile(ModuleOp module, const CodeTarget &target, LoweringOptions &lowering,
                                                 const std::string &entry, Scope scope) {
  DiagnosticCollector diagnostics(&context);
  auto fail = [&](std::string what) {
    std::string details = diagnostics.take();
    if (!details.empty())
      what += ":\n" + details;
    return makeError(ErrorCode::CompileFailed, "cannot compile " + entry + ": " + what);
  };
  KernelCode code;
  code.scope = scope;
  code.entry = entry;
  lowering.guard = options.guard;
  PassManager pm(&context);
  if (target.kind == CodeTarget::Nvptx) {
    lowering.chip = target.chip;
    buildLowerToNVVMPipeline(pm, lowering);
    if (failed(pm.run(module)))
      return fail("lowering failed");
    llvm::Expected<std::string> ptx = translateToPtx(module, options.optLevel);
    if (!ptx)
      return fail(llvm::toString(ptx.takeError()));
    code.ptx = std::move(*ptx);
    return code;
  }
  if (!host) {
    auto created = HostCode::create(options.optLevel);
    if (!created)
      return fail(llvm::toString(created.takeError()));
    host = std::move(*created);
  }
  buildLowerToHostPipeline(pm, lowering);
  if (failed(pm.run(module)))
    return fail("lowering failed");
  llvm::Expected<HostCode::Function> function = host->compile(module, entry);
  if (!function)
    return fail(llvm::toString(function.takeError()));
  code.function = function->function;
  code.owner = std::move(function->owner);
  return code;
}

mk::Expected<std::unique_ptr<Compiler>> Compiler::create(std::string_view source, std::string_view name,
                                                         const CompilerOptions &options) {
  if (options.optLevel > 3)
    return makeError(ErrorCode::InvalidArgument,
                     "optimisation level " + std::to_string(options.optLevel) + " is not one of 0 to 3");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  DiagnosticCollector diagnostics(&impl->context);
  if (nestingOf(source) > maxNesting)
    return makeError(ErrorCode::Malformed, std::string(name) + " nests brackets more than " +
                                               std::to_string(maxNesting) + " deep, which no ISA needs");
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(source, name), llvm::SMLoc());
  impl->module = parseSourceFile<ModuleOp>(sources, &impl->context);
  if (!impl->module)
    return makeError(ErrorCode::Malformed, std::string(name) + " is not a valid ISA:\n" + diagnostics.take());
  if (options.prelude) {
    PassManager pm(&impl->context);
    pm.addPass(createMkLinkPreludePass());
    if (failed(pm.run(*impl->module)))
      return makeError(ErrorCode::Malformed,
                       std::string(name) + " cannot be linked with the prelude:\n" + diagnostics.take());
  }
  impl->isa = readIsa(*impl->module);
  if (impl->isa.opcodes.empty())
    return makeError(ErrorCode::InvalidArgument,
                     std::string(name) + " has no mk.opcode; an ISA defines at least one opcode");
  return std::unique_ptr<Compiler>(new Compiler(std::move(impl)));
}

Compiler::Compiler(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Compiler::~Compiler() = default;

const Isa &Compiler::isa() const { return impl->isa; }

mk::Expected<KernelCode> Compiler::compileInterpreter(const CodeTarget &target, Scope scope) {
  std::lock_guard lock(impl->mutex);
  OwningOpRef<ModuleOp> module(cast<ModuleOp>((*impl->module)->clone()));
  LoweringOptions lowering;
  lowering.opcodes = lowering.windows = false;
  lowering.scope = stringifyScope(scope);
  return impl->compile(*module, target, lowering, std::string("mk_interpreter_") + stringifyScope(scope), scope);
}

mk::Expected<KernelCode> Compiler::compilePackedInterpreter(const CodeTarget &target) {
  std::lock_guard lock(impl->mutex);
  Scope scope = Scope::Lane;
  for (const OpcodeInfo &op : impl->isa.opcodes)
    if (abi::isPackable(op.code) && op.scope == Scope::Block)
      scope = Scope::Block;
  OwningOpRef<ModuleOp> module(cast<ModuleOp>((*impl->module)->clone()));
  LoweringOptions lowering;
  lowering.opcodes = lowering.windows = false;
  lowering.scope = "packed";
  return impl->compile(*module, target, lowering, "mk_interpreter_packed", scope);
}

mk::Expected<KernelCode> Compiler::compileOpcode(const CodeTarget &target, uint32_t opcode) {
  std::lock_guard lock(impl->mutex);
  if (opcode >= impl->isa.opcodes.size())
    return makeError(ErrorCode::InvalidArgument, "opcode index " + std::to_string(opcode) + " is not below " +
                                                     std::to_string(impl->isa.opcodes.size()));
  const OpcodeInfo &info = impl->isa.opcodes[opcode];
  if (!info.promotable)
    return makeError(ErrorCode::InvalidArgument, "opcode '" + info.name +
                                                     "' is built in, uses memory of the engine or knows its slot, "
                                                     "which only an interpreter can give");
  OwningOpRef<ModuleOp> module = makeOpcodeModule(*impl->module, opcode);
  LoweringOptions lowering;
  lowering.interpreter = lowering.windows = false;
  return impl->compile(*module, target, lowering, "mk_opcode_" + info.name, info.scope);
}

mk::Expected<KernelCode> Compiler::compileWindow(const CodeTarget &target, const WindowSignature &window) {
  std::lock_guard lock(impl->mutex);
  Scope scope = Scope::Lane;
  for (const WindowSignature::Issue &issue : window.issues) {
    if (issue.opcode >= impl->isa.opcodes.size())
      return makeError(ErrorCode::InvalidArgument, "the signature names opcode index " + std::to_string(issue.opcode) +
                                                       ", which is not below " +
                                                       std::to_string(impl->isa.opcodes.size()));
    if (impl->isa.opcodes[issue.opcode].scope == Scope::Block)
      scope = Scope::Block;
  }
  OwningOpRef<ModuleOp> module = makeWindowModule(*impl->module, window, "hot");
  if (failed(verify(*module)))
    return makeError(ErrorCode::InvalidArgument, "the signature does not fit the ISA: " + window.str(impl->isa));
  LoweringOptions lowering;
  lowering.interpreter = lowering.opcodes = false;
  return impl->compile(*module, target, lowering, "mk_window_hot", scope);
}
