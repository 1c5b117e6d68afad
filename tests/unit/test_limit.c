/* SPDX-License-Identifier: MIT */
/* How much of the terminal a guest may have: a boot at once, then its part of half the line; what
 * is missing is said once.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/console/limit.h"

#define SECOND 1000000000ull
#define LINE 64u

static struct limit limit;
static uint64_t now;

static int set_up(void **state)
{
    now = 50 * SECOND;
    limit_init(&limit, now);
    limit_share(&limit, 1, now);
    return 0;
}

static void a_boot_is_seen(void **state)
{
    for (unsigned i = 0; i < LIMIT_SHOWN_BURST / LINE; i++)
        assert_true(limit_line(&limit, LINE, now));
    assert_int_equal(limit_due(&limit), 0);
    assert_int_equal(limit_missing(&limit, false, now), 0);
    assert_false(limit_line(&limit, LINE, now));
    assert_int_equal(limit_due(&limit), now + LIMIT_QUIET_NS);
}

/* A minute of a line each millisecond: it has its rate and the burst, and is said to be incomplete
 * now and then only. */
static void a_flood_gets_its_part(void **state)
{
    uint64_t shown = 0, said = 0, missing = 0;

    for (unsigned guests = 1; guests <= 4; guests += 3) {
        set_up(state);
        limit_share(&limit, guests, now);
        shown = said = missing = 0;
        for (unsigned i = 0; i < 60000; i++, now += SECOND / 1000) {
            uint64_t lines = limit_missing(&limit, false, now);

            missing += lines;
            said += lines != 0;
            shown += limit_line(&limit, LINE, now);
        }
        assert_true(shown * LINE <= LIMIT_SHOWN_BURST + 60 * LIMIT_SHOWN_RATE / guests);
        assert_true(shown * LINE >=
                    LIMIT_SHOWN_BURST / 2 + 60 * LIMIT_SHOWN_RATE / guests - LIMIT_SHOWN_BURST);
        assert_true(said <= 60 * LIMIT_SHOWN_RATE / guests / (LIMIT_SHOWN_BURST / 2) + 1);
        missing += limit_missing(&limit, true, now);
        assert_int_equal(missing + shown, 60000);
    }
}

static void silence_brings_it_back(void **state)
{
    while (limit_line(&limit, LINE, now))
        ;
    limit_line(&limit, LINE, now);
    now += LIMIT_QUIET_NS - 1;
    assert_int_equal(limit_missing(&limit, false, now), 0);
    assert_false(limit_line(&limit, 1, now));                           /* the quiet begins anew */
    assert_int_equal(limit_missing(&limit, false, now + 1), 0);
    now += LIMIT_QUIET_NS;
    assert_int_equal(limit_missing(&limit, false, now), 3);
    assert_int_equal(limit_missing(&limit, false, now), 0);             /* once */
    assert_int_equal(limit_due(&limit), 0);
    assert_true(limit_line(&limit, LINE, now));
}

static void the_end_says_all(void **state)
{
    while (limit_line(&limit, LINE, now))
        ;
    assert_int_equal(limit_missing(&limit, false, now), 0);
    assert_int_equal(limit_missing(&limit, true, now), 1);
    assert_int_equal(limit_missing(&limit, true, now), 0);
}

static void an_operator_sees_everything_at_a_rate(void **state)
{
    uint64_t taken = 0;

    for (unsigned i = 0; i < 10000; i++, now += SECOND / 1000)
        taken += limit_attached(&limit, 2048, now);
    assert_in_range(taken, LIMIT_ATTACHED_BURST + 9 * LIMIT_ATTACHED_RATE,
                    LIMIT_ATTACHED_BURST + 10 * LIMIT_ATTACHED_RATE);
    assert_int_equal(limit_attached(&limit, 0, now), 0);
    /* not at the cost of its lines */
    assert_true(limit_line(&limit, LINE, now));
}

static void no_guests_is_no_division(void **state)
{
    limit_share(&limit, 0, now);
    assert_true(limit_line(&limit, LINE, now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_boot_is_seen, set_up),
        cmocka_unit_test(a_flood_gets_its_part),
        cmocka_unit_test_setup(silence_brings_it_back, set_up),
        cmocka_unit_test_setup(the_end_says_all, set_up),
        cmocka_unit_test_setup(an_operator_sees_everything_at_a_rate, set_up),
        cmocka_unit_test_setup(no_guests_is_no_division, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
