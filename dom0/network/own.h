/* SPDX-License-Identifier: MIT */
/*
 * dom0's own place at br0: the one endpoint of this machine, with turns for what it has to say by
 * itself (its stream).
 */
#ifndef DOM0_NETWORK_OWN_H
#define DOM0_NETWORK_OWN_H

#include "dom0/network/endpoint.h"
#include <pvguest/thread.h>

extern struct endpoint own_endpoint;

/* Once, behind br0_start(), with the same card. 0, or a negative errno. */
int own_start(const struct netport *card);

/* There is something to send, or another state: a turn, as soon as may be. */
void own_wake(void);

/* Woken by whatever becomes of the stream. */
extern struct wait_queue own_changed;

#endif
