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
              same(FaultKind::TenantRange, abi::FaultCode::TenantRange) &&
              same(FaultKind::TenantRight, abi::FaultCode::TenantRight) &&
              same(FaultKind::BufferHandle, abi::FaultCode::BufferHandle) &&
              same(FaultKind::BufferBounds, abi::FaultCode::BufferBounds) &&
              same(FaultKind::BufferAccess, abi::FaultCode::BufferAccess) &&
              same(FaultKind::Fuel, abi::FaultCode::Fuel) && same(FaultKind::Division, abi::FaultCode::Division) &&
              same(FaultKind::Shift, abi::FaultCode::Shift) && same(FaultKind::LoopStep, abi::FaultCode::LoopStep) &&
              same(FaultKind::Conversion, abi::FaultCode::Conversion));

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
