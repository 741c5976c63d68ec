//===- WorkerTest.cpp - Processes that compile ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ServiceModes.h"
#include "ServiceTesting.h"
#include "Wire.h"
#include <csignal>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace mk;

/// The processes that this one has started.
static std::set<pid_t> children() {
  std::set<pid_t> found;
  DIR *tasks = opendir("/proc/self/task");
  while (dirent *task = readdir(tasks)) {
    std::ifstream file(std::string("/proc/self/task/") + task->d_name + "/children");
    for (pid_t child; file >> child;)
      found.insert(child);
  }
  closedir(tasks);
  return found;
}

int keepService() {
  auto service = makeService(alone());
  if (!service || !service->compile(hostOpcode(0)) || children().size() != 1)
    return 1;
  // Busy, and then without anybody to answer to.
  Pending pending(*service, hostOpcode(1));
  pid_t worker = *children().begin();
  if (write(STDOUT_FILENO, &worker, sizeof(worker)) != sizeof(worker))
    return 1;
  raise(SIGKILL);
  return 1;
}

namespace {

TEST(Worker, TakesNothingFromTheProgramButTheProcessor) {
  // Files of the program that it did not mark.
  int file = open("/dev/null", O_RDONLY), other = dup(0);
  auto service = makeService(alone());
  ASSERT_TRUE(service->compile(hostOpcode(0)));
  ASSERT_EQ(children().size(), 1u);
  pid_t worker = *children().begin();
  std::string folder = "/proc/" + std::to_string(worker) + "/fd";
  std::vector<std::string> files;
  DIR *entries = opendir(folder.c_str());
  ASSERT_TRUE(entries);
  while (dirent *entry = readdir(entries)) {
    char target[256];
    ssize_t size = readlink((folder + '/' + entry->d_name).c_str(), target, sizeof(target));
    if (size > 0)
      files.push_back(std::string(target, size).substr(0, std::string_view(target, size).find(':')));
  }
  closedir(entries);
  std::sort(files.begin(), files.end());
  EXPECT_EQ(files, (std::vector<std::string>{"/dev/null", "pipe", "pipe", "socket"}));
  EXPECT_EQ(getpriority(PRIO_PROCESS, worker), std::min(19, getpriority(PRIO_PROCESS, 0) + 10));
  EXPECT_EQ(getpgid(worker), worker);
  close(file);
  close(other);
  // Signals of the terminal are not for it.
  for (int signal : {SIGINT, SIGHUP, SIGQUIT})
    kill(worker, signal);
  EXPECT_TRUE(service->compile(hostOpcode(1)));
  EXPECT_EQ(service->snapshot().workerDeaths, 0u);
  service.reset();
  EXPECT_TRUE(children().empty());
}

TEST(Worker, ComesBackWhenItIsKilledWithNothingToDo) {
  auto service = makeService(alone());
  ASSERT_TRUE(service->compile(hostOpcode(0)));
  for (uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(children().size(), 1u);
    kill(*children().begin(), SIGKILL);
    Stopwatch watch;
    auto code = service->compile(numbered(i));
    ASSERT_TRUE(code) << code.error().message;
    EXPECT_LT(watch.seconds(), 10);
  }
  CompileServiceStats stats = service->snapshot();
  EXPECT_EQ(stats.workerStarts, 4u);
  EXPECT_EQ(stats.workerDeaths, 3u);
  EXPECT_EQ(stats.failed, 0u);
}

TEST(Worker, EndsWithAProgramThatIsKilled) {
  int pipes[2];
  ASSERT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
  std::string self = "/proc/self/exe", mode = keepServiceMode;
  char *arguments[] = {self.data(), mode.data(), nullptr};
  pid_t program;
  ASSERT_EQ(posix_spawn(&program, self.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(pipes[1]);
  pid_t worker = 0;
  ASSERT_EQ(read(pipes[0], &worker, sizeof(worker)), ssize_t(sizeof(worker)));
  close(pipes[0]);
  ASSERT_EQ(waitpid(program, nullptr, 0), program);
  // Gone, or a zombie that nobody has taken.
  auto isAlive = [&] {
    std::ifstream file("/proc/" + std::to_string(worker) + "/stat");
    std::string number, name, state;
    return file >> number >> name >> state && state != "Z" && state != "X";
  };
  Stopwatch watch;
  while (isAlive() && watch.seconds() < 10)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(isAlive());
}

TEST(Worker, ServesProgramsThatForgetTheirChildren) {
  auto before = std::signal(SIGCHLD, SIG_IGN);
  {
    CompileServiceOptions options = alone();
    options.faults = {FaultInjection::parse("kind=segv,nth=1").value()};
    auto service = makeService(std::move(options));
    auto died = service->compile(hostOpcode(0));
    ASSERT_FALSE(died);
    EXPECT_EQ(died.error().code, ErrorCode::CompilerDied);
    EXPECT_TRUE(service->compile(hostOpcode(0)));
  }
  std::signal(SIGCHLD, before);
}

TEST(Worker, SaysSoWhenItIsRunByHand) {
  // Beside this program, when both were copied to another machine.
  std::error_code missing;
  std::filesystem::path worker = std::filesystem::read_symlink("/proc/self/exe").replace_filename("mk-jit-worker");
  if (!std::filesystem::exists(worker, missing))
    worker = MK_TEST_WORKER;
  std::string text;
  FILE *output = popen((worker.string() + " 2>&1 < /dev/null; echo $?").c_str(), "r");
  ASSERT_TRUE(output);
  for (int c; (c = std::fgetc(output)) != EOF;)
    text += char(c);
  pclose(output);
  EXPECT_EQ(text, "mk-jit-worker: error: compiles for Megakernel's compile service, which starts it; there is nothing "
                  "to run by hand\n64\n");
}

/// What is read is what was written, and of damaged bytes nothing is read or something, but nothing breaks.
TEST(Wire, TakesAnyBytes) {
  WorkOrder order;
  order.request = gpuOpcode(3);
  order.request.kind = CompileRequest::Window;
  order.request.window.issues = {{1, {0, 1}}, {2, {0}}};
  order.request.window.args = {{ArgType::View, ElementType::F32, 3}, {ArgType::Scalar, ElementType::I64, 0}};
  order.request.window.extents = {0, -1};
  order.request.facts = {{.extent = 4, .aligned = 2}, {.constant = 7}};
  order.request.effort = Effort::Quick;
  order.fault = FaultInjection{FaultInjection::Delay, CompilePhase::Pass, 5};
  std::string bytes = wire::pack(order);
  auto read = wire::unpackOrder(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request, order.request);
  EXPECT_EQ(read->fault, order.fault);
  CompiledCode code;
  code.code.entry = "entry";
  code.code.bytes = "bytes";
  code.phases[1] = std::chrono::nanoseconds(5);
  std::string codeBytes = wire::pack(code);
  EXPECT_EQ(wire::unpackCode(codeBytes)->code, code.code);
  EXPECT_EQ(wire::unpackCode(codeBytes)->phases, code.phases);
  EXPECT_EQ(wire::unpackError(wire::pack(Error{ErrorCode::TimedOut, "late"}))->message, "late");

  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i)
    for (const std::string &good : {bytes, codeBytes}) {
      std::string bad = good;
      for (unsigned change = random() % 3; change != 0; --change)
        bad[random() % bad.size()] = char(random());
      bad.resize(random() % 4 ? bad.size() : random() % bad.size());
      (void)wire::unpackOrder(bad);
      (void)wire::unpackCode(bad);
      (void)wire::unpackError(bad);
      (void)wire::unpackOpening(bad);
      wire::Stream stream;
      stream.add(bad);
      while (stream.next())
        ;
    }
  // Frames that come in pieces.
  wire::Stream stream;
  std::string frames = wire::frame(wire::Type::Opened, "") + wire::frame(wire::Type::Code, codeBytes);
  std::vector<wire::Type> types;
  for (char c : frames) {
    stream.add({&c, 1});
    while (auto frame = stream.next())
      types.push_back(frame->type);
  }
  EXPECT_EQ(types, (std::vector{wire::Type::Opened, wire::Type::Code}));
  stream.add(std::string(5, '\xff'));
  EXPECT_FALSE(stream.next());
  EXPECT_TRUE(stream.isBroken());
}

} // namespace
