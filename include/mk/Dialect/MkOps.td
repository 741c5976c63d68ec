//===- MkOps.td - Operations of the mk dialect -------------*- tablegen -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_DIALECT_MKOPS_TD
#define MK_DIALECT_MKOPS_TD

include "mk/Dialect/MkAttrs.td"
include "mk/Dialect/MkDialect.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ViewLikeInterface.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"

class Mk_Op<string mnemonic, list<Trait> traits = []> : Op<Mk_Dialect, mnemonic, traits>;

/// What function-like operations share: a name, a type without results, and one block.
class Mk_FunctionLikeOp<string mnemonic, list<Trait> traits = []> : Mk_Op<mnemonic, traits # [
    AutomaticAllocationScope, FunctionOpInterface, IsolatedFromAbove, Symbol]> {
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;

  code functionLikeDeclaration = [{
    /// FunctionOpInterface: the arguments and the results, of which there are none.
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::mlir::Block *getBodyBlock() { return &getBody().front(); }
  }];
}

// The resource stands for the fault word of the running slot, so that upstream passes neither remove nor reorder faults
// with each other, and know that they touch no buffer.
def Mk_FaultResource : Resource<"::mk::FaultResource">;
// Likewise for the list of hits.
def Mk_HitResource : Resource<"::mk::HitResource">;

//===----------------------------------------------------------------------===//
// Opcodes and windows
//===----------------------------------------------------------------------===//

def OpcodeOps : OpDocGroup {
  let summary = "Opcodes and windows";
  let description = "What an ISA is made of.";
}

let opDocGroup = OpcodeOps in {

def Mk_OpcodeOp : Mk_FunctionLikeOp<"opcode", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "an instruction of the megakernel";
  let description = [{
    Defines one opcode: its number on the wire, its scope and its body.

    With scope `lane` one GPU thread (one iteration of a loop on the CPU) runs a slot. With scope `block` one CTA (one
    CPU worker) does: `scf.parallel` loops that are not nested in others are spread over its threads, with a barrier
    after each; what stands outside them is done as if once.

    Arguments are decoded from the argument words of the slot, in order: i1, i8, i16, i32, f16, bf16, f32 and index
    (zero-extended) take one word, i64 and f64 two (low word first), `memref<?xT>` one (a buffer handle), and the view
    `memref<?xT, strided<[1], offset: ?>>` three (handle, element offset, element count). The last arguments may have
    the attribute `mk.optional`: who publishes a slot can leave them out, and their words are 0.

    With `entries` the opcode is resumable: its body may suspend the slot (`mk.suspend`), which runs again later. Its last
    two arguments are where the body begins, a number below that of the entries, and a word of data; who publishes the
    slot gives the first ones. Only resident engines serve such opcodes, one slot at a time: they are never promoted, and
    are in no window and in no packed slot.

    Constraints:
    * (opcode_c1) the code lies in the user range: 8 to 0xFFEF or 0x10000 to 0x7FFFFFFF; with `builtin` it is one of the
      built-in numbers;
    * (opcode_c2) no other opcode of the module has the same code;
    * (opcode_c3) each argument has one of the types above;
    * (opcode_c4) the arguments take at most 12 words;
    * (opcode_c5) there are no results, and the body ends in `mk.return`;
    * (opcode_c6) the name consists of letters, digits, `_`, `$` and `.`, as those of PTX do, and does not begin with
      `mk_`, as those of kernels do; it begins with `mk.` exactly if the opcode is `builtin`;
    * (opcode_c7) there are 1 to 4095 entries; with `entries` the arguments take five words, of which the last two are
      arguments of type i32, and none is optional.

    Example:

    ```mlir
    mk.opcode @mix code(65) scope(lane) (%out: memref<?xi32>, %i: index, %x: i32) {
      %old = memref.load %out[%i] : memref<?xi32>
      %new = arith.xori %old, %x : i32
      memref.store %new, %out[%i] : memref<?xi32>
      mk.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       I32Attr:$code,
                       Mk_ScopeAttr:$scope,
                       OptionalAttr<I32Attr>:$entries,
                       UnitAttr:$builtin,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = functionLikeDeclaration # [{
    /// The number on the wire.
    uint32_t getOpcode() { return static_cast<uint32_t>(getCode()); }
  }];
}

def Mk_WindowOp : Mk_FunctionLikeOp<"window"> {
  let summary = "a sequence of opcodes that one worker runs in order";
  let description = [{
    Before `mk-fuse-windows` the body is a list of `mk.issue`; after it, `fused(n)` says how many slots an instance
    answers, and the body is plain code.

    A window makes two promises, which the runtime checks for each instance before it uses code made from it: memref
    arguments that are different do not overlap, and memref arguments in one group of `extents` (one number for each
    argument; -1 for none) have the same number of elements.

    Constraints:
    * (window_c1) each argument has a type that an opcode could take;
    * (window_c2) `extents` has one entry for each argument, and gives groups to memrefs only;
    * (window_c3) there are 1 to 255 issues; once `fused` is present, none, and the slots are as many;
    * (window_c4) without `fused` there is nothing but issues;
    * (window_c5) the name is one that an opcode could have.

    Example:

    ```mlir
    mk.window @add_relu (%x: !vf, %y: !vf, %z: !vf) extents([0, 0, 0]) {
      mk.issue @add(%x, %y, %z) : !vf, !vf, !vf
      mk.issue @relu(%z, %z) : !vf, !vf
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<DenseI32ArrayAttr>:$extents,
                       OptionalAttr<I32Attr>:$fused,
                       OptionalAttr<Mk_ScopeAttr>:$scope,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = functionLikeDeclaration;
}

def Mk_IssueOp : Mk_Op<"issue", [HasParent<"WindowOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "one slot of a window";
  let description = [{
    Constraints:
    * (issue_c1) the callee is a `mk.opcode` of the module;
    * (issue_c2) the operands have the types of its arguments;
    * (issue_c3) the callee has no `entries`.

    Example:

    ```mlir
    mk.issue @relu(%z, %z) : !vf, !vf
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$operands);
  let assemblyFormat = "$callee `(` $operands `)` attr-dict (`:` type($operands)^)?";
}

def Mk_ReturnOp : Mk_Op<"return", [Pure, Terminator,
    ParentOneOf<["OpcodeOp", "WindowOp", "KernelOp"]>]> {
  let summary = "the end of an opcode, a window or a kernel";
  let description = [{
    Returns nothing: results are written to buffers.

    Example:

    ```mlir
    mk.return
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Mk_FaultOp : Mk_Op<"fault", [MemoryEffects<[MemWrite<Mk_FaultResource>]>]> {
  let summary = "marks the slot as faulted";
  let description = [{
    The slot will end in FAULT with the given code instead of DONE. It does not jump: what follows still runs. If a slot
    meets several faults, the one with the smallest code, then the smallest detail, is reported.

    `user(n)` is for opcode bodies; the other kinds are made by passes. In a fused window `issue` says to which slot of
    the window the fault belongs.

    Constraints:
    * (fault_c1) kind `user` has a code from 0 to 0x3FFFFFFF, the other kinds have none.

    Example:

    ```mlir
    mk.fault user(7)
    mk.fault buffer_bounds detail %index
    ```
  }];
  let arguments = (ins Mk_FaultKindAttr:$kind,
                       OptionalAttr<I32Attr>:$code,
                       OptionalAttr<I32Attr>:$issue,
                       Optional<I32>:$detail);
  let assemblyFormat = [{
    custom<FaultCode>($kind, $code) (`detail` $detail^)? (`issue` `(` $issue^ `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

def Mk_SuspendOp : Mk_Op<"suspend", [MemoryEffects<[MemWrite<Mk_FaultResource>]>]> {
  let summary = "lets the slot run again later";
  let description = [{
    The slot does not end when its body does, but runs again, from entry `at` on and with the given data:
    * `yield`: when it is its turn again, behind what waits already;
    * `requeue(p)`: likewise, with priority p from now on;
    * `wait(n)`: when the word EPOCH has grown by n since this run was published, or a moment before: a change that comes
      while the slot runs is not missed, so a body that waits for something else looks for it first, waits, and looks again.

    It does not jump: what follows still runs. A fault of the same run wins, and ends the slot. Of several suspensions
    one wins: a wait before a yield before a requeue; then the smallest value, the smallest entry, the smallest data.
    At an entry that the opcode does not have the slot ends in FAULT with CONTINUATION_PC.

    Constraints:
    * (suspend_c1) it is in an `mk.opcode` with `entries`;
    * (suspend_c2) `yield` has no value, `requeue` has a priority from 0 to 4, and `wait` 0 to 65535 epochs.

    Example:

    ```mlir
    mk.suspend yield at %next with %sum
    mk.suspend requeue(4) at %next with %sum
    mk.suspend wait(1) at %next with %sum
    ```
  }];
  let arguments = (ins Mk_SuspensionAttr:$kind, OptionalAttr<I32Attr>:$value, I32:$entry, I32:$data);
  let assemblyFormat = "custom<Suspension>($kind, $value) `at` $entry `with` $data attr-dict";
  let hasVerifier = 1;
}

def Mk_EmitOp : Mk_Op<"emit", [MemoryEffects<[MemWrite<Mk_HitResource>]>]> {
  let summary = "appends a record to the hits of the batch";
  let description = [{
    For sparse results: the publisher gets the slot and the values of each record with the result of the batch. The launch
    policy decides for how many there is room; what does not fit is counted and dropped.

    In block scope, outside `scf.parallel`, a record is appended once. In a fused window `issue` says to which slot of
    the window the record belongs.

    Constraints:
    * (emit_c1) there are one to three values.

    Example:

    ```mlir
    mk.emit %node, %distance
    ```
  }];
  let arguments = (ins Variadic<I32>:$values, OptionalAttr<I32Attr>:$issue);
  let assemblyFormat = "$values (`issue` `(` $issue^ `)`)? attr-dict";
  let hasVerifier = 1;
}

def Mk_MemoryOp : Mk_Op<"memory", [Pure]> {
  let summary = "memory that belongs to the engine";
  let description = [{
    `control` is the array of control words with the observables behind it, `debug` the log of PRINTF. An engine without
    them has arrays of no elements.

    An opcode that uses it is interpreted and never promoted.

    Constraints:
    * (memory_c1) the result is `memref<?xi32>`.

    Example:

    ```mlir
    %control = mk.memory control : memref<?xi32>
    ```
  }];
  let arguments = (ins Mk_MemoryAttr:$kind);
  let results = (outs MemRefRankOf<[I32], [1]>:$memory);
  let assemblyFormat = "$kind attr-dict `:` type($memory)";
  let hasVerifier = 1;
}

def Mk_BufferOp : Mk_Op<"buffer", [Pure]> {
  let summary = "the buffer of a handle that a slot names";
  let description = [{
    For a handle that may be absent or wrong, which as an argument of type memref would be a fault before the body runs.
    Where there is no such buffer, or the tenant or the access that the uses need is not allowed, the result has no
    elements.

    An opcode that uses it is interpreted and never promoted.

    Constraints:
    * (buffer_c1) the result is a `memref<?xT>` that an opcode could take.

    Example:

    ```mlir
    %table = mk.buffer %handle : memref<?xi32>
    ```
  }];
  let arguments = (ins I32:$handle);
  let results = (outs AnyMemRef:$buffer);
  let assemblyFormat = "$handle attr-dict `:` type($buffer)";
  let hasVerifier = 1;
}

def Mk_SlotInfoOp : Mk_Op<"slot_info", [Pure]> {
  let summary = "what a slot knows of itself";
  let description = [{
    `index` is the number of the slot in its batch, `tenant` that of the tenant who published it.

    An opcode that uses it is interpreted and never promoted.

    Example:

    ```mlir
    %tenant = mk.slot_info tenant
    ```
  }];
  let arguments = (ins Mk_SlotFieldAttr:$field);
  let results = (outs I32:$value);
  let assemblyFormat = "$field attr-dict";
}

} // opDocGroup = OpcodeOps

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def KernelOps : OpDocGroup {
  let summary = "Kernels";
  let description = "Target-neutral kernels, made by `mk-build-interpreter` and `mk-build-kernels`.";
}

let opDocGroup = KernelOps in {

def Mk_KernelOp : Mk_FunctionLikeOp<"kernel"> {
  let summary = "a kernel before a target is chosen";
  let description = [{
    The arguments are the launch parameters of the ABI, ten words of 64 bits: items, input, order, buffers, bufferCount,
    faults, faultCount, hits, hitCapacity, hitCount.

    The scope says what a *worker* is: a GPU thread or a CTA, or in both cases a thread of the CPU.

    Constraints:
    * (kernel_c1) the arguments are ten i64.

    Example:

    ```mlir
    mk.kernel @nothing scope(lane) (%items: i64, %input: i64, %order: i64, %buffers: i64, %bufferCount: i64,
                                    %faults: i64, %faultCount: i64, %hits: i64, %hitCapacity: i64, %hitCount: i64) {
      %n = arith.index_castui %items : i64 to index
      mk.distribute (%i) to %n {
      }
      mk.return
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       Mk_ScopeAttr:$scope,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = functionLikeDeclaration;
}

def Mk_DistributeOp : Mk_Op<"distribute", [HasParent<"KernelOp">, RecursiveMemoryEffects,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "spreads work items over the workers of a kernel";
  let description = [{
    Runs its region once for each item in [0, count), each time on one worker. Items have no order, and some or all may
    run at the same time.

    Example:

    ```mlir
    mk.distribute (%item) to %n {
      memref.store %c3, %status[%item] : memref<?xi32>
    }
    ```
  }];
  let arguments = (ins Index:$count);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$count)>];
  let extraClassDeclaration = [{
    ::mlir::Value getItem() { return getBody().getArgument(0); }
  }];
}

def Mk_ArgumentsOp : Mk_Op<"arguments", [HasParent<"DistributeOp">, MemoryEffects<[MemRead]>]> {
  let summary = "the argument words of a work item";
  let description = [{
    Takes the addresses of the argument table and of the buffer table. The first results are the argument words of the
    instance that the work item is: word k stands where column k of the argument table says (`mk::abi::ArgColumn`). Some
    words are handles; for each of them two more results follow, from its row of the buffer table: the address of the
    buffer, and its size in bytes.

    Constraints:
    * (arguments_c1) `handles` ascend and name words;
    * (arguments_c2) the words are i32, and behind them are two i64 for each handle.

    Example:

    ```mlir
    %argument:4 = mk.arguments %input, %buffers handles [1] : i32, i32, i64, i64
    ```
  }];
  let arguments = (ins I64:$table, I64:$buffers, DenseI32ArrayAttr:$handles);
  let results = (outs Variadic<AnyTypeOf<[I32, I64]>>:$values);
  let assemblyFormat = "$table `,` $buffers `handles` $handles attr-dict `:` type($values)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    unsigned getNumWords() { return getNumResults() - 2 * getHandles().size(); }
    ::mlir::ValueRange getWords() { return getResults().take_front(getNumWords()); }
    /// Address and size of the buffer that a handle names.
    ::mlir::ValueRange getRow(unsigned handle) { return getResults().slice(getNumWords() + 2 * handle, 2); }
  }];
}

def Mk_ServeOp : Mk_Op<"serve", [HasParent<"KernelOp">, RecursiveMemoryEffects,
    SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "serves rings until the workers are told to leave";
  let description = [{
    Runs its region once for each line that was claimed from the rings, on one worker: a thread in lane scope, a CTA in
    block scope. Claimed lines lie in an array of slots that the CTA shares, whose third word is the meta word of the
    line (`mk::abi::RingMeta`); the first argument is the place of the line there, the second the array. All lines of a
    window that begins in the claim lie there, too. A kernel that serves has `mk::abi::ResidentParams` for parameters.

    Example:

    ```mlir
    mk.serve (%place, %slots) {
      %none = arith.constant -1 : i64
      mk.complete %place, %none
    }
    ```
  }];
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins)>];
  let extraClassDeclaration = [{
    ::mlir::Value getPlace() { return getBody().getArgument(0); }
    ::mlir::Value getSlots() { return getBody().getArgument(1); }
  }];
}

def Mk_CompleteOp : Mk_Op<"complete", [MemoryEffects<[MemWrite<Mk_FaultResource>]>]> {
  let summary = "ends a line of a ring";
  let description = [{
    Tells the publisher that the line in this place is done or, if the word is not all ones, faulted: code in the high
    half, detail in the low half. What was written before is seen by whoever sees that.

    Constraints:
    * (complete_c1) it stands in an `mk.serve`.

    Example:

    ```mlir
    mk.complete %place, %none
    ```
  }];
  let arguments = (ins Index:$place, I64:$fault);
  let assemblyFormat = "$place `,` $fault attr-dict";
  let hasVerifier = 1;
}

def Mk_TaskOp : Mk_Op<"task", [RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "runs code on behalf of slots and collects their faults";
  let description = [{
    The results are the fault words of the slots, one for each slot that the region answers: code in the high half,
    detail in the low half, all ones where there was no fault. `mk.fault` and `mk.raise` in the region choose the slot by
    their `issue` (0 if absent).

    A task without faults in its region is replaced by the region.

    Constraints:
    * (task_c1) there is at least one result;
    * (task_c2) each `issue` in the region is smaller than the number of results.

    Example:

    ```mlir
    %fault = mk.task {
      mk.fault user(7)
    } : i64
    ```
  }];
  let results = (outs Variadic<I64>:$faults);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict `:` type($faults)";
  let hasRegionVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def Mk_RaiseOp : Mk_Op<"raise", [MemoryEffects<[MemWrite<Mk_FaultResource>]>]> {
  let summary = "merges a fault word into that of the slot";
  let description = [{
    The form of `mk.fault` for a word that is computed. The smaller of the two words stays.

    Example:

    ```mlir
    mk.raise %word
    ```
  }];
  let arguments = (ins I64:$word, OptionalAttr<I32Attr>:$issue);
  let assemblyFormat = "$word (`issue` `(` $issue^ `)`)? attr-dict";
}

def Mk_SingleOp : Mk_Op<"single", [RecursiveMemoryEffects, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "code that one thread of the worker runs";
  let description = [{
    The others wait until it is done and then see its effects; with `nowait` they go on, and do not look at them.

    Example:

    ```mlir
    mk.single {
      memref.store %done, %status[%slot] : memref<?xi32>
    }
    ```
  }];
  let arguments = (ins UnitAttr:$nowait);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "(`nowait` $nowait^)? $body attr-dict";
}

def Mk_YieldOp : Mk_Op<"yield", [Pure, Terminator,
    ParentOneOf<["DistributeOp", "ServeOp", "TaskOp", "SingleOp"]>]> {
  let summary = "the end of a region of a kernel operation";
  let description = [{
    Usually implied.

    Example:

    ```mlir
    mk.yield
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Mk_ViewOp : Mk_Op<"view", [Pure]> {
  let summary = "a memref at an address";
  let description = [{
    Elements [offset, offset + size) of an array that starts at a device address. Nothing is checked.

    Constraints:
    * (view_c1) the result is `memref<?xT>`, with an offset that is zero, or `memref<?xT, strided<[1], offset: ?>>`.

    Example:

    ```mlir
    %x = mk.view %address[%offset] size %n : memref<?xf32, strided<[1], offset: ?>>
    %y = mk.view %address size %n : memref<?xf32>
    ```
  }];
  let arguments = (ins I64:$address, Optional<Index>:$offset, Index:$size);
  let results = (outs MemRefRankOf<[AnyType], [1]>:$view);
  let assemblyFormat = "$address (`[` $offset^ `]`)? `size` $size attr-dict `:` type($view)";
  let hasVerifier = 1;
}

} // opDocGroup = KernelOps

#endif // MK_DIALECT_MKOPS_TD
