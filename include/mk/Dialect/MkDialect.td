//===- MkDialect.td - The mk dialect and its enums ---------*- tablegen -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_DIALECT_MKDIALECT_TD
#define MK_DIALECT_MKDIALECT_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Mk_Dialect : Dialect {
  let name = "mk";
  let cppNamespace = "::mk";
  let summary = "opcodes, windows of opcodes, and the megakernels made from them";
  let description = [{
    An *ISA* is a module that holds `mk.opcode` operations: small bodies in upstream dialects (arith, math, scf, memref,
    vector, index), each with a number and with arguments that are decoded from the twelve argument words of a slot. A
    `mk.window` is a sequence of opcodes that one worker runs in order.

    Passes build `mk.kernel` operations from an ISA: interpreters, which take slots of any opcode, and batch kernels,
    which take many instances of one opcode or of one window. A kernel is target-neutral until `convert-mk-to-gpu` or
    `convert-mk-to-host` lowers it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
  let useDefaultAttributePrinterParser = 1;
}

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

def Mk_ScopeLane : I32EnumAttrCase<"Lane", 0, "lane">;
def Mk_ScopeBlock : I32EnumAttrCase<"Block", 1, "block">;
def Mk_Scope : I32EnumAttr<"ScopeKind", "what runs one slot", [Mk_ScopeLane, Mk_ScopeBlock]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_ScopeAttr : EnumAttr<Mk_Dialect, Mk_Scope, "scope">;

// Values are those of mk::abi::FaultCode (mk/Runtime/Abi.h); MkDialect.cpp asserts that.
def Mk_FaultUser : I32EnumAttrCase<"User", 0, "user">;
def Mk_FaultUnknownOpcode : I32EnumAttrCase<"UnknownOpcode", 0x01, "unknown_opcode">;
def Mk_FaultTenantRange : I32EnumAttrCase<"TenantRange", 0x40, "tenant_range">;
def Mk_FaultTenantRight : I32EnumAttrCase<"TenantRight", 0x41, "tenant_right">;
def Mk_FaultBufferHandle : I32EnumAttrCase<"BufferHandle", 0x90, "buffer_handle">;
def Mk_FaultBufferBounds : I32EnumAttrCase<"BufferBounds", 0x91, "buffer_bounds">;
def Mk_FaultBufferAccess : I32EnumAttrCase<"BufferAccess", 0x92, "buffer_access">;
def Mk_FaultFuel : I32EnumAttrCase<"Fuel", 0xA0, "fuel">;
def Mk_FaultDivision : I32EnumAttrCase<"Division", 0xB0, "division">;
def Mk_FaultShift : I32EnumAttrCase<"Shift", 0xB1, "shift">;
def Mk_FaultLoopStep : I32EnumAttrCase<"LoopStep", 0xB2, "loop_step">;
def Mk_FaultConversion : I32EnumAttrCase<"Conversion", 0xB3, "conversion">;
def Mk_FaultKind : I32EnumAttr<"FaultKind", "why a slot faults",
    [Mk_FaultUser, Mk_FaultUnknownOpcode, Mk_FaultTenantRange, Mk_FaultTenantRight, Mk_FaultBufferHandle,
     Mk_FaultBufferBounds, Mk_FaultBufferAccess, Mk_FaultFuel, Mk_FaultDivision, Mk_FaultShift, Mk_FaultLoopStep, Mk_FaultConversion]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_FaultKindAttr : EnumAttr<Mk_Dialect, Mk_FaultKind, "fault_kind">;

#endif // MK_DIALECT_MKDIALECT_TD
