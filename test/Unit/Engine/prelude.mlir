// Opcodes that PreludeTest.cpp packs together with the built-in ones.

// m[i] = v
mk.opcode @put code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @complain code(65) scope(lane) (%x: i32) {
  mk.fault user(7) detail %x
  mk.return
}
// m[slot] += 1: the slot that packs it.
mk.opcode @mark code(66) scope(lane) (%m: memref<?xi32>) {
  %slot = mk.slot_info index
  %i = arith.index_castui %slot : i32 to index
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.opcode @hit code(67) scope(lane) (%x: i32) {
  mk.emit %x
  mk.return
}
// m[0] = the sum of the others
mk.opcode @nine code(9) scope(lane)
    (%m: memref<?xi32>, %a: i32, %b: i32, %c: i32, %d: i32, %e: i32, %f: i32, %g: i32, %h: i32) {
  %c0 = arith.constant 0 : index
  %s0 = arith.addi %a, %b : i32
  %s1 = arith.addi %c, %d : i32
  %s2 = arith.addi %e, %f : i32
  %s3 = arith.addi %g, %h : i32
  %s4 = arith.addi %s0, %s1 : i32
  %s5 = arith.addi %s2, %s3 : i32
  %s6 = arith.addi %s4, %s5 : i32
  memref.store %s6, %m[%c0] : memref<?xi32>
  mk.return
}
// A packed slot has no room for its number.
mk.opcode @far code(300) scope(lane) () {
  mk.return
}
