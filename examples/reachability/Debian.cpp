//===- Debian.cpp - Graphs from package lists -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// apt keeps what the repositories offer in files that end in "_Packages": paragraphs of "Field: value" lines, one for
// each package. They may be compressed, in any way that apt knows; apt's own helper then unpacks them.
//
//===----------------------------------------------------------------------===//

#include "Graph.h"
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_map>

using namespace mk;
namespace fs = std::filesystem;

static constexpr const char *AptHelper = "/usr/lib/apt/apt-helper";

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static Expected<std::string> readPlain(const std::string &file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf()))
    return makeError(ErrorCode::NotFound, "cannot read '" + file + "', or it is empty");
  return std::move(text).str();
}

/// The contents of a compressed list, as apt's helper prints them.
static Expected<std::string> readCompressed(const std::string &file) {
  int fds[2];
  if (pipe(fds) != 0)
    return makeError(ErrorCode::DeviceFailed, std::string("cannot make a pipe: ") + std::strerror(errno));
  pid_t child = fork();
  if (child < 0)
    return makeError(ErrorCode::DeviceFailed, std::string("cannot start a process: ") + std::strerror(errno));
  if (child == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    execl(AptHelper, AptHelper, "cat-file", file.c_str(), static_cast<char *>(nullptr));
    _exit(127);
  }
  close(fds[1]);
  std::string text;
  std::array<char, 1 << 16> piece;
  ssize_t got;
  while ((got = read(fds[0], piece.data(), piece.size())) > 0 || (got < 0 && errno == EINTR))
    text.append(piece.data(), got > 0 ? static_cast<size_t>(got) : 0);
  close(fds[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return makeError(ErrorCode::Malformed, std::string(AptHelper) + " cannot unpack '" + file + "'");
  return text;
}

/// The package lists in a folder: plain ones, and compressed ones of which there is no plain form.
static std::vector<std::string> findLists(const std::string &folder) {
  std::vector<std::string> plain, lists;
  std::error_code error;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    std::string name = entry.path().string();
    if (name.ends_with("_Packages"))
      plain.push_back(name);
    else if (name.ends_with("_Packages" + entry.path().extension().string()))
      lists.push_back(name);
  }
  std::erase_if(lists, [&](const std::string &name) {
    return std::find(plain.begin(), plain.end(), name.substr(0, name.rfind('.'))) != plain.end();
  });
  lists.insert(lists.end(), plain.begin(), plain.end());
  std::sort(lists.begin(), lists.end());
  return lists;
}

//===----------------------------------------------------------------------===//
// Packages
//===----------------------------------------------------------------------===//

static std::string_view trimmed(std::string_view text) {
  size_t start = std::min(text.find_first_not_of(" \t\n"), text.size());
  size_t end = text.find_last_not_of(" \t\n");
  return text.substr(start, end == std::string_view::npos ? 0 : end + 1 - start);
}

/// Calls 'use' with the bare package names in a relation such as "a (>= 1) | b:any, c [amd64]".
template <typename Use> static void forEachName(std::string_view relation, Use use) {
  while (!relation.empty()) {
    size_t end = relation.find_first_of(",|");
    std::string_view name = trimmed(relation.substr(0, end));
    name = name.substr(0, name.find_first_of(" \t\n(:[<"));
    if (!name.empty())
      use(name);
    relation.remove_prefix(end == std::string_view::npos ? relation.size() : end + 1);
  }
}

namespace {
/// The fields of a paragraph that matter here. They point into the text of the list.
struct Paragraph {
  std::string_view package, status, provides;
  std::array<std::string_view, 3> depends;
};

/// Collects the packages of all lists.
class Collector {
public:
  explicit Collector(bool recommends) : recommends(recommends) {}

  /// Takes one list; 'onlyInstalled' drops what dpkg knows but has removed.
  Expected<void> add(const std::string &file, std::string text, bool onlyInstalled) {
    texts.push_back(std::make_unique<std::string>(std::move(text)));
    std::string_view rest = *texts.back();
    Paragraph paragraph;
    std::string_view *field = nullptr;
    uint64_t lineNumber = 0;
    while (!rest.empty()) {
      size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      ++lineNumber;
      if (line.empty()) {
        finish(paragraph, onlyInstalled);
        paragraph = {};
        field = nullptr;
      } else if (line.front() == ' ' || line.front() == '\t') {
        // The value goes on: its lines lie next to each other in the text.
        if (field)
          *field = std::string_view(field->data(), line.data() + line.size() - field->data());
      } else {
        size_t colon = line.find(':');
        if (colon == std::string_view::npos)
          return makeError(ErrorCode::Malformed, file + ":" + std::to_string(lineNumber) + ": found '" +
                                                     std::string(line.substr(0, 60)) + "', expected 'Field: value'");
        field = fieldOf(paragraph, line.substr(0, colon));
        if (field)
          *field = line.substr(colon + 1);
      }
    }
    finish(paragraph, onlyInstalled);
    return {};
  }

  size_t packages() const { return paragraphs.size(); }

  void makeGraph(Graph &graph, bool reverse) {
    // Numbers follow the names, whatever the order of the lists.
    std::vector<std::string_view> names;
    for (const Paragraph &paragraph : paragraphs)
      names.push_back(paragraph.package);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::unordered_map<std::string_view, std::vector<uint32_t>> satisfiers;
    for (uint32_t i = 0; i < names.size(); ++i)
      satisfiers[names[i]].push_back(i);
    auto numberOf = [&](std::string_view name) {
      return static_cast<uint32_t>(std::lower_bound(names.begin(), names.end(), name) - names.begin());
    };
    for (const Paragraph &paragraph : paragraphs)
      forEachName(paragraph.provides,
                  [&](std::string_view name) { satisfiers[name].push_back(numberOf(paragraph.package)); });

    std::vector<Edge> edges;
    for (const Paragraph &paragraph : paragraphs) {
      uint32_t from = numberOf(paragraph.package);
      for (std::string_view relation : paragraph.depends)
        forEachName(relation, [&](std::string_view name) {
          auto found = satisfiers.find(name);
          if (found == satisfiers.end())
            return;
          for (uint32_t to : found->second)
            edges.push_back(reverse ? Edge(to, from) : Edge(from, to));
        });
    }
    graph.names.assign(names.begin(), names.end());
    addEdges(graph, static_cast<uint32_t>(names.size()), std::move(edges));
  }

private:
  std::string_view *fieldOf(Paragraph &paragraph, std::string_view name) {
    if (name == "Package")
      return &paragraph.package;
    if (name == "Status")
      return &paragraph.status;
    if (name == "Provides")
      return &paragraph.provides;
    if (name == "Depends")
      return &paragraph.depends[0];
    if (name == "Pre-Depends")
      return &paragraph.depends[1];
    if (name == "Recommends" && recommends)
      return &paragraph.depends[2];
    return nullptr;
  }

  void finish(Paragraph &paragraph, bool onlyInstalled) {
    paragraph.package = trimmed(paragraph.package);
    if (!paragraph.package.empty() && (!onlyInstalled || trimmed(paragraph.status).ends_with(" installed")))
      paragraphs.push_back(paragraph);
  }

  const bool recommends;
  std::vector<std::unique_ptr<std::string>> texts;
  std::vector<Paragraph> paragraphs;
};
} // namespace

Expected<Graph> readDebian(const DebianOptions &options) {
  Graph graph;
  Collector collector(options.recommends);
  std::vector<std::string> lists = findLists(options.lists);
  bool hasHelper = access(AptHelper, X_OK) == 0;
  size_t used = 0, compressed = 0;
  for (const std::string &file : lists) {
    bool isPlain = file.ends_with("_Packages");
    if (!isPlain && !hasHelper) {
      ++compressed;
      continue;
    }
    std::error_code error;
    if (isPlain && fs::file_size(file, error) == 0)
      continue;
    Expected<std::string> text = isPlain ? readPlain(file) : readCompressed(file);
    if (!text)
      return tl::unexpected<Error>(text.error());
    if (Expected<void> added = collector.add(file, std::move(*text), /*onlyInstalled=*/false); !added)
      return tl::unexpected<Error>(added.error());
    ++used;
  }
  if (compressed)
    graph.notices.push_back(std::to_string(compressed) + " package lists in " + options.lists +
                            " are compressed, and there is no " + AptHelper + " to unpack them; they are left out");

  graph.description = "packages in " + std::to_string(used) + (used == 1 ? " list" : " lists") + " of apt";
  if (collector.packages() == 0) {
    graph.notices.push_back("no package lists in " + options.lists +
                            " (apt-get update would fetch them); taking the installed packages from " + options.status);
    graph.description = "packages installed here";
    Expected<std::string> text = readPlain(options.status);
    if (!text)
      return makeError(ErrorCode::NotFound, "found neither package lists in " + options.lists +
                                                " nor dpkg's list of installed packages: " + text.error().message +
                                                "; give a Matrix Market file instead of --debian");
    if (Expected<void> added = collector.add(options.status, std::move(*text), /*onlyInstalled=*/true); !added)
      return tl::unexpected<Error>(added.error());
    if (collector.packages() == 0)
      return makeError(ErrorCode::Malformed, options.status + " names no installed package");
  }
  graph.description +=
      options.recommends ? ", with their dependencies and recommendations" : ", with their dependencies";
  if (options.reverse)
    graph.description += ", reversed";
  collector.makeGraph(graph, options.reverse);
  return graph;
}
