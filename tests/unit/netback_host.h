/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the network back end share, beside backends_host.h: one vif, its rings as the
 * guest sees them, and whoever holds its port.
 */
#ifndef TESTS_UNIT_NETBACK_HOST_H
#define TESTS_UNIT_NETBACK_HOST_H

#include <drivers/netback.h>
#include <pvguest/bits.h>
#include <xen/io/netif.h>
#include "backends_host.h"
#include "drivers/pv/check.h"
#include "drivers/pv/netback.h"

#define TX 1u                           /* references: of the rings, of data */
#define RX 2u
#define DATA 8u

static const char front[] = "/local/domain/7/device/vif/0/";

static void front_node(const char *key, const char *value)
{
    char path[96];

    snprintf(path, sizeof path, "%s%s", front, key);
    set_node(path, value);
}

unsigned allocations_until_failure;
static unsigned int pool_pages;

void *alloc_pages(unsigned int order)
{
    if (allocation_fails()) return NULL;
    assert_int_equal(order, 4);
    pool_pages++;
    return aligned_alloc(4096, 4096u << order);
}

void free_pages(void *va, unsigned int order)
{
    assert_int_equal(order, 4);
    pool_pages--;
    free(va);
}

/* --- who holds the port ----------------------------------------------------------------------- */

static uint8_t got[64][NET_LARGE_MAX];
static size_t got_length[64];
static uint32_t got_flags[64];
static unsigned int got_count, batches;

static unsigned int turns_wanted;       /* for a large frame, beside the first; */
static const uint8_t *being_cut;        /* this one */

static inline void go_on(struct netport *from)
{
    assert_true(from->unfinished && turns_wanted);
    assert_memory_equal(being_cut, got[got_count - 1], got_length[got_count - 1]);
    from->unfinished = --turns_wanted;
}

static void receive(struct netport *from, void *frame, size_t length, uint32_t flags)
{
    assert_false(from->unfinished);
    being_cut = frame;
    from->unfinished = flags & NET_GSO_TCP4 && turns_wanted;
    assert_true(got_count < 64);
    memcpy(got[got_count], frame, length);
    got_length[got_count] = length;
    got_flags[got_count++] = flags;
}

static void received(struct netport *from)
{
    batches++;
}

static struct netback *back;
static struct netport *vif;
static netif_tx_sring_t *tx;
static netif_rx_sring_t *rx;

static void open_back(void)
{
    static const uint8_t mac[6] = { 0, 0x16, 0x3e, 1, 2, 3 };

    back = netback_create(&store, 7, 0, mac);
    vif = netback_port(back);
    assert_memory_equal(vif->mac, mac, 6);
    assert_string_equal(vif->name, "vif7.0");
    vif->receive = receive;
    vif->received = received;
    vif->go_on = go_on;
    tx = (netif_tx_sring_t *)(void *)page[TX];
    rx = (netif_rx_sring_t *)(void *)page[RX];
    tx->req_event = tx->rsp_event = rx->req_event = rx->rsp_event = 1;
    front_node("tx-ring-ref", "1");
    front_node("rx-ring-ref", "2");
    front_node("event-channel", "5");
    front_node("request-rx-copy", "1");
    front_node("feature-sg", "1");
    front_node("feature-gso-tcpv4", "1");
    front_node("state", "4");
}

static void connect(void)
{
    netback_changed(back);
    assert_int_equal(states[strlen(states) - 1], '4');
    assert_int_equal(rings_mapped, 2);
    got_count = batches = copies = 0;
}

static int set_up(void **state)
{
    forget_all();
    for (unsigned int i = DATA; i < GRANTS; i++)
        for (unsigned int j = 0; j < 4096; j++)
            page[i][j] = (uint8_t)(i * 31 + j * 7 + j / 256);
    open_back();
    return 0;
}

static int tear_down(void **state)
{
    if (back)
        netback_destroy(back);
    back = NULL;
    assert_int_equal(mapped + rings_mapped + bound, 0);
    return 0;
}

/* --- the guest's side ------------------------------------------------------------------------- */

static void put(netif_tx_request_t slot)
{
    tx->ring[tx->req_prod & 255].req = slot;
    tx->req_prod++;
}

static inline void assert_answer(unsigned int number, unsigned int id, int status)
{
    const netif_tx_response_t *response = &tx->ring[number & 255].rsp;

    assert_true((int32_t)(tx->rsp_prod - number) > 0);
    assert_int_equal(response->status, status);
    assert_int_equal(response->id, id);
}

static _Alignas(4096) uint8_t outgoing[NET_LARGE_MAX + 1];

static inline void offer(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        rx->ring[rx->req_prod & 255].req =
            (netif_rx_request_t){ .id = (uint16_t)(rx->req_prod + 1000),
                                  .gref = DATA + rx->req_prod % 90 };
        rx->req_prod++;
    }
}

static inline bool send(size_t offset, size_t length, uint32_t flags)
{
    return vif->send(vif, outgoing + offset, length, flags);
}

static inline void flush(void)
{
    vif->flush(vif);
}

#endif
