// RUN: mk-translate --mk-to-json %s | FileCheck %s
// RUN: mk-translate --mk-to-json %s | %python -m json.tool > /dev/null
// RUN: echo 'module {}' | mk-translate --mk-to-json | FileCheck %s --check-prefix=EMPTY

// RUN: echo 'module {}' | mk-opt --mk-link-prelude | mk-translate --mk-to-json | FileCheck %s --check-prefix=PRELUDE

// PRELUDE:      "name": "mk.{{.*}}",
// PRELUDE:      "builtin": true,

// EMPTY:      "opcodes": [],
// EMPTY-NEXT: "windows": []

!vf = memref<?xf32, strided<[1], offset: ?>>

// CHECK-LABEL: "opcodes": [
// CHECK:         "name": "all",
// CHECK-NEXT:    "code": 65536,
// CHECK-NEXT:    "scope": "lane",
// CHECK-NEXT:    "builtin": false,
// CHECK-NEXT:    "emits": true,
// CHECK-NEXT:    "words": 12,
// CHECK-NEXT:    "args": [
// CHECK:           "type": "memref<?xindex>",
// CHECK-NEXT:      "kind": "buffer",
// CHECK-NEXT:      "word": 0,
// CHECK-NEXT:      "words": 1,
// CHECK-NEXT:      "element": "index",
// CHECK-NEXT:      "elementBytes": 8,
// CHECK-NEXT:      "access": "read"
// CHECK:           "type": "memref<?xf32, strided<[1], offset: ?>>",
// CHECK-NEXT:      "kind": "view",
// CHECK-NEXT:      "word": 1,
// CHECK-NEXT:      "words": 3,
// CHECK-NEXT:      "element": "f32",
// CHECK-NEXT:      "elementBytes": 4,
// CHECK-NEXT:      "access": "none"
// CHECK:           "type": "memref<?xbf16>",
// CHECK-NEXT:      "kind": "buffer",
// CHECK-NEXT:      "word": 4,
// CHECK:           "elementBytes": 2,
// CHECK-NEXT:      "access": "write"
// CHECK:           "type": "i64",
// CHECK-NEXT:      "kind": "scalar",
// CHECK-NEXT:      "word": 5,
// CHECK-NEXT:      "words": 2
// CHECK-NEXT:    }
// CHECK:           "type": "memref<?xi8>",
// CHECK:           "word": 7,
// CHECK:           "elementBytes": 1,
// CHECK-NEXT:      "access": "read_write"
// CHECK:           "type": "i1",
// CHECK-NEXT:      "kind": "scalar",
// CHECK-NEXT:      "word": 8,
// CHECK-NEXT:      "words": 1
// CHECK:           "type": "index",
// CHECK-NEXT:      "kind": "scalar",
// CHECK-NEXT:      "word": 9,
// CHECK:           "type": "f64",
// CHECK-NEXT:      "kind": "scalar",
// CHECK-NEXT:      "word": 10,
// CHECK-NEXT:      "words": 2
mk.opcode @all code(65536) scope(lane) (%r: memref<?xindex>, %n: !vf, %w: memref<?xbf16>, %l: i64, %rw: memref<?xi8>,
                                       %b: i1, %i: index, %d: f64) {
  %v = memref.load %r[%i] : memref<?xindex>
  %e = arith.index_cast %v : index to i32
  %h = arith.truncf %d : f64 to bf16
  memref.store %h, %w[%i] : memref<?xbf16>
  %c = memref.load %rw[%i] : memref<?xi8>
  memref.store %c, %rw[%v] : memref<?xi8>
  mk.emit %e
  mk.return
}

// CHECK:         "name": "fill",
// CHECK-NEXT:    "code": 8,
// CHECK-NEXT:    "scope": "block",
// CHECK-NEXT:    "builtin": false,
// CHECK-NEXT:    "emits": false,
// CHECK-NEXT:    "words": 4,
mk.opcode @fill code(8) scope(block) (%x: !vf, %a: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = memref.dim %x, %c0 : !vf
  scf.parallel (%i) = (%c0) to (%n) step (%c1) {
    memref.store %a, %x[%i] : !vf
  }
  mk.return
}

// CHECK-LABEL: "windows": [
// CHECK:         "name": "two",
// CHECK-NEXT:    "args": [
// CHECK:           "type": "f32",
// CHECK-NEXT:      "kind": "scalar"
// CHECK-NEXT:    }
// CHECK:           "kind": "view",
// CHECK-NEXT:      "element": "f32",
// CHECK-NEXT:      "elementBytes": 4,
// CHECK-NEXT:      "access": "write"
// CHECK:         "extents": [
// CHECK-NEXT:      -1,
// CHECK-NEXT:      0,
// CHECK-NEXT:      0
// CHECK:         "issues": [
// CHECK:           "opcode": "fill",
// CHECK-NEXT:      "args": [
// CHECK-NEXT:        1,
// CHECK-NEXT:        0
// CHECK:           "opcode": "fill",
// CHECK-NEXT:      "args": [
// CHECK-NEXT:        2,
// CHECK-NEXT:        0
mk.window @two (%a: f32, %x: !vf, %y: !vf) extents([-1, 0, 0]) {
  mk.issue @fill(%x, %a) : !vf, f32
  mk.issue @fill(%y, %a) : !vf, f32
}

// A fused window does not say any more what its slots are.
// CHECK-NOT: fused
mk.window @fused () fused(1) scope(lane) {
}
