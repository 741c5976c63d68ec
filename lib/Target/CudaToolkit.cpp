//===- CudaToolkit.cpp - What NVIDIA's toolkit adds -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Target/CudaToolkit.h"
#include "NvJitLink.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallVectorExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include <chrono>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

using namespace mk;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;
using llvm::StringRef;

CudaToolkit CudaToolkit::find() {
  auto variable = [](const char *name) { return llvm::sys::Process::GetEnv(name).value_or(""); };
  if (std::string only = variable("MK_CUDA_HOME"); !only.empty())
    return CudaToolkit({only});
  std::vector<std::string> roots{variable("CUDA_HOME"), variable("CUDA_PATH"), "/usr/local/cuda", "/usr/lib/cuda"};
  // Where tools/dev/setup --cuda puts one.
  std::string data = variable("XDG_DATA_HOME");
  if (std::string home = variable("HOME"); data.empty() && !home.empty())
    data = home + "/.local/share";
  if (!data.empty())
    roots.push_back(data + "/megakernel/cuda");
  // And that whose bin/ is on the PATH.
  llvm::SmallString<128> real;
  if (auto program = llvm::sys::findProgramByName("ptxas"); program && !fs::real_path(*program, real))
    roots.push_back(path::parent_path(path::parent_path(real)).str());
  llvm::erase(roots, "");
  return CudaToolkit(std::move(roots));
}

llvm::Expected<std::string> CudaToolkit::findPart(StringRef what, llvm::ArrayRef<StringRef> places) const {
  for (StringRef root : roots)
    for (StringRef place : places) {
      llvm::SmallString<128> file(root);
      path::append(file, place);
      if (fs::exists(file) && !fs::is_directory(file))
        return file.str().str();
    }
  return llvm::createStringError(what + " (" + places.front() + ") is not in " + llvm::join(roots, ", ") +
                                 "; set CUDA_HOME to a CUDA toolkit that has it, or run tools/dev/setup --cuda");
}

llvm::Expected<std::string> CudaToolkit::libdevice() const {
  return findPart("libdevice", {"nvvm/libdevice/libdevice.10.bc"});
}

llvm::Expected<std::string> CudaToolkit::ptxas() const { return findPart("ptxas", {"bin/ptxas"}); }

llvm::Expected<std::string> CudaToolkit::nvJitLink() const {
  // A toolkit has the first name, the wheels have one with a version.
  return findPart("nvJitLink", {"lib64/libnvJitLink.so", "lib64/libnvJitLink.so.13", "lib64/libnvJitLink.so.12",
                                "lib/libnvJitLink.so", "lib/libnvJitLink.so.13", "lib/libnvJitLink.so.12"});
}

llvm::Expected<std::string> CudaToolkit::nvrtc() const {
  return findPart("NVRTC", {"lib64/libnvrtc.so", "lib64/libnvrtc.so.13", "lib64/libnvrtc.so.12", "lib/libnvrtc.so",
                            "lib/libnvrtc.so.13", "lib/libnvrtc.so.12"});
}

/// What a process wrote to its standard output and error. An error when it did not exit with 0 within the time.
static llvm::Expected<std::string> runProcess(llvm::ArrayRef<std::string> command, unsigned timeoutSeconds) {
  using Clock = std::chrono::steady_clock;
  auto fail = [&](const llvm::Twine &why) { return llvm::createStringError(command[0] + " " + why); };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return fail("cannot be started: " + std::generic_category().message(errno));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  // A group of its own, so that what it starts ends with it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  auto arguments =
      llvm::map_to_vector(command, [](const std::string &argument) { return const_cast<char *>(argument.c_str()); });
  arguments.push_back(nullptr);
  pid_t child = 0;
  int failure = posix_spawn(&child, command[0].c_str(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(ends[1]);
  llvm::scope_exit closeEnd([&] { close(ends[0]); });
  if (failure != 0)
    return fail("cannot be started: " + std::generic_category().message(failure));

  auto deadline = Clock::now() + std::chrono::seconds(timeoutSeconds);
  auto left = [&] {
    return std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count());
  };
  std::string text;
  for (pollfd waited{ends[0], POLLIN, 0};;) {
    int ready = poll(&waited, 1, left());
    if (ready < 0 && errno == EINTR)
      continue;
    char buffer[4096];
    ssize_t size = ready > 0 ? read(ends[0], buffer, sizeof(buffer)) : 0;
    if (size <= 0)
      break;
    text.append(buffer, size);
  }
  // It has closed its output, so it is about to end, unless the time is over.
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(child, &status, WNOHANG)) == 0 && left() > 0)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  if (ended == 0) {
    kill(-child, SIGKILL);
    waitpid(child, &status, 0);
    return fail("did not end within " + llvm::Twine(timeoutSeconds) + " s and was stopped");
  }
  std::string said = StringRef(text).trim().str();
  if (WIFSIGNALED(status))
    return fail("died of signal " + llvm::Twine(WTERMSIG(status)) + (said.empty() ? "" : ": " + said));
  if (WEXITSTATUS(status) != 0)
    return fail("failed with exit code " + llvm::Twine(WEXITSTATUS(status)) + (said.empty() ? "" : ": " + said));
  return text;
}

/// Machine code from a process of ptxas.
static llvm::Expected<std::string> assembleInProcess(const std::string &ptxas, StringRef ptx, StringRef chip,
                                                     const AssembleOptions &options) {
  llvm::SmallString<128> input, output;
  if (std::error_code error = fs::createTemporaryFile("mk", "ptx", input))
    return llvm::createStringError("cannot make a temporary file: " + error.message());
  llvm::FileRemover removeInput(input);
  if (std::error_code error = fs::createTemporaryFile("mk", "cubin", output))
    return llvm::createStringError("cannot make a temporary file: " + error.message());
  llvm::FileRemover removeOutput(output);
  if (llvm::Error error = llvm::writeToOutput(input, [&](llvm::raw_ostream &stream) {
        stream << ptx;
        return llvm::Error::success();
      }))
    return error;
  std::vector<std::string> command{ptxas, ("-arch=" + chip).str(), options.optLevel == 0 ? "-Ofc=max" : "-O3"};
  if (options.relocatable)
    command.push_back("-c");
  command.insert(command.end(), {input.str().str(), "-o", output.str().str()});
  auto said = runProcess(command, options.timeoutSeconds);
  if (!said)
    return said.takeError();
  auto cubin = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!cubin)
    return llvm::createStringError("cannot read what '" + ptxas + "' wrote: " + cubin.getError().message());
  return (*cubin)->getBuffer().str();
}

llvm::Expected<std::string> CudaToolkit::assemble(StringRef ptx, StringRef chip, const AssembleOptions &options) const {
  auto library = nvJitLink();
  if (!library) {
    auto program = ptxas();
    if (!program)
      return llvm::joinErrors(library.takeError(), program.takeError());
    llvm::consumeError(library.takeError());
    return assembleInProcess(*program, ptx, chip, options);
  }
  auto link = NvJitLink::load(*library);
  if (!link)
    return link.takeError();
  std::string arch = ("-arch=" + chip).str();
  llvm::SmallVector<const char *> arguments{arch.c_str(), "-no-cache"};
  if (options.relocatable)
    arguments.push_back("-r");
  arguments.push_back(options.optLevel == 0 ? "-Xptxas=-Ofc=max" : "-O3");
  return (*link)->link(NvJitLink::Ptx, ptx, arguments);
}

llvm::Expected<std::string> CudaToolkit::linkImage(llvm::ArrayRef<StringRef> cubins, StringRef chip) const {
  auto library = nvJitLink();
  if (!library)
    return library.takeError();
  auto link = NvJitLink::load(*library);
  if (!link)
    return link.takeError();
  std::string arch = ("-arch=" + chip).str();
  const char *arguments[] = {arch.c_str(), "-no-cache", "-O3"};
  return (*link)->link(NvJitLink::Cubin, cubins, arguments);
}

llvm::Expected<std::string> CudaToolkit::assemblerVersion() const {
  auto library = nvJitLink();
  if (library) {
    auto link = NvJitLink::load(*library);
    if (!link)
      return link.takeError();
    return "nvJitLink " + (*link)->version();
  }
  auto program = ptxas();
  if (!program)
    return llvm::joinErrors(library.takeError(), program.takeError());
  llvm::consumeError(library.takeError());
  static std::mutex mutex;
  static llvm::StringMap<std::string> known;
  std::lock_guard lock(mutex);
  std::string &version = known[*program];
  if (version.empty()) {
    auto said = runProcess({*program, "--version"}, 10);
    if (!said)
      return said.takeError();
    // "Cuda compilation tools, release 13.0, V13.0.88"
    for (StringRef line : llvm::split(*said, '\n'))
      if (size_t place = line.find("release "); place != StringRef::npos)
        version = "ptxas " + line.substr(place + 8).str();
    if (version.empty())
      version = "ptxas: " + *said;
  }
  return version;
}
