//===- Search.h - Reachability on the engine --------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_EXAMPLES_REACHABILITY_SEARCH_H
#define MK_EXAMPLES_REACHABILITY_SEARCH_H

#include "Graph.h"
#include "mk/Engine.h"
#include <memory>
#include <span>
#include <vector>

/// One step of a search: the frontier, and what became of the slots that looked at its edges.
struct Wave {
  /// The nodes that the wave before reached first, sorted.
  std::vector<uint32_t> frontier;
  /// Edges that lead out of them.
  uint64_t edges = 0;
  /// Absent runs: no edge led out of the frontier, so that there was nothing to submit.
  mk::BatchResult result;
};

struct SearchResult {
  std::vector<Wave> waves;
  uint64_t reached = 0;
  uint64_t faults = 0;
  /// On the host's clock, from the first write to the last read.
  double seconds = 0;
};

/// A graph on a device.
class Searcher {
public:
  /// Opens an engine and copies the graph to it. A node gets one slot for each 'block' of its edges.
  static mk::Expected<std::unique_ptr<Searcher>> open(const Graph &graph, const mk::OpenOptions &options,
                                                      uint32_t block);

  /// Finds what can be reached from 'starts'.
  mk::Expected<SearchResult> run(std::span<const uint32_t> starts);

  mk::Engine &engine() { return *theEngine; }

private:
  Searcher(const Graph &graph, uint32_t block) : graph(graph), block(block) {}
  mk::Expected<void> makeBuffers();
  mk::Expected<void> step(Wave &wave, std::vector<uint32_t> &next);

  const Graph &graph;
  const uint32_t block;
  std::unique_ptr<mk::Engine> theEngine;
  mk::BufferHandle edges = 0, visited = 0, next = 0, tail = 0;
};

#endif // MK_EXAMPLES_REACHABILITY_SEARCH_H
