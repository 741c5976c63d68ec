//===- MkAttrs.cpp - Rules of mk attributes ---------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MkAttrs.td says what the attributes mean and where they belong.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"

using namespace mlir;
using namespace mk;

LogicalResult ProfileAttr::verify(function_ref<InFlightDiagnostic()> emitError, uint64_t, uint64_t, uint64_t,
                                  DictionaryAttr opcodes, DictionaryAttr windows) {
  for (DictionaryAttr counts : {opcodes, windows})
    for (NamedAttribute entry : counts) {
      auto count = dyn_cast<IntegerAttr>(entry.getValue());
      if (!count || !count.getType().isSignlessInteger(64) || count.getInt() < 0)
        return emitError() << "expected the count of '" << entry.getName().getValue()
                           << "' to be an i64 of at least 0, but found " << entry.getValue();
    }
  return success();
}

LogicalResult FactsAttr::verify(function_ref<InFlightDiagnostic()> emitError, TypedAttr constant, uint64_t extent,
                                uint64_t multiple, uint64_t aligned) {
  if (constant && !isa<IntegerAttr, FloatAttr>(constant))
    return emitError() << "expected the constant to be a number, but found " << constant;
  if (constant && (extent != 0 || multiple != 1 || aligned != 1))
    return emitError() << "a constant is a fact of scalars, the others are facts of memrefs; use one kind";
  if (multiple == 0 || aligned == 0)
    return emitError() << "everything is a multiple of 1 and nothing else of 0; use at least 1";
  // Extents and offsets are 32-bit words of a slot, or sizes of memory.
  if ((extent | multiple | aligned) > uint64_t(INT64_MAX))
    return emitError() << "facts about memrefs are numbers up to 9223372036854775807";
  if (extent % multiple != 0)
    return emitError() << "extent " << extent << " is no multiple of " << multiple;
  return success();
}

LogicalResult FactsAttr::verifyFor(Type type, function_ref<InFlightDiagnostic()> emitError) {
  bool isMemRef = isa<MemRefType>(type);
  if (TypedAttr constant = getConstant(); constant && constant.getType() != type)
    return emitError() << "has type " << type << ", but its constant is " << constant;
  if (!isMemRef && (getExtent() != 0 || getMultiple() != 1))
    return emitError() << "has type " << type << ", but only memrefs have an extent";
  if (!isViewType(type) && getAligned() != 1)
    return emitError() << "has type " << type << ", but only views have an offset that could be aligned";
  return success();
}

LogicalResult MkDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  StringRef name = attribute.getName();
  Attribute value = attribute.getValue();
  auto expect = [&](bool fits, StringRef what) -> LogicalResult {
    if (fits)
      return success();
    return op->emitOpError() << "has " << name << ", which is " << what;
  };
  if (name == "mk.profile")
    return expect(isa<ModuleOp>(op) && isa<ProfileAttr>(value), "a #mk.profile of a module");
  if (name == "mk.promotion")
    return expect(isa<OpcodeOp, WindowOp>(op) && isa<PromotionAttr>(value), "a #mk.promotion of an opcode or a window");
  if (name != "mk.specialize")
    return success();
  auto list = dyn_cast<ArrayAttr>(value);
  bool isLists = list && llvm::all_of(list, [](Attribute entry) {
                   auto facts = dyn_cast<ArrayAttr>(entry);
                   return facts && llvm::all_of(facts, llvm::IsaPred<FactsAttr>);
                 });
  if (failed(expect(isa<OpcodeOp, WindowOp>(op) && isLists,
                    "a list of specialisations of an opcode or a window, each a list of #mk.facts")))
    return failure();
  auto function = cast<FunctionOpInterface>(op);
  for (auto [number, entry] : llvm::enumerate(list)) {
    auto facts = cast<ArrayAttr>(entry);
    if (facts.size() != function.getNumArguments())
      return op->emitOpError() << "specialisation " << number << " has facts for " << facts.size()
                               << " arguments, but there are " << function.getNumArguments();
    for (auto [index, type] : llvm::enumerate(function.getArgumentTypes()))
      if (failed(cast<FactsAttr>(facts[index]).verifyFor(type, [&, index = index] {
            return op->emitOpError() << "argument " << index << " ";
          })))
        return failure();
  }
  return success();
}

LogicalResult MkDialect::verifyRegionArgAttribute(Operation *op, unsigned, unsigned index, NamedAttribute attribute) {
  auto window = dyn_cast<WindowOp>(op);
  Type type = window ? window.getArgumentTypes()[index] : Type();
  if (attribute.getName() == "mk.transient" &&
      !(isa<UnitAttr>(attribute.getValue()) && isa_and_present<MemRefType>(type)))
    return op->emitOpError() << "argument " << index
                             << " has mk.transient, which is a unit attribute of memref arguments of a window";
  if (attribute.getName() == "mk.facts") {
    auto facts = dyn_cast<FactsAttr>(attribute.getValue());
    if (!facts || !window)
      return op->emitOpError() << "argument " << index
                               << " has mk.facts, which is a #mk.facts of arguments of a window";
    return facts.verifyFor(type, [&] { return op->emitOpError() << "argument " << index << " "; });
  }
  return success();
}
