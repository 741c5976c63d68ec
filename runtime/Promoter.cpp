//===- Promoter.cpp - Compiles what is hot, in the background -------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Promoter.h"
#include <algorithm>
#include <chrono>

namespace mk {

Promoter::Promoter(Device &device, CodeProvider &code) : device(device), code(code), thread([this] { work(); }) {}

void Promoter::shutDown() {
  {
    std::lock_guard lock(mutex);
    stop = true;
    queue.clear();
  }
  wake.notify_all();
  if (thread.joinable())
    thread.join();
}

size_t Promoter::enqueue(CodeUnit &unit, Promotion record) {
  std::lock_guard lock(mutex);
  size_t promotion = promotions.size();
  promotions.push_back(std::move(record));
  if (lost) {
    failLocked(promotion, lost->message);
    return promotion;
  }
  queue.push_back({&unit, promotion});
  wake.notify_one();
  return promotion;
}

std::vector<Promoter::Loaded> Promoter::takeLoaded() {
  std::lock_guard lock(mutex);
  return std::exchange(loaded, {});
}

void Promoter::noteFirstRun(size_t promotion, Ticket ticket) {
  std::lock_guard lock(mutex);
  promotions[promotion].firstTicket = ticket;
}

void Promoter::failLocked(size_t promotion, const std::string &why) {
  promotions[promotion].state = PromotionState::Failed;
  promotions[promotion].error = why;
}

void Promoter::fail(const Error &error) {
  std::lock_guard lock(mutex);
  lost = error;
  for (const Request &request : queue)
    failLocked(request.promotion, error.message);
  queue.clear();
  idle.notify_all();
}

void Promoter::waitIdle() {
  std::unique_lock lock(mutex);
  idle.wait(lock, [this] { return queue.empty() && !busy; });
}

std::vector<Promotion> Promoter::list() const {
  std::lock_guard lock(mutex);
  return promotions;
}

void Promoter::work() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return stop || !queue.empty(); });
    if (stop)
      return;
    auto hottest = std::max_element(queue.begin(), queue.end(), [this](const Request &a, const Request &b) {
      const Promotion &pa = promotions[a.promotion], &pb = promotions[b.promotion];
      return pa.count != pb.count ? pa.count < pb.count : a.promotion > b.promotion;
    });
    Request request = *hottest;
    queue.erase(hottest);
    busy = true;
    promotions[request.promotion].state = PromotionState::Compiling;
    lock.unlock();
    process(request);
    lock.lock();
    busy = false;
    if (queue.empty())
      idle.notify_all();
  }
}

void Promoter::process(Request request) {
  using Clock = std::chrono::steady_clock;
  auto seconds = [](Clock::duration duration) { return std::chrono::duration<double>(duration).count(); };
  const CodeUnit &unit = *request.unit;

  auto start = Clock::now();
  Expected<KernelCode> compiled = unit.tier == Tier::Opcode ? code.compileOpcode(device.info().target, unit.opcode)
                                                            : code.compileWindow(device.info().target, unit.signature);
  auto afterCompile = Clock::now();
  Expected<std::shared_ptr<Kernel>> kernel =
      compiled ? device.load(*compiled) : Expected<std::shared_ptr<Kernel>>(tl::unexpected(compiled.error()));
  auto afterLoad = Clock::now();

  std::lock_guard lock(mutex);
  Promotion &promotion = promotions[request.promotion];
  promotion.compileSeconds = seconds(afterCompile - start);
  if (compiled)
    promotion.loadSeconds = seconds(afterLoad - afterCompile);
  if (!kernel) {
    failLocked(request.promotion, kernel.error().message);
    return;
  }
  promotion.state = PromotionState::Live;
  loaded.push_back({request.unit, std::move(*kernel), compiled->scope});
}

} // namespace mk
