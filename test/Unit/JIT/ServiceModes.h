//===- ServiceModes.h - The test program as another program -------*- C++ -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef TEST_UNIT_JIT_SERVICEMODES_H
#define TEST_UNIT_JIT_SERVICEMODES_H

/// The argument that makes the test program a program with a service: it writes the process of its worker to standard
/// output, and is killed.
inline const char *const keepServiceMode = "--keep-service";
int keepService();

#endif // TEST_UNIT_JIT_SERVICEMODES_H
