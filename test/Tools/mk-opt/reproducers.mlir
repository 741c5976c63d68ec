// A pipeline that fails leaves a file behind from which it can be run again, so every pass in our pipelines has a name.
// Here the last pass fails: no opcodes are left for it.

// DEFINE: %{target} =
// DEFINE: %{run} = not mk-opt %s --mk-lower-to-%{target} --mk-build-interpreter \
// DEFINE:   --mlir-pass-pipeline-crash-reproducer=%t.%{target} --mlir-disable-diagnostic-notes 2>&1 \
// DEFINE:   | FileCheck %s --check-prefix=FAILURE
// REDEFINE: %{target} = nvvm
// RUN: %{run}
// RUN: FileCheck %s --check-prefixes=WHOLE,NVVM < %t.nvvm
// RUN: not mk-opt %t.nvvm --run-reproducer 2>&1 | FileCheck %s --check-prefix=FAILURE
// REDEFINE: %{target} = host
// RUN: %{run}
// RUN: FileCheck %s --check-prefixes=WHOLE,HOST < %t.host
// RUN: not mk-opt %t.host --run-reproducer 2>&1 | FileCheck %s --check-prefix=FAILURE

// A local one has the pass that failed, and what it got.
// RUN: not mk-opt %s --mk-guard --mk-build-interpreter=scope=warp --mlir-pass-pipeline-crash-reproducer=%t.local \
// RUN:   --mlir-pass-pipeline-local-reproducer --mlir-disable-threading 2>&1 | FileCheck %s --check-prefix=SCOPE
// RUN: FileCheck %s --check-prefix=LOCAL < %t.local
// RUN: not mk-opt %t.local --run-reproducer 2>&1 | FileCheck %s --check-prefix=SCOPE

// FAILURE:     error: module has no mk.opcode

// WHOLE-LABEL: mk.opcode @touch
// WHOLE-NOT:   mk.fault
// WHOLE:       mlir_reproducer
// WHOLE:       pipeline: "builtin.module(mk-fuse-windows,{{ ?}}mk-guard{
// NVVM-SAME:   convert-mk-to-gpu{{.*}},{{ ?}}mk-build-interpreter{resident=false scope=all})"
// HOST-SAME:   convert-mk-to-host{{.*}},{{ ?}}mk-build-interpreter{resident=false scope=all})"

// SCOPE:       error: scope is 'warp', but must be

// LOCAL-LABEL: mk.opcode @touch
// LOCAL:       mk.fault buffer_bounds
// LOCAL:       pipeline: "builtin.module(mk-build-interpreter{resident=false scope=warp})"
mk.opcode @touch code(64) scope(lane) (%m: memref<?xf32>, %i: index) {
  %x = memref.load %m[%i] : memref<?xf32>
  %y = math.exp %x : f32
  memref.store %y, %m[%i] : memref<?xf32>
  mk.return
}
