//===- ResidentStressTest.cpp - Everything at once, and nothing lost ------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Eight publishers with random slots and windows, faults in one slot of a hundred and suspensions in as many, epochs
// and demotions at random moments. MK_STRESS_SLOTS says how many slots to publish; without it there are as many as a
// test may take time for. Meant for the sanitizers, too: MK_SANITIZE=thread or address,undefined.
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include "mk/Runtime/ResidentEngine.h"
#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

namespace mk::test {

namespace {
constexpr uint32_t Publishers = 8, Regions = 16, Region = 8;
/// Regions of a publisher that nobody looks at: more than it may have pending.
constexpr uint32_t Scratch = 512;

/// A publisher and what it has published but not yet looked at. Its part of the buffers belongs to it alone, so that
/// plain code can say what they hold: windows write their regions whole, and no region is used twice before it was
/// looked at.
class Publisher {
public:
  Publisher(ResidentEngine &engine, uint32_t number, BufferHandle x, BufferHandle y, BufferHandle z)
      : engine(engine), number(number), random(number + 1), x(x), y(y), z(z) {}

  uint64_t published = 0, faults = 0, resumed = 0;

  void run(std::atomic<int64_t> &left) {
    while (left.fetch_sub(step(), std::memory_order_relaxed) > 0)
      ;
    collect();
  }

private:
  struct Expectation {
    uint32_t region;
    int32_t value;
  };
  struct Published {
    PublishTicket ticket;
    std::vector<uint32_t> faulty;
    std::vector<Expectation> expected;
  };

  int64_t step() {
    slots.clear();
    Published one;
    uint32_t items = 1 + random() % 12;
    for (uint32_t i = 0; i < items; ++i) {
      uint32_t kind = random() % 100;
      if (kind < 2) {
        one.faulty.push_back(uint32_t(slots.size()));
        slots.push_back(makeSlot(Oops, {number + 1}));
      } else if (kind < 3 && nextRegion != Regions) {
        slots.push_back(
            makeSlot(Again, {z, regionAt(nextRegion), Region, uint32_t(random() % 2), uint32_t(random() % 3)}));
        one.expected.push_back({nextRegion++, 3});
        ++resumed;
      } else if (kind < 60 || nextRegion == Regions) {
        // Nobody looks at what these write.
        slots.push_back(makeSlot(Fill, {x, scratchAt(), Region, uint32_t(random())}));
      } else if (kind < 70) {
        uint32_t at = regionAt(nextRegion);
        int32_t value = int32_t(random() % 1000);
        slots.push_back(makeSlot(Fill, {z, at, Region, uint32_t(value)}));
        one.expected.push_back({nextRegion++, value});
      } else {
        // fill(x, v), fill(y, w), add(x, y, z), and perhaps more of the same.
        uint32_t at = regionAt(nextRegion), length = 3 + random() % 4;
        int32_t v = int32_t(random() % 1000), w = int32_t(random() % 1000);
        std::vector<abi::Slot> window = {makeSlot(Fill, {x, at, Region, uint32_t(v)})};
        for (uint32_t k = 3; k < length; ++k)
          window.push_back(makeSlot(Fill, {y, at, Region, 7}));
        window.push_back(makeSlot(Fill, {y, at, Region, uint32_t(w)}));
        window.push_back(makeSlot(Add, {x, at, Region, y, at, Region, z, at, Region}));
        window.front().order |= uint32_t(window.size()) << abi::OrderLengthShift;
        for (size_t k = 1; k < window.size(); ++k)
          window[k].order |= abi::OrderContinuation;
        slots.insert(slots.end(), window.begin(), window.end());
        one.expected.push_back({nextRegion++, v + w});
      }
    }
    auto ticket = engine.publish(slots, {.priority = uint32_t(random() % abi::PriorityLevels)});
    if (!ticket) {
      ADD_FAILURE() << ticket.error().message;
      return 1 << 30;
    }
    one.ticket = *ticket;
    published += slots.size();
    faults += one.faulty.size();
    pending.push_back(std::move(one));
    if (nextRegion == Regions || pending.size() == 40)
      collect();
    return int64_t(slots.size());
  }

  void collect() {
    for (const Published &one : pending) {
      auto found = engine.wait(one.ticket);
      if (!found) {
        ADD_FAILURE() << found.error().message;
        continue;
      }
      std::vector<uint32_t> faulty;
      for (const SlotFault &fault : *found) {
        EXPECT_EQ(fault.code, 0x80000000u + number + 1);
        faulty.push_back(fault.slot);
      }
      EXPECT_EQ(faulty, one.faulty);
    }
    if (nextRegion) {
      std::vector<int32_t> contents(Regions * Region);
      EXPECT_TRUE(engine.read(z, regionAt(0) * sizeof(int32_t), std::as_writable_bytes(std::span(contents))));
      for (const Published &one : pending)
        for (const Expectation &expectation : one.expected)
          for (uint32_t k = 0; k < Region; ++k)
            ASSERT_EQ(contents[expectation.region * Region + k], expectation.value);
    }
    pending.clear();
    nextRegion = 0;
  }

  uint32_t regionAt(uint32_t region) const { return (number * (Regions + Scratch) + region) * Region; }
  uint32_t scratchAt() { return regionAt(Regions + scratch++ % Scratch); }

  ResidentEngine &engine;
  const uint32_t number;
  std::minstd_rand random;
  const BufferHandle x, y, z;
  std::vector<abi::Slot> slots;
  std::vector<Published> pending;
  uint32_t nextRegion = 0;
  uint32_t scratch = 0;
};
} // namespace

TEST(ResidentStress, NothingIsLost) {
  const char *wanted = std::getenv("MK_STRESS_SLOTS");
  const int64_t count = wanted ? std::atoll(wanted) : 400'000;
  journal.reset();
  ResidentOptions options;
  options.ringLines = 1024;
  options.swapInterval = 0.005;
  options.policy.priorityAgeThreshold = 8;
  auto created = ResidentEngine::create(createHostDevice({2}), std::make_unique<FakeCode>(), options);
  ASSERT_TRUE(created) << created.error().message;
  ResidentEngine &engine = **created;
  const size_t elements = Publishers * (Regions + Scratch) * Region;
  BufferHandle x = *engine.allocate(ElementType::I32, elements), y = *engine.allocate(ElementType::I32, elements),
               z = *engine.allocate(ElementType::I32, elements);

  std::vector<std::unique_ptr<Publisher>> publishers;
  std::vector<std::thread> threads;
  std::atomic<int64_t> left = count;
  std::atomic<uint32_t> running = Publishers;
  for (uint32_t number = 0; number < Publishers; ++number) {
    publishers.push_back(std::make_unique<Publisher>(engine, number, x, y, z));
    threads.emplace_back([&, publisher = publishers.back().get()] {
      publisher->run(left);
      --running;
    });
  }
  std::minstd_rand random(99);
  uint64_t swaps = 0;
  while (running) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 8000));
    if (random() % 8 == 0)
      EXPECT_TRUE(engine.demoteAll());
    else
      EXPECT_TRUE(engine.swap());
    ++swaps;
    EXPECT_TRUE(engine.telemetry());
  }
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_TRUE(engine.drain());
  uint64_t published = 0;
  for (const auto &publisher : publishers)
    published += publisher->published;
  // Each slot ran once: on the interpreter, or in a fused window. Checks of windows run some more, which nobody pays
  // for.
  auto telemetry = engine.telemetry();
  ASSERT_TRUE(telemetry);
  EXPECT_EQ(telemetry->tenants[0].published, telemetry->tenants[0].ended);
  EXPECT_EQ(telemetry->tenants[0].published, published);
  EXPECT_EQ(telemetry->resumables.live, 0u);
  uint64_t resumed = 0;
  for (const auto &publisher : publishers)
    resumed += publisher->resumed;
  // Each suspends itself one to three times.
  EXPECT_GE(telemetry->resumables.yields + telemetry->resumables.requeues, resumed);
  EXPECT_LE(telemetry->resumables.yields + telemetry->resumables.requeues, 3 * resumed);
  EXPECT_EQ(journal.violations, 0u);
  EXPECT_GT(swaps, 0u);
  RecordProperty("slots", std::to_string(published));
  RecordProperty("swaps", std::to_string(swaps));
  std::printf("%llu slots, %llu swaps, %llu windows on fused code\n", static_cast<unsigned long long>(published),
              static_cast<unsigned long long>(telemetry->swaps),
              static_cast<unsigned long long>(journal.windowInstances.load()));
}

} // namespace mk::test
