//===- CudaDeviceTest.cpp - A GPU through the CUDA driver -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Without a GPU these tests are skipped. The kernels are written in PTX, so that they need no compiler.
//
//===----------------------------------------------------------------------===//

#include "FakeCode.h"
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

namespace mk::test {

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// An entry point over the launch parameters, with each work item in %i in turn. The items are spread over all threads.
static std::string makePtx(const std::string &entry, const std::string &setUp, const std::string &item) {
  std::string ptx = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry " + entry + "(";
  for (uint32_t i = 0; i < abi::LaunchParamCount; ++i)
    ptx += std::string(i ? ", " : "") + ".param .u64 p" + std::to_string(i);
  ptx += ") {\n"
         "  .reg .pred %done, %no;\n"
         "  .reg .b32 %a, %b, %word, %at, %first, %length;\n"
         "  .reg .b64 %i, %step, %slot, %addr, %x;\n"
         "  .reg .b64 %p<10>;\n";
  for (uint32_t i = 0; i < abi::LaunchParamCount; ++i)
    ptx += "  ld.param.u64 %p" + std::to_string(i) + ", [p" + std::to_string(i) + "];\n";
  ptx += "  mov.u32 %a, %ctaid.x;\n  mov.u32 %b, %ntid.x;\n  mul.wide.u32 %i, %a, %b;\n"
         "  mov.u32 %a, %tid.x;\n  cvt.u64.u32 %x, %a;\n  add.u64 %i, %i, %x;\n"
         "  mov.u32 %a, %nctaid.x;\n  mul.wide.u32 %step, %a, %b;\n" +
         setUp + "LOOP:\n  setp.ge.u64 %done, %i, %p0;\n  @%done bra END;\n" + item +
         "  add.u64 %i, %i, %step;\n  bra LOOP;\nEND:\n  ret;\n}\n";
  return ptx;
}

/// Reports user fault %word for slot %slot.
static const std::string reportFault = "  atom.global.add.u32 %at, [%p6], 1;\n"
                                       "  mul.wide.u32 %addr, %at, 16;\n  add.u64 %addr, %addr, %p5;\n"
                                       "  cvt.u32.u64 %at, %slot;\n  st.global.u32 [%addr], %at;\n"
                                       "  or.b32 %word, %word, 0x80000000;\n  st.global.u32 [%addr+4], %word;\n"
                                       "  mov.u32 %word, 0;\n  st.global.u32 [%addr+8], %word;\n";

static KernelCode makeCode(std::string entry, std::string ptx) {
  KernelCode code;
  code.entry = std::move(entry);
  code.ptx = std::move(ptx);
  return code;
}

/// input[i] = 3 * i + 1; the first thread stores all parameters and the number of threads at 'faults'.
static KernelCode probeCode() {
  std::string setUp = "  setp.ne.u64 %no, %i, 0;\n  @%no bra LOOP;\n";
  for (uint32_t i = 0; i < abi::LaunchParamCount; ++i)
    setUp += "  st.global.u64 [%p5+" + std::to_string(8 * i) + "], %p" + std::to_string(i) + ";\n";
  setUp += "  st.global.u64 [%p5+" + std::to_string(8 * abi::LaunchParamCount) + "], %step;\n";
  return makeCode("probe", makePtx("probe", setUp,
                                   "  shl.b64 %addr, %i, 2;\n  add.u64 %addr, %addr, %p1;\n  cvt.u32.u64 %a, %i;\n"
                                   "  mad.lo.u32 %a, %a, 3, 1;\n  st.global.u32 [%addr], %a;\n"));
}

/// Writes to the address 'input', whatever it is.
static KernelCode pokeCode() {
  return makeCode("poke", makePtx("poke", "", "  mov.u32 %a, 1;\n  st.global.u32 [%p1], %a;\n"));
}

/// An ISA whose only opcode is oops(i32): a user fault with that code.
namespace {
class PtxCode : public CodeProvider {
public:
  PtxCode() { description.opcodes = {makeIsa().opcodes[OopsIndex]}; }
  const Isa &isa() const override { return description; }

  /// Runs all slots of an item's window.
  RequestId request(const CompileRequest &request, double, Done done) override {
    switch (request.kind) {
    case CompileRequest::Opcode:
      done(compileOpcode(request.target, request.opcode));
      break;
    case CompileRequest::Window:
      done(compileWindow(request.target, request.window));
      break;
    default:
      done(compileInterpreter(request.target, request.scope));
    }
    return 1;
  }
  Expected<KernelCode> compileInterpreter(const CodeTarget &, Scope) {
    return makeCode("interpreter",
                    makePtx("interpreter", "",
                            "  cvt.u32.u64 %first, %i;\n  setp.eq.u64 %no, %p2, 0;\n  @%no bra HAVE;\n"
                            "  shl.b64 %addr, %i, 2;\n  add.u64 %addr, %addr, %p2;\n  ld.global.u32 %first, [%addr];\n"
                            "HAVE:\n  cvt.u64.u32 %slot, %first;\n  shl.b64 %x, %slot, 6;\n  add.u64 %x, %x, %p1;\n"
                            "  ld.global.u32 %length, [%x+12];\n  bfe.u32 %length, %length, 8, 8;\n"
                            "  max.u32 %length, %length, 1;\n"
                            "NEXT:\n  ld.global.u32 %word, [%x+16];\n" +
                                reportFault +
                                "  add.u64 %x, %x, 64;\n  add.u64 %slot, %slot, 1;\n  sub.u32 %length, %length, 1;\n"
                                "  setp.ne.u32 %no, %length, 0;\n  @%no bra NEXT;\n"));
  }
  Expected<KernelCode> compileOpcode(const CodeTarget &, uint32_t) {
    return makeCode("batch_oops", makePtx("batch_oops", "",
                                          "  ld.global.v2.u32 {%a, %b}, [%p1];\n  cvt.u32.u64 %at, %i;\n"
                                          "  mad.lo.u32 %a, %at, %b, %a;\n  cvt.u64.u32 %addr, %a;\n"
                                          "  add.u64 %addr, %addr, %p1;\n  ld.global.u32 %word, [%addr];\n"
                                          "  mov.u64 %slot, %i;\n" +
                                              reportFault));
  }
  Expected<KernelCode> compileWindow(const CodeTarget &, const WindowSignature &) {
    return makeError(ErrorCode::CompileFailed, "the test has no windows");
  }

private:
  Isa description;
};

class CudaDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    Expected<std::unique_ptr<Device>> created = createDevice("cuda");
    if (!created)
      GTEST_SKIP() << created.error().message;
    device = std::move(*created);
  }

  std::shared_ptr<Kernel> load(const KernelCode &code) {
    Expected<std::shared_ptr<Kernel>> kernel = device->load(code);
    EXPECT_TRUE(kernel) << kernel.error().message;
    return kernel ? *kernel : nullptr;
  }
  Error loadError(const KernelCode &code) {
    Expected<std::shared_ptr<Kernel>> kernel = device->load(code);
    EXPECT_FALSE(kernel);
    return kernel ? Error() : kernel.error();
  }
  uint64_t allocate(uint64_t bytes) {
    Expected<uint64_t> address = device->allocate(bytes);
    EXPECT_TRUE(address) << address.error().message;
    return address.value_or(0);
  }

  std::unique_ptr<Device> device;
};
} // namespace

//===----------------------------------------------------------------------===//
// Device
//===----------------------------------------------------------------------===//

TEST_F(CudaDeviceTest, DescribesItself) {
  const DeviceInfo &info = device->info();
  EXPECT_EQ(info.id, "cuda:0");
  EXPECT_EQ(info.target.kind, CodeTarget::Nvptx);
  EXPECT_TRUE(info.target.chip.starts_with("sm_")) << info.target.chip;
  EXPECT_NE(info.description.find(info.target.chip), std::string::npos) << info.description;
  EXPECT_EQ(info.maxWorkgroupSize, 256u);
  EXPECT_GE(info.maxWorkgroups, 65535u);
  EXPECT_GT(info.concurrentWorkgroups, 1u);
  EXPECT_GT(info.memoryBytes, uint64_t(1) << 30);
  EXPECT_FALSE(info.hostAddressable);
  std::cout << info.description << ", " << info.concurrentWorkgroups << " CTAs, " << info.memoryBytes << " bytes\n";

  Expected<std::unique_ptr<Device>> beyond = createDevice("cuda:4000");
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::NotFound);
  EXPECT_TRUE(beyond.error().message.starts_with("there is no GPU 4000: this machine has ")) << beyond.error().message;
}

TEST_F(CudaDeviceTest, MemoryIsCountedAlignedAndCopied) {
  for (uint64_t bytes : {1, 1000, 1 << 20, 100 << 20}) {
    uint64_t address = allocate(bytes);
    EXPECT_EQ(address % 256, 0u);
    EXPECT_EQ(device->bytesInUse(), bytes);
    std::vector<std::byte> from(bytes, std::byte(7)), to(bytes);
    ASSERT_TRUE(device->fill(address, std::byte(9), bytes));
    ASSERT_TRUE(device->copyToDevice(address, std::span(from).first(bytes / 2)));
    ASSERT_TRUE(device->copyFromDevice(address, to));
    EXPECT_EQ(std::count(to.begin(), to.begin() + bytes / 2, std::byte(7)), long(bytes / 2));
    EXPECT_EQ(std::count(to.begin() + bytes / 2, to.end(), std::byte(9)), long(bytes - bytes / 2));
    device->release(address);
    device->release(address);
    EXPECT_EQ(device->bytesInUse(), 0u);
  }
  Expected<std::byte *> pinned = device->allocateHost(4096);
  ASSERT_TRUE(pinned) << pinned.error().message;
  std::memset(*pinned, 5, 4096);
  uint64_t address = allocate(4096);
  std::byte last{};
  ASSERT_TRUE(device->copyToDevice(address, {*pinned, 4096}));
  ASSERT_TRUE(device->copyFromDevice(address + 4095, {&last, 1}));
  EXPECT_EQ(last, std::byte(5));
  device->releaseHost(*pinned);
}

TEST_F(CudaDeviceTest, RefusesAbsurdSizes) {
  EXPECT_EQ(device->allocate(0).error().code, ErrorCode::InvalidArgument);
  for (uint64_t bytes : {uint64_t(1) << 45, uint64_t(1) << 62, UINT64_MAX}) {
    Expected<uint64_t> memory = device->allocate(bytes);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ErrorCode::OutOfMemory) << memory.error().message;
    EXPECT_TRUE(memory.error().message.starts_with(std::to_string(bytes) + " bytes were asked for"))
        << memory.error().message;
  }
  // The device still works.
  device->release(allocate(1));
}

TEST_F(CudaDeviceTest, ParametersArriveInOrder) {
  std::shared_ptr<Kernel> kernel = load(probeCode());
  ASSERT_NE(kernel, nullptr);
  constexpr uint64_t items = 100000;
  uint64_t input = allocate(items * 4), faults = allocate(128);
  std::vector<Launch> launches(2);
  for (uint32_t i = 0; i < 2; ++i) {
    launches[i].kernel = kernel.get();
    launches[i].workgroups = 10 + i;
    launches[i].workgroupSize = 256;
    launches[i].params = {items, input, 11, 22, 33, faults, 44, 55, 66, 77};
  }
  Expected<void> ran = device->run(launches);
  ASSERT_TRUE(ran) << ran.error().message;
  EXPECT_GT(launches[0].seconds, 0);
  EXPECT_GT(launches[1].seconds, 0);
  EXPECT_LT(launches[1].seconds, 1);
  std::vector<uint64_t> params(abi::LaunchParamCount + 1);
  ASSERT_TRUE(device->copyFromDevice(faults, std::as_writable_bytes(std::span(params))));
  EXPECT_EQ(params, (std::vector<uint64_t>{items, input, 11, 22, 33, faults, 44, 55, 66, 77, 11 * 256}));
  std::vector<uint32_t> output(items);
  ASSERT_TRUE(device->copyFromDevice(input, std::as_writable_bytes(std::span(output))));
  for (uint32_t i = 0; i < items; ++i)
    ASSERT_EQ(output[i], 3 * i + 1);
}

TEST_F(CudaDeviceTest, TransfersTravelWithARun) {
  std::shared_ptr<Kernel> kernel = load(probeCode());
  ASSERT_NE(kernel, nullptr);
  uint64_t input = allocate(400), faults = allocate(128);
  for (bool pinned : {false, true}) {
    std::vector<uint32_t> pageable(200);
    std::span<uint32_t> host = pageable;
    Expected<std::byte *> memory = device->allocateHost(800);
    ASSERT_TRUE(memory);
    if (pinned)
      host = {reinterpret_cast<uint32_t *>(*memory), 200};
    std::fill(host.begin(), host.end(), 7u);
    Launch launch;
    launch.kernel = kernel.get();
    launch.workgroupSize = 32;
    // The kernel overwrites half of what is brought to it.
    launch.params = {50, input, 0, 0, 0, faults, 0, 0, 0, 0};
    Expected<void> ran = device->run({input, std::as_writable_bytes(host.first(100))}, {&launch, 1},
                                     {input, std::as_writable_bytes(host.last(100))});
    ASSERT_TRUE(ran) << ran.error().message;
    for (uint32_t i = 0; i < 100; ++i)
      ASSERT_EQ(host[100 + i], i < 50 ? 3 * i + 1 : 7);
    device->releaseHost(*memory);
  }
}

TEST_F(CudaDeviceTest, ManyThreadsUseIt) {
  std::shared_ptr<Kernel> kernel = load(probeCode());
  ASSERT_NE(kernel, nullptr);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int round = 0; round < 25; ++round) {
        uint64_t items = uint64_t(1000 + 100 * t + round), input = allocate(items * 4), faults = allocate(128);
        Launch launch;
        launch.kernel = kernel.get();
        launch.workgroups = 4;
        launch.workgroupSize = 256;
        launch.params = {items, input, 0, 0, 0, faults, 0, 0, 0, 0};
        ASSERT_TRUE(device->run({&launch, 1}));
        uint32_t last = 0;
        ASSERT_TRUE(device->copyFromDevice(input + 4 * (items - 1), std::as_writable_bytes(std::span(&last, 1))));
        EXPECT_EQ(last, uint32_t(3 * (items - 1) + 1));
        device->release(input);
        device->release(faults);
        EXPECT_TRUE(device->load(probeCode()));
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(device->bytesInUse(), 0u);
}

TEST_F(CudaDeviceTest, KernelsMayOutliveTheDevice) {
  std::shared_ptr<Kernel> kernel = load(probeCode());
  device.reset();
  kernel.reset();
}

TEST_F(CudaDeviceTest, RefusesCodeItCannotRun) {
  KernelCode old = probeCode();
  old.abiVersion = 1;
  EXPECT_EQ(loadError(old).code, ErrorCode::Unsupported);
  KernelCode garbage = makeCode("k", "");
  garbage.cubin = "no ELF file";
  EXPECT_EQ(loadError(garbage).code, ErrorCode::CompileFailed);
  EXPECT_EQ(loadError(makeCode("k", "")).message, "kernel 'k' has neither PTX nor a cubin, compile it for NVPTX");

  Error broken = loadError(
      makeCode("k", ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k() {\n  nonsense;\n}\n"));
  EXPECT_EQ(broken.code, ErrorCode::CompileFailed) << broken.message;
  EXPECT_NE(broken.message.find("nonsense"), std::string::npos) << broken.message;

  KernelCode missing = probeCode();
  missing.entry = "other";
  Error noEntry = loadError(missing);
  EXPECT_EQ(noEntry.code, ErrorCode::NotFound);
  EXPECT_EQ(noEntry.message, "the code has no entry point 'other'");

  KernelCode future = probeCode();
  future.ptx.replace(future.ptx.find("7.0"), 3, "99.0");
  Error tooNew = loadError(future);
  EXPECT_EQ(tooNew.code, ErrorCode::Unsupported) << tooNew.message;
  EXPECT_NE(tooNew.message.find("has version 99.0"), std::string::npos) << tooNew.message;
  EXPECT_NE(tooNew.message.find("update the NVIDIA driver"), std::string::npos) << tooNew.message;

  KernelCode narrow = probeCode();
  narrow.ptx.replace(narrow.ptx.find(") {"), 3, ") .maxntid 64, 1, 1 {");
  Error fewThreads = loadError(narrow);
  EXPECT_EQ(fewThreads.code, ErrorCode::Unsupported) << fewThreads.message;
  EXPECT_NE(fewThreads.message.find("64 threads"), std::string::npos) << fewThreads.message;
  for (const Error &error : {broken, tooNew, fewThreads})
    std::cout << error.message << "\n";
}

TEST_F(CudaDeviceTest, RefusesLaunchesItCannotMake) {
  std::shared_ptr<Kernel> kernel = load(probeCode());
  ASSERT_NE(kernel, nullptr);
  auto run = [&](const Kernel *which, uint32_t workgroups, uint32_t size) {
    Launch launch;
    launch.kernel = which;
    launch.workgroups = workgroups;
    launch.workgroupSize = size;
    Expected<void> ran = device->run({&launch, 1});
    EXPECT_FALSE(ran);
    return ran ? Error() : ran.error();
  };
  EXPECT_EQ(run(nullptr, 1, 1).code, ErrorCode::InvalidArgument);
  EXPECT_EQ(run(kernel.get(), 0, 1).code, ErrorCode::InvalidArgument);
  EXPECT_EQ(run(kernel.get(), 1, 257).code, ErrorCode::InvalidArgument);
  EXPECT_TRUE(device->run({}));
}

TEST_F(CudaDeviceTest, RunsAnEngine) {
  EngineOptions options;
  options.promotion.mode = JitMode::Always;
  options.promotion.specialize = false;
  auto engine = Engine::create(std::move(device), std::make_unique<PtxCode>(), options);
  ASSERT_TRUE(engine) << engine.error().message;
  constexpr uint32_t count = 50000;
  Batch batch((*engine)->isa());
  for (uint32_t i = 0; i < count; ++i)
    batch.addSlots(std::vector{makeSlot(Oops, {i})});
  for (Tier tier : {Tier::Interpreter, Tier::Opcode, Tier::Opcode}) {
    BatchResult result = runBatch(**engine, batch);
    ASSERT_EQ(result.runs.size(), 1u);
    EXPECT_EQ(result.runs[0].tier, tier);
    ASSERT_EQ(result.faults.size(), count);
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(result.faults[i].slot, i);
      ASSERT_EQ(result.faults[i].code, 0x80000000u + i);
    }
    std::cout << stringifyTier(tier) << ": " << result.runs[0].seconds * 1e6 << " us on the device, "
              << result.seconds * 1e6 << " us in all, " << result.runs[0].workgroups << " CTAs of "
              << result.runs[0].workgroupSize << "\n";
    (*engine)->waitForPromotions();
  }
  ASSERT_EQ((*engine)->promotions().size(), 1u);
  const Promotion promotion = (*engine)->promotions()[0];
  EXPECT_EQ(promotion.state, PromotionState::Live) << promotion.error;

  // Windows stay with the interpreter, since their compilation fails.
  Batch windows((*engine)->isa());
  for (uint32_t i = 0; i < 1000; ++i)
    ASSERT_TRUE(windows.addWindow(std::vector<abi::Slot>(3, makeSlot(Oops, {i}))));
  for (int round = 0; round < 2; ++round) {
    BatchResult result = runBatch(**engine, windows);
    ASSERT_EQ(result.runs.size(), 1u);
    EXPECT_EQ(result.runs[0].tier, Tier::Interpreter);
    EXPECT_EQ(result.runs[0].items, 1000u);
    ASSERT_EQ(result.faults.size(), 3000u);
    for (uint32_t i = 0; i < 3000; ++i)
      ASSERT_EQ(result.faults[i].code, 0x80000000u + i / 3);
    (*engine)->waitForPromotions();
  }
}

//===----------------------------------------------------------------------===//
// Loss of the device
//===----------------------------------------------------------------------===//

/// Breaks the device, which is final for the process. Exits with 0 when everything answers as it should.
static void breakTheDevice() {
  auto require = [](bool holds, const std::string &what) {
    if (holds)
      return;
    std::cerr << what << "\n";
    std::exit(1);
  };
  std::unique_ptr<Device> device = *createDevice("cuda");
  std::shared_ptr<Kernel> kernel = *device->load(pokeCode());
  uint64_t address = *device->allocate(4096);
  Launch launch;
  launch.kernel = kernel.get();
  launch.params.items = 1;
  launch.params.input = 0x10;
  Expected<void> ran = device->run({&launch, 1});
  require(!ran, "the illegal address went unnoticed");
  std::cerr << ran.error().message << "\n";
  require(ran.error().code == ErrorCode::DeviceFailed, "code of run()");
  const std::string message = ran.error().message;
  require(message.find("'poke'") != std::string::npos, "no name of the kernel");
  require(message.find("CUDA_ERROR_ILLEGAL_ADDRESS (700)") != std::string::npos, "no name of the error");
  std::byte byte{};
  require(device->run({&launch, 1}).error().message == message, "run()");
  require(device->allocate(1).error().message == message, "allocate()");
  require(device->copyToDevice(address, {&byte, 1}).error().message == message, "copyToDevice()");
  require(device->copyFromDevice(address, {&byte, 1}).error().message == message, "copyFromDevice()");
  require(device->fill(address, byte, 1).error().message == message, "fill()");
  require(device->load(probeCode()).error().message == message, "load()");
  require(device->allocateHost(1).error().message == message, "allocateHost()");
  device->release(address);
  kernel.reset();
  device.reset();
  std::cerr << "lost and found\n";
  std::exit(0);
}

TEST(CudaDeviceDeathTest, AnIllegalAddressEndsTheDevice) {
  if (!createDevice("cuda"))
    GTEST_SKIP() << "no GPU";
  // In a process of its own, started afresh: CUDA does not survive a fork.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(breakTheDevice(), testing::ExitedWithCode(0), "lost and found");
}

} // namespace mk::test
