// RUN: mk-opt %s --pass-pipeline='builtin.module(mk.kernel(mk-vectorize-loops))' | FileCheck %s

!vf = memref<?xf32, strided<[1], offset: ?>>

// Aligned views of a multiple of four floats are taken four at a time; the others keep the loop as it was.
// CHECK-LABEL: mk.kernel @elementwise
// CHECK: %[[X:.*]] = mk.view %{{.*}}[%[[OX:.*]]] size
// CHECK: %[[Z:.*]] = mk.view %{{.*}}[%[[OZ:.*]]] size
// CHECK: %[[COUNT:.*]] = arith.maxsi
// CHECK: %[[BITS:.*]] = arith.ori %[[COUNT]], %[[OX]]
// CHECK: arith.ori %[[BITS]], %[[OZ]]
// CHECK: %[[ALIGNED:.*]] = arith.cmpi eq
// CHECK: scf.if %[[ALIGNED]] {
// CHECK: scf.parallel (%[[STEP:.*]]) =
// CHECK: %[[A:.*]] = vector.load %[[X]][%[[AT:.*]]] {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK: %[[F:.*]] = vector.broadcast %{{.*}} : f32 to vector<4xf32>
// CHECK: %[[S:.*]] = arith.addf %[[A]], %[[F]] : vector<4xf32>
// CHECK: %[[C:.*]] = arith.cmpf ogt, %[[S]], %{{.*}} : vector<4xf32>
// CHECK: %[[R:.*]] = arith.select %[[C]], %[[S]], %{{.*}} : vector<4xi1>, vector<4xf32>
// CHECK: vector.store %[[R]], %[[Z]][%[[AT]]] {alignment = 16 : i64}
// CHECK: } else {
// CHECK: scf.parallel
// CHECK-NOT: vector.load
// CHECK: memref.load %[[X]]
// CHECK: memref.store %{{.*}}, %[[Z]]
// CHECK: mk.return
mk.kernel @elementwise scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %k = arith.constant 3.0 : f32
  %zero = arith.constant 0.0 : f32
  %n = arith.index_castui %items : i64 to index
  %ox = arith.index_castui %c : i64 to index
  %oz = arith.index_castui %d : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a[%ox] size %n : !vf
    %z = mk.view %a[%oz] size %n : !vf
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%j] : !vf
      %s = arith.addf %v, %k : f32
      %p = arith.cmpf ogt, %s, %zero : f32
      %r = arith.select %p, %s, %zero : f32
      memref.store %r, %z[%j] : !vf
    }
  }
  mk.return
}

// Loops that use the index, that read what a neighbour writes, that mix element sizes or that contain branches stay.
// CHECK-LABEL: mk.kernel @others
// CHECK-NOT: vector.
// CHECK: mk.return
mk.kernel @others scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi32>
    %w = mk.view %a size %n : memref<?xi64>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = arith.index_cast %j : index to i32
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %k = arith.addi %j, %c1 : index
      %v = memref.load %x[%k] : memref<?xi32>
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xi32>
      %l = arith.extui %v : i32 to i64
      memref.store %l, %w[%j] : memref<?xi64>
    }
    scf.parallel (%j) = (%c1) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xi32>
      memref.store %v, %x[%j] : memref<?xi32>
    }
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xi32>
      %p = arith.trunci %v : i32 to i1
      scf.if %p {
        memref.store %v, %x[%j] : memref<?xi32>
      }
    }
  }
  mk.return
}

// In lane scope a thread runs the loop alone.
// CHECK-LABEL: mk.kernel @lane
// CHECK-NOT: vector.
// CHECK: mk.return
mk.kernel @lane scope(lane) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  %x = mk.view %a size %n : memref<?xi32>
  scf.parallel (%j) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%j] : memref<?xi32>
    memref.store %v, %x[%j] : memref<?xi32>
  }
  mk.return
}

// Neighbours come from the same 16 bytes, or from those and the next, each read once.
// CHECK-LABEL: mk.kernel @neighbours
// CHECK: %[[X:.*]] = mk.view
// CHECK: %[[Z:.*]] = mk.view
// CHECK: scf.parallel
// CHECK: %[[AT:.*]] = arith.muli
// CHECK: %[[LOW:.*]] = vector.load %[[X]][%[[AT]]] {alignment = 16 : i64}
// CHECK: %[[NEXT:.*]] = arith.addi %[[AT]], %c4
// CHECK: %[[HIGH:.*]] = vector.load %[[X]][%[[NEXT]]] {alignment = 16 : i64}
// CHECK: %[[ONE:.*]] = vector.shuffle %[[LOW]], %[[HIGH]] [1, 2, 3, 4]
// CHECK-NOT: vector.load
// CHECK: arith.addi %[[ONE]], %[[HIGH]] : vector<4xi32>
// CHECK: vector.store %{{.*}}, %[[Z]][%[[AT]]]
// CHECK: } else {
mk.kernel @neighbours scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi32>
    %z = mk.view %c size %n : memref<?xi32>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %j1 = arith.addi %j, %c1 : index
      %j4 = arith.addi %j1, %c3 : index
      %u = memref.load %x[%j] : memref<?xi32>
      %v = memref.load %x[%j1] : memref<?xi32>
      %w = memref.load %x[%j4] : memref<?xi32>
      %s = arith.addi %v, %w : i32
      %t = arith.addi %s, %u : i32
      memref.store %t, %z[%j] : memref<?xi32>
    }
  }
  mk.return
}

// Atomics of four elements follow one load.
// CHECK-LABEL: mk.kernel @counts
// CHECK: %[[X:.*]] = mk.view
// CHECK: %[[V:.*]] = vector.load %[[X]]
// CHECK: %[[B:.*]] = arith.shrui %[[V]], %{{.*}} : vector<4xi32>
// CHECK: %[[I:.*]] = arith.index_castui %[[B]] : vector<4xi32> to vector<4xindex>
// CHECK: %[[I0:.*]] = vector.extract %[[I]][0]
// CHECK: memref.atomic_rmw addi %{{.*}}[%[[I0]]]
// CHECK: %[[I3:.*]] = vector.extract %[[I]][3]
// CHECK: memref.atomic_rmw addi %{{.*}}[%[[I3]]]
// CHECK: } else {
mk.kernel @counts scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c24 = arith.constant 24 : i32
  %one = arith.constant 1 : i32
  %bins = memref.alloca() : memref<256xi32>
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi32>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %v = memref.load %x[%j] : memref<?xi32>
      %h = arith.shrui %v, %c24 : i32
      %b = arith.index_castui %h : i32 to index
      %old = memref.atomic_rmw addi %one, %bins[%b] : (i32, memref<256xi32>) -> i32
    }
  }
  mk.return
}

// Bytes are moved 16 at a time, also to local memory and to places at a multiple of 16 from the iteration's own; they are
// not computed with.
// CHECK-LABEL: mk.kernel @bytes
// CHECK: %[[L:.*]] = memref.alloca
// CHECK: %[[X:.*]] = mk.view
// CHECK-NOT: scf.if
// CHECK: scf.parallel
// CHECK: %[[AT:.*]] = arith.muli
// CHECK: %[[LOW:.*]] = vector.load %[[X]][%[[AT]]] {alignment = 16 : i64} : memref<?xi8>, vector<16xi8>
// CHECK: %[[FAR:.*]] = arith.addi %[[AT]], %c256
// CHECK: %[[HIGH:.*]] = vector.load %[[X]][%[[FAR]]] {alignment = 16 : i64}
// CHECK: vector.store %[[LOW]], %[[L]][%[[AT]]] {alignment = 16 : i64}
// CHECK: %[[FAR2:.*]] = arith.addi %[[AT]], %c256
// CHECK: vector.store %[[HIGH]], %[[L]][%[[FAR2]]] {alignment = 16 : i64}
// What is stored at a distance is another iteration's.
// CHECK-NOT: vector.
// CHECK: mk.return
mk.kernel @bytes scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %one = arith.constant 1 : i8
  %local = memref.alloca() : memref<512xi8>
  %words = memref.alloca() : memref<512xi32>
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi8>
    scf.parallel (%j) = (%c0) to (%c256) step (%c1) {
      %k = arith.addi %j, %c256 : index
      %low = memref.load %x[%j] : memref<?xi8>
      %high = memref.load %x[%k] : memref<?xi8>
      memref.store %low, %local[%j] : memref<512xi8>
      memref.store %high, %local[%k] : memref<512xi8>
    }
    scf.parallel (%j) = (%c0) to (%c256) step (%c1) {
      %k = arith.addi %j, %c256 : index
      %low = memref.load %local[%j] : memref<512xi8>
      memref.store %low, %local[%k] : memref<512xi8>
    }
    scf.parallel (%j) = (%c0) to (%c256) step (%c1) {
      %low = memref.load %x[%j] : memref<?xi8>
      %next = arith.addi %low, %one : i8
      memref.store %next, %x[%j] : memref<?xi8>
    }
    scf.parallel (%j) = (%c0) to (%c256) step (%c1) {
      %v = memref.load %words[%j] : memref<512xi32>
      memref.store %v, %words[%j] : memref<512xi32>
    }
  }
  mk.return
}

// What is reduced comes four elements at a time, whatever their size, one for each accumulator of a lane: four results,
// which the lowering makes one. A sum that the loop stores besides is as wide.
// CHECK-LABEL: mk.kernel @sums
// CHECK: %[[X:.*]] = mk.view
// CHECK: %[[SUM:.*]]:2 = scf.if %{{.*}} -> (f64, f64) {
// CHECK: %[[SUMS:.*]]:8 = scf.parallel (%{{.*}}) = {{.*}} init (%[[Z:.*]], %[[Z]], %[[Z]], %[[Z]], %[[ONE:.*]], %[[ONE]], %[[ONE]], %[[ONE]])
// CHECK: %[[V:.*]] = vector.load %[[X]][%[[AT:.*]]] {alignment = 16 : i64} : memref<?xf64>, vector<4xf64>
// CHECK: %[[S:.*]] = arith.mulf %[[V]], %[[V]] : vector<4xf64>
// CHECK: vector.store %[[S]], %{{.*}}[%[[AT]]] {alignment = 16 : i64} : memref<?xf64>, vector<4xf64>
// CHECK: %[[S0:.*]] = vector.extract %[[S]][0]
// CHECK: %[[S3:.*]] = vector.extract %[[S]][3]
// CHECK: %[[V0:.*]] = vector.extract %[[V]][0]
// CHECK: scf.reduce(%[[S0]], {{.*}}, %[[S3]], %[[V0]]
// CHECK-COUNT-4: arith.addf
// CHECK-COUNT-4: arith.maximumf
// CHECK: } {mk.vectorized}
// CHECK: scf.yield %[[SUMS]]#0, %[[SUMS]]#4
// CHECK: } else {
// CHECK: %[[REST:.*]]:2 = scf.parallel
// CHECK-NOT: vector.
// CHECK: scf.yield %[[REST]]#0, %[[REST]]#1
// CHECK: memref.store %[[SUM]]#0
// CHECK: memref.store %[[SUM]]#1
mk.kernel @sums scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f64
  %one = arith.constant 1.0 : f64
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xf64>
    %y = mk.view %c size %n : memref<?xf64>
    %sum:2 = scf.parallel (%j) = (%c0) to (%n) step (%c1) init(%zero, %one) -> (f64, f64) {
      %v = memref.load %x[%j] : memref<?xf64>
      %s = arith.mulf %v, %v : f64
      memref.store %s, %y[%j] : memref<?xf64>
      scf.reduce(%s, %v : f64, f64) {
      ^bb0(%l: f64, %r: f64):
        %t = arith.addf %l, %r : f64
        scf.reduce.return %t : f64
      }, {
      ^bb0(%l: f64, %r: f64):
        %t = arith.maximumf %l, %r : f64
        scf.reduce.return %t : f64
      }
    }
    memref.store %sum#0, %y[%c0] : memref<?xf64>
    memref.store %sum#1, %y[%c1] : memref<?xf64>
  }
  mk.return
}

// A known number of elements in aligned views: no test, and no other loop. Two bytes each make eight.
// CHECK-LABEL: mk.kernel @halves
// CHECK-NOT: scf.if
// CHECK: %[[SUMS:.*]]:4 = scf.parallel (%{{.*}}) = (%{{.*}}) to (%c1024)
// CHECK: vector.load %{{.*}} {alignment = 8 : i64} : memref<?xi16>, vector<4xi16>
// CHECK-NOT: scf.parallel
// CHECK: memref.store %[[SUMS]]#0
mk.kernel @halves scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i16
  %n = arith.constant 4096 : index
  %count = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %count {
    %x = mk.view %a size %n : memref<?xi16>
    %sum = scf.parallel (%j) = (%c0) to (%n) step (%c1) init(%zero) -> i16 {
      %v = memref.load %x[%j] : memref<?xi16>
      scf.reduce(%v : i16) {
      ^bb0(%l: i16, %r: i16):
        %t = arith.addi %l, %r : i16
        scf.reduce.return %t : i16
      }
    }
    memref.store %sum, %x[%c0] : memref<?xi16>
  }
  mk.return
}

// A sum of indexes stays, as do one of two element sizes and one whose wide accesses would reach behind the 16 bytes in which
// a buffer ends.
// CHECK-LABEL: mk.kernel @other_sums
// CHECK-NOT: vector.
// CHECK: mk.return
mk.kernel @other_sums scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0.0 : f64
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xf64>
    %y = mk.view %c size %n : memref<?xf32>
    %places = scf.parallel (%j) = (%c0) to (%n) step (%c1) init(%c0) -> index {
      %v = memref.load %x[%j] : memref<?xf64>
      scf.reduce(%j : index) {
      ^bb0(%l: index, %r: index):
        %t = arith.addi %l, %r : index
        scf.reduce.return %t : index
      }
    }
    %mixed = scf.parallel (%j) = (%c0) to (%n) step (%c1) init(%zero) -> f64 {
      %v = memref.load %x[%j] : memref<?xf64>
      %w = memref.load %y[%j] : memref<?xf32>
      %u = arith.extf %w : f32 to f64
      %p = arith.mulf %u, %v : f64
      scf.reduce(%p : f64) {
      ^bb0(%l: f64, %r: f64):
        %t = arith.addf %l, %r : f64
        scf.reduce.return %t : f64
      }
    }
    %next = scf.parallel (%j) = (%c0) to (%n) step (%c1) init(%zero) -> f64 {
      %k = arith.addi %j, %c1 : index
      %v = memref.load %x[%k] : memref<?xf64>
      scf.reduce(%v : f64) {
      ^bb0(%l: f64, %r: f64):
        %t = arith.addf %l, %r : f64
        scf.reduce.return %t : f64
      }
    }
    memref.store %mixed, %x[%places] : memref<?xf64>
    memref.store %next, %x[%c0] : memref<?xf64>
  }
  mk.return
}
