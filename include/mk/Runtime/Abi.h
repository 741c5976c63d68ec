//===- Abi.h - Contract between generated code and the runtime ---*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Everything that compiled kernels and the runtime must agree on: slots, the buffer table, launch parameters, fault
// records and codes. Passes take offsets from here; the runtime compares Version before it loads code. All words are
// little-endian. The wire format is docs/Runtime-ABI.md.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ABI_H
#define MK_RUNTIME_ABI_H

#include <cstddef>
#include <cstdint>

namespace mk::abi {

/// Version of everything in this file. It is raised by every change that old code would misread.
inline constexpr uint32_t Version = 0x4D4B0003;

//===----------------------------------------------------------------------===//
// Slots
//===----------------------------------------------------------------------===//

/// Argument words of a slot.
inline constexpr uint32_t SlotArgWords = 12;
/// Words of a slot, 32 bits each.
inline constexpr uint32_t SlotWords = 16;

/// The state of a slot, word 0.
enum class SlotStatus : uint32_t { Empty = 0, Published = 1, Claimed = 2, Done = 3, Fault = 7 };

/// One task on the wire: 64 bytes.
struct Slot {
  /// A SlotStatus.
  uint32_t status;
  /// Opcode number.
  uint32_t opcode;
  /// Tenant id, 0 to 28.
  uint32_t tenant;
  /// Priority in bits 0-7, window length in bits 8-15 (of a window's first slot; 0 or 1 elsewhere), and bit 16 set on
  /// the other slots of a window.
  uint32_t order;
  /// Arguments. After a fault word 4 holds the fault code and word 5 its detail (wire words 8 and 9).
  uint32_t args[SlotArgWords];
};
static_assert(sizeof(Slot) == 64 && alignof(Slot) == 4);
static_assert(offsetof(Slot, args) == 16);

/// Word indexes inside a slot.
enum SlotWord : uint32_t {
  SlotStatusWord = 0,
  SlotOpcodeWord = 1,
  SlotTenantWord = 2,
  SlotOrderWord = 3,
  SlotArgWord = 4,
  SlotFaultCodeWord = 8,
  SlotFaultDetailWord = 9,
};

/// Fields of Slot::order.
inline constexpr uint32_t OrderPriorityMask = 0xFF;
inline constexpr uint32_t OrderLengthShift = 8;
inline constexpr uint32_t OrderLengthMask = 0xFF;
inline constexpr uint32_t OrderContinuation = 1u << 16;
/// The longest window, in slots.
inline constexpr uint32_t MaxWindowLength = 255;

/// Priorities: 0 critical, 1 high, 2 normal, 3 low, 4 idle.
inline constexpr uint32_t PriorityNormal = 2;
inline constexpr uint32_t PriorityLevels = 5;

/// Tenant ids run from 0 to MaxTenants - 1.
inline constexpr uint32_t MaxTenants = 29;

//===----------------------------------------------------------------------===//
// Opcode numbers
//===----------------------------------------------------------------------===//

/// True for numbers that belong to the system: built-ins and everything reserved for them.
inline constexpr bool isSystemOpcode(uint32_t code) {
  return (code & 0x80000000u) || (code >= 0xFFF0 && code <= 0xFFFF) || code <= 7;
}

/// The built-in opcodes (the prelude). LoadMiss is reserved: nothing serves it yet.
enum class Builtin : uint32_t {
  Nop = 0,
  StoreU32 = 1,
  AtomicAdd = 2,
  LoadU32 = 3,
  CompareSwap = 4,
  Memcpy = 5,
  DfaStep = 6,
  BatchFence = 7,
  LoadMiss = 0xFFFD,
  Printf = 0xFFFE,
  PackedSlot = 0x80000001u,
  Shutdown = 0xFFFFFFFFu,
};

/// True for the numbers of built-in opcodes.
inline constexpr bool isBuiltinOpcode(uint32_t code) {
  return code <= 7 || code == 0xFFFD || code == 0xFFFE || code == 0x80000001u || code == 0xFFFFFFFFu;
}

/// True for what a packed slot may hold: its opcodes have one byte, and a fence would wait for its own slot.
inline constexpr bool isPackable(uint32_t code) { return code <= 0xFF && code != uint32_t(Builtin::BatchFence); }

//===----------------------------------------------------------------------===//
// Packed slots
//===----------------------------------------------------------------------===//

// The argument words of a packed slot, as bytes: 0 the number of operations, 1 the number of their argument words, then
// for each operation its opcode and where its arguments begin; from the next whole word on, the argument words.

/// The most operations that fit.
inline constexpr uint32_t MaxPackedOps = 23;
/// Words before the argument words.
inline constexpr uint32_t packedMetadataWords(uint32_t ops) { return (2 + 2 * ops + 3) / 4; }

//===----------------------------------------------------------------------===//
// Control words
//===----------------------------------------------------------------------===//

/// Where the control words lie that something serves; docs/Prelude.md has the whole map. The prelude knows the numbers.
enum ControlWord : uint32_t {
  ControlShutdown = 0,
  ControlTenantBase = 2,
  ControlTenantMask = 3,
  ControlEpoch = 128,
  ControlAbi = 141,
  ControlDebugDropped = 147,
  ControlObservable = 160,
};

/// Rights of a tenant: the bits of TENANT_MASK that built-in opcodes obey.
enum TenantRight : uint32_t { RightExecute = 1, RightSystemWrite = 2, RightPrintf = 8, RightShutdown = 16 };

/// Words of a record in the debug log, which stand behind one word that counts them.
inline constexpr uint32_t DebugRecordWords = 4;

//===----------------------------------------------------------------------===//
// Buffer table
//===----------------------------------------------------------------------===//

/// Access rights of a buffer, and whether it is transient: what a window writes to it need not be there afterwards.
enum BufferAccess : uint32_t {
  AccessNone = 0,
  AccessRead = 1,
  AccessWrite = 2,
  AccessReadWrite = 3,
  AccessTransient = 4,
};

/// One row of the buffer table, indexed by handle. Row 0 is invalid, as is every row whose base is 0.
struct BufferEntry {
  /// Device address of the first byte, 256-byte aligned.
  uint64_t base;
  /// Size in bytes.
  uint64_t bytes;
  /// Bit t allows tenant t.
  uint32_t tenants;
  /// BufferAccess bits.
  uint32_t access;
};
static_assert(sizeof(BufferEntry) == 24);
/// Size of a row in 64-bit words.
inline constexpr uint32_t BufferEntryWords = 3;

/// Rows that every table has before those of the user: memory of the engine, which no tenant may name in a slot.
enum SystemBuffer : uint32_t { NoBuffer = 0, ControlBuffer = 1, DebugBuffer = 2 };
inline constexpr uint32_t SystemBufferCount = 3;

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

/// Parameters of every kernel, 64 bits each, in this order. On CUDA each field is a kernel parameter; on the host a
/// kernel gets a pointer to the struct.
struct LaunchParams {
  /// Work items: slots or windows for an interpreter, instances for a batch kernel.
  uint64_t items;
  /// Interpreter: address of the Slot array. Batch kernel: address of the argument table (ArgColumn).
  uint64_t input;
  /// Interpreter: address of u32 slot indexes, one for each work item (a window is named by its first slot), or 0 when
  /// item i is slot i. Batch kernel: 0.
  uint64_t order;
  /// Address of the BufferEntry array, and its rows.
  uint64_t buffers;
  uint64_t bufferCount;
  /// Address of FaultRecord[]: room for every slot of the launch.
  uint64_t faults;
  /// Address of a u32, 0 before the launch: records written.
  uint64_t faultCount;
  /// Address of HitRecord[], and how many it has room for.
  uint64_t hits;
  uint64_t hitCapacity;
  /// Address of a u32, 0 before the launch: hits emitted, also those for which there was no room.
  uint64_t hitCount;
};
inline constexpr uint32_t LaunchParamCount = 10;
static_assert(sizeof(LaunchParams) == LaunchParamCount * 8);

/// Indexes of the fields of LaunchParams, which are the arguments of every mk.kernel.
enum LaunchParamIndex : uint32_t {
  ParamItems = 0,
  ParamInput = 1,
  ParamOrder = 2,
  ParamBuffers = 3,
  ParamBufferCount = 4,
  ParamFaults = 5,
  ParamFaultCount = 6,
  ParamHits = 7,
  ParamHitCapacity = 8,
  ParamHitCount = 9,
};

/// How a batch kernel finds word k of instance i: the u32 at input + column[k].offset + i * column[k].stride (bytes).
/// A word that all instances share has stride 0; the others have stride 4. The columns stand at the start of the
/// argument table, one for each argument word of the opcode or window, in order.
struct ArgColumn {
  uint32_t offset;
  uint32_t stride;
};
static_assert(sizeof(ArgColumn) == 8);

/// One fault. Records come in no particular order; a slot has at most one.
struct FaultRecord {
  /// Interpreter: slot index. Batch kernel: instance * window length + place in the window.
  uint32_t slot;
  /// A FaultCode, or 0x80000000 + the code of mk.fault user(code).
  uint32_t code;
  /// What was wrong: an index, a handle, a value (see FaultCode).
  uint32_t detail;
  uint32_t reserved;
};
static_assert(sizeof(FaultRecord) == 16);

/// Lanes in which an outer scf.parallel of block scope reduces, whatever the number of threads: part of what an opcode
/// means, since the order of float additions shows in the result (passes/LowerLoops.cpp).
inline constexpr uint32_t ReductionLanes = 256;

/// Values of one hit.
inline constexpr uint32_t HitValues = 3;

/// What mk.emit appends, in no particular order. 16 bytes, the scratchBytesPerHit of the standard launch policy.
struct HitRecord {
  /// As in FaultRecord.
  uint32_t slot;
  /// As given to mk.emit; what was not given is 0.
  uint32_t values[HitValues];
};
static_assert(sizeof(HitRecord) == 16);

/// Why a slot ended in FAULT. Codes are append-only.
enum class FaultCode : uint32_t {
  /// Detail: the opcode.
  UnknownOpcode = 0x01,
  /// A built-in opcode whose memory the engine does not have. Detail: the opcode.
  OpcodeNotBound = 0x03,
  /// An index beyond the control words. Detail: the index.
  ControlIndex = 0x10,
  /// A control word that the tenant may not write. Detail: the index.
  ControlProtected = 0x11,
  /// An index beyond the observable words. Detail: the index.
  ObservableIndex = 0x12,
  /// A range that leaves the control words. Detail: the first index that does.
  RangeOverflow = 0x13,
  /// A forward copy onto itself, which would smear. Detail: the number of words.
  MemcpyOverlap = 0x14,
  /// A state that the table does not have, given or loaded. Detail: the state.
  DfaState = 0x20,
  /// A symbol above 255. Detail: the symbol.
  DfaSymbol = 0x21,
  /// There is no such transition table. Detail: the handle.
  DfaTable = 0x22,
  /// A packed slot with more operations than fit. Detail: their number.
  PackedCount = 0x30,
  /// A packed slot whose arguments do not fit. Detail: the number of argument words.
  PackedMetadata = 0x31,
  /// An operation of a packed slot whose arguments are not in it. Detail: its place.
  PackedArgRange = 0x32,
  /// An operation that a packed slot may not hold. Detail: its place.
  PackedOpcode = 0x33,
  /// Detail: the tenant.
  TenantRange = 0x40,
  /// The tenant may not use this buffer (detail: the handle), or not run this built-in opcode (detail: the number of
  /// the
  /// bit that its rights lack).
  TenantRight = 0x41,
  /// A fence over more slots than stand before it. Detail: the number of slots.
  FenceRange = 0x60,
  /// No such buffer. Detail: the handle.
  BufferHandle = 0x90,
  /// A view beyond its buffer, or an index beyond its view or buffer. Detail: the end of the view (offset + count), or
  /// the index (low 32 bits).
  BufferBounds = 0x91,
  /// The buffer does not allow the access. Detail: the handle.
  BufferAccess = 0x92,
  /// A loop ran out of fuel, or would. Detail: the limit (low 32 bits).
  Fuel = 0xA0,
  /// A division by zero, or the overflow INT_MIN / -1. Detail: the divisor (low 32 bits).
  Division = 0xB0,
  /// A shift by the width or more. Detail: the shift amount (low 32 bits).
  Shift = 0xB1,
  /// A loop step that is not from 1 to 2^31. Detail: the step (low 32 bits).
  LoopStep = 0xB2,
  /// A float that the integer type cannot hold, or no number. Detail: 0.
  Conversion = 0xB3,
  /// mk.fault user(code): 0x80000000 + code.
  User = 0x80000000u,
};

/// The fault word of a running task: code in the high half, detail in the low half; NoFault while there is none. When a
/// task meets several faults the smallest word wins, so that the outcome does not depend on the order of threads.
inline constexpr uint64_t NoFault = ~uint64_t(0);

} // namespace mk::abi

#endif // MK_RUNTIME_ABI_H
