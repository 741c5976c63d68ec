/* ring.pml - Rings, doorbell, swap and shutdown of the resident mode, for the model checker Spin.
 *
 * Part of the Megakernel project, under the Apache License v2.0 with LLVM Exceptions.
 * See LICENSE for licence information.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * Publishers write lines into rings, workers on the device claim and run them, a manager swaps the code that the
 * workers have and shuts everything down at the end. ring.test has the checker prove this; ring-bugs.test gives the
 * protocol one bug after the other, and each has to be found.
 *
 * Properties. Safety, as assertions, and by the absence of deadlocks:
 *   - a line runs once: only what was published runs, and nothing twice (Line.state, which no process of the protocol
 *     reads);
 *   - no line is written over, and no status, before the host has seen the status that was there;
 *   - code runs only while it is loaded;
 *   - when all is shut down, every line that was published has been run, and its status was read.
 * Liveness, under weak fairness: the formula 'finishes' says that publishers, swaps and the shutdown come to an end.
 * As the shutdown waits for the lines, every line is run in the end, and as it waits for the publishers, none of them
 * waits for ever.
 *
 * What is abstracted:
 *   - Memory is sequentially consistent, so the fences and acquire/release pairs of the code are not checked here. The
 *     orders of stores that the protocol relies on are: lines before the tail, the first line of a window after the
 *     others, the end of a slot before its status.
 *   - A line is written and read as one: the tags in each quad, which make that true, are not modelled. Arguments and
 *     results are nothing. Faults are ends like others.
 *   - Rings have LINES lines and there are RINGS (1 or 2) of them, of descending priority; windows have one or two
 *     slots; WORKERS workers, PUBLISHERS publishers with WINDOWS windows each, SWAPS swaps. Positions do not wrap, but
 *     tags do: they are counted modulo TAGS. Ageing of priorities and the scopes, which share nothing, are left out.
 *   - Code is a number that is never used again: that of the swap which loaded it. A line carries the number that its
 *     publisher saw last, which may be gone when the line runs.
 *   - A worker that waits for memory to change is one that looks again and again. Loads whose result is only a hint
 *     are made as one: an exchange that fails follows, or a store that may come late in any case.
 *
 * Seeded bugs (-DNAME):
 *   NO_ROUTE_CHECK    a line's route is not checked again by the workers of another epoch
 *   NO_SWAP_WAIT      the swap does not wait for the workers to leave
 *   NO_EPOCH_CHECK    the poller does not look at the epoch
 *   KEEP_LEAVE        the swap does not clear the leave flag
 *   KEEP_POLLER       the swap does not clear the poller flag, with which a worker may leave
 *   RESET_HEAD        the swap starts the new workers with empty rings
 *   NO_CREDIT         publishers do not wait until a line is free
 *   NO_LOCK           publishers do not take the ring's lock
 *   BELL_FIRST        the doorbell is rung before the lines are written
 *   FIRST_LINE_FIRST  the first line of a window is written first
 *   NO_CAS            a claim is a load and a store
 *   STATUS_FIRST      the status is stored before the slot has ended
 *   NO_SHUTDOWN_WAIT  the shutdown does not wait for lines that are left
 *   TAGS=1            laps cannot be told apart
 *
 * -DMANY_POLLERS lets any worker poll, even while another does. That is no bug, unless there is -DALONE.
 *
 * -DLEFTOVERS is how the threads of the host leave: what a worker has claimed when the epoch ends it may keep for the
 * workers of the next one, which take it before they claim. Bugs to be found:
 *   FORGET_LEFTOVERS  the swap forgets what was kept
 *   KEEP_AND_RUN      a worker runs what it has kept
 *
 * -DALONE is the protocol of the GPU kernels. Who becomes the poller looks whether all rings are empty, and then polls
 * until there is news. As nobody else touches the ends of an empty ring, it claims with plain stores, and lets go of
 * the poller flag afterwards; or goes on when it has run its claim, if that left nothing. Here more bugs are to be found:
 *   NO_RECHECK        the poller does not look whether the rings are empty
 *   KEEP_WITH_MORE    the poller goes on although it has left something to others
 */

#ifndef LINES
#define LINES 2
#endif
#ifndef RINGS
#define RINGS 2
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef PUBLISHERS
#define PUBLISHERS 2
#endif
#ifndef WINDOWS
#define WINDOWS 2
#endif
#ifndef SWAPS
#define SWAPS 1
#endif
#ifndef TAGS
#define TAGS 2
#endif

/* Memory is zero at first, which is the tag of no line in the first lap. */
#define TAG(position) (((position) / LINES + 1) % TAGS)
#define LAST (RINGS - 1)
#define AT(position) ((position) % LINES)

/* What has become of a line, for the assertions alone. */
#define FREE 0
#define WRITTEN 1
#define RUNNING 2
#define ENDED 3

typedef Line {
  byte tag;
  /* Slots of the window that begins here; 0 for the others. */
  byte length;
  byte route;
  /* The tag of the status word. */
  byte status;
  byte state;
};

typedef Ring {
  Line lines[LINES];
  /* Host. */
  bit locked;
  byte reclaimed;
  /* Host memory that the device reads: lines published. The host knows the number from here, too. */
  byte bell;
  /* Device memory. */
  byte head;
  byte tail;
};

Ring rings[RINGS];
/* Host memory that the device reads. */
byte bellEpoch;
/* Device memory. */
bit poller;
bit leave;
/* Launches: the epoch and the code that workers are started with, and which of them run. */
byte epoch;
byte code = 1;
bit running[WORKERS];
/* Code that is loaded, which is what may run. */
byte loaded = 1;

#ifdef LEFTOVERS
/* Host memory of the workers: claims whose owners have left. */
typedef Claim {
  byte ring;
  byte head;
  byte length;
};
Claim kept[WORKERS];
byte keptCount;
#endif

byte publishing = PUBLISHERS;
bool finished;

/* Takes back lines whose status has come: room for publishers. */
inline reclaim(p) {
  d_step {
    rings[p].lines[AT(rings[p].reclaimed)].status == TAG(rings[p].reclaimed) && rings[p].reclaimed < rings[p].bell ->
    assert(rings[p].lines[AT(rings[p].reclaimed)].state == ENDED);
    rings[p].lines[AT(rings[p].reclaimed)].state = FREE;
    rings[p].reclaimed++
  }
}

inline writeLine(p, position, slots) {
  d_step {
    assert(rings[p].lines[AT(position)].state == FREE);
    rings[p].lines[AT(position)].tag = TAG(position);
    rings[p].lines[AT(position)].length = slots;
    rings[p].lines[AT(position)].route = route;
    rings[p].lines[AT(position)].state = WRITTEN
  }
}

#ifdef NO_LOCK
#define CAN_LOCK(p) ((p) < RINGS)
#else
#define CAN_LOCK(p) ((p) < RINGS && !rings[(p) % RINGS].locked)
#endif

active [PUBLISHERS] proctype publisher() {
  byte windows, p, n, begin, route;

  do
  :: windows < WINDOWS ->
    /* Any ring, one slot or two. */
    atomic {
      if
      :: CAN_LOCK(0) -> p = 0
      :: CAN_LOCK(1) -> p = 1
      fi;
      rings[p].locked = 1;
      begin = rings[p].bell;
      windows++;
      if
      :: n = 1
      :: n = 2
      fi
    }
#ifndef NO_CREDIT
    do
    :: begin + n > rings[p].reclaimed + LINES -> reclaim(p)
    :: else -> break
    od;
#endif
    route = code;
#ifdef BELL_FIRST
    rings[p].bell = begin + n;
#endif
#ifdef FIRST_LINE_FIRST
    writeLine(p, begin, n);
    if
    :: n == 2 -> writeLine(p, begin + 1, 0)
    :: else
    fi;
#else
    if
    :: n == 2 -> writeLine(p, begin + 1, 0)
    :: else
    fi;
    writeLine(p, begin, n);
#endif
    atomic {
      rings[p].bell = begin + n;
      rings[p].locked = 0;
      p = 0;
      n = 0;
      begin = 0;
      route = 0
    }
  :: atomic { windows == WINDOWS -> publishing--; break }
  od
}

/* One slot: it begins and ends, and then its status says so. */
inline runLine(p, position) {
  d_step {
    assert(rings[p].lines[AT(position)].tag == TAG(position) && rings[p].lines[AT(position)].state == WRITTEN);
    rings[p].lines[AT(position)].state = RUNNING;
    /* A route that this kernel does not have is interpreted. */
#ifdef NO_ROUTE_CHECK
    route = rings[p].lines[AT(position)].route;
#else
    route = (rings[p].lines[AT(position)].route == mine -> mine : 0);
#endif
    assert(route == 0 || route == loaded)
  }
#ifdef STATUS_FIRST
  rings[p].lines[AT(position)].status = TAG(position);
#endif
  d_step {
    assert(route == 0 || route == loaded);
    route = 0;
    assert(rings[p].lines[AT(position)].state == RUNNING);
    rings[p].lines[AT(position)].state = ENDED;
#ifndef STATUS_FIRST
    rings[p].lines[AT(position)].status = TAG(position)
#endif
  }
}

/* What a claim exchanges: the head of a ring, or both its ends. */
#ifdef ALONE
#define CLAIMABLE (rings[p].head == h && rings[p].tail == seen)
#else
#define CLAIMABLE (rings[p].head == h)
#endif

active [WORKERS] proctype worker() {
  byte p, h, n, seen, route;
#ifdef ALONE
  byte heads[RINGS], news[RINGS];
  bit departs;
  bit more;
  bit keeps;
#endif
  /* Parameters of the launch. */
  byte mine, myEpoch;

end:
  /* Not started: the one state in which a worker may be left. */
  atomic {
    running[_pid - PUBLISHERS] == 1 ->
    mine = code;
    myEpoch = epoch
  }

again:
#ifdef LEFTOVERS
  atomic {
    if
    :: keptCount > 0 ->
      keptCount--;
      p = kept[keptCount].ring;
      h = kept[keptCount].head;
      n = kept[keptCount].length;
      kept[keptCount].ring = 0;
      kept[keptCount].head = 0;
      kept[keptCount].length = 0;
      goto claimed
    :: else
    fi
  }
#endif
  /* Looks for something to do. To claim lines or to poll takes an exchange, which fails if another came between. */
  atomic {
    if
    :: leave -> goto gone
    :: !leave && rings[0].head < rings[0].tail -> p = 0
    :: !leave && rings[0].head >= rings[0].tail && rings[LAST].head < rings[LAST].tail -> p = LAST
    :: else -> goto poll
    fi;
    h = rings[p].head;
    seen = rings[p].tail;
    n = rings[p].lines[AT(h)].length
  }
  atomic {
#ifdef NO_CAS
    rings[p].head = h + n;
#else
    if
    :: CLAIMABLE -> rings[p].head = h + n
    :: else -> p = 0; h = 0; n = 0; seen = 0; goto again
    fi;
#endif
    seen = 0
  }
claimed:
#ifdef LEFTOVERS
  /* It may also have looked just before the epoch ended. */
  atomic {
    if
    :: bellEpoch != myEpoch ->
      kept[keptCount].ring = p;
      kept[keptCount].head = h;
      kept[keptCount].length = n;
      keptCount++;
#ifndef KEEP_AND_RUN
      h = 0;
      n = 0;
      goto gone
#endif
    :: true
    fi
  }
#endif
  runLine(p, h);
  if
  :: n == 2 -> runLine(p, h + 1)
  :: else
  fi;
#ifdef ALONE
  if
  :: keeps -> atomic { keeps = 0; p = 0; h = 0; n = 0; goto listen }
  :: else
  fi;
#endif
  atomic { p = 0; h = 0; n = 0; goto again }

poll:
  atomic {
#ifndef MANY_POLLERS
    if
    :: !poller
    :: else -> goto again
    fi;
#endif
    poller = 1
  }
#ifdef ALONE
#ifndef NO_RECHECK
  /* The worker that polled before may have left something. */
  do
  :: p < RINGS ->
    if
    :: rings[p].head == rings[p].tail -> p++
    :: else -> atomic { poller = 0; p = 0; goto again }
    fi
  :: else -> break
  od;
#endif
listen:
  atomic {
    p = 0;
    do
    :: p < RINGS ->
      heads[p] = rings[p].head;
      news[p] = (rings[p].bell > heads[p] -> rings[p].bell : heads[p]);
      if
      :: true
      :: news[p] == heads[p] && rings[p].lines[AT(heads[p])].tag == TAG(heads[p]) ->
        news[p] = heads[p] + rings[p].lines[AT(heads[p])].length
      fi;
      p++
    :: else -> break
    od;
    departs = bellEpoch != myEpoch;
    p = 0
  }
  if
  :: departs -> leave = 1
  :: else
  fi;
  /* Nobody else moves the ends of rings that are empty, so a store is enough: head and tail of a ring at once. */
  do
  :: p < RINGS && news[p] > heads[p] ->
    atomic {
      if
      :: n == 0 ->
        seen = p;
        h = heads[p];
        n = rings[p].lines[AT(h)].length;
        heads[p] = h + n
      :: else
      fi;
      rings[p].head = heads[p];
      rings[p].tail = news[p];
      p++
    }
  :: p < RINGS && news[p] <= heads[p] -> p++
  :: else -> break
  od;
  atomic {
    p = 0;
    do
    :: p < RINGS ->
#ifndef KEEP_WITH_MORE
      more = more || news[p] > heads[p];
#endif
      heads[p] = 0;
      news[p] = 0;
      p++
    :: else -> break
    od;
    p = seen;
    seen = 0;
    if
    :: n == 0 && !departs -> goto listen
    :: n > 0 && !more -> keeps = 1; departs = 0
    :: n > 0 || departs -> poller = 0; departs = 0
    fi;
    more = 0;
    if
    :: n == 0 -> goto gone
    :: else -> goto claimed
    fi
  }
#else
  do
  :: p < RINGS ->
    atomic {
      /* No other worker changes the tail meanwhile. */
      seen = (rings[p].bell > rings[p].tail -> rings[p].bell : rings[p].tail);
      /* A window whose first line has come is published, whatever the doorbell says. */
      if
      :: true
      :: rings[p].lines[AT(seen)].tag == TAG(seen) -> seen = seen + rings[p].lines[AT(seen)].length
      fi
    }
    atomic { rings[p].tail = seen; seen = 0; p++ }
  :: else -> break
  od;
#ifndef NO_EPOCH_CHECK
  if
  :: bellEpoch != myEpoch ->
    leave = 1;
    /* The flag stays: nobody polls in an epoch that is over. */
    goto gone
  :: else
  fi;
#endif
  atomic { poller = 0; p = 0; goto again }
#endif

gone:
  atomic { p = 0; mine = 0; myEpoch = 0; running[_pid - PUBLISHERS] = 0 }
  goto end
}

inline launch() {
  d_step {
    do
    :: i < WORKERS -> running[i] = 1; i++
    :: else -> break
    od;
    i = 0
  }
}

inline waitForWorkers() {
  i = 0;
  do
  :: i < WORKERS -> running[i] == 0; i++
  :: else -> break
  od;
  i = 0
}

active proctype manager() {
  byte swaps, i;

  launch();
  do
  :: swaps < SWAPS ->
    swaps++;
    bellEpoch = epoch + 1;
#ifndef NO_SWAP_WAIT
    waitForWorkers();
#endif
    /* The old code goes, and publishers may name the new one from here on. Of all this they see no more than that. */
    d_step {
      code++;
      loaded = code;
      epoch++;
#ifndef KEEP_LEAVE
      leave = 0;
#endif
#ifndef KEEP_POLLER
      poller = 0;
#endif
#ifdef RESET_HEAD
      rings[0].head = 0;
      rings[0].tail = 0;
#endif
#ifdef FORGET_LEFTOVERS
      keptCount = 0;
#endif
    }
    launch()
  :: else -> break
  od;

  publishing == 0;
#ifndef NO_SHUTDOWN_WAIT
  i = 0;
  do
  :: i < RINGS && rings[i].reclaimed < rings[i].bell -> reclaim(i)
  :: i < RINGS && rings[i].reclaimed == rings[i].bell -> i++
  :: i == RINGS -> break
  od;
#endif
  bellEpoch = epoch + 1;
  waitForWorkers();
  d_step {
    i = 0;
    do
    :: i < RINGS ->
      assert(rings[i].reclaimed == rings[i].bell && rings[i].head == rings[i].bell);
      i++
    :: else -> break
    od
  }
  finished = true
}

ltl finishes { <> finished }
