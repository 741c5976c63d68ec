//===- InjectFault.h - Makes the failure that was asked for -------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_JIT_INJECTFAULT_H
#define MK_JIT_INJECTFAULT_H

#include "mk/JIT/FaultInjection.h"
#include <optional>

namespace mk {

/// Does what 'fault' says, here and now. An error is that of a failing phase.
Expected<void> injectFault(const FaultInjection &fault);

/// The control of a compilation that 'fault' hits.
CompileControl controlFor(const std::optional<FaultInjection> &fault);

} // namespace mk

#endif // MK_JIT_INJECTFAULT_H
