//===- Line.h - Slots as they travel in a ring -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RING_LINE_H
#define MK_RUNTIME_RING_LINE_H

#include "mk/Runtime/Abi.h"
#include <atomic>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace mk {

/// Writes 16 bytes such that a reader of all 16 who sees the last word sees the others.
inline void storeQuad(uint32_t *to, uint32_t a, uint32_t b, uint32_t c, uint32_t last) {
#if defined(__SSE2__)
  // One store, which every x86 processor with AVX makes visible as one; without that the quads of a line could tear.
  _mm_store_si128(reinterpret_cast<__m128i *>(to), _mm_set_epi32(int(last), int(c), int(b), int(a)));
#else
  to[0] = a;
  to[1] = b;
  to[2] = c;
  std::atomic_ref<uint32_t>(to[3]).store(last, std::memory_order_release);
#endif
}

/// The meta word (abi::RingMeta) of a slot.
inline uint32_t metaOf(const abi::Slot &slot, uint32_t route) {
  uint32_t length = slot.order >> abi::OrderLengthShift & abi::OrderLengthMask;
  return slot.tenant | length << abi::RingLengthShift |
         (slot.order & abi::OrderContinuation ? uint32_t(abi::RingContinuation) : 0) | route << abi::RingRouteShift;
}

inline void writeLine(abi::RingLine &line, const abi::Slot &slot, uint32_t meta, uint32_t tag) {
  const uint32_t *a = slot.args;
  uint32_t *to = line.words;
  storeQuad(to, a[0], a[1], a[2], slot.opcode << 16 | tag);
  storeQuad(to + 4, a[3], a[4], a[5], (slot.opcode & 0xFFFF0000u) | tag);
  storeQuad(to + 8, a[6], a[7], a[8], meta << 16 | tag);
  storeQuad(to + 12, a[9], a[10], a[11], (meta & 0xFFFF0000u) | tag);
}

/// The slot in a line that has arrived. The priority is 'priority'.
inline abi::Slot readLine(const abi::RingLine &line, uint32_t priority) {
  const uint32_t *w = line.words;
  uint32_t meta = w[11] >> 16 | (w[15] & 0xFFFF0000u);
  abi::Slot slot;
  slot.status = uint32_t(abi::SlotStatus::Published);
  slot.opcode = w[3] >> 16 | (w[7] & 0xFFFF0000u);
  slot.tenant = meta & abi::RingTenantMask;
  slot.order = priority | (meta >> abi::RingLengthShift & abi::OrderLengthMask) << abi::OrderLengthShift |
               (meta & abi::RingContinuation ? abi::OrderContinuation : 0);
  for (int quad = 0; quad < 4; ++quad)
    std::memcpy(slot.args + 3 * quad, w + 4 * quad, 12);
  return slot;
}

inline uint32_t routeOf(const abi::RingLine &line) {
  return (line.words[11] >> 16 | (line.words[15] & 0xFFFF0000u)) >> abi::RingRouteShift;
}

} // namespace mk

#endif // MK_RUNTIME_RING_LINE_H
