//===- BufferTable.h - The buffers of an engine -----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_BUFFERTABLE_H
#define MK_RUNTIME_BUFFERTABLE_H

#include "DeviceMemory.h"
#include "mk/Runtime/Engine.h"
#include <deque>
#include <mutex>

namespace mk {

/// The bytes of a buffer that is asked for; InvalidArgument or OutOfMemory for one that cannot be.
Expected<uint64_t> bufferBytes(ElementType type, uint64_t count, uint32_t access);

/// The buffer table. Buffers come and go on the threads of the callers; what the device and the guards see changes only
/// in sync(), which the dispatcher calls between batches. So a batch sees one state of the table, and the guards see
/// the state that its kernels see.
class BufferTable {
public:
  BufferTable(Device &device, DeviceMemory &memory) : device(device), memory(memory) {}
  ~BufferTable();

  /// Makes the table on the device large enough for 'rows' and keeps it there: buffers beyond are refused. For kernels
  /// that stay, which cannot be given another table.
  Expected<void> reserve(size_t rows);

  /// A zero-filled buffer.
  Expected<BufferHandle> allocate(uint64_t bytes, uint32_t access, uint32_t tenants);
  /// A zero-filled buffer for the engine itself: no slot can name it, and the calls below do not know it.
  Expected<uint64_t> allocateSystem(abi::SystemBuffer row, uint64_t bytes);
  /// Takes the handle out of use for calls from now on. The row and its memory stay until free().
  Expected<void> retire(BufferHandle buffer);
  /// The device address of 'bytes' bytes from 'offset' on. NotFound for no such buffer, InvalidArgument beyond its end.
  Expected<uint64_t> locate(BufferHandle buffer, uint64_t offset, uint64_t bytes) const;

  /// Dispatcher: takes a retired buffer from rows(), so that no window is found to hold any more; the device still has
  /// it.
  void hide(BufferHandle buffer) { mirrored[buffer].base = 0; }
  /// Dispatcher: frees a retired buffer.
  void free(BufferHandle buffer);
  /// Dispatcher: brings the table on the device and rows() up to date.
  Expected<void> sync();
  /// Dispatcher: the rows as of the last sync(), and where they lie on the device.
  std::span<const abi::BufferEntry> rows() const { return mirrored; }
  uint64_t deviceAddress() const { return mirror; }

private:
  Device &device;
  DeviceMemory &memory;

  mutable std::mutex mutex;
  std::vector<abi::BufferEntry> table{abi::SystemBufferCount};
  std::vector<bool> retired = std::vector<bool>(abi::SystemBufferCount, true);
  /// Free rows. The one that has been free longest is taken first, so that a stale handle fails for as long as
  /// possible.
  std::deque<BufferHandle> freeRows;
  /// Rows [changedBegin, changedEnd) differ from the mirror.
  size_t changedBegin = 0, changedEnd = abi::SystemBufferCount;

  /// Dispatcher only.
  std::vector<abi::BufferEntry> mirrored;
  uint64_t mirror = 0;
  size_t mirrorRows = 0;
  size_t maxRows = size_t(1) << 32;

  void noteChange(size_t row);
  Expected<uint64_t> allocateZeros(uint64_t bytes, const char *what);
};

} // namespace mk

#endif // MK_RUNTIME_BUFFERTABLE_H
