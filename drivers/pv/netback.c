/* SPDX-License-Identifier: MIT */
/*
 * The network back end: see drivers/netback.h.
 *
 * From the guest: slots are copied from its ring, gathered into frames and judged; then one
 * hypercall copies a batch of frames into a pool of pages that all vifs share (a batch lives only
 * as long as one turn), and they go to whoever holds the port. To the guest: send() takes as many
 * of its receive requests as the frame has pages and notes the copies; flush() does all noted
 * copies in one hypercall and answers them.
 *
 * Large TCP frames (segmentation offload) pass through uncut from guest to guest; who cannot take
 * them is the bridge's business. In a ring such a frame's second slot holds no data but the size of
 * the pieces ("extra info"). The guest's pages are never mapped, so there is nothing to leak or
 * unmap: only the two rings are.
 *
 * As in blkback the guest's event only wakes, and the caller says how much is served at once; a
 * ring that lies sets `broken`, netback_service disconnects.
 */
#include <drivers/netback.h>
#include <drivers/ring.h>
#include "check.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

#define BATCH 32u                       /* frames in one go */
#define POOL_ORDER 4u                   /* 64 KiB hold the largest frame */
/* of one frame: a piece that crosses a page of ours makes two */
#define COPIES_MAX (NET_SLOTS_MAX + 16u)
#define TO_GUEST 64u                    /* receive slots noted between two flushes */
#define EXTRAS_MAX 4u                   /* extra-info slots one frame may carry; more is nonsense */

struct netback {
    struct backend backend;             /* first: the two are converted into each other */
    struct netport port;
    char name[16];                      /* "vif8.0" */
    bool connected, broken;
    bool guest_takes_blank;
    struct grant_map tx_map, rx_map;
    netif_tx_back_ring_t tx;
    netif_rx_back_ring_t rx;
    evtchn_port_t tx_event, rx_event;   /* the same one unless the guest has split them */
    struct outgoing {
        uint16_t id, length, flags, gso_size;
        unsigned int frame_slots;
        bool is_extra;
    } to_guest[TO_GUEST];
    struct gnttab_copy copy[TO_GUEST];  /* of the same index; unused where to_guest is an extra */
    unsigned int to_guest_count;        /* noted by send */
};

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
 * use. */
static uint8_t *pool[BATCH];
static struct incoming incoming[BATCH];
static struct gnttab_copy from_guest[BATCH * COPIES_MAX];

static bool allocate_pool(void)
{
    for (unsigned int i = 0; i < BATCH; i++)
        if (!pool[i] && !(pool[i] = alloc_pages(POOL_ORDER)))
            return false;
    return true;
}

/* --- from the guest --- */

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

static void deliver(struct netback *back, unsigned int frames)
{
    struct netport *port = &back->port;

    for (unsigned int i = 0; i < frames; i++) {
        uint32_t flags = (incoming[i].flags & NETTXF_csum_blank ? NET_CHECKSUM_BLANK : 0) |
                         (incoming[i].flags & NETTXF_data_validated ? NET_CHECKSUM_GOOD : 0) |
                         incoming[i].gso;

        if (incoming[i].status == NETIF_RSP_OKAY && port->receive) {
            port->frames_received++;
            port->receive(port, pool[i], incoming[i].plan.length, flags);
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

/* A large frame is so much to copy, and may be cut into sixteen times as many pieces. */
static unsigned int cost_of(const struct incoming *frame)
{
    return frame->status == NETIF_RSP_OKAY ? 1 + frame->plan.length / PAGE_SIZE : 1;
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

static void end_service(struct netback *back)
{
    back->broken = true;
    event_mask(back->tx_event);
    event_mask(back->rx_event);
}

/* The last look asks for an event for what comes later; what has come meanwhile is more to do, next
 * time. */
static bool serve(struct netport *port, unsigned int budget)
{
    struct netback *back = port->context;
    int more = 0;

    if (!back->connected || back->broken || port->paused) return false;
    if (take_batch(back, MIN(budget, BATCH)))
        RING_FINAL_CHECK_FOR_REQUESTS(&back->tx, more);
    else
        end_service(back);
    return more && !port->paused;
}

static void poll(struct netport *port)
{
    while (serve(port, BATCH))
        ;
}

static void wake(struct netback *back)
{
    if (back->port.wake)
        back->port.wake(back->port.waker);
    else
        poll(&back->port);
}

static void event(evtchn_port_t number, void *data)
{
    wake(data);
}

/* New receive buffers wake nobody: frames do not wait here for them. */
static void rx_event(evtchn_port_t number, void *data)
{
}

/* --- to the guest --- */

static void answer_slot(struct netback *back, const struct outgoing *slot, bool good)
{
    if (slot->is_extra) {
        netif_extra_info_t extra = { .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                     .u.gso = { .size = slot->gso_size,
                                                .type = XEN_NETIF_GSO_TYPE_TCPV4 } };

        memcpy(RING_GET_RESPONSE(&back->rx, back->rx.rsp_prod_pvt), &extra, sizeof extra);
    } else {
        *RING_GET_RESPONSE(&back->rx, back->rx.rsp_prod_pvt) = (netif_rx_response_t){
            .id = slot->id,
            .flags = slot->flags,
            .status = good ? (int16_t)slot->length : NETIF_RSP_ERROR,
        };
    }
    back->rx.rsp_prod_pvt++;
}

/* The copies of the frame whose slots begin at `first`: all good, or the frame is an error in every
 * slot. */
static bool copied(const struct netback *back, unsigned int first)
{
    for (unsigned int i = first; i < first + back->to_guest[first].frame_slots; i++)
        if (!back->to_guest[i].is_extra && back->copy[i].status != GNTST_okay)
            return refused(false);
    return true;
}

/* Extras copy nothing: closes the gaps for the hypercall, and opens them again. */
static int copy_all(struct netback *back, unsigned int count)
{
    unsigned int copies = 0;

    for (unsigned int i = 0; i < count; i++)
        if (!back->to_guest[i].is_extra)
            back->copy[copies++] = back->copy[i];

    int error = grant_copy(back->copy, copies);

    for (unsigned int i = count; i-- > 0;)
        if (!back->to_guest[i].is_extra)
            back->copy[i] = back->copy[--copies];
    return error;
}

static void flush(struct netport *port)
{
    struct netback *back = port->context;
    unsigned int count = back->to_guest_count;
    int notify;

    back->to_guest_count = 0;
    if (count == 0 || !back->connected) return;

    int error = copy_all(back, count);

    for (unsigned int i = 0; i < count;) {
        bool good = !error && copied(back, i);
        unsigned int end = i + back->to_guest[i].frame_slots;

        while (i < end)
            answer_slot(back, &back->to_guest[i++], good);
        port->frames_sent += good;
        port->frames_dropped += !good;
    }
    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&back->rx, notify);
    if (notify)
        event_send(back->rx_event);
}

/* Does the guest offer so many buffers? False also if its ring lies. */
static bool has_buffers(struct netback *back, unsigned int wanted)
{
    uint32_t producer = ring_read_index(&back->rx.sring->req_prod);
    int count = ring_requests(producer, back->rx.req_cons, back->rx.rsp_prod_pvt,
                              RING_SIZE(&back->rx));

    if (count == RING_LIE) {
        end_service(back);
        if (back->port.wake)
            back->port.wake(back->port.waker);
    }
    return count >= (int)wanted;
}

/* Notes one slot; `page` is NULL for the extra. */
static struct outgoing *note_slot(struct netback *back, const uint8_t *page, unsigned int length)
{
    unsigned int i = back->to_guest_count++;
    netif_rx_request_t request;

    RING_COPY_REQUEST(&back->rx, back->rx.req_cons, &request);
    back->rx.req_cons++;
    back->to_guest[i] = (struct outgoing){ .id = request.id,
                                           .length = (uint16_t)length,
                                           .is_extra = !page };
    if (page)
        back->copy[i] = (struct gnttab_copy){
            .source = { .u.gmfn = virt_to_mfn(page),
                        .domid = DOMID_SELF,
                        .offset = (uintptr_t)page & (PAGE_SIZE - 1) },
            .dest = { .u.ref = request.gref, .domid = back->backend.domain },
            .len = (uint16_t)length,
            .flags = GNTCOPY_dest_gref,
        };
    return &back->to_guest[i];
}

static uint16_t rx_flags(uint32_t flags)
{
    return (uint16_t)((flags & NET_CHECKSUM_BLANK ? NETRXF_csum_blank | NETRXF_data_validated : 0) |
                      (flags & NET_CHECKSUM_GOOD ? NETRXF_data_validated : 0) |
                      (flags & NET_GSO_TCP4 ? NETRXF_extra_info : 0));
}

static bool send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct netback *back = port->context;
    const uint8_t *at = frame;
    bool large = flags & NET_GSO_TCP4;
    unsigned int slots = (unsigned int)(PAGE_UP(length) / PAGE_SIZE) + large;

    if (back->to_guest_count + slots > TO_GUEST)
        flush(port);
    if (!back->connected || back->broken || length > (large ? NET_LARGE_MAX : NET_FRAME_MAX) ||
        !has_buffers(back, slots)) {
        refused(port->frames_dropped++);
        return false;
    }

    struct outgoing *first = &back->to_guest[back->to_guest_count], *slot = first;

    for (size_t left = length; left;) {
        size_t piece = MIN(left, PAGE_SIZE);

        slot = note_slot(back, at, (unsigned int)piece);
        at += piece;
        left -= piece;
        slot->flags = left ? NETRXF_more_data : 0;
        if (slot == first && large)
            note_slot(back, NULL, 0)->gso_size = (uint16_t)net_gso_size(flags);
    }
    first->flags |= rx_flags(flags);
    first->frame_slots = slots;
    return true;
}

/* --- connection --- */

static int publish(struct backend *backend)
{
    const struct { const char *key; uint64_t value; } feature[] = {
        { "feature-sg", 1 }, { "feature-gso-tcpv4", 1 },
        { "feature-rx-copy", 1 }, { "feature-rx-flip", 0 }, { "feature-split-event-channels", 1 },
    };
    int error = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(feature) && !error; i++)
        error = backend_write_number(backend, feature[i].key, feature[i].value);
    return error;
}

static uint64_t front_number(struct netback *back, const char *key, uint64_t missing)
{
    uint64_t value;

    return backend_read_number(&back->backend, back->backend.front, key, &value) ? missing : value;
}

static int map_rings(struct netback *back)
{
    uint64_t tx = front_number(back, "tx-ring-ref", UINT64_MAX),
             rx = front_number(back, "rx-ring-ref", UINT64_MAX);

    if (tx > UINT32_MAX || rx > UINT32_MAX) return refused(-EINVAL);

    int error = grant_map(back->backend.domain, (grant_ref_t)tx, false, &back->tx_map);

    if (error) return error;
    error = grant_map(back->backend.domain, (grant_ref_t)rx, false, &back->rx_map);
    if (error) {
        grant_unmap(&back->tx_map);
        return error;
    }

    netif_tx_sring_t *tx_shared = back->tx_map.va;
    netif_rx_sring_t *rx_shared = back->rx_map.va;

    BACK_RING_INIT(&back->tx, tx_shared, PAGE_SIZE);
    BACK_RING_INIT(&back->rx, rx_shared, PAGE_SIZE);
    return 0;
}

static void unmap_rings(struct netback *back)
{
    if (grant_unmap(&back->tx_map) | grant_unmap(&back->rx_map))
        printk("%s: a ring could not be unmapped\n", back->backend.back);
}

static int bind(struct netback *back, const char *key, event_handler handler, evtchn_port_t *port)
{
    uint64_t remote = front_number(back, key, UINT64_MAX);

    if (remote > UINT32_MAX) return refused(-EINVAL);

    int result = event_bind_interdomain(back->backend.domain, (evtchn_port_t)remote, handler, back);

    if (result < 0) return result;
    *port = (evtchn_port_t)result;
    return 0;
}

static int bind_events(struct netback *back)
{
    int error;

    if (front_number(back, "event-channel-tx", 0) == 0) {
        error = bind(back, "event-channel", event, &back->tx_event);
        back->rx_event = back->tx_event;
        return error;
    }
    error = bind(back, "event-channel-tx", event, &back->tx_event);
    if (error) return error;
    error = bind(back, "event-channel-rx", rx_event, &back->rx_event);
    if (error)
        event_unbind(back->tx_event);
    return error;
}

static int connect(struct backend *backend)
{
    struct netback *back = (struct netback *)backend;

    if (front_number(back, "request-rx-copy", 0) != 1 ||
        front_number(back, "multi-queue-num-queues", 1) != 1)
        return refused(-EOPNOTSUPP);    /* page flipping, and queues that we did not offer */
    back->port.takes_blank = !front_number(back, "feature-no-csum-offload", 0);
    back->port.takes_large = back->port.takes_blank && front_number(back, "feature-sg", 0) &&
                             front_number(back, "feature-gso-tcpv4", 0);

    int error = map_rings(back);

    if (error) return error;

    bool masked = events_save();        /* bound before we are ready */

    error = bind_events(back);
    if (!error) {
        back->connected = true;
        back->broken = false;
        wake(back);                     /* frames that came before the binding */
    }
    events_restore(masked);
    if (error)
        unmap_rings(back);
    return error;
}

static bool disconnect(struct backend *backend)
{
    struct netback *back = (struct netback *)backend;

    if (!back->connected) return true;
    back->connected = false;            /* nothing is in flight outside a turn */
    back->to_guest_count = 0;
    event_unbind(back->tx_event);
    if (back->rx_event != back->tx_event)
        event_unbind(back->rx_event);
    unmap_rings(back);
    return true;
}

static const struct backend_driver driver = { .publish = publish,
                                              .connect = connect,
                                              .disconnect = disconnect };

/* --- life --- */

struct netback *netback_create(const struct backend_store *store, domid_t domain,
                               unsigned int index, const uint8_t mac[6])
{
    struct netback *back = allocate_pool() ? calloc(1, sizeof *back) : NULL;

    if (!back) return NULL;
    snprintf(back->name, sizeof back->name, "vif%u.%u", domain, index);
    back->port = (struct netport){ .name = back->name,
                                   .send = send,
                                   .flush = flush,
                                   .poll = poll,
                                   .serve = serve,
                                   .context = back };
    memcpy(back->port.mac, mac, NET_MAC);
    backend_start(&back->backend, &driver, store, "vif", domain, index);
    return back;
}

struct netport *netback_port(struct netback *back)
{
    return &back->port;
}

void netback_changed(struct netback *back)
{
    backend_changed(&back->backend);
}

bool netback_is_broken(const struct netback *back)
{
    return back->connected && back->broken;
}

void netback_service(struct netback *back)
{
    if (back->broken && back->connected)
        backend_fail(&back->backend, "the front end's ring makes no sense");
}

size_t netback_bytes(void)
{
    return sizeof(struct netback);
}

void netback_destroy(struct netback *back)
{
    backend_stop(&back->backend);
    free(back);
}
