//===- mk-resident.cpp - How soon a resident worker answers -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Latency of one slot, beside a bare kernel that answers a word with a word; slots per second; epochs; a minute of all
// of it at once, in which every slot is accounted for. docs/Performance.md says what was measured.
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace mk;

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char *isa = R"mlir(
!vi = memref<?xi32, strided<[1], offset: ?>>
!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @nothing code(64) scope(lane) (%x: i32) {
  mk.return
}
mk.opcode @count code(65) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32) {
  %old = memref.atomic_rmw addi %x, %out[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.opcode @divide code(66) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %q = arith.divui %x, %y : i32
  %old = memref.atomic_rmw addi %q, %out[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.opcode @fill code(70) scope(block) (%v: !vf, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %v, %c0 : !vf
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    memref.store %x, %v[%k] : !vf
  }
  mk.return
}
mk.opcode @add code(71) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%k] : !vf
    %b = memref.load %y[%k] : !vf
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%k] : !vf
  }
  mk.return
}
mk.opcode @scale code(72) scope(block) (%x: !vf, %z: !vf, %f: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%k] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %z[%k] : !vf
  }
  mk.return
}
mk.opcode @tally code(73) scope(block) (%out: memref<?xi32>, %i: index, %x: i32) {
  %old = memref.atomic_rmw addi %x, %out[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
)mlir";

/// Answers the first tail of the doorbell in the first status: what the bus allows, and nothing else.
constexpr const char *pingPong = R"ptx(
.version 7.0
.target sm_80
.address_size 64
.visible .entry ping(.param .u64 epoch, .param .u64 lines, .param .u64 doorbell, .param .u64 buffers,
                     .param .u64 bufferCount, .param .u64 faults, .param .u64 statuses, .param .u64 state,
                     .param .u64 linesLog2, .param .u64 age)
.maxntid 256, 1, 1
{
  .reg .pred %p<4>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [doorbell];
  ld.param.u64 %rd2, [statuses];
  ld.param.u32 %r1, [epoch];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %tid.x;
  or.b32 %r2, %r2, %r3;
  setp.ne.u32 %p1, %r2, 0;
  @%p1 bra done;
  mov.u32 %r4, 0;
loop:
  ld.relaxed.sys.global.u32 %r5, [%rd1];
  setp.ne.u32 %p2, %r5, %r4;
  @%p2 st.relaxed.sys.global.u32 [%rd2], %r5;
  mov.u32 %r4, %r5;
  ld.relaxed.sys.global.u32 %r6, [%rd1+20];
  setp.eq.u32 %p3, %r6, %r1;
  @%p3 bra loop;
done:
  ret;
}
)ptx";

struct Options {
  std::string device = "auto";
  double seconds = 60;
  double watchdog = 240;
  /// Ends after the latencies.
  bool onlyLatency = false;
};

int fail(const std::string &what) {
  std::fprintf(stderr, "mk-resident: error: %s\n", what.c_str());
  return 1;
}
template <typename T> T check(Expected<T> value) {
  if (!value)
    std::exit(fail(value.error().message));
  if constexpr (!std::is_void_v<T>)
    return std::move(*value);
}

double micros(Clock::duration time) { return std::chrono::duration<double, std::micro>(time).count(); }

void printRow(const char *what, std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  auto at = [&](double share) { return samples[std::min(samples.size() - 1, size_t(share * double(samples.size())))]; };
  std::printf("  %-52s p50 %8.2f  p90 %8.2f  p99 %8.2f  max %9.2f us  (%zu)\n", what, at(0.5), at(0.9), at(0.99),
              samples.back(), samples.size());
  std::fflush(stdout);
}

abi::Slot slot(uint32_t opcode, std::initializer_list<uint32_t> args) {
  abi::Slot made{uint32_t(abi::SlotStatus::Published), opcode, 0, abi::PriorityNormal, {}};
  std::copy(args.begin(), args.end(), made.args);
  return made;
}
/// Parts of the floats that a publisher of windows has: more than it has windows pending.
constexpr uint32_t Regions = 2048;

uint32_t bits(float value) {
  uint32_t word;
  std::memcpy(&word, &value, 4);
  return word;
}
std::vector<abi::Slot> chain(BufferHandle buffer, uint32_t at, uint32_t count) {
  std::vector<abi::Slot> slots = {slot(70, {buffer, at, count, bits(1)})};
  for (int i = 0; i < 3; ++i) {
    slots.push_back(slot(71, {buffer, at, count, buffer, at, count, buffer, at, count}));
    slots.push_back(slot(72, {buffer, at, count, buffer, at, count, bits(0.5f)}));
  }
  slots[0].order |= uint32_t(slots.size()) << abi::OrderLengthShift;
  for (size_t i = 1; i < slots.size(); ++i)
    slots[i].order |= abi::OrderContinuation;
  return slots;
}

/// Pauses of 20 to 24 us. Whoever polls looks every 1.3 us or so; pauses of one length would meet all looks at the same
/// point, and the median of such a run said anything from 3.5 to 4.3 us.
class Pauses {
public:
  void pause() {
    double length = lengths(random);
    for (auto since = Clock::now(); micros(Clock::now() - since) < length;)
      ;
  }

private:
  std::minstd_rand random;
  std::uniform_real_distribution<double> lengths{20, 24};
};

void benchPingPong(const std::string &deviceId) {
  auto device = check(createDevice(deviceId));
  if (device->info().target.kind != CodeTarget::Nvptx)
    return;
  KernelCode code;
  code.entry = "ping";
  code.ptx = pingPong;
  auto kernel = check(device->load(code));
  std::byte *shared = check(device->allocateHost(8192));
  std::memset(shared, 0, 8192);
  auto &bell = *reinterpret_cast<abi::Doorbell *>(shared);
  auto &answer = *reinterpret_cast<uint32_t *>(shared + 4096);
  Service service;
  service.kernel = kernel.get();
  service.params.epoch = 1;
  service.params.doorbell = reinterpret_cast<uint64_t>(&bell);
  service.params.statuses = reinterpret_cast<uint64_t>(&answer);
  bell.epoch = 1;
  check(device->startServing(std::span(&service, 1)));
  std::vector<double> samples;
  Pauses pauses;
  auto start = Clock::now();
  for (uint32_t i = 1; i <= 30000; ++i) {
    pauses.pause();
    auto begin = Clock::now();
    std::atomic_ref(bell.tails[0]).store(i, std::memory_order_release);
    while (std::atomic_ref(answer).load(std::memory_order_acquire) != i)
      if (Clock::now() - start > std::chrono::seconds(20))
        std::exit(fail("the bare kernel does not answer"));
    if (i > 1000)
      samples.push_back(micros(Clock::now() - begin));
  }
  printRow("a word for a word, bare kernel, 20-24 us apart", samples);
  std::atomic_ref(bell.epoch).store(2, std::memory_order_release);
  check(device->stopServing(10));
  device->releaseHost(shared);
}

void benchLatency(ResidentEngine &engine, BufferHandle floats, BufferHandle counts) {
  Pauses pauses;
  auto measure = [&](const char *what, const std::vector<abi::Slot> &slots, int rounds, bool apart = false) {
    std::vector<double> samples;
    for (int i = 0; i < rounds; ++i) {
      // Until whoever answered last has nothing left to do.
      if (apart)
        pauses.pause();
      auto begin = Clock::now();
      PublishTicket ticket = check(engine.publish(slots));
      check(engine.wait(ticket));
      if (i >= rounds / 20)
        samples.push_back(micros(Clock::now() - begin));
    }
    printRow(what, samples);
  };
  measure("one lane slot that does nothing, 20-24 us apart", {slot(64, {0})}, 30000, true);
  measure("one lane slot with an atomic addition, 20-24 us apart", {slot(65, {counts, 0, 1})}, 30000, true);
  measure("one block slot, 256 floats, 20-24 us apart", {slot(70, {floats, 0, 256, bits(1)})}, 20000, true);
  measure("one lane slot that does nothing, one after the other", {slot(64, {0})}, 30000);
  measure("one lane slot, atomic addition, one after the other", {slot(65, {counts, 0, 1})}, 30000);
  measure("one block slot, 256 floats, one after the other", {slot(70, {floats, 0, 256, bits(1)})}, 20000);
  measure("256 lane slots", std::vector<abi::Slot>(256, slot(64, {0})), 10000);
  measure("one window of seven, 256 floats", chain(floats, 0, 256), 10000);
}

void benchThroughput(ResidentEngine &engine) {
  for (unsigned publishers : {1u, 2u, 4u})
    for (uint32_t batch : {1u, 16u, 256u, 4096u}) {
      std::atomic<uint64_t> total = 0;
      std::atomic<bool> stop = false;
      std::vector<std::thread> threads;
      auto begin = Clock::now();
      for (unsigned t = 0; t < publishers; ++t)
        threads.emplace_back([&, t] {
          std::vector<abi::Slot> slots(batch, slot(64, {t}));
          PublishOptions options;
          options.priority = t;
          uint64_t mine = 0;
          PublishTicket last;
          while (!stop) {
            last = check(engine.publish(slots, options));
            mine += batch;
          }
          check(engine.wait(last));
          total += mine;
        });
      std::this_thread::sleep_for(std::chrono::milliseconds(400));
      stop = true;
      for (std::thread &thread : threads)
        thread.join();
      check(engine.drain());
      double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      std::printf("  %u publisher%s, batches of %4u: %8.2f Mslot/s\n", publishers, publishers == 1 ? "" : "s", batch,
                  double(total) / seconds * 1e-6);
      std::fflush(stdout);
    }
}

void benchSwaps(ResidentEngine &engine, BufferHandle counts) {
  std::atomic<bool> stop = false;
  std::vector<double> latencies;
  std::thread traffic([&] {
    while (!stop) {
      auto begin = Clock::now();
      PublishTicket ticket = check(engine.publish(std::vector{slot(65, {counts, 1, 1})}));
      check(engine.wait(ticket));
      latencies.push_back(micros(Clock::now() - begin));
    }
  });
  std::vector<double> whole, leave, start;
  for (int i = 0; i < 200; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    auto begin = Clock::now();
    EpochSwap swap = check(engine.swap());
    whole.push_back(micros(Clock::now() - begin));
    leave.push_back(swap.leaveSeconds * 1e6);
    start.push_back(swap.startSeconds * 1e6);
  }
  stop = true;
  traffic.join();
  printRow("a whole swap, same code, slots all the time", whole);
  printRow("  of it, until the workers have left", leave);
  printRow("  of it, starting the others", start);
  printRow("one lane slot, publish to done, a swap every 2 ms", latencies);
}

void benchPromotions(ResidentEngine &engine, BufferHandle floats, BufferHandle counts) {
  std::atomic<bool> stop = false;
  std::vector<double> latencies;
  std::thread traffic([&] {
    while (!stop) {
      auto begin = Clock::now();
      PublishTicket ticket = check(engine.publish(std::vector{slot(65, {counts, 2, 1})}));
      check(engine.wait(ticket));
      latencies.push_back(micros(Clock::now() - begin));
    }
  });
  // Ever new kinds of windows become hot: they differ in their lengths.
  auto begin = Clock::now();
  uint64_t before = check(engine.telemetry()).swaps;
  for (uint32_t kind = 0; Clock::now() - begin < std::chrono::seconds(8); ++kind) {
    std::vector<abi::Slot> slots;
    for (uint32_t i = 0; i < 2 + kind % 9; ++i)
      slots.push_back((kind / 9 + i) % 2 ? slot(72, {floats, 0, 256, floats, 0, 256, bits(1)})
                                         : slot(70, {floats, 0, 256, bits(float(i))}));
    slots[0].order |= uint32_t(slots.size()) << abi::OrderLengthShift;
    for (size_t i = 1; i < slots.size(); ++i)
      slots[i].order |= abi::OrderContinuation;
    for (int i = 0; i < 200; ++i)
      check(engine.wait(check(engine.publish(slots))));
    if (kind % 12 == 11)
      check(engine.demoteAll());
  }
  stop = true;
  traffic.join();
  engine.waitForPromotions();
  size_t live = 0, failed = 0;
  for (const ResidentWindow &window : engine.windows()) {
    live += window.state == PromotionState::Live;
    if (window.state == PromotionState::Failed || window.state == PromotionState::Mismatched) {
      ++failed;
      std::printf("  %s: %s\n", window.what.c_str(), window.error.c_str());
    }
  }
  std::printf("  %llu swaps in 8 s; at the end %zu windows live, %zu failed\n",
              static_cast<unsigned long long>(check(engine.telemetry()).swaps - before), live, failed);
  printRow("one lane slot, publish to done, during promotions", latencies);
  std::vector<double> whole, load;
  for (const EpochSwap &swap : engine.swaps()) {
    whole.push_back((swap.leaveSeconds + swap.loadSeconds + swap.startSeconds) * 1e6);
    load.push_back(swap.loadSeconds * 1e6);
  }
  printRow("whole swaps, all so far", whole);
  printRow("  of them, loading", load);
}

void benchMixed(ResidentEngine &engine, BufferHandle floats, BufferHandle counts, double seconds) {
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> slotsPublished = 0, sum = 0, faultsExpected = 0, faultsSeen = 0;
  uint32_t base[2];
  check(engine.read(counts, 12, std::as_writable_bytes(std::span(base))));
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      std::vector<PublishTicket> tickets;
      uint32_t region = 0;
      auto collect = [&] {
        for (const PublishTicket &ticket : tickets)
          faultsSeen += check(engine.wait(ticket)).size();
        tickets.clear();
      };
      while (!stop) {
        std::vector<abi::Slot> slots;
        uint32_t count = 1 + random() % 200;
        for (uint32_t i = 0; i < count; ++i) {
          uint32_t kind = random() % 100;
          if (kind == 0) {
            slots.push_back(slot(66, {counts, 4, 1, 0}));
            ++faultsExpected;
          } else if (kind < 95) {
            slots.push_back(slot(65, {counts, 3, 1}));
            ++sum;
          } else if (kind < 98) {
            slots.push_back(slot(73, {counts, 3, 1}));
            ++sum;
          } else {
            // Nobody else has this part while the window runs.
            auto window = chain(floats, 256 * (Regions * t + region++ % Regions), 256);
            slots.insert(slots.end(), window.begin(), window.end());
          }
        }
        slotsPublished += slots.size();
        PublishOptions options;
        options.priority = random() % 5;
        tickets.push_back(check(engine.publish(slots, options)));
        if (tickets.size() == 64)
          collect();
      }
      collect();
    });
  auto begin = Clock::now();
  uint64_t swaps = 0;
  std::mt19937 random(99);
  while (Clock::now() - begin < std::chrono::duration<double>(seconds)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 20));
    if (random() % 40 == 0)
      check(engine.demoteAll());
    else
      check(engine.swap());
    ++swaps;
  }
  stop = true;
  for (std::thread &thread : threads)
    thread.join();
  check(engine.drain());
  double took = std::chrono::duration<double>(Clock::now() - begin).count();
  uint32_t after[2];
  check(engine.read(counts, 12, std::as_writable_bytes(std::span(after))));
  bool exact = after[0] - base[0] == uint32_t(sum) && after[1] == base[1] && faultsSeen == faultsExpected;
  if (!exact)
    std::printf("  sum %u, expected %u; word of faulted slots %u, expected %u\n", after[0] - base[0], uint32_t(sum),
                after[1], base[1]);
  std::vector<float> results(size_t(256) * Regions * 4);
  check(engine.read(floats, 0, std::as_writable_bytes(std::span(results))));
  size_t wrong = size_t(std::count_if(results.begin(), results.end(), [](float value) { return value != 1; }));
  if (wrong) {
    std::printf("  %zu floats of windows are not 1\n", wrong);
    exact = false;
  }
  std::printf("  %.0f s: %llu slots (%.2f M/s), %llu swaps, %llu faults of %llu, sum %s\n", took,
              static_cast<unsigned long long>(slotsPublished), double(slotsPublished) / took * 1e-6,
              static_cast<unsigned long long>(swaps), static_cast<unsigned long long>(faultsSeen),
              static_cast<unsigned long long>(faultsExpected), exact ? "exact" : "WRONG");
  if (!exact)
    std::exit(fail("slots were lost or ran twice"));
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument.starts_with("--device="))
      options.device = argument.substr(9);
    else if (argument.starts_with("--seconds="))
      options.seconds = std::atof(argument.c_str() + 10);
    else if (argument.starts_with("--watchdog="))
      options.watchdog = std::atof(argument.c_str() + 11);
    else if (argument == "--only-latency")
      options.onlyLatency = true;
    else
      return fail("unknown argument '" + argument +
                  "'; it knows --device=ID, --seconds=S (of the mixed load), --only-latency and --watchdog=S");
  }
  // Nothing here may hold a machine.
  std::thread([&] {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watchdog));
    std::fprintf(stderr, "mk-resident: error: not done within %.0f s\n", options.watchdog);
    std::_Exit(3);
  }).detach();

  std::printf("latency of the bus\n");
  benchPingPong(options.device);
  OpenResidentOptions open;
  open.device = options.device;
  open.promote = false;
  open.ringLines = 16384;
  {
    auto engine = check(openResidentEngine(isa, "mk-resident.mlir", open));
    std::printf("device %s\n", engine->device().description.c_str());
    BufferHandle floats = check(engine->allocate(ElementType::F32, 256 * Regions * 4));
    BufferHandle counts = check(engine->allocate(ElementType::I32, 64));
    std::printf("\nlatency, publish to done, nothing else running\n");
    benchLatency(*engine, floats, counts);
    if (options.onlyLatency)
      return 0;
    std::printf("\nlane slots fed by the host\n");
    benchThroughput(*engine);
    std::printf("\nepochs\n");
    benchSwaps(*engine, counts);
  }
  open.promote = true;
  open.swapInterval = 0.02;
  auto engine = check(openResidentEngine(isa, "mk-resident.mlir", open));
  BufferHandle floats = check(engine->allocate(ElementType::F32, 256 * Regions * 4));
  BufferHandle counts = check(engine->allocate(ElementType::I32, 64));
  std::printf("\npromotions without end\n");
  benchPromotions(*engine, floats, counts);
  std::printf("\neverything at once\n");
  std::vector<float> ones(size_t(256) * Regions * 4, 1);
  check(engine->write(floats, 0, std::as_bytes(std::span(ones))));
  benchMixed(*engine, floats, counts, options.seconds);
  return 0;
}
