// The built-in opcodes. docs/Prelude.md says what they mean; the numbers are those of mk/Runtime/Abi.h.
//
// Each body first looks whether the engine has the memory (at least the 160 control words) and whether its tenant may do
// anything at all (bit 0 of the rights in word 3 + tenant). Then come its own checks, one inside the other, since the
// first that fails is the fault; what writes stands innermost. Control words are written by atomics, because other slots
// and the host may use the same word.

mk.opcode builtin @mk.nop code(0) scope(lane) () {
  mk.return
}

mk.opcode builtin @mk.store_u32 code(1) scope(lane) (%value: i32, %i: index) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %system = arith.constant 2 : i32
  %code = arith.constant 1 : i32
  %number = arith.index_castui %i : index to i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %inside = arith.cmpi ult, %i, %words : index
      scf.if %inside {
        %open = arith.cmpi uge, %i, %c160 : index
        %write = arith.andi %rights, %system : i32
        %trusted = arith.cmpi ne, %write, %none : i32
        %allowed = arith.ori %open, %trusted : i1
        scf.if %allowed {
          %old = memref.atomic_rmw assign %value, %control[%i] : (i32, memref<?xi32>) -> i32
        } else {
          mk.fault control_protected detail %number
        }
      } else {
        mk.fault control_index detail %number
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

mk.opcode builtin @mk.atomic_add code(2) scope(lane) (%value: i32, %i: index) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %system = arith.constant 2 : i32
  %code = arith.constant 2 : i32
  %number = arith.index_castui %i : index to i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %inside = arith.cmpi ult, %i, %words : index
      scf.if %inside {
        %open = arith.cmpi uge, %i, %c160 : index
        %write = arith.andi %rights, %system : i32
        %trusted = arith.cmpi ne, %write, %none : i32
        %allowed = arith.ori %open, %trusted : i1
        scf.if %allowed {
          %old = memref.atomic_rmw addi %value, %control[%i] : (i32, memref<?xi32>) -> i32
        } else {
          mk.fault control_protected detail %number
        }
      } else {
        mk.fault control_index detail %number
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// observable[o] = control[i]
mk.opcode builtin @mk.load_u32 code(3) scope(lane) (%i: index, %o: index) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %code = arith.constant 3 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %inside = arith.cmpi ult, %i, %words : index
      scf.if %inside {
        %to = arith.addi %o, %c160 : index
        %seen = arith.cmpi ult, %to, %words : index
        scf.if %seen {
          %value = memref.load %control[%i] : memref<?xi32>
          %old = memref.atomic_rmw assign %value, %control[%to] : (i32, memref<?xi32>) -> i32
        } else {
          %number = arith.index_castui %o : index to i32
          mk.fault observable_index detail %number
        }
      } else {
        %number = arith.index_castui %i : index to i32
        mk.fault control_index detail %number
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// The old value goes to observable[i], or to observable[result - 1].
mk.opcode builtin @mk.compare_swap code(4) scope(lane)
    (%i: index, %expected: i32, %desired: i32, %result: index {mk.optional}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %system = arith.constant 2 : i32
  %code = arith.constant 4 : i32
  %number = arith.index_castui %i : index to i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %inside = arith.cmpi ult, %i, %words : index
      scf.if %inside {
        %open = arith.cmpi uge, %i, %c160 : index
        %write = arith.andi %rights, %system : i32
        %trusted = arith.cmpi ne, %write, %none : i32
        %allowed = arith.ori %open, %trusted : i1
        scf.if %allowed {
          %same = arith.cmpi eq, %result, %c0 : index
          %other = arith.subi %result, %c1 : index
          %o = arith.select %same, %i, %other : index
          %to = arith.addi %o, %c160 : index
          %seen = arith.cmpi ult, %to, %words : index
          scf.if %seen {
            %old = memref.generic_atomic_rmw %control[%i] : memref<?xi32> {
            ^bb0(%current: i32):
              %equal = arith.cmpi eq, %current, %expected : i32
              %next = arith.select %equal, %desired, %current : i32
              memref.atomic_yield %next : i32
            }
            %before = memref.atomic_rmw assign %old, %control[%to] : (i32, memref<?xi32>) -> i32
          } else {
            %where = arith.index_castui %o : index to i32
            mk.fault observable_index detail %where
          }
        } else {
          mk.fault control_protected detail %number
        }
      } else {
        mk.fault control_index detail %number
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// control[to + k] = control[from + k], ascending. Nothing is checked where nothing is copied.
mk.opcode builtin @mk.memcpy code(5) scope(lane) (%from: index, %to: index, %count: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %system = arith.constant 2 : i32
  %code = arith.constant 5 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %some = arith.cmpi ne, %count, %c0 : index
      scf.if %some {
        %from_end = arith.addi %from, %count : index
        %to_end = arith.addi %to, %count : index
        %from_inside = arith.cmpi ule, %from_end, %words : index
        %to_inside = arith.cmpi ule, %to_end, %words : index
        %inside = arith.andi %from_inside, %to_inside : i1
        scf.if %inside {
          %open = arith.cmpi uge, %to, %c160 : index
          %write = arith.andi %rights, %system : i32
          %trusted = arith.cmpi ne, %write, %none : i32
          %allowed = arith.ori %open, %trusted : i1
          scf.if %allowed {
            %ahead = arith.cmpi ult, %from, %to : index
            %near = arith.cmpi ult, %to, %from_end : index
            %smears = arith.andi %ahead, %near : i1
            scf.if %smears {
              %number = arith.index_castui %count : index to i32
              mk.fault memcpy_overlap detail %number
            } else {
              scf.for %k = %c0 to %count step %c1 {
                %source = arith.addi %from, %k : index
                %target = arith.addi %to, %k : index
                %value = memref.load %control[%source] : memref<?xi32>
                %old = memref.atomic_rmw assign %value, %control[%target] : (i32, memref<?xi32>) -> i32
              }
            }
          } else {
            %number = arith.index_castui %to : index to i32
            mk.fault control_protected detail %number
          }
        } else {
          %begin = arith.select %from_inside, %to, %from : index
          %first = arith.maxui %begin, %words : index
          %number = arith.index_castui %first : index to i32
          mk.fault range_overflow detail %number
        }
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// observable[o] = table[state * 256 + symbol]
mk.opcode builtin @mk.dfa_step code(6) scope(lane)
    (%state: index, %symbol: index, %o: index {mk.optional}, %handle: i32 {mk.optional}) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c8 = arith.constant 8 : index
  %c160 = arith.constant 160 : index
  %c256 = arith.constant 256 : index
  %none = arith.constant 0 : i32
  %execute = arith.constant 1 : i32
  %code = arith.constant 6 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %table = mk.buffer %handle : memref<?xi32>
      %entries = memref.dim %table, %c0 : memref<?xi32>
      %there = arith.cmpi ne, %entries, %c0 : index
      scf.if %there {
        %byte = arith.cmpi ult, %symbol, %c256 : index
        scf.if %byte {
          %states = arith.shrui %entries, %c8 : index
          %known = arith.cmpi ult, %state, %states : index
          scf.if %known {
            %to = arith.addi %o, %c160 : index
            %seen = arith.cmpi ult, %to, %words : index
            scf.if %seen {
              %line = arith.shli %state, %c8 : index
              %entry = arith.addi %line, %symbol : index
              %next = memref.load %table[%entry] : memref<?xi32>
              %next_state = arith.index_castui %next : i32 to index
              %sound = arith.cmpi ult, %next_state, %states : index
              scf.if %sound {
                %old = memref.atomic_rmw assign %next, %control[%to] : (i32, memref<?xi32>) -> i32
              } else {
                mk.fault dfa_state detail %next
              }
            } else {
              %number = arith.index_castui %o : index to i32
              mk.fault observable_index detail %number
            }
          } else {
            %number = arith.index_castui %state : index to i32
            mk.fault dfa_state detail %number
          }
        } else {
          %number = arith.index_castui %symbol : index to i32
          mk.fault dfa_symbol detail %number
        }
      } else {
        mk.fault dfa_table detail %handle
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// The runtime runs it when all other slots of the batch are answered, and fences in the order of their slots.
mk.opcode builtin @mk.batch_fence code(7) scope(lane) (%count: i32, %tag: i32) {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c128 = arith.constant 128 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %execute = arith.constant 1 : i32
  %code = arith.constant 7 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %slot = mk.slot_info index
      %before = arith.cmpi ule, %count, %slot : i32
      scf.if %before {
        %observed = arith.cmpi ugt, %words, %c160 : index
        scf.if %observed {
          %old = memref.atomic_rmw assign %tag, %control[%c160] : (i32, memref<?xi32>) -> i32
        }
        %epoch = memref.atomic_rmw addi %one, %control[%c128] : (i32, memref<?xi32>) -> i32
      } else {
        mk.fault fence_range detail %count
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// The first word of the log counts words of records. Past the end it stands still, so that it cannot wrap.
mk.opcode builtin @mk.printf code(65534) scope(lane) (%format: i32, %a: i32, %b: i32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c147 = arith.constant 147 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %four = arith.constant 4 : i32
  %execute = arith.constant 1 : i32
  %print = arith.constant 8 : i32
  %print_bit = arith.constant 3 : i32
  %code = arith.constant 65534 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %log = mk.memory debug : memref<?xi32>
  %log_words = memref.dim %log, %c0 : memref<?xi32>
  %has_control = arith.cmpi uge, %words, %c160 : index
  %has_log = arith.cmpi uge, %log_words, %c1 : index
  %bound = arith.andi %has_control, %has_log : i1
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %print_right = arith.andi %rights, %print : i32
      %may_print = arith.cmpi ne, %print_right, %none : i32
      scf.if %may_print {
        %capacity = arith.subi %log_words, %c1 : index
        %cursor = memref.load %log[%c0] : memref<?xi32>
        %cursor_at = arith.index_castui %cursor : i32 to index
        %left = arith.cmpi ult, %cursor_at, %capacity : index
        %kept = scf.if %left -> i1 {
          %mine = memref.atomic_rmw addi %four, %log[%c0] : (i32, memref<?xi32>) -> i32
          %mine_at = arith.index_castui %mine : i32 to index
          %end = arith.addi %mine_at, %c4 : index
          %fits = arith.cmpi ule, %end, %capacity : index
          scf.if %fits {
            %slot = mk.slot_info index
            %slot_base = arith.shli %slot, %four : i32
            %first = arith.addi %mine_at, %c1 : index
            %second = arith.addi %first, %c1 : index
            %third = arith.addi %first, %c2 : index
            %fourth = arith.addi %first, %c3 : index
            memref.store %a, %log[%second] : memref<?xi32>
            memref.store %b, %log[%third] : memref<?xi32>
            memref.store %slot_base, %log[%fourth] : memref<?xi32>
            %old = memref.atomic_rmw assign %format, %log[%first] : (i32, memref<?xi32>) -> i32
          }
          scf.yield %fits : i1
        } else {
          scf.yield %left : i1
        }
        scf.if %kept {
        } else {
          %dropped = memref.atomic_rmw addi %one, %control[%c147] : (i32, memref<?xi32>) -> i32
        }
      } else {
        mk.fault tenant_right detail %print_bit
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}

// mk_interpreter_packed runs packed slots; the other interpreters do not know how.
mk.opcode builtin @mk.packed_slot code(2147483649) scope(lane) () {
  %code = arith.constant -2147483647 : i32
  mk.fault opcode_not_bound detail %code
  mk.return
}

mk.opcode builtin @mk.shutdown code(4294967295) scope(lane) () {
  %c0 = arith.constant 0 : index
  %c3 = arith.constant 3 : index
  %c160 = arith.constant 160 : index
  %none = arith.constant 0 : i32
  %one = arith.constant 1 : i32
  %execute = arith.constant 1 : i32
  %stop = arith.constant 16 : i32
  %stop_bit = arith.constant 4 : i32
  %code = arith.constant -1 : i32
  %control = mk.memory control : memref<?xi32>
  %words = memref.dim %control, %c0 : memref<?xi32>
  %bound = arith.cmpi uge, %words, %c160 : index
  scf.if %bound {
    %tenant = mk.slot_info tenant
    %row = arith.index_castui %tenant : i32 to index
    %at = arith.addi %row, %c3 : index
    %rights = memref.load %control[%at] : memref<?xi32>
    %right = arith.andi %rights, %execute : i32
    %may = arith.cmpi ne, %right, %none : i32
    scf.if %may {
      %stop_right = arith.andi %rights, %stop : i32
      %may_stop = arith.cmpi ne, %stop_right, %none : i32
      scf.if %may_stop {
        %old = memref.atomic_rmw assign %one, %control[%c0] : (i32, memref<?xi32>) -> i32
      } else {
        mk.fault tenant_right detail %stop_bit
      }
    } else {
      mk.fault tenant_right detail %none
    }
  } else {
    mk.fault opcode_not_bound detail %code
  }
  mk.return
}
