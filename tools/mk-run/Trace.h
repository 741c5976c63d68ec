//===- Trace.h - A run on a time line -----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_TRACE_H
#define MK_TOOLS_MKRUN_TRACE_H

#include "mk/Engine.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace mk {

/// Writes the waves of a run, what ran in them, and the promotions, in the JSON trace format of Chrome and Perfetto.
/// The policy's request and recommendation are the arguments of each wave, the evidence that of each promotion.
class Trace {
public:
  /// NotFound when the file cannot be written.
  static Expected<std::unique_ptr<Trace>> open(const std::string &path);
  /// Closes the brackets; the file is complete then.
  ~Trace();

  /// A wave that was submitted at 'begin' and is done now.
  void wave(llvm::StringRef batch, std::chrono::steady_clock::time_point begin, const BatchResult &result);
  /// All promotions: a row for each, with the states that it was in.
  void promotions(const std::vector<Promotion> &promotions, const std::vector<PromotionEvent> &events);

private:
  explicit Trace(std::unique_ptr<llvm::raw_fd_ostream> file);
  /// Microseconds since the trace began.
  double at(std::chrono::steady_clock::time_point time) const;
  void nameTrack(unsigned track, llvm::StringRef name);
  void span(llvm::StringRef name, unsigned track, double begin, double microseconds, llvm::json::Object args);

  std::unique_ptr<llvm::raw_fd_ostream> file;
  llvm::json::OStream json;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  /// When the wave of a ticket began.
  std::map<uint64_t, double> begun;
};

} // namespace mk

#endif // MK_TOOLS_MKRUN_TRACE_H
