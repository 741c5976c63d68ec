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

/// Writes three words at 'words' and a fourth, such that a reader of all 16 bytes who sees the last word sees the
/// others. 'shift' says how many words before the first one may be read instead of one behind the last.
template <int shift> inline void storeQuad(uint32_t *to, const uint32_t *words, uint32_t last) {
#if defined(__SSE2__)
  // One store, which every x86 processor with AVX makes visible as one; without that the quads of a line could tear.
  __m128i three = _mm_loadu_si128(reinterpret_cast<const __m128i *>(words - shift));
  three = shift ? _mm_srli_si128(three, 4) : _mm_and_si128(three, _mm_set_epi32(0, -1, -1, -1));
  __m128i fourth = _mm_slli_si128(_mm_cvtsi32_si128(int(last)), 12);
  _mm_store_si128(reinterpret_cast<__m128i *>(to), _mm_or_si128(three, fourth));
#else
  for (int i = 0; i < 3; ++i)
    to[i] = words[i];
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
  uint32_t *to = line.words;
  storeQuad<0>(to, slot.args, slot.opcode << 16 | tag);
  storeQuad<0>(to + 4, slot.args + 3, (slot.opcode & 0xFFFF0000u) | tag);
  storeQuad<0>(to + 8, slot.args + 6, meta << 16 | tag);
  // There is nothing behind the last argument word.
  storeQuad<1>(to + 12, slot.args + 9, (meta & 0xFFFF0000u) | tag);
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

inline uint32_t metaOf(const abi::RingLine &line) { return line.words[11] >> 16 | (line.words[15] & 0xFFFF0000u); }
inline uint32_t routeOf(const abi::RingLine &line) { return metaOf(line) >> abi::RingRouteShift; }

} // namespace mk

#endif // MK_RUNTIME_RING_LINE_H
