// Eight elementwise operations, an element for each slot: scale, add, relu, multiply, bias, minimum, subtract, square.

mk.opcode @chain code(64) scope(lane) (%x: memref<?xf32>, %y: memref<?xf32>, %z: memref<?xf32>, %i: index, %a: f32) {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %six = arith.constant 6.0 : f32
  %xv = memref.load %x[%i] : memref<?xf32>
  %yv = memref.load %y[%i] : memref<?xf32>
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
  memref.store %square, %z[%i] : memref<?xf32>
  mk.return
}
