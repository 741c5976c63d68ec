// What a CTA has no room for is refused.

// RUN: mk-opt %s --mk-build-kernels --convert-mk-to-gpu --split-input-file --verify-diagnostics

// expected-error @below {{kernel @mk_opcode_scratch needs 65744 bytes of memory that the threads of a CTA share, but has 49152; use less memref.alloca outside scf.parallel, or fewer reductions}}
mk.opcode @scratch code(64) scope(block) (%m: memref<?xi32>, %i: index) {
  %a = memref.alloca() : memref<8192xi32>
  %b = memref.alloca() : memref<8192xi32>
  %v = memref.load %a[%i] : memref<8192xi32>
  memref.store %v, %b[%i] : memref<8192xi32>
  mk.return
}
