//===- Admission.h - Checks a batch before it is queued ---------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ADMISSION_H
#define MK_RUNTIME_ADMISSION_H

#include "IsaLayout.h"

namespace mk {

/// Checks what makes a batch dispatchable: opcodes, tenants, priorities, the shapes of windows. Yields the dense opcode
/// of each slot; 'opcodes' is memory for them.
Expected<void> admit(const IsaLayout &layout, std::span<const abi::Slot> slots, std::vector<uint16_t> &opcodes);
Expected<std::vector<uint16_t>> admit(const IsaLayout &layout, std::span<const abi::Slot> slots);

/// Checks what every slot has: tenant, priority, reserved bits. 'index' names it in errors.
Expected<void> admitHeader(const abi::Slot &slot, size_t index);

} // namespace mk

#endif // MK_RUNTIME_ADMISSION_H
