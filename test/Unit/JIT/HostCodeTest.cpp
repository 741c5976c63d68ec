//===- HostCodeTest.cpp - Code in this process ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCode.h"
#include "ServiceTesting.h"
#include "llvm/ExecutionEngine/Orc/TargetProcess/JITLoaderGDB.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Object/ObjectFile.h"
#include <fstream>
#include <unistd.h>

extern "C" jit_descriptor __jit_debug_descriptor;

using namespace mk;

namespace {

/// The opcode as an ELF object.
CodeObject makeObject(uint32_t opcode) {
  auto compiler = Compiler::create(serviceIsa, "test.mlir");
  auto made = (*compiler)->compile(hostOpcode(opcode), CodeObject::Format::HostObject);
  EXPECT_TRUE(made) << made.error().message;
  return made->code;
}

std::shared_ptr<HostCode> makeHost(const HostCodeOptions &options = {}) {
  auto host = HostCode::create(options);
  EXPECT_TRUE(bool(host)) << llvm::toString(host.takeError());
  return *host;
}

TEST(HostCode, GivesCodeBackWithItsLastOwner) {
  CodeObject object = makeObject(2);
  std::shared_ptr<HostCode> host = makeHost();
  auto first = host->load(object.bytes, object.entry);
  ASSERT_TRUE(bool(first)) << llvm::toString(first.takeError());
  auto second = host->load(object.bytes, object.entry);
  ASSERT_TRUE(bool(second)) << llvm::toString(second.takeError());
  EXPECT_NE(first->function, second->function);
  // The memory of the one is there for the next.
  HostKernelFn place = first->function;
  first->owner.reset();
  auto third = host->load(object.bytes, object.entry);
  ASSERT_TRUE(bool(third)) << llvm::toString(third.takeError());
  EXPECT_EQ(third->function, place);
  // What is left holds on to the rest.
  host.reset();
  KernelCode code;
  code.function = second->function;
  std::vector<float> z = {1, 2};
  HostRun run;
  run.addBuffer(z);
  EXPECT_EQ(run.run(code, {1, 0, 2, wordOf(3)}), 0u);
  EXPECT_EQ(z, (std::vector<float>{3, 6}));
}

TEST(HostCode, RefusesWhatIsNoObject) {
  CodeObject object = makeObject(2);
  std::shared_ptr<HostCode> host = makeHost();
  auto message = [&](llvm::StringRef bytes, llvm::StringRef entry) {
    auto loaded = host->load(bytes, entry);
    return loaded ? std::string() : llvm::toString(loaded.takeError());
  };
  EXPECT_NE(message("nonsense", "f"), "");
  EXPECT_NE(message(llvm::StringRef(object.bytes).take_front(100), object.entry), "");
  EXPECT_NE(message(object.bytes, "no_such_function").find("no_such_function"), std::string::npos);
  EXPECT_EQ(message(object.bytes, object.entry), "");
}

/// Entries that a debugger would find.
std::vector<std::string> namesForDebuggers() {
  std::vector<std::string> names;
  for (jit_code_entry *entry = __jit_debug_descriptor.first_entry; entry; entry = entry->next_entry) {
    auto file = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef({entry->symfile_addr, entry->symfile_size}, "object"));
    if (!file) {
      llvm::consumeError(file.takeError());
      continue;
    }
    for (const llvm::object::SymbolRef &symbol : (*file)->symbols())
      if (auto name = symbol.getName())
        names.push_back(name->str());
      else
        llvm::consumeError(name.takeError());
  }
  return names;
}

TEST(HostCode, IsSeenByDebuggers) {
  CodeObject object = makeObject(2);
  std::shared_ptr<HostCode> host = makeHost({.debugger = true, .perf = false});
  auto isSeen = [&] { return llvm::is_contained(namesForDebuggers(), "mk_opcode_scale"); };
  EXPECT_FALSE(isSeen());
  auto function = host->load(object.bytes, object.entry);
  ASSERT_TRUE(bool(function)) << llvm::toString(function.takeError());
  EXPECT_TRUE(isSeen());
  function->owner.reset();
  EXPECT_FALSE(isSeen());
}

TEST(HostCode, IsSeenByPerf) {
  CodeObject object = makeObject(2);
  std::string path = "/tmp/perf-" + std::to_string(getpid()) + ".map";
  std::shared_ptr<HostCode> host = makeHost({.debugger = false, .perf = true});
  auto function = host->load(object.bytes, object.entry);
  ASSERT_TRUE(bool(function)) << llvm::toString(function.takeError());
  std::ifstream file(path);
  bool seen = false;
  uint64_t address, size;
  for (std::string name; file >> std::hex >> address >> size >> name;)
    seen |= name == "mk_opcode_scale" && address == uint64_t(uintptr_t(function->function)) && size > 0;
  EXPECT_TRUE(seen);
  std::remove(path.c_str());
}

} // namespace
