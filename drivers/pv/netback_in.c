/* SPDX-License-Identifier: MIT */
/*
 * Frames from the guest (netback.h): slots are copied from its ring, gathered into frames and
 * judged; then one hypercall copies a batch of frames into a pool of pages that all vifs share (a
 * batch lives only as long as one turn), and they go to whoever holds the port.
 */
#include "netback.h"
#include "check.h"
#include <drivers/ring.h>
#include <pvguest/bits.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

#define POOL_ORDER 4u                   /* 64 KiB hold the largest frame */
_Static_assert(NETBACK_KEPT == PAGE_SIZE << POOL_ORDER, "what is counted of what is kept");
/* of one frame: a piece that crosses a page of ours makes two */
#define COPIES_MAX (NET_SLOTS_MAX + 16u)
#define EXTRAS_MAX 4u                   /* extra-info slots one frame may carry; more is nonsense */

/* One frame on its way from the guest. */
struct incoming {
    struct net_plan plan;
    int status;
    uint16_t flags;
    uint32_t gso;                       /* NET_GSO_*, 0 for an ordinary frame */
    unsigned int slots, extras;         /* answers owed */
    unsigned int first_copy, copies;    /* in from_guest[] */
    uint16_t id[NET_SLOTS_MAX];
};

/* Shared by all vifs: nobody else is served between the copy into them and the last receiver's
 * use; but for the pages of a frame that takes several turns, which leave the pool (keep). */
static uint8_t *pool[NETBACK_BATCH];
static unsigned int pool_users;
static struct incoming incoming[NETBACK_BATCH];
static struct gnttab_copy from_guest[NETBACK_BATCH * COPIES_MAX];

bool netback_join_pool(void)
{
    pool_users++;
    for (unsigned int i = 0; i < NETBACK_BATCH; i++)
        if (!pool[i] && !(pool[i] = alloc_pages(POOL_ORDER))) {
            netback_leave_pool();
            return false;
        }
    return true;
}

void netback_leave_pool(void)
{
    if (--pool_users) return;
    for (unsigned int i = 0; i < NETBACK_BATCH; i++) {
        if (pool[i])
            free_pages(pool[i], POOL_ORDER);
        pool[i] = NULL;
    }
}

/* Takes the extra-info slots behind a frame's first one. A wish that we did not offer makes the
 * frame an error. False: the chain does not end where the guest said there is something. */
static bool take_extras(struct netback *back, struct incoming *frame, int *left)
{
    netif_extra_info_t extra;

    do {
        if (*left == 0 || frame->extras == EXTRAS_MAX) return refused(false);
        memcpy(&extra, RING_GET_REQUEST(&back->tx, back->tx.req_cons), sizeof extra);
        /* what follows looks at the copy, not at the guest's memory again */
        barrier();
        back->tx.req_cons++;
        --*left;
        frame->extras++;
        if (extra.type == XEN_NETIF_EXTRA_TYPE_GSO &&
            !(frame->gso = plan_gso(&extra, frame->flags)))
            frame->status = refused(NETIF_RSP_ERROR);
    } while (extra.flags & XEN_NETIF_EXTRA_FLAG_MORE);
    return true;
}

/* Takes all slots of the next frame; `left` are those the guest has produced. False: the ring makes
 * no sense. */
static bool take_frame(struct netback *back, struct incoming *frame, int *left)
{
    netif_tx_request_t slot[NET_SLOTS_MAX];
    uint16_t flags;

    frame->slots = frame->extras = 0;
    frame->gso = 0;
    frame->status = NETIF_RSP_OKAY;
    do {
        if (*left == 0 || frame->slots == NET_SLOTS_MAX) return refused(false);
        RING_COPY_REQUEST(&back->tx, back->tx.req_cons, &slot[frame->slots]);
        back->tx.req_cons++;
        --*left;
        flags = slot[frame->slots].flags;
        frame->id[frame->slots] = slot[frame->slots].id;
        if (frame->slots++ == 0) {
            frame->flags = flags;
            if (flags & NETTXF_extra_info && !take_extras(back, frame, left)) return false;
        }
    } while (flags & NETTXF_more_data);
    if (plan_frame(&frame->plan, slot, frame->slots, frame->gso ? NET_LARGE_MAX : NET_FRAME_MAX))
        frame->status = refused(NETIF_RSP_ERROR);
    return true;
}

static unsigned int note_copies(struct netback *back, const struct incoming *frame, uint8_t *page,
                                struct gnttab_copy *copy)
{
    unsigned int copies = 0, at = 0;

    for (unsigned int i = 0; i < frame->plan.pieces; i++) {
        unsigned int offset = frame->plan.piece[i].offset, left = frame->plan.piece[i].length;

        /* our pages are not contiguous in the machine: a copy stays within one */
        while (left) {
            unsigned int length = MIN(left, (unsigned int)PAGE_SIZE - at % PAGE_SIZE);

            copy[copies++] = (struct gnttab_copy){
                .source = { .u.ref = frame->plan.piece[i].grant,
                            .domid = back->backend.domain,
                            .offset = (uint16_t)offset },
                .dest = { .u.gmfn = virt_to_mfn(page + at),
                          .domid = DOMID_SELF,
                          .offset = (uint16_t)(at % PAGE_SIZE) },
                .len = (uint16_t)length,
                .flags = GNTCOPY_source_gref,
            };
            at += length;
            offset += length;
            left -= length;
        }
    }
    return copies;
}

static void copy_frames(struct netback *back, unsigned int frames)
{
    unsigned int copies = 0;

    for (unsigned int i = 0; i < frames; i++) {
        incoming[i].first_copy = copies;
        incoming[i].copies = 0;
        if (incoming[i].status == NETIF_RSP_OKAY)
            incoming[i].copies = note_copies(back, &incoming[i], pool[i], &from_guest[copies]);
        copies += incoming[i].copies;
    }

    /* the call as a whole: none of them counts */
    bool failed = copies && grant_copy(from_guest, copies);

    for (unsigned int i = 0; i < frames; i++)
        for (unsigned int j = 0; j < incoming[i].copies; j++)
            if (failed || from_guest[incoming[i].first_copy + j].status != GNTST_okay)
                incoming[i].status = refused(NETIF_RSP_ERROR);
}

/* The user is not done with the frame. Without memory for others in its place it has to be. */
static void keep(struct netback *back, unsigned int i)
{
    uint8_t *fresh = alloc_pages(POOL_ORDER);

    if (!fresh) {
        back->port.unfinished = false;
        refused(back->port.frames_dropped++);
        return;
    }
    back->kept = pool[i];
    pool[i] = fresh;
}

void netback_let_go(struct netback *back)
{
    back->port.unfinished = false;
    if (back->kept)
        free_pages(back->kept, POOL_ORDER);
    back->kept = NULL;
}

static void deliver(struct netback *back, unsigned int frames)
{
    struct netport *port = &back->port;

    for (unsigned int i = 0; i < frames; i++) {
        uint32_t flags = (incoming[i].flags & NETTXF_csum_blank ? NET_CHECKSUM_BLANK : 0) |
                         (incoming[i].flags & NETTXF_data_validated ? NET_CHECKSUM_GOOD : 0) |
                         incoming[i].gso;

        if (incoming[i].status == NETIF_RSP_OKAY && port->receive) {
            port->frames_received++;
            port->bytes_received += incoming[i].plan.length;
            port->receive(port, pool[i], incoming[i].plan.length, flags);
            if (port->unfinished)
                keep(back, i);
        } else {
            refused(port->frames_dropped++);
        }
    }
    if (port->received)
        port->received(port);
}

static void answer_frames(struct netback *back, unsigned int frames)
{
    int notify;

    for (unsigned int i = 0; i < frames; i++)
        for (unsigned int j = 0; j < incoming[i].slots + incoming[i].extras; j++) {
            /* Answers stand in the order of the slots: the first one, then the extras, then the
             * rest of the frame. */
            bool extra = j >= 1 && j <= incoming[i].extras;
            unsigned int slot = j == 0 ? 0 : j - incoming[i].extras;
            netif_tx_response_t *response = RING_GET_RESPONSE(&back->tx, back->tx.rsp_prod_pvt);

            response->id = extra ? 0 : incoming[i].id[slot];
            response->status = extra ? NETIF_RSP_NULL : (int16_t)incoming[i].status;
            back->tx.rsp_prod_pvt++;
        }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back->tx, notify);
    if (notify)
        event_send(back->tx_event);
}

/* Of a frame, good or bad: each is taken, judged, copied by itself, and answered. */
#define SLOTS_OF_A_FRAME 2u

/* A large frame is so much to copy, and may be cut into so many pieces: behind one that takes more
 * than a turn there is none in the batch. And one of many slots is so much to do, however small. */
static unsigned int cost_of(const struct incoming *frame)
{
    unsigned int piece = frame->gso ? MIN(net_gso_size(frame->gso), PAGE_SIZE) : PAGE_SIZE;
    unsigned int pages = frame->status == NETIF_RSP_OKAY ? 1 + frame->plan.length / piece : 1;

    return MAX(pages, (frame->slots + frame->extras) / SLOTS_OF_A_FRAME);
}

static bool take_batch(struct netback *back, unsigned int most)
{
    uint32_t producer = ring_read_index(&back->tx.sring->req_prod);
    int left = ring_requests(producer, back->tx.req_cons, back->tx.rsp_prod_pvt,
                             RING_SIZE(&back->tx));
    unsigned int frames = 0, spent = 0;

    if (left == RING_LIE) return false;
    while (left && spent < most) {
        if (!take_frame(back, &incoming[frames], &left)) return false;
        spent += cost_of(&incoming[frames++]);
    }
    if (frames) {
        copy_frames(back, frames);
        deliver(back, frames);
        answer_frames(back, frames);
    }
    return true;
}

/* The last look asks for an event for what comes later; what has come meanwhile is more to do, next
 * time. */
bool netback_serve(struct netport *port, unsigned int budget)
{
    struct netback *back = port->context;
    int more = 0;

    if (!back->connected || back->broken) return false;
    if (back->kept) {                   /* it is paid for, and nothing overtakes it */
        if (port->unfinished)
            port->go_on(port);
        if (!port->unfinished)
            netback_let_go(back);
        return true;
    }
    if (port->paused) return false;
    event_rearm(back->tx_event);
    if (take_batch(back, MIN(budget, NETBACK_BATCH)))
        RING_FINAL_CHECK_FOR_REQUESTS(&back->tx, more);
    else
        netback_end_service(back);
    return (more && !port->paused) || back->kept;
}
