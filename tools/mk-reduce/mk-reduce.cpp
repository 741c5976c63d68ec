//===- mk-reduce.cpp - Shrinks an ISA that shows a fault --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Makes changes that shrink the module, one after the other, and keeps those after which a test still says that it is
// interesting. Each change is made to a copy, which must verify before the test sees it.
// (mlir-reduce is no base for this: its tree pass aborts as soon as a candidate does not verify.)
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mk/Support/DebugOutput.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace mk;
namespace cl = llvm::cl;

static cl::OptionCategory category("mk-reduce options");
static cl::opt<std::string> inputFile(cl::Positional, cl::desc("<input>"), cl::init("-"), cl::cat(category));
static cl::opt<std::string> outputFile("o", cl::desc("where the reduced module goes"), cl::value_desc("file"),
                                       cl::init("-"), cl::cat(category));
static cl::opt<std::string> test("test", cl::desc("program that exits with 0 when the file it is given is interesting"),
                                 cl::value_desc("program"), cl::Required, cl::cat(category));
static cl::list<std::string> testArgs("test-arg", cl::desc("argument of the test, before the file (repeatable)"),
                                      cl::value_desc("argument"), cl::cat(category));

static int fail(const llvm::Twine &message) {
  llvm::errs() << "mk-reduce: error: " << message << '\n';
  return 1;
}

//===----------------------------------------------------------------------===//
// Changes
//===----------------------------------------------------------------------===//

/// What changes make smaller. A constant is smaller than whatever it can stand for.
static size_t sizeOf(ModuleOp module) {
  size_t size = 0;
  module.walk([&](Operation *op) {
    size += op->hasTrait<OpTrait::ConstantLike>() ? 1 : 2 + 2 * op->getNumResults();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        size += 2 * block.getNumArguments();
  });
  return size;
}

/// The operations inside 'module', parents before children: the same places in every copy.
static SmallVector<Operation *> operationsOf(ModuleOp module) {
  SmallVector<Operation *> operations;
  module.getBody()->walk<WalkOrder::PreOrder>([&](Operation *op) { operations.push_back(op); });
  return operations;
}

static bool replaceByZero(OpBuilder &b, Value value) {
  Type type = value.getType();
  if (value.use_empty())
    return true;
  auto shaped = dyn_cast<ShapedType>(type);
  if (TypedAttr zero = shaped && !shaped.hasStaticShape() ? TypedAttr() : b.getZeroAttr(type))
    value.replaceAllUsesWith(arith::ConstantOp::create(b, value.getLoc(), zero));
  else if (isa<LLVM::LLVMPointerType>(type))
    value.replaceAllUsesWith(LLVM::ZeroOp::create(b, value.getLoc(), type));
  else
    return false;
  return true;
}

/// Zeros take the place of its results.
static bool removeOperation(Operation *op) {
  OpBuilder b(op);
  if (op->hasTrait<OpTrait::IsTerminator>() ||
      !llvm::all_of(op->getResults(), [&](Value result) { return replaceByZero(b, result); }))
    return false;
  op->erase();
  return true;
}

/// Puts what stands inside an operation in its place.
static bool unwrapOperation(Operation *op) {
  OpBuilder b(op);
  if (op->getNumRegions() == 0 || op->hasTrait<OpTrait::IsIsolatedFromAbove>())
    return false;
  for (Region &region : op->getRegions()) {
    if (region.empty())
      continue;
    if (!region.hasOneBlock() ||
        !llvm::all_of(region.getArguments(), [&](Value argument) { return replaceByZero(b, argument); }))
      return false;
    for (Operation &inner : llvm::make_early_inc_range(region.front()))
      if (!inner.hasTrait<OpTrait::IsTerminator>())
        inner.moveBefore(op);
  }
  return removeOperation(op);
}

/// Arguments that may be removed.
static unsigned argumentsOf(Operation *op) {
  auto function = dyn_cast<FunctionOpInterface>(op);
  return function && !function.isExternal() ? function.getNumArguments() : 0;
}

/// Removes an argument of an opcode or a window; zeros take its place in the body.
static bool removeArgument(Operation *op, unsigned index) {
  auto function = cast<FunctionOpInterface>(op);
  OpBuilder b = OpBuilder::atBlockBegin(&function.getFunctionBody().front());
  if (!replaceByZero(b, function.getArgument(index)))
    return false;
  if (isa<OpcodeOp>(op))
    op->getParentOp()->walk([&](IssueOp issue) {
      if (issue.getCallee() == function.getName())
        issue->eraseOperand(index);
    });
  if (auto window = dyn_cast<WindowOp>(op); window && window.getExtents()) {
    SmallVector<int32_t> extents(*window.getExtents());
    extents.erase(extents.begin() + index);
    window.setExtents(extents);
  }
  return succeeded(function.eraseArgument(index));
}

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

namespace {
struct Reducer {
  /// Runs the test: its exit status, or an error when it does not run.
  llvm::Expected<int> runTest(ModuleOp candidate);
  /// Keeps the change when the module gets smaller by it, verifies and is interesting.
  bool attempt(llvm::function_ref<bool(ArrayRef<Operation *>)> change);
  /// Makes changes until none is left that keeps the module interesting.
  void reduce();

  OwningOpRef<ModuleOp> module;
  std::string program, file;
  unsigned tests = 0;
};
} // namespace

llvm::Expected<int> Reducer::runTest(ModuleOp candidate) {
  ++tests;
  std::error_code code;
  llvm::raw_fd_ostream stream(file, code);
  if (!code) {
    candidate->print(stream);
    stream << '\n';
    stream.close();
    code = stream.error();
    stream.clear_error();
  }
  if (code)
    return llvm::createStringError("cannot write '%s': %s", file.c_str(), code.message().c_str());
  SmallVector<StringRef> arguments{program};
  arguments.append(testArgs.begin(), testArgs.end());
  arguments.push_back(file);
  std::optional<StringRef> quiet[] = {StringRef(), StringRef(), StringRef()};
  std::string message;
  bool failedToRun = false;
  int status = llvm::sys::ExecuteAndWait(program, arguments, std::nullopt, quiet, /*SecondsToWait=*/0,
                                         /*MemoryLimit=*/0, &message, &failedToRun);
  if (failedToRun)
    return llvm::createStringError("cannot run the test '%s': %s", program.c_str(), message.c_str());
  return status;
}

bool Reducer::attempt(llvm::function_ref<bool(ArrayRef<Operation *>)> change) {
  OwningOpRef<ModuleOp> copy(module->clone());
  if (!change(operationsOf(*copy)) || sizeOf(*copy) >= sizeOf(*module) || failed(verify(*copy)))
    return false;
  // The test did run once. When it no longer does, what has been reached stands.
  if (llvm::expectedToOptional(runTest(*copy)) != 0)
    return false;
  module = std::move(copy);
  return true;
}

void Reducer::reduce() {
  // Candidates that do not verify are no news.
  ScopedDiagnosticHandler silence(module->getContext(), [](Diagnostic &) { return success(); });
  auto count = [&] { return operationsOf(*module).size(); };
  size_t before;
  do {
    before = sizeOf(*module);
    // Half of everything, then quarters, and so on; children before the parents that hold them.
    for (size_t step = std::max<size_t>(count() / 2, 1); step > 0; step /= 2)
      for (size_t begin = 0; begin < count();)
        if (!attempt([&](ArrayRef<Operation *> operations) {
              bool changed = false;
              for (Operation *op : llvm::reverse(operations.slice(begin, std::min(step, operations.size() - begin))))
                changed |= removeOperation(op);
              return changed;
            }))
          begin += step;
    for (size_t place = 0; place < count();)
      if (!attempt([&](ArrayRef<Operation *> operations) { return unwrapOperation(operations[place]); }))
        ++place;
    for (size_t place = 0; place < count(); ++place)
      for (unsigned index = 0; index < argumentsOf(operationsOf(*module)[place]);)
        if (!attempt([&](ArrayRef<Operation *> operations) { return removeArgument(operations[place], index); }))
          ++index;
  } while (sizeOf(*module) < before);
}

int main(int argc, char **argv) {
  enableDebugOutput(argv[0]);
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "Megakernel test case reducer\n");

  DialectRegistry registry;
  registerAllDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(inputFile, &message);
  if (!buffer)
    return fail(message);
  std::unique_ptr<llvm::ToolOutputFile> output = openOutputFile(outputFile, &message);
  if (!output)
    return fail(message);
  auto sources = std::make_shared<llvm::SourceMgr>();
  sources->AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  SourceMgrDiagnosticHandler diagnostics(*sources, &context);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, &context);
  if (!module)
    return 1;

  llvm::ErrorOr<std::string> program = llvm::sys::findProgramByName(test);
  if (!program)
    return fail("cannot find the test '" + test + "': " + program.getError().message());
  SmallString<128> file;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("mk-reduce", "mlir", file))
    return fail("cannot make a temporary file: " + code.message());
  llvm::FileRemover remover(file);

  size_t before = sizeOf(*module);
  Reducer reducer{std::move(module), *program, file.str().str()};
  llvm::Expected<int> status = reducer.runTest(*reducer.module);
  if (!status)
    return fail(llvm::toString(status.takeError()));
  if (*status != 0)
    return fail("the input is not interesting: the test exits with " + llvm::Twine(*status) + ", but 0 is expected");
  reducer.reduce();
  llvm::errs() << "mk-reduce: size " << before << " became " << sizeOf(*reducer.module) << " in " << reducer.tests
               << " tests\n";
  reducer.module->print(output->os());
  output->os() << '\n';
  output->keep();
  return 0;
}
