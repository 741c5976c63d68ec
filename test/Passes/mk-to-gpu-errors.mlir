// What has no lowering yet is refused, at its place, on both targets.

// RUN: mk-opt %s --mk-build-interpreter --convert-mk-to-gpu --split-input-file --verify-diagnostics
// RUN: mk-opt %s --mk-build-interpreter --convert-mk-to-host --split-input-file --verify-diagnostics

mk.opcode @reduce code(64) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : memref<?xf32>
  // expected-error @below {{'scf.parallel' op reduces, which is not supported yet; write partial results to a buffer}}
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%zero) -> f32 {
    %v = memref.load %x[%i] : memref<?xf32>
    scf.reduce(%v : f32) {
    ^bb0(%a: f32, %b: f32):
      %s = arith.addf %a, %b : f32
      scf.reduce.return %s : f32
    }
  }
  mk.return
}

// -----

mk.opcode @ticket code(64) scope(block) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  // expected-error @below {{'memref.atomic_rmw' op in block scope, outside scf.parallel, has a result that is used, which is not supported yet; move it into scf.parallel or use scope(lane)}}
  %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  memref.store %old, %m[%c0] : memref<?xi32>
  mk.return
}

// -----

mk.opcode @scratch code(64) scope(block) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'memref.alloca' op in block scope, outside scf.parallel, is not supported yet; use a buffer argument}}
  %local = memref.alloca() : memref<16xi32>
  %v = memref.load %local[%c0] : memref<16xi32>
  memref.store %v, %m[%c0] : memref<?xi32>
  mk.return
}
