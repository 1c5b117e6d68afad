/* SPDX-License-Identifier: MIT */
/*
 * The block front end: see drivers/blkfront.h. A slot stands for one request on the ring; its
 * number is the request's id. Each page of a request is granted to the back end when the request
 * goes on the ring and taken back with the answer. The back end is not believed either: an answer
 * for a slot that is not in use is reported and ignored.
 */
#include <drivers/blkfront.h>
#include <drivers/ring.h>
#include "frontend.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/thread.h>
#include <pvguest/time.h>
#include <pvguest/xenstore.h>
#include <xen/io/protocols.h>

#define PATIENCE (10 * NS_PER_S)

/* --- requests --- */

static void take_back(struct blkfront *front, unsigned int number)
{
    for (unsigned int i = 0; i < front->slot[number].grants; i++)
        if (grant_end_access(front->slot[number].grant[i]))
            printk("blkfront %s: the back end keeps grant %u\n", front->node,
                   front->slot[number].grant[i]);
    front->slot[number].grants = 0;
}

static bool give(struct blkfront *front, unsigned int number, const struct block_request *request)
{
    for (unsigned int i = 0; i < request->segments; i++) {
        int grant = grant_access(front->bus.other_id, request->segment[i].machine >> PAGE_SHIFT,
                                 request->operation == BLOCK_WRITE);

        if (grant < 0) {
            take_back(front, number);
            return false;
        }
        front->slot[number].grant[i] = (grant_ref_t)grant;
        front->slot[number].grants = i + 1;
    }
    return true;
}

static void fill_transfer(struct blkfront *front, unsigned int number,
                          const struct block_request *request, blkif_request_t *out)
{
    out->operation = request->operation == BLOCK_READ ? BLKIF_OP_READ : BLKIF_OP_WRITE;
    out->sector_number = request->sector;
    out->nr_segments = (uint8_t)request->segments;
    for (unsigned int i = 0; i < request->segments; i++) {
        unsigned int first = (request->segment[i].machine & (PAGE_SIZE - 1)) / BLOCK_SECTOR;

        out->seg[i].gref = front->slot[number].grant[i];
        out->seg[i].first_sect = (uint8_t)first;
        out->seg[i].last_sect = (uint8_t)(first + request->segment[i].length / BLOCK_SECTOR - 1);
    }
}

static bool try_start(struct blkfront *front, struct block_request *request)
{
    if (front->free_count == 0 || front->saved) return false;

    unsigned int number = front->free[front->free_count - 1];
    bool transfer = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

    if (transfer && !give(front, number, request)) return false;

    blkif_request_t *out = RING_GET_REQUEST(&front->ring, front->ring.req_prod_pvt);

    memset(out, 0, sizeof *out);
    if (transfer) {
        fill_transfer(front, number, request, out);
    } else if (request->operation == BLOCK_FLUSH) {
        out->operation = BLKIF_OP_FLUSH_DISKCACHE;
    } else {
        blkif_request_discard_t *discard = (blkif_request_discard_t *)out;

        discard->operation = BLKIF_OP_DISCARD;
        discard->sector_number = request->sector;
        discard->nr_sectors = request->sectors;
    }
    out->handle = front->handle;        /* in the same place in both layouts, as is the id */
    out->id = number;
    front->slot[number].request = request;
    front->free_count--;
    front->ring.req_prod_pvt++;
    return true;
}

static void submit(struct blockdev *device, struct block_request *request)
{
    struct blkfront *front = device->context;

    if (!front->connected && !front->saved) {
        request->done(request, refused(-EIO));
        return;
    }
    request->next = NULL;
    if (!front->waiting && try_start(front, request)) return;
    if (front->waiting)
        front->waiting_last->next = request;
    else
        front->waiting = request;
    front->waiting_last = request;
}

static void kick(struct blockdev *device)
{
    struct blkfront *front = device->context;
    int notify;

    if (!front->connected) return;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->ring, notify);
    if (notify)
        event_send(front->port);
}

/* --- answers --- */

static void start_waiting(struct blkfront *front)
{
    while (front->waiting) {
        struct block_request *request = front->waiting, *next = request->next;

        if (!try_start(front, request))
            break;
        front->waiting = next;
    }
}

static int error_of(int status)
{
    return status == BLKIF_RSP_OKAY ? 0 : status == BLKIF_RSP_EOPNOTSUPP ? refused(-EOPNOTSUPP)
                                                                       : refused(-EIO);
}

static void answer(struct blkfront *front, const blkif_response_t *response)
{
    struct block_request *request = response->id < BLKFRONT_RING ? front->slot[response->id].request
                                                                 : NULL;

    if (!request) {
        if (refused(front->strays++) == 0)
            printk("blkfront %s: an answer to nothing we asked\n", front->node);
        return;
    }
    take_back(front, (unsigned int)response->id);
    front->slot[response->id].request = NULL;
    front->free[front->free_count++] = (uint8_t)response->id;
    request->done(request, error_of(response->status));
}

/* Takes what there is; the number of answers, or RING_LIE. */
static int take_answers(struct blkfront *front)
{
    uint32_t producer = ring_read_index(&front->ring.sring->rsp_prod);
    int count = ring_answers(producer, front->ring.rsp_cons, front->ring.req_prod_pvt);

    for (int i = 0; i < count; i++) {
        blkif_response_t response;

        RING_COPY_RESPONSE(&front->ring, front->ring.rsp_cons, &response);
        front->ring.rsp_cons++;
        answer(front, &response);
    }
    return count;
}

/* From now on nothing that the back end says counts; what it has not answered ends as failed. With
 * events masked. */
static void give_up(struct blkfront *front, const char *why)
{
    struct block_request *request;

    printk("blkfront %s: %s; giving the disk up\n", front->node, why);
    front->connected = false;
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        if ((request = front->slot[i].request)) {
            take_back(front, i);
            front->slot[i].request = NULL;      /* in no other life, either */
            request->done(request, refused(-EIO));
        }
    while ((request = front->waiting)) {
        front->waiting = request->next;
        request->done(request, refused(-EIO));
    }
}

static void poll(struct blockdev *device)
{
    struct blkfront *front = device->context;
    int more;

    if (!front->connected) return;
    do {
        if (take_answers(front) == RING_LIE) {
            give_up(front, "the back end's ring index is impossible");
            return;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->ring, more);
    } while (more);
    start_waiting(front);
    kick(device);
}

static void event(evtchn_port_t port, void *data)
{
    struct blkfront *front = data;

    poll(&front->device);
}

/* --- opening and closing --- */

/* A back end that wants to close may answer still; one that has closed does not. (Of a guest that
 * is restored it is another one's that has gone.) */
static void other_changed(struct xenbus_device *bus, enum xenbus_state state)
{
    struct blkfront *front = bus->data;
    bool masked;

    if (!front->connected || front->saved || frontend_serves(state)) return;
    masked = events_save();
    give_up(front, "the back end has closed");
    events_restore(masked);
}

static int share_ring(struct blkfront *front)
{
    blkif_sring_t *shared = (blkif_sring_t *)(void *)front->ring_page;

    SHARED_RING_INIT(shared);
    FRONT_RING_INIT(&front->ring, shared, PAGE_SIZE);
    for (unsigned int i = 0; i < BLKFRONT_RING; i++)
        front->free[i] = (uint8_t)i;
    front->free_count = BLKFRONT_RING;

    int grant = grant_page(front->bus.other_id, front->ring_page, false);

    if (grant < 0) return grant;
    front->ring_grant = (grant_ref_t)grant;

    int port = event_alloc_unbound(front->bus.other_id, event, front);

    if (port < 0) return port;
    front->port = (evtchn_port_t)port;
    return 0;
}

static void unshare_ring(struct blkfront *front)
{
    if (front->port)
        event_unbind(front->port);
    if (front->ring_grant)
        grant_end_access(front->ring_grant);
    front->port = front->ring_grant = 0;
}

static int publish(struct blkfront *front)
{
    int error = frontend_publish(&front->bus, "ring-ref", front->ring_grant);

    if (!error)
        error = frontend_publish(&front->bus, "event-channel", front->port);
    if (!error)
        error = xs_printf(XS_NONE, front->node, "protocol", "%s", XEN_IO_PROTO_ABI_X86_64);
    return error;
}

static int read_properties(struct blkfront *front)
{
    uint64_t sectors = frontend_feature(&front->bus, "sectors", 0);
    uint64_t sector_size = frontend_feature(&front->bus, "sector-size", BLOCK_SECTOR);
    char *mode = xs_read_node(XS_NONE, front->bus.other_path, "mode");
    uint32_t flags = 0;

    if (!IS_ERR(mode) && mode[0] == 'r')
        flags |= BLOCK_READ_ONLY;
    if (!IS_ERR(mode))
        free(mode);
    if (frontend_feature(&front->bus, "feature-flush-cache", 0))
        flags |= BLOCK_CAN_FLUSH;
    if (frontend_feature(&front->bus, "feature-discard", 0))
        flags |= BLOCK_CAN_DISCARD;
    /* we did not offer feature-large-sector-size */
    if (sectors == 0 || sector_size != BLOCK_SECTOR) return refused(-EINVAL);
    front->device = (struct blockdev){ .name = front->node,
                                       .sectors = sectors,
                                       .flags = flags,
                                       .max_segments = BLOCK_SEGMENTS_ANY,
                                       .submit = submit,
                                       .kick = kick,
                                       .poll = poll,
                                       .context = front };
    return 0;
}

static int handshake(struct blkfront *front)
{
    int error = publish(front);

    if (!error)
        error = frontend_connect(&front->bus, XenbusStateInitialised);
    if (!error)
        error = read_properties(front);
    if (!error && !frontend_serves(front->bus.other_state))     /* by now */
        error = refused(-ECONNREFUSED);
    if (!error) {
        front->connected = true;
        error = xenbus_switch_state(&front->bus, XenbusStateConnected);
    }
    return error;
}

static int open(struct blkfront *front)
{
    int error = frontend_open(&front->bus, front->node);

    if (error) return error;
    error = share_ring(front);
    if (!error)
        error = handshake(front);
    if (!error) return 0;
    frontend_close(&front->bus);
    unshare_ring(front);
    return error;
}

/* --- saved and restored --- */

static void finish(struct blkfront *front);

static void before_suspend(struct suspend_hook *hook)
{
    struct blkfront *front = container_of(hook, struct blkfront, suspend);

    if (!front->connected) return;
    front->saved = true;                /* from now on all waits */
    finish(front);
}

/* What waits names machine addresses of another life. */
static void locate(struct block_request *request)
{
    for (unsigned int i = 0; i < request->segments; i++)
        request->segment[i].machine = virt_to_machine(request->segment[i].data);
}

/* The port is nobody's, and its number may be another one's by now. */
static int open_again(struct blkfront *front)
{
    front->connected = false;
    front->port = 0;
    xenbus_detach(&front->bus);
    unshare_ring(front);
    return open(front);
}

static void after_suspend(struct suspend_hook *hook, bool restored)
{
    struct blkfront *front = container_of(hook, struct blkfront, suspend);
    int error;
    bool masked;

    if (!front->saved) return;
    error = restored ? open_again(front)
            : frontend_serves(front->bus.other_state) ? 0 : refused(-ECONNREFUSED);
    masked = events_save();
    for (struct block_request *request = front->waiting; request; request = request->next)
        locate(request);
    front->saved = false;
    if (error || !front->connected)
        give_up(front, "it cannot be opened again");
    else
        poll(&front->device);
    events_restore(masked);
}

int blkfront_open(struct blkfront *front, unsigned int vdev)
{
    int error;

    memset(front, 0, sizeof *front);
    front->handle = (uint16_t)vdev;
    snprintf(front->node, sizeof front->node, "device/vbd/%u", vdev);
    front->bus.other_changed = other_changed;
    front->bus.data = front;
    front->suspend = (struct suspend_hook){ .before = before_suspend, .after = after_suspend };
    error = open(front);
    if (!error)
        suspend_hook(&front->suspend);
    return error;
}

int blkfront_first(void)
{
    unsigned int count, first = 0;
    char **names = xs_directory(XS_NONE, "device/vbd", &count);

    if (IS_ERR(names)) return (int)PTR_ERR(names);
    for (unsigned int i = 0; i < count; i++) {
        unsigned int number = (unsigned int)strtoul(names[i], NULL, 10);

        if (first == 0 || number < first)
            first = number;
    }
    free(names);
    return first ? (int)first : refused(-ENOENT);
}

/* Until all is answered; a back end that answers nothing for so long will not. */
static void finish(struct blkfront *front)
{
    uint64_t until = now_ns() + PATIENCE;
    RING_IDX had = front->ring.rsp_cons;

    while (front->connected &&
           (front->free_count < BLKFRONT_RING || (front->waiting && !front->saved))) {
        bool masked = events_save();

        poll(&front->device);
        if (front->ring.rsp_cons != had) {
            had = front->ring.rsp_cons;
            until = now_ns() + PATIENCE;
        } else if (now_ns() > until && front->connected) {
            give_up(front, "the back end does not answer");
        }
        events_restore(masked);
        thread_sleep(NS_PER_MS);
    }
}

void blkfront_close(struct blkfront *front)
{
    suspend_unhook(&front->suspend);
    finish(front);
    front->connected = false;
    frontend_close(&front->bus);
    unshare_ring(front);
}
