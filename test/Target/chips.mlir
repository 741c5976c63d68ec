// ptxas takes the PTX for each kind of GPU that we name, and machine code comes of it.

// REQUIRES: ptxas
// RUN: mk-translate --mk-to-ptx --chip=sm_80 %s -o %t.80.ptx && %assemble sm_80 %t.80.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_86 %s -o %t.86.ptx && %assemble sm_86 %t.86.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_89 %s -o %t.89.ptx && %assemble sm_89 %t.89.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 %s -o %t.90.ptx && %assemble sm_90 %t.90.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_100 %s -o %t.100.ptx && %assemble sm_100 %t.100.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_120 %s -o %t.120.ptx && %assemble sm_120 %t.120.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 --opt-level=0 %s -o %t.0.ptx && %assemble sm_90 %t.0.ptx
// RUN: mk-translate --mk-to-ptx --chip=sm_90 --opt-level=3 %s -o %t.3.ptx && %assemble sm_90 %t.3.ptx
// RUN: mk-translate --mk-to-cubin --chip=sm_86 %s | llvm-readelf -h - | FileCheck %s --check-prefix=IMAGE
// RUN: mk-translate --mk-to-cubin --relocatable --chip=sm_120 --opt-level=0 %s | llvm-readelf -h - \
// RUN:   | FileCheck %s --check-prefix=RELOCATABLE

// IMAGE:       Type: EXEC
// RELOCATABLE: Type: REL

!vf = memref<?xf32, strided<[1], offset: ?>>

mk.opcode @scale code(64) scope(block) (%x: !vf, %y: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %y, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    %v = memref.load %x[%i] : !vf
    %r = arith.mulf %v, %a : f32
    memref.store %r, %y[%i] : !vf
  }
  mk.return
}

mk.opcode @count code(65) scope(lane) (%m: memref<?xi32>, %i: index, %x: i32) {
  %old = memref.atomic_rmw addi %x, %m[%i] : (i32, memref<?xi32>) -> i32
  mk.return
}

mk.window @both (%x: !vf, %y: !vf, %a: f32) {
  mk.issue @scale(%x, %y, %a) : !vf, !vf, f32
  mk.issue @scale(%y, %x, %a) : !vf, !vf, f32
}
