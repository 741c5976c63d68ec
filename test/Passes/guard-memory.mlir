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
