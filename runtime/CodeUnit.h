//===- CodeUnit.h - What can have code of its own ---------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_CODEUNIT_H
#define MK_RUNTIME_CODEUNIT_H

#include "mk/Runtime/Engine.h"
#include <cmath>

namespace mk {

/// Counts executions, in all and in a window of observation in which a count halves every half-life. Times are in
/// seconds from any origin.
class HeatCounter {
public:
  /// Counts 'executions', of which 'evidence' speak for a promotion.
  void add(uint64_t executions, uint64_t evidence, double now, double halfLife) {
    all += executions;
    allEvidence += evidence;
    decayed = recent(now, halfLife) + double(evidence);
    stamp = now;
  }

  uint64_t total() const { return all; }
  uint64_t evidence() const { return allEvidence; }
  double recent(double now, double halfLife) const {
    return now > stamp ? decayed * std::exp2((stamp - now) / halfLife) : decayed;
  }

private:
  uint64_t all = 0;
  uint64_t allEvidence = 0;
  double decayed = 0;
  double stamp = 0;
};

/// An opcode or a kind of window: what is counted, promoted, and then has a batch kernel. It belongs to the dispatcher;
/// what the compile thread reads of it never changes.
struct CodeUnit {
  //===--- Fixed ---===//

  Tier tier = Tier::Opcode;
  /// The opcode's name, or the readable form of the signature.
  std::string what;
  /// Tier::Opcode: the dense index.
  uint32_t opcode = 0;
  /// Tier::Window.
  WindowSignature signature;
  /// Slots of one instance.
  uint32_t length = 1;
  /// For each argument word of an instance, where it lies: bytes from the instance's first slot.
  std::vector<uint32_t> words;
  /// Its code may append hits.
  bool emits = false;
  /// May get a batch kernel.
  bool promotable = true;

  //===--- Heat ---===//

  HeatCounter heat;
  /// In the current batch: executions on their own (for a window, all), and inside windows.
  uint64_t alone = 0;
  uint64_t inWindows = 0;
  /// The batch in which a window was met last.
  Ticket lastTicket = 0;

  //===--- Code ---===//

  /// Set once a promotion has been asked for, whatever came of it.
  bool promoted = false;
  size_t promotion = 0;
  /// The batch kernel, once it is live.
  std::shared_ptr<Kernel> kernel;
  Scope scope = Scope::Lane;
  bool hasRun = false;
  /// First slots of the current batch's instances that go to the batch kernel.
  std::vector<uint32_t> items;
};

} // namespace mk

#endif // MK_RUNTIME_CODEUNIT_H
