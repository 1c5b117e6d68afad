/* SPDX-License-Identifier: MIT */
/* Guests that end again and again: what they make dom0 build is a tenth of the time; who lives is
 * not kept waiting, nor is the operator; who cannot live is given up.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/guests/restart.h"

#define MS 1000000ull
#define S 1000000000ull

/*
 * An hour of a guest that lives for so long each time: how long dom0 builds. `waited`: how long
 * there was no guest at all.
 */
static uint64_t hour_of(uint64_t build_ns, uint64_t lives_ns, uint64_t *waited)
{
    uint64_t now = 5 * S, end = now + 3600 * S, built = 0;
    struct life life;

    *waited = 0;
    life_begin(&life, NULL, now - build_ns, now);
    while (now < end) {
        struct life before;
        uint64_t due;

        now += lives_ns;
        life_end(&life, now);
        assert_false(life_is_hopeless(&life));
        due = life_due(&life);
        if (due > now) {
            *waited += due - now;
            now = due;
        }
        before = life;
        now += build_ns;
        built += build_ns;
        life_begin(&life, &before, now - build_ns, now);
    }
    return built;
}

static void building_is_a_part_of_the_time(void **state)
{
    static const uint64_t builds[] = { 20 * MS, 300 * MS, 2 * S, 30 * S };
    static const uint64_t lives[] = { 2 * S, 3 * S, 30 * S, 500 * S };

    for (unsigned b = 0; b < ARRAY_SIZE(builds); b++)
        for (unsigned l = 0; l < ARRAY_SIZE(lives); l++) {
            uint64_t waited, built = hour_of(builds[b], lives[l], &waited);

            assert_in_range(built, 1, 3600 * S / 10 + 2 * builds[b]);
            assert_int_equal(waited > 0, lives[l] < 10 * builds[b]);
        }
}

static void the_operator_does_not_wait(void **state)
{
    struct life life, next;

    life_begin(&life, NULL, 0, 3 * S);
    life.asked = true;
    life_end(&life, 4 * S);
    assert_int_equal(life_due(&life), 4 * S);
    assert_int_equal(life.short_lives, 0);
    life_begin(&next, &life, 4 * S, 7 * S);
    assert_false(next.asked);                   /* That was then. */
    life_end(&next, 8 * S);
    assert_int_equal(life_due(&next), 37 * S);
}

static void who_cannot_live_is_given_up(void **state)
{
    struct life life;
    uint64_t now = 10 * S;

    life_begin(&life, NULL, now - 5 * S, now);
    for (unsigned lives = 1; lives <= 6; lives++) {
        struct life before;

        life_end(&life, now += S);      /* That it waits for the next one is not its life. */
        assert_int_equal(life.short_lives, lives);
        assert_int_equal(life_is_hopeless(&life), lives == 6);
        before = life;
        now = life_due(&life) + 5 * S;
        life_begin(&life, &before, now - 5 * S, now);
    }
    life_end(&life, now + 2 * S);
    assert_int_equal(life.short_lives, 0);
}

static void no_sum_wraps(void **state)
{
    struct life life;

    life_begin(&life, NULL, 0, UINT64_MAX / 4);
    life_end(&life, UINT64_MAX / 3);
    assert_true(life_due(&life) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_is_a_part_of_the_time),
        cmocka_unit_test(the_operator_does_not_wait),
        cmocka_unit_test(who_cannot_live_is_given_up),
        cmocka_unit_test(no_sum_wraps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
