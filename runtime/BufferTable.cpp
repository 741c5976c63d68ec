//===- BufferTable.cpp - The buffers of an engine -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "BufferTable.h"
#include <algorithm>
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
    retired.push_back(true);
  }
  table[handle] = {*base, bytes, tenants, access};
  retired[handle] = false;
  noteChange(handle);
  return handle;
}

static tl::unexpected<Error> noBuffer(BufferHandle buffer) {
  return makeError(ErrorCode::NotFound,
                   "there is no buffer " + std::to_string(buffer) + ": it was never allocated, or has been released");
}

Expected<void> BufferTable::retire(BufferHandle buffer) {
  std::lock_guard lock(mutex);
  if (buffer >= table.size() || retired[buffer])
    return noBuffer(buffer);
  retired[buffer] = true;
  return {};
}

Expected<uint64_t> BufferTable::locate(BufferHandle buffer, uint64_t offset, uint64_t bytes) const {
  std::lock_guard lock(mutex);
  if (buffer >= table.size() || retired[buffer])
    return noBuffer(buffer);
  const abi::BufferEntry &row = table[buffer];
  if (offset > row.bytes || bytes > row.bytes - offset)
    return makeError(ErrorCode::InvalidArgument, std::to_string(bytes) + " bytes from offset " +
                                                     std::to_string(offset) + " on are not inside buffer " +
                                                     std::to_string(buffer) + ", which has " +
                                                     std::to_string(row.bytes) + " bytes");
  return row.base + offset;
}

void BufferTable::free(BufferHandle buffer) {
  uint64_t base = 0;
  {
    std::lock_guard lock(mutex);
    std::swap(base, table[buffer].base);
    table[buffer] = {};
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
  auto differs = [&](size_t row) {
    const abi::BufferEntry &a = table[row], &b = mirrored[row];
    return a.base != b.base || a.bytes != b.bytes || a.tenants != b.tenants || a.access != b.access;
  };
  for (size_t row = changedBegin; row < changedEnd;) {
    size_t end = row;
    while (end < changedEnd && (wholeMirror || differs(end)))
      ++end;
    if (end == row) {
      ++row;
      continue;
    }
    std::span<const abi::BufferEntry> changed = std::span(table).subspan(row, end - row);
    if (Expected<void> copied = device.copyToDevice(mirror + row * sizeof(abi::BufferEntry), std::as_bytes(changed));
        !copied)
      return copied;
    std::copy(changed.begin(), changed.end(), mirrored.begin() + row);
    row = end;
  }
  changedBegin = table.size();
  changedEnd = 0;
  return {};
}

} // namespace mk
