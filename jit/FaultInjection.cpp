//===- FaultInjection.cpp - Rare failures on demand -------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InjectFault.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringExtras.h"
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace mk;
using llvm::StringRef;

static constexpr std::pair<const char *, FaultInjection::Kind> kinds[] = {
    {"fail", FaultInjection::Fail},         {"segv", FaultInjection::Segv},   {"abort", FaultInjection::Abort},
    {"exit", FaultInjection::Exit},         {"kill", FaultInjection::Kill},   {"loop", FaultInjection::Loop},
    {"allocate", FaultInjection::Allocate}, {"delay", FaultInjection::Delay}, {"wrong", FaultInjection::Wrong}};

Expected<FaultInjection> FaultInjection::parse(std::string_view text) {
  auto invalid = [&](const llvm::Twine &what) {
    return makeError(ErrorCode::InvalidArgument, "fault injection '" + std::string(text) + "': " + what.str());
  };
  FaultInjection fault;
  llvm::SmallVector<StringRef> items;
  StringRef(text).split(items, ',');
  for (StringRef item : items) {
    auto [key, value] = item.split('=');
    if (value.empty())
      return invalid("found '" + item + "', expected KEY=VALUE");
    auto number = [&](uint32_t &field) { return !value.getAsInteger(10, field) && field != 0; };
    bool good = true;
    if (key == "kind") {
      const auto *known = llvm::find_if(kinds, [&](auto kind) { return value == kind.first; });
      if (known == std::end(kinds))
        return invalid("found kind '" + value +
                       "', expected fail, segv, abort, exit, kill, loop, allocate, delay or wrong");
      fault.kind = known->second;
    } else if (key == "phase") {
      auto phase = parseCompilePhase(value);
      if (!phase)
        return invalid("found phase '" + value +
                       "', expected parse, verify, pass, translate, optimize, codegen, assemble, link or load");
      fault.phase = *phase;
    } else if (key == "delay") {
      fault.kind = Delay;
      good = number(fault.milliseconds);
    } else if (key == "every") {
      good = number(fault.every);
    } else if (key == "nth") {
      good = number(fault.nth);
    } else if (key == "only") {
      fault.only = value;
    } else {
      return invalid("found key '" + key + "', expected kind, phase, delay, every, nth or only");
    }
    if (!good)
      return invalid("found '" + item + "', expected a number of at least 1");
  }
  if (fault.kind == Delay && fault.milliseconds == 0)
    return invalid("kind=delay needs to know how long; write delay=MILLISECONDS");
  // Linking and loading are done in the process of the caller.
  if (fault.phase >= CompilePhase::Link && fault.kind != Fail && fault.kind != Delay)
    return invalid("the phases link and load can only fail or be late");
  return fault;
}

Expected<void> mk::injectFault(const FaultInjection &fault) {
  switch (fault.kind) {
  case FaultInjection::Fail:
    return makeError(ErrorCode::CompileFailed,
                     std::string(stringifyCompilePhase(fault.phase)) + " failed: a failure was injected");
  case FaultInjection::Segv:
    // The default action also where a sanitizer catches it.
    std::signal(SIGSEGV, SIG_DFL);
    std::raise(SIGSEGV);
    break;
  case FaultInjection::Abort:
    std::abort();
  case FaultInjection::Exit:
    std::_Exit(1);
  case FaultInjection::Kill:
    std::raise(SIGKILL);
    break;
  case FaultInjection::Loop:
    for (volatile uint64_t turns = 0;; turns = turns + 1)
      ;
  case FaultInjection::Allocate:
    // Written to, so that the memory is really taken.
    for (constexpr size_t chunk = 16 << 20;;)
      std::memset(::operator new(chunk), 1, chunk);
  case FaultInjection::Delay:
    std::this_thread::sleep_for(std::chrono::milliseconds(fault.milliseconds));
    break;
  case FaultInjection::Wrong:
    break;
  }
  return {};
}

CompileControl mk::controlFor(const std::optional<FaultInjection> &fault) {
  CompileControl control;
  if (!fault)
    return control;
  control.miscompile = fault->kind == FaultInjection::Wrong;
  control.onPhase = [fault = *fault](CompilePhase phase) -> Expected<void> {
    return phase == fault.phase ? injectFault(fault) : Expected<void>();
  };
  return control;
}
