// The PTX of a dot product: a thread loads 16 bytes at once, for the accumulators of its lane, where the views are aligned.

// RUN: mk-translate --mk-to-ptx --chip=sm_90 --kernels=opcodes %s -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %assemble sm_90 %t.ptx
// On the host, rows of accumulators are vectors.
// RUN: mk-translate --mk-to-llvmir --kernels=opcodes --target=host --opt-level=2 %s | FileCheck %s --check-prefix=HOST

!vf = memref<?xf32, strided<[1], offset: ?>>

// The whole loop over rows, from its label to its branch.
// CHECK-LABEL: .entry mk_opcode_dot
// CHECK: ld.global.v4.b32
// CHECK: .pragma "nounroll";
// CHECK-NOT: {{setp|bra}}
// CHECK: ld.global.v4.b32
// CHECK-NOT: {{setp|bra}}
// CHECK: ld.global.v4.b32
// CHECK-NOT: bra
// CHECK-COUNT-4: mul.rn.f32
// CHECK-NOT: bra
// CHECK-COUNT-4: add.rn.f32
// CHECK-NOT: {{add\.rn|ld\.global}}
// CHECK: bra
// The lanes meet; nothing but sums of lanes goes through shared memory.
// CHECK: st.shared.b32
// CHECK-NOT: st.shared
// CHECK: bar.sync
// CHECK: shfl.sync.down.b32 {{.*}}, 16,
// HOST-LABEL: define {{.*}}@mk_opcode_dot(
// HOST: fmul <[[W:[0-9]+]] x float>
// HOST: fadd <[[W]] x float>
mk.opcode @dot code(64) scope(block) (%x: !vf, %y: !vf, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %p = arith.mulf %a, %b : f32
    scf.reduce(%p : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.addf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %sum, %out[%c0] : memref<?xf32>
  mk.return
}
