//===- MatrixMarket.cpp - Graphs from matrix files --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The format: a banner "%%MatrixMarket matrix coordinate FIELD SYMMETRY", comments that start with %, a line with rows,
// columns and entries, and one line for each entry: row, column and, depending on the field, none, one or two numbers.
//
//===----------------------------------------------------------------------===//

#include "Graph.h"
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

using namespace mk;

namespace {
class Parser {
public:
  Parser(const std::string &file, std::string_view text) : file(file), rest(text) {}

  Expected<Graph> parse() {
    if (Expected<void> banner = parseBanner(); !banner)
      return tl::unexpected<Error>(banner.error());
    if (Expected<void> size = parseSize(); !size)
      return tl::unexpected<Error>(size.error());
    std::vector<Edge> edges;
    // The number of entries is only a claim; each of them takes four bytes at least.
    edges.reserve(std::min<uint64_t>(entries, rest.size() / 4 + 1) * (isSymmetric ? 2 : 1));
    for (uint64_t i = 0; i < entries; ++i)
      if (Expected<void> entry = parseEntry(i, edges); !entry)
        return tl::unexpected<Error>(entry.error());
    if (nextLine())
      return fail("found " + quoted(line) + " after the last of " + std::to_string(entries) +
                  " entries, expected the end of the file");
    Graph graph;
    graph.description = "matrix " + file;
    addEdges(graph, static_cast<uint32_t>(rows), std::move(edges));
    return graph;
  }

private:
  tl::unexpected<Error> fail(const std::string &message) const {
    return makeError(ErrorCode::Malformed, file + ":" + std::to_string(lineNumber) + ": " + message);
  }

  /// Text of the file in a message, shortened and made printable.
  static std::string quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text.substr(0, 60))
      out += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
    return out + (text.size() > 60 ? "...'" : "'");
  }

  bool takeLine() {
    if (rest.empty())
      return false;
    size_t end = rest.find('\n');
    line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    ++lineNumber;
    return true;
  }

  /// The next line that is neither a comment nor blank.
  bool nextLine() {
    while (takeLine())
      if (!line.starts_with('%') && line.find_first_not_of(" \t") != std::string_view::npos)
        return true;
    return false;
  }

  /// The next word of 'text', which is shortened; empty at its end.
  static std::string_view takeWord(std::string_view &text) {
    size_t start = std::min(text.find_first_not_of(" \t"), text.size());
    size_t end = std::min(text.find_first_of(" \t", start), text.size());
    std::string_view word = text.substr(start, end - start);
    text.remove_prefix(end);
    return word;
  }

  static std::optional<uint64_t> number(std::string_view word) {
    uint64_t value;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size())
      return std::nullopt;
    return value;
  }

  Expected<void> parseBanner() {
    bool hasLine = takeLine();
    lineNumber = 1;
    std::string lower(line);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    std::string_view words = lower;
    if (!hasLine || takeWord(words) != "%%matrixmarket")
      return fail("found " + quoted(line) + ", expected a line that starts with '%%MatrixMarket'");
    std::string_view object = takeWord(words), format = takeWord(words), field = takeWord(words),
                     symmetry = takeWord(words);
    if (object != "matrix")
      return fail("the file holds a " + quoted(object) + ", expected a 'matrix'");
    if (format != "coordinate")
      return fail("the matrix is in the format " + quoted(format) + ", expected 'coordinate'");
    if (field == "pattern")
      values = 0;
    else if (field == "real" || field == "integer" || field == "double")
      values = 1;
    else if (field == "complex")
      values = 2;
    else
      return fail("the field is " + quoted(field) + ", expected 'pattern', 'real', 'integer' or 'complex'");
    if (symmetry == "symmetric" || symmetry == "skew-symmetric" || symmetry == "hermitian")
      isSymmetric = true;
    else if (symmetry != "general")
      return fail("the symmetry is " + quoted(symmetry) +
                  ", expected 'general', 'symmetric', 'skew-symmetric' or 'hermitian'");
    return {};
  }

  Expected<void> parseSize() {
    if (!nextLine())
      return fail("the file ends before the line with rows, columns and entries");
    std::string_view words = line;
    std::array<std::optional<uint64_t>, 3> sizes;
    for (std::optional<uint64_t> &size : sizes)
      size = number(takeWord(words));
    if (!sizes[0] || !sizes[1] || !sizes[2] || !takeWord(words).empty())
      return fail("found " + quoted(line) + ", expected three numbers: rows, columns and entries");
    if (sizes[0] != sizes[1])
      return fail("the matrix has " + std::to_string(*sizes[0]) + " rows and " + std::to_string(*sizes[1]) +
                  " columns, expected a square one: a graph has the same nodes on both sides");
    rows = *sizes[0];
    entries = *sizes[2];
    if (rows == 0)
      return fail("the matrix is empty, expected at least one row");
    if (rows > MaxNodes)
      return fail("the matrix has " + std::to_string(rows) + " rows, expected at most " + std::to_string(MaxNodes));
    if (entries > MaxEdges / (isSymmetric ? 2 : 1))
      return fail("the matrix has " + std::to_string(entries) + " entries, which make more than " +
                  std::to_string(MaxEdges) + " edges");
    return {};
  }

  Expected<void> parseEntry(uint64_t i, std::vector<Edge> &edges) {
    if (!nextLine())
      return fail("the file ends after " + std::to_string(i) + " of " + std::to_string(entries) + " entries");
    std::string_view words = line;
    std::optional<uint64_t> row = number(takeWord(words)), column = number(takeWord(words));
    bool good = row && column;
    for (unsigned k = 0; good && k < values; ++k) {
      // The value itself does not matter, but it has to be there.
      std::string word(takeWord(words));
      char *end = nullptr;
      std::strtod(word.c_str(), &end);
      good = !word.empty() && *end == '\0';
    }
    if (!good || !takeWord(words).empty())
      return fail("found " + quoted(line) + ", expected row and column" +
                  (values == 0   ? ""
                   : values == 1 ? " and a number"
                                 : " and two numbers"));
    for (uint64_t index : {*row, *column})
      if (index < 1 || index > rows)
        return fail("found index " + std::to_string(index) + ", expected 1 to " + std::to_string(rows));
    auto from = static_cast<uint32_t>(*row - 1), to = static_cast<uint32_t>(*column - 1);
    edges.emplace_back(from, to);
    if (isSymmetric && from != to)
      edges.emplace_back(to, from);
    return {};
  }

  const std::string &file;
  std::string_view rest;
  std::string_view line;
  uint64_t lineNumber = 0;
  /// Numbers after row and column.
  unsigned values = 0;
  bool isSymmetric = false;
  uint64_t rows = 0;
  uint64_t entries = 0;
};
} // namespace

Expected<Graph> readMatrixMarket(const std::string &file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  // A folder opens, but cannot be read.
  if (!in || !(text << in.rdbuf()))
    return makeError(ErrorCode::NotFound, "cannot read the matrix '" + file + "', or it is empty");
  return Parser(file, text.view()).parse();
}
