// RUN: mk-opt %s --mk-vectorize-loops --canonicalize --cse | FileCheck %s

// CHECK-LABEL: mk.kernel @double
// CHECK: scf.if
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK: } else {
// CHECK: memref.load
mk.kernel @double scope(block) (%items: i64, %input: i64, %order: i64, %buffers: i64, %bufferCount: i64, %faults: i64,
                               %faultCount: i64, %hits: i64, %hitCapacity: i64, %hitCount: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  %c64 = arith.constant 64 : index
  mk.distribute (%item) to %n {
    %offset = arith.muli %item, %c64 : index
    %x = mk.view %input[%offset] size %c64 : memref<?xf32, strided<[1], offset: ?>>
    scf.parallel (%i) = (%c0) to (%c64) step (%c1) {
      %v = memref.load %x[%i] : memref<?xf32, strided<[1], offset: ?>>
      %w = arith.addf %v, %v : f32
      memref.store %w, %x[%i] : memref<?xf32, strided<[1], offset: ?>>
    }
  }
  mk.return
}
