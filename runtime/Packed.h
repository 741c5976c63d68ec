//===- Packed.h - Several operations in one slot ----------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_PACKED_H
#define MK_RUNTIME_PACKED_H

#include "IsaLayout.h"

namespace mk {

/// Makes the checks of the device before it is asked: a packed slot that passes is well-formed. Messages go on after
/// the name of the slot.
Expected<void> checkPacked(const IsaLayout &layout, const abi::Slot &slot);

/// The operations of a packed slot that is well-formed.
uint32_t packedCount(const abi::Slot &slot);
uint32_t packedOpcode(const abi::Slot &slot, uint32_t operation);

} // namespace mk

#endif // MK_RUNTIME_PACKED_H
