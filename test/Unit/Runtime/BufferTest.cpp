//===- BufferTest.cpp - Buffers of an engine ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <future>
#include <gtest/gtest.h>

namespace mk::test {

namespace {
class Buffers : public testing::Test {
protected:
  std::shared_ptr<FlakyDevice::Control> control = std::make_shared<FlakyDevice::Control>();
  std::unique_ptr<Engine> engine = makeEngine();

  std::unique_ptr<Engine> makeEngine(EngineOptions options = {}) {
    options.promotion.mode = JitMode::Off;
    auto created = Engine::create(std::make_unique<FlakyDevice>(control), std::make_unique<FakeCode>(), options);
    EXPECT_TRUE(created) << created.error().message;
    return std::move(*created);
  }
};
} // namespace

TEST_F(Buffers, AreZeroFilled) {
  for (int i = 0; i < 3; ++i) {
    Expected<BufferHandle> buffer = engine->allocate(ElementType::I32, 100);
    ASSERT_TRUE(buffer);
    EXPECT_NE(*buffer, 0u);
    EXPECT_EQ(readBuffer(*engine, *buffer, 100), std::vector<int32_t>(100, 0));
    std::vector<int32_t> dirt(100, -1);
    ASSERT_TRUE(engine->write(*buffer, 0, std::as_bytes(std::span(dirt))));
    ASSERT_TRUE(engine->release(*buffer));
  }
}

TEST_F(Buffers, CopiesHaveAnOffsetAndABound) {
  BufferHandle buffer = makeBuffer(*engine, {1, 2, 3, 4});
  int32_t value = 30;
  ASSERT_TRUE(engine->write(buffer, 8, std::as_bytes(std::span(&value, 1))));
  EXPECT_EQ(readBuffer(*engine, buffer, 4), (std::vector<int32_t>{1, 2, 30, 4}));
  ASSERT_TRUE(engine->read(buffer, 16, {}));
  Expected<void> beyond = engine->write(buffer, 13, std::as_bytes(std::span(&value, 1)));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(beyond.error().message, "4 bytes from offset 13 on are not inside buffer 3, which has 16 bytes");
  EXPECT_FALSE(engine->write(buffer, UINT64_MAX, std::as_bytes(std::span(&value, 1))));
}

TEST_F(Buffers, SizesAndAccessAreChecked) {
  EXPECT_EQ(engine->allocate(ElementType(10), 4).error().message,
            "a buffer of element type 10 was asked for, but element types are 0 (i1) to 9 (index)");
  EXPECT_EQ(engine->allocate(ElementType::I32, 0).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(engine->allocate(ElementType::I32, 1, 8).error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(engine->allocate(ElementType::F64, UINT64_MAX).error().code, ErrorCode::OutOfMemory);
  EXPECT_EQ(engine->allocate(ElementType::F64, uint64_t(1) << 55).error().code, ErrorCode::OutOfMemory);
}

TEST_F(Buffers, AReleasedBufferIsGone) {
  BufferHandle buffer = makeBuffer(*engine, {1});
  ASSERT_TRUE(engine->release(buffer));
  Expected<void> again = engine->release(buffer);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::NotFound);
  EXPECT_EQ(again.error().message, "there is no buffer 3: it was never allocated, or has been released");
  std::byte byte;
  EXPECT_EQ(engine->read(buffer, 0, {&byte, 1}).error().code, ErrorCode::NotFound);
  EXPECT_EQ(engine->release(0).error().code, ErrorCode::NotFound);
  EXPECT_EQ(engine->release(77).error().code, ErrorCode::NotFound);

  Batch batch(engine->isa());
  ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{buffer, 0, 1}, int64_t(1)}));
  BatchResult result = runBatch(*engine, batch);
  ASSERT_EQ(result.faults.size(), 1u);
  EXPECT_EQ(result.faults[0].code, uint32_t(abi::FaultCode::BufferHandle));
}

// A release waits for the batches that were submitted before it, and only for those.
TEST_F(Buffers, ReleaseComesAfterTheBatchesBeforeIt) {
  BufferHandle buffer = makeBuffer(*engine, {0, 0}), kept = makeBuffer(*engine, {0, 0});
  std::promise<void> gate;
  {
    std::lock_guard lock(control->mutex);
    control->beforeRun = [opened = gate.get_future().share()] { opened.wait(); };
  }
  Batch batch(engine->isa());
  ASSERT_TRUE(batch.add("fill", std::vector<Arg>{View{buffer, 0, 2}, int64_t(5)}));
  ASSERT_TRUE(batch.add("add", std::vector<Arg>{View{buffer, 0, 2}, View{buffer, 0, 2}, View{kept, 0, 2}}));
  Expected<Ticket> first = engine->submit(batch);
  uint64_t before = control->releases;
  ASSERT_TRUE(engine->release(buffer));
  Expected<Ticket> second = engine->submit(batch);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(control->releases, before);
  gate.set_value();
  EXPECT_TRUE(engine->wait(*first)->faults.empty());
  EXPECT_EQ(engine->wait(*second)->faults.size(), 2u);
  EXPECT_GT(control->releases, before);
}

TEST_F(Buffers, HandlesComeBackLate) {
  BufferHandle a = makeBuffer(*engine, {1}), b = makeBuffer(*engine, {2});
  ASSERT_TRUE(engine->release(a));
  ASSERT_TRUE(engine->release(b));
  Batch empty(engine->isa());
  runBatch(*engine, empty);
  EXPECT_EQ(makeBuffer(*engine, {3}), a);
  EXPECT_EQ(makeBuffer(*engine, {4}), b);
  EXPECT_EQ(makeBuffer(*engine, {5}), b + 1);
}

TEST_F(Buffers, TheTableGrowsUnderRunningBatches) {
  std::vector<BufferHandle> handles;
  for (int32_t i = 0; i < 500; ++i) {
    handles.push_back(makeBuffer(*engine, {i}));
    Batch batch(engine->isa());
    ASSERT_TRUE(batch.add("bump", std::vector<Arg>{View{handles.back()}, int64_t(1)}));
    ASSERT_TRUE(batch.add("bump", std::vector<Arg>{View{handles.front()}, int64_t(1)}));
    ASSERT_TRUE(engine->submit(batch));
  }
  EXPECT_EQ(readBuffer(*engine, handles[0], 1)[0], 501);
  for (int32_t i = 1; i < 500; ++i)
    ASSERT_EQ(readBuffer(*engine, handles[size_t(i)], 1)[0], i + 1);
}

TEST_F(Buffers, TheBudgetHolds) {
  EngineOptions options;
  // The control words and the debug log take 1924 bytes.
  options.memoryBudget = (1 << 20) + 1924;
  engine = makeEngine(options);
  Expected<BufferHandle> half = engine->allocate(ElementType::I8, 1 << 19);
  ASSERT_TRUE(half);
  Expected<BufferHandle> whole = engine->allocate(ElementType::I8, 1 << 20);
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::OutOfMemory);
  EXPECT_NE(whole.error().message.find("of the memory budget of 1050500 bytes 524288 are free"), std::string::npos)
      << whole.error().message;
  // Memory whose release waits in the queue counts as free.
  ASSERT_TRUE(engine->release(*half));
  EXPECT_TRUE(engine->allocate(ElementType::I8, 1 << 20));
}

} // namespace mk::test
