/* SPDX-License-Identifier: MIT */
/* What the parts of attack-flood share: see main.c. */
#ifndef ATTACK_FLOOD_H
#define ATTACK_FLOOD_H

#include "../lib/test.h"

#include <drivers/blkfront.h>
#include <drivers/netfront.h>
#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include <pvguest/xenbus.h>
#include <pvguest/xenstore.h>

/* Each without end. */
void flood_frames(size_t length, bool broadcast);
void flood_disk(void);
/* one write after the other, as fast as the ring takes them */
void flood_store(const char *path, const char *value);
void flood_transactions(void);                              /* large ones, by four threads */
/* as much of dom0's memory as the store lets one have */
void flood_held(void);
/* watches that fire, and nobody who reads what they say */
void flood_deaf(void);
void flood_console(void);
/* events on every channel to dom0, by all vCPUs, with nothing to say */
void flood_events(void);
/* pages given back to the hypervisor, and asked for again */
void flood_balloon(void);
/* page tables filled, pinned and unpinned */
void flood_tables(void);
/* all of them compute (vcpus= in the configuration) */
void flood_vcpus(void);
/* all of them sleep, and are woken every millisecond; the first sets its own */
void flood_timers(void);

/* All of these at once, by the further vCPUs, if there are any: whatever the first does.
 * Returns. */
void flood_beside(void);

/* Checked work, and how long it takes. */
void be_the_neighbour(void) __attribute__((noreturn));

#endif
