// Eight small lane opcodes of different cost: how fast an interpreter drains slots. They are the bodies of the
// hand-written measurement that docs/Performance.md compares with.

!out = memref<?xi32>

mk.opcode @add code(64) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.addi %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @muladd code(65) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %p = arith.muli %x, %y : i32
  %r = arith.addi %p, %z : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

// 16 steps of a linear congruential generator.
mk.opcode @lcg code(66) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %factor = arith.constant 1664525 : i32
  %r = scf.for %k = %c0 to %c16 step %c1 iter_args(%s = %x) -> (i32) {
    %p = arith.muli %s, %factor : i32
    %q = arith.addi %p, %y : i32
    scf.yield %q : i32
  }
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @rotate code(67) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c31 = arith.constant 31 : i32
  %c32 = arith.constant 32 : i32
  %left = arith.andi %y, %c31 : i32
  %h = arith.shli %x, %left : i32
  %back = arith.subi %c32, %y : i32
  %right = arith.andi %back, %c31 : i32
  %l = arith.shrui %x, %right : i32
  %r = arith.ori %h, %l : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @popcount code(68) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %n = math.ctpop %x : i32
  %r = arith.xori %n, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

// 32 rounds of a shift-add-xor hash.
mk.opcode @hash code(69) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  %c5 = arith.constant 5 : i32
  %c2 = arith.constant 2 : i32
  %r = scf.for %k = %c0 to %c32 step %c1 iter_args(%s = %x) -> (i32) {
    %h = arith.shli %s, %c5 : i32
    %l = arith.shrui %s, %c2 : i32
    %m = arith.addi %h, %l : i32
    %n = arith.addi %m, %z : i32
    %o = arith.xori %s, %n : i32
    scf.yield %o : i32
  }
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @select code(70) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c = arith.cmpi ugt, %x, %y : i32
  %a = arith.subi %x, %z : i32
  %b = arith.addi %y, %z : i32
  %r = arith.select %c, %a, %b : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

// A polynomial of degree 8, by Horner's rule.
mk.opcode @horner code(71) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %r = scf.for %k = %c0 to %c8 step %c1 iter_args(%s = %y) -> (i32) {
    %p = arith.muli %s, %z : i32
    %q = arith.addi %p, %x : i32
    scf.yield %q : i32
  }
  memref.store %r, %out[%i] : !out
  mk.return
}
