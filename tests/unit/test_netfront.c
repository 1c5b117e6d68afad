/* SPDX-License-Identifier: MIT */
/*
 * The network front end against a back end that is honest, slow, or lies: which answers give a
 * buffer back, which frames are handed up, and that every page is taken back.
 */
#include <stddef.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <drivers/netfront.h>
#include <pvguest/bits.h>
#include "frontends_host.h"

#define BACK "/local/domain/3/backend/vif/1/0"

static struct netfront card;
static netif_tx_sring_t *tx;
static netif_rx_sring_t *rx;

static uint8_t got[100][4096];
static size_t got_length[100];
static uint32_t got_flags;
static unsigned int got_count, batches;

static void receive(struct netport *port, void *frame, size_t length, uint32_t flags)
{
    assert_ptr_equal(port, &card.port);
    assert_true(got_count < 100 && length <= 4096);
    memcpy(got[got_count], frame, length);
    got_length[got_count++] = length;
    got_flags = flags;
}

static void received(struct netport *port)
{
    batches++;
}

static int set_up(void **state)
{
    forget_all("device/vif/0", BACK);
    set_node("device/vif/0/backend", BACK);
    set_node("device/vif/0/backend-id", "3");
    set_node("device/vif/0/mac", "00:16:3e:a1:0B:03");
    card.port.receive = receive;
    card.port.received = received;
    card.port.user = &got;
    got_count = batches = 0;
    return 0;
}

static void open_card(void)
{
    assert_int_equal(netfront_open(&card, 0), 0);
    tx = (netif_tx_sring_t *)(void *)card.tx_page;
    rx = (netif_rx_sring_t *)(void *)card.rx_page;
    assert_int_equal(granted, 2 + NETFRONT_TX + NETFRONT_RX);
    sent = 0;
}

static void close_card(void)
{
    netfront_close(&card);
    assert_int_equal(granted, 0);
    assert_null(handler);
}

static grant_ref_t number(const char *key)
{
    char path[64];

    snprintf(path, sizeof path, "device/vif/0/%s", key);
    return (grant_ref_t)atoi(value_of(path));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void opening_and_closing(void **state)
{
    open_card();
    assert_string_equal(states, "14");
    assert_int_equal(sleeps, 0);                /* the back end's state is watched, not polled */
    assert_ptr_equal(granted_page(number("tx-ring-ref")), card.tx_page);
    assert_ptr_equal(granted_page(number("rx-ring-ref")), card.rx_page);
    assert_int_equal(number("event-channel"), 9);
    assert_int_equal(number("request-rx-copy"), 1);
    assert_int_equal(number("feature-rx-notify"), 1);
    assert_int_equal(number("feature-no-csum-offload"), 1);
    assert_memory_equal(card.port.mac, "\x00\x16\x3e\xa1\x0b\x03", 6);
    assert_ptr_equal(card.port.user, &got);
    assert_ptr_equal(card.port.name, card.node);
    assert_true(card.port.takes_blank && card.port.copies_at_once && !card.port.takes_large);
    assert_int_equal(rx->req_prod, NETFRONT_RX);
    for (unsigned int i = 0; i < NETFRONT_RX; i++) {
        assert_ptr_equal(granted_page(rx->ring[i].req.gref), card.rx_buffer[rx->ring[i].req.id]);
        assert_false(grant[rx->ring[i].req.gref].readonly);
    }
    assert_false(grant[number("tx-ring-ref")].readonly || grant[number("rx-ring-ref")].readonly);
    close_card();
    assert_string_equal(states, "1456");
    assert_string_equal(value_of(BACK "/state"), "6");
}

static void cards_that_do_not_open(void **state)
{
    static const char *const refused[] = { "tx-ring-ref",       "rx-ring-ref",
                                           "event-channel",     "request-rx-copy",
                                           "feature-rx-notify", "feature-no-csum-offload" };

    for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
        set_up(state);
        refused_node = refused[i];
        assert_int_equal(netfront_open(&card, 0), -28);
        assert_int_equal(granted, 0);
        assert_null(handler);
        assert_false(card.connected);
    }
    for (unsigned int left = 0; left < 2 + NETFRONT_TX + NETFRONT_RX; left++) {
        set_up(state);
        grants_left = left;
        assert_int_equal(netfront_open(&card, 0), -28);
        assert_int_equal(granted, 0);
        /* It has no rings, perhaps. */
        assert_false(card.port.send(&card.port, got[0], 60, 0));
        assert_int_equal(card.port.frames_dropped, 1);
    }
    for (unsigned int one = 1; one <= 2 + NETFRONT_TX + NETFRONT_RX; one++) {
        set_up(state);
        refused_grant = one;
        assert_int_equal(netfront_open(&card, 0), -28);
        assert_int_equal(granted, 0);
    }
    set_up(state);
    refuse_port = true;
    assert_int_equal(netfront_open(&card, 0), -28);
    assert_int_equal(granted, 0);
    for (unsigned int i = 0; i < 2; i++) {
        set_up(state);
        stuck_before = i ? '4' : '2';
        assert_int_equal(netfront_open(&card, 0), -ETIMEDOUT);
        assert_int_equal(granted, 0);
        assert_null(handler);
    }
    set_up(state);
    nodes--;                                    /* no address */
    assert_int_equal(netfront_open(&card, 0), -ENOENT);
    assert_int_equal(netfront_open(&card, 1), -ENOENT);
}

static void fill(unsigned int id, unsigned int offset, int status, unsigned int flags)
{
    if (id < NETFRONT_RX)
        for (unsigned int i = 0; i < 4096; i++)
            card.rx_buffer[id][i] = (uint8_t)(i + id);
    rx->ring[rx->rsp_prod & 255].rsp = (netif_rx_response_t){ .id = (uint16_t)id,
                                                              .offset = (uint16_t)offset,
                                                              .status = (int16_t)status,
                                                              .flags = (uint16_t)flags };
    rx->rsp_prod++;
}

/* It closes, or vanishes, instead of connecting, or later. */
static void back_ends_that_go_away(void **state)
{
    static const char ways[] = { '5', '6', 0 };

    for (unsigned int i = 0; i < 3; i++) {
        set_up(state);
        back_end = refuses;
        instead = ways[i];
        assert_int_equal(netfront_open(&card, 0), -ECONNREFUSED);
        assert_int_equal(granted, 0);
        assert_null(handler);
        assert_null(watch);
    }
    for (unsigned int i = 0; i < 3; i++) {
        set_up(state);
        open_card();
        back_end_is(ways[i]);
        assert_int_equal(card.connected, ways[i] == '5');
        assert_int_equal(said, ways[i] != '5');
        assert_int_equal(card.port.send(&card.port, got[0], 60, 0), ways[i] == '5');
        back_end = dutiful;
        close_card();
    }
}

/* A frame that comes before we know that the back end has connected, and its event with it. */
static void is_early(void)
{
    char path[] = BACK "/state";

    dutiful();
    if (value_of(path) && value_of(path)[0] == '4') {
        rx = (netif_rx_sring_t *)(void *)card.rx_page;
        fill(0, 0, 60, 0);
        ring_bell();
        back_end = dutiful;
    }
}

static void an_early_frame(void **state)
{
    back_end = is_early;
    open_card();
    assert_int_equal(got_count, 1);
    close_card();
}

static bool send(size_t length, uint32_t flags)
{
    static uint8_t frame[NET_FRAME_MAX + 1];

    for (unsigned int i = 0; i < length; i++)
        frame[i] = (uint8_t)(i * 3 + length);
    return card.port.send(&card.port, frame, length, flags);
}

static void frames_out(void **state)
{
    open_card();
    assert_false(send(NET_FRAME_MIN - 1, 0));
    assert_false(send(NET_FRAME_MAX + 1, 0));
    assert_int_equal(card.port.frames_dropped, 2);
    assert_true(send(NET_FRAME_MIN, NET_CHECKSUM_GOOD));
    assert_true(send(NET_FRAME_MAX, NET_CHECKSUM_BLANK));
    assert_int_equal(tx->req_prod, 0);          /* all at the flush */
    card.port.flush(&card.port);
    assert_int_equal(tx->req_prod, 2);
    assert_int_equal(sent, 1);
    for (unsigned int i = 0; i < 2; i++) {
        const netif_tx_request_t *seen = &tx->ring[i].req;
        const uint8_t *bytes = granted_page(seen->gref);

        assert_true(grant[seen->gref].readonly);
        assert_ptr_equal(bytes, card.tx_buffer[seen->id]);
        assert_int_equal(seen->offset, 0);
        assert_int_equal(seen->size, i ? NET_FRAME_MAX : NET_FRAME_MIN);
        assert_int_equal(seen->flags, i ? NETTXF_csum_blank | NETTXF_data_validated : 0);
        for (unsigned int j = 0; j < seen->size; j++)
            assert_int_equal(bytes[j], (uint8_t)(j * 3 + seen->size));
    }
    assert_int_equal(card.port.frames_sent, 2);
    assert_int_equal(tx->rsp_event, UINT32_MAX / 2);
    close_card();
    assert_false(send(60, 0));
    card.port.flush(&card.port);
    assert_int_equal(sent, 1);
}

static void answer_tx(unsigned int id)
{
    tx->ring[tx->rsp_prod & 255].rsp = (netif_tx_response_t){ .id = (uint16_t)id };
    tx->rsp_prod++;
}

/* A buffer is free again when it was in use, is ours, and once: whoever answers otherwise gives
 * nothing back. */
static void buffers_come_back_once(void **state)
{
    unsigned int order[NETFRONT_TX];

    open_card();
    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < NETFRONT_TX; i++)
            assert_true(send(60, 0));
        card.port.flush(&card.port);
        assert_false(send(60, 0));
        for (unsigned int i = 0; i < NETFRONT_TX; i++)
            order[i] = tx->ring[(tx->req_prod - NETFRONT_TX + i) & 255].req.id;
        for (unsigned int i = 0; i < NETFRONT_TX; i++)
            answer_tx(order[i]);
    }
    assert_true(send(60, 0));                   /* takes all back */
    card.port.flush(&card.port);
    assert_int_equal(card.tx_free_count, NETFRONT_TX - 1);
    for (unsigned int i = 1; i < NETFRONT_TX; i++)
        assert_true(send(60, 0));
    card.port.flush(&card.port);
    answer_tx(NETFRONT_TX);
    answer_tx(0xffff);
    answer_tx(3);
    answer_tx(3);
    answer_tx(3);
    assert_true(send(60, 0));
    assert_false(send(60, 0));
    card.port.flush(&card.port);
    assert_int_equal(tx->ring[(tx->req_prod - 1) & 255].req.id, 3);
    assert_true(card.connected);
    assert_int_equal(said, 0);
    close_card();
}

static void a_transmit_ring_that_lies(void **state)
{
    open_card();
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        assert_true(send(60, 0));
    card.port.flush(&card.port);
    tx->rsp_prod = NETFRONT_TX + 1;
    assert_false(send(60, 0));
    assert_false(card.connected);
    assert_int_equal(said, 1);
    tx->rsp_prod = 1;
    assert_false(send(60, 0));
    ring_bell();
    assert_int_equal(batches, 0);
    close_card();
}

/* --- receive ---------------------------------------------------------------------------------- */

static void frames_in(void **state)
{
    open_card();
    ring_bell();
    assert_int_equal(batches, 0);               /* nothing has come */
    fill(3, 0, 60, 0);
    card.port.poll(&card.port);                 /* without waiting for the event */
    assert_int_equal(got_count, 1);
    assert_int_equal(got_flags, 0);
    close_card();
    set_up(state);
    open_card();
    assert_true(rx->rsp_event == 1 && rx->req_event == 1 && tx->req_event == 1);
    fill(0, 0, 60, 0);
    fill(1, 2, 1500, NETRXF_data_validated);
    ring_bell();
    assert_int_equal(got_count, 2);
    assert_int_equal(got_flags, NET_CHECKSUM_GOOD);
    assert_int_equal(batches, 1);
    assert_int_equal(got_length[0], 60);
    assert_int_equal(got_length[1], 1500);
    assert_memory_equal(got[0], card.rx_buffer[0], 60);
    assert_memory_equal(got[1], card.rx_buffer[1] + 2, 1500);
    assert_int_equal(rx->req_prod, NETFRONT_RX + 2);    /* offered again */
    assert_int_equal(rx->ring[NETFRONT_RX].req.id, 0);
    assert_ptr_equal(granted_page(rx->ring[NETFRONT_RX + 1].req.gref), card.rx_buffer[1]);
    assert_int_equal(sent, 0);                          /* the back end did not ask to be told */
    rx->req_event = NETFRONT_RX + 3;
    fill(2, 0, NET_FRAME_MIN, NETRXF_csum_blank | NETRXF_data_validated);
    ring_bell();
    assert_int_equal(got_flags, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    assert_int_equal(sent, 1);
    assert_int_equal(card.port.frames_received, 3);
    assert_int_equal(rx->rsp_event, 4);                 /* the next one rings */
    close_card();
}

/* What would leave the buffer, or is no frame, is dropped; the buffer is offered again. */
static void frames_that_are_none(void **state)
{
    static const struct {
        unsigned int offset;
        int status;
        unsigned int flags;
        bool good;
    } cases[] = {
        { 0, 13, 0, false },
        { 0, 14, 0, true },
        { 0, -1, 0, false },
        { 0, 0, 0, false },
        { 0, -32768, 0, false },
        { 0, 4096, 0, true },
        { 1, 4096, 0, false },
        { 4082, 14, 0, true },
        { 4083, 14, 0, false },
        { 65535, 14, 0, false },
        { 65535, 32767, 0, false },
        { 0, 60, NETRXF_more_data, false },
        { 0, 60, NETRXF_extra_info, false },
    };
    unsigned int good = 0;

    open_card();
    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        fill(i, cases[i].offset, cases[i].status, cases[i].flags);
        ring_bell();
        good += cases[i].good;
        assert_int_equal(got_count, good);
        assert_int_equal(rx->req_prod, NETFRONT_RX + i + 1);
    }
    assert_int_equal(card.port.frames_dropped, ARRAY_SIZE(cases) - good);
    card.port.receive = NULL;
    card.port.received = NULL;
    fill(20, 0, 60, 0);
    ring_bell();
    assert_int_equal(got_count, good);
    assert_true(card.connected);
    close_card();
}

static void buffers_that_are_none(void **state)
{
    static const unsigned int ids[] = { NETFRONT_RX, 255, 0xffff };

    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        set_up(state);
        open_card();
        fill(ids[i], 0, 60, 0);
        ring_bell();
        assert_int_equal(got_count, 0);
        assert_false(card.connected);
        assert_int_equal(said, 1);
        fill(1, 0, 60, 0);
        ring_bell();
        assert_int_equal(got_count, 0);
        assert_int_equal(said, 1);
        close_card();
    }
    set_up(state);
    open_card();
    assert_true(send(60, 0));
    rx->rsp_prod = NETFRONT_RX + 1;             /* more than there are */
    ring_bell();
    assert_int_equal(got_count, 0);
    assert_false(card.connected);
    card.port.flush(&card.port);
    assert_int_equal(tx->req_prod, 0);          /* nobody is spoken to any more */
    close_card();
    /* One buffer twice is one buffer offered twice: no more are out than there were. */
    set_up(state);
    open_card();
    fill(5, 0, 60, 0);
    fill(5, 0, 60, 0);
    ring_bell();
    assert_int_equal(got_count, 2);
    assert_int_equal(rx->req_prod - rx->rsp_prod, NETFRONT_RX);
    for (unsigned int i = 0; i < 300; i++) {
        fill(i % NETFRONT_RX, 0, 60, 0);
        got_count = 0;
        ring_bell();
        assert_int_equal(got_count, 1);
    }
    close_card();
}

static void a_frame_goes(void)
{
    uint32_t before = tx->req_prod;

    assert_true(send(60, 0));
    card.port.flush(&card.port);
    assert_int_equal(tx->req_prod, before + 1);
}

/* It goes on with the same rings; or in another life with new ones, and what was on its way is
 * lost. */
static void saved_and_restored(void **state)
{
    open_card();
    hooked->before(hooked);
    set_node(BACK "/state", "4");
    hooked->after(hooked, false);
    assert_string_equal(states, "14");
    a_frame_goes();
    hooked->before(hooked);
    handler = NULL;                             /* the port is nobody's */
    set_node(BACK "/state", "2");
    states[0] = '\0';
    hooked->after(hooked, true);
    assert_string_equal(states, "14");
    assert_non_null(handler);
    assert_int_equal(granted, 2 + NETFRONT_TX + NETFRONT_RX);
    tx = (netif_tx_sring_t *)(void *)card.tx_page;
    assert_int_equal(tx->req_prod, 0);
    for (unsigned int i = 0; i < NETFRONT_TX; i++)
        assert_true(send(60, 0));               /* all buffers are free */
    assert_false(send(60, 0));
    card.port.flush(&card.port);
    answer_tx(3);
    answer_tx(3);
    assert_true(send(60, 0));                   /* and each comes back once */
    assert_false(send(60, 0));
    card.port.flush(&card.port);
    hooked->before(hooked);                     /* there is no card in that other life */
    handler = NULL;
    remove_node("device/vif/0/mac");
    hooked->after(hooked, true);
    assert_int_equal(granted, 0);
    assert_false(send(60, 0));
    hooked->before(hooked);                     /* nor was it open */
    hooked->after(hooked, false);
    hooked->before(hooked);
    hooked->after(hooked, true);
    assert_false(send(60, 0));
    netfront_close(&card);
    assert_null(hooked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(opening_and_closing, set_up),
        cmocka_unit_test_setup(cards_that_do_not_open, set_up),
        cmocka_unit_test_setup(back_ends_that_go_away, set_up),
        cmocka_unit_test_setup(an_early_frame, set_up),
        cmocka_unit_test_setup(frames_out, set_up),
        cmocka_unit_test_setup(buffers_come_back_once, set_up),
        cmocka_unit_test_setup(a_transmit_ring_that_lies, set_up),
        cmocka_unit_test_setup(frames_in, set_up),
        cmocka_unit_test_setup(frames_that_are_none, set_up),
        cmocka_unit_test_setup(buffers_that_are_none, set_up),
        cmocka_unit_test_setup(saved_and_restored, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
