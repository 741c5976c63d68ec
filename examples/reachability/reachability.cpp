//===- reachability.cpp - What can be reached in a graph --------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An example of a program that embeds the engine: it includes mk/Engine.h, links the library, and knows nothing of
// LLVM. Search.cpp is where the engine is used; this file is the command line and the report.
//
//===----------------------------------------------------------------------===//

#include "Search.h"
#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <optional>

using namespace mk;

namespace {
enum ExitCode { Done = 0, Failed = 1, Faulted = 3, Mismatch = 4 };

struct Options {
  std::string matrix;
  bool isDebian = false;
  DebianOptions debian;
  std::vector<std::string> from;
  std::string device = "auto";
  uint32_t repeat = 1;
  uint32_t block = 256;
  mk::JitMode jit = mk::JitMode::On;
  bool waitForPromotions = false;
  bool isCsv = false, isJson = false;
  bool isList = false;
  bool onlyRead = false;
};
} // namespace

static constexpr const char *Usage = R"(usage: reachability [options] <graph.mtx>
       reachability [options] --debian

Which nodes of a graph can be reached from given nodes? The graph is a Matrix Market
file (entry (i, j): an edge from i to j), or that of the packages that apt knows on
this machine (an edge from a package to each that could satisfy a dependency).

  --from=NODE          start here: a package, or a node's number from 1; may be repeated
                       (default: build-essential if there is one, else node 1)
  --recommends         with --debian: recommended packages count as well
  --reverse            with --debian: which packages need the given ones?
  --lists=DIR          with --debian: apt's package lists (/var/lib/apt/lists)
  --status=FILE        with --debian: taken when there are none (/var/lib/dpkg/status)
  --device=DEVICE      auto, host or cuda:N (auto: the first GPU, else the CPU)
  --repeat=N           search N times, so that the opcode gets hot (1)
  --block=N            edges for each slot (256)
  --jit=MODE           compiled code: off, on (when it pays and is faster; the default) or
                       always (as soon as the opcode is hot)
  --wait-for-promotions  after each search, wait until nothing is being compiled
  --list               print the nodes that were reached, one in a line
  --csv, --json        for machines: a row for each wave, or one object
  --only-read          read the graph, say how large it is, and end
  --help

exit codes: 0 done, 1 an error, 3 some slots ended in FAULT, 4 a plain search on the
host gives another answer
)";

static tl::unexpected<Error> invalid(const std::string &message) {
  return makeError(ErrorCode::InvalidArgument, message);
}

//===----------------------------------------------------------------------===//
// Input
//===----------------------------------------------------------------------===//

static std::optional<uint64_t> parseNumber(const std::string &text) {
  uint64_t value;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

static Expected<Options> parseOptions(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (!argument.starts_with("-")) {
      if (!options.matrix.empty())
        return invalid("found two graphs, '" + options.matrix + "' and '" + argument + "', expected one");
      options.matrix = argument;
      continue;
    }
    size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string::npos)
      value = argument.substr(equals + 1);

    struct Flag {
      const char *name;
      bool &flag;
      bool setTo;
    };
    bool isFlag = false;
    for (const Flag &flag : {Flag{"--debian", options.isDebian, true},
                             {"--recommends", options.debian.recommends, true},
                             {"--reverse", options.debian.reverse, true},
                             {"--wait-for-promotions", options.waitForPromotions, true},
                             {"--list", options.isList, true},
                             {"--csv", options.isCsv, true},
                             {"--json", options.isJson, true},
                             {"--only-read", options.onlyRead, true}})
      if (name == flag.name && !value) {
        flag.flag = flag.setTo;
        isFlag = true;
      }
    if (isFlag)
      continue;
    // The value may be the next argument.
    auto isOption = [&](const char *wanted) {
      if (name != wanted)
        return false;
      if (!value && i + 1 < argc)
        value = argv[++i];
      return value.has_value();
    };
    if (isOption("--from"))
      options.from.push_back(*value);
    else if (isOption("--lists"))
      options.debian.lists = *value;
    else if (isOption("--status"))
      options.debian.status = *value;
    else if (isOption("--device"))
      options.device = *value;
    else if (isOption("--jit")) {
      if (*value != "off" && *value != "on" && *value != "always")
        return invalid("--jit: found '" + *value + "', expected off, on or always");
      options.jit = *value == "off" ? mk::JitMode::Off : *value == "on" ? mk::JitMode::On : mk::JitMode::Always;
    } else if (isOption("--repeat") || isOption("--block")) {
      std::optional<uint64_t> number = parseNumber(*value);
      if (!number || *number < 1 || *number > 100000)
        return invalid(name + ": found '" + *value + "', expected a number from 1 to 100000");
      (name == "--repeat" ? options.repeat : options.block) = static_cast<uint32_t>(*number);
    } else
      return invalid("unknown or incomplete option '" + argument + "'; --help lists the options");
  }
  if (options.isDebian == !options.matrix.empty())
    return invalid(options.isDebian ? "found both --debian and '" + options.matrix + "', expected one graph"
                                    : "no graph; give a Matrix Market file or --debian (--help says more)");
  if (!options.isDebian && (options.debian.recommends || options.debian.reverse))
    return invalid("--recommends and --reverse are for --debian");
  if (options.isCsv && options.isJson)
    return invalid("found both --csv and --json, expected one of them");
  return options;
}

static Expected<std::vector<uint32_t>> findStarts(const Graph &graph, const std::vector<std::string> &from) {
  std::vector<uint32_t> starts;
  for (const std::string &text : from) {
    auto named = std::find(graph.names.begin(), graph.names.end(), text);
    if (named != graph.names.end()) {
      starts.push_back(static_cast<uint32_t>(named - graph.names.begin()));
      continue;
    }
    std::optional<uint64_t> number = parseNumber(text);
    if (!number)
      return makeError(ErrorCode::NotFound, graph.names.empty()
                                                ? "--from: found '" + text + "', expected a node's number from 1 to " +
                                                      std::to_string(graph.nodes())
                                                : "--from: there is no package '" + text + "'");
    if (*number < 1 || *number > graph.nodes())
      return makeError(ErrorCode::NotFound,
                       "--from: found node " + text + ", expected a number from 1 to " + std::to_string(graph.nodes()));
    starts.push_back(static_cast<uint32_t>(*number - 1));
  }
  if (starts.empty()) {
    auto usual = std::find(graph.names.begin(), graph.names.end(), "build-essential");
    starts.push_back(usual == graph.names.end() ? 0 : static_cast<uint32_t>(usual - graph.names.begin()));
  }
  return starts;
}

//===----------------------------------------------------------------------===//
// Report
//===----------------------------------------------------------------------===//

/// The tiers of a wave, e.g. "interpreter" or "interpreter+opcode".
static std::string tiersOf(const Wave &wave) {
  std::string text;
  for (const TierRun &run : wave.result.runs)
    if (std::string tier = stringifyTier(run.tier); text.find(tier) == std::string::npos)
      text += (text.empty() ? "" : "+") + tier;
  return text.empty() ? "-" : text;
}

static double deviceSeconds(const Wave &wave) {
  double seconds = 0;
  for (const TierRun &run : wave.result.runs)
    seconds += run.seconds;
  return seconds;
}

static const char *topologyOf(const Wave &wave) {
  return wave.result.runs.empty() ? "-" : stringifyDispatchTopology(wave.result.recommendation.topology);
}

static void printSearch(const Graph &graph, const SearchResult &search) {
  std::printf("  %4s  %9s  %10s  %9s  %8s  %-18s  %-12s  %10s  %9s\n", "wave", "frontier", "edges", "slots", "density",
              "topology", "tier", "device ms", "wall ms");
  for (size_t i = 0; i < search.waves.size(); ++i) {
    const Wave &wave = search.waves[i];
    std::printf("  %4zu  %9zu  %10" PRIu64 "  %9" PRIu64 "  %6.2f %%  %-18s  %-12s  %10.3f  %9.3f\n", i + 1,
                wave.frontier.size(), wave.edges, wave.result.slots, 100.0 * wave.frontier.size() / graph.nodes(),
                topologyOf(wave), tiersOf(wave).c_str(), deviceSeconds(wave) * 1e3, wave.result.seconds * 1e3);
  }
}

static void printCsv(const Graph &graph, const std::vector<SearchResult> &searches) {
  std::printf("search,wave,frontier,edges,slots,density_bps,topology,tier,device_ms,wall_ms\n");
  for (size_t s = 0; s < searches.size(); ++s)
    for (size_t i = 0; i < searches[s].waves.size(); ++i) {
      const Wave &wave = searches[s].waves[i];
      std::printf("%zu,%zu,%zu,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%s,%s,%.6f,%.6f\n", s + 1, i + 1,
                  wave.frontier.size(), wave.edges, wave.result.slots,
                  static_cast<uint64_t>(wave.frontier.size()) * 10000 / graph.nodes(), topologyOf(wave),
                  tiersOf(wave).c_str(), deviceSeconds(wave) * 1e3, wave.result.seconds * 1e3);
    }
}

/// A string literal of JSON.
static std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", c);
      out += escape;
      continue;
    }
    if (c == '"' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + "\"";
}

static void printJson(const Graph &graph, const Engine &engine, const std::vector<SearchResult> &searches, bool isEqual,
                      bool isList) {
  std::printf("{\"graph\": %s, \"nodes\": %u, \"edges\": %" PRIu64 ",\n \"device\": %s, \"reached\": %" PRIu64
              ", \"equal\": %s,\n \"searches\": [",
              quoted(graph.description).c_str(), graph.nodes(), graph.edges(), quoted(engine.device().id).c_str(),
              searches.back().reached, isEqual ? "true" : "false");
  for (size_t s = 0; s < searches.size(); ++s) {
    std::printf("%s\n  {\"seconds\": %.9f, \"waves\": [", s ? "," : "", searches[s].seconds);
    for (size_t i = 0; i < searches[s].waves.size(); ++i) {
      const Wave &wave = searches[s].waves[i];
      std::printf("%s\n   {\"frontier\": %zu, \"edges\": %" PRIu64 ", \"slots\": %" PRIu64
                  ", \"faults\": %zu, \"topology\": \"%s\", \"tier\": \"%s\", \"deviceSeconds\": %.9f, "
                  "\"wallSeconds\": %.9f}",
                  i ? "," : "", wave.frontier.size(), wave.edges, wave.result.slots, wave.result.faults.size(),
                  topologyOf(wave), tiersOf(wave).c_str(), deviceSeconds(wave), wave.result.seconds);
    }
    std::printf("]}");
  }
  std::printf("]");
  if (isList) {
    std::printf(",\n \"nodesReached\": [");
    const char *separator = "";
    for (const Wave &wave : searches.back().waves)
      for (uint32_t node : wave.frontier) {
        std::printf("%s%s", separator, quoted(graph.nameOf(node)).c_str());
        separator = ", ";
      }
    std::printf("]");
  }
  std::printf("}\n");
}

static void printPromotions(const Engine &engine) {
  std::printf("\npromotions\n");
  std::vector<Promotion> promotions = engine.promotions();
  if (promotions.empty())
    std::printf("  none\n");
  for (const Promotion &promotion : promotions) {
    std::printf("  %s %s: %s, seen %u times (threshold %u), compiled in %.1f ms, route %s\n",
                stringifyTier(promotion.tier), promotion.what.c_str(), stringifyPromotionState(promotion.state),
                promotion.count, promotion.threshold, promotion.compileSeconds * 1e3,
                stringifyPromotionRoute(promotion.evidence.promotionRoute));
    if (!promotion.error.empty())
      std::printf("    error: %s\n", promotion.error.c_str());
  }
}

/// Where a search differs from the plain one, in words; empty when it does not.
static std::string findDifference(const Graph &graph, const SearchResult &search,
                                  const std::vector<std::vector<uint32_t>> &levels) {
  for (size_t i = 0; i < std::max(levels.size(), search.waves.size()); ++i) {
    if (i >= levels.size() || i >= search.waves.size())
      return std::to_string(search.waves.size()) + " waves, the plain search has " + std::to_string(levels.size());
    const std::vector<uint32_t> &a = search.waves[i].frontier, &b = levels[i];
    if (a == b)
      continue;
    std::vector<uint32_t> odd;
    std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(odd));
    std::string where = "wave " + std::to_string(i + 1);
    if (odd.empty())
      return where + ": a node stands in the frontier twice";
    return where + ": node " + graph.nameOf(odd.front()) + " is in the frontier of " +
           (std::binary_search(a.begin(), a.end(), odd.front()) ? "the engine" : "the plain search") + " only";
  }
  return "";
}

//===----------------------------------------------------------------------===//
// Main
//===----------------------------------------------------------------------===//

static Expected<ExitCode> run(const Options &options) {
  bool isText = !options.isCsv && !options.isJson;
  Expected<Graph> graph = options.isDebian ? readDebian(options.debian) : readMatrixMarket(options.matrix);
  if (!graph)
    return tl::unexpected<Error>(graph.error());
  for (const std::string &notice : graph->notices)
    std::fprintf(stderr, "reachability: note: %s\n", notice.c_str());
  if (isText)
    std::printf("graph   %s: %u nodes, %" PRIu64 " edges\n", graph->description.c_str(), graph->nodes(),
                graph->edges());
  if (graph->edges() > MaxEdges)
    return invalid("the graph has more than " + std::to_string(MaxEdges) + " edges, which slots cannot address");
  Expected<std::vector<uint32_t>> starts = findStarts(*graph, options.from);
  if (!starts)
    return tl::unexpected<Error>(starts.error());
  if (options.onlyRead)
    return Done;

  OpenOptions engineOptions;
  engineOptions.device = options.device;
  engineOptions.promotion.mode = options.jit;
  Expected<std::unique_ptr<Searcher>> searcher = Searcher::open(*graph, engineOptions, options.block);
  if (!searcher)
    return tl::unexpected<Error>(searcher.error());
  Engine &engine = (*searcher)->engine();
  if (isText) {
    std::printf("device  %s: %s\n", engine.device().id.c_str(), engine.device().description.c_str());
    std::printf("from    ");
    for (size_t i = 0; i < starts->size(); ++i)
      std::printf("%s%s", i ? ", " : "", graph->nameOf((*starts)[i]).c_str());
    std::printf("\n");
  }

  std::vector<std::vector<uint32_t>> levels = searchPlainly(*graph, *starts);
  std::vector<SearchResult> searches;
  std::string difference;
  uint64_t faults = 0;
  for (uint32_t i = 0; i < options.repeat && difference.empty(); ++i) {
    Expected<SearchResult> search = (*searcher)->run(*starts);
    if (!search)
      return tl::unexpected<Error>(search.error());
    faults += search->faults;
    difference = findDifference(*graph, *search, levels);
    if (isText && (i == 0 || i + 1 == options.repeat)) {
      std::printf("\nsearch %u of %u: %.3f ms\n", i + 1, options.repeat, search->seconds * 1e3);
      printSearch(*graph, *search);
    }
    if (options.waitForPromotions)
      engine.waitForPromotions();
    searches.push_back(std::move(*search));
  }

  if (options.isCsv)
    printCsv(*graph, searches);
  if (options.isJson)
    printJson(*graph, engine, searches, difference.empty(), options.isList);
  if (isText) {
    printPromotions(engine);
    std::printf("\nreached %" PRIu64 " of %u nodes in %zu waves\n", searches.back().reached, graph->nodes(),
                searches.back().waves.size());
    if (difference.empty())
      std::printf("a plain search on the host reaches the same nodes, wave by wave\n");
    if (options.isList)
      for (const Wave &wave : searches.back().waves)
        for (uint32_t node : wave.frontier)
          std::printf("%s\n", graph->nameOf(node).c_str());
  }
  if (faults) {
    // The last search stands for all, and its first faults for the others.
    unsigned shown = 0;
    for (size_t i = 0; i < searches.back().waves.size(); ++i)
      for (const SlotFault &fault : searches.back().waves[i].result.faults)
        if (shown++ < 10)
          std::fprintf(stderr, "FAULT wave %zu, slot %u: %s\n", i + 1, fault.slot, describeFault(fault).c_str());
    std::fprintf(stderr, "reachability: error: %" PRIu64 " slots faulted\n", faults);
  }
  if (!difference.empty()) {
    std::fprintf(stderr, "reachability: error: MISMATCH %s\n", difference.c_str());
    return Mismatch;
  }
  return faults ? Faulted : Done;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (!std::strcmp(argv[i], "--help") || !std::strcmp(argv[i], "-h")) {
      std::fputs(Usage, stdout);
      return Done;
    }
  Expected<Options> options = parseOptions(argc, argv);
  Expected<ExitCode> code = options ? run(*options) : tl::unexpected<Error>(options.error());
  if (!code) {
    std::fflush(stdout);
    std::fprintf(stderr, "reachability: error: %s\n", code.error().message.c_str());
    return Failed;
  }
  return *code;
}
