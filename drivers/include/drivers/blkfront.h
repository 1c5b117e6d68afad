/* SPDX-License-Identifier: MIT */
/*
 * The block front end: a guest's disk. It speaks <xen/io/blkif.h> to a back end in another domain
 * and shows itself as a struct blockdev. Its rings are inside the structure (put it into .bss).
 * Opening and closing are for threads; between them it lives in its event handler, and in a watch
 * that ends its requests with -EIO when the back end goes away. A guest that is saved has it
 * opened again where it is restored; what was asked meanwhile is done there.
 */
#ifndef DRIVERS_BLKFRONT_H
#define DRIVERS_BLKFRONT_H

#include <drivers/block.h>
#include <pvguest/suspend.h>
#include <pvguest/xenbus.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#define BLKFRONT_RING 32u           /* requests in one page of ring */

struct blkfront {
    _Alignas(4096) uint8_t ring_page[4096];
    struct blockdev device;
    blkif_front_ring_t ring;
    char node[48];                  /* "device/vbd/51712" */
    struct xenbus_device bus;       /* while it is open */
    uint16_t handle;
    grant_ref_t ring_grant;
    evtchn_port_t port;
    struct block_request *waiting, *waiting_last;       /* no room on the ring yet */
    struct {
        struct block_request *request;                  /* NULL: the slot is free */
        grant_ref_t grant[BLOCK_SEGMENTS_ANY];
        unsigned int grants;
    } slot[BLKFRONT_RING];
    uint8_t free[BLKFRONT_RING];
    unsigned int free_count;
    unsigned int strays;                                /* answers to nothing we asked */
    bool connected;
    bool saved;                     /* or about to be: what is asked waits (<pvguest/suspend.h>) */
    struct suspend_hook suspend;
};

/* Opens device/vbd/<vdev> (51712 is xvda). 0, or -ENOENT (no such device), -ETIMEDOUT,
 * -ECONNREFUSED (the back end closes instead of connecting)... */
int blkfront_open(struct blkfront *front, unsigned int vdev);

/* The first disk in XenStore, or -ENOENT. */
int blkfront_first(void);

/* Waits for what is in flight, then hands the device back. */
void blkfront_close(struct blkfront *front);

#endif
