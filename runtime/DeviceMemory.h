//===- DeviceMemory.h - Device memory within a budget -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_DEVICEMEMORY_H
#define MK_RUNTIME_DEVICEMEMORY_H

#include "mk/Runtime/Device.h"
#include <mutex>

namespace mk {

/// Hands out the memory of a device as far as a budget allows. Thread-safe.
class DeviceMemory {
public:
  /// 'budget' in bytes, 0 for no bound. 'options' says in messages whose it is.
  DeviceMemory(Device &device, uint64_t budget, const char *options = "EngineOptions")
      : device(device), budget(budget), options(options) {}

  /// 'what' says in messages what the memory is for, e.g. "a buffer".
  Expected<uint64_t> allocate(uint64_t bytes, const char *what);
  void release(uint64_t address) { device.release(address); }

private:
  Device &device;
  const uint64_t budget;
  const char *const options;
  /// Makes check and allocation one step.
  std::mutex mutex;
};

} // namespace mk

#endif // MK_RUNTIME_DEVICEMEMORY_H
