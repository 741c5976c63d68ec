//===- CompilerTest.cpp - The compiler as a library -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/Compiler.h"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>

using namespace mk;

namespace {

// GoogleTest brings in the C++ ABI's ::abi as well.
namespace abi = mk::abi;

const char *const source = R"mlir(
!vf = memref<?xf32, strided<[1], offset: ?>>
mk.opcode @fill code(64) scope(block) (%z: !vf, %v: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @copy code(70) scope(lane) (%x: memref<?xi64>, %z: memref<?xi64>, %i: index) {
  %v = memref.load %x[%i] : memref<?xi64>
  memref.store %v, %z[%i] : memref<?xi64>
  mk.return
}
mk.window @twice (%z: !vf, %v: f32) {
  mk.issue @fill(%z, %v) : !vf, f32
  mk.issue @fill(%z, %v) : !vf, f32
}
)mlir";

std::unique_ptr<Compiler> make() {
  auto compiler = Compiler::create(source, "test.mlir");
  EXPECT_TRUE(compiler) << compiler.error().message;
  return std::move(*compiler);
}

/// ptxas takes the PTX; true where it is not installed.
bool assembles(const std::string &ptx, const std::string &chip) {
  std::string ptxas;
  for (const char *home : {static_cast<const char *>(std::getenv("CUDA_HOME")), "/usr/local/cuda"})
    if (home && ptxas.empty() && std::ifstream(std::string(home) + "/bin/ptxas"))
      ptxas = std::string(home) + "/bin/ptxas";
  if (ptxas.empty())
    return true;
  std::string file = testing::TempDir() + "mk-compiler-test-" + std::to_string(getpid()) + ".ptx";
  std::ofstream(file) << ptx;
  int status = std::system((ptxas + " --gpu-name " + chip + " -o /dev/null " + file).c_str());
  std::remove(file.c_str());
  return status == 0;
}

TEST(Compiler, DescribesTheIsa) {
  auto compiler = make();
  const Isa &isa = compiler->isa();
  ASSERT_EQ(isa.opcodes.size(), 2u);
  EXPECT_EQ(isa.opcodes[0].name, "fill");
  EXPECT_EQ(isa.opcodes[0].code, 64u);
  EXPECT_EQ(isa.opcodes[0].scope, Scope::Block);
  EXPECT_EQ(isa.opcodes[0].args, (std::vector<ArgType>{{ArgType::View, ElementType::F32, abi::AccessWrite},
                                                       {ArgType::Scalar, ElementType::F32, abi::AccessNone}}));
  EXPECT_EQ(isa.opcodes[0].words(), 4u);
  EXPECT_EQ(isa.opcodes[1].scope, Scope::Lane);
  EXPECT_EQ(isa.opcodes[1].args[0], (ArgType{ArgType::Buffer, ElementType::I64, abi::AccessRead}));
  EXPECT_EQ(isa.opcodes[1].args[1], (ArgType{ArgType::Buffer, ElementType::I64, abi::AccessWrite}));
  ASSERT_EQ(isa.windows.size(), 1u);
  EXPECT_EQ(isa.windows[0].issues.size(), 2u);
  EXPECT_EQ(isa.windows[0].issues[1].operands, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(isa.windows[0].args[0].access, uint32_t(abi::AccessWrite));
}

TEST(Compiler, MakesPtxWithoutAGpu) {
  auto compiler = make();
  CodeTarget target{CodeTarget::Nvptx, "sm_90"};
  auto lane = compiler->compileInterpreter(target, Scope::Lane);
  ASSERT_TRUE(lane) << lane.error().message;
  EXPECT_EQ(lane->entry, "mk_interpreter_lane");
  EXPECT_EQ(lane->scope, Scope::Lane);
  EXPECT_NE(lane->ptx.find(".target sm_90"), std::string::npos);
  EXPECT_NE(lane->ptx.find(".entry mk_interpreter_lane("), std::string::npos);
  EXPECT_TRUE(assembles(lane->ptx, "sm_90"));
  auto opcode = compiler->compileOpcode(target, 0);
  ASSERT_TRUE(opcode) << opcode.error().message;
  EXPECT_NE(opcode->ptx.find(".entry mk_opcode_fill("), std::string::npos);
  EXPECT_TRUE(assembles(opcode->ptx, "sm_90"));
  WindowSignature twice;
  twice.issues = {{0, {0, 1}}, {0, {0, 1}}};
  twice.args = {{ArgType::View, ElementType::F32, abi::AccessWrite}, {ArgType::Scalar, ElementType::F32, 0}};
  twice.extents = {0, -1};
  auto window = compiler->compileWindow(target, twice);
  ASSERT_TRUE(window) << window.error().message;
  EXPECT_EQ(window->scope, Scope::Block);
  EXPECT_NE(window->ptx.find(".entry " + window->entry + "("), std::string::npos);
  EXPECT_TRUE(assembles(window->ptx, "sm_90"));
  EXPECT_FALSE(assembles("nonsense", "sm_90") && std::ifstream("/usr/local/cuda/bin/ptxas"));
}

TEST(Compiler, RunsOnTheHost) {
  auto code = make()->compileOpcode({}, 0);
  ASSERT_TRUE(code) << code.error().message;
  // The compiler is gone; its code lives on with its owner.
  float data[4] = {1, 1, 1, 1};
  abi::BufferEntry table[2] = {{0, 0, 0, 0}, {uint64_t(uintptr_t(data)), sizeof data, ~0u, abi::AccessReadWrite}};
  struct {
    abi::ArgColumn columns[4] = {{32, 0}, {36, 4}, {44, 0}, {48, 4}};
    uint32_t handle = 1, offsets[2] = {0, 3}, count = 1;
    float values[2] = {5, 6};
  } args;
  abi::FaultRecord faults[2];
  uint32_t faultCount = 0;
  auto address = [](const void *p) { return uint64_t(uintptr_t(p)); };
  abi::LaunchParams params{2, address(&args), 0, address(table), 2, address(faults), address(&faultCount), 0, 0, 0};
  code->function(&params, 0, 2);
  EXPECT_EQ(data[0], 5);
  EXPECT_EQ(data[1], 1);
  EXPECT_EQ(data[3], 6);
  EXPECT_EQ(faultCount, 0u);
}

TEST(Compiler, ReportsWhereAnIsaIsWrong) {
  auto parse = Compiler::create("mk.opcode @x code(64) scope(lane) () {\n  nonsense\n}\n", "bad.mlir");
  ASSERT_FALSE(parse);
  EXPECT_EQ(parse.error().code, ErrorCode::Malformed);
  EXPECT_NE(parse.error().message.find("bad.mlir is not a valid ISA:\nbad.mlir:2:3: error:"), std::string::npos)
      << parse.error().message;

  auto verify = Compiler::create("\nmk.opcode @x code(3) scope(lane) () {\n  mk.return\n}\n", "bad.mlir");
  ASSERT_FALSE(verify);
  EXPECT_NE(verify.error().message.find("bad.mlir:2:1: error: 'mk.opcode' op code 3 is reserved"), std::string::npos)
      << verify.error().message;

  auto empty = Compiler::create("module {}", "empty.mlir");
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(empty.error().message, "empty.mlir has no mk.opcode; an ISA defines at least one opcode");

  auto level = Compiler::create(source, "x.mlir", {.optLevel = 9});
  ASSERT_FALSE(level);
  EXPECT_EQ(level.error().message, "optimisation level 9 is not one of 0 to 3");
}

TEST(Compiler, RefusesWhatItCannotCompile) {
  auto compiler = make();
  auto chip = compiler->compileOpcode({CodeTarget::Nvptx, "sm_777"}, 0);
  ASSERT_FALSE(chip);
  EXPECT_EQ(chip.error().code, ErrorCode::CompileFailed);
  EXPECT_NE(chip.error().message.find("chip 'sm_777'"), std::string::npos) << chip.error().message;

  auto missing = compiler->compileOpcode({}, 5);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "opcode index 5 is not below 2");

  WindowSignature wrong;
  wrong.issues = {{7, {}}};
  auto window = compiler->compileWindow({}, wrong);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().message, "the signature names opcode index 7, which is not below 2");

  // @fill takes a view and a number.
  wrong.issues = {{0, {0, 0}}};
  wrong.args = {{ArgType::Scalar, ElementType::F32, 0}};
  wrong.extents = {-1};
  window = compiler->compileWindow({}, wrong);
  ASSERT_FALSE(window);
  EXPECT_NE(window.error().message.find("the signature does not fit the ISA: fill(0,0)"), std::string::npos)
      << window.error().message;

  auto copy = Compiler::create(R"mlir(mk.opcode @x code(64) scope(lane) (%a: memref<?xi32>, %b: memref<?xi32>) {
  memref.copy %a, %b : memref<?xi32> to memref<?xi32>
  mk.return
})mlir",
                               "copy.mlir");
  ASSERT_TRUE(copy);
  auto refused = (*copy)->compileOpcode({}, 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::CompileFailed);
  EXPECT_NE(refused.error().message.find("copy.mlir:2:3: error: 'memref.copy' op touches memory"), std::string::npos)
      << refused.error().message;
}

TEST(Compiler, ServesSeveralThreads) {
  auto compiler = make();
  std::string texts[4];
  std::vector<std::thread> threads;
  for (std::string &text : texts)
    threads.emplace_back([&] {
      auto code = compiler->compileOpcode({CodeTarget::Nvptx, "sm_80"}, 1);
      ASSERT_TRUE(code);
      text = code->ptx;
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::string &text : texts)
    EXPECT_EQ(text, texts[0]);
}

} // namespace
