//===- Workload.cpp - From a workload to slots -------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks the items of a batch against the signatures of the ISA and makes their slots. Handles, ranges and rights are
// not checked here on purpose: those are the slot's own business, and a bad one becomes its fault.
//
//===----------------------------------------------------------------------===//

#include "Workload.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <limits>

using namespace mk;
using llvm::StringRef;
using llvm::Twine;

namespace {
/// What an item is made from: an opcode or a window of the ISA.
struct Callee {
  std::string name;
  llvm::ArrayRef<ArgType> args;
};

class Builder {
public:
  Builder(const Workload &workload, const Isa &isa, llvm::ArrayRef<BufferHandle> handles,
          llvm::ArrayRef<uint64_t> counts)
      : workload(workload), isa(isa), handles(handles), counts(counts), batch(isa), window(isa) {}

  Expected<Batch> build(const BatchSpec &spec) {
    // All items are checked before the first slot is made, so that mistakes show at once.
    for (const ItemSpec &item : spec.items)
      if (Expected<void> checked = checkItem(item); !checked)
        return tl::unexpected<Error>(checked.error());
    batch.reserve(countSlots(spec, isa));
    for (const ItemSpec &item : spec.items)
      for (uint64_t i = 0; i < item.count; ++i)
        if (Expected<void> added = addInstance(item, i); !added)
          return tl::unexpected<Error>(added.error());
    return std::move(batch);
  }

private:
  tl::unexpected<Error> fail(ErrorCode code, const Twine &path, const Twine &message) {
    return workload.fail(code, path, message);
  }

  //===--------------------------------------------------------------------===//
  // Against the ISA
  //===--------------------------------------------------------------------===//

  Expected<void> checkItem(const ItemSpec &item) {
    if (item.kind == ItemSpec::Sequence) {
      for (const ItemSpec &slot : item.slots)
        if (Expected<void> checked = checkItem(slot); !checked)
          return checked;
      return {};
    }
    std::optional<llvm::ArrayRef<ArgType>> first;
    for (StringRef name : item.names) {
      std::optional<llvm::ArrayRef<ArgType>> args = argsOf(item, name);
      if (!args)
        return unknownName(item, name);
      if (std::optional<uint32_t> index = isa.findOpcode(std::string_view(name));
          item.kind != ItemSpec::Window && isa.opcodes[*index].entries)
        return fail(ErrorCode::Unsupported, item.path + ".op",
                    "opcode '" + name + "' is resumable; batches do not run such opcodes, only resident engines do");
      if (first && !sameTypes(*first, *args))
        return fail(ErrorCode::InvalidArgument, item.path + ".op",
                    "the arguments of '" + name + "' are " + describe(*args) + ", those of '" + item.names.front() +
                        "' are " + describe(*first) + "; opcodes to pick from have to take the same");
      first = args;
    }
    if (item.args.size() != first->size())
      return fail(ErrorCode::InvalidArgument, item.path + ".args",
                  "found " + Twine(item.args.size()) + " arguments, but '" + item.names.front() + "' takes " +
                      Twine(first->size()) + ": " + describe(*first));
    for (size_t i = 0; i < item.args.size(); ++i)
      if (Expected<void> checked = checkArg(item, item.args[i], (*first)[i]); !checked)
        return checked;
    return {};
  }

  std::optional<llvm::ArrayRef<ArgType>> argsOf(const ItemSpec &item, StringRef name) {
    if (item.kind == ItemSpec::Window) {
      const WindowInfo *info = isa.findWindow(name);
      return info ? std::optional<llvm::ArrayRef<ArgType>>(info->args) : std::nullopt;
    }
    std::optional<uint32_t> index = isa.findOpcode(std::string_view(name));
    return index ? std::optional<llvm::ArrayRef<ArgType>>(isa.opcodes[*index].args) : std::nullopt;
  }

  tl::unexpected<Error> unknownName(const ItemSpec &item, StringRef name) {
    bool isWindow = item.kind == ItemSpec::Window;
    llvm::SmallVector<StringRef> names;
    if (isWindow)
      for (const WindowInfo &info : isa.windows)
        names.push_back(info.name);
    else
      for (const OpcodeInfo &info : isa.opcodes)
        names.push_back(info.name);
    return fail(ErrorCode::NotFound, item.path + (isWindow ? ".window" : ".op"),
                Twine("unknown ") + (isWindow ? "window" : "opcode") + " '" + name + "'; the ISA has " +
                    (names.empty() ? "none" : llvm::join(names, ", ")));
  }

  static bool sameTypes(llvm::ArrayRef<ArgType> a, llvm::ArrayRef<ArgType> b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const ArgType &x, const ArgType &y) {
             return x.kind == y.kind && x.element == y.element;
           });
  }

  static std::string describe(llvm::ArrayRef<ArgType> args) {
    std::string text = "(";
    for (const ArgType &type : args)
      text += (text.size() > 1 ? ", " : "") + type.str();
    return text + ")";
  }

  Expected<void> checkArg(const ItemSpec &item, const ArgSpec &arg, const ArgType &type) {
    std::string expected = "; '" + item.names.front() + "' expects " + type.str() + " here";
    if (type.kind == ArgType::Scalar) {
      if (arg.isBuffer)
        return fail(ErrorCode::InvalidArgument, arg.path, "found a buffer" + expected);
      if (arg.value.real && !isFloat(type.element))
        return fail(ErrorCode::InvalidArgument, arg.path, "found a float" + expected);
      return {};
    }
    if (!arg.isBuffer)
      return fail(ErrorCode::InvalidArgument, arg.path, "found a number" + expected);
    if (type.kind == ArgType::Buffer && arg.offset)
      return fail(ErrorCode::InvalidArgument, arg.path,
                  "found a part of a buffer" + expected + ", a whole buffer without 'offset' and 'count'");
    if (type.kind == ArgType::View && !arg.offset && !arg.buffer)
      return fail(ErrorCode::InvalidArgument, arg.path,
                  "found a bare handle" + expected + ", for which 'offset' and 'count' are needed");
    if (!arg.buffer)
      return {};
    const BufferSpec &buffer = workload.buffers[*arg.buffer];
    if (buffer.type != type.element)
      return fail(ErrorCode::InvalidArgument, arg.path,
                  "buffer '" + buffer.name + "' holds " + stringifyElementType(buffer.type) + expected);
    if (type.kind == ArgType::View && !arg.offset && counts[*arg.buffer] > std::numeric_limits<uint32_t>::max())
      return fail(ErrorCode::InvalidArgument, arg.path,
                  "buffer '" + buffer.name + "' has " + Twine(counts[*arg.buffer]) +
                      " elements, but a view has at most 4294967295; give 'offset' and 'count'");
    return {};
  }

  static bool isFloat(ElementType type) {
    return type == ElementType::F16 || type == ElementType::BF16 || type == ElementType::F32 ||
           type == ElementType::F64;
  }

  //===--------------------------------------------------------------------===//
  // Slots
  //===--------------------------------------------------------------------===//

  Expected<void> addInstance(const ItemSpec &item, uint64_t i) {
    if (item.kind != ItemSpec::Sequence)
      return addOne(item, i, item.tenant, batch);
    window.clear();
    for (const ItemSpec &slot : item.slots)
      if (Expected<void> added = addOne(slot, i, item.tenant, window); !added)
        return added;
    Expected<void> added = batch.addWindow(window.slots());
    if (!added)
      return fail(added.error().code, item.path, added.error().message);
    return {};
  }

  Expected<void> addOne(const ItemSpec &item, uint64_t i, uint32_t tenant, Batch &out) {
    const std::string &name =
        item.names.size() == 1 ? item.names.front() : item.names[randomBits(item.pickSeed, i) % item.names.size()];
    llvm::ArrayRef<ArgType> types = *argsOf(item, name);
    args.clear();
    for (size_t k = 0; k < item.args.size(); ++k) {
      Expected<Arg> value = argAt(item.args[k], types[k], i);
      if (!value)
        return tl::unexpected<Error>(value.error());
      args.push_back(*value);
    }
    Expected<void> added =
        item.kind == ItemSpec::Window ? out.addWindow(name, args, tenant) : out.add(name, args, tenant);
    if (added)
      return {};
    // Which argument was it? The engine's message does not know the workload.
    for (size_t k = 0; k < args.size(); ++k) {
      uint32_t words[abi::SlotArgWords];
      if (Expected<void> encoded = encodeArg(types[k], args[k], words); !encoded)
        return fail(encoded.error().code, item.args[k].path, inInstance(item, i) + encoded.error().message);
    }
    return fail(added.error().code, item.path, inInstance(item, i) + added.error().message);
  }

  static std::string inInstance(const ItemSpec &item, uint64_t i) {
    return item.count == 1 ? "" : ("in instance " + Twine(i) + ": ").str();
  }

  Expected<Arg> argAt(const ArgSpec &arg, const ArgType &type, uint64_t i) {
    if (type.kind == ArgType::Scalar)
      return isFloat(type.element) ? Arg(arg.value.toReal().realAt(i)) : arg.value.at(i);
    View view;
    view.buffer = arg.buffer ? handles[*arg.buffer] : arg.handle;
    if (type.kind == ArgType::Buffer)
      return Arg(view);
    if (!arg.offset) {
      view.count = static_cast<uint32_t>(counts[*arg.buffer]);
      return Arg(view);
    }
    int64_t offset = arg.offset->integerAt(i), count = arg.count->integerAt(i);
    if (!llvm::isUInt<32>(offset))
      return fail(ErrorCode::InvalidArgument, arg.path + ".offset",
                  "offset " + Twine(offset) + " of instance " + Twine(i) + " does not fit 32 bits without sign");
    if (!llvm::isUInt<32>(count))
      return fail(ErrorCode::InvalidArgument, arg.path + ".count",
                  "count " + Twine(count) + " of instance " + Twine(i) + " does not fit 32 bits without sign");
    view.offset = static_cast<uint32_t>(offset);
    view.count = static_cast<uint32_t>(count);
    return Arg(view);
  }

  const Workload &workload;
  const Isa &isa;
  llvm::ArrayRef<BufferHandle> handles;
  llvm::ArrayRef<uint64_t> counts;
  Batch batch;
  /// Slots of the sequence that is being made.
  Batch window;
  std::vector<Arg> args;
};
} // namespace

Expected<Batch> mk::buildBatch(const Workload &workload, const BatchSpec &spec, const Isa &isa,
                               llvm::ArrayRef<BufferHandle> handles, llvm::ArrayRef<uint64_t> counts) {
  return Builder(workload, isa, handles, counts).build(spec);
}

uint64_t mk::countSlots(const BatchSpec &spec, const Isa &isa) {
  uint64_t total = 0;
  for (const ItemSpec &item : spec.items) {
    uint64_t slots = 1;
    if (item.kind == ItemSpec::Sequence)
      slots = item.slots.size();
    else if (item.kind == ItemSpec::Window)
      if (const WindowInfo *window = isa.findWindow(item.names.front()))
        slots = window->issues.size();
    total = llvm::SaturatingAdd(total, llvm::SaturatingMultiply(slots, item.count));
  }
  return total;
}
