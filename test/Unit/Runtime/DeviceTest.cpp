//===- DeviceTest.cpp - Devices by name -----------------------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Device.h"
#include <gtest/gtest.h>

namespace mk::test {

TEST(CreateDevice, Host) {
  auto device = createDevice("host");
  ASSERT_TRUE(device);
  EXPECT_EQ((*device)->info().id, "host");
  EXPECT_EQ((*device)->info().target.kind, CodeTarget::Host);
  EXPECT_GT((*device)->info().memoryBytes, 0u);
  EXPECT_GE((*device)->info().concurrentWorkgroups, 1u);
  EXPECT_FALSE((*device)->info().description.empty());
}

TEST(CreateDevice, UnknownNamesAreToldWhatIsAccepted) {
  for (const char *name : {"", "gpu", "cuda:", "cuda:x", "cuda:1x", "cuda:-1", "cuda:99999999999", "Host"}) {
    auto device = createDevice(name);
    ASSERT_FALSE(device) << name;
    EXPECT_EQ(device.error().code, ErrorCode::NotFound);
    EXPECT_EQ(device.error().message,
              "there is no device '" + std::string(name) + "'; give auto, host, cuda or cuda:N (N from 0)");
  }
}

TEST(CreateDevice, AutoAlwaysFindsOne) {
  auto device = createDevice("auto");
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ((*device)->info().id, createDevice("cuda") ? "cuda:0" : "host");
}

TEST(CreateDevice, CudaIsThereOrSaysWhyNot) {
  for (const char *name : {"cuda", "cuda:0"}) {
    auto device = createDevice(name);
    if (device) {
      EXPECT_EQ((*device)->info().id, "cuda:0");
      EXPECT_EQ((*device)->info().maxWorkgroupSize, 256u);
      continue;
    }
    EXPECT_NE(device.error().code, ErrorCode::InvalidArgument);
    EXPECT_NE(device.error().message.find("CUDA"), std::string::npos) << device.error().message;
    EXPECT_NE(device.error().message.find("use the device 'host'"), std::string::npos) << device.error().message;
  }
  EXPECT_FALSE(createDevice("cuda:4000"));
}

} // namespace mk::test
