//===- Interpreters.cpp - The code that answers at once -------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Interpreters.h"
#include <future>
#include <limits>

namespace mk {

/// The priority of what no engine can do without, or would be slow without for good.
static constexpr double MustHave = std::numeric_limits<double>::infinity();

Expected<Interpreters::Interpreter> Interpreters::place(const Expected<KernelCode> &compiled) {
  if (!compiled)
    return tl::unexpected(compiled.error());
  Expected<std::shared_ptr<Kernel>> kernel = device.load(*compiled);
  if (!kernel)
    return tl::unexpected(kernel.error());
  return Interpreter{std::move(*kernel), compiled->scope};
}

/// Asks for the code that takes the place of what was made quickly.
void Interpreters::askForBetter(const CompileRequest &request, Route route) {
  {
    std::lock_guard lock(mutex);
    pending[route] = 0;
  }
  CodeProvider::RequestId id = code.request(request, MustHave, [this, route](Expected<KernelCode> compiled) {
    Expected<Interpreter> interpreter = place(compiled);
    std::lock_guard lock(mutex);
    // What is there goes on, if it cannot be had.
    if (interpreter)
      better[route] = std::move(*interpreter);
    pending.erase(route);
    idle.notify_all();
  });
  std::lock_guard lock(mutex);
  if (auto it = pending.find(route); it != pending.end())
    it->second = id;
}

Expected<void> Interpreters::load(const IsaLayout &layout) {
  const CodeTarget &target = device.info().target;
  auto has = [&](auto holds) {
    for (uint32_t dense = 0; dense < layout.size(); ++dense)
      if (holds(layout[dense]))
        return true;
    return false;
  };
  std::map<Route, CompileRequest> needed;
  // Windows with a block opcode go to the block interpreter whole, so it is needed only when there is such an opcode.
  for (Scope scope : {Scope::Lane, Scope::Block})
    if (has([&](const OpcodeLayout &op) { return op.scope == scope; }))
      needed[Route(scope)] = {.kind = CompileRequest::Interpreter, .target = target, .scope = scope};
  if (has([](const OpcodeLayout &op) { return op.route == Route::Packed; }))
    needed[Route::Packed] = {.kind = CompileRequest::PackedInterpreter, .target = target};

  // What must be there first is asked for first.
  bool inTwoSteps = target.kind == CodeTarget::Host;
  struct First {
    CodeProvider::RequestId id;
    std::future<Expected<KernelCode>> code;
  };
  std::map<Route, First> firsts;
  for (auto [route, request] : needed) {
    request.effort = inTwoSteps ? Effort::Quick : Effort::Full;
    auto answer = std::make_shared<std::promise<Expected<KernelCode>>>();
    std::future<Expected<KernelCode>> future = answer->get_future();
    CodeProvider::RequestId id = code.request(
        request, MustHave, [answer](Expected<KernelCode> compiled) { answer->set_value(std::move(compiled)); });
    firsts.emplace(route, First{id, std::move(future)});
  }
  if (inTwoSteps)
    for (const auto &[route, request] : needed)
      askForBetter(request, route);
  // A code cache may have had them.
  adopt();
  Expected<void> outcome;
  for (auto &[route, first] : firsts) {
    if (loaded[size_t(route)].kernel || !outcome)
      code.cancel(first.id);
    Expected<KernelCode> compiled = first.code.get();
    if (loaded[size_t(route)].kernel || !outcome)
      continue;
    Expected<Interpreter> interpreter = place(compiled);
    if (interpreter) {
      loaded[size_t(route)] = std::move(*interpreter);
      continue;
    }
    // What was to come later will do.
    waitIdle();
    adopt();
    if (!loaded[size_t(route)].kernel)
      outcome = tl::unexpected(interpreter.error());
  }
  return outcome;
}

bool Interpreters::adopt() {
  std::lock_guard lock(mutex);
  bool any = !better.empty();
  for (auto &[route, interpreter] : better)
    loaded[size_t(route)] = std::move(interpreter);
  better.clear();
  return any;
}

void Interpreters::waitIdle() {
  std::unique_lock lock(mutex);
  idle.wait(lock, [this] { return pending.empty(); });
}

void Interpreters::shutDown() {
  std::map<Route, CodeProvider::RequestId> requests;
  {
    std::lock_guard lock(mutex);
    requests = pending;
  }
  for (auto [route, request] : requests)
    code.cancel(request);
  waitIdle();
}

} // namespace mk
