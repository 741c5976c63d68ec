//===- Passes.td - Passes over mk ---------------------------*- tablegen -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef MK_PASSES_PASSES_TD
#define MK_PASSES_PASSES_TD

include "mlir/Pass/PassBase.td"

def MkLinkPreludePass : Pass<"mk-link-prelude", "::mlir::ModuleOp"> {
  let summary = "add the built-in opcodes to an ISA";
  let description = [{
    Adds a copy of each built-in opcode (dialect/prelude/prelude.mlir), or of those that `opcodes` names, behind what the
    module has. Those that are there already stay as they are, so that the pass may run twice. A symbol that has the
    name of one, and an opcode that has its code, are errors. What the opcodes do: docs/Prelude.md.
  }];
  let options = [
    ListOption<"opcodes", "opcodes", "std::string", "which to add, such as nop,printf (default all)">,
  ];
  let dependentDialects = ["::mk::MkDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def MkGuardPass : Pass<"mk-guard"> {
  let summary = "make opcode bodies safe for untrusted arguments";
  let description = [{
    Works on each `mk.opcode` and on each fused `mk.window`. What an argument or data could make go wrong is checked
    first; where a check fails, the slot is marked with `mk.fault`, the access is left out, and a result is zero:

    * `bounds`: loads, stores and atomics of `memref`, and `vector.load` and `vector.store`, outside their memref;
    * `division`: integer division and remainder by zero, the overflow of a signed one, and conversions of floats that
      the integer type cannot hold;
    * `shift`: shifts by the width or more;
    * `fuel`: loops. What one thread does for a slot (the body, one iteration of an `scf.parallel` that is spread over a
      CTA, one `mk.single`) may take `fuel` iterations, all its loops together; a loop takes its iterations from that
      before it starts, an `scf.while` as it goes. Free are loops to the extent of a memref, and those of known length:
      up to `fuel`, or up to 4096 in another loop. A loop whose last addition would wrap around does not run. An `scf.parallel` that is spread runs to the extents of memrefs or at
      most `fuel` times. Steps of `scf.for` have to be from 1 to 2^31;
    * `scratch`: local memory (`memref.alloca`) is set to zero, unless a loop fills it before anything else uses it.

    A check that can be proved is not made: indexes that run to the `memref.dim` of the same memref (or of one in the
    same extent group of a window), and everything that integer range analysis can bound. Accesses of one block to one
    place share the check that the first of them makes.
    Where an `scf.parallel` touches memrefs at its own induction variable, or at a constant distance from it, the extents
    are compared once before it; the loop without checks runs when they are large enough, and one with checks otherwise.

    Errors are operations that touch memory in a way the pass does not know, and everything that makes a memref other
    than an argument, `memref.alloca`, `mk.memory` and `mk.buffer` (casts, subviews, loops that carry one): it could be
    larger than its memory. Flags of operations that would make a result undefined (`nsw`, `nnan`, ...) and promised
    alignments are dropped; fast-math flags that only allow other roundings stay, and an operation that carries them may
    give other bits on another tier.
  }];
  let options = [
    Option<"bounds", "bounds", "bool", "true", "check memory accesses">,
    Option<"division", "division", "bool", "true", "check divisors">,
    Option<"shift", "shift", "bool", "true", "check shift amounts">,
    Option<"scratch", "scratch", "bool", "true", "clear local memory">,
    Option<"fuel", "fuel", "uint64_t", "16777216", "iterations that loops may take; 0 for no limit">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def MkPromotePass : Pass<"mk-promote", "::mlir::ModuleOp"> {
  let summary = "mark the opcodes and windows that a profile makes hot";
  let description = [{
    Asks the launch policy (docs/LaunchPolicy.md) what the engine would ask, with the counts of a profile, and gives each
    opcode and window that is promoted the attribute `mk.promotion`, with the evidence. A window that the profile counts
    and the module lacks is added, named `@hot`, `@hot_0` and so on.

    The profile is the attribute `mk.profile` of the module or a file that `mk-run --profile` wrote, which then becomes
    that attribute. Names and signatures that do not fit the ISA are errors. Remarks (category `mk-promote`) say what is
    promoted and, of the others that the profile counts, why not.

    With `mk-build-kernels=promoted-only`, a tier-up can be replayed from a file (docs/Profile.md):

    ```
    mk-opt isa.mlir --mk-promote=profile=run.json --mk-lower-to-nvvm=promoted-only
    ```
  }];
  let options = [
    Option<"profile", "profile", "std::string", "\"\"", "file with the profile; replaces mk.profile">,
    Option<"hotOpcodeThreshold", "hot-opcode-threshold", "uint32_t", "8", "executions that make an opcode hot">,
    Option<"hotWindowThreshold", "hot-window-threshold", "uint32_t", "4", "executions that make a window hot">,
    Option<"jitQueueLenThreshold", "jit-queue-len-threshold", "uint32_t", "4096",
           "length of a queue that is worth compiled code">,
  ];
}

def MkSpecializePass : Pass<"mk-specialize", "::mlir::ModuleOp"> {
  let summary = "make copies of opcodes and windows for known arguments";
  let description = [{
    For each list in the attribute `mk.specialize` of an opcode or window, and for what the options ask, adds a window
    `@NAME.s0`, `@NAME.s1` and so on, whose arguments have these facts (`mk.facts`): the constant that a scalar is, the
    extent of a memref, a number that its extent is a multiple of, and a number of elements that the offset of a view is
    aligned to. The specialisation of an opcode is a window of one issue: it needs no number, and as with every window,
    different memrefs do not overlap. Arguments of one constant extent form a group, and groups share what is known of
    their extent. The signature stays: on the wire a specialisation is what it was made from.

    Facts are promises. Whoever dispatches an instance to the code checks `mk.facts` first. Guards do not rely on them,
    so that the slots that fault are the same: `mk-build-kernels` puts in the constants and extents and hands the rest to
    `mk-vectorize-loops`.
  }];
  let options = [
    Option<"symbol", "symbol", "std::string", "\"\"", "opcode or window to specialise">,
    ListOption<"facts", "facts", "std::string",
               "facts about its arguments: 0.aligned=4,0.extent=256,1.multiple=4,2.constant=1.5">,
  ];
}

def MkFuseWindowsPass : Pass<"mk-fuse-windows", "::mlir::ModuleOp"> {
  let summary = "turn windows of issues into plain code with fused loops";
  let description = [{
    Replaces each `mk.issue` of an `mk.window` by the body of its opcode, says with `memref.distinct_objects` that
    different memref arguments do not overlap, takes the extents of one group as equal, and fuses `scf.parallel` loops:

    * A loop takes in the one before it when both have the same bounds and steps, and every memref that one of them
      writes and both touch is touched only at the iteration's own element. That is the element at the induction variable,
      or, in more dimensions, at its row-major number, as in `i * n + j` for j from 0 to n.
    * Reductions come along: a map joins the reduction after it, and reductions join each other. Iterations and their
      order stay, so the sum of floats does too. A loop that needs a result stays behind the loop that yields it.
    * Loads, stores, `mk.fault` and `mk.emit` between the two move behind the fused loop if they share no memory with the
      second.

    Loops that do not fuse stay in order, with the barrier that `scf.parallel` has in block scope. In a window of block
    scope, opcodes of lane scope become `mk.single`, across which nothing fuses. A window of lane scope has one thread,
    and in it loops fuse only if they run over one extent: others take fuel, which each slot has for itself.

    The contents of an argument with `mk.transient` are of no use to anybody after the window. If each load of it takes
    what its own iteration stored before, the loads take the value, and neither loads nor stores remain. An access that
    could be out of range, and whose fault would be lost, keeps them all; so does a load that must read memory.

    Leaves `fused(n)` on the window, and on the operations that may fault the number of their issue. Windows that are
    fused already are left alone. Run it before `mk-guard`: guards hinder the fusion. Remarks (category
    `mk-fuse-windows`) tell what was fused and eliminated and what hindered it. Before/after:
    test/Passes/fuse-windows.mlir, test/Passes/fuse-windows-reductions.mlir.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def MkBuildInterpreterPass : Pass<"mk-build-interpreter", "::mlir::ModuleOp"> {
  let summary = "make the interpreter kernels of an ISA";
  let description = [{
    Adds `mk.kernel @mk_interpreter_lane` (knows the lane opcodes; made when there are any) and
    `@mk_interpreter_block` (knows all; made when there is an opcode of block scope). An interpreter takes slots and
    windows, checks tenant, handles and views, switches over the opcode, and writes the status of each slot; faulted
    slots are also appended to the fault records.

    `@mk_interpreter_packed` (made when the ISA has PACKED_SLOT) takes packed slots: it checks the whole slot, then runs
    its operations in order, up to the first that faults.

    With `resident` the kernels are `@mk_resident_lane` and so on: they serve rings (`mk.serve`) until they are told to
    leave. Fused windows with the attribute `mk.route` become part of the kernel of their scope, which runs them for
    lines with that number; `mk.places` says where their argument words lie. Opcodes with `mk.emit` are left out.

    The bodies are taken as they are: run `mk-guard` before. Without an opcode in the module it is an error.
  }];
  let options = [
    Option<"scope", "scope", "std::string", "\"all\"", "which to make: lane, block, packed or all">,
    Option<"resident", "resident", "bool", "false", "make the form that stays and serves rings">,
  ];
  let dependentDialects = ["::mk::MkDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def MkBuildKernelsPass : Pass<"mk-build-kernels", "::mlir::ModuleOp"> {
  let summary = "make batch kernels of opcodes and windows";
  let description = [{
    Adds `mk.kernel @mk_opcode_NAME` for each `mk.opcode` and `@mk_window_NAME` for each fused `mk.window`. A batch
    kernel takes instances whose argument words lie in columns (`mk::abi::ArgColumn`); handles and views are not
    checked, since the runtime has done that for each instance.

    Opcodes that cannot be promoted get no kernel: built-in ones, and those that use memory of the engine (`mk.memory`,
    `mk.buffer`) or ask for their slot (`mk.slot_info`). A window with such operations is an error.

    Facts about arguments (`mk.facts`, see `mk-specialize`) are used here: constants and extents take the place of words,
    and views keep the others.

    A window that still has issues is an error: run `mk-fuse-windows` before.
  }];
  let options = [
    Option<"opcodes", "opcodes", "bool", "true", "make kernels of opcodes">,
    Option<"windows", "windows", "bool", "true", "make kernels of windows">,
    Option<"promotedOnly", "promoted-only", "bool", "false", "make only kernels of what mk-promote has marked">,
  ];
  let dependentDialects = ["::mk::MkDialect", "::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
}

def MkVectorizeLoopsPass : Pass<"mk-vectorize-loops", "::mk::KernelOp"> {
  let summary = "use 16-byte accesses in elementwise loops of block scope";
  let description = [{
    Takes `scf.parallel` loops whose iterations store their own element of each view, load it or those at constant
    distances behind it (of views that the loop does not write), and compute element by element. Each iteration gets 16
    bytes of a view: a GPU thread moves most with the widest access. Elements at a distance are put together from two
    accesses. Atomics (`memref.atomic_rmw` whose result is not used) follow one by one. Bytes are moved, but not computed
    with; of local memory elements of less than 32 bits are taken.

    A loop that reduces gets four elements, whatever their size: one for each accumulator of a lane, in the order that
    `convert-mk-to-gpu` describes. It has four results for each of before, which the lowering combines (`mk.vectorized`).

    The loop as it was stays for views whose offset is not a multiple of what an iteration gets, and for numbers of
    elements that are not; that is tested when the loop is reached, unless `mk.facts` say it.

    Other loops are left as they are, those with `mk-guard` checks among them.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ConvertMkToGpuPass : Pass<"convert-mk-to-gpu", "::mlir::ModuleOp"> {
  let summary = "lower mk kernels to the gpu dialect";
  let description = [{
    Moves each `mk.kernel` into a `gpu.func` of one `gpu.module`, and removes the opcodes and windows. Work items are
    spread over threads (lane scope) or CTAs (block scope); outer `scf.parallel` loops of block scope are spread over
    the threads of the CTA.

    A thread of a GPU waits where it first uses what it has loaded. So iterations of a spread loop without branches run
    side by side, up to four, and in an `scf.for` that writes nothing the loads that its index decides come for up to
    eight iterations at once. Of up to 32 argument words (`mk.arguments`) in block scope, each thread of the first warp loads
    one, for the next item while this one is under way; the others find it in shared memory. A kernel whose loops do
    little for what they load asks for as many CTAs on an SM as it can hold (`.minnctapersm`).

    What an outer loop of block scope reduces (`scf.reduce`) has one order on every target. Iteration i belongs to
    accumulator i mod 1024, which combines its iterations in ascending order. Lane l, one of 256, combines the
    accumulators from 4 l to 4 l + 3 in ascending order, lane l is combined with lane l + s for s = 128, 64, ..., 1, and
    at last the initial value with lane 0. On the GPU the accumulators of a lane are one thread's where
    `mk-vectorize-loops` has taken the loop, and those of four neighbours elsewhere; the lanes meet in shared memory and
    in a warp's registers; a result that only one thread uses (`mk.single`) stays with it.
    All other loops reduce in ascending order, from the initial value on.

    Local memory (`memref.alloca`) outside `scf.parallel` is shared by the CTA, inside it is the thread's own. More shared
    memory than a CTA has, 48 KiB, is an error. Loops at the start of a body that do nothing but fill such memory, from
    what all instances of a launch share, run once for the items of a CTA, unless one may have raised a fault.
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_80\"", "the GPU to compile for">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def MkGpuToNvvmPass : Pass<"mk-gpu-to-nvvm", "::mlir::gpu::GPUModuleOp"> {
  let summary = "lower a gpu.module to the LLVM and NVVM dialects";
  let description = [{
    Does at once, with the patterns of the upstream passes, what `arith-expand`, `convert-scf-to-cf`,
    `convert-gpu-to-nvvm` and `convert-math-to-llvm` do one after the other. Those make their patterns anew in each run,
    which takes longer than the conversion of a small kernel; this pass keeps them. What most of a kernel is made of
    (arithmetic, accesses of views, branches, loops) is rewritten before, in one walk: the patterns of a dialect conversion
    take several times as long, and a kernel in lane scope often has nothing left for them.

    A function of `math` calls libdevice where that has it, and is an intrinsic of LLVM otherwise. The patterns that
    `convert-gpu-to-nvvm` has for operations on the threads of a whole warp or CTA (`gpu.all_reduce`, ...) are left out.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect", "::mlir::cf::ControlFlowDialect"];
}

def ConvertMkToHostPass : Pass<"convert-mk-to-host", "::mlir::ModuleOp"> {
  let summary = "lower mk kernels to functions for CPU threads";
  let description = [{
    Turns each `mk.kernel` into a `func.func` of the same name with three arguments: the address of the launch
    parameters, and the range of work items to run. It can be called by many threads at once, each with its own range.
    Removes the opcodes and windows. Reductions have the order that `convert-mk-to-gpu` describes.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
}

def MkRelaxAtomicsPass : Pass<"mk-relax-atomics"> {
  let summary = "give atomics relaxed order and the scope of one device";
  let description = [{
    Conversions to LLVM make the atomics of memref acquire and release, for the whole system. Slots have no order among
    them, and the host looks at results when a kernel has ended, so a relaxed order is all that opcodes can use, and it
    costs no fences. `scope` is the LLVM synchronization scope: `device` for NVPTX (`.gpu` in PTX); empty, for the system,
    on the host.

    Runs on the LLVM dialect, at the end of a lowering.
  }];
  let options = [
    Option<"scope", "scope", "std::string", "\"\"", "the synchronization scope, as LLVM names it">,
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // MK_PASSES_PASSES_TD
