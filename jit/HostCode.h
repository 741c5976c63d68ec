//===- HostCode.h - Objects to functions of this process ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_HOSTCODE_H
#define MK_JIT_HOSTCODE_H

#include "mk/Runtime/CodeProvider.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <atomic>
#include <memory>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace mk {

struct HostCodeOptions {
  /// Tells GDB and LLDB about code, through the interface that both know.
  bool debugger = false;
  /// Tells perf about code, in /tmp/perf-PID.map.
  bool perf = false;
};

/// Places ELF objects in memory, each in a JITDylib of its own that is removed with the last owner of its code.
/// Thread-safe.
class HostCode : public std::enable_shared_from_this<HostCode> {
public:
  static llvm::Expected<std::shared_ptr<HostCode>> create(const HostCodeOptions &options = {});
  ~HostCode();

  struct Function {
    HostKernelFn function;
    std::shared_ptr<void> owner;
  };
  /// The function 'entry' of 'object', which may call functions of this process.
  llvm::Expected<Function> load(llvm::StringRef object, llvm::StringRef entry);

private:
  explicit HostCode(const HostCodeOptions &options);
  const HostCodeOptions options;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::atomic<uint64_t> count = 0;
};

} // namespace mk

#endif // MK_JIT_HOSTCODE_H
