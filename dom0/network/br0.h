/* SPDX-License-Identifier: MIT */
/*
 * The machine's one bridge (bridge.h), in its turns: the real card, the guests' cards and dom0's
 * own place are its ports.
 */
#ifndef DOM0_NETWORK_BR0_H
#define DOM0_NETWORK_BR0_H

#include "dom0/network/bridge.h"

#define BR0_NAME "br0"

/* Once, with the machine's card (may be NULL) as its first port. 0 or a negative errno. */
int br0_start(struct netport *card);

/* One more port, for good, which sends from its own address only. 0, or -ENOSPC. */
int br0_plug(struct netport *port);

/* To look at, and for ports that come and go. */
extern struct bridge br0;

#endif
