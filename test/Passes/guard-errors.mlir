// What mk-guard cannot make safe, it refuses.

// RUN: mk-opt %s --mk-guard --split-input-file --verify-diagnostics

mk.opcode @copy code(64) scope(lane) (%x: memref<?xi32>, %z: memref<?xi32>) {
  // expected-error @below {{'memref.copy' op touches memory in a way that mk-guard cannot check; use memref.load, memref.store, memref.atomic_rmw, memref.generic_atomic_rmw, vector.load or vector.store}}
  memref.copy %x, %z : memref<?xi32> to memref<?xi32>
  mk.return
}

// -----

mk.opcode @divide_vectors code(64) scope(lane) (%x: i32, %y: i32) {
  %a = vector.broadcast %x : i32 to vector<4xi32>
  %b = vector.broadcast %y : i32 to vector<4xi32>
  // expected-error @below {{'arith.divui' op divides vectors, which mk-guard cannot check; divide the elements}}
  %q = arith.divui %a, %b : vector<4xi32>
  mk.return
}

// -----

mk.opcode @shift_vectors code(64) scope(lane) (%x: i32, %y: i32) {
  %a = vector.broadcast %x : i32 to vector<4xi32>
  %b = vector.broadcast %y : i32 to vector<4xi32>
  // expected-error @below {{'arith.shli' op shifts vectors, which mk-guard cannot check; shift the elements}}
  %q = arith.shli %a, %b : vector<4xi32>
  mk.return
}

// -----

mk.opcode @parallel_step code(64) scope(block) (%n: index, %s: index) {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'scf.parallel' op has a step that is not known to be from 1 to 2147483648; use a constant}}
  scf.parallel (%i) = (%c0) to (%n) step (%s) {
  }
  mk.return
}

// -----

mk.opcode @foreign code(64) scope(lane) (%x: i32, %y: i32) {
  // expected-error @below {{'llvm.sdiv' op has no place in an opcode, which is made of arith, index, math, memref, scf, vector and mk}}
  %q = llvm.sdiv %x, %y : i32
  mk.return
}

// -----

mk.opcode @index_division code(64) scope(lane) (%x: index, %y: index) {
  // expected-error @below {{'index.divs' op is not known to mk-guard; use the operation of arith on index}}
  %q = index.divs %x, %y
  mk.return
}

// -----

mk.opcode @dimension code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
  // expected-error @below {{'memref.dim' op asks for a dimension that is not a constant of the memref's rank}}
  %n = memref.dim %m, %i : memref<?xi32>
  mk.return
}

// -----

mk.opcode @dynamic_scratch code(64) scope(lane) (%n: index) {
  // expected-error @below {{'memref.alloca' op has no constant size; use a buffer argument}}
  %m = memref.alloca(%n) : memref<?xi32>
  mk.return
}

// -----

mk.opcode @large_scratch code(64) scope(lane) () {
  // expected-error @below {{'memref.alloca' op brings the local memory of the body above 16384 bytes; use a buffer argument}}
  %m = memref.alloca() : memref<4097xi32>
  mk.return
}

// -----

mk.opcode @convert_vectors code(64) scope(lane) (%x: f32) {
  %v = vector.broadcast %x : f32 to vector<4xf32>
  // expected-error @below {{'arith.fptosi' op converts vectors, which mk-guard cannot check; convert the elements}}
  %i = arith.fptosi %v : vector<4xf32> to vector<4xi32>
  mk.return
}

// -----

mk.opcode @checked_atomic code(64) scope(lane) (%m: memref<?xi32>, %i: index, %d: i32) {
  %old = memref.generic_atomic_rmw %m[%i] : memref<?xi32> {
  ^bb0(%current: i32):
    // expected-error @below {{'arith.divui' op needs a check, for which there is no place in memref.generic_atomic_rmw; compute it before}}
    %q = arith.divui %current, %d : i32
    memref.atomic_yield %q : i32
  }
  mk.return
}

// -----

mk.opcode @wide_vector code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
  %a = memref.alloca() : memref<4x4xi32>
  // expected-error @below {{'vector.load' op does not access elements of a memref of one dimension, which mk-guard cannot check}}
  %v = vector.load %a[%i, %i] : memref<4x4xi32>, vector<2x2xi32>
  mk.return
}

// -----

mk.opcode @position code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
  %v = arith.constant dense<1> : vector<4xi32>
  // expected-error @below {{'vector.extract' op has a position that is not constant, which mk-guard cannot check; use memref.alloca}}
  %x = vector.extract %v[%i] : i32 from vector<4xi32>
  mk.return
}

// -----

// What gives a memref another shape could give it one that is larger than its memory.
mk.opcode @cast code(64) scope(lane) (%m: memref<?xi32>, %k: index) {
  // expected-error @below {{'memref.cast' op makes a memref, which mk-guard cannot check; bodies use their arguments, memref.alloca, mk.memory and mk.buffer as they are}}
  %big = memref.cast %m : memref<?xi32> to memref<1000000000xi32>
  mk.return
}

// -----

mk.opcode @carried code(64) scope(lane) (%m: memref<?xi32>, %k: index) {
  %c1 = arith.constant 1 : index
  // expected-error @below {{'scf.for' op makes a memref, which mk-guard cannot check}}
  %r = scf.for %i = %c1 to %k step %c1 iter_args(%q = %m) -> memref<?xi32> {
    scf.yield %q : memref<?xi32>
  }
  mk.return
}

// -----

// Nobody checks what an opcode says of its arguments; a window's are checked.
mk.opcode @promise code(64) scope(lane) (%x: memref<?xi32>, %y: memref<?xi32>) {
  // expected-error @below {{'memref.distinct_objects' op makes a memref, which mk-guard cannot check}}
  %a, %b = memref.distinct_objects %x, %y : memref<?xi32>, memref<?xi32>
  mk.return
}

// -----

mk.opcode @forall code(64) scope(lane) (%n: index) {
  // expected-error @below {{'scf.forall' op has no place in an opcode; use scf.for, scf.if, scf.index_switch, scf.parallel or scf.while}}
  scf.forall (%i) in (%n) {
  }
  mk.return
}

// -----

mk.opcode @combine code(64) scope(lane) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %n = memref.dim %m, %c0 : memref<?xi32>
  %s = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> i32 {
    %v = memref.load %m[%i] : memref<?xi32>
    // expected-error @below {{'scf.reduce' op combines with a value of the iteration, but a reduction combines its two arguments; compute it before scf.reduce}}
    scf.reduce(%v : i32) {
    ^bb0(%l: i32, %r: i32):
      %t = arith.addi %l, %v : i32
      scf.reduce.return %t : i32
    }
  }
  mk.return
}

// -----

mk.opcode @space code(64) scope(block) (%i: index) {
  // expected-error @below {{'memref.alloca' op has a layout or a memory space, but local memory is plain}}
  %a = memref.alloca() : memref<4xi32, 5>
  mk.return
}

// -----

// The limit is for all local memory of a body.
mk.opcode @two_arrays code(64) scope(lane) (%i: index) {
  %a = memref.alloca() : memref<3000xi32>
  // expected-error @below {{'memref.alloca' op brings the local memory of the body above 16384 bytes; use a buffer argument}}
  %b = memref.alloca() : memref<3000xi32>
  mk.return
}

// -----

mk.opcode @unsigned code(64) scope(lane) (%n: i8) {
  %c1 = arith.constant 1 : i8
  // expected-error @below {{'scf.for' op counts unsigned, with one bit or with more than 64, which mk-guard cannot check; count with index}}
  scf.for unsigned %i = %c1 to %n step %c1 : i8 {
  }
  mk.return
}

// -----

mk.opcode @bit code(64) scope(lane) (%s: i1) {
  %true = arith.constant true
  %false = arith.constant false
  // expected-error @below {{'scf.for' op counts unsigned, with one bit or with more than 64, which mk-guard cannot check}}
  scf.for %i = %true to %false step %s : i1 {
  }
  mk.return
}

// -----

mk.opcode @effect code(64) scope(block) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %n = memref.dim %m, %c0 : memref<?xi32>
  %s = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> i32 {
    // expected-error @below {{'scf.reduce' op combines with a loop or an effect, but how often values are combined is not defined}}
    scf.reduce(%zero : i32) {
    ^bb0(%l: i32, %r: i32):
      memref.store %l, %m[%c0] : memref<?xi32>
      scf.reduce.return %r : i32
    }
  }
  mk.return
}

// -----

mk.opcode @wide code(64) scope(block) (%m: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i128
  %n = memref.dim %m, %c0 : memref<?xi32>
  %s = scf.parallel (%i) = (%c0) to (%n) step (%c1) init(%zero) -> i128 {
    // expected-error @below {{'scf.reduce' op reduces 'i128', but threads exchange index and numbers of up to 32 or of 64 bits}}
    scf.reduce(%zero : i128) {
    ^bb0(%l: i128, %r: i128):
      scf.reduce.return %r : i128
    }
  }
  mk.return
}

// -----

mk.opcode @index_position code(64) scope(lane) (%p: index, %q: index) {
  %v = arith.constant dense<1> : vector<4xindex>
  // expected-error @below {{'vector.insert' op has a position that is not constant}}
  %w = vector.insert %q, %v[%p] : index into vector<4xindex>
  mk.return
}

// -----

mk.opcode @alloca_scope code(64) scope(lane) (%p: index) {
  // expected-error @below {{'memref.alloca_scope' op has no place in an opcode, whose local memory lasts as long as its body; leave the scope out}}
  memref.alloca_scope {
  }
  mk.return
}

// -----

mk.opcode @wide_loop code(64) scope(lane) (%n: i64) {
  %c1 = arith.constant 1 : i128
  %to = arith.extsi %n : i64 to i128
  // expected-error @below {{'scf.for' op counts unsigned, with one bit or with more than 64}}
  scf.for %i = %c1 to %to step %c1 : i128 {
  }
  mk.return
}

// -----

mk.opcode @nowait code(64) scope(block) (%n: i64) {
  // expected-error @below {{'mk.single' op does not wait, but the threads of a body may look at what it does; leave nowait out}}
  mk.single nowait {
  }
  mk.return
}
