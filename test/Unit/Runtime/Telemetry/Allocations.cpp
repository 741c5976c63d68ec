//===- Allocations.cpp - Counts allocations -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Allocations.h"
#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<uint64_t> count = 0;

uint64_t mk::test::allocations() { return count; }

void *operator new(size_t bytes) {
  ++count;
  if (void *memory = std::malloc(bytes ? bytes : 1))
    return memory;
  throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
