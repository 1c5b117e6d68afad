/* SPDX-License-Identifier: MIT */
/* One device of a guest, as devices.c and device_nodes.c see it. */
#ifndef DOM0_TOOLSTACK_DEVICE_H
#define DOM0_TOOLSTACK_DEVICE_H

#include "dom0/bucket.h"
#include "dom0/toolstack/devices.h"
#include "dom0/turns.h"
#include <drivers/blkback.h>
#include <drivers/netback.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>

struct device {
    /* All devices of one guest, in the order of their making. */
    struct device *sibling;
    domid_t domid;
    enum device_kind kind;
    unsigned number;
    bool watched;
    struct xs_watch watch;
    char front[64], back[64];
    struct config_disk disk;            /* One of the two kinds. */
    struct config_vif vif;
    struct blkback_quota *quota;        /* All disks of one guest have one. */
    struct blkback *blkback;
    struct netback *netback;
    struct turn traffic, state;
    struct bucket changes;
    /* Looks at a state that changed too often; when is 0: not set. */
    struct timer later;
    bool claimed, plugged;
};

/* As XenStore calls them. */
extern const char *const device_kinds[];

/* Writes its nodes, and where they are into `front` and `back`. 0 or a negative errno; then there
 * are none. */
int device_make_nodes(struct device *device);

#endif
