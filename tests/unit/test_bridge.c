/* SPDX-License-Identifier: MIT */
/*
 * The learning bridge: learns, floods, ages, is bounded, survives lying guests; and the completion of checksums.
 * sources: dom0/network/bridge.c dom0/network/guard.c dom0/bucket.c drivers/checksum.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include <dom0/network/bridge.h>

static uint64_t clock_now;
static uint64_t now(void) { return clock_now; }

/* A port that counts what it is given. */
struct fake { struct netport port; unsigned int sent, flushed; size_t bytes; uint32_t flags; };

static uint8_t last_frame[NET_FRAME_MAX];

static bool fake_send(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    struct fake *fake = port->context;

    fake->sent++;
    fake->bytes += length;
    fake->flags = flags;
    if (length <= sizeof last_frame)
        memcpy(last_frame, frame, length);
    return true;
}

static void fake_flush(struct netport *port)
{
    ((struct fake *)port->context)->flushed++;
}

static void fake_init(struct fake *fake)
{
    *fake = (struct fake){ .port = { .name = "fake", .send = fake_send, .flush = fake_flush, .context = fake } };
}

static uint8_t *frame_of(uint8_t to, uint8_t from)
{
    static uint8_t frame[60];

    memset(frame, 0, sizeof frame);
    memset(frame, to, 6);
    memset(frame + 6, from, 6);
    return frame;
}

static struct bridge bridge;
static struct fake fake[4];

static int set_up(void **state)
{
    clock_now = 1000;
    bridge_init(&bridge, now);
    for (int i = 0; i < 4; i++) {
        fake_init(&fake[i]);
        assert_int_equal(bridge_attach(&bridge, &fake[i].port), 0);
    }
    return 0;
}

static void test_unknown_is_flooded_known_is_not(void **state)
{
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), 60, clock_now), 0xe);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0x1);
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), 60, clock_now), 0x2);
    assert_int_equal(bridge_decide(&bridge, 2, frame_of(0xff, 0x30), 60, clock_now), 0xb);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x20, 0x20), 60, clock_now), 0);     /* its own side */
}

static void test_address_moves_and_ages(void **state)
{
    bridge_decide(&bridge, 0, frame_of(0xff, 0x10), 60, clock_now);
    bridge_decide(&bridge, 3, frame_of(0xff, 0x10), 60, clock_now);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0x8);
    clock_now += BRIDGE_AGE + 1;
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0xd);
}

static void test_bad_frames_go_nowhere(void **state)
{
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), 13, clock_now), 0);
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), NET_LARGE_MAX + 1, clock_now), 0);
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x11), 60, clock_now), 0);     /* from a group address */
    assert_int_equal(bridge.dropped, 3);
}

static void test_table_is_bounded(void **state)
{
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };

    for (unsigned int i = 0; i < 100000; i++) {
        memcpy(frame + 8, &i, 4);
        bridge_decide(&bridge, 2, frame, sizeof frame, clock_now);
    }
    /* The one address that keeps talking wins its place back at once. */
    bridge_decide(&bridge, 0, frame_of(0xff, 0x10), 60, clock_now);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0x1);
}

static void test_ports_get_frames_and_one_flush(void **state)
{
    struct netport *in = &fake[0].port;

    in->receive(in, frame_of(0xff, 0x10), 60, 0);
    in->receive(in, frame_of(0xff, 0x10), 60, 0);
    in->received(in);
    assert_int_equal(fake[0].sent, 0);
    assert_int_equal(fake[1].sent, 2);
    assert_int_equal(fake[1].flushed, 1);
    assert_int_equal(fake[3].sent, 2);
}

static void test_detached_port_is_forgotten(void **state)
{
    bridge_decide(&bridge, 3, frame_of(0xff, 0x10), 60, clock_now);
    bridge_detach(&bridge, &fake[3].port);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0x5);
    assert_null(fake[3].port.receive);
}

static void test_ports_run_out(void **state)
{
    static struct fake many[BRIDGE_PORTS];
    unsigned int attached = 0;

    for (unsigned int i = 0; i < BRIDGE_PORTS; i++) {
        fake_init(&many[i]);
        attached += bridge_attach(&bridge, &many[i].port) == 0;
    }
    assert_int_equal(attached, BRIDGE_PORTS - 4);
}

/* However long, and wherever it begins: the sum is RFC 1071's, word by word. */
static void test_sum_is_that_of_the_words_one_by_one(void **state)
{
    uint8_t bytes[80];

    for (unsigned int i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 0x9d + 0xf7);
    for (unsigned int from = 0; from < 8; from++)
        for (unsigned int length = 0; length < sizeof bytes - 8; length++) {
            uint64_t expected = 0x1234;

            for (unsigned int i = 0; i < length; i++)
                expected += i % 2 ? bytes[from + i] : (unsigned int)bytes[from + i] << 8;
            while (expected >> 16)
                expected = (expected & 0xffff) + (expected >> 16);
            assert_int_equal(net_sum(bytes + from, length, 0x1234), expected);
        }
}

/* A UDP packet whose checksum is known: 10.0.2.15:68 -> 10.0.2.2:67, payload "abc" (odd length). */
static void test_checksum_is_completed(void **state)
{
    uint8_t frame[14 + 20 + 8 + 3] = {
        2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x08, 0x00,
        0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2,
        0, 68, 0, 67, 0, 11, 0x12, 0x34, 'a', 'b', 'c',
    };
    uint32_t sum = 17 + 11;

    net_complete_checksum(frame, sizeof frame);
    for (unsigned int i = 26; i + 1 < sizeof frame; i += 2)
        sum += (uint32_t)frame[i] << 8 | frame[i + 1];
    sum += (uint32_t)'c' << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);      /* a receiver's check: everything adds up to minus zero */
}

/* Blank checksums stay blank among ports that take them, and are completed once for the others. */
static void test_bridge_completes_for_those_who_need_it(void **state)
{
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45, 0, 0, 30, [23] = 17, [39] = 10 };
    struct netport *in = &fake[0].port;

    fake[1].port.takes_blank = fake[2].port.takes_blank = fake[3].port.takes_blank = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK);
    assert_int_equal(frame[40] | frame[41], 0);
    fake[2].port.takes_blank = false;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK);
    assert_int_not_equal(frame[40] | frame[41], 0);
}

/* 40,000 bytes of TCP payload in one frame: uncut to who takes it, in 28 good frames to who does not. */
static void test_large_frames_are_cut_for_those_who_need_it(void **state)
{
    static uint8_t frame[14 + 20 + 20 + 40000] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45, [20] = 0x40, [22] = 64, [23] = 6,
        [26] = 10, 0, 2, 15, 10, 0, 2, 2, [38] = 0xff, 0xff, 0xff, 0xf0, [46] = 0x50, 0x19,     /* sequence wraps; FIN PSH ACK */
    };
    struct netport *in = &fake[0].port;
    uint32_t sum = 6 + 20 + 40000 % 1448;

    for (unsigned int i = 0; i < 40000; i++)
        frame[54 + i] = (uint8_t)(i * 13);
    fake[1].port.takes_large = fake[1].port.takes_blank = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1448));
    assert_int_equal(fake[1].sent, 1);
    assert_int_equal(fake[1].bytes, sizeof frame);
    assert_int_equal(fake[2].sent, 28);
    assert_int_equal(fake[2].bytes, 28 * 54 + 40000);
    assert_int_equal(fake[2].flags, 0);
    /* The last one: what a receiver checks. */
    assert_int_equal(last_frame[47], 0x19);
    assert_int_equal(last_frame[16] << 8 | last_frame[17], 40 + 40000 % 1448);
    assert_int_equal((uint32_t)last_frame[38] << 24 | last_frame[39] << 16 | last_frame[40] << 8 | last_frame[41],
                     0xfffffff0u + 27 * 1448);
    for (unsigned int i = 26; i < 54 + 40000 % 1448; i++)
        sum += i & 1 ? last_frame[i] : last_frame[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    assert_int_equal(sum, 0xffff);
    /* Sizes that would make us busy, and frames that are none, go nowhere. */
    in->receive(in, frame, sizeof frame, NET_GSO_TCP4 | NET_GSO_SIZE(1));
    frame[46] = 0xf0;
    in->receive(in, frame, 60, NET_GSO_TCP4 | NET_GSO_SIZE(1448));
    in->receive(in, frame, sizeof frame, 0);
    assert_int_equal(fake[2].sent, 28);
}

static void test_checksum_ignores_lying_lengths(void **state)
{
    uint8_t frame[14 + 20 + 4] = { [12] = 0x08, [14] = 0x4f, [16] = 0xff, [17] = 0xff, [23] = 6 };

    net_complete_checksum(frame, sizeof frame);         /* ASan is the judge */
    frame[14] = 0x45;
    net_complete_checksum(frame, sizeof frame);
    frame[16] = 0;
    frame[17] = 24;
    net_complete_checksum(frame, sizeof frame);
    net_complete_checksum(frame, 13);
    frame[12] = 0x86;
    frame[13] = 0xdd;
    net_complete_checksum(frame, sizeof frame);
}

/* A port that goes between the frames of a batch and its end gets neither frame nor flush, and the others theirs. */
static void test_detached_between_receive_and_flush(void **state)
{
    struct netport *in = &fake[0].port;

    in->receive(in, frame_of(0xff, 0x10), 60, 0);
    assert_int_equal(fake[3].sent, 1);
    bridge_detach(&bridge, &fake[3].port);
    in->receive(in, frame_of(0xff, 0x10), 60, 0);
    in->received(in);
    assert_int_equal(fake[3].sent, 1);
    assert_int_equal(fake[3].flushed, 0);
    assert_int_equal(fake[1].sent, 2);
    assert_int_equal(fake[1].flushed, 1);
    assert_int_equal(fake[2].flushed, 1);
    in->received(in);                           /* nothing more to flush */
    assert_int_equal(fake[1].flushed, 1);
    /* Who takes its place is not taken for it: no frame of the old one's, and none of its addresses. */
    bridge_decide(&bridge, 1, frame_of(0xff, 0x20), 60, clock_now);
    bridge_detach(&bridge, &fake[1].port);
    assert_int_equal(bridge_attach(&bridge, &fake[3].port), 0);
    in->receive(in, frame_of(0x20, 0x10), 60, 0);
    assert_int_equal(fake[2].sent, 3);
    in->received(in);
    assert_int_equal(fake[3].flushed, 1);
}

static void test_detaching_a_stranger_changes_nothing(void **state)
{
    static struct fake stranger;
    struct bridge before;

    fake_init(&stranger);
    stranger.port.receive = fake[0].port.receive;
    before = bridge;
    bridge_detach(&bridge, &stranger.port);
    assert_non_null(stranger.port.receive);
    assert_memory_equal(&before, &bridge, sizeof bridge);
}

/* Addresses that share their places in the table, found by looking where each is put in an empty one. */
static unsigned int same_place(uint8_t mac[][6], unsigned int wanted, unsigned int place)
{
    static struct bridge empty;
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    unsigned int found = 0;

    for (unsigned int i = 0; found < wanted && i < 100000; i++) {
        memcpy(frame + 8, &i, 4);
        bridge_init(&empty, now);
        bridge_decide(&empty, 0, frame, sizeof frame, 1);
        if (empty.table[place].used)
            memcpy(mac[found++], frame + 6, 6);
    }
    return found;
}

static uint64_t where(const uint8_t *mac)
{
    uint8_t frame[60];

    memcpy(frame, mac, 6);
    memset(frame + 6, 0x40, 6);
    return bridge_decide(&bridge, 0, frame, sizeof frame, clock_now);
}

static void say(const uint8_t *mac, unsigned int port)
{
    uint8_t frame[60];

    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    bridge_decide(&bridge, port, frame, sizeof frame, clock_now);
}

/* Four places an address, at the table's end too: all are remembered; a fifth pushes out who was silent for longest. */
static void test_addresses_that_share_their_places(void **state)
{
    static const unsigned int places[] = { 17, BRIDGE_TABLE - 1 };
    uint8_t mac[6][6];

    for (unsigned int p = 0; p < 2; p++) {
        bridge_init(&bridge, now);
        for (int i = 0; i < 4; i++)
            bridge_attach(&bridge, &fake[i].port);
        assert_int_equal(same_place(mac, 6, places[p]), 6);
        for (unsigned int i = 0; i < 4; i++, clock_now++)
            say(mac[i], 3);
        for (unsigned int i = 0; i < 4; i++)
            assert_int_equal(where(mac[i]), 8);
        say(mac[0], 3);                         /* now the second is the oldest */
        clock_now++;
        say(mac[4], 2);
        assert_int_equal(where(mac[4]), 4);
        assert_int_equal(where(mac[1]), 0xe);   /* asked in vain: everybody */
        assert_int_equal(where(mac[0]), 8);
        assert_int_equal(where(mac[2]), 8);
        assert_int_equal(where(mac[3]), 8);
        /* A stale place is taken first, whoever is older among those that are not. */
        clock_now += BRIDGE_AGE - 1;
        say(mac[0], 3);
        say(mac[4], 2);
        say(mac[2], 3);
        clock_now += BRIDGE_AGE;
        say(mac[5], 1);
        assert_int_equal(where(mac[5]), 2);
        assert_int_equal(where(mac[0]), 8);
        assert_int_equal(where(mac[4]), 4);
        assert_int_equal(where(mac[2]), 8);
        assert_int_equal(where(mac[3]), 0xe);
    }
}

static void test_age_at_its_limit(void **state)
{
    say(frame_of(0xff, 0x10) + 6, 3);
    clock_now += BRIDGE_AGE;
    assert_int_equal(where(frame_of(0, 0x10) + 6), 8);
    clock_now++;
    assert_int_equal(where(frame_of(0, 0x10) + 6), 0xe);
}

static void test_lengths_at_their_limits(void **state)
{
    static uint8_t frame[NET_LARGE_MAX + 1] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2 };
    struct netport *in = &fake[0].port;

    assert_int_equal(bridge_decide(&bridge, 0, frame, NET_FRAME_MIN, clock_now), 0xe);
    assert_int_equal(bridge_decide(&bridge, 0, frame, NET_FRAME_MIN - 1, clock_now), 0);
    assert_int_equal(bridge_decide(&bridge, 0, frame, NET_LARGE_MAX, clock_now), 0xe);
    assert_int_equal(bridge_decide(&bridge, 0, frame, NET_LARGE_MAX + 1, clock_now), 0);
    in->receive(in, frame, NET_FRAME_MAX, 0);
    assert_int_equal(fake[1].sent, 1);
    in->receive(in, frame, NET_FRAME_MAX + 1, 0);
    assert_int_equal(fake[1].sent, 1);
    assert_int_equal(bridge.dropped, 3);
}

/* What the flags say of the frame is true of it where it arrives. */
static void test_flags_that_arrive(void **state)
{
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45, 0, 0, 30, [23] = 17, [39] = 10 };
    struct netport *in = &fake[0].port;

    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_GOOD);
    fake[1].port.takes_blank = fake[2].port.takes_blank = fake[3].port.takes_blank = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_GOOD);
}

/* The piece is one buffer: who has not copied it when send() returns is flushed before it is written again. */
static void test_pieces_are_flushed_one_by_one(void **state)
{
    static uint8_t frame[14 + 40 + 3000] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2, 0x08, 0x00, 0x45, [23] = 6,
                                             [46] = 0x50 };
    struct netport *in = &fake[0].port;

    fake[2].port.copies_at_once = true;
    fake[3].port.takes_large = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1000));
    assert_int_equal(fake[1].sent, 3);
    assert_int_equal(fake[1].flushed, 3);
    assert_int_equal(fake[2].sent, 3);
    assert_int_equal(fake[2].flushed, 0);
    assert_int_equal(fake[3].sent, 1);
    assert_int_equal(fake[3].flags, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1000));
    in->received(in);
    assert_int_equal(fake[1].flushed, 4);
    assert_int_equal(fake[2].flushed, 1);
    assert_int_equal(fake[3].flushed, 1);
    /* Nobody needs it cut: nobody judges whether it could be. */
    fake[1].port.takes_large = fake[2].port.takes_large = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1));
    assert_int_equal(fake[1].sent, 4);
    assert_int_equal(bridge.dropped, 0);
}

/* --- guarded ports --------------------------------------------------------------------------------------------------- */

#define SECOND 1000000000ull

static const struct guard_rule alice = { .mac = { 0, 0x16, 0x3e, 0, 0, 1 } };
static const struct guard_rule mallory = { .mac = { 0, 0x16, 0x3e, 0, 0, 2 } };
static const uint8_t everybody[NET_MAC] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static struct fake guarded[4];              /* ports 4 and on: behind the four without a guard */
static uint64_t called;

static void call(uint64_t when) { called = when; }

static int guarded_set_up(void **state)
{
    set_up(state);
    clock_now = 1000 * SECOND;
    called = 0;
    bridge.call = call;
    for (int i = 0; i < 4; i++)
        fake_init(&guarded[i]);
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[0].port, &alice), 0);
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[1].port, &mallory), 0);
    return 0;
}

static uint8_t *frame_between(const uint8_t *to, const uint8_t *from)
{
    static uint8_t frame[80];

    memset(frame, 0, sizeof frame);
    memcpy(frame, to, NET_MAC);
    memcpy(frame + NET_MAC, from, NET_MAC);
    return frame;
}

static uint64_t send_between(unsigned int port, const uint8_t *to, const uint8_t *from)
{
    return bridge_decide(&bridge, port, frame_between(to, from), 60, clock_now);
}

/* An ARP packet, perhaps behind `tags` VLAN tags, that says "`mac` has `ip`". */
static uint64_t arp(unsigned int port, const uint8_t *from, const uint8_t *mac, uint32_t ip, unsigned int tags, size_t length)
{
    static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 2 };
    uint8_t *at = frame_between(everybody, from) + 12;

    for (unsigned int i = 0; i < tags; i++, at += 4)
        memcpy(at, i % 2 ? "\x88\xa8\0\5" : "\x81\0\0\5", 4);
    memcpy(at, head, sizeof head);
    memcpy(at + 10, mac, NET_MAC);
    for (unsigned int i = 0; i < 4; i++)
        at[16 + i] = (uint8_t)(ip >> (24 - 8 * i));
    return bridge_decide(&bridge, port, at - 12 - 4 * tags, length, clock_now);
}

static void test_a_neighbours_address_cannot_be_taken(void **state)
{
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);      /* known before she says a word */
    assert_int_equal(send_between(5, everybody, alice.mac), 0);
    assert_int_equal(bridge.guard[5].spoofed, 1);
    assert_int_equal(send_between(5, everybody, (const uint8_t *)"\2\0\0\0\0\x78"), 0);       /* nor anybody else's */
    assert_int_equal(bridge.guard[5].spoofed, 2);
    assert_int_equal(send_between(0, everybody, alice.mac), 0);                                  /* from outside neither */
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    assert_int_equal(bridge.dropped, 3);
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);
    assert_int_equal(send_between(4, mallory.mac, alice.mac), 0x20);
    assert_int_equal(bridge.guard[4].spoofed, 0);
}

static void test_a_pinned_address_does_not_age_or_give_way(void **state)
{
    uint8_t frame[60];

    clock_now += 10 * BRIDGE_AGE;
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    memcpy(frame, frame_between(everybody, alice.mac), sizeof frame);
    frame[6] = 2;
    for (unsigned int i = 0; i < 100000; i++) {
        memcpy(frame + 8, &i, 4);
        bridge_decide(&bridge, 2, frame, sizeof frame, ++clock_now);
    }
    assert_int_equal(send_between(0, alice.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x10);
    assert_int_equal(send_between(0, mallory.mac, (const uint8_t *)"\2\0\0\0\0\x77"), 0x20);
}

static void test_one_address_has_one_port(void **state)
{
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &alice), -EEXIST);
    assert_null(guarded[2].port.receive);
    bridge_detach(&bridge, &guarded[0].port);
    assert_null(bridge_guard(&bridge, &guarded[0].port));
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x0f);                             /* nobody's: flooded */
    assert_int_equal(send_between(0, everybody, alice.mac), 0x2e);                               /* and a stranger may have it */
    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &alice), 0);                /* until it is somebody's */
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);
    assert_non_null(bridge_guard(&bridge, &guarded[2].port));
    bridge_detach(&bridge, &guarded[2].port);
    assert_int_equal(bridge_attach(&bridge, &guarded[3].port), 0);                               /* at the same number, without a guard */
    assert_null(bridge_guard(&bridge, &guarded[3].port));
    assert_null(bridge_guard(&bridge, &fake[0].port));
}

static void test_places_for_pinned_addresses_run_out(void **state)
{
    static struct fake many[BRIDGE_PORTS];
    struct guard_rule rule = alice;
    unsigned int attached = 0, at = 0;

    for (uint32_t i = 0; i < 100000 && at < BRIDGE_PORTS - 6; i++) {     /* addresses with the same hash as the first */
        uint32_t hash = 2166136261u;

        memcpy(rule.mac + 2, &i, 4);
        for (unsigned int j = 0; j < NET_MAC; j++)
            hash = (hash ^ rule.mac[j]) * 16777619u;
        if (((hash >> 16 ^ hash) & (BRIDGE_TABLE - 1)) != 7)
            continue;
        fake_init(&many[at]);
        attached += bridge_attach_guarded(&bridge, &many[at++].port, &rule) == 0;
    }
    assert_int_equal(attached, 4);
    assert_int_equal(bridge_attach_guarded(&bridge, &many[at - 1].port, &rule), -ENOSPC);
    assert_null(bridge_guard(&bridge, &many[at - 1].port));
}

static void test_arp_speaks_of_its_sender(void **state)
{
    assert_int_equal(arp(4, alice.mac, alice.mac, 0x0a000205, 0, 60), 0x2f);
    assert_int_equal(arp(5, mallory.mac, alice.mac, 0x0a000205, 0, 60), 0);
    for (unsigned int tags = 0; tags < 4; tags++) {
        assert_int_equal(arp(5, mallory.mac, alice.mac, 0x0a000205, tags, 60), 0);
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 60), 0x1f);
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 14 + 4 * tags + 27), 0);    /* cut short */
        assert_int_equal(arp(5, mallory.mac, mallory.mac, 0x0a000205, tags, 14 + 4 * tags + 28), 0x1f);
    }
    assert_int_equal(arp(5, alice.mac, alice.mac, 0x0a000205, 0, 60), 0);
    /* Of another kind of network, or of addresses of another length: nothing that any station here would want. */
    for (unsigned int at = 14; at < 20; at++) {
        uint8_t *frame = frame_between(everybody, mallory.mac);

        memcpy(frame + 12, "\x8\x6\0\1\x8\0\6\4\0\2", 10);
        memcpy(frame + 22, mallory.mac, NET_MAC);
        assert_int_equal(bridge_decide(&bridge, 5, frame, 60, clock_now), 0x1f);
        frame[at] ^= 1;
        assert_int_equal(bridge_decide(&bridge, 5, frame, 60, clock_now), 0);
    }
}

/* In memory of exactly its size: ASan is the judge. */
static void test_frames_end_where_they_end(void **state)
{
    for (size_t length = NET_FRAME_MIN; length < 60; length++)
        for (unsigned int kind = 0; kind < 3; kind++) {
            uint8_t *frame = malloc(length);

            memset(frame, 0, length);
            memset(frame, 0xff, NET_MAC);
            memcpy(frame + NET_MAC, mallory.mac, NET_MAC);
            for (size_t i = 12; i < length; i++)
                frame[i] = (uint8_t)(kind == 0 ? i % 4 ? 0 : 0x81 : kind == 1 ? i % 2 ? 6 : 8 : i % 4 > 1 ? 0 : i % 4 ? 0xa8 : 0x88);
            bridge_decide(&bridge, 5, frame, length, clock_now);
            free(frame);
        }
}

static void test_arp_names_the_given_addresses_only(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 }, .address = { 0x0a000207, 0x0a000208 }, .addresses = 2 };

    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &rule), 0);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000207, 0, 60), 0x3f);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000208, 1, 60), 0x3f);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0, 0, 60), 0x3f);                               /* is it free? */
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000209, 0, 60), 0);
    assert_int_equal(arp(6, rule.mac, rule.mac, 0x0a000209, 1, 60), 0);
    assert_int_equal(bridge.guard[6].spoofed, 2);
}

static void test_spoofing_is_an_option(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 }, .spoof = true };
    static const uint8_t behind[NET_MAC] = { 2, 9, 9, 9, 9, 9 };

    assert_int_equal(bridge_attach_guarded(&bridge, &guarded[2].port, &rule), 0);
    assert_int_equal(send_between(6, everybody, behind), 0x3f);
    assert_int_equal(send_between(4, behind, alice.mac), 0x40);                                 /* learned */
    assert_int_equal(send_between(6, everybody, alice.mac), 0);                                  /* but not the neighbour's */
    assert_int_equal(bridge.guard[6].spoofed, 1);
    assert_int_equal(send_between(4, rule.mac, alice.mac), 0x40);
    assert_int_equal(arp(6, rule.mac, behind, 0x0a000205, 0, 60), 0x3f);
}

/* For all, for a group, and for stations that nobody knows: one allowance. */
static void test_floods_have_a_rate(void **state)
{
    static const uint8_t nobody[NET_MAC] = { 2, 8, 8, 8, 8, 8 }, group[NET_MAC] = { 1, 0, 0x5e, 0, 0, 1 };
    const uint8_t *const to[] = { everybody, nobody, group };
    unsigned int passed = 0;

    for (unsigned int i = 0; i < 3000; i++)
        passed += send_between(5, to[i % 3], mallory.mac) != 0;
    assert_int_equal(passed, GUARD_FLOOD_BURST);
    assert_int_equal(bridge.guard[5].floods, 3000 - GUARD_FLOOD_BURST);
    assert_int_equal(bridge.dropped, 3000 - GUARD_FLOOD_BURST);
    assert_int_equal(send_between(5, alice.mac, mallory.mac), 0x10);                             /* conversations go on */
    assert_int_equal(send_between(4, everybody, alice.mac), 0x2f);                               /* and others' floods */
    for (unsigned int i = 0; i < 1000; i++)
        assert_int_equal(send_between(0, everybody, (const uint8_t *)"\2\0\0\0\0\x77"), 0x3e);     /* no guard, no limit */
    for (unsigned int i = passed = 0; i < 4000; i++, clock_now += SECOND / 1000)
        passed += send_between(5, everybody, mallory.mac) != 0;
    assert_in_range(passed, 4 * GUARD_FLOOD_RATE - 1, 4 * GUARD_FLOOD_RATE);
}

static void fake_poll(struct netport *port) { ((struct fake *)port->context)->flushed += 100; }

/* 100,000 bytes a second: the card stops when it has spent its 5,000, and goes on when its debt is paid. */
static void test_a_rate_stops_the_card(void **state)
{
    struct guard_rule rule = { .mac = { 0, 0x16, 0x3e, 0, 0, 3 }, .rate = 100000, .burst = 5000 };
    struct netport *port = &guarded[2].port;
    static uint8_t frame[1000];

    port->poll = fake_poll;
    assert_int_equal(bridge_attach_guarded(&bridge, port, &rule), 0);
    memcpy(frame, frame_between(alice.mac, rule.mac), 60);
    for (unsigned int i = 0; i < 4; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_false(port->paused);
    port->receive(port, frame, sizeof frame, 0);
    assert_true(port->paused);
    assert_int_equal(called, clock_now + SECOND / 100000);
    for (unsigned int i = 0; i < 10; i++)                       /* the rest of the batch: taken, and paid for */
        port->receive(port, frame, sizeof frame, 0);
    assert_int_equal(guarded[0].sent, 15);
    bridge_resume(&bridge);
    assert_true(port->paused);
    assert_int_equal(called, clock_now + SECOND / 10 + SECOND / 100000);
    clock_now = called - 1;
    bridge_resume(&bridge);
    assert_true(port->paused);
    clock_now++;
    bridge_resume(&bridge);
    assert_false(port->paused);
    assert_int_equal(guarded[2].flushed, 100);                  /* polled, once */
    assert_int_equal(bridge.guard[6].pauses, 1);
    called = 0;
    bridge_resume(&bridge);
    assert_int_equal(called, 0);
    port->receive(port, frame, sizeof frame, 0);
    assert_true(port->paused);
    bridge_detach(&bridge, port);
    assert_false(port->paused);
    port = &guarded[0].port;                                    /* without a rate there is no debt */
    memcpy(frame, frame_between(mallory.mac, alice.mac), 60);
    for (unsigned int i = 0; i < 1000; i++)
        port->receive(port, frame, sizeof frame, 0);
    assert_false(port->paused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_unknown_is_flooded_known_is_not, set_up),
        cmocka_unit_test_setup(test_address_moves_and_ages, set_up),
        cmocka_unit_test_setup(test_bad_frames_go_nowhere, set_up),
        cmocka_unit_test_setup(test_table_is_bounded, set_up),
        cmocka_unit_test_setup(test_ports_get_frames_and_one_flush, set_up),
        cmocka_unit_test_setup(test_detached_port_is_forgotten, set_up),
        cmocka_unit_test_setup(test_ports_run_out, set_up),
        cmocka_unit_test_setup(test_bridge_completes_for_those_who_need_it, set_up),
        cmocka_unit_test_setup(test_large_frames_are_cut_for_those_who_need_it, set_up),
        cmocka_unit_test_setup(test_a_neighbours_address_cannot_be_taken, guarded_set_up),
        cmocka_unit_test_setup(test_a_pinned_address_does_not_age_or_give_way, guarded_set_up),
        cmocka_unit_test_setup(test_one_address_has_one_port, guarded_set_up),
        cmocka_unit_test_setup(test_places_for_pinned_addresses_run_out, guarded_set_up),
        cmocka_unit_test_setup(test_arp_speaks_of_its_sender, guarded_set_up),
        cmocka_unit_test_setup(test_frames_end_where_they_end, guarded_set_up),
        cmocka_unit_test_setup(test_arp_names_the_given_addresses_only, guarded_set_up),
        cmocka_unit_test_setup(test_spoofing_is_an_option, guarded_set_up),
        cmocka_unit_test_setup(test_floods_have_a_rate, guarded_set_up),
        cmocka_unit_test_setup(test_a_rate_stops_the_card, guarded_set_up),
        cmocka_unit_test(test_sum_is_that_of_the_words_one_by_one),
        cmocka_unit_test(test_checksum_is_completed),
        cmocka_unit_test(test_checksum_ignores_lying_lengths),
        cmocka_unit_test_setup(test_detached_between_receive_and_flush, set_up),
        cmocka_unit_test_setup(test_detaching_a_stranger_changes_nothing, set_up),
        cmocka_unit_test_setup(test_addresses_that_share_their_places, set_up),
        cmocka_unit_test_setup(test_age_at_its_limit, set_up),
        cmocka_unit_test_setup(test_lengths_at_their_limits, set_up),
        cmocka_unit_test_setup(test_flags_that_arrive, set_up),
        cmocka_unit_test_setup(test_pieces_are_flushed_one_by_one, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
