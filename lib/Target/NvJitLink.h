//===- NvJitLink.h - NVIDIA's linker, found at run time -----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions of libnvJitLink that we use, with our own declarations of them.
//
//===----------------------------------------------------------------------===//

#ifndef MK_LIB_TARGET_NVJITLINK_H
#define MK_LIB_TARGET_NVJITLINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>

namespace mk {

/// nvJitLinkResult, of which 0 is success.
using NvJitLinkResult = int;
using NvJitLinkHandle = struct NvJitLinkTag *;

/// member, parameters: nvJitLinkCreate and so on.
#define MK_NVJITLINK_FUNCTIONS(X)                                                                                      \
  X(Create, (NvJitLinkHandle * handle, uint32_t count, const char **options))                                          \
  X(Destroy, (NvJitLinkHandle * handle))                                                                               \
  X(AddData, (NvJitLinkHandle handle, int type, const void *data, size_t size, const char *name))                      \
  X(Complete, (NvJitLinkHandle handle))                                                                                \
  X(GetLinkedCubinSize, (NvJitLinkHandle handle, size_t *size))                                                        \
  X(GetLinkedCubin, (NvJitLinkHandle handle, void *cubin))                                                             \
  X(GetErrorLogSize, (NvJitLinkHandle handle, size_t *size))                                                           \
  X(GetErrorLog, (NvJitLinkHandle handle, char *log))                                                                  \
  X(Version, (unsigned *major, unsigned *minor))

class NvJitLink {
public:
  /// The library at 'path'. It stays loaded.
  static llvm::Expected<const NvJitLink *> load(const std::string &path);

  /// nvJitLinkInputType.
  enum Input : int { Cubin = 1, Ptx = 2 };

  /// The cubin of 'inputs'.
  llvm::Expected<std::string> link(Input type, llvm::ArrayRef<llvm::StringRef> inputs,
                                   llvm::ArrayRef<const char *> options) const;

  /// "13.0".
  std::string version() const;

private:
#define MK_NVJITLINK_MEMBER(member, params) NvJitLinkResult(*member) params = nullptr;
  MK_NVJITLINK_FUNCTIONS(MK_NVJITLINK_MEMBER)
#undef MK_NVJITLINK_MEMBER
};

} // namespace mk

#endif // MK_LIB_TARGET_NVJITLINK_H
