//===- TelemetryBench.cpp - Time per slot of what watches the slots -------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// docs/Telemetry.md has the figures.
//
//===----------------------------------------------------------------------===//

#include "telemetry/CountMinSketch.h"
#include "telemetry/RepeatFinder.h"
#include <benchmark/benchmark.h>
#include <random>

using namespace mk;

static constexpr uint32_t StreamSlots = 8192;

static IsaLayout makeLayout() {
  ArgType in{ArgType::View, ElementType::F32, abi::AccessRead}, out{ArgType::View, ElementType::F32, abi::AccessWrite};
  Isa isa;
  for (uint32_t i = 0; i < 8; ++i) {
    OpcodeInfo &op = isa.opcodes.emplace_back();
    op.name = "op" + std::to_string(i);
    op.code = 64 + i;
    op.args = {in, in, out};
  }
  return *IsaLayout::create(isa);
}

static abi::Slot makeSlot(uint32_t opcode, uint32_t a, uint32_t b, uint32_t c) {
  return {1, 64 + opcode, 0, abi::PriorityNormal, {1, a * 64, 64, 2, b * 64, 64, 1, c * 64, 64}};
}

/// Calls of 1024 slots from a stream that the cache holds, as it does slots that were just written.
static void find(benchmark::State &state, const std::vector<abi::Slot> &slots) {
  IsaLayout layout = makeLayout();
  RepeatFinder finder(layout);
  std::vector<uint16_t> opcodes;
  for (const abi::Slot &slot : slots)
    opcodes.push_back(uint16_t(slot.opcode - 64));
  std::vector<SlotRange> windows;
  constexpr size_t Call = 1024;
  size_t at = 0, inWindows = 0;
  for (auto _ : state) {
    finder.find(std::span(slots).subspan(at, Call), &opcodes[at], windows);
    for (const SlotRange &window : windows)
      inWindows += window.length;
    at = (at + Call) % (slots.size() / Call * Call);
  }
  uint64_t read = state.iterations() * Call;
  state.counters["ns/slot"] =
      benchmark::Counter(double(read) / 1e9, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["in windows"] = double(inWindows) / double(read);
}

/// A chain of range(0) slots over and over, with views that change.
static void repeating(benchmark::State &state) {
  std::vector<abi::Slot> slots;
  uint32_t view = 0;
  while (slots.size() < StreamSlots)
    for (uint32_t i = 0; i < state.range(0); ++i, ++view)
      slots.push_back(makeSlot(i * i % 7, view, 1000000 + view, i + 1 < state.range(0) ? view + 1 : 2000000 + view));
  find(state, slots);
}
BENCHMARK(repeating)->Arg(2)->Arg(4)->Arg(8)->Arg(16);

/// Chains of 4 and of 7 slots, which at random.
static void mixed(benchmark::State &state) {
  std::vector<abi::Slot> slots;
  std::mt19937 rng(7);
  uint32_t view = 0;
  while (slots.size() < StreamSlots) {
    bool first = rng() & 1;
    for (uint32_t i = 0; i < (first ? 4 : 7); ++i, ++view)
      slots.push_back(makeSlot(first ? i : 7 - i, view, 1000000 + view, view + 1));
    ++view;
  }
  find(state, slots);
}
BENCHMARK(mixed);

/// One opcode, independent slots.
static void uniform(benchmark::State &state) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < StreamSlots; ++i)
    slots.push_back(makeSlot(3, 3 * i, 3 * i + 1, 3 * i + 2));
  find(state, slots);
}
BENCHMARK(uniform);

/// Eight opcodes at random, with views from range(0).
static void random(benchmark::State &state) {
  std::vector<abi::Slot> slots;
  std::mt19937 rng(7);
  auto view = [&] { return uint32_t(rng() % state.range(0)); };
  for (uint32_t i = 0; i < StreamSlots; ++i)
    slots.push_back(makeSlot(rng() % 8, view(), view(), view()));
  find(state, slots);
}
BENCHMARK(random)->Arg(64)->Arg(1 << 20);

/// Additions of keys from range(0), at times that are all different or, with range(1), all the same.
static void decayingAdd(benchmark::State &state) {
  DecayingSketch sketch(*SketchShape::create(4, 1024), 1);
  std::mt19937_64 rng(7);
  std::vector<uint64_t> keys(4096);
  for (uint64_t &key : keys)
    key = rng() % uint64_t(state.range(0));
  size_t i = 0;
  for (auto _ : state) {
    ++i;
    sketch.add(keys[i % keys.size()], 1, state.range(1) ? 0 : double(i) * 1e-6);
  }
  benchmark::DoNotOptimize(sketch.total(0));
}
BENCHMARK(decayingAdd)->Args({64, 1})->Args({1 << 30, 1})->Args({1 << 30, 0});

BENCHMARK_MAIN();
