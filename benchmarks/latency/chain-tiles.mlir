// Eight elementwise operations: scale, add, relu, multiply, bias, minimum, subtract, square.

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @chain code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %six = arith.constant 6.0 : f32
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %xv = memref.load %x[%i] : !vf
    %yv = memref.load %y[%i] : !vf
    %scaled = arith.mulf %xv, %a : f32
    %sum = arith.addf %scaled, %yv : f32
    %positive = arith.cmpf ogt, %sum, %zero : f32
    %relu = arith.select %positive, %sum, %zero : f32
    %product = arith.mulf %relu, %yv : f32
    %biased = arith.addf %product, %half : f32
    %small = arith.cmpf olt, %biased, %six : f32
    %least = arith.select %small, %biased, %six : f32
    %difference = arith.subf %least, %xv : f32
    %square = arith.mulf %difference, %difference : f32
    memref.store %square, %z[%i] : !vf
  }
  mk.return
}
