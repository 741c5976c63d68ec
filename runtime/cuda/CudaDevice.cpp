//===- CudaDevice.cpp - A GPU through the CUDA driver ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything runs on one stream of the GPU's primary context, which other libraries of the process may share. An
// illegal address or another failure of a kernel ends the context: from then on the device answers every call with that
// error.
//
//===----------------------------------------------------------------------===//

#include "../DeviceCommon.h"
#include "CudaApi.h"
#include "mk/Runtime/Device.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace mk {
namespace {

using namespace cuda;

/// Threads of a CTA. 256 leaves room for 255 registers each, so every kernel can be launched, and divides the threads
/// of an SM on every GPU since sm_80.
constexpr uint32_t WorkgroupSize = 256;
/// The oldest GPU that code is generated for.
constexpr int OldestMajor = 8;

/// The primary context of a GPU, and what became of it. Device and kernels share it.
class SharedContext {
public:
  SharedContext(const Api &api, DeviceId device, Context context) : api(api), device(device), context(context) {}
  ~SharedContext() { api.devicePrimaryCtxRelease(device); }

  /// The error that ended the device, if any did.
  std::optional<Error> lost() const {
    std::lock_guard lock(mutex);
    return lostError;
  }

  /// The error for a driver call that failed. Results that no later call recovers from end the device.
  tl::unexpected<Error> fail(Result result, const char *call, const std::string &during, bool fatal = false) {
    std::string message = api.describe(result, call) + " (" + during + ")";
    if (fatal || endsContext(result)) {
      message += "; the device is lost, start a new process to use it again";
      std::lock_guard lock(mutex);
      // What ended the device is its first failure; the ones after it are its echo.
      if (!lostError)
        lostError = Error{ErrorCode::DeviceFailed, message};
      return tl::unexpected<Error>(*lostError);
    }
    return makeError(result == ErrorOutOfMemory ? ErrorCode::OutOfMemory : ErrorCode::DeviceFailed, message);
  }

  //===--- What has to wait until no kernel is resident ---===//

  bool isServing() const { return serving.load(std::memory_order_acquire); }
  void beginServing() { serving.store(true, std::memory_order_release); }
  void endServing() {
    std::vector<std::function<void()>> actions;
    {
      std::lock_guard lock(deferredMutex);
      serving.store(false, std::memory_order_release);
      actions.swap(deferred);
    }
    for (const std::function<void()> &action : actions)
      action();
  }
  /// Runs 'action', with the context current, now or when kernels have left: the driver would wait for them with it.
  void whenIdle(std::function<void()> action) {
    std::unique_lock lock(deferredMutex);
    if (serving) {
      deferred.push_back(std::move(action));
      return;
    }
    lock.unlock();
    action();
  }

  const Api &api;
  const DeviceId device;
  const Context context;

private:
  std::mutex deferredMutex;
  std::atomic<bool> serving = false;
  std::vector<std::function<void()>> deferred;

  static bool endsContext(Result result) {
    switch (result) {
    case ErrorDeinitialized:
    case ErrorEccUncorrectable:
    case ErrorNvlinkUncorrectable:
    case ErrorContained:
    case ErrorIllegalAddress:
    case ErrorLaunchTimeout:
    case ErrorContextIsDestroyed:
    case ErrorAssert:
    case ErrorExternalDevice:
    case ErrorUnknown:
      return true;
    default:
      // Stack, instruction, alignment, address space, program counter, launch.
      return result >= ErrorHardwareStack && result <= ErrorLaunchFailed;
    }
  }

  mutable std::mutex mutex;
  std::optional<Error> lostError;
};

/// Makes a context current on this thread, and puts back what was.
class ContextScope {
public:
  explicit ContextScope(SharedContext &shared) : api(shared.api), pushed(api.ctxPushCurrent(shared.context)) {}
  ~ContextScope() {
    if (pushed == Success) {
      Context popped;
      api.ctxPopCurrent(&popped);
    }
  }
  ContextScope(const ContextScope &) = delete;
  ContextScope &operator=(const ContextScope &) = delete;

  Result result() const { return pushed; }

private:
  const Api &api;
  const Result pushed;
};

class CudaKernel : public Kernel {
public:
  CudaKernel(std::shared_ptr<SharedContext> shared, Module module, Function function, std::string name)
      : shared(std::move(shared)), module(module), function(function), name(std::move(name)) {}
  ~CudaKernel() override {
    shared->whenIdle([shared = shared, module = module] {
      ContextScope scope(*shared);
      shared->api.moduleUnload(module);
    });
  }

  const std::shared_ptr<SharedContext> shared;
  const Module module;
  const Function function;
  const std::string name;
};

/// Value of a PTX directive such as ".version 8.7"; "unknown" when it is not there.
std::string ptxDirective(const std::string &ptx, const std::string &directive) {
  size_t at = ptx.find(directive + " ");
  if (at == std::string::npos)
    return "unknown";
  at += directive.size() + 1;
  return ptx.substr(at, ptx.find_first_of("\r\n", at) - at);
}

class CudaDevice : public Device {
public:
  CudaDevice(std::shared_ptr<SharedContext> shared, DeviceInfo info, uint32_t multiprocessors, Stream stream)
      : shared(std::move(shared)), api(this->shared->api), deviceInfo(std::move(info)),
        multiprocessors(multiprocessors), stream(stream) {}

  ~CudaDevice() override {
    shared->endServing();
    ContextScope scope(*shared);
    for (Stream serving : servingStreams)
      api.streamDestroy(serving);
    for (Event event : events)
      api.eventDestroy(event);
    for (auto [address, bytes] : allocations)
      api.memFree(address);
    for (auto [memory, bytes] : hostAllocations)
      api.memFreeHost(memory);
    api.streamDestroy(stream);
  }

  const DeviceInfo &info() const override { return deviceInfo; }

  Expected<uint64_t> allocate(uint64_t bytes) override {
    if (bytes == 0)
      return makeError(ErrorCode::InvalidArgument, "0 bytes of device memory were asked for, ask for 1 or more");
    ContextScope scope(*shared);
    if (Expected<void> ready = check(scope); !ready)
      return tl::unexpected(ready.error());
    DevicePtr address = 0;
    if (Result result = api.memAlloc(&address, bytes); result != Success) {
      if (result != ErrorOutOfMemory)
        return shared->fail(result, "cuMemAlloc", "for " + std::to_string(bytes) + " bytes");
      size_t free = 0, total = 0;
      api.memGetInfo(&free, &total);
      return makeError(ErrorCode::OutOfMemory, std::to_string(bytes) + " bytes were asked for, but of the " +
                                                   std::to_string(total) + " bytes of " + deviceInfo.id + " " +
                                                   std::to_string(free) + " are free");
    }
    std::lock_guard lock(memoryMutex);
    allocations.emplace(address, bytes);
    used += bytes;
    return uint64_t(address);
  }

  void release(uint64_t address) override {
    {
      std::lock_guard lock(memoryMutex);
      auto it = allocations.find(address);
      if (it == allocations.end())
        return;
      used -= it->second;
      allocations.erase(it);
    }
    shared->whenIdle([shared = shared.get(), address] {
      ContextScope scope(*shared);
      shared->api.memFree(address);
    });
  }

  uint64_t bytesInUse() const override {
    std::lock_guard lock(memoryMutex);
    return used;
  }

  Expected<std::byte *> allocateHost(uint64_t bytes) override {
    ContextScope scope(*shared);
    if (Expected<void> ready = check(scope); !ready)
      return tl::unexpected(ready.error());
    void *memory = nullptr;
    if (Result result = api.memHostAlloc(&memory, bytes, 0); result != Success)
      return shared->fail(result, "cuMemHostAlloc", "for " + std::to_string(bytes) + " bytes of pinned host memory");
    std::lock_guard lock(memoryMutex);
    hostAllocations.emplace(memory, bytes);
    return static_cast<std::byte *>(memory);
  }

  void releaseHost(std::byte *memory) override {
    {
      std::lock_guard lock(memoryMutex);
      if (!hostAllocations.erase(memory))
        return;
    }
    shared->whenIdle([shared = shared.get(), memory] {
      ContextScope scope(*shared);
      shared->api.memFreeHost(memory);
    });
  }

  // Copies from and to ordinary memory go through the driver's own staging (16 GB/s on an H200, where copies from
  // pinned memory reach 55): a second staging of ours, with one thread, would not be faster. What is copied for every
  // batch lies in pinned memory, see allocateHost().
  Expected<void> copyToDevice(uint64_t address, std::span<const std::byte> from) override {
    if (from.empty())
      return {};
    std::string during = "copying " + std::to_string(from.size()) + " bytes to the device";
    return onStream("cuMemcpyHtoDAsync", during,
                    [&] { return api.memcpyHtoDAsync(address, from.data(), from.size(), stream); });
  }

  Expected<void> copyFromDevice(uint64_t address, std::span<std::byte> to) override {
    if (to.empty())
      return {};
    std::string during = "copying " + std::to_string(to.size()) + " bytes from the device";
    return onStream("cuMemcpyDtoHAsync", during,
                    [&] { return api.memcpyDtoHAsync(to.data(), address, to.size(), stream); });
  }

  Expected<void> fill(uint64_t address, std::byte value, uint64_t bytes) override {
    if (bytes == 0)
      return {};
    // The driver fills by a kernel, for which resident ones may leave no room; a copy needs none.
    if (shared->isServing()) {
      std::vector<std::byte> pattern(std::min<uint64_t>(bytes, 1 << 20), value);
      for (uint64_t done = 0; done < bytes; done += pattern.size())
        if (Expected<void> copied = copyToDevice(
                address + done, std::span(pattern).first(std::min<uint64_t>(pattern.size(), bytes - done)));
            !copied)
          return copied;
      return {};
    }
    return onStream("cuMemsetD8Async", "filling " + std::to_string(bytes) + " bytes",
                    [&] { return api.memsetD8Async(address, static_cast<unsigned char>(value), bytes, stream); });
  }

  Expected<std::shared_ptr<Kernel>> load(const KernelCode &code) override;
  Expected<void> run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) override;

  Expected<void> startServing(std::span<const Service> services) override;
  Expected<void> stopServing(double seconds) override;
  Expected<void> checkServing() override;

private:
  /// The device works and its context is current.
  Expected<void> check(const ContextScope &scope) {
    if (std::optional<Error> lost = shared->lost())
      return tl::unexpected(*lost);
    if (scope.result() != Success)
      return shared->fail(scope.result(), "cuCtxPushCurrent", "entering " + deviceInfo.id);
    return {};
  }

  /// Makes one asynchronous call on the stream and waits for it.
  template <typename Call> Expected<void> onStream(const char *name, const std::string &during, Call call) {
    std::lock_guard lock(streamMutex);
    ContextScope scope(*shared);
    if (Expected<void> ready = check(scope); !ready)
      return ready;
    if (Result result = call(); result != Success)
      return shared->fail(result, name, during);
    if (Result result = api.streamSynchronize(stream); result != Success)
      return shared->fail(result, "cuStreamSynchronize", during, /*fatal=*/true);
    return {};
  }

  tl::unexpected<Error> loadError(Result result, const KernelCode &code, const std::string &log);
  Expected<void> growEvents(size_t count);

  const std::shared_ptr<SharedContext> shared;
  const Api &api;
  const DeviceInfo deviceInfo;
  const uint32_t multiprocessors;
  const Stream stream;

  mutable std::mutex memoryMutex;
  std::unordered_map<uint64_t, uint64_t> allocations;
  std::unordered_map<void *, uint64_t> hostAllocations;
  uint64_t used = 0;

  /// One user of the stream at a time.
  std::mutex streamMutex;
  /// Streams of the resident kernels, and how many of them are in use.
  std::mutex servingMutex;
  std::vector<Stream> servingStreams;
  size_t servingCount = 0;
  /// Events of run(): one before the first launch, and one behind each.
  std::vector<Event> events;
};

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

tl::unexpected<Error> CudaDevice::loadError(Result result, const KernelCode &code, const std::string &log) {
  std::string kernel = "kernel '" + code.entry + "'";
  switch (result) {
  case ErrorUnsupportedPtxVersion:
    return makeError(ErrorCode::Unsupported,
                     "the PTX of " + kernel + " has version " + ptxDirective(code.ptx, ".version") +
                         ", which is newer than the driver, that knows CUDA " + api.versionString() +
                         ", can read; update the NVIDIA driver, or compile to an older PTX");
  case ErrorNoBinaryForGpu:
    if (!code.cubin.empty())
      return makeError(ErrorCode::Unsupported, "the cubin of " + kernel + " is for another GPU than " + deviceInfo.id +
                                                   ", which is " + deviceInfo.target.chip + "; compile it for that");
    return makeError(ErrorCode::Unsupported, "the PTX of " + kernel + " is for " + ptxDirective(code.ptx, ".target") +
                                                 ", but " + deviceInfo.id + " is " + deviceInfo.target.chip +
                                                 "; compile it for that");
  case ErrorJitCompilerNotFound:
    return makeError(ErrorCode::Unsupported,
                     "the driver's PTX compiler (libnvidia-ptxjitcompiler.so.1) is missing; install it beside the "
                     "NVIDIA driver");
  case ErrorInvalidImage:
    return makeError(ErrorCode::CompileFailed,
                     "the driver refuses the code of " + kernel + ": " + api.describe(result, "cuModuleLoadDataEx"));
  case ErrorInvalidPtx:
    return makeError(ErrorCode::CompileFailed, "the driver refuses the PTX of " + kernel + ": " +
                                                   api.describe(result, "cuModuleLoadDataEx") +
                                                   (log.empty() ? "" : "; its log: " + log));
  default:
    return shared->fail(result, "cuModuleLoadDataEx",
                        "loading " + kernel + (log.empty() ? "" : "; the driver's log: " + log));
  }
}

Expected<std::shared_ptr<Kernel>> CudaDevice::load(const KernelCode &code) {
  if (Expected<void> same = checkAbiVersion(code); !same)
    return tl::unexpected(same.error());
  if (shared->isServing())
    return makeError(ErrorCode::Busy, "kernel '" + code.entry +
                                          "' cannot be loaded while resident kernels run: the driver would wait for "
                                          "their end; load it between two epochs");
  if (code.ptx.empty() && code.cubin.empty())
    return makeError(ErrorCode::InvalidArgument,
                     "kernel '" + code.entry + "' has neither PTX nor a cubin, compile it for NVPTX");
  ContextScope scope(*shared);
  if (Expected<void> ready = check(scope); !ready)
    return tl::unexpected(ready.error());

  const std::string &image = code.cubin.empty() ? code.ptx : code.cubin;
  // An option's value stands in the pointer itself when it is a number.
  char log[8192] = "";
  int options[] = {JitErrorLogBuffer, JitErrorLogBufferSizeBytes};
  void *values[] = {log, reinterpret_cast<void *>(sizeof log)};
  Module module = nullptr;
  if (Result result = api.moduleLoadDataEx(&module, image.c_str(), 2, options, values); result != Success) {
    log[sizeof log - 1] = 0;
    std::string text = log;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
      text.pop_back();
    return loadError(result, code, text);
  }

  Function function = nullptr;
  if (Result result = api.moduleGetFunction(&function, module, code.entry.c_str()); result != Success) {
    api.moduleUnload(module);
    if (result == ErrorNotFound)
      return makeError(ErrorCode::NotFound, "the code has no entry point '" + code.entry + "'");
    return shared->fail(result, "cuModuleGetFunction", "kernel '" + code.entry + "'");
  }
  auto kernel = std::make_shared<CudaKernel>(shared, module, function, code.entry);

  int threads = 0;
  if (Result result = api.funcGetAttribute(&threads, FunctionMaxThreadsPerBlock, function); result != Success)
    return shared->fail(result, "cuFuncGetAttribute", "kernel '" + code.entry + "'");
  if (threads < int(WorkgroupSize))
    return makeError(ErrorCode::Unsupported, "kernel '" + code.entry + "' can run with " + std::to_string(threads) +
                                                 " threads in a CTA, but is launched with up to " +
                                                 std::to_string(WorkgroupSize) +
                                                 "; compile it for that many threads (.maxntid)");
  int resident = 0;
  if (Result result = api.occupancyMaxActiveBlocks(&resident, function, WorkgroupSize, 0); result != Success)
    return shared->fail(result, "cuOccupancyMaxActiveBlocksPerMultiprocessor", "kernel '" + code.entry + "'");
  kernel->concurrentWorkgroups = multiprocessors * uint32_t(std::max(resident, 1));
  return kernel;
}

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

Expected<void> CudaDevice::growEvents(size_t count) {
  while (events.size() < count) {
    Event event = nullptr;
    if (Result result = api.eventCreate(&event, EventDefault); result != Success)
      return shared->fail(result, "cuEventCreate", "for the timing of launches");
    events.push_back(event);
  }
  return {};
}

Expected<void> CudaDevice::run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) {
  std::string names;
  for (const Launch &launch : launches) {
    const auto *kernel = dynamic_cast<const CudaKernel *>(launch.kernel);
    if (!kernel || kernel->shared != shared)
      return makeError(ErrorCode::InvalidArgument, "a launch without a kernel that " + deviceInfo.id + " has loaded");
    if (launch.workgroups == 0 || launch.workgroups > deviceInfo.maxWorkgroups || launch.workgroupSize == 0 ||
        launch.workgroupSize > WorkgroupSize)
      return makeError(ErrorCode::InvalidArgument,
                       "kernel '" + kernel->name + "' with " + std::to_string(launch.workgroups) + " CTAs of " +
                           std::to_string(launch.workgroupSize) + " threads: give 1 to " +
                           std::to_string(deviceInfo.maxWorkgroups) + " CTAs of 1 to " + std::to_string(WorkgroupSize));
    names += (names.empty() ? "'" : ", '") + kernel->name + "'";
  }

  std::lock_guard lock(streamMutex);
  if (shared->isServing())
    return makeError(ErrorCode::Busy, "batches cannot be run while resident kernels have the GPU");
  ContextScope scope(*shared);
  if (Expected<void> ready = check(scope); !ready)
    return ready;
  if (Expected<void> grown = growEvents(launches.size() + 1); !grown)
    return grown;

  // Once something runs, a failure leaves the batch half done: it ends the device, whatever the driver thinks.
  std::string during = "running " + names;
  if (!toDevice.host.empty())
    if (Result result = api.memcpyHtoDAsync(toDevice.address, toDevice.host.data(), toDevice.host.size(), stream);
        result != Success)
      return shared->fail(result, "cuMemcpyHtoDAsync", during, /*fatal=*/true);
  if (Result result = api.eventRecord(events[0], stream); result != Success)
    return shared->fail(result, "cuEventRecord", during, /*fatal=*/true);
  for (size_t i = 0; i < launches.size(); ++i) {
    Launch &launch = launches[i];
    const auto *kernel = static_cast<const CudaKernel *>(launch.kernel);
    abi::LaunchParams &p = launch.params;
    void *params[abi::LaunchParamCount] = {&p.items,  &p.input,      &p.order, &p.buffers,     &p.bufferCount,
                                           &p.faults, &p.faultCount, &p.hits,  &p.hitCapacity, &p.hitCount};
    if (Result result = api.launchKernel(kernel->function, launch.workgroups, 1, 1, launch.workgroupSize, 1, 1,
                                         /*sharedBytes=*/0, stream, params, nullptr);
        result != Success)
      return shared->fail(result, "cuLaunchKernel", "launching '" + kernel->name + "'", /*fatal=*/true);
    if (Result result = api.eventRecord(events[i + 1], stream); result != Success)
      return shared->fail(result, "cuEventRecord", during, /*fatal=*/true);
  }
  if (!fromDevice.host.empty())
    if (Result result = api.memcpyDtoHAsync(fromDevice.host.data(), fromDevice.address, fromDevice.host.size(), stream);
        result != Success)
      return shared->fail(result, "cuMemcpyDtoHAsync", during, /*fatal=*/true);
  if (Result result = api.streamSynchronize(stream); result != Success)
    return shared->fail(result, "cuStreamSynchronize", during, /*fatal=*/true);
  for (size_t i = 0; i < launches.size(); ++i) {
    float milliseconds = 0;
    if (Result result = api.eventElapsedTime(&milliseconds, events[i], events[i + 1]); result != Success)
      return shared->fail(result, "cuEventElapsedTime", during);
    launches[i].seconds = double(milliseconds) * 1e-3;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Resident kernels
//===----------------------------------------------------------------------===//

/// CTAs of resident kernels that an SM has room for, as they are compiled (passes/MkToGpu.cpp).
constexpr uint32_t ResidentPerMultiprocessor = 3;

Expected<void> CudaDevice::startServing(std::span<const Service> services) {
  std::lock_guard lock(servingMutex);
  ContextScope scope(*shared);
  if (Expected<void> ready = check(scope); !ready)
    return ready;
  if (shared->isServing())
    return makeError(ErrorCode::InvalidArgument, "resident kernels run already; stop them first");
  if (services.empty() || services.size() > ResidentPerMultiprocessor)
    return makeError(ErrorCode::InvalidArgument, std::to_string(services.size()) +
                                                     " services were asked for, but 1 to " +
                                                     std::to_string(ResidentPerMultiprocessor) + " fit on a GPU");
  while (servingStreams.size() < services.size()) {
    Stream made = nullptr;
    if (Result result = api.streamCreate(&made, StreamNonBlocking); result != Success)
      return shared->fail(result, "cuStreamCreate", "for a resident kernel");
    servingStreams.push_back(made);
  }
  // All of them have to be on the GPU at once: a CTA that waited for another to leave would wait for ever.
  uint32_t each = ResidentPerMultiprocessor / uint32_t(services.size());
  shared->beginServing();
  servingCount = services.size();
  for (size_t i = 0; i < services.size(); ++i) {
    const auto *kernel = static_cast<const CudaKernel *>(services[i].kernel);
    abi::ResidentParams p = services[i].params;
    void *params[] = {&p.epoch,  &p.lines,    &p.doorbell, &p.buffers,   &p.bufferCount,
                      &p.faults, &p.statuses, &p.state,    &p.linesLog2, &p.ageThreshold};
    uint32_t ctas = std::min(multiprocessors * each, kernel->concurrentWorkgroups);
    if (Result result = api.launchKernel(kernel->function, ctas, 1, 1, WorkgroupSize, 1, 1, /*sharedBytes=*/0,
                                         servingStreams[i], params, nullptr);
        result != Success)
      return shared->fail(result, "cuLaunchKernel", "launching the resident '" + kernel->name + "'", /*fatal=*/true);
  }
  return {};
}

Expected<void> CudaDevice::stopServing(double seconds) {
  std::lock_guard lock(servingMutex);
  if (!shared->isServing())
    return {};
  ContextScope scope(*shared);
  if (Expected<void> ready = check(scope); !ready)
    return ready;
  auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < servingCount; ++i)
    while (true) {
      Result result = api.streamQuery(servingStreams[i]);
      if (result == Success)
        break;
      if (result != ErrorNotReady)
        return shared->fail(result, "cuStreamQuery", "waiting for a resident kernel to leave", /*fatal=*/true);
      if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds)
        return makeError(ErrorCode::TimedOut, "the resident kernels of " + deviceInfo.id + " did not leave within " +
                                                  std::to_string(seconds) + " s; a slot must be running for that long");
    }
  shared->endServing();
  return {};
}

Expected<void> CudaDevice::checkServing() {
  std::unique_lock lock(servingMutex, std::try_to_lock);
  // Somebody starts or stops them, and will see for himself.
  if (!lock || !shared->isServing())
    return {};
  ContextScope scope(*shared);
  if (Expected<void> ready = check(scope); !ready)
    return ready;
  for (size_t i = 0; i < servingCount; ++i)
    if (Result result = api.streamQuery(servingStreams[i]); result != Success && result != ErrorNotReady)
      return shared->fail(result, "cuStreamQuery", "looking after a resident kernel", /*fatal=*/true);
  return {};
}

/// What the driver says about a GPU.
Expected<DeviceInfo> describeDevice(const Api &api, DeviceId device, unsigned ordinal) {
  Result failed = Success;
  auto attribute = [&](int which) {
    int value = 0;
    if (Result result = api.deviceGetAttribute(&value, which, device); result != Success)
      failed = result;
    return value;
  };
  DeviceInfo info;
  info.id = "cuda:" + std::to_string(ordinal);
  int major = attribute(AttributeComputeCapabilityMajor), minor = attribute(AttributeComputeCapabilityMinor);
  int multiprocessors = attribute(AttributeMultiprocessorCount);
  int threads = attribute(AttributeMaxThreadsPerMultiprocessor);
  info.maxWorkgroups = uint32_t(attribute(AttributeMaxGridDimX));
  if (failed != Success)
    return makeError(ErrorCode::DeviceFailed, api.describe(failed, "cuDeviceGetAttribute") + " (for " + info.id + ")");
  info.target = {CodeTarget::Nvptx, "sm_" + std::to_string(major * 10 + minor)};
  info.maxWorkgroupSize = WorkgroupSize;
  info.concurrentWorkgroups = uint32_t(multiprocessors) * std::max(1u, uint32_t(threads) / WorkgroupSize);

  char name[256] = "";
  if (Result result = api.deviceGetName(name, sizeof name, device); result != Success)
    return makeError(ErrorCode::DeviceFailed, api.describe(result, "cuDeviceGetName") + " (for " + info.id + ")");
  info.description = std::string(name) + ", " + info.target.chip + ", driver for CUDA " + api.versionString();
  if (major < OldestMajor)
    return makeError(ErrorCode::Unsupported, info.id + " (" + info.description + ") is older than sm_" +
                                                 std::to_string(OldestMajor * 10) +
                                                 ", which is needed; use a newer GPU, or the device 'host'");
  size_t bytes = 0;
  if (Result result = api.deviceTotalMem(&bytes, device); result != Success)
    return makeError(ErrorCode::DeviceFailed, api.describe(result, "cuDeviceTotalMem") + " (for " + info.id + ")");
  info.memoryBytes = bytes;
  return info;
}

} // namespace

Expected<std::unique_ptr<Device>> createCudaDevice(unsigned ordinal) {
  Expected<const Api *> loaded = Api::get();
  if (!loaded)
    return tl::unexpected(loaded.error());
  const Api &api = **loaded;
  auto failed = [&](Result result, const char *call) {
    return makeError(ErrorCode::DeviceFailed,
                     api.describe(result, call) + " (for cuda:" + std::to_string(ordinal) + ")");
  };

  int count = 0;
  if (Result result = api.deviceGetCount(&count); result != Success)
    return failed(result, "cuDeviceGetCount");
  if (ordinal >= unsigned(count))
    return makeError(ErrorCode::NotFound, "there is no GPU " + std::to_string(ordinal) + ": this machine has " +
                                              std::to_string(count) +
                                              (count ? ", cuda:0 to cuda:" + std::to_string(count - 1) : ""));
  DeviceId device = 0;
  if (Result result = api.deviceGet(&device, int(ordinal)); result != Success)
    return failed(result, "cuDeviceGet");
  Expected<DeviceInfo> info = describeDevice(api, device, ordinal);
  if (!info)
    return tl::unexpected(info.error());

  int multiprocessors = 0;
  if (Result result = api.deviceGetAttribute(&multiprocessors, AttributeMultiprocessorCount, device); result != Success)
    return failed(result, "cuDeviceGetAttribute");
  Context context = nullptr;
  if (Result result = api.devicePrimaryCtxRetain(&context, device); result != Success)
    return failed(result, "cuDevicePrimaryCtxRetain");
  auto shared = std::make_shared<SharedContext>(api, device, context);
  ContextScope scope(*shared);
  if (scope.result() != Success)
    return failed(scope.result(), "cuCtxPushCurrent");
  Stream stream = nullptr;
  if (Result result = api.streamCreate(&stream, StreamNonBlocking); result != Success)
    return failed(result, "cuStreamCreate");
  return std::make_unique<CudaDevice>(std::move(shared), std::move(*info), uint32_t(multiprocessors), stream);
}

} // namespace mk
