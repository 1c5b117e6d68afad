/* SPDX-License-Identifier: MIT */
/*
 * Front ends whose back end refuses, flaps, goes away or says nothing: each wait ends, with an
 * error that says how. A disk stands for all; cards have theirs in test_netfront.c.
 */
#include "blkfront_host.h"

/* It closes, or vanishes, instead of connecting: said at once, and with its own words. */
static void a_back_end_that_refuses(void **state)
{
    static const char ways[] = { '5', '6', 0 };

    for (unsigned int i = 0; i < 4; i++) {
        set_up(state);
        back_end = refuses;
        instead = ways[i % 3];
        if (i == 3)
            set_node(BACK "/error", "EACCES");
        assert_int_equal(blkfront_open(&disk, 51712), -ECONNREFUSED);
        assert_true(clock_ns < 21 * NS_PER_S);
        assert_int_equal(granted, 0);
        assert_null(handler);
        assert_null(watch);
        assert_string_equal(states, "1356");
    }
}

/* One that changes its mind at each look, and comes to nothing. */
static const char *moods;

static void flapping(void)
{
    static unsigned int turn;

    set_node(BACK "/state", (char[]){ moods[turn++ % strlen(moods)], 0 });
}

/* Between its connecting and our having read what it offers. */
static void closes(void)
{
    back_end_is('6');
}

static void connects(void)
{
    dutiful();
    if (value_of(BACK "/state") && value_of(BACK "/state")[0] == '4') {
        back_end = NULL;
        others_run();
        while_reading = closes;
    }
}

static void a_back_end_that_closes_at_once(void **state)
{
    back_end = connects;
    assert_int_equal(blkfront_open(&disk, 51712), -ECONNREFUSED);
    assert_int_equal(granted, 0);
    assert_string_equal(states, "1356");
}

/* Back and forth: who waits for something else does so for ten seconds, and no longer. */
static void a_back_end_that_flaps(void **state)
{
    static const char *const ways[] = { "1356", "78", "21" };

    for (unsigned int i = 0; i < 3; i++) {
        set_up(state);
        back_end = flapping;
        moods = ways[i];
        assert_int_equal(blkfront_open(&disk, 51712), -ETIMEDOUT);
        assert_true(clock_ns > 10 * NS_PER_S && clock_ns < 41 * NS_PER_S);
        assert_int_equal(granted, 0);
        assert_null(watch);
    }
}

static void a_watch_that_is_refused(void **state)
{
    refuse_watch = true;
    assert_int_equal(blkfront_open(&disk, 51712), -12);
    assert_string_equal(states, "");
}

/* What it has not answered has failed; one that wants to close may still answer. */
/* The store takes no more at any point: it is said at once, and nothing stays behind. */
static void a_store_that_refuses(void **state)
{
    unsigned int writes = 0;
    int error;

    do {
        set_up(state);
        back_end = dutiful;
        writes_until_refusal = ++writes;
        error = blkfront_open(&disk, 51712);
        if (!error)
            break;
        assert_int_equal(error, -28);
        assert_true(clock_ns < NS_PER_S);
        assert_int_equal(granted, 0);
        assert_null(handler);
        assert_null(watch);
    } while (writes < 50);
    assert_in_range(writes, 6, 20);
    writes_until_refusal = 0;
    blkfront_close(&disk);
}

static void a_back_end_that_goes_away(void **state)
{
    static const char ways[] = { '6', '2', 0 };

    for (unsigned int i = 0; i < 3; i++) {
        set_up(state);
        open_disk();
        submit(0, BLOCK_READ, 1);
        submit(1, BLOCK_READ, 1);
        back_end_is('5');
        answer(next_request()->id, 0);
        ring_bell();
        assert_int_equal(result[0], 0);
        assert_int_equal(result[1], 1);
        assert_int_equal(said, 0);
        back_end_is(ways[i]);
        assert_int_equal(result[1], -EIO);
        assert_int_equal(said, 1);
        assert_string_equal(last_said, "blkfront device/vbd/51712: the back end has closed; "
                                       "giving the disk up\n");
        submit(2, BLOCK_READ, 1);
        assert_int_equal(result[2], -EIO);
        back_end_is(ways[i] ? '4' : '1');       /* too late */
        assert_int_equal(said, 1);
        back_end = dutiful;
        close_disk();
    }
}

static void answers_late(void)
{
    if (taken == 0 && clock_ns > 3606 * NS_PER_S)
        answer(next_request()->id, 0);
    dutiful();
}

/* A back end that answers, then does not. */
static void closing_does_not_wait_for_ever(void **state)
{
    open_disk();
    submit(0, BLOCK_WRITE, 1);
    submit(1, BLOCK_WRITE, 1);
    clock_ns += 3600 * NS_PER_S;                /* the time counts from the wish to close */
    back_end = answers_late;
    blkfront_close(&disk);
    assert_int_equal(result[0], 0);
    assert_int_equal(result[1], -EIO);
    assert_true(clock_ns > 3616 * NS_PER_S && clock_ns < 3620 * NS_PER_S);
    assert_int_equal(granted, 0);
    assert_string_equal(states, "13456");
}

static void gone_when_asked(void)
{
    if (states[strlen(states) - 1] == '4') return;
    back_end = NULL;
    if (instead)
        set_node(BACK "/state", (char[]){ instead, 0 });
    else
        remove_node(BACK "/state");
}

/* One that has closed, or is not there any more, is not waited for, and nothing is said. */
static void a_back_end_that_is_gone(void **state)
{
    for (unsigned int i = 0; i < 2; i++) {
        uint64_t begin;

        set_up(state);
        open_disk();
        instead = i ? '6' : 0;
        back_end = gone_when_asked;
        begin = clock_ns;
        blkfront_close(&disk);
        assert_true(clock_ns - begin < NS_PER_S);
        assert_true(said == 0 && granted == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_back_end_that_refuses, set_up),
        cmocka_unit_test_setup(a_back_end_that_closes_at_once, set_up),
        cmocka_unit_test_setup(a_back_end_that_flaps, set_up),
        cmocka_unit_test_setup(a_watch_that_is_refused, set_up),
        cmocka_unit_test_setup(a_store_that_refuses, set_up),
        cmocka_unit_test_setup(a_back_end_that_goes_away, set_up),
        cmocka_unit_test_setup(a_back_end_that_is_gone, set_up),
        cmocka_unit_test_setup(closing_does_not_wait_for_ever, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
