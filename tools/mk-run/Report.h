//===- Report.h - What a run was like ----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shows a run: for people as tables, for machines as one JSON object. docs/mk-run.md explains both.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_REPORT_H
#define MK_TOOLS_MKRUN_REPORT_H

#include "Session.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <string>
#include <vector>

namespace mk {

/// The outcome of --verify.
struct Verification {
  Comparison buffers;
  Comparison faults;
  Comparison hits;
  size_t bufferCount = 0;
  /// Time of the reference run.
  double seconds = 0;

  bool isEqual() const { return buffers.difference.empty() && faults.difference.empty() && hits.difference.empty(); }
};

/// What built-in opcodes left behind (--prelude).
struct ControlRecord {
  /// All control words.
  std::vector<uint32_t> words;
  DebugLog log;
};

/// All that there is to report.
struct Report {
  std::string isaFile;
  const Workload *workload = nullptr;
  DeviceInfo device;
  uint64_t bufferBytes = 0;
  RunRecord run;
  std::vector<Promotion> promotions;
  std::vector<HeatRow> heat;
  std::optional<ControlRecord> control;
  std::optional<Verification> verification;
};

/// The lines before the run.
void printHeading(const Report &report, uint64_t waves, uint64_t slots, llvm::raw_ostream &os);
/// The tables after it.
void printReport(const Report &report, llvm::raw_ostream &os);
/// Everything as one JSON object.
void printJson(const Report &report, llvm::raw_ostream &os);
/// How often opcodes and windows ran, as docs/Profile.md describes it.
void printProfile(const Report &report, llvm::raw_ostream &os);

} // namespace mk

#endif // MK_TOOLS_MKRUN_REPORT_H
