//===- Isa.h - What the runtime knows about opcodes --------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plain description of an ISA: names, numbers, argument layout. It is read off the mk.opcode and mk.window
// operations of a module by the JIT, or filled in by hand by an embedder with precompiled code.
//
//===----------------------------------------------------------------------===//

#ifndef MK_RUNTIME_ISA_H
#define MK_RUNTIME_ISA_H

#include "mk/Runtime/Abi.h"
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

/// Element types of arguments and buffers.
enum class ElementType : uint8_t { I1, I8, I16, I32, I64, F16, BF16, F32, F64, Index };

/// Size in memory, in bytes (Index is 8, I1 is 1).
uint32_t elementBytes(ElementType type);
/// "f32", "i64", "index", ...
const char *stringifyElementType(ElementType type);
std::optional<ElementType> parseElementType(std::string_view name);

/// What runs one slot: one GPU thread (or one iteration on the CPU), or one CTA (or one CPU worker).
enum class Scope : uint8_t { Lane, Block };
const char *stringifyScope(Scope scope);

/// The type of one argument, and how it lies in the argument words of a slot.
struct ArgType {
  enum Kind : uint8_t {
    /// A value: 1 word, or 2 (low word first) for i64 and f64. An index is a zero-extended u32.
    Scalar,
    /// A whole buffer, memref<?xT>: 1 word, the handle.
    Buffer,
    /// Part of a buffer, memref<?xT, strided<[1], offset: ?>>: 3 words, handle, element offset, element count.
    View,
  };
  Kind kind = Scalar;
  ElementType element = ElementType::I32;
  /// AccessRead and AccessWrite as the body needs them; AccessNone for scalars.
  uint32_t access = abi::AccessNone;

  /// Words taken in the slot.
  uint32_t words() const;
  /// The MLIR spelling, e.g. "memref<?xf32>".
  std::string str() const;
  bool operator==(const ArgType &) const = default;
};

struct OpcodeInfo {
  std::string name;
  /// The number on the wire.
  uint32_t code = 0;
  Scope scope = Scope::Lane;
  std::vector<ArgType> args;
  /// The body may append hits (mk.emit).
  bool emits = false;
  /// May get code of its own. Not so for built-in opcodes, and for those that use memory of the engine or know their
  /// slot.
  bool promotable = true;
  /// The body asks for the number of its slot.
  bool numbered = false;
  /// Arguments at the end that may be left out; their words are 0.
  uint32_t optional = 0;
  /// Places where the body may begin, for an opcode that can suspend its slot (mk.suspend); 0 for others.
  uint32_t entries = 0;

  /// Argument words in use, at most abi::SlotArgWords.
  uint32_t words() const;
  /// Those of the arguments that may not be left out.
  uint32_t requiredWords() const;
};

/// A named window of the ISA: a template from which publishers make slots.
struct WindowInfo {
  struct Issue {
    /// Index into Isa::opcodes.
    uint32_t opcode = 0;
    /// For each argument of the opcode, the argument of the window that it takes.
    std::vector<uint32_t> operands;
  };
  std::string name;
  std::vector<ArgType> args;
  std::vector<Issue> issues;
};

struct Isa {
  /// In order of definition; an opcode's place here is its dense index.
  std::vector<OpcodeInfo> opcodes;
  std::vector<WindowInfo> windows;

  /// Dense index by name or by number.
  std::optional<uint32_t> findOpcode(std::string_view name) const;
  std::optional<uint32_t> findOpcode(uint32_t code) const;
  const WindowInfo *findWindow(std::string_view name) const;
};

/// What distinguishes one kind of window from another: windows with equal signatures are one window for counting,
/// fusing and caching.
///
/// A signature has its own list of arguments: one for each group of slot arguments that are of one type and hold the
/// same words in the observed instance. Two arguments that are different views or buffers do not overlap (a window for
/// which that is not so has no signature and stays with the interpreter).
struct WindowSignature {
  struct Issue {
    /// Dense opcode index.
    uint32_t opcode = 0;
    /// For each argument of the opcode, the signature argument that it takes.
    std::vector<uint32_t> operands;
    bool operator==(const Issue &) const = default;
  };
  std::vector<Issue> issues;
  /// Type of each signature argument; access is the union over its uses, with AccessTransient for transient buffers.
  std::vector<ArgType> args;
  /// For each signature argument the group of its extent: memrefs in one group have equal element counts. Groups are
  /// numbered from 0 by first appearance; scalars have -1.
  std::vector<int32_t> extents;

  bool operator==(const WindowSignature &) const = default;
  /// Argument words of one instance.
  uint32_t words() const;
  /// A readable form that is equal exactly when the signatures are, e.g. "add(0,1,2) relu(2,2) | 0=1=2 | transient 2".
  std::string str(const Isa &isa) const;
};

} // namespace mk

#endif // MK_RUNTIME_ISA_H
