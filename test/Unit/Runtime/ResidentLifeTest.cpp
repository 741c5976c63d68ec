//===- ResidentLifeTest.cpp - Ends of buffers, epochs and engines ---------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ends while slots, loads and callers still use it.
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include "mk/Runtime/ResidentEngine.h"
#include <chrono>
#include <gtest/gtest.h>

namespace mk::test {
namespace {
class ResidentLife : public testing::Test {
protected:
  void SetUp() override { journal.reset(); }
  void TearDown() override { EXPECT_EQ(journal.violations, 0u); }

  static ResidentOptions quiet() {
    ResidentOptions options;
    options.promote = false;
    return options;
  }
  void open(const ResidentOptions &options = quiet(), FakeOptions fake = {}) {
    auto created = ResidentEngine::create(createHostDevice({2}), std::make_unique<FakeCode>(std::move(fake)), options);
    ASSERT_TRUE(created) << created.error().message;
    engine = std::move(*created);
  }
  BufferHandle buffer(size_t count, uint32_t tenants = ~0u) {
    auto made = engine->allocate(ElementType::I32, count, abi::AccessReadWrite, tenants);
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  }
  std::vector<int32_t> read(BufferHandle from, size_t count) {
    std::vector<int32_t> elements(count, -1);
    auto done = engine->read(from, 0, std::as_writable_bytes(std::span(elements)));
    EXPECT_TRUE(done) << done.error().message;
    return elements;
  }
  PublishTicket publish(const std::vector<abi::Slot> &slots) {
    auto ticket = engine->publish(slots);
    EXPECT_TRUE(ticket) << ticket.error().message;
    return ticket ? *ticket : PublishTicket();
  }
  static std::vector<abi::Slot> naps(size_t count, uint32_t microseconds) {
    return std::vector<abi::Slot>(count, makeSlot(Nap, {microseconds}));
  }

  std::unique_ptr<ResidentEngine> engine;
};

double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
} // namespace

TEST_F(ResidentLife, ReleasedMemoryIsNotWrittenBySlotsThatComeMeanwhile) {
  open();
  constexpr size_t Count = 4096;
  std::atomic<uint32_t> handle = buffer(Count, 1u << 1);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < 3; ++number)
    threads.emplace_back([&, number] {
      // Each has elements of its own, and waits before it writes them again.
      while (!stop) {
        std::vector<abi::Slot> slots;
        for (uint32_t i = 0; i < 16; ++i)
          slots.push_back(makeSlot(Fill, {handle, 16 * number + i, 1, 7}, 1));
        auto ticket = engine->publish(slots);
        ASSERT_TRUE(ticket);
        ASSERT_TRUE(engine->wait(*ticket));
      }
    });
  for (int round = 0; round < 300; ++round) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    ASSERT_TRUE(engine->release(handle));
    // The memory, and sooner or later the handle, go to somebody else.
    BufferHandle other = buffer(Count, 1u << 5);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    ASSERT_EQ(read(other, 64), std::vector<int32_t>(64)) << round;
    ASSERT_TRUE(engine->release(other));
    handle = buffer(Count, 1u << 1);
  }
  stop = true;
  for (std::thread &thread : threads)
    thread.join();
}

TEST_F(ResidentLife, CopiesKeepTheirBuffer) {
  open();
  constexpr size_t Count = 1 << 18;
  std::atomic<uint32_t> handle = buffer(Count);
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    std::vector<int32_t> elements(Count);
    while (!stop)
      if (auto done = engine->read(handle, 0, std::as_writable_bytes(std::span(elements))); !done)
        EXPECT_EQ(done.error().code, ErrorCode::NotFound);
  });
  for (int round = 0; round < 100; ++round) {
    BufferHandle old = handle.exchange(buffer(Count));
    ASSERT_TRUE(engine->release(old));
  }
  stop = true;
  reader.join();
}

TEST_F(ResidentLife, LoadsThatComeDuringAReleaseDoNotReachItsMemory) {
  ResidentOptions options = quiet();
  // Room for one buffer, so that the next one gets its handle.
  options.maxBuffers = abi::SystemBufferCount + 1;
  open(options);
  BufferHandle old = buffer(4);
  uint32_t resource = *engine->addResource(
      [](uint64_t, std::span<std::byte> to) -> Expected<void> {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        std::fill(to.begin(), to.end(), std::byte(1));
        return {};
      },
      4 * sizeof(int32_t));
  // The release waits for these.
  publish(naps(4, 50'000));
  std::thread releasing([&] { EXPECT_TRUE(engine->release(old)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  PublishTicket load = publish({makeSlot(uint32_t(abi::Builtin::LoadMiss), {resource, 0, old})});
  releasing.join();
  BufferHandle next = buffer(4);
  EXPECT_EQ(next, old);
  EXPECT_TRUE(engine->wait(load));
  EXPECT_EQ(read(next, 4), std::vector<int32_t>(4));
}

TEST_F(ResidentLife, TheEndWaitsForSwaps) {
  for (int round = 0; round < 8; ++round) {
    open();
    publish(naps(3, 20'000));
    std::thread swapping([&, used = engine.get()] { EXPECT_TRUE(used->swap()) << round; });
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    engine.reset();
    swapping.join();
  }
}

TEST_F(ResidentLife, PrefetchesKeepTheirBuffer) {
  open();
  constexpr size_t Count = 1 << 20;
  uint32_t resource = *engine->addResource(
      [](uint64_t, std::span<std::byte> to) -> Expected<void> {
        std::fill(to.begin(), to.end(), std::byte(1));
        return {};
      },
      Count * sizeof(int32_t));
  std::atomic<uint32_t> handle = buffer(Count, 1u << 1);
  std::atomic<bool> stop = false;
  std::thread loader([&] {
    // Waiting for a prefetch is waiting for its beginning.
    while (!stop)
      EXPECT_TRUE(engine->wait(publish({makeSlot(uint32_t(abi::Builtin::LoadMiss), {resource, 1, handle}, 1)})));
  });
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(engine->release(handle));
    BufferHandle other = buffer(Count, 1u << 5);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(read(other, Count), std::vector<int32_t>(Count)) << round;
    ASSERT_TRUE(engine->release(other));
    handle = buffer(Count, 1u << 1);
  }
  stop = true;
  loader.join();
}

TEST_F(ResidentLife, DrainingWaitsForLoads) {
  open();
  std::atomic<int> reads = 0;
  uint32_t resource = *engine->addResource(
      [&](uint64_t, std::span<std::byte>) -> Expected<void> {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ++reads;
        return {};
      },
      16);
  std::vector<abi::Slot> loads(4, makeSlot(uint32_t(abi::Builtin::LoadMiss), {resource, 0, buffer(4)}));
  publish(loads);
  EXPECT_TRUE(engine->drain());
  EXPECT_EQ(reads, 4);
  // A load that was published before its buffer is released finds it.
  BufferHandle to = buffer(4);
  loads.back().args[abi::LoadBuffer] = to;
  PublishTicket ticket = publish(loads);
  EXPECT_TRUE(engine->release(to));
  EXPECT_EQ(reads, 8);
  EXPECT_TRUE(engine->wait(ticket)->empty());
  // So does the end of the engine.
  publish(loads);
  engine.reset();
  EXPECT_EQ(reads, 11);
}

TEST_F(ResidentLife, EpochsEndAfterTheSlotThatRuns) {
  ResidentOptions options = quiet();
  options.leaveSeconds = 0.5;
  open(options);
  // A second or two of work in one claim of each worker, and a window that must not be torn.
  constexpr size_t Count = 150;
  std::vector<abi::Slot> slots = naps(Count, 10'000);
  BufferHandle x = buffer(1);
  for (uint32_t i = 0; i < 8; ++i) {
    slots.push_back(makeSlot(Bump, {x, 1}));
    slots.back().order |= i ? uint32_t(abi::OrderContinuation) : 8u << abi::OrderLengthShift;
  }
  PublishTicket ticket = publish(slots);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    auto swapped = engine->swap();
    ASSERT_TRUE(swapped) << swapped.error().message;
    EXPECT_LT(swapped->leaveSeconds, 0.4);
  }
  EXPECT_FALSE(*engine->poll(ticket));
  EXPECT_TRUE(engine->wait(ticket)->empty());
  // Each slot once.
  EXPECT_EQ(read(x, 1)[0], 8);
  EXPECT_EQ(journal.interpretedSlots, Count + 8);
  auto telemetry = engine->telemetry();
  EXPECT_EQ(telemetry->workers[0].claimed, Count);
}

TEST_F(ResidentLife, ASlotDoesNotWaitForThoseBehindIt) {
  open();
  std::vector<abi::Slot> slots = naps(20, 0);
  for (const abi::Slot &slot : naps(40, 50'000))
    slots.push_back(slot);
  auto start = std::chrono::steady_clock::now();
  publish(slots);
  while (engine->telemetry()->tenants[0].ended < 20)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_LT(secondsSince(start), 0.5);
  EXPECT_TRUE(engine->drain());
}

TEST_F(ResidentLife, WorkersThatAreLateAreWaitedForAtTheEnd) {
  ResidentOptions options = quiet();
  options.leaveSeconds = 0.01;
  open(options);
  PublishTicket ticket = publish(naps(20, 100'000));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  // A device whose workers do not leave in time is lost, for this call and for all others.
  auto swapped = engine->swap();
  ASSERT_FALSE(swapped);
  EXPECT_EQ(swapped.error().code, ErrorCode::DeviceFailed);
  EXPECT_NE(swapped.error().message.find("did not leave within"), std::string::npos) << swapped.error().message;
  auto waited = engine->wait(ticket);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::DeviceFailed);
  EXPECT_EQ(engine->drain().error().code, ErrorCode::DeviceFailed);
  EXPECT_EQ(engine->publish(naps(1, 0)).error().code, ErrorCode::DeviceFailed);
  EXPECT_EQ(engine->swap().error().code, ErrorCode::DeviceFailed);
  engine.reset();
}

TEST_F(ResidentLife, LeavingMayTakeForEver) {
  for (double seconds : {1e12, std::numeric_limits<double>::infinity()}) {
    ResidentOptions options = quiet();
    options.leaveSeconds = seconds;
    open(options);
    publish(naps(4, 10'000));
    EXPECT_TRUE(engine->swap());
  }
}

TEST_F(ResidentLife, PublishersThatWaitForRoomHearOfTheEnd) {
  ResidentOptions options = quiet();
  options.tenants = {{}, {~0u, 1}};
  open(options);
  // This one has all credit of its tenant.
  PublishTicket ticket = publish({makeSlot(Nap, {300'000}, 1)});
  std::atomic<int> closed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, engine = engine.get()] {
      auto refused = engine->publish(std::vector{makeSlot(Nap, {0}, 1)});
      closed += !refused && refused.error().code == ErrorCode::Closed;
    });
  std::vector<SlotFault> faults(1);
  threads.emplace_back([&, engine = engine.get()] { faults = *engine->wait(ticket); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  engine.reset();
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(closed, 3);
  EXPECT_TRUE(faults.empty());
}

TEST_F(ResidentLife, PromotionsThatAreWaitedForDoNotKeepToTheirInterval) {
  ResidentOptions options;
  options.swapInterval = 1e9;
  open(options);
  BufferHandle x = buffer(8), y = buffer(8);
  for (int i = 0; i < 200; ++i) {
    std::vector<abi::Slot> slots = {makeSlot(Fill, {x, 0, 8, 1}), makeSlot(Add, {x, 0, 8, x, 0, 8, y, 0, 8})};
    slots[0].order |= 2u << abi::OrderLengthShift;
    slots[1].order |= abi::OrderContinuation;
    EXPECT_TRUE(engine->wait(publish(slots)));
  }
  engine->waitForPromotions();
  ASSERT_FALSE(engine->windows().empty());
  EXPECT_EQ(engine->windows()[0].state, PromotionState::Live);
  // What was hot has to become so again.
  EXPECT_TRUE(engine->demoteAll());
  EXPECT_EQ(engine->windows()[0].recent, 0);
  engine->waitForPromotions();
  EXPECT_EQ(engine->windows()[0].state, PromotionState::Interpreted);
}

TEST_F(ResidentLife, ChecksOfRoutesAreNobodysBusiness) {
  ResidentOptions options;
  options.tenants = {{}, {~0u, 2}};
  open(options);
  BufferHandle x = buffer(8), y = buffer(8);
  // The copies of a check get the next handles.
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> good = 0;
  std::thread guesser([&] {
    while (!stop) {
      auto ticket = engine->publish(std::vector{makeSlot(Fill, {y + 1, 0, 1, 7}, 1), makeSlot(Fill, {y + 2, 0, 1, 7})});
      ASSERT_TRUE(ticket);
      good += 2 - engine->wait(*ticket)->size();
      EXPECT_FALSE(engine->release(y + 1));
      std::vector<std::byte> byte(1);
      EXPECT_FALSE(engine->read(y + 1, 0, byte));
    }
  });
  uint64_t windows = 0;
  for (int kind = 0; kind < 40; ++kind) {
    // Kinds that differ in the extents of their arguments.
    std::vector<abi::Slot> slots;
    for (int bit = 0; bit < 6; ++bit)
      slots.push_back(makeSlot(Fill, {kind >> bit & 1 ? x : y, uint32_t(bit), 1, 1}, 2));
    slots[0].order |= 6u << abi::OrderLengthShift;
    for (size_t i = 1; i < slots.size(); ++i)
      slots[i].order |= abi::OrderContinuation;
    for (int i = 0; i < 60; ++i, ++windows)
      EXPECT_TRUE(engine->wait(publish(slots)));
  }
  engine->waitForPromotions();
  stop = true;
  guesser.join();
  EXPECT_EQ(good, 0u);
  EXPECT_GT(engine->telemetry()->swaps, 0u);
  EXPECT_EQ(engine->telemetry()->tenants[2].published, 6 * windows);
}

} // namespace mk::test
