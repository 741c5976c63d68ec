//===- Isa.h - What an engine knows about its opcodes -------------*- C -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The opcodes and windows of an ISA, and how their arguments lie in a slot. An mkIsa belongs to its engine, and never
// changes.
//
//===----------------------------------------------------------------------===//

#ifndef MK_C_ISA_H
#define MK_C_ISA_H

#include "mk-c/Error.h"

MK_C_BEGIN

typedef struct mkIsa mkIsa;

/// Element types of arguments and buffers: a number, since a caller may pass one that there is not.
typedef uint32_t mkElementType;
enum {
  mkElementI1 = 0,
  mkElementI8,
  mkElementI16,
  mkElementI32,
  mkElementI64,
  mkElementF16,
  mkElementBF16,
  mkElementF32,
  mkElementF64,
  mkElementIndex,
};

/// What may be done with a buffer: bits. What a window writes to a transient buffer is for the same window; afterwards
/// the contents may be anything, so that fused code need not write them at all.
typedef uint32_t mkAccess;
enum {
  mkAccessNone = 0,
  mkAccessRead = 1,
  mkAccessWrite = 2,
  mkAccessReadWrite = 3,
  mkAccessTransient = 4,
};

/// What runs a slot: one thread, or a whole thread block (on the CPU, a worker).
typedef enum mkScope { mkScopeLane = 0, mkScopeBlock = 1 } mkScope;

typedef enum mkArgTypeKind {
  /// A value: one argument word, or two (the low one first) for i64 and f64.
  mkArgTypeScalar = 0,
  /// A whole buffer: one word, the handle.
  mkArgTypeBuffer = 1,
  /// Part of a buffer: three words, handle, first element, elements.
  mkArgTypeView = 2,
} mkArgTypeKind;

/// The type of an argument.
typedef struct mkArgType {
  mkArgTypeKind kind;
  mkElementType element;
  /// What the body does with the buffer.
  mkAccess access;
  /// Argument words that it takes.
  uint32_t words;
  /// As in MLIR, such as "memref<?xf32>".
  const char *text;
} mkArgType;

typedef struct mkOpcodeInfo {
  const char *name;
  /// The number on the wire.
  uint32_t code;
  mkScope scope;
  const mkArgType *args;
  size_t argCount;
  /// How many of the last arguments may be left out.
  uint32_t optionalArgs;
  /// May append hits.
  bool emits;
  /// May get code of its own.
  bool promotable;
  /// Places where the body may begin, for an opcode that can suspend its slot; 0 for others.
  uint32_t entries;
} mkOpcodeInfo;

typedef struct mkWindowInfo {
  const char *name;
  const mkArgType *args;
  size_t argCount;
  /// For each of its slots the number of the opcode.
  const uint32_t *codes;
  size_t slotCount;
} mkWindowInfo;

/// Opcodes and windows are in order of definition. InvalidArgument for an index beyond the last, NotFound for a name
/// that there is not. Any number of threads.
MK_FALLIBLE mkError *mkIsaGetOpcodeCount(const mkIsa *isa, size_t *count);
MK_FALLIBLE mkError *mkIsaGetOpcode(const mkIsa *isa, size_t index, const mkOpcodeInfo **opcode);
MK_FALLIBLE mkError *mkIsaFindOpcode(const mkIsa *isa, const char *name, const mkOpcodeInfo **opcode);
MK_FALLIBLE mkError *mkIsaGetWindowCount(const mkIsa *isa, size_t *count);
MK_FALLIBLE mkError *mkIsaGetWindow(const mkIsa *isa, size_t index, const mkWindowInfo **window);
MK_FALLIBLE mkError *mkIsaFindWindow(const mkIsa *isa, const char *name, const mkWindowInfo **window);

MK_C_END

#endif // MK_C_ISA_H
