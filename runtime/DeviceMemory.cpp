//===- DeviceMemory.cpp - Device memory within a budget -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceMemory.h"

namespace mk {

Expected<uint64_t> DeviceMemory::allocate(uint64_t bytes, const char *what) {
  std::lock_guard lock(mutex);
  if (budget) {
    uint64_t used = device.bytesInUse();
    uint64_t free = used < budget ? budget - used : 0;
    if (bytes > free)
      return makeError(ErrorCode::OutOfMemory, std::to_string(bytes) + " bytes for " + what +
                                                   " were asked for, but of the memory budget of " +
                                                   std::to_string(budget) + " bytes " + std::to_string(free) +
                                                   " are free; release buffers or raise " + options + "::memoryBudget");
  }
  return device.allocate(bytes);
}

} // namespace mk
