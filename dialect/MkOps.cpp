//===- MkOps.cpp - Syntax and rules of mk operations ------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Labels such as opcode_c1 name the constraints that MkOps.td lists and test/Dialect/invalid.mlir provokes.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mk;

//===----------------------------------------------------------------------===//
// Argument types
//===----------------------------------------------------------------------===//

static bool isElementType(Type type) {
  return type.isIndex() || type.isSignlessInteger(1) || type.isSignlessInteger(8) || type.isSignlessInteger(16) ||
         type.isSignlessInteger(32) || type.isSignlessInteger(64) || type.isF16() || type.isBF16() || type.isF32() ||
         type.isF64();
}

bool mk::isViewType(Type type) {
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref || memref.getRank() != 1)
    return false;
  auto layout = dyn_cast<StridedLayoutAttr>(memref.getLayout());
  return layout && layout.getStrides() == ArrayRef<int64_t>{1} && ShapedType::isDynamic(layout.getOffset());
}

unsigned mk::argumentWords(Type type) {
  if (isElementType(type))
    return type.isInteger(64) || type.isF64() ? 2 : 1;
  auto memref = dyn_cast<MemRefType>(type);
  if (!memref || memref.getRank() != 1 || !memref.isDynamicDim(0) || memref.getMemorySpace() ||
      !isElementType(memref.getElementType()) || memref.getElementType().isInteger(1))
    return 0;
  if (memref.getLayout().isIdentity())
    return 1;
  return isViewType(type) ? 3 : 0;
}

unsigned mk::elementBytes(Type type) { return type.isIndex() ? 8 : std::max(1u, type.getIntOrFloatBitWidth() / 8); }

Value mk::sourceOf(Value memref) {
  while (auto distinct = memref.getDefiningOp<memref::DistinctObjectsOp>())
    memref = distinct.getOperand(cast<OpResult>(memref).getResultNumber());
  return memref;
}

unsigned mk::requiredAccess(FunctionOpInterface op, unsigned index) { return requiredAccess(op.getArgument(index)); }

unsigned mk::requiredAccess(Value memref) {
  unsigned access = abi::AccessNone;
  llvm::SmallSetVector<Value, 4> values;
  values.insert(memref);
  for (unsigned i = 0; i < values.size(); ++i) {
    for (OpOperand &use : values[i].getUses()) {
      Operation *user = use.getOwner();
      if (isa<memref::DimOp>(user))
        continue;
      if (isa<memref::DistinctObjectsOp>(user)) {
        values.insert(user->getResult(use.getOperandNumber()));
      } else if (isa<memref::LoadOp>(user)) {
        access |= abi::AccessRead;
      } else if (isa<memref::StoreOp>(user)) {
        access |= abi::AccessWrite;
      } else if (auto issue = dyn_cast<IssueOp>(user)) {
        if (auto callee = SymbolTable::lookupNearestSymbolFrom<OpcodeOp>(issue, issue.getCalleeAttr()))
          access |= requiredAccess(callee, use.getOperandNumber());
      } else {
        access |= abi::AccessReadWrite;
      }
    }
  }
  return access;
}

bool mk::isPromotable(FunctionOpInterface op) {
  if (auto opcode = dyn_cast<OpcodeOp>(op.getOperation()); opcode && (opcode.getBuiltin() || opcode.getEntries()))
    return false;
  return !op.getFunctionBody()
              .walk([](Operation *inner) {
                return isa<BufferOp, MemoryOp, SlotInfoOp>(inner) ? WalkResult::interrupt() : WalkResult::advance();
              })
              .wasInterrupted();
}

unsigned mk::optionalArguments(FunctionOpInterface op) {
  unsigned count = 0;
  for (unsigned i = op.getNumArguments(); i > 0 && op.getArgAttr(i - 1, "mk.optional"); --i)
    ++count;
  return count;
}

/// (opcode_c3), (window_c1)
static LogicalResult verifyArgumentTypes(FunctionOpInterface op) {
  for (auto [index, type] : llvm::enumerate(op.getArgumentTypes()))
    if (argumentWords(type) == 0)
      return op.emitOpError() << "argument " << index << " has type " << type
                              << ", but a slot holds i1, i8, i16, i32, i64, f16, bf16, f32, f64, index, memref<?xT> or "
                                 "memref<?xT, strided<[1], offset: ?>> of these but i1";
  return success();
}

/// (opcode_c6), (window_c5)
static LogicalResult verifyName(FunctionOpInterface op) {
  StringRef name = op.getName();
  if (name.starts_with("mk_"))
    return op.emitOpError("name begins with mk_, which is reserved for kernels");
  auto opcode = dyn_cast<OpcodeOp>(op.getOperation());
  bool isBuiltin = opcode && opcode.getBuiltin();
  if (isBuiltin && !name.starts_with("mk."))
    return op.emitOpError("is builtin, but its name does not begin with mk.");
  if (!isBuiltin && name.starts_with("mk."))
    return op.emitOpError("name begins with mk., which is reserved for builtin opcodes");
  if (!llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_' || c == '$' || c == '.'; }))
    return op.emitOpError("name has other characters than letters, digits, _, $ and ., which PTX does not allow");
  return success();
}

/// (opcode_c5): no results, and a body that ends in mk.return.
static LogicalResult verifyShape(FunctionOpInterface op) {
  if (!op.getResultTypes().empty())
    return op.emitOpError() << "has " << op.getResultTypes().size() << " results, but writes its results to buffers";
  Region &body = op.getFunctionBody();
  if (body.front().empty() || !isa<ReturnOp>(body.front().back()))
    return op.emitOpError("body does not end in mk.return");
  return success();
}

//===----------------------------------------------------------------------===//
// Function-like syntax
//===----------------------------------------------------------------------===//

/// Parses `(args) attributes? body`, and adds mk.return to a body without it when 'implicitReturn' is set.
static ParseResult parseSignatureAndBody(OpAsmParser &parser, OperationState &result,
                                         function_ref<ParseResult()> parseClauses, bool implicitReturn) {
  SmallVector<OpAsmParser::Argument> arguments;
  SmallVector<Type> resultTypes;
  SmallVector<DictionaryAttr> resultAttrs;
  bool isVariadic = false;
  if (function_interface_impl::parseFunctionSignatureWithArguments(parser, /*allowVariadic=*/false, arguments,
                                                                   isVariadic, resultTypes, resultAttrs) ||
      parseClauses() || parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  SmallVector<Type> types = llvm::map_to_vector(arguments, [](const auto &arg) { return arg.type; });
  result.addAttribute("function_type", TypeAttr::get(parser.getBuilder().getFunctionType(types, resultTypes)));
  call_interface_impl::addArgAndResultAttrs(parser.getBuilder(), result, arguments, resultAttrs,
                                            parser.getBuilder().getStringAttr("arg_attrs"),
                                            parser.getBuilder().getStringAttr("res_attrs"));
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, arguments))
    return failure();
  if (body->empty()) {
    // An empty pair of braces still has the arguments.
    Block &block = body->emplaceBlock();
    for (OpAsmParser::Argument &arg : arguments)
      block.addArgument(arg.type, arg.sourceLoc.value_or(result.location));
  }
  Block &block = body->front();
  if (implicitReturn && (block.empty() || !block.back().hasTrait<OpTrait::IsTerminator>())) {
    OpBuilder builder(parser.getContext());
    builder.setInsertionPointToEnd(&block);
    ReturnOp::create(builder, result.location);
  }
  return success();
}

static void printSignature(OpAsmPrinter &p, FunctionOpInterface op) {
  p << ' ';
  function_interface_impl::printFunctionSignature(p, op, op.getArgumentTypes(), /*isVariadic=*/false,
                                                  op.getResultTypes());
}

static void printAttributesAndBody(OpAsmPrinter &p, FunctionOpInterface op, ArrayRef<StringRef> elided,
                                   bool implicitReturn) {
  SmallVector<StringRef> names(elided);
  names.append({"function_type", "arg_attrs", "res_attrs"});
  function_interface_impl::printFunctionAttributes(p, op, names);
  p << ' ';
  p.printRegion(op.getFunctionBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/!implicitReturn);
}

static ParseResult parseScope(OpAsmParser &parser, OperationState &result) {
  StringRef keyword;
  SMLoc loc;
  if (parser.parseLParen() || parser.getCurrentLocation(&loc) || parser.parseKeyword(&keyword))
    return failure();
  std::optional<ScopeKind> kind = symbolizeScopeKind(keyword);
  if (!kind)
    return parser.emitError(loc) << "expected lane or block, but found '" << keyword << "'";
  result.addAttribute("scope", ScopeKindAttr::get(parser.getContext(), *kind));
  return parser.parseRParen();
}

//===----------------------------------------------------------------------===//
// OpcodeOp
//===----------------------------------------------------------------------===//

/// Parses a 32-bit unsigned number into an I32 attribute.
static ParseResult parseCode(OpAsmParser &parser, IntegerAttr &attr) {
  uint64_t value;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseInteger(value))
    return failure();
  if (value > UINT32_MAX)
    return parser.emitError(loc) << "expected a 32-bit number, but found " << value;
  attr = IntegerAttr::get(IntegerType::get(parser.getContext(), 32), APInt(32, value));
  return success();
}

ParseResult OpcodeOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  IntegerAttr code;
  if (succeeded(parser.parseOptionalKeyword("builtin")))
    result.addAttribute("builtin", parser.getBuilder().getUnitAttr());
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(), result.attributes) ||
      parser.parseKeyword("code") || parser.parseLParen() || parseCode(parser, code) || parser.parseRParen() ||
      parser.parseKeyword("scope") || parseScope(parser, result))
    return failure();
  result.addAttribute("code", code);
  if (succeeded(parser.parseOptionalKeyword("entries"))) {
    IntegerAttr entries;
    if (parser.parseLParen() || parseCode(parser, entries) || parser.parseRParen())
      return failure();
    result.addAttribute("entries", entries);
  }
  return parseSignatureAndBody(parser, result, [] { return success(); }, /*implicitReturn=*/false);
}

void OpcodeOp::print(OpAsmPrinter &p) {
  p << (getBuiltin() ? " builtin " : " ");
  p.printSymbolName(getSymName());
  p << " code(" << getOpcode() << ") scope(" << stringifyScopeKind(getScope()) << ')';
  if (std::optional<uint32_t> entries = getEntries())
    p << " entries(" << *entries << ')';
  printSignature(p, *this);
  printAttributesAndBody(p, *this, {"builtin", "code", "scope", "entries"}, /*implicitReturn=*/false);
}

LogicalResult OpcodeOp::verify() {
  // (opcode_c1)
  if (getBuiltin()) {
    if (!abi::isBuiltinOpcode(getOpcode()))
      return emitOpError() << "is builtin, but " << getOpcode() << " is not the number of a built-in opcode";
  } else if (abi::isSystemOpcode(getOpcode()))
    return emitOpError() << "code " << getOpcode()
                         << " is reserved for the system; use 8 to 65519 or 65536 to 2147483647";
  if (failed(verifyArgumentTypes(*this)) || failed(verifyName(*this)))
    return failure();
  // (opcode_c4)
  unsigned words = 0;
  for (Type type : getArgumentTypes())
    words += argumentWords(type);
  if (words > abi::SlotArgWords)
    return emitOpError() << "arguments take " << words << " words, but a slot has " << abi::SlotArgWords;
  // (opcode_c7)
  std::optional<uint32_t> entries = getEntries();
  if (!entries)
    return success();
  if (*entries == 0 || *entries > abi::MaxEntries)
    return emitOpError() << "has " << *entries << " entries, but 1 to " << abi::MaxEntries << " are possible";
  ArrayRef<Type> types = getArgumentTypes();
  if (words != abi::ContinuationData + 1 || types.size() < 2 ||
      !llvm::all_of(types.take_back(2), [](Type type) { return type.isInteger(32); }))
    return emitOpError() << "has entries, so its arguments take three words, and two more of type i32 follow: where it "
                            "begins, and data; but they are of types ("
                         << types << ')';
  if (optionalArguments(*this))
    return emitOpError("has entries, so its arguments cannot be optional");
  return success();
}

LogicalResult OpcodeOp::verifyRegions() { return verifyShape(*this); }

/// (opcode_c2)
LogicalResult OpcodeOp::verifySymbolUses(SymbolTableCollection &symbols) {
  for (auto other : (*this)->getParentRegion()->getOps<OpcodeOp>()) {
    if (other == *this)
      break;
    if (other.getCode() == getCode()) {
      InFlightDiagnostic diag = emitOpError() << "code " << getOpcode() << " is taken by @" << other.getSymName();
      diag.attachNote(other.getLoc()) << "defined here";
      return diag;
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// WindowOp
//===----------------------------------------------------------------------===//

ParseResult WindowOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(), result.attributes))
    return failure();
  auto parseClauses = [&]() -> ParseResult {
    if (succeeded(parser.parseOptionalKeyword("extents"))) {
      SmallVector<int32_t> groups;
      if (parser.parseLParen() ||
          parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square,
                                         [&]() { return parser.parseInteger(groups.emplace_back()); }) ||
          parser.parseRParen())
        return failure();
      result.addAttribute("extents", parser.getBuilder().getDenseI32ArrayAttr(groups));
    }
    if (succeeded(parser.parseOptionalKeyword("fused"))) {
      IntegerAttr count;
      if (parser.parseLParen() || parseCode(parser, count) || parser.parseRParen())
        return failure();
      result.addAttribute("fused", count);
    }
    if (succeeded(parser.parseOptionalKeyword("scope")))
      return parseScope(parser, result);
    return success();
  };
  return parseSignatureAndBody(parser, result, parseClauses, /*implicitReturn=*/true);
}

void WindowOp::print(OpAsmPrinter &p) {
  p << ' ';
  p.printSymbolName(getSymName());
  printSignature(p, *this);
  if (std::optional<ArrayRef<int32_t>> groups = getExtents()) {
    p << " extents([";
    llvm::interleaveComma(*groups, p);
    p << "])";
  }
  if (std::optional<uint32_t> count = getFused())
    p << " fused(" << *count << ')';
  if (std::optional<ScopeKind> scope = getScope())
    p << " scope(" << stringifyScopeKind(*scope) << ')';
  printAttributesAndBody(p, *this, {"extents", "fused", "scope"}, /*implicitReturn=*/true);
}

LogicalResult WindowOp::verify() {
  if (failed(verifyArgumentTypes(*this)) || failed(verifyName(*this)))
    return failure();
  // (window_c2)
  if (std::optional<ArrayRef<int32_t>> groups = getExtents()) {
    if (groups->size() != getNumArguments())
      return emitOpError() << "has " << groups->size() << " extents but " << getNumArguments() << " arguments";
    for (auto [index, group] : llvm::enumerate(*groups))
      if (group >= 0 && !isa<MemRefType>(getArgumentTypes()[index]))
        return emitOpError() << "argument " << index << " is in extent group " << group << " but is no memref";
  }
  return success();
}

/// (window_c3)
LogicalResult WindowOp::verifyRegions() {
  if (failed(verifyShape(*this)))
    return failure();
  size_t issues = llvm::range_size(getBody().getOps<IssueOp>());
  if (std::optional<uint32_t> slots = getFused()) {
    if (issues != 0)
      return emitOpError() << "is fused but still has " << issues << " issues";
    if (*slots == 0 || *slots > abi::MaxWindowLength)
      return emitOpError() << "answers " << *slots << " slots, but a window has 1 to " << abi::MaxWindowLength;
    return success();
  }
  if (issues == 0 || issues > abi::MaxWindowLength)
    return emitOpError() << "has " << issues << " issues, but a window has 1 to " << abi::MaxWindowLength;
  // (window_c4)
  for (Operation &op : getBody().front().without_terminator())
    if (!isa<IssueOp>(op)) {
      InFlightDiagnostic diag = emitOpError("holds more than mk.issue, but is not fused");
      diag.attachNote(op.getLoc()) << "this operation";
      return diag;
    }
  return success();
}

//===----------------------------------------------------------------------===//
// IssueOp
//===----------------------------------------------------------------------===//

LogicalResult IssueOp::verifySymbolUses(SymbolTableCollection &symbols) {
  // (issue_c1)
  Operation *symbol = symbols.lookupNearestSymbolFrom((*this)->getParentOp(), getCalleeAttr());
  if (!symbol)
    return emitOpError() << "callee " << getCalleeAttr() << " is not defined; define it with mk.opcode";
  auto opcode = dyn_cast<OpcodeOp>(symbol);
  if (!opcode) {
    InFlightDiagnostic diag = emitOpError() << "callee " << getCalleeAttr() << " is not an mk.opcode";
    diag.attachNote(symbol->getLoc()) << "it is this";
    return diag;
  }
  // (issue_c3)
  if (opcode.getEntries())
    return emitOpError() << "callee " << getCalleeAttr() << " has entries, and cannot be in a window";
  // (issue_c2)
  ArrayRef<Type> expected = opcode.getArgumentTypes();
  if (expected.size() != getNumOperands())
    return emitOpError() << "passes " << getNumOperands() << " arguments, but " << getCalleeAttr() << " takes "
                         << expected.size();
  for (auto [index, type] : llvm::enumerate(expected))
    if (getOperand(index).getType() != type)
      return emitOpError() << "argument " << index << " has type " << getOperand(index).getType() << ", but "
                           << getCalleeAttr() << " takes " << type;
  return success();
}

//===----------------------------------------------------------------------===//
// FaultOp
//===----------------------------------------------------------------------===//

static ParseResult parseFaultCode(OpAsmParser &parser, FaultKindAttr &kind, IntegerAttr &code) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<FaultKind> value = symbolizeFaultKind(keyword);
  if (!value)
    return parser.emitError(loc) << "unknown kind of fault '" << keyword << "'; an opcode uses user(n)";
  kind = FaultKindAttr::get(parser.getContext(), *value);
  if (succeeded(parser.parseOptionalLParen()))
    return failure(failed(parseCode(parser, code)) || failed(parser.parseRParen()));
  return success();
}

static void printFaultCode(OpAsmPrinter &p, FaultOp, FaultKindAttr kind, IntegerAttr code) {
  p << stringifyFaultKind(kind.getValue());
  if (code)
    p << '(' << code.getValue().getZExtValue() << ')';
}

/// (fault_c1)
LogicalResult FaultOp::verify() {
  if (getKind() == FaultKind::User) {
    if (!getCode())
      return emitOpError("kind user needs a code: user(n)");
    if (static_cast<uint32_t>(*getCode()) > abi::MaxUserFault)
      return emitOpError() << "code " << static_cast<uint32_t>(*getCode()) << " is above " << abi::MaxUserFault;
  } else if (getCode()) {
    return emitOpError() << "kind " << stringifyFaultKind(getKind()) << " takes no code";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// SuspendOp
//===----------------------------------------------------------------------===//

static ParseResult parseSuspension(OpAsmParser &parser, SuspensionKindAttr &kind, IntegerAttr &number) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<SuspensionKind> symbol = symbolizeSuspensionKind(keyword);
  if (!symbol)
    return parser.emitError(loc) << "expected wait, yield or requeue, but found '" << keyword << "'";
  kind = SuspensionKindAttr::get(parser.getContext(), *symbol);
  if (succeeded(parser.parseOptionalLParen()))
    return failure(failed(parseCode(parser, number)) || failed(parser.parseRParen()));
  return success();
}

static void printSuspension(OpAsmPrinter &p, SuspendOp, SuspensionKindAttr kind, IntegerAttr number) {
  p << stringifySuspensionKind(kind.getValue());
  if (number)
    p << '(' << number.getValue().getZExtValue() << ')';
}

LogicalResult SuspendOp::verify() {
  // (suspend_c1)
  auto opcode = (*this)->getParentOfType<OpcodeOp>();
  if (!opcode || !opcode.getEntries())
    return emitOpError("is not in an mk.opcode with entries(n)");
  // (suspend_c2)
  if (getKind() == SuspensionKind::Yield)
    return getValue() ? emitOpError() << "yield takes no value, but has " << *getValue() : success();
  StringRef kind = stringifySuspensionKind(getKind()), what = "epochs";
  uint32_t most = abi::MaxSuspensionValue;
  if (getKind() == SuspensionKind::Requeue) {
    what = "priority";
    most = abi::PriorityLevels - 1;
  }
  if (!getValue())
    return emitOpError() << kind << " needs " << what << ": " << kind << "(n) with n from 0 to " << most;
  if (static_cast<uint32_t>(*getValue()) > most)
    return emitOpError() << kind << " has " << what << ' ' << static_cast<uint32_t>(*getValue()) << ", give 0 to "
                         << most;
  return success();
}

//===----------------------------------------------------------------------===//
// EmitOp
//===----------------------------------------------------------------------===//

/// (emit_c1)
LogicalResult EmitOp::verify() {
  if (getValues().empty() || getValues().size() > abi::HitValues)
    return emitOpError() << "has " << getValues().size() << " values, but a record holds 1 to " << abi::HitValues;
  return success();
}

//===----------------------------------------------------------------------===//
// MemoryOp
//===----------------------------------------------------------------------===//

/// (memory_c1)
LogicalResult MemoryOp::verify() {
  auto type = cast<MemRefType>(getMemory().getType());
  if (!type.isDynamicDim(0) || !type.getLayout().isIdentity() || type.getMemorySpace())
    return emitOpError() << "gives " << type << ", but memory of the engine is memref<?xi32>";
  return success();
}

//===----------------------------------------------------------------------===//
// BufferOp
//===----------------------------------------------------------------------===//

/// (buffer_c1)
LogicalResult BufferOp::verify() {
  Type type = getBuffer().getType();
  if (argumentWords(type) != 1)
    return emitOpError() << "gives " << type << ", but a handle stands for memref<?xT> of a type that a buffer holds";
  return success();
}

//===----------------------------------------------------------------------===//
// KernelOp
//===----------------------------------------------------------------------===//

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  StringAttr name;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(), result.attributes) ||
      parser.parseKeyword("scope") || parseScope(parser, result))
    return failure();
  return parseSignatureAndBody(parser, result, [] { return success(); }, /*implicitReturn=*/false);
}

void KernelOp::print(OpAsmPrinter &p) {
  p << ' ';
  p.printSymbolName(getSymName());
  p << " scope(" << stringifyScopeKind(getScope()) << ')';
  printSignature(p, *this);
  printAttributesAndBody(p, *this, {"scope"}, /*implicitReturn=*/false);
}

/// (kernel_c1)
LogicalResult KernelOp::verify() {
  if (getNumArguments() != abi::LaunchParamCount ||
      !llvm::all_of(getArgumentTypes(), [](Type type) { return type.isInteger(64); }))
    return emitOpError() << "takes the " << abi::LaunchParamCount << " launch parameters of the ABI, each i64";
  return success();
}

LogicalResult KernelOp::verifyRegions() { return verifyShape(*this); }

//===----------------------------------------------------------------------===//
// DistributeOp
//===----------------------------------------------------------------------===//

void DistributeOp::build(OpBuilder &builder, OperationState &state, Value count) {
  state.addOperands(count);
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(state.addRegion());
  body->addArgument(builder.getIndexType(), state.location);
  ensureTerminator(*state.regions.front(), builder, state.location);
}

ParseResult DistributeOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::Argument item;
  OpAsmParser::UnresolvedOperand count;
  Type index = parser.getBuilder().getIndexType();
  if (parser.parseLParen() || parser.parseArgument(item) || parser.parseRParen() || parser.parseKeyword("to") ||
      parser.parseOperand(count) || parser.resolveOperand(count, index, result.operands) ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  item.type = index;
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, item))
    return failure();
  ensureTerminator(*body, parser.getBuilder(), result.location);
  return success();
}

void DistributeOp::print(OpAsmPrinter &p) {
  p << " (" << getItem() << ") to " << getCount();
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/false);
}

LogicalResult DistributeOp::verify() {
  if (getBody().getNumArguments() != 1 || !getBody().getArgument(0).getType().isIndex())
    return emitOpError("region takes one index, the work item");
  return success();
}

//===----------------------------------------------------------------------===//
// ArgumentsOp
//===----------------------------------------------------------------------===//

LogicalResult ArgumentsOp::verify() {
  ArrayRef<int32_t> handles = getHandles();
  const size_t rows = 2 * handles.size();
  if (getNumResults() < rows)
    return emitOpError() << "has " << getNumResults() << " results, but two for each of " << handles.size()
                         << " handles";
  // (arguments_c1)
  int32_t next = 0;
  for (int32_t handle : handles) {
    if (handle < next || unsigned(handle) >= getNumWords())
      return emitOpError() << "has the handle " << handle << ", but handles ascend and are below " << getNumWords();
    next = handle + 1;
  }
  // (arguments_c2)
  for (auto [place, type] : llvm::enumerate(getResultTypes()))
    if (!type.isInteger(place < getNumWords() ? 32 : 64))
      return emitOpError() << "has a result of type " << type << " at place " << place << ", but " << getNumWords()
                           << " words are i32 and the rows behind them i64";
  return success();
}

//===----------------------------------------------------------------------===//
// ServeOp and CompleteOp
//===----------------------------------------------------------------------===//

static MemRefType slotsType(MLIRContext *context) {
  return MemRefType::get({ShapedType::kDynamic}, IntegerType::get(context, 32));
}

void ServeOp::build(OpBuilder &builder, OperationState &state) {
  OpBuilder::InsertionGuard guard(builder);
  Block *body = builder.createBlock(state.addRegion());
  body->addArguments({builder.getIndexType(), slotsType(builder.getContext())}, {state.location, state.location});
  ensureTerminator(*state.regions.front(), builder, state.location);
}

ParseResult ServeOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::Argument arguments[2];
  if (parser.parseLParen() || parser.parseArgument(arguments[0]) || parser.parseComma() ||
      parser.parseArgument(arguments[1]) || parser.parseRParen() ||
      parser.parseOptionalAttrDictWithKeyword(result.attributes))
    return failure();
  arguments[0].type = parser.getBuilder().getIndexType();
  arguments[1].type = slotsType(parser.getContext());
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, arguments))
    return failure();
  ensureTerminator(*body, parser.getBuilder(), result.location);
  return success();
}

void ServeOp::print(OpAsmPrinter &p) {
  p << " (" << getPlace() << ", " << getSlots() << ")";
  p.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  p << ' ';
  p.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/false);
}

LogicalResult ServeOp::verify() {
  if (getBody().getNumArguments() != 2 || !getPlace().getType().isIndex() ||
      getSlots().getType() != slotsType(getContext()))
    return emitOpError("region takes an index, the place of a line, and a memref<?xi32>, the slots");
  return success();
}

LogicalResult CompleteOp::verify() {
  // (complete_c1)
  if (!(*this)->getParentOfType<ServeOp>())
    return emitOpError("ends a line of a ring, but is not in an mk.serve");
  return success();
}

//===----------------------------------------------------------------------===//
// TaskOp
//===----------------------------------------------------------------------===//

LogicalResult TaskOp::verifyRegions() {
  // (task_c1)
  if (getNumResults() == 0)
    return emitOpError("has no result, but answers at least one slot");
  // (task_c2)
  WalkResult walk = getBody().walk([&](Operation *op) {
    std::optional<uint32_t> issue;
    if (auto fault = dyn_cast<FaultOp>(op))
      issue = fault.getIssue();
    else if (auto raise = dyn_cast<RaiseOp>(op))
      issue = raise.getIssue();
    if (!issue || *issue < getNumResults())
      return WalkResult::advance();
    op->emitOpError() << "names issue " << *issue << ", but the task answers " << getNumResults() << " slots";
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

//===----------------------------------------------------------------------===//
// ViewOp
//===----------------------------------------------------------------------===//

/// (view_c1)
LogicalResult ViewOp::verify() {
  MemRefType type = cast<MemRefType>(getView().getType());
  bool identity = type.getLayout().isIdentity();
  if (!type.isDynamicDim(0) || (!identity && !isViewType(type)))
    return emitOpError() << "makes " << type << ", but a view is memref<?xT> or memref<?xT, strided<[1], offset: ?>>";
  if (identity && getOffset())
    return emitOpError() << "has an offset, but " << type << " starts at the address";
  return success();
}

#define GET_OP_CLASSES
#include "mk/Dialect/MkOps.cpp.inc"
