// Six kernels that every GPU programmer has written: what the generated code of opcodes and windows is measured on,
// beside kernels.cu. An instance works on one tile.

!vf = memref<?xf32, strided<[1], offset: ?>>
!vi = memref<?xi32, strided<[1], offset: ?>>
!vb = memref<?xi8, strided<[1], offset: ?>>

// y += a * x
mk.opcode @saxpy code(64) scope(block) (%x: !vf, %y: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %xi = memref.load %x[%i] : !vf
    %yi = memref.load %y[%i] : !vf
    %p = arith.mulf %a, %xi : f32
    %s = arith.addf %p, %yi : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}

// out[place] = sum of x * y
mk.opcode @dot code(65) scope(block) (%x: !vf, %y: !vf, %out: memref<?xf32>, %place: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : !vf
  %sum = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> f32 {
    %xi = memref.load %x[%i] : !vf
    %yi = memref.load %y[%i] : !vf
    %p = arith.mulf %xi, %yi : f32
    scf.reduce(%p : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.addf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %sum, %out[%place] : memref<?xf32>
  mk.return
}

// z[i] = c0 * (x[i] + x[i + 4]) + c1 * (x[i + 1] + x[i + 3]) + c2 * x[i + 2]; x has four elements more than z.
mk.opcode @stencil code(66) scope(block) (%x: !vf, %z: !vf, %c0: f32, %c1: f32, %c2: f32) {
  %0 = arith.constant 0 : index
  %1 = arith.constant 1 : index
  %2 = arith.constant 2 : index
  %3 = arith.constant 3 : index
  %4 = arith.constant 4 : index
  %n = memref.dim %z, %0 : !vf
  scf.parallel (%i) = (%0) to (%n) step (%1) {
    %i1 = arith.addi %i, %1 : index
    %i2 = arith.addi %i, %2 : index
    %i3 = arith.addi %i, %3 : index
    %i4 = arith.addi %i, %4 : index
    %a = memref.load %x[%i] : !vf
    %b = memref.load %x[%i1] : !vf
    %c = memref.load %x[%i2] : !vf
    %d = memref.load %x[%i3] : !vf
    %e = memref.load %x[%i4] : !vf
    %outer = arith.addf %a, %e : f32
    %inner = arith.addf %b, %d : f32
    %p = arith.mulf %c0, %outer : f32
    %q = arith.mulf %c1, %inner : f32
    %r = arith.mulf %c2, %c : f32
    %s = arith.addf %p, %q : f32
    %t = arith.addf %s, %r : f32
    memref.store %t, %z[%i] : !vf
  }
  mk.return
}

// counts[b] = how many keys have b in their highest 8 bits: what each pass of a radix sort begins with.
mk.opcode @histogram code(67) scope(block) (%keys: !vi, %counts: !vi) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %bins = arith.constant 256 : index
  %one = arith.constant 1 : i32
  %zero = arith.constant 0 : i32
  %c24 = arith.constant 24 : i32
  %mine = memref.alloca() : memref<256xi32>
  scf.parallel (%b) = (%c0) to (%bins) step (%c1) {
    memref.store %zero, %mine[%b] : memref<256xi32>
  }
  %n = memref.dim %keys, %c0 : !vi
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %key = memref.load %keys[%i] : !vi
    %high = arith.shrui %key, %c24 : i32
    %bin = arith.index_castui %high : i32 to index
    %old = memref.atomic_rmw addi %one, %mine[%bin] : (i32, memref<256xi32>) -> i32
  }
  scf.parallel (%b) = (%c0) to (%bins) step (%c1) {
    %count = memref.load %mine[%b] : memref<256xi32>
    memref.store %count, %counts[%b] : !vi
  }
  mk.return
}

// Runs an automaton of at most 32 states over the 256 strings of a tile, from state 0, and writes where each ends. A byte
// stands for its class, of which there are 16. Byte k of string s is text[256 * k + s].
mk.opcode @dfa code(68) scope(block) (%text: !vb, %classes: memref<?xi8>, %table: memref<?xi8>, %final: !vb) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %c256 = arith.constant 256 : index
  %c511 = arith.constant 511 : index
  %start = arith.constant 0 : i8
  %class_of = memref.alloca() : memref<256xi8>
  %next_of = memref.alloca() : memref<512xi8>
  scf.parallel (%i) = (%c0) to (%c256) step (%c1) {
    %j = arith.addi %i, %c256 : index
    %class = memref.load %classes[%i] : memref<?xi8>
    %low = memref.load %table[%i] : memref<?xi8>
    %high = memref.load %table[%j] : memref<?xi8>
    memref.store %class, %class_of[%i] : memref<256xi8>
    memref.store %low, %next_of[%i] : memref<512xi8>
    memref.store %high, %next_of[%j] : memref<512xi8>
  }
  %n = memref.dim %text, %c0 : !vb
  scf.parallel (%s) = (%c0) to (%c256) step (%c1) {
    %end = scf.for %at = %s to %n step %c256 iter_args(%state = %start) -> (i8) {
      %byte = memref.load %text[%at] : !vb
      %b = arith.index_castui %byte : i8 to index
      %class = memref.load %class_of[%b] : memref<256xi8>
      %q = arith.index_castui %state : i8 to index
      %c = arith.index_castui %class : i8 to index
      %row = arith.muli %q, %c16 : index
      // Within the table, whatever it holds: this costs less than a check.
      %sum = arith.addi %row, %c : index
      %place = arith.andi %sum, %c511 : index
      %next = memref.load %next_of[%place] : memref<512xi8>
      scf.yield %next : i8
    }
    memref.store %end, %final[%s] : !vb
  }
  mk.return
}

mk.opcode @add code(69) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %r = arith.addf %a, %b : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @mul code(70) scope(block) (%x: !vf, %y: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %b = memref.load %y[%i] : !vf
    %r = arith.mulf %a, %b : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @relu code(71) scope(block) (%x: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %isPositive = arith.cmpf ogt, %a, %zero : f32
    %r = arith.select %isPositive, %a, %zero : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

mk.opcode @scale code(72) scope(block) (%x: !vf, %factor: f32, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %r = arith.mulf %a, %factor : f32
    memref.store %r, %z[%i] : !vf
  }
  mk.return
}

// z = scale(relu((x + y) * y)), and once more with z in the place of x.
mk.window @chain (%x: !vf, %y: !vf, %z: !vf, %factor: f32) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %factor, %z) : !vf, f32, !vf
  mk.issue @add(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @mul(%z, %y, %z) : !vf, !vf, !vf
  mk.issue @relu(%z, %z) : !vf, !vf
  mk.issue @scale(%z, %factor, %z) : !vf, f32, !vf
}
