//===- Device.cpp - Devices by name ---------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Device.h"
#include "DeviceCommon.h"
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace mk {

Expected<void> checkAbiVersion(const KernelCode &code) {
  if (code.abiVersion == abi::Version)
    return {};
  char text[96];
  snprintf(text, sizeof text, "version 0x%08X of the ABI, but the runtime has version 0x%08X", code.abiVersion,
           abi::Version);
  return makeError(ErrorCode::Unsupported,
                   "kernel '" + code.entry + "' was compiled for " + text + "; compile it anew");
}

Expected<std::byte *> Device::allocateHost(uint64_t bytes) {
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!memory)
    return makeError(ErrorCode::OutOfMemory,
                     std::to_string(bytes) + " bytes of host memory were asked for and refused");
  return static_cast<std::byte *>(memory);
}

void Device::releaseHost(std::byte *memory) { std::free(memory); }

Expected<void> Device::startServing(std::span<const Service>) {
  return makeError(ErrorCode::Unsupported, "the device " + info().id + " has no resident mode; submit batches to it");
}

Expected<void> Device::stopServing(double) { return {}; }

static Expected<std::unique_ptr<Device>> createAuto() {
  Expected<std::unique_ptr<Device>> gpu = createCudaDevice(0);
  if (gpu)
    return gpu;
  // No GPU, or none that can be used: the host answers. A GPU that breaks is reported instead.
  if (gpu.error().code == ErrorCode::NotFound || gpu.error().code == ErrorCode::Unsupported)
    return createHostDevice();
  return gpu;
}

Expected<std::unique_ptr<Device>> createDevice(std::string_view id) {
  if (id == "auto")
    return createAuto();
  if (id == "host")
    return createHostDevice();
  if (id == "cuda")
    return createCudaDevice(0);
  if (id.starts_with("cuda:")) {
    std::string_view number = id.substr(5);
    unsigned ordinal = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), ordinal);
    if (error == std::errc() && end == number.data() + number.size())
      return createCudaDevice(ordinal);
  }
  return makeError(ErrorCode::NotFound,
                   "there is no device '" + std::string(id) + "'; give auto, host, cuda or cuda:N (N from 0)");
}

} // namespace mk
