//===- Specialize.cpp - mk-specialize ---------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A specialisation is a window: it needs no number on the wire, and the facts about its arguments are promises like
// those that windows make anyway. mk-build-kernels is what uses the facts, after mk-guard, so that they cannot change
// which slots fault.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include <numeric>

namespace mk {
#define GEN_PASS_DEF_MKSPECIALIZEPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;

static constexpr StringLiteral requests = "mk.specialize", factsName = "mk.facts";

/// A window of one issue of the opcode, or a copy of the window.
static WindowOp makeWindow(FunctionOpInterface op) {
  if (auto window = dyn_cast<WindowOp>(op.getOperation()))
    return window.clone();
  OpBuilder b(op.getContext());
  auto window = WindowOp::create(b, op.getLoc(), op.getNameAttr(), TypeAttr::get(op.getFunctionType()),
                                 DenseI32ArrayAttr(), IntegerAttr(), ScopeKindAttr(), ArrayAttr(), ArrayAttr());
  window->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  Block *body = b.createBlock(&window.getBody(), {}, op.getArgumentTypes(),
                              SmallVector<Location>(op.getNumArguments(), op.getLoc()));
  IssueOp::create(b, op.getLoc(), op.getName(), body->getArguments());
  ReturnOp::create(b, op.getLoc());
  return window;
}

/// Arguments whose extents are one share what is known of it, and those that have one number of elements are a group.
static LogicalResult shareExtents(WindowOp window, MutableArrayRef<FactsAttr> facts) {
  SmallVector<int32_t> groups(facts.size(), -1);
  if (std::optional<ArrayRef<int32_t>> given = window.getExtents())
    groups.assign(given->begin(), given->end());
  int32_t next = 0;
  for (int32_t group : groups)
    next = std::max(next, group + 1);
  auto join = [&](size_t from, size_t to) {
    if (groups[from] < 0)
      groups[from] = next++;
    if (groups[to] < 0)
      groups[to] = groups[from];
    llvm::replace(groups, groups[to], groups[from]);
  };
  for (size_t i = 0; i < facts.size(); ++i)
    for (size_t j = i + 1; j < facts.size(); ++j)
      if (facts[i].getExtent() != 0 && facts[i].getExtent() == facts[j].getExtent())
        join(i, j);

  for (size_t i = 0; i < facts.size(); ++i) {
    uint64_t extent = facts[i].getExtent(), multiple = facts[i].getMultiple();
    for (size_t j = 0; j < facts.size(); ++j) {
      if (i == j || groups[i] < 0 || groups[i] != groups[j])
        continue;
      uint64_t other = facts[j].getExtent();
      if (extent != 0 && other != 0 && extent != other)
        return window.emitOpError() << "arguments " << i << " and " << j << " have equal extents, but the facts say "
                                    << extent << " and " << other;
      extent = std::max(extent, other);
      // A multiple of both is one of their least common multiple, which is given up where it gets large.
      uint64_t divisor = std::gcd(multiple, facts[j].getMultiple());
      if (multiple / divisor <= UINT32_MAX && facts[j].getMultiple() <= UINT32_MAX)
        multiple = multiple / divisor * facts[j].getMultiple();
    }
    if (extent % multiple != 0)
      return window.emitOpError() << "argument " << i << " has extent " << extent << ", which is no multiple of "
                                  << multiple;
    facts[i] = FactsAttr::get(window.getContext(), facts[i].getConstant(), extent, extent != 0 ? 1 : multiple,
                              facts[i].getAligned());
  }
  if (llvm::any_of(groups, [](int32_t group) { return group >= 0; }))
    window.setExtents(groups);
  return success();
}

/// Adds the specialisation of 'op' behind 'after'.
static LogicalResult specialize(FunctionOpInterface op, ArrayAttr wanted, SymbolTable &symbols, Operation *&after) {
  OwningOpRef<WindowOp> window = makeWindow(op);
  (*window)->removeDiscardableAttr(requests);
  SmallVector<FactsAttr> facts = llvm::to_vector(wanted.getAsRange<FactsAttr>());
  for (unsigned i = 0; i < facts.size(); ++i)
    if (window->getArgAttr(i, factsName))
      return op.emitOpError() << "argument " << i
                              << " has facts already; specialise the code that this one was made from";
  if (failed(shareExtents(*window, facts)))
    return failure();
  for (auto [index, fact] : llvm::enumerate(facts))
    if (!fact.isEmpty())
      window->setArgAttr(index, factsName, fact);
  unsigned number = 0;
  std::string name;
  do
    name = (op.getName() + ".s" + Twine(number++)).str();
  while (symbols.lookup(name));
  window->setSymName(name);
  symbols.insert(*window, std::next(after->getIterator()));
  after = window.release();
  remark::passed(op.getLoc(), remark::RemarkOpts::name("Specialized").category("mk-specialize").function(op.getName()))
      << remark::metric("As", name);
  return success();
}

namespace {
struct MkSpecializePass : mk::impl::MkSpecializePassBase<MkSpecializePass> {
  using MkSpecializePassBase::MkSpecializePassBase;

  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    if (failed(addRequest(symbols)))
      return signalPassFailure();
    for (auto op : llvm::to_vector(getOperation().getOps<FunctionOpInterface>())) {
      auto wanted = op->getAttrOfType<ArrayAttr>(requests);
      if (!wanted)
        continue;
      Operation *after = op;
      for (Attribute facts : wanted)
        if (failed(specialize(op, cast<ArrayAttr>(facts), symbols, after)))
          return signalPassFailure();
      op->removeDiscardableAttr(requests);
    }
  }

  /// Notes on 'symbol' what the options ask for.
  LogicalResult addRequest(SymbolTable &symbols);
};
} // namespace

LogicalResult MkSpecializePass::addRequest(SymbolTable &symbols) {
  auto fail = [&]() { return getOperation().emitError("mk-specialize: "); };
  if (symbol.empty()) {
    if (!facts.empty())
      return fail() << "facts need the option symbol, which names an opcode or a window";
    return success();
  }
  auto op = symbols.lookup<FunctionOpInterface>(symbol);
  if (!op || !isa<OpcodeOp, WindowOp>(op.getOperation()))
    return fail() << "no opcode or window has the name '" << symbol << "'";
  struct Known {
    TypedAttr constant;
    uint64_t extent = 0, multiple = 1, aligned = 1;
  };
  SmallVector<Known> known(op.getNumArguments());
  for (StringRef text : facts) {
    auto [place, value] = text.split('=');
    auto [number, kind] = place.split('.');
    unsigned index;
    if (number.getAsInteger(10, index) || index >= known.size())
      return fail() << "found '" << text << "', expected ARGUMENT.FACT=VALUE with an argument from 0 to "
                    << int(known.size()) - 1;
    Known &fact = known[index];
    uint64_t *count = kind == "extent"     ? &fact.extent
                      : kind == "multiple" ? &fact.multiple
                      : kind == "aligned"  ? &fact.aligned
                                           : nullptr;
    if (count) {
      if (value.getAsInteger(10, *count) || *count == 0)
        return fail() << "found '" << text << "', expected a number of elements of at least 1";
      continue;
    }
    if (kind != "constant")
      return fail() << "found '" << text << "', expected the fact to be constant, extent, multiple or aligned";
    fact.constant = dyn_cast_or_null<TypedAttr>(parseAttribute(value, &getContext(), op.getArgumentTypes()[index]));
    if (!fact.constant)
      return fail() << "found '" << text << "', expected a value of type " << op.getArgumentTypes()[index];
  }
  SmallVector<Attribute> request;
  for (const Known &fact : known) {
    FactsAttr attr =
        FactsAttr::getChecked(fail, &getContext(), fact.constant, fact.extent, fact.multiple, fact.aligned);
    if (!attr || failed(attr.verifyFor(op.getArgumentTypes()[request.size()],
                                       [&] { return op.emitOpError() << "argument " << request.size() << " "; })))
      return failure();
    request.push_back(attr);
  }
  Builder b(&getContext());
  SmallVector<Attribute> all;
  if (auto given = op->getAttrOfType<ArrayAttr>(requests))
    llvm::append_range(all, given);
  all.push_back(b.getArrayAttr(request));
  op->setAttr(requests, b.getArrayAttr(all));
  return success();
}
