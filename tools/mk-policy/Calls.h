//===- Calls.h - What a line of input asks for --------------- -*- C++ -*--===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKPOLICY_CALLS_H
#define MK_TOOLS_MKPOLICY_CALLS_H

#include "Reader.h"

namespace mk {

/// Makes the call that 'line' names, and adds its results to 'out' unless 'line' is at fault.
void runCall(const Reader &line, json &out);

/// Makes the calls of a cache sequence, on threads of their own, and adds what each gave to 'out'.
void runSequence(const Reader &line, json &out);

/// Says in words how the recommendation that 'line' asks for comes about.
std::string explain(const Reader &line);

/// A record as an object.
template <typename Record> json toJson(const Record &record) {
  json object;
  visitFields(record, [&](const char *key, const auto &field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::is_enum_v<Field>)
      object[key] = stringifyLabel(field);
    else if constexpr (std::is_same_v<Field, LaunchGeometry>)
      object[key] = toJson(field);
    else
      object[key] = field;
  });
  return object;
}

/// A result as an object, or what went wrong.
template <typename T> json outcome(const LaunchExpected<T> &result) {
  if (result)
    return toJson(*result);
  const LaunchError &error = result.error();
  json object = {{"error", stringifyLaunchErrorKind(error.kind)}};
  if (error.kind == LaunchErrorKind::DeviceOutOfMemory) {
    object["requested"] = error.requested;
    object["available"] = error.available;
  }
  return object;
}

} // namespace mk

#endif // MK_TOOLS_MKPOLICY_CALLS_H
