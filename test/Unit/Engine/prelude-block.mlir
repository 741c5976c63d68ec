// Added to prelude.mlir, so that packed slots are run by teams.

mk.opcode @raise code(70) scope(block) (%m: memref<?xi32>, %v: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %m, %c0 : memref<?xi32>
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %x = memref.load %m[%i] : memref<?xi32>
    %y = arith.addi %x, %v : i32
    memref.store %y, %m[%i] : memref<?xi32>
  }
  mk.return
}
mk.window @raise_twice (%m: memref<?xi32>, %v: i32) {
  mk.issue @raise(%m, %v) : memref<?xi32>, i32
  mk.issue @raise(%m, %v) : memref<?xi32>, i32
}
