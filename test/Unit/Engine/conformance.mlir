// The opcodes of the conformance tests: every argument type, every kind of fault, every shape of loop.

!vf = memref<?xf32, strided<[1], offset: ?>>
!vi = memref<?xi32, strided<[1], offset: ?>>

// One opcode for each scalar type: it stores what was decoded.
mk.opcode @put_i1 code(8) scope(lane) (%m: memref<?xi32>, %i: index, %v: i1) {
  %w = arith.extui %v : i1 to i32
  memref.store %w, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @put_i8 code(9) scope(lane) (%m: memref<?xi8>, %i: index, %v: i8) {
  memref.store %v, %m[%i] : memref<?xi8>
  mk.return
}
mk.opcode @put_i16 code(10) scope(lane) (%m: memref<?xi16>, %i: index, %v: i16) {
  memref.store %v, %m[%i] : memref<?xi16>
  mk.return
}
mk.opcode @put_i32 code(11) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @put_i64 code(12) scope(lane) (%m: memref<?xi64>, %i: index, %v: i64) {
  memref.store %v, %m[%i] : memref<?xi64>
  mk.return
}
mk.opcode @put_f16 code(13) scope(lane) (%m: memref<?xf16>, %i: index, %v: f16) {
  memref.store %v, %m[%i] : memref<?xf16>
  mk.return
}
mk.opcode @put_bf16 code(14) scope(lane) (%m: memref<?xbf16>, %i: index, %v: bf16) {
  memref.store %v, %m[%i] : memref<?xbf16>
  mk.return
}
mk.opcode @put_f32 code(15) scope(lane) (%m: memref<?xf32>, %i: index, %v: f32) {
  memref.store %v, %m[%i] : memref<?xf32>
  mk.return
}
mk.opcode @put_f64 code(16) scope(lane) (%m: memref<?xf64>, %i: index, %v: f64) {
  memref.store %v, %m[%i] : memref<?xf64>
  mk.return
}
mk.opcode @put_index code(17) scope(lane) (%m: memref<?xi64>, %i: index, %v: index) {
  %w = arith.index_cast %v : index to i64
  memref.store %w, %m[%i] : memref<?xi64>
  mk.return
}

// x * y + x, which a contraction would round once instead of twice.
mk.opcode @muladd code(20) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32, %y: f32) {
  %p = arith.mulf %x, %y : f32
  %s = arith.addf %p, %x : f32
  memref.store %s, %m[%i] : memref<?xf32>
  mk.return
}
mk.opcode @divide code(21) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %q = arith.divsi %x, %y : i32
  memref.store %q, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @shift code(22) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %q = arith.shli %x, %y : i32
  memref.store %q, %m[%i] : memref<?xi32>
  mk.return
}
// Steps of the Collatz sequence from x to 1; never ends for 0.
mk.opcode @collatz code(23) scope(lane) (%m: memref<?xi32>, %i: index, %x: i64) {
  %c1 = arith.constant 1 : i64
  %c3 = arith.constant 3 : i64
  %c0 = arith.constant 0 : i64
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %r:2 = scf.while (%v = %x, %n = %zero) : (i64, i32) -> (i64, i32) {
    %go = arith.cmpi ne, %v, %c1 : i64
    scf.condition(%go) %v, %n : i64, i32
  } do {
  ^bb0(%v: i64, %n: i32):
    %bit = arith.andi %v, %c1 : i64
    %odd = arith.cmpi ne, %bit, %c0 : i64
    %next = scf.if %odd -> i64 {
      %t = arith.muli %v, %c3 : i64
      %u = arith.addi %t, %c1 : i64
      scf.yield %u : i64
    } else {
      %h = arith.shrui %v, %c1 : i64
      scf.yield %h : i64
    }
    %m1 = arith.addi %n, %one : i32
    scf.yield %next, %m1 : i64, i32
  }
  memref.store %r#1, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @strided code(24) scope(lane) (%m: memref<?xi32>, %n: index, %s: i32) {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i32
  %step = arith.index_cast %s : i32 to index
  scf.for %i = %c0 to %n step %step {
    memref.store %one, %m[%i] : memref<?xi32>
  }
  mk.return
}
mk.opcode @complain code(25) scope(lane) (%x: i32) {
  %limit = arith.constant 10 : i32
  %big = arith.cmpi ugt, %x, %limit : i32
  scf.if %big {
    mk.fault user(77) detail %x
  }
  mk.return
}
// m[i] = m[i] * 3 + 1: applied in order, each application counts.
mk.opcode @triple code(26) scope(lane) (%m: memref<?xi32>, %i: index) {
  %c3 = arith.constant 3 : i32
  %c1 = arith.constant 1 : i32
  %v = memref.load %m[%i] : memref<?xi32>
  %t = arith.muli %v, %c3 : i32
  %u = arith.addi %t, %c1 : i32
  memref.store %u, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @count code(27) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  %old = memref.atomic_rmw addi %v, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}

mk.opcode @add code(64) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
mk.opcode @scale code(65) scope(block) (%x: !vf, %f: f32, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
// z[i] = x[i] + x[i + 1], the last element by itself: reads a neighbour, so it does not fuse with what writes x.
mk.opcode @neighbour code(66) scope(block) (%x: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %z, %c0 : !vf
  %last = arith.subi %n, %c1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %j = arith.addi %i, %c1 : index
    %inside = arith.cmpi slt, %i, %last : index
    %b = scf.if %inside -> f32 {
      %v = memref.load %x[%j] : !vf
      scf.yield %v : f32
    } else {
      scf.yield %zero : f32
    }
    %s = arith.addf %a, %b : f32
    memref.store %s, %z[%i] : !vf
  }
  mk.return
}
// A store outside the loop, then a loop that reads it, then one of two dimensions with a loop inside.
mk.opcode @shapes code(67) scope(block) (%m: !vi, %x: i32, %rows: index, %columns: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0 : i32
  memref.store %x, %m[%c0] : !vi
  scf.parallel (%r, %c) = (%c0, %c0) to (%rows, %columns) step (%c1, %c1) {
    %first = memref.load %m[%c0] : !vi
    %sum = scf.for %k = %c0 to %c3 step %c1 iter_args(%s = %zero) -> i32 {
      %t = arith.addi %s, %first : i32
      scf.yield %t : i32
    }
    %base = arith.muli %r, %columns : index
    %at = arith.addi %base, %c : index
    %place = arith.addi %at, %c1 : index
    %p = arith.index_cast %place : index to i32
    %v = arith.addi %sum, %p : i32
    memref.store %v, %m[%place] : !vi
  }
  mk.return
}
mk.opcode @count_all code(68) scope(block) (%x: !vi, %m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vi
    %old = memref.atomic_rmw addi %v, %m[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
// The slot faults if an element is too large; the smallest such value is the detail.
mk.opcode @limit code(69) scope(block) (%x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %limit = arith.constant 1000 : i32
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vi
    %big = arith.cmpi ugt, %v, %limit : i32
    scf.if %big {
      mk.fault user(5) detail %v
    }
  }
  mk.return
}

// Emits every even number below n, and n itself once.
mk.opcode @evens code(28) scope(lane) (%n: index) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  scf.for %i = %c0 to %n step %c2 {
    %v = arith.index_cast %i : index to i32
    mk.emit %v
  }
  %all = arith.index_cast %n : index to i32
  mk.emit %all, %all, %all
  mk.return
}
// Emits the places of elements above a limit, and once how long the view is.
mk.opcode @above code(70) scope(block) (%x: !vi, %limit: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  %length = arith.index_cast %n : index to i32
  mk.emit %length
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vi
    %big = arith.cmpi ugt, %v, %limit : i32
    scf.if %big {
      %place = arith.index_cast %i : index to i32
      mk.emit %place, %v
    }
  }
  mk.return
}

mk.opcode @backward code(71) scope(block) (%x: !vi, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  %last = arith.subi %n, %c1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.subi %last, %i : index
    %k = arith.index_cast %i : index to i32
    %w = arith.addi %v, %k : i32
    memref.store %w, %x[%j] : !vi
  }
  mk.return
}
mk.opcode @forward code(72) scope(block) (%x: !vi, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %x[%i] : !vi
  }
  mk.return
}
mk.opcode @raise_flag code(73) scope(block) (%x: !vi, %f: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vi
    %big = arith.cmpi ugt, %v, %v : i32
    %one = arith.extui %big : i1 to i32
    %two = arith.constant 2 : i32
    %sum = arith.addi %one, %two : i32
    %old = memref.atomic_rmw addi %sum, %f[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
mk.opcode @copy_flag code(74) scope(block) (%x: !vi, %f: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %f[%c0] : memref<?xi32>
    memref.store %v, %x[%i] : !vi
  }
  mk.return
}
// x[i] = x[i] - x[0]: every thread must have read x[0] before one writes it.
mk.opcode @from_first code(75) scope(block) (%x: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vi
  %first = memref.load %x[%c0] : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vi
    %w = arith.subi %v, %first : i32
    memref.store %w, %x[%i] : !vi
  }
  mk.return
}
mk.opcode @convert code(29) scope(lane) (%m: memref<?xi16>, %i: index, %x: f32) {
  %v = arith.fptosi %x : f32 to i16
  memref.store %v, %m[%i] : memref<?xi16>
  mk.return
}
// Local memory of each slot: sums what was written to two places of it.
mk.opcode @scratch code(30) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c63 = arith.constant 63 : index
  %local = memref.alloca() : memref<64xi32>
  %j = arith.andi %i, %c63 : index
  %h = arith.addi %i, %c1 : index
  %k = arith.andi %h, %c63 : index
  memref.store %x, %local[%j] : memref<64xi32>
  memref.store %x, %local[%k] : memref<64xi32>
  %a = memref.load %local[%j] : memref<64xi32>
  %b = memref.load %local[%k] : memref<64xi32>
  %s = arith.addi %a, %b : i32
  memref.store %s, %m[%i] : memref<?xi32>
  mk.return
}

mk.window @chain (%x: !vf, %y: !vf, %z: !vf, %a: f32) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @scale(%z, %a, %z) : !vf, f32, !vf
  mk.issue @add(%z, %y, %z) : !vf, !vf, !vf
}
mk.window @stencil (%x: !vf, %y: !vf, %z: !vf, %a: f32) {
  mk.issue @scale(%x, %a, %y) : !vf, f32, !vf
  mk.issue @neighbour(%y, %z) : !vf, !vf
}
mk.window @steps (%m: memref<?xi32>, %i: index, %v: i32) {
  mk.issue @put_i32(%m, %i, %v) : memref<?xi32>, index, i32
  mk.issue @triple(%m, %i) : memref<?xi32>, index
  mk.issue @triple(%m, %i) : memref<?xi32>, index
}
mk.window @mixed (%m: memref<?xi32>, %i: index, %v: i32, %x: !vi) {
  mk.issue @put_i32(%m, %i, %v) : memref<?xi32>, index, i32
  mk.issue @triple(%m, %i) : memref<?xi32>, index
  mk.issue @limit(%x) : !vi
  mk.issue @triple(%m, %i) : memref<?xi32>, index
}
mk.window @grumble (%x: i32, %y: i32, %z: i32) {
  mk.issue @complain(%x) : i32
  mk.issue @complain(%y) : i32
  mk.issue @complain(%z) : i32
}
mk.window @search (%x: !vi, %limit: i32, %n: index) {
  mk.issue @above(%x, %limit) : !vi, i32
  mk.issue @evens(%n) : index
}
mk.window @crossed (%x: !vi, %v: i32, %w: i32) {
  mk.issue @forward(%x, %v) : !vi, i32
  mk.issue @backward(%x, %w) : !vi, i32
}
mk.window @flagged (%x: !vi, %f: memref<?xi32>) {
  mk.issue @raise_flag(%x, %f) : !vi, memref<?xi32>
  mk.issue @copy_flag(%x, %f) : !vi, memref<?xi32>
}
mk.window @converts (%m: memref<?xi16>, %i: index, %x: f32) {
  mk.issue @convert(%m, %i, %x) : memref<?xi16>, index, f32
  mk.issue @convert(%m, %i, %x) : memref<?xi16>, index, f32
}

mk.opcode @total code(90) scope(block) (%x: !vf, %out: memref<?xf32>, %at: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%zero) -> f32 {
    %a = memref.load %x[%i] : !vf
    scf.reduce(%a : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.addf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %sum, %out[%at] : memref<?xf32>
  mk.return
}
mk.opcode @peak code(91) scope(block) (%x: !vf, %out: memref<?xf32>, %at: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %max = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%zero) -> f32 {
    %a = memref.load %x[%i] : !vf
    scf.reduce(%a : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.maximumf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %max, %out[%at] : memref<?xf32>
  mk.return
}
// %t is transient in the tests: read at the own element only, at a neighbour's, and by reductions.
mk.window @through (%x: !vf, %y: !vf, %t: !vf, %z: !vf, %a: f32) {
  mk.issue @scale(%x, %a, %t) : !vf, f32, !vf
  mk.issue @add(%t, %y, %z) : !vf, !vf, !vf
}
mk.window @around (%x: !vf, %t: !vf, %z: !vf, %a: f32) {
  mk.issue @scale(%x, %a, %t) : !vf, f32, !vf
  mk.issue @neighbour(%t, %z) : !vf, !vf
}
mk.window @measure (%x: !vf, %t: !vf, %out: memref<?xf32>, %a: f32, %i: index, %j: index) {
  mk.issue @scale(%x, %a, %t) : !vf, f32, !vf
  mk.issue @total(%t, %out, %i) : !vf, memref<?xf32>, index
  mk.issue @peak(%t, %out, %j) : !vf, memref<?xf32>, index
}
