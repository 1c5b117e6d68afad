/* SPDX-License-Identifier: MIT */
/*
 * The block back end: see drivers/blkback.h; its connection and its life.
 *
 * What ends a connection: the front end says so, the domain dies (both: disconnect, from a thread),
 * or its ring lies. The last is found where nobody may sleep, and the store not be reached:
 * `broken` is set, nobody looks any more, and blkback_service does the rest. In every case
 * transfers in flight are waited for before a page is unmapped: a disk that still writes into a
 * page which the guest has got back would corrupt whoever owns it next. But no thread is kept
 * waiting that others need, however slow the disk is: `closing` is set, serving answers what comes
 * back, and whoever has asked for the end is asked to ask again when nothing is in flight.
 */
#include "blkback.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>

/* --- connection --- */

static int publish(struct backend *backend)
{
    struct blkback *back = (struct blkback *)backend;
    bool discard = blkback_flags(back) & BLOCK_CAN_DISCARD &&
                   !(blkback_flags(back) & BLOCK_READ_ONLY);
    int error = backend_write_number(backend, "feature-flush-cache", 1);

    if (!error)
        error = backend_write_number(backend, "feature-barrier", 1);
    if (!error)
        error = backend_write_number(backend, "feature-max-indirect-segments",
                                     blkback_segments(back));
    if (!error)
        error = backend_write_number(backend, "feature-discard", discard);
    if (!error)                         /* Unikraft has no disk where this is missing */
        error = backend_write_number(backend, "multi-queue-max-queues", 1);
    if (!error && discard)
        error = backend_write_number(backend, "discard-granularity", BLOCK_SECTOR);
    if (!error && discard)
        error = backend_write_number(backend, "discard-alignment", 0);
    return error;
}

static int publish_properties(struct blkback *back)
{
    struct backend *backend = &back->backend;
    int error = backend_write_number(backend, "sectors", back->device->sectors);

    if (!error)
        error = backend_write_number(backend, "sector-size", BLOCK_SECTOR);
    if (!error)
        error = backend_write_number(backend, "info",
                                     (blkback_flags(back) & BLOCK_READ_ONLY ? VDISK_READONLY : 0) |
                                     (back->offer & BLKBACK_CDROM ? VDISK_CDROM : 0));
    return error;
}

static int attach_ring(struct blkback *back, grant_ref_t reference, evtchn_port_t remote)
{
    int error = grant_map(back->backend.domain, reference, false, &back->ring_map);

    if (error) return error;

    blkif_sring_t *shared = back->ring_map.va;

    BACK_RING_INIT(&back->ring, shared, PAGE_SIZE);

    /* bound before we are ready: the first event must find us connected */
    bool masked = events_save();
    int port = event_bind_interdomain(back->backend.domain, remote, blkback_event, back);

    if (port < 0) {
        events_restore(masked);
        grant_unmap(&back->ring_map);
        return port;
    }
    back->port = (evtchn_port_t)port;
    back->connected = true;
    back->broken = false;
    blkback_event(back->port, back);            /* requests that came before the binding */
    events_restore(masked);
    return 0;
}

static int connect(struct backend *backend)
{
    struct blkback *back = (struct blkback *)backend;
    uint64_t reference, port, queues;

    if (backend_read_number(backend, backend->front, "multi-queue-num-queues", &queues))
        queues = 1;
    if (queues != 1 ||
        backend_read_number(backend, backend->front, "ring-ref", &reference) ||
        backend_read_number(backend, backend->front, "event-channel", &port) ||
        reference > UINT32_MAX || port > UINT32_MAX)
        return refused(-EINVAL);

    int error = publish_properties(back);

    if (backend->over) return refused(-ENODEV);     /* all that sleeps, and the rest not */
    return error ? error : attach_ring(back, (grant_ref_t)reference, (evtchn_port_t)port);
}

bool blkback_idle(const struct blkback *back)
{
    return !back->in_flight &&
           (!back->connected || back->closing || back->broken ||
            back->ring.req_cons == back->ring.sring->req_prod);
}

/* True: nothing is in flight. */
static bool stop_taking(struct blkback *back)
{
    if (back->connected) {
        back->closing = true;           /* answers of what is in flight still go to the ring */
        event_mask(back->port);
        list_remove(&back->waiting);
        blkback_call_next(back->quota);
    }
    return !back->in_flight;
}

/* Who is half connected when he has to go would be connected behind our back, and have his disk at
 * work when nobody waits for that any more. */
bool blkback_close(struct blkback *back)
{
    back->backend.over = true;
    return stop_taking(back);
}

/* Ends when the disk has answered all: a disk always answers, so this is bounded by it. Others work
 * meanwhile. */
static void wait_for_disk(struct blkback *back)
{
    while (!stop_taking(back)) {
        bool masked = events_save();

        back->device->poll(back->device);
        blkback_finish(back, SLOTS);
        events_restore(masked);
        if (back->in_flight)
            thread_yield();
    }
}

static bool disconnect(struct backend *backend)
{
    struct blkback *back = (struct blkback *)backend;

    if (!back->connected) return true;
    if (!back->wake)                    /* nobody would ask again */
        wait_for_disk(back);
    if (!stop_taking(back)) return false;
    blkback_call_next(back->quota);
    back->connected = back->closing = false;
    event_unbind(back->port);
    if (grant_unmap(&back->ring_map))
        printk("%s: the ring could not be unmapped\n", backend->back);
    return true;
}

static const struct backend_driver driver = { .publish = publish,
                                              .connect = connect,
                                              .disconnect = disconnect };

/* --- life --- */

void blkback_quota_init(struct blkback_quota *quota)
{
    quota->pages = 0;
    list_init(&quota->waiting);
}

void blkback_on_work(struct blkback *back, void (*wake)(void *waker), void *waker,
                     struct blkback_quota *quota)
{
    back->wake = wake;
    back->waker = waker;
    back->quota = quota;
}

bool blkback_is_due(const struct blkback *back)
{
    return back->connected && (back->broken || back->closing) && !back->in_flight;
}

/* The addresses at which the guest's pages are mapped for a disk without DMA. */
static bool allocate_addresses(struct blkback *back)
{
    uint8_t *pages = vspace_alloc(SLOTS * PAGES);

    if (!pages || IS_ERR(pages)) return false;
    back->pages = pages;
    for (unsigned int i = 0; i < SLOTS; i++)
        for (unsigned int j = 0; j < PAGES; j++)
            back->slot[i].page[j] = pages + (i * PAGES + j) * PAGE_SIZE;
    return true;
}

struct blkback *blkback_create(const struct backend_store *store, domid_t domain, unsigned int vdev,
                               struct blockdev *device, unsigned int offer)
{
    struct blkback *back = calloc(1, sizeof *back);

    if (!back) return NULL;
    if (!(device->flags & BLOCK_BY_DMA) && !allocate_addresses(back)) {
        free(back);
        return NULL;
    }
    back->device = device;
    back->offer = offer;
    back->finished_end = &back->finished;
    blkback_quota_init(back->quota = &back->own);
    list_init(&back->waiting);
    for (unsigned int i = 0; i < SLOTS; i++) {
        back->slot[i].back = back;
        blkback_release(&back->slot[i]);
    }
    backend_start(&back->backend, &driver, store, "vbd", domain, vdev);
    return back;
}

void blkback_changed(struct blkback *back)
{
    backend_changed(&back->backend);
}

void blkback_service(struct blkback *back)
{
    if (back->broken && back->connected)
        backend_fail(&back->backend, "the front end's ring index is impossible");
}

size_t blkback_bytes(void)
{
    return sizeof(struct blkback);
}

void blkback_destroy(struct blkback *back)
{
    wait_for_disk(back);
    backend_stop(&back->backend);
    if (back->pages)
        vspace_free(back->pages, SLOTS * PAGES);
    free(back);
}

const struct blkback_counters *blkback_counters(const struct blkback *back)
{
    return &back->counters;
}
