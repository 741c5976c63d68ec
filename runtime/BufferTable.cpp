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
    if (table.size() > std::numeric_limits<BufferHandle>::max()) {
      device.release(*base);
      return makeError(ErrorCode::OutOfMemory, "the buffer table is full, release buffers");
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
  }
  std::span<const abi::BufferEntry> changed = std::span(table).subspan(changedBegin, changedEnd - changedBegin);
  if (Expected<void> copied =
          device.copyToDevice(mirror + changedBegin * sizeof(abi::BufferEntry), std::as_bytes(changed));
      !copied)
    return copied;
  mirrored.resize(table.size());
  std::copy(changed.begin(), changed.end(), mirrored.begin() + changedBegin);
  changedBegin = table.size();
  changedEnd = 0;
  return {};
}

} // namespace mk
