/* SPDX-License-Identifier: MIT */
/* A virtio network card whose frames go through the monitor's own first card (netfront). */
#ifndef MONITOR_NET_H
#define MONITOR_NET_H

#include <drivers/netfront.h>
#include "virtio.h"

struct virtual_card {
    struct virtio virtio;               /* first: the two are converted into each other */
    struct netport *port;
    uint64_t lost;                      /* frames that came when the guest had no buffer */
};

/* The card of XenStore with the number 0; 0, or a negative errno (-ENOENT: none). */
int card_attach(struct virtual_card *card, struct machine *machine);

#endif
