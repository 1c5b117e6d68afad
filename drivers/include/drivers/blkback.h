/* SPDX-License-Identifier: MIT */
/*
 * The block back end: serves one disk to one guest. The guest's requests are not trusted: each is
 * copied once, checked, its pages mapped through its grants for the time of the transfer, and
 * answered. A ring that lies is disconnected.
 */
#ifndef DRIVERS_BLKBACK_H
#define DRIVERS_BLKBACK_H

#include <drivers/backend.h>
#include <drivers/block.h>
#include <pvguest/list.h>

struct blkback;

/*
 * What one guest has at the disk by all of its back ends together: little, for what is there stands
 * in everybody's way. The rest waits in its own rings.
 */
struct blkback_quota {
    unsigned int pages;
    struct list waiting;                        /* back ends that go on when there is less */
};
void blkback_quota_init(struct blkback_quota *quota);

/* How a disk is offered. What the device cannot do anyway need not be said. */
#define BLKBACK_WRITABLE   0x1u
#define BLKBACK_CDROM      0x2u
#define BLKBACK_NO_DISCARD 0x4u

/* One instance for (domain, vdev). The device outlives it. NULL when memory is short. */
struct blkback *blkback_create(const struct backend_store *store, domid_t domain, unsigned int vdev,
                               struct blockdev *device, unsigned int offer);
void blkback_changed(struct blkback *back);     /* the front end's state node changed */
/*
 * Who sets `wake` has it called by the event handler, which then does nothing else, and calls
 * blkback_serve from a thread: it begins or answers at most `budget` requests; true: there are
 * more. The quota is the guest's, and outlives the back end. Otherwise the handler serves until the
 * ring is empty: only for a front end that is trusted not to go on for ever.
 */
void blkback_on_work(struct blkback *back, void (*wake)(void *waker), void *waker,
                     struct blkback_quota *quota);
bool blkback_serve(struct blkback *back, unsigned int budget);
/*
 * It shall be disconnected, because the guest has corrupted its ring or its state said so, and
 * nothing is in flight any more: blkback_service and blkback_changed are due, from a thread. To be
 * asked after serving.
 */
bool blkback_is_due(const struct blkback *back);
void blkback_service(struct blkback *back);
/* Has all that stood in the ring been answered? It comes true by itself when the front end asks for
 * nothing more. */
bool blkback_idle(const struct blkback *back);
/* Takes nothing new from now on, nor another connection; true: nothing is in flight. */
bool blkback_close(struct blkback *back);
/* memory that one holds: fixed, whatever the guest does */
size_t blkback_bytes(void);
/* Waits for what is in flight (blkback_close), and releases everything. */
void blkback_destroy(struct blkback *back);

struct blkback_counters {
    uint64_t requests, reads, writes, flushes, errors, sectors_read, sectors_written;
};
const struct blkback_counters *blkback_counters(const struct blkback *back);

#endif
