// RUN: mk-opt %s --mk-promote --split-input-file --verify-diagnostics

// expected-error @below {{there is no profile; use the option profile=FILE, or give the module mk.profile}}
module {}

// -----

// expected-error @below {{the profile counts opcode 'sub', which the ISA does not have}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {sub = 1}, windows = {}>} {}

// -----

// expected-error @below {{the profile counts opcode 'mk.nop', which the ISA does not have; run mk-link-prelude before}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {mk.nop = 1}, windows = {}>} {}

// -----

// expected-error @below {{the profile counts window 'sub(0)': the ISA has no opcode 'sub'}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"sub(0)" = 1}>} {}

// -----

// expected-error @below {{the profile counts window 'set(0': found 'set(0', expected NAME(ARGUMENT,...)}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window 'set(0)': found 'set(0)', but 'set' takes 2 arguments}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0)" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window 'set(0,2)': found 'set(0,2)', but arguments are numbers from 0 on in the order of their first use}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0,2)" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window 'set(0,0)': argument 0 is used with two types}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0,0)" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window 'set(0,1) | 0=1': found '0=1', expected numbers of memref arguments joined by '='}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0,1) | 0=1" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window 'set(0,1) | transient 1': found '1', expected the number of a memref argument}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {"set(0,1) | transient 1" = 1}>} {
  mk.opcode @set code(64) scope(lane) (%m: memref<?xi32>, %i: index) {
    mk.return
  }
}

// -----

// expected-error @below {{the profile counts window ' | 0=1': it has 0 issues, but a window has 1 to 255}}
module attributes {mk.profile = #mk.profile<milliseconds = 1, slots = 1, longestQueue = 1, opcodes = {}, windows = {" | 0=1" = 9}>} {}
