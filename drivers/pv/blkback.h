/* SPDX-License-Identifier: MIT */
/* The parts of the block back end (drivers/blkback.h): its connection and life (blkback.c), and the
 * guest's requests (blkback_requests.c). */
#ifndef DRIVERS_PV_BLKBACK_H
#define DRIVERS_PV_BLKBACK_H

#include <drivers/blkback.h>
#include <pvguest/grant.h>
#include <xen/event_channel.h>
#include <xen/io/blkif.h>

#define SLOTS 32u                       /* the entries of a one-page ring */
#define PAGES BLOCK_SEGMENTS_MAX        /* of one request; more than 11 come by an indirect page */

struct slot {
    struct block_request request;
    struct blkback *back;
    struct slot *next;                  /* free, or finished */
    int error;                          /* when finished: 0 or the disk's */
    uint64_t id;                        /* the guest's, echoed */
    uint8_t operation;
    unsigned int steps;                 /* still to come */
    unsigned int mapped;
    grant_handle_t handle[PAGES];
    unsigned long frame[PAGES];
    /* addresses of this slot, for good; unused if the disk has DMA */
    void *page[PAGES];
};

struct blkback {
    struct backend backend;             /* first: the two are converted into each other */
    struct blockdev *device;
    unsigned int offer;                 /* BLKBACK_... */
    bool connected, broken, closing;
    void (*wake)(void *waker);          /* NULL: served in the event handler */
    void *waker;
    struct grant_map ring_map;
    blkif_back_ring_t ring;
    evtchn_port_t port;
    unsigned int in_flight;
    struct blkback_quota *quota, own;   /* the guest's; our own if we serve in the event handler */
    struct list waiting;                /* for room in the quota */
    struct slot *free, *finished, **finished_end;
    struct slot *barrier;               /* at work; nothing begins beside it */
    bool held;                          /* the ring's next is a barrier or behind one, and waits */
    struct block_request flush;         /* the barrier's first and last step */
    /* address space for SLOTS * PAGES mappings; NULL if the disk has DMA */
    uint8_t *pages;
    struct blkback_counters counters;
    struct slot slot[SLOTS];
};

/* The device's, as it is offered. */
uint32_t blkback_flags(const struct blkback *back);
unsigned int blkback_segments(const struct blkback *back);      /* of one request, at most */

/* The guest's event: as blkback_on_work() says. */
void blkback_event(evtchn_port_t port, void *data);
/* Answers at most so many that the disk is finished with; what is left of that number. */
unsigned int blkback_finish(struct blkback *back, unsigned int budget);
void blkback_release(struct slot *slot);                        /* It is free. */
/* Wakes who waits for room in the quota, if there is some. */
void blkback_call_next(const struct blkback_quota *quota);

#endif
