/* SPDX-License-Identifier: MIT */
/*
 * The network back end, frame by frame, with copies that are made: chains at their limit and over it, what each slot is answered,
 * what arrives in which of the guest's buffers, and connections that end between a frame and its flush.
 * sources: drivers/pv/netback.c drivers/pv/backend.c drivers/pv/check.c
 * cflags: -fno-builtin -include tests/unit/malloc_host.h -include tests/unit/drivers_host.h
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <drivers/netback.h>
#include <pvguest/bits.h>
#include <xen/io/netif.h>
#include "backends_host.h"
#include "drivers/pv/check.h"

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
static void *pool[64];
static unsigned int pool_pages;

void *alloc_pages(unsigned int order)
{
    if (allocation_fails())
        return NULL;
    assert_int_equal(order, 4);
    return pool[pool_pages++] = aligned_alloc(4096, 4096u << order);
}

/* --- who holds the port -------------------------------------------------------------------------------------------------- */

static uint8_t got[64][NET_LARGE_MAX];
static size_t got_length[64];
static uint32_t got_flags[64];
static unsigned int got_count, batches;

static void receive(struct netport *from, void *frame, size_t length, uint32_t flags)
{
    assert_true(got_count < 64);
    memcpy(got[got_count], frame, length);
    got_length[got_count] = length;
    got_flags[got_count++] = flags;
}

static void received(struct netport *from) { batches++; }

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

/* --- from the guest ------------------------------------------------------------------------------------------------------ */

static void put(netif_tx_request_t slot)
{
    tx->ring[tx->req_prod & 255].req = slot;
    tx->req_prod++;
}

static void put_extra(netif_extra_info_t extra)
{
    memcpy(&tx->ring[tx->req_prod & 255], &extra, sizeof extra);
    tx->req_prod++;
}

static netif_extra_info_t gso(uint16_t size)
{
    return (netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_GSO, .u.gso = { .type = XEN_NETIF_GSO_TYPE_TCPV4, .size = size } };
}

static void assert_answer(unsigned int number, unsigned int id, int status)
{
    const netif_tx_response_t *response = &tx->ring[number & 255].rsp;

    assert_true((int32_t)(tx->rsp_prod - number) > 0);
    assert_int_equal(response->status, status);
    assert_int_equal(response->id, id);
}

/* A frame in pieces: the first slot has the size of all, its own bytes are what the others leave. */
static void a_frame_of_pieces(void **state)
{
    connect();
    put((netif_tx_request_t){ .gref = DATA, .offset = 10, .size = 300, .id = 7, .flags = NETTXF_more_data | NETTXF_csum_blank });
    put((netif_tx_request_t){ .gref = DATA + 1, .offset = 4000, .size = 96, .id = 9, .flags = NETTXF_more_data });
    put((netif_tx_request_t){ .gref = DATA + 2, .offset = 0, .size = 4, .id = 8 });
    put((netif_tx_request_t){ .gref = DATA + 3, .offset = 4082, .size = 14, .id = 3, .flags = NETTXF_data_validated });
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_int_equal(batches, 1);
    assert_int_equal(got_length[0], 300);
    assert_memory_equal(got[0], page[DATA] + 10, 200);
    assert_memory_equal(got[0] + 200, page[DATA + 1] + 4000, 96);
    assert_memory_equal(got[0] + 296, page[DATA + 2], 4);
    assert_int_equal(got_flags[0], NET_CHECKSUM_BLANK);
    assert_int_equal(got_length[1], 14);
    assert_int_equal(got_flags[1], NET_CHECKSUM_GOOD);
    assert_memory_equal(got[1], page[DATA + 3] + 4082, 14);
    assert_int_equal(tx->rsp_prod, 4);
    assert_answer(0, 7, NETIF_RSP_OKAY);
    assert_answer(1, 9, NETIF_RSP_OKAY);
    assert_answer(2, 8, NETIF_RSP_OKAY);
    assert_answer(3, 3, NETIF_RSP_OKAY);
    assert_int_equal(port[1].sent, 1);
    assert_int_equal(tx->req_event, 5);
    assert_int_equal(vif->frames_received, 2);
    assert_int_equal(vif->frames_dropped, 0);
}

/* Frames that are wrong get their answers, in their place; those around them pass. */
static void bad_frames_among_good_ones(void **state)
{
    const netif_tx_request_t good = { .gref = DATA, .size = 60, .id = 1 };

    connect();
    put(good);
    put((netif_tx_request_t){ .gref = DATA, .size = 13, .id = 2 });
    put((netif_tx_request_t){ .gref = DATA, .size = NET_FRAME_MAX + 1, .id = 3 });
    bad_grant = DATA + 5;
    put((netif_tx_request_t){ .gref = DATA, .size = 100, .id = 4, .flags = NETTXF_more_data });
    put((netif_tx_request_t){ .gref = bad_grant, .size = 50, .id = 5 });
    put((netif_tx_request_t){ .gref = DATA, .size = NET_FRAME_MAX, .id = 6 });
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_int_equal(got_length[0], 60);
    assert_int_equal(got_length[1], NET_FRAME_MAX);
    assert_memory_equal(got[1], page[DATA], NET_FRAME_MAX);
    assert_answer(0, 1, NETIF_RSP_OKAY);
    assert_answer(1, 2, NETIF_RSP_ERROR);
    assert_answer(2, 3, NETIF_RSP_ERROR);
    assert_answer(3, 4, NETIF_RSP_ERROR);
    assert_answer(4, 5, NETIF_RSP_ERROR);
    assert_answer(5, 6, NETIF_RSP_OKAY);
    assert_int_equal(vif->frames_dropped, 3);
    refuse_copies = true;                       /* the hypercall as a whole */
    put(good);
    ring_bell(1);
    refuse_copies = false;
    assert_answer(6, 1, NETIF_RSP_ERROR);
    assert_int_equal(got_count, 2);
    vif->receive = NULL;                        /* nobody there */
    vif->received = NULL;
    put(good);
    ring_bell(1);
    assert_answer(7, 1, NETIF_RSP_OKAY);
    assert_int_equal(vif->frames_dropped, 5);
}

static void put_chain(unsigned int slots)
{
    put((netif_tx_request_t){ .gref = DATA, .size = (uint16_t)(14 + slots - 1), .id = 100,
                              .flags = slots > 1 ? NETTXF_more_data : 0 });
    for (unsigned int i = 1; i < slots; i++)
        put((netif_tx_request_t){ .gref = DATA + i, .size = 1, .id = (uint16_t)(100 + i),
                                  .flags = i + 1 < slots ? NETTXF_more_data : 0 });
}

/* As many slots as a frame may have, and one more: that is no frame but nonsense, and ends the connection. */
static void chains_at_their_limit(void **state)
{
    connect();
    put_chain(NET_SLOTS_MAX);
    put_chain(1);
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_int_equal(got_length[0], 14 + NET_SLOTS_MAX - 1);
    for (unsigned int i = 0; i < NET_SLOTS_MAX; i++)
        assert_answer(i, 100 + i, NETIF_RSP_OKAY);
    put_chain(NET_SLOTS_MAX + 1);
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_int_equal(tx->rsp_prod, NET_SLOTS_MAX + 1);
    assert_true(port[1].masked);
    put_chain(1);
    port[1].masked = false;
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_string_equal(states, "24");
    netback_service(back);
    assert_string_equal(states, "2456");
    assert_int_equal(rings_mapped + bound, 0);
    netback_service(back);
    assert_string_equal(states, "2456");
}

/* Each of these ends a connection: what the ring says goes on does not. */
static void chains_that_do_not_end(void **state)
{
    for (unsigned int i = 0; i < 5; i++) {
        tear_down(state);
        set_up(state);
        connect();
        switch (i) {
        case 0:
            put((netif_tx_request_t){ .gref = DATA, .size = 60, .flags = NETTXF_more_data });
            break;
        case 1:
            put((netif_tx_request_t){ .gref = DATA, .size = 60, .flags = NETTXF_extra_info });
            break;
        case 2:
            put((netif_tx_request_t){ .gref = DATA, .size = 60, .flags = NETTXF_extra_info });
            put_extra((netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD, .flags = XEN_NETIF_EXTRA_FLAG_MORE });
            break;
        case 3:
            put((netif_tx_request_t){ .gref = DATA, .size = 60, .flags = NETTXF_extra_info });
            for (unsigned int j = 0; j < 5; j++)
                put_extra((netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
                                                .flags = j < 4 ? XEN_NETIF_EXTRA_FLAG_MORE : 0 });
            break;
        default:
            tx->req_prod = 257;
        }
        ring_bell(1);
        assert_int_equal(got_count, 0);
        assert_true(port[1].masked);
        netback_service(back);
        assert_string_equal(states, "2456");
    }
}

/* The largest frame: its second slot is extra information, and is answered as such. */
static void a_large_frame(void **state)
{
    uint8_t *at = got[0];

    connect();
    put((netif_tx_request_t){ .gref = DATA, .offset = 61, .size = 65535, .id = 50,
                              .flags = NETTXF_csum_blank | NETTXF_extra_info | NETTXF_more_data });
    put_extra(gso(1448));
    for (unsigned int i = 1; i < NET_SLOTS_MAX; i++)
        put((netif_tx_request_t){ .gref = DATA + i, .offset = 7, .size = i < 16 ? 3900 : 1500, .id = (uint16_t)(50 + i),
                                  .flags = i + 1 < NET_SLOTS_MAX ? NETTXF_more_data : 0 });
    ring_bell(1);
    assert_int_equal(got_count, 1);
    assert_int_equal(got_length[0], 65535);
    assert_int_equal(got_flags[0], NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1448));
    assert_memory_equal(at, page[DATA] + 61, 65535 - 15 * 3900 - 2 * 1500);
    at += 65535 - 15 * 3900 - 2 * 1500;
    for (unsigned int i = 1; i < NET_SLOTS_MAX; at += i < 16 ? 3900 : 1500, i++)
        assert_memory_equal(at, page[DATA + i] + 7, i < 16 ? 3900 : 1500);
    assert_answer(0, 50, NETIF_RSP_OKAY);
    assert_answer(1, 0, NETIF_RSP_NULL);
    for (unsigned int i = 1; i < NET_SLOTS_MAX; i++)
        assert_answer(1 + i, 50 + i, NETIF_RSP_OKAY);
    assert_int_equal(tx->rsp_prod, NET_SLOTS_MAX + 1);
    /* Four extras are taken; a wish that we did not offer is an error; a large frame without a wish is none. */
    put((netif_tx_request_t){ .gref = DATA, .size = 60, .id = 80, .flags = NETTXF_extra_info });
    for (unsigned int j = 0; j < 4; j++)
        put_extra((netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD, .flags = j < 3 ? XEN_NETIF_EXTRA_FLAG_MORE : 0 });
    put((netif_tx_request_t){ .gref = DATA, .size = 60, .id = 81, .flags = NETTXF_csum_blank | NETTXF_extra_info });
    put_extra(gso(0));
    ring_bell(1);
    assert_int_equal(got_count, 2);
    assert_int_equal(got_flags[1], 0);
    assert_answer(NET_SLOTS_MAX + 1, 80, NETIF_RSP_OKAY);
    assert_answer(NET_SLOTS_MAX + 2, 0, NETIF_RSP_NULL);
    assert_answer(NET_SLOTS_MAX + 5, 0, NETIF_RSP_NULL);
    assert_answer(NET_SLOTS_MAX + 6, 81, NETIF_RSP_ERROR);
    assert_answer(NET_SLOTS_MAX + 7, 0, NETIF_RSP_NULL);
}

/* More frames than a batch, round the ring. */
static void many_frames(void **state)
{
    unsigned int answered = 0;

    connect();
    for (unsigned int round = 0; round < 6; round++) {
        got_count = 0;
        for (unsigned int i = 0; i < 50; i++)
            put((netif_tx_request_t){ .gref = DATA + i, .size = (uint16_t)(60 + i), .id = (uint16_t)(answered + i) });
        ring_bell(1);
        assert_int_equal(got_count, 50);
        for (unsigned int i = 0; i < 50; i++) {
            assert_int_equal(got_length[i], 60 + i);
            assert_memory_equal(got[i], page[DATA + i], 60 + i);
            assert_answer(answered + i, answered + i, NETIF_RSP_OKAY);
        }
        answered += 50;
        assert_int_equal(tx->rsp_prod, answered);
    }
    assert_int_equal(batches, 12);
}

/* --- to the guest -------------------------------------------------------------------------------------------------------- */

static _Alignas(4096) uint8_t outgoing[NET_LARGE_MAX + 1];

static void offer(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        rx->ring[rx->req_prod & 255].req = (netif_rx_request_t){ .id = (uint16_t)(rx->req_prod + 1000), .gref = DATA + rx->req_prod % 90 };
        rx->req_prod++;
    }
}

static void assert_received(unsigned int number, unsigned int flags, int status)
{
    const netif_rx_response_t *response = &rx->ring[number & 255].rsp;

    assert_true((int32_t)(rx->rsp_prod - number) > 0);
    assert_int_equal(response->id, number + 1000);
    assert_int_equal(response->flags, flags);
    assert_int_equal(response->status, status);
    assert_int_equal(response->offset, 0);
}

static bool send(size_t offset, size_t length, uint32_t flags)
{
    return vif->send(vif, outgoing + offset, length, flags);
}

static void flush(void)
{
    vif->flush(vif);
}

static void frames_to_the_guest(void **state)
{
    connect();
    for (unsigned int i = 0; i < sizeof outgoing; i++)
        outgoing[i] = (uint8_t)(i * 5 + i / 100);
    offer(5);
    assert_true(send(0, 60, NET_CHECKSUM_GOOD));
    assert_true(send(2000, NET_FRAME_MAX, NET_CHECKSUM_BLANK));
    assert_true(send(4096, 100, 0));
    assert_int_equal(copies, 0);                /* not before the flush */
    assert_int_equal(rx->rsp_prod, 0);
    flush();
    assert_int_equal(copies, 3);
    assert_received(0, NETRXF_data_validated, 60);
    assert_received(1, NETRXF_csum_blank | NETRXF_data_validated, NET_FRAME_MAX);
    assert_received(2, 0, 100);
    assert_memory_equal(page[DATA], outgoing, 60);
    assert_memory_equal(page[DATA + 1], outgoing + 2000, NET_FRAME_MAX);
    assert_memory_equal(page[DATA + 2], outgoing + 4096, 100);
    assert_int_equal(port[1].sent, 1);
    assert_int_equal(vif->frames_sent, 3);
    flush();
    assert_int_equal(rx->rsp_prod, 3);
    assert_false(send(0, NET_FRAME_MAX + 1, 0));
    assert_true(send(0, 60, 0));
    assert_true(send(0, 60, 0));
    assert_false(send(0, 60, 0));               /* no buffer is left */
    assert_int_equal(vif->frames_dropped, 2);
    bad_grant = DATA + 4;
    flush();
    assert_received(3, 0, 60);
    assert_received(4, 0, NETIF_RSP_ERROR);
    assert_int_equal(vif->frames_sent, 4);
    assert_int_equal(vif->frames_dropped, 3);
    offer(1);
    assert_true(send(0, 60, 0));
    refuse_copies = true;
    flush();
    assert_received(5, 0, NETIF_RSP_ERROR);
    assert_int_equal(vif->frames_sent, 4);
}

static void large_frames_to_the_guest(void **state)
{
    netif_extra_info_t extra;

    connect();
    offer(17);
    assert_true(send(0, NET_LARGE_MAX, NET_GSO_TCP4 | NET_CHECKSUM_BLANK | NET_GSO_SIZE(1448)));
    flush();
    assert_int_equal(copies, 16);
    assert_received(0, NETRXF_more_data | NETRXF_extra_info | NETRXF_csum_blank | NETRXF_data_validated, 4096);
    memcpy(&extra, &rx->ring[1], sizeof extra);
    assert_int_equal(extra.type, XEN_NETIF_EXTRA_TYPE_GSO);
    assert_int_equal(extra.flags, 0);
    assert_int_equal(extra.u.gso.size, 1448);
    assert_int_equal(extra.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV4);
    for (unsigned int i = 2; i < 16; i++) {
        assert_received(i, NETRXF_more_data, 4096);
        assert_memory_equal(page[DATA + i], outgoing + 4096 * (i - 1), 4096);
    }
    assert_received(16, 0, 4095);
    assert_memory_equal(page[DATA + 16], outgoing + 4096 * 15, 4095);
    assert_int_equal(vif->frames_sent, 1);
    /* One piece that cannot be copied spoils the frame: all of its slots say so; its neighbours are untouched. */
    offer(20);
    bad_grant = DATA + 17 + 3;
    assert_true(send(0, 60, 0));
    assert_true(send(0, 3 * 4096, NET_GSO_TCP4 | NET_GSO_SIZE(1448)));
    assert_true(send(0, 61, 0));
    flush();
    assert_received(17, 0, 60);
    assert_received(18, NETRXF_more_data | NETRXF_extra_info, NETIF_RSP_ERROR);
    assert_received(20, NETRXF_more_data, NETIF_RSP_ERROR);
    assert_received(21, 0, NETIF_RSP_ERROR);
    assert_received(22, 0, 61);
    assert_int_equal(vif->frames_sent, 3);
    assert_int_equal(vif->frames_dropped, 1);
    assert_false(send(0, NET_LARGE_MAX + 1ul, NET_GSO_TCP4));
    offer(1);                                   /* sixteen are there: one too few for its seventeen slots */
    assert_int_equal(rx->req_prod - 23, 15);
    assert_false(send(0, NET_LARGE_MAX, NET_GSO_TCP4 | NET_GSO_SIZE(1448)));
    flush();
    assert_int_equal(rx->rsp_prod, 23);
}

/* More than are noted between two flushes: flushed on the way. */
static void many_frames_to_the_guest(void **state)
{
    connect();
    offer(200);
    for (unsigned int i = 0; i < 64; i++)
        assert_true(send(i, 60, 0));
    assert_int_equal(rx->rsp_prod, 0);
    assert_true(send(64, 60, 0));
    assert_int_equal(rx->rsp_prod, 64);
    flush();
    assert_int_equal(rx->rsp_prod, 65);
    for (unsigned int i = 0; i < 65; i++)
        assert_memory_equal(page[DATA + i], outgoing + i, 60);
}

/* Gone between a frame and its flush, and back: nothing of the old connection reaches the new one. */
static void disconnected_between_send_and_flush(void **state)
{
    connect();
    offer(3);
    assert_true(send(0, 60, 0));
    front_node("state", "5");
    netback_changed(back);
    if (*state) {                               /* with, and without, a flush between the two */
        flush();
        assert_int_equal(copies, 0);
    }
    assert_false(send(0, 60, 0));
    vif->poll(vif);
    assert_int_equal(got_count, 0);
    front_node("state", "1");
    netback_changed(back);
    memset(page[RX], 0, 4096);
    memset(page[TX], 0, 4096);
    front_node("state", "4");
    connect();
    flush();
    assert_int_equal(copies + rx->rsp_prod, 0);
    offer(1);
    assert_true(send(0, 61, 0));
    flush();
    assert_received(0, 0, 61);
}

static void flushed_after_disconnect(void **state)
{
    static bool with_flush = true;
    void *flag = &with_flush;

    disconnected_between_send_and_flush(&flag);
}

static void a_receive_ring_that_lies(void **state)
{
    connect();
    rx->req_prod = 257;
    assert_false(send(0, 60, 0));
    rx->req_prod = 10;
    assert_false(send(0, 60, 0));
    put((netif_tx_request_t){ .gref = DATA, .size = 60 });
    vif->poll(vif);
    assert_int_equal(got_count, 0);
    netback_service(back);
    assert_string_equal(states, "2456");
    front_node("state", "1");                   /* and may begin anew */
    netback_changed(back);
    memset(page[RX], 0, 4096);
    memset(page[TX], 0, 4096);
    front_node("state", "4");
    connect();
    put((netif_tx_request_t){ .gref = DATA, .size = 60 });
    ring_bell(1);
    assert_int_equal(got_count, 1);
}

/* --- connections --------------------------------------------------------------------------------------------------------- */

static void split_events(void **state)
{
    front_node("event-channel-tx", "11");
    front_node("event-channel-rx", "12");
    connect();
    assert_int_equal(bound, 2);
    assert_int_equal(port[1].remote, 11);
    assert_int_equal(port[2].remote, 12);
    put((netif_tx_request_t){ .gref = DATA, .size = 60 });
    ring_bell(2);
    assert_int_equal(got_count, 0);             /* a buffer for us is no frame */
    ring_bell(1);
    assert_int_equal(got_count, 1);
    assert_int_equal(port[1].sent, 1);
    offer(1);
    send(0, 60, 0);
    flush();
    assert_int_equal(port[2].sent, 1);
    tx->req_prod = 1000;
    ring_bell(1);
    assert_true(port[1].masked && port[2].masked);
}

static void frames_from_before_the_binding(void **state)
{
    put((netif_tx_request_t){ .gref = DATA, .size = 60, .id = 4 });
    got_count = 0;
    netback_changed(back);
    assert_int_equal(got_count, 1);
    assert_answer(0, 4, NETIF_RSP_OKAY);
    assert_false(events_are_masked);
}

static void what_the_front_end_takes(void **state)
{
    static const struct { const char *sg, *gso, *no_blank; bool blank, large; } cases[] = {
        { "1", "1", "", true, true }, { "0", "1", "", true, false }, { "1", "0", "", true, false },
        { "1", "", "0", true, false }, { "1", "1", "1", false, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        tear_down(state);
        set_up(state);
        front_node("feature-sg", cases[i].sg);
        front_node("feature-gso-tcpv4", cases[i].gso);
        front_node("feature-no-csum-offload", cases[i].no_blank);
        connect();
        assert_int_equal(vif->takes_blank, cases[i].blank);
        assert_int_equal(vif->takes_large, cases[i].large);
    }
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-sg"), "1");
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-gso-tcpv4"), "1");
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-rx-copy"), "1");
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-rx-flip"), "0");
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-split-event-channels"), "1");
}

static void connections_that_fail(void **state)
{
    static const struct { const char *key, *value; } wrong[] = {
        { "request-rx-copy", "" }, { "request-rx-copy", "0" }, { "multi-queue-num-queues", "2" },
        { "tx-ring-ref", "" }, { "rx-ring-ref", "" }, { "tx-ring-ref", "4294967296" }, { "rx-ring-ref", "4294967296" },
        { "tx-ring-ref", "100" }, { "rx-ring-ref", "100" }, { "event-channel", "" }, { "event-channel", "4294967296" },
        { "event-channel-tx", "4294967296" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(wrong) + 4; i++) {
        tear_down(state);
        set_up(state);
        states[0] = 0;
        if (i < ARRAY_SIZE(wrong)) {
            front_node(wrong[i].key, wrong[i].value);
        } else if (i == ARRAY_SIZE(wrong)) {
            refuse_binding = 1;
        } else {
            front_node("event-channel-tx", "11");
            front_node("event-channel-rx", i == ARRAY_SIZE(wrong) + 3 ? "" : "12");
            refuse_binding = i - ARRAY_SIZE(wrong);
        }
        netback_changed(back);
        assert_string_equal(states, "56");
        assert_int_equal(rings_mapped + bound, 0);
        assert_false(events_are_masked);
        ring_bell(1);
        assert_int_equal(copies, 0);
    }
    for (unsigned int i = 1; i <= 5; i++) {     /* each of the nodes may fail */
        netback_destroy(back);
        forget_all();
        refuse_write = i;
        back = netback_create(&store, 7, 0, page[0]);
        assert_string_equal(states, "56");
    }
}

/* One or the other is enough to say it. */
static void a_ring_that_stays(void **state)
{
    for (refused_ring = 0; refused_ring <= RX; refused_ring++) {
        connect();
        refuse_unmap = true;
        front_node("state", "6");
        netback_changed(back);
        refuse_unmap = false;
        assert_int_equal(said, refused_ring + 1);
        front_node("state", "1");
        netback_changed(back);
        front_node("state", "4");
    }
    refused_ring = 0;
    connect();
    front_node("state", "6");
    netback_changed(back);
    assert_int_equal(said, 3);
}

/* First of all tests: the pool is allocated once. */
static void without_memory(void **state)
{
    forget_all();
    for (unsigned int i = 0; i < 32; i++) {
        allocations_until_failure = 1;
        assert_null(netback_create(&store, 7, 0, page[0]));
        allocations_until_failure = 2;
        assert_null(netback_create(&store, 7, 0, page[0]));
        assert_int_equal(pool_pages, i + 1);
    }
    allocations_until_failure = 0;
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory),
        TEST(a_frame_of_pieces), TEST(bad_frames_among_good_ones), TEST(chains_at_their_limit), TEST(chains_that_do_not_end),
        TEST(a_large_frame), TEST(many_frames), TEST(frames_to_the_guest), TEST(large_frames_to_the_guest),
        TEST(many_frames_to_the_guest), TEST(disconnected_between_send_and_flush),
        TEST(flushed_after_disconnect), TEST(a_receive_ring_that_lies),
        TEST(split_events), TEST(frames_from_before_the_binding), TEST(what_the_front_end_takes), TEST(connections_that_fail),
        TEST(a_ring_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
