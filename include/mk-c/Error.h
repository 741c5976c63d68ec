//===- Error.h - Errors as values ---------------------------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An error has a code for programs and a message for people. The message says what was wrong, with which value, and
// what to do about it; it starts in lower case and has no final period.
//
//   mkError *error = mkEngineOpenFile("isa.mlir", NULL, &engine);
//   if (error) {
//     fprintf(stderr, "%s: %s\n", mkErrorCodeName(mkErrorGetCode(error)), mkErrorGetMessage(error));
//     mkErrorFree(error);
//   }
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_ERROR_H
#define MK_C_ERROR_H

#include "mk-c/Common.h"

MK_C_BEGIN

/// An error, which belongs to whoever got it. NULL is success.
typedef struct mkError mkError;

/// What kind of thing went wrong. Later versions may add codes at the end.
typedef enum mkErrorCode {
  /// Nothing did.
  mkErrorCodeNone = -1,
  /// An argument that no state of the engine could accept.
  mkErrorCodeInvalidArgument = 0,
  /// A name, handle, file or device that does not exist.
  mkErrorCodeNotFound,
  /// Text or bytes that cannot be understood.
  mkErrorCodeMalformed,
  /// Device or host memory is exhausted, or a budget would be exceeded.
  mkErrorCodeOutOfMemory,
  /// Asked for something that is not built, or that this machine lacks.
  mkErrorCodeUnsupported,
  /// Code generation failed, and would again.
  mkErrorCodeCompileFailed,
  /// The process that compiled ended before it was done.
  mkErrorCodeCompilerDied,
  /// Compiling took longer than it may.
  mkErrorCodeTimedOut,
  /// Nobody wants the answer any more.
  mkErrorCodeCancelled,
  /// The device or its driver reported an error.
  mkErrorCodeDeviceFailed,
  /// The engine was shut down, or lost its device.
  mkErrorCodeClosed,
  /// Too much waits already; the same call may succeed later.
  mkErrorCodeBusy,
  /// An opcode that belongs to the system, and that nothing serves.
  mkErrorCodeOpcodeReserved,
  /// A fence over more slots than stand before it.
  mkErrorCodeFenceRange,
  /// A packed slot: more operations than can be counted.
  mkErrorCodePackedCount,
  /// More operations than a slot holds.
  mkErrorCodePackedMetadata,
  /// Arguments that begin beyond what an offset can say.
  mkErrorCodePackedOffset,
  /// More argument words than a slot holds.
  mkErrorCodePackedPayload,
  /// An operation that is unknown, or that a packed slot may not hold.
  mkErrorCodePackedOpcode,
  /// An operation with too few arguments.
  mkErrorCodePackedArity,
  /// A tenant's rights do not allow what it asks for.
  mkErrorCodeTenantRight,
  /// An opcode in the range of another tenant.
  mkErrorCodeTenantOpcodeWindow,
} mkErrorCode;

/// The code of an error; mkErrorCodeNone for NULL.
MK_API mkErrorCode mkErrorGetCode(const mkError *error);
/// The message, which belongs to the error; "" for NULL.
MK_API const char *mkErrorGetMessage(const mkError *error);
/// The keyword of a code, such as "invalid_argument"; "unknown" for what is no code.
MK_API const char *mkErrorCodeName(mkErrorCode code);
MK_API void mkErrorFree(mkError *error);

MK_C_END

#endif // MK_C_ERROR_H
