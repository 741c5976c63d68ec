//===- Graph.h - A directed graph -------------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_EXAMPLES_REACHABILITY_GRAPH_H
#define MK_EXAMPLES_REACHABILITY_GRAPH_H

#include "mk/Runtime/Error.h"
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// A directed graph: for each node the nodes that its edges lead to, one node after the other in one array.
struct Graph {
  /// What it is and where it came from.
  std::string description;
  /// Things worth knowing about how it was read.
  std::vector<std::string> notices;
  /// One for each node, or empty: then nodes are called by their number, from 1.
  std::vector<std::string> names;
  /// The edges of node n are targets[first[n]] to targets[first[n + 1] - 1].
  std::vector<uint64_t> first = {0};
  std::vector<int32_t> targets;

  uint32_t nodes() const { return static_cast<uint32_t>(first.size() - 1); }
  uint64_t edges() const { return targets.size(); }
  std::span<const int32_t> targetsOf(uint32_t node) const {
    return std::span(targets).subspan(first[node], first[node + 1] - first[node]);
  }
  std::string nameOf(uint32_t node) const { return names.empty() ? std::to_string(node + 1) : names[node]; }
};

/// An edge, from the first node to the second.
using Edge = std::pair<uint32_t, uint32_t>;

/// The most nodes and edges: node numbers are i32 on the device, edge numbers 32 bits wide in a slot.
inline constexpr uint64_t MaxNodes = (uint64_t(1) << 31) - 1;
inline constexpr uint64_t MaxEdges = (uint64_t(1) << 32) - 1;

/// Sorts the edges into 'graph'; the same edge given twice is one.
void addEdges(Graph &graph, uint32_t nodes, std::vector<Edge> edges);

/// The nodes that can be reached from 'starts', by a plain search: level by level, each sorted.
std::vector<std::vector<uint32_t>> searchPlainly(const Graph &graph, std::span<const uint32_t> starts);

/// Reads a Matrix Market file: a square matrix in coordinate format, whose entry (i, j) is an edge from i to j (and
/// back, if the matrix is symmetric, skew-symmetric or hermitian). Malformed names the line.
mk::Expected<Graph> readMatrixMarket(const std::string &file);

/// Where the packages are, and what counts as an edge.
struct DebianOptions {
  /// Folder with the package lists of apt.
  std::string lists = "/var/lib/apt/lists";
  /// dpkg's list of installed packages, which is taken when there are no package lists.
  std::string status = "/var/lib/dpkg/status";
  /// Recommends count as well as Depends and Pre-Depends.
  bool recommends = false;
  /// Edges lead from a package to those that need it.
  bool reverse = false;
};

/// Reads the packages that apt knows, with an edge from each to all that could satisfy its dependencies: every
/// alternative, in any version, and every provider of a virtual package.
mk::Expected<Graph> readDebian(const DebianOptions &options);

#endif // MK_EXAMPLES_REACHABILITY_GRAPH_H
