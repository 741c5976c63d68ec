//===- Wire.h - What the service and its workers say --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Frames over a stream socket: four bytes with the length of the rest, one with the type, and the payload. Both ends
// are of one build, which Hello makes sure of, so nothing here is for the ages. A reader takes any bytes nevertheless:
// a worker that dies may leave anything.
//
//   worker                         service
//   Hello  buildId
//                                  Open     options, bytecode of the ISA
//   Opened | Failed
//                                  Compile  order
//   Phase  phase         (before each)
//   Code   times, code object | Failed  error code, message
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_WIRE_H
#define MK_JIT_WIRE_H

#include "Backend.h"
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace mk::wire {

enum class Type : uint8_t { Hello, Open, Opened, Compile, Phase, Code, Failed };

/// No frame is longer.
constexpr uint32_t maxFrameBytes = 256 << 20;

struct Frame {
  Type type;
  std::string payload;
};

class Writer {
public:
  template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  Writer &operator<<(T value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
    return *this;
  }
  Writer &operator<<(std::string_view text) {
    *this << uint32_t(text.size());
    bytes += text;
    return *this;
  }
  std::string take() { return std::move(bytes); }

private:
  std::string bytes;
};

/// After a read beyond the end it is not good, and what was read is zero.
class Reader {
public:
  explicit Reader(std::string_view bytes) : bytes(bytes) {}
  template <typename T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  Reader &operator>>(T &value) {
    // A bool has two values, whatever the byte.
    std::conditional_t<std::is_same_v<T, bool>, uint8_t, T> raw{};
    if (take(sizeof(raw)))
      std::memcpy(&raw, taken.data(), sizeof(raw));
    value = T(raw);
    return *this;
  }
  Reader &operator>>(std::string &text) {
    uint32_t size = 0;
    *this >> size;
    text = take(size) ? taken : std::string_view();
    return *this;
  }
  /// The length of a list, of which each entry takes at least 'bytesEach'.
  uint32_t count(size_t bytesEach) {
    uint32_t size = 0;
    *this >> size;
    if (size_t(size) * bytesEach > bytes.size())
      good = false;
    return good ? size : 0;
  }
  bool isGood() const { return good; }
  /// Everything was read, and was there.
  bool isDone() const { return good && bytes.empty(); }

private:
  bool take(size_t size) {
    good = good && size <= bytes.size();
    if (good) {
      taken = bytes.substr(0, size);
      bytes.remove_prefix(size);
    }
    return good;
  }

  std::string_view bytes, taken;
  bool good = true;
};

/// What a worker needs to know before the first order.
struct Opening {
  CompilerOptions options;
  uint64_t memory = 0;
  std::string bytecode;
  /// What it gets itself warm with.
  CodeTarget target;
  CodeObject::Format format = CodeObject::Format::HostObject;
};
std::string pack(const Opening &opening);
std::optional<Opening> unpackOpening(std::string_view payload);

/// The deadline stays here: the service watches it.
std::string pack(const WorkOrder &order);
std::optional<WorkOrder> unpackOrder(std::string_view payload);

std::string pack(const CompiledCode &code);
std::optional<CompiledCode> unpackCode(std::string_view payload);

std::string pack(const Error &error);
std::optional<Error> unpackError(std::string_view payload);

/// Header and payload in one.
std::string frame(Type type, std::string_view payload);

/// Collects the bytes of a stream and yields the frames in it.
class Stream {
public:
  void add(std::string_view bytes) { buffer += bytes; }
  /// The next frame, or nothing when it is not complete.
  std::optional<Frame> next();
  /// What came is no frame.
  bool isBroken() const { return broken; }

private:
  std::string buffer;
  bool broken = false;
};

} // namespace mk::wire

#endif // MK_JIT_WIRE_H
