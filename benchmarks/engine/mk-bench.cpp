//===- mk-bench.cpp - How fast slots are drained and windows run ------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three measurements through the public API, with device times as the engine reports them:
//
//   drain  2^20 slots of eight random lane opcodes, by the interpreter and by promoted batch kernels;
//   chain  the eight-op elementwise chain as windows, interpreted and fused, beside kernels written by hand (chain.cu,
//          given as PTX with --hand), each round one after the other, so that drift of the machine cancels;
//   bodies an elementwise opcode and a reduction, promoted, with the checks of mk-guard and without.
//
// Results are checked: the drain against a plain loop, the chain against the hand-written kernel.
//
//===----------------------------------------------------------------------===//

#include "../Support.h"
#include "mk/Engine.h"
#include <cstring>
#include <random>

using namespace mk;
using namespace mk::bench;

namespace {

struct Options {
  std::string device = "auto";
  std::string sources = MK_BENCH_SOURCE_DIR;
  std::string hand;
  unsigned rounds = 30;
  unsigned optLevel = OpenOptions().optLevel;
  uint64_t slots = 1 << 20;
  uint64_t floats = 0;
};

void row(const std::string &what, Stats &stats, double units, const char *unit) {
  double median = stats.at(0.5);
  std::printf("  %-44s %10.1f %10.1f %10.1f %12.2f %s\n", what.c_str(), stats.at(0), median, stats.at(0.9),
              units / median / 1e3, unit);
  std::fflush(stdout);
}

void heading(const char *text) {
  std::printf("\n%s\n  %-44s %10s %10s %10s %12s\n", text, "", "min us", "median us", "p90 us", "rate");
}

std::unique_ptr<Engine> open(const std::string &path, const Options &options, bool promote, bool guard = true) {
  OpenOptions open;
  open.guard = guard;
  open.device = options.device;
  open.optLevel = options.optLevel;
  open.promotion.mode = promote ? JitMode::Always : JitMode::Off;
  // mk-kernels measures specialised code beside the general.
  open.promotion.specialize = false;
  return check(openEngineFile(path, open));
}

/// What the opcodes of drain.mlir compute.
uint32_t expected(uint32_t opcode, uint32_t x, uint32_t y, uint32_t z) {
  uint32_t r = x;
  switch (opcode) {
  case 64:
    return x + y;
  case 65:
    return x * y + z;
  case 66:
    for (int i = 0; i < 16; ++i)
      r = r * 1664525u + y;
    return r;
  case 67:
    return (x << (y & 31)) | (x >> ((32 - y) & 31));
  case 68:
    return __builtin_popcount(x) ^ y;
  case 69:
    for (int i = 0; i < 32; ++i)
      r ^= (r << 5) + (r >> 2) + z;
    return r;
  case 70:
    return x > y ? x - z : y + z;
  default:
    r = y;
    for (int i = 0; i < 8; ++i)
      r = r * z + x;
    return r;
  }
}

/// The handle of an engine's first buffer, which the slots of the drain name before there is an engine.
constexpr uint32_t firstBuffer = abi::SystemBufferCount;

void drain(const Options &options) {
  const uint64_t n = options.slots;
  heading(("drain: " + std::to_string(n) + " slots, 8 lane opcodes").c_str());
  for (bool random : {true, false}) {
    std::vector<abi::Slot> slots(n);
    std::vector<uint32_t> want(n);
    std::mt19937 rng(12345);
    for (uint64_t i = 0; i < n; ++i) {
      uint32_t opcode = 64 + (random ? rng() % 8 : uint32_t(i * 8 / n));
      uint32_t x = rng(), y = rng(), z = rng();
      slots[i] = {uint32_t(abi::SlotStatus::Published),
                  opcode,
                  0,
                  abi::PriorityNormal,
                  {firstBuffer, uint32_t(i), x, y, z, 0, 0, 0, 0, 0, 0, 0}};
      want[i] = expected(opcode, x, y, z);
    }
    for (bool promote : {false, true}) {
      auto engine = open(options.sources + "/drain.mlir", options, promote);
      BufferHandle out = check(engine->allocate(ElementType::I32, n));
      if (out != firstBuffer)
        fail("the first buffer has handle " + std::to_string(out) + ", not " + std::to_string(firstBuffer));
      Batch batch(engine->isa());
      batch.addSlots(slots);
      run(*engine, batch);
      engine->waitForPromotions();
      const std::vector<uint32_t> zeros(n);
      check(engine->write(out, 0, std::as_bytes(std::span(zeros))));
      Stats stats;
      for (unsigned i = 0; i < options.rounds; ++i) {
        double seconds = tierSeconds(run(*engine, batch), promote ? Tier::Opcode : Tier::Interpreter);
        if (seconds < 0)
          fail("the batch did not run where it should");
        stats.add(seconds);
      }
      std::vector<uint32_t> got(n);
      check(engine->read(out, 0, std::as_writable_bytes(std::span(got))));
      if (got != want)
        fail("wrong results");
      std::string order = random ? "random" : "sorted";
      row(order + (promote ? ", promoted (8 launches, compact)" : ", interpreter"), stats, double(n), "Gslot/s");
    }
  }
}

/// A kernel of chain.cu with its own copy of the data.
struct HandWritten {
  std::unique_ptr<Device> device;
  std::shared_ptr<Kernel> scalar, vector;
  uint64_t x = 0, y = 0, z = 0;

  double time(const Kernel &kernel, uint64_t n, float scale, uint32_t groupsPerCta) {
    uint32_t bits;
    std::memcpy(&bits, &scale, 4);
    Launch launch{
        &kernel, device->info().concurrentWorkgroups * groupsPerCta, 256, {n, x, y, z, bits, 0, 0, 0, 0, 0}, 0};
    check(device->run({&launch, 1}));
    return launch.seconds;
  }
};

void chain(const Options &options) {
  const std::string isa = options.sources + "/../../examples/elementwise/isa.mlir";
  uint64_t n = options.floats;
  std::vector<float> x(n), y(n), z(n), handZ(n);
  std::mt19937 rng(1);
  for (uint64_t i = 0; i < n; ++i) {
    x[i] = float(rng()) * 0x1p-31f - 1.0f;
    y[i] = float(rng()) * 0x1p-31f - 1.0f;
  }
  const float scale = 0.75f;
  HandWritten hand;
  if (!options.hand.empty()) {
    hand.device = check(createDevice(options.device));
    KernelCode code;
    code.ptx = slurp(options.hand);
    code.entry = "chain_scalar";
    hand.scalar = check(hand.device->load(code));
    code.entry = "chain_vector";
    hand.vector = check(hand.device->load(code));
    for (uint64_t *buffer : {&hand.x, &hand.y, &hand.z})
      *buffer = check(hand.device->allocate(n * 4));
    check(hand.device->copyToDevice(hand.x, std::as_bytes(std::span(x))));
    check(hand.device->copyToDevice(hand.y, std::as_bytes(std::span(y))));
  }
  heading(
      ("chain: 8 elementwise ops over " + std::to_string(n >> 20) + " Mi floats (rate: bytes that must move)").c_str());
  const double bytes = 12.0 * n;
  for (uint64_t tile : {1024, 2048, 4096, 8192, 16384, 32768}) {
    if (n % tile != 0)
      continue;
    auto cold = open(isa, options, false), hot = open(isa, options, true);
    Batch batch(hot->isa());
    std::vector<BufferHandle> buffers;
    for (Engine *engine : {cold.get(), hot.get()}) {
      BufferHandle handles[3];
      for (BufferHandle &handle : handles)
        handle = check(engine->allocate(ElementType::F32, n));
      check(engine->write(handles[0], 0, std::as_bytes(std::span(x))));
      check(engine->write(handles[1], 0, std::as_bytes(std::span(y))));
      buffers.assign(handles, handles + 3);
    }
    batch.reserve(n / tile * 8);
    for (uint64_t at = 0; at < n; at += tile) {
      uint32_t from = uint32_t(at), count = uint32_t(tile);
      Arg args[] = {View{buffers[0], from, count}, View{buffers[1], from, count}, View{buffers[2], from, count},
                    double(scale)};
      check(batch.addWindow("chain", args));
    }
    run(*hot, batch);
    hot->waitForPromotions();
    Stats interpreted, fused, scalar, vector;
    for (unsigned i = 0; i < options.rounds; ++i) {
      double seconds = tierSeconds(run(*hot, batch), Tier::Window);
      if (seconds < 0)
        fail("the windows did not run fused");
      fused.add(seconds);
      if (hand.device) {
        vector.add(hand.time(*hand.vector, n, scale, 2));
        scalar.add(hand.time(*hand.scalar, n, scale, 2));
      }
      if (i % 5 == 0)
        interpreted.add(tierSeconds(run(*cold, batch), Tier::Interpreter));
    }
    check(hot->read(buffers[2], 0, std::as_writable_bytes(std::span(z))));
    check(cold->read(buffers[2], 0, std::as_writable_bytes(std::span(handZ))));
    if (std::memcmp(z.data(), handZ.data(), n * 4) != 0)
      fail("fused and interpreted windows differ");
    std::string suffix = ", tiles of " + std::to_string(tile);
    row("windows, interpreted" + suffix, interpreted, bytes, "GB/s");
    row("windows, fused" + suffix, fused, bytes, "GB/s");
    if (hand.device) {
      check(hand.device->copyFromDevice(hand.z, std::as_writable_bytes(std::span(handZ))));
      if (std::memcmp(z.data(), handZ.data(), n * 4) != 0)
        fail("the fused windows and the hand-written kernel differ");
      row("  beside it: by hand, scalar", scalar, bytes, "GB/s");
      row("  beside it: by hand, float4", vector, bytes, "GB/s");
      std::printf("  fused / best by hand: %.3f (medians)\n", fused.at(0.5) / std::min(scalar.at(0.5), vector.at(0.5)));
    }
  }
}

/// Promoted opcodes over views of 'tile' floats, with the checks of mk-guard and without, round by round.
void bodies(const Options &options) {
  uint64_t n = options.floats;
  std::vector<float> x(n), y(n);
  std::mt19937 rng(2);
  for (uint64_t i = 0; i < n; ++i) {
    x[i] = float(rng()) * 0x1p-31f - 1.0f;
    y[i] = float(rng()) * 0x1p-31f - 1.0f;
  }
  heading(
      ("bodies: promoted opcodes over " + std::to_string(n >> 20) + " Mi floats (rate: bytes that must move)").c_str());
  for (uint64_t tile : {1024, 32768})
    for (const char *opcode : {"add", "dot"}) {
      const bool isDot = opcode == std::string("dot");
      struct Variant {
        std::unique_ptr<Engine> engine;
        std::unique_ptr<Batch> batch;
        BufferHandle out;
        Stats stats;
        std::vector<float> result;
      } variants[2];
      for (Variant &variant : variants) {
        const bool guard = &variant == variants;
        variant.engine = open(options.sources + "/bodies.mlir", options, true, guard);
        Engine &engine = *variant.engine;
        BufferHandle bx = check(engine.allocate(ElementType::F32, n)), by = check(engine.allocate(ElementType::F32, n));
        variant.out = check(engine.allocate(ElementType::F32, n));
        check(engine.write(bx, 0, std::as_bytes(std::span(x))));
        check(engine.write(by, 0, std::as_bytes(std::span(y))));
        variant.batch = std::make_unique<Batch>(engine.isa());
        for (uint64_t at = 0; at < n; at += tile) {
          View views[] = {{bx, uint32_t(at), uint32_t(tile)}, {by, uint32_t(at), uint32_t(tile)}};
          Arg add[] = {views[0], views[1], View{variant.out, uint32_t(at), uint32_t(tile)}};
          Arg dot[] = {views[0], views[1], View{variant.out}, at / tile};
          check(variant.batch->add(opcode, isDot ? std::span<const Arg>(dot) : std::span<const Arg>(add)));
        }
        run(engine, *variant.batch);
        engine.waitForPromotions();
      }
      for (unsigned i = 0; i < options.rounds; ++i)
        for (Variant &variant : variants) {
          double seconds = tierSeconds(run(*variant.engine, *variant.batch), Tier::Opcode);
          if (seconds < 0)
            fail(std::string(opcode) + " was not promoted");
          variant.stats.add(seconds);
        }
      for (Variant &variant : variants) {
        variant.result.resize(n);
        check(variant.engine->read(variant.out, 0, std::as_writable_bytes(std::span(variant.result))));
      }
      if (std::memcmp(variants[0].result.data(), variants[1].result.data(), n * 4) != 0)
        fail("guarded and unguarded code differ");
      const double bytes = (isDot ? 8.0 : 12.0) * n;
      std::string what = std::string(opcode) + ", tiles of " + std::to_string(tile);
      row(what + ", guarded", variants[0].stats, bytes, "GB/s");
      row(what + ", without checks", variants[1].stats, bytes, "GB/s");
      std::printf("  guarded / without checks: %.3f (medians)\n",
                  variants[0].stats.at(0.5) / variants[1].stats.at(0.5));
    }
}

} // namespace

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (const char *text = optionValue(argument, "device"))
      options.device = text;
    else if (const char *text = optionValue(argument, "sources"))
      options.sources = text;
    else if (const char *text = optionValue(argument, "hand"))
      options.hand = text;
    else if (const char *text = optionValue(argument, "rounds"))
      options.rounds = std::max(1, std::atoi(text));
    else if (const char *text = optionValue(argument, "opt-level"))
      options.optLevel = unsigned(std::atoi(text));
    else if (const char *text = optionValue(argument, "floats"))
      options.floats = std::strtoull(text, nullptr, 10);
    else {
      std::printf("usage: mk-bench [--device=auto|host|cuda:N] [--rounds=N] [--floats=N] [--opt-level=0-3] "
                  "[--hand=chain.ptx] [--sources=DIR]\n"
                  "  --floats   elements of the chain, a multiple of 32768 (default 2^25 on a GPU, 2^20 on the host)\n"
                  "  --hand     PTX of chain.cu, to measure kernels written by hand beside the fused window\n"
                  "  --sources  where drain.mlir is (default: the source tree)\n");
      return argument == "--help" ? 0 : 1;
    }
  }
  auto device = check(createDevice(options.device));
  std::printf("device: %s\n        %s\n", device->info().id.c_str(), device->info().description.c_str());
  if (options.floats == 0)
    options.floats = device->info().target.kind == CodeTarget::Nvptx ? uint64_t(1) << 25 : uint64_t(1) << 20;
  drain(options);
  chain(options);
  bodies(options);
  return 0;
}
