//===- mk-kernels.cpp - Generated kernels beside kernels written by hand ----===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the opcodes and the window of kernels.mlir as promoted code of an engine, with all checks: the general code, and
// code specialised for what the slots have in common (sizes, alignments, constants). Beside it run the kernels of
// kernels.cu (given as PTX with --hand), round by round, so that drift of the machine cancels: the ones for any size of
// tile beside the general code, and the ones for this size beside the specialised. All must leave the same bytes.
//
//===----------------------------------------------------------------------===//

#include "../Support.h"
#include "mk/JIT/CompileService.h"
#include <bit>
#include <cstring>
#include <functional>
#include <optional>
#include <random>

using namespace mk;
using namespace mk::bench;

namespace {

struct Options {
  std::string device = "auto";
  std::string sources = MK_KERNELS_SOURCE_DIR;
  std::string hand;
  std::string only;
  unsigned rounds = 30;
  uint64_t elements = 0;
};

using Bytes = std::vector<std::byte>;

struct Buffer {
  ElementType type;
  uint64_t count;
  Bytes contents;
};

template <typename T, typename Fn> Buffer makeBuffer(ElementType type, uint64_t count, Fn value) {
  Buffer buffer{type, count, Bytes(count * sizeof(T))};
  for (uint64_t i = 0; i < count; ++i) {
    T element = value(i);
    std::memcpy(&buffer.contents[i * sizeof(T)], &element, sizeof(T));
  }
  return buffer;
}

/// One of the six, for tiles of one size.
struct Subject {
  const char *name;
  /// What its tiles consist of, all together.
  uint64_t elements;
  /// The last one has the results.
  std::vector<Buffer> buffers;
  /// Arguments of the slot or window for the tile that begins at 'at'.
  std::function<std::vector<Arg>(const std::vector<BufferHandle> &, uint32_t at)> args;
  /// What holds for all of them.
  Specialization facts;
  /// Scalars of the kernel written by hand, behind its buffers.
  std::vector<uint64_t> scalars;
  uint64_t bytes;
};

uint64_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }
ArgFacts view(uint64_t extent) { return {.extent = extent, .aligned = 16}; }
ArgFacts whole(uint64_t extent) { return {.extent = extent}; }
ArgFacts constant(float value) { return {.constant = bitsOf(value)}; }

/// Small whole numbers, of which all sums are exact: then their order does not matter.
Buffer floats(uint64_t count, unsigned seed) {
  std::mt19937 random(seed);
  return makeBuffer<float>(ElementType::F32, count, [&](uint64_t) { return float(int(random() % 9) - 4); });
}
Buffer zeros(ElementType type, uint64_t count) {
  return type == ElementType::I8 ? makeBuffer<uint8_t>(type, count, [](uint64_t) { return 0; })
                                 : makeBuffer<uint32_t>(type, count, [](uint64_t) { return 0; });
}

/// Strings of a tile of the automaton: one for each thread of a CTA.
constexpr uint32_t strings = 256;
/// Bins of the histogram.
constexpr uint32_t bins = 256;

std::vector<Subject> makeSubjects(uint64_t n, uint32_t tile) {
  // Bytes are more, so that all read more than caches hold.
  const uint64_t text = 8 * n;
  const uint32_t tiles = uint32_t(n / tile), textTiles = uint32_t(text / tile);
  std::vector<Subject> subjects;
  subjects.push_back(
      {"saxpy",
       n,
       {floats(n, 1), floats(n, 2)},
       [=](auto &b, uint32_t at) -> std::vector<Arg> { return {View{b[0], at, tile}, View{b[1], at, tile}, 0.5}; },
       {view(tile), view(tile), constant(0.5f)},
       {bitsOf(0.5f)},
       12 * n});
  subjects.push_back({"chain",
                      n,
                      {floats(n, 1), floats(n, 2), zeros(ElementType::F32, n)},
                      [=](auto &b, uint32_t at) -> std::vector<Arg> {
                        return {View{b[0], at, tile}, View{b[1], at, tile}, View{b[2], at, tile}, 0.75};
                      },
                      {view(tile), view(tile), view(tile), constant(0.75f)},
                      {bitsOf(0.75f)},
                      12 * n});
  subjects.push_back({"dot",
                      n,
                      {floats(n, 1), floats(n, 2), zeros(ElementType::F32, tiles)},
                      [=](auto &b, uint32_t at) -> std::vector<Arg> {
                        return {View{b[0], at, tile}, View{b[1], at, tile}, View{b[2]}, uint64_t(at / tile)};
                      },
                      {view(tile), view(tile), whole(tiles), {}},
                      {},
                      8 * n});
  subjects.push_back({"stencil",
                      n,
                      {floats(n + 4, 1), zeros(ElementType::F32, n)},
                      [=](auto &b, uint32_t at) -> std::vector<Arg> {
                        return {View{b[0], at, tile + 4}, View{b[1], at, tile}, 0.1, 0.2, 0.4};
                      },
                      {view(tile + 4), view(tile), constant(0.1f), constant(0.2f), constant(0.4f)},
                      {bitsOf(0.1f), bitsOf(0.2f), bitsOf(0.4f)},
                      8 * n});
  std::mt19937 random(3);
  subjects.push_back({"histogram",
                      n,
                      {makeBuffer<uint32_t>(ElementType::I32, n, [&](uint64_t) { return random(); }),
                       zeros(ElementType::I32, uint64_t(tiles) * bins)},
                      [=](auto &b, uint32_t at) -> std::vector<Arg> {
                        return {View{b[0], at, tile}, View{b[1], at / tile * bins, bins}};
                      },
                      {view(tile), view(bins)},
                      {},
                      4 * n});
  subjects.push_back(
      {"dfa",
       text,
       {makeBuffer<uint8_t>(ElementType::I8, text, [&](uint64_t) { return random() % 96 + 32; }),
        makeBuffer<uint8_t>(ElementType::I8, 256, [](uint64_t byte) { return byte * 7 % 16; }),
        makeBuffer<uint8_t>(ElementType::I8, 512, [](uint64_t place) { return place * 2654435761u >> 16 & 31; }),
        zeros(ElementType::I8, uint64_t(textTiles) * strings)},
       [=](auto &b, uint32_t at) -> std::vector<Arg> {
         return {View{b[0], at, tile}, View{b[1]}, View{b[2]}, View{b[3], at / tile * strings, strings}};
       },
       {view(tile), whole(256), whole(512), view(strings)},
       {},
       text});
  return subjects;
}

/// Gives the code that a compiler makes for certain facts, whatever is asked for.
class Specialized : public CodeProvider {
public:
  Specialized(std::unique_ptr<CodeProvider> compiler, Specialization facts)
      : compiler(std::move(compiler)), facts(std::move(facts)) {}
  const Isa &isa() const override { return compiler->isa(); }
  RequestId request(const CompileRequest &wanted, double priority, Done done) override {
    CompileRequest request = wanted;
    if (request.kind == CompileRequest::Opcode || request.kind == CompileRequest::Window)
      request.facts = facts;
    return compiler->request(request, priority, std::move(done));
  }

private:
  std::unique_ptr<CodeProvider> compiler;
  Specialization facts;
};

/// Something that is measured: it runs, and what it left can be compared.
struct Variant {
  std::function<double()> run;
  std::function<void()> reset;
  std::function<Bytes()> results;
  Stats stats;
};

Variant makeGenerated(const Options &options, const Subject &subject, uint32_t tile, bool specialize) {
  const std::string path = options.sources + "/kernels.mlir";
  std::unique_ptr<CodeProvider> code = check(CompileService::create(slurp(path), path));
  if (specialize)
    code = std::make_unique<Specialized>(std::move(code), subject.facts);
  EngineOptions engineOptions;
  engineOptions.promotion.mode = JitMode::Always;
  engineOptions.promotion.specialize = false;
  std::shared_ptr<Engine> engine =
      check(Engine::create(check(createDevice(options.device)), std::move(code), engineOptions));
  std::vector<BufferHandle> handles;
  for (const Buffer &buffer : subject.buffers)
    handles.push_back(check(engine->allocate(buffer.type, buffer.count)));
  auto reset = [=, &subject] {
    for (size_t i = 0; i < handles.size(); ++i)
      check(engine->write(handles[i], 0, subject.buffers[i].contents));
  };
  reset();
  const bool isWindow = std::string(subject.name) == "chain";
  auto batch = std::make_shared<Batch>(engine->isa());
  for (uint64_t at = 0; at < subject.elements; at += tile) {
    std::vector<Arg> args = subject.args(handles, uint32_t(at));
    check(isWindow ? batch->addWindow(subject.name, args) : batch->add(subject.name, args));
  }
  run(*engine, *batch);
  engine->waitForPromotions();
  auto measure = [=, &subject] {
    double seconds = tierSeconds(bench::run(*engine, *batch), isWindow ? Tier::Window : Tier::Opcode);
    if (seconds < 0)
      fail(std::string(subject.name) + " was not promoted");
    return seconds;
  };
  auto results = [=, &subject] {
    Bytes bytes(subject.buffers.back().contents.size());
    check(engine->read(handles.back(), 0, bytes));
    return bytes;
  };
  return {measure, reset, results, {}};
}

Variant makeByHand(const Options &options, const Subject &subject, uint32_t tile, bool fixed) {
  std::shared_ptr<Device> device = check(createDevice(options.device));
  KernelCode code;
  code.ptx = slurp(options.hand);
  code.entry = subject.name;
  if (fixed)
    code.entry += "_" + std::to_string(tile);
  std::shared_ptr<Kernel> kernel = check(device->load(code));
  auto copy = [device](std::span<const std::byte> bytes) {
    uint64_t address = check(device->allocate(bytes.size()));
    check(device->copyToDevice(address, bytes));
    return address;
  };
  std::vector<uint32_t> tiles;
  for (uint64_t at = 0; at < subject.elements; at += tile)
    tiles.insert(tiles.end(), {uint32_t(at), tile});
  std::vector<uint64_t> words = {tiles.size() / 2, copy(std::as_bytes(std::span(tiles)))};
  for (const Buffer &buffer : subject.buffers)
    words.push_back(copy(buffer.contents));
  const std::vector<uint64_t> addresses(words.begin() + 2, words.end());
  words.insert(words.end(), subject.scalars.begin(), subject.scalars.end());
  words.resize(abi::LaunchParamCount);
  auto reset = [=, &subject] {
    for (size_t i = 0; i < addresses.size(); ++i)
      check(device->copyToDevice(addresses[i], subject.buffers[i].contents));
  };
  auto measure = [=] {
    Launch launch{kernel.get(), uint32_t(words[0]), 256};
    std::memcpy(&launch.params, words.data(), sizeof launch.params);
    check(device->run({&launch, 1}));
    return launch.seconds;
  };
  auto results = [=, &subject] {
    Bytes bytes(subject.buffers.back().contents.size());
    check(device->copyFromDevice(addresses.back(), bytes));
    return bytes;
  };
  return {measure, reset, results, {}};
}

void measure(const Options &options, const Subject &subject, uint32_t tile) {
  std::vector<Variant> variants;
  for (bool special : {false, true}) {
    variants.push_back(makeGenerated(options, subject, tile, special));
    if (!options.hand.empty())
      variants.push_back(makeByHand(options, subject, tile, special));
  }
  for (Variant &variant : variants) {
    for (int i = 0; i < 3; ++i)
      variant.run();
    variant.reset();
  }
  for (unsigned i = 0; i < options.rounds; ++i)
    for (Variant &variant : variants)
      variant.stats.add(variant.run());
  const Bytes expected = variants.front().results();
  for (Variant &variant : variants)
    if (variant.results() != expected)
      fail(std::string(subject.name) + ": variants leave different bytes");
  std::printf("  %-10s %6u", subject.name, tile);
  const size_t step = variants.size() / 2;
  for (size_t i = 0; i < variants.size(); i += step) {
    double ours = variants[i].stats.at(0.5);
    std::printf("  %8.1f us %5.0f GB/s", ours, double(subject.bytes) / ours / 1e3);
    if (step == 2) {
      double byHand = variants[i + 1].stats.at(0.5);
      std::printf("  %8.1f us  %5.3f", byHand, byHand / ours);
    }
  }
  std::printf("\n");
  std::fflush(stdout);
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
    else if (const char *text = optionValue(argument, "only"))
      options.only = text;
    else if (const char *text = optionValue(argument, "rounds"))
      options.rounds = std::max(1, std::atoi(text));
    else if (const char *text = optionValue(argument, "elements"))
      options.elements = std::strtoull(text, nullptr, 10);
    else {
      std::printf(
          "usage: mk-kernels [--device=auto|host|cuda:N] [--rounds=N] [--elements=N] [--only=NAME] "
          "[--hand=kernels.ptx] [--sources=DIR]\n"
          "  --elements a multiple of 32768, for 8 tiles or more (default 2^25 on a GPU, 2^18 on the host); of bytes,\n"
          "             8 times as many\n"
          "  --only     one kernel: saxpy, chain, dot, stencil, histogram or dfa\n"
          "  --hand     PTX of kernels.cu, to measure kernels written by hand beside ours\n"
          "  --sources  where kernels.mlir is (default: the source tree)\n");
      return argument == "--help" ? 0 : 1;
    }
  }
  auto device = check(createDevice(options.device));
  const bool isGpu = device->info().target.kind == CodeTarget::Nvptx;
  std::printf("device: %s\n        %s\n", device->info().id.c_str(), device->info().description.c_str());
  if (options.elements == 0)
    options.elements = isGpu ? uint64_t(1) << 25 : uint64_t(1) << 18;
  std::printf("\n%llu elements; medians of %u rounds; last column: speed as a share of the kernel's written by hand\n",
              static_cast<unsigned long long>(options.elements), options.rounds);
  std::printf("  %-10s %6s  %-24s%s  %-24s%s\n", "kernel", "tile", "general",
              options.hand.empty() ? "" : "  by hand      share", "specialised",
              options.hand.empty() ? "" : "  by hand      share");
  for (uint32_t tile : {4096u, 32768u})
    for (const Subject &subject : makeSubjects(options.elements, tile))
      if (options.only.empty() || options.only == subject.name)
        measure(options, subject, tile);
  return 0;
}
