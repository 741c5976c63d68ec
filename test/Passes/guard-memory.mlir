// Accesses beyond memref.load and memref.store, local memory, and promises that nobody keeps.

// RUN: mk-opt %s --mk-guard --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-guard=scratch=false --split-input-file | FileCheck %s --check-prefix=RAW

// CHECK-LABEL: mk.opcode @exchange
// CHECK-SAME: (%[[M:.*]]: memref<?xi32>, %[[I:.*]]: index
// CHECK: %[[N:.*]] = memref.dim %[[M]]
// CHECK: %[[OK:.*]] = arith.cmpi ult, %[[I]], %[[N]]
// CHECK: scf.if %[[OK]]
// CHECK-NEXT: memref.generic_atomic_rmw %[[M]][%[[I]]]
// CHECK: mk.fault buffer_bounds
mk.opcode @exchange code(64) scope(lane) (%m: memref<?xi32>, %i: index, %expected: i32, %new: i32) {
  %old = memref.generic_atomic_rmw %m[%i] : memref<?xi32> {
  ^bb0(%current: i32):
    %equal = arith.cmpi eq, %current, %expected : i32
    %next = arith.select %equal, %new, %current : i32
    memref.atomic_yield %next : i32
  }
  mk.return
}

// -----

// All elements of a vector must be there. Nobody checked that the address is aligned, so that promise goes.
// CHECK-LABEL: mk.opcode @vectors
// CHECK-SAME: (%[[X:.*]]: memref<?xf32>, %[[I:.*]]: index)
// CHECK: %[[N:.*]] = memref.dim %[[X]]
// CHECK: %[[INSIDE:.*]] = arith.cmpi ult, %[[I]], %[[N]]
// CHECK: %[[ROOM:.*]] = arith.subi %[[N]], %[[I]]
// CHECK: %[[FITS:.*]] = arith.cmpi uge, %[[ROOM]]
// CHECK: arith.andi %[[INSIDE]], %[[FITS]]
// CHECK: vector.load %[[X]][%[[I]]] : memref
// CHECK: arith.constant dense<0.000000e+00> : vector<4xf32>
// CHECK: mk.fault buffer_bounds
// CHECK: vector.store %{{.*}}, %[[X]][%[[I]]] : memref
// CHECK: mk.fault buffer_bounds
mk.opcode @vectors code(64) scope(lane) (%x: memref<?xf32>, %i: index) {
  %v = vector.load %x[%i] {alignment = 16} : memref<?xf32>, vector<4xf32>
  %s = arith.addf %v, %v : vector<4xf32>
  vector.store %s, %x[%i] {alignment = 16} : memref<?xf32>, vector<4xf32>
  mk.return
}

// -----

// Local memory is zero at first.
// CHECK-LABEL: mk.opcode @local
// CHECK: %[[A:.*]] = memref.alloca() : memref<4x8xi32>
// CHECK: scf.parallel (%[[R:.*]], %[[C:.*]]) =
// CHECK-NEXT: memref.store %{{.*}}, %[[A]][%[[R]], %[[C]]]
// CHECK: %[[S:.*]] = memref.alloca() : memref<f32>
// CHECK: memref.store %{{.*}}, %[[S]][]
// RAW-LABEL: mk.opcode @local
// RAW-NOT: memref.store
// RAW: mk.return
mk.opcode @local code(64) scope(block) (%x: memref<?xf32>, %i: index) {
  %a = memref.alloca() : memref<4x8xi32>
  %s = memref.alloca() : memref<f32>
  mk.return
}

// -----

// The extent of the engine's own memory is known at run time only.
// CHECK-LABEL: mk.opcode builtin @mk.load_u32
// CHECK: %[[C:.*]] = mk.memory
// CHECK: %[[N:.*]] = memref.dim %[[C]]
// CHECK: arith.cmpi ult, %{{.*}}, %[[N]]
// CHECK: mk.fault buffer_bounds
mk.opcode builtin @mk.load_u32 code(3) scope(lane) (%m: memref<?xi32>, %i: index) {
  %c0 = arith.constant 0 : index
  %control = mk.memory control : memref<?xi32>
  %v = memref.load %control[%i] : memref<?xi32>
  memref.store %v, %m[%c0] : memref<?xi32>
  mk.return
}

// -----

// The index of an access is the guarded one, also where its own check comes first.
// CHECK-LABEL: mk.opcode @quotient
// CHECK: %[[Q:.*]] = scf.if
// CHECK-NEXT: arith.divui
// CHECK: arith.cmpi ult, %[[Q]]
// CHECK: memref.load %{{.*}}[%[[Q]]]
mk.opcode @quotient code(64) scope(lane) (%x: memref<?xi32>, %i: index, %w: index) {
  %r = arith.divui %i, %w : index
  %v = memref.load %x[%r] : memref<?xi32>
  memref.store %v, %x[%i] : memref<?xi32>
  mk.return
}

// -----

// Flags that make a result undefined go, those that allow another rounding stay.
// CHECK-LABEL: mk.opcode @flags
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK: arith.addi %{{.*}}, %{{.*}} : i32
mk.opcode @flags code(64) scope(lane) (%x: memref<?xf32>, %i: index, %f: f32, %k: i32) {
  %s = arith.addf %f, %f fastmath<nnan,ninf,contract> : f32
  %t = arith.addi %k, %k overflow<nsw, nuw> : i32
  memref.store %s, %x[%i] : memref<?xf32>
  mk.fault user(1) detail %t
  mk.return
}

// -----

// Memory that a loop fills before anything else uses it needs no zeros; what it fills in part does.
// CHECK-LABEL: mk.opcode @filled
// CHECK: memref.alloca() : memref<8xi32>
// CHECK-NEXT: scf.parallel (%[[I:.*]]) =
// CHECK-NEXT: %[[J:.*]] = arith.addi %[[I]]
// CHECK-NEXT: memref.store %{{.*}}, %{{.*}}[%[[I]]]
// CHECK-NEXT: memref.store %{{.*}}, %{{.*}}[%[[J]]]
mk.opcode @filled code(64) scope(block) (%v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %m = memref.alloca() : memref<8xi32>
  scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
    %j = arith.addi %i, %c4 : index
    memref.store %v, %m[%i] : memref<8xi32>
    memref.store %v, %m[%j] : memref<8xi32>
  }
  mk.return
}

// -----

// CHECK-LABEL: mk.opcode @filled_in_part
// CHECK-SAME: (%[[V:.*]]: i32)
// CHECK: scf.parallel
// CHECK: memref.store %c0_i32
// CHECK: scf.parallel
// CHECK: memref.store %[[V]]
mk.opcode @filled_in_part code(64) scope(block) (%v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %m = memref.alloca() : memref<8xi32>
  scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
    memref.store %v, %m[%i] : memref<8xi32>
  }
  mk.return
}

// -----

// Nor is it enough that a loop fills what was looked at before.
// CHECK-LABEL: mk.opcode @seen_before
// CHECK-SAME: (%[[V:.*]]: i32
// CHECK: scf.parallel
// CHECK: memref.store %c0_i32
// CHECK: memref.load
// CHECK: scf.parallel
mk.opcode @seen_before code(64) scope(block) (%v: i32, %out: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %m = memref.alloca() : memref<8xi32>
  %w = memref.load %m[%c1] : memref<8xi32>
  memref.store %w, %out[%c0] : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
    memref.store %v, %m[%i] : memref<8xi32>
  }
  mk.return
}
