/* SPDX-License-Identifier: MIT */
/*
 * The network back end, frame by frame, with copies that are made: chains at their limit and over
 * it, what each slot is answered, and connections that fail. test_netback_out.c has the other
 * direction.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "netback_host.h"

/* --- from the guest --------------------------------------------------------------------------- */

static void put_extra(netif_extra_info_t extra)
{
    memcpy(&tx->ring[tx->req_prod & 255], &extra, sizeof extra);
    tx->req_prod++;
}

static netif_extra_info_t gso(uint16_t size)
{
    return (netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_GSO,
                                 .u.gso = { .type = XEN_NETIF_GSO_TYPE_TCPV4, .size = size } };
}

/* A frame in pieces: the first slot has the size of all, its own bytes are what the others
 * leave. */
static void a_frame_of_pieces(void **state)
{
    connect();
    put((netif_tx_request_t){ .gref = DATA, .offset = 10, .size = 300, .id = 7,
                              .flags = NETTXF_more_data | NETTXF_csum_blank });
    put((netif_tx_request_t){ .gref = DATA + 1, .offset = 4000, .size = 96, .id = 9,
                              .flags = NETTXF_more_data });
    put((netif_tx_request_t){ .gref = DATA + 2, .offset = 0, .size = 4, .id = 8 });
    put((netif_tx_request_t){ .gref = DATA + 3, .offset = 4082, .size = 14, .id = 3,
                              .flags = NETTXF_data_validated });
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
    assert_int_equal(vif->bytes_received, 314);
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

/* As many slots as a frame may have, and one more: that is no frame but nonsense, and ends the
 * connection. */
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
    assert_false(netback_is_broken(back));
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
    assert_true(netback_is_broken(back));
    netback_service(back);
    assert_false(netback_is_broken(back));      /* That was seen to: no more to be done. */
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
            put_extra((netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
                                            .flags = XEN_NETIF_EXTRA_FLAG_MORE });
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
        put((netif_tx_request_t){ .gref = DATA + i, .offset = 7, .size = i < 16 ? 3900 : 1500,
                                  .id = (uint16_t)(50 + i),
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
    /* Four extras are taken; a wish that we did not offer is an error; a large frame without a
     * wish is none. */
    put((netif_tx_request_t){ .gref = DATA, .size = 60, .id = 80, .flags = NETTXF_extra_info });
    for (unsigned int j = 0; j < 4; j++)
        put_extra((netif_extra_info_t){ .type = XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
                                        .flags = j < 3 ? XEN_NETIF_EXTRA_FLAG_MORE : 0 });
    put((netif_tx_request_t){ .gref = DATA, .size = 60, .id = 81,
                              .flags = NETTXF_csum_blank | NETTXF_extra_info });
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

static void put_large(unsigned int id)
{
    put((netif_tx_request_t){ .gref = DATA, .size = 8000, .id = (uint16_t)id,
                              .flags = NETTXF_csum_blank | NETTXF_extra_info | NETTXF_more_data });
    put_extra(gso(256));
    put((netif_tx_request_t){ .gref = DATA + 1, .size = 4000, .id = (uint16_t)(id + 1) });
}

/* Its user needs more turns for one: the guest has its answers, and whatever other cards do, the
 * frame stays what it was; what comes behind it waits, and is paid for only then. */
static void a_frame_of_several_turns(void **state)
{
    connect();
    turns_wanted = 3;
    put_large(50);
    put((netif_tx_request_t){ .gref = DATA + 2, .size = 60, .id = 60 });
    assert_true(vif->serve(vif, 8));
    assert_int_equal(tx->rsp_prod, 3);
    assert_int_equal(pool_pages, 33);
    assert_ptr_equal(being_cut, back->kept);
    vif->paused = true;                 /* it has cost more than the card has */
    for (unsigned int i = 0; i < 3; i++) {
        assert_int_equal(got_count, 1);
        assert_true(vif->serve(vif, 8));
    }
    assert_int_equal(turns_wanted, 0);
    assert_int_equal(pool_pages, 32);
    assert_false(vif->serve(vif, 8));
    assert_int_equal(got_count, 1);
    vif->paused = false;
    assert_false(vif->serve(vif, 8));
    assert_int_equal(got_count, 2);
    assert_memory_equal(got[1], page[DATA + 2], 60);
    /* without memory to keep it, what was not cut at once is lost; the next is not */
    allocations_until_failure = 1;
    turns_wanted = 2;
    put_large(70);
    put((netif_tx_request_t){ .gref = DATA + 2, .size = 60, .id = 80 });
    assert_true(vif->serve(vif, 8));
    assert_int_equal(vif->frames_dropped, 1);
    assert_int_equal(pool_pages, 32);
    assert_false(vif->serve(vif, 8));
    assert_int_equal(got_count, 4);
    /* the guest goes, or its user does */
    for (unsigned int i = 0; i < 2; i++) {
        turns_wanted = 3;
        put_large(90);
        assert_true(vif->serve(vif, 8));
        assert_int_equal(pool_pages, 33);
        vif->unfinished = i == 0;
        if (i)
            assert_true(vif->serve(vif, 8));
        else
            front_node("state", "6");
        netback_changed(back);
        assert_int_equal(pool_pages, 32);
        assert_false(vif->unfinished);
        if (i == 0) {
            turns_wanted = 0;
            vif->serve(vif, 8);
            netback_destroy(back);
            set_up(state);
            connect();
        }
    }
    turns_wanted = 0;
}

/* More frames than a batch, round the ring. */
static void many_frames(void **state)
{
    unsigned int answered = 0;

    connect();
    for (unsigned int round = 0; round < 6; round++) {
        got_count = 0;
        for (unsigned int i = 0; i < 50; i++)
            put((netif_tx_request_t){ .gref = DATA + i, .size = (uint16_t)(60 + i),
                                      .id = (uint16_t)(answered + i) });
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

/* --- connections ------------------------------------------------------------------------------ */

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
    assert_true(port[2].masked);                /* and never of interest */
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
    assert_false(masked);
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
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/feature-split-event-channels"),
                        "1");
    assert_string_equal(value_of("/local/domain/0/backend/vif/7/0/multi-queue-max-queues"), "1");
}

static void connections_that_fail(void **state)
{
    static const struct { const char *key, *value; } wrong[] = {
        { "request-rx-copy", "" }, { "request-rx-copy", "0" }, { "multi-queue-num-queues", "2" },
        { "tx-ring-ref", "" }, { "rx-ring-ref", "" }, { "tx-ring-ref", "4294967296" },
        { "rx-ring-ref", "4294967296" },
        { "tx-ring-ref", "100" }, { "rx-ring-ref", "100" }, { "event-channel", "" },
        { "event-channel", "4294967296" },
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
        assert_false(masked);
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

/* The pool is all cards', and there as long as there is one. */
static void without_memory(void **state)
{
    struct netback *first, *second;

    forget_all();
    for (unsigned int i = 1; i <= 1 + 32; i++) {
        allocations_until_failure = i;
        assert_null(netback_create(&store, 7, 0, page[0]));
        assert_int_equal(allocations_until_failure, 0);
        assert_int_equal(pool_pages, 0);
    }
    first = netback_create(&store, 7, 0, page[0]);
    assert_int_equal(pool_pages, 32);
    allocations_until_failure = 1;
    assert_null(netback_create(&store, 7, 1, page[0]));
    second = netback_create(&store, 7, 1, page[0]);
    netback_destroy(first);
    assert_int_equal(pool_pages, 32);
    netback_destroy(second);
    assert_int_equal(pool_pages, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory),
        TEST(a_frame_of_pieces),
        TEST(bad_frames_among_good_ones),
        TEST(chains_at_their_limit),
        TEST(chains_that_do_not_end),
        TEST(a_large_frame),
        TEST(a_frame_of_several_turns),
        TEST(many_frames),
        TEST(split_events),
        TEST(frames_from_before_the_binding),
        TEST(what_the_front_end_takes),
        TEST(connections_that_fail),
        TEST(a_ring_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
