// y = a * x + y

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @saxpy code(64) scope(block) (%x: !vf, %y: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %xv = memref.load %x[%i] : !vf
    %yv = memref.load %y[%i] : !vf
    %p = arith.mulf %a, %xv : f32
    %s = arith.addf %p, %yv : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
