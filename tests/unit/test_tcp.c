/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP by the rules of RFC 9293 and RFC 5961, against peers that are slow, confused, or lie.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "endpoint_host.h"

#define WINDOW (65535u << 6)
/* where the peer's numbers begin, unless a test says otherwise */
#define ISN 1000u

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* A segment with `bytes` of data behind the options. */
static size_t segment_with(unsigned from, unsigned to, uint32_t sequence, uint32_t ack,
                           unsigned flags, const uint8_t *options, size_t option_bytes,
                           size_t bytes)
{
    uint8_t *tcp = frame + 34;
    size_t length = 20 + option_bytes + bytes;

    memset(tcp, 0, length);
    set16(tcp, from);
    set16(tcp + 2, to);
    set32(tcp + 4, sequence);
    set32(tcp + 8, ack);
    set16(tcp + 12, (20 + option_bytes) / 4 << 12 | flags);
    set16(tcp + 14, 1000);
    if (option_bytes)
        memcpy(tcp + 20, options, option_bytes);
    packet(6, length);
    set16(tcp + 16, ~sum(tcp, length, pseudo(frame + 14, length)));
    return 34 + length;
}

static size_t segment(unsigned from, uint32_t sequence, uint32_t ack, unsigned flags, size_t bytes)
{
    return segment_with(from, 9, sequence, ack, flags, NULL, 0, bytes);
}

static unsigned send_segment(unsigned from, uint32_t sequence, uint32_t ack, unsigned flags,
                             size_t bytes)
{
    return ask(frame, segment(from, sequence, ack, flags, bytes));
}

/* What came back is one segment to that port, and says this. Returns its sequence number. */
static uint32_t came(unsigned port, unsigned flags, uint32_t ack)
{
    const uint8_t *tcp = got[0] + 34;

    assert_int_equal(got_count, 1);
    assert_memory_equal(got[0], their_mac, 6);
    assert_int_equal(got[0][23], 6);
    assert_int_equal(get32(got[0] + 26), US);
    assert_int_equal(get32(got[0] + 30), THEM);
    assert_int_equal(get16(tcp + 2), port);
    assert_int_equal(tcp[13], flags);
    assert_int_equal(get32(tcp + 8), ack);
    return get32(tcp + 4);
}

static const uint8_t scale_option[] = { 1, 3, 3, 7 };

/* Returns the number that the endpoint's next byte has. */
static uint32_t connect_from(unsigned port, uint32_t isn)
{
    ask(frame, segment_with(port, 9, isn, 0, SYN, scale_option, 4, 0));

    uint32_t next = came(port, SYN | ACK, isn + 1) + 1;

    assert_int_equal(send_segment(port, isn + 1, next, ACK, 0), 0);
    return next;
}

static void test_life_of_a_connection(void **state)
{
    uint32_t next;

    ask(frame, segment_with(5000, 9, ISN, 0, SYN, scale_option, 4, 0));
    next = came(5000, SYN | ACK, ISN + 1) + 1;
    assert_memory_equal(got[0] + 46, "\x70\x12\xff\xff", 4);
    /* MSS 1460, scale 6 */
    assert_memory_equal(got[0] + 54, "\x02\x04\x05\xb4\x03\x03\x06\0", 8);
    assert_int_equal(send_segment(5000, ISN + 1, next, ACK, 0), 0);
    assert_int_equal(endpoint.tcp.opened, 1);
    send_segment(5000, ISN + 1, next, ACK | PSH, 1000);
    assert_int_equal(came(5000, ACK, ISN + 1001), next);
    assert_int_equal(get16(got[0] + 48), 0xffff);
    send_segment(5000, ISN + 1001, next, ACK | FIN, 7);
    assert_int_equal(came(5000, ACK | FIN, ISN + 1009), next);
    assert_int_equal(endpoint.tcp.bytes, 1007);
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    assert_int_equal(send_segment(5000, ISN + 1009, next + 1, ACK, 0), 0);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
    send_segment(5000, ISN + 1009, next + 1, ACK, 1);   /* nobody there any more */
    assert_int_equal(came(5000, RST, 0), next + 1);
}

/* A guest that was moved has the same address behind another card: what we say goes there from its
 * next segment on. */
static void test_a_peer_that_moves(void **state)
{
    uint32_t next = connect_from(5000, ISN);
    size_t length = segment(5000, ISN + 1, next, ACK, 10);

    frame[11] ^= 0xff;
    assert_int_equal(ask(frame, length), 1);
    assert_memory_equal(got[0], frame + 6, 6);
    assert_memory_not_equal(got[0], their_mac, 6);
}

static void test_without_large_windows(void **state)
{
    static const uint8_t options[] = { 0, 4, 1, 1, 3, 3, 7, 1 };     /* the list ends at once */
    static const uint8_t mss_first[] = { 2, 4, 5, 0xb4, 3, 3, 7, 0 };
    uint32_t next;

    ask(frame, segment_with(5001, 9, ISN, 0, SYN, mss_first, 8, 0));
    came(5001, SYN | ACK, ISN + 1);
    assert_int_equal(got[0][46] >> 4, 7);
    ask(frame, segment_with(5000, 9, ISN, 0, SYN, options, 8, 0));
    next = came(5000, SYN | ACK, ISN + 1) + 1;
    assert_int_equal(got[0][46] >> 4, 6);               /* MSS alone */
    send_segment(5000, ISN + 1, next, ACK, 0);
    send_segment(5000, ISN + 1 + 65535, next, ACK, 0);  /* the first number that is too far */
    came(5000, ACK, ISN + 1);
    assert_int_equal(send_segment(5000, ISN + 1 + 65534, next, ACK, 0), 0);
}

static void test_lost_answers_are_asked_for_again(void **state)
{
    uint32_t next = 0;

    for (int i = 0; i < 3; i++) {
        ask(frame, segment_with(5000, 9, ISN, 0, SYN, scale_option, 4, 0));
        assert_true(i == 0 || came(5000, SYN | ACK, ISN + 1) + 1 == next);
        next = came(5000, SYN | ACK, ISN + 1) + 1;
    }
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    /* the ACK of the handshake brings data, too */
    send_segment(5000, ISN + 1, next, ACK, 10);
    for (int i = 0; i < 3; i++) {
        send_segment(5000, ISN + 11, next, ACK | FIN, 0);
        assert_int_equal(came(5000, ACK | FIN, ISN + 12), next);
    }
    send_segment(5000, ISN + 12, next, ACK, 0);         /* our end is still on its way */
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    send_segment(5000, ISN + 12, next + 1, ACK, 0);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
}

static void test_order(void **state)
{
    uint32_t next = connect_from(5000, ISN), at = ISN + 1;

    send_segment(5000, at + 100, next, ACK, 100);       /* too early */
    came(5000, ACK, at);
    send_segment(5000, at, next, ACK, 100);
    came(5000, ACK, at + 100);
    send_segment(5000, at, next, ACK, 100);             /* again */
    came(5000, ACK, at + 100);
    send_segment(5000, at + 50, next, ACK, 100);        /* half of it again */
    came(5000, ACK, at + 150);
    send_segment(5000, at - 20, next, ACK | FIN, 200);  /* all of it again, more, and the end */
    assert_int_equal(came(5000, ACK | FIN, at + 181), next);
    assert_int_equal(endpoint.tcp.bytes, 180);
    /* behind its own end: no data, and no harm */
    send_segment(5000, at + 181, next, ACK, 5);
    assert_int_equal(endpoint.tcp.bytes, 180);
}

static void test_an_end_that_comes_too_early(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    send_segment(5000, ISN + 11, next, ACK | FIN, 10);
    came(5000, ACK, ISN + 1);
    send_segment(5000, ISN + 1, next, ACK, 10);
    came(5000, ACK, ISN + 11);
    send_segment(5000, ISN + 11, next, ACK | FIN, 10);
    came(5000, ACK | FIN, ISN + 22);
}

static void test_numbers_wrap(void **state)
{
    uint32_t next = connect_from(5000, 0xffffff00u);

    send_segment(5000, 0xffffff01u, next, ACK, 1000);
    came(5000, ACK, 0xffffff01u + 1000);
    send_segment(5000, 0xffffff01u, next, ACK, 1001);
    came(5000, ACK, 0xffffff01u + 1001);
    assert_int_equal(endpoint.tcp.bytes, 1001);
}

static void test_one_acknowledgement_a_batch(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    for (unsigned i = 0; i < 32; i++) {
        size_t length = segment(5000, ISN + 1 + i * 60000, next, ACK, 60000);

        memset(frame + 50, 0, 2);                       /* its checksum is still to be made */
        put(frame, length, NET_CHECKSUM_BLANK | NET_GSO_TCP4 | NET_GSO_SIZE(1448));
    }
    flush();
    came(5000, ACK, ISN + 1 + 32 * 60000);
    assert_int_equal(endpoint.tcp.bytes, 32 * 60000);
    assert_int_equal(flush(), 0);
}

static void test_checksum_is_looked_at(void **state)
{
    uint32_t next = connect_from(5000, ISN);
    size_t length = segment(5000, ISN + 1, next, ACK, 101);

    frame[60] ^= 1;
    assert_int_equal(ask(frame, length), 0);
    assert_int_equal(endpoint.tcp.bytes, 0);
    put(frame, length, NET_CHECKSUM_GOOD);              /* somebody who is trusted has looked */
    flush();
    came(5000, ACK, ISN + 102);
}

static void test_resets(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    assert_int_equal(send_segment(5000, ISN, 0, RST, 0), 0);                    /* old */
    assert_int_equal(send_segment(5000, ISN + 1 + WINDOW, 0, RST, 0), 0);       /* too far */
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    /* within the window: a guess? Whoever it is can say better. */
    send_segment(5000, ISN + 2, 0, RST, 0);
    assert_int_equal(came(5000, ACK, ISN + 1), next);
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    assert_int_equal(send_segment(5000, ISN + 1, 0, RST, 0), 0);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
}

static void test_guesses_are_challenged(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    send_segment(5000, ISN + 500, 0, SYN, 0);
    assert_int_equal(came(5000, ACK, ISN + 1), next);
    send_segment(5000, ISN + 1, next, SYN | ACK, 0);
    came(5000, ACK, ISN + 1);
    send_segment(5000, ISN + 1, next + 1, ACK, 10);     /* acknowledges what we have not sent */
    came(5000, ACK, ISN + 1);
    send_segment(5000, ISN + 1, next - 3, ACK, 10);     /* ... or sent never */
    came(5000, ACK, ISN + 1);
    send_segment(5000, ISN, next, ACK, 0);              /* is anybody there? */
    came(5000, ACK, ISN + 1);
    assert_int_equal(send_segment(5000, ISN + 1, 0, 0, 10), 0);
    assert_int_equal(endpoint.tcp.bytes, 0);
    /* an acknowledgement is not answered */
    assert_int_equal(send_segment(5000, ISN + 1, next, ACK, 0), 0);
}

static void test_a_wrong_handshake_is_reset(void **state)
{
    send_segment(5000, ISN, 0, SYN, 0);

    uint32_t next = came(5000, SYN | ACK, ISN + 1) + 1;

    send_segment(5000, ISN + 1, next - 1, ACK, 10);
    assert_int_equal(came(5000, RST, 0), next - 1);
    assert_int_equal(endpoint.tcp.bytes + endpoint.tcp.opened, 0);
    send_segment(5000, ISN + 1, 0, RST, 0);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
}

static void test_a_peer_that_starts_anew(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    send_segment(5000, ISN + 0x80000000u, 0, SYN, 0);
    assert_int_equal(came(5000, ACK, ISN + 1), next);
    send_segment(5000, ISN + 1, 0, RST, 0);             /* "I know nothing of that" */
    connect_from(5000, ISN + 0x80000000u);
    assert_int_equal(tcp_count(&endpoint.tcp), 1);
}

static void test_a_new_address_knows_nobody(void **state)
{
    uint32_t next = connect_from(5000, ISN);

    assert_int_equal(tcp_count(&endpoint.tcp), 1);
    assert_true(endpoint_set_address(&endpoint, US));
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
    send_segment(5000, ISN + 1, next, ACK, 10);
    came(5000, RST, 0);
}

static void test_other_ports_refuse(void **state)
{
    ask(frame, segment_with(5000, 80, ISN, 0, SYN, NULL, 0, 0));
    assert_int_equal(came(5000, RST | ACK, ISN + 1), 0);
    assert_int_equal(get16(got[0] + 34), 80);
    ask(frame, segment_with(5000, 80, ISN, 0, FIN | PSH, NULL, 0, 10));
    came(5000, RST | ACK, ISN + 11);
    ask(frame, segment_with(5000, 80, ISN, 77, ACK, NULL, 0, 10));
    assert_int_equal(came(5000, RST, 0), 77);
    ask(frame, segment_with(5000, 9, ISN, 77, SYN | ACK, NULL, 0, 0));
    assert_int_equal(came(5000, RST, 0), 77);
    assert_int_equal(ask(frame, segment_with(5000, 80, ISN, 77, RST, NULL, 0, 0)), 0);
    assert_int_equal(ask(frame, segment_with(5000, 80, ISN, 77, RST | ACK, NULL, 0, 0)), 0);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
}

/* Who sends from the port of discard may be an endpoint like us, on another machine: two of us,
 * told of each other by a third, would each answer the other's SYN | ACK for ever. */
static void test_two_of_us_do_not_talk(void **state)
{
    send_segment(9, ISN, 0, SYN, 0);
    came(9, RST | ACK, ISN + 1);
    assert_int_equal(tcp_count(&endpoint.tcp), 0);
    send_segment(9, ISN, 77, SYN | ACK, 0);
    assert_int_equal(came(9, RST, 0), 77);
}

static void test_table_is_bounded_and_ages(void **state)
{
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        clock_ns++;
        if (i < TCP_CONNECTIONS / 2)
            connect_from(5000 + i, ISN);
        else
            send_segment(5000 + i, ISN, 0, SYN, 0);
    }
    send_segment(6000, ISN, 0, SYN, 0);
    came(6000, RST | ACK, ISN + 1);
    assert_int_equal(tcp_count(&endpoint.tcp), TCP_CONNECTIONS);
    /* half-open ones have had their time; the oldest goes */
    clock_ns += 5000000001ull;
    send_segment(6000, ISN, 0, SYN, 0);
    came(6000, SYN | ACK, ISN + 1);
    send_segment(5000 + TCP_CONNECTIONS / 2, ISN + 1, 77, ACK, 0);
    came(5000 + TCP_CONNECTIONS / 2, RST, 0);
    for (unsigned i = 1; i < TCP_CONNECTIONS / 2; i++)
        send_segment(6000 + i, ISN, 0, SYN, 0);
    send_segment(7000, ISN, 0, SYN, 0);                 /* open ones stay */
    came(7000, RST | ACK, ISN + 1);
    clock_ns += 120000000000ull;
    send_segment(5000, ISN + 1, 0, RST, 0);
    connect_from(5000, ISN);
    clock_ns += 120000000000ull;
    send_segment(5000, ISN + 1, endpoint.tcp.connection[0].next, ACK, 0);   /* this one was not */
    clock_ns += 1;
    for (unsigned i = 1; i < TCP_CONNECTIONS; i++) {
        send_segment(7000 + i, ISN, 0, SYN, 0);
        came(7000 + i, SYN | ACK, ISN + 1);
    }
    send_segment(8000, ISN, 0, SYN, 0);
    came(8000, RST | ACK, ISN + 1);
    clock_ns += 120000000000ull;
    /* ... until they have been silent for long */
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        send_segment(7000 + i, ISN, 0, SYN, 0);
        came(7000 + i, SYN | ACK, ISN + 1);
    }
    assert_int_equal(tcp_count(&endpoint.tcp), TCP_CONNECTIONS);
}

/* Another station's segment: the sum does not cover who sent it. */
static unsigned send_from(unsigned station, unsigned port, unsigned flags)
{
    size_t length = segment(port, ISN, 0, flags, 0);

    frame[11] ^= station;
    return ask(frame, length);
}

static unsigned held_by(unsigned station)
{
    unsigned count = 0;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++)
        count += endpoint.tcp.connection[i].state != TCP_CLOSED &&
                 endpoint.tcp.connection[i].peer.mac[5] == (their_mac[5] ^ station);
    return count;
}

/* One that holds all places, in use, gives some up to others, down to as many as they have; nobody
 * gives one to who has as many. What goes is what was silent for longest. */
static void test_places_are_shared(void **state)
{
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        clock_ns++;
        connect_from(5000 + i, ISN);
    }
    for (unsigned i = 0; i < 20; i++)
        send_from(1, 6000 + i, SYN);
    assert_int_equal(held_by(1), TCP_CONNECTIONS / 2);
    assert_int_equal(held_by(0), TCP_CONNECTIONS / 2);
    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        send_segment(5000 + i, ISN + 1, 77, ACK, 0);
        if (i < TCP_CONNECTIONS / 2)
            came(5000 + i, RST, 0);                     /* the older half: it is told */
    }
    assert_int_equal(send_from(0, 7000, SYN), 1);
    assert_int_equal(get16(got[0] + 34 + 2), 7000);
    assert_int_equal(got[0][34 + 13], RST | ACK);       /* as many as another: no more */
    for (unsigned station = 2; station < 20; station++)
        for (unsigned i = 0; i < 3; i++)
            send_from(station, 8000 + 3 * station + i, SYN);
    for (unsigned station = 0; station < TCP_CONNECTIONS; station++)
        assert_int_equal(held_by(station), 1);          /* a place each, while there are any */
    assert_int_equal(held_by(TCP_CONNECTIONS), 0);
    assert_int_equal(tcp_count(&endpoint.tcp), TCP_CONNECTIONS);
}

/* --- liars --- */

static void test_truncated_and_lying_headers(void **state)
{
    size_t length = segment_with(5000, 9, ISN, 0, SYN, scale_option, 4, 0);

    for (size_t cut = 0; cut < length; cut++) {         /* shorter than it says */
        put(frame, cut, NET_CHECKSUM_GOOD);
        assert_int_equal(flush(), 0);
    }
    /* says it is shorter: less than 24 bytes hold no such segment */
    for (unsigned total = 0; total < 44; total++) {
        set16(frame + 16, total);
        again_checked();
        put(frame, length, NET_CHECKSUM_GOOD);
        assert_int_equal(flush(), 0);
    }
    for (unsigned words = 0; words < 16; words++) {     /* TCP's own header */
        endpoint_set_address(&endpoint, US);
        segment_with(5000, 9, ISN, 0, SYN, scale_option, 4, 0);
        frame[46] = (uint8_t)(words << 4);
        put(frame, length, NET_CHECKSUM_GOOD);
        assert_int_equal(flush(), words == 5 || words == 6);
    }
    /* options that go on behind their end, or never end */
    for (unsigned kind = 0; kind < 256; kind++)
        for (unsigned size = 0; size < 256; size++) {
            uint8_t options[4] = { 1, 1, (uint8_t)kind, (uint8_t)size };

            endpoint_set_address(&endpoint, US);
            put(frame, segment_with(5000, 9, ISN, 0, SYN, options, 4, 0), 0);
            assert_int_equal(flush(), 1);
            assert_int_equal(got[0][46] >> 4, 6);
        }
}

/* One of everything, then a few bytes, the length and the flags at random; some pass for good
 * because nobody looks at sums. */
static void test_random_bytes(void **state)
{
    uint64_t random = 1;
    unsigned answered = 0;

    for (unsigned i = 0; i < 300000; i++) {
        size_t length;
        unsigned frames = 1 + i % 3;

        for (unsigned j = 0; j < frames; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;

            unsigned r = (unsigned)(random >> 33), flags = r >> 3 & 31;

            if (r % 8 == 0)
                memcpy(frame, who_has, length = sizeof who_has);
            else if (r % 8 == 1)
                length = echo(r >> 8 & 127);
            else        /* numbers around those that the table knows */
                length = segment_with(5000 + (r >> 8 & 31), r % 8 == 2 ? 80 : 9,
                                      ISN + (r >> 13 & 3),
                                      endpoint.tcp.connection[r >> 8 & 15].next + (r >> 15 & 1),
                                      flags, scale_option, 4, r >> 16 & 63);
            for (unsigned k = r >> 22 & 3; k; k--) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                frame[(random >> 33) % length] = (uint8_t)(random >> 56);
            }
            if (r >> 24 & 1)
                again_checked();
            put(frame, r >> 25 & 1 ? length : (random >> 20) % (length + 1), r >> 26 & 3);
        }
        answered += flush();
        assert_true(got_count <= frames);
        clock_ns += 100000000;
    }
    assert_true(answered > 100000 && endpoint.tcp.opened > 100 && endpoint.tcp.bytes > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_life_of_a_connection, set_up),
        cmocka_unit_test_setup(test_a_peer_that_moves, set_up),
        cmocka_unit_test_setup(test_without_large_windows, set_up),
        cmocka_unit_test_setup(test_lost_answers_are_asked_for_again, set_up),
        cmocka_unit_test_setup(test_order, set_up),
        cmocka_unit_test_setup(test_an_end_that_comes_too_early, set_up),
        cmocka_unit_test_setup(test_numbers_wrap, set_up),
        cmocka_unit_test_setup(test_one_acknowledgement_a_batch, set_up),
        cmocka_unit_test_setup(test_checksum_is_looked_at, set_up),
        cmocka_unit_test_setup(test_resets, set_up),
        cmocka_unit_test_setup(test_guesses_are_challenged, set_up),
        cmocka_unit_test_setup(test_a_wrong_handshake_is_reset, set_up),
        cmocka_unit_test_setup(test_a_peer_that_starts_anew, set_up),
        cmocka_unit_test_setup(test_a_new_address_knows_nobody, set_up),
        cmocka_unit_test_setup(test_other_ports_refuse, set_up),
        cmocka_unit_test_setup(test_two_of_us_do_not_talk, set_up),
        cmocka_unit_test_setup(test_table_is_bounded_and_ages, set_up),
        cmocka_unit_test_setup(test_places_are_shared, set_up),
        cmocka_unit_test_setup(test_truncated_and_lying_headers, set_up),
        cmocka_unit_test_setup(test_random_bytes, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
