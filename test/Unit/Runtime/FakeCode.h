//===- FakeCode.h - Code for engine tests -----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A CodeProvider whose host kernels are written in C++: an interpreter that reads slots, and batch kernels that read
// argument tables. Batch kernels check nothing about handles, as compiled ones do not; instead they note when they are
// given something that the engine should have kept from them.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TEST_UNIT_RUNTIME_FAKECODE_H
#define MK_TEST_UNIT_RUNTIME_FAKECODE_H

#include "mk/Runtime/Engine.h"
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace mk::test {

/// fill(view i32 w, i32), lane: every element becomes the value.
/// add(view i32 r, view i32 r, view i32 w), lane: z = x + y, over the shortest.
/// bump(buffer i32 rw, i32), block: every element grows by the value.
/// oops(i32), lane: user fault with that code.
/// put(view i64 w, i64), block: every element becomes the value.
/// emit(i32, i32), lane: as many hits as the first says, with the values (second, n, 0), n = 0, 1, 2, ...
/// nap(i32), lane: takes as many microseconds.
/// again(view i32 w), lane, 2 entries: as fill with the data, which then grows by one; from entry 0 it yields, from
/// entry 1 it is requeued, and at data 3 it ends.
enum Code : uint32_t { Fill = 64, Add = 65, Bump = 66, Oops = 67, Put = 1000, Emit = 1001, Nap = 1002, Again = 1003 };
/// Dense indexes.
enum Dense : uint32_t { FillIndex, AddIndex, BumpIndex, OopsIndex, PutIndex, EmitIndex, NapIndex, AgainIndex };

/// The ISA above. Its window @fill_add(x, y, z, v) is fill(x, v), add(x, y, z).
Isa makeIsa();

/// What the kernels of all fake providers saw since reset().
struct Journal {
  std::atomic<uint64_t> interpretedSlots = 0;
  std::atomic<uint64_t> opcodeInstances = 0;
  std::atomic<uint64_t> windowInstances = 0;
  /// Work that no guard should have let through.
  std::atomic<uint64_t> violations = 0;
  /// Words of argument tables that all instances share, and those that vary, as of the last launch.
  std::atomic<uint64_t> sharedWords = 0;
  std::atomic<uint64_t> varyingWords = 0;

  void reset();
};
extern Journal journal;

/// Knobs of a provider; they are read at every compilation.
struct FakeOptions {
  /// Called before an opcode or a window is compiled; an error is passed on.
  std::function<Expected<void>(const std::string &what)> beforeCompile;
  Expected<void> interpreterResult = {};
  /// Called for opcodes and windows; may give another function than the one that does it right.
  std::function<HostKernelFn(const CompileRequest &request, HostKernelFn right)> substitute;
  /// CodeProvider::source().
  std::string source;
  uint32_t abiVersion = abi::Version;
};

class FakeCode : public CodeProvider {
public:
  explicit FakeCode(FakeOptions options = {}, Isa isa = makeIsa())
      : options(std::move(options)), description(std::move(isa)) {}

  const Isa &isa() const override { return description; }
  std::string source() const override { return options.source; }
  ~FakeCode() override;
  RequestId request(const CompileRequest &request, double, Done done) override;
  Expected<KernelCode> compileInterpreter(const CodeTarget &target, Scope scope);
  Expected<KernelCode> compileOpcode(const CodeTarget &target, uint32_t opcode);
  Expected<KernelCode> compileWindow(const CodeTarget &target, const WindowSignature &window);

private:
  FakeOptions options;
  Isa description;
  /// One for each request.
  std::mutex mutex;
  std::vector<std::thread> threads;
};

/// A host device whose calls can be made to fail.
class FlakyDevice : public Device {
public:
  struct Control {
    std::mutex mutex;
    std::optional<Error> run, load;
    std::function<void()> beforeRun;
    std::vector<Launch> lastLaunches;
    std::atomic<uint64_t> releases = 0;
    /// If set: what launches take, by the entry of their kernel, in place of what they took.
    std::function<double(const std::string &entry, const Launch &launch)> secondsOf;
    std::map<const Kernel *, std::string> entries;
  };

  explicit FlakyDevice(std::shared_ptr<Control> control, uint32_t threads = 2)
      : control(std::move(control)), host(createHostDevice({threads})), deviceInfo(host->info()) {
    // Takes the path of devices that need a copy.
    deviceInfo.hostAddressable = false;
    deviceInfo.maxWorkgroupSize = 256;
    deviceInfo.maxWorkgroups = 65535;
    deviceInfo.concurrentWorkgroups = 16;
  }

  const DeviceInfo &info() const override { return deviceInfo; }
  Expected<uint64_t> allocate(uint64_t bytes) override { return host->allocate(bytes); }
  void release(uint64_t address) override {
    ++control->releases;
    host->release(address);
  }
  uint64_t bytesInUse() const override { return host->bytesInUse(); }
  Expected<void> copyToDevice(uint64_t address, std::span<const std::byte> from) override {
    return host->copyToDevice(address, from);
  }
  Expected<void> copyFromDevice(uint64_t address, std::span<std::byte> to) override {
    return host->copyFromDevice(address, to);
  }
  Expected<void> fill(uint64_t address, std::byte value, uint64_t bytes) override {
    return host->fill(address, value, bytes);
  }
  Expected<std::shared_ptr<Kernel>> load(const KernelCode &code) override;
  Expected<void> run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) override;

private:
  std::shared_ptr<Control> control;
  std::unique_ptr<Device> host;
  DeviceInfo deviceInfo;
};

/// A buffer of i32 with these elements.
BufferHandle makeBuffer(Engine &engine, const std::vector<int32_t> &elements, uint32_t access = abi::AccessReadWrite,
                        uint32_t tenants = ~0u);
std::vector<int32_t> readBuffer(Engine &engine, BufferHandle buffer, size_t count);

/// A slot with these argument words.
abi::Slot makeSlot(uint32_t opcode, std::vector<uint32_t> args, uint32_t tenant = 0);

/// Submits and waits; fails the test when either does.
BatchResult runBatch(Engine &engine, const Batch &batch, const SubmitOptions &options = {});

} // namespace mk::test

#endif // MK_TEST_UNIT_RUNTIME_FAKECODE_H
