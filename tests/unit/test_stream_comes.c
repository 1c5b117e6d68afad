/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP for guests that move, one step at a time, inwards: who is welcome, what is taken of
 * what comes and what is told of the room for it, what is believed of a peer, and the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "stream_steps_host.h"

/* --- listening -------------------------------------------------------------------------------- */

static uint32_t number_for(uint32_t theirs, uint64_t slot)
{
    struct tcp_peer peer = peer_there();

    return segment_first_number(s->secret ^ slot << 16, &peer, theirs);
}

static void a_welcome(void **state)
{
    uint64_t slot = clock_ns >> 33;
    static const unsigned not[] = { 0, RST, SYN | RST, SYN | ACK, SYN | ACK | RST, ACK | RST };

    stream_listen(s, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(not); i++) {
        take(ISN, number_for(ISN - 1, slot) + 1, not[i], 0);
        assert_true(count == 0 && s->state == STREAM_LISTENING);
    }
    take(ISN, 0, SYN | FIN, 0);
    assert_int_equal(count, 1);
    assert_true(sent[0].flags == (SYN | ACK) && sent[0].ack == ISN + 1);
    assert_true(sent[0].sequence == number_for(ISN, slot) && sent[0].window == 65535);
    assert_true(sent[0].port == STREAM_PORT && sent[0].option_bytes == 4 && sent[0].length == 0);
    assert_int_equal(sent[0].peer.address, THERE);
    for (unsigned ago = 0; ago < 3; ago++) {
        uint32_t ours = number_for(ISN - 1, slot - ago) + 1;

        stream_listen(s, 0);
        take(ISN, ours, ACK, 5);
        if (ago == 2) {
            assert_int_equal(s->state, STREAM_LISTENING);
            continue;
        }
        assert_true(s->state == STREAM_OPEN && s->una == ours && s->expected == ISN + 5);
        assert_true(s->owes && s->peer.address == THERE && s->mss == 536);
        assert_int_equal(s->edge, ISN + 65535);
    }
}

/* --- what comes ------------------------------------------------------------------------------- */

static void data_in_order(void **state)
{
    take(ISN + 1, s->una, ACK, 100);
    assert_true(s->in.filled == 100 && s->expected == ISN + 101 && s->owes && count == 0);
    assert_int_equal(s->heard, clock_ns);
    stream_acknowledge(&own);
    assert_true(count == 1 && sent[0].ack == ISN + 101 && sent[0].flags == ACK && !s->owes);
    stream_acknowledge(&own);
    assert_int_equal(count, 1);
    take(ISN + 51, s->una, ACK, 100);           /* half of it is new */
    assert_true(s->in.filled == 150 && s->expected == ISN + 151);
    take(ISN + 152, s->una, ACK, 10);           /* a hole */
    assert_true(s->in.filled == 150 && count == 1 && sent[0].ack == ISN + 151);
    take(ISN + 141, s->una, ACK | FIN, 10);     /* its end, behind what is known */
    assert_true(s->end_came && s->expected == ISN + 152 && s->in.filled == 150);
    s->owes = false;
    take(ISN + 151, s->una, ACK | FIN, 1);
    assert_true(s->owes && s->expected == ISN + 152 && s->in.filled == 150);
    s->state = STREAM_CLOSED;
    s->owes = true;
    count = 0;
    stream_acknowledge(&own);
    assert_int_equal(count, 0);
}

static void more_than_there_is_room_for(void **state)
{
    s->in.filled = STREAM_BUFFER - 30;
    s->edge = s->expected + 100;
    take(ISN + 1, s->una, ACK | FIN, 50);
    assert_true(s->in.filled == STREAM_BUFFER && s->expected == ISN + 31 && !s->end_came);
    open_one(NULL);
    s->edge = s->expected + 10;                 /* as much as was told, and more */
    take(ISN + 1, s->una, ACK, 50);
    assert_int_equal(s->edge, s->expected);
}

/* The window is told of in whole segments; that it is open again, when that is worth one. */
static void what_is_told_of_the_window(void **state)
{
    uint8_t bytes[STREAM_BUFFER];
    uint32_t edge = s->edge;

    for (unsigned i = 0; i < 65; i++)
        take(s->expected, s->una, ACK, 1000);
    assert_int_equal(s->edge, edge);
    stream_acknowledge(&own);
    assert_int_equal(sent[0].window, 535);
    assert_int_equal(stream_read(s, bytes, 1458), 1458);
    s->owes = true;
    stream_serve(&own, 8);
    assert_int_equal(sent[1].window, 535);
    assert_int_equal(s->edge, edge);
    assert_int_equal(stream_read(s, bytes, 1), 1);
    s->owes = true;
    stream_serve(&own, 8);
    assert_int_equal(sent[2].window, 535 + 1460);
    edge = s->edge;
    assert_int_equal(stream_read(s, bytes, 16383), 16383);
    assert_false(s->owes);
    assert_int_equal(stream_read(s, bytes, 1), 1);
    assert_true(s->owes && s->edge == edge);
    s->owes = false;
    s->in.filled = 0;
    assert_int_equal(stream_read(s, bytes, 1), 0);
    assert_false(s->owes);
    put(10);                                    /* told with data, too */
    assert_int_equal(goes(), 1);
    assert_int_equal(sent[0].window, 65535);
    assert_int_equal(s->edge, s->expected + 65535);
}

/* --- what is not believed --------------------------------------------------------------------- */

static void whose_numbers_are_right(void **state)
{
    static const struct { int sequence; unsigned length, flags; bool right; } cases[] = {
        { 0, 0, 0, true }, { -1, 0, 0, false }, { 1, 0, 0, true }, { 99, 0, 0, true },
        { 100, 0, 0, false }, { -1, 1, 0, false }, { -1, 2, 0, true }, { -9, 9, FIN, true },
        { -9, 8, FIN, false }, { 99, 9, 0, true }, { 100, 9, 0, false }, { -500, 500, 0, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        s->edge = s->expected + 100;
        clock_ns++;
        take(s->expected + (uint32_t)cases[i].sequence, s->una, ACK | cases[i].flags,
             cases[i].length);
        assert_int_equal(s->heard == clock_ns, cases[i].right);
        if (!cases[i].right)
            assert_true(count == 1 && sent[0].flags == ACK && sent[0].sequence == s->next);
    }
    open_one(NULL);
    s->edge = s->expected;                      /* a closed window: the very next alone */
    s->in.filled = STREAM_BUFFER;
    clock_ns++;
    take(s->expected + 1, s->una, ACK, 0);
    assert_int_not_equal(s->heard, clock_ns);
    take(s->expected, s->una, ACK, 0);
    assert_int_equal(s->heard, clock_ns);
}

static void what_is_acknowledged(void **state)
{
    static const struct { int ack; bool right; } cases[] = {
        { 0, true }, { 2000, true }, { 2001, false }, { -65536, true }, { -65537, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        put(2000);
        goes();
        clock_ns++;
        take(s->expected, s->una + (uint32_t)cases[i].ack, ACK, 0);
        assert_int_equal(s->heard == clock_ns, cases[i].right);
    }
    open_one(NULL);
    clock_ns++;
    take(s->expected, s->una + 9999, 0, 10);    /* without: no word is believed */
    assert_true(s->heard != clock_ns && count == 0 && s->in.filled == 0);
}

static void who_resets(void **state)
{
    static const struct { int sequence; unsigned flags, answers; bool ends; } cases[] = {
        { 0, RST, 0, true }, { 0, RST | ACK, 0, true }, { 5, RST, 1, false },
        { -1, RST, 0, false }, { 70000, RST | ACK, 0, false }, { 0, SYN, 1, false },
        { 5, SYN | ACK, 1, false }, { -5, SYN | ACK, 1, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        clock_ns++;
        take(s->expected + (uint32_t)cases[i].sequence, s->una, cases[i].flags, 0);
        assert_int_equal(count, cases[i].answers);
        assert_int_equal(s->state, cases[i].ends ? STREAM_BROKEN : STREAM_OPEN);
        assert_int_equal(s->error, cases[i].ends ? -ENOTCONN : 0);
        assert_int_not_equal(s->heard, clock_ns);
    }
}

/* Two that are not of one mind do not tell each other so for ever; data is always answered. */
static void not_too_many_answers(void **state)
{
    static const struct { unsigned later, length, answers; } cases[] = {
        { 0, 0, 1 }, { 0, 0, 0 }, { 50 * MS - 1, 0, 0 }, { 1, 0, 1 }, { 1, 9, 1 }, { 1, 0, 0 },
        { 50 * MS - 2, 0, 0 }, { 1, 0, 1 },
    };

    clock_ns = 10 * MS;                         /* right behind the clock's beginning, too */
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        clock_ns += cases[i].later;
        take(s->expected - 20, s->una, ACK, cases[i].length);
        assert_int_equal(count, cases[i].answers);
    }
}

static void who_is_wanted(void **state)
{
    static const enum stream_state none[] = { STREAM_CLOSED, STREAM_SEEKING, STREAM_BROKEN };
    struct segment other, segment = { .peer = peer_there(), .port = s->port };

    assert_true(stream_wants(s, &segment, true));
    assert_false(stream_wants(s, &segment, false));
    for (unsigned i = 0; i < 4; i++) {
        other = segment;
        other.port += i == 0;
        other.peer.port += i == 1;
        other.peer.address += i == 2;
        other.peer.mac[5] ^= i == 3;
        assert_false(stream_wants(s, &other, true));
    }
    s->state = STREAM_CALLING;
    assert_true(stream_wants(s, &segment, true));
    for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
        s->state = none[i];
        assert_false(stream_wants(s, &segment, true));
    }
    segment.port = STREAM_PORT;
    stream_listen(s, 0);
    assert_true(stream_wants(s, &segment, true));
    stream_listen(s, THERE);
    assert_true(stream_wants(s, &segment, true));
    stream_listen(s, THERE + 1);
    assert_false(stream_wants(s, &segment, true));
}

/* --- the end ---------------------------------------------------------------------------------- */

static void it_is_ended(void **state)
{
    uint32_t una = s->una;

    put(1000);
    goes();
    count = 0;
    stream_end(&own);
    assert_true(count == 1 && sent[0].flags == (RST | ACK) && sent[0].sequence == una + 1000);
    assert_true(sent[0].ack == ISN + 1 && sent[0].port == s->port);
    assert_true(sent[0].peer.address == THERE && s->state == STREAM_CLOSED);
    stream_end(&own);
    assert_int_equal(count, 1);
    for (unsigned i = 0; i < 4; i++) {
        open_one(NULL);
        s->end_acked = i & 1;
        s->end_came = i & 2;
        assert_int_equal(stream_is_over(s), i == 3);
        stream_end(&own);
        assert_int_equal(count, i != 3);
    }
    stream_call(s, THERE, clock_ns);
    stream_found(&own, THERE, mac);
    stream_end(&own);
    assert_int_equal(count, 0);
}

static void another_address(void **state)
{
    static const struct { enum stream_state is, becomes; } states[] = {
        { STREAM_CLOSED, STREAM_CLOSED }, { STREAM_LISTENING, STREAM_LISTENING },
        { STREAM_SEEKING, STREAM_BROKEN }, { STREAM_CALLING, STREAM_BROKEN },
        { STREAM_OPEN, STREAM_BROKEN },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
        s->state = states[i].is;
        s->error = 0;
        stream_forget(s);
        assert_int_equal(s->state, states[i].becomes);
        assert_int_equal(s->error, states[i].becomes == STREAM_BROKEN ? -ENOTCONN : 0);
    }
    s->error = -ETIMEDOUT;
    stream_forget(s);
    assert_int_equal(s->error, -ETIMEDOUT);
    for (enum stream_state is = STREAM_CLOSED; is <= STREAM_BROKEN; is++) {
        s->state = is;
        assert_int_equal(stream_write(s, "x", 1), is == STREAM_OPEN);
    }
}

#define NEW(test) cmocka_unit_test_setup(test, set_up)
#define OPEN(test) cmocka_unit_test_setup(test, open_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEW(a_welcome), OPEN(data_in_order), OPEN(more_than_there_is_room_for),
        OPEN(what_is_told_of_the_window), OPEN(whose_numbers_are_right),
        OPEN(what_is_acknowledged), OPEN(who_resets), OPEN(not_too_many_answers),
        OPEN(who_is_wanted), OPEN(it_is_ended), OPEN(another_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
