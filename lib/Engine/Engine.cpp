//===- Engine.cpp - Open an engine on an ISA --------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Engine.h"
#include "mk/JIT/CompileService.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

using namespace mk;

namespace {
struct Parts {
  std::unique_ptr<Device> device;
  std::unique_ptr<CompileService> code;
};
} // namespace

static Expected<Parts> openParts(std::string_view source, std::string_view name, const OpenTarget &target) {
  CompileServiceOptions jit = target.jit;
  jit.compiler = {.optLevel = target.optLevel, .prelude = target.prelude, .guard = target.guard};
  // Before the device: its worker processes start before CUDA does.
  auto service = CompileService::create(source, name, std::move(jit));
  if (!service)
    return tl::unexpected(service.error());
  auto device = createDevice(target.device);
  if (!device)
    return tl::unexpected(device.error());
  return Parts{std::move(*device), std::move(*service)};
}

Expected<std::unique_ptr<Engine>> mk::openEngine(std::string_view source, std::string_view name,
                                                 const OpenOptions &options) {
  Expected<Parts> parts = openParts(source, name, options);
  if (!parts)
    return tl::unexpected(parts.error());
  return Engine::create(std::move(parts->device), std::move(parts->code), options);
}

Expected<std::unique_ptr<ResidentEngine>> mk::openResidentEngine(std::string_view source, std::string_view name,
                                                                 const OpenResidentOptions &options) {
  Expected<Parts> parts = openParts(source, name, options);
  if (!parts)
    return tl::unexpected(parts.error());
  return ResidentEngine::create(std::move(parts->device), std::move(parts->code), options);
}

Expected<std::unique_ptr<Engine>> mk::openEngineFile(const std::string &path, const OpenOptions &options) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // An empty file has nothing to insert, which << calls a failure.
  bool empty = file.peek() == std::ifstream::traits_type::eof();
  if (!file.is_open() || file.bad() || (!empty && !(text << file.rdbuf())))
    return makeError(ErrorCode::NotFound, "cannot read the ISA '" + path + "': " + std::strerror(errno));
  return openEngine(text.str(), path, options);
}
