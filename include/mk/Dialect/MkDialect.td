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
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
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
def Mk_FaultOpcodeNotBound : I32EnumAttrCase<"OpcodeNotBound", 0x03, "opcode_not_bound">;
def Mk_FaultControlIndex : I32EnumAttrCase<"ControlIndex", 0x10, "control_index">;
def Mk_FaultControlProtected : I32EnumAttrCase<"ControlProtected", 0x11, "control_protected">;
def Mk_FaultObservableIndex : I32EnumAttrCase<"ObservableIndex", 0x12, "observable_index">;
def Mk_FaultRangeOverflow : I32EnumAttrCase<"RangeOverflow", 0x13, "range_overflow">;
def Mk_FaultMemcpyOverlap : I32EnumAttrCase<"MemcpyOverlap", 0x14, "memcpy_overlap">;
def Mk_FaultDfaState : I32EnumAttrCase<"DfaState", 0x20, "dfa_state">;
def Mk_FaultDfaSymbol : I32EnumAttrCase<"DfaSymbol", 0x21, "dfa_symbol">;
def Mk_FaultDfaTable : I32EnumAttrCase<"DfaTable", 0x22, "dfa_table">;
def Mk_FaultPackedCount : I32EnumAttrCase<"PackedCount", 0x30, "packed_count">;
def Mk_FaultPackedMetadata : I32EnumAttrCase<"PackedMetadata", 0x31, "packed_metadata">;
def Mk_FaultPackedArgRange : I32EnumAttrCase<"PackedArgRange", 0x32, "packed_arg_range">;
def Mk_FaultPackedOpcode : I32EnumAttrCase<"PackedOpcode", 0x33, "packed_opcode">;
def Mk_FaultTenantRange : I32EnumAttrCase<"TenantRange", 0x40, "tenant_range">;
def Mk_FaultTenantRight : I32EnumAttrCase<"TenantRight", 0x41, "tenant_right">;
def Mk_FaultFenceRange : I32EnumAttrCase<"FenceRange", 0x60, "fence_range">;
def Mk_FaultBufferHandle : I32EnumAttrCase<"BufferHandle", 0x90, "buffer_handle">;
def Mk_FaultBufferBounds : I32EnumAttrCase<"BufferBounds", 0x91, "buffer_bounds">;
def Mk_FaultBufferAccess : I32EnumAttrCase<"BufferAccess", 0x92, "buffer_access">;
def Mk_FaultFuel : I32EnumAttrCase<"Fuel", 0xA0, "fuel">;
def Mk_FaultDivision : I32EnumAttrCase<"Division", 0xB0, "division">;
def Mk_FaultShift : I32EnumAttrCase<"Shift", 0xB1, "shift">;
def Mk_FaultLoopStep : I32EnumAttrCase<"LoopStep", 0xB2, "loop_step">;
def Mk_FaultConversion : I32EnumAttrCase<"Conversion", 0xB3, "conversion">;
def Mk_FaultKind : I32EnumAttr<"FaultKind", "why a slot faults", [
    Mk_FaultUser, Mk_FaultUnknownOpcode, Mk_FaultOpcodeNotBound, Mk_FaultControlIndex, Mk_FaultControlProtected,
    Mk_FaultObservableIndex, Mk_FaultRangeOverflow, Mk_FaultMemcpyOverlap, Mk_FaultDfaState, Mk_FaultDfaSymbol,
    Mk_FaultDfaTable, Mk_FaultPackedCount, Mk_FaultPackedMetadata, Mk_FaultPackedArgRange, Mk_FaultPackedOpcode,
    Mk_FaultTenantRange, Mk_FaultTenantRight, Mk_FaultFenceRange, Mk_FaultBufferHandle, Mk_FaultBufferBounds,
    Mk_FaultBufferAccess, Mk_FaultFuel, Mk_FaultDivision, Mk_FaultShift, Mk_FaultLoopStep, Mk_FaultConversion]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_FaultKindAttr : EnumAttr<Mk_Dialect, Mk_FaultKind, "fault_kind">;

// Values are the rows of the buffer table that hold them; MkDialect.cpp asserts that.
def Mk_MemoryControl : I32EnumAttrCase<"Control", 1, "control">;
def Mk_MemoryDebug : I32EnumAttrCase<"Debug", 2, "debug">;
def Mk_Memory : I32EnumAttr<"MemoryKind", "memory that belongs to the engine", [Mk_MemoryControl, Mk_MemoryDebug]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_MemoryAttr : EnumAttr<Mk_Dialect, Mk_Memory, "memory_kind">;

def Mk_SlotFieldIndex : I32EnumAttrCase<"Index", 0, "index">;
def Mk_SlotFieldTenant : I32EnumAttrCase<"Tenant", 1, "tenant">;
def Mk_SlotField : I32EnumAttr<"SlotField", "what a slot knows of itself", [Mk_SlotFieldIndex, Mk_SlotFieldTenant]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_SlotFieldAttr : EnumAttr<Mk_Dialect, Mk_SlotField, "slot_field">;

def Mk_SuspensionWait : I32EnumAttrCase<"Wait", 0, "wait">;
def Mk_SuspensionYield : I32EnumAttrCase<"Yield", 1, "yield">;
def Mk_SuspensionRequeue : I32EnumAttrCase<"Requeue", 2, "requeue">;
def Mk_Suspension : I32EnumAttr<"SuspensionKind", "what a slot asks for that suspends itself", [
    Mk_SuspensionWait, Mk_SuspensionYield, Mk_SuspensionRequeue]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}
def Mk_SuspensionAttr : EnumAttr<Mk_Dialect, Mk_Suspension, "suspension_kind">;

#endif // MK_DIALECT_MKDIALECT_TD
