//===- Error.h - Errors as values --------------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every call of the runtime that can fail returns Expected<T>. A message says what was wrong, with which value, and
// what to do about it; it starts in lower case and has no final period.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ERROR_H
#define MK_RUNTIME_ERROR_H

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace mk {

/// What kind of thing went wrong.
enum class ErrorCode {
  /// An argument that no state of the engine could accept.
  InvalidArgument,
  /// A name, handle, file or device that does not exist.
  NotFound,
  /// Text or bytes that cannot be understood.
  Malformed,
  /// Device or host memory is exhausted, or a budget would be exceeded.
  OutOfMemory,
  /// Asked for something that is not built, or that this machine lacks.
  Unsupported,
  /// Code generation failed, and would again.
  CompileFailed,
  /// The process that compiled ended before it was done.
  CompilerDied,
  /// Compiling took longer than it may.
  TimedOut,
  /// Nobody wants the answer any more.
  Cancelled,
  /// The device or its driver reported an error.
  DeviceFailed,
  /// The engine was shut down, or lost its device.
  Closed,
  /// Too much waits already; the same call may succeed later.
  Busy,
  /// An opcode that belongs to the system, and that nothing serves.
  OpcodeReserved,
  /// A fence over more slots than stand before it.
  FenceRange,
  /// A packed slot: more operations than can be counted.
  PackedCount,
  /// More operations than a slot holds.
  PackedMetadata,
  /// Arguments that begin beyond what an offset can say.
  PackedOffset,
  /// More argument words than a slot holds.
  PackedPayload,
  /// An operation that is unknown, or that a packed slot may not hold.
  PackedOpcode,
  /// An operation with too few arguments.
  PackedArity,
  /// A tenant's rights do not allow what it asks for.
  TenantRight,
  /// An opcode in the range of another tenant.
  TenantOpcodeWindow,
};

/// The keyword of a code, e.g. "invalid_argument".
const char *stringifyErrorCode(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string message;
};

template <typename T> using Expected = tl::expected<T, Error>;

/// Wraps an error for return from a function that yields Expected<T>.
inline tl::unexpected<Error> makeError(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

} // namespace mk

#endif // MK_RUNTIME_ERROR_H
