//===- Promote.cpp - mk-promote ---------------------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The decision of the engine, taken from a file: the same policy, asked with the counts of a whole run instead of those
// of the last second.
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Passes/Passes.h"
#include "mk/Runtime/Abi.h"
#include "mk/Runtime/Policy/LaunchPolicy.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <map>

namespace mk {
#define GEN_PASS_DEF_MKPROMOTEPASS
#include "mk/Passes/Passes.h.inc"
} // namespace mk

using namespace mlir;
using namespace mk;
namespace json = llvm::json;

//===----------------------------------------------------------------------===//
// Profiles in files
//===----------------------------------------------------------------------===//

namespace {
struct ProfileFile {
  int64_t version = 0;
  uint64_t milliseconds = 0, slots = 0, longestQueue = 0;
  std::map<std::string, uint64_t> opcodes, windows;
};
} // namespace

static bool fromJSON(const json::Value &value, ProfileFile &file, json::Path path) {
  json::ObjectMapper object(value, path);
  return object && object.map("version", file.version) && object.map("milliseconds", file.milliseconds) &&
         object.map("slots", file.slots) && object.map("longest_queue", file.longestQueue) &&
         object.map("opcodes", file.opcodes) && object.map("windows", file.windows);
}

/// Reads a file that mk-run wrote.
static FailureOr<ProfileAttr> readProfile(StringRef path, Location loc) {
  auto fail = [&] { return emitError(loc) << "profile " << path << ": "; };
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return fail() << "cannot be read: " << buffer.getError().message();
  llvm::Expected<json::Value> value = json::parse((*buffer)->getBuffer());
  if (!value)
    return fail() << "is not JSON: " << llvm::toString(value.takeError());
  ProfileFile file;
  json::Path::Root root("profile");
  if (!fromJSON(*value, file, root))
    return fail() << llvm::toString(root.getError());
  if (file.version != 1)
    return fail() << "has version " << file.version << ", but 1 is the one that is known";
  if (file.opcodes.contains("") || file.windows.contains(""))
    return fail() << "counts something without a name";
  Builder b(loc.getContext());
  auto counts = [&](const std::map<std::string, uint64_t> &from) {
    NamedAttrList list;
    for (const auto &[name, count] : from)
      list.append(name, b.getI64IntegerAttr(int64_t(count)));
    return list.getDictionary(loc.getContext());
  };
  return ProfileAttr::getChecked(fail, loc.getContext(), file.milliseconds, file.slots, file.longestQueue,
                                 counts(file.opcodes), counts(file.windows));
}

//===----------------------------------------------------------------------===//
// Signatures of windows
//===----------------------------------------------------------------------===//

/// The signature of a window that has its issues, as WindowSignature::str() prints it.
static std::string signatureOf(WindowOp window) {
  SmallVector<unsigned> arguments;
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::ListSeparator space(" ");
  for (IssueOp issue : window.getBody().getOps<IssueOp>()) {
    os << space << issue.getCallee() << '(';
    llvm::interleave(
        issue.getOperands(), os,
        [&](Value operand) {
          unsigned argument = cast<BlockArgument>(operand).getArgNumber();
          if (!llvm::is_contained(arguments, argument))
            arguments.push_back(argument);
          os << llvm::find(arguments, argument) - arguments.begin();
        },
        ",");
    os << ')';
  }
  llvm::ListSeparator bar(" "), transientBar(" ");
  auto group = [&](unsigned place) {
    std::optional<ArrayRef<int32_t>> extents = window.getExtents();
    return extents ? (*extents)[arguments[place]] : -1;
  };
  bool isFirst = true;
  for (unsigned i = 0; i < arguments.size(); ++i) {
    auto same = [&](unsigned j) { return group(i) >= 0 && group(j) == group(i); };
    if (llvm::any_of(llvm::seq(0u, i), same) || llvm::none_of(llvm::seq<unsigned>(i + 1, arguments.size()), same))
      continue;
    os << (std::exchange(isFirst, false) ? " | " : " ") << i;
    for (unsigned j = i + 1; j < arguments.size(); ++j)
      if (same(j))
        os << '=' << j;
  }
  isFirst = true;
  for (unsigned i = 0; i < arguments.size(); ++i)
    if (window.getArgAttr(arguments[i], "mk.transient"))
      os << (std::exchange(isFirst, false) ? " | transient " : " ") << i;
  return text;
}

/// What to do about a built-in opcode that is missing.
static StringRef preludeHint(StringRef opcode) {
  return opcode.starts_with("mk.") ? "; run mk-link-prelude before" : "";
}

/// The window that 'signature' describes, named 'name', or the reason why there is none.
static llvm::Expected<OwningOpRef<WindowOp>> makeWindow(StringRef signature, StringRef name, Location loc,
                                                        SymbolTable &symbols) {
  auto fail = [](const Twine &why) { return llvm::createStringError(why); };
  SmallVector<StringRef> parts;
  signature.split(parts, " | ");
  SmallVector<Type> types;
  struct Issue {
    OpcodeOp opcode;
    SmallVector<unsigned> operands;
  };
  SmallVector<Issue> issues;
  for (StringRef rest = parts[0]; !rest.empty();) {
    StringRef text;
    std::tie(text, rest) = rest.split(' ');
    auto [callee, list] = text.split('(');
    auto opcode = symbols.lookup<OpcodeOp>(callee);
    if (!opcode)
      return fail("the ISA has no opcode '" + callee + "'" + preludeHint(callee));
    if (!list.consume_back(")"))
      return fail("found '" + text + "', expected NAME(ARGUMENT,...)");
    Issue &issue = issues.emplace_back(Issue{opcode, {}});
    SmallVector<StringRef> numbers;
    list.split(numbers, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
    if (numbers.size() != opcode.getNumArguments())
      return fail("found '" + text + "', but '" + callee + "' takes " + Twine(opcode.getNumArguments()) + " arguments");
    for (auto [number, type] : llvm::zip_equal(numbers, opcode.getArgumentTypes())) {
      unsigned argument;
      if (number.getAsInteger(10, argument) || argument > types.size())
        return fail("found '" + text + "', but arguments are numbers from 0 on in the order of their first use");
      if (argument == types.size())
        types.push_back(type);
      if (types[argument] != type)
        return fail("argument " + Twine(argument) + " is used with two types");
      issue.operands.push_back(argument);
    }
  }

  if (issues.empty() || issues.size() > abi::MaxWindowLength)
    return fail("it has " + Twine(issues.size()) + " issues, but a window has 1 to " + Twine(abi::MaxWindowLength));

  SmallVector<int32_t> groups(types.size(), -1);
  SmallVector<unsigned> transients;
  auto parseMemRef = [&](StringRef text, unsigned &argument) {
    return !text.getAsInteger(10, argument) && argument < types.size() && isa<MemRefType>(types[argument]);
  };
  int32_t next = 0;
  for (StringRef part : ArrayRef<StringRef>(parts).drop_front()) {
    bool isTransient = part.consume_front("transient ");
    SmallVector<StringRef> words;
    part.split(words, ' ');
    for (StringRef word : words) {
      SmallVector<StringRef> members;
      word.split(members, '=');
      for (StringRef member : members) {
        unsigned argument;
        if (!parseMemRef(member, argument) || (isTransient && members.size() != 1))
          return fail("found '" + word + "', expected " +
                      (isTransient ? "the number of a memref argument" : "numbers of memref arguments joined by '='"));
        if (isTransient)
          transients.push_back(argument);
        else
          groups[argument] = next;
      }
      ++next;
    }
  }

  OpBuilder b(loc.getContext());
  OwningOpRef<WindowOp> window =
      WindowOp::create(b, loc, b.getStringAttr(name), TypeAttr::get(b.getFunctionType(types, {})),
                       next != 0 ? b.getDenseI32ArrayAttr(groups) : DenseI32ArrayAttr(), IntegerAttr(), ScopeKindAttr(),
                       ArrayAttr(), ArrayAttr());
  Block *body = b.createBlock(&window->getBody(), {}, types, SmallVector<Location>(types.size(), loc));
  for (Issue &issue : issues) {
    auto operands = llvm::map_to_vector(issue.operands, [&](unsigned i) -> Value { return body->getArgument(i); });
    IssueOp::create(b, loc, issue.opcode.getSymName(), operands);
  }
  ReturnOp::create(b, loc);
  for (unsigned argument : transients)
    window->setArgAttr(argument, "mk.transient", b.getUnitAttr());
  return window;
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
/// What may be promoted.
struct Candidate {
  FunctionOpInterface op;
  /// The name of an opcode, or the signature of a window.
  std::string what;
  uint64_t count = 0;
  PromotionRule rule = PromotionRule::HotOpcode;
  uint64_t threshold = 0;
  /// The window is not in the module yet.
  bool isNew = false;
};

struct MkPromotePass : mk::impl::MkPromotePassBase<MkPromotePass> {
  using MkPromotePassBase::MkPromotePassBase;

  void runOnOperation() override {
    if (failed(promote()))
      signalPassFailure();
  }
  LogicalResult promote();
};
} // namespace

static uint32_t saturate(uint64_t count) { return uint32_t(std::min<uint64_t>(count, UINT32_MAX)); }

static remark::RemarkOpts remarkOf(StringRef name, Candidate &candidate) {
  return remark::RemarkOpts::name(name).category("mk-promote").function(candidate.op.getName());
}

LogicalResult MkPromotePass::promote() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  Builder b(&getContext());
  if (!profile.empty()) {
    FailureOr<ProfileAttr> read = readProfile(profile, module.getLoc());
    if (failed(read))
      return failure();
    module->setAttr("mk.profile", *read);
  }
  auto profileAttr = module->getAttrOfType<ProfileAttr>("mk.profile");
  if (!profileAttr)
    return module.emitError("there is no profile; use the option profile=FILE, or give the module mk.profile");

  SmallVector<Candidate> opcodes, windows;
  SmallVector<OwningOpRef<WindowOp>> created;
  for (NamedAttribute entry : profileAttr.getOpcodes()) {
    auto op = symbols.lookup<OpcodeOp>(entry.getName());
    if (!op)
      return module.emitError() << "the profile counts opcode '" << entry.getName().getValue()
                                << "', which the ISA does not have" << preludeHint(entry.getName());
    opcodes.push_back({op, op.getSymName().str(), uint64_t(cast<IntegerAttr>(entry.getValue()).getInt())});
  }
  std::map<std::string, WindowOp> present;
  for (WindowOp window : module.getOps<WindowOp>())
    if (!window.getFused())
      present.insert({signatureOf(window), window});
  for (NamedAttribute entry : profileAttr.getWindows()) {
    llvm::Expected<OwningOpRef<WindowOp>> made = makeWindow(entry.getName(), "hot", module.getLoc(), symbols);
    if (!made)
      return module.emitError() << "the profile counts window '" << entry.getName().getValue()
                                << "': " << llvm::toString(made.takeError());
    auto known = present.find(signatureOf(**made));
    Candidate candidate{known == present.end() ? **made : known->second, entry.getName().str(),
                        uint64_t(cast<IntegerAttr>(entry.getValue()).getInt()), PromotionRule::HotWindow};
    candidate.isNew = known == present.end();
    if (candidate.isNew)
      created.push_back(std::move(*made));
    windows.push_back(std::move(candidate));
  }

  LaunchPolicy policy;
  policy.hotOpcodeThreshold = hotOpcodeThreshold;
  policy.hotWindowThreshold = hotWindowThreshold;
  policy.jitQueueLenThreshold = jitQueueLenThreshold;
  // The device does not matter for what is asked here, nor does the room for hits.
  LaunchRequest request = LaunchRequest::direct(saturate(profileAttr.getLongestQueue()), 1, 1);
  request.requestedHitCapacity = 1;
  for (const Candidate &candidate : opcodes)
    request.hotOpcodeCount = std::max(request.hotOpcodeCount, saturate(candidate.count));
  for (const Candidate &candidate : windows)
    request.hotWindowCount = std::max(request.hotWindowCount, saturate(candidate.count));
  LaunchExpected<LaunchRecommendation> answer = policy.recommend(request);
  if (!answer)
    return module.emitError() << "the launch policy refuses the profile: " << answer.error().message();

  SmallVector<Candidate *> promoted;
  auto refuse = [](Candidate &candidate, const Twine &why) {
    remark::missed(candidate.op.getLoc(), remarkOf("NotPromoted", candidate))
        << remark::metric("What", candidate.what) << remark::reason("{0}", why.str());
  };
  auto consider = [&](Candidate &candidate, uint32_t threshold) {
    candidate.threshold = threshold;
    bool isPossible = isPromotable(candidate.op);
    candidate.op.walk([&](IssueOp issue) { isPossible &= isPromotable(symbols.lookup<OpcodeOp>(issue.getCallee())); });
    if (!isPossible)
      refuse(candidate, "it needs what only an interpreter can give");
    else if (candidate.count < std::max(threshold, 1u))
      refuse(candidate, "count " + Twine(candidate.count) + " is below " + Twine(threshold));
    else
      promoted.push_back(&candidate);
  };
  // What the engine does (docs/LaunchPolicy.md): a flag is for all that reach the threshold themselves, and a queue
  // that is long without a flag for the most frequent opcode.
  bool onlyQueue =
      answer->executionMode == ExecutionMode::Jit && !answer->promoteHotOpcodes && !answer->promoteHotWindows;
  if (onlyQueue) {
    auto isBetter = [](const Candidate &a, const Candidate &b) { return a.count < b.count; };
    auto best = llvm::max_element(opcodes, isBetter);
    for (Candidate &candidate : opcodes) {
      candidate.rule = PromotionRule::Queue;
      if (&candidate == best)
        consider(candidate, 0);
      else
        refuse(candidate, "a long queue promotes the most frequent opcode alone");
      candidate.threshold = jitQueueLenThreshold;
    }
  } else {
    for (Candidate &candidate : opcodes)
      consider(candidate, hotOpcodeThreshold);
  }
  for (Candidate &candidate : windows)
    consider(candidate, hotWindowThreshold);

  llvm::sort(promoted, [](const Candidate *a, const Candidate *b) {
    return std::tie(b->count, a->what) < std::tie(a->count, b->what);
  });
  module.walk([](Operation *op) { op->removeDiscardableAttr("mk.promotion"); });
  for (auto [rank, candidate] : llvm::enumerate(promoted)) {
    if (candidate->isNew) {
      auto made = llvm::find_if(created, [&](OwningOpRef<WindowOp> &window) {
        return window && window.get() == candidate->op.getOperation();
      });
      symbols.insert(made->release());
    }
    candidate->op->setAttr("mk.promotion", PromotionAttr::get(&getContext(), candidate->rule, candidate->count,
                                                              candidate->threshold, rank));
    remark::passed(candidate->op.getLoc(), remarkOf("Promoted", *candidate))
        << remark::metric("What", candidate->what)
        << remark::metric("Rule", stringifyPromotionRule(candidate->rule).str())
        << remark::metric("Count", candidate->count) << remark::metric("Threshold", candidate->threshold);
  }
  return success();
}
