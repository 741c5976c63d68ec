//===- BufferTable.cpp - The buffers of an engine -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BufferTable.h"
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <limits>

namespace mk {

Expected<uint64_t> bufferBytes(ElementType type, uint64_t count, uint32_t access) {
  // A program may pass any number.
  if (type > ElementType::Index)
    return makeError(ErrorCode::InvalidArgument, "a buffer of element type " + std::to_string(uint32_t(type)) +
                                                     " was asked for, but element types are 0 (i1) to " +
                                                     std::to_string(uint32_t(ElementType::Index)) + " (index)");
  if (count == 0)
    return makeError(ErrorCode::InvalidArgument, "a buffer of 0 elements was asked for, ask for 1 or more");
  if (access > (abi::AccessReadWrite | abi::AccessTransient))
    return makeError(ErrorCode::InvalidArgument,
                     "a buffer with access " + std::to_string(access) +
                         " was asked for, combine AccessRead (1), AccessWrite (2) and AccessTransient (4)");
  uint64_t size = elementBytes(type);
  if (count > UINT64_MAX / 2 / size)
    return makeError(ErrorCode::OutOfMemory, "a buffer of " + std::to_string(count) + " elements of " +
                                                 std::to_string(size) + " bytes is beyond every address space");
  return count * size;
}

BufferTable::~BufferTable() {
  for (const abi::BufferEntry &row : table)
    if (row.base)
      device.release(row.base);
  if (mirror)
    device.release(mirror);
}

void BufferTable::noteChange(size_t row) {
  changedBegin = std::min(changedBegin, row);
  changedEnd = std::max(changedEnd, row + 1);
}

Expected<uint64_t> BufferTable::allocateZeros(uint64_t bytes, const char *what) {
  Expected<uint64_t> base = memory.allocate(bytes, what);
  if (!base)
    return base;
  if (Expected<void> filled = device.fill(*base, std::byte(0), bytes); !filled) {
    device.release(*base);
    return tl::unexpected(filled.error());
  }
  return base;
}

Expected<void> BufferTable::reserve(size_t rows) {
  Expected<uint64_t> zeros = allocateZeros(rows * sizeof(abi::BufferEntry), "the buffer table");
  if (!zeros)
    return tl::unexpected(zeros.error());
  std::lock_guard lock(mutex);
  mirror = *zeros;
  mirrorRows = maxRows = rows;
  return {};
}

Expected<uint64_t> BufferTable::allocateSystem(abi::SystemBuffer row, uint64_t bytes) {
  Expected<uint64_t> base = allocateZeros(bytes, "the control words and the debug log");
  if (!base)
    return base;
  std::lock_guard lock(mutex);
  table[row] = {*base, bytes, /*tenants=*/0, abi::AccessReadWrite};
  noteChange(row);
  return base;
}

Expected<BufferHandle> BufferTable::allocate(uint64_t bytes, uint32_t access, uint32_t tenants) {
  return allocateRow(bytes, access, tenants, State::InUse);
}

Expected<BufferHandle> BufferTable::allocateForEngine(uint64_t bytes, uint32_t access) {
  return allocateRow(bytes, access, 1u << abi::EngineTenant, State::Retired);
}

Expected<BufferHandle> BufferTable::allocateRow(uint64_t bytes, uint32_t access, uint32_t tenants, State state) {
  Expected<uint64_t> base = allocateZeros(bytes, "a buffer");
  if (!base)
    return tl::unexpected(base.error());
  std::lock_guard lock(mutex);
  BufferHandle handle = 0;
  if (!freeRows.empty()) {
    handle = freeRows.front();
    freeRows.pop_front();
  } else {
    if (table.size() >= maxRows) {
      device.release(*base);
      return makeError(ErrorCode::OutOfMemory,
                       "the buffer table is full: all its " + std::to_string(maxRows) + " rows are in use");
    }
    handle = BufferHandle(table.size());
    table.emplace_back();
    states.emplace_back();
    pins.emplace_back();
  }
  table[handle] = {*base, bytes, tenants, access};
  states[handle] = state;
  noteChange(handle);
  return handle;
}

static tl::unexpected<Error> noBuffer(BufferHandle buffer) {
  return makeError(ErrorCode::NotFound,
                   "there is no buffer " + std::to_string(buffer) + ": it was never allocated, or has been released");
}

Expected<void> BufferTable::retire(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  if (buffer >= table.size() || states[buffer] != State::InUse)
    return noBuffer(buffer);
  states[buffer] = State::Retired;
  return {};
}

Expected<uint64_t> BufferTable::locate(BufferHandle buffer, uint64_t offset, uint64_t bytes) const {
  std::lock_guard lock(mutex);
  return find(buffer, offset, bytes);
}

Expected<BufferTable::Pin> BufferTable::pin(BufferHandle buffer, uint64_t offset, uint64_t bytes) {
  std::lock_guard lock(mutex);
  Expected<uint64_t> address = find(buffer, offset, bytes);
  if (!address)
    return tl::unexpected(address.error());
  ++pins[buffer];
  return Pin(*this, buffer, table[buffer], *address);
}

BufferTable::Pin BufferTable::pinRow(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  if (buffer >= table.size() || states[buffer] == State::Withdrawn)
    return Pin();
  ++pins[buffer];
  return Pin(*this, buffer, table[buffer], table[buffer].base);
}

void BufferTable::unpin(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  if (--pins[buffer] == 0)
    unpinned.notify_all();
}

Expected<uint64_t> BufferTable::find(BufferHandle buffer, uint64_t offset, uint64_t bytes) const {
  if (buffer >= table.size() || states[buffer] != State::InUse)
    return noBuffer(buffer);
  const abi::BufferEntry &row = table[buffer];
  if (offset > row.bytes || bytes > row.bytes - offset)
    return makeError(ErrorCode::InvalidArgument, std::to_string(bytes) + " bytes from offset " +
                                                     std::to_string(offset) + " on are not inside buffer " +
                                                     std::to_string(buffer) + ", which has " +
                                                     std::to_string(row.bytes) + " bytes");
  return row.base + offset;
}

void BufferTable::hide(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  states[buffer] = State::Hidden;
  // A row that has never been shown stays so.
  if (buffer < mirrored.size())
    mirrored[buffer].base = 0;
}

void BufferTable::withdraw(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  states[buffer] = State::Withdrawn;
  noteChange(buffer);
}

void BufferTable::free(BufferHandle buffer) {
  uint64_t base = 0;
  {
    std::unique_lock lock(mutex);
    unpinned.wait(lock, [&] { return pins[buffer] == 0; });
    std::swap(base, table[buffer].base);
    table[buffer] = {};
    states[buffer] = State::Retired;
    freeRows.push_back(buffer);
    noteChange(buffer);
  }
  memory.release(base);
}

Expected<void> BufferTable::sync() {
  std::lock_guard lock(mutex);
  if (changedBegin >= changedEnd)
    return {};
  bool wholeMirror = false;
  if (table.size() > mirrorRows) {
    size_t rows = std::max<size_t>(table.size() * 2, 64);
    Expected<uint64_t> grown = memory.allocate(rows * sizeof(abi::BufferEntry), "the buffer table");
    if (!grown)
      return tl::unexpected(grown.error());
    if (mirror)
      memory.release(mirror);
    mirror = *grown;
    mirrorRows = rows;
    changedBegin = 0;
    changedEnd = table.size();
    wholeMirror = true;
  }
  // Runs of rows that differ: kernels that stay read the others meanwhile.
  mirrored.resize(table.size());
  auto wanted = [&](size_t row) { return states[row] == State::Withdrawn ? abi::BufferEntry() : table[row]; };
  auto differs = [&](size_t row) {
    abi::BufferEntry a = wanted(row), b = mirrored[row];
    // The device has more of a hidden row than rows() shows.
    return states[row] != State::Hidden &&
           (a.base != b.base || a.bytes != b.bytes || a.tenants != b.tenants || a.access != b.access);
  };
  for (size_t row = changedBegin; row < changedEnd;) {
    std::vector<abi::BufferEntry> changed;
    for (size_t at = row; at < changedEnd && (wholeMirror || differs(at)); ++at)
      changed.push_back(wanted(at));
    if (changed.empty()) {
      ++row;
      continue;
    }
    if (Expected<void> written = writeRows(row, changed); !written)
      return written;
    std::copy(changed.begin(), changed.end(), mirrored.begin() + row);
    row += changed.size();
  }
  changedBegin = table.size();
  changedEnd = 0;
  return {};
}

Expected<void> BufferTable::writeRows(size_t first, std::span<const abi::BufferEntry> rows) {
  uint64_t to = mirror + first * sizeof(abi::BufferEntry);
  if (!device.info().hostAddressable)
    return device.copyToDevice(to, std::as_bytes(rows));
  // Kernels that stay are threads of this process: word by word, as they read it, and after the buffer's zeros.
  auto *words = reinterpret_cast<uint64_t *>(to);
  for (const abi::BufferEntry &row : rows)
    for (uint64_t word : std::bit_cast<std::array<uint64_t, abi::BufferEntryWords>>(row))
      std::atomic_ref(*words++).store(word, std::memory_order_release);
  return {};
}

} // namespace mk
