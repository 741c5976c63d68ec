// What cannot become PTX is refused with a reason.

// RUN: not mk-translate --mk-to-ptx --chip=sm_777 %s 2>&1 | FileCheck %s --check-prefix=CHIP
// CHIP: error: chip 'sm_777' is not one that LLVM's NVPTX back end knows, such as sm_80 or sm_90

// RUN: not mk-translate --mk-to-ptx --chip=sm_75 %s 2>&1 | FileCheck %s --check-prefix=OLD
// OLD: error: chip 'sm_75' is not a GPU from sm_80 on, such as sm_80 or sm_90
// RUN: not mk-translate --mk-to-ptx --chip= %s 2>&1 | FileCheck %s --check-prefix=BLANK
// BLANK: error: chip '' is not a GPU from sm_80 on

// RUN: not mk-translate --mk-to-ptx --opt-level=4 %s 2>&1 | FileCheck %s --check-prefix=LEVEL
// LEVEL: error: --opt-level is 4, but must be 0 to 3

// RUN: not mk-translate --mk-to-ptx --kernels=interpreter,shaders %s 2>&1 | FileCheck %s --check-prefix=KERNELS
// KERNELS: error: --kernels has 'shaders', but knows interpreter, resident, opcodes and windows

// RUN: not mk-translate --mk-to-ptx --kernels= %s 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: --kernels has '', but knows interpreter, resident, opcodes and windows

// RUN: echo 'module {}' | not mk-translate --mk-to-ptx 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: module has no mk.opcode, so there is nothing to interpret

mk.opcode @keep code(64) scope(lane) (%m: memref<?xf32>, %i: index, %x: f32) {
  memref.store %x, %m[%i] : memref<?xf32>
  mk.return
}
