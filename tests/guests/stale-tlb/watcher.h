/* SPDX-License-Identifier: MIT */
/*
 * A second vCPU that reads, or writes, through one address all the time, and so keeps what its TLB
 * has of it. The first one changes what is there, and says so (watcher_look): from then on the
 * second must find what is wanted and nothing else, not once.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "../lib/test.h"

/* What is found where nothing can be reached; no page of the test has this word. */
#define FAULT 0xdead0dead0deadUL

/* False where there is no second vCPU. */
bool watcher_start(void);
void watcher_stop(void);
/* From now on it reads the word at this address (writes: adds 2 to it, and finds 0); returns when
 * it has done so several times. */
void watcher_use(volatile void *at, bool writes);
/* What it must find from now on. How often it found anything else, of a hundred times. */
unsigned long watcher_look(uint64_t wanted);

#endif
