//===- TargetCompilerTest.cpp - From lowered modules to machine code --------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Passes/Passes.h"
#include "mk/Target/Target.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include <gtest/gtest.h>

using namespace mlir;

namespace {

/// A body of block scope has memory that its threads share.
const std::string blockOpcode = R"mlir(
  mk.opcode @tile code(64) scope(block) (%x: memref<?xf32>, %z: memref<?xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %n = memref.dim %z, %c0 : memref<?xf32>
    scf.parallel (%i) = (%c0) to (%n) step (%c1) {
      %a = memref.load %x[%i] : memref<?xf32>
      memref.store %a, %z[%i] : memref<?xf32>
    }
    mk.return
  }
)mlir";
/// One of lane scope has none, so that the passes that emit it are kept.
const std::string laneOpcode = R"mlir(
  mk.opcode @one code(65) scope(lane) (%x: memref<?xi32>, %i: index) {
    %a = memref.load %x[%i] : memref<?xi32>
    %b = arith.addi %a, %a : i32
    memref.store %b, %x[%i] : memref<?xi32>
    mk.return
  }
)mlir";

const std::string bothOpcodes = blockOpcode + laneOpcode;

class TargetCompiler : public testing::Test {
protected:
  TargetCompiler() : context(registry(), MLIRContext::Threading::DISABLED) { context.loadAllAvailableDialects(); }

  static DialectRegistry registry() {
    DialectRegistry registry;
    mk::registerAllDialects(registry);
    mk::registerLLVMTranslations(registry);
    return registry;
  }

  OwningOpRef<ModuleOp> lower(bool host, bool interpreter, const char *chip = "sm_90",
                              const std::string &source = bothOpcodes) {
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(source, &context);
    mk::LoweringOptions options;
    options.chip = std::string(chip);
    options.interpreter = interpreter;
    options.opcodes = !interpreter;
    PassManager pm(&context);
    if (host)
      mk::buildLowerToHostPipeline(pm, options);
    else
      mk::buildLowerToNVVMPipeline(pm, options);
    EXPECT_TRUE(succeeded(pm.run(*module)));
    return module;
  }

  std::string compile(mk::TargetCompiler &compiler, bool host, bool interpreter,
                      const std::string &source = bothOpcodes) {
    OwningOpRef<ModuleOp> module = lower(host, interpreter, "sm_90", source);
    auto code = compiler.compile(*module);
    EXPECT_TRUE(bool(code));
    return code ? *code : llvm::toString(code.takeError());
  }

  /// What a compiler makes of a module does not depend on what it has compiled before.
  void expectSameCodeEachTime(bool host, unsigned level) {
    auto create = [&] {
      return llvm::cantFail(host ? mk::TargetCompiler::createHost(level)
                                 : mk::TargetCompiler::createNvptx("sm_90", level));
    };
    auto kept = create();
    for (unsigned round = 0; round < 6; ++round)
      for (bool interpreter : {true, false})
        for (const std::string &source : {laneOpcode, bothOpcodes})
          EXPECT_EQ(compile(*kept, host, interpreter, source), compile(*create(), host, interpreter, source))
              << "level " << level << ", round " << round;
  }

  MLIRContext context;
};

} // namespace

TEST_F(TargetCompiler, MakesTheSamePtxEachTime) {
  for (unsigned level : {0, 2, 3})
    expectSameCodeEachTime(/*host=*/false, level);
}

TEST_F(TargetCompiler, MakesTheSameObjectEachTime) {
  for (unsigned level : {0, 1, 2, 3})
    expectSameCodeEachTime(/*host=*/true, level);
}

TEST_F(TargetCompiler, MakesAnObjectThatCanLieAnywhere) {
  std::string object =
      compile(*llvm::cantFail(mk::TargetCompiler::createHost(2)), /*host=*/true, /*interpreter=*/false);
  EXPECT_EQ(object.substr(0, 4), "\x7f"
                                 "ELF");
}

TEST_F(TargetCompiler, GoesOnAfterManyModules) {
  auto compiler = llvm::cantFail(mk::TargetCompiler::createNvptx("sm_90", 0));
  for (const std::string &source : {laneOpcode, bothOpcodes}) {
    std::string first = compile(*compiler, /*host=*/false, /*interpreter=*/false, source);
    for (unsigned i = 0; i < 300; ++i)
      compile(*compiler, /*host=*/false, /*interpreter=*/false, source);
    EXPECT_EQ(compile(*compiler, /*host=*/false, /*interpreter=*/false, source), first);
  }
}

TEST_F(TargetCompiler, RefusesAModuleForAnotherChip) {
  auto compiler = llvm::cantFail(mk::TargetCompiler::createNvptx("sm_90", 2));
  OwningOpRef<ModuleOp> module = lower(/*host=*/false, /*interpreter=*/false, "sm_80");
  auto code = compiler->compile(*module);
  ASSERT_FALSE(bool(code));
  EXPECT_EQ(llvm::toString(code.takeError()), "gpu.module is for 'sm_80', but the compiler makes code for 'sm_90'");
}
