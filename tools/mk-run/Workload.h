//===- Workload.h - What mk-run runs -----------------------------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The description of a run, read from JSON: buffers, and batches of slots and windows. docs/mk-run.md explains the
// format. Every error names the file, the place in it (as in batches[0].items[2].args[1]), what was found there and
// what is expected.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKRUN_WORKLOAD_H
#define MK_TOOLS_MKRUN_WORKLOAD_H

#include "Series.h"
#include "mk/Runtime/Engine.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mk {

/// How a buffer is filled.
struct FillSpec {
  enum Kind : uint8_t { Zero, Npy, Raw, Values };
  Kind kind = Zero;
  /// Where it stands, for messages.
  std::string path;
  /// Npy and Raw: the file, below the workload's folder unless absolute.
  std::string file;
  /// Values: one for each element.
  Series values;
};

struct BufferSpec {
  std::string path;
  std::string name;
  ElementType type = ElementType::F32;
  /// Absent: as many as the file of the fill holds.
  std::optional<uint64_t> count;
  FillSpec fill;
  uint32_t access = abi::AccessReadWrite;
  uint32_t tenants = ~0u;
};

/// One argument of an item, for all its instances.
struct ArgSpec {
  std::string path;
  /// The argument is a buffer or a view of one; else it is the number in 'value'.
  bool isBuffer = false;
  Series value;
  /// Index into Workload::buffers; none when the workload gives a bare handle.
  std::optional<uint32_t> buffer;
  uint32_t handle = 0;
  /// The view's range; both or none (the whole buffer).
  std::optional<Series> offset, count;
};

/// Slots, or windows, of one shape.
struct ItemSpec {
  enum Kind : uint8_t {
    /// One slot; names has the opcodes to pick from.
    Op,
    /// A window of the ISA; names has its name.
    Window,
    /// A window given slot by slot.
    Sequence,
  };
  Kind kind = Op;
  std::string path;
  std::vector<std::string> names;
  uint64_t pickSeed = 0;
  std::vector<ArgSpec> args;
  std::vector<ItemSpec> slots;
  /// Instances.
  uint64_t count = 1;
  uint32_t tenant = 0;
};

struct BatchSpec {
  std::string path;
  /// For the report; "batch N" if the workload gives none.
  std::string name;
  uint64_t repeat = 1;
  /// With which its waves are submitted.
  SubmitOptions submit;
  std::vector<ItemSpec> items;
};

struct Workload {
  std::string file;
  std::vector<BufferSpec> buffers;
  std::vector<BatchSpec> batches;

  /// "file: path: message", or without the path when that is empty.
  tl::unexpected<Error> fail(ErrorCode code, const llvm::Twine &path, const llvm::Twine &message) const;
};

/// Values for the workload's parameters that replace its own.
using ParameterSettings = std::map<std::string, int64_t>;

/// Reads and checks all that can be checked without the ISA.
Expected<Workload> readWorkload(const std::string &file, const ParameterSettings &settings);

/// Makes the slots of a batch. 'handles' and 'counts' are those of the buffers, in the workload's order.
Expected<Batch> buildBatch(const Workload &workload, const BatchSpec &spec, const Isa &isa,
                           llvm::ArrayRef<BufferHandle> handles, llvm::ArrayRef<uint64_t> counts);

/// Slots that buildBatch will make; saturates. Names that the ISA lacks count as one slot.
uint64_t countSlots(const BatchSpec &spec, const Isa &isa);

} // namespace mk

#endif // MK_TOOLS_MKRUN_WORKLOAD_H
