/* SPDX-License-Identifier: MIT */
/*
 * XenStore over guests' shared rings: a page per guest, two byte rings, an event channel.
 *
 * The guest writes the page whenever it likes: each index is read once, and an impossible one ends
 * the service of that ring, nothing more. Each ring has its turns; a guest that does not read its
 * answers is not asked for further requests, and its events stay with the server (watch.c), so at
 * most one event and one answer wait here.
 */
#include "dom0/xenstore/rings.h"
#include "dom0/account.h"
#include "dom0/worker.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>

struct message {
    struct message *next;
    uint32_t size, sent;
    char bytes[];                       /* Header and payload. */
};

struct ring_connection {
    struct xenstore_connection connection;      /* First: the server's pointer is ours. */
    struct ring_connection *next;
    struct turn turn;
    struct xenstore_domain_interface *ring;
    evtchn_t port;
    bool broken;
    struct message *output, **output_end;
    uint32_t got;                               /* Bytes of the request that has begun to arrive. */
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX];
};

static struct ring_connection *rings;

static void ring_event(evtchn_t port, void *data)
{
    event_hold(port);
    turns_mark(data);
}

/* --- output --- */

static bool ring_ready(struct xenstore_connection *connection)
{
    struct ring_connection *to = (struct ring_connection *)connection;

    return !to->broken && !to->output;
}

static void ring_send(struct xenstore_connection *connection, const struct xsd_sockmsg *header,
                      const void *payload)
{
    struct ring_connection *to = (struct ring_connection *)connection;
    uint32_t size = (uint32_t)sizeof(*header) + header->len;
    struct message *message;

    if (to->broken) return;
    message = malloc(sizeof(*message) + size);
    if (!message) {
        /* Without its answer the client would wait for ever: better no store than a silent one. */
        to->broken = refused(true);
        return;
    }
    *message = (struct message){ .size = size };
    memcpy(message->bytes, header, sizeof(*header));
    memcpy(message->bytes + sizeof(*header), payload, header->len);
    *to->output_end = message;
    to->output_end = &message->next;
    /* Events may come from another guest's or dom0's request. */
    turns_mark(&to->turn);
}

static void break_ring(struct ring_connection *from, uint32_t why)
{
    printk("xenstore: domain %u broke its ring (error %u); it has no store any more\n",
           (unsigned)from->connection.actor.domid, why);
    from->ring->error = why;
    from->broken = true;
}

/* Moves what fits into the ring. True if anything moved. */
static bool push_output(struct ring_connection *to)
{
    struct xenstore_domain_interface *ring = to->ring;
    uint32_t cons = READ_ONCE(ring->rsp_cons), prod = ring->rsp_prod, begin = prod;
    struct message *message;

    mb();
    if (prod - cons > XENSTORE_RING_SIZE) {
        break_ring(to, XENSTORE_ERROR_RINGIDX);
        return refused(false);
    }
    while ((message = to->output) && prod - cons < XENSTORE_RING_SIZE) {
        while (message->sent < message->size && prod - cons < XENSTORE_RING_SIZE)
            ring->rsp[MASK_XENSTORE_IDX(prod++)] = message->bytes[message->sent++];
        if (message->sent < message->size)
            break;
        to->output = message->next;
        if (!to->output)
            to->output_end = &to->output;
        free(message);
    }
    wmb();
    WRITE_ONCE(ring->rsp_prod, prod);
    return prod != begin;
}

/* --- input --- */

/* Takes bytes until one request is whole. True if anything moved; *whole tells whether it is. */
static bool pull_input(struct ring_connection *from, bool *whole)
{
    struct xenstore_domain_interface *ring = from->ring;
    uint32_t prod = READ_ONCE(ring->req_prod), cons = ring->req_cons, begin = cons;
    uint32_t head = sizeof(from->header);

    rmb();
    *whole = false;
    if (prod - cons > XENSTORE_RING_SIZE) {
        break_ring(from, XENSTORE_ERROR_RINGIDX);
        return refused(false);
    }
    while (cons != prod && !*whole) {
        char byte = ring->req[MASK_XENSTORE_IDX(cons++)];

        if (from->got < head)
            ((char *)&from->header)[from->got] = byte;
        else
            from->payload[from->got - head] = byte;
        from->got++;
        if (from->got == head && from->header.len > XENSTORE_PAYLOAD_MAX) {
            break_ring(from, XENSTORE_ERROR_PROTO);
            return refused(false);
        }
        *whole = from->got >= head && from->got == head + from->header.len;
    }
    mb();
    WRITE_ONCE(ring->req_cons, cons);
    return cons != begin;
}

static bool has_room(const struct ring_connection *to)
{
    /* What we wrote is seen before we look what was read. */
    mb();
    return !to->broken && to->ring->rsp_prod - READ_ONCE(to->ring->rsp_cons) < XENSTORE_RING_SIZE;
}

/* What waits goes out first, events too, up to so many: a guest that takes them meanwhile has the
 * rest in its next turn. True if nothing is left: it may ask on. */
static bool flush(struct ring_connection *to, bool *moved, unsigned *messages)
{
    while (*messages) {
        --*messages;
        *moved |= push_output(to);
        xenstore_pump(&to->connection);
        /* No room: the guest's event comes when it has made some. */
        if (!to->output || !has_room(to))
            break;
    }
    return !to->broken && !to->output;
}

/* A guest that writes behind bytes which are not yet taken need not say so: who takes those looks
 * again. */
static bool has_written(const struct ring_connection *from)
{
    mb();                                       /* What we took is seen before we look again. */
    return !from->broken && READ_ONCE(from->ring->req_prod) != from->ring->req_cons;
}

/* What the last request has left to be done: others wait for it, so it waits for nobody, a guest
 * that does not read included. True: all of it is done. */
static bool finish(struct ring_connection *ring, unsigned budget, unsigned *spent)
{
    while (*spent < budget) {
        unsigned cost = xenstore_go_on(&ring->connection);

        if (!cost) return true;
        *spent += cost;
    }
    return false;
}

#define MESSAGES 16u                            /* Answers and events of one turn. */

/* Nothing is taken from it any more, nor given to it. Who is released is dead, but his ring need
 * not be: others may have been given its page. */
static bool is_shut(const struct ring_connection *ring)
{
    return ring->broken || ring->connection.leaving;
}

static bool serve(void *owner, unsigned budget)
{
    struct ring_connection *ring = owner;
    bool moved = false, whole = false, flushed, finished;
    unsigned spent = 0, messages = MESSAGES;

    if (!is_shut(ring))
        event_rearm(ring->port);
    for (;;) {
        finished = finish(ring, budget, &spent);
        flushed = !is_shut(ring) && flush(ring, &moved, &messages);
        if (!flushed || !finished)
            break;
        moved |= pull_input(ring, &whole);
        if (!whole)
            break;
        ring->got = 0;
        spent += xenstore_take(&ring->connection, &ring->header, ring->payload);
    }
    if (moved)
        event_send(ring->port);
    if (!finished) return true;
    return flushed ? whole || has_written(ring) : !messages && has_room(ring);
}

/* --- the carrier --- */

/* What a ring takes, with the longest answer that may wait, and an event before it. */
#define MESSAGE_BYTES (sizeof(struct message) + sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define RING_BYTES    (sizeof(struct ring_connection) + 2 * MESSAGE_BYTES)

static int open_ring(struct ring_connection *ring, unsigned long mfn, evtchn_port_t port)
{
    domid_t domid = ring->connection.actor.domid;
    int error = account_add(domid, HELD_RING, RING_BYTES), bound;

    error = error ? error : turns_join(&ring->turn, TURN_STORE, domid, serve, ring);
    if (error) return error;
    ring->ring = map_frames(&mfn, 1, PROT_RW, domid, NULL);
    if (IS_ERR(ring->ring)) {
        error = (int)PTR_ERR(ring->ring);
        ring->ring = NULL;
        return error;
    }
    bound = event_bind_interdomain(domid, port, ring_event, &ring->turn);
    ring->port = bound < 0 ? 0 : (evtchn_t)bound;
    return bound < 0 ? bound : 0;
}

/* Whatever of it was opened. */
static void close_ring(struct ring_connection *ring)
{
    if (ring->port)
        event_unbind(ring->port);
    turns_leave(&ring->turn);
    if (ring->ring)
        unmap_frames(ring->ring, 1);
    while (ring->output) {
        struct message *message = ring->output;

        ring->output = message->next;
        free(message);
    }
    account_credit(ring->connection.actor.domid, HELD_RING, RING_BYTES);
    free(ring);
}

static int rings_introduce(domid_t domid, unsigned long mfn, evtchn_port_t port)
{
    struct ring_connection *ring = account_known(domid) ? calloc(1, sizeof(*ring)) : NULL;
    int error;

    if (!ring) return refused(-ENOMEM);
    ring->output_end = &ring->output;
    ring->connection.actor = (struct tree_actor){ .domid = domid, .privileged = false };
    ring->connection.send = ring_send;
    ring->connection.ready = ring_ready;
    error = open_ring(ring, mfn, port);
    if (error) {
        close_ring(ring);
        return error;
    }
    ring->ring->server_features = XENSTORE_SERVER_FEATURE_ERROR;
    ring->next = rings;
    rings = ring;
    xenstore_connect(&ring->connection);
    turns_mark(&ring->turn);
    return 0;
}

static int rings_release(domid_t domid)
{
    struct ring_connection **link = &rings, *ring;

    while (*link && (*link)->connection.actor.domid != domid)
        link = &(*link)->next;
    ring = *link;
    if (!ring) return refused(-ENOENT);
    *link = ring->next;
    xenstore_disconnect(&ring->connection);
    close_ring(ring);
    return 0;
}

const struct xenstore_carrier xenstore_rings = { .introduce = rings_introduce,
                                                 .release = rings_release };
