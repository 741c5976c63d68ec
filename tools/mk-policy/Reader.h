//===- Reader.h - JSON values with places and complaints ----- -*- C++ -*--===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checked access to one line of input. The first value that is missing, of the wrong type or out of range leaves a
// complaint that names its key; from there on every read gives a default, and the caller asks once, at the end.
//
//===----------------------------------------------------------------------===//

#ifndef MK_TOOLS_MKPOLICY_READER_H
#define MK_TOOLS_MKPOLICY_READER_H

#include "mk/Runtime/Policy/Fields.h"
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mk {

using json = nlohmann::ordered_json;

class Reader {
public:
  /// Reads 'line'; the first complaint goes into 'complaint', which must be empty.
  Reader(const json &line, std::string &complaint) : Reader(&line, "", complaint) {}

  /// True while there is no complaint.
  bool ok() const { return complaint->empty(); }
  /// Leaves a complaint about this value, "must be <wanted>, but is ...", unless there is one.
  void complain(std::string_view wanted) const;

  /// A member of an object.
  Reader operator[](std::string_view key) const;
  bool has(std::string_view key) const { return node && node->is_object() && node->contains(key); }
  /// The elements of an array.
  std::vector<Reader> elements() const;

  uint64_t integer(uint64_t max, uint64_t min = 0) const;
  template <typename T> T integer() const { return static_cast<T>(integer(std::numeric_limits<T>::max())); }
  std::vector<uint32_t> integers() const;
  /// A number, or a string for one that JSON lacks.
  double number() const;
  std::vector<double> numbers() const;
  std::string string() const;
  DispatchTopology topology() const;

  /// A record of the policy; every key of it must be there.
  template <typename Record> Record record() const {
    Record record;
    visitFields(record, [&](const char *key, auto &field) { (*this)[key].read(field); });
    return record;
  }
  /// Reads those fields of a record that are there.
  template <typename Record> void overwrite(Record &record) const {
    visitFields(record, [&](const char *key, auto &field) {
      if (has(key))
        (*this)[key].read(field);
    });
  }

private:
  Reader(const json *node, std::string path, std::string &complaint)
      : node(node), path(std::move(path)), complaint(&complaint) {}

  template <typename T> void read(T &field) const { field = integer<T>(); }
  void read(SizingPolicy &) const;

  /// Null once there was a complaint on the way here.
  const json *node;
  std::string path;
  std::string *complaint;
};

} // namespace mk

#endif // MK_TOOLS_MKPOLICY_READER_H
