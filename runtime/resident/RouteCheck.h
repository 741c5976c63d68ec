//===- RouteCheck.h - Fused code has to agree first --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_RESIDENT_ROUTECHECK_H
#define MK_RUNTIME_RESIDENT_ROUTECHECK_H

#include "../BufferTable.h"
#include "../IsaLayout.h"
#include <functional>

namespace mk {

/// Runs recorded instances of a window on the interpreter and on a route, both on copies of the buffers that they name,
/// and compares bytes and faults. The copies are buffers of the engine, and the instances are published like all
/// others, so that nothing has to stop.
class RouteCheck {
public:
  /// Instances whose buffers take more bytes than this are not checked, and their window stays with the interpreter.
  static constexpr uint64_t MaxBytes = uint64_t(64) << 20;

  using RunWindow = std::function<Expected<std::vector<SlotFault>>(std::span<const abi::Slot>, uint32_t route)>;
  struct Candidate {
    uint32_t route = 0;
    WindowSignature signature;
    std::vector<std::vector<abi::Slot>> samples;
  };

  /// 'rowsMutex' guards the rows of the table.
  RouteCheck(Device &device, const IsaLayout &layout, BufferTable &buffers, std::mutex &rowsMutex, RunWindow runWindow)
      : device(device), layout(layout), buffers(buffers), rowsMutex(rowsMutex), runWindow(std::move(runWindow)) {}

  /// Why the tiers do not agree, empty if they do. An error says why they could not be compared.
  Expected<std::string> run(const Candidate &candidate);

private:
  /// The copy of one argument.
  struct Copy {
    BufferHandle handle = 0;
    uint64_t address = 0;
    ElementType element = ElementType::I8;
    bool compared = false;
    /// Elements left out before, so that the alignment is that of the original.
    uint32_t offset = 0;
    std::vector<std::byte> before;
  };
  struct Answer {
    std::vector<SlotFault> faults;
    std::vector<std::vector<std::byte>> contents;
  };

  Expected<std::string> compare(const Candidate &candidate, std::span<const abi::Slot> sample);
  Expected<void> makeCopies(const WindowSignature &signature, std::vector<abi::Slot> &slots, std::vector<Copy> &copies);
  Expected<Answer> answer(std::span<const abi::Slot> slots, std::span<const Copy> copies, uint32_t route);
  static std::string difference(const Answer &a, const Answer &b, std::span<const Copy> copies);

  Device &device;
  const IsaLayout &layout;
  BufferTable &buffers;
  std::mutex &rowsMutex;
  const RunWindow runWindow;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_ROUTECHECK_H
