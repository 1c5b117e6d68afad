/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP for guests that move, against segments made by hand: floods, guesses, lies, windows
 * that stay closed, and every kind at every time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "stream_host.h"

/* --- segments by hand: to machine 1, as if from 0 --- */

static unsigned sum(const uint8_t *at, size_t length, uint64_t more)
{
    for (size_t i = 0; i < length; i++)
        more += i & 1 ? at[i] : (unsigned)at[i] << 8;
    while (more >> 16)
        more = (more & 0xffff) + (more >> 16);
    return (unsigned)more;
}

static struct { uint32_t from; unsigned port, to, window, station; size_t options; } hand;

static void inject(uint32_t sequence, uint32_t ack, unsigned flags, size_t bytes)
{
    static uint8_t frame[2048];
    uint8_t *ip = frame + 14, *tcp = ip + 20;
    size_t length = 20 + hand.options + bytes;

    memset(frame, 0, sizeof(frame));
    memcpy(frame, machine[1].port.mac, NET_MAC);
    memcpy(frame + 6, machine[0].port.mac, NET_MAC);
    frame[11] ^= hand.station;
    set16(frame + 12, 0x0800);
    ip[0] = 0x45;
    set16(ip + 2, 20 + length);
    ip[8] = 64;
    ip[9] = PROTOCOL_TCP;
    set32(ip + 12, hand.from);
    set32(ip + 16, THERE);
    set16(ip + 10, ~sum(ip, 20, 0));
    set16(tcp, hand.port);
    set16(tcp + 2, hand.to);
    set32(tcp + 4, sequence);
    set32(tcp + 8, ack);
    set16(tcp + 12, (20 + hand.options) / 4 << 12 | flags);
    set16(tcp + 14, hand.window);
    for (size_t i = 0; i < hand.options; i++)
        tcp[20 + i] = (uint8_t)chance(6);
    set16(tcp + 16, ~sum(tcp, length, (uint64_t)sum(ip + 12, 8, 0) + PROTOCOL_TCP + length));
    frames_sent = 0;
    deliver(&machine[1], frame, 34 + length);
}

/* The one that came back. */
static const uint8_t *came(unsigned flags)
{
    assert_int_equal(frames_sent, 1);
    assert_int_equal(last[47], flags);
    return last + 34;
}

static int by_hand(void **state)
{
    set_up(state);
    net.cut = true;                     /* what goes back to 0 is only looked at */
    hand.from = HERE;
    hand.port = 5000;
    hand.to = STREAM_PORT;
    hand.window = 60000;
    hand.options = hand.station = 0;
    return 0;
}

/* The number that machine 1 sends next. */
static uint32_t shake_hands(uint32_t isn)
{
    uint32_t theirs;

    stream_listen(&machine[1].stream, 0);
    inject(isn, 0, SYN, 0);
    theirs = get32(came(SYN | ACK) + 4) + 1;
    inject(isn + 1, theirs, ACK, 0);
    assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    return theirs;
}

static void test_a_flood_takes_no_place(void **state)
{
    struct stream before;
    uint32_t theirs;

    stream_listen(&machine[1].stream, 0);
    inject(1000, 0, SYN, 0);
    theirs = get32(came(SYN | ACK) + 4) + 1;
    before = machine[1].stream;
    for (unsigned i = 0; i < 10000; i++) {
        hand.from = 0x0b000000u + chance(1 << 20);
        hand.port = 1 + chance(65535);
        inject(chance(1 << 30), 0, SYN, 0);
        came(SYN | ACK);
        inject(chance(1 << 30), chance(1 << 30), ACK, 10);      /* guesses */
        assert_int_equal(frames_sent, 0);
    }
    assert_memory_equal(&before, &machine[1].stream, sizeof(before));
    hand.from = HERE;
    hand.port = 5000;
    clock_ns += 8000 * MS;
    inject(1001, theirs + 1, ACK, 0);                   /* not quite */
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
    inject(1001, theirs, ACK, 5);                       /* the handshake's end, with data */
    assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    assert_int_equal(machine[1].stream.in.filled, 5);
    hand.port = 5001;                                   /* one is enough */
    inject(1000, 0, SYN, 0);
    came(RST | ACK);
    stream_listen(&machine[1].stream, 0);
    clock_ns += 20000 * MS;
    hand.port = 5000;
    inject(1001, theirs, ACK, 0);                       /* too late */
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
}

static void test_what_is_not_believed(void **state)
{
    uint32_t theirs = shake_hands(1000), at = 1001;
    struct stream *stream = &machine[1].stream;
    size_t said = 0;

    inject(at + 5, theirs, RST, 0);                     /* not the very next number */
    came(ACK);
    inject(at - 1, 0, RST, 0);
    assert_int_equal(frames_sent, 0);
    inject(at, theirs, SYN | ACK, 0);                   /* so soon, one answer is enough */
    assert_int_equal(frames_sent, 0);
    clock_ns += 100 * MS;
    inject(at, theirs, SYN | ACK, 0);
    came(ACK);
    inject(at, theirs + 1, ACK, 10);                    /* of what was never sent */
    came(ACK);
    inject(at, theirs - STREAM_BUFFER - 1, ACK, 10);
    came(ACK);
    inject(at, 0, 0, 10);
    assert_int_equal(frames_sent, 0);
    inject(at + 10, theirs, ACK, 10);                   /* a hole */
    assert_int_equal(get32(came(ACK) + 8), at);
    inject(at + MIN(STREAM_BUFFER, 65535u), theirs, ACK, 1);
    assert_int_equal(get32(came(ACK) + 8), at);
    assert_int_equal(stream->in.filled, 0);
    inject(at, theirs - 5, ACK, 10);                    /* an old one brings data all the same */
    assert_int_equal(get32(came(ACK) + 8), at + 10);
    inject(at + 5, theirs, ACK | FIN, 10);
    assert_int_equal(get32(came(ACK) + 8), at + 16);
    inject(at + 16, theirs, ACK, 10);                   /* behind its end */
    assert_int_equal(stream->in.filled, 15);
    hand.station = 1;                                   /* another's, in the same name */
    inject(at + 16, theirs, ACK, 10);
    came(RST);
    hand.station = 0;
    say(1, &said, 3000);
    endpoint_serve(&machine[1], 8);
    inject(at + 16, theirs + (uint32_t)said, ACK, 0);
    assert_int_equal(stream->out.filled, 0);
    inject(at + 16, 0, RST, 0);
    assert_int_equal(stream->error, -ENOTCONN);
}

static void test_a_full_buffer(void **state)
{
    uint32_t theirs = shake_hands(1000), at = 1001;
    struct stream *stream = &machine[1].stream;
    uint8_t bytes[100];

    for (; at < 1001 + 65000; at += 1000)
        inject(at, theirs, ACK, 1000);
    inject(at, theirs, ACK | FIN, 1000);
    assert_int_equal(get16(came(ACK) + 14), 0);
    assert_true(stream->in.filled == STREAM_BUFFER && !stream->end_came);
    stream_read(stream, bytes, sizeof(bytes));          /* too little to be told */
    inject(at + 536, theirs, ACK, 50);
    assert_int_equal(get32(came(ACK) + 8), at + 586);
    assert_int_equal(get16(came(ACK) + 14), 0);
}

static void test_three_of_the_same(void **state)
{
    uint32_t theirs = shake_hands(1000);
    size_t said = 0;

    while (said < 20000)
        say(1, &said, 20000);
    frames_sent = 0;
    while (endpoint_serve(&machine[1], 8))
        ;
    assert_int_equal(frames_sent, 10);                  /* RFC 6928's beginning */
    for (unsigned i = 0; i < 2; i++)
        inject(1001, theirs, ACK, 0);
    endpoint_serve(&machine[1], 8);
    assert_int_equal(frames_sent, 0);
    inject(1001, theirs, ACK, 0);
    endpoint_serve(&machine[1], 1);
    assert_int_equal(frames_sent, 1);
    assert_int_equal(get32(last + 38), theirs);
}

/* A window that stays closed is asked about, for as long as somebody answers. */
static void test_a_closed_window(void **state)
{
    uint32_t theirs;
    size_t said = 0;

    hand.window = 0;
    theirs = shake_hands(1000);
    say(1, &said, 1);
    stream_close(&machine[1].stream);
    endpoint_serve(&machine[1], 8);
    for (unsigned asked = 0, ms = 0; asked < 30; ms++) {
        assert_true(ms < 200000);
        frames_sent = 0;
        clock_ns += MS;
        if (stream_deadline(&machine[1].stream) <= clock_ns)
            endpoint_serve(&machine[1], 8);
        check(&machine[1].stream);
        if (!frames_sent)
            continue;
        asked++;
        inject(1001, theirs, ACK, 0);
        assert_int_equal(machine[1].stream.state, STREAM_OPEN);
    }
    inject(1001, theirs + 2, ACK, 0);                   /* the byte, and our end */
    assert_true(machine[1].stream.end_acked);
}

static void test_only_the_right_answers_a_call(void **state)
{
    struct stream *stream = &machine[1].stream;

    hand.port = STREAM_PORT;
    stream_call(stream, HERE, clock_ns);
    endpoint_serve(&machine[1], 8);
    assert_int_equal(get32(last + 38), HERE);           /* who has that address? */
    stream_found(&machine[1], HERE + 1, card[0]);
    assert_int_equal(stream->state, STREAM_SEEKING);
    stream_found(&machine[1], HERE, machine[0].port.mac);
    endpoint_serve(&machine[1], 8);
    hand.to = stream->port;
    inject(7, stream->una + 2, SYN | ACK, 0);
    came(RST);
    inject(7, 0, RST, 0);
    inject(7, 0, SYN, 0);
    inject(7, stream->una + 1, ACK, 0);
    assert_int_equal(stream->state, STREAM_CALLING);
    hand.from = HERE + 7;
    inject(7, stream->una + 1, SYN | ACK, 0);
    came(RST);
    hand.from = HERE;
    inject(7, stream->una + 1, SYN | ACK, 0);
    assert_int_equal(stream->state, STREAM_OPEN);
    assert_int_equal(stream->mss, 536);
}

/* Anything, at any time. */
static void test_segments_of_every_kind(void **state)
{
    for (unsigned round = 0; round < 300; round++) {
        struct stream *stream = &machine[1].stream;
        size_t said = 0, heard;
        uint8_t bytes[9000];

        by_hand(state);
        seed = round;
        if (round % 3) {
            shake_hands(chance(1 << 30) * 4u);
        } else {
            stream_call(stream, HERE, clock_ns);
            stream_found(&machine[1], HERE, machine[0].port.mac);
            hand.port = STREAM_PORT;
            hand.to = stream->port;
        }
        for (unsigned i = 0; i < 300; i++) {
            uint32_t sequence = stream->expected + chance(3) * (chance(4000) - 2000),
                     ack = stream->una + chance(3) * (chance(4000) - 2000);

            if (chance(8) == 0)
                ack = stream->high + chance(2);
            hand.window = chance(4) ? chance(65536) : 0;
            hand.options = 4 * chance(11);
            inject(sequence, ack, chance(6) ? ACK | (chance(9) ? 0 : FIN) : chance(64),
                   chance(3) ? chance(1400) : 0);
            assert_true(frames_sent <= 2);
            clock_ns += chance(100) * MS;
            if (chance(3) == 0)
                say(1, &said, said + 5000);
            if (chance(3) == 0) {
                heard = stream_read(stream, bytes, chance(sizeof(bytes)));
                assert_true(heard <= sizeof(bytes));
            }
            if (chance(200) == 0)
                stream_close(stream);
            endpoint_serve(&machine[1], 8);
            check(stream);
        }
        stream_end(&machine[1]);
        endpoint_serve(&machine[1], 8);
    }
}

/* What is known of one number says nothing of another: of each thing that it is made of the next
 * value leads elsewhere, and not by the same step as the one before. */
static void test_our_numbers_are_not_guessed(void **state)
{
    static const uint64_t next[][4] = {     /* the secret, address, port, their number */
        { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(next); i++) {
        uint32_t number[3];

        for (unsigned k = 0; k < 3; k++) {
            struct tcp_peer peer = { .address = THERE + (uint32_t)next[i][1] * k,
                                     .port = (uint16_t)(5000 + next[i][2] * k) };

            number[k] = segment_first_number(0x123456789abcdef0 + next[i][0] * k, &peer,
                                             7000 + (uint32_t)next[i][3] * k);
        }
        assert_true(number[0] != number[1] && number[1] != number[2]);
        assert_int_not_equal(number[1] - number[0], number[2] - number[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_flood_takes_no_place, by_hand),
        cmocka_unit_test_setup(test_what_is_not_believed, by_hand),
        cmocka_unit_test_setup(test_a_full_buffer, by_hand),
        cmocka_unit_test_setup(test_three_of_the_same, by_hand),
        cmocka_unit_test_setup(test_a_closed_window, by_hand),
        cmocka_unit_test_setup(test_only_the_right_answers_a_call, by_hand),
        cmocka_unit_test_setup(test_segments_of_every_kind, by_hand),
        cmocka_unit_test(test_our_numbers_are_not_guessed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
