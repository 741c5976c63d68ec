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
  case PromotionState::Checking:
    return "checking";
  case PromotionState::Trial:
    return "trial";
  case PromotionState::Live:
    return "live";
  case PromotionState::Failed:
    return "failed";
  case PromotionState::Dropped:
    return "dropped";
  case PromotionState::Withdrawn:
    return "withdrawn";
  case PromotionState::Demoted:
    return "demoted";
  case PromotionState::Mismatched:
    return "mismatched";
  case PromotionState::Interpreted:
    return "interpreted";
  }
  return "unknown";
}

namespace {
struct FaultText {
  const char *name;
  /// What stands before the detail; null when there is none.
  const char *lead;
};
} // namespace

static FaultText faultText(uint32_t code) {
  switch (abi::FaultCode(code)) {
  case abi::FaultCode::UnknownOpcode:
    return {"unknown_opcode", "for opcode"};
  case abi::FaultCode::OpcodeNotBound:
    return {"opcode_not_bound", "for opcode"};
  case abi::FaultCode::ControlIndex:
    return {"control_index", "at index"};
  case abi::FaultCode::ControlProtected:
    return {"control_protected", "at index"};
  case abi::FaultCode::ObservableIndex:
    return {"observable_index", "at index"};
  case abi::FaultCode::RangeOverflow:
    return {"range_overflow", "at index"};
  case abi::FaultCode::MemcpyOverlap:
    return {"memcpy_overlap", "for count"};
  case abi::FaultCode::DfaState:
    return {"dfa_state", "for state"};
  case abi::FaultCode::DfaSymbol:
    return {"dfa_symbol", "for symbol"};
  case abi::FaultCode::DfaTable:
    return {"dfa_table", "for handle"};
  case abi::FaultCode::PackedCount:
    return {"packed_count", "for count"};
  case abi::FaultCode::PackedMetadata:
    return {"packed_metadata", "for count"};
  case abi::FaultCode::PackedArgRange:
    return {"packed_arg_range", "in operation"};
  case abi::FaultCode::PackedOpcode:
    return {"packed_opcode", "in operation"};
  case abi::FaultCode::TenantRange:
    return {"tenant_range", "for tenant"};
  case abi::FaultCode::TenantRight:
    return {"tenant_right", "on buffer or right"};
  case abi::FaultCode::IoError:
    return {"io_error", nullptr};
  case abi::FaultCode::IoHandle:
    return {"io_handle", "for resource"};
  case abi::FaultCode::FenceRange:
    return {"fence_range", "for count"};
  case abi::FaultCode::TaskState:
    return {"task_state", "with flags"};
  case abi::FaultCode::ContinuationPc:
    return {"continuation_pc", "at entry"};
  case abi::FaultCode::CounterOverflow:
    return {"counter_overflow", "at"};
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
  std::string what = std::string(text.name) + " (" + code + ")";
  return text.lead ? what + " " + text.lead + " " + std::to_string(fault.detail) : what;
}

} // namespace mk
