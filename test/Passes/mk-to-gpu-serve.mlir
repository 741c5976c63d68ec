// How mk.serve becomes the loop of a CTA: the first warp claims, all load the lines, the threads run them.

// RUN: mk-opt %s --convert-mk-to-gpu=chip=sm_90 | FileCheck %s
// RUN: not mk-opt %s --convert-mk-to-host 2>&1 | FileCheck %s --check-prefix=HOST

// CHECK: gpu.func @lanes
// CHECK-SAME: memref<4096xi32, #gpu.address_space<workgroup>>
// CHECK-SAME: memref<5xi32, #gpu.address_space<workgroup>>
// CHECK-SAME: nvvm.minctasm = 3
// CHECK: scf.while
// The head and tail of a ring, then the doorbell of the host.
// CHECK: ld.acquire.gpu.global.b64
// CHECK: ld.acquire.sys.global.v4.b32
// CHECK: atom.acq_rel.gpu.global.cas.b64
// A line that came with the doorbell is in the tile before the others hear of the claim.
// CHECK: st.shared.b32
// CHECK: st.shared.b16
// CHECK: gpu.barrier
// CHECK: scf.if
// CHECK: ld.relaxed.sys.global.v4.b32
// CHECK: st.shared.b32
// CHECK: gpu.barrier
// The ends of the rings; then the warp waits for a single line, or lets another worker poll.
// CHECK: st.relaxed.gpu.global.b64
// CHECK: ld.relaxed.cta.shared.b32
// CHECK: st.release.gpu.global.b32
// CHECK: memref.load
// CHECK: st.release.sys.global.b32
// CHECK: gpu.barrier
// HOST: error: 'mk.serve' op is for a GPU; on the host, threads of the runtime serve the rings with the interpreter
mk.kernel @lanes scope(lane) (%epoch: i64, %lines: i64, %doorbell: i64, %buffers: i64, %bufferCount: i64,
                              %faults: i64, %statuses: i64, %state: i64, %linesLog2: i64, %age: i64) {
  mk.serve (%place, %slots) {
    %word = memref.load %slots[%place] : memref<?xi32>
    %fault = arith.extui %word : i32 to i64
    mk.complete %place, %fault
  }
  mk.return
}
