//===- Main.cpp - Ask the launch policy from a shell ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Calls.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

using namespace mk;

static constexpr const char *Usage = R"(usage: mk-policy [--explain] [file]

Reads calls of the launch policy, one JSON object on each line, from the file
or from standard input, and writes one JSON object for each, with its id and
the result. docs/LaunchPolicy.md lists the calls and their keys. Empty lines
and lines that start with '#' are skipped.

A line that is at fault gets an object with "error": its line number and a
message. The lines after it are still answered.

options:
  --explain   say in words how each recommendation comes about
  --help      print this text

exit status: 0 when all lines were answered, 1 when some were at fault,
2 when the input or the options could not be used
)";

namespace {
struct Options {
  bool explain = false;
  bool help = false;
  /// Empty for standard input.
  std::string file;
};
} // namespace

static int fail(const std::string &message) {
  std::cerr << "mk-policy: error: " << message << "\n";
  return 2;
}

/// Answers one line. A message when it is at fault.
static std::string answer(const std::string &text, size_t number, bool explained) {
  std::string complaint;
  json out;
  // Malformed text is reported by an exception, which ends here.
  try {
    json parsed = json::parse(text);
    Reader line(parsed, complaint);
    Reader id = line["id"];
    std::string name = id.string();
    out["id"] = name;
    if (explained) {
      std::string words = explain(line);
      if (line.ok())
        std::cout << name << "\n" << words;
    } else if (line.has("threads") && !line.has("fn")) {
      runSequence(line, out);
    } else {
      runCall(line, out);
    }
  } catch (const json::exception &error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 7: ...": the line is ours to tell.
    std::string_view what = error.what();
    what.remove_prefix(what.find("] ") + 2);
    constexpr std::string_view line = "parse error at line 1, ";
    if (what.starts_with(line))
      what.remove_prefix(line.size());
    complaint = "not JSON: " + std::string(what);
  }
  if (explained)
    return complaint;
  if (!complaint.empty()) {
    json fault;
    if (out.contains("id") && out["id"] != "")
      fault["id"] = out["id"];
    fault["error"] = {{"line", number}, {"message", complaint}};
    out = std::move(fault);
  }
  std::cout << out.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  return complaint;
}

static int run(const Options &options, std::istream &input, const std::string &name) {
  bool failed = false;
  size_t number = 0;
  for (std::string text; std::getline(input, text);) {
    ++number;
    size_t start = text.find_first_not_of(" \t\r");
    if (start == std::string::npos || text[start] == '#')
      continue;
    std::string complaint = answer(text, number, options.explain);
    failed |= !complaint.empty();
    if (options.explain && !complaint.empty())
      std::cerr << "mk-policy: error: " << name << ":" << number << ": " << complaint << "\n";
  }
  if (input.bad())
    return fail("cannot read '" + name + "': " + std::strerror(errno));
  if (!std::cout.flush())
    return fail("cannot write the results to standard output");
  return failed;
}

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--explain")
      options.explain = true;
    else if (argument == "--help" || argument == "-h")
      options.help = true;
    else if (argument.starts_with("-") && argument != "-")
      return fail("unknown option '" + argument + "'; --help lists them");
    else if (!options.file.empty())
      return fail("more than one file: '" + options.file + "' and '" + argument + "'");
    else
      options.file = argument;
  }
  if (options.help) {
    std::cout << Usage;
    return 0;
  }
  if (options.file.empty() || options.file == "-")
    return run(options, std::cin, "standard input");
  errno = 0;
  std::ifstream file(options.file);
  if (!file)
    return fail("cannot read '" + options.file + "': " + std::strerror(errno));
  return run(options, file, options.file);
}
