// Bodies whose cost beside the memory they move is measured: an elementwise loop, with checks and without, and a
// reduction.

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @add code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @dot code(65) scope(block) (%x: !vf, %y: !vf, %out: memref<?xf32>, %i: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %a = memref.load %x[%k] : !vf
    %b = memref.load %y[%k] : !vf
    %p = arith.mulf %a, %b : f32
    scf.reduce(%p : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %sum, %out[%i] : memref<?xf32>
  mk.return
}
