//===- Results.cpp - Results for people -----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Engine.h"
#include <cstdio>

namespace mk {

const char *stringifyTier(Tier tier) {
  switch (tier) {
  case Tier::Interpreter:
    return "interpreter";
  case Tier::Opcode:
    return "opcode";
  case Tier::Window:
    return "window";
  }
  return "unknown";
}

const char *stringifyPromotionState(PromotionState state) {
  switch (state) {
  case PromotionState::Queued:
    return "queued";
  case PromotionState::Compiling:
    return "compiling";
  case PromotionState::Live:
    return "live";
  case PromotionState::Failed:
    return "failed";
  }
  return "unknown";
}

namespace {
struct FaultText {
  const char *name;
  /// What stands before the detail.
  const char *lead;
};
} // namespace

static FaultText faultText(uint32_t code) {
  switch (abi::FaultCode(code)) {
  case abi::FaultCode::UnknownOpcode:
    return {"unknown_opcode", "for opcode"};
  case abi::FaultCode::TenantRange:
    return {"tenant_range", "for tenant"};
  case abi::FaultCode::TenantRight:
    return {"tenant_right", "on buffer"};
  case abi::FaultCode::BufferHandle:
    return {"buffer_handle", "for handle"};
  case abi::FaultCode::BufferBounds:
    return {"buffer_bounds", "at index"};
  case abi::FaultCode::BufferAccess:
    return {"buffer_access", "on buffer"};
  case abi::FaultCode::Fuel:
    return {"fuel", "after iteration"};
  case abi::FaultCode::Division:
    return {"division", "by"};
  case abi::FaultCode::Shift:
    return {"shift", "by"};
  case abi::FaultCode::LoopStep:
    return {"loop_step", "of"};
  case abi::FaultCode::Conversion:
    return {"conversion", "with detail"};
  case abi::FaultCode::User:
    break;
  }
  return {"unknown_fault", "with detail"};
}

std::string describeFault(const SlotFault &fault) {
  if (fault.code & uint32_t(abi::FaultCode::User)) {
    std::string text = "user fault " + std::to_string(fault.code & ~uint32_t(abi::FaultCode::User));
    return fault.detail ? text + " with detail " + std::to_string(fault.detail) : text;
  }
  FaultText text = faultText(fault.code);
  char code[16];
  snprintf(code, sizeof code, "0x%02x", fault.code);
  return std::string(text.name) + " (" + code + ") " + text.lead + " " + std::to_string(fault.detail);
}

} // namespace mk
