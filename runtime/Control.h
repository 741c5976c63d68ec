//===- Control.h - Control words and debug log ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CONTROL_H
#define MK_RUNTIME_CONTROL_H

#include "BufferTable.h"

namespace mk {

/// The memory of the engine that built-in opcodes use: rows ControlBuffer and DebugBuffer of the buffer table. What
/// reads or writes it runs in the order of the batches.
class Control {
public:
  /// 'optionsName' says in messages whose options they are.
  Control(Device &device, BufferTable &buffers, const char *optionsName = "EngineOptions")
      : device(device), buffers(buffers), optionsName(optionsName) {}

  /// Allocates and fills both. InvalidArgument for options beyond their range.
  Expected<void> create(const EngineOptions &options);

  Expected<std::vector<uint32_t>> read(uint64_t first, uint64_t count) const;
  Expected<void> write(uint64_t first, std::span<const uint32_t> words);
  Expected<DebugLog> readDebugLog() const;
  Expected<void> clearDebugLog();

private:
  Expected<uint64_t> locate(uint64_t first, uint64_t count) const;

  Device &device;
  BufferTable &buffers;
  const char *const optionsName;
  /// Addresses, and sizes in words.
  uint64_t control = 0, controlWords = 0;
  uint64_t debug = 0, debugWords = 0;
};

} // namespace mk

#endif // MK_RUNTIME_CONTROL_H
