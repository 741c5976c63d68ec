//===- Error.cpp - Errors as values ---------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Error.h"

namespace mk {

const char *stringifyErrorCode(ErrorCode code) {
  switch (code) {
  case ErrorCode::InvalidArgument:
    return "invalid_argument";
  case ErrorCode::NotFound:
    return "not_found";
  case ErrorCode::Malformed:
    return "malformed";
  case ErrorCode::OutOfMemory:
    return "out_of_memory";
  case ErrorCode::Unsupported:
    return "unsupported";
  case ErrorCode::CompileFailed:
    return "compile_failed";
  case ErrorCode::CompilerDied:
    return "compiler_died";
  case ErrorCode::TimedOut:
    return "timed_out";
  case ErrorCode::Cancelled:
    return "cancelled";
  case ErrorCode::DeviceFailed:
    return "device_failed";
  case ErrorCode::Closed:
    return "closed";
  case ErrorCode::Busy:
    return "busy";
  case ErrorCode::OpcodeReserved:
    return "opcode_reserved";
  case ErrorCode::FenceRange:
    return "fence_range";
  case ErrorCode::PackedCount:
    return "packed_count";
  case ErrorCode::PackedMetadata:
    return "packed_metadata";
  case ErrorCode::PackedOffset:
    return "packed_offset";
  case ErrorCode::PackedPayload:
    return "packed_payload";
  case ErrorCode::PackedOpcode:
    return "packed_opcode";
  case ErrorCode::TenantRight:
    return "tenant_right";
  case ErrorCode::TenantOpcodeWindow:
    return "tenant_opcode_window";
  case ErrorCode::PackedArity:
    return "packed_arity";
  }
  return "unknown";
}

} // namespace mk
