/* SPDX-License-Identifier: MIT */
/*
 * The network back end: see drivers/netback.h; its connection and its life. Frames: netback_in.c,
 * netback_out.c.
 *
 * Large TCP frames (segmentation offload) pass through uncut from guest to guest; who cannot take
 * them is the bridge's business. In a ring such a frame's second slot holds no data but the size of
 * the pieces ("extra info"). The guest's pages are never mapped, so there is nothing to leak or
 * unmap: only the two rings are.
 *
 * As in blkback the guest's event only wakes, and the caller says how much is served at once; a
 * ring that lies sets `broken`, netback_service disconnects.
 */
#include "netback.h"
#include <pvguest/bits.h>
#include <pvguest/console.h>
#include <pvguest/events.h>
#include <pvguest/mm.h>
#include <pvguest/refuse.h>
#include <pvguest/string.h>

/* --- waking --- */

void netback_end_service(struct netback *back)
{
    back->broken = true;
    event_mask(back->tx_event);
    event_mask(back->rx_event);
}

static void poll(struct netport *port)
{
    while (netback_serve(port, NETBACK_BATCH))
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
    event_hold(number);
    wake(data);
}

/* New receive buffers wake nobody: frames do not wait here for them. */
static void rx_event(evtchn_port_t number, void *data)
{
    event_mask(number);
}

/* --- connection --- */

static int publish(struct backend *backend)
{
    const struct { const char *key; uint64_t value; } feature[] = {
        { "feature-sg", 1 }, { "feature-gso-tcpv4", 1 },
        { "feature-rx-copy", 1 }, { "feature-rx-flip", 0 }, { "feature-split-event-channels", 1 },
        { "multi-queue-max-queues", 1 },
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
    netback_let_go(back);
    return true;
}

static const struct backend_driver driver = { .publish = publish,
                                              .connect = connect,
                                              .disconnect = disconnect };

/* --- life --- */

struct netback *netback_create(const struct backend_store *store, domid_t domain,
                               unsigned int index, const uint8_t mac[6])
{
    struct netback *back = calloc(1, sizeof *back);

    if (!back || !netback_join_pool()) {
        free(back);
        return NULL;
    }
    snprintf(back->name, sizeof back->name, "vif%u.%u", domain, index);
    back->port = (struct netport){ .name = back->name,
                                   .send = netback_send,
                                   .flush = netback_flush,
                                   .poll = poll,
                                   .serve = netback_serve,
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
    return sizeof(struct netback) + NETBACK_KEPT;
}

void netback_destroy(struct netback *back)
{
    backend_stop(&back->backend);
    netback_leave_pool();
    free(back);
}
