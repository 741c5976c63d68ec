//===- Wire.cpp - What the service and its workers say ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Wire.h"

using namespace mk;
using namespace mk::wire;

std::string wire::pack(const Opening &opening) {
  const CompilerOptions &options = opening.options;
  Writer writer;
  writer << options.optLevel << options.guard << options.verify << opening.memory << opening.bytecode
         << opening.target.kind << opening.target.chip << opening.format;
  return writer.take();
}

std::optional<Opening> wire::unpackOpening(std::string_view payload) {
  Opening opening;
  Reader reader(payload);
  // The built-in opcodes are in the bytecode.
  reader >> opening.options.optLevel >> opening.options.guard >> opening.options.verify >> opening.memory >>
      opening.bytecode >> opening.target.kind >> opening.target.chip >> opening.format;
  return reader.isDone() ? std::optional(std::move(opening)) : std::nullopt;
}

static void packWindow(Writer &writer, const WindowSignature &window) {
  writer << uint32_t(window.issues.size());
  for (const WindowSignature::Issue &issue : window.issues) {
    writer << issue.opcode << uint32_t(issue.operands.size());
    for (uint32_t operand : issue.operands)
      writer << operand;
  }
  writer << uint32_t(window.args.size());
  for (const ArgType &arg : window.args)
    writer << arg.kind << arg.element << arg.access;
  writer << uint32_t(window.extents.size());
  for (int32_t extent : window.extents)
    writer << extent;
}

static void unpackWindow(Reader &reader, WindowSignature &window) {
  window.issues.resize(reader.count(2 * sizeof(uint32_t)));
  for (WindowSignature::Issue &issue : window.issues) {
    reader >> issue.opcode;
    issue.operands.resize(reader.count(sizeof(uint32_t)));
    for (uint32_t &operand : issue.operands)
      reader >> operand;
  }
  window.args.resize(reader.count(2 + sizeof(uint32_t)));
  for (ArgType &arg : window.args)
    reader >> arg.kind >> arg.element >> arg.access;
  window.extents.resize(reader.count(sizeof(int32_t)));
  for (int32_t &extent : window.extents)
    reader >> extent;
}

std::string wire::pack(const WorkOrder &order) {
  const CompileRequest &request = order.request;
  Writer writer;
  writer << order.format << request.kind << request.target.kind << request.target.chip << request.scope
         << request.opcode << request.effort;
  packWindow(writer, request.window);
  writer << request.resident << uint32_t(request.routes.size());
  for (const CompileRequest::Route &route : request.routes) {
    writer << route.id;
    packWindow(writer, route.window);
  }
  writer << uint32_t(request.facts.size());
  for (const ArgFacts &fact : request.facts)
    writer << fact.constant.has_value() << fact.constant.value_or(0) << fact.extent << fact.multiple << fact.aligned;
  writer << order.fault.has_value();
  if (order.fault)
    writer << order.fault->kind << order.fault->phase << order.fault->milliseconds;
  return writer.take();
}

std::optional<WorkOrder> wire::unpackOrder(std::string_view payload) {
  WorkOrder order;
  CompileRequest &request = order.request;
  Reader reader(payload);
  reader >> order.format >> request.kind >> request.target.kind >> request.target.chip >> request.scope >>
      request.opcode >> request.effort;
  unpackWindow(reader, request.window);
  reader >> request.resident;
  request.routes.resize(reader.count(4 * sizeof(uint32_t)));
  for (CompileRequest::Route &route : request.routes) {
    reader >> route.id;
    unpackWindow(reader, route.window);
  }
  request.facts.resize(reader.count(2 + 4 * sizeof(uint64_t) - 1));
  for (ArgFacts &fact : request.facts) {
    bool hasConstant = false;
    uint64_t constant = 0;
    reader >> hasConstant >> constant >> fact.extent >> fact.multiple >> fact.aligned;
    if (hasConstant)
      fact.constant = constant;
  }
  bool hasFault = false;
  reader >> hasFault;
  if (hasFault)
    reader >> order.fault.emplace().kind >> order.fault->phase >> order.fault->milliseconds;
  return reader.isDone() ? std::optional(std::move(order)) : std::nullopt;
}

std::string wire::pack(const CompiledCode &code) {
  Writer writer;
  for (std::chrono::nanoseconds time : code.phases)
    writer << int64_t(time.count());
  writer << serialize(code.code);
  return writer.take();
}

std::optional<CompiledCode> wire::unpackCode(std::string_view payload) {
  CompiledCode code;
  Reader reader(payload);
  for (std::chrono::nanoseconds &time : code.phases) {
    int64_t count = 0;
    reader >> count;
    time = std::chrono::nanoseconds(count);
  }
  std::string object;
  reader >> object;
  auto read = deserialize(object);
  if (!reader.isDone() || !read)
    return std::nullopt;
  code.code = std::move(*read);
  return code;
}

std::string wire::pack(const Error &error) {
  Writer writer;
  writer << error.code << error.message;
  return writer.take();
}

std::optional<Error> wire::unpackError(std::string_view payload) {
  Error error;
  Reader reader(payload);
  reader >> error.code >> error.message;
  return reader.isDone() && error.code >= ErrorCode::InvalidArgument && error.code <= ErrorCode::PackedArity
             ? std::optional(std::move(error))
             : std::nullopt;
}

std::string wire::frame(Type type, std::string_view payload) {
  Writer writer;
  writer << uint32_t(payload.size()) << type;
  return writer.take().append(payload);
}

std::optional<Frame> wire::Stream::next() {
  constexpr size_t headerBytes = sizeof(uint32_t) + sizeof(Type);
  if (broken || buffer.size() < headerBytes)
    return std::nullopt;
  uint32_t size = 0;
  Frame frame;
  Reader(buffer.substr(0, headerBytes)) >> size >> frame.type;
  if (size > maxFrameBytes || frame.type > Type::Failed) {
    broken = true;
    return std::nullopt;
  }
  if (buffer.size() - headerBytes < size)
    return std::nullopt;
  frame.payload = buffer.substr(headerBytes, size);
  buffer.erase(0, headerBytes + size);
  return frame;
}
