//===- ConformanceTest.cpp - What opcodes mean, on every device and tier ----===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each case runs on each device (the host, and the first GPU where there is one), by the interpreter and by promoted
// code, and is compared with a plain loop. A promoted case runs twice: the first time is cold and makes its opcodes and
// windows hot, the second time is checked to have run where it should.
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

using namespace mk;

namespace {

// GoogleTest brings in the C++ ABI's ::abi as well.
namespace abi = mk::abi;

using Faults = std::vector<std::tuple<uint32_t, uint32_t, uint32_t>>;

class Conformance : public testing::TestWithParam<std::tuple<std::string, bool>> {
protected:
  void SetUp() override {
    auto [device, promoted] = GetParam();
    if (device != "host") {
      auto present = createDevice(device);
      if (!present)
        GTEST_SKIP() << present.error().message;
    }
    OpenOptions options;
    options.device = device;
    options.promotion.mode = promoted ? JitMode::Always : JitMode::Off;
    options.policy.hotOpcodeThreshold = 1;
    options.policy.hotWindowThreshold = 1;
    options.heatHalfLife = 1e9;
    const char *folder = std::getenv("MK_TEST_SOURCE_DIR");
    auto opened = openEngineFile(std::string(folder ? folder : MK_TEST_SOURCE_DIR) + "/" + isaFile(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    engine = std::move(*opened);
  }

  /// The ISA of the test, in the folder of this file.
  virtual std::string isaFile() const { return "conformance.mlir"; }

  bool promoted() const { return std::get<1>(GetParam()); }

  template <typename T>
  BufferHandle makeBuffer(ElementType type, const std::vector<T> &values, uint32_t access = abi::AccessReadWrite,
                          uint32_t tenants = ~0u) {
    auto handle = engine->allocate(type, values.size(), access, tenants);
    EXPECT_TRUE(handle) << handle.error().message;
    fill(*handle, values);
    return *handle;
  }
  template <typename T> void fill(BufferHandle buffer, const std::vector<T> &values) {
    auto written = engine->write(buffer, 0, std::as_bytes(std::span(values)));
    EXPECT_TRUE(written) << written.error().message;
  }
  template <typename T> std::vector<T> contents(BufferHandle buffer, size_t count) {
    std::vector<T> values(count);
    auto read = engine->read(buffer, 0, std::as_writable_bytes(std::span(values)));
    EXPECT_TRUE(read) << read.error().message;
    return values;
  }

  BatchResult submit(const Batch &batch, const SubmitOptions &options = {}) {
    auto ticket = engine->submit(batch, options);
    EXPECT_TRUE(ticket) << ticket.error().message;
    auto result = engine->wait(*ticket);
    EXPECT_TRUE(result) << result.error().message;
    return *result;
  }

  /// Runs the batch on the tier of this case. 'reset' restores what the batch changes. All slots that 'onTier' counts
  /// must have been answered by promoted code when the case is promoted.
  BatchResult run(const Batch &batch, const std::function<void()> &reset = [] {}, int64_t onTier = -1) {
    reset();
    BatchResult result = submit(batch);
    if (!promoted()) {
      for (const TierRun &launch : result.runs)
        EXPECT_EQ(launch.tier, Tier::Interpreter);
      return result;
    }
    // First the general code goes live, once it agrees with the interpreter; then what is specialised for the values.
    for (int i = 0; i < 3; ++i) {
      engine->waitForPromotions();
      reset();
      result = submit(batch);
    }
    for (const Promotion &promotion : engine->promotions())
      EXPECT_LE(promotion.state, PromotionState::Live)
          << promotion.what << " with " << promotion.facts << ": " << stringifyPromotionState(promotion.state) << " "
          << promotion.error;
    int64_t hot = 0;
    for (const TierRun &launch : result.runs)
      if (launch.tier != Tier::Interpreter)
        hot += launch.slots;
    EXPECT_EQ(hot, onTier < 0 ? int64_t(batch.size()) : onTier);
    return result;
  }

  static Faults faultsOf(const BatchResult &result) {
    Faults faults;
    for (const SlotFault &fault : result.faults)
      faults.emplace_back(fault.slot, fault.code, fault.detail);
    return faults;
  }

  void add(Batch &batch, const char *opcode, std::vector<Arg> args, uint32_t tenant = 0) {
    auto added = batch.add(opcode, args, tenant);
    ASSERT_TRUE(added) << added.error().message;
  }
  void addWindow(Batch &batch, const char *window, std::vector<Arg> args) {
    auto added = batch.addWindow(window, args);
    ASSERT_TRUE(added) << added.error().message;
  }

  template <typename T>
  void checkType(const char *opcode, ElementType type, const std::vector<Arg> &values, const std::vector<T> &expected) {
    BufferHandle out = makeBuffer(type, std::vector<T>(values.size() + 1));
    Batch batch(engine->isa());
    for (size_t i = 0; i < values.size(); ++i)
      add(batch, opcode, {View{out}, uint64_t(i), values[i]});
    BatchResult result = run(batch, [&] { fill(out, std::vector<T>(values.size() + 1)); });
    EXPECT_TRUE(result.faults.empty());
    std::vector<T> want = expected;
    want.push_back(T());
    EXPECT_EQ(contents<T>(out, want.size()), want) << opcode;
  }

  std::unique_ptr<Engine> engine;
};

constexpr uint32_t code(abi::FaultCode fault) { return uint32_t(fault); }
Arg signedArg(int64_t value) { return value; }
Arg number(uint64_t value) { return value; }

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

TEST_P(Conformance, IntegerArguments) {
  checkType<uint32_t>("put_i1", ElementType::I32, {number(0), number(1)}, {0, 1});
  checkType<int8_t>("put_i8", ElementType::I8, {signedArg(-128), signedArg(127), number(5)}, {-128, 127, 5});
  checkType<int16_t>("put_i16", ElementType::I16, {signedArg(-32768), number(32767)}, {-32768, 32767});
  checkType<uint32_t>("put_i32", ElementType::I32, {number(0xFFFFFFFF), signedArg(-2)}, {0xFFFFFFFF, 0xFFFFFFFE});
  checkType<uint64_t>("put_i64", ElementType::I64, {number(0x0123456789ABCDEF), signedArg(-1)},
                      {0x0123456789ABCDEF, ~uint64_t(0)});
  // An index is zero-extended.
  checkType<uint64_t>("put_index", ElementType::I64, {number(0xFFFFFFFF), number(7)}, {0xFFFFFFFF, 7});
}

TEST_P(Conformance, FloatArguments) {
  checkType<float>("put_f32", ElementType::F32, {0.1, -0.0, 1e38}, {0.1f, -0.0f, 1e38f});
  checkType<double>("put_f64", ElementType::F64, {0.1, -1e300}, {0.1, -1e300});
  checkType<uint16_t>("put_f16", ElementType::F16, {1.0, -2.5, 65504.0}, {0x3C00, 0xC100, 0x7BFF});
  checkType<uint16_t>("put_bf16", ElementType::BF16, {1.0, -2.5}, {0x3F80, 0xC020});
}

TEST_P(Conformance, ArithmeticIsNotContracted) {
  // With one rounding instead of two the result would differ in the last place.
  float x = 1.0f, y = 1.1f;
  volatile float product = x * y;
  while (product + x == __builtin_fmaf(x, y, x)) {
    x += 0.37f;
    product = x * y;
  }
  BufferHandle out = makeBuffer(ElementType::F32, std::vector<float>(1));
  Batch batch(engine->isa());
  add(batch, "muladd", {View{out}, number(0), double(x), double(y)});
  run(batch);
  EXPECT_EQ(contents<float>(out, 1)[0], product + x);
}

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

TEST_P(Conformance, ViewsOfEverySize) {
  for (uint32_t n : {1u, 7u, 255u, 256u, 257u, 1000u}) {
    std::vector<float> x(n + 8), y(n + 8), z(n + 8, -1.0f), want(n + 8, -1.0f);
    std::mt19937 rng(n);
    for (uint32_t i = 0; i < n + 8; ++i) {
      x[i] = float(rng() % 1000) / 7;
      y[i] = float(rng() % 1000) / 3;
    }
    BufferHandle bx = makeBuffer(ElementType::F32, x, abi::AccessRead),
                 by = makeBuffer(ElementType::F32, y, abi::AccessRead), bz = makeBuffer(ElementType::F32, z);
    Batch batch(engine->isa());
    add(batch, "add", {View{bx, 3, n}, View{by, 5, n}, View{bz, 2, n}});
    BatchResult result = run(batch);
    EXPECT_TRUE(result.faults.empty());
    for (uint32_t i = 0; i < n; ++i)
      want[2 + i] = x[3 + i] + y[5 + i];
    EXPECT_EQ(contents<float>(bz, n + 8), want) << n;
    for (BufferHandle buffer : {bx, by, bz})
      EXPECT_TRUE(engine->release(buffer));
  }
}

TEST_P(Conformance, EmptyView) {
  BufferHandle b = makeBuffer(ElementType::F32, std::vector<float>(4, 2.0f));
  Batch batch(engine->isa());
  add(batch, "add", {View{b, 4, 0}, View{b, 0, 0}, View{b, 1, 0}});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<float>(b, 4), std::vector<float>(4, 2.0f));
}

TEST_P(Conformance, LoopShapesInBlockScope) {
  const uint32_t rows = 13, columns = 37;
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(2 + rows * columns));
  Batch batch(engine->isa());
  add(batch, "shapes", {View{m, 0, 1 + rows * columns}, number(100), number(rows), number(columns)});
  EXPECT_TRUE(run(batch).faults.empty());
  std::vector<uint32_t> want = {100};
  for (uint32_t i = 1; i <= rows * columns; ++i)
    want.push_back(300 + i);
  want.push_back(0);
  EXPECT_EQ(contents<uint32_t>(m, want.size()), want);
}

TEST_P(Conformance, WhileLoops) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(4));
  Batch batch(engine->isa());
  for (uint64_t i = 0; i < 4; ++i)
    add(batch, "collatz", {View{m}, number(i), number(std::vector<uint64_t>{1, 6, 27, 837799}[i])});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, 4), (std::vector<uint32_t>{0, 8, 111, 524}));
}

TEST_P(Conformance, Atomics) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(2));
  std::vector<uint32_t> ones(5000, 1);
  BufferHandle x = makeBuffer(ElementType::I32, ones);
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < 20000; ++i)
    add(batch, "count", {View{m}, number(0), number(i)});
  for (uint32_t i = 0; i < 50; ++i)
    add(batch, "count_all", {View{x, i, 4000}, View{m}});
  run(batch, [&] { fill(m, std::vector<uint32_t>(2)); });
  EXPECT_EQ(contents<uint32_t>(m, 2), (std::vector<uint32_t>{uint32_t(uint64_t(20000) * 19999 / 2) + 200000, 0}));
}

TEST_P(Conformance, ManySlotsOfManyOpcodes) {
  const uint32_t n = 100000;
  std::vector<uint32_t> want(n);
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(n));
  Batch batch(engine->isa());
  std::mt19937 rng(3);
  for (uint32_t i = 0; i < n; ++i) {
    uint32_t x = rng(), y = rng() % 31 + 1;
    switch (rng() % 3) {
    case 0:
      add(batch, "put_i32", {View{m}, number(i), number(x)});
      want[i] = x;
      break;
    case 1:
      add(batch, "divide", {View{m}, number(i), number(x), number(y)});
      want[i] = uint32_t(int32_t(x) / int32_t(y));
      break;
    default:
      add(batch, "shift", {View{m}, number(i), number(x), number(y)});
      want[i] = x << y;
    }
  }
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, n), want);
}

//===----------------------------------------------------------------------===//
// Reductions, atomics and local memory
//===----------------------------------------------------------------------===//

class BodyConformance : public Conformance {
  std::string isaFile() const override { return "bodies.mlir"; }
};

/// What passes/LowerLoops.cpp says of an outer loop of block scope.
template <typename T, typename Combine> T reduceInLanes(T init, const std::vector<T> &values, Combine combine) {
  const size_t perLane = abi::AccumulatorsPerLane, most = abi::ReductionLanes * perLane;
  if (values.empty())
    return init;
  std::vector<T> partials(values.begin(), values.begin() + std::min(values.size(), most));
  for (size_t i = most; i < values.size(); ++i)
    partials[i % most] = combine(partials[i % most], values[i]);
  size_t lanes = 0;
  for (size_t first = 0; first < partials.size(); first += perLane) {
    T sum = partials[first];
    for (size_t i = first + 1; i < std::min(first + perLane, partials.size()); ++i)
      sum = combine(sum, partials[i]);
    partials[lanes++] = sum;
  }
  for (size_t distance = abi::ReductionLanes / 2; distance != 0; distance /= 2)
    for (size_t lane = 0; lane < distance && lane + distance < lanes; ++lane)
      partials[lane] = combine(partials[lane], partials[lane + distance]);
  return combine(init, partials[0]);
}
float plus(float a, float b) { return a + b; }

TEST_P(BodyConformance, ReductionsHaveOneOrder) {
  const std::vector<uint32_t> sizes = {0,   1,   2,    3,    4,    5,    31,   32,   33,
                                       255, 256, 1000, 1023, 1024, 1025, 1027, 1028, 5000};
  std::mt19937 rng(11);
  std::vector<float> x(5003);
  for (float &v : x)
    v = float(int(rng() % 20001) - 10000) / 37;
  BufferHandle bx = makeBuffer(ElementType::F32, x, abi::AccessRead),
               out = makeBuffer(ElementType::F32, std::vector<float>(4 * sizes.size()));
  Batch batch(engine->isa());
  std::vector<float> want;
  // From places that 16 bytes divide, and from others.
  for (uint32_t from : {0, 3})
    for (uint32_t n : sizes) {
      add(batch, "stats", {View{bx, from, n}, View{out}, number(want.size()), 0.25});
      std::vector<float> squares, values(x.begin() + from, x.begin() + from + n);
      for (float v : values)
        squares.push_back(v * v);
      want.push_back(reduceInLanes(0.25f, squares, plus));
      want.push_back(n == 0 ? -INFINITY : *std::max_element(values.begin(), values.end()));
    }
  EXPECT_TRUE(run(batch, [&] { fill(out, std::vector<float>(want.size())); }).faults.empty());
  EXPECT_EQ(contents<float>(out, want.size()), want);
}

TEST_P(BodyConformance, ReductionsOfEveryWidth) {
  const uint32_t n = 3000;
  std::vector<uint32_t> x(n);
  for (uint32_t i = 0; i < n; ++i)
    x[i] = (i * 37) % 61;
  BufferHandle bx = makeBuffer(ElementType::I32, x), out = makeBuffer(ElementType::I64, std::vector<uint64_t>(6));
  uint64_t mixed = 0, last = 0;
  uint16_t low = 0;
  std::vector<double> parts;
  for (uint32_t i = 0; i < n; ++i) {
    mixed ^= uint64_t(x[i]) << x[i];
    last = x[i] == 7 ? i : last;
    low += uint16_t(x[i]);
    parts.push_back(x[i] * 0.1);
  }
  double sum = reduceInLanes(0.0, parts, [](double a, double b) { return a + b; });
  Batch batch(engine->isa());
  add(batch, "widths", {View{bx, 0, n}, View{out}});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint64_t>(out, 6), (std::vector<uint64_t>{mixed, last, 1, low, std::bit_cast<uint64_t>(sum), 0}));
}

TEST_P(BodyConformance, ReductionsOfEveryElementType) {
  std::vector<double> x(3004);
  std::vector<uint16_t> y(x.size());
  std::vector<uint8_t> z(x.size());
  std::mt19937 rng(12);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = double(rng()) / 7;
    y[i] = uint16_t(rng());
    z[i] = uint8_t(rng());
  }
  const std::vector<std::pair<uint32_t, uint32_t>> views = {{0, 3000}, {2, 3000}, {3, 3000},
                                                            {4, 2999}, {0, 4},    {4, 1024}};
  BufferHandle bx = makeBuffer(ElementType::F64, x), by = makeBuffer(ElementType::I16, y),
               bz = makeBuffer(ElementType::I8, z),
               out = makeBuffer(ElementType::I64, std::vector<uint64_t>(3 * views.size()));
  Batch batch(engine->isa());
  std::vector<uint64_t> want;
  for (auto [from, n] : views) {
    add(batch, "sums", {View{bx, from, n}, View{by, from, n}, View{bz, from, n}, View{out}, number(want.size())});
    std::vector<double> values(x.begin() + from, x.begin() + from + n);
    double sum = reduceInLanes(0.0, values, [](double a, double b) { return a + b; });
    want.push_back(std::bit_cast<uint64_t>(sum));
    want.push_back(uint16_t(std::accumulate(y.begin() + from, y.begin() + from + n, 0u)));
    want.push_back(uint8_t(std::accumulate(z.begin() + from, z.begin() + from + n, 0u)));
  }
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint64_t>(out, want.size()), want);
}

TEST_P(BodyConformance, ReductionsInReductionsAndInTwoDimensions) {
  const uint32_t rows = 37, columns = 53;
  std::vector<float> x(rows * columns), sums(rows), products;
  std::mt19937 rng(5);
  for (float &v : x)
    v = float(rng() % 1000) / 7;
  for (uint32_t r = 0; r < rows; ++r) {
    for (uint32_t c = 0; c < columns; ++c)
      sums[r] += x[r * columns + c];
    for (uint32_t c = 0; c < columns; c += 3)
      products.push_back(x[r * columns + c] * sums[r]);
  }
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, std::vector<float>(rows)),
               out = makeBuffer(ElementType::F32, std::vector<float>(1));
  Batch batch(engine->isa());
  add(batch, "rows", {View{bx, 0, rows * columns}, View{by, 0, rows}, View{out}, number(columns)});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<float>(by, rows), sums);
  EXPECT_EQ(contents<float>(out, 1)[0], reduceInLanes(0.0f, products, plus));
}

TEST_P(BodyConformance, LanesReduceInOrder) {
  const uint32_t slots = 500, n = 40;
  std::vector<float> x(slots * n), want(slots);
  std::mt19937 rng(6);
  for (float &v : x)
    v = float(rng() % 100000) / 13;
  BufferHandle bx = makeBuffer(ElementType::F32, x), out = makeBuffer(ElementType::F32, want);
  Batch batch(engine->isa());
  for (uint32_t s = 0; s < slots; ++s) {
    add(batch, "lane_sum", {View{bx, s * n, n}, View{out}, number(s)});
    for (uint32_t i = 0; i < n; ++i)
      want[s] += x[s * n + i];
  }
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<float>(out, slots), want);
}

TEST_P(BodyConformance, ALoopUsesAReduction) {
  const uint32_t slots = 60, n = 700;
  std::vector<float> x(slots * n), scaled, want;
  std::mt19937 rng(7);
  for (float &v : x)
    v = float(rng() % 1000 + 1) / 11;
  for (uint32_t s = 0; s < slots; ++s) {
    std::vector<float> mine(x.begin() + s * n, x.begin() + (s + 1) * n);
    float sum = reduceInLanes(0.0f, mine, plus);
    for (float &v : mine)
      v = v / sum;
    scaled.insert(scaled.end(), mine.begin(), mine.end());
    want.push_back(reduceInLanes(sum, mine, plus));
  }
  BufferHandle bx = makeBuffer(ElementType::F32, x), out = makeBuffer(ElementType::F32, std::vector<float>(slots));
  Batch batch(engine->isa());
  for (uint32_t s = 0; s < slots; ++s)
    add(batch, "normalize", {View{bx, s * n, n}, View{out}, number(s)});
  EXPECT_TRUE(run(batch, [&] { fill(bx, x); }).faults.empty());
  EXPECT_EQ(contents<float>(bx, slots * n), scaled);
  EXPECT_EQ(contents<float>(out, slots), want);
}

TEST_P(BodyConformance, LocalMemoryOfABlock) {
  const uint32_t slots = 40, n = 3000;
  std::vector<uint32_t> x(slots * n), counts(slots * 64);
  std::mt19937 rng(8);
  for (uint32_t i = 0; i < slots * n; ++i) {
    x[i] = rng();
    ++counts[i / n * 64 + x[i] % 64];
  }
  std::vector<float> y(slots * 512), reversed(y.size());
  for (uint32_t i = 0; i < y.size(); ++i)
    y[i] = float(i);
  for (uint32_t i = 0; i < y.size(); ++i)
    reversed[i] = y[i / 512 * 512 + 511 - i % 512] + y[i / 512 * 512];
  BufferHandle bx = makeBuffer(ElementType::I32, x), out = makeBuffer(ElementType::I32, counts),
               by = makeBuffer(ElementType::F32, y), m = makeBuffer(ElementType::I32, std::vector<uint32_t>(slots));
  Batch batch(engine->isa());
  std::vector<uint32_t> fresh;
  for (uint32_t s = 0; s < slots; ++s) {
    add(batch, "histogram", {View{bx, s * n, n}, View{out, s * 64, 64}});
    add(batch, "reverse", {View{by, s * 512, 512}});
    add(batch, "fresh", {View{m}, number(s), number(s + 5)});
    fresh.push_back(s + 5);
  }
  EXPECT_TRUE(run(batch, [&] {
                fill(by, y);
                fill(out, std::vector<uint32_t>(counts.size()));
              }).faults.empty());
  EXPECT_EQ(contents<uint32_t>(out, counts.size()), counts);
  EXPECT_EQ(contents<float>(by, y.size()), reversed);
  EXPECT_EQ(contents<uint32_t>(m, slots), fresh);
}

TEST_P(BodyConformance, LocalMemoryIsChecked) {
  BufferHandle by = makeBuffer(ElementType::F32, std::vector<float>(600, 1.0f));
  Batch batch(engine->isa());
  add(batch, "reverse", {View{by, 0, 513}});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{0, code(abi::FaultCode::BufferBounds), 512}}));
}

/// More than teams, so that some of them run several.
constexpr uint32_t tableSlots = 12000, tableSize = 256, tableWidth = 4;

static std::vector<uint32_t> randomWords(size_t count, unsigned seed) {
  std::mt19937 rng(seed);
  std::vector<uint32_t> words(count);
  std::ranges::generate(words, rng);
  return words;
}

TEST_P(BodyConformance, TablesOfManySlots) {
  const auto x = randomWords(tableSlots * tableWidth, 1), tables = randomWords(3 * tableSize, 2);
  BufferHandle bx = makeBuffer(ElementType::I32, x), bt = makeBuffer(ElementType::I32, tables),
               out = makeBuffer(ElementType::I32, std::vector<uint32_t>(x.size()));
  auto batchOf = [&](auto tableOf) {
    Batch batch(engine->isa());
    for (uint32_t s = 0; s < tableSlots; ++s)
      add(batch, "look_up",
          {View{bt, tableOf(s) * tableSize, tableSize}, View{bx, s * tableWidth, tableWidth},
           View{out, s * tableWidth, tableWidth}});
    return batch;
  };
  auto wanted = [&](const std::vector<uint32_t> &table, auto tableOf) {
    std::vector<uint32_t> want;
    for (uint32_t i = 0; i < x.size(); ++i)
      want.push_back(table[tableOf(i / tableWidth) * tableSize + x[i] % tableSize]);
    return want;
  };
  auto same = [](uint32_t) { return 1; };
  const Batch batch = batchOf(same);
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(out, x.size()), wanted(tables, same));

  // Another launch looks at what the table holds then.
  const auto others = randomWords(tables.size(), 3);
  fill(bt, others);
  EXPECT_TRUE(submit(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(out, x.size()), wanted(others, same));

  auto differ = [](uint32_t slot) { return slot / 5 % 3; };
  EXPECT_TRUE(run(batchOf(differ)).faults.empty());
  EXPECT_EQ(contents<uint32_t>(out, x.size()), wanted(others, differ));
}

TEST_P(BodyConformance, EverySlotHasTheFaultOfItsTable) {
  const auto x = randomWords(tableSlots, 4);
  BufferHandle bx = makeBuffer(ElementType::I32, x), bt = makeBuffer(ElementType::I32, randomWords(200, 5)),
               out = makeBuffer(ElementType::I32, x);
  Batch batch(engine->isa());
  Faults want;
  for (uint32_t s = 0; s < tableSlots; ++s) {
    add(batch, "look_up", {View{bt, 0, 200}, View{bx, s, 1}, View{out, s, 1}});
    want.emplace_back(s, code(abi::FaultCode::BufferBounds), 200);
  }
  Faults faults = faultsOf(run(batch));
  std::ranges::sort(faults);
  EXPECT_EQ(faults, want);
}

TEST_P(BodyConformance, TablesInTheBufferThatIsWritten) {
  // The table, what is looked up, and places for the results.
  std::vector<uint32_t> data = randomWords(tableSize + 2 * tableSlots, 6), want = data;
  BufferHandle m = makeBuffer(ElementType::I32, data);
  auto slotOf = [&](Batch &batch, uint32_t place, uint32_t to, uint32_t count) {
    add(batch, "look_up", {View{m, 0, tableSize}, View{m, tableSize + place, count}, View{m, to, count}});
    std::vector<uint32_t> found;
    for (uint32_t i = 0; i < count; ++i)
      found.push_back(want[want[tableSize + place + i] % tableSize]);
    std::ranges::copy(found, want.begin() + to);
  };
  Batch batch(engine->isa()), intoTable(engine->isa()), again(engine->isa());
  for (uint32_t s = 0; s < tableSlots; ++s)
    slotOf(batch, s, tableSize + tableSlots + s, 1);
  EXPECT_TRUE(run(batch, [&] { fill(m, data); }).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, want.size()), want);

  slotOf(intoTable, 7, 0, tableSize);
  for (uint32_t s = 0; s < tableSlots; ++s)
    slotOf(again, s, tableSize + tableSlots + s, 1);
  EXPECT_TRUE(submit(intoTable).faults.empty());
  EXPECT_TRUE(submit(again).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, want.size()), want);
}

TEST_P(BodyConformance, TablesOfAWindow) {
  const uint32_t windows = 9000;
  const auto x = randomWords(tableSize, 7), table = randomWords(tableSize, 8);
  BufferHandle bx = makeBuffer(ElementType::I32, x), bt = makeBuffer(ElementType::I32, table),
               by = makeBuffer(ElementType::I32, std::vector<uint32_t>(windows * tableSize)),
               out = makeBuffer(ElementType::I32, std::vector<uint32_t>(windows * tableSize));
  Batch batch(engine->isa());
  for (uint32_t w = 0; w < windows; ++w)
    addWindow(batch, "look_up_twice",
              {View{bt, 0, tableSize}, View{bx, 0, tableSize}, View{by, w * tableSize, tableSize},
               View{out, w * tableSize, tableSize}});
  EXPECT_TRUE(run(batch).faults.empty());
  std::vector<uint32_t> want;
  for (uint32_t i = 0; i < windows * tableSize; ++i)
    want.push_back(table[x[x[i % tableSize] % tableSize] % tableSize]);
  EXPECT_EQ(contents<uint32_t>(out, want.size()), want);
}

TEST_P(BodyConformance, AtomicsGiveEveryThreadTheirResult) {
  const uint32_t slots = 64;
  uint32_t total = 0;
  for (uint32_t s = 0; s < slots; ++s)
    total += 1 + s % 300;
  BufferHandle counter = makeBuffer(ElementType::I32, std::vector<uint32_t>(1)),
               x = makeBuffer(ElementType::I32, std::vector<uint32_t>(total));
  Batch batch(engine->isa());
  for (uint32_t s = 0; s < slots; ++s)
    add(batch, "reserve", {View{counter}, View{x, 0, total}, number(1 + s % 300)});
  EXPECT_TRUE(run(batch, [&] {
                fill(counter, std::vector<uint32_t>(1));
                fill(x, std::vector<uint32_t>(total));
              }).faults.empty());
  EXPECT_EQ(contents<uint32_t>(counter, 1)[0], total);
  // Each slot has its own stretch, filled with its length: stretches of one length stand in whole multiples.
  std::vector<uint32_t> lengths(301), want(301);
  for (uint32_t v : contents<uint32_t>(x, total))
    ++lengths[v];
  for (uint32_t s = 0; s < slots; ++s)
    want[1 + s % 300] += 1 + s % 300;
  EXPECT_EQ(lengths, want);
}

TEST_P(BodyConformance, AtomicsOfEveryKind) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>{5, 6, 7}),
               old = makeBuffer(ElementType::I32, std::vector<uint32_t>(3)),
               f = makeBuffer(ElementType::F32, std::vector<float>{1.0f, -1.0f}),
               x = makeBuffer(ElementType::F32, std::vector<float>{2, 2, 2, 2, 4, 0.5f, 2}),
               bytes = makeBuffer(ElementType::I8, std::vector<uint8_t>(4)),
               halves = makeBuffer(ElementType::F16, std::vector<uint16_t>(4));
  Batch batch(engine->isa());
  add(batch, "swap_if", {View{m}, number(0), number(5), number(50), View{old}});
  add(batch, "swap_if", {View{m}, number(1), number(5), number(50), View{old}});
  add(batch, "swap_if", {View{m}, number(9), number(5), number(50), View{old}});
  add(batch, "scale_all", {View{f}, View{x, 0, 7}});
  for (uint32_t i = 0; i < 100; ++i)
    add(batch, "narrow", {View{bytes}, number(i % 2 + 1), number(3), View{halves}, 1.0});
  Faults faults = faultsOf(run(batch, [&] {
    fill(m, std::vector<uint32_t>{5, 6, 7});
    fill(f, std::vector<float>{1.0f, -1.0f});
    fill(bytes, std::vector<uint8_t>(4));
    fill(halves, std::vector<uint16_t>(4));
  }));
  // The atomic and the store that follows it fault; they are one fault.
  EXPECT_EQ(faults, (Faults{{2, code(abi::FaultCode::BufferBounds), 9}}));
  EXPECT_EQ(contents<uint32_t>(m, 3), (std::vector<uint32_t>{50, 6, 7}));
  EXPECT_EQ(contents<uint32_t>(old, 3), (std::vector<uint32_t>{5, 6, 0}));
  EXPECT_EQ(contents<float>(f, 2), (std::vector<float>{64.0f, 4.0f}));
  EXPECT_EQ(contents<uint8_t>(bytes, 4), (std::vector<uint8_t>{0, 150, 150, 0}));
  EXPECT_EQ(contents<uint16_t>(halves, 4), (std::vector<uint16_t>{0, 0x5240, 0x5240, 0}));
}

TEST_P(BodyConformance, VectorsAreChecked) {
  std::vector<float> x(16, 1.0f), want(16);
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, want);
  Batch batch(engine->isa());
  add(batch, "quad", {View{bx, 0, 8}, View{by, 0, 8}, number(1)});
  add(batch, "quad", {View{bx, 0, 8}, View{by, 8, 8}, number(5)});
  add(batch, "quad", {View{bx, 0, 8}, View{by, 8, 8}, number(0xFFFFFFFF)});
  std::fill(want.begin() + 1, want.begin() + 5, 2.0f);
  const uint32_t bounds = code(abi::FaultCode::BufferBounds);
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{1, bounds, 5}, {2, bounds, 0xFFFFFFFF}}));
  EXPECT_EQ(contents<float>(by, 16), want);
}

TEST_P(BodyConformance, LoopsInLoopsShareTheirFuel) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(3));
  Batch batch(engine->isa());
  add(batch, "nest", {View{m}, number(0), number(1000), number(1000)});
  add(batch, "nest", {View{m}, number(1), number(10000), number(10000)});
  add(batch, "nest", {View{m}, number(2), number(1 << 23), number(0)});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{1, code(abi::FaultCode::Fuel), 1 << 24}}));
  std::vector<uint32_t> counts = contents<uint32_t>(m, 3);
  EXPECT_EQ(counts[0], 1000000u);
  EXPECT_LT(counts[1], 1u << 24);
  EXPECT_EQ(counts[2], 0u);
}

TEST_P(BodyConformance, LongParallelLoopsDoNotRun) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(1));
  Batch batch(engine->isa());
  add(batch, "wide", {View{m}, number(30), number(40)});
  add(batch, "wide", {View{m}, number(1 << 20), number(1 << 20)});
  add(batch, "wide", {View{m}, number(0xFFFFFFFF), number(1)});
  const uint32_t fuel = code(abi::FaultCode::Fuel);
  EXPECT_EQ(faultsOf(run(batch, [&] { fill(m, std::vector<uint32_t>(1)); })),
            (Faults{{1, fuel, 1 << 24}, {2, fuel, 1 << 24}}));
  EXPECT_EQ(contents<uint32_t>(m, 1)[0], 1200u);
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

TEST_P(Conformance, FusedWindow) {
  const uint32_t tile = 777, tiles = 40, n = tile * tiles;
  std::vector<float> x(n), y(n), want(n);
  std::mt19937 rng(9);
  for (uint32_t i = 0; i < n; ++i) {
    x[i] = float(rng()) / 1e9f;
    y[i] = float(rng()) / 1e9f;
    volatile float s = x[i] + y[i];
    volatile float t = s * 0.3f;
    want[i] = t + y[i];
  }
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, y),
               bz = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  for (uint32_t t = 0; t < tiles; ++t)
    addWindow(batch, "chain", {View{bx, t * tile, tile}, View{by, t * tile, tile}, View{bz, t * tile, tile}, 0.3f});
  EXPECT_TRUE(run(batch, [&] { fill(bz, std::vector<float>(n)); }).faults.empty());
  EXPECT_EQ(contents<float>(bz, n), want);
}

TEST_P(Conformance, WindowInPlace) {
  // x and z are one view: another signature, the same meaning.
  const uint32_t n = 500;
  std::vector<float> x(n, 2.0f), y(n, 3.0f);
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, y);
  Batch batch(engine->isa());
  addWindow(batch, "chain", {View{bx, 0, n}, View{by, 0, n}, View{bx, 0, n}, 0.5f});
  EXPECT_TRUE(run(batch, [&] { fill(bx, x); }).faults.empty());
  EXPECT_EQ(contents<float>(bx, n), std::vector<float>(n, 5.5f));
}

TEST_P(Conformance, OverlappingWindowStaysWithTheInterpreter) {
  // Fused code may take different views for distinct memory, so a window whose views overlap has no signature.
  const uint32_t n = 64;
  std::vector<float> x(n + 1), want(n);
  for (uint32_t i = 0; i <= n; ++i)
    x[i] = float(i);
  for (uint32_t i = 0; i < n; ++i)
    want[i] = (x[i] + x[i + 1]) * 2.0f + x[i + 1];
  BufferHandle bx = makeBuffer(ElementType::F32, x), bz = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  addWindow(batch, "chain", {View{bx, 0, n}, View{bx, 1, n}, View{bz, 0, n}, 2.0f});
  EXPECT_TRUE(run(batch, [] {}, /*onTier=*/0).faults.empty());
  EXPECT_EQ(contents<float>(bz, n), want);
}

TEST_P(Conformance, UnfusableWindow) {
  const uint32_t n = 1000;
  std::vector<float> x(n), want(n);
  for (uint32_t i = 0; i < n; ++i)
    x[i] = float(i * i % 97);
  for (uint32_t i = 0; i < n; ++i)
    want[i] = x[i] * 2.0f + (i + 1 < n ? x[i + 1] * 2.0f : 0.0f);
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, std::vector<float>(n)),
               bz = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  addWindow(batch, "stencil", {View{bx, 0, n}, View{by, 0, n}, View{bz, 0, n}, 2.0f});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<float>(bz, n), want);
}

TEST_P(Conformance, WindowsWhoseLoopsMustNotFuse) {
  const uint32_t n = 3000;
  BufferHandle x = makeBuffer(ElementType::I32, std::vector<uint32_t>(2 * n)),
               f = makeBuffer(ElementType::I32, std::vector<uint32_t>(1));
  Batch batch(engine->isa());
  addWindow(batch, "crossed", {View{x, 0, n}, number(7), number(100)});
  addWindow(batch, "flagged", {View{x, n, n}, View{f}});
  EXPECT_TRUE(run(batch, [&] { fill(f, std::vector<uint32_t>(1)); }).faults.empty());
  std::vector<uint32_t> want(2 * n, 2 * n);
  for (uint32_t i = 0; i < n; ++i)
    want[n - 1 - i] = 100 + i;
  EXPECT_EQ(contents<uint32_t>(x, 2 * n), want);
}

TEST_P(Conformance, UniformLoadBeforeALoopThatWrites) {
  const uint32_t n = 2000, views = 50;
  std::vector<uint32_t> data(n * views), want(n * views);
  for (uint32_t i = 0; i < n * views; ++i) {
    data[i] = i + 1;
    want[i] = i % n;
  }
  BufferHandle x = makeBuffer(ElementType::I32, data);
  Batch batch(engine->isa());
  for (uint32_t i = 0; i < views; ++i)
    add(batch, "from_first", {View{x, i * n, n}});
  EXPECT_TRUE(run(batch, [&] { fill(x, data); }).faults.empty());
  EXPECT_EQ(contents<uint32_t>(x, n * views), want);
}

TEST_P(Conformance, LocalMemoryOfManySlots) {
  const uint32_t n = 300000;
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(n));
  Batch batch(engine->isa());
  std::vector<uint32_t> want(n);
  for (uint32_t i = 0; i < n; ++i) {
    add(batch, "scratch", {View{m}, number(i), number(i)});
    want[i] = 2 * i;
  }
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, n), want);
}

TEST_P(Conformance, LaneWindowRunsInOrder) {
  const uint32_t n = 3000;
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(n));
  Batch batch(engine->isa());
  std::vector<uint32_t> want(n);
  for (uint32_t i = 0; i < n; ++i) {
    addWindow(batch, "steps", {View{m}, number(i), number(i)});
    want[i] = (i * 3 + 1) * 3 + 1;
  }
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<uint32_t>(m, n), want);
}

TEST_P(Conformance, MixedWindow) {
  const uint32_t n = 300;
  std::vector<uint32_t> data(1024, 3);
  data[1000] = 5000;
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(n)), x = makeBuffer(ElementType::I32, data);
  Batch batch(engine->isa());
  std::vector<uint32_t> want(n);
  Faults faults;
  for (uint32_t i = 0; i < n; ++i) {
    // The last window looks at the large element.
    addWindow(batch, "mixed", {View{m}, number(i), number(i + 10), View{x, i == n - 1 ? 900u : 0u, 120}});
    want[i] = ((i + 10) * 3 + 1) * 3 + 1;
  }
  faults.emplace_back(4 * (n - 1) + 2, code(abi::FaultCode::User) + 5, 5000);
  EXPECT_EQ(faultsOf(run(batch)), faults);
  EXPECT_EQ(contents<uint32_t>(m, n), want);
}

//===----------------------------------------------------------------------===//
// Hits
//===----------------------------------------------------------------------===//

TEST_P(Conformance, HitsOfLanes) {
  const uint32_t slots = 100;
  Batch batch(engine->isa());
  std::vector<Hit> want;
  for (uint32_t i = 0; i < slots; ++i) {
    add(batch, "evens", {number(i % 10)});
    for (uint32_t even = 0; even < i % 10; even += 2)
      want.push_back({i, {even, 0, 0}});
    want.push_back({i, {i % 10, i % 10, i % 10}});
  }
  std::sort(want.begin(), want.end());
  BatchResult result = run(batch);
  EXPECT_EQ(result.hits, want);
  EXPECT_EQ(result.hitsDropped, 0u);
}

TEST_P(Conformance, HitsOfTeamsAndWindows) {
  std::vector<uint32_t> data(3000, 1);
  data[7] = 50;
  data[2999] = 60;
  BufferHandle x = makeBuffer(ElementType::I32, data);
  Batch batch(engine->isa());
  add(batch, "above", {View{x, 0, 3000}, number(10)});
  addWindow(batch, "search", {View{x, 1, 2000}, number(10), number(3)});
  BatchResult result = run(batch);
  // What stands outside the parallel loop is emitted once, and a record of a window names its own slot.
  EXPECT_EQ(result.hits, (std::vector<Hit>{{0, {7, 50, 0}},
                                           {0, {2999, 60, 0}},
                                           {0, {3000, 0, 0}},
                                           {1, {6, 50, 0}},
                                           {1, {2000, 0, 0}},
                                           {2, {0, 0, 0}},
                                           {2, {2, 0, 0}},
                                           {2, {3, 3, 3}}}));
}

TEST_P(Conformance, HitsBeyondTheCapacityAreCounted) {
  Batch batch(engine->isa());
  add(batch, "evens", {number(2000)});
  run(batch);
  SubmitOptions options;
  options.requestedHitCapacity = 5;
  BatchResult result = submit(batch, options);
  EXPECT_EQ(result.hits.size(), 5u);
  EXPECT_EQ(result.hitsDropped, 1001u - 5);
  for (const Hit &hit : result.hits)
    EXPECT_EQ(hit.slot, 0u);
}

//===----------------------------------------------------------------------===//
// Faults
//===----------------------------------------------------------------------===//

TEST_P(Conformance, FaultsOfDecoding) {
  BufferHandle good = makeBuffer(ElementType::I32, std::vector<uint32_t>(8)),
               readOnly = makeBuffer(ElementType::I32, std::vector<uint32_t>(8), abi::AccessRead),
               foreign = makeBuffer(ElementType::I32, std::vector<uint32_t>(8), abi::AccessReadWrite, 1u << 3);
  BufferHandle f = makeBuffer(ElementType::F32, std::vector<float>(16, 1.0f));
  Batch batch(engine->isa());
  add(batch, "put_i32", {View{good}, number(0), number(1)});
  add(batch, "put_i32", {View{0}, number(0), number(1)});
  add(batch, "put_i32", {View{12345}, number(0), number(1)});
  add(batch, "put_i32", {View{0xFFFFFFFF}, number(0), number(1)});
  add(batch, "put_i32", {View{readOnly}, number(0), number(1)});
  add(batch, "put_i32", {View{foreign}, number(0), number(1)});
  add(batch, "put_i32", {View{foreign}, number(2), number(9)}, 3);
  add(batch, "add", {View{f, 8, 9}, View{f, 0, 9}, View{f, 0, 9}});
  add(batch, "add", {View{f, 0xFFFFFFFF, 0xFFFFFFFF}, View{f, 0, 4}, View{f, 0, 4}});
  add(batch, "put_i32", {View{good}, number(1), number(2)});
  Faults want = {{1, code(abi::FaultCode::BufferHandle), 0},          {2, code(abi::FaultCode::BufferHandle), 12345},
                 {3, code(abi::FaultCode::BufferHandle), 0xFFFFFFFF}, {4, code(abi::FaultCode::BufferAccess), readOnly},
                 {5, code(abi::FaultCode::TenantRight), foreign},     {7, code(abi::FaultCode::BufferBounds), 17},
                 {8, code(abi::FaultCode::BufferBounds), 0xFFFFFFFE}};
  BatchResult result = run(batch, [] {}, 3);
  EXPECT_EQ(faultsOf(result), want);
  EXPECT_EQ(contents<uint32_t>(good, 8), (std::vector<uint32_t>{1, 2, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(contents<uint32_t>(readOnly, 8), std::vector<uint32_t>(8));
  EXPECT_EQ(contents<uint32_t>(foreign, 8), (std::vector<uint32_t>{0, 0, 9, 0, 0, 0, 0, 0}));
  EXPECT_EQ(contents<float>(f, 16), std::vector<float>(16, 1.0f));
}

TEST_P(Conformance, FaultsOfBodies) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(4, 7));
  Batch batch(engine->isa());
  add(batch, "put_i32", {View{m}, number(4), number(1)});
  add(batch, "put_i32", {View{m}, number(0xFFFFFFFF), number(1)});
  add(batch, "divide", {View{m}, number(0), number(1), number(0)});
  add(batch, "divide", {View{m}, number(1), number(0x80000000), number(0xFFFFFFFF)});
  add(batch, "shift", {View{m}, number(2), number(1), number(32)});
  add(batch, "strided", {View{m}, number(4), number(0)});
  add(batch, "strided", {View{m}, number(4), signedArg(-1)});
  add(batch, "complain", {number(10)});
  add(batch, "complain", {number(11)});
  // Two faults in one slot: the smaller code is reported.
  add(batch, "divide", {View{m}, number(4), number(1), number(0)});
  Faults want = {{0, code(abi::FaultCode::BufferBounds), 4},
                 {1, code(abi::FaultCode::BufferBounds), 0xFFFFFFFF},
                 {2, code(abi::FaultCode::Division), 0},
                 {3, code(abi::FaultCode::Division), 0xFFFFFFFF},
                 {4, code(abi::FaultCode::Shift), 32},
                 {5, code(abi::FaultCode::LoopStep), 0},
                 {6, code(abi::FaultCode::LoopStep), 0xFFFFFFFF},
                 {8, code(abi::FaultCode::User) + 77, 11},
                 {9, code(abi::FaultCode::BufferBounds), 4}};
  EXPECT_EQ(faultsOf(run(batch, [&] { fill(m, std::vector<uint32_t>(4, 7)); })), want);
  // A faulted operation yields zero, and what follows goes on.
  EXPECT_EQ(contents<uint32_t>(m, 4), (std::vector<uint32_t>{0, 0, 0, 7}));
}

TEST_P(Conformance, FaultsOfConversions) {
  BufferHandle m = makeBuffer(ElementType::I16, std::vector<int16_t>(8, 1));
  Batch batch(engine->isa());
  const double values[] = {1.9, -1.9, 32767.5, 32768.0, -32768.9, -32769.0, 1e30, -0.5};
  for (uint64_t i = 0; i < 8; ++i)
    add(batch, "convert", {View{m}, i, values[i]});
  const uint32_t conversion = code(abi::FaultCode::Conversion);
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{3, conversion, 0}, {5, conversion, 0}, {6, conversion, 0}}));
  EXPECT_EQ(contents<int16_t>(m, 8), (std::vector<int16_t>{1, -1, 32767, 0, -32768, 0, 0, 0}));
}

TEST_P(Conformance, LoopsThatAreTooLongDoNotRun) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(4));
  Batch batch(engine->isa());
  add(batch, "strided", {View{m}, number(0xFFFFFFFF), number(1)});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{0, code(abi::FaultCode::Fuel), 1 << 24}}));
  EXPECT_EQ(contents<uint32_t>(m, 4), std::vector<uint32_t>(4));
}

TEST_P(Conformance, FuelEndsAnEndlessLoop) {
  BufferHandle m = makeBuffer(ElementType::I32, std::vector<uint32_t>(2));
  Batch batch(engine->isa());
  add(batch, "collatz", {View{m}, number(0), number(0)});
  add(batch, "collatz", {View{m}, number(1), number(6)});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{0, code(abi::FaultCode::Fuel), 1 << 24}}));
  EXPECT_EQ(contents<uint32_t>(m, 2)[1], 8u);
}

TEST_P(Conformance, SmallestFaultOfATeamWins) {
  std::vector<uint32_t> data(5000, 1);
  data[17] = 9000;
  data[4000] = 2000;
  data[4500] = 3000;
  BufferHandle x = makeBuffer(ElementType::I32, data);
  Batch batch(engine->isa());
  add(batch, "limit", {View{x, 0, 5000}});
  add(batch, "limit", {View{x, 18, 3000}});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{0, code(abi::FaultCode::User) + 5, 2000}}));
}

TEST_P(Conformance, FaultsInsideWindowsBelongToTheirSlot) {
  Batch batch(engine->isa());
  addWindow(batch, "grumble", {number(1), number(20), number(3)});
  addWindow(batch, "grumble", {number(30), number(2), number(40)});
  const uint32_t user = code(abi::FaultCode::User) + 77;
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{1, user, 20}, {3, user, 30}, {5, user, 40}}));
}

TEST_P(Conformance, EqualOperationsOfAWindowFaultEach) {
  BufferHandle m = makeBuffer(ElementType::I16, std::vector<int16_t>(2, 1));
  Batch batch(engine->isa());
  addWindow(batch, "converts", {View{m}, number(0), 1e9});
  const uint32_t conversion = code(abi::FaultCode::Conversion);
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{0, conversion, 0}, {1, conversion, 0}}));
}

TEST_P(Conformance, WindowOverViewsOfDifferentSize) {
  // y is shorter than z: the first and the last slot read beyond it, the second does not.
  const uint32_t n = 100, shorter = 90;
  std::vector<float> x(n, 1.0f), y(n, 10.0f);
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, y),
               bz = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  addWindow(batch, "chain", {View{bx, 0, n}, View{by, 0, shorter}, View{bz, 0, n}, 2.0f});
  const uint32_t bounds = code(abi::FaultCode::BufferBounds);
  EXPECT_EQ(faultsOf(run(batch, [&] { fill(bz, std::vector<float>(n)); })),
            (Faults{{0, bounds, shorter}, {2, bounds, shorter}}));
  std::vector<float> want(n, (1.0f + 10.0f) * 2.0f + 10.0f);
  std::fill(want.begin() + shorter, want.end(), 1.0f * 2.0f);
  EXPECT_EQ(contents<float>(bz, n), want);
}

//===----------------------------------------------------------------------===//
// Transient buffers and fused reductions
//===----------------------------------------------------------------------===//

TEST_P(Conformance, TransientBuffersCarryValuesInsideAWindow) {
  const uint32_t n = 1000;
  std::vector<float> x(n), y(n), want(n);
  for (uint32_t i = 0; i < n; ++i) {
    x[i] = float(i % 17) + 0.5f;
    y[i] = float(i % 5);
    want[i] = x[i] * 3.0f + y[i];
  }
  BufferHandle bx = makeBuffer(ElementType::F32, x), by = makeBuffer(ElementType::F32, y),
               bt = makeBuffer(ElementType::F32, std::vector<float>(n), abi::AccessReadWrite | abi::AccessTransient),
               bz = makeBuffer(ElementType::F32, std::vector<float>(n)),
               bw = makeBuffer(ElementType::F32, std::vector<float>(n));
  // The same with a buffer that keeps what is written: other code.
  BufferHandle kept = makeBuffer(ElementType::F32, std::vector<float>(n)),
               other = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  addWindow(batch, "through", {View{bx, 0, n}, View{by, 0, n}, View{bt, 0, n}, View{bz, 0, n}, 3.0});
  addWindow(batch, "through", {View{bx, 0, n}, View{by, 0, n}, View{kept, 0, n}, View{bw, 0, n}, 3.0});
  EXPECT_TRUE(run(batch).faults.empty());
  EXPECT_EQ(contents<float>(bz, n), want);
  EXPECT_EQ(contents<float>(bw, n), want);
  for (uint32_t i = 0; i < n; ++i)
    want[i] = x[i] * 3.0f;
  EXPECT_EQ(contents<float>(kept, n), want);

  // What must go through memory does.
  Batch around(engine->isa());
  addWindow(around, "around", {View{bx, 0, n}, View{bt, 0, n}, View{bz, 0, n}, 3.0});
  addWindow(around, "around", {View{bx, 0, n}, View{kept, 0, n}, View{other, 0, n}, 3.0});
  EXPECT_TRUE(run(around).faults.empty());
  EXPECT_EQ(contents<float>(bz, n), contents<float>(other, n));
}

TEST_P(Conformance, TransientBuffersThatAreTooShortStillFault) {
  const uint32_t n = 100, shorter = 90;
  BufferHandle bx = makeBuffer(ElementType::F32, std::vector<float>(n, 1.0f)),
               by = makeBuffer(ElementType::F32, std::vector<float>(n, 2.0f)),
               bt = makeBuffer(ElementType::F32, std::vector<float>(n), abi::AccessReadWrite | abi::AccessTransient),
               bz = makeBuffer(ElementType::F32, std::vector<float>(n));
  Batch batch(engine->isa());
  addWindow(batch, "through", {View{bx, 0, n}, View{by, 0, n}, View{bt, 0, shorter}, View{bz, 0, n}, 3.0});
  EXPECT_EQ(faultsOf(run(batch)), (Faults{{1, code(abi::FaultCode::BufferBounds), shorter}}));
  std::vector<float> want(n, 5.0f);
  std::fill(want.begin() + shorter, want.end(), 2.0f);
  EXPECT_EQ(contents<float>(bz, n), want);
}

TEST_P(Conformance, MapsAndReductionsOfAWindow) {
  const uint32_t n = 3000;
  std::vector<float> x(n), scaled(n);
  for (uint32_t i = 0; i < n; ++i) {
    x[i] = float((i * 37) % 1001) / 7;
    scaled[i] = x[i] * 0.3f;
  }
  BufferHandle bx = makeBuffer(ElementType::F32, x),
               bt = makeBuffer(ElementType::F32, std::vector<float>(n), abi::AccessReadWrite | abi::AccessTransient),
               out = makeBuffer(ElementType::F32, std::vector<float>(4));
  Batch batch(engine->isa());
  addWindow(batch, "measure", {View{bx, 0, n}, View{bt, 0, n}, View{out}, 0.3, number(0), number(1)});
  addWindow(batch, "measure", {View{bx, 0, 0}, View{bt, 0, 0}, View{out}, 0.3, number(2), number(3)});
  EXPECT_TRUE(run(batch, [&] { fill(out, std::vector<float>(4, -1.0f)); }).faults.empty());
  EXPECT_EQ(contents<float>(out, 4), (std::vector<float>{reduceInLanes(0.0f, scaled, plus),
                                                         *std::max_element(scaled.begin(), scaled.end()), 0.0f, 0.0f}));
}

static std::string caseName(const testing::TestParamInfo<Conformance::ParamType> &info) {
  std::string device = std::get<0>(info.param) == "host" ? "Host" : "Cuda";
  return device + (std::get<1>(info.param) ? "Promoted" : "Interpreter");
}
INSTANTIATE_TEST_SUITE_P(Devices, Conformance, testing::Combine(testing::Values("host", "cuda:0"), testing::Bool()),
                         caseName);
INSTANTIATE_TEST_SUITE_P(Devices, BodyConformance, testing::Combine(testing::Values("host", "cuda:0"), testing::Bool()),
                         caseName);

} // namespace
