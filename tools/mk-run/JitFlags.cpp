//===- JitFlags.cpp - Options of compilation and promotion -----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "JitFlags.h"
#include "llvm/Support/raw_ostream.h"

using namespace mk;
namespace cl = llvm::cl;

JitFlags::JitFlags(cl::OptionCategory &category)
    : cache(category),
      mode("jit", cl::desc("When compiled code takes over:"), cl::init(JitMode::On), cl::cat(category),
           cl::values(clEnumValN(JitMode::Off, "off", "never: the interpreter answers all"),
                      clEnumValN(JitMode::On, "on", "when the policy calls something hot, it pays, and it is faster"),
                      clEnumValN(JitMode::Always, "always", "whenever the policy calls something hot"))),
      payback("jit-payback", cl::init(PromotionOptions().payback), cl::value_desc("K"),
              cl::desc("What a promotion has to save in a second, in units of what compiling it costs"),
              cl::cat(category)),
      specialize("jit-specialize", cl::init(true), cl::desc("Compile for the values that arguments turn out to have"),
                 cl::cat(category)),
      isolation("jit-isolation", cl::desc("Where code is compiled:"), cl::init(Isolation::Preferred), cl::cat(category),
                cl::values(clEnumValN(Isolation::Required, "required", "in a process of its own, or not at all"),
                           clEnumValN(Isolation::Preferred, "preferred", "in a process of its own if there can be one"),
                           clEnumValN(Isolation::None, "none", "in this process"))),
      verifyEvery("jit-verify-every", cl::init(0), cl::value_desc("N"),
                  cl::desc("Run one in N batches on both tiers, and compare"), cl::cat(category)),
      demoteEvery("jit-demote-every", cl::init(0), cl::value_desc("N"),
                  cl::desc("For tests: demote all that is live every N batches"), cl::cat(category)),
      swapEvery("jit-swap-every", cl::init(0), cl::value_desc("N"),
                cl::desc("For tests: compile all that is live again every N batches, and swap it"), cl::cat(category)),
      reproducers("jit-reproducers", cl::value_desc("DIR"),
                  cl::desc("Where to write what shows a disagreement of the tiers"), cl::cat(category)),
      faults("jit-fail", cl::value_desc("SPEC"),
             cl::desc("For tests: make compilations fail, e.g. kind=segv,phase=codegen,every=3; may be repeated"),
             cl::cat(category)),
      fuzz("jit-fuzz",
           cl::desc(
               "For tests: --jit=always, thresholds divided by 100, no back-off, and every batch is run on both tiers"),
           cl::cat(category)) {}

Expected<void> JitFlags::apply(OpenOptions &options) const {
  PromotionOptions &promotion = options.promotion;
  promotion.mode = mode;
  promotion.payback = payback;
  promotion.specialize = specialize;
  promotion.verifyEvery = verifyEvery;
  promotion.demoteEvery = demoteEvery;
  promotion.swapEvery = swapEvery;
  promotion.reproducers = reproducers;
  if (!(payback >= 0))
    return makeError(ErrorCode::InvalidArgument,
                     "--jit-payback: found " + std::to_string(payback) + ", expected a number that is not negative");
  options.jit.isolation = isolation;
  // A fault hits what is compiled, so what was compiled before is not looked at unless it is asked for.
  options.jit.cache = CodeCache::shared({.directory = faults.empty() || cache.isGiven() ? cache.directory() : ""});
  options.jit.onEvent = [](const CompileEvent &event) {
    if (event.kind == CompileEvent::NotIsolated)
      llvm::errs() << "mk-run: warning: code is compiled in this process, which a compiler that crashes ends: "
                   << event.reason << "\n";
  };
  for (const std::string &text : faults) {
    Expected<FaultInjection> fault = FaultInjection::parse(text);
    if (!fault)
      return makeError(fault.error().code, "--jit-fail: " + fault.error().message);
    options.jit.faults.push_back(std::move(*fault));
  }
  if (!fuzz)
    return {};
  promotion.mode = JitMode::Always;
  promotion.penalties = false;
  promotion.verifyEvery = 1;
  for (uint32_t *threshold :
       {&options.policy.hotOpcodeThreshold, &options.policy.hotWindowThreshold, &options.policy.jitQueueLenThreshold})
    *threshold /= 100;
  return {};
}
