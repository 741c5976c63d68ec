//===- CodeProvider.cpp - Where the runtime gets code from ----------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/CodeProvider.h"
#include <future>
#include <limits>

namespace mk {

Expected<KernelCode> CodeProvider::compile(const CompileRequest &wanted) {
  // Shared, since set_value() may still be at work in it when get() returns.
  auto answer = std::make_shared<std::promise<Expected<KernelCode>>>();
  std::future<Expected<KernelCode>> future = answer->get_future();
  // Somebody waits for it.
  request(wanted, std::numeric_limits<double>::infinity(),
          [answer](Expected<KernelCode> code) { answer->set_value(std::move(code)); });
  return future.get();
}

} // namespace mk
