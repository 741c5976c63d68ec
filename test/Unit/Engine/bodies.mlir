// The opcodes of the conformance tests for reductions, atomics, local memory and fuel.

!vf = memref<?xf32, strided<[1], offset: ?>>
!vi = memref<?xi32, strided<[1], offset: ?>>

// Reductions of an outer loop: two results of one type, and one of each width that threads exchange.
mk.opcode @stats code(100) scope(block) (%x: !vf, %out: memref<?xf32>, %i: index, %init: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %lowest = arith.constant 0xFF800000 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum, %max = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%init, %lowest) -> (f32, f32) {
    %v = memref.load %x[%k] : !vf
    %s = arith.mulf %v, %v : f32
    scf.reduce(%s, %v : f32, f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }, {
    ^bb0(%l: f32, %r: f32):
      %t = arith.maximumf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  %j = arith.addi %i, %c1 : index
  memref.store %sum, %out[%i] : memref<?xf32>
  memref.store %max, %out[%j] : memref<?xf32>
  mk.return
}
mk.opcode @widths code(101) scope(block) (%x: !vi, %out: memref<?xi64>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %none = arith.constant 0 : i64
  %no = arith.constant false
  %small = arith.constant 0 : i16
  %zero = arith.constant 0.0 : f64
  %n = memref.dim %x, %c0 : !vi
  %xor, %last, %any, %low, %sum = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%none, %c0, %no, %small, %zero)
      -> (i64, index, i1, i16, f64) {
    %v = memref.load %x[%k] : !vi
    %wide = arith.extui %v : i32 to i64
    %shifted = arith.shli %wide, %wide : i64
    %seven = arith.constant 7 : i32
    %isSeven = arith.cmpi eq, %v, %seven : i32
    %where = arith.select %isSeven, %k, %c0 : index
    %narrow = arith.trunci %v : i32 to i16
    %real = arith.uitofp %v : i32 to f64
    %tenth = arith.constant 0.1 : f64
    %part = arith.mulf %real, %tenth : f64
    scf.reduce(%shifted, %where, %isSeven, %narrow, %part : i64, index, i1, i16, f64) {
    ^bb0(%l: i64, %r: i64):
      %t = arith.xori %l, %r : i64
      scf.reduce.return %t : i64
    }, {
    ^bb0(%l: index, %r: index):
      %t = arith.maxui %l, %r : index
      scf.reduce.return %t : index
    }, {
    ^bb0(%l: i1, %r: i1):
      %t = arith.ori %l, %r : i1
      scf.reduce.return %t : i1
    }, {
    ^bb0(%l: i16, %r: i16):
      %t = arith.addi %l, %r : i16
      scf.reduce.return %t : i16
    }, {
    ^bb0(%l: f64, %r: f64):
      %t = arith.addf %l, %r : f64
      scf.reduce.return %t : f64
    }
  }
  %lastWord = arith.index_cast %last : index to i64
  %anyWord = arith.extui %any : i1 to i64
  %lowWord = arith.extui %low : i16 to i64
  %sumWord = arith.bitcast %sum : f64 to i64
  memref.store %xor, %out[%c0] : memref<?xi64>
  memref.store %lastWord, %out[%c1] : memref<?xi64>
  memref.store %anyWord, %out[%c2] : memref<?xi64>
  memref.store %lowWord, %out[%c3] : memref<?xi64>
  memref.store %sumWord, %out[%c4] : memref<?xi64>
  mk.return
}
// Two dimensions; the body also writes, and each row is reduced in order by one thread.
mk.opcode @rows code(102) scope(block) (%x: !vf, %y: !vf, %out: memref<?xf32>, %columns: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%r) = (%c0) to (%n) step (%c1) {
    %sum = scf.parallel (%c) = (%c0) to (%columns) step (%c1) init(%zero) -> f32 {
      %start = arith.muli %r, %columns : index
      %at = arith.addi %start, %c : index
      %v = memref.load %x[%at] : !vf
      scf.reduce(%v : f32) {
      ^bb0(%l: f32, %r2: f32):
        %t = arith.addf %l, %r2 : f32
        scf.reduce.return %t : f32
      }
    }
    memref.store %sum, %y[%r] : !vf
  }
  %all = scf.parallel (%r, %c) = (%c0, %c0) to (%n, %columns) step (%c1, %c3) init(%zero) -> f32 {
    %start = arith.muli %r, %columns : index
    %at = arith.addi %start, %c : index
    %v = memref.load %x[%at] : !vf
    %scale = memref.load %y[%r] : !vf
    %p = arith.mulf %v, %scale : f32
    scf.reduce(%p : f32) {
    ^bb0(%l: f32, %r2: f32):
      %t = arith.addf %l, %r2 : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %all, %out[%c0] : memref<?xf32>
  mk.return
}
mk.opcode @lane_sum code(103) scope(lane) (%x: !vf, %out: memref<?xf32>, %i: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %v = memref.load %x[%k] : !vf
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %sum, %out[%i] : memref<?xf32>
  mk.return
}
// Softmax without the exponential: a reduction, a loop that uses it, and another reduction.
mk.opcode @normalize code(104) scope(block) (%x: !vf, %out: memref<?xf32>, %i: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %v = memref.load %x[%k] : !vf
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vf
    %q = arith.divf %v, %sum : f32
    memref.store %q, %x[%k] : !vf
  }
  %rest = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%sum) -> f32 {
    %v = memref.load %x[%k] : !vf
    scf.reduce(%v : f32) {
    ^bb0(%l: f32, %r: f32):
      %t = arith.addf %l, %r : f32
      scf.reduce.return %t : f32
    }
  }
  memref.store %rest, %out[%i] : memref<?xf32>
  mk.return
}

// Local memory of a block: a histogram, and a reversal through an array of another type.
mk.opcode @histogram code(105) scope(block) (%x: !vi, %out: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bins = arith.constant 64 : index
  %one = arith.constant 1 : i32
  %mask = arith.constant 63 : i32
  %local = memref.alloca() : memref<64xi32>
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %bin = arith.andi %v, %mask : i32
    %at = arith.index_castui %bin : i32 to index
    %old = memref.atomic_rmw addi %one, %local[%at] : (i32, memref<64xi32>) -> i32
  }
  scf.parallel (%b) = (%c0) to (%bins) step (%c1) {
    %count = memref.load %local[%b] : memref<64xi32>
    memref.store %count, %out[%b] : !vi
  }
  mk.return
}
mk.opcode @reverse code(106) scope(block) (%x: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %stage = memref.alloca() : memref<512xf32>
  %total = memref.alloca() : memref<f32>
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vf
    memref.store %v, %stage[%k] : memref<512xf32>
  }
  %first = memref.load %stage[%c0] : memref<512xf32>
  memref.store %first, %total[] : memref<f32>
  %last = arith.subi %n, %c1 : index
  %add = memref.load %total[] : memref<f32>
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %from = arith.subi %last, %k : index
    %v = memref.load %stage[%from] : memref<512xf32>
    %s = arith.addf %v, %add : f32
    memref.store %s, %x[%k] : !vf
  }
  mk.return
}
// What is read before it is written is zero, whatever ran before.
mk.opcode @fresh code(107) scope(block) (%m: memref<?xi32>, %i: index, %v: i32) {
  %c3 = arith.constant 3 : index
  %local = memref.alloca() : memref<64xi32>
  %old = memref.load %local[%c3] : memref<64xi32>
  %new = arith.addi %old, %v : i32
  memref.store %new, %local[%c3] : memref<64xi32>
  %now = memref.load %local[%c3] : memref<64xi32>
  memref.store %now, %m[%i] : memref<?xi32>
  mk.return
}

// A table in local memory, which a team keeps if it can.
mk.opcode @look_up code(120) scope(block) (%table: !vi, %x: !vi, %out: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %size = arith.constant 256 : index
  %mask = arith.constant 255 : i32
  %local = memref.alloca() : memref<256xi32>
  scf.parallel (%k) = (%c0) to (%size) step (%c1) {
    %v = memref.load %table[%k] : !vi
    memref.store %v, %local[%k] : memref<256xi32>
  }
  %n = memref.dim %x, %c0 : !vi
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vi
    %low = arith.andi %v, %mask : i32
    %at = arith.index_castui %low : i32 to index
    %w = memref.load %local[%at] : memref<256xi32>
    memref.store %w, %out[%k] : !vi
  }
  mk.return
}
mk.window @look_up_twice (%table: !vi, %x: !vi, %y: !vi, %out: !vi) {
  mk.issue @look_up(%table, %x, %y) : !vi, !vi, !vi
  mk.issue @look_up(%y, %x, %out) : !vi, !vi, !vi
}

// An atomic of the whole block gives its result to every thread.
mk.opcode @reserve code(108) scope(block) (%counter: memref<?xi32>, %x: !vi, %length: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %start = memref.atomic_rmw addi %length, %counter[%c0] : (i32, memref<?xi32>) -> i32
  %from = arith.index_castui %start : i32 to index
  %count = arith.index_castui %length : i32 to index
  scf.parallel (%k) = (%c0) to (%count) step (%c1) {
    %at = arith.addi %from, %k : index
    memref.store %length, %x[%at] : !vi
  }
  mk.return
}
mk.opcode @swap_if code(109) scope(lane) (%m: memref<?xi32>, %i: index, %expected: i32, %new: i32, %old: memref<?xi32>) {
  %was = memref.generic_atomic_rmw %m[%i] : memref<?xi32> {
  ^bb0(%current: i32):
    %equal = arith.cmpi eq, %current, %expected : i32
    %next = arith.select %equal, %new, %current : i32
    memref.atomic_yield %next : i32
  }
  memref.store %was, %old[%i] : memref<?xi32>
  mk.return
}
mk.opcode @scale_all code(110) scope(block) (%m: memref<?xf32>, %x: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%k) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%k] : !vf
    %p = memref.atomic_rmw mulf %v, %m[%c0] : (f32, memref<?xf32>) -> f32
    %q = memref.atomic_rmw maximumf %v, %m[%c1] : (f32, memref<?xf32>) -> f32
  }
  mk.return
}
mk.opcode @narrow code(111) scope(lane) (%m: memref<?xi8>, %i: index, %v: i8, %h: memref<?xf16>, %w: f16) {
  %old = memref.atomic_rmw addi %v, %m[%i] : (i8, memref<?xi8>) -> i8
  %was = memref.atomic_rmw addf %w, %h[%i] : (f16, memref<?xf16>) -> f16
  mk.return
}

// Loops in loops share their fuel.
mk.opcode @nest code(112) scope(lane) (%m: memref<?xi32>, %i: index, %a: index, %b: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %total = scf.for %j = %c0 to %a step %c1 iter_args(%outer = %zero) -> i32 {
    %sum = scf.for %k = %c0 to %b step %c1 iter_args(%inner = %outer) -> i32 {
      %next = arith.addi %inner, %one : i32
      scf.yield %next : i32
    }
    scf.yield %sum : i32
  }
  memref.store %total, %m[%i] : memref<?xi32>
  mk.return
}
mk.opcode @wide code(113) scope(block) (%m: memref<?xi32>, %a: index, %b: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.parallel (%j, %k) = (%c0, %c0) to (%a, %b) step (%c1, %c1) {
    %old = memref.atomic_rmw addi %one, %m[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
// Four elements at once, where there are four.
mk.opcode @quad code(114) scope(lane) (%x: !vf, %y: !vf, %i: index) {
  %v = vector.load %x[%i] {alignment = 16} : !vf, vector<4xf32>
  %s = arith.addf %v, %v : vector<4xf32>
  vector.store %s, %y[%i] : !vf, vector<4xf32>
  mk.return
}
// What is loaded has 8, 2 and 1 bytes.
mk.opcode @sums code(115) scope(block) (%x: memref<?xf64, strided<[1], offset: ?>>, %y: memref<?xi16, strided<[1], offset: ?>>,
                                        %z: memref<?xi8, strided<[1], offset: ?>>, %out: memref<?xi64>, %i: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %zero = arith.constant 0.0 : f64
  %half = arith.constant 0 : i16
  %byte = arith.constant 0 : i8
  %n = memref.dim %x, %c0 : memref<?xf64, strided<[1], offset: ?>>
  %sum = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%zero) -> f64 {
    %v = memref.load %x[%k] : memref<?xf64, strided<[1], offset: ?>>
    scf.reduce(%v : f64) {
    ^bb0(%l: f64, %r: f64):
      %t = arith.addf %l, %r : f64
      scf.reduce.return %t : f64
    }
  }
  %halves = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%half) -> i16 {
    %v = memref.load %y[%k] : memref<?xi16, strided<[1], offset: ?>>
    scf.reduce(%v : i16) {
    ^bb0(%l: i16, %r: i16):
      %t = arith.addi %l, %r : i16
      scf.reduce.return %t : i16
    }
  }
  %bytes = scf.parallel (%k) = (%c0) to (%n) step (%c1) init(%byte) -> i8 {
    %v = memref.load %z[%k] : memref<?xi8, strided<[1], offset: ?>>
    scf.reduce(%v : i8) {
    ^bb0(%l: i8, %r: i8):
      %t = arith.addi %l, %r : i8
      scf.reduce.return %t : i8
    }
  }
  %sumWord = arith.bitcast %sum : f64 to i64
  %halfWord = arith.extui %halves : i16 to i64
  %byteWord = arith.extui %bytes : i8 to i64
  %j = arith.addi %i, %c1 : index
  %k = arith.addi %i, %c2 : index
  memref.store %sumWord, %out[%i] : memref<?xi64>
  memref.store %halfWord, %out[%j] : memref<?xi64>
  memref.store %byteWord, %out[%k] : memref<?xi64>
  mk.return
}
