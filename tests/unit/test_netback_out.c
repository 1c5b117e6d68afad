/* SPDX-License-Identifier: MIT */
/*
 * The network back end towards its guest: what arrives in which of its buffers, frames that find
 * none, and connections that end between a frame and its flush.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "netback_host.h"

/* --- to the guest ----------------------------------------------------------------------------- */

static void assert_received(unsigned int number, unsigned int flags, int status)
{
    const netif_rx_response_t *response = &rx->ring[number & 255].rsp;

    assert_true((int32_t)(rx->rsp_prod - number) > 0);
    assert_int_equal(response->id, number + 1000);
    assert_int_equal(response->flags, flags);
    assert_int_equal(response->status, status);
    assert_int_equal(response->offset, 0);
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
    assert_int_equal(vif->bytes_sent, 60 + NET_FRAME_MAX + 100);
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
    assert_received(
        0, NETRXF_more_data | NETRXF_extra_info | NETRXF_csum_blank | NETRXF_data_validated, 4096);
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
    assert_int_equal(vif->bytes_sent, NET_LARGE_MAX);
    /* One piece that cannot be copied spoils the frame: all of its slots say so; its neighbours
     * are untouched. */
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
    assert_int_equal(vif->bytes_sent, NET_LARGE_MAX + 121);
    assert_int_equal(vif->frames_dropped, 1);
    assert_false(send(0, NET_LARGE_MAX + 1ul, NET_GSO_TCP4));
    offer(1);                           /* sixteen are there: one too few for its seventeen slots */
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

/* Gone between a frame and its flush, and back: nothing of the old connection reaches the new
 * one. */
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

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(frames_to_the_guest),
        TEST(large_frames_to_the_guest),
        TEST(many_frames_to_the_guest),
        TEST(disconnected_between_send_and_flush),
        TEST(flushed_after_disconnect),
        TEST(a_receive_ring_that_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
