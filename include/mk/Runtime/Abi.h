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
enum class SlotStatus : uint32_t {
  Empty = 0,
  Published = 1,
  Claimed = 2,
  Done = 3,
  Wait = 4,
  Yield = 5,
  Requeue = 6,
  Fault = 7
};

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

/// Slots of a batch at most. A GPU counts them, and what is one step of all its threads behind the last, in 32 bits.
inline constexpr uint32_t MaxSlots = 1u << 30;
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
/// The engine itself, for slots and buffers of its own. Kernels take it for a tenant; nobody can publish in its name.
inline constexpr uint32_t EngineTenant = MaxTenants;

//===----------------------------------------------------------------------===//
// Opcode numbers
//===----------------------------------------------------------------------===//

/// True for numbers that belong to the system: built-ins and everything reserved for them.
inline constexpr bool isSystemOpcode(uint32_t code) {
  return (code & 0x80000000u) || (code >= 0xFFF0 && code <= 0xFFFF) || code <= 7;
}

/// The built-in opcodes (the prelude). LoadMiss is served by the host, for resident engines.
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

/// Argument words of LoadMiss.
enum LoadMissWord : uint32_t {
  LoadResource = 0,
  /// 1: nobody waits for the load, and what becomes of it is not told.
  LoadPrefetch = 1,
  LoadBuffer = 2,
  LoadOffsetLow = 3,
  LoadOffsetHigh = 4,
  /// 0: from the offset to the end of the resource.
  LoadBytes = 5,
};

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
enum TenantRight : uint32_t {
  RightExecute = 1,
  RightSystemWrite = 2,
  RightIo = 4,
  RightPrintf = 8,
  RightShutdown = 16,
  RightUserOpcodes = 32,
};

/// From here on opcodes belong to tenants, 2^20 to each.
inline constexpr uint32_t TenantOpcodeBase = 0x40000000;
inline constexpr uint32_t TenantOpcodeShift = 20;

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
  /// Work items: slots or windows for an interpreter, instances for a batch kernel; on a GPU less than 2^32 together
  /// with the threads of the launch.
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

/// Lanes in which an outer scf.parallel of block scope reduces, whatever the number of threads, and accumulators of
/// each: part of what an opcode means, since the order of float additions shows in the result (passes/LowerLoops.cpp).
inline constexpr uint32_t ReductionLanes = 256, AccumulatorsPerLane = 4;

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

//===----------------------------------------------------------------------===//
// Rings (resident mode, docs/Resident.md)
//===----------------------------------------------------------------------===//

/// A slot on its way to a kernel that stays: 64 bytes in memory that host and device share. It consists of four quads
/// of 16 bytes, each of which is written and read as one and says by itself whether it has arrived, so that a reader
/// needs no second look. Quad k holds the argument words 3k, 3k + 1 and 3k + 2, and a word with the tag of the lap in
/// its low half; the high halves of the four words are the low and high half of the opcode, then of the RingMeta word.
struct RingLine {
  uint32_t words[SlotWords];
};
static_assert(sizeof(RingLine) == sizeof(Slot));

/// Fields of the meta word of a line: what Slot has in its words for tenant and order. The priority is the ring's.
enum RingMeta : uint32_t {
  RingTenantMask = 0x1F,
  RingLengthShift = 5,
  RingContinuation = 1u << 13,
  /// Code of its own that may run the window that begins here; 0 for the interpreter. Kernels that do not have that
  /// code interpret the window.
  RingRouteShift = 14,
};
inline constexpr uint32_t MaxRoute = (1u << (32 - RingRouteShift)) - 2;
/// The meta word of a line that only fills up a tile: whoever claims it ends it.
inline constexpr uint32_t RingPadding = RingContinuation | (MaxRoute + 1) << RingRouteShift;

/// Lines are numbered from 0 modulo 2^32; a ring of 2^k lines keeps line p in place p mod 2^k. The tag tells the lap of
/// a line from the one before. It is not 0 in the first lap, so that zeroed memory holds no line.
inline constexpr uint32_t ringTag(uint32_t position, uint32_t linesLog2) {
  return ((position >> linesLog2) + 1) & 0xFFFF;
}
inline constexpr uint32_t MinRingLog2 = 8;
inline constexpr uint32_t MaxRingLog2 = 20;
/// A claim does not go beyond a multiple of this many lines.
inline constexpr uint32_t RingTile = 256;
/// No window crosses a multiple of this many lines, so none is longer; a claim ends at such a multiple, or where what
/// was published ends. So it has whole windows, and nobody but its owner looks at a line.
inline constexpr uint32_t RingUnit = 32;

/// What becomes of a line, in an array beside the ring: its tag in the low half, a SlotStatus in the high half. The
/// code and detail of a fault or a suspension stand in a second array, as code << 32 | detail, before the status says
/// so.
inline constexpr uint32_t RingStatusShift = 16;

/// What the host tells the kernels of one scope: 64 bytes in memory that both share.
struct alignas(64) Doorbell {
  /// Lines published, by priority.
  uint32_t tails[PriorityLevels];
  /// Kernels of another epoch leave.
  uint32_t epoch;
  uint32_t reserved[10];
};
static_assert(sizeof(Doorbell) == 64);

/// What the workers of one scope share, in memory of the device. It outlives the kernels. Zero at first.
struct alignas(128) RingState {
  /// For the priorities: lines claimed, and lines known to be published, in one word of 64 bits, since whoever polls
  /// moves both at once.
  struct Ends {
    uint32_t head, tail;
  };
  Ends ends[8];
  uint32_t padding0[16];
  /// What the doorbell said when somebody looked at it.
  uint32_t epoch;
  uint32_t padding1[31];
  /// 1 while a worker polls the doorbell.
  uint32_t poller;
  /// The ring of the last claim: whoever polls fetches its next line ahead.
  uint32_t recent;
  uint32_t padding2[30];
  /// For the priorities: claims that passed over waiting lines.
  uint32_t passed[8];
  /// For the watchdog: claims and lines claimed, claims for age, lines that ended in FAULT, looks at the doorbell.
  uint32_t claims;
  uint32_t claimed;
  uint32_t aged;
  uint32_t faults;
  uint32_t heartbeat;
  uint32_t padding3[19];
};
static_assert(sizeof(RingState) == 512);

/// The parameters of a resident kernel, in place of LaunchParams. Rings of all priorities stand one behind the other in
/// each array.
struct ResidentParams {
  /// The epoch that this kernel serves.
  uint64_t epoch;
  /// Address of RingLine[PriorityLevels << log2].
  uint64_t lines;
  /// Address of the Doorbell.
  uint64_t doorbell;
  uint64_t buffers;
  uint64_t bufferCount;
  /// Address of u64[PriorityLevels << log2].
  uint64_t faults;
  /// Address of u32[PriorityLevels << log2].
  uint64_t statuses;
  /// Address of the RingState.
  uint64_t state;
  /// log2 of the lines of a ring.
  uint64_t linesLog2;
  /// Claims that may pass over waiting lines of a priority.
  uint64_t ageThreshold;
};
static_assert(sizeof(ResidentParams) == sizeof(LaunchParams));
static_assert(offsetof(ResidentParams, buffers) == offsetof(LaunchParams, buffers));

/// Indexes of the fields of ResidentParams.
enum ResidentParamIndex : uint32_t {
  ResidentEpoch = 0,
  ResidentLines = 1,
  ResidentDoorbell = 2,
  ResidentFaults = 5,
  ResidentStatuses = 6,
  ResidentState = 7,
  ResidentLinesLog2 = 8,
  ResidentAgeThreshold = 9,
};

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
  /// A range that leaves the control words, or the resource of a load. Detail: the first index that does; of a load,
  /// where the range ends, at most 2^32 - 1.
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
  /// The reader of a resource failed. Detail: 0.
  IoError = 0x51,
  /// There is no such resource. Detail: its number.
  IoHandle = 0x53,
  /// A fence over more slots than stand before it. Detail: the number of slots.
  FenceRange = 0x60,
  /// A resumable slot that was given up, since its engine was closed. Detail: its flags.
  TaskState = 0x70,
  /// A suspension at an entry that the opcode does not have. Detail: the entry, at most 4095.
  ContinuationPc = 0x71,
  /// The requeues, the yields or the age of a resumable slot are more than a word holds. Detail: 2^32 - 1.
  CounterOverflow = 0x72,
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
  /// mk.fault user(code): 0x80000000 + code, which is at most MaxUserFault.
  User = 0x80000000u,
};
inline constexpr uint32_t MaxUserFault = 0x3FFFFFFF;

/// The fault word of a running task: code in the high half, detail in the low half; NoFault while there is none. When a
/// task meets several faults the smallest word wins, so that the outcome does not depend on the order of threads.
inline constexpr uint64_t NoFault = ~uint64_t(0);

//===----------------------------------------------------------------------===//
// Resumable slots
//===----------------------------------------------------------------------===//

/// Argument words of a slot whose opcode can suspend itself, wire words 7 to 15; the arguments proper have the first
/// three. The body gets the first two of these, publishers give the task and its parent what numbers they like, and the
/// engine writes the rest.
enum ResumableWord : uint32_t {
  /// Where the body begins, below the number of the opcode's entries.
  ContinuationPc = 3,
  ContinuationData = 4,
  /// The value of EPOCH that a waiting slot waits for.
  ResumeEpoch = 5,
  TaskId = 6,
  ParentTaskId = 7,
  /// Requeues since the slot last rose to a higher priority.
  AgeTicks = 8,
  RequeueCount = 9,
  YieldCount = 10,
  /// ResumableFlag bits.
  ResumableFlags = 11,
};
enum ResumableFlag : uint32_t { FlagPaused = 1, FlagYielded = 2, FlagRequeued = 4, FlagResumeReady = 8 };

/// What a slot asks for that suspends itself.
enum class Suspension : uint32_t { Wait = 0, Yield = 1, Requeue = 2 };

/// A suspension is told as a fault word is. Its code has the two highest bits set, the kind, a value (epochs to wait
/// for, or a priority) and the entry; its detail is the data. Codes of faults lie below, so that a fault wins.
inline constexpr uint32_t SuspensionBase = 0xC0000000u;
static_assert(uint32_t(FaultCode::User) + MaxUserFault < SuspensionBase);
inline constexpr uint32_t SuspensionKindShift = 28, SuspensionValueShift = 12;
inline constexpr uint32_t MaxSuspensionValue = 0xFFFF;
/// Entries of an opcode, at most.
inline constexpr uint32_t MaxEntries = 0xFFF;
inline constexpr uint32_t suspensionCode(Suspension kind, uint32_t value) {
  return SuspensionBase | uint32_t(kind) << SuspensionKindShift | value << SuspensionValueShift;
}
/// How a run ended that has a fault word with this code.
inline constexpr SlotStatus statusOfCode(uint32_t code) {
  return code < SuspensionBase ? SlotStatus::Fault
                               : SlotStatus(uint32_t(SlotStatus::Wait) + (code >> SuspensionKindShift & 3));
}
static_assert(statusOfCode(suspensionCode(Suspension::Requeue, 4)) == SlotStatus::Requeue);

} // namespace mk::abi

#endif // MK_RUNTIME_ABI_H
