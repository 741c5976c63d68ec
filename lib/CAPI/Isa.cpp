//===- Isa.cpp - Opcodes and windows for C --------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CAPI.h"

using namespace mk;
using namespace mk::capi;

static_assert(int(mkElementIndex) == int(ElementType::Index) && int(mkElementF32) == int(ElementType::F32));
static_assert(int(mkArgTypeScalar) == ArgType::Scalar && int(mkArgTypeBuffer) == ArgType::Buffer &&
              int(mkArgTypeView) == ArgType::View);
static_assert(int(mkScopeLane) == int(Scope::Lane) && int(mkScopeBlock) == int(Scope::Block));
static_assert(int(mkAccessRead) == abi::AccessRead && int(mkAccessWrite) == abi::AccessWrite &&
              int(mkAccessReadWrite) == abi::AccessReadWrite && int(mkAccessTransient) == abi::AccessTransient);

const std::vector<mkArgType> &mkIsa::convert(const std::vector<ArgType> &args) {
  std::vector<mkArgType> converted;
  for (const ArgType &arg : args) {
    texts.push_back(std::make_unique<std::string>(arg.str()));
    converted.push_back(
        {mkArgTypeKind(arg.kind), mkElementType(arg.element), arg.access, arg.words(), texts.back()->c_str()});
  }
  types.push_back(std::move(converted));
  return types.back();
}

// The elements of 'types' and 'codes' keep their memory while the lists of them grow.
mkIsa::mkIsa(Isa given) : isa(std::move(given)) {
  for (const OpcodeInfo &op : isa.opcodes) {
    const std::vector<mkArgType> &args = convert(op.args);
    opcodes.push_back({op.name.c_str(), op.code, mkScope(op.scope), args.data(), args.size(), op.optional, op.emits,
                       op.promotable, op.entries});
  }
  for (const WindowInfo &window : isa.windows) {
    const std::vector<mkArgType> &args = convert(window.args);
    std::vector<uint32_t> &issued = codes.emplace_back();
    for (const WindowInfo::Issue &issue : window.issues)
      issued.push_back(isa.opcodes.at(issue.opcode).code);
    windows.push_back({window.name.c_str(), args.data(), args.size(), issued.data(), issued.size()});
  }
}

template <typename T>
static Expected<void> storeNamed(const std::vector<T> &list, const char *name, const char *what, const T **to) {
  for (const T &element : list)
    if (std::strcmp(element.name, name) == 0) {
      *to = &element;
      return {};
    }
  return makeError(ErrorCode::NotFound, std::string("the ISA has no ") + what + " '" + name + "'");
}

extern "C" {

mkError *mkIsaGetOpcodeCount(const mkIsa *isa, size_t *count) {
  return call(__func__, {{"isa", isa}, {"count", count}}, [&]() -> Expected<void> {
    *count = isa->opcodes.size();
    return {};
  });
}
mkError *mkIsaGetOpcode(const mkIsa *isa, size_t index, const mkOpcodeInfo **opcode) {
  return call(__func__, {{"isa", isa}, {"opcode", opcode}},
              [&] { return storeElement(isa->opcodes, index, "opcode", opcode); });
}
mkError *mkIsaFindOpcode(const mkIsa *isa, const char *name, const mkOpcodeInfo **opcode) {
  return call(__func__, {{"isa", isa}, {"name", name}, {"opcode", opcode}},
              [&] { return storeNamed(isa->opcodes, name, "opcode", opcode); });
}

mkError *mkIsaGetWindowCount(const mkIsa *isa, size_t *count) {
  return call(__func__, {{"isa", isa}, {"count", count}}, [&]() -> Expected<void> {
    *count = isa->windows.size();
    return {};
  });
}
mkError *mkIsaGetWindow(const mkIsa *isa, size_t index, const mkWindowInfo **window) {
  return call(__func__, {{"isa", isa}, {"window", window}},
              [&] { return storeElement(isa->windows, index, "window", window); });
}
mkError *mkIsaFindWindow(const mkIsa *isa, const char *name, const mkWindowInfo **window) {
  return call(__func__, {{"isa", isa}, {"name", name}, {"window", window}},
              [&] { return storeNamed(isa->windows, name, "window", window); });
}

} // extern "C"
