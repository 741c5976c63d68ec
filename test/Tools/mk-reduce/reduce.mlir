// What is not needed for the test goes: operations, what stands around them, arguments.

// DEFINE: %{words} =
// DEFINE: %{run} = mk-reduce %s --test=%python --test-arg=%S/Inputs/holds.py %{words}
// REDEFINE: %{words} = --test-arg=math.exp
// RUN: %{run} 2> %t | FileCheck %s --check-prefix=OPERATION
// RUN: FileCheck %s --check-prefix=SUMMARY < %t
// REDEFINE: %{words} = --test-arg=mk.issue
// RUN: %{run} 2> %t | FileCheck %s --check-prefix=WINDOW
// REDEFINE: %{words} = --test-arg=memref.store --test-arg=scf.parallel
// RUN: %{run} -o %t
// RUN: FileCheck %s --check-prefix=LOOP < %t
// RUN: mk-opt %t -o /dev/null
// REDEFINE: %{words} = --test-arg=module
// RUN: %{run} | FileCheck %s --check-prefix=NOTHING

// OPERATION:      module {
// OPERATION-NEXT:   mk.opcode @{{.*}} () {
// OPERATION-NEXT:     %[[ZERO:.*]] = arith.constant 0.0
// OPERATION-NEXT:     math.exp %[[ZERO]]
// OPERATION-NEXT:     mk.return
// OPERATION-NEXT:   }
// OPERATION-NEXT: }

// SUMMARY:        mk-reduce: size {{[0-9]+}} became 11 in {{[0-9]+}} tests

// WINDOW:         module {
// WINDOW-NEXT:      mk.opcode @{{.*}} () {
// WINDOW-NEXT:        mk.return
// WINDOW-NEXT:      }
// WINDOW-NEXT:      mk.window @two () extents([]) {
// WINDOW-NEXT:        mk.issue
// WINDOW-NEXT:      }
// WINDOW-NEXT:    }

// A buffer has no constant that could take its place.
// LOOP:           mk.opcode @{{.*}} (%[[X:.*]]: memref{{.*}}) {
// LOOP-NOT:         memref.load
// LOOP:             memref.store %{{.*}}, %[[X]]
// LOOP-NOT:       mk.window

// NOTHING:        module {
// NOTHING-NEXT:   }

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @scale code(64) scope(block) (%x: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vf
    %p = arith.mulf %a, %v : f32
    %some = arith.cmpf ogt, %p, %a : f32
    scf.if %some {
      %e = math.exp %p : f32
      memref.store %e, %x[%i] : !vf
    }
  }
  mk.return
}
mk.opcode @add code(65) scope(lane) (%m: memref<?xi32>, %i: index) {
  %one = arith.constant 1 : i32
  %old = memref.atomic_rmw addi %one, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}
mk.window @two (%x: !vf, %y: !vf, %a: f32) extents([0, 0, -1]) {
  mk.issue @scale(%x, %a) : !vf, f32
  mk.issue @scale(%y, %a) : !vf, f32
}
