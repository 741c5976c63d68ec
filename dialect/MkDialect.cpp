//===- MkDialect.cpp - Registration of the mk dialect ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Dialect/Mk.h"
#include "mk/Runtime/Abi.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mk;

#include "mk/Dialect/MkDialect.cpp.inc"
#include "mk/Dialect/MkEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "mk/Dialect/MkAttrs.cpp.inc"

// The dialect writes fault codes into generated code; the runtime reads them.
static constexpr bool same(FaultKind kind, abi::FaultCode code) {
  return static_cast<uint32_t>(kind) == static_cast<uint32_t>(code);
}
static_assert(same(FaultKind::UnknownOpcode, abi::FaultCode::UnknownOpcode) &&
              same(FaultKind::OpcodeNotBound, abi::FaultCode::OpcodeNotBound) &&
              same(FaultKind::ControlIndex, abi::FaultCode::ControlIndex) &&
              same(FaultKind::ControlProtected, abi::FaultCode::ControlProtected) &&
              same(FaultKind::ObservableIndex, abi::FaultCode::ObservableIndex) &&
              same(FaultKind::RangeOverflow, abi::FaultCode::RangeOverflow) &&
              same(FaultKind::MemcpyOverlap, abi::FaultCode::MemcpyOverlap) &&
              same(FaultKind::DfaState, abi::FaultCode::DfaState) &&
              same(FaultKind::DfaSymbol, abi::FaultCode::DfaSymbol) &&
              same(FaultKind::DfaTable, abi::FaultCode::DfaTable) &&
              same(FaultKind::PackedCount, abi::FaultCode::PackedCount) &&
              same(FaultKind::PackedMetadata, abi::FaultCode::PackedMetadata) &&
              same(FaultKind::PackedArgRange, abi::FaultCode::PackedArgRange) &&
              same(FaultKind::PackedOpcode, abi::FaultCode::PackedOpcode) &&
              same(FaultKind::TenantRange, abi::FaultCode::TenantRange) &&
              same(FaultKind::TenantRight, abi::FaultCode::TenantRight) &&
              same(FaultKind::FenceRange, abi::FaultCode::FenceRange) &&
              same(FaultKind::BufferHandle, abi::FaultCode::BufferHandle) &&
              same(FaultKind::BufferBounds, abi::FaultCode::BufferBounds) &&
              same(FaultKind::BufferAccess, abi::FaultCode::BufferAccess) &&
              same(FaultKind::Fuel, abi::FaultCode::Fuel) && same(FaultKind::Division, abi::FaultCode::Division) &&
              same(FaultKind::Shift, abi::FaultCode::Shift) && same(FaultKind::LoopStep, abi::FaultCode::LoopStep) &&
              same(FaultKind::Conversion, abi::FaultCode::Conversion));
static_assert(uint32_t(SuspensionKind::Wait) == uint32_t(abi::Suspension::Wait) &&
              uint32_t(SuspensionKind::Yield) == uint32_t(abi::Suspension::Yield) &&
              uint32_t(SuspensionKind::Requeue) == uint32_t(abi::Suspension::Requeue));
static_assert(uint32_t(MemoryKind::Control) == abi::ControlBuffer && uint32_t(MemoryKind::Debug) == abi::DebugBuffer);

void MkDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "mk/Dialect/MkOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "mk/Dialect/MkAttrs.cpp.inc"
      >();
}
