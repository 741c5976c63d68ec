//===- ResultsTest.cpp - Results for people -------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Engine.h"
#include <gtest/gtest.h>

namespace mk::test {

static std::string describe(abi::FaultCode code, uint32_t detail) { return describeFault({0, uint32_t(code), detail}); }

TEST(DescribeFault, EveryCode) {
  EXPECT_EQ(describe(abi::FaultCode::UnknownOpcode, 77), "unknown_opcode (0x01) for opcode 77");
  EXPECT_EQ(describe(abi::FaultCode::TenantRange, 31), "tenant_range (0x40) for tenant 31");
  EXPECT_EQ(describe(abi::FaultCode::TenantRight, 3), "tenant_right (0x41) on buffer or right 3");
  EXPECT_EQ(describe(abi::FaultCode::BufferHandle, 9), "buffer_handle (0x90) for handle 9");
  EXPECT_EQ(describe(abi::FaultCode::BufferBounds, 12), "buffer_bounds (0x91) at index 12");
  EXPECT_EQ(describe(abi::FaultCode::BufferAccess, 3), "buffer_access (0x92) on buffer 3");
  EXPECT_EQ(describe(abi::FaultCode::Fuel, 100), "fuel (0xa0) after iteration 100");
  EXPECT_EQ(describe(abi::FaultCode::Division, 0), "division (0xb0) by 0");
  EXPECT_EQ(describe(abi::FaultCode::Shift, 32), "shift (0xb1) by 32");
  EXPECT_EQ(describe(abi::FaultCode::LoopStep, 0), "loop_step (0xb2) of 0");
  EXPECT_EQ(describe(abi::FaultCode::OpcodeNotBound, 1), "opcode_not_bound (0x03) for opcode 1");
  EXPECT_EQ(describe(abi::FaultCode::ControlIndex, 400), "control_index (0x10) at index 400");
  EXPECT_EQ(describe(abi::FaultCode::ControlProtected, 3), "control_protected (0x11) at index 3");
  EXPECT_EQ(describe(abi::FaultCode::ObservableIndex, 64), "observable_index (0x12) at index 64");
  EXPECT_EQ(describe(abi::FaultCode::RangeOverflow, 224), "range_overflow (0x13) at index 224");
  EXPECT_EQ(describe(abi::FaultCode::MemcpyOverlap, 2), "memcpy_overlap (0x14) for count 2");
  EXPECT_EQ(describe(abi::FaultCode::DfaState, 9), "dfa_state (0x20) for state 9");
  EXPECT_EQ(describe(abi::FaultCode::DfaSymbol, 256), "dfa_symbol (0x21) for symbol 256");
  EXPECT_EQ(describe(abi::FaultCode::DfaTable, 0), "dfa_table (0x22) for handle 0");
  EXPECT_EQ(describe(abi::FaultCode::PackedCount, 24), "packed_count (0x30) for count 24");
  EXPECT_EQ(describe(abi::FaultCode::PackedMetadata, 12), "packed_metadata (0x31) for count 12");
  EXPECT_EQ(describe(abi::FaultCode::PackedArgRange, 1), "packed_arg_range (0x32) in operation 1");
  EXPECT_EQ(describe(abi::FaultCode::PackedOpcode, 2), "packed_opcode (0x33) in operation 2");
  EXPECT_EQ(describe(abi::FaultCode::FenceRange, 5), "fence_range (0x60) for count 5");
  EXPECT_EQ(describe(abi::FaultCode(0x55), 3), "unknown_fault (0x55) with detail 3");
  EXPECT_EQ(describeFault({0, 0x80000007, 0}), "user fault 7");
  EXPECT_EQ(describeFault({0, 0x80000007, 5}), "user fault 7 with detail 5");
}

TEST(Labels, TiersStatesAndErrors) {
  EXPECT_STREQ(stringifyTier(Tier::Interpreter), "interpreter");
  EXPECT_STREQ(stringifyTier(Tier::Opcode), "opcode");
  EXPECT_STREQ(stringifyTier(Tier::Window), "window");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Queued), "queued");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Checking), "checking");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Trial), "trial");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Live), "live");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Failed), "failed");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Dropped), "dropped");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Withdrawn), "withdrawn");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Demoted), "demoted");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Interpreted), "interpreted");
  EXPECT_STREQ(stringifyPromotionState(PromotionState::Mismatched), "mismatched");
  EXPECT_STREQ(stringifyErrorCode(ErrorCode::OutOfMemory), "out_of_memory");
  EXPECT_STREQ(stringifyErrorCode(ErrorCode::Closed), "closed");
  EXPECT_STREQ(stringifyErrorCode(ErrorCode::OpcodeReserved), "opcode_reserved");
  EXPECT_STREQ(stringifyErrorCode(ErrorCode::PackedArity), "packed_arity");
  EXPECT_STREQ(stringifyScope(Scope::Block), "block");
}

} // namespace mk::test
