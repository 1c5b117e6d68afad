/* SPDX-License-Identifier: MIT */
/*
 * dom0's own address on the bridge: ARP and ICMP echo, for those who ask rightly and for nobody
 * else.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dom0/network/bridge.h>
#include "dom0/network/segment.h"
#include "endpoint_host.h"

static void test_arp(void **state)
{
    uint8_t other[42];

    assert_int_equal(ask(who_has, sizeof who_has), 1);
    assert_int_equal(got_length[0], 42);
    assert_memory_equal(got[0], their_mac, 6);
    assert_memory_equal(got[0] + 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x02", 10);
    assert_memory_equal(got[0] + 22, endpoint.port.mac, 6);
    assert_int_equal(get32(got[0] + 28), US);
    assert_memory_equal(got[0] + 32, who_has + 22, 10);
    /* Another's address, an answer, other kinds of address, too short. */
    for (unsigned at = 14; at < 42; at++) {
        memcpy(other, who_has, sizeof other);
        other[at]++;
        assert_int_equal(ask(other, sizeof other), at >= 22 && at < 38);
    }
    for (size_t length = 0; length < sizeof who_has; length++)
        assert_int_equal(ask(who_has, length), 0);
}

static void test_echo_of_every_size(void **state)
{
    for (size_t bytes = 0; bytes <= 1476; bytes++) {        /* the largest frame, to the byte */
        size_t length = echo(bytes);

        assert_int_equal(ask(frame, length), 1);
        assert_int_equal(got_length[0], length);
        assert_memory_equal(got[0], their_mac, 6);
        assert_int_equal(get32(got[0] + 30), THEM);
        assert_int_equal(got[0][34], 0);
        assert_memory_equal(got[0] + 38, frame + 38, 4 + bytes);
    }
}

static void test_echo_with_padding_and_with_options(void **state)
{
    size_t length = echo(4);

    assert_int_equal(ask(frame, length + 18), 1);       /* Ethernet pads to 60 bytes */
    assert_int_equal(got_length[0], length);
    memmove(frame + 38, frame + 34, length - 34);
    memset(frame + 34, 1, 4);
    frame[14] = 0x46;
    set16(frame + 16, length - 14 + 4);
    again_checked();
    assert_int_equal(ask(frame, length + 4), 1);
    assert_int_equal(got_length[0], length);
}

/* Each change makes it something that nobody may answer. */
static void test_echo_that_is_none(void **state)
{
    const struct { size_t at; uint8_t value;
    } wrong[] = {
        { 0, 0xff },
        { 0, 0 }, /* another station's, or everybody's */
        { 13, 0xdd },
        { 14, 0x65 },
        { 14, 0x44 },
        { 14, 0x4f },
        { 16, 0xff },
        { 17, 19 },
        { 17, 255 },
        { 20, 0x20 },
        { 21, 1 }, /* fragments */
        { 23, 2 },
        { 23, 17 },
        { 26, 0xe0 },
        { 26, 0xff },
        { 26, 0 },
        { 33, 11 },
        /* other messages: their checksum is wrong now, too */
        { 34, 13 },
        { 35, 1 },
        { 42, 0xee },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t length = echo(56);

        frame[wrong[i].at] = wrong[i].value;
        if (wrong[i].at > 14 && wrong[i].at < 34)
            again_checked();
        assert_int_equal(ask(frame, length), 0);
    }

    size_t length = echo(56);

    set32(frame + 26, US);                              /* from ourselves */
    again_checked();
    assert_int_equal(ask(frame, length), 0);
    length = echo(56);
    frame[24] ^= 1;                                     /* the header's checksum */
    assert_int_equal(ask(frame, length), 0);
    set16(frame + 34, 0x800);                           /* half a header, with a right checksum */
    set16(frame + 36, ~0x800);
    assert_int_equal(ask(frame, packet(1, 4)), 0);
    /* more than a frame holds: no port takes it, so no reply */
    length = echo(1473 + 4);
    assert_int_equal(ask(frame, length), 0);
}

static void test_address_comes_and_goes(void **state)
{
    assert_int_equal(endpoint.port.mac[0] & 3, 2);
    assert_memory_not_equal(endpoint.port.mac, card_mac, 6);
    assert_true(endpoint_set_address(&endpoint, 0));
    assert_int_equal(ask(who_has, sizeof who_has), 0);
    assert_int_equal(ask(frame, echo(56)), 0);
    assert_false(endpoint_set_address(&endpoint, 0xe0000001u));
    assert_false(endpoint_set_address(&endpoint, 0xffffffffu));
    assert_int_equal(endpoint.address, 0);
}

static void test_replies_of_a_batch_are_bounded(void **state)
{
    size_t length = echo(1472);

    for (unsigned i = 0; i < 1000; i++)
        put(frame, length, 0);
    assert_false(segment_send(&endpoint, &(struct segment){ .port = 9 }));
    assert_int_equal(flush(), ENDPOINT_REPLIES);
    assert_int_equal(endpoint.port.frames_dropped, 1001 - ENDPOINT_REPLIES);
    assert_int_equal(ask(frame, length), 1);
}

/* --- at the bridge --- */

static struct station { struct netport port; unsigned sent, flushed; } station[2];

static bool station_send(struct netport *port, const void *data, size_t length, uint32_t flags)
{
    ((struct station *)port->context)->sent++;
    return true;
}

static void station_flush(struct netport *port)
{
    ((struct station *)port->context)->flushed++;
}

static uint64_t seconds(void)
{
    return 1;
}

static void test_at_the_bridge(void **state)
{
    static struct bridge bridge;

    bridge_init(&bridge, seconds);
    for (int i = 0; i < 2; i++) {
        station[i].port = (struct netport){ .send = station_send,
                                            .flush = station_flush,
                                            .context = &station[i] };
        assert_int_equal(bridge_attach(&bridge, &station[i].port), 0);
    }
    assert_int_equal(bridge_attach(&bridge, &endpoint.port), 0);
    for (int i = 0; i < 3; i++) {
        uint8_t asks[sizeof who_has];

        memcpy(asks, who_has, sizeof asks);
        station[0].port.receive(&station[0].port, asks, sizeof asks, 0);
    }
    assert_int_equal(station[0].sent, 0);               /* not before the batch is complete */
    station[0].port.received(&station[0].port);
    assert_int_equal(station[0].sent, 3);
    assert_int_equal(station[0].flushed, 1);
    assert_int_equal(station[1].sent, 3);               /* the questions, but not the answers */
    station[0].port.receive(&station[0].port, frame, echo(56), 0);
    station[0].port.received(&station[0].port);
    assert_int_equal(station[0].sent, 4);
    assert_int_equal(station[1].sent, 3);               /* where we are is known now */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_arp, set_up),
        cmocka_unit_test_setup(test_echo_of_every_size, set_up),
        cmocka_unit_test_setup(test_echo_with_padding_and_with_options, set_up),
        cmocka_unit_test_setup(test_echo_that_is_none, set_up),
        cmocka_unit_test_setup(test_address_comes_and_goes, set_up),
        cmocka_unit_test_setup(test_replies_of_a_batch_are_bounded, set_up),
        cmocka_unit_test_setup(test_at_the_bridge, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
