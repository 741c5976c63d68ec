//===- Allocations.h - Counts allocations -----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TEST_UNIT_RUNTIME_TELEMETRY_ALLOCATIONS_H
#define MK_TEST_UNIT_RUNTIME_TELEMETRY_ALLOCATIONS_H

#include <cstdint>

namespace mk::test {

/// Calls of operator new in this program so far.
uint64_t allocations();

} // namespace mk::test

#endif // MK_TEST_UNIT_RUNTIME_TELEMETRY_ALLOCATIONS_H
