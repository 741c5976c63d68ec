// What mk-guard cannot make safe, it refuses.

// RUN: mk-opt %s --mk-guard --split-input-file --verify-diagnostics

mk.opcode @copy code(64) scope(lane) (%x: memref<?xi32>, %z: memref<?xi32>) {
  // expected-error @below {{'memref.copy' op touches memory in a way that mk-guard cannot check; use memref.load, memref.store or memref.atomic_rmw}}
  memref.copy %x, %z : memref<?xi32> to memref<?xi32>
  mk.return
}

// -----

mk.opcode @cast code(64) scope(lane) (%x: memref<?xi32>, %i: index) {
  %y = memref.cast %x : memref<?xi32> to memref<4xi32>
  // expected-error @below {{'memref.load' op accesses memory that is neither an argument nor a memref.alloca, which mk-guard cannot check}}
  %v = memref.load %y[%i] : memref<4xi32>
  mk.return
}

// -----

mk.opcode @divide_vectors code(64) scope(lane) (%x: i32, %y: i32) {
  %a = vector.broadcast %x : i32 to vector<4xi32>
  %b = vector.broadcast %y : i32 to vector<4xi32>
  // expected-error @below {{'arith.divui' op divides vectors, which mk-guard cannot check yet; divide the elements}}
  %q = arith.divui %a, %b : vector<4xi32>
  mk.return
}

// -----

mk.opcode @shift_vectors code(64) scope(lane) (%x: i32, %y: i32) {
  %a = vector.broadcast %x : i32 to vector<4xi32>
  %b = vector.broadcast %y : i32 to vector<4xi32>
  // expected-error @below {{'arith.shli' op shifts vectors, which mk-guard cannot check yet; shift the elements}}
  %q = arith.shli %a, %b : vector<4xi32>
  mk.return
}

// -----

mk.opcode @parallel_step code(64) scope(block) (%n: index, %s: index) {
  %c0 = arith.constant 0 : index
  // expected-error @below {{'scf.parallel' op has a step that is not known to be positive; use a constant}}
  scf.parallel (%i) = (%c0) to (%n) step (%s) {
  }
  mk.return
}
