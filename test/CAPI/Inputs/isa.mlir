// Opcodes and a window for the tests of the C API.

!vf = memref<?xf32, strided<[1], offset: ?>>

// y = y + a * x
mk.opcode @axpy code(64) scope(block) (%a: f32, %x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %xi = memref.load %x[%i] : !vf
    %yi = memref.load %y[%i] : !vf
    %product = arith.mulf %a, %xi : f32
    %sum = arith.addf %yi, %product : f32
    memref.store %sum, %y[%i] : !vf
  }
  mk.return
}
// m[i] = v
mk.opcode @put code(65) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @hit code(66) scope(lane) (%v: i32) {
  mk.emit %v
  mk.return
}
mk.opcode @complain code(67) scope(lane) (%v: i32) {
  mk.fault user(7) detail %v
  mk.return
}
mk.window @twice (%a: f32, %x: !vf, %y: !vf) {
  mk.issue @axpy(%a, %x, %y) : f32, !vf, !vf
  mk.issue @axpy(%a, %x, %y) : f32, !vf, !vf
}
mk.opcode @steps code(68) scope(lane) entries(2) (%m: memref<?xi32>, %i: index, %n: i32, %entry: i32, %done: i32) {
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %m[%i] : (i32, memref<?xi32>) -> i32
  %next = arith.addi %done, %one : i32
  %more = arith.cmpi ult, %next, %n : i32
  scf.if %more {
    mk.suspend yield at %one with %next
  }
  mk.return
}
