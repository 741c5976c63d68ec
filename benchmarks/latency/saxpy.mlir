// y[i] = a * x[i] + y[i], an element for each slot.

mk.opcode @saxpy code(64) scope(lane) (%x: memref<?xf32>, %y: memref<?xf32>, %i: index, %a: f32) {
  %xv = memref.load %x[%i] : memref<?xf32>
  %yv = memref.load %y[%i] : memref<?xf32>
  %p = arith.mulf %a, %xv : f32
  %s = arith.addf %p, %yv : f32
  memref.store %s, %y[%i] : memref<?xf32>
  mk.return
}
