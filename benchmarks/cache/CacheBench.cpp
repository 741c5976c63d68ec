//===- CacheBench.cpp - Time of the code cache ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calls of the cache, each with a key that is built anew, as a compile service does. The argument is the size of the
// ISA in KiB, which is part of the key; the code has 32 KiB. Files are in the folder for temporary files, and in the
// page cache of the system.
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CodeCache.h"
#include "mk/JIT/Compiler.h"
#include <benchmark/benchmark.h>
#include <filesystem>
#include <unistd.h>

using namespace mk;

namespace {
/// A cache in a folder of its own.
class BenchCache {
public:
  explicit BenchCache(int64_t isaKiB, uint32_t memoryEntries = 4096)
      : folder(std::filesystem::temp_directory_path() / ("mk-cache-bench-" + std::to_string(getpid()))),
        isa(CacheKey::share(std::string(isaKiB << 10, 'i'))) {
    CodeCacheOptions options;
    options.directory = folder;
    options.memoryEntries = memoryEntries;
    cache.emplace(options);
  }
  ~BenchCache() { std::filesystem::remove_all(folder); }

  CacheKey key(uint32_t number) const {
    CacheKey key;
    key.add("isa", isa)
        .add("kind", "opcode")
        .add("opcode", "op" + std::to_string(number))
        .add("facts", "extent 4096, aligned 4, constant 1065353216, extent 4096, aligned 4")
        .add("chip", "sm_90")
        .add("pipeline", "full")
        .add("llvm", "22.1.8")
        .add("build", "0123456789abcdef0123456789abcdef01234567")
        .add("assembler", "nvJitLink 13.0")
        .add("abi", "7");
    return key;
  }

  static CodeObject code() {
    CodeObject code;
    code.entry = "mk_opcode_axpy";
    code.bytes = std::string(32 << 10, 'c');
    return code;
  }

  const std::filesystem::path folder;
  const std::shared_ptr<const CacheKey::Shared> isa;
  std::optional<CodeCache> cache;
};
} // namespace

static void memoryHit(benchmark::State &state) {
  BenchCache bench(state.range(0));
  for (uint32_t i = 0; i < 256; ++i)
    bench.cache->insert(bench.key(i), BenchCache::code());
  uint32_t i = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(bench.cache->lookup(bench.key(i++ % 256)));
}
BENCHMARK(memoryHit)->Arg(4)->Arg(64)->Arg(1024);

/// The same ISA, loaded once more: the bytes are compared.
static void memoryHitOfEqualIsa(benchmark::State &state) {
  BenchCache bench(state.range(0)), other(state.range(0));
  bench.cache->insert(bench.key(0), BenchCache::code());
  for (auto _ : state)
    benchmark::DoNotOptimize(bench.cache->lookup(other.key(0)));
}
BENCHMARK(memoryHitOfEqualIsa)->Arg(4)->Arg(64)->Arg(1024);

static void diskHit(benchmark::State &state) {
  BenchCache bench(state.range(0), /*memoryEntries=*/0);
  bench.cache->insert(bench.key(0), BenchCache::code());
  for (auto _ : state)
    if (!bench.cache->lookup(bench.key(0)))
      state.SkipWithError("the file is gone");
}
BENCHMARK(diskHit)->Arg(4)->Arg(64)->Arg(1024);

static void miss(benchmark::State &state) {
  BenchCache bench(state.range(0));
  bench.cache->insert(bench.key(0), BenchCache::code());
  for (auto _ : state)
    benchmark::DoNotOptimize(bench.cache->lookup(bench.key(1)));
}
BENCHMARK(miss)->Arg(4);

/// Of new code: the file is written, and old ones go.
static void insert(benchmark::State &state) {
  BenchCache bench(state.range(0));
  uint32_t i = 0;
  for (auto _ : state)
    bench.cache->insert(bench.key(i++), BenchCache::code());
}
BENCHMARK(insert)->Arg(4)->Arg(64);

static void share(benchmark::State &state) {
  std::string isa(state.range(0) << 10, 'i');
  for (auto _ : state)
    benchmark::DoNotOptimize(CacheKey::share(isa));
}
BENCHMARK(share)->Arg(4)->Arg(64)->Arg(1024);

/// A hit from the request on: the key is that of an opcode of a compiler's ISA.
static void memoryHitOfRequest(benchmark::State &state) {
  std::string source;
  for (int64_t i = 0; i < state.range(0); ++i) {
    std::string number = std::to_string(i);
    source += "mk.opcode @op" + number + " code(" + std::to_string(64 + i) +
              ") scope(lane) (%x: memref<?xi32>, %i: index, %v: i32) {\n"
              "  %c = arith.constant " +
              number + " : i32\n  %w = arith.addi %v, %c : i32\n  memref.store %w, %x[%i] : memref<?xi32>\n" +
              "  mk.return\n}\n";
  }
  auto compiler = Compiler::create(source, "bench.mlir");
  if (!compiler) {
    state.SkipWithError(compiler.error().message.c_str());
    return;
  }
  CodeCache cache({});
  CompileRequest request{.kind = CompileRequest::Opcode, .target = {}};
  cache.insert(*(*compiler)->key(request, CodeObject::Format::HostObject), BenchCache::code());
  for (auto _ : state)
    if (!cache.lookup(*(*compiler)->key(request, CodeObject::Format::HostObject)))
      state.SkipWithError("the code is gone");
}
BENCHMARK(memoryHitOfRequest)->Arg(1)->Arg(1000);

BENCHMARK_MAIN();
