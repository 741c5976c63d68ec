//===- MkAttrs.td - Attributes of the mk dialect -----------*- tablegen -*-===//
//
// Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for licence information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What passes note on opcodes, windows and their arguments:
//
//   mk.profile     on a module: a #mk.profile, what ran how often
//   mk.promotion   on an opcode or window: a #mk.promotion, why it gets code of its own
//   mk.specialize  on an opcode or fused window: a list of specialisations to make, each a list of #mk.facts, one for
//                  each argument
//   mk.facts       on an argument of a window, or on the mk.view made from it: a #mk.facts
//   mk.transient   on an argument of a window: unit
//
//===----------------------------------------------------------------------===//

#ifndef MK_DIALECT_MKATTRS_TD
#define MK_DIALECT_MKATTRS_TD

include "mk/Dialect/MkDialect.td"
include "mlir/IR/AttrTypeBase.td"

class Mk_Attr<string name, string attrMnemonic> : AttrDef<Mk_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Mk_ProfileAttr : Mk_Attr<"Profile", "profile"> {
  let summary = "how often opcodes and windows ran";
  let description = [{
    An observation of a run: its length, the slots that ran, the most slots that waited at once, and the executions of
    opcodes and windows. Slots of a window count for the window alone. A window is named by its signature, as the
    runtime prints it: the opcodes in order, for each of their arguments the argument of the window that it takes, and
    the memref arguments that have the same extent. `transient` lists those that nobody reads later. docs/Profile.md
    has more.

    Example:

    ```mlir
    #mk.profile<milliseconds = 20, slots = 4100, longestQueue = 512, opcodes = {axpy = 100},
                windows = {"add(0,1,2) relu(2,2) | 0=1=2 | transient 2" = 2000}>
    ```
  }];
  let parameters = (ins "uint64_t":$milliseconds, "uint64_t":$slots, "uint64_t":$longestQueue,
                        "::mlir::DictionaryAttr":$opcodes, "::mlir::DictionaryAttr":$windows);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Mk_RuleHotOpcode : I32EnumAttrCase<"HotOpcode", 0, "hot_opcode">;
def Mk_RuleHotWindow : I32EnumAttrCase<"HotWindow", 1, "hot_window">;
def Mk_RuleQueue : I32EnumAttrCase<"Queue", 2, "queue">;
def Mk_PromotionRule : I32EnumAttr<"PromotionRule", "what speaks for a promotion",
                                   [Mk_RuleHotOpcode, Mk_RuleHotWindow, Mk_RuleQueue]> {
  let cppNamespace = "::mk";
  let genSpecializedAttr = 0;
}

def Mk_PromotionAttr : Mk_Attr<"Promotion", "promotion"> {
  let summary = "why an opcode or a window gets code of its own";
  let description = [{
    The rule that promoted it, its count, the threshold that the rule holds against it (for `queue`, against the longest
    queue), and its place among all that were promoted, the hottest first.

    Example:

    ```mlir
    #mk.promotion<hot_window, count = 2000, threshold = 4, rank = 0>
    ```
  }];
  let parameters = (ins EnumParameter<Mk_PromotionRule>:$rule, "uint64_t":$count, "uint64_t":$threshold,
                        "uint64_t":$rank);
  let assemblyFormat = "`<` $rule `,` struct($count, $threshold, $rank) `>`";
}

def Mk_FactsAttr : Mk_Attr<"Facts", "facts"> {
  let summary = "what holds for an argument of specialised code";
  let description = [{
    Of a scalar: the `constant` that it is. Of a memref: its `extent` in elements, a number that the extent is a
    `multiple` of, and a number of elements that the offset of a view is `aligned` to.

    Facts are promises: code with facts may only be used for instances that keep them, which whoever dispatches checks.

    Example:

    ```mlir
    #mk.facts<constant = 2.000000e+00 : f32>
    #mk.facts<aligned = 4, multiple = 4>
    ```
  }];
  let parameters = (ins OptionalParameter<"::mlir::TypedAttr">:$constant, DefaultValuedParameter<"uint64_t", "0">:$extent,
                        DefaultValuedParameter<"uint64_t", "1">:$multiple,
                        DefaultValuedParameter<"uint64_t", "1">:$aligned);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// True when nothing is known.
    bool isEmpty() { return !getConstant() && getExtent() == 0 && getMultiple() == 1 && getAligned() == 1; }
    /// Reports facts that cannot hold for an argument of 'type'.
    ::llvm::LogicalResult verifyFor(::mlir::Type type, ::llvm::function_ref<::mlir::InFlightDiagnostic()> emitError);
  }];
}

#endif // MK_DIALECT_MKATTRS_TD
