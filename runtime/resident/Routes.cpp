//===- Routes.cpp - Windows that get code of their own --------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Routes.h"

namespace mk {

uint32_t Routes::observe(std::span<const abi::Slot> slots, const uint16_t *opcodes) {
  std::lock_guard lock(mutex);
  double time = now();
  // The ticket tells batches apart, and every window is one here.
  CodeUnit *unit = table.find(slots, opcodes, buffers.rows(), 0, time);
  if (!unit)
    return 0;
  unit->heat.add(1, 1, time, options.heatHalfLife);
  if (unit->samples.size() < Samples)
    unit->samples.emplace_back(slots.begin(), slots.end());
  if (unit->route == 0)
    return 0;
  const Route &route = routes.at(unit->route);
  return route.state == PromotionState::Live ? route.id : 0;
}

double Routes::hottest() const {
  double most = 0, time = now();
  for (const auto &unit : table.units())
    if (unit->route == 0)
      most = std::max(most, unit->heat.recent(time, options.heatHalfLife));
  return most;
}

std::vector<Routes::Route *> Routes::propose(uint32_t threshold) {
  std::vector<CodeUnit *> hot;
  double time = now();
  size_t inUse = 0;
  for (const auto &[id, route] : routes)
    inUse += route.state == PromotionState::Queued || route.state == PromotionState::Checking ||
             route.state == PromotionState::Live;
  for (const auto &unit : table.units())
    if (unit->route == 0 && unit->heat.recent(time, options.heatHalfLife) >= threshold)
      hot.push_back(unit.get());
  std::sort(hot.begin(), hot.end(), [&](const CodeUnit *a, const CodeUnit *b) {
    return a->heat.recent(time, options.heatHalfLife) > b->heat.recent(time, options.heatHalfLife);
  });
  std::vector<Route *> proposed;
  for (CodeUnit *unit : hot) {
    if (inUse + proposed.size() >= options.maxRoutes || lastRoute == abi::MaxRoute)
      break;
    // Numbers are not used again: lines that still wait may carry old ones.
    Route &route = routes[++lastRoute];
    route.unit = unit;
    route.id = unit->route = lastRoute;
    proposed.push_back(&route);
  }
  return proposed;
}

Routes::Route *Routes::find(uint32_t id) {
  auto it = routes.find(id);
  return it == routes.end() ? nullptr : &it->second;
}

std::vector<Routes::Route *> Routes::wanted() {
  std::vector<Route *> list;
  for (auto &[id, route] : routes)
    if (route.state == PromotionState::Queued || route.state == PromotionState::Checking ||
        route.state == PromotionState::Live)
      list.push_back(&route);
  return list;
}

void Routes::retire(Route &route, PromotionState state, const std::string &why) {
  route.state = state;
  route.error = why;
}

void Routes::demoteCold(uint32_t threshold) {
  // An octave or three below what promotes, several times in a row: what is live does not flap.
  double time = now();
  for (auto &[id, route] : routes) {
    if (route.state != PromotionState::Live)
      continue;
    bool cold = route.unit->heat.recent(time, options.heatHalfLife) < double(threshold) / 8;
    route.coldChecks = cold ? route.coldChecks + 1 : 0;
    if (route.coldChecks < 3)
      continue;
    retire(route, PromotionState::Demoted, "cold");
    // It may become hot again.
    route.unit->route = 0;
    route.unit = nullptr;
  }
  std::erase_if(routes, [](const auto &entry) { return !entry.second.unit; });
}

void Routes::reset() {
  routes.clear();
  for (const auto &unit : table.units()) {
    unit->route = 0;
    unit->heat.cool();
  }
}

} // namespace mk
