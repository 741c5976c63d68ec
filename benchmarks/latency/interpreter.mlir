// Sixteen lane opcodes, so that the interpreter has as many cases.

!out = memref<?xi32>

mk.opcode @add code(64) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.addi %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @sub code(65) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.subi %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @multiply_add code(66) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %p = arith.muli %x, %y : i32
  %r = arith.addi %p, %z : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @and code(67) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.andi %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @or code(68) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.ori %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @xor code(69) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.xori %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @least code(70) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.minui %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @most code(71) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %r = arith.maxui %x, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @popcount code(72) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %n = math.ctpop %x : i32
  %r = arith.xori %n, %y : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @select code(73) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c = arith.cmpi ugt, %x, %y : i32
  %a = arith.subi %x, %z : i32
  %b = arith.addi %y, %z : i32
  %r = arith.select %c, %a, %b : i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @rotate code(74) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
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

mk.opcode @lcg code(75) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
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

mk.opcode @hash code(76) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c32 = arith.constant 32 : index
  %five = arith.constant 5 : i32
  %two = arith.constant 2 : i32
  %r = scf.for %k = %c0 to %c32 step %c1 iter_args(%s = %x) -> (i32) {
    %h = arith.shli %s, %five : i32
    %l = arith.shrui %s, %two : i32
    %m = arith.addi %h, %l : i32
    %n = arith.addi %m, %z : i32
    %o = arith.xori %s, %n : i32
    scf.yield %o : i32
  }
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @horner code(77) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
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

mk.opcode @float_multiply_add code(78) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %xf = arith.bitcast %x : i32 to f32
  %yf = arith.bitcast %y : i32 to f32
  %zf = arith.bitcast %z : i32 to f32
  %p = arith.mulf %xf, %yf : f32
  %s = arith.addf %p, %zf : f32
  %r = arith.bitcast %s : f32 to i32
  memref.store %r, %out[%i] : !out
  mk.return
}

mk.opcode @average code(79) scope(lane) (%out: !out, %i: index, %x: i32, %y: i32, %z: i32) {
  %one = arith.constant 1 : i32
  %both = arith.andi %x, %y : i32
  %either = arith.xori %x, %y : i32
  %half = arith.shrui %either, %one : i32
  %r = arith.addi %both, %half : i32
  memref.store %r, %out[%i] : !out
  mk.return
}
