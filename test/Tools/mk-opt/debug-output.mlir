// MK_DEBUG switches the debug output of passes on, in builds that have any.

// DEFINE: %{run} = mk-opt %s --pass-pipeline='builtin.module(mk.kernel(mk-vectorize-loops))' -o /dev/null 2>&1

// RUN: %if assertions %{ env MK_DEBUG=mk-vectorize-loops %{run} | FileCheck %s --check-prefix=SHOWN %}
// RUN: %if assertions %{ env MK_DEBUG=mk-guard,mk-vectorize-loops %{run} | FileCheck %s --check-prefix=SHOWN %}
// RUN: %if assertions %{ env MK_DEBUG=all %{run} | FileCheck %s --check-prefix=SHOWN %}
// RUN: %if assertions %{ env MK_DEBUG=mk-guard %{run} | count 0 %}
// RUN: %if !assertions %{ env MK_DEBUG=mk-vectorize-loops %{run} | FileCheck %s --check-prefix=MISSING %}
// RUN: env MK_DEBUG= %{run} | count 0

// SHOWN:   [mk-vectorize-loops{{.*}}] {{.*}}does not fit: {{.*}}arith.addi
// MISSING: mk-opt: warning: MK_DEBUG is set, but this build has no debug output; use one with assertions
mk.kernel @neighbours scope(block) (%items: i64, %a: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = arith.index_castui %items : i64 to index
  mk.distribute (%i) to %n {
    %x = mk.view %a size %n : memref<?xi32>
    scf.parallel (%j) = (%c0) to (%n) step (%c1) {
      %k = arith.addi %j, %c1 : index
      %v = memref.load %x[%k] : memref<?xi32>
      memref.store %v, %x[%j] : memref<?xi32>
    }
  }
  mk.return
}
