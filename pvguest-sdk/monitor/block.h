/* SPDX-License-Identifier: MIT */
/* A virtio disk whose sectors are the monitor's own first disk (blkfront). One request at a time:
 * its data goes through pages of ours, a piece after the other, so nothing of the guest's memory
 * is granted to anybody and any layout of buffers will do. */
#ifndef MONITOR_BLOCK_H
#define MONITOR_BLOCK_H

#include <drivers/blkfront.h>
#include "virtio.h"

enum { BOUNCE_PAGES = BLOCK_SEGMENTS_ANY };

struct virtual_disk {
    struct virtio virtio;               /* first: the two are converted into each other */
    struct blockdev *device;
    uint8_t *bounce[BOUNCE_PAGES];
    struct virtio_chain chain;          /* the request under way */
    struct block_request request;
    bool busy;
    uint32_t type, began;               /* began: the device's resets when it did */
    uint64_t sector, length, done;      /* bytes in all, and those moved */
};

/* The first disk in XenStore, if there is one; 0, or a negative errno (-ENOENT: none). */
int disk_attach(struct virtual_disk *disk, struct machine *machine);

#endif
