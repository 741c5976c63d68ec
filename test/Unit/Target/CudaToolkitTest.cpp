//===- CudaToolkitTest.cpp - What NVIDIA's toolkit adds ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Target/CudaToolkit.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <gtest/gtest.h>

using namespace mk;

namespace {

constexpr char header[] = ".version 7.8\n.target sm_90\n.address_size 64\n";
constexpr char kernel[] = ".extern .func plus_one();\n.visible .entry kernel() { call.uni plus_one; ret; }\n";
constexpr char function[] = ".visible .func plus_one() { ret; }\n";

/// A toolkit whose ptxas is a script.
class ScriptedPtxas : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("mk-toolkit", root));
    llvm::SmallString<128> bin(root);
    llvm::sys::path::append(bin, "bin");
    ASSERT_FALSE(llvm::sys::fs::create_directory(bin));
    llvm::sys::path::append(bin, "ptxas");
    path = bin.str().str();
  }
  void TearDown() override { llvm::sys::fs::remove_directories(root); }

  void write(const char *script) {
    std::error_code error;
    llvm::raw_fd_ostream stream(path, error);
    ASSERT_FALSE(error);
    stream << "#!/bin/sh\n" << script;
    stream.close();
    ASSERT_FALSE(llvm::sys::fs::setPermissions(path, llvm::sys::fs::all_all));
  }
  std::string assembleError(const AssembleOptions &options = {}) {
    auto cubin = CudaToolkit({root.str().str()}).assemble(header, "sm_90", options);
    return cubin ? "assembled" : llvm::toString(cubin.takeError());
  }

  llvm::SmallString<128> root;
  std::string path;
};

} // namespace

static std::string ptx(const char *body) { return std::string(header) + body; }

static unsigned elfType(const std::string &cubin) { return cubin.size() > 18 ? cubin[16] | cubin[17] << 8 : 0; }

TEST_F(ScriptedPtxas, IsEndedWithWhatItStartedWhenTheTimeIsOver) {
  write("sleep 100 &\nwait\n");
  auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(assembleError({.timeoutSeconds = 1}), path + " did not end within 1 s and was stopped");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(ScriptedPtxas, IsEndedAlsoWhenItHasClosedItsOutput) {
  write("exec >&- 2>&-\nsleep 100\n");
  EXPECT_EQ(assembleError({.timeoutSeconds = 1}), path + " did not end within 1 s and was stopped");
}

TEST_F(ScriptedPtxas, GetsWhatTheOptionsSay) {
  write("echo \"$@\"\nexit 1\n");
  EXPECT_NE(assembleError().find("-arch=sm_90 -O3 /"), std::string::npos);
  EXPECT_NE(assembleError({.relocatable = true, .optLevel = 0}).find("-arch=sm_90 -Ofc=max -c /"), std::string::npos);
}

TEST_F(ScriptedPtxas, NamesItsVersion) {
  write("echo 'Cuda compilation tools, release 13.0, V13.0.88'\n");
  auto version = CudaToolkit({root.str().str()}).assemblerVersion();
  ASSERT_TRUE(bool(version)) << llvm::toString(version.takeError());
  EXPECT_EQ(*version, "ptxas 13.0, V13.0.88");
}

TEST(CudaToolkit, LinksRelocatableCode) {
  CudaToolkit toolkit = CudaToolkit::find();
  if (auto library = toolkit.nvJitLink(); !library)
    GTEST_SKIP() << llvm::toString(library.takeError());
  std::vector<std::string> parts;
  for (const char *body : {kernel, function}) {
    auto part = toolkit.assemble(ptx(body), "sm_90", {.relocatable = true});
    ASSERT_TRUE(bool(part)) << llvm::toString(part.takeError());
    EXPECT_EQ(elfType(*part), llvm::ELF::ET_REL);
    parts.push_back(std::move(*part));
  }
  auto image = toolkit.linkImage({parts[0], parts[1]}, "sm_90");
  ASSERT_TRUE(bool(image)) << llvm::toString(image.takeError());
  EXPECT_EQ(elfType(*image), llvm::ELF::ET_EXEC);

  auto half = toolkit.linkImage({parts[0]}, "sm_90");
  ASSERT_FALSE(bool(half));
  std::string message = llvm::toString(half.takeError());
  EXPECT_NE(message.find("nvJitLink failed with result "), std::string::npos) << message;
  EXPECT_NE(message.find("plus_one"), std::string::npos) << message;
}

TEST(CudaToolkit, AssemblesWithPtxasWhatNvJitLinkTakes) {
  CudaToolkit toolkit = CudaToolkit::find();
  auto program = toolkit.ptxas();
  auto library = toolkit.nvJitLink();
  if (!program || !library) {
    llvm::consumeError(program.takeError());
    llvm::consumeError(library.takeError());
    GTEST_SKIP() << "ptxas and nvJitLink are not both here";
  }
  // A folder that has ptxas only.
  llvm::SmallString<128> root;
  ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("mk-toolkit", root));
  llvm::SmallString<128> bin(root);
  llvm::sys::path::append(bin, "bin");
  ASSERT_FALSE(llvm::sys::fs::create_directory(bin));
  llvm::sys::path::append(bin, "ptxas");
  ASSERT_FALSE(llvm::sys::fs::create_link(*program, bin));
  auto part = CudaToolkit({root.str().str()}).assemble(ptx(function), "sm_90", {.relocatable = true});
  llvm::sys::fs::remove_directories(root);
  ASSERT_TRUE(bool(part)) << llvm::toString(part.takeError());
  auto other = toolkit.assemble(ptx(kernel), "sm_90", {.relocatable = true});
  ASSERT_TRUE(bool(other)) << llvm::toString(other.takeError());
  auto image = toolkit.linkImage({*part, *other}, "sm_90");
  EXPECT_TRUE(bool(image)) << llvm::toString(image.takeError());
}
