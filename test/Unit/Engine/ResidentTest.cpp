//===- ResidentTest.cpp - Workers that stay, with compiled code -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The same cases on the host and, where there is one, on the first GPU. Plain C++ says what must come out.
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include <gtest/gtest.h>
#include <random>
#include <thread>

using namespace mk;

namespace {

// GoogleTest brings in the C++ ABI's ::abi as well.
namespace abi = mk::abi;
using abi::FaultCode;

constexpr const char *source = R"mlir(
!vi = memref<?xi32, strided<[1], offset: ?>>

mk.opcode @mad code(64) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %p = arith.muli %x, %y : i32
  %old = memref.atomic_rmw addi %p, %out[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.opcode @divide code(65) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %q = arith.divui %x, %y : i32
  memref.store %q, %out[%i] : memref<?xi32>
  mk.return
}
mk.opcode @fill code(66) scope(block) (%v: !vi, %x: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %v, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    memref.store %x, %v[%k] : !vi
  }
  mk.return
}
mk.opcode @add code(67) scope(block) (%x: !vi, %y: !vi, %z: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%k] : !vi
    %b = memref.load %y[%k] : !vi
    %s = arith.addi %a, %b : i32
    memref.store %s, %z[%k] : !vi
  }
  mk.return
}
mk.opcode @double code(68) scope(block) (%x: !vi, %z: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%k] : !vi
    %s = arith.addi %a, %a : i32
    memref.store %s, %z[%k] : !vi
  }
  mk.return
}
mk.opcode @spin code(69) scope(lane) (%out: memref<?xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %k = %c0 to %n step %c1 {
    %one = arith.constant 1 : i32
    %old = memref.atomic_rmw addi %one, %out[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
mk.opcode @low code(70) scope(lane) (%x: i32) {
  mk.return
}
mk.opcode @emit code(71) scope(lane) (%x: i32) {
  mk.emit %x
  mk.return
}
mk.opcode @steps code(72) scope(lane) entries(2) (%out: memref<?xi32>, %i: index, %n: i32, %entry: i32, %done: i32) {
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %out[%i] : (i32, memref<?xi32>) -> i32
  %next = arith.addi %done, %one : i32
  %more = arith.cmpi ult, %next, %n : i32
  scf.if %more {
    mk.suspend yield at %one with %next
  }
  mk.return
}
mk.opcode @rounds code(73) scope(block) entries(2) (%out: memref<?xi32>, %n: index, %rounds: i32, %entry: i32, %done: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %old = memref.load %out[%k] : memref<?xi32>
    %new = arith.addi %old, %one : i32
    memref.store %new, %out[%k] : memref<?xi32>
    %next = arith.addi %done, %one : i32
    %more = arith.cmpi ult, %next, %rounds : i32
    scf.if %more {
      mk.suspend requeue(4) at %one with %next
    }
  }
  mk.return
}
mk.opcode @await code(74) scope(lane) entries(2) (%out: memref<?xi32>, %i: index, %x: i32, %entry: i32, %data: i32) {
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %begins = arith.cmpi eq, %entry, %zero : i32
  scf.if %begins {
    mk.suspend wait(2) at %one with %x
  } else {
    memref.store %data, %out[%i] : memref<?xi32>
  }
  mk.return
}
mk.opcode @linger code(76) scope(block) (%out: memref<?xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %k = %c0 to %n step %c1 {
    %one = arith.constant 1 : i32
    %old = memref.atomic_rmw addi %one, %out[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
mk.opcode @stray code(75) scope(lane) entries(3) (%to: i32, %faults: i32, %x: i32, %entry: i32, %data: i32) {
  %zero = arith.constant 0 : i32
  mk.suspend yield at %to with %data
  mk.suspend requeue(0) at %zero with %zero
  %fails = arith.cmpi ne, %faults, %zero : i32
  scf.if %fails {
    mk.fault user(1073741823) detail %x
  }
  mk.return
}
)mlir";

class ResidentTest : public testing::TestWithParam<const char *> {
protected:
  void open(OpenResidentOptions options = {}) {
    options.device = GetParam();
    options.prelude = true;
    auto opened = openResidentEngine(source, "resident.mlir", options);
    if (!opened && opened.error().code == ErrorCode::NotFound && options.device != "host")
      GTEST_SKIP() << opened.error().message;
    ASSERT_TRUE(opened) << opened.error().message;
    engine = std::move(*opened);
  }
  BufferHandle buffer(size_t count, uint32_t access = abi::AccessReadWrite, uint32_t tenants = ~0u) {
    auto made = engine->allocate(ElementType::I32, count, access, tenants);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  std::vector<uint32_t> read(BufferHandle from, size_t count) {
    std::vector<uint32_t> elements(count, ~0u);
    auto done = engine->read(from, 0, std::as_writable_bytes(std::span(elements)));
    EXPECT_TRUE(done) << done.error().message;
    return elements;
  }
  static abi::Slot slot(uint32_t opcode, std::vector<uint32_t> args, uint32_t tenant = 0) {
    abi::Slot made{uint32_t(abi::SlotStatus::Published), opcode, tenant, abi::PriorityNormal, {}};
    std::copy(args.begin(), args.end(), made.args);
    return made;
  }
  static std::vector<abi::Slot> window(std::vector<abi::Slot> slots) {
    slots[0].order |= uint32_t(slots.size()) << abi::OrderLengthShift;
    for (size_t i = 1; i < slots.size(); ++i)
      slots[i].order |= abi::OrderContinuation;
    return slots;
  }
  std::vector<SlotFault> run(const std::vector<abi::Slot> &slots, PublishOptions options = {}) {
    auto ticket = engine->publish(slots, options);
    EXPECT_TRUE(ticket) << ticket.error().message;
    if (!ticket)
      return {};
    auto faults = engine->wait(*ticket);
    EXPECT_TRUE(faults) << faults.error().message;
    return faults ? *faults : std::vector<SlotFault>();
  }
  std::string fault(const abi::Slot &slot) {
    auto faults = run({slot});
    return faults.empty() ? "none" : describeFault(faults[0]);
  }

  std::unique_ptr<ResidentEngine> engine;
};

#define MK_OPEN(...)                                                                                                   \
  open(__VA_ARGS__);                                                                                                   \
  if (!engine)                                                                                                         \
  return

TEST_P(ResidentTest, Lanes) {
  MK_OPEN();
  constexpr uint32_t n = 1000;
  BufferHandle out = buffer(n);
  std::vector<uint32_t> expected(n);
  std::mt19937 random(1);
  std::vector<PublishTicket> tickets;
  for (int batch = 0; batch < 400; ++batch) {
    std::vector<abi::Slot> slots;
    for (uint32_t i = 0, count = random() % 300; i < count; ++i) {
      uint32_t at = random() % n, x = random(), y = random();
      expected[at] += x * y;
      slots.push_back(slot(64, {out, at, x, y}));
    }
    auto ticket = engine->publish(slots, {.priority = uint32_t(random() % 5)});
    ASSERT_TRUE(ticket) << ticket.error().message;
    tickets.push_back(*ticket);
  }
  for (const PublishTicket &ticket : tickets)
    EXPECT_TRUE(engine->wait(ticket)->empty());
  EXPECT_EQ(read(out, n), expected);
}

TEST_P(ResidentTest, FaultsReachTheirTickets) {
  MK_OPEN();
  BufferHandle out = buffer(16), readOnly = buffer(16, abi::AccessRead), other = buffer(16, abi::AccessReadWrite, 2);
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 500; ++i)
    slots.push_back(slot(65, {out, i % 16, 100, i % 100 == 7 ? 0u : 5u}));
  auto faults = run(slots);
  ASSERT_EQ(faults.size(), 5u);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_EQ(faults[i].slot, 7 + 100 * i);
    EXPECT_EQ(faults[i].code, uint32_t(FaultCode::Division));
  }
  EXPECT_EQ(fault(slot(64, {out, 16, 1, 1})), "buffer_bounds (0x91) at index 16");
  EXPECT_EQ(fault(slot(64, {4000, 0, 1, 1})), "buffer_handle (0x90) for handle 4000");
  EXPECT_EQ(fault(slot(64, {9999999, 0, 1, 1})), "buffer_handle (0x90) for handle 9999999");
  EXPECT_EQ(fault(slot(64, {readOnly, 0, 1, 1})).substr(0, 20), "buffer_access (0x92)");
  EXPECT_EQ(fault(slot(64, {other, 0, 1, 1})).substr(0, 19), "tenant_right (0x41)");
  EXPECT_EQ(fault(slot(64, {other, 0, 1, 1}, 1)), "none");
  EXPECT_EQ(fault(slot(66, {out, 10, 7, 1})).substr(0, 20), "buffer_bounds (0x91)");
  EXPECT_EQ(fault(slot(66, {abi::ControlBuffer, 0, 1, 1})).substr(0, 19), "tenant_right (0x41)");
  EXPECT_EQ(read(out, 1)[0], 20u);
}

TEST_P(ResidentTest, BlocksAndWindows) {
  OpenResidentOptions options;
  options.promote = false;
  MK_OPEN(options);
  constexpr uint32_t n = 1000;
  BufferHandle x = buffer(n), y = buffer(n), z = buffer(n);
  for (uint32_t round = 0; round < 60; ++round) {
    uint32_t count = 1 + round * 16, at = round % 40;
    std::vector<abi::Slot> slots = {slot(66, {x, at, count, round}), slot(66, {y, at, count, 1000})};
    for (uint32_t i = 0; i < round % 7; ++i)
      slots.push_back(slot(67, {x, at, count, y, at, count, y, at, count}));
    slots.push_back(slot(68, {y, at, count, z, at, count}));
    EXPECT_TRUE(run(window(slots)).empty());
    auto result = read(z, n);
    for (uint32_t k = 0; k < count; ++k)
      ASSERT_EQ(result[at + k], 2 * (1000 + round * (round % 7))) << round << ' ' << k;
  }
  // A long one, and many at once.
  std::vector<abi::Slot> many;
  for (uint32_t i = 0; i < 40; ++i) {
    std::vector<abi::Slot> slots = {slot(66, {x, i * 25, 25, i})};
    for (uint32_t k = 0; k < 10; ++k)
      slots.push_back(slot(68, {x, i * 25, 25, x, i * 25, 25}));
    auto one = window(slots);
    many.insert(many.end(), one.begin(), one.end());
  }
  EXPECT_TRUE(run(many).empty());
  auto result = read(x, n);
  for (uint32_t k = 0; k < n; ++k)
    ASSERT_EQ(result[k], k / 25 << 10);
  std::vector<abi::Slot> longest(32, slot(68, {x, 0, 4, x, 0, 4}));
  longest[0] = slot(66, {x, 0, 4, 3});
  longest[20] = slot(64, {999, 0, 0, 0});
  auto faults = run(window(longest));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].slot, 20u);
  EXPECT_EQ(read(x, 1)[0], 3u << 30);
}

TEST_P(ResidentTest, HotWindowsAreFusedAndAgree) {
  MK_OPEN();
  constexpr uint32_t n = 4096;
  BufferHandle x = buffer(n), y = buffer(n), z = buffer(n);
  auto chain = [&](uint32_t at, uint32_t count, uint32_t value) {
    return window({slot(66, {x, at, count, value}), slot(67, {x, at, count, y, at, count, z, at, count}),
                   slot(68, {z, at, count, z, at, count})});
  };
  run({slot(66, {y, 0, n, 7})});
  for (uint32_t round = 0; round < 60; ++round)
    EXPECT_TRUE(run(chain(0, 512, round)).empty());
  engine->waitForPromotions();
  auto windows = engine->windows();
  ASSERT_FALSE(windows.empty());
  EXPECT_EQ(windows[0].state, PromotionState::Live) << windows[0].what << ' ' << windows[0].error;
  for (uint32_t round = 0; round < 100; ++round) {
    uint32_t at = round % 8 * 512;
    EXPECT_TRUE(run(chain(at, 512, round)).empty());
    auto result = read(z, n);
    for (uint32_t k = 0; k < 512; ++k)
      ASSERT_EQ(result[at + k], 2 * (round + 7)) << round << ' ' << k;
  }
  // Faults of a fused window are those of its slots.
  auto bad = chain(n - 100, 512, 5);
  auto faults = run(bad);
  EXPECT_EQ(faults.size(), 3u);
  EXPECT_TRUE(engine->demoteAll());
  EXPECT_TRUE(run(chain(0, 512, 1)).empty());
  EXPECT_EQ(read(z, 1)[0], 16u);
}

TEST_P(ResidentTest, WindowsAreFoundInSingleSlots) {
  for (bool finds : {false, true}) {
    OpenResidentOptions options;
    options.findWindows = finds;
    MK_OPEN(options);
    BufferHandle x = buffer(4096), z = buffer(4096);
    for (uint32_t round = 0; round < 100; ++round) {
      // Slots of a call are in no order, but the same ones over and over, which have a buffer in common.
      std::vector<abi::Slot> slots;
      for (uint32_t i = 0; i < 4; ++i) {
        uint32_t at = (round * 4 + i) % 16 * 256;
        slots.push_back(slot(66, {x, at, 256, round}));
        slots.push_back(slot(67, {x, at, 256, x, at, 256, z, at, 256}));
        slots.push_back(slot(68, {z, at, 256, z, at, 256}));
      }
      EXPECT_TRUE(run(slots).empty());
    }
    EXPECT_EQ(engine->telemetry()->windowsFound > 100, finds);
    engine->waitForPromotions();
    EXPECT_EQ(engine->windows().empty(), !finds);
    if (finds)
      EXPECT_EQ(engine->windows()[0].state, PromotionState::Live) << engine->windows()[0].error;
    engine.reset();
  }
}

TEST_P(ResidentTest, SwapsUnderTrafficLoseNothing) {
  MK_OPEN();
  BufferHandle out = buffer(64);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> published = 0;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      std::vector<PublishTicket> tickets;
      std::vector<abi::Slot> slots(17 + t, slot(64, {out, t, 1, 1}));
      while (!stop) {
        auto ticket = engine->publish(slots, {.priority = t});
        ASSERT_TRUE(ticket) << ticket.error().message;
        published += slots.size();
        tickets.push_back(*ticket);
        if (tickets.size() == 50) {
          for (const PublishTicket &each : tickets)
            EXPECT_TRUE(engine->wait(each)->empty());
          tickets.clear();
        }
      }
      for (const PublishTicket &each : tickets)
        EXPECT_TRUE(engine->wait(each));
    });
  for (int i = 0; i < 50; ++i) {
    auto swapped = engine->swap();
    ASSERT_TRUE(swapped) << swapped.error().message;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop = true;
  for (std::thread &thread : threads)
    thread.join();
  auto sums = read(out, 3);
  EXPECT_EQ(uint64_t(sums[0]) + sums[1] + sums[2], published);
}

TEST_P(ResidentTest, ThePrelude) {
  MK_OPEN();
  BufferHandle out = buffer(8);
  // A fence waits for what was published with it.
  for (uint32_t round = 1; round <= 20; ++round) {
    std::vector<abi::Slot> slots(30, slot(69, {out, 50}));
    slots.push_back(slot(uint32_t(abi::Builtin::BatchFence), {30, 0xBEE0 + round}));
    EXPECT_TRUE(run(slots).empty());
    EXPECT_EQ(read(out, 1)[0], 1500 * round);
    EXPECT_EQ(engine->readControl(abi::ControlEpoch, 1)->front(), round);
    EXPECT_EQ(engine->readControl(abi::ControlObservable, 1)->front(), 0xBEE0 + round);
  }
  // Packed: 2 operations of 2 words.
  abi::Slot packed = slot(uint32_t(abi::Builtin::PackedSlot), {0x00010402u, 0x00000202u, 10, 165, 1, 165});
  EXPECT_TRUE(run({packed, packed}).empty());
  uint32_t word = engine->readControl(165, 1)->front();
  EXPECT_TRUE(word == 11 || word == 12) << word;
  abi::Slot bad = packed;
  bad.args[0] = 0x00FF0402u;
  auto refused = engine->publish(std::vector{bad});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::PackedOpcode);
  // PRINTF.
  EXPECT_TRUE(run({slot(uint32_t(abi::Builtin::Printf), {5, 6, 7})}).empty());
  auto log = engine->readDebugLog();
  ASSERT_TRUE(log);
  ASSERT_EQ(log->records.size(), 1u);
  EXPECT_EQ(log->records[0].b, 7u);
  // What is packed needs the rights that it needs by itself, and may not emit; what else the ISA has does not matter.
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.pack(std::vector<PackedOp>{{0, {}}, {70, {1}}}, 2));
  EXPECT_TRUE(run({batch.slots().begin(), batch.slots().end()}).empty());
  EXPECT_TRUE(engine->setTenant(2, {abi::RightExecute}));
  refused = engine->publish(batch.slots());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "slot 0 of tenant 2 packs opcode 70, but the tenant may run built-in opcodes only (bit 5 of its rights)");
  Batch emits(engine->isa());
  ASSERT_TRUE(emits.pack(std::vector<PackedOp>{{0, {}}, {71, {1}}}));
  refused = engine->publish(emits.slots());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "slot 0 of tenant 0 packs opcode 71, which emits hits; resident workers have no "
                                     "list for them, submit it in a batch of mk::Engine");
  // Rights are checked on the device, too.
  EXPECT_TRUE(engine->setTenant(1, {~0u & ~uint32_t(abi::RightSystemWrite)}));
  EXPECT_EQ(fault(slot(1, {1, 5}, 1)).substr(0, 24), "control_protected (0x11)");
  EXPECT_EQ(fault(slot(1, {1, 200}, 1)), "none");
}

TEST_P(ResidentTest, FencesHaveTheirCreditAndTheirRightFromTheBeginning) {
  MK_OPEN();
  BufferHandle out = buffer(8);
  abi::Slot fence = slot(uint32_t(abi::Builtin::BatchFence), {3, 5}, 1), spin = slot(69, {out, 10'000'000}, 1);
  EXPECT_TRUE(engine->setTenant(1, {~0u, 0}));
  auto never = engine->publish(std::vector{slot(uint32_t(abi::Builtin::BatchFence), {0, 5}, 1)});
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().message,
            "1 slots are more than the 0 that tenant 1 may have at once; publish fewer, or raise its quota");
  // What becomes of the quota is no matter of a fence that waits.
  EXPECT_TRUE(engine->setTenant(1, {~0u, 4}));
  auto ticket = engine->publish(std::vector{spin, spin, spin, fence});
  ASSERT_TRUE(ticket);
  EXPECT_TRUE(engine->setTenant(1, {~0u, 0}));
  EXPECT_TRUE(engine->wait(*ticket)->empty());
  EXPECT_EQ(engine->readControl(abi::ControlObservable, 1)->front(), 5u);
  EXPECT_TRUE(engine->drain());
  EXPECT_EQ(engine->telemetry()->tenants[1].published, 4u);
  EXPECT_EQ(engine->telemetry()->tenants[1].ended, 4u);
  // The device looks at the rights once more.
  EXPECT_TRUE(engine->setTenant(1, {}));
  fence.args[1] = 6;
  ticket = engine->publish(std::vector{spin, spin, spin, fence});
  ASSERT_TRUE(ticket);
  EXPECT_TRUE(engine->setTenant(1, {0, ~0u}));
  auto faults = engine->wait(*ticket);
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_EQ((*faults)[0].slot, 3u);
  EXPECT_EQ(describeFault((*faults)[0]), "tenant_right (0x41) on buffer or right 0");
  EXPECT_EQ(engine->readControl(abi::ControlObservable, 1)->front(), 5u);
}

TEST_P(ResidentTest, FencesCoverWhatIsBeforeThemAlone) {
  MK_OPEN();
  BufferHandle out = buffer(8), loaded = buffer(8);
  auto observed = [&] { return engine->readControl(abi::ControlObservable, 1)->front(); };
  auto fence = [&](uint32_t count, uint32_t tag) { return slot(uint32_t(abi::Builtin::BatchFence), {count, tag}); };
  // A load that does not end before the fence before it.
  uint32_t resource = *engine->addResource(
      [&](uint64_t, std::span<std::byte>) -> Expected<void> {
        for (int i = 0; i < 10'000 && observed() != 9; ++i)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return {};
      },
      4);
  EXPECT_TRUE(run({slot(69, {out, 1000}), fence(1, 9), slot(uint32_t(abi::Builtin::LoadMiss), {resource, 0, loaded}),
                   fence(3, 10)})
                  .empty());
  EXPECT_EQ(observed(), 10u);
  // Blocks behind it, since lanes of a warp may end together.
  std::vector<abi::Slot> slots = {slot(69, {out, 1000}), fence(1, 11)};
  slots.insert(slots.end(), 400, slot(76, {out, 200'000}));
  auto ticket = engine->publish(slots);
  ASSERT_TRUE(ticket);
  while (observed() != 11)
    std::this_thread::yield();
  EXPECT_FALSE(*engine->poll(*ticket));
  EXPECT_TRUE(engine->wait(*ticket)->empty());
  EXPECT_EQ(read(out, 1)[0], 80'002'000u);
}

TEST_P(ResidentTest, LoadsComeFromTheHost) {
  MK_OPEN();
  BufferHandle out = buffer(8);
  uint32_t resource = *engine->addResource(
      [](uint64_t offset, std::span<std::byte> to) -> Expected<void> {
        for (size_t i = 0; i < to.size(); ++i)
          to[i] = std::byte(offset + i);
        return {};
      },
      64);
  EXPECT_EQ(fault(slot(uint32_t(abi::Builtin::LoadMiss), {resource, 0, out, 4, 0, 8})), "none");
  EXPECT_EQ(read(out, 3), (std::vector<uint32_t>{0x07060504, 0x0B0A0908, 0}));
  EXPECT_EQ(fault(slot(uint32_t(abi::Builtin::LoadMiss), {resource, 0, out, 60, 0, 8})).substr(0, 21),
            "range_overflow (0x13)");
}

TEST_P(ResidentTest, ResumableSlotsRunUntilTheyDoNotSuspendThemselves) {
  MK_OPEN();
  constexpr uint32_t n = 200;
  BufferHandle out = buffer(n), sums = buffer(n), others = buffer(1);
  // With others around them, a fence behind them, and epochs that end meanwhile.
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < n; ++i) {
    slots.push_back(slot(72, {out, i, i % 20}));
    slots.push_back(slot(64, {others, 0, 1, 1}));
  }
  slots.push_back(slot(73, {sums, n, 7}));
  slots.push_back(slot(uint32_t(abi::Builtin::BatchFence), {2 * n + 1, 77}));
  auto ticket = engine->publish(slots);
  ASSERT_TRUE(ticket) << ticket.error().message;
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(engine->swap());
  EXPECT_TRUE(engine->wait(*ticket)->empty());
  std::vector<uint32_t> expected;
  uint64_t yields = 0;
  for (uint32_t i = 0; i < n; ++i) {
    expected.push_back(std::max(i % 20, 1u));
    yields += expected.back() - 1;
  }
  EXPECT_EQ(read(out, n), expected);
  EXPECT_EQ(read(sums, n), std::vector<uint32_t>(n, 7));
  EXPECT_EQ(read(others, 1)[0], n);
  EXPECT_EQ(engine->readControl(abi::ControlObservable, 1)->front(), 77u);
  auto telemetry = engine->telemetry();
  EXPECT_EQ(telemetry->resumables.yields, yields);
  EXPECT_EQ(telemetry->resumables.requeues, 6u);
  EXPECT_EQ(telemetry->resumables.live, 0u);
  EXPECT_EQ(telemetry->tenants[0].published, slots.size());
  EXPECT_EQ(telemetry->tenants[0].ended, slots.size());
  // A suspension is no fault.
  EXPECT_EQ(telemetry->workers[0].faults, 0u);
  EXPECT_EQ(telemetry->workers[1].faults, 0u);
}

TEST_P(ResidentTest, ResumableSlotsWaitForAnEpoch) {
  MK_OPEN();
  BufferHandle out = buffer(4);
  auto ticket = engine->publish(std::vector{slot(74, {out, 1, 41}), slot(74, {out, 2, 42, 1, 43})});
  ASSERT_TRUE(ticket) << ticket.error().message;
  // One of them waits; the other began behind the wait.
  while (engine->telemetry()->resumables.paused != 1 || engine->telemetry()->resumables.live != 1)
    std::this_thread::yield();
  EXPECT_FALSE(*engine->poll(*ticket));
  auto fence = slot(uint32_t(abi::Builtin::BatchFence), {0, 1});
  EXPECT_TRUE(run({fence}).empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(*engine->poll(*ticket));
  EXPECT_TRUE(run({fence}).empty());
  EXPECT_TRUE(engine->wait(*ticket)->empty());
  EXPECT_EQ(read(out, 3), (std::vector<uint32_t>{0, 41, 43}));
  EXPECT_EQ(engine->telemetry()->resumables.waits, 1u);
}

TEST_P(ResidentTest, AFaultEndsAResumableSlot) {
  MK_OPEN();
  BufferHandle out = buffer(4);
  EXPECT_EQ(fault(slot(75, {3, 0, 0})), "continuation_pc (0x71) at entry 3");
  EXPECT_EQ(fault(slot(75, {4'000'000'000, 0, 0})), "continuation_pc (0x71) at entry 4095");
  EXPECT_EQ(fault(slot(75, {2, 1, 6})), "user fault 1073741823 with detail 6");
  EXPECT_EQ(fault(slot(72, {out, 4, 3})), "buffer_bounds (0x91) at index 4");
  EXPECT_EQ(fault(slot(72, {999, 4, 3})), "buffer_handle (0x90) for handle 999");
  // Each is told at its place.
  auto faults = run({slot(64, {out, 0, 1, 1}), slot(75, {3, 0, 0}), slot(72, {out, 0, 9}), slot(75, {0, 1, 6})});
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(faults[0].slot, 1u);
  EXPECT_EQ(faults[1].slot, 3u);
}

TEST_P(ResidentTest, ResumableSlotsAreGivenUpAtTheEnd) {
  MK_OPEN();
  BufferHandle out = buffer(4);
  // One waits for what does not come, one runs for ever.
  auto ticket = engine->publish(std::vector{slot(74, {out, 1, 41}), slot(75, {0, 0, 0})});
  ASSERT_TRUE(ticket) << ticket.error().message;
  while (engine->telemetry()->resumables.paused != 1)
    std::this_thread::yield();
  ResidentEngine *waited = engine.get();
  std::vector<SlotFault> faults;
  std::atomic<int> waiting = 0;
  std::thread waits([&] {
    ++waiting;
    faults = *waited->wait(*ticket);
  });
  std::thread releases([&] {
    ++waiting;
    EXPECT_TRUE(waited->release(out));
  });
  while (waiting != 2)
    std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  engine.reset();
  waits.join();
  releases.join();
  ASSERT_EQ(faults.size(), 2u);
  EXPECT_EQ(describeFault(faults[0]), "task_state (0x70) with flags 1");
  EXPECT_EQ(describeFault(faults[1]), "task_state (0x70) with flags 2");
}

TEST_P(ResidentTest, ASlotThatRunsForEverEndsWithTheRightOfItsTenant) {
  MK_OPEN();
  auto ticket = engine->publish(std::vector{slot(75, {0, 0, 0}, 7)});
  ASSERT_TRUE(ticket) << ticket.error().message;
  while (engine->telemetry()->resumables.yields < 10)
    EXPECT_FALSE(engine->telemetry()->verdict.faulted);
  EXPECT_EQ(engine->telemetry()->workers[0].faults, 0u);
  EXPECT_TRUE(engine->setTenant(7, {abi::RightExecute}));
  auto faults = engine->wait(*ticket);
  ASSERT_EQ(faults->size(), 1u);
  EXPECT_EQ(describeFault((*faults)[0]), "tenant_right (0x41) on buffer or right 5");
  EXPECT_TRUE(engine->drain());
}

TEST_P(ResidentTest, WhatIsWrongWithAResumableSlotIsSaidAtOnce) {
  MK_OPEN();
  BufferHandle out = buffer(4);
  auto refusal = [&](std::vector<abi::Slot> slots) {
    auto ticket = engine->publish(slots);
    return ticket ? "none" : ticket.error().message;
  };
  EXPECT_EQ(refusal({slot(64, {out, 0, 1, 1}), slot(72, {out, 0, 1, 2})}),
            "slot 1 begins at entry 2 (word 7), but 'steps' has entries 0 to 1");
  EXPECT_EQ(refusal(window({slot(64, {out, 0, 1, 1}), slot(72, {out, 0, 1})})),
            "slot 1 is 'steps', which cannot be in a window");
  abi::Slot odd = slot(72, {out, 0, 1});
  odd.order = 7;
  EXPECT_EQ(refusal({odd}), "slot 0 has priority 7, but priorities are 0 to 4");
  odd.order = 1u << 17;
  EXPECT_EQ(refusal({odd}), "slot 0 has reserved bits set in word 3, leave bits 17 to 31 at 0");
  EXPECT_EQ(refusal(std::vector<abi::Slot>(1025, slot(72, {out, 0, 1}))),
            "1025 resumable slots are more than the 1024 that may be under way at once; publish them in several calls");
  Batch batch(engine->isa());
  auto packed = batch.pack(std::vector<PackedOp>{{72, {out, 0, 1, 0, 0}}});
  ASSERT_FALSE(packed);
  EXPECT_EQ(packed.error().message,
            "the slot packs opcode 72 as operation 0, but a packed slot holds opcodes of the ISA "
            "below 256 that are neither resumable nor BATCH_FENCE (7)");
  EXPECT_TRUE(engine->setTenant(3, {abi::RightExecute, 0}));
  EXPECT_EQ(refusal({slot(72, {out, 0, 1}, 3)}),
            "slot 0 of tenant 3 has opcode 72, but the tenant may run built-in opcodes only (bit 5 of its rights)");
  EXPECT_TRUE(engine->setTenant(3, {~0u, 1}));
  // A slot has its credit until it ends.
  auto waiting = engine->publish(std::vector{slot(74, {out, 1, 41}, 3)});
  ASSERT_TRUE(waiting);
  while (engine->telemetry()->resumables.paused != 1)
    std::this_thread::yield();
  auto second = engine->publish(std::vector{slot(72, {out, 0, 1}, 3)}, {.wait = false});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "tenant 3 has its quota of 1 slots waiting or running; publish later");
  uint32_t epoch = 2;
  EXPECT_TRUE(engine->writeControl(abi::ControlEpoch, std::span(&epoch, 1)));
  EXPECT_TRUE(engine->wait(*waiting)->empty());
  EXPECT_EQ(engine->telemetry()->tenants[3].ended, 1u);
}

TEST_P(ResidentTest, BuffersComeAndGo) {
  MK_OPEN();
  for (int round = 0; round < 20; ++round) {
    BufferHandle out = buffer(1 << 16);
    EXPECT_TRUE(run({slot(66, {out, 0, 1 << 16, uint32_t(round)})}).empty());
    EXPECT_EQ(read(out, 1 << 16), std::vector<uint32_t>(1 << 16, round));
    EXPECT_TRUE(engine->release(out));
    EXPECT_EQ(fault(slot(64, {out, 0, 1, 1})).substr(0, 20), "buffer_handle (0x90)");
    if (round % 5 == 0)
      EXPECT_TRUE(engine->swap());
  }
}

TEST_P(ResidentTest, SlotsThatComeDuringAReleaseDoNotReachItsMemory) {
  MK_OPEN();
  constexpr uint32_t n = 1024;
  std::atomic<uint32_t> handle = buffer(n, abi::AccessReadWrite, 1u << 1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        auto ticket = engine->publish(std::vector{slot(69, {handle, 2000}, 1), slot(66, {handle, 0, n, 7}, 1)});
        ASSERT_TRUE(ticket) << ticket.error().message;
        ASSERT_TRUE(engine->wait(*ticket));
      }
    });
  for (int round = 0; round < 100; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    ASSERT_TRUE(engine->release(handle));
    BufferHandle other = buffer(n, abi::AccessReadWrite, 1u << 5);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    ASSERT_EQ(read(other, n), std::vector<uint32_t>(n)) << round;
    ASSERT_TRUE(engine->release(other));
    handle = buffer(n, abi::AccessReadWrite, 1u << 1);
  }
  stop = true;
  for (std::thread &thread : threads)
    thread.join();
}

TEST_P(ResidentTest, ALevelThatIsFloodedDoesNotStarveTheOthers) {
  OpenResidentOptions options;
  options.policy.priorityAgeThreshold = 8;
  MK_OPEN(options);
  BufferHandle out = buffer(8);
  std::atomic<bool> stop = false;
  std::vector<std::thread> flood;
  for (uint32_t t = 0; t < 2; ++t)
    flood.emplace_back([&] {
      std::vector<abi::Slot> slots(200, slot(64, {out, 0, 1, 1}));
      while (!stop)
        EXPECT_TRUE(engine->publish(slots, {.priority = 0}));
    });
  for (uint32_t i = 0; i < 100; ++i)
    EXPECT_TRUE(run({slot(64, {out, 1, 1, 1})}, {.priority = 4}).empty());
  stop = true;
  for (std::thread &thread : flood)
    thread.join();
  EXPECT_TRUE(engine->drain());
  EXPECT_EQ(read(out, 2)[1], 100u);
}

/// In a process of its own: an illegal address, which only code without guards can reach, ends CUDA for the process.
/// All that waits must hear of it, and nothing may hang.
static void loseTheGpu() {
  OpenResidentOptions options;
  options.device = "cuda:0";
  options.guard = false;
  auto opened = openResidentEngine(source, "resident.mlir", options);
  if (!opened)
    std::_Exit(1);
  ResidentEngine &engine = **opened;
  abi::Slot bad{1, 64, 0, abi::PriorityNormal, {*engine.allocate(ElementType::I32, 16), 0x7FFFFFF0, 1, 1}};
  auto ticket = engine.publish(std::span(&bad, 1));
  if (!ticket)
    std::_Exit(2);
  auto faults = engine.wait(*ticket);
  if (faults || faults.error().code != ErrorCode::DeviceFailed)
    std::_Exit(3);
  auto again = engine.publish(std::span(&bad, 1));
  if (again || again.error().code != ErrorCode::DeviceFailed)
    std::_Exit(4);
  if (auto polled = engine.poll(*ticket); polled || polled.error().code != ErrorCode::DeviceFailed)
    std::_Exit(5);
  if (engine.swap() || engine.drain())
    std::_Exit(6);
  opened->reset();
  // The rest of the program goes on.
  options.device = "host";
  options.guard = true;
  auto host = openResidentEngine(source, "resident.mlir", options);
  abi::Slot good{1, 64, 0, abi::PriorityNormal, {*(*host)->allocate(ElementType::I32, 16), 0, 1, 1}};
  auto answered = (*host)->publish(std::span(&good, 1));
  std::_Exit(answered && (*host)->wait(*answered) ? 0 : 7);
}

TEST(ResidentDeath, ALostGpuIsReportedAndNothingHangs) {
  auto gpu = createDevice("cuda:0");
  if (!gpu)
    GTEST_SKIP() << gpu.error().message;
  gpu->reset();
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(loseTheGpu(), testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Devices, ResidentTest, testing::Values("host", "cuda:0"),
                         [](const auto &info) { return std::string(info.param) == "host" ? "host" : "cuda"; });

} // namespace
