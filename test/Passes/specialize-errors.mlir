// RUN: mk-opt %s --mk-specialize --split-input-file --verify-diagnostics

mk.opcode @zero code(64) scope(lane) (%x: memref<?xi32>, %y: memref<?xi32>) {
  mk.return
}
// expected-error @below {{arguments 0 and 1 have equal extents, but the facts say 4 and 8}}
mk.window @two (%x: memref<?xi32>, %y: memref<?xi32>) extents([0, 0]) attributes {mk.specialize = [
    [#mk.facts<extent = 4>, #mk.facts<extent = 8>]]} {
  mk.issue @zero(%x, %y) : memref<?xi32>, memref<?xi32>
}

// -----

mk.opcode @zero code(64) scope(lane) (%x: memref<?xi32>, %y: memref<?xi32>) {
  mk.return
}
// expected-error @below {{argument 0 has extent 4, which is no multiple of 8}}
mk.window @two (%x: memref<?xi32>, %y: memref<?xi32>) extents([0, 0]) attributes {mk.specialize = [
    [#mk.facts<extent = 4>, #mk.facts<multiple = 8>]]} {
  mk.issue @zero(%x, %y) : memref<?xi32>, memref<?xi32>
}

// -----

mk.opcode @zero code(64) scope(lane) (%x: memref<?xi32>, %y: memref<?xi32>) {
  mk.return
}
// expected-error @below {{argument 1 has facts already; specialise the code that this one was made from}}
mk.window @two (%x: memref<?xi32>, %y: memref<?xi32> {mk.facts = #mk.facts<extent = 4>}) attributes {mk.specialize = [
    [#mk.facts<multiple = 8>, #mk.facts<>]]} {
  mk.issue @zero(%x, %y) : memref<?xi32>, memref<?xi32>
}
