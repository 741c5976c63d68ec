//===- RouteCheck.cpp - Fused code has to agree first ---------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RouteCheck.h"
#include <cstring>

namespace mk {

/// Elements of 64 are the widest alignment that code asks about.
static constexpr uint32_t KeptOffset = 63;

/// Calls 'visit' for each memref of the slots: its number in the signature, its layout, and its words.
template <typename Visit>
static Expected<void> forMemrefs(const IsaLayout &layout, const WindowSignature &signature,
                                 std::vector<abi::Slot> &slots, Visit visit) {
  for (size_t place = 0; place < signature.issues.size(); ++place) {
    const WindowSignature::Issue &issue = signature.issues[place];
    for (size_t i = 0; i < issue.operands.size(); ++i)
      if (const ArgLayout &arg = layout[issue.opcode].args[i]; arg.isMemref())
        if (Expected<void> visited = visit(issue.operands[i], arg, slots[place].args + arg.word); !visited)
          return visited;
  }
  return {};
}

Expected<RouteCheck::Captured> RouteCheck::capture(Device &device, const IsaLayout &layout,
                                                   std::span<const abi::BufferEntry> rows,
                                                   const WindowSignature &signature, std::span<const abi::Slot> slots) {
  Captured captured;
  captured.slots.assign(slots.begin(), slots.end());
  captured.arguments.resize(signature.args.size());
  std::vector<bool> done(signature.args.size());
  uint64_t total = 0;
  auto visit = [&](uint32_t number, const ArgLayout &arg, const uint32_t *words) -> Expected<void> {
    if (done[number])
      return {};
    done[number] = true;
    Captured::Argument &argument = captured.arguments[number];
    bool view = arg.kind == ArgType::View;
    abi::BufferEntry row = words[0] < rows.size() ? rows[words[0]] : abi::BufferEntry();
    argument.access = row.access;
    argument.offset = view ? words[1] & KeptOffset : 0;
    uint64_t first = view ? uint64_t(words[1] - argument.offset) << arg.elementShift : 0;
    uint64_t bytes = view ? uint64_t(argument.offset + words[2]) << arg.elementShift : row.bytes;
    if (!row.base || first > row.bytes || bytes > row.bytes - first)
      return makeError(ErrorCode::NotFound,
                       "the buffer " + std::to_string(words[0]) + " of an instance to be checked has been released");
    total += bytes;
    if (total > MaxBytes)
      return makeError(ErrorCode::Unsupported, "an instance takes " + std::to_string(total) +
                                                   " bytes of buffers, of which at most " + std::to_string(MaxBytes) +
                                                   " are copied for a check");
    argument.contents.resize(bytes);
    return device.copyFromDevice(row.base + first, argument.contents);
  };
  if (Expected<void> visited = forMemrefs(layout, signature, captured.slots, visit); !visited)
    return tl::unexpected(visited.error());
  return captured;
}

Expected<void> RouteCheck::makeCopies(const WindowSignature &signature, const Captured &sample,
                                      std::vector<abi::Slot> &slots, std::vector<Copy> &copies) {
  copies.resize(signature.args.size());
  auto visit = [&](uint32_t number, const ArgLayout &arg, uint32_t *words) -> Expected<void> {
    Copy &copy = copies[number];
    const Captured::Argument &argument = sample.arguments[number];
    if (!copy.handle) {
      const ArgType &type = signature.args[number];
      copy.element = type.element;
      copy.compared = (type.access & abi::AccessWrite) && !(type.access & abi::AccessTransient);
      copy.offset = argument.offset;
      copy.before = argument.contents;
      uint64_t bytes = argument.contents.size();
      Expected<BufferHandle> handle = buffers.allocateForEngine(std::max<uint64_t>(bytes, 1), argument.access);
      if (!handle)
        return tl::unexpected(handle.error());
      copy.handle = *handle;
      copy.address = buffers.pinRow(*handle).address;
    }
    words[0] = copy.handle;
    if (arg.kind == ArgType::View)
      words[1] = copy.offset;
    return {};
  };
  if (Expected<void> made = forMemrefs(layout, signature, slots, visit); !made)
    return made;
  std::lock_guard lock(rowsMutex);
  return buffers.sync();
}

Expected<RouteCheck::Answer> RouteCheck::answer(std::span<const abi::Slot> slots, std::span<const Copy> copies,
                                                uint32_t route) {
  for (const Copy &copy : copies)
    if (copy.handle)
      if (Expected<void> copied = device.copyToDevice(copy.address, copy.before); !copied)
        return tl::unexpected(copied.error());
  Answer answer;
  Expected<std::vector<SlotFault>> faults = runWindow(slots, route);
  if (!faults)
    return tl::unexpected(faults.error());
  answer.faults = std::move(*faults);
  for (const Copy &copy : copies) {
    std::vector<std::byte> &contents = answer.contents.emplace_back();
    if (!copy.handle || !copy.compared)
      continue;
    contents.resize(copy.before.size());
    if (Expected<void> copied = device.copyFromDevice(copy.address, contents); !copied)
      return tl::unexpected(copied.error());
  }
  return answer;
}

/// Which NaN comes out is nobody's promise.
static bool areNaN(ElementType type, const std::byte *a, const std::byte *b) {
  auto isNaN = [&](const std::byte *bytes) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes, elementBytes(type));
    switch (type) {
    case ElementType::F16:
      return (bits & 0x7FFF) > 0x7C00;
    case ElementType::BF16:
      return (bits & 0x7FFF) > 0x7F80;
    case ElementType::F32:
      return (bits & 0x7FFFFFFF) > 0x7F800000;
    case ElementType::F64:
      return (bits & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000;
    default:
      return false;
    }
  };
  return isNaN(a) && isNaN(b);
}

std::string RouteCheck::difference(const Answer &a, const Answer &b, std::span<const Copy> copies) {
  auto same = [](const SlotFault &x, const SlotFault &y) {
    return x.slot == y.slot && x.code == y.code && x.detail == y.detail;
  };
  if (!std::equal(a.faults.begin(), a.faults.end(), b.faults.begin(), b.faults.end(), same))
    return "the interpreter ends with " + std::to_string(a.faults.size()) + " faults, the fused code with " +
           std::to_string(b.faults.size()) + (a.faults.size() == b.faults.size() ? " others" : "");
  for (size_t i = 0; i < copies.size(); ++i) {
    uint32_t size = elementBytes(copies[i].element);
    for (size_t at = 0; at + size <= a.contents[i].size(); at += size)
      if (std::memcmp(&a.contents[i][at], &b.contents[i][at], size) &&
          !areNaN(copies[i].element, &a.contents[i][at], &b.contents[i][at]))
        return "argument " + std::to_string(i) + " of the window differs at element " + std::to_string(at / size);
  }
  return {};
}

Expected<std::string> RouteCheck::compare(const Candidate &candidate, const Captured &sample) {
  std::vector<abi::Slot> slots = sample.slots;
  std::vector<Copy> copies;
  auto compareCopies = [&]() -> Expected<std::string> {
    if (Expected<void> made = makeCopies(candidate.signature, sample, slots, copies); !made)
      return tl::unexpected(made.error());
    Expected<Answer> expected = answer(slots, copies, 0);
    if (!expected)
      return tl::unexpected(expected.error());
    Expected<Answer> found = answer(slots, copies, candidate.route);
    if (!found)
      return tl::unexpected(found.error());
    std::string text = difference(*expected, *found, copies);
    if (text.empty())
      return text;
    // Where the order of threads shows, the interpreter does not agree with itself either.
    Expected<Answer> again = answer(slots, copies, 0);
    if (!again)
      return tl::unexpected(again.error());
    return difference(*expected, *again, copies).empty() ? text : std::string();
  };
  Expected<std::string> result = compareCopies();
  std::vector<BufferHandle> handles;
  for (const Copy &copy : copies)
    if (copy.handle)
      handles.push_back(copy.handle);
  if (Expected<void> freed = freeBuffers(handles); !freed)
    return tl::unexpected(freed.error());
  return result;
}

Expected<std::string> RouteCheck::run(const Candidate &candidate) {
  Expected<std::string> last = std::string();
  bool any = false;
  for (const Captured &sample : candidate.samples) {
    Expected<std::string> result = compare(candidate, sample);
    if (result && !result->empty())
      return result;
    any |= result.has_value();
    if (!result)
      last = result;
  }
  return any ? Expected<std::string>(std::string()) : last;
}

} // namespace mk
