//===- Support.h - What benchmarks share --------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_BENCHMARKS_SUPPORT_H
#define MK_BENCHMARKS_SUPPORT_H

#include "mk/Runtime/Engine.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace mk::bench {

[[noreturn]] inline void fail(const std::string &message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::exit(1);
}

template <typename T> T check(Expected<T> value) {
  if (!value)
    fail(value.error().message);
  if constexpr (!std::is_void_v<T>)
    return std::move(*value);
}

/// Times in seconds; quantiles in microseconds.
struct Stats {
  std::vector<double> values;
  void add(double seconds) { values.push_back(seconds); }
  double at(double quantile) {
    std::sort(values.begin(), values.end());
    return values[std::min(values.size() - 1, size_t(quantile * values.size()))] * 1e6;
  }
};

inline std::string slurp(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    fail("cannot read '" + path + "'");
  return text.str();
}

/// The value of '--name=value', or null when 'argument' is another one.
inline const char *optionValue(const std::string &argument, const std::string &name) {
  std::string prefix = "--" + name + "=";
  return argument.rfind(prefix, 0) == 0 ? argument.c_str() + prefix.size() : nullptr;
}

inline BatchResult run(Engine &engine, const Batch &batch) {
  BatchResult result = check(engine.wait(check(engine.submit(batch))));
  if (!result.faults.empty())
    fail("a slot faulted: " + describeFault(result.faults.front()));
  return result;
}

/// Device time of the launches of one tier; negative if the batch did not run on that tier alone.
inline double tierSeconds(const BatchResult &result, Tier tier) {
  double sum = 0;
  for (const TierRun &launch : result.runs) {
    if (launch.tier != tier)
      return -1;
    sum += launch.seconds;
  }
  return sum;
}

} // namespace mk::bench

#endif // MK_BENCHMARKS_SUPPORT_H
