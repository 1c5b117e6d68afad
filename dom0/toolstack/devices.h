/* SPDX-License-Identifier: MIT */
/*
 * A guest's disks and network cards: their nodes in XenStore, their back ends, and what they hold (a partition, a place
 * at the bridge). Called by domains.c, with the toolstack's lock held.
 */
#ifndef DOM0_TOOLSTACK_DEVICES_H
#define DOM0_TOOLSTACK_DEVICES_H

#include "dom0/toolstack/domains.h"
#include <drivers/net.h>

struct devices;

/* Once: the bridge, with the machine's card (may be NULL) as its first port; and the back ends' housekeeping thread. */
int devices_start(struct netport *card);

/* Could these devices be had now? 0 or a negative errno and the trouble. */
int devices_check(const struct config *config, struct trouble *trouble);

/* Makes all of a configuration's devices. 0 or a negative errno and the trouble; then nothing is left of them. */
int devices_attach(domid_t domid, const struct config *config, struct devices **devices, struct trouble *trouble);

/* Ends the back ends, gives back what they held, removes the nodes. NULL is none. */
void devices_detach(struct devices *devices);

#endif
