/* SPDX-License-Identifier: MIT */
/*
 * dom0's TCP for guests that move: two of it at a net that loses, repeats, delays and changes the
 * order; peers that are silent, slow, or gone. Whatever comes out is what was put in.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "stream_host.h"

static void connect(void)
{
    stream_listen(&machine[1].stream, 0);
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_OPEN, 15000);
}

/* So much from the caller, and so much back at the same time; milliseconds that it took. */
static unsigned talk(size_t there, size_t back, unsigned slow)
{
    size_t said[2] = { 0, 0 }, heard[2] = { 0, 0 }, of[2] = { there, back };
    unsigned ms = 0;

    for (; heard[1] < there || heard[0] < back; ms++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned n = 0; n < 20; n++)
                say(i, &said[i], of[i]);
            for (unsigned n = 0; n < (slow ? chance(slow) == 0 : 40); n++)
                hear(i, &heard[i]);
        }
        tick();
        assert_true(ms < 400000);
    }
    return ms;
}

static void both_end(void)
{
    for (unsigned i = 0; i < 2; i++) {
        stream_close(&machine[i].stream);
        changes[i]++;
    }
    for (unsigned ms = 0; !stream_is_over(&machine[0].stream) ||
                          !stream_is_over(&machine[1].stream); ms++) {
        tick();
        assert_true(ms < 30000);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(machine[i].stream.state, STREAM_OPEN);
        assert_int_equal(stream_deadline(&machine[i].stream), 0);
    }
}

static void test_a_talk(void **state)
{
    unsigned ms;

    connect();
    ms = talk(3000000, 100000, 0);
    /* a round of two milliseconds, 64 KiB in each */
    assert_true(ms < 250);
    both_end();
    /* and again: at another port */
    connect();
    talk(10, 3, 0);
    both_end();
}

/* Who has no more to say may still be told something. */
static void test_one_ends_first(void **state)
{
    connect();
    stream_close(&machine[0].stream);
    changes[0]++;
    for (unsigned ms = 0; ms < 100; ms++)
        tick();
    assert_true(machine[0].stream.end_acked && machine[1].stream.end_came);
    assert_false(stream_is_over(&machine[0].stream) || stream_is_over(&machine[1].stream));
    talk(0, 30000, 0);
    both_end();
}

static void test_a_net_that_loses(void **state)
{
    for (unsigned round = 0; round < 12; round++) {
        set_up(state);
        seed = round;
        net.lose = round < 6 ? 20 : 150;
        net.repeat = round & 1 ? 100 : 0;
        net.late = round & 2 ? 200 : 0;
        connect();
        talk(200000, 20000, 0);
        both_end();
    }
}

/* Whose buffer is full most of the time: the window closes, and news of it is lost, too. */
static void test_who_reads_slowly(void **state)
{
    connect();
    talk(500000, 0, 40);
    net.lose = 100;
    talk(300000, 0, 40);
    both_end();
}

static void test_numbers_wrap(void **state)
{
    for (uint64_t secret = 0; ; secret++) {             /* until ours begin just before their end */
        machine[0].stream.secret = secret;
        stream_listen(&machine[1].stream, 0);
        stream_call(&machine[0].stream, THERE, clock_ns);
        wait_for(STREAM_CALLING, 100);
        if (machine[0].stream.una > 0xfff00000u)
            break;
        stream_end(&machine[0]);
        memset(flights, 0, sizeof(flights));
    }
    wait_for(STREAM_OPEN, 100);
    talk(2000000, 1000, 0);
    assert_true(machine[0].stream.una < 0x80000000u);
    both_end();
}

/* --- who does not answer --- */

static void test_nobody_there(void **state)
{
    uint64_t since = clock_ns;

    stream_call(&machine[0].stream, 0x0a000263u, clock_ns);
    wait_for(STREAM_BROKEN, 10000);
    assert_int_equal(machine[0].stream.error, -EADDRNOTAVAIL);
    assert_true(clock_ns - since > 4000 * MS && frames_sent <= 6);
    assert_int_equal(stream_deadline(&machine[0].stream), 0);
}

static void test_nobody_listens(void **state)
{
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_BROKEN, 1000);
    assert_int_equal(machine[0].stream.error, -ECONNREFUSED);
    stream_listen(&machine[1].stream, HERE + 7);        /* to somebody else only */
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_BROKEN, 1000);
    assert_int_equal(machine[0].stream.error, -ECONNREFUSED);
    stream_listen(&machine[1].stream, HERE);
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_OPEN, 1000);
}

/* Its own guests do not reach a machine's listener, nor can one of them say that it is the host. */
static void test_guests_are_not_heard(void **state)
{
    stream_listen(&machine[1].stream, 0);
    stream_call(&machine[0].stream, THERE, clock_ns);
    net.sender = 4;
    wait_for(STREAM_BROKEN, 10000);
    assert_int_equal(machine[0].stream.error, -EADDRNOTAVAIL);
    net.sender = 3;
    stream_call(&machine[0].stream, THERE, clock_ns);
    wait_for(STREAM_CALLING, 1000);
    net.sender = 4;
    wait_for(STREAM_BROKEN, 30000);
    assert_int_equal(machine[0].stream.error, -ETIMEDOUT);
    assert_int_equal(machine[1].stream.state, STREAM_LISTENING);
}

static void test_the_net_is_cut(void **state)
{
    size_t said = 0;
    uint64_t since;

    connect();
    talk(100000, 0, 0);
    net.cut = true;
    say(0, &said, 1000);
    since = clock_ns;
    wait_for(STREAM_BROKEN, 30000);
    assert_int_equal(machine[0].stream.error, -ETIMEDOUT);
    assert_true(clock_ns - since > 10000 * MS && clock_ns - since < 25000 * MS);
    assert_int_equal(stream_write(&machine[0].stream, "x", 1), 0);
    net.cut = false;
    connect();
    talk(10, 3, 0);
    net.cut = true;
    stream_end(&machine[0]);
    net.cut = false;                                    /* who comes back finds nobody */
    said = 0;
    say(1, &said, 2000);
    for (unsigned ms = 0; ms < 5000 && machine[1].stream.state == STREAM_OPEN; ms++)
        tick();
    assert_int_equal(machine[1].stream.error, -ENOTCONN);
}

/* Each asks now and then whether the other is there, and a net that loses much does no harm. */
static void test_nobody_says_anything(void **state)
{
    unsigned frames;

    connect();
    talk(1000, 1000, 0);
    net.lose = 100;
    frames = frames_sent;
    for (unsigned ms = 0; ms < 120000; ms++)
        tick();
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(machine[i].stream.state, STREAM_OPEN);
    assert_in_range(frames_sent - frames, 48, 150);
    net.lose = 0;
    talk(100000, 100000, 0);
    both_end();
}

/* Who only waits for the other hears that he is gone as soon as who has something to say. */
static void test_a_machine_is_gone(void **state)
{
    size_t said = 0;
    uint64_t since;

    connect();
    talk(1000, 1000, 0);
    net.cut = true;
    since = clock_ns;
    for (unsigned ms = 0; ms < 8000; ms++)
        tick();
    assert_int_equal(machine[0].stream.state, STREAM_OPEN);
    say(0, &said, 100);                                 /* that has all the patience that it had */
    wait_for(STREAM_BROKEN, 30000);
    assert_in_range(clock_ns - since, 22000 * MS, 28000 * MS);
    assert_int_equal(machine[1].stream.state, STREAM_BROKEN);
    assert_int_equal(machine[1].stream.error, -ETIMEDOUT);
    assert_int_equal(stream_deadline(&machine[1].stream), 0);
}

/* It is there again, and knows of nothing. */
static void test_a_machine_has_begun_anew(void **state)
{
    connect();
    machine[1].stream.state = STREAM_CLOSED;
    wait_for(STREAM_BROKEN, 5100);
    assert_int_equal(machine[0].stream.error, -ENOTCONN);
}

static void test_one_gives_up(void **state)
{
    size_t said = 0, heard = 0;

    connect();
    say(0, &said, 500);
    for (unsigned ms = 0; ms < 10; ms++)
        tick();
    stream_end(&machine[0]);
    changes[0]++;
    for (unsigned ms = 0; ms < 10; ms++)
        tick();
    assert_int_equal(machine[1].stream.state, STREAM_BROKEN);
    assert_int_equal(machine[1].stream.error, -ENOTCONN);
    while (heard < said)                                /* what came before is still to be had */
        hear(1, &heard);
    connect();
    assert_true(endpoint_set_address(&machine[0], HERE + 5));
    assert_int_equal(machine[0].stream.error, -ENOTCONN);
    stream_listen(&machine[0].stream, 0);               /* a listener stays one */
    assert_true(endpoint_set_address(&machine[0], HERE));
    assert_int_equal(machine[0].stream.state, STREAM_LISTENING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_talk, set_up),
        cmocka_unit_test_setup(test_one_ends_first, set_up),
        cmocka_unit_test_setup(test_a_net_that_loses, set_up),
        cmocka_unit_test_setup(test_who_reads_slowly, set_up),
        cmocka_unit_test_setup(test_numbers_wrap, set_up),
        cmocka_unit_test_setup(test_nobody_there, set_up),
        cmocka_unit_test_setup(test_nobody_listens, set_up),
        cmocka_unit_test_setup(test_guests_are_not_heard, set_up),
        cmocka_unit_test_setup(test_the_net_is_cut, set_up),
        cmocka_unit_test_setup(test_nobody_says_anything, set_up),
        cmocka_unit_test_setup(test_a_machine_is_gone, set_up),
        cmocka_unit_test_setup(test_a_machine_has_begun_anew, set_up),
        cmocka_unit_test_setup(test_one_gives_up, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
