//===- CudaApi.h - The CUDA driver, found at run time -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The driver functions that the runtime uses, with our own declarations of them: nothing of CUDA is needed to build,
// and a machine without a driver runs everything but the CUDA device.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CUDA_CUDAAPI_H
#define MK_RUNTIME_CUDA_CUDAAPI_H

#include "mk/Runtime/Error.h"
#include <cstddef>

namespace mk::cuda {

/// CUresult and CUdevice are ints, CUdeviceptr is 64 bits wide, the rest are opaque pointers.
using Result = int;
using DeviceId = int;
using DevicePtr = unsigned long long;
using Context = struct ContextTag *;
using Stream = struct StreamTag *;
using Event = struct EventTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;

/// CUresult.
enum : Result {
  Success = 0,
  ErrorOutOfMemory = 2,
  ErrorDeinitialized = 4,
  ErrorStubLibrary = 34,
  ErrorNoDevice = 100,
  ErrorInvalidImage = 200,
  ErrorNoBinaryForGpu = 209,
  ErrorEccUncorrectable = 214,
  ErrorInvalidPtx = 218,
  ErrorNvlinkUncorrectable = 220,
  ErrorJitCompilerNotFound = 221,
  ErrorUnsupportedPtxVersion = 222,
  ErrorContained = 226,
  ErrorNotFound = 500,
  ErrorNotReady = 600,
  ErrorIllegalAddress = 700,
  ErrorLaunchTimeout = 702,
  ErrorContextIsDestroyed = 709,
  ErrorAssert = 710,
  ErrorHardwareStack = 714,
  ErrorLaunchFailed = 719,
  ErrorExternalDevice = 911,
  ErrorUnknown = 999,
};

/// CUdevice_attribute.
enum : int {
  AttributeMaxThreadsPerBlock = 1,
  AttributeMaxGridDimX = 5,
  AttributeMultiprocessorCount = 16,
  AttributeMaxThreadsPerMultiprocessor = 39,
  AttributeComputeCapabilityMajor = 75,
  AttributeComputeCapabilityMinor = 76,
};

/// CUfunction_attribute.
enum : int { FunctionMaxThreadsPerBlock = 0 };

/// CUjit_option.
enum : int { JitErrorLogBuffer = 5, JitErrorLogBufferSizeBytes = 6 };

enum : unsigned { StreamNonBlocking = 1, EventDefault = 0 };

/// member, exported symbol, parameters. Symbols with a _v2 are the current form of functions whose first form had
/// 32-bit sizes or another meaning.
#define MK_CUDA_FUNCTIONS(X)                                                                                           \
  X(init, "cuInit", (unsigned flags))                                                                                  \
  X(driverGetVersion, "cuDriverGetVersion", (int *version))                                                            \
  X(getErrorName, "cuGetErrorName", (Result error, const char **name))                                                 \
  X(getErrorString, "cuGetErrorString", (Result error, const char **text))                                             \
  X(deviceGetCount, "cuDeviceGetCount", (int *count))                                                                  \
  X(deviceGet, "cuDeviceGet", (DeviceId * device, int ordinal))                                                        \
  X(deviceGetName, "cuDeviceGetName", (char *name, int size, DeviceId device))                                         \
  X(deviceGetAttribute, "cuDeviceGetAttribute", (int *value, int attribute, DeviceId device))                          \
  X(deviceTotalMem, "cuDeviceTotalMem_v2", (size_t *bytes, DeviceId device))                                           \
  X(devicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain", (Context * context, DeviceId device))                          \
  X(devicePrimaryCtxRelease, "cuDevicePrimaryCtxRelease_v2", (DeviceId device))                                        \
  X(ctxPushCurrent, "cuCtxPushCurrent_v2", (Context context))                                                          \
  X(ctxPopCurrent, "cuCtxPopCurrent_v2", (Context * context))                                                          \
  X(memGetInfo, "cuMemGetInfo_v2", (size_t *free, size_t *total))                                                      \
  X(memAlloc, "cuMemAlloc_v2", (DevicePtr * address, size_t bytes))                                                    \
  X(memFree, "cuMemFree_v2", (DevicePtr address))                                                                      \
  X(memHostAlloc, "cuMemHostAlloc", (void **memory, size_t bytes, unsigned flags))                                     \
  X(memFreeHost, "cuMemFreeHost", (void *memory))                                                                      \
  X(memcpyHtoDAsync, "cuMemcpyHtoDAsync_v2", (DevicePtr to, const void *from, size_t bytes, Stream stream))            \
  X(memcpyDtoHAsync, "cuMemcpyDtoHAsync_v2", (void *to, DevicePtr from, size_t bytes, Stream stream))                  \
  X(memsetD8Async, "cuMemsetD8Async", (DevicePtr to, unsigned char value, size_t bytes, Stream stream))                \
  X(streamCreate, "cuStreamCreate", (Stream * stream, unsigned flags))                                                 \
  X(streamDestroy, "cuStreamDestroy_v2", (Stream stream))                                                              \
  X(streamQuery, "cuStreamQuery", (Stream stream))                                                                     \
  X(streamSynchronize, "cuStreamSynchronize", (Stream stream))                                                         \
  X(eventCreate, "cuEventCreate", (Event * event, unsigned flags))                                                     \
  X(eventDestroy, "cuEventDestroy_v2", (Event event))                                                                  \
  X(eventRecord, "cuEventRecord", (Event event, Stream stream))                                                        \
  X(eventElapsedTime, "cuEventElapsedTime", (float *milliseconds, Event begin, Event end))                             \
  X(moduleLoadDataEx, "cuModuleLoadDataEx",                                                                            \
    (Module * module, const void *image, unsigned count, int *options, void **values))                                 \
  X(moduleUnload, "cuModuleUnload", (Module module))                                                                   \
  X(moduleGetFunction, "cuModuleGetFunction", (Function * function, Module module, const char *name))                  \
  X(funcGetAttribute, "cuFuncGetAttribute", (int *value, int attribute, Function function))                            \
  X(occupancyMaxActiveBlocks, "cuOccupancyMaxActiveBlocksPerMultiprocessor",                                           \
    (int *blocks, Function function, int blockSize, size_t sharedBytes))                                               \
  X(launchKernel, "cuLaunchKernel",                                                                                    \
    (Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY,              \
     unsigned blockZ, unsigned sharedBytes, Stream stream, void **params, void **extra))

/// The driver's functions.
struct Api {
#define MK_CUDA_MEMBER(member, symbol, params) Result(*member) params = nullptr;
  MK_CUDA_FUNCTIONS(MK_CUDA_MEMBER)
#undef MK_CUDA_MEMBER

  /// The newest CUDA that the driver knows, e.g. 13000 for 13.0.
  int version = 0;

  /// The driver of this machine, loaded and initialised on the first call. NotFound without a driver or a GPU,
  /// Unsupported for a driver that is too old.
  static Expected<const Api *> get();

  /// "13.0".
  std::string versionString() const;
  /// "cuMemAlloc failed: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory".
  std::string describe(Result result, const char *call) const;
};

} // namespace mk::cuda

#endif // MK_RUNTIME_CUDA_CUDAAPI_H
