/* SPDX-License-Identifier: MIT */
/*
 * The learning bridge: learns, floods, ages, is bounded, survives lying guests; and the completion
 * of checksums.
 */
#include "bridge_host.h"

static void test_unknown_is_flooded_known_is_not(void **state)
{
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), 60, clock_now), 0xe);
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x10, 0x20), 60, clock_now), 0x1);
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), 60, clock_now), 0x2);
    assert_int_equal(bridge_decide(&bridge, 2, frame_of(0xff, 0x30), 60, clock_now), 0xb);
    /* its own side */
    assert_int_equal(bridge_decide(&bridge, 1, frame_of(0x20, 0x20), 60, clock_now), 0);
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
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x10), NET_LARGE_MAX + 1, clock_now),
                     0);
    /* from a group address */
    assert_int_equal(bridge_decide(&bridge, 0, frame_of(0x20, 0x11), 60, clock_now), 0);
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

/* The same over IPv6, UDP and TCP: a receiver adds up addresses, length, protocol and segment.
 * Other protocols stay as they are. */
static void test_checksum_over_ipv6(void **state)
{
    static const uint8_t protocols[] = { 17, 6, 58 };

    for (unsigned int p = 0; p < 3; p++) {
        uint8_t frame[14 + 40 + 20 + 3] = {
            2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 0x86, 0xdd, 0x60, [19] = 23, protocols[p], 64
        };
        uint8_t before[sizeof frame];
        uint32_t sum = 23u + protocols[p];

        for (unsigned int i = 22; i < sizeof frame; i++)
            frame[i] = (uint8_t)(i * 37);
        memcpy(before, frame, sizeof frame);
        net_complete_checksum(frame, sizeof frame);
        for (unsigned int i = 22; i < sizeof frame; i++)
            sum += i & 1 ? frame[i] : (uint32_t)frame[i] << 8;
        while (sum >> 16)
            sum = (sum & 0xffff) + (sum >> 16);
        assert_int_equal(sum == 0xffff, p < 2);
        before[54 + (p ? 16 : 6)] = frame[54 + (p ? 16 : 6)];
        before[55 + (p ? 16 : 6)] = frame[55 + (p ? 16 : 6)];
        assert_memory_equal(before, frame, sizeof frame);       /* Nothing else is written. */
        frame[12] = 0x88;                                       /* The same bytes, but not IPv6. */
        frame[54 + 6] ^= 1;
        frame[54 + 16] ^= 1;
        memcpy(before, frame, sizeof frame);
        net_complete_checksum(frame, sizeof frame);
        assert_memory_equal(before, frame, sizeof frame);
    }
}

/* Blank checksums stay blank among ports that take them, and are completed once for the others. */
static void test_bridge_completes_for_those_who_need_it(void **state)
{
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2,  2,         2,
                          2,    2,    0x08, 0x00, 0x45, 0,    0, 30, [23] = 17, [39] = 10 };
    struct netport *in = &fake[0].port;

    fake[1].port.takes_blank = fake[2].port.takes_blank = fake[3].port.takes_blank = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK);
    assert_int_equal(frame[40] | frame[41], 0);
    fake[2].port.takes_blank = false;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK);
    assert_int_not_equal(frame[40] | frame[41], 0);
}

/* 40,000 bytes of TCP payload in one frame: uncut to who takes it, in 28 good frames to who does
 * not. */
static void test_large_frames_are_cut_for_those_who_need_it(void **state)
{
    static uint8_t frame[14 + 20 + 20 + 40000] = {
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        0xff,
        2,
        2,
        2,
        2,
        2,
        2,
        0x08,
        0x00,
        0x45,
        [20] = 0x40,
        [22] = 64,
        [23] = 6,
        /* sequence wraps; FIN PSH ACK */
        [26] = 10,
        0,
        2,
        15,
        10,
        0,
        2,
        2,
        [38] = 0xff,
        0xff,
        0xff,
        0xf0,
        [46] = 0x50,
        0x19,
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
    assert_int_equal((uint32_t)last_frame[38] << 24 | last_frame[39] << 16 | last_frame[40] << 8 |
                         last_frame[41],
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

/* A port is told whose frame it gets: those who share a card have their parts of it. */
static void test_sender_is_named(void **state)
{
    fake[2].port.receive(&fake[2].port, frame_of(0xff, 0x12), 60, 0);
    assert_true(fake[0].port.sender == 2 && fake[3].port.sender == 2);
    fake[1].port.receive(&fake[1].port, frame_of(0xff, 0x14), 60, 0);
    assert_true(fake[0].port.sender == 1 && fake[3].port.sender == 1);
    fake[2].port.received(&fake[2].port);
}

/* A port that goes between the frames of a batch and its end gets neither frame nor flush, and the
 * others theirs. */
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
    /* Who takes its place is not taken for it: no frame of the old one's, and none of its
     * addresses. */
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

/* Addresses that share their places in the table, found by looking where each is put in an empty
 * one. */
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

/* Four places an address, at the table's end too: all are remembered; a fifth pushes out who was
 * silent for longest. */
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
    static uint8_t frame[NET_LARGE_MAX + 1] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2, 2, 2, 2, 2
    };
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
    uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 2,  2,         2,
                          2,    2,    0x08, 0x00, 0x45, 0,    0, 30, [23] = 17, [39] = 10 };
    struct netport *in = &fake[0].port;

    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_GOOD);
    fake[1].port.takes_blank = fake[2].port.takes_blank = fake[3].port.takes_blank = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_BLANK | NET_CHECKSUM_GOOD);
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_GOOD);
    assert_int_equal(fake[1].flags, NET_CHECKSUM_GOOD);
}

/* What a port has been sent and may look at until it is flushed, of one that does not copy at
 * once. */
static const uint8_t *lent[BRIDGE_PIECES];
static uint8_t lent_was[BRIDGE_PIECES][NET_FRAME_MAX];
static size_t lent_length[BRIDGE_PIECES];
static unsigned int lent_count, lent_flushed;

static bool lend(struct netport *port, const void *frame, size_t length, uint32_t flags)
{
    assert_true(lent_count < BRIDGE_PIECES);
    assert_int_equal(((uintptr_t)frame & 4095) + length <= 4096, true);
    lent[lent_count] = frame;
    lent_length[lent_count] = length;
    memcpy(lent_was[lent_count++], frame, length);
    return true;
}

static void take_lent(struct netport *port)
{
    for (unsigned int i = 0; i < lent_count; i++)
        assert_memory_equal(lent[i], lent_was[i], lent_length[i]);
    lent_flushed += lent_count != 0;
    lent_count = 0;
}

/* A frame cut as small as may be is 256 pieces, and a turn ends before. What a flush costs is
 * hardly more for many pieces than for one. */
static void test_pieces_are_flushed_together(void **state)
{
    static uint8_t frame[NET_LARGE_MAX] = { 0xff, 0xff, 0xff, 0xff,     0xff,       0xff,
                                            2,    2,    2,    2,        2,          2,
                                            0x08, 0x00, 0x45, [23] = 6, [46] = 0x50 };
    struct netport *in = &fake[0].port;

    for (size_t i = 54; i < sizeof frame; i++)
        frame[i] = (uint8_t)(i * i >> 8);
    fake[1].port.send = lend;
    fake[1].port.flush = take_lent;
    lent_flushed = 0;
    for (unsigned int i = 1; i <= 2; i++) {
        in->receive(in, frame, sizeof frame,
                    NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(NET_CUT_MIN));
        for (unsigned int turn = 1; turn <= 256 / BRIDGE_PIECES; turn++) {
            assert_int_equal(fake[2].sent, (i - 1) * 256 + turn * BRIDGE_PIECES);
            assert_int_equal(in->unfinished, turn < 256 / BRIDGE_PIECES);
            if (in->unfinished)
                in->go_on(in);
        }
        assert_int_equal(lent_flushed, i * 256 / BRIDGE_PIECES);
    }
    in->received(in);
    assert_int_equal(lent_flushed, 512 / BRIDGE_PIECES);
    assert_int_equal(lent_count, 0);
}

/* A turn's pieces are fewer where each goes to many ports. */
static void test_pieces_for_many_are_fewer(void **state)
{
    static uint8_t frame[NET_LARGE_MAX] = { 0xff, 0xff, 0xff, 0xff,     0xff,       0xff,
                                            2,    2,    2,    2,        2,          2,
                                            0x08, 0x00, 0x45, [23] = 6, [46] = 0x50 };
    static struct fake many[BRIDGE_PORTS];
    struct netport *in = &fake[0].port;
    unsigned int turns = 1, others = 0, most;

    for (fake_init(&many[0]); bridge_attach(&bridge, &many[others].port) == 0; others++)
        fake_init(&many[others + 1]);
    most = BRIDGE_SENDS / (BRIDGE_PORTS - 1);
    in->receive(in, frame, sizeof frame,
                NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(NET_CUT_MIN));
    for (; in->unfinished; turns++) {
        assert_int_equal(many[0].sent, turns * most);
        in->go_on(in);
    }
    assert_int_equal(turns, 256 / most);
    for (unsigned int i = 0; i < others; i++)
        assert_int_equal(many[i].sent, 256);
    for (unsigned int i = 0; i < others; i++)
        bridge_detach(&bridge, &many[i].port);
}

/* Between two turns a port that has had some goes, then all; then the frame's own. */
static void test_who_leaves_in_the_middle(void **state)
{
    static uint8_t frame[NET_LARGE_MAX] = { 0xff, 0xff, 0xff, 0xff,     0xff,       0xff,
                                            2,    2,    2,    2,        2,          2,
                                            0x08, 0x00, 0x45, [23] = 6, [46] = 0x50 };
    struct netport *in = &fake[0].port;
    uint32_t flags = NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(NET_CUT_MIN);

    in->receive(in, frame, sizeof frame, flags);
    bridge_detach(&bridge, &fake[2].port);
    assert_int_equal(bridge_attach(&bridge, &fake[2].port), 0);     /* another, in its place */
    in->go_on(in);
    assert_int_equal(fake[1].sent, 2 * BRIDGE_PIECES);
    assert_int_equal(fake[2].sent, BRIDGE_PIECES);
    assert_int_equal(fake[1].flushed, 3);               /* at the end of the second turn, too */
    assert_true(in->unfinished);
    bridge_detach(&bridge, &fake[1].port);
    bridge_detach(&bridge, &fake[3].port);
    in->go_on(in);
    assert_false(in->unfinished);
    assert_int_equal(fake[1].sent, 2 * BRIDGE_PIECES);
    in->receive(in, frame, sizeof frame, flags);
    assert_true(in->unfinished);
    bridge_detach(&bridge, in);
    assert_false(in->unfinished);
}

/* Pieces lie in buffers that are written again: who has not copied them when send() returns is
 * flushed before that. */
static void test_pieces_are_flushed(void **state)
{
    static uint8_t frame[14 + 40 + 3000] = { 0xff, 0xff, 0xff, 0xff,     0xff,       0xff,
                                             2,    2,    2,    2,        2,          2,
                                             0x08, 0x00, 0x45, [23] = 6, [46] = 0x50 };
    struct netport *in = &fake[0].port;

    fake[2].port.copies_at_once = true;
    fake[3].port.takes_large = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1000));
    assert_int_equal(fake[1].sent, 3);
    assert_int_equal(fake[1].flushed, 1);
    assert_int_equal(fake[2].sent, 3);
    assert_int_equal(fake[2].flushed, 0);
    assert_int_equal(fake[3].sent, 1);
    assert_int_equal(fake[3].flags, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1000));
    in->received(in);
    assert_int_equal(fake[1].flushed, 2);
    assert_int_equal(fake[2].flushed, 1);
    assert_int_equal(fake[3].flushed, 1);
    /* Nobody needs it cut: nobody judges whether it could be. */
    fake[1].port.takes_large = fake[2].port.takes_large = true;
    in->receive(in, frame, sizeof frame, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1));
    assert_int_equal(fake[1].sent, 4);
    assert_int_equal(bridge.dropped, 0);
}

/* A guest that wants a frame cut which is none, one lie at a time: nobody gets a piece of it. */
static void test_frames_that_cannot_be_cut(void **state)
{
    static const struct { size_t at; uint8_t value; size_t length; } lies[] = {
        { 12, 0x86, 3054 },             /* not IPv4, as Ethernet says, */
        { 14, 0x65, 3054 },             /* and as IP says */
        { 23, 17, 3054 },               /* UDP */
        { 0, 0xff, 53 },                /* no room for the headers */
        { 14, 0x44, 3054 },             /* an IP header shorter than itself */
        { 14, 0x4f, 86 },               /* one behind which TCP's length is not in the frame */
        { 14, 0x4f, 93 },               /* or its last byte */
        { 46, 0x40, 3054 },             /* a TCP header shorter than itself */
        { 46, 0xf0, 94 },               /* one behind which nothing is left */
    };
    struct netport *in = &fake[0].port;

    for (unsigned int i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t *exact = calloc(1, lies[i].length);     /* the sanitizer sees a byte too far */

        memset(exact, 0xff, 6);
        memset(exact + 6, 2, 6);
        memcpy(exact + 12, "\x08\0\x45", 3);
        exact[23] = 6;
        if (lies[i].length > 46)
            exact[42] = exact[46] = 0x50;               /* also for who believes the short header */
        exact[lies[i].at] = lies[i].value;
        in->receive(in, exact, lies[i].length, NET_GSO_TCP4 | NET_GSO_SIZE(1448));
        assert_int_equal(bridge.dropped, i + 1);
        free(exact);
    }
    assert_int_equal(fake[1].sent + fake[2].sent + fake[3].sent, 0);
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
        cmocka_unit_test_setup(test_frames_that_cannot_be_cut, set_up),
        cmocka_unit_test(test_sum_is_that_of_the_words_one_by_one),
        cmocka_unit_test(test_checksum_is_completed),
        cmocka_unit_test(test_checksum_over_ipv6),
        cmocka_unit_test(test_checksum_ignores_lying_lengths),
        cmocka_unit_test_setup(test_sender_is_named, set_up),
        cmocka_unit_test_setup(test_detached_between_receive_and_flush, set_up),
        cmocka_unit_test_setup(test_detaching_a_stranger_changes_nothing, set_up),
        cmocka_unit_test_setup(test_addresses_that_share_their_places, set_up),
        cmocka_unit_test_setup(test_age_at_its_limit, set_up),
        cmocka_unit_test_setup(test_lengths_at_their_limits, set_up),
        cmocka_unit_test_setup(test_flags_that_arrive, set_up),
        cmocka_unit_test_setup(test_pieces_are_flushed, set_up),
        cmocka_unit_test_setup(test_pieces_are_flushed_together, set_up),
        cmocka_unit_test_setup(test_pieces_for_many_are_fewer, set_up),
        cmocka_unit_test_setup(test_who_leaves_in_the_middle, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
