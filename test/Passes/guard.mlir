// RUN: mk-opt %s --mk-guard --split-input-file | FileCheck %s

// An index from outside is compared with the extent, unsigned, so that -1 is out of range too. A failed check marks the
// slot, skips the access, and a load yields zero. The second access to the same place looks at the same check, and marks
// nothing.
// CHECK-LABEL: mk.opcode @bounds
// CHECK-SAME: (%[[OUT:.*]]: memref<?xi32>, %[[I:.*]]: index)
// CHECK: %[[N:.*]] = memref.dim %[[OUT]]
// CHECK: %[[OK:.*]] = arith.cmpi ult, %[[I]], %[[N]]
// CHECK: %[[V:.*]] = scf.if %[[OK]]
// CHECK-NEXT: %[[LOADED:.*]] = memref.load %[[OUT]][%[[I]]]
// CHECK-NEXT: scf.yield %[[LOADED]]
// CHECK: else
// CHECK: %[[ZERO:.*]] = arith.constant 0 : i32
// CHECK: mk.fault buffer_bounds detail
// CHECK: scf.yield %[[ZERO]]
// CHECK: scf.if %[[OK]] {
// CHECK-NEXT: memref.store %[[V]], %[[OUT]][%[[I]]]
// CHECK-NOT: mk.fault
// CHECK: mk.return
mk.opcode @bounds code(64) scope(lane) (%out: memref<?xi32>, %i: index) {
  %v = memref.load %out[%i] : memref<?xi32>
  memref.store %v, %out[%i] : memref<?xi32>
  mk.return
}

// -----

// A loop up to the extent of the same memref needs no check. For another memref the extents are compared once; the loop
// with checks runs only if that memref is too short.
// CHECK-LABEL: mk.opcode @proved
// CHECK-SAME: (%[[X:.*]]: memref<?xf32>, %[[Z:.*]]: memref<?xf32>)
// CHECK: %[[N:.*]] = memref.dim %[[Z]]
// CHECK: %[[M:.*]] = memref.dim %[[X]]
// CHECK: %[[OK:.*]] = arith.cmpi sle, %[[N]], %[[M]]
// CHECK: scf.if %[[OK]]
// CHECK-NEXT: scf.parallel
// CHECK-NEXT: memref.load %[[X]]
// CHECK-NEXT: memref.store %{{.*}}, %[[Z]]
// CHECK: } else {
// CHECK-NEXT: scf.parallel
// CHECK: scf.if
// CHECK-NEXT: memref.load %[[X]]
// CHECK: mk.fault buffer_bounds
// CHECK-NOT: mk.fault
// CHECK: memref.store %{{.*}}, %[[Z]]
// CHECK-NOT: mk.fault
mk.opcode @proved code(64) scope(block) (%x: memref<?xf32>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : memref<?xf32>
    memref.store %v, %z[%i] : memref<?xf32>
  }
  mk.return
}

// -----

// Below a constant bound they add up before; a bound from which an addition could wrap around is left alone.
// CHECK-LABEL: mk.opcode @halves
// CHECK: %[[N:.*]] = memref.dim
// CHECK: arith.cmpi sle, %c512, %[[N]]
// CHECK: mk.opcode @far_halves
// CHECK: %[[N:.*]] = memref.dim
// CHECK: %[[ROOM:.*]] = arith.subi %[[N]], %c256
// CHECK: arith.cmpi sle, %{{.*}}, %[[ROOM]]
mk.opcode @halves code(64) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  scf.parallel (%i) = (%c0) to (%c256) step (%c1) {
    %j = arith.addi %i, %c256 : index
    %v = memref.load %x[%j] : memref<?xf32>
    memref.store %v, %x[%i] : memref<?xf32>
  }
  mk.return
}
mk.opcode @far_halves code(65) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %end = arith.constant 9223372036854775807 : index
  scf.parallel (%i) = (%c0) to (%end) step (%c1) {
    %j = arith.addi %i, %c256 : index
    %v = memref.load %x[%j] : memref<?xf32>
    memref.store %v, %x[%i] : memref<?xf32>
  }
  mk.return
}

// -----

// Neighbours too: what the farthest one needs is compared once.
// CHECK-LABEL: mk.opcode @neighbours
// CHECK-SAME: (%[[X:.*]]: memref<?xf32>, %[[Z:.*]]: memref<?xf32>)
// CHECK: %[[N:.*]] = memref.dim %[[Z]]
// CHECK: %[[M:.*]] = memref.dim %[[X]]
// CHECK: %[[ROOM:.*]] = arith.subi %[[M]], %c2
// CHECK: %[[OK:.*]] = arith.cmpi sle, %[[N]], %[[ROOM]]
// CHECK: scf.if %[[OK]]
// CHECK-NEXT: scf.parallel
// CHECK-NOT: scf.if
// CHECK-COUNT-2: memref.load %[[X]]
// CHECK: } else {
// CHECK: scf.parallel
// CHECK-COUNT-2: mk.fault buffer_bounds
mk.opcode @neighbours code(64) scope(block) (%x: memref<?xf32>, %z: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.addi %i, %c1 : index
    %k = arith.addi %j, %c1 : index
    %u = memref.load %x[%j] : memref<?xf32>
    %v = memref.load %x[%k] : memref<?xf32>
    %s = arith.addf %u, %v : f32
    memref.store %s, %z[%i] : memref<?xf32>
  }
  mk.return
}

// -----

// A neighbour before the first element is checked where it is accessed.
// CHECK-LABEL: mk.opcode @before
// CHECK-NOT: arith.cmpi sle
// CHECK: scf.parallel
// CHECK: arith.cmpi ult
// CHECK: mk.fault buffer_bounds
mk.opcode @before code(64) scope(block) (%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %back = arith.constant -1 : index
  %n = memref.dim %x, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.addi %i, %back : index
    %v = memref.load %x[%j] : memref<?xf32>
    memref.store %v, %x[%i] : memref<?xf32>
  }
  mk.return
}

// -----

// A lower bound that may be negative proves nothing.
// CHECK-LABEL: mk.opcode @negative_start
// CHECK: scf.for
// CHECK: mk.fault buffer_bounds
mk.opcode @negative_start code(64) scope(lane) (%z: memref<?xi32>, %from: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %start = arith.index_cast %from : i32 to index
  %n = memref.dim %z, %c0 : memref<?xi32>
  scf.for %i = %start to %n step %c1 {
    memref.store %zero, %z[%i] : memref<?xi32>
  }
  mk.return
}

// -----

// A window knows which memrefs have equal extents.
// CHECK-LABEL: mk.window @extents
// CHECK-NOT: mk.fault
// CHECK: memref.store
mk.window @extents (%x: memref<?xf32>, %z: memref<?xf32>) extents([0, 0]) fused(1) scope(block) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %z, %c0 : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : memref<?xf32>
    memref.store %v, %z[%i] : memref<?xf32>
  }
}

// -----

// Local memory has a known extent, and range analysis knows the masked index.
// CHECK-LABEL: mk.opcode @local
// CHECK: memref.store %{{.*}}, %alloca
// CHECK-NOT: mk.fault
// CHECK: memref.load %alloca
mk.opcode @local code(64) scope(lane) (%i: index) {
  %c7 = arith.constant 7 : index
  %one = arith.constant 1 : i32
  %m = memref.alloca() : memref<8xi32>
  %j = arith.andi %i, %c7 : index
  memref.store %one, %m[%j] : memref<8xi32>
  %v = memref.load %m[%j] : memref<8xi32>
  mk.return
}

// -----

// CHECK-LABEL: mk.opcode @division
// CHECK-SAME: (%[[A:.*]]: i32, %[[B:.*]]: i32)
// CHECK: %[[NONZERO:.*]] = arith.cmpi ne, %[[B]], %{{.*}} : i32
// CHECK: scf.if %[[NONZERO]]
// CHECK-NEXT: arith.divui
// CHECK: mk.fault division detail %[[B]]
// A signed one can overflow as well.
// CHECK: arith.constant -2147483648
// CHECK: arith.constant -1
// CHECK: arith.remsi
// CHECK: mk.fault division
// A constant divisor is fine.
// CHECK-NOT: mk.fault
// CHECK: mk.return
mk.opcode @division code(64) scope(lane) (%a: i32, %b: i32) {
  %c3 = arith.constant 3 : i32
  %q = arith.divui %a, %b : i32
  %r = arith.remsi %a, %b : i32
  %s = arith.divsi %a, %c3 : i32
  mk.return
}

// -----

// CHECK-LABEL: mk.opcode @shift
// CHECK-SAME: (%[[A:.*]]: i32, %[[B:.*]]: i32)
// CHECK: %[[OK:.*]] = arith.cmpi ult, %[[B]], %{{.*}} : i32
// CHECK: scf.if %[[OK]]
// CHECK-NEXT: arith.shli
// CHECK: mk.fault shift detail %[[B]]
// A masked amount is fine.
// CHECK-NOT: mk.fault
// CHECK: mk.return
mk.opcode @shift code(64) scope(lane) (%a: i32, %b: i32) {
  %c31 = arith.constant 31 : i32
  %l = arith.shli %a, %b : i32
  %m = arith.andi %b, %c31 : i32
  %r = arith.shrui %a, %m : i32
  mk.return
}

// -----

// CHECK-LABEL: mk.opcode @fuel
// CHECK: %[[W:.*]]:2 = scf.while (%{{.*}} = %{{.*}}, %[[COUNT:.*]] = %{{.*}}) : (i32, i64)
// CHECK: arith.cmpi ult, %[[COUNT]]
// CHECK: arith.cmpi ugt, %[[W]]#1
// CHECK: mk.fault fuel
mk.opcode @fuel code(64) scope(lane) (%x: i32) {
  %one = arith.constant 1 : i32
  %r = scf.while (%v = %x) : (i32) -> i32 {
    %go = arith.cmpi ne, %v, %one : i32
    scf.condition(%go) %v : i32
  } do {
  ^bb0(%v: i32):
    %n = arith.addi %v, %v : i32
    scf.yield %n : i32
  }
  mk.return
}

// -----

// A loop whose bounds come from outside runs only if its step is sane and its fuel lasts.
// CHECK-LABEL: mk.opcode @step
// CHECK: %[[STEP:.*]] = arith.select
// CHECK: arith.divui %{{.*}}, %[[STEP]]
// CHECK: mk.fault loop_step
// CHECK: mk.fault fuel
// CHECK: %[[END:.*]] = arith.select
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[END]] step %[[STEP]]
mk.opcode @step code(64) scope(lane) (%n: index, %s: i32) {
  %c0 = arith.constant 0 : index
  %step = arith.index_cast %s : i32 to index
  scf.for %i = %c0 to %n step %step {
    mk.fault user(1)
  }
  mk.return
}

// -----

// Atomics are accesses too.
// CHECK-LABEL: mk.opcode @atomic
// CHECK: scf.if
// CHECK-NEXT: memref.atomic_rmw addi
// CHECK: mk.fault buffer_bounds
mk.opcode @atomic code(64) scope(lane) (%m: memref<?xi32>, %i: index, %v: i32) {
  %old = memref.atomic_rmw addi %v, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}

// -----

// What bounds a loop by itself needs no fuel: an extent, constants, masks.
// CHECK-LABEL: mk.opcode @bounded
// CHECK-NOT: mk.fault
// CHECK: mk.return
mk.opcode @bounded code(64) scope(lane) (%m: memref<?xi32>, %k: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c255 = arith.constant 255 : index
  %zero = arith.constant 0 : i32
  %n = memref.dim %m, %c0 : memref<?xi32>
  scf.for %i = %c0 to %n step %c1 {
    memref.store %zero, %m[%i] : memref<?xi32>
  }
  %few = arith.andi %k, %c255 : index
  %s = scf.for %i = %c0 to %few step %c1 iter_args(%t = %zero) -> i32 {
    %u = arith.addi %t, %t : i32
    scf.yield %u : i32
  }
  mk.return
}

// -----

// A promise of the program proves nothing: the flag goes, the check comes.
// CHECK-LABEL: mk.opcode @promise
// CHECK: arith.addi %{{.*}}, %{{.*}} : i32
// CHECK: mk.fault division
mk.opcode @promise code(64) scope(lane) (%m: memref<?xi32>, %x: i32) {
  %c1 = arith.constant 1 : i32
  %y = arith.addi %x, %c1 overflow<nuw> : i32
  %q = arith.divui %x, %y : i32
  mk.return
}

// -----

// A float is converted if the integer type can hold it.
// CHECK-LABEL: mk.opcode @convert
// CHECK: %[[LOW:.*]] = arith.constant -3.276900e+04 : f32
// CHECK: arith.cmpf ogt, %{{.*}}, %[[LOW]]
// CHECK: %[[HIGH:.*]] = arith.constant 3.276800e+04 : f32
// CHECK: arith.cmpf olt, %{{.*}}, %[[HIGH]]
// CHECK: arith.fptosi
// CHECK: mk.fault conversion
// Near the end of the type the float cannot tell lowest - 1 from lowest.
// CHECK: arith.cmpf oge
// CHECK: arith.fptosi
mk.opcode @convert code(64) scope(lane) (%x: f32) {
  %a = arith.fptosi %x : f32 to i16
  %b = arith.fptosi %x : f32 to i32
  mk.return
}
