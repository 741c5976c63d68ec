//===- DeviceCommon.h - What the devices share ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_DEVICECOMMON_H
#define MK_RUNTIME_DEVICECOMMON_H

#include "mk/Runtime/CodeProvider.h"
#include "mk/Runtime/Error.h"

namespace mk {

/// Unsupported when 'code' was compiled for another version of the ABI.
Expected<void> checkAbiVersion(const KernelCode &code);

} // namespace mk

#endif // MK_RUNTIME_DEVICECOMMON_H
