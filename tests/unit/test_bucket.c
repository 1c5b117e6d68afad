/* SPDX-License-Identifier: MIT */
/* The token bucket: its rate is kept to the unit whoever asks how often, its burst too, debts are
 * paid, no number wraps.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/bucket.h"

#define SECOND 1000000000ull

static void a_burst_and_then_the_rate(void **state)
{
    struct bucket b;
    uint64_t now = 77;
    unsigned int taken = 0;

    bucket_init(&b, 10, 25, now);
    for (unsigned int i = 0; i < 100; i++)
        taken += bucket_take(&b, 1, now);
    assert_int_equal(taken, 25);
    assert_false(bucket_take(&b, 1, now + SECOND / 10 - 1));
    assert_true(bucket_take(&b, 1, now + SECOND / 10));
    assert_false(bucket_take(&b, 1, now + SECOND / 10));
    assert_int_equal(bucket_level(&b, now + 2 * SECOND), 19);
    assert_int_equal(bucket_level(&b, now + 1000 * SECOND), 25);        /* no more than the burst */
    assert_false(bucket_take(&b, 26, now + 2000 * SECOND));
    assert_true(bucket_take(&b, 25, now + 2000 * SECOND));
    assert_false(bucket_take(&b, 1, now + 2000 * SECOND + SECOND / 10 - 1));
    assert_true(bucket_take(&b, 1, now + 2000 * SECOND + SECOND / 10));
}

/* Whoever asks every 3 ns and whoever asks once a minute get the same, and never more than the
 * rate. */
static void asking_often_earns_and_loses_nothing(void **state)
{
    static const uint64_t rates[] = { 1,       3,         7,          256,          999983,
                                      1000003, 123456789, 1000000000, 3000000019ull };

    for (unsigned int r = 0; r < sizeof rates / sizeof rates[0]; r++)
        for (uint64_t step = 3; step < 2 * SECOND; step = step * 7 + 1) {
            struct bucket b;
            uint64_t now = 5, taken = 0,
                     end = 5 + (step * 20000 < 20 * SECOND ? step * 20000 : 20 * SECOND);

            bucket_init(&b, rates[r], BUCKET_MOST, now);
            bucket_spend(&b, BUCKET_MOST, now);
            for (now += step; now <= end; now += step)
                while (bucket_take(&b, 1 + taken % 1000003 * 1000, now))
                    taken += 1 + taken % 1000003 * 1000;
            taken += (uint64_t)bucket_level(&b, end);

            uint64_t right = (uint64_t)((unsigned __int128)(end - 5) * rates[r] / SECOND);

            assert_true(taken <= right);
            /* a nanosecond an asking, at most */
            assert_true(right - taken <= 1 + right / 1000 + rates[r] * 20000 / SECOND);
        }
}

static void a_debt_is_paid_before_anything_else(void **state)
{
    struct bucket b;

    bucket_init(&b, 1000, 500, 0);
    assert_int_equal(bucket_wait(&b, 0), 0);
    bucket_spend(&b, 500, 0);
    assert_int_equal(bucket_wait(&b, 0), SECOND / 1000);
    bucket_spend(&b, 1500, 0);
    assert_int_equal(bucket_level(&b, 0), -1500);
    assert_int_equal(bucket_wait(&b, 0), SECOND * 1501 / 1000);
    assert_int_equal(bucket_wait(&b, SECOND), SECOND * 501 / 1000);
    assert_false(bucket_take(&b, 1, SECOND * 3 / 2));
    assert_true(bucket_take(&b, 1, SECOND * 3 / 2 + SECOND / 1000));
}

static void the_rate_may_change(void **state)
{
    struct bucket b;

    bucket_init(&b, 100, 1000, 0);
    bucket_spend(&b, 1000, 0);
    bucket_set_rate(&b, 10, SECOND);            /* 100 were earned before */
    assert_int_equal(bucket_level(&b, 2 * SECOND), 110);
    bucket_set_rate(&b, 0, 2 * SECOND);
    assert_int_equal(bucket_level(&b, 1000 * SECOND), 110);
    assert_int_equal(bucket_wait(&b, 1000 * SECOND), 0);
    bucket_spend(&b, 110, 1000 * SECOND);
    assert_true(bucket_wait(&b, 1000 * SECOND) == UINT64_MAX);
}

/* UBSan is the other judge. */
static void absurd_numbers_do_not_wrap(void **state)
{
    struct bucket b;

    bucket_init(&b, UINT64_MAX, UINT64_MAX, 0);
    assert_int_equal(b.burst, BUCKET_MOST);
    assert_false(bucket_take(&b, UINT64_MAX, 1));
    assert_true(bucket_take(&b, BUCKET_MOST, 1));
    assert_true(bucket_take(&b, BUCKET_MOST, 2));
    for (unsigned int i = 0; i < 10; i++)
        bucket_spend(&b, UINT64_MAX, 2);
    assert_true(bucket_level(&b, 2) >= -(int64_t)BUCKET_MOST);
    assert_true(bucket_level(&b, UINT64_MAX) == (int64_t)BUCKET_MOST);
    /* a clock that went back gives nothing */
    assert_true(bucket_level(&b, 7) == (int64_t)BUCKET_MOST);
    bucket_init(&b, 1000, 1000, 5 * SECOND);
    bucket_spend(&b, 1000, 5 * SECOND);
    assert_int_equal(bucket_level(&b, 4 * SECOND), 0);
    /* a nanosecond is worth three, of which it has no use for two */
    bucket_init(&b, 3 * SECOND, 10, 0);
    assert_true(bucket_take(&b, 1, 0));
    assert_int_equal(bucket_level(&b, 1), 10);
    bucket_init(&b, 1, BUCKET_MOST, 0);
    bucket_spend(&b, BUCKET_MOST, 0);
    assert_true(bucket_level(&b, (uint64_t)1 << 61) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_the_rate),
        cmocka_unit_test(asking_often_earns_and_loses_nothing),
        cmocka_unit_test(a_debt_is_paid_before_anything_else),
        cmocka_unit_test(the_rate_may_change),
        cmocka_unit_test(absurd_numbers_do_not_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
