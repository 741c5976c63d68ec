!vi = memref<?xi32, strided<[1], offset: ?>>
!vf = memref<?xf32, strided<[1], offset: ?>>

// y = a * x + y
mk.opcode @axpy code(64) scope(block) (%x: !vf, %y: !vf, %a: f32) {
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

// x = a * x
mk.opcode @scale code(65) scope(block) (%x: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %xv = memref.load %x[%i] : !vf
    %p = arith.mulf %a, %xv : f32
    memref.store %p, %x[%i] : !vf
  }
  mk.return
}

// out[i] = x
mk.opcode @put code(66) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32) {
  memref.store %x, %out[%i] : memref<?xi32>
  mk.return
}

// out[i] = x + 1000
mk.opcode @put_high code(67) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32) {
  %c1000 = arith.constant 1000 : i32
  %s = arith.addi %x, %c1000 : i32
  memref.store %s, %out[%i] : memref<?xi32>
  mk.return
}

// Appends x to out, whose first element says how long it is.
mk.opcode @append code(68) scope(lane) (%out: memref<?xi32>, %x: i32) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %out[%c0] : (i32, memref<?xi32>) -> i32
  %new = arith.addi %old, %one : i32
  %at = arith.index_castui %new : i32 to index
  memref.store %x, %out[%at] : memref<?xi32>
  mk.return
}

// The same, negative.
mk.opcode @append_negative code(69) scope(lane) (%out: memref<?xi32>, %x: i32) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %out[%c0] : (i32, memref<?xi32>) -> i32
  %new = arith.addi %old, %one : i32
  %at = arith.index_castui %new : i32 to index
  %minus = arith.subi %zero, %x : i32
  memref.store %minus, %out[%at] : memref<?xi32>
  mk.return
}

// Faults unless x is 0.
mk.opcode @must_be_zero code(70) scope(lane) (%out: memref<?xi32>, %x: i32) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0 : i32
  %bad = arith.cmpi ne, %x, %zero : i32
  scf.if %bad {
    mk.fault user(7)
  }
  mk.return
}

// Reports x and y.
mk.opcode @find code(71) scope(lane) (%x: i32, %y: i32) {
  mk.emit %x, %y
  mk.return
}

mk.window @axpy_scale (%x: !vf, %y: !vf, %a: f32) {
  mk.issue @axpy(%x, %y, %a) : !vf, !vf, f32
  mk.issue @scale(%y, %a) : !vf, f32
}
