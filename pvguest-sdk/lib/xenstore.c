/* SPDX-License-Identifier: MIT */
/*
 * XenStore client, lower half: requests and answers over a transport. A caller writes its message
 * under a mutex and sleeps; one thread reads everything that comes and hands answers to whoever has
 * that request number, and watch events to lib/xs_watch.c. The upper half, one function a request,
 * is lib/xs_calls.c.
 *
 * The reader needs no memory, so it cannot fail. Nor does who has a place of his own for the
 * answer, as all requests that change something have: what is to be taken away can be when there is
 * no memory. Any other answer that is short gets the place that was allocated before it was asked
 * for. A long one that finds no memory is that asker's -ENOMEM. An event that finds none is one of
 * the watch as a whole.
 */
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/start.h>
#include <pvguest/string.h>
#include <pvguest/xenstore.h>
#include "suspend.h"
#include "xs.h"

#define SHORT 32U

struct pending {
    struct list link;
    uint32_t id;
    bool done;
    size_t length;
    char *body;
    size_t room;                        /* The asker's own; 0: malloc'ed, SHORT bytes at first */
    int error;
};

static struct xs_transport transport;
static bool connected;
static uint32_t last_id;
static LIST(waiting);                   /* struct pending */
static MUTEX(writing);
static WAIT_QUEUE(activity);            /* the transport may go on */
static WAIT_QUEUE(answered);
static bool in_message;                 /* the reader has a part of one */

bool xs_available(void)
{
    return connected;
}

void xs_wake(void)
{
    wake_all(&activity);
}

/* ---- bytes ---- */

/* A transport that moves nothing now says xs_wake() later; between our last try and our sleep
 * events are masked. */
static void write_all(const void *from, size_t length)
{
    const char *bytes = from;

    while (length) {
        size_t n = transport.write(transport.data, bytes, length);

        if (!n)
            wait_event(activity, (n = transport.write(transport.data, bytes, length)) > 0);
        bytes += n;
        length -= n;
    }
}

static void read_all(void *to, size_t length)
{
    char *bytes = to;

    while (length) {
        size_t n = transport.read(transport.data, bytes, length);

        if (!n)
            wait_event(activity, (n = transport.read(transport.data, bytes, length)) > 0);
        bytes += n;
        length -= n;
    }
}

/* ---- the reader ---- */

/* The answer, or what fits of it, moves to whoever asked, with a NUL behind. */
static void take_answer(struct pending *pending, const struct xsd_sockmsg *header, const char *body)
{
    char *place = pending->body;
    size_t size = header->len;

    if (header->type == XS_ERROR) {
        pending->error = -xs_error_number(body);
        return;
    }
    if (pending->room) {
        size = MIN(size, pending->room - 1);
    } else if (size >= SHORT) {
        place = malloc(size + 1);
        if (!place) {
            pending->error = refused(-ENOMEM);
            return;
        }
        free(pending->body);
    }
    pending->body = memcpy(place, body, size);
    place[size] = 0;
    pending->length = header->len;
}

static void deliver_answer(const struct xsd_sockmsg *header, const char *body)
{
    struct pending *pending;

    list_for_each(pending, &waiting, link) {
        if (pending->id != header->req_id)
            continue;
        list_remove(&pending->link);
        take_answer(pending, header, body);
        pending->done = true;
        wake_all(&answered);
        return;
    }
    refused((void)0);                   /* an answer to nothing we asked */
}

static void reader(void *unused)
{
    static char body[XENSTORE_PAYLOAD_MAX + 1];
    struct xsd_sockmsg header;

    for (;;) {
        in_message = false;
        wake_all(&answered);
        read_all(&header, 1);
        in_message = true;
        read_all((char *)&header + 1, sizeof(header) - 1);
        if (header.len > XENSTORE_PAYLOAD_MAX) {
            /* There is no way to find the next message's beginning. */
            printk("pvguest: XenStore sent a message of %u bytes: giving up\n", header.len);
            connected = refused(false);
            return;
        }
        read_all(body, header.len);
        body[header.len] = 0;
        if (header.type == XS_WATCH_EVENT)
            xs_deliver_watch(body, header.len);
        else
            deliver_answer(&header, body);
    }
}

/* ---- requests ---- */

/* Sends the parts as one message, and sleeps until it is answered; 0 or the error. */
static int ask(struct pending *pending, enum xsd_sockmsg_type type, xs_transaction t,
               const struct xs_part *parts, unsigned int count)
{
    struct xsd_sockmsg header = { .type = type, .req_id = ++last_id, .tx_id = t };

    pending->id = header.req_id;
    first_cpu_only();
    if (!connected) return refused(-ENODEV);
    for (unsigned int i = 0; i < count; i++) {
        if (parts[i].length > XENSTORE_PAYLOAD_MAX - header.len) return refused(-E2BIG);
        header.len += (uint32_t)parts[i].length;
    }
    mutex_lock(&writing);
    list_append(&waiting, &pending->link);
    write_all(&header, sizeof(header));
    for (unsigned int i = 0; i < count; i++)
        write_all(parts[i].data, parts[i].length);
    mutex_unlock(&writing);
    wait_event(answered, pending->done);
    return pending->error;
}

int xs_transact_into(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
                     unsigned int count, char *place, size_t room)
{
    char none;
    struct pending pending = { .body = room ? place : &none, .room = MAX(room, sizeof(none)) };
    int error = ask(&pending, type, t, parts, count);

    return error ? error : (int)pending.length;
}

int xs_command(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
               unsigned int count)
{
    char ok[SHORT];
    int length = xs_transact_into(type, t, parts, count, ok, sizeof(ok));

    return length < 0 ? length : 0;
}

char *xs_transact(enum xsd_sockmsg_type type, xs_transaction t, const struct xs_part *parts,
                  unsigned int count, size_t *length)
{
    struct pending pending = { .body = malloc(SHORT) };

    if (!pending.body) return ERR_PTR(refused(-ENOMEM));
    pending.error = ask(&pending, type, t, parts, count);
    if (pending.error) {
        free(pending.body);
        return ERR_PTR(pending.error);
    }
    if (length)
        *length = pending.length;
    return pending.body;
}

char *xs_request(enum xsd_sockmsg_type type, xs_transaction t, const void *body, size_t length,
                 size_t *answer_length)
{
    struct xs_part part = { body, length };

    return xs_transact(type, t, &part, 1, answer_length);
}

int xs_tell(enum xsd_sockmsg_type type, xs_transaction t, const void *body, size_t length)
{
    struct xs_part part = { body, length };

    return xs_command(type, t, &part, 1);
}

/* ---- the transport of a domU: two byte rings in one shared page ---- */

static evtchn_t ring_port;

static void ring_event(evtchn_t port, void *data)
{
    xs_wake();
}

static size_t ring_write(void *data, const void *from, size_t length)
{
    struct xenstore_domain_interface *ring = data;
    XENSTORE_RING_IDX producer = ring->req_prod;
    int space = xs_ring_space(producer, READ_ONCE(ring->req_cons));
    size_t n = space > 0 ? MIN((size_t)space, length) : 0;

    mb();       /* the daemon has read what we overwrite */
    for (size_t i = 0; i < n; i++)
        ring->req[MASK_XENSTORE_IDX(producer + i)] = ((const char *)from)[i];
    wmb();
    WRITE_ONCE(ring->req_prod, producer + (XENSTORE_RING_IDX)n);
    if (n)
        event_send(ring_port);
    return n;
}

static size_t ring_read(void *data, void *to, size_t length)
{
    struct xenstore_domain_interface *ring = data;
    XENSTORE_RING_IDX consumer = ring->rsp_cons;
    int filled = xs_ring_filled(READ_ONCE(ring->rsp_prod), consumer);
    size_t n = filled > 0 ? MIN((size_t)filled, length) : 0;

    rmb();
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = ring->rsp[MASK_XENSTORE_IDX(consumer + i)];
    mb();       /* read before we give the room back */
    WRITE_ONCE(ring->rsp_cons, consumer + (XENSTORE_RING_IDX)n);
    if (n)
        event_send(ring_port);
    return n;
}

int xs_set_transport(const struct xs_transport *new_transport)
{
    bool first = !connected;

    transport = *new_transport;
    connected = true;
    if (first && (xs_start_watches() || !thread_create("xenstore", reader, NULL))) {
        connected = false;
        return refused(-ENOMEM);
    }
    xs_wake();
    return 0;
}

int xs_init(void)
{
    struct xs_transport ring = { ring_write, ring_read, NULL };

    if (is_dom0() || !start_info->store_mfn) return refused(-ENODEV);
    ring.data = mfn_to_virt(start_info->store_mfn);
    ring_port = start_info->store_evtchn;
    event_attach(ring_port, ring_event, NULL);
    return xs_set_transport(&ring);
}

/* ---- in another life ---- */

void xs_suspend(void)
{
    if (!connected) return;
    mutex_lock(&writing);
    wait_event(answered, list_empty(&waiting) && !in_message);
}

/* The ring is the same, by another number; what another daemon wrote into it is of no interest. */
void xs_resume(bool restored)
{
    struct xenstore_domain_interface *ring = transport.data;

    if (!connected) return;
    if (restored) {
        ring->rsp_cons = ring->rsp_prod;
        ring_port = start_info->store_evtchn;
        event_attach(ring_port, ring_event, NULL);
    }
    mutex_unlock(&writing);
}
