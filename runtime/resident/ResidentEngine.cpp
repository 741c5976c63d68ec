//===- ResidentEngine.cpp - Publish to workers that stay ------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/ResidentEngine.h"
#include "../Admission.h"
#include "../Control.h"
#include "RouteCheck.h"
#include "Routes.h"
#include <bit>
#include <condition_variable>
#include <limits>
#include <thread>

namespace mk {

using Clock = std::chrono::steady_clock;
static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Waiting that begins eagerly: what is awaited usually takes microseconds.
class Backoff {
public:
  void pause() {
    if (++turns < 2000) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      if (turns % 256 == 0)
        std::this_thread::yield();
    } else if (turns < 4000) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  /// Every so often, once waiting takes long: time to look whether it makes sense.
  bool isLong() const { return turns > 4000 && turns % 512 == 0; }

private:
  uint32_t turns = 0;
};

/// Where the positions and numbers in an engine's tickets begin: those of other engines are elsewhere.
static uint64_t firstPosition() {
  static std::atomic<uint64_t> engines = 0;
  return engines.fetch_add(1, std::memory_order_relaxed) << 48;
}

//===----------------------------------------------------------------------===//
// ResidentEngine::Impl
//===----------------------------------------------------------------------===//

class ResidentEngine::Impl {
public:
  Impl(std::unique_ptr<Device> ownedDevice, std::unique_ptr<CodeProvider> ownedCode, IsaLayout ownedLayout,
       const ResidentOptions &givenOptions)
      : options(givenOptions), device(std::move(ownedDevice)), code(std::move(ownedCode)),
        layout(std::move(ownedLayout)), memory(*device, options.memoryBudget, "ResidentOptions"),
        buffers(*device, memory), control(*device, buffers, "ResidentOptions"), tenants(options.tenants),
        publisher(layout, tenants, options.findWindows), routes(code->isa(), layout, buffers, options),
        tasks({[this](PublishTicket &ticket) { return linesHaveEnded(ticket); },
               [this](const PublishTicket &ticket, std::vector<SlotFault> &faults) { takeLineFaults(ticket, faults); },
               [this](const HostTask &task) { return refuseTask(task); },
               [this](const HostTask &task) { return publishTask(task); }, [this] { return readEpoch(); },
               [this](const abi::Slot &slot, std::span<const std::byte> bytes) { return store(slot, bytes); },
               [this](uint32_t tenant) { tenants.giveBack(tenant, 1); }},
              options.keptFaults, std::max(options.policy.priorityAgeThreshold, 1u), first) {}

  ~Impl() {
    {
      std::lock_guard lock(managerMutex);
      closing = true;
    }
    managerWake.notify_all();
    if (manager.joinable())
      manager.join();
    tasks.abandonResumables();
    for (Backoff backoff; waiters != 0;)
      backoff.pause();
    if (started) {
      (void)drain();
      leave();
      // However long it takes: what they use is destroyed next. They do come to an end, since loops have fuel.
      (void)device->stopServing(std::numeric_limits<double>::infinity());
    }
    // Requests that are under way refer to this.
    std::unique_lock lock(arrivalMutex);
    arrived.wait(lock, [this] { return requests == 0; });
  }

  Expected<void> start();

  Expected<BufferHandle> allocate(uint64_t bytes, uint32_t access, uint32_t tenantMask) {
    Expected<BufferHandle> buffer = buffers.allocate(bytes, access, tenantMask);
    if (!buffer)
      return buffer;
    if (Expected<void> synced = sync(); !synced)
      return tl::unexpected(synced.error());
    return buffer;
  }
  Expected<void> release(BufferHandle buffer) {
    Waiter waiter(*this);
    if (Expected<void> retired = buffers.retire(buffer); !retired)
      return retired;
    {
      // From here on no window is given to code that relies on the buffer; those before are waited for.
      std::lock_guard lock(routes.mutex);
      buffers.hide(buffer);
    }
    if (Expected<void> drained = drain(); !drained)
      return drained;
    return takeAway(std::span(&buffer, 1), /*loads=*/true);
  }
  Expected<void> write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes) {
    Expected<BufferTable::Pin> pin = buffers.pin(buffer, offset, bytes.size());
    return pin ? device->copyToDevice(pin->address, bytes) : tl::unexpected(pin.error());
  }
  Expected<void> read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes) {
    Expected<BufferTable::Pin> pin = buffers.pin(buffer, offset, bytes.size());
    return pin ? device->copyFromDevice(pin->address, bytes) : tl::unexpected(pin.error());
  }

  Expected<PublishTicket> publish(std::span<const abi::Slot> slots, const PublishOptions &publishOptions);
  Expected<bool> poll(const PublishTicket &ticket);
  Expected<std::vector<SlotFault>> wait(const PublishTicket &ticket, uint64_t *forgotten);
  Expected<void> drain();

  Expected<EpochSwap> swap();
  Expected<void> demoteAll();
  void waitForPromotions();
  std::vector<ResidentWindow> windows();
  Expected<ResidentTelemetry> telemetry();

  Expected<void> setTenant(uint32_t tenant, const TenantOptions &tenantOptions) {
    if (tenant >= abi::MaxTenants)
      return makeError(ErrorCode::InvalidArgument, "there is no tenant " + std::to_string(tenant) +
                                                       ", tenants are 0 to " + std::to_string(abi::MaxTenants - 1));
    tenants.set(tenant, tenantOptions);
    const uint32_t word[] = {tenantOptions.rights};
    return control.write(abi::ControlTenantMask + tenant, word);
  }

  std::optional<Error> lostError() const {
    if (!lost.load(std::memory_order_acquire))
      return std::nullopt;
    std::lock_guard lock(lostMutex);
    return lostReason;
  }

  const ResidentOptions options;
  const uint64_t first = firstPosition();
  const std::unique_ptr<Device> device;
  const std::unique_ptr<CodeProvider> code;
  const IsaLayout layout;
  DeviceMemory memory;
  BufferTable buffers;
  Control control;
  Tenants tenants;
  std::unique_ptr<RingSet> sets[RingRoutes];
  Publisher publisher;
  Routes routes;
  HostTasks tasks;
  std::deque<EpochSwap> swapLog;

private:
  Expected<void> sync() {
    std::lock_guard lock(routes.mutex);
    return buffers.sync();
  }
  /// Frees retired buffers that windows do not rely on any more. 'loads' says whether loads may name them.
  Expected<void> takeAway(std::span<const BufferHandle> handles, bool loads) {
    {
      std::lock_guard lock(routes.mutex);
      for (BufferHandle handle : handles)
        buffers.withdraw(handle);
      if (Expected<void> synced = buffers.sync(); !synced)
        return synced;
    }
    // What was published until now may have found the rows. Later publications take the locks of their rings after us,
    // so that their slots do not.
    if (Expected<void> drained = drainRings(); !drained)
      return drained;
    // A load looks for its row when it is its turn.
    uint64_t end = tasks.added().end;
    if (loads)
      if (Expected<void> made = waitUntil([&] { return tasks.haveLoaded(end); }); !made)
        return made;
    for (BufferHandle handle : handles)
      buffers.free(handle);
    return {};
  }
  /// A call that may wait, and that the end of the engine waits for.
  class Waiter {
  public:
    explicit Waiter(Impl &impl) : impl(impl) { ++impl.waiters; }
    ~Waiter() { --impl.waiters; }
    Waiter(const Waiter &) = delete;

  private:
    Impl &impl;
  };
  Expected<void> drainRings();
  template <typename Ended> Expected<void> waitUntil(Ended ended);
  std::optional<Error> checkDevice();
  void loseDevice(const Error &error);
  Expected<Publisher::Outcome> tryPublish(std::span<const abi::Slot> slots, std::span<const uint32_t> indexes,
                                          std::span<HostTask> hostTasks, PublishTicket &ticket, uint32_t &blocked);
  tl::unexpected<Error> refuse(Publisher::Outcome outcome, std::span<const abi::Slot> slots, uint32_t priority,
                               uint32_t tenant);
  Expected<void> checkTicket(const PublishTicket &ticket);
  /// Takes the lines that have ended out of 'ticket'. True when none is left.
  bool linesHaveEnded(PublishTicket &ticket);
  bool hasEnded(PublishTicket &ticket);
  uint64_t takeLineFaults(const PublishTicket &ticket, std::vector<SlotFault> &faults);
  SlotFault refuseTask(const HostTask &task) const;
  bool isTask(const abi::Slot &slot) const;
  Expected<HostTask> makeTask(const abi::Slot &slot, uint32_t index, uint32_t priority) const;
  std::optional<PublishTicket> publishTask(const HostTask &task);
  std::optional<uint32_t> readEpoch();
  SlotFault store(const abi::Slot &slot, std::span<const std::byte> bytes);

  CompileRequest requestFor(size_t route) const;
  void leave();
  void capture(Routes::Route &route);
  Expected<void> startWorkers();
  Expected<EpochSwap> swapLocked();

  void manage();
  void countHeat();
  void watch();
  void promote();
  void requestRoutes();
  bool checkInstalled();
  Expected<std::vector<SlotFault>> runWindow(std::span<const abi::Slot> slots, uint32_t route);
  void finishRequest(size_t route, std::vector<uint32_t> ids, Expected<KernelCode> compiled);

  /// One worker kernel each for lanes, blocks and packed slots.
  struct Workers {
    std::shared_ptr<Kernel> kernel;
    Scope scope = Scope::Lane;
    /// A GPU: code for the next epoch, and the routes that it knows.
    std::optional<KernelCode> next;
    std::vector<uint32_t> nextRoutes;
    /// Such code was asked for. Guarded by the routes' mutex.
    bool underWay = false;
  };
  Workers workers[RingRoutes];
  bool started = false;

  /// Held during a swap.
  mutable std::mutex swapMutex;
  uint32_t epoch = 0;
  uint64_t swapCount = 0;
  Clock::time_point lastSwap = Clock::now();
  /// What the running epoch was started with.
  std::vector<RouteCode> routeCodes[RingRoutes];
  std::vector<std::shared_ptr<Kernel>> routeKernels;

  std::atomic<bool> lost = false;
  mutable std::mutex lostMutex;
  Error lostReason;

  std::mutex managerMutex;
  std::condition_variable managerWake;
  /// Set with the mutex held.
  std::atomic<bool> closing = false;
  std::atomic<uint32_t> waiters = 0;
  /// Of the manager.
  std::atomic<uint64_t> passes = 0;
  /// Calls that wait for promotions, which do not wait for their interval then.
  std::atomic<uint32_t> promotionWaiters = 0;
  std::thread manager;

  /// Of opcodes, by dense index, and what the watchdog saw: when there was progress last, and what it says.
  std::mutex heatMutex;
  std::vector<HeatCounter> opcodeHeat;
  Clock::time_point lastWatch = Clock::now();
  ProgressSnapshot lastProgress;
  WatchdogVerdict verdict;

  std::mutex arrivalMutex;
  std::condition_variable arrived;
  size_t requests = 0;
  /// Something has come that the next epoch is to have.
  std::atomic<bool> somethingNew = false;

  friend class ResidentEngine;
};

//===----------------------------------------------------------------------===//
// Start and end of epochs
//===----------------------------------------------------------------------===//

CompileRequest ResidentEngine::Impl::requestFor(size_t route) const {
  CompileRequest request;
  request.target = device->info().target;
  bool packed = Route(route) == Route::Packed;
  request.kind = packed ? CompileRequest::PackedInterpreter : CompileRequest::Interpreter;
  request.scope = packed ? Scope::Lane : Scope(route);
  request.resident = request.target.kind == CodeTarget::Nvptx;
  return request;
}

Expected<void> ResidentEngine::Impl::start() {
  EngineOptions controlOptions;
  controlOptions.observables = options.observables;
  controlOptions.debugRecords = options.debugRecords;
  for (const TenantOptions &tenant : options.tenants)
    controlOptions.tenantRights.push_back(tenant.rights);
  if (Expected<void> reserved = buffers.reserve(options.maxBuffers); !reserved)
    return reserved;
  if (Expected<void> created = control.create(controlOptions); !created)
    return created;
  if (Expected<void> synced = sync(); !synced)
    return synced;

  uint32_t log2 = uint32_t(std::countr_zero(options.ringLines));
  for (size_t route = 0; route < RingRoutes; ++route) {
    bool needed = false;
    for (uint32_t dense = 0; dense < layout.size(); ++dense)
      needed |= layout[dense].route == Route(route) || (route == 0 && layout[dense].route == Route::Fence);
    if (!needed)
      continue;
    Expected<std::unique_ptr<RingSet>> set =
        RingSet::create(*device, log2, options.keptFaults, tenants.counters, first);
    if (!set)
      return tl::unexpected(set.error());
    sets[route] = std::move(*set);
    publisher.attach(route, sets[route].get());
    Expected<KernelCode> compiled = code->compile(requestFor(route));
    if (!compiled)
      return tl::unexpected(compiled.error());
    Expected<std::shared_ptr<Kernel>> kernel = device->load(*compiled);
    if (!kernel)
      return tl::unexpected(kernel.error());
    workers[route].kernel = std::move(*kernel);
    workers[route].scope = compiled->scope;
  }
  if (options.promote)
    publisher.observeWindows(&routes);
  epoch = 1;
  for (const std::unique_ptr<RingSet> &set : sets)
    if (set)
      if (Expected<void> prepared = set->prepare(epoch); !prepared)
        return prepared;
  if (Expected<void> serving = startWorkers(); !serving)
    return serving;
  started = true;
  manager = std::thread([this] { manage(); });
  return {};
}

/// Tells the workers to leave.
void ResidentEngine::Impl::leave() {
  ++epoch;
  for (const std::unique_ptr<RingSet> &set : sets)
    if (set)
      std::atomic_ref(set->doorbell().epoch).store(epoch, std::memory_order_release);
  device->wakeServing();
}

Expected<void> ResidentEngine::Impl::startWorkers() {
  std::vector<Service> services;
  for (size_t route = 0; route < RingRoutes; ++route) {
    if (!sets[route])
      continue;
    Service &service = services.emplace_back();
    service.kernel = workers[route].kernel.get();
    service.scope = workers[route].scope;
    service.params = sets[route]->params(std::max(options.policy.priorityAgeThreshold, 1u));
    service.params.epoch = epoch;
    service.params.buffers = buffers.deviceAddress();
    service.params.bufferCount = options.maxBuffers;
    service.routes = routeCodes[route];
  }
  return device->startServing(services);
}

Expected<EpochSwap> ResidentEngine::Impl::swap() {
  Waiter waiter(*this);
  std::lock_guard lock(swapMutex);
  return swapLocked();
}

Expected<EpochSwap> ResidentEngine::Impl::swapLocked() {
  if (std::optional<Error> error = lostError())
    return tl::unexpected(*error);
  EpochSwap record;
  Clock::time_point start = Clock::now();
  leave();
  if (Expected<void> stopped = device->stopServing(options.leaveSeconds); !stopped) {
    loseDevice(stopped.error());
    return tl::unexpected(*lostError());
  }
  record.leaveSeconds = secondsSince(start);
  Clock::time_point loading = Clock::now();
  // A kernel that does not load costs its routes, not the epoch.
  somethingNew = false;
  for (Workers &worker : workers) {
    if (!worker.next)
      continue;
    Expected<std::shared_ptr<Kernel>> kernel = device->load(*worker.next);
    std::lock_guard lock(routes.mutex);
    for (uint32_t id : worker.nextRoutes)
      if (Routes::Route *route = routes.find(id)) {
        if (kernel)
          route->installed = true;
        else if (!route->installed)
          routes.retire(*route, PromotionState::Failed, kernel.error().message);
      }
    if (kernel)
      worker.kernel = std::move(*kernel);
    worker.next.reset();
  }
  {
    std::lock_guard lock(routes.mutex);
    std::vector<std::shared_ptr<Kernel>> kernels;
    for (std::vector<RouteCode> &codes : routeCodes)
      codes.clear();
    for (Routes::Route *route : routes.wanted()) {
      if (!route->kernel)
        continue;
      route->installed = true;
      kernels.push_back(route->kernel);
      routeCodes[size_t(route->unit->scope)].push_back(
          {route->id, route->kernel.get(), route->unit->length, route->unit->layout.words});
    }
    routeKernels = std::move(kernels);
    for (Routes::Route *route : routes.wanted()) {
      record.routes += route->installed;
      if (route->installed && route->state == PromotionState::Queued && route->captured.empty())
        capture(*route);
    }
  }
  record.loadSeconds = secondsSince(loading);
  Clock::time_point starting = Clock::now();
  if (Expected<void> serving = startWorkers(); !serving) {
    loseDevice(serving.error());
    return tl::unexpected(*lostError());
  }
  record.startSeconds = secondsSince(starting);
  record.epoch = epoch;
  ++swapCount;
  lastSwap = Clock::now();
  if (swapLog.size() == 4096)
    swapLog.pop_front();
  swapLog.push_back(record);
  return record;
}

/// While no worker runs, and with the routes' mutex held: what a new route is to be checked with.
void ResidentEngine::Impl::capture(Routes::Route &route) {
  // One that differs is enough to refuse it, and the pause should be short.
  constexpr size_t most = 2;
  Error last{};
  for (const std::vector<abi::Slot> &sample : route.unit->samples) {
    Expected<RouteCheck::Captured> captured =
        RouteCheck::capture(*device, layout, buffers.rows(), route.unit->signature, sample);
    if (captured)
      route.captured.push_back(std::move(*captured));
    else
      last = captured.error();
    if (route.captured.size() == most)
      return;
  }
  if (!route.captured.empty() || route.unit->samples.empty())
    return;
  // Buffers that are gone say nothing about the window: others will come.
  if (last.code == ErrorCode::NotFound && ++route.vainChecks < 16)
    route.unit->samples.clear();
  else
    routes.retire(route, PromotionState::Failed, last.message);
}

/// Looks after the device, and gives its error when it is lost.
std::optional<Error> ResidentEngine::Impl::checkDevice() {
  if (std::optional<Error> error = lostError())
    return error;
  if (Expected<void> works = device->checkServing(); !works)
    loseDevice(works.error());
  return lostError();
}

void ResidentEngine::Impl::loseDevice(const Error &error) {
  {
    std::lock_guard lock(lostMutex);
    if (lost)
      return;
    lostReason = {ErrorCode::DeviceFailed, error.message};
    lost.store(true, std::memory_order_release);
  }
  tasks.stop();
}

//===----------------------------------------------------------------------===//
// Publishing
//===----------------------------------------------------------------------===//

/// Whether the host looks after a slot.
bool ResidentEngine::Impl::isTask(const abi::Slot &slot) const {
  if (slot.opcode == uint32_t(abi::Builtin::BatchFence) || slot.opcode == uint32_t(abi::Builtin::LoadMiss))
    return true;
  if (!layout.hasResumable())
    return false;
  uint32_t dense = layout.find(slot.opcode);
  return dense != IsaLayout::NoOpcode && layout[dense].entries != 0;
}

/// Checks a slot for which isTask() holds.
Expected<HostTask> ResidentEngine::Impl::makeTask(const abi::Slot &slot, uint32_t index, uint32_t priority) const {
  auto refuse = [&](ErrorCode error, const std::string &why) {
    return makeError(error, "slot " + std::to_string(index) + " " + why);
  };
  HostTask task{slot, index};
  const uint32_t dense = layout.find(slot.opcode);
  const bool isBuiltin = task.isFence() || task.isLoad();
  const std::string name = task.isFence()  ? "BATCH_FENCE"
                           : task.isLoad() ? "LOAD_MISS"
                                           : "'" + code->isa().opcodes[dense].name + "'";
  if (task.isFence() && dense == IsaLayout::NoOpcode)
    return refuse(ErrorCode::NotFound, "is BATCH_FENCE, a built-in opcode that the ISA does not have; link the "
                                       "prelude (OpenOptions::prelude)");
  if (Expected<void> admitted = admitHeader(slot, index); !admitted)
    return tl::unexpected(admitted.error());
  if ((slot.order & abi::OrderContinuation) || windowLength(slot) > 1)
    return refuse(ErrorCode::InvalidArgument, "is " + name + ", which cannot be in a window");
  if (task.isFence() && slot.args[0] > index)
    return refuse(ErrorCode::FenceRange, "is a fence over the " + std::to_string(slot.args[0]) +
                                             " slots before it, but there are " + std::to_string(index));
  if (isBuiltin) {
    uint32_t need = task.isFence() ? abi::RightExecute : abi::RightExecute | abi::RightIo;
    if ((tenants.rights(slot.tenant) & need) != need)
      return refuse(ErrorCode::TenantRight,
                    "is " + name + ", but its tenant " + std::to_string(slot.tenant) + " lacks " +
                        (task.isFence() ? "the right to execute (bit 0)"
                                        : "the right to execute or that to load (bits 0 and 2)"));
    return task;
  }
  if (Expected<void> allowed = publisher.checkTenant(slot, slot.opcode, index); !allowed)
    return tl::unexpected(allowed.error());
  task.entries = layout[dense].entries;
  task.priority = uint8_t(priority);
  if (uint32_t entry = slot.args[abi::ContinuationPc]; entry >= task.entries)
    return refuse(ErrorCode::InvalidArgument, "begins at entry " + std::to_string(entry) + " (word 7), but " + name +
                                                  " has entries 0 to " + std::to_string(task.entries - 1));
  for (abi::ResumableWord word :
       {abi::ResumeEpoch, abi::AgeTicks, abi::RequeueCount, abi::YieldCount, abi::ResumableFlags})
    task.slot.args[word] = 0;
  return task;
}

Expected<PublishTicket> ResidentEngine::Impl::publish(std::span<const abi::Slot> slots,
                                                      const PublishOptions &publishOptions) {
  if (publishOptions.priority >= abi::PriorityLevels)
    return makeError(ErrorCode::InvalidArgument,
                     "PublishOptions::priority is " + std::to_string(publishOptions.priority) +
                         ", but priorities are 0 to " + std::to_string(abi::PriorityLevels - 1));
  PublishTicket ticket;
  ticket.priority = uint8_t(publishOptions.priority);
  ticket.slots = uint32_t(slots.size());

  // What the host serves is taken out; the rest keeps its numbers.
  std::span<const abi::Slot> rest = slots;
  std::span<const uint32_t> indexes;
  thread_local std::vector<abi::Slot> restSlots;
  thread_local std::vector<uint32_t> restIndexes;
  thread_local std::vector<HostTask> hostTasks;
  hostTasks.clear();
  if (std::any_of(slots.begin(), slots.end(), [this](const abi::Slot &slot) { return isTask(slot); })) {
    restSlots.clear();
    restIndexes.clear();
    for (uint32_t i = 0; i < slots.size(); ++i) {
      if (!isTask(slots[i])) {
        restSlots.push_back(slots[i]);
        restIndexes.push_back(i);
        continue;
      }
      Expected<HostTask> task = makeTask(slots[i], i, publishOptions.priority);
      if (!task)
        return tl::unexpected(task.error());
      hostTasks.push_back(std::move(*task));
    }
    rest = restSlots;
    indexes = restIndexes;
  }

  size_t resumable =
      std::count_if(hostTasks.begin(), hostTasks.end(), [](const HostTask &task) { return task.entries; });
  if (size_t most = std::max(resumable, hostTasks.size() - resumable); most > HostTasks::Capacity)
    return makeError(ErrorCode::InvalidArgument, std::to_string(most) +
                                                     (most == resumable ? " resumable slots" : " fences and loads") +
                                                     " are more than the " + std::to_string(HostTasks::Capacity) +
                                                     " that may be under way at once; publish them in several calls");

  Backoff backoff;
  std::optional<Waiter> waiter;
  for (bool reclaimed = false;;) {
    if (std::optional<Error> error = lostError())
      return tl::unexpected(*error);
    if (waiter && closing)
      return makeError(ErrorCode::Closed, "the engine was shut down while slots waited for room");
    uint32_t tenant = 0;
    Expected<Publisher::Outcome> outcome = tryPublish(rest, indexes, hostTasks, ticket, tenant);
    if (!outcome)
      return tl::unexpected(outcome.error());
    if (*outcome == Publisher::Outcome::Published)
      break;
    // What has ended may not have been noticed yet.
    if (*outcome == Publisher::Outcome::NoQuota && !reclaimed) {
      publisher.reclaim();
      reclaimed = true;
      continue;
    }
    if (!publishOptions.wait)
      return refuse(*outcome, slots, publishOptions.priority, tenant);
    if (!waiter)
      waiter.emplace(*this);
    reclaimed = false;
    backoff.pause();
  }
  device->wakeServing();
  return ticket;
}

/// Publishes all at once, or nothing.
Expected<Publisher::Outcome> ResidentEngine::Impl::tryPublish(std::span<const abi::Slot> slots,
                                                              std::span<const uint32_t> indexes,
                                                              std::span<HostTask> hostTasks, PublishTicket &ticket,
                                                              uint32_t &blocked) {
  if (hostTasks.empty())
    return publisher.publish(slots, indexes, {}, ticket.priority, ticket, blocked);
  std::lock_guard lock(tasks.mutex);
  if (!tasks.makeReady(hostTasks))
    return Publisher::Outcome::NoTaskRoom;
  Expected<Publisher::Outcome> outcome = publisher.publish(slots, indexes, hostTasks, ticket.priority, ticket, blocked);
  if (outcome && *outcome == Publisher::Outcome::Published)
    ticket.tasks = tasks.add(hostTasks);
  return outcome;
}

/// The error of a call that must not wait.
tl::unexpected<Error> ResidentEngine::Impl::refuse(Publisher::Outcome outcome, std::span<const abi::Slot> slots,
                                                   uint32_t priority, uint32_t tenant) {
  if (outcome == Publisher::Outcome::NoRoom)
    return makeError(ErrorCode::Busy, "the ring of priority " + std::to_string(priority) + " has no room for " +
                                          std::to_string(slots.size()) +
                                          " slots; publish later, or with PublishOptions::wait");
  if (outcome == Publisher::Outcome::NoTaskRoom)
    return makeError(ErrorCode::Busy, "of the " + std::to_string(HostTasks::Capacity) +
                                          " fences and loads, or resumable slots, that may be under way at once there "
                                          "are too many already; publish later, or with PublishOptions::wait");
  tenants.countRefusal(
      tenant, std::count_if(slots.begin(), slots.end(), [&](const abi::Slot &slot) { return slot.tenant == tenant; }));
  return makeError(ErrorCode::Busy, "tenant " + std::to_string(tenant) + " has its quota of " +
                                        std::to_string(tenants.quota(tenant)) +
                                        " slots waiting or running; publish later");
}

std::optional<PublishTicket> ResidentEngine::Impl::publishTask(const HostTask &task) {
  PublishTicket ticket;
  ticket.slots = 1;
  ticket.priority = task.priority;
  abi::Slot slot = task.slot;
  // Nothing is left to be counted.
  if (task.isFence())
    slot.args[0] = 0;
  if (!publisher.publishTask(slot, ticket))
    return std::nullopt;
  device->wakeServing();
  return ticket;
}

/// What becomes of a suspended slot whose tenant has lost the right to it.
SlotFault ResidentEngine::Impl::refuseTask(const HostTask &task) const {
  uint32_t rights = tenants.rights(task.slot.tenant);
  uint32_t missing = (abi::RightExecute | abi::RightUserOpcodes) & ~rights;
  if (!missing)
    return {};
  return {0, uint32_t(abi::FaultCode::TenantRight), uint32_t(std::countr_zero(missing))};
}

std::optional<uint32_t> ResidentEngine::Impl::readEpoch() {
  Expected<std::vector<uint32_t>> word = control.read(abi::ControlEpoch, 1);
  return word ? std::optional(word->front()) : std::nullopt;
}

SlotFault ResidentEngine::Impl::store(const abi::Slot &slot, std::span<const std::byte> bytes) {
  auto fault = [](abi::FaultCode code, uint64_t detail) {
    return SlotFault{0, uint32_t(code), uint32_t(std::min<uint64_t>(detail, UINT32_MAX))};
  };
  uint32_t handle = slot.args[abi::LoadBuffer];
  // A load that was published after the release may come while it is under way.
  BufferTable::Pin pin = buffers.pinRow(handle);
  const abi::BufferEntry &row = pin.row;
  if (!row.base)
    return fault(abi::FaultCode::BufferHandle, handle);
  if (!(row.tenants >> slot.tenant & 1))
    return fault(abi::FaultCode::TenantRight, handle);
  if (!(row.access & abi::AccessWrite))
    return fault(abi::FaultCode::BufferAccess, handle);
  if (bytes.size() > row.bytes)
    return fault(abi::FaultCode::BufferBounds, bytes.size());
  if (!bytes.data())
    return {};
  if (Expected<void> copied = device->copyToDevice(row.base, bytes); !copied)
    return fault(abi::FaultCode::IoError, 0);
  return {};
}

//===----------------------------------------------------------------------===//
// Tickets
//===----------------------------------------------------------------------===//

Expected<void> ResidentEngine::Impl::checkTicket(const PublishTicket &ticket) {
  bool good = ticket.priority < abi::PriorityLevels;
  for (size_t route = 0; route < RingRoutes; ++route)
    if (const PublishTicket::Range &lines = ticket.lines[route]; good && lines.begin != lines.end)
      good = sets[route] && (*sets[route])[ticket.priority].has(lines.begin, lines.end);
  if (good && ticket.tasks.begin != ticket.tasks.end)
    good = tasks.have(ticket.tasks);
  if (good)
    return {};
  return makeError(ErrorCode::InvalidArgument,
                   "the ticket is none of this engine's; pass one as publish() of the same engine returned it");
}

bool ResidentEngine::Impl::linesHaveEnded(PublishTicket &ticket) {
  for (size_t route = 0; route < RingRoutes; ++route)
    if (PublishTicket::Range &lines = ticket.lines[route];
        lines.begin != lines.end && !(*sets[route])[ticket.priority].hasEnded(lines.begin, lines.end))
      return false;
  return true;
}

bool ResidentEngine::Impl::hasEnded(PublishTicket &ticket) {
  return linesHaveEnded(ticket) && (ticket.tasks.begin == ticket.tasks.end || tasks.haveEnded(ticket.tasks));
}

/// How many were forgotten before, at most.
uint64_t ResidentEngine::Impl::takeLineFaults(const PublishTicket &ticket, std::vector<SlotFault> &faults) {
  uint64_t forgotten = 0;
  for (size_t route = 0; route < RingRoutes; ++route) {
    const PublishTicket::Range &lines = ticket.lines[route];
    if (lines.begin == lines.end)
      continue;
    Ring &ring = (*sets[route])[ticket.priority];
    if (ring.areDone(lines.begin, lines.end))
      continue;
    std::lock_guard lock(ring.mutex);
    forgotten += ring.takeFaults(lines.begin, lines.end, [&](const RingFault &fault) {
      faults.push_back({fault.slot, fault.code, fault.detail});
    });
  }
  return forgotten;
}

Expected<bool> ResidentEngine::Impl::poll(const PublishTicket &ticket) {
  if (Expected<void> good = checkTicket(ticket); !good)
    return tl::unexpected(good.error());
  PublishTicket rest = ticket;
  if (hasEnded(rest))
    return true;
  if (std::optional<Error> error = lostError())
    return tl::unexpected(*error);
  return false;
}

Expected<std::vector<SlotFault>> ResidentEngine::Impl::wait(const PublishTicket &ticket, uint64_t *forgotten) {
  if (Expected<void> good = checkTicket(ticket); !good)
    return tl::unexpected(good.error());
  Waiter waiter(*this);
  PublishTicket rest = ticket;
  if (Expected<void> ended = waitUntil([&] { return hasEnded(rest); }); !ended)
    return tl::unexpected(ended.error());
  std::vector<SlotFault> faults;
  uint64_t missing = takeLineFaults(ticket, faults);
  if (ticket.tasks.begin != ticket.tasks.end)
    missing += tasks.takeFaults(ticket.tasks, faults);
  if (forgotten)
    *forgotten = missing;
  std::sort(faults.begin(), faults.end(), [](const SlotFault &a, const SlotFault &b) { return a.slot < b.slot; });
  return faults;
}

/// The error of the device, if it is lost meanwhile.
template <typename Ended> Expected<void> ResidentEngine::Impl::waitUntil(Ended ended) {
  Backoff backoff;
  while (!ended()) {
    backoff.pause();
    if (backoff.isLong())
      if (std::optional<Error> error = checkDevice())
        return tl::unexpected(*error);
  }
  return {};
}

Expected<void> ResidentEngine::Impl::drain() {
  Waiter waiter(*this);
  // Those that are there now, which are published when they have nothing to wait for.
  PublishTicket::Range waiting = tasks.added();
  if (Expected<void> drained = drainRings(); !drained)
    return drained;
  if (Expected<void> ended = waitUntil([&] { return tasks.haveEnded(waiting); }); !ended)
    return ended;
  return waitUntil([&] { return tasks.haveLoaded(waiting.end); });
}

Expected<void> ResidentEngine::Impl::drainRings() {
  for (size_t route = 0; route < RingRoutes; ++route)
    for (uint32_t priority = 0; sets[route] && priority < abi::PriorityLevels; ++priority) {
      Ring &ring = (*sets[route])[priority];
      uint64_t begin = 0, end = 0;
      {
        std::lock_guard lock(ring.mutex);
        end = ring.next();
        begin = end - ring.waiting();
      }
      if (Expected<void> ended = waitUntil([&] { return ring.hasEnded(begin, end); }); !ended)
        return ended;
    }
  return {};
}

//===----------------------------------------------------------------------===//
// Promotion
//===----------------------------------------------------------------------===//

/// Looks at what is hot and what has come, a few hundred times a second.
void ResidentEngine::Impl::manage() {
  std::unique_lock lock(managerMutex);
  while (!closing) {
    managerWake.wait_for(lock, std::chrono::milliseconds(2));
    if (closing)
      return;
    lock.unlock();
    (void)checkDevice();
    publisher.reclaim();
    countHeat();
    if (secondsSince(lastWatch) > options.watchdogPatience / 8 && !lostError())
      watch();
    if (options.promote && !lostError())
      promote();
    ++passes;
    lock.lock();
  }
}

void ResidentEngine::Impl::countHeat() {
  std::lock_guard lock(heatMutex);
  double now = routes.now();
  opcodeHeat.resize(layout.size());
  for (uint32_t dense = 0; dense < layout.size(); ++dense) {
    HeatCounter &heat = opcodeHeat[dense];
    if (uint64_t more = publisher.executions(dense) - heat.total())
      heat.add(more, more, now, options.heatHalfLife);
  }
}

void ResidentEngine::Impl::watch() {
  lastWatch = Clock::now();
  ProgressSnapshot seen;
  seen.seconds = routes.now();
  seen.liveWorkers = 1;
  uint64_t published = 0, waiting = 0, claimed = 0;
  for (size_t route = 0; route < RingRoutes; ++route) {
    if (!sets[route])
      continue;
    for (uint32_t priority = 0; priority < abi::PriorityLevels; ++priority) {
      Ring &ring = (*sets[route])[priority];
      std::lock_guard lock(ring.mutex);
      published += ring.published();
      waiting += ring.waiting();
    }
    Expected<abi::RingState> state = sets[route]->state();
    if (!state)
      return;
    seen.heartbeat += state->heartbeat;
    seen.faultCount += state->faults;
    claimed += state->claimed;
  }
  seen.doneCount = uint32_t(published - waiting);
  // Lines that were claimed and have not ended; the claims are modulo 2^32.
  seen.running = std::min<uint64_t>(uint32_t(claimed - (published - waiting)), waiting);
  seen.schedulable = waiting - seen.running;
  WatchdogOptions watchdog;
  watchdog.patience = options.watchdogPatience;
  watchdog.workersSleep = true;
  std::lock_guard lock(heatMutex);
  verdict = judgeProgress(lastProgress, seen, watchdog);
  if (verdict.doneDelta || waiting == 0 || lastProgress.seconds == 0)
    lastProgress = seen;
}

void ResidentEngine::Impl::promote() {
  {
    std::lock_guard lock(routes.mutex);
    LaunchRequest request =
        LaunchRequest::direct(1, device->info().concurrentWorkgroups, device->info().maxWorkgroupSize);
    double hottest = routes.hottest();
    request.hotWindowCount = hottest >= double(UINT32_MAX) ? UINT32_MAX : uint32_t(hottest);
    LaunchExpected<LaunchRecommendation> answer = options.policy.recommend(request);
    if (answer && answer->promoteHotWindows)
      routes.propose(options.policy.hotWindowThreshold);
    routes.demoteCold(options.policy.hotWindowThreshold);
  }
  requestRoutes();
  if (somethingNew) {
    std::lock_guard lock(swapMutex);
    if (promotionWaiters != 0 || secondsSince(lastSwap) >= options.swapInterval)
      (void)swapLocked();
  }
  checkInstalled();
}

/// Asks for the code of routes that have none. Of the kernels of a GPU, one at a time: the next one has what came
/// meanwhile.
void ResidentEngine::Impl::requestRoutes() {
  struct Order {
    CompileRequest request;
    size_t route;
    std::vector<uint32_t> ids;
  };
  std::vector<Order> orders;
  bool host = device->info().target.kind == CodeTarget::Host;
  {
    std::lock_guard lock(routes.mutex);
    std::vector<Routes::Route *> wanted = routes.wanted();
    for (size_t scope = 0; scope < RingRoutes; ++scope) {
      if (!host && workers[scope].underWay)
        continue;
      bool isNew = false;
      Order all{requestFor(scope), scope, {}};
      for (Routes::Route *route : wanted) {
        if (size_t(route->unit->scope) != scope)
          continue;
        if (!host) {
          all.request.routes.push_back({route->id, route->unit->signature});
          all.ids.push_back(route->id);
        } else if (!route->requested) {
          Order &order = orders.emplace_back(Order{{}, scope, {route->id}});
          order.request.kind = CompileRequest::Window;
          order.request.window = route->unit->signature;
        }
        isNew |= !std::exchange(route->requested, true);
      }
      if (!host && isNew) {
        workers[scope].underWay = true;
        orders.push_back(std::move(all));
      }
    }
  }
  for (Order &order : orders) {
    {
      std::lock_guard lock(arrivalMutex);
      ++requests;
    }
    code->request(order.request, 1, [this, route = order.route, ids = order.ids](Expected<KernelCode> compiled) {
      finishRequest(route, ids, std::move(compiled));
    });
  }
}

/// On a thread of the provider.
void ResidentEngine::Impl::finishRequest(size_t route, std::vector<uint32_t> ids, Expected<KernelCode> compiled) {
  bool host = device->info().target.kind == CodeTarget::Host;
  if (compiled && !host) {
    std::lock_guard lock(swapMutex);
    workers[route].next = std::move(*compiled);
    workers[route].nextRoutes = std::move(ids);
  } else {
    Expected<std::shared_ptr<Kernel>> kernel = nullptr;
    if (compiled)
      kernel = device->load(*compiled);
    else
      kernel = tl::unexpected(compiled.error());
    std::lock_guard lock(routes.mutex);
    for (uint32_t id : ids)
      if (Routes::Route *found = routes.find(id)) {
        if (kernel)
          found->kernel = *kernel;
        else if (kernel.error().code == ErrorCode::Busy)
          found->requested = false;
        else if (!found->installed)
          routes.retire(*found, PromotionState::Failed, kernel.error().message);
      }
  }
  {
    std::lock_guard lock(routes.mutex);
    workers[route].underWay = false;
  }
  if (compiled)
    somethingNew = true;
  std::lock_guard lock(arrivalMutex);
  --requests;
  arrived.notify_all();
}

/// Lets the first code of each new route prove itself. True when there was one to check.
bool ResidentEngine::Impl::checkInstalled() {
  bool any = false;
  while (true) {
    RouteCheck::Candidate candidate;
    {
      std::lock_guard lock(routes.mutex);
      Routes::Route *next = nullptr;
      for (Routes::Route *route : routes.wanted())
        if (route->state == PromotionState::Queued && !route->captured.empty())
          next = route;
        else if (route->state == PromotionState::Queued && route->installed && !route->unit->samples.empty())
          // The next epoch captures what has come since.
          somethingNew = true;
      if (!next)
        break;
      candidate = {next->id, next->unit->signature, std::move(next->captured)};
      next->captured.clear();
    }
    any = true;
    RouteCheck check(
        *device, layout, buffers, routes.mutex,
        [this](std::span<const abi::Slot> slots, uint32_t id) { return runWindow(slots, id); },
        [this](std::span<const BufferHandle> handles) { return takeAway(handles, /*loads=*/false); });
    Expected<std::string> difference = check.run(candidate);
    std::lock_guard lock(routes.mutex);
    Routes::Route *route = routes.find(candidate.route);
    if (!route || route->state != PromotionState::Queued)
      continue;
    if (!difference)
      routes.retire(*route, PromotionState::Failed, difference.error().message);
    else if (!difference->empty())
      routes.retire(*route, PromotionState::Mismatched, *difference);
    else
      route->state = PromotionState::Live;
  }
  return any;
}

/// Runs a window on a given route, as traffic of low priority.
Expected<std::vector<SlotFault>> ResidentEngine::Impl::runWindow(std::span<const abi::Slot> slots, uint32_t route) {
  constexpr double patience = 5;
  Clock::time_point start = Clock::now();
  while (secondsSince(start) < patience) {
    if (std::optional<Error> error = lostError())
      return tl::unexpected(*error);
    PublishTicket ticket;
    ticket.priority = uint8_t(abi::PriorityLevels - 1);
    Expected<Publisher::Outcome> outcome = publisher.publishOn(route, slots, ticket.priority, ticket);
    if (!outcome)
      return tl::unexpected(outcome.error());
    if (*outcome == Publisher::Outcome::Published) {
      device->wakeServing();
      return wait(ticket, nullptr);
    }
    publisher.reclaim();
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return makeError(ErrorCode::TimedOut, "no room was found for an instance to be checked on");
}

Expected<void> ResidentEngine::Impl::demoteAll() {
  Waiter waiter(*this);
  std::lock_guard lock(swapMutex);
  {
    std::lock_guard routesLock(routes.mutex);
    routes.reset();
  }
  Expected<EpochSwap> swapped = swapLocked();
  return swapped ? Expected<void>() : tl::unexpected(swapped.error());
}

void ResidentEngine::Impl::waitForPromotions() {
  Waiter waiter(*this);
  ++promotionWaiters;
  // The manager has to look at what was published until now.
  uint64_t seen = passes;
  while (!lostError() && !closing) {
    if (passes >= seen + 2) {
      std::lock_guard lock(arrivalMutex);
      std::lock_guard routesLock(routes.mutex);
      bool busy = requests != 0 || somethingNew;
      for (Routes::Route *route : routes.wanted())
        busy |= route->state == PromotionState::Queued && !(route->installed && route->unit->samples.empty());
      if (!busy)
        break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  --promotionWaiters;
}

//===----------------------------------------------------------------------===//
// What can be seen
//===----------------------------------------------------------------------===//

std::vector<ResidentWindow> ResidentEngine::Impl::windows() {
  std::lock_guard lock(routes.mutex);
  std::vector<ResidentWindow> list;
  double now = routes.now();
  for (const auto &unit : routes.units()) {
    ResidentWindow &window = list.emplace_back();
    window.what = unit->what;
    window.total = unit->heat.total();
    window.recent = unit->heat.recent(now, options.heatHalfLife);
    if (Routes::Route *route = unit->route ? routes.find(unit->route) : nullptr) {
      window.state = route->state;
      window.error = route->error;
    }
  }
  std::sort(list.begin(), list.end(),
            [](const ResidentWindow &a, const ResidentWindow &b) { return a.recent > b.recent; });
  return list;
}

Expected<ResidentTelemetry> ResidentEngine::Impl::telemetry() {
  ResidentTelemetry result;
  for (size_t route = 0; route < RingRoutes; ++route) {
    if (!sets[route])
      continue;
    for (uint32_t priority = 0; priority < abi::PriorityLevels; ++priority) {
      Ring &ring = (*sets[route])[priority];
      std::lock_guard lock(ring.mutex);
      result.levels[route][priority] = {ring.published(), ring.waiting()};
      result.faultsForgotten += ring.faultsForgotten();
    }
    Expected<abi::RingState> state = sets[route]->state();
    if (!state)
      return tl::unexpected(state.error());
    result.workers[route] = {state->claimed, state->claims, state->aged, state->faults, state->heartbeat};
  }
  result.faultsForgotten += tasks.faultsForgotten();
  result.resumables = tasks.resumables();
  for (uint32_t tenant = 0; tenant < abi::MaxTenants; ++tenant) {
    const TenantCounters::Tenant &count = tenants.counters.tenants[tenant];
    result.tenants[tenant] = {count.published.load(), count.ended.load(), count.refused.load()};
  }
  {
    std::lock_guard lock(heatMutex);
    for (const HeatCounter &heat : opcodeHeat)
      result.opcodes.push_back({heat.total(), heat.recent(routes.now(), options.heatHalfLife)});
    result.verdict = verdict;
  }
  result.windowsFound = publisher.windowsFound();
  std::lock_guard lock(swapMutex);
  result.epoch = epoch;
  result.swaps = swapCount;
  return result;
}

//===----------------------------------------------------------------------===//
// ResidentEngine
//===----------------------------------------------------------------------===//

ResidentEngine::ResidentEngine(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
ResidentEngine::~ResidentEngine() = default;

Expected<std::unique_ptr<ResidentEngine>> ResidentEngine::create(std::unique_ptr<Device> device,
                                                                 std::unique_ptr<CodeProvider> code,
                                                                 const ResidentOptions &options) {
  auto refuse = [](const std::string &what) { return makeError(ErrorCode::InvalidArgument, what); };
  if (!device || !code)
    return refuse("an engine needs a device and a code provider, but one of them is null");
  constexpr uint32_t least = 1u << abi::MinRingLog2, most = 1u << abi::MaxRingLog2;
  if (!std::has_single_bit(options.ringLines) || options.ringLines < least || options.ringLines > most)
    return refuse("ResidentOptions::ringLines is " + std::to_string(options.ringLines) + ", give a power of two from " +
                  std::to_string(least) + " to " + std::to_string(most));
  if (options.maxBuffers <= abi::SystemBufferCount || options.maxBuffers > 1u << 24)
    return refuse("ResidentOptions::maxBuffers is " + std::to_string(options.maxBuffers) + ", give " +
                  std::to_string(abi::SystemBufferCount + 1) + " to " + std::to_string(1u << 24));
  if (options.keptFaults > most)
    return refuse("ResidentOptions::keptFaults is " + std::to_string(options.keptFaults) + ", give at most " +
                  std::to_string(most));
  // Not a number is none of these.
  if (!(options.heatHalfLife > 0))
    return refuse("ResidentOptions::heatHalfLife is " + std::to_string(options.heatHalfLife) +
                  " seconds, give a positive time");
  if (!(options.leaveSeconds > 0))
    return refuse("ResidentOptions::leaveSeconds is " + std::to_string(options.leaveSeconds) +
                  " seconds, give a positive time");
  if (!(options.swapInterval >= 0))
    return refuse("ResidentOptions::swapInterval is " + std::to_string(options.swapInterval) +
                  " seconds, give 0 or a positive time");
  if (!(options.watchdogPatience > 0))
    return refuse("ResidentOptions::watchdogPatience is " + std::to_string(options.watchdogPatience) +
                  " seconds, give a positive time");
  if (options.tenants.size() > abi::MaxTenants)
    return refuse("ResidentOptions::tenants has " + std::to_string(options.tenants.size()) +
                  " entries, but there are " + std::to_string(abi::MaxTenants) + " tenants");
  Expected<IsaLayout> layout = IsaLayout::create(code->isa());
  if (!layout)
    return tl::unexpected(layout.error());
  auto impl = std::make_unique<Impl>(std::move(device), std::move(code), std::move(*layout), options);
  if (Expected<void> started = impl->start(); !started)
    return tl::unexpected(started.error());
  return std::unique_ptr<ResidentEngine>(new ResidentEngine(std::move(impl)));
}

const Isa &ResidentEngine::isa() const { return impl->code->isa(); }
const DeviceInfo &ResidentEngine::device() const { return impl->device->info(); }

Expected<BufferHandle> ResidentEngine::allocate(ElementType type, uint64_t count, uint32_t access, uint32_t tenants) {
  Expected<uint64_t> bytes = bufferBytes(type, count, access);
  return bytes ? impl->allocate(*bytes, access, tenants) : tl::unexpected(bytes.error());
}
Expected<void> ResidentEngine::release(BufferHandle buffer) { return impl->release(buffer); }
Expected<void> ResidentEngine::write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes) {
  return impl->write(buffer, offset, bytes);
}
Expected<void> ResidentEngine::read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes) {
  return impl->read(buffer, offset, bytes);
}
Expected<std::vector<uint32_t>> ResidentEngine::readControl(uint32_t first, uint32_t count) {
  return impl->control.read(first, count);
}
Expected<void> ResidentEngine::writeControl(uint32_t first, std::span<const uint32_t> words) {
  Expected<void> written = impl->control.write(first, words);
  impl->tasks.lookAtEpoch();
  return written;
}
Expected<DebugLog> ResidentEngine::readDebugLog() { return impl->control.readDebugLog(); }
Expected<void> ResidentEngine::setTenant(uint32_t tenant, const TenantOptions &options) {
  return impl->setTenant(tenant, options);
}
Expected<uint32_t> ResidentEngine::addResource(ResourceReader reader, uint64_t bytes) {
  if (!reader)
    return makeError(ErrorCode::InvalidArgument, "a resource needs a reader, but was given none");
  return impl->tasks.addResource(std::move(reader), bytes);
}
Expected<PublishTicket> ResidentEngine::publish(std::span<const abi::Slot> slots, const PublishOptions &options) {
  return impl->publish(slots, options);
}
Expected<bool> ResidentEngine::poll(const PublishTicket &ticket) { return impl->poll(ticket); }
Expected<std::vector<SlotFault>> ResidentEngine::wait(const PublishTicket &ticket, uint64_t *forgotten) {
  return impl->wait(ticket, forgotten);
}
Expected<void> ResidentEngine::drain() { return impl->drain(); }
Expected<EpochSwap> ResidentEngine::swap() { return impl->swap(); }
std::vector<EpochSwap> ResidentEngine::swaps() const {
  std::lock_guard lock(impl->swapMutex);
  return {impl->swapLog.begin(), impl->swapLog.end()};
}
Expected<void> ResidentEngine::demoteAll() { return impl->demoteAll(); }
void ResidentEngine::waitForPromotions() { impl->waitForPromotions(); }
std::vector<ResidentWindow> ResidentEngine::windows() const { return impl->windows(); }
Expected<ResidentTelemetry> ResidentEngine::telemetry() { return impl->telemetry(); }

} // namespace mk
