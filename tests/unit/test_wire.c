/* SPDX-License-Identifier: MIT */
/*
 * The connection of a guest that moves, as a tape: who is waited for, how long, and what ends it;
 * one guest at a time; from the call to the farewell. The stream below is two rings and a state,
 * and what its peer does happens while wire.c sleeps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "dom0/network/own.h"
#include "dom0/save/wire.h"

#define S NS_PER_S
#define MS NS_PER_MS
#define THERE 0x0a000202u

struct endpoint own_endpoint;
WAIT_QUEUE(own_changed);
static struct stream *const stream = &own_endpoint.stream;
static struct wire wire, other;
static uint64_t clock_ns;
static unsigned turns, woken, sleeps, ends, closes, calls, listens;
static bool given_up, over;
static void (*happens)(void);           /* while it sleeps */

uint64_t now_ns(void)
{
    return clock_ns;
}
bool events_save(void)
{
    return false;
}
void events_restore(bool was)
{
}
void own_wake(void)
{
    turns++;
}
void wake_all(struct wait_queue *queue)
{
    assert_ptr_equal(queue, &own_changed);
    woken++;
}
bool wait_on(struct wait_queue *queue, uint64_t timeout)
{
    assert_ptr_equal(queue, &own_changed);
    assert_true(sleeps++ < 100000);
    clock_ns += timeout;
    if (happens)
        happens();
    else
        assert_true(timeout);           /* nobody would ever wake it */
    return true;
}
const char *errno_name(long error)
{
    return error == -EIO ? "EIO" : "?";
}
size_t stream_write(struct stream *s, const void *bytes, size_t size)
{
    assert_true(s == stream && s->state == STREAM_OPEN);
    return ring_put(&s->out, bytes, size);
}
size_t stream_read(struct stream *s, void *bytes, size_t size)
{
    assert_ptr_equal(s, stream);
    return ring_get(&s->in, bytes, size);
}
void stream_call(struct stream *s, uint32_t address, uint64_t now)
{
    assert_true(s == stream && address == THERE && now == clock_ns);
    s->state = STREAM_SEEKING;
    calls++;
}
void stream_listen(struct stream *s, uint32_t only)
{
    assert_ptr_equal(s, stream);
    s->state = STREAM_LISTENING;
    s->only = only;
    listens++;
}
void stream_close(struct stream *s)
{
    assert_ptr_equal(s, stream);
    closes++;
}
bool stream_is_over(const struct stream *s)
{
    assert_ptr_equal(s, stream);
    return over;
}
void stream_end(struct endpoint *endpoint)
{
    assert_ptr_equal(endpoint, &own_endpoint);
    stream->state = STREAM_CLOSED;
    ends++;
}

static bool give_up(void)
{
    return given_up;
}

static void begin(void)
{
    memset(stream, 0, sizeof(*stream));
    clock_ns = 77 * S;
    turns = woken = sleeps = ends = closes = calls = listens = 0;
    given_up = over = false;
    happens = NULL;
}

/* Somebody has called. */
static int answered(void **state)
{
    begin();
    stream->state = STREAM_OPEN;
    memset(&wire, 0xee, sizeof(wire));
    assert_int_equal(wire_answer(&wire, 0, give_up), 0);
    assert_true(!wire.called && !wire.error && !wire.waited && !wire.moved);
    assert_true(wire.patience == WIRE_PATIENCE_NS);
    return 0;
}

static int ended(void **state)
{
    wire_end(&wire, false);
    return 0;
}

static int put(size_t size)
{
    static uint8_t bytes[2 * STREAM_BUFFER];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7);
    return wire.tape.write(&wire.tape, bytes, size);
}

static uint8_t got[2 * STREAM_BUFFER];
static int get(size_t size)
{
    memset(got, 0, sizeof(got));
    return wire.tape.read(&wire.tape, got, size);
}

static void comes(size_t size)
{
    static uint8_t bytes[STREAM_BUFFER];

    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 5 + 1);
    assert_int_equal(ring_put(&stream->in, bytes, size), size);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void there_is_room(void **state)
{
    assert_int_equal(put(1000), 0);
    assert_int_equal(stream->out.filled, 1000);
    assert_int_equal(stream->out.bytes[999], (uint8_t)(999 * 7));
    assert_true(turns == 1 && sleeps == 0);
    comes(5);                                   /* he may say what he likes: it is his turn */
    assert_int_equal(put(10), 0);
    assert_int_equal(stream->in.filled, 5);
    assert_int_equal(wire.error, 0);
}

static void takes_it(void)
{
    ring_drop(&stream->out, MIN(stream->out.filled, 3000u));
}

static void there_is_none_for_a_while(void **state)
{
    happens = takes_it;
    assert_int_equal(put(STREAM_BUFFER + 5000), 0);
    assert_int_equal(sleeps, 2);
    assert_int_equal(stream->out.filled, STREAM_BUFFER - 1000);
    for (uint32_t i = 0; i < stream->out.filled; i++)
        assert_int_equal(stream->out.bytes[ring_place(&stream->out, i)], (uint8_t)((6000 + i) * 7));
    assert_int_equal(wire.waited, 400 * MS);
    assert_int_equal(clock_ns, 77 * S + 400 * MS);
}

/* Seen by who waits for the operator, too: no sleep is longer than a fifth of a second. */
static void nobody_takes_it(void **state)
{
    assert_int_equal(put(STREAM_BUFFER + 1), -ETIMEDOUT);
    assert_int_equal(wire.error, -ETIMEDOUT);
    assert_int_equal(sleeps, 101);
    assert_int_equal(clock_ns, 77 * S + 20200 * MS);
    assert_true(turns >= 101);                  /* each time own.c is asked for a turn */
}

static void drips(void)
{
    ring_drop(&stream->out, 100);
}

/* Some is no more than nothing, if it is too little. */
static void a_little_is_taken(void **state)
{
    happens = drips;
    assert_int_equal(put(2 * STREAM_BUFFER), -ETIMEDOUT);
    assert_int_equal(clock_ns, 77 * S + 20200 * MS);
}

static void takes_all(void)
{
    ring_drop(&stream->out, stream->out.filled);
}

/* A MiB, and the time that it may take begins anew. */
static void enough_is_taken(void **state)
{
    size_t whole = WIRE_FLOW / STREAM_BUFFER;

    happens = takes_all;
    for (size_t i = 1; i < whole; i++)
        assert_int_equal(put(STREAM_BUFFER), 0);
    assert_int_equal(wire.waited, (whole - 2) * 200 * MS);
    assert_int_equal(put(STREAM_BUFFER - 1), 0);
    assert_true(wire.moved == WIRE_FLOW - 1 && wire.waited);
    assert_int_equal(put(1), 0);
    assert_true(wire.moved == 0 && wire.waited == 0);
}

static void no_longer(void)
{
    given_up = sleeps == 3;
}

static void it_is_given_up(void **state)
{
    happens = no_longer;
    assert_int_equal(put(STREAM_BUFFER + 1), -EAGAIN);
    assert_int_equal(clock_ns, 77 * S + 600 * MS);
}

static void breaks(void)
{
    stream->state = STREAM_BROKEN;
    stream->error = -EPIPE;
}

static void hangs_up(void)
{
    stream->end_came = true;
}

static void nobody_is_there_to_take_it(void **state)
{
    happens = breaks;
    assert_int_equal(put(STREAM_BUFFER + 1), -EPIPE);
    assert_true(wire.error == -EPIPE && sleeps == 1);
    wire.moved = 0;
    assert_int_equal(put(1), -EPIPE);
    assert_true(stream->out.filled == STREAM_BUFFER && wire.moved == 0);
    stream->state = STREAM_CLOSED;
    assert_int_equal(put(1), -ENOTCONN);
    stream->state = STREAM_OPEN;
    ring_drop(&stream->out, STREAM_BUFFER);
    happens = hangs_up;
    assert_int_equal(put(STREAM_BUFFER + 1), -ENOTCONN);
    assert_int_equal(sleeps, 2);
    ring_drop(&stream->out, STREAM_BUFFER);
    assert_int_equal(put(1), -ENOTCONN);
    assert_int_equal(stream->out.filled, 0);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void it_is_there(void **state)
{
    comes(300);
    assert_int_equal(get(200), 0);
    assert_true(got[0] == 1 && got[199] == (uint8_t)(199 * 5 + 1) && got[200] == 0);
    assert_int_equal(stream->in.filled, 100);
    assert_true(sleeps == 0 && turns == 0 && wire.moved == 200);
    stream->owes = true;                        /* there is room now, which he should know */
    assert_int_equal(get(1), 0);
    assert_int_equal(turns, 1);
    stream->end_came = true;                    /* all of it is read first */
    assert_int_equal(get(99), 0);
    assert_int_equal(get(1), -ENOTCONN);
}

static void comes_now(void)
{
    comes(40);
}

static void it_comes_while_we_wait(void **state)
{
    happens = comes_now;
    assert_int_equal(get(100), 0);
    assert_int_equal(sleeps, 3);
    assert_int_equal(got[99], (uint8_t)(19 * 5 + 1));
    assert_int_equal(stream->in.filled, 20);
    assert_int_equal(wire.waited, 600 * MS);
}

static void it_does_not_come(void **state)
{
    comes(10);
    assert_int_equal(get(11), -ETIMEDOUT);
    assert_int_equal(clock_ns, 77 * S + 20200 * MS);
    wire.waited = 0;
    comes(10);
    happens = breaks;
    assert_int_equal(get(11), -EPIPE);
    happens = hangs_up;
    stream->state = STREAM_OPEN;
    assert_int_equal(get(1), -ENOTCONN);
    stream->end_came = false;
    given_up = true;
    assert_int_equal(get(1), -EAGAIN);
}

/* As long as is said, for this once. */
static void another_patience(void **state)
{
    uint8_t byte;

    wire.waited = 3 * S;
    wire.moved = 5;
    assert_int_equal(wire_read(&wire, &byte, 1, 5 * S), -ETIMEDOUT);
    assert_int_equal(clock_ns, 77 * S + 5200 * MS);
    assert_true(wire.patience == WIRE_PATIENCE_NS && !wire.waited && !wire.moved);
    happens = comes_now;
    assert_int_equal(wire_read(&wire, &byte, 1, 5 * S), 0);
    assert_true(byte == 1 && !wire.waited && !wire.moved);
}

/* --- calling ---------------------------------------------------------------------------------- */

static int alone(void **state)
{
    begin();
    return 0;
}

static void is_taken(void)
{
    if (sleeps == 150)
        stream->state = STREAM_OPEN;
}

static void a_call(void **state)
{
    happens = is_taken;                         /* after thirty seconds */
    assert_int_equal(wire_call(&wire, THERE, give_up), 0);
    assert_true(calls == 1 && wire.called && wire.patience == WIRE_PATIENCE_NS && !wire.waited);
    assert_int_equal(wire_call(&other, THERE, give_up), -EBUSY);
    stream->state = STREAM_BROKEN;              /* still nobody else's */
    assert_int_equal(wire_call(&other, THERE, give_up), -EBUSY);
    stream->state = STREAM_OPEN;
    assert_int_equal(put(5), 0);
    comes(1);                                   /* unasked: why he does not want it */
    assert_int_equal(put(5), -EACCES);
    assert_true(stream->out.filled == 5 && wire.error == -EACCES);
    wire_end(&wire, false);
    stream->state = STREAM_OPEN;                /* whoever has called us is next */
    assert_int_equal(wire_call(&wire, THERE, give_up), -EBUSY);
    assert_int_equal(calls, 1);
}

static void nobody_answers(void **state)
{
    assert_int_equal(wire_call(&wire, THERE, give_up), -ETIMEDOUT);
    assert_int_equal(clock_ns, 77 * S + 40200 * MS);
    assert_true(ends == 1 && woken == 1 && closes == 0);
    happens = breaks;
    assert_int_equal(wire_call(&wire, THERE, give_up), -EPIPE);
    assert_true(ends == 2);
    given_up = true;
    happens = NULL;
    assert_int_equal(wire_call(&wire, THERE, give_up), -EAGAIN);
    assert_true(calls == 3 && ends == 3);
}

/* --- being called ----------------------------------------------------------------------------- */

static void somebody_calls(void)
{
    assert_int_equal(stream->state, STREAM_LISTENING);
    assert_int_equal(stream->only, THERE);
    if (sleeps < 3) return;
    stream->state = STREAM_OPEN;
}

static void a_listener(void **state)
{
    happens = somebody_calls;
    assert_int_equal(wire_answer(&wire, THERE, give_up), 0);
    assert_true(listens == 1 && sleeps == 3 && ends == 0);
    wire_end(&wire, false);
    stream->state = STREAM_LISTENING;           /* for somebody else, until now */
    stream->only = THERE + 1;
    sleeps = 0;
    assert_int_equal(wire_answer(&wire, THERE, give_up), 0);
    assert_int_equal(listens, 2);
    wire_end(&wire, false);
    stream->state = STREAM_LISTENING;           /* as it should be */
    stream->only = THERE;
    sleeps = 0;
    assert_int_equal(wire_answer(&wire, THERE, give_up), 0);
    assert_int_equal(listens, 2);
    wire_end(&wire, false);
    stream->state = STREAM_BROKEN;              /* before anybody was there */
    sleeps = 0;
    assert_int_equal(wire_answer(&wire, THERE, give_up), 0);
    assert_int_equal(listens, 3);
    wire_end(&wire, false);
}

static void first_ends(void)
{
    assert_true(sleeps < 9 && listens == 0);
    if (sleeps < 4) return;
    wire_end(&wire, false);
    happens = somebody_calls;
}

/* While a guest goes or comes nobody listens, though somebody may want to. */
static void one_at_a_time(void **state)
{
    stream->state = STREAM_OPEN;
    assert_int_equal(wire_answer(&wire, 0, give_up), 0);
    happens = first_ends;
    assert_int_equal(wire_answer(&other, THERE, give_up), 0);
    assert_true(sleeps == 5 && listens == 1);
    assert_int_equal(wire_call(&wire, THERE, give_up), -EBUSY);
    wire_end(&other, false);
}

static void nobody_listens_any_more(void **state)
{
    happens = no_longer;
    assert_int_equal(wire_answer(&wire, THERE, give_up), -EAGAIN);
    assert_true(sleeps == 3 && ends == 1 && stream->state == STREAM_CLOSED);
    given_up = false;
    stream->state = STREAM_OPEN;
    assert_int_equal(wire_answer(&wire, 0, give_up), 0);
    given_up = true;                            /* while a guest is coming: that goes on */
    assert_int_equal(wire_answer(&other, 0, give_up), -EAGAIN);
    assert_true(ends == 1 && stream->state == STREAM_OPEN);
    wire_end(&wire, false);
    stream->state = STREAM_BROKEN;              /* not ours to end */
    assert_int_equal(wire_answer(&wire, 0, give_up), -EAGAIN);
    assert_int_equal(ends, 2);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void is_over_now(void)
{
    over = sleeps == 2;
}

static void a_farewell(void **state)
{
    happens = is_over_now;
    turns = 0;
    wire_end(&wire, true);
    assert_true(closes == 1 && sleeps == 2 && ends == 1 && woken == 1 && turns == 3);
    answered(NULL);
    happens = breaks;
    wire_end(&wire, true);
    assert_true(closes == 1 && sleeps == 1 && ends == 1);
    answered(NULL);
    wire.waited = 1 * S;
    wire_end(&wire, true);                      /* who does not answer is not waited for long */
    assert_int_equal(clock_ns, 77 * S + 2200 * MS);
    answered(NULL);
    wire_end(&wire, false);
    assert_true(closes == 0 && sleeps == 0 && ends == 1 && woken == 1 && turns == 1);
    answered(NULL);
    breaks();
    wire_end(&wire, true);
    assert_true(closes == 0 && sleeps == 0 && ends == 1);
    wire_look();
    assert_int_equal(woken, 2);
}

static void in_words(void **state)
{
    static const struct { int error; const char *says; } problems[] = {
        { -EBUSY, "another guest" }, { -EADDRNOTAVAIL, "no machine" },
        { -ECONNREFUSED, "migrate-receive" }, { -ETIMEDOUT, "too slow" },
        { -ENOTCONN, "broken" }, { -EAGAIN, "given up" }, { -EIO, "EIO" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(problems); i++)
        assert_non_null(strstr(wire_problem(problems[i].error), problems[i].says));
}

#define OPEN(test) cmocka_unit_test_setup_teardown(test, answered, ended)
#define ALONE(test) cmocka_unit_test_setup(test, alone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(there_is_room), OPEN(there_is_none_for_a_while), OPEN(nobody_takes_it),
        OPEN(a_little_is_taken), OPEN(enough_is_taken), OPEN(it_is_given_up),
        OPEN(nobody_is_there_to_take_it), OPEN(it_is_there), OPEN(it_comes_while_we_wait),
        OPEN(it_does_not_come), OPEN(another_patience), ALONE(a_call), ALONE(nobody_answers),
        ALONE(a_listener), ALONE(one_at_a_time), ALONE(nobody_listens_any_more),
        OPEN(a_farewell), ALONE(in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
