//===- IsaReader.cpp - Between MLIR modules and the runtime's ISA -----------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IsaReader.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace mk;

static ElementType elementTypeOf(Type type) {
  if (type.isIndex())
    return ElementType::Index;
  if (type.isF16())
    return ElementType::F16;
  if (type.isBF16())
    return ElementType::BF16;
  if (type.isF32())
    return ElementType::F32;
  if (type.isF64())
    return ElementType::F64;
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
    return ElementType::I1;
  case 8:
    return ElementType::I8;
  case 16:
    return ElementType::I16;
  case 32:
    return ElementType::I32;
  default:
    return ElementType::I64;
  }
}

static Type typeOf(MLIRContext *context, ElementType element) {
  Builder b(context);
  switch (element) {
  case ElementType::I1:
    return b.getI1Type();
  case ElementType::I8:
    return b.getI8Type();
  case ElementType::I16:
    return b.getIntegerType(16);
  case ElementType::I32:
    return b.getI32Type();
  case ElementType::I64:
    return b.getI64Type();
  case ElementType::F16:
    return b.getF16Type();
  case ElementType::BF16:
    return b.getBF16Type();
  case ElementType::F32:
    return b.getF32Type();
  case ElementType::F64:
    return b.getF64Type();
  case ElementType::Index:
    return b.getIndexType();
  }
  llvm_unreachable("element type out of range");
}

static Type typeOf(MLIRContext *context, const ArgType &type) {
  Type element = typeOf(context, type.element);
  if (type.kind == ArgType::Scalar)
    return element;
  MemRefLayoutAttrInterface layout;
  if (type.kind == ArgType::View)
    layout = StridedLayoutAttr::get(context, ShapedType::kDynamic, {1});
  return MemRefType::get({ShapedType::kDynamic}, element, layout);
}

static std::vector<ArgType> argTypesOf(FunctionOpInterface op) {
  std::vector<ArgType> args;
  for (auto [index, type] : llvm::enumerate(op.getArgumentTypes())) {
    ArgType arg;
    if (auto memref = dyn_cast<MemRefType>(type)) {
      arg.kind = isViewType(type) ? ArgType::View : ArgType::Buffer;
      arg.element = elementTypeOf(memref.getElementType());
      arg.access = requiredAccess(op, index);
    } else {
      arg.element = elementTypeOf(type);
    }
    args.push_back(arg);
  }
  return args;
}

Isa mk::readIsa(ModuleOp module) {
  Isa isa;
  for (OpcodeOp op : module.getOps<OpcodeOp>()) {
    OpcodeInfo info;
    info.name = op.getSymName().str();
    info.code = op.getOpcode();
    info.scope = op.getScope() == ScopeKind::Lane ? Scope::Lane : Scope::Block;
    info.args = argTypesOf(op);
    info.emits = op.walk([](EmitOp) { return WalkResult::interrupt(); }).wasInterrupted();
    info.promotable = isPromotable(op);
    info.numbered = op.walk([](SlotInfoOp info) {
                        return info.getField() == SlotField::Index ? WalkResult::interrupt() : WalkResult::advance();
                      }).wasInterrupted();
    info.optional = optionalArguments(op);
    info.entries = op.getEntries().value_or(0);
    isa.opcodes.push_back(std::move(info));
  }
  for (WindowOp op : module.getOps<WindowOp>()) {
    if (op.getFused())
      continue;
    WindowInfo window{op.getSymName().str(), argTypesOf(op), {}};
    for (IssueOp issue : op.getBody().getOps<IssueOp>()) {
      WindowInfo::Issue entry{*isa.findOpcode(std::string_view(issue.getCallee())), {}};
      for (Value operand : issue.getOperands())
        entry.operands.push_back(cast<BlockArgument>(operand).getArgNumber());
      window.issues.push_back(std::move(entry));
    }
    isa.windows.push_back(std::move(window));
  }
  return isa;
}

static OpcodeOp opcodeAt(ModuleOp isa, uint32_t opcode) { return *std::next(isa.getOps<OpcodeOp>().begin(), opcode); }

OwningOpRef<ModuleOp> mk::makeOpcodeModule(ModuleOp isa, uint32_t opcode) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(isa.getLoc());
  module->push_back(opcodeAt(isa, opcode)->clone());
  return module;
}

std::string mk::freeName(ModuleOp module) {
  std::string name = "hot";
  while (SymbolTable::lookupSymbolIn(module, name))
    name += '_';
  return name;
}

OwningOpRef<ModuleOp> mk::makeWindowModule(ModuleOp isa, const WindowSignature &signature, std::string &name) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(isa.getLoc());
  llvm::SmallBitVector present(llvm::range_size(isa.getOps<OpcodeOp>()));
  for (const WindowSignature::Issue &issue : signature.issues)
    if (!present.test(issue.opcode)) {
      present.set(issue.opcode);
      module->push_back(opcodeAt(isa, issue.opcode)->clone());
    }
  name = freeName(*module);
  addWindow(*module, isa, signature, name);
  return module;
}

WindowOp mk::addWindow(ModuleOp module, ModuleOp isa, const WindowSignature &signature, StringRef name) {
  MLIRContext *context = isa.getContext();
  SmallVector<Type> types =
      llvm::map_to_vector(signature.args, [&](const ArgType &type) { return typeOf(context, type); });
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = isa.getLoc();
  auto window = WindowOp::create(b, loc, b.getStringAttr(name), TypeAttr::get(b.getFunctionType(types, {})),
                                 b.getDenseI32ArrayAttr(signature.extents), IntegerAttr(), ScopeKindAttr(), ArrayAttr(),
                                 ArrayAttr());
  Block *body = b.createBlock(&window.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
  for (const WindowSignature::Issue &issue : signature.issues) {
    auto operands = llvm::map_to_vector(issue.operands, [&](uint32_t arg) -> Value { return body->getArgument(arg); });
    IssueOp::create(b, loc, opcodeAt(isa, issue.opcode).getSymName(), operands);
  }
  ReturnOp::create(b, loc);
  for (auto [index, arg] : llvm::enumerate(signature.args))
    if (arg.access & abi::AccessTransient)
      window.setArgAttr(index, "mk.transient", b.getUnitAttr());
  return window;
}
