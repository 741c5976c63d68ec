//===- BuildInterpreter.cpp - mk-build-interpreter --------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelBuilder.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mk {
#define GEN_PASS_DEF_MKBUILDINTERPRETERPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

namespace {

/// The code that runs one slot.
class SlotRunner {
public:
  /// 'resident': the slot lies in the tile of an mk.serve.
  SlotRunner(KernelBuilder &b, Value ring, Value slot, Value header, bool resident)
      : b(b), ring(ring), slot(slot), resident(resident) {
    base = arith::MulIOp::create(b, slot, b.index(abi::SlotWords));
    opcode = vector::ExtractOp::create(b, header, abi::SlotOpcodeWord);
    tenant = vector::ExtractOp::create(b, header, abi::SlotTenantWord);
    number = arith::IndexCastUIOp::create(b, b.getI32Type(), slot);
  }

  void run(ArrayRef<OpcodeOp> opcodes);
  /// The same for a packed slot.
  void runPacked(ArrayRef<OpcodeOp> opcodes);

private:
  using WordsOf = function_ref<SmallVector<Value>(OpcodeOp)>;

  /// The switch over 'code', with the body of each opcode; an unknown one is a fault.
  void dispatch(Value code, ArrayRef<OpcodeOp> opcodes, WordsOf words);
  void arm(OpcodeOp op, ArrayRef<Value> words);
  Value argumentVector(unsigned number);
  /// The fault word of one memref argument: of the checks that fail the first counts. Gives base and size of its row.
  Value check(MemRefType type, unsigned access, ArrayRef<Value> words, Value &rowBase, Value &rowBytes);
  /// Writes the status of the slot, and reports the fault if there is one.
  void finish(Value fault, bool nowait);

  Value binary(auto op, Value lhs, Value rhs) { return decltype(op)::create(b, lhs, rhs); }
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  }
  Value select(Value condition, Value yes, Value no) { return arith::SelectOp::create(b, condition, yes, no); }
  Value faultWord(FaultKind kind, Value detail) {
    return arith::OrIOp::create(b, b.i64(uint64_t(kind) << 32), b.toI64(detail));
  }
  Value isGood(Value fault) { return compare(arith::CmpIPredicate::eq, fault, b.i64(abi::NoFault)); }

  // Of a packed slot. Words and bytes are i32, places are i32.
  Value packedWord(Value place) {
    return b.load(ring, arith::AddIOp::create(b, b.plus(base, abi::SlotArgWord), b.toIndex(place)));
  }
  Value packedByte(Value place);
  /// The opcode of operation 'k', or where its arguments begin.
  Value packedOpcode(Value k) { return packedByte(binary(arith::AddIOp(), twice(k), b.i32(2))); }
  Value packedOffset(Value k) { return packedByte(binary(arith::AddIOp(), twice(k), b.i32(3))); }
  Value twice(Value k) { return binary(arith::AddIOp(), k, k); }
  /// A loop over the operations k = 0 .. count - 1 that carries a value.
  Value overOperations(Value count, Value initial, function_ref<Value(Value k, Value carried)> body);
  /// The fault word of a packed slot that is not well-formed.
  Value validate(ArrayRef<OpcodeOp> opcodes, Value count, Value total, Value metadata);
  SmallVector<Value> packedArguments(OpcodeOp op, Value k, Value count, Value total, Value metadata);

  KernelBuilder &b;
  Value ring, slot, base, opcode, tenant;
  const bool resident;
  /// The slot as an i32.
  Value number;
  /// Argument words, four at a time, that are loaded before the opcode is looked at.
  SmallVector<Value, 3> early;
};

} // namespace

/// Four words of a slot. Slots are 64-byte aligned, so one wide load serves.
static Value loadFour(KernelBuilder &b, Value ring, Value at) {
  auto load = vector::LoadOp::create(b, VectorType::get({4}, b.getI32Type()), ring, ValueRange{at});
  load->setAttr("alignment", b.getI64IntegerAttr(16));
  return load;
}

static unsigned wordsOf(OpcodeOp op) {
  unsigned words = 0;
  for (Type type : op.getArgumentTypes())
    words += argumentWords(type);
  return words;
}

Value SlotRunner::argumentVector(unsigned number) {
  if (number < early.size())
    return early[number];
  return loadFour(b, ring, b.plus(base, abi::SlotArgWord + 4 * number));
}

Value SlotRunner::check(MemRefType type, unsigned access, ArrayRef<Value> words, Value &rowBase, Value &rowBytes) {
  using arith::CmpIPredicate;
  Value handle = words[0];
  Value row = b.tableRow(handle);
  rowBase = b.bufferField(row, 0);
  rowBytes = b.bufferField(row, 1);
  Value rights = b.bufferField(row, 2);

  Value result = b.i64(abi::NoFault);
  if (isViewType(type)) {
    Value end = arith::AddIOp::create(b, b.toI64(words[1]), b.toI64(words[2]));
    Value endBytes = arith::ShLIOp::create(b, end, b.i64(llvm::Log2_32(elementBytes(type.getElementType()))));
    Value bad = compare(CmpIPredicate::ugt, endBytes, rowBytes);
    Value detail = arith::TruncIOp::create(b, b.getI32Type(), end);
    result = select(bad, faultWord(FaultKind::BufferBounds, detail), result);
  }
  if (access != abi::AccessNone) {
    Value need = b.i64(uint64_t(access) << 32);
    Value bad = compare(CmpIPredicate::ne, arith::AndIOp::create(b, rights, need), need);
    result = select(bad, faultWord(FaultKind::BufferAccess, handle), result);
  }
  // The tenant was found to be in range.
  result = select(b.allowsTenant(rights, tenant), result, faultWord(FaultKind::TenantRight, handle));
  Value missing = compare(CmpIPredicate::eq, rowBase, b.i64(0));
  return select(missing, faultWord(FaultKind::BufferHandle, handle), result);
}

/// Decodes the arguments of one opcode and runs its body, or raises the first fault of the decoding.
void SlotRunner::arm(OpcodeOp op, ArrayRef<Value> words) {
  struct Argument {
    Type type;
    ArrayRef<Value> words;
    Value base, bytes;
  };
  SmallVector<Argument> arguments;
  Value fault;
  ArrayRef<Value> rest = words;
  for (auto [index, type] : llvm::enumerate(op.getArgumentTypes())) {
    Argument argument{type, rest.take_front(argumentWords(type)), {}, {}};
    rest = rest.drop_front(argument.words.size());
    if (auto memref = dyn_cast<MemRefType>(type)) {
      Value word = check(memref, requiredAccess(op, index), argument.words, argument.base, argument.bytes);
      fault = fault ? select(isGood(fault), word, fault) : word;
    }
    arguments.push_back(argument);
  }
  auto runBody = [&] {
    SmallVector<Value> values;
    for (Argument &argument : arguments)
      values.push_back(isa<MemRefType>(argument.type) ? b.decodeMemRef(cast<MemRefType>(argument.type), argument.base,
                                                                       argument.bytes, argument.words)
                                                      : b.decodeScalar(argument.type, argument.words));
    b.inlineBody(op, values, {number, tenant});
  };
  if (!fault) {
    runBody();
    return;
  }
  auto branch = scf::IfOp::create(b, isGood(fault), /*withElseRegion=*/true);
  b.setInsertionPointToStart(branch.thenBlock());
  runBody();
  b.setInsertionPointToStart(branch.elseBlock());
  RaiseOp::create(b, fault, IntegerAttr());
  b.setInsertionPointAfter(branch);
}

void SlotRunner::dispatch(Value code, ArrayRef<OpcodeOp> opcodes, WordsOf words) {
  OpBuilder::InsertionGuard guard(b);
  SmallVector<int64_t> codes = llvm::map_to_vector(opcodes, [](OpcodeOp op) { return int64_t(op.getOpcode()); });
  auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, b.toIndex(code), codes, codes.size());
  choice->setDiscardableAttr(armsAttrName, b.getUnitAttr());
  for (auto [opcode, region] : llvm::zip_equal(opcodes, choice.getCaseRegions())) {
    OpcodeOp op = opcode;
    b.createBlock(&region);
    scf::YieldOp::create(b);
    b.setInsertionPointToStart(&region.front());
    // A mixed window runs its lane opcodes on one thread of the CTA.
    if (b.kernel.getScope() == ScopeKind::Block && op.getScope() == ScopeKind::Lane) {
      auto single = SingleOp::create(b, /*nowait=*/false);
      b.fill(single.getBody(), [&] { arm(op, words(op)); });
    } else {
      arm(op, words(op));
    }
  }
  b.createBlock(&choice.getDefaultRegion());
  FaultOp::create(b, FaultKind::UnknownOpcode, IntegerAttr(), IntegerAttr(), code);
  scf::YieldOp::create(b);
}

/// With 'nowait' a barrier has to lie between the last look at the slot and this.
void SlotRunner::finish(Value fault, bool nowait) {
  auto status = [&](abi::SlotStatus value) {
    memref::StoreOp::create(b, b.i32(uint32_t(value)), ring, b.plus(base, abi::SlotStatusWord));
  };
  auto report = SingleOp::create(b, nowait);
  b.fill(report.getBody(), [&] {
    if (resident) {
      CompleteOp::create(b, slot, fault);
      return;
    }
    b.reportFault(
        number, fault,
        [&](Value code, Value detail) {
          memref::StoreOp::create(b, code, ring, b.plus(base, abi::SlotFaultCodeWord));
          memref::StoreOp::create(b, detail, ring, b.plus(base, abi::SlotFaultDetailWord));
          status(abi::SlotStatus::Fault);
        },
        [&] { status(abi::SlotStatus::Done); });
  });
}

void SlotRunner::run(ArrayRef<OpcodeOp> opcodes) {
  // What every opcode of the ISA's own needs is asked for at once with the header.
  unsigned shared = abi::SlotArgWords;
  for (OpcodeOp op : opcodes)
    if (!op.getBuiltin())
      shared = std::min(shared, wordsOf(op));
  for (unsigned i = 0; i < llvm::divideCeil(shared, 4); ++i)
    early.push_back(argumentVector(i));

  auto words = [&](OpcodeOp op) {
    SmallVector<Value> words;
    Value four;
    for (unsigned i = 0, count = wordsOf(op); i < count; ++i) {
      if (i % 4 == 0)
        four = argumentVector(i / 4);
      words.push_back(vector::ExtractOp::create(b, four, static_cast<int64_t>(i % 4)));
    }
    return words;
  };
  auto task = TaskOp::create(b, TypeRange{b.getI64Type()});
  b.fill(task.getBody(), [&] {
    Value known = compare(arith::CmpIPredicate::ule, tenant, b.i32(abi::EngineTenant));
    auto branch = scf::IfOp::create(b, known, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.elseBlock());
    FaultOp::create(b, FaultKind::TenantRange, IntegerAttr(), IntegerAttr(), tenant);
    b.setInsertionPointToStart(branch.thenBlock());
    dispatch(opcode, opcodes, words);
  });
  finish(task.getResult(0), /*nowait=*/true);
}

//===----------------------------------------------------------------------===//
// Packed slots
//===----------------------------------------------------------------------===//

Value SlotRunner::packedByte(Value place) {
  Value word = packedWord(binary(arith::ShRUIOp(), place, b.i32(2)));
  Value bits = binary(arith::ShLIOp(), binary(arith::AndIOp(), place, b.i32(3)), b.i32(3));
  return binary(arith::AndIOp(), binary(arith::ShRUIOp(), word, bits), b.i32(0xFF));
}

Value SlotRunner::overOperations(Value count, Value initial, function_ref<Value(Value, Value)> body) {
  auto loop = scf::ForOp::create(b, b.i32(0), count, b.i32(1), ValueRange{initial});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, body(loop.getInductionVar(), loop.getRegionIterArg(0)));
  return loop.getResult(0);
}

Value SlotRunner::validate(ArrayRef<OpcodeOp> opcodes, Value count, Value total, Value metadata) {
  using arith::CmpIPredicate;
  Value fits = compare(CmpIPredicate::ule, count, b.i32(abi::MaxPackedOps));
  // Where the operations do not fit there are no bytes to look at.
  Value fault = overOperations(select(fits, count, b.i32(0)), b.i64(abi::NoFault), [&](Value k, Value fault) {
    // Words that the opcode needs; more than there can be for one that is not allowed.
    const uint32_t never = 0x100;
    SmallVector<int64_t> codes = llvm::map_to_vector(opcodes, [](OpcodeOp op) { return int64_t(op.getOpcode()); });
    auto need =
        scf::IndexSwitchOp::create(b, TypeRange{b.getI32Type()}, b.toIndex(packedOpcode(k)), codes, codes.size());
    {
      OpBuilder::InsertionGuard guard(b);
      for (auto [op, region] : llvm::zip_equal(opcodes, need.getCaseRegions())) {
        b.createBlock(&region);
        scf::YieldOp::create(b, b.i32(wordsOf(op) - optionalArguments(op)));
      }
      b.createBlock(&need.getDefaultRegion());
      scf::YieldOp::create(b, b.i32(never));
    }
    Value words = need.getResult(0);
    Value end = binary(arith::AddIOp(), packedOffset(k), words);
    Value inside = compare(CmpIPredicate::ule, end, total);
    Value known = compare(CmpIPredicate::ne, words, b.i32(never));
    Value found = select(inside, b.i64(abi::NoFault), faultWord(FaultKind::PackedArgRange, k));
    found = select(known, found, faultWord(FaultKind::PackedOpcode, k));
    return select(isGood(fault), found, fault);
  });
  Value room = binary(arith::SubIOp(), b.i32(abi::SlotArgWords), metadata);
  fault = select(compare(CmpIPredicate::ule, total, room), fault, faultWord(FaultKind::PackedMetadata, total));
  fault = select(fits, fault, faultWord(FaultKind::PackedCount, count));
  Value packed = compare(CmpIPredicate::eq, opcode, b.i32(uint32_t(abi::Builtin::PackedSlot)));
  fault = select(packed, fault, faultWord(FaultKind::UnknownOpcode, opcode));
  Value tenantKnown = compare(CmpIPredicate::ule, tenant, b.i32(abi::EngineTenant));
  return select(tenantKnown, fault, faultWord(FaultKind::TenantRange, tenant));
}

/// Optional arguments that the operation does not have are 0: its words end where the next ones of another operation
/// begin.
SmallVector<Value> SlotRunner::packedArguments(OpcodeOp op, Value k, Value count, Value total, Value metadata) {
  using arith::CmpIPredicate;
  Value offset = packedOffset(k);
  unsigned words = wordsOf(op), optional = optionalArguments(op);
  Value end;
  if (optional)
    end = overOperations(count, total, [&](Value other, Value end) {
      Value begin = packedOffset(other);
      Value between =
          binary(arith::AndIOp(), compare(CmpIPredicate::ugt, begin, offset), compare(CmpIPredicate::ult, begin, end));
      return select(between, begin, end);
    });
  SmallVector<Value> result;
  for (unsigned i = 0; i < words; ++i) {
    Value place = binary(arith::AddIOp(), offset, b.i32(i));
    Value at = binary(arith::AddIOp(), metadata, place);
    if (i < words - optional) {
      result.push_back(packedWord(at));
      continue;
    }
    Value present = compare(CmpIPredicate::ult, place, end);
    result.push_back(select(present, packedWord(select(present, at, b.i32(0))), b.i32(0)));
  }
  return result;
}

void SlotRunner::runPacked(ArrayRef<OpcodeOp> opcodes) {
  Value count = packedByte(b.i32(0)), total = packedByte(b.i32(1));
  // abi::packedMetadataWords
  Value metadata = binary(arith::ShRUIOp(), binary(arith::AddIOp(), twice(count), b.i32(5)), b.i32(2));
  Value malformed = validate(opcodes, count, total, metadata);
  Value good = select(isGood(malformed), count, b.i32(0));
  Value fault = overOperations(good, malformed, [&](Value k, Value fault) -> Value {
    auto next = scf::IfOp::create(b, TypeRange{b.getI64Type()}, isGood(fault), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(next.elseBlock());
    scf::YieldOp::create(b, fault);
    b.setInsertionPointToStart(next.thenBlock());
    auto task = TaskOp::create(b, TypeRange{b.getI64Type()});
    b.fill(task.getBody(), [&] {
      dispatch(packedOpcode(k), opcodes, [&](OpcodeOp op) { return packedArguments(op, k, count, total, metadata); });
    });
    // The code is that of the operation, the detail its place.
    Value word = task.getResult(0);
    Value placed = binary(arith::OrIOp(), binary(arith::AndIOp(), word, b.i64(uint64_t(~0u) << 32)), b.toI64(k));
    scf::YieldOp::create(b, select(isGood(word), word, placed));
    return next.getResult(0);
  });
  // A malformed slot has no task, and so no barrier.
  finish(fault, /*nowait=*/false);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

/// The slot, or the first slot of the window, that a work item names.
static Value namedSlot(KernelBuilder &b, Value order, Value ordered, Value item) {
  auto named = scf::IfOp::create(b, TypeRange{b.getIndexType()}, ordered, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(named.thenBlock());
  scf::YieldOp::create(b, ValueRange{b.toIndex(b.load(order, item))});
  b.setInsertionPointToStart(named.elseBlock());
  scf::YieldOp::create(b, ValueRange{item});
  return named.getResult(0);
}

/// A line in the tile of an mk.serve, as the header of a slot: its meta word (abi::RingMeta) says what the others hold.
static Value headerOfLine(KernelBuilder &b, Value line) {
  Value meta = vector::ExtractOp::create(b, line, static_cast<int64_t>(abi::SlotTenantWord));
  Value tenant = arith::AndIOp::create(b, meta, b.i32(abi::RingTenantMask));
  Value length = arith::AndIOp::create(b, arith::ShRUIOp::create(b, meta, b.i32(abi::RingLengthShift)),
                                       b.i32(abi::OrderLengthMask));
  Value continuation = arith::AndIOp::create(b, meta, b.i32(abi::RingContinuation));
  static_assert(abi::OrderContinuation > abi::RingContinuation && abi::OrderContinuation == 1u << 16 &&
                abi::RingContinuation == 1u << 13);
  Value order = arith::OrIOp::create(b, arith::ShLIOp::create(b, length, b.i32(abi::OrderLengthShift)),
                                     arith::ShLIOp::create(b, continuation, b.i32(16 - 13)));
  Value opcode = vector::ExtractOp::create(b, line, static_cast<int64_t>(abi::SlotOpcodeWord));
  return vector::FromElementsOp::create(b, VectorType::get({4}, b.getI32Type()),
                                        ValueRange{b.i32(0), opcode, tenant, order});
}

/// The fused code of a window, for the one that begins at 'place'. Its arguments are known to hold: whoever published
/// the window has checked them.
static void runRoute(KernelBuilder &b, Value slots, Value place, WindowOp window) {
  Value base = arith::MulIOp::create(b, place, b.index(abi::SlotWords));
  ArrayRef<int32_t> places = window->getAttrOfType<DenseI32ArrayAttr>(routePlacesAttrName).asArrayRef();
  SmallVector<Value> values;
  for (Type type : window.getArgumentTypes()) {
    SmallVector<Value> words;
    for (unsigned word = 0; word < argumentWords(type); ++word)
      words.push_back(b.load(slots, b.plus(base, places[word])));
    places = places.drop_front(words.size());
    if (auto memref = dyn_cast<MemRefType>(type)) {
      Value handle = b.toIndex(words[0]);
      values.push_back(b.decodeMemRef(memref, b.bufferField(handle, 0), b.bufferField(handle, 1), words));
    } else {
      values.push_back(b.decodeScalar(type, words));
    }
  }
  unsigned count = *window.getFused();
  auto task = TaskOp::create(b, SmallVector<Type>(count, b.getI64Type()));
  Value number = arith::IndexCastUIOp::create(b, b.getI32Type(), place);
  b.fill(task.getBody(), [&] { b.inlineBody(window, values, {number, Value()}); });
  auto report = SingleOp::create(b, /*nowait=*/true);
  b.fill(report.getBody(), [&] {
    for (unsigned i = 0; i < count; ++i)
      CompleteOp::create(b, b.plus(place, i), task.getResult(i));
  });
}

static void buildInterpreter(ModuleOp module, StringRef name, ScopeKind scope, ArrayRef<OpcodeOp> opcodes, bool packed,
                             bool resident) {
  KernelBuilder b(module, name, scope, module.getLoc());
  Value ring, first;
  if (resident) {
    auto serve = ServeOp::create(b);
    b.setInsertionPointToStart(&serve.getBody().front());
    ring = serve.getSlots();
    first = serve.getPlace();
  } else {
    ring = b.arrayAt(b.param(abi::ParamInput), b.getI32Type());
    Value order = b.arrayAt(b.param(abi::ParamOrder), b.getI32Type());
    Value ordered = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, b.param(abi::ParamOrder), b.i64(0));
    auto items = DistributeOp::create(b, b.toIndex(b.param(abi::ParamItems)));
    b.setInsertionPointToStart(&items.getBody().front());
    first = namedSlot(b, order, ordered, items.getItem());
  }

  Value line;
  auto headerOf = [&](Value slot) {
    line = loadFour(b, ring, arith::MulIOp::create(b, slot, b.index(abi::SlotWords)));
    return resident ? headerOfLine(b, line) : line;
  };
  Value header = headerOf(first);

  if (resident) {
    // Nobody else ends a line that only fills up a tile.
    Value meta = vector::ExtractOp::create(b, line, static_cast<int64_t>(abi::SlotTenantWord));
    Value fills = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, meta, b.i32(abi::RingPadding));
    auto branch = scf::IfOp::create(b, fills, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    auto single = SingleOp::create(b, /*nowait=*/true);
    b.fill(single.getBody(), [&] { CompleteOp::create(b, first, b.i64(abi::NoFault)); });
  }

  // The owner of a window's first slot runs all of them; whoever meets another slot of it runs none.
  Value word = vector::ExtractOp::create(b, header, static_cast<int64_t>(abi::SlotOrderWord));
  Value continued = arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                          arith::AndIOp::create(b, word, b.i32(abi::OrderContinuation)), b.i32(0));
  if (packed) {
    if (resident) {
      // Lines that fill up a tile are continuations.
      Value owned = arith::XOrIOp::create(b, continued, arith::ConstantOp::create(b, b.getBoolAttr(true)));
      auto branch = scf::IfOp::create(b, owned, /*withElseRegion=*/false);
      b.setInsertionPointToStart(branch.thenBlock());
    }
    return SlotRunner(b, ring, first, header, resident).runPacked(opcodes);
  }
  Value length = arith::AndIOp::create(b, arith::ShRUIOp::create(b, word, b.i32(abi::OrderLengthShift)),
                                       b.i32(abi::OrderLengthMask));
  length = arith::MaxUIOp::create(b, length, b.i32(1));

  SmallVector<WindowOp> routes = llvm::filter_to_vector(module.getOps<WindowOp>(), [&](WindowOp window) {
    return resident && window->hasAttr(routeAttrName) && window.getScope() == scope;
  });
  if (!routes.empty()) {
    Value meta = vector::ExtractOp::create(b, line, static_cast<int64_t>(abi::SlotTenantWord));
    Value route = arith::ShRUIOp::create(b, meta, b.i32(abi::RingRouteShift));
    route = b.toIndex(arith::SelectOp::create(b, continued, b.i32(0), route));
    SmallVector<int64_t> ids = llvm::map_to_vector(
        routes, [](WindowOp window) { return window->getAttrOfType<IntegerAttr>(routeAttrName).getInt(); });
    auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, route, ids, ids.size());
    choice->setDiscardableAttr(armsAttrName, b.getUnitAttr());
    for (auto [window, region] : llvm::zip_equal(routes, choice.getCaseRegions())) {
      b.createBlock(&region);
      scf::YieldOp::create(b);
      b.setInsertionPointToStart(&region.front());
      runRoute(b, ring, first, window);
    }
    b.createBlock(&choice.getDefaultRegion());
    scf::YieldOp::create(b);
    b.setInsertionPointToStart(&choice.getDefaultRegion().front());
  }
  length = b.toIndex(arith::SelectOp::create(b, continued, b.i32(0), length));

  auto slots = scf::ForOp::create(b, b.index(0), length, b.index(1), ValueRange{header});
  b.setInsertionPointToStart(slots.getBody());
  Value slot = arith::AddIOp::create(b, first, slots.getInductionVar());
  SlotRunner(b, ring, slot, slots.getRegionIterArg(0), resident).run(opcodes);

  Value next = b.plus(slots.getInductionVar(), 1);
  Value more = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, next, length);
  auto following = scf::IfOp::create(b, TypeRange{header.getType()}, more, /*withElseRegion=*/true);
  b.setInsertionPointToStart(following.thenBlock());
  scf::YieldOp::create(b, ValueRange{headerOf(b.plus(slot, 1))});
  b.setInsertionPointToStart(following.elseBlock());
  scf::YieldOp::create(b, ValueRange{slots.getRegionIterArg(0)});
  b.setInsertionPointAfter(following);
  scf::YieldOp::create(b, following.getResults());
}

namespace {
struct MkBuildInterpreterPass : mk::impl::MkBuildInterpreterPassBase<MkBuildInterpreterPass> {
  using MkBuildInterpreterPassBase::MkBuildInterpreterPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<OpcodeOp> all = llvm::to_vector(module.getOps<OpcodeOp>());
    // There is no list for hits; whoever publishes refuses such slots.
    if (resident)
      llvm::erase_if(
          all, [](OpcodeOp op) { return op.walk([](EmitOp) { return WalkResult::interrupt(); }).wasInterrupted(); });
    if (!llvm::is_contained({"all", "lane", "block", "packed"}, StringRef(scope))) {
      module.emitError() << "scope is '" << scope << "', but must be lane, block, packed or all";
      return signalPassFailure();
    }
    if (all.empty()) {
      module.emitError("module has no mk.opcode, so there is nothing to interpret");
      return signalPassFailure();
    }
    StringRef prefix = resident ? "mk_resident_" : "mk_interpreter_";
    auto build = [&](StringRef name, ScopeKind scope, ArrayRef<OpcodeOp> opcodes, bool packed = false) {
      buildInterpreter(module, (prefix + name).str(), scope, opcodes, packed, resident);
    };
    auto isLane = [](OpcodeOp op) { return op.getScope() == ScopeKind::Lane; };
    auto wanted = [&](StringRef which) { return scope == "all" || scope == which; };
    SmallVector<OpcodeOp> lanes = llvm::filter_to_vector(all, isLane);
    if (!lanes.empty() && wanted("lane"))
      build("lane", ScopeKind::Lane, lanes);
    if (lanes.size() < all.size() && wanted("block"))
      build("block", ScopeKind::Block, all);
    auto isPacked = [](OpcodeOp op) { return op.getOpcode() == uint32_t(abi::Builtin::PackedSlot); };
    if (llvm::any_of(all, isPacked) && wanted("packed")) {
      SmallVector<OpcodeOp> packable =
          llvm::filter_to_vector(all, [](OpcodeOp op) { return abi::isPackable(op.getOpcode()) && !op.getEntries(); });
      build("packed", llvm::all_of(packable, isLane) ? ScopeKind::Lane : ScopeKind::Block, packable, /*packed=*/true);
    }
  }
};
} // namespace
