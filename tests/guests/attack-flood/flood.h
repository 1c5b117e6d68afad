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
void flood_store(const char *path, const char *value);      /* one write after the other, as fast as the ring takes them */
void flood_transactions(void);                              /* large ones, by four threads */
void flood_held(void);                                      /* as much of dom0's memory as the store lets one have */
void flood_deaf(void);                                      /* watches that fire, and nobody who reads what they say */
void flood_console(void);

/* Checked work, and how long it takes: a line for each tenth of a second. */
void be_the_neighbour(void);

#endif
