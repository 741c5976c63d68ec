//===- FakeCode.cpp - Code for engine tests -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <gtest/gtest.h>

namespace mk::test {

Journal journal;

void Journal::reset() {
  interpretedSlots = opcodeInstances = windowInstances = violations = sharedWords = varyingWords = 0;
}

//===----------------------------------------------------------------------===//
// ISA
//===----------------------------------------------------------------------===//

Isa makeIsa() {
  ArgType in{ArgType::View, ElementType::I32, abi::AccessRead}, out{ArgType::View, ElementType::I32, abi::AccessWrite};
  ArgType buffer{ArgType::Buffer, ElementType::I32, abi::AccessReadWrite};
  ArgType wide{ArgType::View, ElementType::I64, abi::AccessWrite};
  ArgType i32{ArgType::Scalar, ElementType::I32, abi::AccessNone},
      i64{ArgType::Scalar, ElementType::I64, abi::AccessNone};
  Isa isa;
  isa.opcodes = {{"fill", Fill, Scope::Lane, {out, i32}},
                 {"add", Add, Scope::Lane, {in, in, out}},
                 {"bump", Bump, Scope::Block, {buffer, i32}},
                 {"oops", Oops, Scope::Lane, {i32}},
                 {"put", Put, Scope::Block, {wide, i64}},
                 {"emit", Emit, Scope::Lane, {i32, i32}, true},
                 {"nap", Nap, Scope::Lane, {i32}},
                 {"again", Again, Scope::Lane, {out, i32, i32}}};
  isa.opcodes.back().promotable = false;
  isa.opcodes.back().entries = 2;
  ArgType inout{ArgType::View, ElementType::I32, abi::AccessReadWrite};
  isa.windows = {{"fill_add", {inout, in, out, i32}, {{FillIndex, {0, 3}}, {AddIndex, {0, 1, 2}}}}};
  return isa;
}

static const Isa &theIsa() {
  static const Isa isa = makeIsa();
  return isa;
}

//===----------------------------------------------------------------------===//
// Semantics, shared by all tiers
//===----------------------------------------------------------------------===//

namespace {
struct Fault {
  abi::FaultCode code;
  uint32_t detail;
};
} // namespace

/// A row of the buffer table, which changes while workers stay.
static abi::BufferEntry loadRow(uint32_t handle, const abi::LaunchParams &params) {
  auto *words = reinterpret_cast<uint64_t *>(params.buffers) + size_t(handle) * abi::BufferEntryWords;
  std::array<uint64_t, abi::BufferEntryWords> row;
  for (uint64_t &word : row)
    word = std::atomic_ref(*words++).load(std::memory_order_acquire);
  return std::bit_cast<abi::BufferEntry>(row);
}

/// What the interpreter checks before a body runs.
static std::optional<Fault> checkArgs(const OpcodeInfo &op, const uint32_t *words, uint32_t tenant,
                                      const abi::LaunchParams &params) {
  for (const ArgType &arg : op.args) {
    if (arg.kind != ArgType::Scalar) {
      uint32_t handle = words[0];
      abi::BufferEntry buffer{};
      if (handle < params.bufferCount)
        buffer = loadRow(handle, params);
      if (buffer.base == 0)
        return Fault{abi::FaultCode::BufferHandle, handle};
      if (!(buffer.tenants >> tenant & 1))
        return Fault{abi::FaultCode::TenantRight, handle};
      if ((buffer.access & arg.access) != arg.access)
        return Fault{abi::FaultCode::BufferAccess, handle};
      uint64_t elements = buffer.bytes / elementBytes(arg.element);
      if (arg.kind == ArgType::View && uint64_t(words[1]) + words[2] > elements)
        return Fault{abi::FaultCode::BufferBounds, uint32_t(elements)};
    }
    words += arg.words();
  }
  return std::nullopt;
}

template <typename T> static std::span<T> memref(const uint32_t *words, bool view, const abi::LaunchParams &params) {
  abi::BufferEntry buffer = loadRow(words[0], params);
  // It was there when it was checked, but may be taken away at any time.
  if (buffer.base == 0)
    return {};
  T *base = reinterpret_cast<T *>(buffer.base);
  return view ? std::span<T>(base + words[1], words[2]) : std::span<T>(base, buffer.bytes / sizeof(T));
}

static void appendHit(const abi::LaunchParams &params, const abi::HitRecord &hit) {
  if (params.hitCount == 0) {
    ++journal.violations;
    return;
  }
  uint32_t at = __atomic_fetch_add(reinterpret_cast<uint32_t *>(params.hitCount), 1, __ATOMIC_RELAXED);
  if (at < params.hitCapacity)
    reinterpret_cast<abi::HitRecord *>(params.hits)[at] = hit;
}

/// Runs one opcode on checked arguments. 'slot' is its place in the launch.
static std::optional<Fault> runBody(uint32_t code, const uint32_t *words, const abi::LaunchParams &params,
                                    uint32_t slot) {
  switch (code) {
  // Slots on several threads may have elements in common.
  case Fill:
    for (int32_t &element : memref<int32_t>(words, true, params))
      std::atomic_ref(element).store(int32_t(words[3]), std::memory_order_relaxed);
    return std::nullopt;
  case Add: {
    auto x = memref<int32_t>(words, true, params), y = memref<int32_t>(words + 3, true, params),
         z = memref<int32_t>(words + 6, true, params);
    for (size_t i = 0; i < std::min({x.size(), y.size(), z.size()}); ++i)
      z[i] = x[i] + y[i];
    return std::nullopt;
  }
  case Bump:
    for (int32_t &element : memref<int32_t>(words, false, params))
      std::atomic_ref(element).fetch_add(int32_t(words[1]), std::memory_order_relaxed);
    return std::nullopt;
  case Oops:
    return Fault{abi::FaultCode(uint32_t(abi::FaultCode::User) + words[0]), 0};
  case Put:
    for (int64_t &element : memref<int64_t>(words, true, params))
      element = int64_t(uint64_t(words[4]) << 32 | words[3]);
    return std::nullopt;
  case Emit:
    for (uint32_t n = 0; n < words[0]; ++n)
      appendHit(params, {slot, {words[1], n, 0}});
    return std::nullopt;
  case Nap:
    std::this_thread::sleep_for(std::chrono::microseconds(words[0]));
    return std::nullopt;
  case Again: {
    const uint32_t entry = words[abi::ContinuationPc], data = words[abi::ContinuationData];
    for (int32_t &element : memref<int32_t>(words, true, params))
      std::atomic_ref(element).store(int32_t(data), std::memory_order_relaxed);
    if (data >= 3)
      return std::nullopt;
    const auto kind = entry == 0 ? abi::Suspension::Yield : abi::Suspension::Requeue;
    return Fault{abi::FaultCode(abi::suspensionCode(kind, entry == 0 ? 0 : 4) | (1 - entry)), data + 1};
  }
  }
  return Fault{abi::FaultCode::UnknownOpcode, code};
}

static void report(const abi::LaunchParams &params, uint32_t slot, Fault fault) {
  auto *count = reinterpret_cast<uint32_t *>(params.faultCount);
  uint32_t at = __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
  reinterpret_cast<abi::FaultRecord *>(params.faults)[at] = {slot, uint32_t(fault.code), fault.detail, 0};
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

template <Scope scope> static void interpret(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  auto *slots = reinterpret_cast<abi::Slot *>(params->input);
  const auto *order = reinterpret_cast<const uint32_t *>(params->order);
  for (uint64_t item = begin; item < end; ++item) {
    uint32_t first = order ? order[item] : uint32_t(item);
    uint32_t length = std::max(1u, slots[first].order >> abi::OrderLengthShift & abi::OrderLengthMask);
    for (uint32_t i = first; i < first + length; ++i) {
      abi::Slot &slot = slots[i];
      ++journal.interpretedSlots;
      const OpcodeInfo &op = theIsa().opcodes[*theIsa().findOpcode(slot.opcode)];
      bool published = slot.status == uint32_t(abi::SlotStatus::Published);
      bool continues = slot.order & abi::OrderContinuation;
      if (!published || continues != (i != first) || (scope == Scope::Lane && op.scope == Scope::Block))
        ++journal.violations;
      std::optional<Fault> fault = checkArgs(op, slot.args, slot.tenant, *params);
      if (!fault)
        fault = runBody(slot.opcode, slot.args, *params, i);
      if (fault)
        report(*params, i, *fault);
      slot.status = uint32_t(fault ? abi::SlotStatus::Fault : abi::SlotStatus::Done);
    }
  }
}

/// Argument words of one instance.
static void loadWords(const abi::LaunchParams &params, uint64_t instance, uint32_t count, uint32_t *words) {
  const auto *columns = reinterpret_cast<const abi::ArgColumn *>(params.input);
  uint64_t shared = 0;
  for (uint32_t i = 0; i < count; ++i) {
    shared += columns[i].stride == 0;
    std::memcpy(&words[i],
                reinterpret_cast<const std::byte *>(params.input) + columns[i].offset + instance * columns[i].stride,
                4);
  }
  journal.sharedWords = shared;
  journal.varyingWords = count - shared;
}

/// The guards cannot be checked without the tenant; everything else can.
static bool argsHold(const OpcodeInfo &op, const uint32_t *words, abi::LaunchParams params) {
  std::optional<Fault> fault = checkArgs(op, words, 0, params);
  return !fault || fault->code == abi::FaultCode::TenantRight;
}

template <uint32_t dense> static void runOpcode(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  const OpcodeInfo &op = theIsa().opcodes[dense];
  for (uint64_t i = begin; i < end; ++i) {
    ++journal.opcodeInstances;
    uint32_t words[abi::SlotArgWords];
    loadWords(*params, i, op.words(), words);
    if (params->order != 0 || !argsHold(op, words, *params)) {
      ++journal.violations;
      continue;
    }
    if (std::optional<Fault> fault = runBody(op.code, words, *params, uint32_t(i)))
      report(*params, uint32_t(i), *fault);
  }
}

/// Signatures of the window kernels that exist; a kernel is a function and so can know only its place.
static constexpr size_t MaxWindows = 256;
static std::mutex windowMutex;
static std::vector<WindowSignature> windowSignatures;

template <size_t place> static void runWindow(const abi::LaunchParams *params, uint64_t begin, uint64_t end) {
  WindowSignature signature;
  {
    std::lock_guard lock(windowMutex);
    signature = windowSignatures[place];
  }
  std::vector<uint32_t> at;
  uint32_t count = 0;
  for (const ArgType &arg : signature.args) {
    at.push_back(count);
    count += arg.words();
  }
  std::vector<uint32_t> all(count);
  for (uint64_t i = begin; i < end; ++i) {
    ++journal.windowInstances;
    loadWords(*params, i, count, all.data());
    for (size_t issue = 0; issue < signature.issues.size(); ++issue) {
      const OpcodeInfo &op = theIsa().opcodes[signature.issues[issue].opcode];
      std::vector<uint32_t> words;
      for (uint32_t operand : signature.issues[issue].operands)
        words.insert(words.end(), all.begin() + at[operand],
                     all.begin() + at[operand] + signature.args[operand].words());
      if (!argsHold(op, words.data(), *params)) {
        ++journal.violations;
        continue;
      }
      uint32_t slot = uint32_t(i * signature.issues.size() + issue);
      if (std::optional<Fault> fault = runBody(op.code, words.data(), *params, slot))
        report(*params, slot, *fault);
    }
  }
}

template <size_t... places>
static std::array<HostKernelFn, sizeof...(places)> windowFns(std::index_sequence<places...>) {
  return {runWindow<places>...};
}

//===----------------------------------------------------------------------===//
// FakeCode
//===----------------------------------------------------------------------===//

static KernelCode makeCode(const FakeOptions &options, std::string entry, Scope scope, HostKernelFn function) {
  KernelCode code;
  code.abiVersion = options.abiVersion;
  code.scope = scope;
  code.entry = std::move(entry);
  code.function = function;
  return code;
}

FakeCode::~FakeCode() {
  for (std::thread &thread : threads)
    thread.join();
}

CodeProvider::RequestId FakeCode::request(const CompileRequest &request, double, Done done) {
  std::lock_guard lock(mutex);
  threads.emplace_back([this, request, done] {
    if (request.kind == CompileRequest::Interpreter)
      return done(compileInterpreter(request.target, request.scope));
    Expected<KernelCode> code = request.kind == CompileRequest::Opcode ? compileOpcode(request.target, request.opcode)
                                                                       : compileWindow(request.target, request.window);
    if (code && options.substitute)
      code->function = options.substitute(request, code->function);
    if (code && !request.facts.empty())
      code->entry += ".specialised";
    done(std::move(code));
  });
  return threads.size();
}

Expected<KernelCode> FakeCode::compileInterpreter(const CodeTarget &target, Scope scope) {
  if (!options.interpreterResult)
    return tl::unexpected(options.interpreterResult.error());
  return makeCode(options, stringifyScope(scope), scope,
                  scope == Scope::Lane ? interpret<Scope::Lane> : interpret<Scope::Block>);
}

Expected<KernelCode> FakeCode::compileOpcode(const CodeTarget &target, uint32_t opcode) {
  const OpcodeInfo &op = description.opcodes[opcode];
  if (options.beforeCompile)
    if (Expected<void> result = options.beforeCompile(op.name); !result)
      return tl::unexpected(result.error());
  static constexpr HostKernelFn functions[] = {runOpcode<0>, runOpcode<1>, runOpcode<2>, runOpcode<3>,
                                               runOpcode<4>, runOpcode<5>, runOpcode<6>};
  return makeCode(options, op.name, op.scope, functions[opcode]);
}

Expected<KernelCode> FakeCode::compileWindow(const CodeTarget &target, const WindowSignature &window) {
  if (options.beforeCompile)
    if (Expected<void> result = options.beforeCompile(window.str(description)); !result)
      return tl::unexpected(result.error());
  static const auto functions = windowFns(std::make_index_sequence<MaxWindows>());
  std::lock_guard lock(windowMutex);
  auto it = std::find(windowSignatures.begin(), windowSignatures.end(), window);
  size_t place = size_t(it - windowSignatures.begin());
  if (it == windowSignatures.end()) {
    if (place == MaxWindows)
      return makeError(ErrorCode::CompileFailed, "the test has too many windows");
    windowSignatures.push_back(window);
  }
  Scope scope = Scope::Lane;
  for (const WindowSignature::Issue &issue : window.issues)
    if (description.opcodes[issue.opcode].scope == Scope::Block)
      scope = Scope::Block;
  return makeCode(options, "window" + std::to_string(place), scope, functions[place]);
}

//===----------------------------------------------------------------------===//
// FlakyDevice
//===----------------------------------------------------------------------===//

Expected<std::shared_ptr<Kernel>> FlakyDevice::load(const KernelCode &code) {
  std::lock_guard lock(control->mutex);
  if (control->load)
    return tl::unexpected(*control->load);
  Expected<std::shared_ptr<Kernel>> kernel = host->load(code);
  if (kernel)
    control->entries[kernel->get()] = code.entry;
  return kernel;
}

Expected<void> FlakyDevice::run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) {
  std::function<void()> before;
  {
    std::lock_guard lock(control->mutex);
    if (control->run)
      return tl::unexpected(*control->run);
    control->lastLaunches.assign(launches.begin(), launches.end());
    before = control->beforeRun;
  }
  if (before)
    before();
  Expected<void> ran = host->run(toDevice, launches, fromDevice);
  std::lock_guard lock(control->mutex);
  if (control->secondsOf)
    for (Launch &launch : launches)
      launch.seconds = control->secondsOf(control->entries[launch.kernel], launch);
  return ran;
}

//===----------------------------------------------------------------------===//
// Helpers
//===----------------------------------------------------------------------===//

BufferHandle makeBuffer(Engine &engine, const std::vector<int32_t> &elements, uint32_t access, uint32_t tenants) {
  Expected<BufferHandle> buffer = engine.allocate(ElementType::I32, elements.size(), access, tenants);
  EXPECT_TRUE(buffer) << buffer.error().message;
  EXPECT_TRUE(engine.write(*buffer, 0, std::as_bytes(std::span(elements))));
  return *buffer;
}

std::vector<int32_t> readBuffer(Engine &engine, BufferHandle buffer, size_t count) {
  std::vector<int32_t> elements(count, -1);
  Expected<void> read = engine.read(buffer, 0, std::as_writable_bytes(std::span(elements)));
  EXPECT_TRUE(read) << read.error().message;
  return elements;
}

abi::Slot makeSlot(uint32_t opcode, std::vector<uint32_t> args, uint32_t tenant) {
  abi::Slot slot{};
  slot.status = uint32_t(abi::SlotStatus::Published);
  slot.opcode = opcode;
  slot.tenant = tenant;
  slot.order = abi::PriorityNormal;
  std::copy(args.begin(), args.end(), slot.args);
  return slot;
}

BatchResult runBatch(Engine &engine, const Batch &batch, const SubmitOptions &options) {
  Expected<Ticket> ticket = engine.submit(batch, options);
  EXPECT_TRUE(ticket) << ticket.error().message;
  if (!ticket)
    return {};
  Expected<BatchResult> result = engine.wait(*ticket);
  EXPECT_TRUE(result) << result.error().message;
  return result ? *result : BatchResult();
}

} // namespace mk::test
