//===- Control.cpp - Control words and debug log --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Control.h"
#include <algorithm>
#include <cstring>

namespace mk {

/// The most observables, and the most records of the debug log.
static constexpr uint32_t MaxCount = 1u << 20;

Expected<void> Control::create(const EngineOptions &options) {
  auto check = [this](const char *what, uint64_t value, uint64_t most) -> Expected<void> {
    if (value <= most)
      return {};
    return makeError(ErrorCode::InvalidArgument, std::string(optionsName) + "::" + what + " is " +
                                                     std::to_string(value) + ", but at most " + std::to_string(most) +
                                                     " are possible");
  };
  if (Expected<void> good = check("observables", options.observables, MaxCount); !good)
    return good;
  if (Expected<void> good = check("debugRecords", options.debugRecords, MaxCount); !good)
    return good;
  if (Expected<void> good = check("tenantRights.size()", options.tenantRights.size(), abi::MaxTenants); !good)
    return good;

  controlWords = abi::ControlObservable + options.observables;
  debugWords = 1 + abi::DebugRecordWords * options.debugRecords;
  auto allocate = [&](abi::SystemBuffer row, uint64_t words, uint64_t &address) -> Expected<void> {
    Expected<uint64_t> base = buffers.allocateSystem(row, words * sizeof(uint32_t));
    if (!base)
      return tl::unexpected(base.error());
    address = *base;
    return {};
  };
  if (Expected<void> allocated = allocate(abi::ControlBuffer, controlWords, control); !allocated)
    return allocated;
  if (Expected<void> allocated = allocate(abi::DebugBuffer, debugWords, debug); !allocated)
    return allocated;

  std::vector<uint32_t> words(abi::ControlObservable);
  words[abi::ControlTenantBase] = abi::ControlTenantMask;
  words[abi::ControlAbi] = abi::Version;
  auto rights = words.begin() + abi::ControlTenantMask;
  std::fill_n(rights, abi::MaxTenants, ~0u);
  std::copy(options.tenantRights.begin(), options.tenantRights.end(), rights);
  return write(0, words);
}

Expected<uint64_t> Control::locate(uint64_t first, uint64_t count) const {
  if (first > controlWords || count > controlWords - first)
    return makeError(ErrorCode::InvalidArgument, std::to_string(count) + " words from word " + std::to_string(first) +
                                                     " on are not inside the control words, of which there are " +
                                                     std::to_string(controlWords) + "; " + optionsName +
                                                     "::observables says how many");
  return control + first * sizeof(uint32_t);
}

Expected<std::vector<uint32_t>> Control::read(uint64_t first, uint64_t count) const {
  Expected<uint64_t> address = locate(first, count);
  if (!address)
    return tl::unexpected(address.error());
  std::vector<uint32_t> words(count);
  if (Expected<void> copied = device.copyFromDevice(*address, std::as_writable_bytes(std::span(words))); !copied)
    return tl::unexpected(copied.error());
  return words;
}

Expected<void> Control::write(uint64_t first, std::span<const uint32_t> words) {
  Expected<uint64_t> address = locate(first, words.size());
  if (!address)
    return tl::unexpected(address.error());
  return device.copyToDevice(*address, std::as_bytes(words));
}

Expected<DebugLog> Control::readDebugLog() const {
  std::vector<uint32_t> words(debugWords);
  if (Expected<void> copied = device.copyFromDevice(debug, std::as_writable_bytes(std::span(words))); !copied)
    return tl::unexpected(copied.error());
  Expected<DebugLog> log = decodeDebugLog(std::as_bytes(std::span(words)));
  if (!log)
    return log;
  Expected<std::vector<uint32_t>> dropped = read(abi::ControlDebugDropped, 1);
  if (!dropped)
    return tl::unexpected(dropped.error());
  log->dropped = dropped->front();
  return log;
}

Expected<void> Control::clearDebugLog() {
  if (Expected<void> cleared = device.fill(debug, std::byte(0), debugWords * sizeof(uint32_t)); !cleared)
    return cleared;
  const uint32_t none[] = {0};
  return write(abi::ControlDebugDropped, none);
}

Expected<DebugLog> decodeDebugLog(std::span<const std::byte> bytes) {
  if (bytes.size() % sizeof(uint32_t) != 0)
    return makeError(ErrorCode::Malformed,
                     "a debug log of " + std::to_string(bytes.size()) + " bytes, but it consists of words of 4 bytes");
  if (bytes.empty())
    return makeError(ErrorCode::Malformed, "a debug log of 0 bytes, but it begins with a word that counts");
  auto word = [&](uint64_t index) {
    uint32_t value;
    std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
    return value;
  };
  uint64_t capacity = bytes.size() / sizeof(uint32_t) - 1, used = word(0);
  // Past the end the count says nothing but that records were dropped.
  if (used < capacity && used % abi::DebugRecordWords != 0)
    return makeError(ErrorCode::Malformed, "a debug log with " + std::to_string(used) +
                                               " words of records, which have " +
                                               std::to_string(abi::DebugRecordWords) + " each");
  DebugLog log;
  uint64_t records = std::min(used, capacity) / abi::DebugRecordWords;
  for (uint64_t i = 0; i < records; ++i) {
    uint64_t at = 1 + i * abi::DebugRecordWords;
    log.records.push_back({word(at), word(at + 1), word(at + 2), word(at + 3) / abi::SlotWords});
  }
  return log;
}

} // namespace mk
