// What mk-guard cannot make safe, it refuses.

// RUN: mk-opt %s --mk-guard --split-input-file --verify-diagnostics

mk.opcode @copy code(64) scope(lane) (%x: memref<?xi32>, %z: memref<?xi32>) {
  // expected-error @below {{'memref.copy' op touches memory in a way that mk-guard cannot check; use memref.load, memref.store, memref.atomic_rmw, memref.generic_atomic_rmw, vector.load or vector.store}}
  memref.copy %x, %z : memref<?xi32> to memref<?xi32>
  mk.return
}

// -----

mk.opcode @cast code(64) scope(lane) (%x: memref<?xi32>, %i: index) {
  %y = memref.cast %x : memref<?xi32> to memref<4xi32>
  // expected-error @below {{'memref.load' op accesses memory that is no argument, memref.alloca or mk.memory, which mk-guard cannot check}}
  %v = memref.load %y[%i] : memref<4xi32>
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
  // expected-error @below {{'memref.alloca' op takes more than 16384 bytes; use a buffer argument}}
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
