//===- Reproducer.cpp - A disagreement, written down ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Reproducer.h"
#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

namespace mk {

namespace {
/// The part of a buffer that an instance names. It begins at a multiple of 256 bytes, so that what is aligned in the
/// buffer is aligned in the part.
struct Part {
  uint64_t begin = ~uint64_t(0), end = 0;
  ElementType element = ElementType::I8;
};

/// Calls 'visit' with each argument of the instance's slots and its words.
template <typename Visit> void forEachArg(const Isa &isa, std::span<const abi::Slot> instance, Visit visit) {
  for (const abi::Slot &slot : instance) {
    const uint32_t *words = slot.args;
    for (const ArgType &type : isa.opcodes[*isa.findOpcode(slot.opcode)].args) {
      visit(slot, type, words);
      words += type.words();
    }
  }
}
} // namespace

static std::string quote(const std::string &text) {
  std::string result = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c == '\n' ? ' ' : c;
  }
  return result + "\"";
}

/// A scalar as a workload has it: what is no number in JSON is a string.
static std::string scalar(const ArgType &type, const uint32_t *words) {
  std::string text =
      describeScalar(type.element, type.words() == 2 ? uint64_t(words[1]) << 32 | words[0] : uint64_t(words[0]));
  return std::isalpha(text.back()) ? quote(text) : text;
}

static Expected<void> writeFile(const std::filesystem::path &path, std::span<const char> bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), std::streamsize(bytes.size()));
  file.close();
  if (!file)
    return makeError(ErrorCode::NotFound, "cannot write '" + path.string() + "': " + std::strerror(errno));
  return {};
}

/// A folder that did not exist before.
static Expected<std::filesystem::path> makeFolder(const std::string &parent) {
  std::error_code failed;
  std::filesystem::create_directories(parent, failed);
  for (unsigned number = 0; !failed; ++number) {
    std::filesystem::path folder = std::filesystem::path(parent) / ("mismatch-" + std::to_string(number));
    if (std::filesystem::create_directory(folder, failed))
      return folder;
  }
  return makeError(ErrorCode::NotFound, "cannot make a folder in '" + parent + "': " + failed.message());
}

Expected<std::string> writeReproducer(const std::string &parent, const CodeProvider &code, Device &device,
                                      const Variant &variant, std::span<const abi::Slot> instance,
                                      std::span<const abi::BufferEntry> rows, const std::string &difference) {
  std::string source = code.source();
  if (source.empty())
    return makeError(ErrorCode::Unsupported, "the code provider has no text of the ISA");
  const Isa &isa = code.isa();
  std::map<uint32_t, Part> parts;
  forEachArg(isa, instance, [&](const abi::Slot &, const ArgType &type, const uint32_t *words) {
    if (type.kind == ArgType::Scalar)
      return;
    Part &part = parts[words[0]];
    uint64_t size = elementBytes(type.element);
    bool view = type.kind == ArgType::View;
    uint64_t begin = view ? words[1] * size : 0, end = view ? begin + words[2] * size : rows[words[0]].bytes;
    part.begin = std::min(part.begin, begin / 256 * 256);
    // A buffer has at least one element.
    part.end = std::max({part.end, end, part.begin + size});
    part.element = type.element;
  });

  Expected<std::filesystem::path> folder = makeFolder(parent);
  if (!folder)
    return tl::unexpected(folder.error());
  std::string json =
      "{\n  \"comment\": " +
      quote(variant.unit.what + (variant.factsText.empty() ? "" : " with " + variant.factsText) + ": " + difference +
            ". Run: mk-run isa.mlir workload.json --jit=always --wait-for-promotions "
            "--verify") +
      ",\n  \"buffers\": [";
  const char *separator = "\n";
  for (const auto &[handle, part] : parts) {
    std::vector<char> bytes(part.end - part.begin);
    if (Expected<void> copied =
            device.copyFromDevice(rows[handle].base + part.begin, std::as_writable_bytes(std::span(bytes)));
        !copied)
      return tl::unexpected(copied.error());
    std::string name = "b" + std::to_string(handle);
    if (Expected<void> written = writeFile(*folder / (name + ".raw"), bytes); !written)
      return tl::unexpected(written.error());
    const abi::BufferEntry &row = rows[handle];
    const char *access[] = {"", "read", "write", "read_write"};
    json += separator + std::string("    {\"name\": \"") + name + "\", \"type\": \"" +
            stringifyElementType(part.element) + "\", \"access\": \"" + access[row.access & abi::AccessReadWrite] +
            "\", " + (row.access & abi::AccessTransient ? "\"transient\": true, " : "") + "\"fill\": {\"raw\": \"" +
            name + ".raw\"}}";
    separator = ",\n";
  }

  // Often enough to be promoted: it counts as often as the policy's thresholds ask.
  json += "\n  ],\n  \"batches\": [{\"name\": \"mismatch\", \"repeat\": 16, \"items\": [\n    {";
  auto call = [&](const abi::Slot &slot) {
    std::string text = "\"op\": \"" + isa.opcodes[*isa.findOpcode(slot.opcode)].name + "\", \"args\": [";
    const char *comma = "";
    forEachArg(isa, std::span(&slot, 1), [&](const abi::Slot &, const ArgType &type, const uint32_t *words) {
      text += comma;
      comma = ", ";
      if (type.kind == ArgType::Scalar) {
        text += scalar(type, words);
        return;
      }
      text += "{\"buffer\": \"b" + std::to_string(words[0]) + "\"";
      if (type.kind == ArgType::View)
        text += ", \"offset\": " + std::to_string(words[1] - parts[words[0]].begin / elementBytes(type.element)) +
                ", \"count\": " + std::to_string(words[2]);
      text += "}";
    });
    return text + "]";
  };
  if (instance.size() == 1) {
    json += call(instance[0]);
  } else {
    json += "\"sequence\": [";
    for (size_t i = 0; i < instance.size(); ++i)
      json += std::string(i ? ",\n      {" : "\n      {") + call(instance[i]) + "}";
    json += "]";
  }
  json += ", \"tenant\": " + std::to_string(instance[0].tenant) + "}\n  ]}]\n}\n";
  if (Expected<void> written = writeFile(*folder / "isa.mlir", source); !written)
    return tl::unexpected(written.error());
  if (Expected<void> written = writeFile(*folder / "workload.json", json); !written)
    return tl::unexpected(written.error());
  return folder->string();
}

} // namespace mk
