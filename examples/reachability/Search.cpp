//===- Search.cpp - Reachability on the engine ------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The host keeps the frontier, makes the slots of a wave, and reads back which nodes were reached for the first time.
// Those come in no particular order; sorted, they are the next frontier.
//
//===----------------------------------------------------------------------===//

#include "Search.h"
#include "Isa.h"
#include <algorithm>
#include <chrono>

using namespace mk;

template <typename T> static std::span<const std::byte> bytesOf(const std::vector<T> &values) {
  return std::as_bytes(std::span(values));
}

Expected<std::unique_ptr<Searcher>> Searcher::open(const Graph &graph, const OpenOptions &options, uint32_t block) {
  std::unique_ptr<Searcher> searcher(new Searcher(graph, block));
  Expected<std::unique_ptr<Engine>> engine = openEngine(reachabilityIsa, "isa.mlir", options);
  if (!engine)
    return tl::unexpected<Error>(engine.error());
  searcher->theEngine = std::move(*engine);
  if (Expected<void> made = searcher->makeBuffers(); !made)
    return tl::unexpected<Error>(made.error());
  return searcher;
}

Expected<void> Searcher::makeBuffers() {
  auto allocate = [&](BufferHandle &handle, uint64_t count, uint32_t access) -> Expected<void> {
    // A graph without edges still needs a buffer for them.
    Expected<BufferHandle> made = theEngine->allocate(ElementType::I32, std::max<uint64_t>(count, 1), access);
    if (!made)
      return tl::unexpected<Error>(made.error());
    handle = *made;
    return {};
  };
  if (Expected<void> made = allocate(edges, graph.edges(), abi::AccessRead); !made)
    return made;
  if (Expected<void> made = allocate(visited, graph.nodes(), abi::AccessReadWrite); !made)
    return made;
  if (Expected<void> made = allocate(next, graph.nodes(), abi::AccessReadWrite); !made)
    return made;
  if (Expected<void> made = allocate(tail, 1, abi::AccessReadWrite); !made)
    return made;
  return theEngine->write(edges, 0, bytesOf(graph.targets));
}

Expected<void> Searcher::step(Wave &wave, std::vector<uint32_t> &reached) {
  reached.clear();
  Batch batch(theEngine->isa());
  for (uint32_t node : wave.frontier) {
    uint64_t end = graph.first[node + uint64_t(1)];
    wave.edges += end - graph.first[node];
    for (uint64_t at = graph.first[node]; at < end; at += block) {
      const Arg args[] = {View{edges}, at, std::min<uint64_t>(block, end - at), View{visited}, View{next}, View{tail}};
      if (Expected<void> added = batch.add("expand", args); !added)
        return added;
    }
  }
  if (batch.size() == 0)
    return {};

  SubmitOptions options;
  options.graph = GraphHint{graph.nodes(), static_cast<uint32_t>(graph.edges())};
  // A node may have several slots, so the density cannot be told from their number.
  uint64_t density = wave.frontier.size() * 10000 / graph.nodes();
  options.graph->frontierDensityBps = static_cast<uint16_t>(std::clamp<uint64_t>(density, 1, 10000));

  std::vector<uint32_t> count = {0};
  if (Expected<void> cleared = theEngine->write(tail, 0, bytesOf(count)); !cleared)
    return cleared;
  Expected<Ticket> ticket = theEngine->submit(batch, options);
  if (!ticket)
    return tl::unexpected<Error>(ticket.error());
  Expected<BatchResult> result = theEngine->wait(*ticket);
  if (!result)
    return tl::unexpected<Error>(result.error());
  wave.result = std::move(*result);

  if (Expected<void> got = theEngine->read(tail, 0, std::as_writable_bytes(std::span(count))); !got)
    return got;
  reached.resize(std::min(count.front(), graph.nodes()));
  if (!reached.empty())
    if (Expected<void> got = theEngine->read(next, 0, std::as_writable_bytes(std::span(reached))); !got)
      return got;
  std::sort(reached.begin(), reached.end());
  return {};
}

Expected<SearchResult> Searcher::run(std::span<const uint32_t> starts) {
  auto begin = std::chrono::steady_clock::now();
  SearchResult result;
  std::vector<uint32_t> frontier(starts.begin(), starts.end());
  std::sort(frontier.begin(), frontier.end());
  frontier.erase(std::unique(frontier.begin(), frontier.end()), frontier.end());

  std::vector<int32_t> marks(graph.nodes());
  for (uint32_t node : frontier)
    marks[node] = 1;
  if (Expected<void> written = theEngine->write(visited, 0, bytesOf(marks)); !written)
    return tl::unexpected<Error>(written.error());

  while (!frontier.empty()) {
    Wave wave;
    wave.frontier = std::move(frontier);
    frontier = {};
    if (Expected<void> stepped = step(wave, frontier); !stepped)
      return tl::unexpected<Error>(stepped.error());
    result.reached += wave.frontier.size();
    result.faults += wave.result.faults.size();
    result.waves.push_back(std::move(wave));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}
