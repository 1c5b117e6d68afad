/* SPDX-License-Identifier: MIT */
/* dom0's turns: floods are played against them, and everybody else has what is his: by domain
 * first, and by the time that dom0 has worked for it; then by service, in the order of asking.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include "dom0/turns.h"
#include "masked_host.h"

unsigned allocations_until_failure;
static uint64_t clock_ns;
static unsigned woken[TURN_LANES];

static uint64_t told_at;
static uint16_t works_for;
static unsigned told;

static uint64_t work_for(uint16_t domid)
{
    uint64_t ns = clock_ns - told_at;

    assert_false(masked);
    told_at = clock_ns;
    told++;
    works_for = domid;
    return ns;
}

static bool in_handler;

static void wake(enum turn_lane lane)
{
    assert_true(masked == in_handler);
    woken[lane]++;
}

struct service {
    struct turn turn;
    unsigned work, done, turns, costs;  /* Units; `costs` nanoseconds each. */
    unsigned long served_at;
};

static unsigned long served;                        /* Turns in all. */
static bool others_wait;                            /* So it seemed while the last was served. */

static bool serve(void *owner, unsigned budget)
{
    struct service *service = owner;
    unsigned units = service->work < budget ? service->work : budget;

    assert_false(masked);
    assert_ptr_equal(turns_served(turn_rules[service->turn.kind].lane), &service->turn);
    assert_int_equal(works_for, turn_rules[service->turn.kind].lane == LANE_QUICK
                                    ? service->turn.domain->domid
                                    : 0);
    service->work -= units;
    service->done += units;
    service->turns++;
    service->served_at = ++served;
    clock_ns += units * service->costs;
    others_wait = turns_wanted(turn_rules[service->turn.kind].lane);
    return service->work;
}

static void join(struct service *service, enum turn_kind kind, uint16_t domid, unsigned work)
{
    memset(service, 0, sizeof(*service));
    service->work = work;
    service->costs = 1;
    assert_int_equal(turns_join(&service->turn, kind, domid, serve, service), 0);
    if (work)
        turns_mark(&service->turn);
}

/* The other lane has a thread of its own. */
static bool take_sleeping(void)
{
    turns_rest();
    return turns_take(LANE_SLEEPING);
}

static bool busy;

static bool others(void)
{
    return busy;
}

static int setup(void **state)
{
    turns_start(wake, work_for, others);
    works_for = 0;
    busy = false;
    memset(woken, 0, sizeof(woken));
    served = 0;
    return masked;                      /* as the test before left it */
}

/* Who asks for little is next, however much others ask for and however often. */
static void one_question_waits_for_one_turn(void **state)
{
    struct service flood[4], neighbour;

    for (unsigned i = 0; i < 4; i++)
        join(&flood[i], TURN_NET, (uint16_t)(i + 1), UINT32_MAX);
    join(&neighbour, TURN_STORE, 9, 0);
    for (unsigned round = 0; round < 100; round++) {
        unsigned long asked;

        for (unsigned i = 0; i < 4; i++)
            assert_true(turns_take(LANE_QUICK));
        asked = served;
        neighbour.work = 1;
        for (unsigned i = 0; i < 50; i++)
            turns_mark(&flood[i % 4].turn);
        turns_mark(&neighbour.turn);
        assert_true(turns_take(LANE_QUICK));
        assert_int_equal(neighbour.work, 0);
        assert_int_equal(neighbour.served_at, asked + 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(flood[i].done, flood[i].turns * turn_rules[TURN_NET].budget);
        assert_in_range(flood[i].turns, 99, 101);
        turns_leave(&flood[i].turn);
    }
    turns_leave(&neighbour.turn);
    assert_false(turns_take(LANE_QUICK));
}

/* Time in which nothing was asked for is not saved up. */
static void silence_is_no_treasure(void **state)
{
    struct service steady, sudden;

    join(&steady, TURN_STORE, 1, UINT32_MAX);
    join(&sudden, TURN_STORE, 2, 0);
    steady.costs = sudden.costs = 1000;
    for (unsigned i = 0; i < 100000; i++)
        assert_true(turns_take(LANE_QUICK));
    sudden.work = UINT32_MAX;
    turns_mark(&sudden.turn);
    steady.turns = 0;
    while (!steady.turns)
        assert_true(turns_take(LANE_QUICK));
    assert_in_range(sudden.done * sudden.costs, TURN_CREDIT_NS / 2, TURN_CREDIT_NS + 10000);
    turns_leave(&steady.turn);
    turns_leave(&sudden.turn);
}

static void ten_cards_are_one_domain(void **state)
{
    struct service card[10], one, disk;
    unsigned ten = 0;

    for (unsigned i = 0; i < 10; i++)
        join(&card[i], TURN_NET, 1, UINT32_MAX);
    join(&one, TURN_NET, 2, UINT32_MAX);
    join(&disk, TURN_BLOCK, 2, UINT32_MAX);
    disk.costs = turn_rules[TURN_NET].budget / turn_rules[TURN_BLOCK].budget;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(turns_take(LANE_QUICK));
    for (unsigned i = 0; i < 10; i++) {
        ten += card[i].turns;
        assert_int_equal(card[i].turns, 50);
    }
    assert_int_equal(ten, 500);
    assert_int_equal(one.turns, 250);
    assert_int_equal(disk.turns, 250);
    assert_int_equal(turns_of(1)->turns[TURN_NET], 500);
    assert_int_equal(turns_of(1)->nanoseconds, 500 * turn_rules[TURN_NET].budget);
    for (unsigned i = 0; i < 10; i++)
        turns_leave(&card[i].turn);
    assert_null(turns_of(1));
    assert_true(turns_take(LANE_QUICK));
    turns_leave(&one.turn);
    turns_leave(&disk.turn);
    assert_null(turns_of(2));
}

/* Who costs five times as much in a turn has a fifth of the turns; but alone it waits for
 * nobody. */
static void time_counts_not_turns(void **state)
{
    struct service dear, fair;

    join(&dear, TURN_STORE, 1, UINT32_MAX);
    join(&fair, TURN_STORE, 2, UINT32_MAX);
    dear.costs = 5;
    for (unsigned i = 0; i < 1200; i++)
        assert_true(turns_take(LANE_QUICK));
    assert_in_range(dear.turns, 199, 201);
    assert_in_range(fair.turns, 999, 1001);
    turns_leave(&fair.turn);
    for (unsigned i = 0; i < 10; i++)
        assert_true(turns_take(LANE_QUICK));
    assert_in_range(dear.turns, 209, 211);
    turns_leave(&dear.turn);
}

static void nobody_is_woken_for_nothing(void **state)
{
    struct service one, two, sleeper;

    join(&one, TURN_NET, 1, 0);
    join(&two, TURN_NET, 2, 0);
    join(&sleeper, TURN_STATE, 1, 0);
    assert_false(turns_wanted(LANE_QUICK));
    assert_false(turns_take(LANE_QUICK));
    turns_mark(&one.turn);
    turns_mark(&one.turn);
    turns_mark(&two.turn);
    assert_int_equal(woken[LANE_QUICK], 1);
    assert_int_equal(woken[LANE_SLEEPING], 0);
    turns_mark(&sleeper.turn);
    assert_int_equal(woken[LANE_SLEEPING], 1);
    assert_true(turns_take(LANE_QUICK));
    assert_true(turns_take(LANE_QUICK));
    assert_false(turns_take(LANE_QUICK));
    assert_int_equal(one.turns + two.turns, 2);
    assert_int_equal(sleeper.turns, 0);
    turns_mark(&one.turn);
    assert_int_equal(woken[LANE_QUICK], 2);
    turns_leave(&one.turn);                             /* With work. */
    /* Twice is harmless, and so is a mark afterwards. */
    turns_leave(&one.turn);
    turns_mark(&one.turn);
    turns_take(LANE_QUICK);
    assert_int_equal(one.turns, 1);
    assert_true(take_sleeping());
    assert_int_equal(sleeper.turns, 1);
    turns_leave(&two.turn);
    turns_leave(&sleeper.turn);
}

/* Marks, turns, comings and goings at random: who has work is served within a round, who has none
 * never. */
static void noise(void **state)
{
    static struct service services[40];
    uint32_t random = 1;

    memset(services, 0, sizeof(services));
    for (unsigned step = 0; step < 200000; step++) {
        struct service *service;

        random = random * 1664525 + 1013904223;
        service = &services[(random >> 8) % 40];
        switch (random >> 29) {
        case 0:
            if (!service->turn.domain)
                join(service, (random >> 20) % TURN_KINDS, (uint16_t)((random >> 16) % 7), 0);
            break;
        case 1:
            if (random >> 20 & 1)
                turns_leave(&service->turn);
            break;
        case 2: case 3:
            service->work += (random >> 16) % 100;
            turns_mark(&service->turn);
            break;
        default:
            random >> 24 & 1 ? turns_take(LANE_QUICK) : take_sleeping();
        }
    }
    while (turns_take(LANE_QUICK) || take_sleeping())
        ;
    for (unsigned i = 0; i < 40; i++) {
        assert_true(!services[i].turn.domain || !services[i].work);
        turns_leave(&services[i].turn);
    }
    for (uint16_t domid = 0; domid < 7; domid++)
        assert_null(turns_of(domid));
}

/* What event handlers change, too, is changed while they wait; who has masked events stays so. */
static void handlers_wait_meanwhile(void **state)
{
    struct service one, two;
    unsigned before = maskings;

    join(&one, TURN_NET, 1, 0);
    join(&two, TURN_STORE, 1, 0);
    assert_int_equal(maskings, before);
    turns_mark(&one.turn);
    assert_int_equal(maskings, ++before);
    assert_true(turns_take(LANE_QUICK));                /* to take it, and to note what it had */
    assert_int_equal(maskings, before += 2);
    one.work = UINT32_MAX;
    masked = in_handler = true;
    turns_wake(&two.turn);
    turns_wake(&one.turn);
    turns_leave(&two.turn);
    assert_true(masked);
    assert_int_equal(maskings, before += 3);
    masked = in_handler = false;
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(maskings, before += 3);            /* and to mark it again */
    assert_int_equal(one.turns, 2);
    turns_leave(&one.turn);
    assert_int_equal(maskings, ++before);
    assert_false(masked);
    assert_null(turns_of(1));
}

/* Where serving may sleep, a turn counts as one, whatever it takes; who is served waits no more. */
static void who_sleeps_counts_turns(void **state)
{
    struct service long_there, newcomer;

    join(&long_there, TURN_STATE, 1, UINT32_MAX);
    long_there.costs = 1000;
    for (unsigned i = 0; i < 10; i++) {
        assert_true(take_sleeping());
        assert_false(others_wait);
        assert_null(turns_served(LANE_SLEEPING));
    }
    join(&newcomer, TURN_STATE, 2, UINT32_MAX);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(take_sleeping());
        assert_true(others_wait);
    }
    assert_true(newcomer.turns >= 9 && long_there.turns <= 11);
    for (unsigned i = 0; i < 10; i++)
        assert_true(take_sleeping());
    assert_in_range(newcomer.turns, 14, 15);
    assert_int_equal(turns_of(1)->nanoseconds, 0);
    turns_leave(&long_there.turn);
    turns_leave(&newcomer.turn);
}

/* Who had the last turn pays until the next one. */
static void sleep_and_waking_are_paid_for(void **state)
{
    struct service one, two;

    join(&one, TURN_NET, 1, 5);
    join(&two, TURN_NET, 2, 5);
    turns_take(LANE_QUICK);
    assert_int_equal(works_for, 0);                     /* The other is not kept waiting. */
    turns_take(LANE_QUICK);
    assert_int_equal(works_for, 2);
    busy = true;
    turns_mark(&two.turn);
    turns_take(LANE_QUICK);
    assert_int_equal(works_for, 0);                     /* Nor is another thread. */
    busy = false;
    turns_leave(&one.turn);
    turns_leave(&two.turn);
    join(&one, TURN_NET, 1, 5);
    join(&two, TURN_NET, 2, 0);
    clock_ns += 1000;                                   /* dom0's own time before */
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(works_for, 1);
    clock_ns += 100;
    two.work = 5;
    turns_mark(&two.turn);
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(works_for, 2);
    assert_int_equal(turns_of(1)->nanoseconds, 5 + 100);
    clock_ns += 30;
    turns_rest();
    assert_int_equal(works_for, 0);
    assert_int_equal(turns_of(2)->nanoseconds, 5 + 30);
    clock_ns += 1000;
    turns_rest();                                       /* He was told. */
    assert_int_equal(clock_ns - told_at, 1000);
    told = 0;
    for (unsigned i = 0; i < 10; i++) {                 /* the same again: nobody is told */
        turns_mark(&one.turn);
        assert_true(turns_take(LANE_QUICK));
    }
    assert_int_equal(told, 10 + 1);                     /* but asked what each took */
    assert_int_equal(turns_of(2)->nanoseconds, 5 + 30);
    assert_int_equal(turns_of(1)->nanoseconds, 5 + 100);
    turns_leave(&one.turn);                             /* Who has gone pays no more. */
    assert_int_equal(works_for, 0);
    clock_ns += 10;
    turns_mark(&two.turn);
    assert_true(turns_take(LANE_QUICK));
    assert_int_equal(turns_of(2)->nanoseconds, 5 + 30);
    turns_leave(&two.turn);
}

static void without_memory_nobody_joins(void **state)
{
    struct service one;

    memset(&one, 0, sizeof(one));
    allocations_until_failure = 1;
    assert_int_equal(turns_join(&one.turn, TURN_NET, 1, serve, &one), -ENOMEM);
    assert_null(turns_of(1));
    turns_mark(&one.turn);
    assert_false(turns_wanted(LANE_QUICK));
    turns_leave(&one.turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_question_waits_for_one_turn, setup),
        cmocka_unit_test_setup(silence_is_no_treasure, setup),
        cmocka_unit_test_setup(ten_cards_are_one_domain, setup),
        cmocka_unit_test_setup(time_counts_not_turns, setup),
        cmocka_unit_test_setup(nobody_is_woken_for_nothing, setup),
        cmocka_unit_test_setup(noise, setup),
        cmocka_unit_test_setup(handlers_wait_meanwhile, setup),
        cmocka_unit_test_setup(who_sleeps_counts_turns, setup),
        cmocka_unit_test_setup(sleep_and_waking_are_paid_for, setup),
        cmocka_unit_test_setup(without_memory_nobody_joins, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
