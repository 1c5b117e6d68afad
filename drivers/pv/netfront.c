/* SPDX-License-Identifier: MIT */
/*
 * The network front end: see drivers/netfront.h. Transmit: a frame is copied into one of our
 * granted buffers, whose number is the request's id. Receive: every buffer is always either on the
 * ring for the back end to fill, or in our hands while its frame is handed up; ids are buffer
 * numbers again. All after netfront_open runs with events masked.
 */
#include <drivers/netfront.h>
#include <drivers/ring.h>
#include "frontend.h"
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/grant.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>
#include <pvguest/xenstore.h>

/* From now on nothing that the back end says counts. */
static void give_up(struct netfront *front, const char *why)
{
    printk("netfront %s: %s; giving the card up\n", front->node, why);
    front->connected = false;
}

/* --- transmit --- */

/* Takes finished buffers back. Looked at when we send and all are busy: nobody waits for a frame to
 * have left, so no event is asked for. */
static void reclaim(struct netfront *front)
{
    uint32_t producer = ring_read_index(&front->tx.sring->rsp_prod);
    int count = ring_answers(producer, front->tx.rsp_cons, front->tx.req_prod_pvt);

    if (count == RING_LIE)
        give_up(front, "the back end's ring index is impossible");
    for (int i = 0; i < count; i++) {
        netif_tx_response_t response;

        RING_COPY_RESPONSE(&front->tx, front->tx.rsp_cons, &response);
        front->tx.rsp_cons++;
        if (response.id < NETFRONT_TX && front->tx_busy[response.id]) {
            front->tx_busy[response.id] = false;
            front->tx_free[front->tx_free_count++] = (uint8_t)response.id;
        } else {
            refused((void)0);           /* an answer to nothing we asked */
        }
    }
}

static bool send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct netfront *front = port->context;

    if (front->connected && front->tx_free_count == 0)
        reclaim(front);
    if (!front->connected || front->tx_free_count == 0 || length < NET_FRAME_MIN ||
        length > NET_FRAME_MAX) {
        refused(port->frames_dropped++);
        return false;
    }

    uint8_t id = front->tx_free[--front->tx_free_count];
    netif_tx_request_t *request = RING_GET_REQUEST(&front->tx, front->tx.req_prod_pvt);

    memcpy(front->tx_buffer[id], frame, length);
    *request = (netif_tx_request_t){ .gref = front->tx_grant[id],
                                     .id = id,
                                     .size = (uint16_t)length };
    if (flags & NET_CHECKSUM_BLANK)
        request->flags = NETTXF_csum_blank | NETTXF_data_validated;
    front->tx_busy[id] = true;
    front->tx.req_prod_pvt++;
    port->frames_sent++;
    return true;
}

static void flush(struct netport *port)
{
    struct netfront *front = port->context;
    int notify;

    if (!front->connected) return;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->tx, notify);
    if (notify)
        event_send(front->event);
}

/* --- receive --- */

static void offer(struct netfront *front, uint16_t id)
{
    netif_rx_request_t *request = RING_GET_REQUEST(&front->rx, front->rx.req_prod_pvt);

    *request = (netif_rx_request_t){ .id = id, .gref = front->rx_grant[id] };
    front->rx.req_prod_pvt++;
}

static void hand_up(struct netfront *front, const netif_rx_response_t *response)
{
    struct netport *port = &front->port;
    uint32_t flags = (response->flags & NETRXF_csum_blank ? NET_CHECKSUM_BLANK : 0) |
                     (response->flags & NETRXF_data_validated ? NET_CHECKSUM_GOOD : 0);

    /* We asked for neither scattered frames nor extra information: whoever sends them does not
     * speak with us. */
    if (!port->receive || response->status < (int)NET_FRAME_MIN ||
        response->flags & (NETRXF_more_data | NETRXF_extra_info) ||
        response->offset + response->status > (int)PAGE_SIZE) {
        refused(port->frames_dropped++);
        return;
    }
    port->frames_received++;
    port->receive(port, front->rx_buffer[response->id] + response->offset, (size_t)response->status,
                  flags);
}

/* One batch, at most as many frames as there are buffers. False when the back end lied. */
static bool receive_batch(struct netfront *front)
{
    uint32_t producer = ring_read_index(&front->rx.sring->rsp_prod);
    int count = ring_answers(producer, front->rx.rsp_cons, front->rx.req_prod_pvt);
    uint16_t ids[NETFRONT_RX];
    int notify, good = 0;

    for (int i = 0; i < count; i++) {
        netif_rx_response_t response;

        RING_COPY_RESPONSE(&front->rx, front->rx.rsp_cons, &response);
        front->rx.rsp_cons++;
        if (response.id >= NETFRONT_RX) return refused(false);
        hand_up(front, &response);
        ids[good++] = response.id;
    }
    if (count > 0 && front->port.received)
        front->port.received(&front->port);
    for (int i = 0; i < good; i++)      /* nobody reads them any more */
        offer(front, ids[i]);
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front->rx, notify);
    if (notify)
        event_send(front->event);
    return count != RING_LIE;
}

static void poll(struct netport *port)
{
    struct netfront *front = port->context;
    int more;

    if (!front->connected) return;
    do {
        if (!receive_batch(front)) {
            give_up(front, "the back end breaks the protocol");
            return;
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front->rx, more);
    } while (more);
}

static void event(evtchn_port_t number, void *data)
{
    struct netfront *front = data;

    poll(&front->port);
}

/* --- opening and closing --- */

static void other_changed(struct xenbus_device *bus, enum xenbus_state state)
{
    struct netfront *front = bus->data;

    if (front->connected && !front->saved && !frontend_serves(state))
        give_up(front, "the back end has closed");
}

static int grant(struct netfront *front, const void *page, bool readonly, grant_ref_t *reference)
{
    int result = grant_page(front->bus.other_id, page, readonly);

    if (result < 0) return result;
    *reference = (grant_ref_t)result;
    return 0;
}

static int share_pages(struct netfront *front)
{
    int error = grant(front, front->tx_page, false, &front->tx_ring_grant);

    if (!error)
        error = grant(front, front->rx_page, false, &front->rx_ring_grant);
    for (unsigned int i = 0; i < NETFRONT_TX && !error; i++)
        error = grant(front, front->tx_buffer[i], true, &front->tx_grant[i]);
    for (unsigned int i = 0; i < NETFRONT_RX && !error; i++)
        error = grant(front, front->rx_buffer[i], false, &front->rx_grant[i]);
    return error;
}

static void take_back(grant_ref_t *reference)
{
    if (*reference)
        grant_end_access(*reference);
    *reference = 0;
}

static void unshare(struct netfront *front)
{
    if (front->event)
        event_unbind(front->event);
    front->event = 0;
    take_back(&front->tx_ring_grant);
    take_back(&front->rx_ring_grant);
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        take_back(&front->tx_grant[i]);
    for (unsigned int i = 0; i < NETFRONT_RX; i++)
        take_back(&front->rx_grant[i]);
}

static int share(struct netfront *front)
{
    netif_tx_sring_t *tx = (netif_tx_sring_t *)(void *)front->tx_page;
    netif_rx_sring_t *rx = (netif_rx_sring_t *)(void *)front->rx_page;
    int error = share_pages(front);

    if (error) return error;
    SHARED_RING_INIT(tx);
    SHARED_RING_INIT(rx);
    FRONT_RING_INIT(&front->tx, tx, PAGE_SIZE);
    FRONT_RING_INIT(&front->rx, rx, PAGE_SIZE);
    tx->rsp_event = UINT32_MAX / 2;     /* see reclaim: no event for frames that have left */
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        front->tx_free[i] = (uint8_t)i;
    front->tx_free_count = NETFRONT_TX;
    for (unsigned int i = 0; i < NETFRONT_RX; i++)
        offer(front, (uint16_t)i);
    RING_PUSH_REQUESTS(&front->rx);

    int port = event_alloc_unbound(front->bus.other_id, event, front);

    if (port < 0) return port;
    front->event = (evtchn_port_t)port;
    return 0;
}

static int publish(struct netfront *front)
{
    const struct { const char *key; uint64_t value; } node[] = {
        { "tx-ring-ref", front->tx_ring_grant }, { "rx-ring-ref", front->rx_ring_grant },
        { "event-channel", front->event }, { "request-rx-copy", 1 }, { "feature-rx-notify", 1 },
        { "feature-no-csum-offload", 1 },       /* our users want complete checksums */
    };
    int error = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(node) && !error; i++)
        error = frontend_publish(&front->bus, node[i].key, node[i].value);
    return error;
}

static int read_mac(struct netfront *front)
{
    char *text = xs_read_node(XS_NONE, front->node, "mac"), *at = text;

    if (IS_ERR(text)) return (int)PTR_ERR(text);
    for (unsigned int i = 0; i < NET_MAC; i++) {
        front->port.mac[i] = (uint8_t)strtoul(at, &at, 16);
        if (*at == ':')
            at++;
    }
    free(text);
    return 0;
}

static void describe(struct netfront *front)
{
    front->port.name = front->node;
    front->port.takes_blank = true;
    front->port.copies_at_once = true;
    front->port.send = send;
    front->port.flush = flush;
    front->port.poll = poll;
    front->port.context = front;
}

/* Frames may have come already. */
static void start(struct netfront *front)
{
    bool masked = events_save();

    front->connected = true;
    poll(&front->port);
    events_restore(masked);
}

static void close(struct netfront *front)
{
    front->connected = false;
    frontend_close(&front->bus);
    unshare(front);
}

static int open(struct netfront *front)
{
    int error = frontend_open(&front->bus, front->node);

    if (error) return error;
    error = read_mac(front);
    if (!error)
        error = share(front);
    if (!error)
        error = publish(front);
    if (!error)
        error = frontend_connect(&front->bus, XenbusStateConnected);
    if (error) {
        close(front);
        return error;
    }
    start(front);
    return 0;
}

/* A guest that was restored: frames on their way are lost, as on any wire. The port is nobody's,
 * and its number may be another one's by now; the grants are void, and taken back. */
static void before_suspend(struct suspend_hook *hook)
{
    struct netfront *front = container_of(hook, struct netfront, suspend);

    front->saved = front->connected;
}

static void after_suspend(struct suspend_hook *hook, bool restored)
{
    struct netfront *front = container_of(hook, struct netfront, suspend);

    if (!front->saved) return;
    front->saved = false;
    if (!restored) {
        other_changed(&front->bus, front->bus.other_state);
        return;
    }
    front->connected = false;
    front->event = 0;
    xenbus_detach(&front->bus);
    unshare(front);
    if (open(front))
        printk("netfront %s: it cannot be opened again\n", front->node);
}

int netfront_open(struct netfront *front, unsigned int index)
{
    struct netport port = front->port;  /* the user may have set his part already */
    int error;

    memset(front, 0, sizeof *front);
    front->port.receive = port.receive;
    front->port.received = port.received;
    front->port.user = port.user;
    snprintf(front->node, sizeof front->node, "device/vif/%u", index);
    front->bus.other_changed = other_changed;
    front->bus.data = front;
    front->suspend = (struct suspend_hook){ .before = before_suspend,
                                              .after = after_suspend };
    describe(front);
    error = open(front);
    if (!error)
        suspend_hook(&front->suspend);
    return error;
}

void netfront_close(struct netfront *front)
{
    suspend_unhook(&front->suspend);
    close(front);
}
