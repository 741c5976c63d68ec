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

Expected<std::unique_ptr<Engine>> mk::openEngine(std::string_view source, std::string_view name,
                                                 const OpenOptions &options) {
  CompileServiceOptions jit = options.jit;
  jit.compiler = {.optLevel = options.optLevel, .prelude = options.prelude, .guard = options.guard};
  // Before the device: its worker processes start before CUDA does.
  auto service = CompileService::create(source, name, std::move(jit));
  if (!service)
    return tl::unexpected(service.error());
  auto device = createDevice(options.device);
  if (!device)
    return tl::unexpected(device.error());
  return Engine::create(std::move(*device), std::move(*service), options);
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
