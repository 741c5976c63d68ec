//===- EngineTest.cpp - Batches, tickets, order, policy -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <future>
#include <gtest/gtest.h>
#include <thread>

namespace mk::test {

static std::unique_ptr<Engine> makeEngine(std::unique_ptr<Device> device, EngineOptions options = {}) {
  options.promotion.mode = JitMode::Off;
  auto engine = Engine::create(std::move(device), std::make_unique<FakeCode>(), options);
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

namespace {
/// On a host that the engine addresses directly, and on a device that needs copies.
class EngineTest : public testing::TestWithParam<bool> {
protected:
  void SetUp() override { journal.reset(); }
  void TearDown() override { EXPECT_EQ(journal.violations, 0u); }

  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  std::unique_ptr<Device> makeDevice() {
    if (GetParam())
      return createHostDevice({3});
    return std::make_unique<FlakyDevice>(control);
  }
};
} // namespace

INSTANTIATE_TEST_SUITE_P(Devices, EngineTest, testing::Values(true, false),
                         [](const auto &info) { return info.param ? "Host" : "Copying"; });

TEST_P(EngineTest, RunsABatch) {
  auto engine = makeEngine(makeDevice());
  BufferHandle x = makeBuffer(*engine, {1, 2, 3, 4}), y = makeBuffer(*engine, {10, 20, 30, 40});
  BufferHandle z = makeBuffer(*engine, {0, 0, 0, 0});
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.add("add", std::vector<Arg>{View{x, 0, 4}, View{y, 0, 4}, View{z, 0, 4}}));
  BatchResult result = runBatch(*engine, batch);
  EXPECT_TRUE(result.faults.empty());
  EXPECT_EQ(result.slots, 1u);
  EXPECT_EQ(result.ticket, 1u);
  ASSERT_EQ(result.runs.size(), 1u);
  EXPECT_EQ(result.runs[0].tier, Tier::Interpreter);
  EXPECT_EQ(result.runs[0].what, "lane");
  EXPECT_EQ(result.runs[0].items, 1u);
  EXPECT_GE(result.runs[0].workgroups, 1u);
  EXPECT_EQ(readBuffer(*engine, z, 4), (std::vector<int32_t>{11, 22, 33, 44}));
}

TEST_P(EngineTest, AnEmptyBatchIsDone) {
  auto engine = makeEngine(makeDevice());
  BatchResult result = runBatch(*engine, Batch(engine->isa()));
  EXPECT_EQ(result.slots, 0u);
  EXPECT_TRUE(result.runs.empty());
  EXPECT_EQ(result.recommendation.pressure, QueuePressure::Empty);
}

TEST_P(EngineTest, ScopesGoToTheirInterpreters) {
  auto engine = makeEngine(makeDevice());
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(8, 1)), y = makeBuffer(*engine, std::vector<int32_t>(8, 1));
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.add("bump", std::vector<Arg>{View{x}, int64_t(4)}));
  ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{y, 0, 4}, int64_t(7)}));
  // A lane window and one with a block opcode.
  std::vector<abi::Slot> lane(2, makeSlot(Fill, {y, 4, 2, 8})),
      mixed = {makeSlot(Fill, {y, 6, 2, 9}), makeSlot(Oops, {3})};
  mixed.push_back(makeSlot(Put, {x, 0, 0, 1, 0}));
  ASSERT_TRUE(batch.addWindow(lane));
  ASSERT_TRUE(batch.addWindow(mixed));
  BatchResult result = runBatch(*engine, batch);
  ASSERT_EQ(result.runs.size(), 2u);
  EXPECT_EQ(result.runs[0].what, "lane");
  EXPECT_EQ(result.runs[0].slots, 3u);
  EXPECT_EQ(result.runs[0].items, 2u);
  EXPECT_EQ(result.runs[1].what, "block");
  EXPECT_EQ(result.runs[1].slots, 4u);
  EXPECT_EQ(result.runs[1].items, 2u);
  // The fault of the mixed window is the batch's slot 5.
  ASSERT_EQ(result.faults.size(), 1u);
  EXPECT_EQ(result.faults[0].slot, 5u);
  EXPECT_EQ(describeFault(result.faults[0]), "user fault 3");
  EXPECT_EQ(readBuffer(*engine, x, 8), std::vector<int32_t>(8, 5));
  EXPECT_EQ(readBuffer(*engine, y, 8), (std::vector<int32_t>{7, 7, 7, 7, 8, 8, 9, 9}));
}

TEST_P(EngineTest, FaultsAreSortedAndNameTheirSlots) {
  auto engine = makeEngine(makeDevice());
  BufferHandle readOnly = makeBuffer(*engine, {1}, abi::AccessRead), foreign = makeBuffer(*engine, {1}, 3, 1u << 4);
  BufferHandle good = makeBuffer(*engine, std::vector<int32_t>(100, 0));
  Batch batch(engine->isa());
  std::vector<uint32_t> codes(100, 0);
  for (uint32_t i = 0; i < 100; ++i) {
    View view{good, i, 1};
    if (i % 10 == 3)
      view = {readOnly, 0, 1}, codes[i] = uint32_t(abi::FaultCode::BufferAccess);
    if (i % 10 == 5)
      view = {foreign, 0, 1}, codes[i] = uint32_t(abi::FaultCode::TenantRight);
    if (i % 10 == 7)
      view = {good, 100, 1}, codes[i] = uint32_t(abi::FaultCode::BufferBounds);
    if (i % 10 == 9)
      view = {99, 0, 1}, codes[i] = uint32_t(abi::FaultCode::BufferHandle);
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{view, int64_t(1)}));
  }
  BatchResult result = runBatch(*engine, batch);
  ASSERT_EQ(result.faults.size(), 40u);
  size_t next = 0;
  for (uint32_t i = 0; i < 100; ++i)
    if (codes[i]) {
      EXPECT_EQ(result.faults[next].slot, i);
      EXPECT_EQ(result.faults[next++].code, codes[i]);
    }
}

TEST_P(EngineTest, BatchesRunInOrder) {
  auto engine = makeEngine(makeDevice());
  BufferHandle x = makeBuffer(*engine, std::vector<int32_t>(64, 0));
  Ticket last = 0;
  for (int32_t i = 0; i < 200; ++i) {
    Batch batch(engine->isa());
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{x, 0, 64}, int64_t(i)}));
    ASSERT_TRUE(engine->submit(batch));
    Batch bump(engine->isa());
    ASSERT_TRUE(bump.add("bump", std::vector<Arg>{View{x}, int64_t(1000)}));
    last = *engine->submit(bump);
    // A read is ordered too, and needs no wait.
    if (i % 50 == 0) {
      EXPECT_EQ(readBuffer(*engine, x, 64), std::vector<int32_t>(64, i + 1000));
    }
  }
  ASSERT_TRUE(engine->wait(last));
  EXPECT_EQ(readBuffer(*engine, x, 64), std::vector<int32_t>(64, 1199));
}

TEST_P(EngineTest, ManyThreadsSubmit) {
  auto engine = makeEngine(makeDevice());
  BufferHandle x = makeBuffer(*engine, {0, 0, 0, 0});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        Batch batch(engine->isa());
        ASSERT_TRUE(batch.add("bump", std::vector<Arg>{View{x}, int64_t(1)}));
        Expected<Ticket> ticket = engine->submit(batch);
        ASSERT_TRUE(ticket);
        if (i % 2) {
          EXPECT_TRUE(engine->wait(*ticket));
        }
        BufferHandle mine = makeBuffer(*engine, {1});
        engine->heat();
        ASSERT_TRUE(engine->release(mine));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(readBuffer(*engine, x, 4), std::vector<int32_t>(4, 200));
}

TEST_P(EngineTest, TicketsAreWaitedForOnce) {
  auto engine = makeEngine(makeDevice());
  Expected<Ticket> ticket = engine->submit(Batch(engine->isa()));
  ASSERT_TRUE(ticket);
  EXPECT_EQ(*ticket, 1u);
  ASSERT_TRUE(engine->wait(*ticket));
  Expected<BatchResult> again = engine->wait(*ticket);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::NotFound);
  EXPECT_EQ(again.error().message, "ticket 1 has been waited for before");
  EXPECT_EQ(engine->poll(*ticket).error().code, ErrorCode::NotFound);
  EXPECT_EQ(engine->wait(2).error().message, "ticket 2 was never given out");
  EXPECT_EQ(engine->wait(0).error().message, "ticket 0 was never given out");
}

TEST_P(EngineTest, TheDestructorFinishesWhatWasSubmitted) {
  auto engine = makeEngine(makeDevice());
  BufferHandle x = makeBuffer(*engine, {0});
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.add("bump", std::vector<Arg>{View{x}, int64_t(1)}));
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(engine->submit(batch));
  engine.reset();
  EXPECT_EQ(journal.interpretedSlots, 50u);
}

TEST_P(EngineTest, TheHeatOfOpcodesIsExact) {
  EngineOptions options;
  options.heatHalfLife = std::numeric_limits<double>::infinity();
  auto engine = makeEngine(makeDevice(), options);
  BufferHandle x = makeBuffer(*engine, {0, 0, 0, 0});
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 4; ++i)
    ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{x, i, 1}, int64_t(1)}));
  ASSERT_TRUE(batch.addWindow(std::vector<abi::Slot>(3, makeSlot(Oops, {1}))));
  ASSERT_TRUE(batch.addWindow(std::vector<abi::Slot>(3, makeSlot(Oops, {2}))));
  runBatch(*engine, batch);
  runBatch(*engine, batch);
  std::vector<HeatRow> heat = engine->heat();
  ASSERT_EQ(heat.size(), 3u);
  EXPECT_EQ(heat[0].what, "fill");
  EXPECT_EQ(heat[0].total, 8u);
  EXPECT_EQ(heat[0].recent, 8);
  EXPECT_EQ(heat[1].tier, Tier::Window);
  EXPECT_EQ(heat[1].what, "oops(0) oops(0) oops(0)");
  EXPECT_EQ(heat[1].total, 4u);
  EXPECT_EQ(heat[1].recent, 4);
  // Slots of windows count for their opcode's total only.
  EXPECT_EQ(heat[2].what, "oops");
  EXPECT_EQ(heat[2].total, 12u);
  EXPECT_EQ(heat[2].recent, 0);
  EXPECT_EQ(heat[2].evidence, 0u);
}

TEST_P(EngineTest, HeatDecays) {
  EngineOptions options;
  options.heatHalfLife = 0.01;
  auto engine = makeEngine(makeDevice(), options);
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(64, makeSlot(Oops, {1})));
  runBatch(*engine, batch);
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  std::vector<HeatRow> heat = engine->heat();
  ASSERT_EQ(heat.size(), 1u);
  EXPECT_EQ(heat[0].total, 64u);
  EXPECT_LT(heat[0].recent, 1);
  EXPECT_EQ(heat[0].evidence, 64u);
}

//===----------------------------------------------------------------------===//
// Refusals and failures
//===----------------------------------------------------------------------===//

TEST(Engine, RefusesBatchesWhole) {
  journal.reset();
  auto engine = makeEngine(createHostDevice({1}));
  Batch batch(engine->isa());
  batch.addSlots(std::vector{makeSlot(Oops, {1}), makeSlot(1234, {})});
  Expected<Ticket> ticket = engine->submit(batch);
  ASSERT_FALSE(ticket);
  EXPECT_EQ(ticket.error().code, ErrorCode::NotFound);
  EXPECT_EQ(ticket.error().message, "slot 1 has opcode 1234, which the ISA does not have");
  EXPECT_EQ(*engine->submit(Batch(engine->isa())), 1u);
  engine.reset();
  EXPECT_EQ(journal.interpretedSlots, 0u);
}

TEST(Engine, PollTellsWhenABatchIsDone) {
  auto control = std::make_shared<FlakyDevice::Control>();
  std::promise<void> gate;
  control->beforeRun = [opened = gate.get_future().share()] { opened.wait(); };
  auto engine = makeEngine(std::make_unique<FlakyDevice>(control));
  Batch batch(engine->isa());
  batch.addSlots(std::vector{makeSlot(Oops, {1})});
  Ticket ticket = *engine->submit(batch);
  EXPECT_FALSE(engine->poll(ticket).value());
  gate.set_value();
  while (!*engine->poll(ticket))
    std::this_thread::yield();
  EXPECT_TRUE(engine->wait(ticket));
}

TEST(Engine, ThePolicySeesTheBatchAndSizesItsLaunches) {
  auto control = std::make_shared<FlakyDevice::Control>();
  auto engine = makeEngine(std::make_unique<FlakyDevice>(control));
  BufferHandle x = makeBuffer(*engine, {0});
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(300, makeSlot(Oops, {1})));
  batch.addSlots(std::vector<abi::Slot>(20, makeSlot(Put, {x, 0, 0, 1, 0})));
  SubmitOptions options;
  options.graph = GraphHint{1000, 5000, 300};
  BatchResult result = runBatch(*engine, batch, options);
  EXPECT_EQ(result.request.queueLen, 320u);
  EXPECT_EQ(result.request.requestedWorkerGroups, 16u);
  EXPECT_EQ(result.request.maxWorkgroupSizeX, 256u);
  EXPECT_EQ(result.request.maxComputeWorkgroupsPerDimension, 65535u);
  EXPECT_EQ(result.request.hotOpcodeCount, 300u);
  EXPECT_EQ(result.request.graphNodeCount, 1000u);
  EXPECT_EQ(result.request.graphEdgeCount, 5000u);
  EXPECT_EQ(result.request.frontierDensityBps, 300u);
  EXPECT_GT(result.request.residentDeviceBytes, 0u);
  EXPECT_EQ(result.recommendation, *LaunchPolicy().recommend(result.request));

  ASSERT_EQ(result.runs.size(), 2u);
  const LaunchGeometry &geometry = result.recommendation.geometry;
  EXPECT_EQ(result.runs[0].workgroupSize, geometry.workgroupSizeX);
  EXPECT_EQ(result.runs[0].workgroups,
            std::min(geometry.dispatchGrid[0], (300 + geometry.workgroupSizeX - 1) / geometry.workgroupSizeX));
  EXPECT_EQ(result.runs[1].workgroupSize, 256u);
  EXPECT_EQ(result.runs[1].workgroups, std::min(result.recommendation.workerGroups, 20u));
  std::lock_guard lock(control->mutex);
  ASSERT_EQ(control->lastLaunches.size(), 2u);
  EXPECT_EQ(control->lastLaunches[0].workgroups, result.runs[0].workgroups);
  EXPECT_EQ(control->lastLaunches[1].params.items, 20u);
}

TEST(Engine, TheTopologyHasHysteresis) {
  auto engine = makeEngine(createHostDevice({1}));
  Batch batch(engine->isa());
  batch.addSlots(std::vector<abi::Slot>(4, makeSlot(Oops, {1})));
  SubmitOptions sparse, between;
  sparse.graph = GraphHint{1000, 0, 400};
  between.graph = GraphHint{1000, 0, 700};
  EXPECT_EQ(runBatch(*engine, batch, between).recommendation.topology, DispatchTopology::HybridFrontier);
  EXPECT_EQ(runBatch(*engine, batch, sparse).recommendation.topology, DispatchTopology::HybridFrontier);
  sparse.graph->frontierDensityBps = 100;
  EXPECT_EQ(runBatch(*engine, batch, sparse).recommendation.topology, DispatchTopology::SparseFrontier);
  EXPECT_EQ(runBatch(*engine, batch, between).recommendation.topology, DispatchTopology::SparseFrontier);
}

TEST(Engine, ThePolicyCanRefuseABatch) {
  journal.reset();
  EngineOptions options;
  options.memoryBudget = 64 << 10;
  auto engine = makeEngine(createHostDevice({1}), options);
  Batch big(engine->isa()), small(engine->isa());
  // 4096 slots mean a hit buffer of 8192 entries of 16 bytes.
  big.addSlots(std::vector<abi::Slot>(4096, makeSlot(Oops, {1})));
  small.addSlots(std::vector<abi::Slot>(10, makeSlot(Oops, {1})));
  Ticket refused = *engine->submit(big);
  Expected<BatchResult> result = engine->wait(refused);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::OutOfMemory);
  EXPECT_NE(result.error().message.find("65536"), std::string::npos) << result.error().message;
  EXPECT_EQ(journal.interpretedSlots, 0u);
  // What did not run is not hot, and harms no one.
  EXPECT_TRUE(engine->heat().empty());
  EXPECT_EQ(runBatch(*engine, small).faults.size(), 10u);
  EXPECT_EQ(engine->heat()[0].total, 10u);
}

TEST(Engine, StagingStaysInTheBudget) {
  EngineOptions options;
  options.memoryBudget = 256 << 10;
  options.policy.scratchBytesPerHit = 1;
  auto engine = makeEngine(createHostDevice({1}), options);
  Batch big(engine->isa());
  big.addSlots(std::vector<abi::Slot>(4096, makeSlot(Oops, {1})));
  Expected<BatchResult> result = engine->wait(*engine->submit(big));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::OutOfMemory);
  EXPECT_NE(result.error().message.find("bytes for staging a batch"), std::string::npos) << result.error().message;
  Batch small(engine->isa());
  small.addSlots(std::vector<abi::Slot>(10, makeSlot(Oops, {1})));
  EXPECT_EQ(runBatch(*engine, small).faults.size(), 10u);
}

TEST(Engine, ALostDeviceAnswersEveryone) {
  auto control = std::make_shared<FlakyDevice::Control>();
  std::promise<void> gate;
  control->beforeRun = [opened = gate.get_future().share()] { opened.wait(); };
  auto engine = makeEngine(std::make_unique<FlakyDevice>(control));
  BufferHandle x = *engine->allocate(ElementType::I32, 4);
  Batch batch(engine->isa());
  batch.addSlots(std::vector{makeSlot(Oops, {1})});
  std::vector<Ticket> tickets;
  for (int i = 0; i < 5; ++i)
    tickets.push_back(*engine->submit(batch));
  {
    std::lock_guard lock(control->mutex);
    control->run = Error{ErrorCode::DeviceFailed, "illegal address in 'k'"};
  }
  gate.set_value();
  // The first may have got through before the device broke.
  for (size_t i = 1; i < tickets.size(); ++i) {
    Expected<BatchResult> result = engine->wait(tickets[i]);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::DeviceFailed);
    EXPECT_EQ(result.error().message, "illegal address in 'k'");
  }
  Expected<Ticket> later = engine->submit(batch);
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().message, "illegal address in 'k'");
  std::byte byte;
  EXPECT_EQ(engine->read(x, 0, {&byte, 1}).error().message, "illegal address in 'k'");
  EXPECT_TRUE(engine->release(x));
  engine->waitForPromotions();
}

TEST(Engine, CreationFailsWithTheReason) {
  auto none = Engine::create(nullptr, std::make_unique<FakeCode>());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::InvalidArgument);

  FakeOptions broken;
  broken.interpreterResult = makeError(ErrorCode::CompileFailed, "no luck");
  auto failed = Engine::create(createHostDevice({1}), std::make_unique<FakeCode>(broken));
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "no luck");

  FakeOptions old;
  old.abiVersion = 1;
  auto stale = Engine::create(createHostDevice({1}), std::make_unique<FakeCode>(old));
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().code, ErrorCode::Unsupported);

  auto empty = Engine::create(createHostDevice({1}), std::make_unique<FakeCode>(FakeOptions(), Isa()));
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, "the ISA has no opcodes, define at least one");

  EngineOptions options;
  options.heatHalfLife = 0;
  EXPECT_FALSE(Engine::create(createHostDevice({1}), std::make_unique<FakeCode>(), options));
}

} // namespace mk::test
