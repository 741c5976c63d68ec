//===- ResidentEngineTest.cpp ---------------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/ResidentEngine.h"
#include "FakeCode.h"
#include <cmath>
#include <gtest/gtest.h>

namespace mk::test {
namespace {
class Resident : public testing::Test {
protected:
  void SetUp() override { journal.reset(); }
  void TearDown() override { EXPECT_EQ(journal.violations, 0u); }

  void open(ResidentOptions options = {}, FakeOptions fake = {}) {
    auto created = ResidentEngine::create(createHostDevice({2}), std::make_unique<FakeCode>(std::move(fake)), options);
    ASSERT_TRUE(created) << created.error().message;
    engine = std::move(*created);
  }
  BufferHandle buffer(const std::vector<int32_t> &elements, uint32_t access = abi::AccessReadWrite,
                      uint32_t tenants = ~0u) {
    auto made = engine->allocate(ElementType::I32, elements.size(), access, tenants);
    EXPECT_TRUE(made) << made.error().message;
    EXPECT_TRUE(engine->write(*made, 0, std::as_bytes(std::span(elements))));
    return *made;
  }
  std::vector<int32_t> read(BufferHandle from, size_t count) {
    std::vector<int32_t> elements(count, -1);
    auto done = engine->read(from, 0, std::as_writable_bytes(std::span(elements)));
    EXPECT_TRUE(done) << done.error().message;
    return elements;
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
  Error refusal(const std::vector<abi::Slot> &slots, PublishOptions options = {}) {
    auto ticket = engine->publish(slots, options);
    EXPECT_FALSE(ticket);
    return ticket ? Error() : ticket.error();
  }

  std::unique_ptr<ResidentEngine> engine;
};

std::vector<abi::Slot> window(std::vector<abi::Slot> slots) {
  slots[0].order |= uint32_t(slots.size()) << abi::OrderLengthShift;
  for (size_t i = 1; i < slots.size(); ++i)
    slots[i].order |= abi::OrderContinuation;
  return slots;
}
/// fill(x, v), add(x, y, z): z = v + y.
std::vector<abi::Slot> fillAdd(uint32_t x, uint32_t y, uint32_t z, uint32_t first, uint32_t count, uint32_t value) {
  return window(
      {makeSlot(Fill, {x, first, count, value}), makeSlot(Add, {x, first, count, y, first, count, z, first, count})});
}
ResidentOptions quiet() {
  ResidentOptions options;
  options.promote = false;
  return options;
}
} // namespace

TEST_F(Resident, AnswersSlots) {
  open(quiet());
  BufferHandle x = buffer({0, 0, 0, 0}), y = buffer({0});
  EXPECT_TRUE(run({makeSlot(Fill, {x, 1, 2, 7}), makeSlot(Bump, {y, 0})}).empty());
  EXPECT_EQ(read(x, 4), (std::vector<int32_t>{0, 7, 7, 0}));
  EXPECT_TRUE(run({makeSlot(Bump, {x, 1})}).empty());
  EXPECT_EQ(read(x, 4), (std::vector<int32_t>{1, 8, 8, 1}));
  EXPECT_TRUE(run({}).empty());
}

TEST_F(Resident, FaultsGoToTheirTicketAndAreGivenOnce) {
  open(quiet());
  BufferHandle x = buffer({0, 0});
  auto ticket = engine->publish(std::vector{makeSlot(Oops, {5}), makeSlot(Fill, {x, 0, 2, 1}),
                                            makeSlot(Fill, {x, 1, 2, 1}), makeSlot(Bump, {4711, 1})});
  ASSERT_TRUE(ticket);
  auto other = engine->publish(std::vector{makeSlot(Oops, {6})});
  auto faults = engine->wait(*ticket);
  ASSERT_TRUE(faults);
  ASSERT_EQ(faults->size(), 3u);
  EXPECT_EQ((*faults)[0].slot, 0u);
  EXPECT_EQ((*faults)[0].code, 0x80000005u);
  EXPECT_EQ((*faults)[1].slot, 2u);
  EXPECT_EQ((*faults)[1].code, uint32_t(abi::FaultCode::BufferBounds));
  EXPECT_EQ((*faults)[2].code, uint32_t(abi::FaultCode::BufferHandle));
  EXPECT_EQ((*faults)[2].detail, 4711u);
  EXPECT_TRUE(engine->wait(*ticket)->empty());
  EXPECT_EQ(engine->wait(*other)->size(), 1u);
}

TEST_F(Resident, FaultsAreKeptWhenTheirLinesAreUsedAgain) {
  ResidentOptions options = quiet();
  options.ringLines = 256;
  open(options);
  auto ticket = engine->publish(std::vector{makeSlot(Oops, {1}), makeSlot(Oops, {2})});
  ASSERT_TRUE(ticket);
  BufferHandle x = buffer({0});
  for (int lap = 0; lap < 5; ++lap)
    run(std::vector<abi::Slot>(200, makeSlot(Fill, {x, 0, 0, 1})));
  auto faults = engine->wait(*ticket);
  ASSERT_EQ(faults->size(), 2u);
  EXPECT_EQ((*faults)[1].code, 0x80000002u);
}

TEST_F(Resident, WindowsRunInOrderAndDoNotCrossTiles) {
  ResidentOptions options = quiet();
  options.ringLines = 512;
  open(options);
  BufferHandle x = buffer(std::vector<int32_t>(64)), y = buffer(std::vector<int32_t>(64, 10)),
               z = buffer(std::vector<int32_t>(64));
  std::vector<PublishTicket> tickets;
  for (uint32_t round = 0; round < 500; ++round) {
    // Windows of changing lengths, so that they meet the end of a tile in all ways.
    std::vector<abi::Slot> slots;
    uint32_t length = 2 + round % 31;
    for (uint32_t i = 0; i + 1 < length; ++i)
      slots.push_back(makeSlot(Fill, {x, 0, 64, i}));
    slots.push_back(makeSlot(Add, {x, 0, 64, y, 0, 64, z, 0, 64}));
    EXPECT_TRUE(run(window(slots)).empty());
    ASSERT_EQ(read(z, 64), std::vector<int32_t>(64, int32_t(length - 2) + 10)) << round;
  }
}

TEST_F(Resident, AWindowWithABlockOpcodeIsRunWhole) {
  open(quiet());
  BufferHandle x = buffer({1, 2});
  EXPECT_TRUE(run(window({makeSlot(Fill, {x, 0, 2, 5}), makeSlot(Bump, {x, 1}), makeSlot(Bump, {x, 1})})).empty());
  EXPECT_EQ(read(x, 2), (std::vector<int32_t>{7, 7}));
}

TEST_F(Resident, WithoutRoomAPublicationIsRefusedWhole) {
  ResidentOptions options = quiet();
  options.ringLines = 256;
  open(options);
  BufferHandle x = buffer({0});
  EXPECT_EQ(
      refusal(std::vector<abi::Slot>(257, makeSlot(Fill, {x, 0, 0, 1}))).message,
      "257 slots take up to 257 lines of a ring of 256 (ResidentOptions::ringLines); publish them in several calls");
  // Nobody claims while the epochs change, so the ring fills up.
  PublishOptions impatient;
  impatient.wait = false;
  bool refused = false;
  for (int i = 0; i < 100000 && !refused; ++i) {
    auto ticket = engine->publish(std::vector<abi::Slot>(200, makeSlot(Fill, {x, 0, 0, 1})), impatient);
    if (!ticket) {
      EXPECT_EQ(ticket.error().code, ErrorCode::Busy);
      EXPECT_EQ(ticket.error().message,
                "the ring of priority 2 has no room for 200 slots; publish later, or with PublishOptions::wait");
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(engine->drain());
}

TEST_F(Resident, SwapsLoseNothing) {
  open(quiet());
  BufferHandle x = buffer({0});
  std::vector<PublishTicket> tickets;
  for (int i = 0; i < 200; ++i) {
    auto ticket = engine->publish(std::vector<abi::Slot>(7, makeSlot(Fill, {x, 0, 0, 1})));
    ASSERT_TRUE(ticket);
    tickets.push_back(*ticket);
    if (i % 10 == 0)
      ASSERT_TRUE(engine->swap());
  }
  for (const PublishTicket &ticket : tickets)
    EXPECT_TRUE(engine->wait(ticket)->empty());
  EXPECT_EQ(journal.interpretedSlots, 1400u);
  EXPECT_EQ(engine->swaps().size(), 20u);
  EXPECT_EQ(engine->telemetry()->swaps, 20u);
}

TEST_F(Resident, HotWindowsGetCodeThatIsCheckedFirst) {
  open();
  BufferHandle x = buffer(std::vector<int32_t>(256)), y = buffer(std::vector<int32_t>(256, 10)),
               z = buffer(std::vector<int32_t>(256));
  for (uint32_t i = 0; i < 300; ++i) {
    run(fillAdd(x, y, z, i % 64, 64, i));
    if (i == 100)
      engine->waitForPromotions();
    ASSERT_EQ(read(z, 256)[i % 64], int32_t(i) + 10);
  }
  EXPECT_GT(journal.windowInstances, 100u);
  auto windows = engine->windows();
  ASSERT_FALSE(windows.empty());
  EXPECT_EQ(windows[0].state, PromotionState::Live);
  EXPECT_GE(engine->telemetry()->swaps, 1u);
  // Back to the interpreter.
  ASSERT_TRUE(engine->demoteAll());
  uint64_t before = journal.interpretedSlots;
  run(fillAdd(x, y, z, 0, 64, 5));
  EXPECT_EQ(journal.interpretedSlots, before + 2);
}

TEST_F(Resident, CodeThatDisagreesNeverGoesLive) {
  FakeOptions fake;
  fake.substitute = [](const CompileRequest &request, HostKernelFn right) -> HostKernelFn {
    if (request.kind != CompileRequest::Window)
      return right;
    // Does nothing at all.
    return [](const abi::LaunchParams *, uint64_t, uint64_t) {};
  };
  open({}, fake);
  BufferHandle x = buffer(std::vector<int32_t>(8)), y = buffer(std::vector<int32_t>(8, 10)),
               z = buffer(std::vector<int32_t>(8));
  for (uint32_t i = 0; i < 300; ++i) {
    run(fillAdd(x, y, z, 0, 8, i));
    if (i == 100)
      engine->waitForPromotions();
    ASSERT_EQ(read(z, 8)[0], int32_t(i) + 10);
  }
  auto windows = engine->windows();
  ASSERT_FALSE(windows.empty());
  EXPECT_EQ(windows[0].state, PromotionState::Mismatched);
  EXPECT_NE(windows[0].error.find("differs at element 0"), std::string::npos) << windows[0].error;
}

TEST_F(Resident, AFailedCompilationLeavesTheInterpreter) {
  FakeOptions fake;
  fake.beforeCompile = [](const std::string &) -> Expected<void> {
    return makeError(ErrorCode::CompileFailed, "no luck");
  };
  open({}, fake);
  BufferHandle x = buffer({0}), y = buffer({10}), z = buffer({0});
  for (uint32_t i = 0; i < 100; ++i)
    run(fillAdd(x, y, z, 0, 1, i));
  engine->waitForPromotions();
  EXPECT_EQ(read(z, 1)[0], 109);
  EXPECT_EQ(engine->windows()[0].state, PromotionState::Failed);
  EXPECT_EQ(engine->windows()[0].error, "no luck");
}

TEST_F(Resident, KindsThatComeOnceAreNotTracked) {
  open();
  BufferHandle x = buffer(std::vector<int32_t>(64));
  // Windows of one kind each: they differ in the order of their opcodes.
  for (uint32_t kind = 0; kind < 500; ++kind) {
    std::vector<abi::Slot> slots;
    for (uint32_t bit = 0; bit < 9; ++bit)
      slots.push_back(kind >> bit & 1 ? makeSlot(Fill, {x, bit, 1, 1}) : makeSlot(Fill, {x, bit, 1, 2}));
    run(window(slots));
  }
  EXPECT_LE(engine->windows().size(), 256u);
}

TEST_F(Resident, TelemetryCountsOpcodesAndWatches) {
  ResidentOptions options = quiet();
  options.watchdogPatience = 0.05;
  open(options);
  BufferHandle x = buffer({0});
  for (int i = 0; i < 10; ++i)
    run(std::vector<abi::Slot>(20, makeSlot(Fill, {x, 0, 0, 1})));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  auto telemetry = engine->telemetry();
  ASSERT_TRUE(telemetry);
  EXPECT_EQ(telemetry->opcodes[FillIndex].total, 200u);
  EXPECT_GT(telemetry->opcodes[FillIndex].recent, 100.0);
  EXPECT_EQ(telemetry->opcodes[AddIndex].total, 0u);
  EXPECT_EQ(telemetry->verdict.health, Health::Idle) << stringifyHealth(telemetry->verdict.health);
  EXPECT_EQ(telemetry->levels[0][2].published, 200u);
  EXPECT_EQ(telemetry->levels[0][2].waiting, 0u);
}

TEST_F(Resident, TenantsHaveRightsAndQuotas) {
  ResidentOptions options = quiet();
  options.tenants = {{}, {~0u, 3}, {~0u & ~abi::RightUserOpcodes}, {0}};
  open(options);
  BufferHandle x = buffer({0, 0}, abi::AccessReadWrite, 1u << 1);
  EXPECT_TRUE(run({makeSlot(Fill, {x, 0, 2, 1}, 1)}).empty());
  // The buffer belongs to tenant 1.
  auto faults = run({makeSlot(Fill, {x, 0, 2, 9}, 0)});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, uint32_t(abi::FaultCode::TenantRight));
  EXPECT_EQ(read(x, 2), (std::vector<int32_t>{1, 1}));
  EXPECT_EQ(refusal(std::vector<abi::Slot>(4, makeSlot(Fill, {x, 0, 2, 1}, 1))).message,
            "4 slots are more than the 3 that tenant 1 may have at once; publish fewer, or raise its quota");
  Error error = refusal({makeSlot(Fill, {x, 0, 2, 1}, 2)});
  EXPECT_EQ(error.code, ErrorCode::TenantRight);
  EXPECT_EQ(error.message,
            "slot 0 of tenant 2 has opcode 64, but the tenant may run built-in opcodes only (bit 5 of its rights)");
  EXPECT_EQ(refusal({makeSlot(Fill, {x, 0, 2, 1}), makeSlot(Fill, {x, 0, 2, 1}, 3)}).message,
            "slot 1 of tenant 3 cannot run: the tenant has no right to execute (bit 0 of its rights)");
  EXPECT_TRUE(engine->setTenant(3, {}));
  EXPECT_FALSE(run({makeSlot(Fill, {x, 0, 2, 1}, 3)}).empty());
  EXPECT_EQ(engine->setTenant(29, {}).error().message, "there is no tenant 29, tenants are 0 to 28");
  auto telemetry = engine->telemetry();
  EXPECT_EQ(telemetry->tenants[1].published, 1u);
  EXPECT_EQ(telemetry->tenants[1].ended, 1u);
}

TEST_F(Resident, AQuotaIsACredit) {
  ResidentOptions options = quiet();
  options.tenants = {{~0u, 10}};
  open(options);
  BufferHandle x = buffer({0});
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(engine->publish(std::vector<abi::Slot>(7, makeSlot(Fill, {x, 0, 0, 1}))));
  PublishOptions impatient;
  impatient.wait = false;
  bool refused = false;
  for (int i = 0; i < 100000 && !refused; ++i)
    if (auto ticket = engine->publish(std::vector<abi::Slot>(8, makeSlot(Fill, {x, 0, 0, 1})), impatient); !ticket) {
      EXPECT_EQ(ticket.error().message, "tenant 0 has its quota of 10 slots waiting or running; publish later");
      refused = true;
    }
  EXPECT_TRUE(refused);
  EXPECT_TRUE(engine->drain());
  EXPECT_GT(engine->telemetry()->tenants[0].refused, 0u);
}

TEST_F(Resident, TheIdleLevelIsServedUnderAFlood) {
  ResidentOptions options = quiet();
  options.policy.priorityAgeThreshold = 4;
  open(options);
  BufferHandle x = buffer(std::vector<int32_t>(4096));
  std::atomic<bool> stop = false;
  std::vector<std::thread> flood;
  for (int i = 0; i < 2; ++i)
    flood.emplace_back([&] {
      while (!stop)
        EXPECT_TRUE(engine->publish(std::vector<abi::Slot>(64, makeSlot(Put, {x, 0, 0, 1, 0})), {.priority = 0}));
    });
  BufferHandle y = buffer({0});
  // Whether the flood is always ahead is up to the scheduler, so it is tried until it was.
  int rounds = 0;
  for (; rounds < 20 || (rounds < 20000 && engine->telemetry()->workers[1].aged == 0); ++rounds) {
    auto ticket = engine->publish(std::vector{makeSlot(Bump, {y, 1})}, {.priority = 4});
    ASSERT_TRUE(ticket);
    ASSERT_TRUE(engine->wait(*ticket));
  }
  stop = true;
  for (std::thread &thread : flood)
    thread.join();
  EXPECT_EQ(read(y, 1)[0], rounds);
  EXPECT_GT(engine->telemetry()->workers[1].aged, 0u);
}

TEST_F(Resident, OptionsAreChecked) {
  auto refusal = [&](ResidentOptions options) {
    auto made = ResidentEngine::create(createHostDevice({1}), std::make_unique<FakeCode>(), options);
    EXPECT_FALSE(made);
    return made ? std::string() : made.error().message;
  };
  ResidentOptions options;
  options.ringLines = 100;
  EXPECT_EQ(refusal(options), "ResidentOptions::ringLines is 100, give a power of two from 256 to 1048576");
  options = {};
  options.maxBuffers = 3;
  EXPECT_EQ(refusal(options), "ResidentOptions::maxBuffers is 3, give 4 to 16777216");
  options = {};
  options.heatHalfLife = 0;
  EXPECT_EQ(refusal(options), "ResidentOptions::heatHalfLife is 0.000000 seconds, give a positive time");
  options = {};
  options.leaveSeconds = -1;
  EXPECT_EQ(refusal(options), "ResidentOptions::leaveSeconds is -1.000000 seconds, give a positive time");
  options = {};
  options.swapInterval = std::nan("");
  EXPECT_EQ(refusal(options), "ResidentOptions::swapInterval is nan seconds, give 0 or a positive time");
  options = {};
  options.keptFaults = UINT32_MAX;
  EXPECT_EQ(refusal(options), "ResidentOptions::keptFaults is 4294967295, give at most 1048576");
  options = {};
  options.observables = UINT32_MAX;
  EXPECT_EQ(refusal(options), "ResidentOptions::observables is 4294967295, but at most 1048576 are possible");
  options = {};
  options.memoryBudget = 1;
  EXPECT_NE(refusal(options).find("raise ResidentOptions::memoryBudget"), std::string::npos);
  for (double patience : {-1.0, 0.0, std::numeric_limits<double>::quiet_NaN()}) {
    options = {};
    options.watchdogPatience = patience;
    EXPECT_EQ(refusal(options),
              "ResidentOptions::watchdogPatience is " + std::to_string(patience) + " seconds, give a positive time");
  }
  options = {};
  options.tenants.resize(30);
  EXPECT_EQ(refusal(options), "ResidentOptions::tenants has 30 entries, but there are 29 tenants");
}

TEST_F(Resident, RefusesWhatItCannotServe) {
  open(quiet());
  EXPECT_EQ(refusal({makeSlot(Emit, {1, 1})}).code, ErrorCode::Unsupported);
  EXPECT_EQ(refusal({makeSlot(Oops, {1})}, {.priority = 5}).message,
            "PublishOptions::priority is 5, but priorities are 0 to 4");
  EXPECT_EQ(refusal({makeSlot(4711, {})}).code, ErrorCode::NotFound);
  EXPECT_EQ(
      refusal(window(std::vector<abi::Slot>(33, makeSlot(Oops, {1})))).message,
      "slot 0 starts a window of 33 slots, but resident workers take up to 32; publish it in parts, or submit it in "
      "a batch of mk::Engine");
  EXPECT_EQ(refusal({makeSlot(7, {0, 1})}).code, ErrorCode::NotFound);
  auto mixed = window({makeSlot(Oops, {1}, 0), makeSlot(Oops, {1}, 1)});
  EXPECT_EQ(refusal(mixed).message,
            "slot 1 of tenant 1 is in a window of tenant 0; the slots of a window have one tenant");
  EXPECT_EQ(refusal({makeSlot(Oops, {1}), makeSlot(0xFFFD, {1}, 29)}).message,
            "slot 1 has tenant 29, but tenants are 0 to 28");
}

TEST_F(Resident, LoadsAreServedByTheHost) {
  open(quiet());
  BufferHandle x = buffer({0, 0, 0, 0});
  uint32_t resource = *engine->addResource(
      [](uint64_t offset, std::span<std::byte> to) -> Expected<void> {
        if (offset == 4)
          return makeError(ErrorCode::NotFound, "a bad sector");
        std::fill(to.begin(), to.end(), std::byte(1));
        return {};
      },
      16);
  auto load = [&](uint32_t which, uint32_t prefetch, uint32_t to, uint32_t offset, uint32_t bytes) {
    return makeSlot(0xFFFD, {which, prefetch, to, offset, 0, bytes});
  };
  EXPECT_TRUE(run({load(resource, 0, x, 0, 8)}).empty());
  EXPECT_EQ(read(x, 4), (std::vector<int32_t>{0x01010101, 0x01010101, 0, 0}));
  auto code = [&](abi::Slot slot) {
    auto faults = run({makeSlot(Fill, {x, 0, 1, 1}), slot});
    EXPECT_EQ(faults.size(), 1u);
    return faults.empty() ? std::string() : describeFault(faults[0]);
  };
  EXPECT_EQ(code(load(resource + 1, 0, x, 0, 8)), "io_handle (0x53) for resource 2");
  EXPECT_EQ(code(load(resource, 0, x, 4, 8)), "io_error (0x51)");
  EXPECT_EQ(code(load(resource, 0, x, 8, 9)), "range_overflow (0x13) at index 17");
  EXPECT_EQ(code(load(resource, 0, 77, 0, 8)), "buffer_handle (0x90) for handle 77");
  BufferHandle small = buffer({0});
  EXPECT_EQ(code(load(resource, 0, small, 0, 0)).substr(0, 20), "buffer_bounds (0x91)");
  // Nobody hears of what becomes of a prefetch.
  EXPECT_TRUE(run({load(77, 1, x, 0, 8)}).empty());
}

/// A reader that waits until it is told to go on. Who opens it waits for its loads, too.
class Gate {
public:
  ResourceReader reader() {
    return [this](uint64_t, std::span<std::byte>) -> Expected<void> {
      opened.wait(false);
      return {};
    };
  }
  void open() {
    opened = true;
    opened.notify_all();
  }

private:
  std::atomic<bool> opened = false;
};

TEST_F(Resident, LoadsWaitUpToACapacity) {
  open(quiet());
  BufferHandle x = buffer({0});
  Gate gate;
  abi::Slot load = makeSlot(0xFFFD, {*engine->addResource(gate.reader(), 4), 0, x});
  // What never has room is refused, whatever the options say.
  Error never = refusal(std::vector<abi::Slot>(1025, load));
  EXPECT_EQ(never.code, ErrorCode::InvalidArgument);
  EXPECT_EQ(
      never.message,
      "1025 fences and loads are more than the 1024 that may be under way at once; publish them in several calls");
  auto all = engine->publish(std::vector<abi::Slot>(1024, load));
  ASSERT_TRUE(all);
  // Nothing of a call is published that finds no room.
  load.tenant = 1;
  load.args[abi::LoadBuffer] = buffer({0});
  Error later = refusal({makeSlot(Fill, {x, 0, 1, 7}), load}, {.wait = false});
  EXPECT_EQ(later.code, ErrorCode::Busy);
  EXPECT_EQ(later.message, "of the 1024 fences and loads, or resumable slots, that may be under way at once there are "
                           "too many already; publish later, or with PublishOptions::wait");
  EXPECT_EQ(engine->telemetry()->levels[0][2].published, 0u);
  gate.open();
  EXPECT_TRUE(engine->wait(*all)->empty());
  EXPECT_TRUE(run({makeSlot(Fill, {x, 0, 1, 7}), load}).empty());
}

TEST_F(Resident, LoadsTakeCredit) {
  ResidentOptions options = quiet();
  options.tenants = {{}, {~0u, 2}};
  open(options);
  BufferHandle x = buffer({0});
  Gate gate;
  abi::Slot load = makeSlot(0xFFFD, {*engine->addResource(gate.reader(), 4), 0, x}, 1);
  EXPECT_EQ(refusal({load, load, load}).message,
            "3 slots are more than the 2 that tenant 1 may have at once; publish fewer, or raise its quota");
  auto waiting = engine->publish(std::vector{load, load});
  ASSERT_TRUE(waiting);
  EXPECT_EQ(refusal({makeSlot(Fill, {x, 0, 0, 1}, 1)}, {.wait = false}).message,
            "tenant 1 has its quota of 2 slots waiting or running; publish later");
  EXPECT_EQ(engine->telemetry()->tenants[1].refused, 1u);
  gate.open();
  EXPECT_TRUE(engine->wait(*waiting)->empty());
  EXPECT_TRUE(run({load, makeSlot(Fill, {x, 0, 0, 1}, 1)}, {.wait = false}).empty());
  engine->drain();
  auto counts = engine->telemetry()->tenants[1];
  EXPECT_EQ(counts.published, 4u);
  EXPECT_EQ(counts.ended, 4u);
}

TEST_F(Resident, ATenantIsMeasuredByItsOwnSlots) {
  ResidentOptions options = quiet();
  options.tenants = {{}, {~0u, 2}};
  open(options);
  BufferHandle x = buffer({0});
  Gate gate;
  abi::Slot load = makeSlot(0xFFFD, {*engine->addResource(gate.reader(), 4), 0, x}, 1);
  auto waiting = engine->publish(std::vector{load, load});
  ASSERT_TRUE(waiting);
  std::vector<abi::Slot> mixed(9, makeSlot(Fill, {x, 0, 0, 1}));
  mixed.push_back(makeSlot(Fill, {x, 0, 0, 1}, 1));
  EXPECT_EQ(refusal(mixed, {.wait = false}).code, ErrorCode::Busy);
  EXPECT_EQ(engine->telemetry()->tenants[1].refused, 1u);
  EXPECT_EQ(engine->telemetry()->tenants[0].published, 0u);
  gate.open();
  EXPECT_TRUE(engine->wait(*waiting)->empty());
  EXPECT_TRUE(run(mixed).empty());
}

TEST_F(Resident, CreditIsLookedUpBeforeACallIsRefused) {
  ResidentOptions options;
  options.tenants = {{~0u, 2}};
  open(options);
  BufferHandle x = buffer(std::vector<int32_t>(64)), y = buffer(std::vector<int32_t>(64, 10)),
               z = buffer(std::vector<int32_t>(64));
  // Nothing else of the tenant is under way. That a window is checked meanwhile costs it nothing.
  for (uint32_t i = 0; i < 3000; ++i)
    ASSERT_TRUE(run(fillAdd(x, y, z, 0, 64, i), {.wait = false}).empty()) << i;
  EXPECT_EQ(engine->telemetry()->tenants[0].refused, 0u);
}

TEST_F(Resident, WhatGetsNoCreditIsInNobodysWay) {
  ResidentOptions options = quiet();
  options.tenants = {{~0u, 10}};
  open(options);
  BufferHandle x = buffer({0});
  Gate gate;
  auto waiting =
      engine->publish(std::vector<abi::Slot>(5, makeSlot(0xFFFD, {*engine->addResource(gate.reader(), 4), 0, x})));
  ASSERT_TRUE(waiting);
  std::atomic<bool> stop = false;
  std::thread other([&] {
    while (!stop)
      (void)engine->publish(std::vector<abi::Slot>(6, makeSlot(Fill, {x, 0, 0, 1})), {.wait = false});
  });
  for (uint32_t i = 0; i < 3000; ++i)
    ASSERT_TRUE(run({makeSlot(Fill, {x, 0, 0, 1})}, {.priority = 1, .wait = false}).empty()) << i;
  stop = true;
  other.join();
  gate.open();
  EXPECT_TRUE(engine->wait(*waiting)->empty());
}

TEST_F(Resident, AFullRingOfFaultsIsKept) {
  ResidentOptions options = quiet();
  options.ringLines = 2048;
  options.keptFaults = 1;
  open(options);
  std::vector<abi::Slot> slots(2048, makeSlot(Oops, {1}));
  auto ticket = engine->publish(slots);
  ASSERT_TRUE(ticket && engine->drain());
  // The lines are looked at.
  ASSERT_TRUE(engine->telemetry());
  uint64_t forgotten = 7;
  EXPECT_EQ(engine->wait(*ticket, &forgotten)->size(), 2048u);
  EXPECT_EQ(forgotten, 0u);
  // What is forgotten after all is told.
  auto old = engine->publish(slots), young = engine->publish(slots);
  ASSERT_TRUE(old && young && engine->drain());
  EXPECT_EQ(engine->telemetry()->faultsForgotten, 2048u);
  EXPECT_EQ(engine->wait(*young, &forgotten)->size(), 2048u);
  EXPECT_EQ(forgotten, 0u);
  EXPECT_TRUE(engine->wait(*old, &forgotten)->empty());
  EXPECT_EQ(forgotten, 2048u);
}

TEST_F(Resident, FaultsOfLoadsAreKept) {
  open(quiet());
  abi::Slot bad = makeSlot(0xFFFD, {77, 0, 3});
  auto first = engine->publish(std::vector<abi::Slot>(800, bad)), second = engine->publish(std::vector{bad, bad});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(engine->wait(*second)->size(), 2u);
  uint64_t forgotten = 7;
  EXPECT_EQ(engine->wait(*first, &forgotten)->size(), 800u);
  EXPECT_EQ(forgotten, 0u);
  // 2048 are.
  first = engine->publish(std::vector<abi::Slot>(1024, bad));
  second = engine->publish(std::vector<abi::Slot>(1024, bad));
  auto third = engine->publish(std::vector<abi::Slot>(6, bad));
  EXPECT_EQ(engine->wait(*third, &forgotten)->size(), 6u);
  EXPECT_EQ(forgotten, 0u);
  EXPECT_EQ(engine->wait(*second, &forgotten)->size(), 1024u);
  EXPECT_EQ(forgotten, 0u);
  EXPECT_EQ(engine->wait(*first, &forgotten)->size(), 1018u);
  EXPECT_EQ(forgotten, 6u);
  EXPECT_EQ(engine->telemetry()->faultsForgotten, 6u);
}

TEST_F(Resident, AReaderMayThrow) {
  open(quiet());
  BufferHandle x = buffer({0});
  uint32_t resource = *engine->addResource(
      [](uint64_t, std::span<std::byte>) -> Expected<void> { throw std::runtime_error("a bad sector"); }, 4);
  auto faults = run({makeSlot(0xFFFD, {resource, 0, x})});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].code, uint32_t(abi::FaultCode::IoError));
  auto none = engine->addResource(nullptr, 4);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "a resource needs a reader, but was given none");
  // Offset and length may be anything.
  faults = run({makeSlot(0xFFFD, {resource, 0, x, ~0u, ~0u, 1})});
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(describeFault(faults[0]), "range_overflow (0x13) at index 4294967295");
}

TEST_F(Resident, TicketsOfOthersAreRefused) {
  open(quiet());
  BufferHandle x = buffer({0});
  auto mine = engine->publish(std::vector{makeSlot(Fill, {x, 0, 0, 1}), makeSlot(0xFFFD, {77, 1, x})});
  ASSERT_TRUE(mine && engine->wait(*mine));
  std::unique_ptr<ResidentEngine> first = std::move(engine);
  open(quiet());
  x = buffer({0});
  auto other = engine->publish(std::vector{makeSlot(Fill, {x, 0, 0, 1}), makeSlot(0xFFFD, {77, 1, x})});
  ASSERT_TRUE(other && engine->wait(*other));
  auto refused = [&](const PublishTicket &ticket) {
    auto waited = engine->wait(ticket);
    auto polled = engine->poll(ticket);
    EXPECT_FALSE(waited || polled);
    return waited ? std::string() : waited.error().message;
  };
  const char *message = "the ticket is none of this engine's; pass one as publish() of the same engine returned it";
  EXPECT_EQ(refused(*mine), message);
  PublishTicket forged;
  // This ISA packs nothing, so that there are no such rings.
  forged.lines[2] = {0, 1};
  EXPECT_EQ(refused(forged), message);
  forged = *other;
  ++forged.lines[0].end;
  EXPECT_EQ(refused(forged), message);
  forged = *other;
  ++forged.tasks.end;
  EXPECT_EQ(refused(forged), message);
  forged = *other;
  forged.priority = 5;
  EXPECT_EQ(refused(forged), message);
  EXPECT_TRUE(engine->wait(PublishTicket()));
}

TEST_F(Resident, WhetherWindowsFitDoesNotDependOnTheRing) {
  ResidentOptions options = quiet();
  options.ringLines = 256;
  open(options);
  BufferHandle x = buffer({0});
  auto windows = [&](size_t count, size_t length) {
    std::vector<abi::Slot> slots;
    for (size_t i = 0; i < count; ++i)
      for (const abi::Slot &slot : window(std::vector<abi::Slot>(length, makeSlot(Fill, {x, 0, 0, 1}))))
        slots.push_back(slot);
    return slots;
  };
  for (int i = 0; i < 33; ++i) {
    EXPECT_EQ(refusal(windows(8, 32)).message,
              "256 slots take up to 287 lines of a ring of 256 (ResidentOptions::ringLines); publish them in several "
              "calls");
    EXPECT_TRUE(run(windows(7, 32)).empty());
    EXPECT_TRUE(run(windows(128, 1)).empty());
    EXPECT_TRUE(run({makeSlot(Fill, {x, 0, 0, 1})}).empty());
  }
}

} // namespace mk::test
