//===- LaunchError.cpp - Kinds and texts of refusals ----------------------===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mk/Runtime/Policy/LaunchError.h"

using namespace mk;

std::string LaunchError::message() const {
  std::string asked = std::to_string(requested);
  std::string limit = std::to_string(available);
  switch (kind) {
  case LaunchErrorKind::MemoryPressureThresholdExceeds10000Bps:
    return "memoryPressureThresholdBps is " + asked + ", and the work to shed under memory pressure is measured from " +
           "it up to " + limit + "; set it to at most " + limit;
  case LaunchErrorKind::ZeroMaxWorkgroupSizeX:
    return "maxWorkgroupSizeX is 0; set it to the adapter's widest workgroup, at least 1";
  case LaunchErrorKind::ZeroMaxComputeWorkgroupsPerDimension:
    return "maxComputeWorkgroupsPerDimension is 0; set it to the adapter's most workgroups in one dimension, at least "
           "1";
  case LaunchErrorKind::ZeroMaxComputeInvocationsPerWorkgroup:
    return "maxComputeInvocationsPerWorkgroup is 0; set it to the adapter's most invocations in a workgroup, at least "
           "1";
  case LaunchErrorKind::HitCapacityOverflow:
    return "the hit capacity from queueLen, expectedHitsPerItem and hitCapacityMultiplier is " + asked +
           ", more than " + limit + "; lower one of them, or set requestedHitCapacity";
  case LaunchErrorKind::PeakBytesOverflow:
    return "residentDeviceBytes is " + asked + ", and beside the hit buffer 64 bits leave room for " + limit +
           "; correct it, or lower the hit capacity or scratchBytesPerHit";
  case LaunchErrorKind::DeviceOutOfMemory:
    return "the launch needs " + asked + " bytes, but deviceMemoryBudgetBytes is " + limit +
           "; raise the budget, free resident bytes, or lower the hit capacity or scratchBytesPerHit";
  case LaunchErrorKind::ItemCountExceedsU32:
    return "itemCount is " + asked + ", more than " + limit + "; split the items over several launches";
  case LaunchErrorKind::ItemCountNotPaddable:
    return "itemCount is " + asked + ", but whole workgroups of this width cover only " + limit +
           " slots; split the items over several launches, or use fewer workers";
  case LaunchErrorKind::RequeueCounterOverflow:
    return "requeueCount is full at " + limit + "; drain the counters and start again from 0";
  case LaunchErrorKind::AgedPromotionCounterOverflow:
    return "agedPromotions is full at " + limit + "; drain the counters and start again from 0";
  case LaunchErrorKind::AllocationFailed:
    return "no memory for a result of " + asked + " elements; free memory, or pass a smaller problem";
  }
  return "unknown kind of launch error";
}

Error LaunchError::toError() const {
  bool memory = kind == LaunchErrorKind::DeviceOutOfMemory || kind == LaunchErrorKind::AllocationFailed;
  return {memory ? ErrorCode::OutOfMemory : ErrorCode::InvalidArgument, message()};
}
