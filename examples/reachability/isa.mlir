// One opcode: looks at some edges of one node.
//
// edges    the target of each edge; the edges of a node stand together
// first    the first edge to look at, and how many
// visited  0 for each node that was not reached yet
// next     nodes that were reached for the first time are appended here
// tail     how many nodes are in 'next'
//
// Many slots run at the same time, and several may meet the same node. The atomic or lets exactly one of them see the 0.
// In which order nodes get into 'next' is left open.

mk.opcode @expand code(64) scope(lane) (%edges: memref<?xi32>, %first: index, %count: index,
                                        %visited: memref<?xi32>, %next: memref<?xi32>, %tail: memref<?xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %zero = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %end = arith.addi %first, %count : index
  scf.for %e = %first to %end step %c1 {
    %target = memref.load %edges[%e] : memref<?xi32>
    %node = arith.index_castui %target : i32 to index
    %old = memref.atomic_rmw ori %one, %visited[%node] : (i32, memref<?xi32>) -> i32
    %isNew = arith.cmpi eq, %old, %zero : i32
    scf.if %isNew {
      %at = memref.atomic_rmw addi %one, %tail[%c0] : (i32, memref<?xi32>) -> i32
      %place = arith.index_castui %at : i32 to index
      memref.store %target, %next[%place] : memref<?xi32>
    }
  }
  mk.return
}
