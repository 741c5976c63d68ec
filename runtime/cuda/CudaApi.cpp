//===- CudaApi.cpp - The CUDA driver, found at run time -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CudaApi.h"
#include <dlfcn.h>

namespace mk::cuda {

/// CUDA 11.0, the first that knows sm_80.
static constexpr int OldestVersion = 11000;

static std::string formatVersion(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string Api::versionString() const { return formatVersion(version); }

std::string Api::describe(Result result, const char *call) const {
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != Success || !name)
    name = "unknown error";
  if (getErrorString(result, &text) != Success || !text)
    text = "the driver has no text for it";
  return std::string(call) + " failed: " + name + " (" + std::to_string(result) + "), " + text;
}

static Expected<Api> load() {
  // The driver stays loaded: it does not survive being unloaded.
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return makeError(ErrorCode::NotFound, std::string("there is no CUDA driver on this machine (") +
                                              (why ? why : "libcuda.so.1 cannot be loaded") +
                                              "); install the NVIDIA driver, or use the device 'host'");
  }

  Api api;
  const char *missing = nullptr;
#define MK_CUDA_LOAD(member, symbol, params)                                                                           \
  api.member = reinterpret_cast<decltype(api.member)>(dlsym(library, symbol));                                         \
  if (!api.member)                                                                                                     \
    missing = symbol;
  MK_CUDA_FUNCTIONS(MK_CUDA_LOAD)
#undef MK_CUDA_LOAD
  if (missing)
    return makeError(ErrorCode::Unsupported, std::string("the CUDA driver is too old, it has no ") + missing +
                                                 "; update the NVIDIA driver, or use the device 'host'");

  if (Result result = api.init(0); result != Success) {
    bool absent = result == ErrorNoDevice || result == ErrorStubLibrary;
    return makeError(absent ? ErrorCode::NotFound : ErrorCode::DeviceFailed,
                     "the CUDA driver found no usable GPU: " + api.describe(result, "cuInit") +
                         "; check nvidia-smi, or use the device 'host'");
  }
  if (Result result = api.driverGetVersion(&api.version); result != Success)
    return makeError(ErrorCode::DeviceFailed, api.describe(result, "cuDriverGetVersion"));
  if (api.version < OldestVersion)
    return makeError(ErrorCode::Unsupported, "the CUDA driver knows CUDA " + api.versionString() + ", but " +
                                                 formatVersion(OldestVersion) +
                                                 " is needed; update the NVIDIA driver, or use the device 'host'");
  return api;
}

Expected<const Api *> Api::get() {
  static const Expected<Api> loaded = load();
  if (!loaded)
    return tl::unexpected(loaded.error());
  return &*loaded;
}

} // namespace mk::cuda
