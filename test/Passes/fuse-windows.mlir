// RUN: mk-opt %s --mk-fuse-windows --split-input-file | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

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
mk.opcode @scale code(65) scope(block) (%x: !vf, %f: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.mulf %a, %f : f32
    memref.store %s, %x[%i] : !vf
  }
  mk.return
}

// Two loops over one extent become one. The runtime vouches for distinct memrefs. What may fault remembers its issue.
// CHECK-LABEL: mk.window @fused
// CHECK-SAME: (%[[X:.*]]: memref<{{.*}}>, %[[Y:.*]]: memref<{{.*}}>, %[[Z:.*]]: memref<{{.*}}>, %[[F:.*]]: f32)
// CHECK-SAME: fused(2) scope(block)
// CHECK: %[[D:.*]]:3 = memref.distinct_objects %[[X]], %[[Y]], %[[Z]]
// CHECK: scf.parallel
// CHECK: memref.load %[[D]]#0[%{{.*}}] {mk.issue = 0 : i32}
// CHECK: memref.store %{{.*}}, %[[D]]#2[%{{.*}}] {mk.issue = 0 : i32}
// CHECK-NOT: scf.parallel
// CHECK: memref.load %[[D]]#2[%{{.*}}] {mk.issue = 1 : i32}
// CHECK: arith.mulf %{{.*}}, %[[F]]
// CHECK-NOT: mk.issue @
mk.window @fused (%x: !vf, %y: !vf, %z: !vf, %f: f32) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @scale(%z, %f) : !vf, f32
}

// Loops over different memrefs stay apart, in order ...
// CHECK-LABEL: mk.window @apart
// CHECK: scf.parallel
// CHECK: scf.parallel
mk.window @apart (%x: !vf, %y: !vf, %z: !vf, %f: f32) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @scale(%x, %f) : !vf, f32
}

// ... unless their extents are known to be equal.
// CHECK-LABEL: mk.window @equal
// CHECK: scf.parallel
// CHECK-NOT: scf.parallel
// CHECK: mk.window @kept
mk.window @equal (%x: !vf, %y: !vf, %z: !vf, %f: f32) extents([0, 0, 0, -1]) {
  mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
  mk.issue @scale(%x, %f) : !vf, f32
}

// What is fused already is left alone.
// CHECK: fused(2) scope(lane) {
// CHECK-NEXT: }
mk.window @kept (%x: !vf) fused(2) scope(lane) {
}

// -----

// Reading a neighbour's element forbids fusion.
!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @double code(64) scope(block) (%x: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %a = memref.load %x[%i] : !vf
    %s = arith.addf %a, %a : f32
    memref.store %s, %x[%i] : !vf
  }
  mk.return
}
mk.opcode @next code(65) scope(block) (%x: !vf, %z: !vf) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.addi %i, %c1 : index
    %a = memref.load %x[%j] : !vf
    memref.store %a, %z[%i] : !vf
  }
  mk.return
}
// CHECK-LABEL: mk.window @stencil
// CHECK-COUNT-2: scf.parallel
mk.window @stencil (%x: !vf, %z: !vf) {
  mk.issue @double(%x) : !vf
  mk.issue @next(%x, %z) : !vf, !vf
}

// -----

// A lane opcode in a window of block scope runs on one thread; one among its like just follows.
mk.opcode @lane code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
  %one = arith.constant 1 : i32
  memref.store %one, %m[%i] : memref<?xi32>
  mk.fault user(3)
  mk.return
}
mk.opcode @block code(65) scope(block) (%m: memref<?xi32>) {
  mk.return
}
// CHECK-LABEL: mk.window @mixed
// CHECK-SAME: scope(block)
// CHECK: mk.single
// CHECK: memref.store
mk.window @mixed (%m: memref<?xi32>, %i: index) {
  mk.issue @lane(%m, %i) : memref<?xi32>, index
  mk.issue @block(%m) : memref<?xi32>
}
// CHECK-LABEL: mk.window @lanes
// CHECK-SAME: scope(lane)
// CHECK-NOT: mk.single
// CHECK: mk.fault user(3) issue(0)
// CHECK: mk.fault user(3) issue(1)
mk.window @lanes (%m: memref<?xi32>, %i: index, %j: index) {
  mk.issue @lane(%m, %i) : memref<?xi32>, index
  mk.issue @lane(%m, %j) : memref<?xi32>, index
}

// -----

// Loops that touch each other's elements stay apart: stores at other places, atomics, one place for all iterations.
mk.opcode @forward code(64) scope(block) (%x: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %x[%i] : memref<?xi32>
  }
  mk.return
}
mk.opcode @backward code(65) scope(block) (%x: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xi32>
  %last = arith.subi %n, %c1 : index
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %j = arith.subi %last, %i : index
    memref.store %v, %x[%j] : memref<?xi32>
  }
  mk.return
}
mk.opcode @atomic code(66) scope(block) (%x: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %old = memref.atomic_rmw addi %v, %x[%c0] : (i32, memref<?xi32>) -> i32
  }
  mk.return
}
mk.opcode @flag code(67) scope(block) (%x: memref<?xi32>, %f: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %v, %f[%c0] : memref<?xi32>
  }
  mk.return
}
mk.opcode @ask code(68) scope(block) (%x: memref<?xi32>, %f: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %f[%c0] : memref<?xi32>
    memref.store %v, %x[%i] : memref<?xi32>
  }
  mk.return
}
// CHECK-LABEL: mk.window @stores
// CHECK-COUNT-2: scf.parallel
mk.window @stores (%x: memref<?xi32>, %v: i32, %w: i32) {
  mk.issue @forward(%x, %v) : memref<?xi32>, i32
  mk.issue @backward(%x, %w) : memref<?xi32>, i32
}
// CHECK-LABEL: mk.window @atomics
// CHECK-COUNT-3: scf.parallel
mk.window @atomics (%x: memref<?xi32>, %v: i32) {
  mk.issue @forward(%x, %v) : memref<?xi32>, i32
  mk.issue @atomic(%x, %v) : memref<?xi32>, i32
  mk.issue @forward(%x, %v) : memref<?xi32>, i32
}
// CHECK-LABEL: mk.window @flags
// CHECK-COUNT-2: scf.parallel
mk.window @flags (%x: memref<?xi32>, %f: memref<?xi32>, %v: i32) {
  mk.issue @flag(%x, %f, %v) : memref<?xi32>, memref<?xi32>, i32
  mk.issue @ask(%x, %f) : memref<?xi32>, memref<?xi32>
}
// Fusion goes on behind the loop that had to wait.
// CHECK-LABEL: mk.window @groups
// CHECK-COUNT-2: scf.parallel
// CHECK-NOT: scf.parallel
// CHECK-NOT: mk.single
// CHECK: memref.store
// CHECK: memref.store
mk.window @groups (%x: memref<?xi32>, %v: i32, %w: i32) {
  mk.issue @backward(%x, %v) : memref<?xi32>, i32
  mk.issue @forward(%x, %w) : memref<?xi32>, i32
  mk.issue @forward(%x, %v) : memref<?xi32>, i32
}
