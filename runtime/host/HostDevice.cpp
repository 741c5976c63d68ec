//===- HostDevice.cpp - The CPU as a device -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch is spread over a pool of threads that claim chunks of its work items. The thread that calls run() is one of
// them, so a launch of a few items, or a pool of one thread, involves no other thread.
//
//===----------------------------------------------------------------------===//

#include "../DeviceCommon.h"
#include "HostServing.h"
#include "mk/Runtime/Device.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sched.h>
#include <shared_mutex>
#include <thread>
#include <unistd.h>
#include <unordered_map>

namespace mk {
namespace {

/// CPUs that this process may use.
uint32_t availableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return std::max(1, CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

uint64_t physicalMemory() {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && size > 0 ? uint64_t(pages) * uint64_t(size) : uint64_t(1) << 30;
}

std::string cpuName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name"))
      if (size_t colon = line.find(": "); colon != std::string::npos)
        return line.substr(colon + 2);
  return "CPU";
}

class HostKernel : public Kernel {
public:
  explicit HostKernel(const KernelCode &code) : function(code.function), owner(code.owner) {}

  HostKernelFn function;

private:
  std::shared_ptr<void> owner;
};

/// Threads that run one launch at a time.
class WorkerPool {
public:
  explicit WorkerPool(uint32_t threads) : width(threads) {
    for (uint32_t i = 1; i < threads; ++i)
      workers.emplace_back([this] { work(); });
  }

  ~WorkerPool() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (std::thread &worker : workers)
      worker.join();
  }

  /// Runs all items, on this thread and the workers. One call at a time.
  void run(HostKernelFn function, const abi::LaunchParams &params) {
    uint64_t chunk = std::max<uint64_t>(1, params.items / (uint64_t(width) * 8));
    uint64_t chunks = (params.items + chunk - 1) / chunk;
    if (chunks <= 1 || workers.empty()) {
      if (params.items)
        function(&params, 0, params.items);
      return;
    }

    Job job{function, &params, chunk};
    {
      std::lock_guard lock(mutex);
      open = &job;
      ++generation;
    }
    if (chunks > workers.size())
      wake.notify_all();
    else
      for (uint64_t i = 1; i < chunks; ++i)
        wake.notify_one();

    drain(job);

    // All chunks are claimed. A worker that has not woken up yet finds the job closed; the others are waited for.
    std::unique_lock lock(mutex);
    open = nullptr;
    idle.wait(lock, [this] { return active == 0; });
  }

private:
  struct Job {
    HostKernelFn function;
    const abi::LaunchParams *params;
    uint64_t chunk;
    std::atomic<uint64_t> next = 0;
  };

  static void drain(Job &job) {
    uint64_t items = job.params->items;
    while (true) {
      uint64_t begin = job.next.fetch_add(job.chunk, std::memory_order_relaxed);
      if (begin >= items)
        return;
      job.function(job.params, begin, std::min(items, begin + job.chunk));
    }
  }

  void work() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stop || (open && generation != seen); });
      if (stop)
        return;
      seen = generation;
      Job &job = *open;
      ++active;
      lock.unlock();
      drain(job);
      lock.lock();
      if (--active == 0)
        idle.notify_one();
    }
  }

  const uint32_t width;
  std::mutex mutex;
  std::condition_variable wake, idle;
  /// The launch that workers may join, and its number.
  Job *open = nullptr;
  uint64_t generation = 0;
  /// Workers inside a launch.
  uint32_t active = 0;
  bool stop = false;
  std::vector<std::thread> workers;
};

class HostDevice : public Device {
public:
  explicit HostDevice(const HostDeviceOptions &options)
      : threads(options.threads ? options.threads : availableCpus()), pool(threads) {
    deviceInfo.id = "host";
    deviceInfo.description = cpuName() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
    deviceInfo.target = {CodeTarget::Host, ""};
    deviceInfo.maxWorkgroupSize = 1;
    deviceInfo.maxWorkgroups = threads;
    deviceInfo.concurrentWorkgroups = threads;
    deviceInfo.memoryBytes = physicalMemory();
    deviceInfo.hostAddressable = true;
  }

  ~HostDevice() override {
    serving.reset();
    for (auto [address, bytes] : allocations)
      std::free(reinterpret_cast<void *>(address));
  }

  const DeviceInfo &info() const override { return deviceInfo; }

  Expected<uint64_t> allocate(uint64_t bytes) override {
    if (bytes == 0)
      return makeError(ErrorCode::InvalidArgument, "0 bytes of device memory were asked for, ask for 1 or more");
    std::lock_guard lock(memoryMutex);
    auto exhausted = [&] {
      return makeError(ErrorCode::OutOfMemory, std::to_string(bytes) + " bytes were asked for, but of the host's " +
                                                   std::to_string(deviceInfo.memoryBytes) + " bytes " +
                                                   std::to_string(deviceInfo.memoryBytes - used) + " are free");
    };
    if (bytes > deviceInfo.memoryBytes - used)
      return exhausted();
    void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!memory)
      return exhausted();
    uint64_t address = reinterpret_cast<uint64_t>(memory);
    allocations.emplace(address, bytes);
    used += bytes;
    return address;
  }

  void release(uint64_t address) override {
    std::lock_guard lock(memoryMutex);
    auto it = allocations.find(address);
    if (it == allocations.end())
      return;
    used -= it->second;
    allocations.erase(it);
    std::free(reinterpret_cast<void *>(address));
  }

  uint64_t bytesInUse() const override {
    std::lock_guard lock(memoryMutex);
    return used;
  }

  Expected<void> copyToDevice(uint64_t address, std::span<const std::byte> from) override {
    if (!from.empty())
      std::memcpy(reinterpret_cast<void *>(address), from.data(), from.size());
    return {};
  }

  Expected<void> copyFromDevice(uint64_t address, std::span<std::byte> to) override {
    if (!to.empty())
      std::memcpy(to.data(), reinterpret_cast<const void *>(address), to.size());
    return {};
  }

  Expected<void> fill(uint64_t address, std::byte value, uint64_t bytes) override {
    std::memset(reinterpret_cast<void *>(address), int(value), bytes);
    return {};
  }

  Expected<std::shared_ptr<Kernel>> load(const KernelCode &code) override {
    if (Expected<void> same = checkAbiVersion(code); !same)
      return tl::unexpected(same.error());
    if (!code.function)
      return makeError(ErrorCode::InvalidArgument,
                       "kernel '" + code.entry + "' has no host function, compile it for the host");
    return std::make_shared<HostKernel>(code);
  }

  Expected<void> run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) override {
    std::lock_guard lock(runMutex);
    (void)copyToDevice(toDevice.address, toDevice.host);
    for (Launch &launch : launches) {
      const auto *kernel = dynamic_cast<const HostKernel *>(launch.kernel);
      if (!kernel)
        return makeError(ErrorCode::InvalidArgument, "a launch without a kernel that the host device has loaded");
      auto start = std::chrono::steady_clock::now();
      pool.run(kernel->function, launch.params);
      launch.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    return copyFromDevice(fromDevice.address, fromDevice.host);
  }

  Expected<void> startServing(std::span<const Service> services) override {
    std::vector<HostService> functions;
    for (const Service &service : services) {
      const auto *kernel = dynamic_cast<const HostKernel *>(service.kernel);
      if (!kernel)
        return makeError(ErrorCode::InvalidArgument, "a service without a kernel that the host device has loaded");
      HostService &function = functions.emplace_back();
      function.interpreter = kernel->function;
      function.scope = service.scope;
      function.params = service.params;
      for (const RouteCode &code : service.routes)
        function.routes.push_back(
            {code.route, static_cast<const HostKernel *>(code.kernel)->function, code.slots, code.words});
    }
    std::unique_lock lock(servingMutex);
    serving = std::make_unique<HostServing>(std::move(functions), threads, std::move(leftovers));
    return {};
  }

  Expected<void> stopServing(double seconds) override {
    std::unique_lock lock(servingMutex);
    if (!serving)
      return {};
    serving->wake();
    if (!serving->waitUntilLeft(seconds))
      return makeError(ErrorCode::TimedOut, "the workers of the host did not leave within " + std::to_string(seconds) +
                                                " s; a slot must be running for that long");
    leftovers = serving->takeLeftovers();
    serving.reset();
    return {};
  }

  void wakeServing() override {
    std::shared_lock lock(servingMutex);
    if (serving)
      serving->wake();
  }

private:
  const uint32_t threads;
  DeviceInfo deviceInfo;
  WorkerPool pool;
  std::mutex runMutex;
  std::shared_mutex servingMutex;
  std::unique_ptr<HostServing> serving;
  /// What the workers of the last epoch had claimed and not run.
  std::vector<HostClaim> leftovers;
  mutable std::mutex memoryMutex;
  std::unordered_map<uint64_t, uint64_t> allocations;
  uint64_t used = 0;
};

} // namespace

std::unique_ptr<Device> createHostDevice(const HostDeviceOptions &options) {
  return std::make_unique<HostDevice>(options);
}

} // namespace mk
