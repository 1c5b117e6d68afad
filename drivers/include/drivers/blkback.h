/* SPDX-License-Identifier: MIT */
/*
 * The block back end: serves one disk to one guest. The guest's requests are not trusted: each is copied once, checked,
 * its pages mapped through its grants for the time of the transfer, and answered. A ring that lies is disconnected.
 */
#ifndef DRIVERS_BLKBACK_H
#define DRIVERS_BLKBACK_H

#include <drivers/backend.h>
#include <drivers/block.h>

struct blkback;

/* One instance for (domain, vdev). The device outlives it. NULL when memory is short. */
struct blkback *blkback_create(const struct backend_store *store, domid_t domain, unsigned int vdev,
                               struct blockdev *device, bool writable);
void blkback_changed(struct blkback *back);     /* the front end's state node changed */
void blkback_service(struct blkback *back);     /* call now and then from a thread: finishes a disconnect that the event
                                                 * handler could only begin (a guest that corrupted its ring) */
void blkback_destroy(struct blkback *back);     /* waits for transfers in flight, releases everything */

struct blkback_counters { uint64_t requests, reads, writes, flushes, errors, sectors_read, sectors_written; };
const struct blkback_counters *blkback_counters(const struct blkback *back);

#endif
