//===- Engine.cpp - Slots in, results out ---------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Engine.h"
#include "Admission.h"
#include "Control.h"
#include "Dispatcher.h"
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace mk {

//===----------------------------------------------------------------------===//
// Engine::Impl
//===----------------------------------------------------------------------===//

/// The queue between the callers and the dispatcher thread, and the tickets. All that has to happen in the order of the
/// calls goes through the queue: batches, copies, releases.
class Engine::Impl {
public:
  Impl(std::unique_ptr<Device> ownedDevice, std::unique_ptr<CodeProvider> ownedCode, IsaLayout ownedLayout,
       const EngineOptions &options)
      : device(std::move(ownedDevice)), code(std::move(ownedCode)), layout(std::move(ownedLayout)),
        memory(*device, options.memoryBudget), buffers(*device, memory), control(*device, buffers),
        promotionOptions(options.promotion), interpreters(*device, *code), promoter(*device, *code, promotionOptions),
        dispatcher(*device, *code, layout, options, memory, buffers, promoter, interpreters),
        saturatedWaves(options.policy.saturatedWaves) {}

  ~Impl() {
    {
      std::lock_guard lock(mutex);
      closing = true;
    }
    wake.notify_all();
    room.notify_all();
    if (thread.joinable())
      thread.join();
    {
      std::unique_lock lock(mutex);
      room.wait(lock, [this] { return publishersWaiting == 0; });
    }
    // The compile thread reads what belongs to the dispatcher.
    promoter.shutDown();
  }

  /// Loads the interpreters and starts the dispatcher thread.
  Expected<void> start(const EngineOptions &options) {
    if (Expected<void> created = control.create(options); !created)
      return created;
    if (Expected<void> loaded = interpreters.load(layout); !loaded)
      return loaded;
    thread = std::thread([this] { work(); });
    return {};
  }

  Expected<Ticket> submit(const Batch &batch, const SubmitOptions &options) {
    if (options.priority >= abi::PriorityLevels)
      return makeError(ErrorCode::InvalidArgument, "SubmitOptions::priority is " + std::to_string(options.priority) +
                                                       ", but priorities are 0 to " +
                                                       std::to_string(abi::PriorityLevels - 1));
    Job job;
    if (Expected<void> admitted = admit(layout, batch.slots(), job.opcodes); !admitted)
      return tl::unexpected(admitted.error());
    job.slots.assign(batch.slots().begin(), batch.slots().end());
    job.options = options;
    std::unique_lock lock(mutex);
    if (Expected<void> room = waitForRoom(lock, options.wait); !room)
      return tl::unexpected(room.error());
    job.ticket = ++lastTicket;
    outcomes.emplace(job.ticket, Outcome());
    queue.push(std::move(job));
    wake.notify_one();
    return lastTicket;
  }

  Expected<bool> poll(Ticket ticket) {
    std::lock_guard lock(mutex);
    auto it = outcomes.find(ticket);
    if (it == outcomes.end() || it->second.claimed)
      return noTicket(ticket);
    return it->second.result.has_value();
  }

  Expected<BatchResult> wait(Ticket ticket) {
    std::unique_lock lock(mutex);
    auto it = outcomes.find(ticket);
    if (it == outcomes.end() || it->second.claimed)
      return noTicket(ticket);
    // From here on the entry is this call's: references into the map outlive insertions.
    Outcome &outcome = it->second;
    outcome.claimed = true;
    done.wait(lock, [&] { return outcome.result.has_value(); });
    Expected<BatchResult> result = std::move(*outcome.result);
    outcomes.erase(ticket);
    return result;
  }

  Expected<BufferHandle> allocate(uint64_t bytes, uint32_t access, uint32_t tenants) {
    Expected<BufferHandle> buffer = buffers.allocate(bytes, access, tenants);
    if (buffer || buffer.error().code != ErrorCode::OutOfMemory)
      return buffer;
    // Releases may still wait behind submitted batches; their memory counts as soon as those are done.
    if (Expected<void> drained = inOrder([] { return Expected<void>(); }); !drained)
      return tl::unexpected(drained.error());
    return buffers.allocate(bytes, access, tenants);
  }

  Expected<void> release(BufferHandle buffer) {
    if (Expected<void> retired = buffers.retire(buffer); !retired)
      return retired;
    Job job;
    job.action = [this, buffer] { buffers.free(buffer); };
    std::lock_guard lock(mutex);
    queue.push(std::move(job));
    wake.notify_one();
    return {};
  }

  Expected<void> write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes) {
    return inOrder([&]() -> Expected<void> {
      Expected<uint64_t> address = buffers.locate(buffer, offset, bytes.size());
      if (!address)
        return tl::unexpected(address.error());
      return device->copyToDevice(*address, bytes);
    });
  }

  Expected<void> read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes) {
    return inOrder([&]() -> Expected<void> {
      Expected<uint64_t> address = buffers.locate(buffer, offset, bytes.size());
      if (!address)
        return tl::unexpected(address.error());
      return device->copyFromDevice(*address, bytes);
    });
  }

  /// What 'ask' gives for the control words, in order.
  template <typename T> Expected<T> askControl(const std::function<Expected<T>(Control &)> &ask) {
    Expected<T> answer = tl::unexpected(Error());
    Expected<void> done = inOrder([&]() -> Expected<void> {
      answer = ask(control);
      return answer ? Expected<void>() : tl::unexpected(answer.error());
    });
    return done ? std::move(answer) : tl::unexpected(done.error());
  }
  Expected<void> changeControl(const std::function<Expected<void>(Control &)> &change) {
    return inOrder([&] { return change(control); });
  }

  const Isa &isa() const { return code->isa(); }
  const DeviceInfo &deviceInfo() const { return device->info(); }
  Promoter &promotions() { return promoter; }
  void waitForCode() {
    interpreters.waitIdle();
    promoter.waitIdle();
  }
  const Dispatcher &dispatch() const { return dispatcher; }
  PriorityRequeueAccounting priorityAccounting() const {
    std::lock_guard lock(mutex);
    return queue.accounting();
  }

private:
  struct Outcome {
    /// A wait() has taken it.
    bool claimed = false;
    std::optional<Expected<BatchResult>> result;
  };

  /// Slots that may wait before publishers have to; none while the queue is not saturated.
  std::optional<uint64_t> backlogLimit() const {
    std::optional<LaunchRecommendation> last = dispatcher.lastRecommendation();
    if (!last || last->pressure != QueuePressure::Saturated)
      return std::nullopt;
    return uint64_t(last->geometry.dispatchGrid[0]) * last->geometry.workgroupSizeX * saturatedWaves;
  }

  /// With the mutex held: waits while the queue is saturated.
  Expected<void> waitForRoom(std::unique_lock<std::mutex> &lock, bool mayWait) {
    auto hasRoom = [&] {
      std::optional<uint64_t> limit = backlogLimit();
      return queue.slots() == 0 || !limit || queue.slots() < *limit;
    };
    if (!mayWait && !lost && !hasRoom())
      return makeError(ErrorCode::Busy, "the queue is saturated: " + std::to_string(queue.slots()) +
                                            " slots wait, the limit is " + std::to_string(*backlogLimit()) +
                                            "; submit later, or with SubmitOptions::wait");
    ++publishersWaiting;
    room.wait(lock, [&] { return lost || closing || hasRoom(); });
    --publishersWaiting;
    if (closing)
      room.notify_all();
    if (lost)
      return tl::unexpected(*lost);
    if (closing)
      return makeError(ErrorCode::Closed, "the engine was shut down while the batch waited for room in the queue");
    return {};
  }

  tl::unexpected<Error> noTicket(Ticket ticket) const {
    bool unknown = ticket == 0 || ticket > lastTicket;
    return makeError(ErrorCode::NotFound, "ticket " + std::to_string(ticket) +
                                              (unknown ? " was never given out" : " has been waited for before"));
  }

  /// Runs 'action' after all that was submitted so far, and waits for it.
  Expected<void> inOrder(const std::function<Expected<void>()> &action) {
    std::optional<Expected<void>> result;
    Job job;
    job.action = [&] {
      Expected<void> outcome = action();
      std::lock_guard lock(mutex);
      if (!outcome && outcome.error().code == ErrorCode::DeviceFailed)
        loseDevice(outcome.error());
      result = std::move(outcome);
      done.notify_all();
    };
    std::unique_lock lock(mutex);
    if (lost)
      return tl::unexpected(*lost);
    queue.push(std::move(job));
    wake.notify_one();
    done.wait(lock, [&] { return result.has_value(); });
    return *result;
  }

  /// With the mutex held. What is queued is still taken from the queue, to fail.
  void loseDevice(const Error &error) {
    if (lost)
      return;
    lost = error;
    room.notify_all();
    promoter.fail(error);
  }

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [this] { return closing || !queue.empty(); });
      if (queue.empty())
        return;
      Job job = queue.take();
      if (job.action) {
        lock.unlock();
        job.action();
        lock.lock();
        continue;
      }
      Expected<BatchResult> result = tl::unexpected(Error());
      room.notify_all();
      if (lost) {
        result = tl::unexpected(*lost);
      } else {
        Backlog backlog = queue.backlog();
        lock.unlock();
        result = dispatcher.dispatch(job, backlog);
        lock.lock();
        // A batch that did not run has overtaken the others all the same.
        if (result ? result->recommendation.agePriorityWork : backlog.requeueCount != 0)
          queue.age();
        if (!result && result.error().code == ErrorCode::DeviceFailed)
          loseDevice(result.error());
      }
      outcomes.at(job.ticket).result = std::move(result);
      done.notify_all();
    }
  }

  // In the order of construction; what comes later uses what comes before.
  std::unique_ptr<Device> device;
  std::unique_ptr<CodeProvider> code;
  const IsaLayout layout;
  DeviceMemory memory;
  BufferTable buffers;
  Control control;
  const PromotionOptions promotionOptions;
  Interpreters interpreters;
  Promoter promoter;
  Dispatcher dispatcher;

  const uint32_t saturatedWaves;
  mutable std::mutex mutex;
  /// Wakes the dispatcher thread, those who wait for it, and publishers who wait for room in the queue.
  std::condition_variable wake, done, room;
  JobQueue queue;
  uint32_t publishersWaiting = 0;
  std::unordered_map<Ticket, Outcome> outcomes;
  Ticket lastTicket = 0;
  bool closing = false;
  /// Set once the device is lost: the answer to everything from then on.
  std::optional<Error> lost;
  std::thread thread;
};

//===----------------------------------------------------------------------===//
// Engine
//===----------------------------------------------------------------------===//

Engine::Engine(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
Engine::~Engine() = default;

Expected<std::unique_ptr<Engine>> Engine::create(std::unique_ptr<Device> device, std::unique_ptr<CodeProvider> code,
                                                 EngineOptions options) {
  if (!device || !code)
    return makeError(ErrorCode::InvalidArgument,
                     "an engine needs a device and a code provider, but one of them is null");
  if (!(options.heatHalfLife > 0))
    return makeError(ErrorCode::InvalidArgument, "EngineOptions::heatHalfLife is " +
                                                     std::to_string(options.heatHalfLife) +
                                                     " seconds, give a positive time");
  Expected<IsaLayout> layout = IsaLayout::create(code->isa());
  if (!layout)
    return tl::unexpected(layout.error());
  auto impl = std::make_unique<Impl>(std::move(device), std::move(code), std::move(*layout), options);
  if (Expected<void> started = impl->start(options); !started)
    return tl::unexpected(started.error());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

const Isa &Engine::isa() const { return impl->isa(); }
const DeviceInfo &Engine::device() const { return impl->deviceInfo(); }

Expected<BufferHandle> Engine::allocate(ElementType type, uint64_t count, uint32_t access, uint32_t tenants) {
  Expected<uint64_t> bytes = bufferBytes(type, count, access);
  return bytes ? impl->allocate(*bytes, access, tenants) : tl::unexpected(bytes.error());
}

Expected<void> Engine::release(BufferHandle buffer) { return impl->release(buffer); }

Expected<void> Engine::write(BufferHandle buffer, uint64_t offset, std::span<const std::byte> bytes) {
  return impl->write(buffer, offset, bytes);
}

Expected<void> Engine::read(BufferHandle buffer, uint64_t offset, std::span<std::byte> bytes) {
  return impl->read(buffer, offset, bytes);
}

Expected<std::vector<uint32_t>> Engine::readControl(uint32_t first, uint32_t count) {
  return impl->askControl<std::vector<uint32_t>>([&](Control &control) { return control.read(first, count); });
}
Expected<void> Engine::writeControl(uint32_t first, std::span<const uint32_t> words) {
  return impl->changeControl([&](Control &control) { return control.write(first, words); });
}
Expected<DebugLog> Engine::readDebugLog() {
  return impl->askControl<DebugLog>([](Control &control) { return control.readDebugLog(); });
}
Expected<void> Engine::clearDebugLog() {
  return impl->changeControl([](Control &control) { return control.clearDebugLog(); });
}

Expected<Ticket> Engine::submit(const Batch &batch, const SubmitOptions &options) {
  return impl->submit(batch, options);
}
Expected<bool> Engine::poll(Ticket ticket) { return impl->poll(ticket); }
Expected<BatchResult> Engine::wait(Ticket ticket) { return impl->wait(ticket); }

void Engine::waitForPromotions() { impl->waitForCode(); }
std::vector<Promotion> Engine::promotions() const { return impl->promotions().list(); }
std::vector<PromotionEvent> Engine::promotionEvents() const { return impl->promotions().events(); }
std::vector<HeatRow> Engine::heat() const { return impl->dispatch().heat(); }
std::optional<LaunchRecommendation> Engine::lastRecommendation() const { return impl->dispatch().lastRecommendation(); }
PriorityRequeueAccounting Engine::priorityAccounting() const { return impl->priorityAccounting(); }

} // namespace mk
