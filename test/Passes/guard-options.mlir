// Each kind of check can be left out.

// RUN: mk-opt %s --mk-guard=bounds=false | FileCheck %s --check-prefix=NO-BOUNDS
// RUN: mk-opt %s --mk-guard=division=false | FileCheck %s --check-prefix=NO-DIVISION
// RUN: mk-opt %s --mk-guard=shift=false | FileCheck %s --check-prefix=NO-SHIFT
// RUN: mk-opt %s --mk-guard=fuel=0 | FileCheck %s --check-prefix=NO-FUEL
// RUN: mk-opt %s --mk-guard=fuel=99 | FileCheck %s --check-prefix=FUEL

// NO-BOUNDS-NOT: mk.fault buffer_bounds
// NO-BOUNDS: mk.fault division
// NO-DIVISION-NOT: mk.fault division
// NO-DIVISION: mk.fault shift
// NO-SHIFT-NOT: mk.fault shift
// NO-SHIFT: mk.fault fuel
// NO-FUEL: mk.fault shift
// NO-FUEL-NOT: mk.fault fuel
// NO-FUEL: mk.return
// FUEL: arith.constant 99 : i64
mk.opcode @all code(64) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32, %y: i32) {
  %one = arith.constant 1 : i32
  memref.store %x, %m[%i] : memref<?xi32>
  %q = arith.divui %x, %y : i32
  %s = arith.shli %q, %y : i32
  %r = scf.while (%v = %s) : (i32) -> i32 {
    %go = arith.cmpi ne, %v, %one : i32
    scf.condition(%go) %v : i32
  } do {
  ^bb0(%v: i32):
    scf.yield %v : i32
  }
  mk.return
}
