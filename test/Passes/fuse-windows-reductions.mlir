// RUN: mk-opt %s --mk-fuse-windows --split-input-file | FileCheck %s
// RUN: mk-opt %s --mk-fuse-windows --split-input-file --remarks-filter=mk-fuse-windows -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @square code(64) scope(block) (%x: !vf, %y: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %a : f32
    memref.store %s, %y[%i] : !vf
  }
  mk.return
}
mk.opcode @sum code(65) scope(block) (%x: !vf, %out: memref<?xf32>) {
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
  memref.store %sum, %out[%c0] : memref<?xf32>
  mk.return
}
mk.opcode @highest code(66) scope(block) (%x: !vf, %out: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %least = arith.constant 0xFF800000 : f32
  %n = memref.dim %x, %c0 : !vf
  %max = scf.parallel (%i) = (%c0) to (%n) step (%c1) init (%least) -> f32 {
    %a = memref.load %x[%i] : !vf
    scf.reduce(%a : f32) {
    ^bb0(%l: f32, %r: f32):
      %s = arith.maximumf %l, %r : f32
      scf.reduce.return %s : f32
    }
  }
  memref.store %max, %out[%c0] : memref<?xf32>
  mk.return
}
mk.opcode @subtract code(67) scope(block) (%x: !vf, %from: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  %f = memref.load %from[%c0] : memref<?xf32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.subf %a, %f : f32
    memref.store %s, %x[%i] : !vf
  }
  mk.return
}

// A map joins the reduction behind it, and reductions join each other; their results are stored after the loop.
// CHECK-LABEL: mk.window @norm
// CHECK: %[[D:.*]]:4 = memref.distinct_objects
// CHECK: %[[R:.*]]:2 = scf.parallel (%[[I:.*]]) = ({{.*}}) init (%{{.*}}, %{{.*}}) -> (f32, f32) {
// CHECK: %[[S:.*]] = arith.mulf
// CHECK: memref.store %[[S]], %[[D]]#1[%[[I]]]
// CHECK: %[[A:.*]] = memref.load %[[D]]#1[%[[I]]] {mk.issue = 1 : i32}
// CHECK: %[[B:.*]] = memref.load %[[D]]#1[%[[I]]] {mk.issue = 2 : i32}
// CHECK: scf.reduce(%[[A]], %[[B]] : f32, f32) {
// CHECK: arith.addf
// CHECK: }, {
// CHECK: arith.maximumf
// CHECK-NOT: scf.parallel
// CHECK: memref.store %[[R]]#0, %[[D]]#2
// CHECK: memref.store %[[R]]#1, %[[D]]#3
// CHECK-NOT: scf.parallel
// CHECK: }
// REMARK-COUNT-2: LoopsFused | Category:mk-fuse-windows | Function=norm
mk.window @norm (%x: !vf, %y: !vf, %s: memref<?xf32>, %m: memref<?xf32>) extents([0, 0, -1, -1]) {
  mk.issue @square(%x, %y) : !vf, !vf
  mk.issue @sum(%y, %s) : !vf, memref<?xf32>
  mk.issue @highest(%y, %m) : !vf, memref<?xf32>
}

// A loop that needs a result stays behind the loop that yields it, whether through memory ...
// CHECK-LABEL: mk.window @centre
// CHECK: %[[SUM:.*]] = scf.parallel
// CHECK: memref.store %[[SUM]], %[[OUT:.*]][
// CHECK: memref.load %[[OUT]][
// CHECK: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=centre | {{.*}}the second needs a value of the first, or one from between them
mk.window @centre (%x: !vf, %s: memref<?xf32>) {
  mk.issue @sum(%x, %s) : !vf, memref<?xf32>
  mk.issue @subtract(%x, %s) : !vf, memref<?xf32>
}

// ... or not: the loops of one opcode.
mk.opcode @twice code(68) scope(block) (%x: !vf) {
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
  %half = arith.mulf %sum, %sum : f32
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %half, %x[%i] : !vf
  }
  mk.return
}
// CHECK-LABEL: mk.window @needed
// CHECK: %[[SUM:.*]] = scf.parallel
// CHECK: arith.mulf %[[SUM]]
// CHECK: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=needed | {{.*}}the second needs a value of the first
mk.window @needed (%x: !vf) {
  mk.issue @twice(%x) : !vf
}

// A result that the second loop overwrites must be stored before it.
// CHECK-LABEL: mk.window @overwritten
// CHECK: scf.parallel
// CHECK: memref.store
// CHECK: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=overwritten | {{.*}}memref.store between them and the second share memory
mk.opcode @sum_view code(69) scope(block) (%x: !vf, %out: !vf) {
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
  memref.store %sum, %out[%c0] : !vf
  mk.return
}
mk.window @overwritten (%x: !vf, %y: !vf) extents([0, 0]) {
  mk.issue @sum_view(%x, %y) : !vf, !vf
  mk.issue @square(%x, %y) : !vf, !vf
}

// -----

// Loops in two dimensions: the row-major number of the iteration is its own element, others are not.
mk.opcode @set code(64) scope(block) (%x: memref<?xi32>, %n: index, %m: index, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i, %j) = (%c0, %c0) to (%n, %m) step (%c1, %c1) {
    %row = arith.muli %i, %m : index
    %at = arith.addi %row, %j : index
    memref.store %v, %x[%at] : memref<?xi32>
  }
  mk.return
}
mk.opcode @increase code(65) scope(block) (%x: memref<?xi32>, %n: index, %m: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1 : i32
  scf.parallel (%i, %j) = (%c0, %c0) to (%n, %m) step (%c1, %c1) {
    %row = arith.muli %m, %i : index
    %at = arith.addi %j, %row : index
    %old = memref.load %x[%at] : memref<?xi32>
    %new = arith.addi %old, %one : i32
    memref.store %new, %x[%at] : memref<?xi32>
  }
  mk.return
}
mk.opcode @transpose code(66) scope(block) (%x: memref<?xi32>, %y: memref<?xi32>, %n: index, %m: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i, %j) = (%c0, %c0) to (%n, %m) step (%c1, %c1) {
    %row = arith.muli %i, %m : index
    %from = arith.addi %row, %j : index
    %column = arith.muli %j, %n : index
    %to = arith.addi %column, %i : index
    %a = memref.load %x[%to] : memref<?xi32>
    memref.store %a, %y[%from] : memref<?xi32>
  }
  mk.return
}
// CHECK-LABEL: mk.window @rows
// CHECK: scf.parallel (%{{.*}}, %{{.*}}) =
// CHECK: memref.store
// CHECK-NOT: scf.parallel
// CHECK: memref.load
// CHECK: mk.window @columns
mk.window @rows (%x: memref<?xi32>, %n: index, %m: index, %v: i32) {
  mk.issue @set(%x, %n, %m, %v) : memref<?xi32>, index, index, i32
  mk.issue @increase(%x, %n, %m) : memref<?xi32>, index, index
}
// CHECK-COUNT-2: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=columns | {{.*}}they share elements of argument 0
mk.window @columns (%x: memref<?xi32>, %y: memref<?xi32>, %n: index, %m: index, %v: i32) {
  mk.issue @set(%x, %n, %m, %v) : memref<?xi32>, index, index, i32
  mk.issue @transpose(%x, %y, %n, %m) : memref<?xi32>, memref<?xi32>, index, index
}
// CHECK-LABEL: mk.window @shapes
// CHECK-COUNT-2: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=shapes | {{.*}}their iterations are not known to be the same
mk.window @shapes (%x: memref<?xi32>, %n: index, %m: index, %v: i32) {
  mk.issue @set(%x, %n, %m, %v) : memref<?xi32>, index, index, i32
  mk.issue @increase(%x, %m, %n) : memref<?xi32>, index, index
}

// A lane opcode between two loops keeps them apart.
mk.opcode @lane code(67) scope(lane) (%x: memref<?xi32>, %i: index, %v: i32) {
  memref.store %v, %x[%i] : memref<?xi32>
  mk.return
}
// CHECK-LABEL: mk.window @mixed
// CHECK: scf.parallel
// CHECK: mk.single
// CHECK: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=mixed | {{.*}}mk.single stands between them
mk.window @mixed (%x: memref<?xi32>, %y: memref<?xi32>, %n: index, %m: index, %v: i32) {
  mk.issue @set(%x, %n, %m, %v) : memref<?xi32>, index, index, i32
  mk.issue @lane(%y, %n, %v) : memref<?xi32>, index, i32
  mk.issue @increase(%x, %n, %m) : memref<?xi32>, index, index
}

// What may fault stays, even if nothing uses its result: the interpreter would fault too.
mk.opcode @touch code(68) scope(lane) (%x: memref<?xi32>, %i: index) {
  %v = memref.load %x[%i] : memref<?xi32>
  mk.return
}
// CHECK-LABEL: mk.window @touches
// CHECK-COUNT-2: memref.load
mk.window @touches (%x: memref<?xi32>, %i: index) {
  mk.issue @touch(%x, %i) : memref<?xi32>, index
  mk.issue @touch(%x, %i) : memref<?xi32>, index
}

// In lane scope the loops of a slot take its fuel.
mk.opcode @lane_set code(69) scope(lane) (%x: memref<?xi32>, %n: index, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %x[%i] : memref<?xi32>
  }
  mk.return
}
// CHECK-LABEL: mk.window @fuel
// CHECK-COUNT-2: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=fuel | {{.*}}in lane scope they take fuel
mk.window @fuel (%x: memref<?xi32>, %n: index, %v: i32) {
  mk.issue @lane_set(%x, %n, %v) : memref<?xi32>, index, i32
  mk.issue @lane_set(%x, %n, %v) : memref<?xi32>, index, i32
}

// Memory of which nothing is known.
mk.opcode @control code(70) scope(block) (%n: index, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %words = mk.memory control : memref<?xi32>
    memref.store %v, %words[%i] : memref<?xi32>
  }
  mk.return
}
// CHECK-LABEL: mk.window @unknown
// CHECK-COUNT-2: scf.parallel
// REMARK: LoopsNotFused | Category:mk-fuse-windows | Function=unknown | {{.*}}one uses memory that is no argument
mk.window @unknown (%n: index, %v: i32) {
  mk.issue @control(%n, %v) : index, i32
  mk.issue @control(%n, %v) : index, i32
}
