mk.opcode @a code(64) scope(lane) (%m: memref<?xi32>) {
  memref.store %r#2147483648, %m[] : memref<?xi32>
  mk.return
}
