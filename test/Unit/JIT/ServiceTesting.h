//===- ServiceTesting.h - What tests of the compile service share -*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TEST_UNIT_JIT_SERVICETESTING_H
#define TEST_UNIT_JIT_SERVICETESTING_H

#include "mk/JIT/CompileService.h"
#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstring>
#include <future>
#include <gtest/gtest.h>

/// 'axpy' adds a * x to y, 'fill' and 'scale' take one view.
inline const char *const serviceIsa = R"mlir(
!vf = memref<?xf32, strided<[1], offset: ?>>
mk.opcode @axpy code(64) scope(block) (%x: !vf, %y: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %u = memref.load %x[%i] : !vf
    %v = memref.load %y[%i] : !vf
    %m = arith.mulf %a, %u : f32
    %s = arith.addf %v, %m : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @fill code(65) scope(block) (%z: !vf, %v: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @scale code(66) scope(block) (%z: !vf, %v: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %u = memref.load %z[%i] : !vf
    %m = arith.mulf %u, %v : f32
    memref.store %m, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @grow code(67) scope(lane) (%z: memref<?xi64>, %i: index, %by: i64, %small: i16, %on: i1) {
  %u = memref.load %z[%i] : memref<?xi64>
  %w = arith.extsi %small : i16 to i64
  %s = arith.addi %u, %by : i64
  %t = arith.addi %s, %w : i64
  %r = arith.select %on, %t, %u : i64
  memref.store %r, %z[%i] : memref<?xi64>
  mk.return
}
)mlir";

/// Seconds since it was made.
class Stopwatch {
public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }

private:
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};

/// A request whose answer is waited for later.
class Pending {
public:
  Pending(mk::CodeProvider &service, const mk::CompileRequest &request, double priority = 1)
      : promise(std::make_shared<std::promise<mk::Expected<mk::KernelCode>>>()), future(promise->get_future()),
        id(service.request(request, priority,
                           [promise = promise](mk::Expected<mk::KernelCode> code) { promise->set_value(code); })) {}
  bool isDone() { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  mk::Expected<mk::KernelCode> get() { return future.get(); }

private:
  std::shared_ptr<std::promise<mk::Expected<mk::KernelCode>>> promise;
  std::future<mk::Expected<mk::KernelCode>> future;

public:
  const mk::CodeProvider::RequestId id;
};

inline mk::CompileRequest hostOpcode(uint32_t opcode, mk::Specialization facts = {}) {
  return {.kind = mk::CompileRequest::Opcode, .target = {}, .opcode = opcode, .facts = std::move(facts)};
}
inline mk::CompileRequest gpuOpcode(uint32_t opcode, std::string chip = "sm_90") {
  return {.kind = mk::CompileRequest::Opcode, .target = {mk::CodeTarget::Nvptx, std::move(chip)}, .opcode = opcode};
}

/// Requests that differ, as many as one wants.
inline mk::CompileRequest numbered(uint32_t number) { return hostOpcode(1, {{}, {.constant = number}}); }

/// Options of a service that shares nothing with other tests.
inline mk::CompileServiceOptions alone() {
  mk::CompileServiceOptions options;
  options.workers = 1;
  options.cache = std::make_shared<mk::CodeCache>(mk::CodeCacheOptions());
  options.gpuFormat = mk::CodeObject::Format::Ptx;
  return options;
}

inline std::unique_ptr<mk::CompileService> makeService(mk::CompileServiceOptions options,
                                                       const char *source = serviceIsa) {
  auto service = mk::CompileService::create(source, "test.mlir", std::move(options));
  EXPECT_TRUE(service) << service.error().message;
  return service ? std::move(*service) : nullptr;
}

/// Runs code of a kernel for one instance. Its words may name the buffers that are added, by handles from 1 on.
class HostRun {
public:
  template <typename T> void addBuffer(std::vector<T> &data) {
    table.push_back({uint64_t(uintptr_t(data.data())), data.size() * sizeof(T), ~0u, mk::abi::AccessReadWrite});
  }
  /// Faults that it reported.
  uint32_t run(const mk::KernelCode &code, const std::vector<uint32_t> &words) {
    // The columns, and behind them the words, each alike in all instances.
    std::vector<uint32_t> args(words.size() * sizeof(mk::abi::ArgColumn) / sizeof(uint32_t));
    for (size_t i = 0; i < words.size(); ++i) {
      mk::abi::ArgColumn column{uint32_t(words.size() * sizeof(mk::abi::ArgColumn) + i * sizeof(uint32_t)), 0};
      std::memcpy(&args[i * sizeof(column) / sizeof(uint32_t)], &column, sizeof(column));
    }
    args.insert(args.end(), words.begin(), words.end());
    mk::abi::FaultRecord faults[4];
    uint32_t faultCount = 0;
    auto address = [](const void *p) { return uint64_t(uintptr_t(p)); };
    mk::abi::LaunchParams params{1,
                                 address(args.data()),
                                 0,
                                 address(table.data()),
                                 uint32_t(table.size()),
                                 address(faults),
                                 address(&faultCount),
                                 0,
                                 0,
                                 0};
    code.function(&params, 0, 1);
    return faultCount;
  }

private:
  std::vector<mk::abi::BufferEntry> table{{0, 0, 0, 0}};
};

inline uint32_t wordOf(float value) { return std::bit_cast<uint32_t>(value); }

#endif // TEST_UNIT_JIT_SERVICETESTING_H
