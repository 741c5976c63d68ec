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
/// and compares bytes and faults. What is copied is captured while no worker runs; the rest goes on beside the
/// traffic: the copies are buffers of the engine, and the instances are published like all others, but
/// in its own name (abi::EngineTenant): no tenant can reach the copies, or has to pay. What asks who its tenant is, is
/// in no window.
class RouteCheck {
public:
  /// Instances whose buffers take more bytes than this are not checked, and their window stays with the interpreter.
  static constexpr uint64_t MaxBytes = uint64_t(64) << 20;

  /// Runs a window as abi::EngineTenant.
  using RunWindow = std::function<Expected<std::vector<SlotFault>>(std::span<const abi::Slot>, uint32_t route)>;
  /// Frees buffers beside the traffic.
  using FreeBuffers = std::function<Expected<void>(std::span<const BufferHandle>)>;
  /// An instance, and what each argument of its signature held.
  struct Captured {
    struct Argument {
      /// Access of the buffer.
      uint32_t access = 0;
      /// Elements before those of the view, so that the alignment is that of the original.
      uint32_t offset = 0;
      std::vector<std::byte> contents;
    };
    std::vector<abi::Slot> slots;
    std::vector<Argument> arguments;
  };
  struct Candidate {
    uint32_t route = 0;
    WindowSignature signature;
    std::vector<Captured> samples;
  };

  /// While no worker runs. NotFound when a buffer is gone, Unsupported for more than MaxBytes.
  static Expected<Captured> capture(Device &device, const IsaLayout &layout, std::span<const abi::BufferEntry> rows,
                                    const WindowSignature &signature, std::span<const abi::Slot> slots);

  /// 'rowsMutex' guards the rows of the table.
  RouteCheck(Device &device, const IsaLayout &layout, BufferTable &buffers, std::mutex &rowsMutex, RunWindow runWindow,
             FreeBuffers freeBuffers)
      : device(device), layout(layout), buffers(buffers), rowsMutex(rowsMutex), runWindow(std::move(runWindow)),
        freeBuffers(std::move(freeBuffers)) {}

  /// Why the tiers do not agree, empty if they do. An error says why they could not be compared.
  Expected<std::string> run(const Candidate &candidate);

private:
  /// The copy of one argument.
  struct Copy {
    BufferHandle handle = 0;
    uint64_t address = 0;
    ElementType element = ElementType::I8;
    bool compared = false;
    uint32_t offset = 0;
    std::span<const std::byte> before;
  };
  struct Answer {
    std::vector<SlotFault> faults;
    std::vector<std::vector<std::byte>> contents;
  };

  Expected<std::string> compare(const Candidate &candidate, const Captured &sample);
  Expected<void> makeCopies(const WindowSignature &signature, const Captured &sample, std::vector<abi::Slot> &slots,
                            std::vector<Copy> &copies);
  Expected<Answer> answer(std::span<const abi::Slot> slots, std::span<const Copy> copies, uint32_t route);
  static std::string difference(const Answer &a, const Answer &b, std::span<const Copy> copies);

  Device &device;
  const IsaLayout &layout;
  BufferTable &buffers;
  std::mutex &rowsMutex;
  const RunWindow runWindow;
  const FreeBuffers freeBuffers;
};

} // namespace mk

#endif // MK_RUNTIME_RESIDENT_ROUTECHECK_H
