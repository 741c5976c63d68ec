//===- Reader.cpp - JSON values with places and complaints ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reader.h"
#include <bit>
#include <cmath>

using namespace mk;

void Reader::complain(std::string_view wanted) const {
  if (!node || !ok())
    return;
  // Escaped, so that a cut does not fall into the middle of a character.
  std::string found = node->dump(-1, ' ', /*ensure_ascii=*/true);
  if (found.size() > 60)
    found = found.substr(0, 60) + "...";
  std::string subject = path.empty() ? "the line" : "key '" + path + "'";
  *complaint = subject + " must be " + std::string(wanted) + ", but is " + found;
}

Reader Reader::operator[](std::string_view key) const {
  std::string place = path.empty() ? std::string(key) : path + "." + std::string(key);
  if (node && !node->is_object())
    complain("an object");
  else if (node && !node->contains(key) && ok())
    *complaint = "key '" + place + "' is missing";
  return {has(key) ? &node->at(key) : nullptr, place, *complaint};
}

std::vector<Reader> Reader::elements() const {
  std::vector<Reader> result;
  if (!node || !node->is_array()) {
    complain("an array");
    return result;
  }
  for (size_t i = 0; i < node->size(); ++i)
    result.push_back({&(*node)[i], path + "[" + std::to_string(i) + "]", *complaint});
  return result;
}

uint64_t Reader::integer(uint64_t max, uint64_t min) const {
  if (node && node->is_number_unsigned() && node->get<uint64_t>() >= min && node->get<uint64_t>() <= max)
    return node->get<uint64_t>();
  complain("an integer from " + std::to_string(min) + " to " + std::to_string(max));
  return min;
}

std::vector<uint32_t> Reader::integers() const {
  std::vector<uint32_t> result;
  for (const Reader &element : elements())
    result.push_back(element.integer<uint32_t>());
  return result;
}

double Reader::number() const {
  if (node && node->is_number())
    return node->get<double>();
  if (node && *node == "inf")
    return INFINITY;
  if (node && *node == "-inf")
    return -INFINITY;
  if (node && *node == "nan")
    return std::bit_cast<double>(0x7FF8000000000000);
  if (node && *node == "-nan")
    return std::bit_cast<double>(0xFFF8000000000000);
  complain(R"(a number, "inf", "-inf", "nan" or "-nan")");
  return 0;
}

std::vector<double> Reader::numbers() const {
  std::vector<double> result;
  for (const Reader &element : elements())
    result.push_back(element.number());
  return result;
}

std::string Reader::string() const {
  if (node && node->is_string())
    return node->get<std::string>();
  complain("a string");
  return {};
}

DispatchTopology Reader::topology() const {
  auto topology = parseDispatchTopology(string());
  if (!topology)
    complain("empty, sparse_frontier, hybrid_frontier, dense_frontier, fused_dense or memory_constrained");
  return topology.value_or(DispatchTopology::Empty);
}

void Reader::read(SizingPolicy &) const {
  if (string() != "standard")
    complain("\"standard\"");
}
