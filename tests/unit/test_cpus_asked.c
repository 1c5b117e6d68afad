/* SPDX-License-Identifier: MIT */
/* Which CPU is asked to choose anew, and by whom, on the scheduler's machine of many CPUs. */
#include "cpus_machine.h"
#include "domain/place.h"

static bool is_asked(uint32_t cpu)
{
    bool was = cpus[cpu]->work & WORK_RESCHEDULE;

    cpus[cpu]->work = 0;
    return was;
}

/* Of those who run, one who wants to be there and is not where he wants to be. */
static void whom_an_idle_cpu_invites(void **state)
{
    machine(4);
    struct domain *one = add_domain(256, 1, SPIN), *two = add_domain(256, 1, SPIN);
    uint32_t home;

    run_until(now + MS);
    prefer(one, 0, cpu_bit(0) | cpu_bit(1));
    prefer(two, 0, cpu_bit(2));
    run_until(now + MS);
    home = is_on(one, 1);
    assert_true(is_on(one, home) && is_on(two, 2));
    is_asked(home);
    is_asked(2);
    invite(cpus[!home]);
    assert_false(is_asked(home) || is_asked(2));        /* each is at home */
    two->vcpus[0]->sched.turn.prefers = cpu_bit(!home); /* and now one is not */
    invite(cpus[3]);
    assert_false(is_asked(home) || is_asked(2));
    invite(cpus[!home]);
    assert_true(!is_asked(home) && is_asked(2));
}

/* Of those that idle, one that it prefers; if it ran elsewhere, too. */
static void which_idle_cpu_is_asked(void **state)
{
    machine(4);
    struct domain *comes = add_domain(256, 1, (struct habit){ .run = MS, .sleep = S });

    run_until(now + 100 * MS);
    prefer(comes, 0, cpu_bit(2));
    comes->vcpus[0]->sched.turn.last = 0;
    for (uint32_t cpu = 0; cpu < 4; cpu++)
        is_asked(cpu);
    find_cpu(&comes->vcpus[0]->sched.turn, now);
    assert_true(!is_asked(0) && !is_asked(1) && is_asked(2) && !is_asked(3));
}

/* Two who come in the same moment ask two. */
static void who_was_asked_is_not_asked_again(void **state)
{
    machine(2);
    struct domain *comes = add_domain(256, 1, (struct habit){ .run = MS, .sleep = S });
    add_domain(256, 1, SPIN);
    add_domain(256, 1, SPIN);
    run_until(now + 100 * MS);
    is_asked(0);
    is_asked(1);
    find_cpu(&comes->vcpus[0]->sched.turn, now);
    find_cpu(&comes->vcpus[0]->sched.turn, now);
    assert_true(is_asked(0) && is_asked(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_an_idle_cpu_invites),
        cmocka_unit_test(which_idle_cpu_is_asked),
        cmocka_unit_test(who_was_asked_is_not_asked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
