//===- IsaJson.cpp - An ISA, described in JSON ------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Target/IsaJson.h"
#include "mk/Dialect/Mk.h"
#include "mk/Runtime/Abi.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace mk;

/// Version of the format. Keys may be added under the same version.
static constexpr int formatVersion = 1;

static std::string spell(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// As the access of a buffer is spelled in workloads.
static StringRef spellAccess(unsigned access) {
  static constexpr StringLiteral names[] = {"none", "read", "write", "read_write"};
  static_assert(abi::AccessNone == 0 && abi::AccessRead == 1 && abi::AccessWrite == 2 && abi::AccessReadWrite == 3);
  return names[access];
}

/// The argument list of an opcode or a window. Only an opcode's arguments have a place in a slot.
static void writeArguments(llvm::json::OStream &json, FunctionOpInterface op) {
  unsigned word = 0;
  for (auto [index, type] : llvm::enumerate(op.getArgumentTypes())) {
    auto memref = dyn_cast<MemRefType>(type);
    json.object([&] {
      json.attribute("type", spell(type));
      json.attribute("kind", !memref ? "scalar" : isViewType(type) ? "view" : "buffer");
      if (isa<OpcodeOp>(op)) {
        json.attribute("word", word);
        json.attribute("words", argumentWords(type));
      }
      if (memref) {
        Type element = memref.getElementType();
        json.attribute("element", spell(element));
        json.attribute("elementBytes", elementBytes(element));
        json.attribute("access", spellAccess(requiredAccess(op, index)));
      }
    });
    word += argumentWords(type);
  }
}

static void writeOpcode(llvm::json::OStream &json, OpcodeOp op) {
  unsigned words = 0;
  for (Type type : op.getArgumentTypes())
    words += argumentWords(type);
  json.attribute("name", op.getSymName());
  json.attribute("code", op.getOpcode());
  json.attribute("scope", stringifyScopeKind(op.getScope()));
  json.attribute("builtin", op.getBuiltin());
  json.attribute("emits", op.walk([](EmitOp) { return WalkResult::interrupt(); }).wasInterrupted());
  if (std::optional<uint32_t> entries = op.getEntries())
    json.attribute("entries", *entries);
  json.attribute("words", words);
  json.attributeArray("args", [&] { writeArguments(json, op); });
}

static void writeWindow(llvm::json::OStream &json, WindowOp op) {
  json.attribute("name", op.getSymName());
  json.attributeArray("args", [&] { writeArguments(json, op); });
  json.attributeArray("extents", [&] {
    std::optional<ArrayRef<int32_t>> groups = op.getExtents();
    for (unsigned i = 0; i < op.getNumArguments(); ++i)
      json.value(groups ? (*groups)[i] : -1);
  });
  json.attributeArray("issues", [&] {
    for (IssueOp issue : op.getBody().getOps<IssueOp>())
      json.object([&] {
        json.attribute("opcode", issue.getCallee());
        json.attributeArray("args", [&] {
          for (Value operand : issue.getOperands())
            json.value(cast<BlockArgument>(operand).getArgNumber());
        });
      });
  });
}

void mk::writeIsaJson(ModuleOp module, llvm::raw_ostream &output) {
  llvm::json::OStream json(output, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("format", formatVersion);
    json.attributeObject("abi", [&] {
      json.attribute("version", abi::Version);
      json.attribute("slotWords", abi::SlotWords);
      json.attribute("argWord", static_cast<uint32_t>(abi::SlotArgWord));
      json.attribute("argWords", abi::SlotArgWords);
    });
    json.attributeArray("opcodes", [&] {
      for (OpcodeOp op : module.getOps<OpcodeOp>())
        json.object([&] { writeOpcode(json, op); });
    });
    json.attributeArray("windows", [&] {
      // A fused window no longer says which slots it consists of.
      for (WindowOp op : module.getOps<WindowOp>())
        if (!op.getFused())
          json.object([&] { writeWindow(json, op); });
    });
  });
  output << '\n';
}
