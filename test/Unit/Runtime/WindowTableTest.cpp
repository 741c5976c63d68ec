//===- WindowTableTest.cpp - Kinds of windows -----------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WindowTable.h"
#include "FakeCode.h"
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class Windows : public testing::Test {
protected:
  Isa isa = makeIsa();
  IsaLayout layout = *IsaLayout::create(isa);
  /// Buffers 1 to 4 of 1024, 1024, 2048 and 64 bytes; buffer 5 is read-only, buffer 6 belongs to tenant 1.
  std::vector<abi::BufferEntry> buffers = {{},
                                           {0x1000, 1024, ~0u, abi::AccessReadWrite},
                                           {0x2000, 1024, ~0u, abi::AccessReadWrite},
                                           {0x3000, 2048, ~0u, abi::AccessReadWrite},
                                           {0x4000, 64, ~0u, abi::AccessReadWrite},
                                           {0x5000, 1024, ~0u, abi::AccessRead},
                                           {0x6000, 1024, 2, abi::AccessReadWrite}};
  uint32_t capacity = 16;
  std::unique_ptr<WindowTable> table = std::make_unique<WindowTable>(isa, layout, capacity, 1.0);

  CodeUnit *find(const std::vector<abi::Slot> &slots, Ticket ticket = 1, double now = 0) {
    std::vector<uint16_t> opcodes;
    for (const abi::Slot &slot : slots)
      opcodes.push_back(uint16_t(layout.find(slot.opcode)));
    return table->find(slots, opcodes.data(), buffers, ticket, now);
  }
  std::string kind(const std::vector<abi::Slot> &slots) {
    CodeUnit *unit = find(slots);
    return unit ? unit->what : "none";
  }
};
} // namespace

/// Words of a view.
#define V(buffer, offset, count) buffer, offset, count

static abi::Slot fill(uint32_t buffer, uint32_t offset, uint32_t count, uint32_t value) {
  return makeSlot(Fill, {buffer, offset, count, value});
}
static abi::Slot add(std::vector<uint32_t> words) { return makeSlot(Add, std::move(words)); }

TEST_F(Windows, EqualArgumentsMerge) {
  EXPECT_EQ(kind({fill(V(1, 0, 16), 7), add({V(1, 0, 16), V(2, 0, 16), V(3, 0, 16)}), fill(V(3, 0, 16), 7)}),
            "fill(0,1) add(0,2,3) fill(3,1) | 0=2=3");
  EXPECT_EQ(kind({fill(V(1, 0, 16), 7), fill(V(2, 0, 16), 8)}), "fill(0,1) fill(2,3) | 0=2");
  // The same view twice in one slot.
  EXPECT_EQ(kind({add({V(1, 0, 16), V(1, 0, 16), V(2, 0, 16)}), fill(V(1, 0, 16), 1)}), "add(0,0,1) fill(0,2) | 0=1");
}

TEST_F(Windows, SignatureHasTypesAccessAndWords) {
  CodeUnit *unit = find({fill(V(1, 4, 16), 7), add({V(1, 4, 16), V(2, 0, 16), V(3, 0, 8)})});
  ASSERT_NE(unit, nullptr);
  const WindowSignature &signature = unit->signature;
  ASSERT_EQ(signature.args.size(), 4u);
  EXPECT_EQ(signature.args[0].access, uint32_t(abi::AccessReadWrite));
  EXPECT_EQ(signature.args[1].kind, ArgType::Scalar);
  EXPECT_EQ(signature.args[2].access, uint32_t(abi::AccessRead));
  EXPECT_EQ(signature.args[3].access, uint32_t(abi::AccessWrite));
  EXPECT_EQ(signature.extents, (std::vector<int32_t>{0, -1, 0, 1}));
  EXPECT_EQ(signature.words(), 10u);
  // The words of an argument come from its first use.
  EXPECT_EQ(unit->layout.words, (std::vector<uint32_t>{16, 20, 24, 28, 92, 96, 100, 104, 108, 112}));
  EXPECT_EQ(unit->length, 2u);
  EXPECT_EQ(unit->what, signature.str(isa));
}

TEST_F(Windows, TransientBuffersAreAKindOfTheirOwn) {
  std::vector<abi::Slot> slots = {fill(V(1, 0, 16), 7), fill(V(2, 0, 16), 8)};
  EXPECT_EQ(kind(slots), "fill(0,1) fill(2,3) | 0=2");
  buffers[2].access |= abi::AccessTransient;
  CodeUnit *unit = find(slots);
  ASSERT_NE(unit, nullptr);
  EXPECT_EQ(unit->what, "fill(0,1) fill(2,3) | 0=2 | transient 2");
  EXPECT_EQ(unit->signature.args[0].access, uint32_t(abi::AccessWrite));
  EXPECT_EQ(unit->signature.args[2].access, uint32_t(abi::AccessWrite | abi::AccessTransient));
  buffers[1].access |= abi::AccessTransient;
  EXPECT_EQ(kind(slots), "fill(0,1) fill(2,3) | 0=2 | transient 0 2");
}

TEST_F(Windows, ScalarsOfOneTypeMergeByValue) {
  abi::Slot bump = makeSlot(Bump, {1, 7});
  EXPECT_EQ(kind({fill(V(2, 0, 16), 7), bump}), "fill(0,1) bump(2,1)");
  EXPECT_EQ(kind({makeSlot(Oops, {1}), makeSlot(Oops, {1})}), "oops(0) oops(0)");
  EXPECT_EQ(kind({makeSlot(Oops, {1}), makeSlot(Oops, {2})}), "oops(0) oops(1)");
  // An i64 with the same words as an i32 and a zero is another type.
  EXPECT_EQ(kind({makeSlot(Put, {V(1, 0, 4), 5, 0}), makeSlot(Oops, {5})}), "put(0,1) oops(2)");
}

TEST_F(Windows, OverlapHasNoSignature) {
  EXPECT_EQ(kind({fill(V(1, 0, 16), 1), fill(V(1, 8, 16), 1)}), "none");
  EXPECT_EQ(kind({fill(V(1, 0, 16), 1), fill(V(1, 15, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(1, 0, 16), 1), fill(V(1, 16, 16), 1)}), "fill(0,1) fill(2,1) | 0=2");
  // An empty view overlaps nothing, wherever it lies.
  EXPECT_EQ(kind({fill(V(1, 0, 16), 1), fill(V(1, 8, 0), 1)}), "fill(0,1) fill(2,1)");
  // Elements of 8 bytes: element 4 starts at byte 32.
  EXPECT_EQ(kind({makeSlot(Put, {V(1, 4, 4), 1, 0}), fill(V(1, 0, 8), 1)}), "put(0,1) fill(2,3)");
  EXPECT_EQ(kind({makeSlot(Put, {V(1, 4, 4), 1, 0}), fill(V(1, 0, 9), 1)}), "none");
  // A buffer is all of its memory.
  EXPECT_EQ(kind({makeSlot(Bump, {1, 1}), fill(V(1, 0, 4), 1)}), "none");
  EXPECT_EQ(kind({makeSlot(Bump, {1, 1}), makeSlot(Bump, {1, 1})}), "bump(0,1) bump(0,1)");
}

TEST_F(Windows, ExtentsGroupEqualElementCounts) {
  // Buffer 1 has 256 elements, as many as the view.
  EXPECT_EQ(kind({makeSlot(Bump, {1, 1}), fill(V(3, 0, 256), 1)}), "bump(0,1) fill(2,1) | 0=2");
  EXPECT_EQ(kind({makeSlot(Bump, {1, 1}), fill(V(3, 0, 255), 1)}), "bump(0,1) fill(2,1)");
  EXPECT_EQ(kind({makeSlot(Bump, {1, 1}), makeSlot(Bump, {2, 1}), makeSlot(Bump, {4, 1})}),
            "bump(0,1) bump(2,1) bump(3,1) | 0=2");
  EXPECT_EQ(kind({add({V(1, 0, 8), V(2, 0, 16), V(3, 0, 8)}), fill(V(4, 0, 16), 1)}), "add(0,1,2) fill(3,4) | 0=2 1=3");
}

TEST_F(Windows, GuardsComeFirst) {
  EXPECT_EQ(kind({fill(V(0, 0, 1), 1), fill(V(1, 0, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(7, 0, 1), 1), fill(V(1, 0, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(1, 0, 257), 1), fill(V(2, 0, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(1, 256, 0), 1), fill(V(2, 0, 1), 1)}), "fill(0,1) fill(2,1)");
  // Offset and count must not wrap around.
  EXPECT_EQ(kind({fill(V(1, 0xFFFFFFFF, 2), 1), fill(V(2, 0, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(5, 0, 1), 1), fill(V(2, 0, 1), 1)}), "none");
  EXPECT_EQ(kind({fill(V(6, 0, 1), 1), fill(V(2, 0, 1), 1)}), "none");
  std::vector<abi::Slot> slots = {fill(V(6, 0, 1), 1), fill(V(2, 0, 1), 1)};
  slots[0].tenant = 1;
  EXPECT_EQ(kind(slots), "fill(0,1) fill(2,1) | 0=2");
}

TEST_F(Windows, TooManyArgumentsHaveNoSignature) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < WindowTable::MaxArgs; ++i)
    slots.push_back(makeSlot(Oops, {i}));
  EXPECT_NE(find(slots), nullptr);
  slots.push_back(makeSlot(Oops, {1000}));
  EXPECT_EQ(find(slots), nullptr);
}

TEST_F(Windows, OneKindIsOneUnit) {
  CodeUnit *a = find({fill(V(1, 0, 16), 7), fill(V(2, 0, 16), 8)});
  CodeUnit *b = find({fill(V(3, 32, 64), 70), fill(V(2, 0, 64), 80)});
  CodeUnit *other = find({fill(V(3, 32, 64), 70), fill(V(2, 0, 63), 80)});
  CodeUnit *c = find({fill(V(2, 0, 16), 1), fill(V(1, 0, 16), 2)});
  EXPECT_EQ(a, b);
  EXPECT_EQ(a, c);
  EXPECT_NE(a, other);
  EXPECT_EQ(table->units().size(), 2u);
}

/// Windows of 'length' slots are of one kind for each length.
static std::vector<abi::Slot> windowOf(uint32_t length) { return std::vector<abi::Slot>(length, makeSlot(Oops, {1})); }

TEST_F(Windows, TheColdestAreForgotten) {
  for (uint32_t length = 2; length < 2 + capacity; ++length) {
    CodeUnit *unit = find(windowOf(length), 1);
    ASSERT_NE(unit, nullptr);
    unit->heat.add(length, length, 0, 1);
  }
  EXPECT_EQ(table->units().size(), capacity);
  CodeUnit *hottest = table->units().back().get();
  ASSERT_NE(find(windowOf(100), 2), nullptr);
  EXPECT_LE(table->units().size(), capacity);
  EXPECT_EQ(table->units().front()->length, 2u + capacity / 8 + 1);
  EXPECT_EQ(find(windowOf(2 + capacity - 1), 2), hottest);
}

/// As if its code were asked for.
static void promote(CodeUnit &unit) {
  unit.variants.push_back(std::make_unique<Variant>(unit, Specialization()));
  unit.variants.back()->pending = 0;
}

TEST_F(Windows, PromotedAndCurrentKindsAreKept) {
  for (uint32_t length = 2; length < 2 + capacity; ++length) {
    CodeUnit *unit = find(windowOf(length), 1);
    ASSERT_NE(unit, nullptr);
    if (length % 2 == 0)
      promote(*unit);
  }
  // All are of the current batch: there is no room, in this batch.
  EXPECT_EQ(find(windowOf(100), 1), nullptr);
  EXPECT_NE(find(windowOf(100), 2), nullptr);
  for (const auto &unit : table->units())
    promote(*unit);
  while (table->units().size() < capacity)
    ASSERT_NE(find(windowOf(uint32_t(101 + table->units().size())), 3), nullptr);
  for (const auto &unit : table->units())
    promote(*unit);
  EXPECT_EQ(find(windowOf(200), 4), nullptr);
  EXPECT_EQ(table->units().size(), capacity);
  // Of a promotion that is over nothing remains.
  for (const auto &unit : table->units())
    for (const auto &variant : unit->variants)
      variant->pending.reset();
  EXPECT_NE(find(windowOf(200), 5), nullptr);
}

} // namespace mk::test
