// RUN: mk-opt %s --mk-build-interpreter --canonicalize --cse | FileCheck %s

// CHECK-LABEL: mk.kernel @mk_interpreter_lane scope(lane)
// CHECK: mk.distribute
// CHECK: mk.task
// CHECK: scf.index_switch
// CHECK: mk.fault user(7)
mk.opcode @refuse code(64) scope(lane) () {
  mk.fault user(7)
  mk.return
}
