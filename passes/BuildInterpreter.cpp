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
  SlotRunner(KernelBuilder &b, Value ring, Value slot, Value header) : b(b), ring(ring) {
    base = arith::MulIOp::create(b, slot, b.index(abi::SlotWords));
    opcode = vector::ExtractOp::create(b, header, abi::SlotOpcodeWord);
    tenant = vector::ExtractOp::create(b, header, abi::SlotTenantWord);
    number = arith::IndexCastUIOp::create(b, b.getI32Type(), slot);
  }

  void run(ArrayRef<OpcodeOp> opcodes);

private:
  void arm(OpcodeOp op);
  Value argumentVector(unsigned number);
  /// The fault word of one memref argument: of the checks that fail the first counts. Gives base and size of its row.
  Value check(MemRefType type, unsigned access, ArrayRef<Value> words, Value &rowBase, Value &rowBytes);

  KernelBuilder &b;
  Value ring, base, opcode, tenant;
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
  auto compare = [&](CmpIPredicate predicate, Value lhs, Value rhs) -> Value {
    return arith::CmpIOp::create(b, predicate, lhs, rhs);
  };
  auto word = [&](FaultKind kind, Value detail) -> Value {
    return arith::OrIOp::create(b, b.i64(uint64_t(kind) << 32), b.toI64(detail));
  };
  Value handle = words[0];
  Value known = compare(CmpIPredicate::ult, b.toI64(handle), b.param(abi::ParamBufferCount));
  // Row 0 is always there, and invalid.
  Value row = b.toIndex(arith::SelectOp::create(b, known, handle, b.i32(0)));
  rowBase = b.bufferField(row, 0);
  rowBytes = b.bufferField(row, 1);
  Value rights = b.bufferField(row, 2);

  Value result = b.i64(abi::NoFault);
  if (isViewType(type)) {
    Value end = arith::AddIOp::create(b, b.toI64(words[1]), b.toI64(words[2]));
    Value endBytes = arith::ShLIOp::create(b, end, b.i64(llvm::Log2_32(elementBytes(type.getElementType()))));
    Value bad = compare(CmpIPredicate::ugt, endBytes, rowBytes);
    Value detail = arith::TruncIOp::create(b, b.getI32Type(), end);
    result = arith::SelectOp::create(b, bad, word(FaultKind::BufferBounds, detail), result);
  }
  if (access != abi::AccessNone) {
    Value need = b.i64(uint64_t(access) << 32);
    Value bad = compare(CmpIPredicate::ne, arith::AndIOp::create(b, rights, need), need);
    result = arith::SelectOp::create(b, bad, word(FaultKind::BufferAccess, handle), result);
  }
  // The tenant was found to be in range.
  Value right = arith::AndIOp::create(b, arith::ShRUIOp::create(b, rights, b.toI64(tenant)), b.i64(1));
  Value foreign = compare(CmpIPredicate::eq, right, b.i64(0));
  result = arith::SelectOp::create(b, foreign, word(FaultKind::TenantRight, handle), result);
  Value missing = compare(CmpIPredicate::eq, rowBase, b.i64(0));
  return arith::SelectOp::create(b, missing, word(FaultKind::BufferHandle, handle), result);
}

/// Decodes the arguments of one opcode and runs its body, or raises the first fault of the decoding.
void SlotRunner::arm(OpcodeOp op) {
  SmallVector<Value> words;
  Value four;
  for (unsigned i = 0, count = wordsOf(op); i < count; ++i) {
    if (i % 4 == 0)
      four = argumentVector(i / 4);
    words.push_back(vector::ExtractOp::create(b, four, static_cast<int64_t>(i % 4)));
  }

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
      fault = fault
                  ? arith::SelectOp::create(
                        b, arith::CmpIOp::create(b, arith::CmpIPredicate::ne, fault, b.i64(abi::NoFault)), fault, word)
                        .getResult()
                  : word;
    }
    arguments.push_back(argument);
  }
  auto runBody = [&] {
    SmallVector<Value> values;
    for (Argument &argument : arguments)
      values.push_back(isa<MemRefType>(argument.type) ? b.decodeMemRef(cast<MemRefType>(argument.type), argument.base,
                                                                       argument.bytes, argument.words)
                                                      : b.decodeScalar(argument.type, argument.words));
    b.inlineBody(op, values, number);
  };
  if (!fault) {
    runBody();
    return;
  }
  Value good = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, fault, b.i64(abi::NoFault));
  auto branch = scf::IfOp::create(b, good, /*withElseRegion=*/true);
  b.setInsertionPointToStart(branch.thenBlock());
  runBody();
  b.setInsertionPointToStart(branch.elseBlock());
  RaiseOp::create(b, fault, IntegerAttr());
  b.setInsertionPointAfter(branch);
}

void SlotRunner::run(ArrayRef<OpcodeOp> opcodes) {
  // What every opcode needs is asked for at once with the header.
  unsigned shared = abi::SlotArgWords;
  for (OpcodeOp op : opcodes)
    shared = std::min(shared, wordsOf(op));
  for (unsigned i = 0; i < llvm::divideCeil(shared, 4); ++i)
    early.push_back(argumentVector(i));

  auto task = TaskOp::create(b, TypeRange{b.getI64Type()});
  b.fill(task.getBody(), [&] {
    Value known = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, tenant, b.i32(abi::MaxTenants));
    auto branch = scf::IfOp::create(b, known, /*withElseRegion=*/true);
    b.setInsertionPointToStart(branch.elseBlock());
    FaultOp::create(b, FaultKind::TenantRange, IntegerAttr(), IntegerAttr(), tenant);

    b.setInsertionPointToStart(branch.thenBlock());
    SmallVector<int64_t> codes = llvm::map_to_vector(opcodes, [](OpcodeOp op) { return int64_t(op.getOpcode()); });
    auto choice = scf::IndexSwitchOp::create(b, TypeRange{}, b.toIndex(opcode), codes, codes.size());
    for (auto [opcode, region] : llvm::zip_equal(opcodes, choice.getCaseRegions())) {
      OpcodeOp op = opcode;
      b.createBlock(&region);
      scf::YieldOp::create(b);
      b.setInsertionPointToStart(&region.front());
      // A mixed window runs its lane opcodes on one thread of the CTA.
      if (b.kernel.getScope() == ScopeKind::Block && op.getScope() == ScopeKind::Lane) {
        auto single = SingleOp::create(b);
        b.fill(single.getBody(), [&] { arm(op); });
      } else {
        arm(op);
      }
    }
    b.createBlock(&choice.getDefaultRegion());
    FaultOp::create(b, FaultKind::UnknownOpcode, IntegerAttr(), IntegerAttr(), opcode);
    scf::YieldOp::create(b);
  });

  auto status = [&](abi::SlotStatus value) {
    memref::StoreOp::create(b, b.i32(uint32_t(value)), ring, b.plus(base, abi::SlotStatusWord));
  };
  auto report = SingleOp::create(b);
  b.fill(report.getBody(), [&] {
    b.reportFault(
        number, task.getResult(0),
        [&](Value code, Value detail) {
          memref::StoreOp::create(b, code, ring, b.plus(base, abi::SlotFaultCodeWord));
          memref::StoreOp::create(b, detail, ring, b.plus(base, abi::SlotFaultDetailWord));
          status(abi::SlotStatus::Fault);
        },
        [&] { status(abi::SlotStatus::Done); });
  });
}

static void buildInterpreter(ModuleOp module, StringRef name, ScopeKind scope, ArrayRef<OpcodeOp> opcodes) {
  KernelBuilder b(module, name, scope, module.getLoc());
  Value ring = b.arrayAt(b.param(abi::ParamInput), b.getI32Type());
  Value order = b.arrayAt(b.param(abi::ParamOrder), b.getI32Type());
  Value ordered = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, b.param(abi::ParamOrder), b.i64(0));
  auto items = DistributeOp::create(b, b.toIndex(b.param(abi::ParamItems)));
  b.setInsertionPointToStart(&items.getBody().front());

  // The slot, or the first slot of the window, that this item names.
  auto named = scf::IfOp::create(b, TypeRange{b.getIndexType()}, ordered, /*withElseRegion=*/true);
  b.setInsertionPointToStart(named.thenBlock());
  scf::YieldOp::create(b, ValueRange{b.toIndex(b.load(order, items.getItem()))});
  b.setInsertionPointToStart(named.elseBlock());
  scf::YieldOp::create(b, ValueRange{items.getItem()});
  b.setInsertionPointAfter(named);
  Value first = named.getResult(0);

  // The owner of a window's first slot runs all of them; whoever meets another slot of it runs none.
  auto headerOf = [&](Value slot) {
    return loadFour(b, ring, arith::MulIOp::create(b, slot, b.index(abi::SlotWords)));
  };
  Value header = headerOf(first);
  Value word = vector::ExtractOp::create(b, header, static_cast<int64_t>(abi::SlotOrderWord));
  Value length = arith::AndIOp::create(b, arith::ShRUIOp::create(b, word, b.i32(abi::OrderLengthShift)),
                                       b.i32(abi::OrderLengthMask));
  length = arith::MaxUIOp::create(b, length, b.i32(1));
  Value continued = arith::CmpIOp::create(b, arith::CmpIPredicate::ne,
                                          arith::AndIOp::create(b, word, b.i32(abi::OrderContinuation)), b.i32(0));
  length = b.toIndex(arith::SelectOp::create(b, continued, b.i32(0), length));

  auto slots = scf::ForOp::create(b, b.index(0), length, b.index(1), ValueRange{header});
  b.setInsertionPointToStart(slots.getBody());
  Value slot = arith::AddIOp::create(b, first, slots.getInductionVar());
  SlotRunner(b, ring, slot, slots.getRegionIterArg(0)).run(opcodes);

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
    if (scope != "all" && scope != "lane" && scope != "block") {
      module.emitError() << "scope is '" << scope << "', but must be lane, block or all";
      return signalPassFailure();
    }
    if (all.empty()) {
      module.emitError("module has no mk.opcode, so there is nothing to interpret");
      return signalPassFailure();
    }
    SmallVector<OpcodeOp> lanes;
    llvm::copy_if(all, std::back_inserter(lanes), [](OpcodeOp op) { return op.getScope() == ScopeKind::Lane; });
    if (!lanes.empty() && scope != "block")
      buildInterpreter(module, "mk_interpreter_lane", ScopeKind::Lane, lanes);
    if (lanes.size() < all.size() && scope != "lane")
      buildInterpreter(module, "mk_interpreter_block", ScopeKind::Block, all);
  }
};
} // namespace
