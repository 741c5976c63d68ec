// RUN: mk-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{expected the count of 'add' to be an i64 of at least 0, but found -1 : i64}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {add = -1}, windows = {}>} {}

// -----

// expected-error @below {{expected the constant to be a number, but found dense<1> : vector<2xi32>}}
module attributes {test = #mk.facts<constant = dense<1> : vector<2xi32>>} {}

// -----

// expected-error @below {{a constant is a fact of scalars, the others are facts of memrefs; use one kind}}
module attributes {test = #mk.facts<constant = 1 : i32, aligned = 4>} {}

// -----

// expected-error @below {{everything is a multiple of 1 and nothing else of 0; use at least 1}}
module attributes {test = #mk.facts<aligned = 0>} {}

// -----

// expected-error @below {{facts about memrefs are numbers up to 9223372036854775807}}
module attributes {test = #mk.facts<extent = 9223372036854775808>} {}

// -----

// expected-error @below {{extent 6 is no multiple of 4}}
module attributes {test = #mk.facts<extent = 6, multiple = 4>} {}

// -----

// expected-error @below {{has mk.profile, which is a #mk.profile of a module}}
module attributes {mk.profile = 1} {}

// -----

// expected-error @below {{has mk.promotion, which is a #mk.promotion of an opcode or a window}}
module attributes {mk.promotion = #mk.promotion<queue, count = 1, threshold = 1, rank = 0>} {}

// -----

// expected-error @below {{has mk.specialize, which is a list of specialisations of an opcode or a window, each a list of #mk.facts}}
mk.opcode @set code(64) scope(lane) (%v: i32) attributes {mk.specialize = [#mk.facts<>]} {
  mk.return
}

// -----

// expected-error @below {{specialisation 0 has facts for 2 arguments, but there are 1}}
mk.opcode @set code(64) scope(lane) (%v: i32) attributes {mk.specialize = [[#mk.facts<>, #mk.facts<>]]} {
  mk.return
}

// -----

// expected-error @below {{argument 0 has type 'i32', but its constant is 1 : i16}}
mk.opcode @set code(64) scope(lane) (%v: i32) attributes {mk.specialize = [[#mk.facts<constant = 1 : i16>]]} {
  mk.return
}

// -----

// expected-error @below {{argument 0 has type 'i32', but only memrefs have an extent}}
mk.opcode @set code(64) scope(lane) (%v: i32) attributes {mk.specialize = [[#mk.facts<extent = 4>]]} {
  mk.return
}

// -----

// expected-error @below {{argument 0 has type 'memref<?xi32>', but only views have an offset that could be aligned}}
mk.opcode @set code(64) scope(lane) (%v: memref<?xi32>) attributes {mk.specialize = [[#mk.facts<aligned = 4>]]} {
  mk.return
}

// -----

// expected-error @below {{argument 0 has mk.facts, which is a #mk.facts of arguments of a window}}
mk.opcode @set code(64) scope(lane) (%v: i32 {mk.facts = #mk.facts<constant = 1 : i32>}) {
  mk.return
}

// -----

// expected-error @below {{argument 0 has mk.transient, which is a unit attribute of memref arguments of a window}}
mk.window @set (%v: i32 {mk.transient}) fused(1) scope(lane) {
}
