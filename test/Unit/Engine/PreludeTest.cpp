//===- PreludeTest.cpp - What the built-in opcodes do, to the word ----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Two levels. Prelude runs slots on the compiled interpreters, with memory of its own, so that slots can be wrong and
// everything around the memory be watched; a model in plain C++ says what every word must be afterwards. PreludeEngine
// submits batches. Both run on the host and on the first GPU where there is one, with interpreters of lanes and of
// teams.
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include "mk/JIT/CompileService.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <sstream>

using namespace mk;

namespace {

// GoogleTest brings in the C++ ABI's ::abi as well.
namespace abi = mk::abi;
using abi::Builtin;
using abi::FaultCode;
using Words = std::vector<uint32_t>;

constexpr uint32_t Observables = 8, ControlWords = 160 + Observables, DebugRecords = 4;
constexpr uint32_t Last = ~0u;

std::string readSource(bool blocks) {
  const char *folder = std::getenv("MK_TEST_SOURCE_DIR");
  std::string text;
  for (const char *file : {"prelude.mlir", "prelude-block.mlir"}) {
    std::ifstream stream(std::string(folder ? folder : MK_TEST_SOURCE_DIR) + "/" + file);
    std::ostringstream contents;
    contents << stream.rdbuf();
    text += contents.str();
    if (!blocks)
      break;
  }
  return text;
}

abi::Slot makeSlot(uint32_t opcode, const Words &args, uint32_t tenant = 0) {
  abi::Slot slot{uint32_t(abi::SlotStatus::Published), opcode, tenant, abi::PriorityNormal, {}};
  std::copy(args.begin(), args.end(), slot.args);
  return slot;
}
abi::Slot makeSlot(Builtin opcode, const Words &args, uint32_t tenant = 0) {
  return makeSlot(uint32_t(opcode), args, tenant);
}

struct Op {
  uint32_t code;
  Words words;
};

/// A packed slot with 'ops' as they are, whether they fit or not.
abi::Slot packRaw(const std::vector<Op> &ops, uint32_t tenant = 0) {
  Words bytes(48), words;
  bytes[0] = uint32_t(ops.size());
  for (size_t k = 0; k < ops.size(); ++k) {
    bytes[2 + 2 * k] = ops[k].code;
    bytes[3 + 2 * k] = uint32_t(words.size());
    words.insert(words.end(), ops[k].words.begin(), ops[k].words.end());
  }
  bytes[1] = uint32_t(words.size());
  abi::Slot slot = makeSlot(Builtin::PackedSlot, {}, tenant);
  for (uint32_t i = 0; i < 48; ++i)
    slot.args[i / 4] |= bytes[i] << i % 4 * 8;
  // What does not fit is missing: such a slot is malformed.
  const size_t at = (2 + 2 * ops.size() + 3) / 4;
  words.resize(std::min(words.size(), std::size(slot.args) - std::min(at, std::size(slot.args))));
  std::copy(words.begin(), words.end(), slot.args + at);
  return slot;
}

//===----------------------------------------------------------------------===//
// The model
//===----------------------------------------------------------------------===//

struct Fault {
  uint32_t code = 0, detail = 0;
  bool operator==(const Fault &) const = default;
};
std::ostream &operator<<(std::ostream &stream, const Fault &fault) {
  return stream << std::hex << fault.code << std::dec << " detail " << fault.detail;
}

constexpr Fault fault(FaultCode code, uint64_t detail) { return {uint32_t(code), uint32_t(detail)}; }
constexpr Fault good{};

struct Model {
  struct Row {
    Words words;
    uint32_t tenants, access;
  };
  Words control, debug;
  /// By handle; nothing at the rows of the engine.
  std::vector<Row> rows;

  const Row *buffer(uint32_t handle, uint32_t tenant, uint32_t access) const {
    if (handle < abi::SystemBufferCount || handle >= rows.size())
      return nullptr;
    const Row &row = rows[handle];
    return (row.tenants >> tenant & 1) && (row.access & access) == access ? &row : nullptr;
  }

  Fault run(uint32_t code, const uint32_t *a, uint32_t tenant, uint32_t slot) {
    uint64_t size = control.size();
    if (code == uint32_t(Builtin::Nop))
      return good;
    if (code >= 9 && code < 300)
      return runUser(code, a, tenant, slot);
    if (size < 160)
      return fault(FaultCode::OpcodeNotBound, code);
    uint32_t rights = control[3 + tenant];
    if (!(rights & 1))
      return fault(FaultCode::TenantRight, 0);
    auto writable = [&](uint32_t i) {
      if (i >= size)
        return fault(FaultCode::ControlIndex, i);
      return i < 160 && !(rights & 2) ? fault(FaultCode::ControlProtected, i) : good;
    };
    auto observable = [&](uint64_t o) { return 160 + o < size ? good : fault(FaultCode::ObservableIndex, o); };
    switch (Builtin(code)) {
    case Builtin::StoreU32:
    case Builtin::AtomicAdd:
      if (Fault bad = writable(a[1]); bad != good)
        return bad;
      control[a[1]] = code == 1 ? a[0] : control[a[1]] + a[0];
      return good;
    case Builtin::LoadU32:
      if (a[0] >= size)
        return fault(FaultCode::ControlIndex, a[0]);
      if (Fault bad = observable(a[1]); bad != good)
        return bad;
      control[160 + a[1]] = control[a[0]];
      return good;
    case Builtin::CompareSwap: {
      if (Fault bad = writable(a[0]); bad != good)
        return bad;
      uint32_t to = a[3] ? a[3] - 1 : a[0];
      if (Fault bad = observable(to); bad != good)
        return bad;
      uint32_t old = control[a[0]];
      if (old == a[1])
        control[a[0]] = a[2];
      control[160 + to] = old;
      return good;
    }
    case Builtin::Memcpy: {
      uint64_t from = a[0], to = a[1], count = a[2];
      if (count == 0)
        return good;
      for (uint64_t begin : {from, to})
        if (begin + count > size)
          return fault(FaultCode::RangeOverflow, std::max(begin, size));
      if (to < 160 && !(rights & 2))
        return fault(FaultCode::ControlProtected, to);
      if (from < to && to < from + count)
        return fault(FaultCode::MemcpyOverlap, count);
      for (uint64_t k = 0; k < count; ++k)
        control[to + k] = control[from + k];
      return good;
    }
    case Builtin::DfaStep: {
      const Row *table = buffer(a[3], tenant, abi::AccessRead);
      if (!table)
        return fault(FaultCode::DfaTable, a[3]);
      if (a[1] >= 256)
        return fault(FaultCode::DfaSymbol, a[1]);
      uint64_t states = table->words.size() / 256;
      if (a[0] >= states)
        return fault(FaultCode::DfaState, a[0]);
      if (Fault bad = observable(a[2]); bad != good)
        return bad;
      uint32_t next = table->words[a[0] * 256 + a[1]];
      if (next >= states)
        return fault(FaultCode::DfaState, next);
      control[160 + a[2]] = next;
      return good;
    }
    case Builtin::BatchFence:
      if (a[0] > slot)
        return fault(FaultCode::FenceRange, a[0]);
      if (size > 160)
        control[160] = a[1];
      ++control[128];
      return good;
    case Builtin::Printf:
      if (!(rights & 8))
        return fault(FaultCode::TenantRight, 3);
      if (debug[0] + 4 > debug.size() - 1) {
        ++control[147];
        return good;
      }
      std::copy_n(a, 3, &debug[1 + debug[0]]);
      debug[4 + debug[0]] = slot * 16;
      debug[0] += 4;
      return good;
    case Builtin::Shutdown:
      if (!(rights & 16))
        return fault(FaultCode::TenantRight, 4);
      control[0] = 1;
      return good;
    default:
      return fault(FaultCode::UnknownOpcode, code);
    }
  }

  Fault runUser(uint32_t code, const uint32_t *a, uint32_t tenant, uint32_t slot) {
    if (code == 65)
      return {uint32_t(FaultCode::User) + 7, a[0]};
    if (code == 67)
      return good;
    uint32_t handle = a[0];
    if (handle < abi::SystemBufferCount)
      return handle == 0 ? fault(FaultCode::BufferHandle, handle) : fault(FaultCode::TenantRight, handle);
    if (handle >= rows.size())
      return fault(FaultCode::BufferHandle, handle);
    Row &row = rows[handle];
    if (!(row.tenants >> tenant & 1))
      return fault(FaultCode::TenantRight, handle);
    uint32_t access = code == 64 || code == 9 ? abi::AccessWrite : abi::AccessReadWrite;
    if ((row.access & access) != access)
      return fault(FaultCode::BufferAccess, handle);
    uint32_t at = code == 64 ? a[1] : code == 66 ? slot : 0;
    if (code != 70 && at >= row.words.size())
      return fault(FaultCode::BufferBounds, at);
    switch (code) {
    case 64:
      row.words[at] = a[2];
      break;
    case 66:
      ++row.words[at];
      break;
    case 9:
      row.words[0] = 0;
      for (uint32_t i = 1; i <= 8; ++i)
        row.words[0] += a[i];
      break;
    default:
      for (uint32_t &word : row.words)
        word += a[1];
    }
    return good;
  }

  /// Words that an opcode must have, and those that it has; none for what cannot be packed.
  static std::optional<std::pair<uint32_t, uint32_t>> arity(uint32_t code, bool blocks) {
    switch (code) {
    case 0:
      return {{0, 0}};
    case 1:
    case 2:
    case 3:
      return {{2, 2}};
    case 4:
      return {{3, 4}};
    case 5:
    case 64:
      return {{3, 3}};
    case 6:
      return {{2, 4}};
    case 65:
    case 66:
    case 67:
      return {{1, 1}};
    case 9:
      return {{9, 9}};
    case 70:
      if (blocks)
        return {{2, 2}};
    }
    return std::nullopt;
  }

  Fault runPacked(const abi::Slot &slot, uint32_t number, bool blocks) {
    const auto *bytes = reinterpret_cast<const uint8_t *>(slot.args);
    uint32_t n = bytes[0], total = bytes[1];
    if (n > 23)
      return fault(FaultCode::PackedCount, n);
    uint32_t metadata = (2 + 2 * n + 3) / 4;
    if (total > 12 - metadata)
      return fault(FaultCode::PackedMetadata, total);
    for (uint32_t k = 0; k < n; ++k) {
      auto words = arity(bytes[2 + 2 * k], blocks);
      if (!words)
        return fault(FaultCode::PackedOpcode, k);
      if (bytes[3 + 2 * k] + words->first > total)
        return fault(FaultCode::PackedArgRange, k);
    }
    for (uint32_t k = 0; k < n; ++k) {
      uint32_t code = bytes[2 + 2 * k], offset = bytes[3 + 2 * k], end = total, args[12] = {};
      for (uint32_t j = 0; j < n; ++j)
        if (bytes[3 + 2 * j] > offset)
          end = std::min<uint32_t>(end, bytes[3 + 2 * j]);
      auto [required, all] = *arity(code, blocks);
      for (uint32_t i = 0; i < all; ++i)
        if (i < required || offset + i < end)
          args[i] = slot.args[metadata + offset + i];
      if (Fault bad = run(code, args, slot.tenant, number); bad != good)
        return {bad.code, k};
    }
    return good;
  }

  Fault run(const abi::Slot &slot, uint32_t number, bool blocks) {
    if (slot.tenant > abi::EngineTenant)
      return fault(FaultCode::TenantRange, slot.tenant);
    if (slot.opcode == uint32_t(Builtin::PackedSlot))
      return runPacked(slot, number, blocks);
    return run(slot.opcode, slot.args, slot.tenant, number);
  }
};

//===----------------------------------------------------------------------===//
// Kernels on memory of the test
//===----------------------------------------------------------------------===//

/// Words behind each piece of memory that nobody may touch.
constexpr uint32_t Canary = 0xCA9A87FE, Canaries = 64;

class Prelude : public testing::TestWithParam<std::tuple<std::string, bool>> {
protected:
  static constexpr uint32_t Table = 3, Foreign = 4, WriteOnly = 5, Data = 6, ReadOnly = 7;

  void SetUp() override {
    auto present = createDevice(std::get<0>(GetParam()));
    if (!present)
      GTEST_SKIP() << present.error().message;
    // The cases of one parameter share what takes long to make.
    if (!device || madeFor != GetParam()) {
      forget();
      device = std::move(*present);
      auto made = CompileService::create(readSource(blocks()), "prelude.mlir",
                                         {.compiler = {.prelude = true}, .isolation = Isolation::None});
      ASSERT_TRUE(made) << made.error().message;
      compiler = std::move(*made);
      const CodeTarget &target = device->info().target;
      load(plain, compiler->compile({.kind = CompileRequest::Interpreter,
                                     .target = target,
                                     .scope = blocks() ? Scope::Block : Scope::Lane}));
      load(packed, compiler->compile({.kind = CompileRequest::PackedInterpreter, .target = target}));
      madeFor = GetParam();
    }

    model.control.resize(ControlWords);
    for (uint32_t i = 0; i < ControlWords; ++i)
      model.control[i] = 1000 + i;
    model.control[2] = 3;
    std::fill_n(&model.control[3], 29, ~0u);
    model.control[147] = 0;
    model.debug.resize(1 + 4 * DebugRecords);
    model.rows.resize(8);
    Words table(3 * 256);
    for (uint32_t i = 0; i < table.size(); ++i)
      table[i] = i * 7 % 3;
    table[2 * 256 + 255] = 3;
    model.rows[Table] = {table, ~0u, abi::AccessRead};
    model.rows[Foreign] = {table, ~1u, abi::AccessRead};
    model.rows[WriteOnly] = {table, ~0u, abi::AccessWrite};
    model.rows[Data] = {Words(100, 5), ~0u, abi::AccessReadWrite};
    model.rows[ReadOnly] = {Words(10, 6), ~0u, abi::AccessRead};
  }
  static void TearDownTestSuite() { forget(); }
  static void forget() {
    plain.reset();
    packed.reset();
    compiler.reset();
    device.reset();
  }

  bool blocks() const { return std::get<1>(GetParam()); }

  void load(std::shared_ptr<Kernel> &to, Expected<KernelCode> code) {
    ASSERT_TRUE(code) << code.error().message;
    auto kernel = device->load(*code);
    ASSERT_TRUE(kernel) << kernel.error().message;
    to = std::move(*kernel);
  }

  uint64_t upload(std::span<const std::byte> bytes) {
    auto address = device->allocate(bytes.size());
    EXPECT_TRUE(address) << address.error().message;
    EXPECT_TRUE(device->copyToDevice(*address, bytes));
    owned.push_back(*address);
    return *address;
  }
  uint64_t uploadWords(Words words) {
    words.resize(words.size() + Canaries, Canary);
    return upload(std::as_bytes(std::span(words)));
  }
  void checkWords(uint64_t address, Words want, const std::string &what) {
    want.resize(want.size() + Canaries, Canary);
    Words got(want.size());
    ASSERT_TRUE(device->copyFromDevice(address, std::as_writable_bytes(std::span(got))));
    for (size_t i = 0; i < want.size(); ++i)
      ASSERT_EQ(got[i], want[i]) << what << ", word " << i;
  }

  /// Runs slots that do not disturb each other, and compares all memory with the model.
  void run(const std::vector<abi::Slot> &slots, const std::string &what, uint32_t workgroups = 2,
           uint32_t workgroupSize = 64) {
    SCOPED_TRACE(what);
    bool isPacked = slots[0].opcode == uint32_t(Builtin::PackedSlot);
    std::vector<abi::BufferEntry> rows(model.rows.size());
    auto row = [&](const Words &words, uint32_t tenants, uint32_t access) {
      return abi::BufferEntry{uploadWords(words), words.size() * 4, tenants, access};
    };
    rows[abi::ControlBuffer] = row(model.control, 0, abi::AccessReadWrite);
    rows[abi::DebugBuffer] = row(model.debug, 0, abi::AccessReadWrite);
    for (size_t i = abi::SystemBufferCount; i < rows.size(); ++i)
      rows[i] = row(model.rows[i].words, model.rows[i].tenants, model.rows[i].access);
    Words ring(slots.size() * 16);
    std::memcpy(ring.data(), slots.data(), slots.size() * sizeof(abi::Slot));

    Launch launch;
    launch.kernel = (isPacked ? packed : plain).get();
    launch.workgroups = workgroups;
    launch.workgroupSize = workgroupSize;
    launch.params.items = slots.size();
    launch.params.input = uploadWords(ring);
    launch.params.buffers = upload(std::as_bytes(std::span(rows)));
    launch.params.bufferCount = rows.size();
    launch.params.faults = uploadWords(Words(slots.size() * 4));
    launch.params.faultCount = uploadWords({0});
    launch.params.hits = uploadWords(Words(slots.size() * 4));
    launch.params.hitCapacity = slots.size();
    launch.params.hitCount = uploadWords({0});
    auto ran = device->run(std::span(&launch, 1));
    ASSERT_TRUE(ran) << ran.error().message;

    std::vector<std::pair<uint32_t, Fault>> faults;
    for (uint32_t i = 0; i < slots.size(); ++i) {
      Fault bad = model.run(slots[i], i, blocks());
      bool done = bad == good;
      ring[i * 16] = uint32_t(done ? abi::SlotStatus::Done : abi::SlotStatus::Fault);
      if (done)
        continue;
      ring[i * 16 + 8] = bad.code;
      ring[i * 16 + 9] = bad.detail;
      faults.emplace_back(i, bad);
    }
    checkWords(launch.params.input, ring, "slots");
    checkWords(rows[abi::ControlBuffer].base, model.control, "control words");
    checkWords(rows[abi::DebugBuffer].base, model.debug, "debug log");
    for (size_t i = abi::SystemBufferCount; i < rows.size(); ++i)
      checkWords(rows[i].base, model.rows[i].words, "buffer " + std::to_string(i));
    checkWords(launch.params.faultCount, {uint32_t(faults.size())}, "fault count");
    last = faults;
    for (uint64_t address : owned)
      device->release(address);
    owned.clear();
  }
  /// One slot, and what it must come to.
  void runOne(const abi::Slot &slot, const Fault &want) {
    std::ostringstream what;
    what << "opcode " << slot.opcode << " tenant " << slot.tenant << " args";
    for (uint32_t arg : slot.args)
      what << " " << arg;
    run({slot}, what.str());
    EXPECT_EQ(last.empty() ? good : last[0].second, want) << what.str();
  }

  static inline ParamType madeFor;
  static inline std::unique_ptr<Device> device;
  static inline std::unique_ptr<CompileService> compiler;
  static inline std::shared_ptr<Kernel> plain, packed;
  Model model;
  std::vector<uint64_t> owned;
  std::vector<std::pair<uint32_t, Fault>> last;
};

constexpr uint32_t W = ControlWords;
const uint32_t boundaries[] = {0, 159, 160, W - 1, W, Last - 160, Last};

TEST_P(Prelude, StoreAndAddAtEveryBoundary) {
  for (uint32_t rights : {~0u, ~2u}) {
    model.control[3 + 5] = rights;
    for (uint32_t i : boundaries) {
      Fault want = i >= W                     ? fault(FaultCode::ControlIndex, i)
                   : i < 160 && !(rights & 2) ? fault(FaultCode::ControlProtected, i)
                                              : good;
      runOne(makeSlot(Builtin::StoreU32, {0xFFFFFFF0, i}, 5), want);
      runOne(makeSlot(Builtin::AtomicAdd, {0x20, i}, 5), want);
    }
  }
  EXPECT_EQ(model.control[160], 0x10u);
}

TEST_P(Prelude, LoadAtEveryBoundary) {
  model.control[3 + 1] = ~2u;
  for (uint32_t i : boundaries)
    for (uint32_t o : {0u, Observables - 1, Observables, Last - 160, Last - 159, Last}) {
      Fault want = i >= W             ? fault(FaultCode::ControlIndex, i)
                   : o >= Observables ? fault(FaultCode::ObservableIndex, o)
                                      : good;
      runOne(makeSlot(Builtin::LoadU32, {i, o}, 1), want);
    }
}

TEST_P(Prelude, CompareSwapAtEveryBoundary) {
  for (uint32_t rights : {~0u, ~2u}) {
    model.control[3 + 28] = rights;
    for (uint32_t i : boundaries)
      for (uint32_t result : {0u, 1u, Observables, Observables + 1, Last})
        for (bool equal : {false, true}) {
          uint32_t expected = i < W ? model.control[i] + !equal : 7;
          runOne(makeSlot(Builtin::CompareSwap, {i, expected, 77, result}, 28),
                 i >= W                            ? fault(FaultCode::ControlIndex, i)
                 : i < 160 && !(rights & 2)        ? fault(FaultCode::ControlProtected, i)
                 : result == 0 && i >= Observables ? fault(FaultCode::ObservableIndex, i)
                 : result > Observables            ? fault(FaultCode::ObservableIndex, result - 1)
                                                   : good);
        }
  }
}

TEST_P(Prelude, MemcpyChecksItsRanges) {
  auto copy = [&](uint32_t from, uint32_t to, uint32_t count, const Fault &want, uint32_t tenant = 0) {
    runOne(makeSlot(Builtin::Memcpy, {from, to, count}, tenant), want);
  };
  copy(0, 160, 0, good);
  copy(Last, Last, 0, good);
  copy(40, 160, Observables, good);
  copy(W - 1, 40, 1, good);
  copy(40, 160, Observables + 1, fault(FaultCode::RangeOverflow, W));
  copy(160, 40, Observables + 1, fault(FaultCode::RangeOverflow, W));
  copy(W, 40, 1, fault(FaultCode::RangeOverflow, W));
  copy(W + 5, 40, 1, fault(FaultCode::RangeOverflow, W + 5));
  copy(40, Last, 1, fault(FaultCode::RangeOverflow, Last));
  copy(2, 40, Last, fault(FaultCode::RangeOverflow, W));
  copy(Last, Last, Last, fault(FaultCode::RangeOverflow, Last));
  // Forwards it would smear, backwards it is memmove; onto itself nothing changes.
  copy(100, 101, 2, fault(FaultCode::MemcpyOverlap, 2));
  copy(100, 101, 1, good);
  copy(100, 102, 2, good);
  copy(101, 100, 20, good);
  copy(100, 100, 20, good);
  model.control[3 + 4] = ~2u;
  copy(100, 159, 2, fault(FaultCode::ControlProtected, 159), 4);
  copy(0, 160, 2, good, 4);
  copy(3, 159, 0, good, 4);
}

TEST_P(Prelude, DfaStepChecksItsTable) {
  auto step = [&](Words args, const Fault &want, uint32_t tenant = 0) {
    runOne(makeSlot(Builtin::DfaStep, args, tenant), want);
  };
  step({1, 65, 2, Table}, good);
  step({2, 254, Observables - 1, Table}, good);
  for (uint32_t handle : {0u, 1u, 2u, 8u, Last, Foreign, WriteOnly})
    step({0, 0, 0, handle}, fault(FaultCode::DfaTable, handle));
  step({0, 0, 0, Foreign}, good, 1);
  step({3, 256, 99, 0}, fault(FaultCode::DfaTable, 0));
  step({3, 256, 99, Table}, fault(FaultCode::DfaSymbol, 256));
  step({0, Last, 0, Table}, fault(FaultCode::DfaSymbol, Last));
  step({3, 0, 99, Table}, fault(FaultCode::DfaState, 3));
  step({0x01000000, 0, 0, Table}, fault(FaultCode::DfaState, 0x01000000));
  step({2, 255, Observables, Table}, fault(FaultCode::ObservableIndex, Observables));
  step({2, 255, Last, Table}, fault(FaultCode::ObservableIndex, Last));
  step({2, 255, 0, Table}, fault(FaultCode::DfaState, 3));
  // A table that is too short for one state has none.
  model.rows[Table].words.resize(255);
  step({0, 0, 0, Table}, fault(FaultCode::DfaState, 0));
}

TEST_P(Prelude, FencesKnowTheirPlace) {
  model.control[128] = Last;
  std::vector<abi::Slot> slots(4, makeSlot(Builtin::Nop, {}));
  slots[3] = makeSlot(Builtin::BatchFence, {4, 9});
  run(slots, "too far");
  EXPECT_EQ(last, (std::vector<std::pair<uint32_t, Fault>>{{3, fault(FaultCode::FenceRange, 4)}}));
  EXPECT_EQ(model.control[128], Last);
  slots[3] = makeSlot(Builtin::BatchFence, {3, 0xBEEF});
  run(slots, "exactly");
  EXPECT_EQ(model.control[128], 0u);
  EXPECT_EQ(model.control[160], 0xBEEFu);
  runOne(makeSlot(Builtin::BatchFence, {0, 5}), good);
  runOne(makeSlot(Builtin::BatchFence, {Last, 5}), fault(FaultCode::FenceRange, Last));
  model.control.resize(160);
  runOne(makeSlot(Builtin::BatchFence, {0, 5}), good);
  EXPECT_EQ(model.control[128], 2u);
}

TEST_P(Prelude, RightsDecide) {
  for (uint32_t bit : {0u, 1u, 3u, 4u}) {
    model.control[3 + 9] = ~(1u << bit);
    Fault lacks = fault(FaultCode::TenantRight, bit);
    runOne(makeSlot(Builtin::Shutdown, {}, 9), bit == 0 || bit == 4 ? lacks : good);
    runOne(makeSlot(Builtin::Printf, {1, 2, 3}, 9), bit == 0 || bit == 3 ? lacks : good);
    runOne(makeSlot(Builtin::LoadU32, {0, 0}, 9), bit == 0 ? lacks : good);
    runOne(makeSlot(Builtin::StoreU32, {4, 161}, 9), bit == 0 ? lacks : good);
    runOne(makeSlot(Builtin::BatchFence, {0, 1}, 9), bit == 0 ? lacks : good);
    runOne(makeSlot(Builtin::DfaStep, {0, 0, 0, Table}, 9), bit == 0 ? lacks : good);
    runOne(makeSlot(Builtin::Nop, {}, 9), good);
  }
  for (uint32_t tenant : {0u, 28u})
    runOne(makeSlot(Builtin::StoreU32, {4, 161}, tenant), good);
  // The engine publishes no built-in opcodes, and has no rights.
  runOne(makeSlot(Builtin::StoreU32, {4, 161}, abi::EngineTenant), fault(FaultCode::TenantRight, 0));
  for (uint32_t tenant : {30u, 31u, 60u, 61u, Last}) {
    runOne(makeSlot(Builtin::StoreU32, {4, 161}, tenant), fault(FaultCode::TenantRange, tenant));
    runOne(packRaw({{1, {4, 161}}}, tenant), fault(FaultCode::TenantRange, tenant));
  }
}

TEST_P(Prelude, WithoutControlWordsNothingIsBound) {
  model.control.resize(159);
  for (Builtin opcode : {Builtin::StoreU32, Builtin::AtomicAdd, Builtin::LoadU32, Builtin::CompareSwap, Builtin::Memcpy,
                         Builtin::DfaStep, Builtin::BatchFence, Builtin::Printf, Builtin::Shutdown})
    runOne(makeSlot(opcode, {}), fault(FaultCode::OpcodeNotBound, uint32_t(opcode)));
  runOne(makeSlot(Builtin::Nop, {}), good);
}

TEST_P(Prelude, UnknownOpcodesFault) {
  for (uint32_t opcode : {8u, 301u, 0xFFFDu, 0x80000000u, 0x80000002u, Last - 1})
    runOne(makeSlot(opcode, {}), fault(FaultCode::UnknownOpcode, opcode));
}

TEST_P(Prelude, PrintfCountsWhatDoesNotFit) {
  for (uint32_t i = 0; i < DebugRecords + 3; ++i)
    runOne(makeSlot(Builtin::Printf, {i + 1, i, Last}), good);
  EXPECT_EQ(model.debug[0], 4 * DebugRecords);
  EXPECT_EQ(model.control[147], 3u);
}

TEST_P(Prelude, PackedCountsOfEverySize) {
  for (uint32_t n = 0; n <= 24; ++n) {
    std::vector<Op> ops(std::min(n, 23u), {uint32_t(Builtin::Nop), {}});
    abi::Slot slot = packRaw(ops);
    slot.args[0] = (slot.args[0] & ~0xFFu) | n;
    runOne(slot, n <= 23 ? good : fault(FaultCode::PackedCount, 24));
  }
  abi::Slot slot = packRaw({});
  slot.args[0] = 0xFFFF;
  runOne(slot, fault(FaultCode::PackedCount, 255));
  slot.args[0] = 11 << 8;
  runOne(slot, good);
  slot.args[0] = 12 << 8;
  runOne(slot, fault(FaultCode::PackedMetadata, 12));
}

TEST_P(Prelude, PackedOffsetsAndArities) {
  const uint32_t codes[] = {0, 1, 4, 5, 6, 9, 64, 66};
  for (uint32_t code : codes)
    for (uint32_t total = 0; total <= 11; ++total)
      for (uint32_t offset : {0u, 1u, total / 2, total, total + 1, 255u}) {
        abi::Slot slot = makeSlot(Builtin::PackedSlot, {1 | total << 8 | code << 16 | offset << 24});
        for (uint32_t i = 1; i < 12; ++i)
          slot.args[i] = i == 1 + offset && code >= 8 ? Data : 160 + i % 4;
        run({slot}, "opcode " + std::to_string(code) + ", " + std::to_string(total) + " words, offset " +
                        std::to_string(offset));
      }
}

TEST_P(Prelude, OptionalArgumentsOfOperationsEndAtTheNextOne) {
  // As wide as it is the result goes to observable 2; followed by another operation there is no fourth word.
  runOne(packRaw({{4, {160, model.control[160], 5, 3}}}), good);
  EXPECT_EQ(model.control[162], 1160u);
  runOne(packRaw({{4, {160, 5, 6}}, {1, {77, 161}}}), fault(FaultCode::ObservableIndex, 0));
  EXPECT_EQ(model.control[161], 1161u);
  runOne(packRaw({{4, {160, 5, 6, 4}}, {1, {77, 161}}}), good);
  EXPECT_EQ(model.control[163], 5u);
  EXPECT_EQ(model.control[161], 77u);
  runOne(packRaw({{6, {1, 65}}, {1, {Table, 161}}}), fault(FaultCode::DfaTable, 0));
  runOne(packRaw({{6, {1, 65, 0, Table}}, {1, {4, 161}}}), good);
}

TEST_P(Prelude, PackedRefusesBadOpcodes) {
  for (uint32_t code : {7u, 8u, 63u, 255u, 253u, 44u /* the low byte of 300 */}) {
    runOne(packRaw({{1, {3, 161}}, {code, {0, 0}}, {1, {3, 162}}}), fault(FaultCode::PackedOpcode, 1));
    runOne(packRaw({{code, {}}}), fault(FaultCode::PackedOpcode, 0));
  }
  // The first that is wrong counts, and nothing has run.
  runOne(packRaw({{1, {3, 161}}, {1, {9}}, {7, {}}}), fault(FaultCode::PackedArgRange, 1));
  runOne(packRaw({{1, {3, 161}}, {7, {}}, {1, {9}}}), fault(FaultCode::PackedOpcode, 1));
  EXPECT_EQ(model.control[161], 1161u);
}

TEST_P(Prelude, PackedStopsAtTheFirstFault) {
  runOne(packRaw({{1, {1, 161}}, {65, {9}}, {1, {2, 162}}}), {uint32_t(FaultCode::User) + 7, 1});
  EXPECT_EQ(model.control[161], 1u);
  EXPECT_EQ(model.control[162], 1162u);
  runOne(packRaw({{2, {1, 161}}, {2, {1, 161}}, {1, {2, W}}, {2, {1, 161}}}), fault(FaultCode::ControlIndex, 2));
  EXPECT_EQ(model.control[161], 3u);
  // A right that an operation takes away is missed by the next.
  runOne(packRaw({{1, {0, 3 + 6}}, {1, {2, 162}}}, 6), fault(FaultCode::TenantRight, 1));
}

TEST_P(Prelude, PackedVectors) {
  runOne(makeSlot(Builtin::PackedSlot, {0x00010402, 0x00000202, 10, 32, 1, 64}, 7), good);
  EXPECT_EQ(model.control[32], 10u);
  EXPECT_EQ(model.control[64], 1065u);
  runOne(makeSlot(Builtin::PackedSlot, {0x00010804, 0x04010201, 0x00000601, 1, 2, 1, 2, 1, 2, 1, 2}), good);
  // Too few arguments: the last operation has one of two; the second has one of two.
  runOne(makeSlot(Builtin::PackedSlot, {0x00020606, 0x02020102, 0x04020302, 0x00000502, 1, 1, 1, 1, 1, 1}),
         fault(FaultCode::PackedArgRange, 5));
  runOne(makeSlot(Builtin::PackedSlot, {0x00090a02, 0x00000901, Data, 1, 1, 1, 1, 1, 1, 1, 1, 2}),
         fault(FaultCode::PackedArgRange, 1));
}

TEST_P(Prelude, PackedSlotsOfRandomBytes) {
  std::mt19937 rng(2026);
  for (uint32_t round = 0; round < 400; ++round) {
    std::vector<Op> ops;
    uint32_t room = 11;
    for (uint32_t k = rng() % 5; k > 0; --k) {
      const uint32_t codes[] = {0, 1, 2, 3, 4, 5, 6, 64, 65, 66, 7, 70};
      Op op{codes[rng() % std::size(codes)], Words(std::min(room, uint32_t(rng() % 5)))};
      for (uint32_t &word : op.words)
        word = rng() % 3 ? rng() % 12 : 156 + rng() % 16;
      room -= uint32_t(op.words.size());
      ops.push_back(op);
    }
    abi::Slot slot = packRaw(ops, rng() % 29);
    if (rng() % 4 == 0)
      slot.args[rng() % 4] ^= 1u << rng() % 32;
    run({slot}, "round " + std::to_string(round));
  }
}

TEST_P(Prelude, GridsOfEverySize) {
  // More slots than threads, as many, fewer; each writes a word of its own.
  for (auto [groups, size] : {std::pair(1u, 1u), {1u, 32u}, {3u, 64u}, {16u, 128u}}) {
    std::vector<abi::Slot> plainSlots, packedSlots;
    for (uint32_t i = 0; i < 97; ++i) {
      plainSlots.push_back(makeSlot(64, {Data, i, i + groups}));
      packedSlots.push_back(packRaw({{66, {Data}}, {64, {Data, i, 3 * i}}, {66, {i % 3 == 0 ? Last : Data}}}));
    }
    run(plainSlots, "plain", groups, size);
    run(packedSlots, "packed", groups, size);
  }
}

TEST_P(Prelude, PackedTeams) {
  if (!blocks())
    GTEST_SKIP() << "the ISA has no opcode of block scope";
  runOne(packRaw({{64, {Data, 3, 10}}, {70, {Data, 1}}, {64, {Data, 4, 2}}}), good);
  EXPECT_EQ(model.rows[Data].words[3], 11u);
  EXPECT_EQ(model.rows[Data].words[4], 2u);
  EXPECT_EQ(model.rows[Data].words[99], 6u);
  runOne(packRaw({{70, {Data, 1}}, {70, {ReadOnly, 1}}, {70, {Data, 1}}}), fault(FaultCode::BufferAccess, 1));
  EXPECT_EQ(model.rows[Data].words[99], 7u);
}

//===----------------------------------------------------------------------===//
// Engines
//===----------------------------------------------------------------------===//

class PreludeEngine : public testing::TestWithParam<std::tuple<std::string, bool>> {
protected:
  void SetUp() override {
    std::string device = std::get<0>(GetParam());
    if (auto present = createDevice(device); !present)
      GTEST_SKIP() << present.error().message;
    options.device = device;
    options.prelude = true;
    options.policy.hotOpcodeThreshold = 1;
    options.policy.hotWindowThreshold = 1;
    open();
  }
  void open() {
    auto opened = openEngine(readSource(std::get<1>(GetParam())), "prelude.mlir", options);
    ASSERT_TRUE(opened) << opened.error().message;
    engine = std::move(*opened);
  }
  BatchResult run(const std::vector<abi::Slot> &slots) {
    Batch batch(engine->isa());
    batch.addSlots(slots);
    return run(batch);
  }
  BatchResult run(const Batch &batch) {
    auto ticket = engine->submit(batch);
    EXPECT_TRUE(ticket) << ticket.error().message;
    auto result = ticket ? engine->wait(*ticket) : tl::unexpected(ticket.error());
    EXPECT_TRUE(result) << result.error().message;
    return result ? std::move(*result) : BatchResult();
  }
  Error refusal(const std::vector<abi::Slot> &slots) {
    Batch batch(engine->isa());
    batch.addSlots(slots);
    auto ticket = engine->submit(batch);
    EXPECT_FALSE(ticket);
    return ticket ? Error() : ticket.error();
  }
  Words control(uint32_t first, uint32_t count) {
    auto words = engine->readControl(first, count);
    EXPECT_TRUE(words) << words.error().message;
    return words ? *words : Words();
  }
  static std::vector<std::tuple<uint32_t, uint32_t, uint32_t>> faultsOf(const BatchResult &result) {
    std::vector<std::tuple<uint32_t, uint32_t, uint32_t>> faults;
    for (const SlotFault &fault : result.faults)
      faults.emplace_back(fault.slot, fault.code, fault.detail);
    return faults;
  }

  OpenOptions options = [] {
    OpenOptions options;
    options.promotion.mode = JitMode::Always;
    return options;
  }();
  std::unique_ptr<Engine> engine;
};

TEST_P(PreludeEngine, ControlWordsBeginAsTheyShould) {
  Words want(160 + 64);
  want[2] = 3;
  std::fill_n(&want[3], 29, ~0u);
  want[141] = abi::Version;
  EXPECT_EQ(control(0, 160 + 64), want);
  auto beyond = engine->readControl(160, 65);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(beyond.error().message, "65 words from word 160 on are not inside the control words, of which there are "
                                    "224; EngineOptions::observables says how many");
  EXPECT_FALSE(engine->writeControl(Last, Words{1}));
  ASSERT_TRUE(engine->writeControl(223, Words{8}));
  EXPECT_EQ(control(222, 2), (Words{0, 8}));
}

TEST_P(PreludeEngine, OptionsSetSizesAndRights) {
  options.observables = 1;
  options.debugRecords = 0;
  options.tenantRights = {abi::RightExecute, ~0u};
  open();
  EXPECT_EQ(control(3, 3), (Words{1, ~0u, ~0u}));
  EXPECT_FALSE(engine->readControl(161, 1));
  BatchResult result = run({makeSlot(Builtin::Shutdown, {}), makeSlot(Builtin::Printf, {1}, 1)});
  EXPECT_EQ(faultsOf(result), (decltype(faultsOf(result)){{0, uint32_t(FaultCode::TenantRight), 4}}));
  EXPECT_EQ(engine->readDebugLog()->dropped, 1u);
}

TEST_P(PreludeEngine, SlotsCannotNameMemoryOfTheEngine) {
  auto buffer = engine->allocate(ElementType::I32, 4);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(*buffer, 3u);
  for (uint32_t handle : {1u, 2u}) {
    BatchResult result = run({makeSlot(64, {handle, 0, 1})});
    EXPECT_EQ(faultsOf(result), (decltype(faultsOf(result)){{0, uint32_t(FaultCode::TenantRight), handle}}));
    EXPECT_FALSE(engine->release(handle));
    std::byte bytes[4];
    EXPECT_FALSE(engine->read(handle, 0, bytes));
  }
}

TEST_P(PreludeEngine, FencesComeLast) {
  const uint32_t n = 3000;
  auto buffer = engine->allocate(ElementType::I32, n);
  ASSERT_TRUE(buffer);
  for (uint32_t round = 0; round < 3; ++round) {
    // The second fence covers the first; one item in ten faults.
    std::vector<abi::Slot> slots;
    for (uint32_t i = 0; i < n; ++i)
      slots.push_back(i % 10 == 9 ? makeSlot(65, {i}) : makeSlot(64, {*buffer, i, i}));
    slots.insert(slots.begin() + 1000, makeSlot(Builtin::BatchFence, {1000, 0xBEEF}));
    slots.push_back(makeSlot(Builtin::BatchFence, {n + 1, 0xF00D}));
    slots.push_back(makeSlot(Builtin::BatchFence, {0, 7 + round}));
    ASSERT_TRUE(engine->writeControl(128, Words{Last - 1 + round}));
    BatchResult result = run(slots);
    engine->waitForPromotions();
    EXPECT_EQ(result.faults.size(), n / 10);
    EXPECT_EQ(control(128, 1), Words{Last + 2 + round});
    EXPECT_EQ(control(160, 1), Words{7 + round});
    uint32_t fences = 0;
    for (size_t i = 0; i < result.runs.size(); ++i) {
      bool fence = result.runs[i].what == "fence";
      fences += fence;
      EXPECT_EQ(fence, i + 3 >= result.runs.size()) << "fences are not the last launches";
    }
    EXPECT_EQ(fences, 3u);
  }
  for (const Promotion &promotion : engine->promotions())
    EXPECT_TRUE(promotion.what == "put" || promotion.what == "complain") << promotion.what;
  EXPECT_GE(engine->promotions().size(), 2u);
}

TEST_P(PreludeEngine, FenceAlone) {
  run({makeSlot(Builtin::BatchFence, {0, 3})});
  EXPECT_EQ(control(128, 1), Words{1});
  EXPECT_EQ(control(160, 1), Words{3});
}

TEST_P(PreludeEngine, WindowsWithBuiltinsStayWithTheInterpreter) {
  std::vector<abi::Slot> window = {makeSlot(Builtin::StoreU32, {5, 160}), makeSlot(Builtin::AtomicAdd, {2, 160}),
                                   makeSlot(Builtin::LoadU32, {160, 1}), makeSlot(Builtin::Printf, {1, 2, 3})};
  for (uint32_t round = 0; round < 2; ++round) {
    Batch batch(engine->isa());
    batch.addSlots(std::vector{makeSlot(Builtin::Nop, {})});
    ASSERT_TRUE(batch.addWindow(window));
    BatchResult result = run(batch);
    engine->waitForPromotions();
    EXPECT_TRUE(result.faults.empty());
    for (const TierRun &launch : result.runs)
      EXPECT_EQ(launch.tier, Tier::Interpreter);
    EXPECT_EQ(control(160, 2), (Words{7, 7}));
  }
  EXPECT_TRUE(engine->promotions().empty());
  auto log = engine->readDebugLog();
  ASSERT_TRUE(log);
  EXPECT_EQ(log->records, (std::vector<DebugRecord>{{1, 2, 3, 4}, {1, 2, 3, 4}}));
}

TEST_P(PreludeEngine, SixtyFiveRecords) {
  std::vector<abi::Slot> slots;
  for (uint32_t i = 0; i < 65; ++i)
    slots.push_back(makeSlot(Builtin::Printf, {i + 1, 2 * i, 3 * i}));
  EXPECT_TRUE(run(slots).faults.empty());
  auto log = engine->readDebugLog();
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ(log->records.size(), 64u);
  EXPECT_EQ(log->dropped, 1u);
  std::sort(log->records.begin(), log->records.end());
  EXPECT_EQ(std::adjacent_find(log->records.begin(), log->records.end()), log->records.end());
  for (const DebugRecord &record : log->records)
    EXPECT_EQ(record, (DebugRecord{record.slot + 1, 2 * record.slot, 3 * record.slot, record.slot}));
  ASSERT_TRUE(engine->clearDebugLog());
  run({makeSlot(Builtin::Nop, {}), makeSlot(Builtin::Printf, {7})});
  log = engine->readDebugLog();
  EXPECT_EQ(log->records, (std::vector<DebugRecord>{{7, 0, 0, 1}}));
  EXPECT_EQ(log->dropped, 0u);
}

TEST_P(PreludeEngine, PackedSlotsKnowTheirSlotAndAppendHits) {
  auto buffer = engine->allocate(ElementType::I32, 300);
  ASSERT_TRUE(buffer);
  Batch batch(engine->isa());
  Words want(300);
  for (uint32_t i = 0; i < 300; ++i) {
    if (i % 3) {
      ASSERT_TRUE(batch.pack(std::vector<PackedOp>{{66, {*buffer}}, {67, {i}}, {66, {*buffer}}}));
      want[i] = 2;
    } else {
      batch.addSlots(std::vector{makeSlot(64, {*buffer, i, 9})});
      want[i] = 9;
    }
  }
  BatchResult result = run(batch);
  EXPECT_TRUE(result.faults.empty());
  Words got(300);
  ASSERT_TRUE(engine->read(*buffer, 0, std::as_writable_bytes(std::span(got))));
  EXPECT_EQ(got, want);
  EXPECT_EQ(result.hits.size() + result.hitsDropped, 200u);
  ASSERT_FALSE(result.hits.empty());
  for (const Hit &hit : result.hits)
    EXPECT_EQ(hit.slot, hit.values[0]);
}

TEST_P(PreludeEngine, RevokedTenantsDoNothing) {
  ASSERT_TRUE(engine->writeControl(3 + 2, Words{0}));
  BatchResult result = run({makeSlot(Builtin::StoreU32, {1, 160}, 2), makeSlot(Builtin::StoreU32, {1, 161}, 1)});
  EXPECT_EQ(faultsOf(result), (decltype(faultsOf(result)){{0, uint32_t(FaultCode::TenantRight), 0}}));
  EXPECT_EQ(control(160, 2), (Words{0, 1}));
}

TEST_P(PreludeEngine, PublicationRefuses) {
  auto check = [&](const abi::Slot &slot, ErrorCode code, const char *message) {
    Error error = refusal({makeSlot(Builtin::Nop, {}), slot});
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_EQ(error.message, message);
  };
  check(makeSlot(Builtin::LoadMiss, {42, 1}), ErrorCode::Unsupported,
        "slot 1 has opcode 65533, LOAD_MISS (opcode_not_bound), which nothing serves");
  check(makeSlot(0x80000000u, {}), ErrorCode::OpcodeReserved,
        "slot 1 has opcode 2147483648, which is reserved for the system");
  check(makeSlot(301, {}), ErrorCode::NotFound, "slot 1 has opcode 301, which the ISA does not have");
  check(makeSlot(Builtin::BatchFence, {2, 0}), ErrorCode::FenceRange,
        "slot 1 is a fence over the 2 slots before it, but there are 1");
  abi::Slot slot = packRaw({});
  slot.args[0] = 24;
  check(slot, ErrorCode::PackedCount, "slot 1 packs 24 operations, but 23 fit");
  slot.args[0] = 12 << 8;
  check(slot, ErrorCode::PackedMetadata, "slot 1 packs 0 operations with 12 argument words, but 11 fit");
  check(packRaw({{0, {}}, {7, {0, 0}}}), ErrorCode::PackedOpcode,
        "slot 1 packs opcode 7 as operation 1, but a packed slot holds opcodes of the ISA below 256 that are neither "
        "resumable nor "
        "BATCH_FENCE (7)");
  check(packRaw({{1, {1, 160}}, {2, {1}}}), ErrorCode::PackedArity,
        "slot 1 packs operation 1 with its 2 argument words from word 2 on, but there are 3");
  for (Builtin opcode : {Builtin::BatchFence, Builtin::PackedSlot}) {
    Batch batch(engine->isa());
    ASSERT_TRUE(batch.addWindow(std::vector{makeSlot(Builtin::Nop, {}), makeSlot(opcode, {})}));
    auto ticket = engine->submit(batch);
    ASSERT_FALSE(ticket);
    EXPECT_EQ(ticket.error().message, std::string("slot 1 is ") +
                                          (opcode == Builtin::BatchFence ? "BATCH_FENCE" : "PACKED_SLOT") +
                                          ", which cannot be in a window");
  }
}

//===----------------------------------------------------------------------===//
// Compilers
//===----------------------------------------------------------------------===//

TEST(PreludeCompiler, RefusesAnIsaThatTakesANumber) {
  auto made = Compiler::create("mk.opcode builtin @mk.mine code(0) scope(lane) () { mk.return }", "mine.mlir",
                               {.prelude = true});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::Malformed);
  EXPECT_EQ(made.error().message.substr(0, made.error().message.find(" defined")),
            "mine.mlir cannot be linked with the prelude:\n"
            "mine.mlir:1:1: error: has code 0, which is that of the built-in opcode @mk.nop; change it\n"
            "prelude.mlir:8:1: note: built-in opcode");
}

TEST(PreludeCompiler, MakesNoCodeOfTheirOwnForBuiltins) {
  auto made = Compiler::create(readSource(false), "prelude.mlir", {.prelude = true});
  ASSERT_TRUE(made) << made.error().message;
  uint32_t nop = *(*made)->isa().findOpcode("mk.nop");
  auto code =
      (*made)->compile({.kind = CompileRequest::Opcode, .target = {}, .opcode = nop}, CodeObject::Format::HostObject);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::InvalidArgument);
  EXPECT_EQ(code.error().message, "opcode 'mk.nop' is built in, uses memory of the engine or knows its slot, which "
                                  "only an interpreter can give");
}

INSTANTIATE_TEST_SUITE_P(Devices, Prelude, testing::Combine(testing::Values("host", "cuda:0"), testing::Bool()),
                         [](const testing::TestParamInfo<Prelude::ParamType> &info) {
                           std::string device = std::get<0>(info.param) == "host" ? "Host" : "Cuda";
                           return device + (std::get<1>(info.param) ? "Teams" : "Lanes");
                         });
INSTANTIATE_TEST_SUITE_P(Devices, PreludeEngine, testing::Combine(testing::Values("host", "cuda:0"), testing::Bool()),
                         [](const testing::TestParamInfo<Prelude::ParamType> &info) {
                           std::string device = std::get<0>(info.param) == "host" ? "Host" : "Cuda";
                           return device + (std::get<1>(info.param) ? "Teams" : "Lanes");
                         });

} // namespace
