//===- HostDeviceTest.cpp - The CPU as a device ---------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Device.h"
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace mk::test {

/// Kernels count how often they get each item: params->input is an array of atomic counters.
static void countItems(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  auto *counts = reinterpret_cast<std::atomic<uint32_t> *>(params->input);
  EXPECT_LT(begin, end);
  for (uint64_t i = begin; i < end; ++i)
    counts[i].fetch_add(1, std::memory_order_relaxed);
}

static KernelCode makeKernel(HostKernelFn function) {
  KernelCode code;
  code.entry = "k";
  code.function = function;
  return code;
}

static void runOnce(Device &device, const Kernel &kernel, uint64_t items) {
  std::vector<std::atomic<uint32_t>> counts(items);
  Launch launch;
  launch.kernel = &kernel;
  launch.params.items = items;
  launch.params.input = reinterpret_cast<uint64_t>(counts.data());
  ASSERT_TRUE(device.run({&launch, 1}));
  EXPECT_GE(launch.seconds, 0);
  for (uint64_t i = 0; i < items; ++i)
    ASSERT_EQ(counts[i].load(), 1u) << "item " << i << " of " << items;
}

TEST(HostDevice, RunsEveryItemOnce) {
  for (uint32_t threads : {1u, 2u, 7u, 32u}) {
    std::unique_ptr<Device> device = createHostDevice({threads});
    EXPECT_EQ(device->info().concurrentWorkgroups, threads);
    auto kernel = device->load(makeKernel(countItems));
    ASSERT_TRUE(kernel);
    for (uint64_t items : {0, 1, 2, 7, 8, 9, 63, 64, 255, 1000, 65537})
      runOnce(*device, **kernel, items);
    // Launches so short that threads wake up after their end.
    for (int i = 0; i < 500; ++i)
      runOnce(*device, **kernel, 40);
  }
}

static std::atomic<uint32_t> inside{0}, most{0};

static void meetOthers(const abi::LaunchParams *, uint64_t, uint64_t) {
  uint32_t now = ++inside;
  uint32_t seen = most;
  while (now > seen && !most.compare_exchange_weak(seen, now)) {
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  --inside;
}

TEST(HostDevice, SpreadsItemsOverItsThreads) {
  std::unique_ptr<Device> device = createHostDevice({4});
  auto kernel = device->load(makeKernel(meetOthers));
  ASSERT_TRUE(kernel);
  Launch launch;
  launch.kernel = kernel->get();
  launch.params.items = 64;
  inside = most = 0;
  ASSERT_TRUE(device->run({&launch, 1}));
  EXPECT_GT(most, 1u);
  EXPECT_LE(most, 4u);
}

TEST(HostDevice, CallersExcludeEachOther) {
  std::unique_ptr<Device> device = createHostDevice({3});
  auto kernel = device->load(makeKernel(countItems));
  ASSERT_TRUE(kernel);
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back([&] {
      for (int run = 0; run < 50; ++run)
        runOnce(*device, **kernel, 300);
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST(HostDevice, MemoryIsCountedAlignedAndCopied) {
  std::unique_ptr<Device> device = createHostDevice({1});
  Expected<uint64_t> a = device->allocate(1000), b = device->allocate(1);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*a % 256, 0u);
  EXPECT_EQ(*b % 256, 0u);
  EXPECT_EQ(device->bytesInUse(), 1001u);
  std::vector<std::byte> from(1000, std::byte(7)), to(1000);
  ASSERT_TRUE(device->fill(*a, std::byte(9), 1000));
  ASSERT_TRUE(device->copyToDevice(*a, std::span(from).first(500)));
  ASSERT_TRUE(device->copyFromDevice(*a, to));
  EXPECT_EQ(to[499], std::byte(7));
  EXPECT_EQ(to[500], std::byte(9));
  device->release(*a);
  device->release(*a);
  device->release(12345);
  EXPECT_EQ(device->bytesInUse(), 1u);
}

static void addOne(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  for (uint64_t i = begin; i < end; ++i)
    ++reinterpret_cast<uint32_t *>(params->input)[i];
}

TEST(HostDevice, TransfersTravelWithARun) {
  std::unique_ptr<Device> device = createHostDevice({2});
  auto kernel = device->load(makeKernel(addOne));
  ASSERT_TRUE(kernel);
  uint64_t memory = *device->allocate(400);
  std::vector<uint32_t> in(100, 41), out(100, 0);
  Launch launch;
  launch.kernel = kernel->get();
  launch.params.items = 100;
  launch.params.input = memory;
  ASSERT_TRUE(device->run({memory, std::as_writable_bytes(std::span(in))}, {&launch, 1},
                          {memory, std::as_writable_bytes(std::span(out))}));
  EXPECT_EQ(out, std::vector<uint32_t>(100, 42));
}

TEST(HostDevice, RefusesAbsurdSizes) {
  std::unique_ptr<Device> device = createHostDevice({1});
  for (uint64_t bytes : {uint64_t(1) << 50, UINT64_MAX, UINT64_MAX - 255}) {
    Expected<uint64_t> memory = device->allocate(bytes);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ErrorCode::OutOfMemory);
    EXPECT_TRUE(memory.error().message.starts_with(std::to_string(bytes) + " bytes were asked for"))
        << memory.error().message;
  }
  Expected<uint64_t> nothing = device->allocate(0);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, ErrorCode::InvalidArgument);
}

TEST(HostDevice, RefusesCodeItCannotRun) {
  std::unique_ptr<Device> device = createHostDevice({1});
  KernelCode code = makeKernel(countItems);
  code.abiVersion = 0x4D4B0000;
  auto old = device->load(code);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, ErrorCode::Unsupported);
  EXPECT_NE(old.error().message.find("version 0x4D4B0000"), std::string::npos) << old.error().message;
  auto empty = device->load(makeKernel(nullptr));
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().message, "kernel 'k' has no host function, compile it for the host");
  Launch launch;
  EXPECT_FALSE(device->run({&launch, 1}));
}

TEST(HostDevice, CodeLivesAsLongAsItsKernel) {
  std::unique_ptr<Device> device = createHostDevice({1});
  auto owner = std::make_shared<int>(0);
  KernelCode code = makeKernel(countItems);
  code.owner = owner;
  auto kernel = device->load(code);
  code = {};
  EXPECT_EQ(owner.use_count(), 2);
  kernel->reset();
  EXPECT_EQ(owner.use_count(), 1);
}

} // namespace mk::test
