//===- NvJitLink.cpp - NVIDIA's linker, found at run time -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NvJitLink.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringMap.h"
#include <dlfcn.h>
#include <mutex>

using namespace mk;

llvm::Expected<const NvJitLink *> NvJitLink::load(const std::string &path) {
  static std::mutex mutex;
  static llvm::StringMap<NvJitLink> loaded;
  std::lock_guard lock(mutex);
  if (auto found = loaded.find(path); found != loaded.end())
    return &found->second;
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return llvm::createStringError("cannot load nvJitLink: " + std::string(why ? why : path));
  }
  NvJitLink link;
#define MK_NVJITLINK_LOAD(member, params)                                                                              \
  link.member = reinterpret_cast<decltype(link.member)>(dlsym(library, "nvJitLink" #member));                          \
  if (!link.member)                                                                                                    \
    return llvm::createStringError("'" + path + "' has no nvJitLink" #member "; take that of CUDA 12.3 or newer");
  MK_NVJITLINK_FUNCTIONS(MK_NVJITLINK_LOAD)
#undef MK_NVJITLINK_LOAD
  return &(loaded[path] = link);
}

llvm::Expected<std::string> NvJitLink::link(Input type, llvm::ArrayRef<llvm::StringRef> inputs,
                                            llvm::ArrayRef<const char *> options) const {
  NvJitLinkHandle handle = nullptr;
  llvm::scope_exit destroy([&] {
    if (handle)
      Destroy(&handle);
  });
  llvm::SmallVector<const char *> arguments(options);
  NvJitLinkResult result = Create(&handle, arguments.size(), arguments.data());
  for (llvm::StringRef input : inputs)
    if (result == 0)
      // Text has to end with a zero.
      result = AddData(handle, type, std::string(input).c_str(), input.size(), type == Ptx ? "ptx" : "cubin");
  if (result == 0)
    result = Complete(handle);
  size_t size = 0;
  if (result == 0)
    result = GetLinkedCubinSize(handle, &size);
  std::string cubin(size, 0);
  if (result == 0)
    result = GetLinkedCubin(handle, cubin.data());
  if (result == 0)
    return cubin;

  std::string log;
  if (handle && GetErrorLogSize(handle, &size) == 0) {
    log.resize(size);
    GetErrorLog(handle, log.data());
  }
  llvm::StringRef text = llvm::StringRef(log.c_str()).trim();
  return llvm::createStringError("nvJitLink failed with result " + std::to_string(result) +
                                 (text.empty() ? "" : ": " + text.str()));
}

std::string NvJitLink::version() const {
  unsigned major = 0, minor = 0;
  Version(&major, &minor);
  return std::to_string(major) + "." + std::to_string(minor);
}
