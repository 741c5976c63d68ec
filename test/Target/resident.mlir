// The PTX of a resident kernel carries the order that the protocol needs: docs/Resident.md. Nothing that host and device
// share is read through the cache that is not coherent.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=resident %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: FileCheck %s --check-prefix=NEVER < %t.ptx
// RUN: %assemble sm_90 %t.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_80 --kernels=resident %s -o %t.80.ptx
// RUN: %assemble sm_80 %t.80.ptx
// RUN: not mk-translate --mk-to-ptx --kernels=residents %s 2>&1 | FileCheck %s --check-prefix=NAME

// NAME: error: --kernels has 'residents', but knows interpreter, resident, opcodes and windows

// CHECK: .visible .entry mk_resident_lane(
// CHECK: .minnctapersm 3
// What was published is acquired by whoever polls, and by whoever takes over its ends.
// CHECK: ld.acquire.gpu.global.b64
// CHECK: atom.acquire.gpu.global.cas.b32
// CHECK: ld.acquire.sys.global.v4.b32
// CHECK: atom.acq_rel.gpu.global.cas.b64
// What a slot wrote is released with its status.
// CHECK: st.release.sys.global.b32
// NEVER-NOT: ld.global.nc
// NEVER-NOT: volatile
mk.opcode @count code(64) scope(lane) (%out: memref<?xi32>, %x: i32) {
  %c0 = arith.constant 0 : index
  %old = memref.atomic_rmw addi %x, %out[%c0] : (i32, memref<?xi32>) -> i32
  mk.return
}
