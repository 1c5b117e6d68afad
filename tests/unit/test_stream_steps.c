/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP for guests that move, one step at a time, outwards: how it calls, what each segment
 * says to the last field, how much may go and when, when again, and each number that is kept for
 * that. (test_stream has two of it at a net, test_stream_hand whole packets.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "stream_steps_host.h"

/* --- calling ---------------------------------------------------------------------------------- */

static void nothing_is_left_of_the_last(void **state)
{
    memset(s, 0xee, sizeof(*s));
    stream_init(s, 0xabcdef0123456ull, changed);
    assert_true(s->state == STREAM_CLOSED && s->calls == 0 && s->in.filled == 0);
    assert_true(s->secret == 0xabcdef0123456ull && s->changed == changed && s->heard == 0);
    for (unsigned calls = 0; calls < 2; calls++) {
        memset(&s->error, 0xee, offsetof(struct stream, secret) - offsetof(struct stream, error));
        memset(&s->out.head, 0xee, sizeof(*s) - offsetof(struct stream, out.head));
        s->out.head = s->in.head = 0;
        s->closing = s->end_acked = s->end_came = s->owes = true;
        if (calls)
            stream_call(s, THERE, 77);
        else
            stream_listen(s, 5);
        assert_int_equal(s->state, calls ? STREAM_SEEKING : STREAM_LISTENING);
        assert_int_equal(s->port, calls ? 49152 + 0xabcdef0123456ull % 16384 : STREAM_PORT);
        assert_int_equal(s->resend_at, calls ? 77 : 0);
        assert_true(s->error == 0 && s->out.filled == 0 && s->in.filled == 0);
        assert_true(!s->closing && !s->end_acked && !s->end_came && !s->owes);
        assert_true(s->timed_at == 0 && s->srtt == 0 && s->challenged == 0);
        assert_true(s->rto == 1000 * MS && s->duplicates == 0 && s->asked == 0);
        assert_true(s->window == 0 && s->mss == 536);
        if (!calls)
            assert_int_equal(s->only, 5);
    }
    assert_true(s->peer.port == STREAM_PORT && s->peer.address == THERE);
    s->secret = 16383;                          /* each call another port, round and round */
    stream_call(s, THERE, 77);
    assert_int_equal(s->port, 49152);
    stream_call(s, THERE, 77);
    assert_int_equal(s->port, 49153);
}

static void five_questions(void **state)
{
    stream_call(s, THERE, clock_ns);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(stream_deadline(s), clock_ns);
        clock_ns--;
        assert_false(stream_serve(&own, 8));
        assert_int_equal(seeks, i);
        clock_ns++;
        assert_false(stream_serve(&own, 8));
        assert_true(seeks == i + 1 && sought == THERE);
        clock_ns += 1000 * MS;
    }
    stream_serve(&own, 8);
    assert_true(s->state == STREAM_BROKEN && s->error == -EADDRNOTAVAIL && seeks == 5);
    assert_true(stream_deadline(s) == 0 && changes == 1 && count == 0);
}

static void it_is_found(void **state)
{
    uint32_t number;

    stream_call(s, THERE, clock_ns);
    stream_found(&own, THERE + 1, mac);
    assert_true(s->state == STREAM_SEEKING && changes == 0);
    clock_ns += 9999;
    stream_found(&own, THERE, mac);
    assert_true(s->state == STREAM_CALLING && changes == 1);
    assert_memory_equal(s->peer.mac, mac, NET_MAC);
    number = segment_first_number(s->secret, &s->peer, s->port) + (uint32_t)(clock_ns >> 12);
    assert_true(s->una == number && s->heard == clock_ns && s->resend_at == clock_ns);
    stream_found(&own, THERE, (const uint8_t *)"another");
    assert_memory_equal(s->peer.mac, mac, NET_MAC);
}

/* At once, after 1, 2, 4 seconds, and then each four; for fifteen. */
static void it_knocks(void **state)
{
    static const unsigned seconds[] = { 1, 2, 4, 4, 4 };
    static const uint8_t options[] = { 2, 4, 1460 >> 8, 1460 & 255 };
    uint64_t since;

    stream_call(s, THERE, clock_ns);
    stream_found(&own, THERE, mac);
    since = clock_ns;
    for (unsigned i = 0; i < ARRAY_SIZE(seconds); i++) {
        stream_serve(&own, 8);
        assert_int_equal(count, i + 1);
        assert_true(sent[i].sequence == s->una && sent[i].flags == SYN);
        assert_true(sent[i].ack == 0 && sent[i].length == 0 && sent[i].window == 65535);
        assert_true(sent[i].port == s->port && sent[i].peer.port == STREAM_PORT);
        assert_memory_equal(sent[i].peer.mac, mac, NET_MAC);
        assert_int_equal(sent[i].option_bytes, 4);
        assert_memory_equal(sent[i].options, options, 4);
        assert_int_equal(stream_deadline(s), clock_ns + seconds[i] * 1000 * MS);
        clock_ns = MIN(stream_deadline(s), since + 15000 * MS);
        s->resend_at = clock_ns;
    }
    stream_serve(&own, 8);                      /* fifteen, not more */
    assert_int_equal(s->state, STREAM_CALLING);
    s->resend_at = ++clock_ns;
    stream_serve(&own, 8);
    assert_true(s->state == STREAM_BROKEN && s->error == -ETIMEDOUT && stream_deadline(s) == 0);
}

static void how_it_opens(void **state)
{
    static const struct { unsigned told, is; } sizes[] = {
        { 0, 536 }, { 1, 536 }, { 535, 536 }, { 536, 536 }, { 537, 537 }, { 1459, 1459 },
        { 1460, 1460 }, { 1461, 1460 }, { 65535, 1460 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t told[2] = { (uint8_t)(sizes[i].told >> 8), (uint8_t)sizes[i].told };
        uint32_t ours;

        set_up(NULL);
        stream_call(s, THERE, clock_ns);
        stream_found(&own, THERE, mac);
        stream_serve(&own, 8);
        ours = s->una + 1;
        clock_ns += 2000 * MS;
        changes = 0;
        s->rto = 4000 * MS;
        answered(12345, sizes[i].told ? told : NULL);
        assert_true(s->state == STREAM_OPEN && s->mss == sizes[i].is && changes == 1);
        assert_true(s->una == ours && s->next == ours && s->high == ours && s->recover == ours);
        assert_true(s->window == 12345 && s->window_sequence == ISN && s->window_ack == ours);
        assert_true(s->expected == ISN + 1 && s->edge == ISN + 1 + 65535);
        assert_true(s->congestion == 10 * s->mss && s->threshold == STREAM_BUFFER);
        assert_true(s->resend_at == 0 && s->timed_at == 0 && s->rto == 1000 * MS);
        assert_true(s->heard == clock_ns && s->owes && count == 0);
    }
}

static void what_does_not_answer_a_call(void **state)
{
    uint32_t next;

    stream_call(s, THERE, clock_ns);
    stream_found(&own, THERE, mac);
    next = s->una + 1;
    take(ISN, next + 1, SYN | ACK, 0);
    take(ISN, next - 1, ACK | RST, 0);
    assert_int_equal(refusals, 2);
    take(ISN, 0, SYN, 0);
    take(ISN, 0, RST, 0);
    take(ISN, next, ACK, 0);
    take(ISN, next, ACK | FIN, 0);
    assert_true(refusals == 2 && s->state == STREAM_CALLING && count == 0);
    take(ISN, next, ACK | RST | SYN, 0);
    assert_true(s->state == STREAM_BROKEN && s->error == -ECONNREFUSED);
}

/* --- what goes -------------------------------------------------------------------------------- */

static void a_segment(void **state)
{
    uint32_t una = s->una;

    s->out.head = STREAM_BUFFER - 1500;         /* the second goes round the ring's end */
    s->owes = true;
    put(2500);
    assert_int_equal(goes(), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(sent[i].sequence == una + 1000 * i && sent[i].ack == ISN + 1);
        assert_true(sent[i].flags == (ACK | PSH) && sent[i].length == 1000);
        assert_true(sent[i].window == 65535 && sent[i].port == s->port);
        assert_true(sent[i].peer.address == THERE && sent[i].more == s->out.bytes);
        assert_true(sent[i].data == s->out.bytes + STREAM_BUFFER - 1500 + 1000 * i);
        assert_int_equal(sent[i].first, i ? 500 : 1000);
    }
    assert_false(s->owes);
    assert_true(s->next == una + 2000 && s->high == una + 2000 && s->una == una);
}

static void an_end(void **state)
{
    uint32_t una = s->una;

    put(1500);
    stream_close(s);
    assert_int_equal(stream_write(s, "x", 1), 0);
    assert_int_equal(goes(), 2);
    assert_int_equal(sent[0].flags, ACK | PSH);
    assert_true(sent[1].flags == (ACK | PSH | FIN) && sent[1].length == 500);
    assert_true(s->next == una + 1501 && s->high == una + 1501);
    take(ISN + 1, una + 1500, ACK, 0);
    assert_false(s->end_acked);
    assert_int_equal(goes(), 0);
    take(ISN + 1, una + 1501, ACK, 0);
    assert_true(s->end_acked && s->resend_at == 0 && s->out.filled == 0);
    assert_int_equal(goes(), 0);
}

/* An end alone, when all else has gone already. */
static void only_an_end(void **state)
{
    uint32_t una = s->una;

    put(700);
    assert_int_equal(goes(), 1);
    stream_close(s);
    assert_int_equal(goes(), 1);
    assert_true(sent[0].flags == (ACK | FIN) && sent[0].length == 0);
    assert_int_equal(sent[0].sequence, una + 700);
    assert_int_equal(s->high, una + 701);
    take(ISN + 1, una + 701, ACK, 0);
    assert_true(s->end_acked && s->out.filled == 0 && !stream_is_over(s));
    take(ISN + 1, una + 701, ACK | FIN, 0);
    assert_true(stream_is_over(s));
}

static void there_is_no_room_for_it(void **state)
{
    uint32_t una = s->una;

    put(700);
    s->owes = no_room = true;
    stream_serve(&own, 8);
    assert_true(s->owes && s->next == una && s->high == una && s->timed_at == 0);
    assert_true(count == 0 && s->resend_at == clock_ns + s->rto);
    no_room = false;
    assert_int_equal(goes(), 1);
    assert_true(s->next == una + 700 && !s->owes);
}

static void how_much_may_go(void **state)
{
    static const struct {
        unsigned filled, gone, window, congestion, goes;
        bool closing;
    } cases[] = {
        { 500, 0, 60000, 10000, 500, false },       /* few, and nothing is on its way */
        { 500, 1000, 60000, 10000, 0, false },      /* few, and something is */
        { 500, 1000, 60000, 10000, 500, true },     /* the last */
        { 1000, 1000, 60000, 10000, 1000, false },
        { 5000, 0, 60000, 10000, 1000, false },
        { 5000, 0, 300, 10000, 300, false },        /* a small window, and no other way */
        { 5000, 1000, 1300, 10000, 0, false },      /* not a few of many */
        { 5000, 1000, 1300, 10000, 0, true },
        { 5000, 1000, 60000, 1300, 0, false },
        { 5000, 1000, 60000, 2000, 1000, false },
        { 5000, 1000, 2000, 60000, 1000, false },
        { 5000, 2000, 2000, 60000, 0, false },
        { 5000, 3000, 2000, 60000, 0, false },      /* the window has become smaller */
        { 0, 0, 60000, 10000, 0, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        put(cases[i].gone + cases[i].filled);
        s->next = s->high = s->una + cases[i].gone;
        s->window = cases[i].window;
        s->congestion = cases[i].congestion;
        s->closing = cases[i].closing;
        s->resend_at = clock_ns + 1;
        stream_serve(&own, 1);
        assert_int_equal(count, cases[i].goes ? 1 : 0);
        if (count)
            assert_int_equal(sent[0].length, cases[i].goes);
    }
}

static void a_turn(void **state)
{
    put(5000);
    assert_true(stream_serve(&own, 2));
    assert_int_equal(count, 2);
    assert_true(stream_serve(&own, 0));
    assert_int_equal(count, 2);
    assert_true(s->resend_at == clock_ns + s->rto);
    assert_false(stream_serve(&own, 9));
    assert_int_equal(count, 5);
    s->owes = true;
    assert_false(stream_serve(&own, 9));
    assert_true(count == 6 && sent[5].flags == ACK && sent[5].length == 0 && !s->owes);
    assert_true(sent[5].sequence == s->next && sent[5].ack == s->expected);
    stream_close(s);
    s->closing = true;
    assert_true(stream_serve(&own, 0));         /* its end is still to go */
    open_one(NULL);
    put(1);                                     /* set even where nothing has gone */
    s->window = 0;
    stream_serve(&own, 8);
    assert_true(count == 0 && s->resend_at == clock_ns + s->rto);
    open_one(NULL);
    clock_ns += 5;
    stream_serve(&own, 8);
    assert_true(s->resend_at == 0 && s->heard == clock_ns - 5);
    put(1);                                     /* from now on it owes us something */
    stream_serve(&own, 8);
    assert_int_equal(s->heard, clock_ns);
    clock_ns += 5;
    stream_serve(&own, 8);
    assert_int_equal(s->heard, clock_ns - 5);
}

/* Five seconds, and then four questions, two and a half apart. */
static void it_is_asked_whether_it_is_there(void **state)
{
    uint64_t since = clock_ns;

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(stream_deadline(s), since + (5000 + i * 2500) * MS);
        clock_ns = stream_deadline(s) - 1;
        assert_int_equal(goes(), 0);
        clock_ns++;
        assert_int_equal(goes(), 1);
        assert_true(sent[0].flags == ACK && sent[0].length == 0 && sent[0].ack == s->expected);
        assert_int_equal(sent[0].sequence, s->una - 1);
    }
    take(ISN + 1, s->next, ACK, 0);
    assert_int_equal(stream_deadline(s), clock_ns + 5000 * MS);
    s->probes = 4;
    clock_ns += 15000 * MS;
    assert_int_equal(goes(), 0);
    assert_true(s->state == STREAM_BROKEN && s->error == -ETIMEDOUT && stream_deadline(s) == 0);
}

/* --- again ------------------------------------------------------------------------------------ */

static void nothing_is_acknowledged(void **state)
{
    static const unsigned rtos[] = { 2000, 4000, 4000, 4000 };
    uint32_t una = s->una;
    uint64_t since = clock_ns;

    put(8000);
    assert_int_equal(goes(), 8);
    s->congestion = 20000;
    for (unsigned i = 0; i < ARRAY_SIZE(rtos); i++) {
        clock_ns = s->resend_at - 1;
        assert_int_equal(goes(), 0);
        clock_ns++;
        s->duplicates = 2;
        assert_int_equal(goes(), 1);            /* from the beginning, one at a time */
        assert_true(sent[0].sequence == una && sent[0].length == 1000);
        assert_true(s->congestion == 1000 && s->threshold == (i ? 2000 : 4000));
        assert_true(s->recover == una + 8000 && s->high == una + 8000 && s->next == una + 1000);
        assert_true(s->duplicates == 0 && s->timed_at == 0);
        assert_true(s->rto == rtos[i] * MS && s->resend_at == clock_ns + s->rto);
    }
    assert_int_equal(clock_ns, since + 11000 * MS);
    clock_ns = s->resend_at = since + 15000 * MS;
    assert_int_equal(goes(), 1);
    clock_ns = s->resend_at = since + 15000 * MS + 1;
    changes = 0;
    assert_int_equal(goes(), 0);
    assert_true(s->state == STREAM_BROKEN && s->error == -ETIMEDOUT && changes == 1);
}

/* What is half of it, if that is much; two segments, if it is little. */
static void half_of_what_was_on_its_way(void **state)
{
    for (unsigned flight = 1000; flight <= 9000; flight += 1000) {
        open_one(NULL);
        put(flight);
        goes();
        clock_ns = s->resend_at;
        stream_serve(&own, 1);
        assert_int_equal(s->threshold, MAX(flight / 2, 2000u));
    }
}

/* One byte, whatever the window says. */
static void a_closed_window_is_asked_about(void **state)
{
    uint32_t una = s->una;

    s->window = 0;
    put(300);
    assert_int_equal(goes(), 0);
    clock_ns = s->resend_at;
    assert_int_equal(goes(), 1);
    assert_true(sent[0].sequence == una && sent[0].length == 1 && sent[0].flags == (ACK | PSH));
    assert_true(s->high == una + 1 && s->next == una);
    take(ISN + 1, una, ACK, 0);                 /* the window opens */
    assert_int_equal(goes(), 1);
    assert_true(sent[0].sequence == una && sent[0].length == 300 && s->high == una + 300);
    clock_ns = s->resend_at;                    /* open, nothing of that kind */
    assert_int_equal(goes(), 1);
    assert_int_equal(sent[0].length, 300);
    open_one(NULL);
    s->window = 0;
    stream_close(s);                            /* nothing to ask with but its end */
    assert_int_equal(goes(), 1);
    clock_ns = s->resend_at;
    assert_int_equal(goes(), 1);
    assert_int_equal(sent[0].flags, ACK | FIN);
}

static void three_of_the_same(void **state)
{
    uint32_t una = s->una;

    put(9000);
    goes();
    for (unsigned i = 1; i <= 3; i++) {
        take(ISN + 1, una, ACK, 0);
        assert_int_equal(s->next, i == 3 ? una : una + 9000);
    }
    assert_true(s->threshold == 4500 && s->congestion == 4500 && s->recover == una + 9000);
    assert_true(s->duplicates == 0 && s->timed_at == 0);
    assert_int_equal(goes(), 4);
    for (unsigned i = 0; i < 4; i++)            /* once is enough for what was lost */
        take(ISN + 1, una, ACK, 0);
    assert_int_equal(s->next, una + 4000);
    take(ISN + 1, una + 4000, ACK, 0);
    assert_int_equal(s->duplicates, 0);
    goes();
    for (unsigned i = 0; i < 4; i++)
        take(ISN + 1, una + 4000, ACK, 0);
    assert_int_equal(s->threshold, 4500);
    take(ISN + 1, una + 9000, ACK, 0);          /* behind it, it counts again */
    put(9000);
    goes();
    for (unsigned i = 0; i < 3; i++)
        take(ISN + 1, una + 9000, ACK, 0);
    assert_int_equal(s->next, una + 9000);
}

/* Another window, something to say, an older one, or nothing on its way: no duplicate. */
static void not_of_the_same(void **state)
{
    uint32_t una = s->una;

    for (unsigned i = 0; i < 4; i++)
        take(ISN + 1, una, ACK, 0);
    assert_int_equal(s->duplicates, 0);
    put(9000);
    goes();
    s->window = WINDOW - 1;
    take(ISN + 1, una, ACK, 0);
    assert_true(s->duplicates == 0 && s->window == WINDOW);
    take(ISN + 1, una, ACK, 1);
    assert_int_equal(s->duplicates, 0);
    take(ISN + 2, una - 1, ACK, 0);
    assert_int_equal(s->duplicates, 0);
    take(ISN + 2, una, ACK, 0);
    assert_int_equal(s->duplicates, 1);
    take(ISN + 2, una + 1000, ACK, 0);
    assert_int_equal(s->duplicates, 0);
}

/* --- how fast --------------------------------------------------------------------------------- */

static void it_grows(void **state)
{
    static const struct { unsigned congestion, threshold, acked, becomes; } cases[] = {
        { 10000, 65536, 1000, 11000 }, { 10000, 65536, 400, 10400 },
        { 10000, 65536, 3000, 11000 },  /* a segment for each answer, no more */
        { 10000, 10000, 3000, 10100 },  /* and behind the threshold one in a round */
        { 9999, 10000, 1000, 10999 }, { 65000, 10000, 1000, 65015 },
        { 65530, 65535, 1000, 65536 }, { 65536, 10000, 1000, 65536 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        put(3000);
        goes();
        s->congestion = cases[i].congestion;
        s->threshold = cases[i].threshold;
        take(ISN + 1, s->una + cases[i].acked, ACK, 0);
        assert_int_equal(s->congestion, cases[i].becomes);
    }
    open_one(NULL);
    s->mss = 100;                               /* never by nothing */
    put(100);
    goes();
    s->congestion = s->threshold = 20000;
    take(ISN + 1, s->una + 100, ACK, 0);
    assert_int_equal(s->congestion, 20001);
}

static void acknowledged_after(uint64_t ns)
{
    put(1000);
    goes();
    clock_ns += ns;
    take(ISN + 1, s->una + 1000, ACK, 0);
    assert_true(s->timed_at == 0 && s->resend_at == 0);
}

/* RFC 6298: the first round, then an eighth and a quarter of each; no less than a fifth of a
 * second, no more than four. */
static void rounds_are_timed(void **state)
{
    acknowledged_after(300 * MS);
    assert_true(s->srtt == 300 * MS && s->rttvar == 150 * MS && s->rto == 900 * MS);
    acknowledged_after(500 * MS);
    assert_true(s->rttvar == (3 * 150 * MS + 200 * MS) / 4);
    assert_true(s->srtt == (7 * 300 * MS + 500 * MS) / 8);
    assert_true(s->rto == s->srtt + 4 * s->rttvar);
    s->srtt = 800 * MS;
    s->rttvar = 80 * MS;
    acknowledged_after(400 * MS);
    assert_true(s->rttvar == 160 * MS && s->srtt == 750 * MS);
    s->srtt = s->rttvar = 10 * MS;
    acknowledged_after(10 * MS);
    assert_true(s->srtt == 10 * MS && s->rto == 200 * MS);
    s->srtt = s->rttvar = 9000 * MS;
    acknowledged_after(9000 * MS);
    assert_true(s->rto == 4000 * MS);
}

/* From the last of one that was not sent before, while none other is timed. */
static void what_is_timed(void **state)
{
    uint32_t una = s->una;
    uint64_t began = clock_ns;

    put(3000);
    assert_true(stream_serve(&own, 1));
    assert_true(s->timed == una + 1000 && s->timed_at == began);
    clock_ns += 5;
    stream_serve(&own, 1);
    assert_true(s->timed == una + 1000 && s->timed_at == began);
    take(ISN + 1, una + 999, ACK, 0);
    assert_true(s->timed_at == began && s->srtt == 0 && s->rto == 1000 * MS);
    take(ISN + 1, una + 1000, ACK, 0);
    assert_true(s->timed_at == 0 && s->srtt == 5);
    s->next = una + 1000;                       /* again: that says nothing */
    stream_serve(&own, 1);
    assert_int_equal(s->timed_at, 0);
    stream_serve(&own, 1);
    assert_true(s->timed_at == clock_ns && s->timed == una + 3000);
}

/* What came late for what is sent again: it goes on behind it. */
static void an_answer_to_what_went_before(void **state)
{
    uint32_t una = s->una;

    put(5000);
    goes();
    clock_ns = s->resend_at;
    goes();
    assert_int_equal(s->next, una + 1000);
    take(ISN + 1, una + 4000, ACK, 0);
    assert_true(s->una == una + 4000 && s->next == una + 4000 && s->out.filled == 1000);
    assert_int_equal(s->resend_at, clock_ns + s->rto);
    assert_int_equal(goes(), 1);
    take(ISN + 1, una + 5000, ACK, 0);
    assert_int_equal(s->resend_at, 0);
    put(200);                                   /* nothing on its way, and something to send */
    s->window = 0;
    s->next = s->high = s->una + 100;
    take(ISN + 1, una + 5100, ACK, 0);
    assert_int_equal(s->resend_at, clock_ns + s->rto);
}

/* Newer numbers, or the same and no older acknowledgement [RFC 9293, 3.10.7.4]. */
static void whose_window_counts(void **state)
{
    static const struct { int sequence, ack; bool counts; } cases[] = {
        { 0, 0, true }, { 1, -1, true }, { -1, 1, false }, { 0, 1, true }, { 0, -1, false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        open_one(NULL);
        put(5000);
        goes();
        take(ISN + 1, s->una + 1000, ACK, 0);
        s->window = 7;
        s->window_sequence = ISN + 1 - (uint32_t)cases[i].sequence;
        s->window_ack = s->una + 500 - (uint32_t)cases[i].ack;
        changes = 0;
        take(ISN + 1, s->una + 500, ACK, 0);
        assert_int_equal(changes, 1);
        assert_int_equal(s->window, cases[i].counts ? WINDOW : 7);
        if (cases[i].counts)
            assert_true(s->window_sequence == ISN + 1 && s->window_ack == s->una);
    }
}

#define NEW(test) cmocka_unit_test_setup(test, set_up)
#define OPEN(test) cmocka_unit_test_setup(test, open_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NEW(nothing_is_left_of_the_last), NEW(five_questions), NEW(it_is_found), NEW(it_knocks),
        NEW(how_it_opens), NEW(what_does_not_answer_a_call), OPEN(a_segment), OPEN(an_end),
        OPEN(only_an_end), OPEN(there_is_no_room_for_it), OPEN(how_much_may_go), OPEN(a_turn),
        OPEN(it_is_asked_whether_it_is_there),
        OPEN(nothing_is_acknowledged), OPEN(half_of_what_was_on_its_way),
        OPEN(a_closed_window_is_asked_about), OPEN(three_of_the_same), OPEN(not_of_the_same),
        OPEN(it_grows), OPEN(rounds_are_timed), OPEN(what_is_timed),
        OPEN(an_answer_to_what_went_before), OPEN(whose_window_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
