//===- Device.h - A place where kernels run ----------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The interface behind which the host's threads and a GPU look alike: memory, code, launches. In drain mode a launch is
// finite: it ends when its work items are done.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_DEVICE_H
#define MK_RUNTIME_DEVICE_H

#include "mk/Runtime/Abi.h"
#include "mk/Runtime/CodeProvider.h"
#include "mk/Runtime/Error.h"
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

/// What a device can do.
struct DeviceInfo {
  /// "host" or "cuda:N".
  std::string id;
  /// For people: the CPU with its threads, or the GPU's name, chip and driver.
  std::string description;
  CodeTarget target;
  /// The widest CTA to launch (host: 1).
  uint32_t maxWorkgroupSize = 1;
  /// The most CTAs in one launch.
  uint32_t maxWorkgroups = 1;
  /// CTAs (host: threads) that run at the same time.
  uint32_t concurrentWorkgroups = 1;
  /// Memory for buffers and staging, in bytes.
  uint64_t memoryBytes = 0;
  /// Device addresses are host pointers, which may be read and written while nothing runs.
  bool hostAddressable = false;
};

/// Code on a device. Destroying it unloads the code.
class Kernel {
public:
  virtual ~Kernel() = default;
  /// CTAs of DeviceInfo::maxWorkgroupSize threads that run at the same time: registers and shared memory may allow
  /// fewer than DeviceInfo::concurrentWorkgroups. More of them would wait for the first to end.
  uint32_t concurrentWorkgroups = ~0u;
};

/// One launch of a kernel.
struct Launch {
  const Kernel *kernel = nullptr;
  /// CTAs and threads in each (the host ignores both: it spreads the items over its threads).
  uint32_t workgroups = 1;
  uint32_t workgroupSize = 1;
  abi::LaunchParams params{};
  /// Out: time on the device, in seconds.
  double seconds = 0;
};

/// Bytes that travel between the host and the device; none when 'host' is empty. They are fastest from and to memory of
/// allocateHost().
struct Transfer {
  uint64_t address = 0;
  std::span<std::byte> host;
};

/// Code of its own for one kind of window, for workers that are CPU threads. On a GPU it is part of the kernel.
struct RouteCode {
  /// The number in the lines that ask for it.
  uint32_t route = 0;
  const Kernel *kernel = nullptr;
  /// Slots of an instance, and for each argument word its place in them, in bytes.
  uint32_t slots = 1;
  std::span<const uint32_t> words;
};

/// What a device does from startServing() on: the rings of one scope.
struct Service {
  /// A GPU: the resident form of the interpreter (CompileRequest::Resident). The host: the interpreter.
  const Kernel *kernel = nullptr;
  Scope scope = Scope::Lane;
  abi::ResidentParams params{};
  std::span<const RouteCode> routes;
};

/// Thread safety: calls may come from several threads; run() calls exclude each other.
class Device {
public:
  virtual ~Device() = default;
  virtual const DeviceInfo &info() const = 0;

  /// Memory on the device, 256-byte aligned, contents undefined; 0 bytes is InvalidArgument. OutOfMemory says how much
  /// was asked for and how much is free.
  virtual Expected<uint64_t> allocate(uint64_t bytes) = 0;
  virtual void release(uint64_t address) = 0;
  /// Bytes that allocate() has given out and release() has not taken back.
  virtual uint64_t bytesInUse() const = 0;

  /// Host memory, 256-byte aligned, from and to which copies are fastest: pinned where the device has use for that.
  virtual Expected<std::byte *> allocateHost(uint64_t bytes);
  virtual void releaseHost(std::byte *memory);

  /// Copies and fills are done when the call returns. They must stay inside one allocation.
  virtual Expected<void> copyToDevice(uint64_t address, std::span<const std::byte> from) = 0;
  virtual Expected<void> copyFromDevice(uint64_t address, std::span<std::byte> to) = 0;
  virtual Expected<void> fill(uint64_t address, std::byte value, uint64_t bytes) = 0;

  /// Loads code. Checks its ABI version. May take milliseconds (a driver compiles PTX).
  virtual Expected<std::shared_ptr<Kernel>> load(const KernelCode &code) = 0;

  /// Copies to the device, runs the launches one after the other, copies from the device, waits for all of it, and
  /// fills in the launches' times. One call costs less than its parts. After a kernel has failed (on a GPU: an illegal
  /// address, say) the device is lost: this and every later call return DeviceFailed.
  virtual Expected<void> run(const Transfer &toDevice, std::span<Launch> launches, const Transfer &fromDevice) = 0;
  Expected<void> run(std::span<Launch> launches) { return run({}, launches, {}); }

  //===--- Resident mode (docs/Resident.md) ---===//

  /// Starts workers that serve rings until the doorbells name another epoch. What 'services' refers to has to live
  /// until stopServing() returns. What release() and the end of a Kernel give back meanwhile is given back then: a GPU
  /// would wait for the workers with it.
  virtual Expected<void> startServing(std::span<const Service> services);
  /// Waits until all workers have left, which the doorbells must ask them to. TimedOut after 'seconds' (which may be
  /// infinite), and then they still run. Nothing happens when none do. Lines that workers have claimed and do not run
  /// any more are for those that startServing() starts next on the same rings.
  virtual Expected<void> stopServing(double seconds);
  /// Tells sleeping workers of a publication, or of another epoch.
  virtual void wakeServing() {}
  /// DeviceFailed when the device was lost while it served. Does not wait.
  virtual Expected<void> checkServing() { return {}; }
};

/// Options of the host device.
struct HostDeviceOptions {
  /// Worker threads; 0 takes one for each CPU that the process may use.
  uint32_t threads = 0;
};

std::unique_ptr<Device> createHostDevice(const HostDeviceOptions &options = {});

/// A GPU through the CUDA driver, which is looked for at run time. NotFound without a driver or such a GPU;
/// Unsupported when the driver is too old.
Expected<std::unique_ptr<Device>> createCudaDevice(unsigned ordinal);

/// "host", "cuda:N" (or "cuda", the first), or "auto": the first GPU where there is one, else the host.
Expected<std::unique_ptr<Device>> createDevice(std::string_view id);

} // namespace mk

#endif // MK_RUNTIME_DEVICE_H
