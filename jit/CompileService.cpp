//===- CompileService.cpp - Code in the background --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Requests with one key are one job. A job waits in 'queue' or runs on a worker; what ends it takes it off, and answers
// those who wait for it once the lock is gone.
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/CompileService.h"
#include "Backend.h"
#include "HostCode.h"
#include "InjectFault.h"
#include "WorkerProcess.h"
#include "llvm/ADT/STLExtras.h"
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace mk;
using Clock = std::chrono::steady_clock;

constexpr size_t keptEvents = 1024;
/// Keys that killed workers, which are remembered.
constexpr size_t keptDeaths = 256;
/// Deaths of workers on one key, after which the key is to blame.
constexpr unsigned maxDeaths = 2;
/// How long a worker that cannot be started is left alone, times the number of attempts.
constexpr std::chrono::milliseconds restartPause{100};
/// How often an idle worker is looked after.
constexpr std::chrono::milliseconds idlePause{100};

const char *mk::stringifyCompileEvent(CompileEvent::Kind kind) {
  static constexpr const char *names[] = {"queued",       "joined",      "cache_hit",       "started",
                                          "finished",     "failed",      "cancelled",       "dropped",
                                          "worker_ready", "worker_died", "worker_replaced", "not_isolated"};
  return names[size_t(kind)];
}

namespace {
struct Waiter {
  CodeProvider::RequestId id;
  double priority;
  CodeProvider::Done done;
};

struct Job {
  CompileRequest request;
  CodeObject::Format format;
  CacheKey key;
  std::string what;
  std::vector<Waiter> waiters;
  CodeProvider::RequestId first;
  Clock::time_point queuedAt, startedAt;
  bool running = false;
  unsigned attempts = 0;

  double priority() const {
    double highest = -INFINITY;
    for (const Waiter &waiter : waiters)
      highest = std::max(highest, waiter.priority);
    return highest;
  }
};

/// Answers that are given when the lock is gone.
using Calls = std::vector<std::function<void()>>;
} // namespace

class CompileService::Impl {
public:
  explicit Impl(CompileServiceOptions options) : options(std::move(options)) {}

  struct Worker {
    std::unique_ptr<Backend> backend;
    /// 'backend', if that is a process.
    WorkerProcess *process = nullptr;
    std::shared_ptr<Job> job;
    bool isReady = false;
    std::thread thread;
  };

  /// The thread of a worker.
  void serve(Worker &worker);
  /// Gets the backend ready; false when it cannot be, or the service ends. Takes the lock.
  bool prepare(Worker &worker);
  /// Compilation is in this process from now on. Locked.
  void leaveIsolation(const Error &why);
  /// The hottest job that waits, or null. Locked.
  std::shared_ptr<Job> take();
  void run(Worker &worker, const std::shared_ptr<Job> &job);
  /// Code for the runtime. Nothing is locked.
  Expected<KernelCode> load(const CodeObject &code, const CacheKey &key, const std::optional<FaultInjection> &fault,
                            PhaseTimes &phases);
  /// Which fault hits this compilation, if any. Locked.
  std::optional<FaultInjection> nextFault(const CompileRequest &request);
  std::chrono::milliseconds deadlineOf(const CompileRequest &request) const;

  /// Tells what happened and gives the answers. Not locked.
  void make(Calls &calls);

  // Locked.
  std::shared_ptr<Job> find(const CacheKey &key) const;
  void remove(const Job &job);
  void note(CompileEvent event);
  CompileEvent eventOf(CompileEvent::Kind kind, const Job &job) const;
  void answer(Job &job, const Expected<KernelCode> &code, Calls &calls);

  CompileServiceOptions options;
  std::unique_ptr<Compiler> front;
  std::string bytecode;
  std::shared_ptr<CodeCache> cache;
  std::string program;

  mutable std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  /// The ISA is there.
  bool open = false;
  unsigned starting = 0;
  std::optional<Error> startError;
  CodeProvider::RequestId nextId = 1;
  std::vector<std::shared_ptr<Job>> jobs;
  std::deque<std::unique_ptr<Worker>> workers;
  /// Jobs that left 'jobs' with code.
  uint64_t completions = 0;
  std::vector<uint64_t> faultCounts;
  struct Death {
    CacheKey key;
    unsigned count;
    std::string message;
  };
  std::deque<Death> deaths;
  std::deque<CompileEvent> ring;
  /// What onEvent has not seen yet. Told in order, so by one thread at a time.
  std::deque<CompileEvent> untold;
  std::mutex tellMutex;
  CompileServiceStats stats;

  std::mutex hostMutex;
  std::shared_ptr<HostCode> host;
  /// Functions that somebody still has, so that they are not linked twice.
  struct Loaded {
    CacheKey key;
    HostKernelFn function;
    std::weak_ptr<void> owner;
  };
  std::vector<Loaded> loaded;
};

//===----------------------------------------------------------------------===//
// Jobs
//===----------------------------------------------------------------------===//

std::shared_ptr<Job> CompileService::Impl::find(const CacheKey &key) const {
  auto found = llvm::find_if(jobs, [&](const auto &job) { return job->key == key; });
  return found == jobs.end() ? nullptr : *found;
}

void CompileService::Impl::remove(const Job &job) {
  llvm::erase_if(jobs, [&](const auto &other) { return other.get() == &job; });
}

CompileEvent CompileService::Impl::eventOf(CompileEvent::Kind kind, const Job &job) const {
  CompileEvent event;
  event.kind = kind;
  event.request = job.waiters.empty() ? job.first : job.waiters.front().id;
  event.what = job.what;
  event.priority = job.waiters.empty() ? 0 : job.priority();
  return event;
}

void CompileService::Impl::note(CompileEvent event) {
  event.time = Clock::now();
  if (options.onEvent)
    untold.push_back(event);
  if (ring.size() == keptEvents)
    ring.pop_front();
  ring.push_back(std::move(event));
}

void CompileService::Impl::make(Calls &calls) {
  if (options.onEvent) {
    std::lock_guard order(tellMutex);
    while (true) {
      std::unique_lock lock(mutex);
      if (untold.empty())
        break;
      CompileEvent event = std::move(untold.front());
      untold.pop_front();
      lock.unlock();
      options.onEvent(event);
    }
  }
  for (auto &call : calls)
    call();
  calls.clear();
}

void CompileService::Impl::answer(Job &job, const Expected<KernelCode> &code, Calls &calls) {
  for (Waiter &waiter : job.waiters)
    calls.push_back([done = std::move(waiter.done), code] { done(code); });
  job.waiters.clear();
}

std::shared_ptr<Job> CompileService::Impl::take() {
  std::shared_ptr<Job> hottest;
  for (const auto &job : jobs)
    if (!job->running && (!hottest || job->priority() > hottest->priority()))
      hottest = job;
  return hottest;
}

std::chrono::milliseconds CompileService::Impl::deadlineOf(const CompileRequest &request) const {
  size_t opcodes = 1;
  if (request.kind == CompileRequest::Interpreter || request.kind == CompileRequest::PackedInterpreter)
    opcodes = front->isa().opcodes.size();
  else if (request.kind == CompileRequest::Window)
    opcodes = request.window.issues.size();
  return options.deadline * ((opcodes + 7) / 8);
}

std::optional<FaultInjection> CompileService::Impl::nextFault(const CompileRequest &request) {
  const Isa &isa = front->isa();
  std::vector<std::string> names;
  switch (request.kind) {
  case CompileRequest::Interpreter:
  case CompileRequest::PackedInterpreter:
    names = {"interpreter"};
    break;
  case CompileRequest::Opcode:
    names = {"opcode", isa.opcodes[request.opcode].name, ""};
    break;
  case CompileRequest::Window:
    names = {"window", ""};
    for (const WindowSignature::Issue &issue : request.window.issues)
      names.push_back(isa.opcodes[issue.opcode].name);
    break;
  }
  std::optional<FaultInjection> hit;
  for (auto [fault, count] : llvm::zip_equal(options.faults, faultCounts)) {
    if (!llvm::is_contained(names, fault.only))
      continue;
    ++count;
    if (!hit && (fault.nth != 0 ? count == fault.nth : count % fault.every == 0))
      hit = fault;
  }
  return hit;
}

//===----------------------------------------------------------------------===//
// Workers
//===----------------------------------------------------------------------===//

bool CompileService::Impl::prepare(Worker &worker) {
  for (unsigned attempt = 1; !worker.backend->isReady(); ++attempt) {
    Calls calls;
    std::unique_lock lock(mutex);
    if (std::exchange(worker.isReady, false)) {
      ++stats.workerDeaths;
      CompileEvent died;
      died.kind = CompileEvent::WorkerDied;
      died.reason = "it ended while it had nothing to do";
      died.error = ErrorCode::CompilerDied;
      note(std::move(died));
    }
    if (stopping)
      return false;
    worker.backend->rearm();
    lock.unlock();
    make(calls);
    auto begin = Clock::now();
    auto started = worker.backend->start();
    lock.lock();
    if (stopping)
      return false;
    if (started) {
      stats.workerStarts += worker.process != nullptr;
      worker.isReady = true;
      CompileEvent ready;
      ready.kind = CompileEvent::WorkerReady;
      ready.took = Clock::now() - begin;
      note(std::move(ready));
      lock.unlock();
      make(calls);
      return true;
    }
    // Never got to see the ISA, so it is not to blame.
    if (worker.process && !worker.process->hasEverAnswered() && options.isolation == Isolation::Preferred) {
      leaveIsolation(started.error());
      worker.process = nullptr;
      worker.backend = createInProcessBackend(bytecode, options.compiler);
      lock.unlock();
      make(calls);
      continue;
    }
    ++stats.workerDeaths;
    CompileEvent died;
    died.kind = CompileEvent::WorkerDied;
    died.reason = started.error().message;
    died.error = started.error().code;
    note(std::move(died));
    // An accident, or is there no compiler at all? Then nothing that waits will be compiled soon.
    bool isLasting = attempt > 1 || started.error().code == ErrorCode::Unsupported;
    auto job = isLasting && llvm::none_of(workers, [](auto &other) { return other->isReady; }) ? take() : nullptr;
    if (job) {
      remove(*job);
      ++stats.failed;
      CompileEvent failed = eventOf(CompileEvent::Failed, *job);
      failed.reason = started.error().message;
      failed.error = started.error().code;
      note(std::move(failed));
      answer(*job, tl::unexpected(started.error()), calls);
    }
    lock.unlock();
    make(calls);
    lock.lock();
    wake.wait_for(lock, restartPause * std::min(attempt, 10u), [&] { return stopping; });
    if (stopping)
      return false;
  }
  return true;
}

void CompileService::Impl::leaveIsolation(const Error &why) {
  if (!std::exchange(stats.isolated, false))
    return;
  CompileEvent event;
  event.kind = CompileEvent::NotIsolated;
  event.reason = why.message;
  event.error = why.code;
  note(std::move(event));
}

void CompileService::Impl::serve(Worker &worker) {
  // Spawned by this thread, with which the process ends; and now, while the ISA is read.
  std::unique_ptr<WorkerProcess> process;
  Expected<void> spawned;
  if (!program.empty()) {
    process = std::make_unique<WorkerProcess>(program, options.compiler, options.workerMemory);
    spawned = process->spawn();
  }
  {
    std::unique_lock lock(mutex);
    if (!spawned && !startError)
      startError = spawned.error();
    --starting;
    wake.notify_all();
    wake.wait(lock, [&] { return open || stopping; });
    if (stopping)
      return;
    if (process && spawned) {
      process->setBytecode(bytecode);
      worker.process = process.get();
      worker.backend = std::move(process);
    } else {
      worker.backend = createInProcessBackend(bytecode, options.compiler);
    }
  }
  // Compilation is never urgent enough to take the processor from what it is done for.
  if (!worker.process)
    setpriority(PRIO_PROCESS, id_t(syscall(SYS_gettid)), 10);
  while (prepare(worker)) {
    std::unique_lock lock(mutex);
    std::shared_ptr<Job> job;
    bool woken = wake.wait_for(lock, idlePause, [&] { return stopping || (job = take()); });
    if (stopping)
      return;
    if (!woken || !worker.backend->isReady())
      continue;
    job->running = true;
    ++job->attempts;
    worker.job = job;
    worker.backend->rearm();
    lock.unlock();
    run(worker, job);
  }
}

void CompileService::Impl::run(Worker &worker, const std::shared_ptr<Job> &job) {
  WorkOrder order{job->request, job->format, std::nullopt, deadlineOf(job->request)};
  Calls calls;
  {
    std::lock_guard lock(mutex);
    order.fault = nextFault(job->request);
    job->startedAt = Clock::now();
    CompileEvent event = eventOf(CompileEvent::Started, *job);
    event.waited = job->startedAt - job->queuedAt;
    note(std::move(event));
  }
  make(calls);

  Expected<CompiledCode> made = worker.backend->compile(order);
  Expected<KernelCode> code = makeError(ErrorCode::Closed, "");
  if (made) {
    // Wrong code that was asked for is of no use to anybody else.
    if (!order.fault || order.fault->kind != FaultInjection::Wrong)
      cache->insert(job->key, made->code);
    code = load(made->code, job->key, order.fault, made->phases);
  } else {
    code = tl::unexpected(made.error());
  }

  std::unique_lock lock(mutex);
  worker.job = nullptr;
  worker.isReady = worker.backend->isReady();
  if (!code && code.error().code == ErrorCode::CompilerDied) {
    ++stats.workerDeaths;
    CompileEvent died;
    died.kind = CompileEvent::WorkerDied;
    died.what = job->what;
    died.reason = code.error().message;
    died.error = ErrorCode::CompilerDied;
    note(std::move(died));
    if (worker.backend->hasCrashed()) {
      auto death = llvm::find_if(deaths, [&](const Death &death) { return death.key == job->key; });
      if (death == deaths.end()) {
        if (deaths.size() == keptDeaths)
          deaths.pop_front();
        death = deaths.insert(deaths.end(), {job->key, 0, {}});
      }
      if (++death->count >= maxDeaths) {
        death->message = std::to_string(death->count) + " workers died of it: " + code.error().message;
        code = makeError(ErrorCode::CompileFailed, death->message);
      }
    }
  } else if (!code && !worker.isReady && !stopping) {
    ++stats.workerReplacements;
    CompileEvent replaced;
    replaced.kind = CompileEvent::WorkerReplaced;
    replaced.what = job->what;
    replaced.reason = code.error().message;
    replaced.error = code.error().code;
    note(std::move(replaced));
  }
  // A worker may have died before it saw the job. Without an interpreter nothing runs, so an accident gets a second
  // chance; and so does a job that somebody joined when it had been given up.
  bool isInterpreter =
      job->request.kind == CompileRequest::Interpreter || job->request.kind == CompileRequest::PackedInterpreter;
  bool isAgain = !code && !stopping &&
                 ((code.error().code == ErrorCode::CompilerDied && (isInterpreter || !worker.backend->hasBegun()) &&
                   job->attempts < maxDeaths) ||
                  (code.error().code == ErrorCode::Cancelled && !job->waiters.empty()));
  if (isAgain) {
    job->running = false;
    job->queuedAt = Clock::now();
    note(eventOf(CompileEvent::Queued, *job));
    wake.notify_all();
  } else {
    remove(*job);
    if (!code && stopping)
      code = makeError(ErrorCode::Closed, "the compile service was closed");
    bool isCancelled = !code && code.error().code == ErrorCode::Cancelled;
    CompileEvent event = eventOf(code ? CompileEvent::Finished : CompileEvent::Failed, *job);
    event.took = Clock::now() - job->startedAt;
    event.waited = Clock::now() - job->queuedAt;
    if (code) {
      ++completions;
      ++stats.compiled;
      event.phases = made->phases;
      for (auto [histogram, time] : llvm::zip_equal(stats.phases, made->phases)) {
        if (time.count() == 0)
          continue;
        ++histogram.count;
        histogram.sum += time;
        uint64_t microseconds = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
        ++histogram.buckets[std::min<size_t>(llvm::bit_width(microseconds), histogram.buckets.size() - 1)];
      }
    } else {
      stats.failed += !isCancelled;
      event.reason = code.error().message;
      event.error = code.error().code;
    }
    if (!isCancelled)
      note(std::move(event));
    answer(*job, code, calls);
  }
  bool isOld = worker.isReady && worker.backend->age() >= options.workerLifetime;
  if (isOld) {
    ++stats.workerReplacements;
    CompileEvent replaced;
    replaced.kind = CompileEvent::WorkerReplaced;
    replaced.reason = "it compiled " + std::to_string(worker.backend->age()) + " kernels";
    note(std::move(replaced));
    worker.isReady = false;
  }
  lock.unlock();
  make(calls);
  if (isOld)
    worker.backend->stop();
}

Expected<KernelCode> CompileService::Impl::load(const CodeObject &object, const CacheKey &key,
                                                const std::optional<FaultInjection> &fault, PhaseTimes &phases) {
  KernelCode code;
  code.abiVersion = object.abiVersion;
  code.scope = object.scope;
  code.entry = object.entry;
  if (object.format == CodeObject::Format::Ptx) {
    code.ptx = object.bytes;
    return code;
  }
  if (object.format != CodeObject::Format::HostObject) {
    code.cubin = object.bytes;
    return code;
  }
  CompileControl control = controlFor(fault);
  auto enter = [&](CompilePhase phase) { return control.onPhase ? control.onPhase(phase) : Expected<void>(); };
  auto begin = Clock::now();
  if (auto entered = enter(CompilePhase::Link); !entered)
    return tl::unexpected(entered.error());
  std::shared_ptr<HostCode> linker;
  {
    std::lock_guard lock(hostMutex);
    llvm::erase_if(loaded, [](const Loaded &entry) { return entry.owner.expired(); });
    for (const Loaded &entry : loaded)
      if (!fault && entry.key == key)
        if (auto owner = entry.owner.lock()) {
          code.function = entry.function;
          code.owner = std::move(owner);
          return code;
        }
    if (!host) {
      auto created = HostCode::create({options.debugger, options.perf});
      if (!created)
        return makeError(ErrorCode::CompileFailed, "link failed: " + llvm::toString(created.takeError()));
      host = std::move(*created);
    }
    linker = host;
  }
  auto function = linker->load(object.bytes, object.entry);
  phases[size_t(CompilePhase::Link)] = Clock::now() - begin;
  if (!function)
    return makeError(ErrorCode::CompileFailed, "link failed: " + llvm::toString(function.takeError()));
  begin = Clock::now();
  if (auto entered = enter(CompilePhase::Load); !entered)
    return tl::unexpected(entered.error());
  code.function = function->function;
  code.owner = std::move(function->owner);
  if (!fault || fault->kind != FaultInjection::Wrong) {
    std::lock_guard lock(hostMutex);
    loaded.push_back({key, code.function, code.owner});
  }
  phases[size_t(CompilePhase::Load)] = Clock::now() - begin;
  return code;
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

Expected<std::unique_ptr<CompileService>> CompileService::create(std::string_view source, std::string_view name,
                                                                 CompileServiceOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl &self = *impl;
  std::unique_ptr<CompileService> service(new CompileService(std::move(impl)));
  self.faultCounts.resize(self.options.faults.size());
  self.cache = self.options.cache ? self.options.cache : CodeCache::shared({});
  if (self.options.workers == 0)
    self.options.workers = std::max(1u, std::thread::hardware_concurrency() / 8);
  Expected<std::string> program = std::string();
  if (self.options.isolation != Isolation::None) {
    program = WorkerProcess::findProgram(self.options.workerProgram);
    if (program)
      self.program = *program;
    else if (self.options.isolation == Isolation::Required)
      return tl::unexpected(program.error());
  }
  self.stats.isolated = self.options.isolation != Isolation::None;
  self.stats.workers = self.starting = self.options.workers;
  for (unsigned i = 0; i < self.options.workers; ++i) {
    Impl::Worker &worker = *self.workers.emplace_back(std::make_unique<Impl::Worker>());
    worker.thread = std::thread([&self, &worker] { self.serve(worker); });
  }
  auto front = Compiler::create(source, name, self.options.compiler);
  if (!front)
    return tl::unexpected(front.error());
  for (const FaultInjection &fault : self.options.faults)
    if (!fault.only.empty() && fault.only != "interpreter" && fault.only != "opcode" && fault.only != "window" &&
        !(*front)->isa().findOpcode(std::string_view(fault.only)))
      return makeError(ErrorCode::InvalidArgument, "fault injection: '" + fault.only + "' is no opcode of " +
                                                       std::string(name) + ", and not interpreter, opcode or window");
  std::string bytecode = (*front)->bytecode();
  {
    std::unique_lock lock(self.mutex);
    self.wake.wait(lock, [&] { return self.starting == 0; });
    if (self.startError && self.options.isolation == Isolation::Required)
      return tl::unexpected(*self.startError);
    if (self.startError || !program)
      self.leaveIsolation(self.startError ? *self.startError : program.error());
    self.front = std::move(*front);
    self.bytecode = std::move(bytecode);
    self.open = true;
  }
  self.wake.notify_all();
  Calls none;
  self.make(none);
  return service;
}

CompileService::CompileService(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}

CompileService::~CompileService() {
  Calls calls;
  {
    std::lock_guard lock(impl->mutex);
    impl->stopping = true;
    for (auto &worker : impl->workers)
      if (worker->backend)
        worker->backend->interrupt();
    llvm::erase_if(impl->jobs, [&](const auto &job) {
      if (job->running)
        return false;
      impl->answer(*job, makeError(ErrorCode::Closed, "the compile service was closed"), calls);
      return true;
    });
  }
  impl->wake.notify_all();
  impl->make(calls);
  for (auto &worker : impl->workers)
    worker->thread.join();
}

const Isa &CompileService::isa() const { return impl->front->isa(); }
std::string CompileService::source() const { return impl->front->text(); }

CodeProvider::RequestId CompileService::request(const CompileRequest &request, double priority, Done done) {
  Impl &self = *impl;
  Calls calls;
  std::unique_lock lock(self.mutex);
  const RequestId id = self.nextId++;
  ++self.stats.requests;
  lock.unlock();
  // Whether there is an assembler is found out when it matters.
  auto format = request.target.kind == CodeTarget::Host ? CodeObject::Format::HostObject
                : self.options.gpuFormat                ? *self.options.gpuFormat
                                                        : Compiler::gpuFormat();
  auto key = self.front->key(request, format);
  auto refuse = [&](Error error) {
    lock.lock();
    ++self.stats.refused;
    CompileEvent event;
    event.kind = CompileEvent::Failed;
    event.request = id;
    event.what = self.front->describe(request);
    event.priority = priority;
    event.reason = error.message;
    event.error = error.code;
    self.note(std::move(event));
    lock.unlock();
    self.make(calls);
    done(tl::unexpected(std::move(error)));
    return id;
  };
  if (!key)
    return refuse(key.error());

  while (true) {
    lock.lock();
    const uint64_t completionsBefore = self.completions;
    lock.unlock();
    if (auto cached = self.cache->lookup(*key)) {
      PhaseTimes phases{};
      auto code = self.load(*cached, *key, std::nullopt, phases);
      // What cannot be loaded is compiled anew.
      if (code) {
        code->cached = true;
        lock.lock();
        ++self.stats.cacheHits;
        CompileEvent event;
        event.kind = CompileEvent::CacheHit;
        event.request = id;
        event.what = self.front->describe(request);
        event.priority = priority;
        self.note(std::move(event));
        lock.unlock();
        self.make(calls);
        done(std::move(code));
        return id;
      }
      self.cache->erase(*key);
    }
    lock.lock();
    // Else the code may have come into the cache since it was looked for there.
    if (self.completions == completionsBefore)
      break;
    lock.unlock();
  }

  auto death = llvm::find_if(self.deaths, [&](const auto &death) { return death.key == *key; });
  if (death != self.deaths.end() && death->count >= maxDeaths) {
    Error error{ErrorCode::CompileFailed, death->message};
    lock.unlock();
    return refuse(std::move(error));
  }
  if (std::shared_ptr<Job> job = self.find(*key)) {
    ++self.stats.joined;
    job->waiters.push_back({id, priority, std::move(done)});
    self.note(self.eventOf(CompileEvent::Joined, *job));
    lock.unlock();
    self.make(calls);
    return id;
  }
  size_t waiting = 0;
  std::shared_ptr<Job> coldest;
  for (const auto &job : self.jobs) {
    if (job->running || job->priority() == INFINITY)
      continue;
    ++waiting;
    if (!coldest || job->priority() < coldest->priority())
      coldest = job;
  }
  if (priority != INFINITY && waiting >= size_t(self.options.queuedPerWorker) * self.options.workers) {
    if (!coldest || coldest->priority() >= priority) {
      lock.unlock();
      return refuse(
          {ErrorCode::Busy, "hotter requests wait for " + std::to_string(self.options.workers) + " workers already"});
    }
    self.remove(*coldest);
    ++self.stats.dropped;
    CompileEvent event = self.eventOf(CompileEvent::Dropped, *coldest);
    event.reason = "hotter requests wait for " + std::to_string(self.options.workers) + " workers already";
    event.error = ErrorCode::Busy;
    self.answer(*coldest, makeError(ErrorCode::Busy, event.reason), calls);
    self.note(std::move(event));
  }
  auto job = std::make_shared<Job>();
  job->request = request;
  job->format = format;
  job->key = std::move(*key);
  job->what = self.front->describe(request);
  job->first = id;
  job->queuedAt = Clock::now();
  job->waiters.push_back({id, priority, std::move(done)});
  self.note(self.eventOf(CompileEvent::Queued, *job));
  self.jobs.push_back(std::move(job));
  lock.unlock();
  self.wake.notify_all();
  self.make(calls);
  return id;
}

void CompileService::setPriority(RequestId id, double priority) {
  std::lock_guard lock(impl->mutex);
  for (auto &job : impl->jobs)
    for (Waiter &waiter : job->waiters)
      if (waiter.id == id)
        waiter.priority = priority;
}

void CompileService::cancel(RequestId id) {
  Calls calls;
  std::unique_lock lock(impl->mutex);
  for (auto &job : impl->jobs) {
    auto waiter = llvm::find_if(job->waiters, [&](const Waiter &waiter) { return waiter.id == id; });
    if (waiter == job->waiters.end())
      continue;
    ++impl->stats.cancelled;
    CompileEvent event = impl->eventOf(CompileEvent::Cancelled, *job);
    event.request = id;
    event.priority = waiter->priority;
    impl->note(std::move(event));
    calls.push_back(
        [done = std::move(waiter->done)] { done(makeError(ErrorCode::Cancelled, "the request was cancelled")); });
    job->waiters.erase(waiter);
    if (!job->waiters.empty())
      break;
    if (!job->running) {
      impl->remove(*job);
    } else if (impl->options.hardCancel) {
      for (auto &worker : impl->workers)
        if (worker->job == job)
          worker->backend->interrupt();
    }
    break;
  }
  lock.unlock();
  impl->make(calls);
}

CompileServiceStats CompileService::snapshot() const {
  std::lock_guard lock(impl->mutex);
  CompileServiceStats stats = impl->stats;
  for (const auto &job : impl->jobs)
    ++(job->running ? stats.running : stats.queued);
  for (const auto &worker : impl->workers)
    stats.workersReady += worker->isReady;
  stats.cache = impl->cache->stats();
  return stats;
}

std::vector<CompileEvent> CompileService::events() const {
  std::lock_guard lock(impl->mutex);
  return {impl->ring.begin(), impl->ring.end()};
}
