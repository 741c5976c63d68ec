//===- Worker.cpp - The inside of mk-jit-worker -----------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/JIT/Worker.h"
#include "InjectFault.h"
#include "Wire.h"
#include "mk/Target/Target.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/ErrorHandling.h"
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <new>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace mk;

/// How long it waits for an order before it gets itself warm.
constexpr int patienceMs = 20;

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MK_HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MK_HAS_SANITIZER 1
#endif

static void endWithoutMemory() { _exit(WorkerOutOfMemory); }

static void limitMemory(uint64_t bytes) {
#ifndef MK_HAS_SANITIZER
  // What is written to, not what is mapped: libraries are large.
  rlimit limit{bytes, bytes};
  if (bytes != 0)
    setrlimit(RLIMIT_DATA, &limit);
#endif
}

/// Leaves the socket at the other end of which the service is, and nothing else of what the process was given.
static int takeSocket() {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
    return -1;
  int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (socket < 0 || nothing < 0)
    return -1;
  // What somebody prints goes where messages go.
  dup2(nothing, STDIN_FILENO);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  for (int open = 3, end = int(sysconf(_SC_OPEN_MAX)); open < end; ++open) {
    if (open == socket)
      continue;
#ifdef SYS_close_range
    if (open > socket && syscall(SYS_close_range, unsigned(open), ~0u, 0) == 0)
      break;
#endif
    close(open);
  }
  return socket;
}

namespace {
/// The worker's end of the socket.
class Connection {
public:
  explicit Connection(int socket) : socket(socket) {}

  bool send(wire::Type type, std::string_view payload) {
    std::string bytes = wire::frame(type, payload);
    for (std::string_view rest = bytes; !rest.empty();) {
      ssize_t sent = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EINTR)
        return false;
      rest.remove_prefix(std::max<ssize_t>(sent, 0));
    }
    return true;
  }

  /// The next frame; nothing when the service is gone.
  std::optional<wire::Frame> receive() {
    char buffer[1 << 16];
    while (true) {
      if (auto frame = stream.next())
        return frame;
      ssize_t size = stream.isBroken() ? 0 : recv(socket, buffer, sizeof(buffer), 0);
      if (size < 0 && errno == EINTR)
        continue;
      if (size <= 0)
        return std::nullopt;
      stream.add({buffer, size_t(size)});
    }
  }

  /// Whether nothing comes for a while.
  bool isIdle() {
    pollfd wait{socket, POLLIN, 0};
    return poll(&wait, 1, patienceMs) == 0;
  }

  /// Ends the process when the service has gone, whatever it is doing.
  void watch() {
    std::thread([this] {
      pollfd wait{socket, POLLRDHUP, 0};
      while (poll(&wait, 1, -1) < 0 && errno == EINTR)
        ;
      _exit(WorkerDone);
    }).detach();
  }

private:
  int socket;
  wire::Stream stream;
};
} // namespace

/// Compiles something that nobody wants, so that what is done once is done.
static void warmUp(Compiler &compiler, const wire::Opening &opening) {
  const std::vector<OpcodeInfo> &opcodes = compiler.isa().opcodes;
  for (uint32_t opcode = 0; opcode < opcodes.size(); ++opcode) {
    if (!opcodes[opcode].promotable)
      continue;
    (void)compiler.compile({.kind = CompileRequest::Opcode, .target = opening.target, .opcode = opcode},
                           opening.format);
    return;
  }
}

static bool compile(Connection &connection, const wire::Opening &opening, std::unique_ptr<Compiler> &compiler,
                    const WorkOrder &order) {
  CompileControl control = controlFor(order.fault);
  control.onPhase = [&, inject = std::move(control.onPhase)](CompilePhase phase) -> Expected<void> {
    connection.send(wire::Type::Phase, std::string_view(reinterpret_cast<const char *>(&phase), sizeof(phase)));
    return inject ? inject(phase) : Expected<void>();
  };
  auto make = [&]() -> Expected<CompiledCode> {
    if (order.fault && order.fault->phase == CompilePhase::Parse) {
      if (auto entered = control.onPhase(CompilePhase::Parse); !entered)
        return tl::unexpected(entered.error());
      auto again = Compiler::create(opening.bytecode, "the ISA", opening.options);
      if (!again)
        return tl::unexpected(again.error());
      compiler = std::move(*again);
    }
    return compiler->compile(order.request, order.format, control);
  };
  auto made = make();
  return made ? connection.send(wire::Type::Code, wire::pack(*made))
              : connection.send(wire::Type::Failed, wire::pack(made.error()));
}

int mk::runWorker() {
  // Whatever the service did with its signals; those of the terminal are meant for it alone.
  for (int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU, SIGPIPE})
    std::signal(signal, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  setpriority(PRIO_PROCESS, 0, 10);
  const int socket = takeSocket();
  if (socket < 0)
    return WorkerMisused;
  std::set_new_handler(endWithoutMemory);
  llvm::install_bad_alloc_error_handler([](void *, const char *, bool) { endWithoutMemory(); });

  Connection connection(socket);
  connection.watch();
  if (!connection.send(wire::Type::Hello, Compiler::buildId()))
    return WorkerDone;
  auto frame = connection.receive();
  if (!frame)
    return WorkerDone;
  auto opening = wire::unpackOpening(frame->payload);
  if (frame->type != wire::Type::Open || !opening)
    return WorkerMisused;
  limitMemory(opening->memory);
  keepFreedMemory();
  auto made = Compiler::create(opening->bytecode, "the ISA", opening->options);
  if (!made) {
    connection.send(wire::Type::Failed, wire::pack(made.error()));
    return WorkerDone;
  }
  std::unique_ptr<Compiler> compiler = std::move(*made);
  if (!connection.send(wire::Type::Opened, ""))
    return WorkerDone;
  if (connection.isIdle())
    warmUp(*compiler, *opening);

  while (auto frame = connection.receive()) {
    auto order = wire::unpackOrder(frame->payload);
    if (frame->type != wire::Type::Compile || !order)
      return WorkerMisused;
    if (!compile(connection, *opening, compiler, *order))
      break;
  }
  return WorkerDone;
}
