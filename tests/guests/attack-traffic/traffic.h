/* SPDX-License-Identifier: MIT */
/* What the two halves of attack-traffic share: see main.c. */
#ifndef ATTACK_TRAFFIC_H
#define ATTACK_TRAFFIC_H

#include "../lib/test.h"

#include <pvguest/bits.h>
#include <pvguest/thread.h>
#include <pvguest/xenbus.h>
#include <pvguest/xenstore.h>

#define NEVER_GRANTED 4000u             /* a reference that stands for nothing */

/* Our grant table, entry by entry: an attacker takes a grant back without asking whether somebody
 * uses it. */
extern grant_entry_v1_t *entries;

/* The back end has let go of the device. */
bool closes(const char *backend);

/* Random states of XenBus, then Closed. */
void flap(const char *node);

void disk_attacks(void);
void card_attacks(void);
/* All that fits on the rings: whoever ends now, ends in the middle of it. */
void disk_at_work(void);
void card_at_work(void);
/* As many pages mapped by the back end at once as one disk can make it. No attack: right, and
 * answered. */
void disk_full(void);

#endif
