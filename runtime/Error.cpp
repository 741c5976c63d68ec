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
  case ErrorCode::DeviceFailed:
    return "device_failed";
  case ErrorCode::Closed:
    return "closed";
  case ErrorCode::Busy:
    return "busy";
  }
  return "unknown";
}

} // namespace mk
