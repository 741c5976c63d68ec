//===- WorkerProcess.cpp - Compilation in another process -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "WorkerProcess.h"
#include "mk/JIT/Worker.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mk;
using Clock = std::chrono::steady_clock;

constexpr size_t tailBytes = 2048;
/// How long a process may take to start: that is not its work, but the machine's.
constexpr std::chrono::seconds startLimit{60};
/// How long until it says what it is: a program that is no worker says nothing.
constexpr std::chrono::seconds helloLimit{10};
/// A compiler that uses no processor time waits for something, maybe for ever.
constexpr int idleFactor = 10;

struct WorkerProcess::Limits {
  Clock::time_point end;
  /// 0 for none.
  std::chrono::nanoseconds processor{0};
};

/// The folder of the shared library that this code is in; empty when it is in the program itself.
static std::string libraryFolder() {
  Dl_info info;
  link_map *map = nullptr;
  if (!dladdr1(reinterpret_cast<void *>(&libraryFolder), &info, reinterpret_cast<void **>(&map), RTLD_DL_LINKMAP) ||
      !map->l_name[0])
    return {};
  // Links lead to where it was installed.
  llvm::SmallString<PATH_MAX> path;
  if (llvm::sys::fs::real_path(map->l_name, path))
    return {};
  return llvm::sys::path::parent_path(path).str();
}

Expected<std::string> WorkerProcess::findProgram(const std::string &asked) {
  std::vector<std::string> places;
  const char *environment = std::getenv("MK_JIT_WORKER");
  if (!asked.empty()) {
    places = {asked};
  } else if (environment && *environment) {
    places = {environment};
  } else {
    std::string self;
    self.resize(PATH_MAX);
    ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
    self.resize(std::max<ssize_t>(size, 0));
    llvm::StringRef folder = llvm::sys::path::parent_path(self);
    for (const char *from : {"", "/../bin", "/../libexec/megakernel"})
      places.push_back(folder.str() + from + "/mk-jit-worker");
    if (std::string library = libraryFolder(); !library.empty())
      for (const char *from : {"/../bin", "/" MK_WORKER_FROM_LIBRARY})
        places.push_back(library + from + "/mk-jit-worker");
    places.push_back(MK_INSTALLED_WORKER);
  }
  std::string tried;
  for (const std::string &place : places) {
    if (access(place.c_str(), X_OK) == 0 && !llvm::sys::fs::is_directory(place))
      return place;
    tried += (tried.empty() ? "" : ", ") + place;
  }
  return makeError(ErrorCode::Unsupported,
                   "found no program mk-jit-worker at " + tried + "; install it, or set MK_JIT_WORKER to its path");
}

WorkerProcess::WorkerProcess(std::string program, const CompilerOptions &options, uint64_t memory)
    : program(std::move(program)), opening{.options = options, .memory = memory, .bytecode = {}, .target = {}},
      interruption(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // They are in the bytecode.
  opening.options.prelude = false;
}

WorkerProcess::~WorkerProcess() {
  stop();
  close(interruption);
}

//===----------------------------------------------------------------------===//
// Life and death
//===----------------------------------------------------------------------===//

/// Away from the numbers that the child uses, which are free here when this process has closed them.
static int moveUp(int file) {
  if (file < 0 || file > STDERR_FILENO)
    return file;
  int moved = fcntl(file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  close(file);
  return moved;
}

Expected<void> WorkerProcess::spawn() {
  if (pid > 0)
    return {};
  int sockets[2] = {-1, -1}, pipes[2] = {-1, -1};
  auto fail = [&](int error) {
    for (int file : {sockets[0], sockets[1], pipes[0], pipes[1]})
      if (file >= 0)
        close(file);
    return makeError(ErrorCode::Unsupported, "cannot start " + program + ": " + std::strerror(error));
  };
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0 || pipe2(pipes, O_CLOEXEC) != 0)
    return fail(errno);
  for (int *file : {&sockets[0], &sockets[1], &pipes[0], &pipes[1]})
    if ((*file = moveUp(*file)) < 0)
      return fail(errno);
  // This side waits in poll() only.
  fcntl(sockets[0], F_SETFL, O_NONBLOCK);
  fcntl(pipes[0], F_SETFL, O_NONBLOCK);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, sockets[1], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  // A group of its own, so that the assembler it may have started ends with it.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  char *arguments[] = {program.data(), nullptr};
  int error = posix_spawn(&pid, program.c_str(), &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid = -1;
    return fail(error);
  }
  close(sockets[1]);
  close(pipes[1]);
  socket = sockets[0];
  messages = pipes[0];
  stream = {};
  tail.clear();
  open = false;
  compilations = 0;
  phase.reset();
  return {};
}

int WorkerProcess::reap() {
  // Not known when this process has asked for its children to be forgotten.
  int status = -1;
  if (pid > 0) {
    ::kill(-pid, SIGKILL);
    // The group is not there before the child has run.
    ::kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
      if (errno != EINTR) {
        status = -1;
        break;
      }
  }
  pid = -1;
  open = false;
  return status;
}

void WorkerProcess::stop() {
  reap();
  for (int *file : {&socket, &messages})
    if (*file >= 0)
      close(std::exchange(*file, -1));
}

Error WorkerProcess::death() {
  int status = reap();
  readMessages();
  std::string where = phase ? std::string(" in phase ") + stringifyCompilePhase(*phase) : "";
  Error error{ErrorCode::CompilerDied, "the compiler died" + where};
  crashed = true;
  if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == WorkerOutOfMemory) {
    error = {ErrorCode::OutOfMemory,
             "the compiler needs more than " + std::to_string(opening.memory >> 20) + " MiB of memory" + where};
    crashed = false;
  } else if (status >= 0 && WIFEXITED(status)) {
    error.message += ": exit code " + std::to_string(WEXITSTATUS(status));
  } else if (status >= 0 && WIFSIGNALED(status)) {
    error.message += std::string(": ") + strsignal(WTERMSIG(status));
    // That came from outside: from the kernel when memory is short, or from a person.
    crashed = WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM;
  }
  llvm::StringRef said = llvm::StringRef(tail).trim();
  if (!said.empty())
    error.message += "; it said:\n" + said.str();
  stop();
  return error;
}

Error WorkerProcess::kill(ErrorCode code, std::string message) {
  stop();
  return {code, std::move(message)};
}

//===----------------------------------------------------------------------===//
// Talking
//===----------------------------------------------------------------------===//

std::chrono::nanoseconds WorkerProcess::processorTime() const {
  clockid_t clock;
  timespec time{};
  if (pid > 0 && clock_getcpuclockid(pid, &clock) == 0)
    clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void WorkerProcess::readMessages() {
  char buffer[4096];
  ssize_t size;
  while (messages >= 0 && (size = read(messages, buffer, sizeof(buffer))) > 0) {
    tail.append(buffer, size);
    if (tail.size() > tailBytes)
      tail.erase(0, tail.size() - tailBytes);
  }
}

Expected<void> WorkerProcess::wait(short events, const Limits &limits) {
  while (true) {
    if (interrupted)
      return tl::unexpected(kill(ErrorCode::Cancelled, "nobody waits for the code any more"));
    auto left = std::chrono::duration<double>(limits.end - Clock::now()).count();
    if (limits.processor.count() != 0)
      left = std::min(left, std::chrono::duration<double>(limits.processor - processorTime()).count());
    if (left <= 0)
      return tl::unexpected(kill(ErrorCode::TimedOut, std::string("compiling took too long, and was given up") +
                                                          (phase ? " in phase " : "") +
                                                          (phase ? stringifyCompilePhase(*phase) : "")));
    pollfd files[] = {{socket, events, 0}, {messages, POLLIN, 0}, {interruption, POLLIN, 0}};
    int ready = poll(files, 3, int(left * 1000) + 1);
    if (ready < 0 && errno != EINTR)
      return tl::unexpected(
          kill(ErrorCode::CompilerDied, std::string("cannot wait for the compiler: ") + std::strerror(errno)));
    if (ready <= 0)
      continue;
    // Before the socket: a pipe that is full would hold it up.
    if (files[1].revents & POLLIN)
      readMessages();
    if (files[0].revents != 0)
      return {};
    // Closed by something that still runs: not asked again.
    if (files[1].revents & (POLLHUP | POLLERR) && !(files[1].revents & POLLIN))
      close(std::exchange(messages, -1));
  }
}

Expected<void> WorkerProcess::send(wire::Type type, std::string_view payload, const Limits &limits) {
  std::string bytes = wire::frame(type, payload);
  for (std::string_view rest = bytes; !rest.empty();) {
    ssize_t sent = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent >= 0)
      rest.remove_prefix(sent);
    else if (errno == EAGAIN) {
      if (auto waited = wait(POLLOUT, limits); !waited)
        return waited;
    } else if (errno != EINTR)
      return tl::unexpected(death());
  }
  return {};
}

Expected<wire::Frame> WorkerProcess::receive(const Limits &limits) {
  char buffer[1 << 16];
  while (true) {
    if (auto frame = stream.next())
      return std::move(*frame);
    if (stream.isBroken())
      return tl::unexpected(kill(ErrorCode::CompilerDied, "the compiler said what makes no sense"));
    ssize_t size = recv(socket, buffer, sizeof(buffer), 0);
    if (size > 0)
      stream.add({buffer, size_t(size)});
    else if (size < 0 && errno == EAGAIN) {
      if (auto waited = wait(POLLIN, limits); !waited)
        return tl::unexpected(waited.error());
    } else if (size == 0 || errno != EINTR)
      return tl::unexpected(death());
  }
}

Expected<void> WorkerProcess::start() {
  if (auto spawned = spawn(); !spawned)
    return spawned;
  Limits helloLimits{Clock::now() + helloLimit};
  auto hello = receive(helloLimits);
  if (!hello) {
    Error error = hello.error();
    // What never said that it is a worker may be any program.
    if (!answered && error.code != ErrorCode::Cancelled)
      error.message =
          program + " did not answer as mk-jit-worker does: " +
          (error.code == ErrorCode::TimedOut ? "it said nothing for " + std::to_string(helloLimit.count()) + " seconds"
                                             : error.message);
    return tl::unexpected(std::move(error));
  }
  if (hello->type != wire::Type::Hello || hello->payload != Compiler::buildId())
    return tl::unexpected(kill(ErrorCode::Unsupported, program + " is of another build than this program; install both "
                                                                 "together, or set MK_JIT_WORKER"));
  answered = true;
  Limits limits{Clock::now() + startLimit};
  phase = CompilePhase::Parse;
  if (auto sent = send(wire::Type::Open, wire::pack(opening), limits); !sent)
    return sent;
  auto opened = receive(limits);
  if (!opened)
    return tl::unexpected(opened.error());
  if (opened->type != wire::Type::Opened) {
    auto error = wire::unpackError(opened->payload);
    return tl::unexpected(kill(ErrorCode::CompilerDied,
                               "the compiler cannot read the ISA" + (error ? ": " + error->message : std::string())));
  }
  phase.reset();
  open = true;
  return {};
}

bool WorkerProcess::isReady() {
  // One that has died since the last order is no longer ready, although nobody has noticed.
  char byte;
  if (open && recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
    (void)death();
  return open;
}

Expected<CompiledCode> WorkerProcess::compile(const WorkOrder &order) {
  phase.reset();
  ++compilations;
  // The next process will be asked for the like.
  opening.target = order.request.target;
  opening.format = order.format;
  // Processor time of before, such as of getting warm, does not count.
  Limits limits{Clock::now() + order.deadline * idleFactor, processorTime() + order.deadline};
  if (auto sent = send(wire::Type::Compile, wire::pack(order), limits); !sent)
    return tl::unexpected(sent.error());
  while (true) {
    auto frame = receive(limits);
    if (!frame)
      return tl::unexpected(frame.error());
    if (frame->type == wire::Type::Phase && frame->payload.size() == 1 &&
        uint8_t(frame->payload[0]) < compilePhaseCount) {
      phase = CompilePhase(frame->payload[0]);
      continue;
    }
    if (frame->type == wire::Type::Code)
      if (auto code = wire::unpackCode(frame->payload))
        return std::move(*code);
    if (frame->type == wire::Type::Failed)
      if (auto error = wire::unpackError(frame->payload))
        return tl::unexpected(std::move(*error));
    return tl::unexpected(kill(ErrorCode::CompilerDied, "the compiler said what makes no sense"));
  }
}

void WorkerProcess::interrupt() {
  interrupted = true;
  uint64_t one = 1;
  // Fails only when it is set already.
  (void)!write(interruption, &one, sizeof(one));
}

void WorkerProcess::rearm() {
  uint64_t count;
  (void)!read(interruption, &count, sizeof(count));
  interrupted = false;
}
