// The upstream passes that one runs over opcode bodies are there, and know what ours do.

// RUN: mk-opt %s --canonicalize --cse --loop-invariant-code-motion | FileCheck %s
// RUN: mk-opt %s --symbol-dce --sccp --int-range-optimizations --arith-expand --math-uplift-to-fma \
// RUN:   --scf-parallel-loop-fusion --scf-for-loop-peeling --mem2reg | FileCheck %s --check-prefix=OTHERS

// CHECK-LABEL: mk.opcode @invariant
// CHECK:         %[[P:.*]] = arith.muli
// CHECK:         scf.for
// CHECK-NOT:       arith.muli
// CHECK:           arith.addi %{{.*}}, %[[P]]
// OTHERS-LABEL: mk.opcode @invariant
mk.opcode @invariant code(64) scope(lane) (%m: memref<?xi32>, %n: index, %x: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %p = arith.muli %x, %x : i32
    %q = arith.muli %x, %x : i32
    %v = memref.load %m[%i] : memref<?xi32>
    %s = arith.addi %v, %p : i32
    %d = arith.subi %p, %q : i32
    %t = arith.addi %s, %d : i32
    memref.store %t, %m[%i] : memref<?xi32>
  }
  mk.return
}
