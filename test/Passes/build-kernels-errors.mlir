// RUN: mk-opt %s --mk-build-kernels --verify-diagnostics

mk.opcode @one code(64) scope(lane) () {
  mk.return
}
// expected-error @below {{'mk.window' op still has issues; run mk-fuse-windows before mk-build-kernels}}
mk.window @w () {
  mk.issue @one()
}
