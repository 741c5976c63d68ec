// How a CTA of a resident kernel gets its work: the templates from which convert-mk-to-gpu makes mk.serve and mk.complete
// (LowerServe.cpp). docs/Resident.md tells the protocol, mk/Runtime/Abi.h has the structures; offsets in bytes stand
// here as numbers and are checked there. Bodies have one block, which is cloned to where it is needed.
//
// Order: what the host wrote before it published is seen by whoever acquires a tail or a tag, or a mirror that a worker
// released after that; what slots wrote is seen by whoever acquires their statuses.

// A warp asks for work, until there is some or the workers are to leave. Lane p < 5 looks after the ring of priority p;
// the last twenty lanes may fetch the next line of each ring, a quad each, together with the doorbell, so that a single slot
// costs one way across the bus. As each line more takes time, those of the most urgent ring and of the ring of the last
// claim are fetched. %keeps says that the warp still is the one that polls, that %end is where the ring of this lane begins
// and ends, and that %last was the ring of the last claim.
//
// Gives, in all lanes, the ring of the claim and the most urgent ring that had work; in lanes that look after a ring where
// its first line is, how many lines are claimed if it is that of the claim (0 when the workers are to leave), the tail,
// and how often it was passed over; in lanes that fetch where the first line is. Then flags: 1 when the first line of
// the ring that this lane looks after or fetches from is in registers, 2 when the warp polls and has claimed without
// asking, 4 when it polls and has found what others left, 8 when the ring had work. Last the quad that was fetched.
func.func @claim(%epoch: i32, %lines: i64, %doorbell: i64, %state: i64, %log2: i32, %age: i32, %lane: i32, %unit: i32,
                 %keeps: i1, %end: i32, %last: i32)
    -> (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) {
  %false = arith.constant false
  %true = arith.constant true
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c3 = arith.constant 3 : i32
  %c4 = arith.constant 4 : i32
  %c5 = arith.constant 5 : i32
  %c6 = arith.constant 6 : i32
  %c12 = arith.constant 12 : i32
  %c15 = arith.constant 15 : i32
  %c31 = arith.constant 31 : i32
  // Flags: 1, 2, 4; 4 alone is the one that polls and may not claim.
  %polling = arith.constant 2 : i32
  %busy = arith.constant 4 : i32
  %all = arith.constant -1 : i32
  %tagMask = arith.constant 0xFFFF : i32
  %w0 = arith.constant 0 : i64
  %w8 = arith.constant 8 : i64
  %w4 = arith.constant 4 : i64
  %w16 = arith.constant 16 : i64
  %w32 = arith.constant 32 : i64
  %w64 = arith.constant 64 : i64

  // What this lane looks after.
  %isRing = arith.cmpi ult, %lane, %c5 : i32
  %mayFetch = arith.cmpi uge, %lane, %c12 : i32
  %fetches = arith.subi %lane, %c12 : i32
  %fetchRing = arith.shrui %fetches, %c2 : i32
  %ownRing = arith.minui %lane, %c4 : i32
  %ring = arith.select %mayFetch, %fetchRing, %ownRing : i32
  %ring64 = arith.extui %ownRing : i32 to i64
  %endBytes = arith.muli %ring64, %w8 : i64
  %endsAt = arith.addi %state, %endBytes : i64
  %toEpoch = arith.constant 128 : i64
  %epochAt = arith.addi %state, %toEpoch : i64
  %toPoller = arith.constant 256 : i64
  %pollerAt = arith.addi %state, %toPoller : i64
  %toPassed = arith.constant 384 : i64
  %passed = arith.addi %state, %toPassed : i64
  %passedBytes = arith.muli %ring64, %w4 : i64
  %passedAt = arith.addi %passed, %passedBytes : i64
  %toHeartbeat = arith.constant 432 : i64
  %heartbeatAt = arith.addi %state, %toHeartbeat : i64
  %quad = arith.andi %lane, %c3 : i32
  %quad64 = arith.extui %quad : i32 to i64
  %quadBytes = arith.muli %quad64, %w16 : i64
  %size = arith.shli %c1, %log2 : i32
  %mask = arith.subi %size, %c1 : i32
  %base = arith.shli %ring, %log2 : i32
  // The quad of the doorbell that has the tail of this lane's ring; that of the last ring comes with the epoch.
  %isLast = arith.cmpi eq, %lane, %c4 : i32
  %bellBytes = arith.select %isLast, %w16, %w0 : i64
  %bellQuad = arith.addi %doorbell, %bellBytes : i64
  %unitMask = arith.subi %unit, %c1 : i32
  %isLeader = arith.cmpi eq, %lane, %c0 : i32
  %end64 = arith.extui %end : i32 to i64
  %endHigh = arith.shli %end64, %w32 : i64
  %bothEnds = arith.ori %endHigh, %end64 : i64

  %found:13 = scf.while (%go = %true, %k = %keeps, %p = %c0, %f = %c0, %b = %c0, %n = %c0, %t = %c0, %o = %c0, %l = %c0, %x0 = %c0, %x1 = %c0, %x2 = %c0, %x3 = %c0)
      : (i1, i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) -> (i1, i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) {
    scf.condition(%go) %go, %k, %p, %f, %b, %n, %t, %o, %l, %x0, %x1, %x2, %x3 : i1, i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32
  } do {
  ^bb0(%go: i1, %k: i1, %p: i32, %f: i32, %b: i32, %n: i32, %t: i32, %o: i32, %l: i32, %x0: i32, %x1: i32, %x2: i32, %x3: i32):
    %look:5 = scf.if %k -> (i32, i64, i32, i32, i32) {
      scf.yield %epoch, %bothEnds, %c0, %c0, %last : i32, i64, i32, i32, i32
    } else {
      %seen = llvm.inline_asm has_side_effects asm_dialect = att "ld.relaxed.gpu.global.b32 $0, [$1];", "=r,l,~{memory}" %epochAt : (i64) -> i32
      %ends = llvm.inline_asm has_side_effects asm_dialect = att "ld.acquire.gpu.global.b64 $0, [$1];", "=l,l,~{memory}" %endsAt : (i64) -> i64
      %over = llvm.inline_asm has_side_effects asm_dialect = att "ld.relaxed.gpu.global.b32 $0, [$1];", "=r,l,~{memory}" %passedAt : (i64) -> i32
      %two = llvm.inline_asm has_side_effects asm_dialect = att "ld.relaxed.gpu.global.b64 $0, [$1];", "=l,l,~{memory}" %pollerAt : (i64) -> i64
      %poller = arith.trunci %two : i64 to i32
      %recent64 = arith.shrui %two, %w32 : i64
      %recent = arith.trunci %recent64 : i64 to i32
      scf.yield %seen, %ends, %over, %poller, %recent : i32, i64, i32, i32, i32
    }
    %isOver = arith.cmpi ne, %look#0, %epoch : i32
    %saysOver = nvvm.vote.sync ballot %all, %isOver -> i32
    %leaves = arith.cmpi ne, %saysOver, %c0 : i32
    %next:12 = scf.if %leaves -> (i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32) {
      scf.yield %false, %c0, %c0, %c0, %c0, %c0, %c0, %c0, %c0, %c0, %c0, %c0 : i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32
    } else {
      %head = arith.trunci %look#1 : i64 to i32
      %tail64 = arith.shrui %look#1, %w32 : i64
      %known = arith.trunci %tail64 : i64 to i32
      %some = arith.cmpi ne, %known, %head : i32
      %mine = arith.andi %some, %isRing : i1
      %waiting = nvvm.vote.sync ballot %all, %mine -> i32
      %nothing = arith.cmpi eq, %waiting, %c0 : i32
      // Nobody knows of work. One worker asks the host; the others wait for what it finds. As long as all rings are
      // empty and one worker polls, nobody else moves their ends, so that it may claim without asking.
      %news:7 = scf.if %nothing -> (i32, i32, i32, i32, i32, i32, i32) {
        %polls = scf.if %k -> (i1) {
          scf.yield %true : i1
        } else {
          %taken = scf.if %isLeader -> (i32) {
            %free = arith.cmpi eq, %look#3, %c0 : i32
            %took = scf.if %free -> (i32) {
              %old = llvm.inline_asm has_side_effects asm_dialect = att "atom.acquire.gpu.global.cas.b32 $0, [$1], 0, 1;", "=r,l,~{memory}" %pollerAt : (i64) -> i32
              scf.yield %old : i32
            } else {
              scf.yield %c1 : i32
            }
            scf.yield %took : i32
          } else {
            scf.yield %c1 : i32
          }
          %others = nvvm.shfl.sync idx %all, %taken, %c0, %c31 : i32 -> i32
          %took = arith.cmpi eq, %others, %c0 : i32
          scf.yield %took : i1
        }
        %polled:7 = scf.if %polls -> (i32, i32, i32, i32, i32, i32, i32) {
          // The last one that polled may have left something.
          %again64 = scf.if %k -> (i64) {
            scf.yield %bothEnds : i64
          } else {
            %e = llvm.inline_asm has_side_effects asm_dialect = att "ld.acquire.gpu.global.b64 $0, [$1];", "=l,l,~{memory}" %endsAt : (i64) -> i64
            scf.yield %e : i64
          }
          %h0 = arith.trunci %again64 : i64 to i32
          %t64 = arith.shrui %again64, %w32 : i64
          %t0 = arith.trunci %t64 : i64 to i32
          %left = arith.cmpi ne, %h0, %t0 : i32
          %leftHere = arith.andi %left, %isRing : i1
          %leftOver = nvvm.vote.sync ballot %all, %leftHere -> i32
          %isEmpty = arith.cmpi eq, %leftOver, %c0 : i32
          // From here on those that fetch know the ends of the ring as well.
          %h = nvvm.shfl.sync idx %all, %h0, %ring, %c31 : i32 -> i32
          %place = arith.andi %h, %mask : i32
          %line = arith.addi %base, %place : i32
          %line64 = arith.extui %line : i32 to i64
          %lineBytes = arith.muli %line64, %w64 : i64
          %lineAt0 = arith.addi %lines, %lineBytes : i64
          %lineAt = arith.addi %lineAt0, %quadBytes : i64
          %isUrgent = arith.cmpi eq, %ring, %c0 : i32
          %isRecent = arith.cmpi eq, %ring, %look#4 : i32
          %isWanted = arith.ori %isUrgent, %isRecent : i1
          %isFetcher = arith.andi %mayFetch, %isWanted : i1
          %from = arith.select %isFetcher, %lineAt, %bellQuad : i64
          %lap0 = arith.shrui %h, %log2 : i32
          %lap1 = arith.addi %lap0, %c1 : i32
          %tag = arith.andi %lap1, %tagMask : i32
          %heard:8 = scf.while (%again = %isEmpty, %tail = %t0, %hasLine = %c0, %leave = %epoch, %q0 = %c0, %q1 = %c0, %q2 = %c0, %q3 = %c0, %vain = %c0)
              : (i1, i32, i32, i32, i32, i32, i32, i32, i32) -> (i32, i32, i32, i32, i32, i32, i32, i32) {
            scf.condition(%again) %tail, %hasLine, %leave, %q0, %q1, %q2, %q3, %vain : i32, i32, i32, i32, i32, i32, i32, i32
          } do {
          ^bb0(%tail: i32, %hasLine: i32, %leave: i32, %q0: i32, %q1: i32, %q2: i32, %q3: i32, %vain: i32):
            // Looks go over a bus that others need as well: after some milliseconds without news there are fewer.
            %long = arith.constant 4096 : i32
            %isIdle = arith.cmpi uge, %vain, %long : i32
            scf.if %isIdle {
              %ns = arith.constant 2000 : i32
              llvm.inline_asm has_side_effects asm_dialect = att "nanosleep.u32 $0;", "r" %ns : (i32) -> ()
            }
            %looks0 = arith.addi %vain, %c1 : i32
            %looks = arith.minui %looks0, %long : i32
            %r = llvm.inline_asm has_side_effects asm_dialect = att "ld.acquire.sys.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %from : (i64) -> !llvm.struct<(i32, i32, i32, i32)>
            %r0 = llvm.extractvalue %r[0] : !llvm.struct<(i32, i32, i32, i32)>
            %r1 = llvm.extractvalue %r[1] : !llvm.struct<(i32, i32, i32, i32)>
            %r2 = llvm.extractvalue %r[2] : !llvm.struct<(i32, i32, i32, i32)>
            %r3 = llvm.extractvalue %r[3] : !llvm.struct<(i32, i32, i32, i32)>
            // The tags of the fetched lines.
            %got = arith.andi %r3, %tagMask : i32
            %fits0 = arith.cmpi eq, %got, %tag : i32
            // The line of a window is no news by itself: its tail says when the others are there. The third quad has the
            // length.
            %c21 = arith.constant 21 : i32
            %c255 = arith.constant 255 : i32
            %length0 = arith.shrui %r3, %c21 : i32
            %length1 = arith.andi %length0, %c255 : i32
            %isThird = arith.cmpi eq, %quad, %c2 : i32
            %isLong = arith.cmpi ugt, %length1, %c1 : i32
            %isWindow = arith.andi %isThird, %isLong : i1
            %isSingle = arith.xori %isWindow, %true : i1
            %fits1 = arith.andi %fits0, %isFetcher : i1
            %fits = arith.andi %fits1, %isSingle : i1
            %arrived = nvvm.vote.sync ballot %all, %fits -> i32
            %shift0 = arith.shli %ring, %c2 : i32
            %shift = arith.addi %shift0, %c12 : i32
            %quads0 = arith.shrui %arrived, %shift : i32
            %quads = arith.andi %quads0, %c15 : i32
            %whole = arith.cmpi eq, %quads, %c15 : i32
            // The tail of this lane's ring.
            %is1 = arith.cmpi eq, %lane, %c1 : i32
            %is2 = arith.cmpi eq, %lane, %c2 : i32
            %is3 = arith.cmpi eq, %lane, %c3 : i32
            %s1 = arith.select %is1, %r1, %r0 : i32
            %s2 = arith.select %is2, %r2, %s1 : i32
            %said = arith.select %is3, %r3, %s2 : i32
            // A line that has arrived counts, although its tail has not. The tail that was read may even lie behind the
            // head, when a line was claimed like that.
            %more0 = arith.subi %said, %h : i32
            %isBehind = arith.cmpi sle, %more0, %c0 : i32
            %isHere = arith.extui %whole : i1 to i32
            %atLeast = arith.addi %h, %isHere : i32
            %newTail = arith.select %isBehind, %atLeast, %said : i32
            %isMore = arith.cmpi ne, %newTail, %h : i32
            %work = arith.andi %isMore, %isRing : i1
            %isOther = arith.cmpi ne, %r1, %epoch : i32
            %departs = arith.andi %isOther, %isLast : i1
            %isNews = arith.ori %work, %departs : i1
            %anyNews = nvvm.vote.sync ballot %all, %isNews -> i32
            %on = arith.cmpi eq, %anyNews, %c0 : i32
            %beats = arith.andi %on, %isLeader : i1
            scf.if %beats {
              llvm.inline_asm has_side_effects asm_dialect = att "red.relaxed.gpu.global.add.u32 [$0], 1;", "l,~{memory}" %heartbeatAt : (i64) -> ()
            }
            scf.yield %on, %newTail, %isHere, %r1, %r0, %r1, %r2, %r3, %looks : i1, i32, i32, i32, i32, i32, i32, i32, i32
          }
          %isOther = arith.cmpi ne, %heard#2, %epoch : i32
          %tellsEpoch = arith.andi %isOther, %isLast : i1
          %tells = arith.extui %tellsEpoch : i1 to i32
          llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .pred p; setp.ne.b32 p, $2, 0; @p st.relaxed.gpu.global.b32 [$0], $1; }", "l,r,r,~{memory}" %epochAt, %heard#2, %tells : (i64, i32, i32) -> ()
          // What others left while this one became the one to poll is not its own: it lets go, and looks again.
          %how = arith.select %isEmpty, %polling, %busy : i32
          %flags = arith.ori %heard#1, %how : i32
          scf.yield %h, %heard#0, %flags, %heard#3, %heard#4, %heard#5, %heard#6 : i32, i32, i32, i32, i32, i32, i32
        } else {
          // Many that look at the state all the time hold up those that change it.
          %ns = arith.constant 500 : i32
          llvm.inline_asm has_side_effects asm_dialect = att "nanosleep.u32 $0;", "r" %ns : (i32) -> ()
          scf.yield %head, %head, %c0, %c0, %c0, %c0, %c0 : i32, i32, i32, i32, i32, i32, i32
        }
        scf.yield %polled#0, %polled#1, %polled#2, %polled#3, %polled#4, %polled#5, %polled#6 : i32, i32, i32, i32, i32, i32, i32
      } else {
        scf.yield %head, %known, %c0, %c0, %c0, %c0, %c0 : i32, i32, i32, i32, i32, i32, i32
      }
      %polls0 = arith.andi %news#2, %c6 : i32
      %polls = arith.cmpi ne, %polls0, %c0 : i32
      %isBusy = arith.cmpi eq, %polls0, %busy : i32
      %mayClaim = arith.xori %isBusy, %true : i1
      %alone = arith.cmpi eq, %polls0, %polling : i32

      // Which ring: the most urgent one that has work, but first the least urgent one that was passed over too often.
      %left = arith.subi %news#1, %news#0 : i32
      %has0 = arith.cmpi ne, %left, %c0 : i32
      %has1 = arith.andi %has0, %isRing : i1
      %hasWork = arith.andi %has1, %mayClaim : i1
      %candidates = nvvm.vote.sync ballot %all, %hasWork -> i32
      %isWork = arith.cmpi ne, %candidates, %c0 : i32
      %old0 = arith.cmpi uge, %look#2, %age : i32
      %isOld = arith.andi %old0, %hasWork : i1
      %starved = nvvm.vote.sync ballot %all, %isOld -> i32
      %isAged = arith.cmpi ne, %starved, %c0 : i32
      %zeros = math.ctlz %starved : i32
      %oldest = arith.subi %c31, %zeros : i32
      %first = math.cttz %candidates : i32
      %pick = arith.select %isAged, %oldest, %first : i32
      // To the end of the unit at most: windows do not cross it.
      %inUnit = arith.andi %news#0, %unitMask : i32
      %toEnd = arith.subi %unit, %inUnit : i32
      %count = arith.minui %left, %toEnd : i32
      %asks0 = arith.xori %alone, %true : i1
      %asks = arith.andi %asks0, %isWork : i1
      %won = scf.if %asks -> (i1) {
        %isPick = arith.cmpi eq, %lane, %pick : i32
        %swapped = scf.if %isPick -> (i1) {
          %tailHigh0 = arith.extui %news#1 : i32 to i64
          %tailHigh = arith.shli %tailHigh0, %w32 : i64
          %to = arith.addi %news#0, %count : i32
          %to64 = arith.extui %to : i32 to i64
          %after = arith.ori %tailHigh, %to64 : i64
          %before64 = arith.extui %news#0 : i32 to i64
          %before = arith.ori %tailHigh, %before64 : i64
          %old = llvm.inline_asm has_side_effects asm_dialect = att "atom.acq_rel.gpu.global.cas.b64 $0, [$1], $2, $3;", "=l,l,l,l,~{memory}" %endsAt, %before, %after : (i64, i64, i64) -> i64
          %same = arith.cmpi eq, %old, %before : i64
          scf.yield %same : i1
        } else {
          scf.yield %false : i1
        }
        %who = nvvm.vote.sync ballot %all, %swapped -> i32
        %ok = arith.cmpi ne, %who, %c0 : i32
        scf.yield %ok : i1
      } else {
        scf.yield %isWork : i1
      }
      %goes = arith.xori %won, %true : i1
      // Without work there is nothing to wait for.
      %letsGo = arith.andi %goes, %polls : i1
      scf.if %letsGo {
        nvvm.bar.warp.sync %all : i32
        scf.if %isLeader {
          llvm.inline_asm has_side_effects asm_dialect = att "st.release.gpu.global.b32 [$0], $1;", "l,r,~{memory}" %pollerAt, %c0 : (i64, i32) -> ()
        }
      }
      %has = arith.extui %hasWork : i1 to i32
      %hasBit = arith.shli %has, %c3 : i32
      %flags = arith.ori %news#2, %hasBit : i32
      scf.yield %goes, %pick, %first, %news#0, %count, %news#1, %look#2, %flags, %news#3, %news#4, %news#5, %news#6 : i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32
    }
    scf.yield %next#0, %false, %next#1, %next#2, %next#3, %next#4, %next#5, %next#6, %next#7, %next#8, %next#9, %next#10, %next#11 : i1, i1, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32
  }
  return %found#2, %found#3, %found#4, %found#5, %found#6, %found#7, %found#8, %found#9, %found#10, %found#11, %found#12 : i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32
}

// Tells the CTA of a claim: its ring, first line and lines, and how many of these are in the tile already; and that the
// first line has not ended. Those that have fetched it put it into the tile.
func.func @announce(%lane: i32, %pick: i32, %begin: i32, %count: i32, %flags: i32, %q0: i32, %q1: i32, %q2: i32, %q3: i32,
                    %tile: i32, %words: i32) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c3 = arith.constant 3 : i32
  %c12 = arith.constant 12 : i32
  %c255 = arith.constant 255 : i32
  %there = arith.andi %flags, %c1 : i32
  %direct = arith.cmpi ne, %there, %c0 : i32
  %minusOne = arith.constant -1 : i32
  %notYet = arith.addi %begin, %minusOne : i32
  %tells0 = arith.cmpi eq, %lane, %pick : i32
  %tells = arith.extui %tells0 : i1 to i32
  llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .pred p; setp.ne.b32 p, $5, 0; @p st.shared.b32 [$0], $1; @p st.shared.b32 [$0+4], $2; @p st.shared.b32 [$0+8], $3; @p st.shared.b32 [$0+12], $4; @p st.shared.b32 [$0+16], $6; }", "r,r,r,r,r,r,r,~{memory}" %words, %pick, %begin, %count, %there, %tells, %notYet : (i32, i32, i32, i32, i32, i32, i32) -> ()
  %fetches = arith.subi %lane, %c12 : i32
  %ring = arith.shrui %fetches, %c2 : i32
  %isRing = arith.cmpi eq, %ring, %pick : i32
  %puts = arith.andi %isRing, %direct : i1
  scf.if %puts {
    %place = arith.andi %begin, %c255 : i32
    %quad = arith.andi %lane, %c3 : i32
    func.call @put(%place, %quad, %q0, %q1, %q2, %q3, %tile) : (i32, i32, i32, i32, i32, i32, i32) -> ()
  }
  return
}

// What a claim leaves in the state, now that the CTA is at work: the ends of the rings, if the warp claimed without
// asking, and what the watchdog and the aging want to know.
func.func @book(%state: i64, %lane: i32, %pick: i32, %first: i32, %begin: i32, %count: i32, %tail: i32, %over: i32,
                %flags: i32) {
  %c2 = arith.constant 2 : i32
  %c8 = arith.constant 8 : i32
  %c0 = arith.constant 0 : i32
  %w4 = arith.constant 4 : i64
  %w8 = arith.constant 8 : i64
  %w32 = arith.constant 32 : i64
  %c4 = arith.constant 4 : i32
  %ownRing = arith.minui %lane, %c4 : i32
  %ring64 = arith.extui %ownRing : i32 to i64
  %endBytes = arith.muli %ring64, %w8 : i64
  %endsAt = arith.addi %state, %endBytes : i64
  %toPassed = arith.constant 384 : i64
  %passed = arith.addi %state, %toPassed : i64
  %passedBytes = arith.muli %ring64, %w4 : i64
  %passedAt = arith.addi %passed, %passedBytes : i64
  %toClaims = arith.constant 416 : i64
  %claimsAt = arith.addi %state, %toClaims : i64
  %toAged = arith.constant 424 : i64
  %agedAt = arith.addi %state, %toAged : i64
  %had0 = arith.andi %flags, %c8 : i32
  %had = arith.cmpi ne, %had0, %c0 : i32
  scf.if %had {
    %alone0 = arith.andi %flags, %c2 : i32
    %alone = arith.cmpi ne, %alone0, %c0 : i32
    %isPick = arith.cmpi eq, %lane, %pick : i32
    %mine = arith.select %isPick, %count, %c0 : i32
    scf.if %alone {
      // Head and tail in one store.
      %head = arith.addi %begin, %mine : i32
      %head64 = arith.extui %head : i32 to i64
      %tail64 = arith.extui %tail : i32 to i64
      %tailHigh = arith.shli %tail64, %w32 : i64
      %ends = arith.ori %tailHigh, %head64 : i64
      llvm.inline_asm has_side_effects asm_dialect = att "st.relaxed.gpu.global.b64 [$0], $1;", "l,l,~{memory}" %endsAt, %ends : (i64, i64) -> ()
    }
    scf.if %isPick {
      %toRecent = arith.constant 260 : i64
      %recentAt = arith.addi %state, %toRecent : i64
      llvm.inline_asm has_side_effects asm_dialect = att "st.relaxed.gpu.global.b32 [$0], $1;", "l,r,~{memory}" %recentAt, %pick : (i64, i32) -> ()
      %count64 = arith.extui %count : i32 to i64
      %high = arith.shli %count64, %w32 : i64
      %w1 = arith.constant 1 : i64
      %both = arith.ori %high, %w1 : i64
      llvm.inline_asm has_side_effects asm_dialect = att "red.relaxed.gpu.global.add.u64 [$0], $1;", "l,l,~{memory}" %claimsAt, %both : (i64, i64) -> ()
      %wasPassed = arith.cmpi ne, %over, %c0 : i32
      scf.if %wasPassed {
        llvm.inline_asm has_side_effects asm_dialect = att "st.relaxed.gpu.global.b32 [$0], $1;", "l,r,~{memory}" %passedAt, %c0 : (i64, i32) -> ()
      }
      %jumps = arith.cmpi ne, %pick, %first : i32
      scf.if %jumps {
        llvm.inline_asm has_side_effects asm_dialect = att "red.relaxed.gpu.global.add.u32 [$0], 1;", "l,~{memory}" %agedAt : (i64) -> ()
      }
    }
    // Rings that have work and were passed over.
    %isLess = arith.cmpi ugt, %lane, %pick : i32
    scf.if %isLess {
      llvm.inline_asm has_side_effects asm_dialect = att "red.relaxed.gpu.global.add.u32 [$0], 1;", "l,~{memory}" %passedAt : (i64) -> ()
    }
  }
  return
}

// Whether the warp may go on polling after its claim: it had the only line that was there, and that has ended within
// some microseconds (8192 cycles). Where the rings are now is known then, and nobody has to be asked. %doneAt in shared
// memory holds the position of a line that has ended.
func.func @keep(%lane: i32, %pick: i32, %begin: i32, %count: i32, %tail: i32, %flags: i32, %doneAt: i32) -> i1 {
  %false = arith.constant false
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c31 = arith.constant 31 : i32
  %all = arith.constant -1 : i32
  %c8 = arith.constant 8 : i32
  %c11 = arith.constant 11 : i32
  %isOne = arith.cmpi eq, %count, %c1 : i32
  %end = arith.addi %begin, %c1 : i32
  %isLast = arith.cmpi eq, %end, %tail : i32
  %isPick = arith.cmpi eq, %lane, %pick : i32
  %isAlone = arith.cmpi eq, %flags, %c11 : i32
  %one0 = arith.andi %isOne, %isLast : i1
  %one1 = arith.andi %one0, %isPick : i1
  %one = arith.andi %one1, %isAlone : i1
  %ones = nvvm.vote.sync ballot %all, %one -> i32
  %had0 = arith.andi %flags, %c8 : i32
  %had = arith.cmpi ne, %had0, %c0 : i32
  %hads = nvvm.vote.sync ballot %all, %had -> i32
  // The ring of the claim, and no other.
  %isSame = arith.cmpi eq, %ones, %hads : i32
  %isAny = arith.cmpi ne, %ones, %c0 : i32
  %may = arith.andi %isSame, %isAny : i1
  %keeps = scf.if %may -> (i1) {
    %position = nvvm.shfl.sync idx %all, %begin, %pick, %c31 : i32 -> i32
    %start = llvm.inline_asm has_side_effects asm_dialect = att "mov.u32 $0, %clock;", "=r,~{memory}" : () -> i32
    %limit = arith.constant 8192 : i32
    %ended = scf.while (%goes = %c1) : (i32) -> (i32) {
      %seen = llvm.inline_asm has_side_effects asm_dialect = att "ld.relaxed.cta.shared.b32 $0, [$1];", "=r,r,~{memory}" %doneAt : (i32) -> i32
      %now = llvm.inline_asm has_side_effects asm_dialect = att "mov.u32 $0, %clock;", "=r,~{memory}" : () -> i32
      %waited = arith.subi %now, %start : i32
      %isLate = arith.cmpi ugt, %waited, %limit : i32
      %late = nvvm.vote.sync ballot %all, %isLate -> i32
      %isDone = arith.cmpi eq, %seen, %position : i32
      %done = nvvm.vote.sync ballot %all, %isDone -> i32
      %either = arith.ori %late, %done : i32
      %stop = arith.cmpi ne, %either, %c0 : i32
      %true = arith.constant true
      %on = arith.xori %stop, %true : i1
      scf.condition(%on) %done : i32
    } do {
    ^bb0(%done: i32):
      scf.yield %done : i32
    }
    %is = arith.cmpi ne, %ended, %c0 : i32
    scf.yield %is : i1
  } else {
    scf.yield %false : i1
  }
  return %keeps : i1
}

// Lets another worker poll, if this one does; what it has stored for the rings is seen by that.
func.func @release(%state: i64, %lane: i32, %flags: i32) {
  %c0 = arith.constant 0 : i32
  %c6 = arith.constant 6 : i32
  %all = arith.constant -1 : i32
  %toPoller = arith.constant 256 : i64
  %pollerAt = arith.addi %state, %toPoller : i64
  %isLeader = arith.cmpi eq, %lane, %c0 : i32
  %polls0 = arith.andi %flags, %c6 : i32
  %polls = arith.cmpi ne, %polls0, %c0 : i32
  %lets = arith.andi %polls, %isLeader : i1
  nvvm.bar.warp.sync %all : i32
  scf.if %lets {
    llvm.inline_asm has_side_effects asm_dialect = att "st.release.gpu.global.b32 [$0], $1;", "l,r,~{memory}" %pollerAt, %c0 : (i64, i32) -> ()
  }
  return
}

// Quads of the lines %first to %count of a claim, asked for side by side and put into the tile once they are there. A
// thread has quad %thread of 64 lines, and of the 64 behind them, and so on. A line that was published is there, but one
// that was claimed before its tail was seen may follow a moment later.
func.func @load(%lines: i64, %log2: i32, %ring: i32, %begin: i32, %first: i32, %count: i32, %thread: i32, %tile: i32) {
  %c0 = arith.constant 0 : i32
  %c1 = arith.constant 1 : i32
  %c2 = arith.constant 2 : i32
  %c3 = arith.constant 3 : i32
  %c4 = arith.constant 4 : i32
  %c6 = arith.constant 6 : i32
  %c12 = arith.constant 12 : i32
  %c16 = arith.constant 16 : i32
  %c64 = arith.constant 64 : i32
  %c255 = arith.constant 255 : i32
  %tagMask = arith.constant 0xFFFF : i32
  %w16 = arith.constant 16 : i64
  %w64 = arith.constant 64 : i64
  %size = arith.shli %c1, %log2 : i32
  %mask = arith.subi %size, %c1 : i32
  %base = arith.shli %ring, %log2 : i32
  %quad = arith.andi %thread, %c3 : i32
  %quad64 = arith.extui %quad : i32 to i64
  %quadBytes = arith.muli %quad64, %w16 : i64
  %within = arith.shrui %thread, %c2 : i32
  // Sixty-four lines at a time would wait for the bus four times; all are asked for before the first is looked at.
  %line0 = arith.addi %within, %c0 : i32
  %line1 = arith.addi %within, %c64 : i32
  %line2 = arith.addi %line1, %c64 : i32
  %line3 = arith.addi %line2, %c64 : i32
  %r0:8 = func.call @ask(%lines, %mask, %log2, %base, %begin, %first, %count, %line0, %quadBytes) : (i64, i32, i32, i32, i32, i32, i32, i32, i64) -> (i1, i64, i32, i32, i32, i32, i32, i32)
  %r1:8 = func.call @ask(%lines, %mask, %log2, %base, %begin, %first, %count, %line1, %quadBytes) : (i64, i32, i32, i32, i32, i32, i32, i32, i64) -> (i1, i64, i32, i32, i32, i32, i32, i32)
  %r2:8 = func.call @ask(%lines, %mask, %log2, %base, %begin, %first, %count, %line2, %quadBytes) : (i64, i32, i32, i32, i32, i32, i32, i32, i64) -> (i1, i64, i32, i32, i32, i32, i32, i32)
  %r3:8 = func.call @ask(%lines, %mask, %log2, %base, %begin, %first, %count, %line3, %quadBytes) : (i64, i32, i32, i32, i32, i32, i32, i32, i64) -> (i1, i64, i32, i32, i32, i32, i32, i32)
  func.call @take(%r0#0, %r0#1, %r0#2, %r0#3, %r0#4, %r0#5, %r0#6, %r0#7, %quad, %tile) : (i1, i64, i32, i32, i32, i32, i32, i32, i32, i32) -> ()
  func.call @take(%r1#0, %r1#1, %r1#2, %r1#3, %r1#4, %r1#5, %r1#6, %r1#7, %quad, %tile) : (i1, i64, i32, i32, i32, i32, i32, i32, i32, i32) -> ()
  func.call @take(%r2#0, %r2#1, %r2#2, %r2#3, %r2#4, %r2#5, %r2#6, %r2#7, %quad, %tile) : (i1, i64, i32, i32, i32, i32, i32, i32, i32, i32) -> ()
  func.call @take(%r3#0, %r3#1, %r3#2, %r3#3, %r3#4, %r3#5, %r3#6, %r3#7, %quad, %tile) : (i1, i64, i32, i32, i32, i32, i32, i32, i32, i32) -> ()
  return
}

// Asks for a quad of line %index of a claim, if that is one of those wanted: whether it is, where it lies, its tag and
// its place in the tile, and what was found there.
func.func @ask(%lines: i64, %mask: i32, %log2: i32, %base: i32, %begin: i32, %first: i32, %count: i32, %index: i32,
               %quadBytes: i64) -> (i1, i64, i32, i32, i32, i32, i32, i32) {
  %c1 = arith.constant 1 : i32
  %c255 = arith.constant 255 : i32
  %tagMask = arith.constant 0xFFFF : i32
  %w64 = arith.constant 64 : i64
  %low = arith.cmpi uge, %index, %first : i32
  %high = arith.cmpi ult, %index, %count : i32
  %wanted = arith.andi %low, %high : i1
  %position = arith.addi %begin, %index : i32
  %place = arith.andi %position, %mask : i32
  %line = arith.addi %base, %place : i32
  %line64 = arith.extui %line : i32 to i64
  %lineBytes = arith.muli %line64, %w64 : i64
  %lineAt = arith.addi %lines, %lineBytes : i64
  %at = arith.addi %lineAt, %quadBytes : i64
  %lap0 = arith.shrui %position, %log2 : i32
  %lap1 = arith.addi %lap0, %c1 : i32
  %tag = arith.andi %lap1, %tagMask : i32
  %inTile = arith.andi %position, %c255 : i32
  %asks = arith.extui %wanted : i1 to i32
  %r = llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .pred p; setp.ne.b32 p, $5, 0; mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; mov.b32 $3, 0; @p ld.relaxed.sys.global.v4.b32 {$0, $1, $2, $3}, [$4]; }", "=&r,=&r,=&r,=&r,l,r,~{memory}" %at, %asks : (i64, i32) -> !llvm.struct<(i32, i32, i32, i32)>
  %q0 = llvm.extractvalue %r[0] : !llvm.struct<(i32, i32, i32, i32)>
  %q1 = llvm.extractvalue %r[1] : !llvm.struct<(i32, i32, i32, i32)>
  %q2 = llvm.extractvalue %r[2] : !llvm.struct<(i32, i32, i32, i32)>
  %q3 = llvm.extractvalue %r[3] : !llvm.struct<(i32, i32, i32, i32)>
  return %wanted, %at, %tag, %inTile, %q0, %q1, %q2, %q3 : i1, i64, i32, i32, i32, i32, i32, i32
}

// Puts a quad into the tile, when it has arrived.
func.func @take(%wanted: i1, %at: i64, %tag: i32, %place: i32, %a: i32, %b: i32, %c: i32, %d: i32, %quad: i32, %tile: i32) {
  %tagMask = arith.constant 0xFFFF : i32
  scf.if %wanted {
    %q:4 = scf.while (%w = %a, %x = %b, %y = %c, %z = %d) : (i32, i32, i32, i32) -> (i32, i32, i32, i32) {
      %got = arith.andi %z, %tagMask : i32
      %missing = arith.cmpi ne, %got, %tag : i32
      scf.condition(%missing) %w, %x, %y, %z : i32, i32, i32, i32
    } do {
    ^bb0(%w: i32, %x: i32, %y: i32, %z: i32):
      %r = llvm.inline_asm has_side_effects asm_dialect = att "ld.acquire.sys.global.v4.b32 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,l,~{memory}" %at : (i64) -> !llvm.struct<(i32, i32, i32, i32)>
      %r0 = llvm.extractvalue %r[0] : !llvm.struct<(i32, i32, i32, i32)>
      %r1 = llvm.extractvalue %r[1] : !llvm.struct<(i32, i32, i32, i32)>
      %r2 = llvm.extractvalue %r[2] : !llvm.struct<(i32, i32, i32, i32)>
      %r3 = llvm.extractvalue %r[3] : !llvm.struct<(i32, i32, i32, i32)>
      scf.yield %r0, %r1, %r2, %r3 : i32, i32, i32, i32
    }
    func.call @put(%place, %quad, %q#0, %q#1, %q#2, %q#3, %tile) : (i32, i32, i32, i32, i32, i32, i32) -> ()
  }
  return
}

// A line in the tile has the words of a slot, but for the meta word of its ring in place of the tenant.
func.func @put(%place: i32, %quad: i32, %a: i32, %b: i32, %c: i32, %d: i32, %tile: i32) {
  %c2 = arith.constant 2 : i32
  %c4 = arith.constant 4 : i32
  %c6 = arith.constant 6 : i32
  %c12 = arith.constant 12 : i32
  %c16 = arith.constant 16 : i32
  %slotBytes = arith.shli %place, %c6 : i32
  %slot = arith.addi %tile, %slotBytes : i32
  %argBytes = arith.muli %quad, %c12 : i32
  %args0 = arith.addi %slot, %argBytes : i32
  %args = arith.addi %args0, %c16 : i32
  %halfBytes = arith.muli %quad, %c2 : i32
  %half0 = arith.addi %slot, %halfBytes : i32
  %half = arith.addi %half0, %c4 : i32
  %value = arith.shrui %d, %c16 : i32
  llvm.inline_asm has_side_effects asm_dialect = att "{ .reg .b16 h; cvt.u16.u32 h, $5; st.shared.b32 [$0], $2; st.shared.b32 [$0+4], $3; st.shared.b32 [$0+8], $4; st.shared.b16 [$1], h; }", "r,r,r,r,r,r,~{memory}" %args, %half, %a, %b, %c, %value : (i32, i32, i32, i32, i32, i32) -> ()
  return
}

// Tells the host what became of a line: the fault before the status, and all that the slot wrote before both.
func.func @complete(%faults: i64, %statuses: i64, %state: i64, %log2: i32, %ring: i32, %position: i32, %word: i64) {
  %c1 = arith.constant 1 : i32
  %tagMask = arith.constant 0xFFFF : i32
  %done = arith.constant 0x30000 : i32
  %fault = arith.constant 0x70000 : i32
  %none = arith.constant -1 : i64
  %w4 = arith.constant 4 : i64
  %w8 = arith.constant 8 : i64
  %toFaults = arith.constant 428 : i64
  %size = arith.shli %c1, %log2 : i32
  %mask = arith.subi %size, %c1 : i32
  %base = arith.shli %ring, %log2 : i32
  %inRing = arith.andi %position, %mask : i32
  %line = arith.addi %base, %inRing : i32
  %line64 = arith.extui %line : i32 to i64
  %hasWord = arith.cmpi ne, %word, %none : i64
  %kind = scf.if %hasWord -> (i32) {
    %faultBytes = arith.muli %line64, %w8 : i64
    %faultAt = arith.addi %faults, %faultBytes : i64
    %countAt = arith.addi %state, %toFaults : i64
    llvm.inline_asm has_side_effects asm_dialect = att "st.relaxed.sys.global.b64 [$0], $1;", "l,l,~{memory}" %faultAt, %word : (i64, i64) -> ()
    // A suspension is none: the status says what it asks for.
    %w32 = arith.constant 32 : i64
    %high = arith.shrui %word, %w32 : i64
    %code = arith.trunci %high : i64 to i32
    %suspended = arith.constant 0xC0000000 : i32
    %isSuspension = arith.cmpi uge, %code, %suspended : i32
    %how = scf.if %isSuspension -> (i32) {
      %c28 = arith.constant 28 : i32
      %c3 = arith.constant 3 : i32
      %c4 = arith.constant 4 : i32
      %c16 = arith.constant 16 : i32
      %bits = arith.shrui %code, %c28 : i32
      %which = arith.andi %bits, %c3 : i32
      %number = arith.addi %which, %c4 : i32
      %shifted = arith.shli %number, %c16 : i32
      scf.yield %shifted : i32
    } else {
      llvm.inline_asm has_side_effects asm_dialect = att "red.relaxed.gpu.global.add.u32 [$0], 1;", "l,~{memory}" %countAt : (i64) -> ()
      scf.yield %fault : i32
    }
    scf.yield %how : i32
  } else {
    scf.yield %done : i32
  }
  %lap0 = arith.shrui %position, %log2 : i32
  %lap1 = arith.addi %lap0, %c1 : i32
  %tag = arith.andi %lap1, %tagMask : i32
  %status = arith.ori %kind, %tag : i32
  %statusBytes = arith.muli %line64, %w4 : i64
  %statusAt = arith.addi %statuses, %statusBytes : i64
  llvm.inline_asm has_side_effects asm_dialect = att "st.release.sys.global.b32 [$0], $1;", "l,r,~{memory}" %statusAt, %status : (i64, i32) -> ()
  return
}
