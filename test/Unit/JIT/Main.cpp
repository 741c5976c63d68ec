//===- Main.cpp - Tests that also start themselves as other processes -------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CacheTesting.h"
#include "ServiceModes.h"
#include <cstring>
#include <gtest/gtest.h>

int main(int argc, char **argv) {
  if (argc == 4 && std::strcmp(argv[1], cacheFighterMode) == 0)
    return fightOverCache(argv[2], std::atoi(argv[3]));
  if (argc == 2 && std::strcmp(argv[1], keepServiceMode) == 0)
    return keepService();
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
