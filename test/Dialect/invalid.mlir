// One case for each message of the parsers and verifiers of mk; labels are those of MkOps.td.

// RUN: mk-opt %s --split-input-file --verify-diagnostics

// opcode_c1
// expected-error @below {{'mk.opcode' op code 7 is reserved for the system; use 8 to 65519 or 65536 to 2147483647}}
mk.opcode @reserved code(7) scope(lane) () {
  mk.return
}

// -----

// opcode_c1: the built-ins at the end of 16 bits
// expected-error @below {{'mk.opcode' op code 65534 is reserved for the system}}
mk.opcode @printf code(65534) scope(lane) () {
  mk.return
}

// -----

// opcode_c1: bit 31
// expected-error @below {{'mk.opcode' op code 2147483648 is reserved for the system}}
mk.opcode @high code(2147483648) scope(lane) () {
  mk.return
}

// -----

// expected-error @below {{expected a 32-bit number, but found 4294967296}}
mk.opcode @wide code(4294967296) scope(lane) () {
  mk.return
}

// -----

// expected-error @below {{expected lane or block, but found 'warp'}}
mk.opcode @scope code(64) scope(warp) () {
  mk.return
}

// -----

// opcode_c2
// expected-note @below {{defined here}}
mk.opcode @first code(64) scope(lane) () {
  mk.return
}
// expected-error @below {{'mk.opcode' op code 64 is taken by @first}}
mk.opcode @second code(64) scope(lane) () {
  mk.return
}

// -----

// opcode_c3
// expected-error @below {{'mk.opcode' op argument 1 has type 'vector<4xf32>', but a slot holds i1, i8, i16, i32, i64, f16, bf16, f32, f64, index, memref<?xT> or memref<?xT, strided<[1], offset: ?>> of these but i1}}
mk.opcode @vector code(64) scope(lane) (%a: i32, %v: vector<4xf32>) {
  mk.return
}

// -----

// opcode_c3: a static shape would not be checked against the buffer
// expected-error @below {{argument 0 has type 'memref<4xf32>'}}
mk.opcode @static code(64) scope(lane) (%m: memref<4xf32>) {
  mk.return
}

// -----

// opcode_c3: memory spaces are the lowering's business
// expected-error @below {{argument 0 has type 'memref<?xf32, 3>'}}
mk.opcode @space code(64) scope(lane) (%m: memref<?xf32, 3>) {
  mk.return
}

// -----

// opcode_c3
// expected-error @below {{argument 0 has type 'memref<?xf32, strided<[2], offset: ?>>'}}
mk.opcode @stride code(64) scope(lane) (%m: memref<?xf32, strided<[2], offset: ?>>) {
  mk.return
}

// -----

// opcode_c4
!view = memref<?xf32, strided<[1], offset: ?>>
// expected-error @below {{'mk.opcode' op arguments take 13 words, but a slot has 12}}
mk.opcode @long code(64) scope(lane) (%a: !view, %b: !view, %c: !view, %d: i64, %e: f64) {
  mk.return
}

// -----

// opcode_c5
// expected-error @below {{'mk.opcode' op has 1 results, but writes its results to buffers}}
"mk.opcode"() <{sym_name = "result", code = 64 : i32, scope = #mk<scope lane>, function_type = () -> i32}> ({
  "mk.return"() : () -> ()
}) : () -> ()

// -----

// opcode_c5
// expected-error @below {{'mk.opcode' op body does not end in mk.return}}
mk.opcode @open code(64) scope(lane) () {
  llvm.unreachable
}

// -----

// window_c1
// expected-error @below {{'mk.window' op argument 0 has type 'tensor<4xf32>', but a slot holds}}
mk.window @types (%t: tensor<4xf32>) {
}

// -----

// window_c2
mk.opcode @one code(64) scope(lane) (%x: memref<?xf32>) {
  mk.return
}
// expected-error @below {{'mk.window' op has 2 extents but 1 arguments}}
mk.window @extents (%x: memref<?xf32>) extents([0, 0]) {
  mk.issue @one(%x) : memref<?xf32>
}

// -----

// window_c2
mk.opcode @one code(64) scope(lane) (%x: f32) {
  mk.return
}
// expected-error @below {{'mk.window' op argument 0 is in extent group 0 but is no memref}}
mk.window @scalar (%x: f32) extents([0]) {
  mk.issue @one(%x) : f32
}

// -----

// window_c3
// expected-error @below {{'mk.window' op has 0 issues, but a window has 1 to 255}}
mk.window @empty () {
}

// -----

// window_c3
mk.opcode @one code(64) scope(lane) () {
  mk.return
}
// expected-error @below {{'mk.window' op is fused but still has 1 issues}}
mk.window @fused () fused(1) scope(lane) {
  mk.issue @one()
}

// -----

// window_c3
// expected-error @below {{'mk.window' op answers 256 slots, but a window has 1 to 255}}
mk.window @many () fused(256) scope(lane) {
}

// -----

// window_c3
// expected-error @below {{'mk.window' op answers 0 slots, but a window has 1 to 255}}
mk.window @none () fused(0) scope(lane) {
}

// -----

// window_c4
mk.opcode @one code(64) scope(lane) (%x: i32) {
  mk.return
}
// expected-error @below {{'mk.window' op holds more than mk.issue, but is not fused}}
mk.window @mixed (%x: i32) {
  // expected-note @below {{this operation}}
  %y = arith.addi %x, %x : i32
  mk.issue @one(%y) : i32
}

// -----

// issue_c1
mk.window @unknown () {
  // expected-error @below {{'mk.issue' op callee @nothing is not defined; define it with mk.opcode}}
  mk.issue @nothing()
}

// -----

// issue_c1
// expected-note @below {{it is this}}
mk.kernel @kernel scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  mk.return
}
mk.window @wrong () {
  // expected-error @below {{'mk.issue' op callee @kernel is not an mk.opcode}}
  mk.issue @kernel()
}

// -----

// issue_c2
mk.opcode @two code(64) scope(lane) (%x: i32, %y: i32) {
  mk.return
}
mk.window @count (%x: i32) {
  // expected-error @below {{'mk.issue' op passes 1 arguments, but @two takes 2}}
  mk.issue @two(%x) : i32
}

// -----

// issue_c2
mk.opcode @two code(64) scope(lane) (%x: i32, %y: i32) {
  mk.return
}
mk.window @type (%x: i32, %f: f32) {
  // expected-error @below {{'mk.issue' op argument 1 has type 'f32', but @two takes 'i32'}}
  mk.issue @two(%x, %f) : i32, f32
}

// -----

// fault_c1
mk.opcode @fault code(64) scope(lane) () {
  // expected-error @below {{'mk.fault' op kind user needs a code: user(n)}}
  mk.fault user
  mk.return
}

// -----

// fault_c1
mk.opcode @fault code(64) scope(lane) () {
  // expected-error @below {{'mk.fault' op code 1073741824 is above 1073741823}}
  mk.fault user(1073741824)
  mk.return
}

// -----

// fault_c1
mk.opcode @fault code(64) scope(lane) () {
  // expected-error @below {{'mk.fault' op kind shift takes no code}}
  mk.fault shift(3)
  mk.return
}

// -----

mk.opcode @fault code(64) scope(lane) () {
  // expected-error @below {{unknown kind of fault 'overheating'; an opcode uses user(n)}}
  mk.fault overheating
  mk.return
}

// -----

// kernel_c1
// expected-error @below {{'mk.kernel' op takes the 10 launch parameters of the ABI, each i64}}
mk.kernel @params scope(lane) (%a: i64, %b: i32) {
  mk.return
}

// -----

mk.kernel @serve scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  // expected-error @below {{'mk.serve' op region takes an index, the place of a line, and a memref<?xi32>, the slots}}
  "mk.serve"() ({
    "mk.yield"() : () -> ()
  }) : () -> ()
  mk.return
}

// -----

// (complete_c1)
mk.kernel @complete scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %place = arith.constant 0 : index
  // expected-error @below {{'mk.complete' op ends a line of a ring, but is not in an mk.serve}}
  mk.complete %place, %a
  mk.return
}

// -----

mk.kernel @distribute scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  // expected-error @below {{'mk.distribute' op region takes one index, the work item}}
  "mk.distribute"(%n) ({
    "mk.yield"() : () -> ()
  }) : (index) -> ()
  mk.return
}

// -----

mk.kernel @arguments scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  mk.distribute (%i) to %n {
    // expected-error @below {{'mk.arguments' op has 1 results, but two for each of 1 handles}}
    %r = mk.arguments %b, %d handles [0] : i32
  }
  mk.return
}

// -----

// arguments_c1
mk.kernel @arguments scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  mk.distribute (%i) to %n {
    // expected-error @below {{'mk.arguments' op has the handle 1, but handles ascend and are below 1}}
    %r:3 = mk.arguments %b, %d handles [1] : i32, i64, i64
  }
  mk.return
}

// -----

// arguments_c2
mk.kernel @arguments scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  mk.distribute (%i) to %n {
    // expected-error @below {{'mk.arguments' op has a result of type 'i32' at place 2, but 1 words are i32 and the rows behind them i64}}
    %r:3 = mk.arguments %b, %d handles [0] : i32, i64, i32
  }
  mk.return
}

// -----

// task_c1
mk.kernel @task scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  // expected-error @below {{'mk.task' op has no result, but answers at least one slot}}
  "mk.task"() ({
    "mk.yield"() : () -> ()
  }) : () -> ()
  mk.return
}

// -----

// task_c2
mk.kernel @task scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %r = mk.task {
    // expected-error @below {{'mk.raise' op names issue 1, but the task answers 1 slots}}
    mk.raise %a issue(1)
  } : i64
  mk.return
}

// -----

// view_c1
mk.kernel @view scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  // expected-error @below {{'mk.view' op makes 'memref<4xf32>', but a view is memref<?xT> or memref<?xT, strided<[1], offset: ?>>}}
  %v = mk.view %a size %n : memref<4xf32>
  mk.return
}

// -----

// view_c1
mk.kernel @view scope(lane) (%a: i64, %b: i64, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64, %p7: i64, %p8: i64, %p9: i64) {
  %n = arith.constant 4 : index
  // expected-error @below {{'mk.view' op has an offset, but 'memref<?xf32>' starts at the address}}
  %v = mk.view %a[%n] size %n : memref<?xf32>
  mk.return
}

// -----

// emit_c1
mk.opcode @emit code(64) scope(lane) (%a: i32) {
  // expected-error @below {{'mk.emit' op has 4 values, but a record holds 1 to 3}}
  mk.emit %a, %a, %a, %a
  mk.return
}

// -----

// opcode_c6
// expected-error @below {{'mk.opcode' op name has other characters than letters, digits, _, $ and ., which PTX does not allow}}
mk.opcode @"a-b" code(64) scope(lane) () {
  mk.return
}

// -----

// opcode_c6
// expected-error @below {{'mk.opcode' op name begins with mk_, which is reserved for kernels}}
mk.opcode @mk_interpreter_lane code(64) scope(lane) () {
  mk.return
}

// -----

// opcode_c3: a byte that is neither 0 nor 1 is no i1
// expected-error @below {{argument 0 has type 'memref<?xi1>'}}
mk.opcode @bits code(64) scope(lane) (%m: memref<?xi1>) {
  mk.return
}

// -----

// window_c5
mk.opcode @one code(64) scope(lane) () {
  mk.return
}
// expected-error @below {{'mk.window' op name has other characters}}
mk.window @"two words" () {
  mk.issue @one()
}

// -----

// opcode_c1
// expected-error @below {{'mk.opcode' op is builtin, but 64 is not the number of a built-in opcode}}
mk.opcode builtin @mk.mine code(64) scope(lane) () {
  mk.return
}

// -----

// opcode_c6
// expected-error @below {{'mk.opcode' op is builtin, but its name does not begin with mk.}}
mk.opcode builtin @nop code(0) scope(lane) () {
  mk.return
}

// -----

// opcode_c6
// expected-error @below {{'mk.opcode' op name begins with mk., which is reserved for builtin opcodes}}
mk.opcode @mk.mine code(64) scope(lane) () {
  mk.return
}

// -----

// memory_c1
mk.opcode @memory code(64) scope(lane) () {
  // expected-error @below {{'mk.memory' op gives 'memref<4xi32>', but memory of the engine is memref<?xi32>}}
  %m = mk.memory control : memref<4xi32>
  mk.return
}

// -----

// buffer_c1
mk.opcode @buffer code(64) scope(lane) (%handle: i32) {
  // expected-error @below {{'mk.buffer' op gives 'memref<4xi32>', but a handle stands for memref<?xT> of a type that a buffer holds}}
  %m = mk.buffer %handle : memref<4xi32>
  mk.return
}

// -----

// opcode_c7
// expected-error @below {{'mk.opcode' op has 0 entries, but 1 to 4095 are possible}}
mk.opcode @none code(64) scope(lane) entries(0) (%x: i32, %y: i32, %z: i32, %entry: i32, %data: i32) {
  mk.return
}

// -----

// opcode_c7
// expected-error @below {{'mk.opcode' op has 4096 entries, but 1 to 4095 are possible}}
mk.opcode @many code(64) scope(lane) entries(4096) (%x: i32, %y: i32, %z: i32, %entry: i32, %data: i32) {
  mk.return
}

// -----

// opcode_c7
// expected-error @below {{'mk.opcode' op has entries, so its arguments take three words, and two more of type i32 follow: where it begins, and data; but they are of types ('i32', 'i32', 'i32')}}
mk.opcode @words code(64) scope(lane) entries(2) (%x: i32, %entry: i32, %data: i32) {
  mk.return
}

// -----

// opcode_c7
// expected-error @below {{'mk.opcode' op has entries, so its arguments take three words, and two more of type i32 follow: where it begins, and data; but they are of types ('i64', 'i32', 'i32', 'f32')}}
mk.opcode @types code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: f32) {
  mk.return
}

// -----

// opcode_c7
// expected-error @below {{'mk.opcode' op has entries, so its arguments cannot be optional}}
mk.opcode @optional code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32 {mk.optional}) {
  mk.return
}

// -----

// issue_c3
mk.opcode @resumable code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32) {
  mk.return
}
mk.window @window (%x: i64, %y: i32) {
  // expected-error @below {{'mk.issue' op callee @resumable has entries, and cannot be in a window}}
  mk.issue @resumable(%x, %y, %y, %y) : i64, i32, i32, i32
}

// -----

// suspend_c1
mk.opcode @plain code(64) scope(lane) (%x: i32) {
  // expected-error @below {{'mk.suspend' op is not in an mk.opcode with entries(n)}}
  mk.suspend yield at %x with %x
  mk.return
}

// -----

// suspend_c2
mk.opcode @yields code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32) {
  // expected-error @below {{'mk.suspend' op yield takes no value, but has 1}}
  mk.suspend yield(1) at %entry with %data
  mk.return
}

// -----

// suspend_c2
mk.opcode @requeues code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32) {
  // expected-error @below {{'mk.suspend' op requeue has priority 5, give 0 to 4}}
  mk.suspend requeue(5) at %entry with %data
  mk.return
}

// -----

// suspend_c2
mk.opcode @waits code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32) {
  // expected-error @below {{'mk.suspend' op wait needs epochs: wait(n) with n from 0 to 65535}}
  mk.suspend wait at %entry with %data
  mk.return
}

// -----

mk.opcode @unknown code(64) scope(lane) entries(2) (%x: i64, %y: i32, %entry: i32, %data: i32) {
  // expected-error @below {{expected wait, yield or requeue, but found 'sleep'}}
  mk.suspend sleep at %entry with %data
  mk.return
}
