//===- Error.cpp - Errors and versions of the C API -----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

#define MK_SAME_CODE(name) static_assert(int(mkErrorCode##name) == int(ErrorCode::name))
MK_SAME_CODE(InvalidArgument);
MK_SAME_CODE(NotFound);
MK_SAME_CODE(Malformed);
MK_SAME_CODE(OutOfMemory);
MK_SAME_CODE(Unsupported);
MK_SAME_CODE(CompileFailed);
MK_SAME_CODE(CompilerDied);
MK_SAME_CODE(TimedOut);
MK_SAME_CODE(Cancelled);
MK_SAME_CODE(DeviceFailed);
MK_SAME_CODE(Closed);
MK_SAME_CODE(Busy);
MK_SAME_CODE(OpcodeReserved);
MK_SAME_CODE(FenceRange);
MK_SAME_CODE(PackedCount);
MK_SAME_CODE(PackedMetadata);
MK_SAME_CODE(PackedOffset);
MK_SAME_CODE(PackedPayload);
MK_SAME_CODE(PackedOpcode);
MK_SAME_CODE(PackedArity);
MK_SAME_CODE(TenantRight);
MK_SAME_CODE(TenantOpcodeWindow);
#undef MK_SAME_CODE

mkError *mk::capi::outOfMemory() {
  // Short enough to stay inside the string.
  static mkError error{mkErrorCodeOutOfMemory, "out of memory"};
  return &error;
}

mkError *mk::capi::makeCError(const Error &error) {
  try {
    return new mkError{mkErrorCode(error.code), error.message};
  } catch (const std::bad_alloc &) {
    return outOfMemory();
  }
}

Expected<void> mk::capi::checkPointers(const char *function, std::initializer_list<Required> pointers) {
  for (const Required &pointer : pointers)
    if (!pointer.isThere)
      return makeError(ErrorCode::InvalidArgument,
                       std::string(function) + " needs '" + pointer.name + "', but was given NULL");
  return {};
}

Expected<void> mk::capi::checkSize(const char *type, size_t found, size_t first, size_t now) {
  if (found >= first && found <= now)
    return {};
  std::string sizes = first == now ? std::to_string(now) : std::to_string(first) + " to " + std::to_string(now);
  return makeError(ErrorCode::InvalidArgument, std::string("structSize of an ") + type + " is " +
                                                   std::to_string(found) + ", but this library (" + mkGetVersion() +
                                                   ") knows " + sizes + "; set it to sizeof(" + type +
                                                   "), as the init functions do");
}

extern "C" {

uint32_t mkGetAbiVersion(void) { return MK_C_ABI_VERSION; }
const char *mkGetVersion(void) { return MK_VERSION; }
uint32_t mkGetSlotAbiVersion(void) { return abi::Version; }

mkErrorCode mkErrorGetCode(const mkError *error) { return error ? error->code : mkErrorCodeNone; }
const char *mkErrorGetMessage(const mkError *error) { return error ? error->message.c_str() : ""; }
const char *mkErrorCodeName(mkErrorCode code) {
  return nameOf(int(code), ErrorCode::TenantOpcodeWindow, stringifyErrorCode);
}
void mkErrorFree(mkError *error) {
  if (error != outOfMemory())
    delete error;
}

} // extern "C"
