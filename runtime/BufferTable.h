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
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

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
  /// The same for slots of abi::EngineTenant alone. The calls below do not know it, but those of the dispatcher do.
  Expected<BufferHandle> allocateForEngine(uint64_t bytes, uint32_t access);
  /// A zero-filled buffer for the engine itself: no slot can name it, and the calls below do not know it.
  Expected<uint64_t> allocateSystem(abi::SystemBuffer row, uint64_t bytes);
  /// Takes the handle out of use for calls from now on. The row and its memory stay until free().
  Expected<void> retire(BufferHandle buffer);
  /// The device address of 'bytes' bytes from 'offset' on. NotFound for no such buffer, InvalidArgument beyond its end.
  Expected<uint64_t> locate(BufferHandle buffer, uint64_t offset, uint64_t bytes) const;

  /// Keeps the memory of a buffer while it lives: free() waits.
  class Pin {
  public:
    Pin() = default;
    Pin(BufferTable &table, BufferHandle buffer, const abi::BufferEntry &row, uint64_t address)
        : row(row), address(address), table(&table), buffer(buffer) {}
    Pin(Pin &&other) noexcept
        : row(other.row), address(other.address), table(std::exchange(other.table, nullptr)), buffer(other.buffer) {}
    Pin &operator=(Pin &&) = delete;
    ~Pin() {
      if (table)
        table->unpin(buffer);
    }

    abi::BufferEntry row{};
    uint64_t address = 0;

  private:
    BufferTable *table = nullptr;
    BufferHandle buffer = 0;
  };
  /// As locate(), for calls that copy while others release.
  Expected<Pin> pin(BufferHandle buffer, uint64_t offset, uint64_t bytes);
  /// The row that slots find: its base is 0 when they find none.
  Pin pinRow(BufferHandle buffer);

  /// Dispatcher: takes a retired buffer from rows(), so that no window is found to hold any more; the device still has
  /// it.
  void hide(BufferHandle buffer);
  /// Dispatcher: takes a retired buffer from the device with the next sync(). Its memory and its handle stay until
  /// free(), for slots that have found it.
  void withdraw(BufferHandle buffer);
  /// Dispatcher: frees a retired buffer, when nobody pins it.
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
  /// What becomes of a row, in this order. Calls know those that are in use. A free one has base 0.
  enum class State : uint8_t { InUse, Retired, Hidden, Withdrawn };
  std::vector<State> states = std::vector<State>(abi::SystemBufferCount, State::Retired);
  /// How often each row is pinned.
  std::vector<uint32_t> pins = std::vector<uint32_t>(abi::SystemBufferCount);
  std::condition_variable unpinned;
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

  Expected<BufferHandle> allocateRow(uint64_t bytes, uint32_t access, uint32_t tenants, State state);
  void noteChange(size_t row);
  /// With the mutex held: where 'bytes' bytes from 'offset' on lie.
  Expected<uint64_t> find(BufferHandle buffer, uint64_t offset, uint64_t bytes) const;
  void unpin(BufferHandle buffer);
  Expected<void> writeRows(size_t first, std::span<const abi::BufferEntry> rows);
  Expected<uint64_t> allocateZeros(uint64_t bytes, const char *what);
};

} // namespace mk

#endif // MK_RUNTIME_BUFFERTABLE_H
