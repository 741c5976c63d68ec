//===- Common.h - What all headers of the C API share -------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The C API of the engine. docs/C-API.md is its manual; the rules that hold everywhere, in short:
//
//   errors    a function that can fail returns an mkError *, which is NULL when it did not (mk-c/Error.h). Pointers are
//             looked at before anything is done with them: NULL where something is needed is an error. No exception and
//             no C++ type comes across.
//   handles   mkEngine, mkBatch, ... are opaque. Who gets one from a function with a 'mkX **' owns it and gives it
//             back with the function of that type; NULL is fine there. After a failure '*handle' is NULL.
//   structs   that a caller fills begin with structSize: call their init function first, then change what is to be
//             different. Structs that a function hands out by pointer may grow at the end in later versions, and
//             belong, with their strings, to the object they came from. Structs that come in arrays keep their size for
//             ever.
//   threads   a call may be made from any thread. Calls with the same object may be made at the same time, except where
//             the type says otherwise, and except with its own release.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_COMMON_H
#define MK_C_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define MK_C_BEGIN extern "C" {
#define MK_C_END }
#else
#define MK_C_BEGIN
#define MK_C_END
#endif

/// What the library exports, and what of it is not to be ignored: an error that nobody looks at is lost memory, too.
#if defined(__GNUC__)
#define MK_API __attribute__((visibility("default")))
#define MK_FALLIBLE MK_API __attribute__((warn_unused_result))
#else
#define MK_API
#define MK_FALLIBLE MK_API
#endif

/// Version of the binary interface. It is raised by every change that a compiled program would misread; functions, and
/// fields at the end of a struct, are added without.
#define MK_C_ABI_VERSION 1

MK_C_BEGIN

/// MK_C_ABI_VERSION of the library. A program that loads it by hand compares.
MK_API uint32_t mkGetAbiVersion(void);
/// Version of the library, such as "0.1.0".
MK_API const char *mkGetVersion(void);
/// Version of the contract between slots, kernels and the runtime (docs/Runtime-ABI.md).
MK_API uint32_t mkGetSlotAbiVersion(void);

MK_C_END

#endif // MK_C_COMMON_H
