//===- Graph.cpp - A directed graph -----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Graph.h"
#include <algorithm>

void addEdges(Graph &graph, uint32_t nodes, std::vector<Edge> edges) {
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  graph.first.assign(nodes + uint64_t(1), 0);
  graph.targets.clear();
  graph.targets.reserve(edges.size());
  for (auto [from, to] : edges) {
    ++graph.first[from + uint64_t(1)];
    graph.targets.push_back(static_cast<int32_t>(to));
  }
  for (uint64_t n = 0; n < nodes; ++n)
    graph.first[n + 1] += graph.first[n];
}

std::vector<std::vector<uint32_t>> searchPlainly(const Graph &graph, std::span<const uint32_t> starts) {
  std::vector<std::vector<uint32_t>> levels;
  std::vector<bool> visited(graph.nodes());
  std::vector<uint32_t> level;
  for (uint32_t node : starts)
    if (!visited[node]) {
      visited[node] = true;
      level.push_back(node);
    }
  while (!level.empty()) {
    std::sort(level.begin(), level.end());
    std::vector<uint32_t> next;
    for (uint32_t node : level)
      for (int32_t target : graph.targetsOf(node))
        if (!visited[target]) {
          visited[target] = true;
          next.push_back(static_cast<uint32_t>(target));
        }
    levels.push_back(std::move(level));
    level = std::move(next);
  }
  return levels;
}
