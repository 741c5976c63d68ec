//===- Batch.h - Slots and windows that go together ---------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A batch collects slots. It may be submitted several times, also with other slots in between, and outlive the engine
// that it was made for.
//
// Threads: one at a time for each batch. Submitting only reads it.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_BATCH_H
#define MK_C_BATCH_H

#include "mk-c/Isa.h"

MK_C_BEGIN

typedef struct mkBatch mkBatch;

/// A buffer of an engine. 0 is none.
typedef uint32_t mkBuffer;

/// Elements [offset, offset + count) of a buffer.
typedef struct mkView {
  mkBuffer buffer;
  uint32_t offset;
  uint32_t count;
} mkView;

typedef uint32_t mkArgKind;
enum {
  mkArgKindView = 0,
  mkArgKindUnsigned = 1,
  mkArgKindSigned = 2,
  mkArgKindFloat = 3,
};

/// The value of one argument. Integers go to every integer or index argument that holds them, floats to every float
/// argument, rounded to its type. The functions below make them.
typedef struct mkArg {
  mkArgKind kind;
  union {
    mkView view;
    uint64_t unsignedValue;
    int64_t signedValue;
    double floatValue;
  } value;
} mkArg;

static inline mkArg mkArgView(mkBuffer buffer, uint32_t offset, uint32_t count) {
  mkArg arg;
  arg.kind = mkArgKindView;
  arg.value.view.buffer = buffer;
  arg.value.view.offset = offset;
  arg.value.view.count = count;
  return arg;
}
/// For an argument that takes a whole buffer.
static inline mkArg mkArgBuffer(mkBuffer buffer) { return mkArgView(buffer, 0, 0); }
static inline mkArg mkArgUnsigned(uint64_t value) {
  mkArg arg;
  arg.kind = mkArgKindUnsigned;
  arg.value.unsignedValue = value;
  return arg;
}
static inline mkArg mkArgSigned(int64_t value) {
  mkArg arg;
  arg.kind = mkArgKindSigned;
  arg.value.signedValue = value;
  return arg;
}
static inline mkArg mkArgFloat(double value) {
  mkArg arg;
  arg.kind = mkArgKindFloat;
  arg.value.floatValue = value;
  return arg;
}

/// One task on the wire (docs/Runtime-ABI.md).
typedef struct mkSlot {
  /// Ignored when it is submitted.
  uint32_t status;
  /// Number of the opcode.
  uint32_t opcode;
  /// 0 to 28.
  uint32_t tenant;
  /// Priority in bits 0-7, window length in bits 8-15 (of a window's first slot; 0 or 1 elsewhere), and bit 16 set on
  /// the other slots of a window.
  uint32_t order;
  uint32_t args[12];
} mkSlot;

/// One operation of a packed slot.
typedef struct mkPackedOp {
  /// The number of an opcode below 256, BATCH_FENCE (7) excepted.
  uint32_t opcode;
  /// Its argument words. Optional arguments may be left out.
  const uint32_t *words;
  size_t wordCount;
} mkPackedOp;

MK_FALLIBLE mkError *mkBatchCreate(const mkIsa *isa, mkBatch **batch);
MK_API void mkBatchFree(mkBatch *batch);

/// Appends one slot. NotFound for an unknown opcode, InvalidArgument for arguments that do not fit.
MK_FALLIBLE mkError *mkBatchAdd(mkBatch *batch, const char *opcode, const mkArg *args, size_t argCount,
                                uint32_t tenant);
/// Appends the slots of a window of the ISA. Errors as before.
MK_FALLIBLE mkError *mkBatchAddWindow(mkBatch *batch, const char *window, const mkArg *args, size_t argCount,
                                      uint32_t tenant);
/// Appends 1 to 255 slots as one window: sets lengths and continuation flags.
MK_FALLIBLE mkError *mkBatchAddWindowSlots(mkBatch *batch, const mkSlot *slots, size_t slotCount);
/// Appends slots as they are on the wire. They are checked when they are submitted.
MK_FALLIBLE mkError *mkBatchAddSlots(mkBatch *batch, const mkSlot *slots, size_t slotCount);
/// Appends one slot that runs several operations, in order, on one worker (docs/Prelude.md). NotFound without the
/// prelude; PackedCount, PackedMetadata, PackedOffset, PackedPayload, PackedOpcode or PackedArity for what does not
/// fit, and then nothing is appended.
MK_FALLIBLE mkError *mkBatchPack(mkBatch *batch, const mkPackedOp *ops, size_t opCount, uint32_t tenant);

/// Makes room for slots ahead of time.
MK_FALLIBLE mkError *mkBatchReserve(mkBatch *batch, size_t slotCount);
MK_FALLIBLE mkError *mkBatchClear(mkBatch *batch);
/// The slots, until the batch is changed. Either of the last two may be NULL.
MK_FALLIBLE mkError *mkBatchGetSlots(const mkBatch *batch, const mkSlot **slots, size_t *slotCount);

MK_C_END

#endif // MK_C_BATCH_H
