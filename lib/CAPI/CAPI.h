//===- CAPI.h - The frame of every function of the C API ----------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A function of the C API looks at its pointers, does what it is for, and turns what went wrong into an mkError:
//
//   mkError *mkEngineRelease(mkEngine *engine, mkBuffer buffer) {
//     return call(__func__, {{"engine", engine}}, [&] { return engine->engine->release(buffer); });
//   }
//
//===----------------------------------------------------------------------===//

#ifndef MK_LIB_CAPI_CAPI_H
#define MK_LIB_CAPI_CAPI_H

#include "mk-c/Engine.h"
#include "mk/Engine.h"
#include <algorithm>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

struct mkError {
  mkErrorCode code;
  std::string message;
};

/// A copy of an engine's ISA, which batches share with it. 'opcodes' and 'windows' refer to the other members.
struct mkIsa : std::enable_shared_from_this<mkIsa> {
  explicit mkIsa(mk::Isa isa);
  mkIsa(const mkIsa &) = delete;

  const mk::Isa isa;
  std::vector<std::vector<mkArgType>> types;
  std::vector<std::vector<uint32_t>> codes;
  /// The spellings of types; each once, so that they stay where they are.
  std::vector<std::unique_ptr<std::string>> texts;
  std::vector<mkOpcodeInfo> opcodes;
  std::vector<mkWindowInfo> windows;

private:
  const std::vector<mkArgType> &convert(const std::vector<mk::ArgType> &args);
};

struct mkBatch {
  explicit mkBatch(std::shared_ptr<const mkIsa> isa) : isa(std::move(isa)), batch(this->isa->isa) {}

  std::shared_ptr<const mkIsa> isa;
  mk::Batch batch;
};

namespace mk::capi {

mkError *makeCError(const Error &error);
/// The error that needs no memory.
mkError *outOfMemory();

/// A pointer that a function cannot do without.
struct Required {
  /// Where a handle goes. It is NULL until there is one, whatever else is wrong with the call.
  template <typename T> Required(const char *name, T **handle) : name(name), isThere(handle != nullptr) {
    if (handle)
      *handle = nullptr;
  }
  Required(const char *name, const void *pointer) : name(name), isThere(pointer != nullptr) {}
  /// An array, which may be NULL when it is empty.
  Required(const char *name, const void *pointer, size_t count) : name(name), isThere(pointer || count == 0) {}

  const char *name;
  bool isThere;
};

Expected<void> checkPointers(const char *function, std::initializer_list<Required> pointers);

/// Runs 'body', which returns Expected<void>, unless a pointer is missing. The standard library's exceptions become
/// errors. There are no others; and what unwinds a thread that is cancelled is none and has to pass.
template <typename Body> mkError *call(const char *function, std::initializer_list<Required> pointers, Body body) {
  try {
    Expected<void> done = checkPointers(function, pointers);
    if (done)
      done = body();
    return done ? nullptr : makeCError(done.error());
  } catch (const std::bad_alloc &) {
    return outOfMemory();
  } catch (const std::length_error &) {
    return outOfMemory();
  } catch (const std::exception &exception) {
    // A thread that cannot be started, for one.
    return makeCError({ErrorCode::OutOfMemory, std::string("the system refused what was needed: ") + exception.what()});
  }
}

/// Moves a value into '*to', or hands on the error.
template <typename T, typename To> Expected<void> store(Expected<T> value, To *to) {
  if (!value)
    return tl::unexpected(value.error());
  *to = std::move(*value);
  return {};
}

/// Element 'index' of 'list', or an error that calls the elements 'what'.
template <typename T>
Expected<void> storeElement(const std::vector<T> &list, size_t index, const char *what, const T **to) {
  if (index >= list.size())
    return makeError(ErrorCode::InvalidArgument, std::string("there is no ") + what + " " + std::to_string(index) +
                                                     ", there are " + std::to_string(list.size()) + ", counted from 0");
  *to = &list[index];
  return {};
}

/// An array of an object, which has the layout that C gives it.
template <typename CT, typename T> Expected<void> storeArray(const std::vector<T> &list, const CT **to, size_t *count) {
  static_assert(sizeof(CT) == sizeof(T));
  *to = list.empty() ? nullptr : reinterpret_cast<const CT *>(list.data());
  if (count)
    *count = list.size();
  return {};
}

inline std::span<const abi::Slot> slotsOf(const mkSlot *slots, size_t count) {
  return {reinterpret_cast<const abi::Slot *>(slots), count};
}

/// The size that a struct had when it appeared: callers may have been compiled then. For a struct that has grown.
template <typename T> inline constexpr size_t firstSize = sizeof(T);

Expected<void> checkSize(const char *type, size_t found, size_t first, size_t now);

/// Copies as much of 'value' as a caller's struct has room for.
template <typename T> Expected<void> storeStruct(const char *type, const T &value, T *to, size_t structSize) {
  if (Expected<void> known = checkSize(type, structSize, firstSize<T>, sizeof(T)); !known)
    return known;
  std::memcpy(to, &value, structSize);
  return {};
}

/// Sets the defaults of a caller's struct.
template <typename T> Expected<void> initialize(const char *type, T defaults, T *to, size_t structSize) {
  defaults.structSize = structSize;
  return storeStruct(type, defaults, to, structSize);
}

/// A caller's options with the defaults for what its struct does not have; NULL has nothing.
template <typename T> Expected<T> readOptions(const char *type, const T *given, T defaults) {
  if (!given)
    return defaults;
  if (Expected<void> known = checkSize(type, given->structSize, firstSize<T>, sizeof(T)); !known)
    return tl::unexpected(known.error());
  std::memcpy(&defaults, given, given->structSize);
  return defaults;
}

/// A name of an enumerator, which may be none: 'last' is the last that there is.
template <typename T, typename CT> const char *nameOf(CT value, T last, const char *(*stringify)(T)) {
  // Not compared as enumerators: a program may pass any number.
  return uint64_t(value) <= uint64_t(last) ? stringify(T(value)) : "unknown";
}

/// Hundredths of a percent.
Expected<uint16_t> readBps(const char *field, uint32_t value);
Expected<LaunchPolicy> readPolicy(const mkPolicy *policy);
Expected<PromotionOptions> readPromotionOptions(const mkPromotionOptions *options);
Expected<CompileServiceOptions> readJitOptions(const mkJitOptions *options);
Expected<OpenOptions> readEngineOptions(const mkEngineOptions *options);
Expected<SubmitOptions> readSubmitOptions(const mkSubmitOptions *options);
Expected<ElementType> readElementType(mkElementType element);

mkDeviceInfo convert(const DeviceInfo &info);
Expected<void> copyDebugLog(const Expected<DebugLog> &log, mkDebugRecord *records, size_t capacity, size_t *count,
                            uint32_t *dropped);
/// Control words of an engine of either kind.
template <typename AnyEngine>
Expected<void> copyControl(AnyEngine &engine, uint32_t first, uint32_t *words, size_t count) {
  // More than 32 bits count are as much beyond the last word as all that they can.
  uint32_t asked = uint32_t(std::min<size_t>(count, UINT32_MAX));
  Expected<std::vector<uint32_t>> read = engine.readControl(first, asked);
  if (!read)
    return tl::unexpected(read.error());
  std::copy(read->begin(), read->end(), words);
  return {};
}

mkLaunchRequest convert(const LaunchRequest &request);
mkLaunchRecommendation convert(const LaunchRecommendation &recommendation);
mkPromotionEvidence convert(const PromotionEvidence &evidence);

mkResult *makeResult(BatchResult result);
mkSnapshot *makeSnapshot(const Engine &engine);

} // namespace mk::capi

#endif // MK_LIB_CAPI_CAPI_H
