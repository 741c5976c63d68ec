//===- CompilerTest.cpp - The compiler as a library -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CompileService.h"
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

WindowSignature twice() {
  WindowSignature twice;
  twice.issues = {{0, {0, 1}}, {0, {0, 1}}};
  twice.args = {{ArgType::View, ElementType::F32, abi::AccessWrite}, {ArgType::Scalar, ElementType::F32, 0}};
  twice.extents = {0, -1};
  return twice;
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

constexpr CodeObject::Format ptx = CodeObject::Format::Ptx, object = CodeObject::Format::HostObject;

TEST(Compiler, MakesPtxWithoutAGpu) {
  auto compiler = make();
  CodeTarget target{CodeTarget::Nvptx, "sm_90"};
  auto lane = compiler->compile({.kind = CompileRequest::Interpreter, .target = target, .scope = Scope::Lane}, ptx);
  ASSERT_TRUE(lane) << lane.error().message;
  EXPECT_EQ(lane->code.entry, "mk_interpreter_lane");
  EXPECT_EQ(lane->code.scope, Scope::Lane);
  EXPECT_EQ(lane->code.format, ptx);
  EXPECT_EQ(lane->code.abiVersion, abi::Version);
  EXPECT_NE(lane->code.bytes.find(".target sm_90"), std::string::npos);
  EXPECT_NE(lane->code.bytes.find(".entry mk_interpreter_lane("), std::string::npos);
  EXPECT_TRUE(assembles(lane->code.bytes, "sm_90"));
  EXPECT_GT(lane->phases[size_t(CompilePhase::Codegen)].count(), 0);
  EXPECT_EQ(lane->phases[size_t(CompilePhase::Assemble)].count(), 0);
  auto opcode = compiler->compile({.kind = CompileRequest::Opcode, .target = target, .opcode = 0}, ptx);
  ASSERT_TRUE(opcode) << opcode.error().message;
  EXPECT_NE(opcode->code.bytes.find(".entry mk_opcode_fill("), std::string::npos);
  EXPECT_TRUE(assembles(opcode->code.bytes, "sm_90"));
  auto window = compiler->compile({.kind = CompileRequest::Window, .target = target, .window = twice()}, ptx);
  ASSERT_TRUE(window) << window.error().message;
  EXPECT_EQ(window->code.scope, Scope::Block);
  EXPECT_NE(window->code.bytes.find(".entry " + window->code.entry + "("), std::string::npos);
  EXPECT_TRUE(assembles(window->code.bytes, "sm_90"));
  EXPECT_FALSE(assembles("nonsense", "sm_90") && std::ifstream("/usr/local/cuda/bin/ptxas"));
}

TEST(Compiler, MakesCubinsWhereThereIsAnAssembler) {
  if (Compiler::gpuFormat() != CodeObject::Format::Cubin)
    GTEST_SKIP() << "no assembler of the CUDA toolkit";
  auto compiler = make();
  for (auto format : {CodeObject::Format::Cubin, CodeObject::Format::RelocatableCubin}) {
    auto made = compiler->compile({.kind = CompileRequest::Opcode, .target = {CodeTarget::Nvptx, "sm_90"}, .opcode = 0},
                                  format);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->code.bytes.substr(0, 4), "\177ELF");
    EXPECT_NE(made->code.bytes.find("mk_opcode_fill"), std::string::npos);
    EXPECT_GT(made->phases[size_t(CompilePhase::Assemble)].count(), 0);
  }
}

TEST(Compiler, MakesEqualCodeOfItsBytecode) {
  auto compiler = make();
  auto again = Compiler::create(compiler->bytecode(), "bytecode");
  ASSERT_TRUE(again) << again.error().message;
  for (uint32_t opcode : {0u, 1u}) {
    CompileRequest request{.kind = CompileRequest::Opcode, .target = {CodeTarget::Nvptx, "sm_90"}, .opcode = opcode};
    auto one = compiler->compile(request, ptx), other = (*again)->compile(request, ptx);
    ASSERT_TRUE(one && other);
    EXPECT_EQ(one->code, other->code);
    EXPECT_EQ(compiler->key(request, ptx)->bytes(), (*again)->key(request, ptx)->bytes());
  }
}

TEST(Compiler, KeysTellApartWhatMakesOtherCode) {
  auto compiler = make();
  CompileRequest base{.kind = CompileRequest::Opcode, .target = {CodeTarget::Nvptx, "sm_90"}, .opcode = 0};
  std::vector<std::string> keys;
  auto add = [&](Compiler &of, const CompileRequest &request, CodeObject::Format format = ptx) {
    auto key = of.key(request, format);
    ASSERT_TRUE(key) << key.error().message;
    keys.push_back(key->bytes());
  };
  auto with = [&](auto change) {
    CompileRequest request = base;
    change(request);
    return request;
  };
  add(*compiler, base);
  add(*compiler, base, CodeObject::Format::Cubin);
  add(*compiler, with([](auto &r) { r.opcode = 1; }));
  add(*compiler, with([](auto &r) { r.target.chip = "sm_80"; }));
  add(*compiler, with([](auto &r) { r.target = {}; }), object);
  add(*compiler, with([](auto &r) { r.effort = Effort::Quick; }));
  add(*compiler, with([](auto &r) { r.facts = {{.extent = 4}, {}}; }));
  add(*compiler, with([](auto &r) { r.facts = {{.multiple = 4}, {}}; }));
  add(*compiler, with([](auto &r) { r.facts = {{.aligned = 4}, {}}; }));
  add(*compiler, with([](auto &r) { r.facts = {{}, {.constant = 4}}; }));
  add(*compiler, with([](auto &r) { r.kind = CompileRequest::Interpreter; }));
  add(*compiler, with([](auto &r) { r.kind = CompileRequest::Interpreter, r.scope = Scope::Block; }));
  add(*compiler, with([](auto &r) { r.kind = CompileRequest::PackedInterpreter; }));
  add(*compiler, with([](auto &r) { r.kind = CompileRequest::Window, r.window = twice(); }));
  add(*compiler, with([](auto &r) { r.kind = CompileRequest::Window, r.window = twice(), r.window.extents = {0, 0}; }));
  add(**Compiler::create(source, "", {.optLevel = 1}), base);
  add(**Compiler::create(source, "", {.guard = false}), base);
  std::string other = source;
  other.replace(other.find("constant 1"), 10, "constant 2");
  add(**Compiler::create(other, ""), base);
  for (size_t i = 0; i < keys.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      EXPECT_NE(keys[i], keys[j]) << i << " and " << j;
  // Facts that say nothing, other places in the text, and other opcodes of the ISA do not matter.
  EXPECT_EQ(compiler->key(with([](auto &r) { r.facts = {{}, {}}; }), ptx)->bytes(), keys[0]);
  auto moved =
      Compiler::create("mk.opcode @first code(90) scope(lane) () { mk.return }\n\n\n" + std::string(source), "");
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ((*moved)->key(with([](auto &r) { r.opcode = 1; }), ptx)->bytes(), keys[0]);
  WindowSignature later = twice();
  for (auto &issue : later.issues)
    issue.opcode = 1;
  EXPECT_EQ((*moved)->key(with([&](auto &r) { r.kind = CompileRequest::Window, r.window = later; }), ptx)->bytes(),
            compiler->key(with([](auto &r) { r.kind = CompileRequest::Window, r.window = twice(); }), ptx)->bytes());
}

TEST(Compiler, RefusesFactsThatCannotHold) {
  auto compiler = make();
  auto message = [&](uint32_t opcode, Specialization facts) {
    auto made =
        compiler->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = opcode, .facts = facts}, object);
    EXPECT_FALSE(made);
    if (made)
      return std::string();
    EXPECT_EQ(made.error().code, ErrorCode::InvalidArgument);
    return made.error().message;
  };
  EXPECT_EQ(message(0, {{.extent = 4}}), "the facts do not fit fill: found facts about 1 arguments, expected 2");
  EXPECT_EQ(
      message(0, {{.constant = 4}, {}}),
      "the facts do not fit fill: argument 0 has type memref<?xf32, strided<[1], offset: ?>>, but only scalars are "
      "constants");
  EXPECT_EQ(message(0, {{}, {.constant = uint64_t(1) << 32}}),
            "the facts do not fit fill: argument 1 has type f32, which 4294967296 is too large for");
  EXPECT_EQ(message(0, {{}, {.extent = 4}}),
            "the facts do not fit fill: error: argument 1 has type 'f32', but only memrefs have an extent");
  EXPECT_EQ(message(1, {{.aligned = 4}, {}, {}}),
            "the facts do not fit copy: error: argument 0 has type 'memref<?xi64>', but only views have an offset that "
            "could be aligned");
  EXPECT_EQ(message(0, {{.extent = 6, .multiple = 4}, {}}),
            "the facts do not fit fill: error: argument 0: extent 6 is no multiple of 4");
  EXPECT_EQ(message(0, {{.multiple = 0}, {}}),
            "the facts do not fit fill: error: argument 0: everything is a multiple of 1 and nothing else of 0; use at "
            "least 1");
  auto interpreter = compiler->compile({.target = {}, .facts = {{.extent = 4}}}, object);
  ASSERT_FALSE(interpreter);
  EXPECT_EQ(interpreter.error().message, "facts specialise an opcode or a window, not an interpreter; leave them out");
}

TEST(Compiler, RefusesResidentCodeThatThereIsNot) {
  auto compiler = make();
  auto host = compiler->compile({.target = {}, .resident = true}, object);
  ASSERT_FALSE(host);
  EXPECT_EQ(host.error().message,
            "the resident form is for a GPU; on the host, threads of the runtime serve rings with "
            "the interpreter");
  auto opcode = compiler->compile({.kind = CompileRequest::Opcode, .target = {}, .resident = true}, object);
  ASSERT_FALSE(opcode);
  EXPECT_EQ(opcode.error().message, "only interpreters have a resident form and routes");
}

TEST(Compiler, SaysWhichPhaseItIsIn) {
  auto compiler = make();
  std::vector<CompilePhase> seen;
  CompileControl control;
  control.onPhase = [&](CompilePhase phase) -> Expected<void> {
    seen.push_back(phase);
    if (phase == CompilePhase::Codegen)
      return makeError(ErrorCode::Cancelled, "enough");
    return {};
  };
  auto made = compiler->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = 0}, object, control);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "enough");
  EXPECT_EQ(seen, (std::vector{CompilePhase::Verify, CompilePhase::Pass, CompilePhase::Translate,
                               CompilePhase::Optimize, CompilePhase::Codegen}));
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
  auto chip =
      compiler->compile({.kind = CompileRequest::Opcode, .target = {CodeTarget::Nvptx, "sm_777"}, .opcode = 0}, ptx);
  ASSERT_FALSE(chip);
  EXPECT_EQ(chip.error().code, ErrorCode::CompileFailed);
  EXPECT_NE(chip.error().message.find("chip 'sm_777'"), std::string::npos) << chip.error().message;

  auto missing = compiler->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = 5}, object);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "opcode index 5 is not below 2");

  WindowSignature wrong;
  wrong.issues = {{7, {}}};
  auto window = compiler->compile({.kind = CompileRequest::Window, .target = {}, .window = wrong}, object);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().message, "the signature names opcode index 7, which is not below 2");

  wrong.issues = {{0, {0, 3}}};
  window = compiler->compile({.kind = CompileRequest::Window, .target = {}, .window = wrong}, object);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().message, "the signature names argument 0, which is not below 0");

  // @fill takes a view and a number.
  wrong.issues = {{0, {0, 0}}};
  wrong.args = {{ArgType::Scalar, ElementType::F32, 0}};
  wrong.extents = {-1};
  window = compiler->compile({.kind = CompileRequest::Window, .target = {}, .window = wrong}, object);
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().code, ErrorCode::InvalidArgument);
  EXPECT_NE(window.error().message.find("the signature does not fit the ISA: fill(0,0)"), std::string::npos)
      << window.error().message;

  auto cubin = compiler->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = 0}, ptx);
  ASSERT_FALSE(cubin);
  EXPECT_EQ(cubin.error().message, "a ptx is no code for the host");

  auto copy = Compiler::create(R"mlir(mk.opcode @x code(64) scope(lane) (%a: memref<?xi32>, %b: memref<?xi32>) {
  memref.copy %a, %b : memref<?xi32> to memref<?xi32>
  mk.return
})mlir",
                               "copy.mlir");
  ASSERT_TRUE(copy);
  auto refused = (*copy)->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = 0}, object);
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
      auto code =
          compiler->compile({.kind = CompileRequest::Opcode, .target = {CodeTarget::Nvptx, "sm_80"}, .opcode = 1}, ptx);
      ASSERT_TRUE(code);
      text = code->code.bytes;
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const std::string &text : texts)
    EXPECT_EQ(text, texts[0]);
}

} // namespace
