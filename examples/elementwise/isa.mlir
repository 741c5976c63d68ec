// Four elementwise opcodes over views of f32 buffers, and a window that chains them twice.
//
// The parallel loops run over the extent of the output. All operands of a window instance have the same extent, so that
// the eight loops have the same bounds and can become one.

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @add code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %r = arith.addf %a, %b : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @mul code(65) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %r = arith.mulf %a, %b : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @relu code(66) scope(block) (%x: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %isPositive = arith.cmpf ogt, %a, %zero : f32
    %r = arith.select %isPositive, %a, %zero : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @scale code(67) scope(block) (%x: !vf, %factor: f32, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %r = arith.mulf %a, %factor : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

// z = scale(relu((x + y) * y)), and once more with z in the place of x.
mk.window @chain (%x: !vf, %y: !vf, %z: !vf, %factor: f32) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %factor, %z) : !vf, f32, !vf
  mk.issue @add(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %factor, %z) : !vf, f32, !vf
}
