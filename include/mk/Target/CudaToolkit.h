//===- CudaToolkit.h - What NVIDIA's toolkit adds -----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// PTX is made without the CUDA toolkit. Parts of it, each of which may be missing, do more: libdevice has functions of
// math, nvJitLink and ptxas make machine code of PTX, and nvJitLink links machine code. Nothing of CUDA is needed to
// build this. docs/Targets.md says where the parts are looked for.
//
//   mk::CudaToolkit toolkit = mk::CudaToolkit::find();
//   llvm::Expected<std::string> cubin = toolkit.assemble(ptx, "sm_90");
//
//===----------------------------------------------------------------------===//

#ifndef MK_TARGET_CUDATOOLKIT_H
#define MK_TARGET_CUDATOOLKIT_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace mk {

struct AssembleOptions {
  /// Code for linkImage, with functions that other modules have or call.
  bool relocatable = false;
  /// 0 for code soon, more for good code.
  unsigned optLevel = 2;
  /// How long a process of ptxas may run before it is ended. nvJitLink cannot be interrupted.
  unsigned timeoutSeconds = 60;
};

/// Thread safety: all of it may be used by several threads at once.
class CudaToolkit {
public:
  /// The toolkit of this machine: the environment is read, files are looked for when they are asked for.
  static CudaToolkit find();

  /// A toolkit that looks in 'roots' alone, in their order.
  explicit CudaToolkit(std::vector<std::string> roots) : roots(std::move(roots)) {}

  /// The paths of its parts. Errors say where they were looked for, and how to get them.
  llvm::Expected<std::string> libdevice() const;
  llvm::Expected<std::string> ptxas() const;
  llvm::Expected<std::string> nvJitLink() const;
  llvm::Expected<std::string> nvrtc() const;

  /// Machine code of 'ptx' for 'chip' ("sm_90"): a cubin. Uses nvJitLink, or ptxas where that is missing. Errors hold
  /// what the assembler said.
  llvm::Expected<std::string> assemble(llvm::StringRef ptx, llvm::StringRef chip,
                                       const AssembleOptions &options = {}) const;

  /// One loadable cubin of relocatable ones, in which all functions are found. Needs nvJitLink.
  llvm::Expected<std::string> linkImage(llvm::ArrayRef<llvm::StringRef> cubins, llvm::StringRef chip) const;

  /// What names the assembler that assemble() would use in the keys of caches: "nvJitLink 13.0", "ptxas 13.0,
  /// V13.0.88".
  llvm::Expected<std::string> assemblerVersion() const;

private:
  llvm::Expected<std::string> findPart(llvm::StringRef what, llvm::ArrayRef<llvm::StringRef> places) const;

  std::vector<std::string> roots;
};

} // namespace mk

#endif // MK_TARGET_CUDATOOLKIT_H
