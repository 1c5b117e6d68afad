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

/* Where one idles nobody who runs is disturbed, and for one whose budget is spent nobody at all. */
static void no_more_are_asked_than_needed(void **state)
{
    machine(2);
    struct domain *comes = add_domain(256, 1, (struct habit){ .run = MS, .sleep = S }),
                  *runs = add_domain(256, 1, SPIN);
    run_until(now + 100 * MS);
    struct turn *t = &comes->vcpus[0]->sched.turn;
    uint32_t busy = policy_cpu(&runs->vcpus[0]->sched.turn)->id;

    is_asked(0);
    is_asked(1);
    t->share->parked = true;
    find_cpu(t, now);
    assert_false(is_asked(0) || is_asked(1));
    t->share->parked = false;
    find_cpu(t, now);
    assert_true(!is_asked(busy) && is_asked(!busy));
    find_cpu(t, now);                           /* now none idles */
    assert_true(is_asked(busy) && !is_asked(!busy));
}

/* Its vCPUs change places, and for each that waits then a CPU is found: that is paid for. */
static void who_is_let_on_pays_for_it(void **state)
{
    int before;

    machine(1);
    struct domain *d = add_domain(256, 4, SPIN);

    domain_set_cap(d, 10);
    run_until(now + 50 * MS);
    assert_true(d->share.parked && !processor[0].cpu.runs);
    before = processor[0].cpu.budget;
    domain_set_cap(d, 20);
    /* one CPU's account, them, and the look of those for whom it does not idle any more */
    assert_int_equal(before - processor[0].cpu.budget, 150 + 3000 + 4 * 500 + 3 * 40);
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

/* Instead of who had most of those who run, not of the last that had enough. */
static void who_had_most_gives_way(void **state)
{
    machine(3);
    struct domain *comes = add_domain(256, 1, (struct habit){ .run = MS, .sleep = S }),
                  *rich = add_domain(256, 1, SPIN);
    add_domain(512, 1, SPIN);
    add_domain(512, 1, SPIN);
    run_until(now + 100 * MS);
    struct turn *t = &comes->vcpus[0]->sched.turn;
    uint32_t had_most = policy_cpu(&rich->vcpus[0]->sched.turn)->id;

    for (uint32_t first = 0; first < 3; first++) {
        for (uint32_t cpu = 0; cpu < 3; cpu++)
            is_asked(cpu);
        t->last = first;
        find_cpu(t, now);
        for (uint32_t cpu = 0; cpu < 3; cpu++) {
            assert_true(run_ahead(cpus[cpu]->runs, t) > GRANULARITY_NS);
            assert_int_equal(is_asked(cpu), cpu == had_most);
        }
    }
}

/* On a large machine sixteen are looked at, from where it ran last on, whoever they are. */
static void few_are_looked_at(void **state)
{
    machine(20);
    struct domain *comes = add_domain(256, 1, (struct habit){ .run = MS, .sleep = S });
    for (unsigned int i = 0; i < 20; i++)
        add_domain(256, 1, SPIN);
    run_until(now + 100 * MS);
    struct turn *t = &comes->vcpus[0]->sched.turn;

    for (uint32_t cpu = 0; cpu < 20; cpu++)
        cpus[cpu]->work = cpu < 16 ? WORK_RESCHEDULE : 0;       /* they have been asked */
    t->last = 0;
    find_cpu(t, now);
    for (uint32_t cpu = 16; cpu < 20; cpu++)
        assert_false(is_asked(cpu));
    t->last = 1;
    find_cpu(t, now);
    assert_true(is_asked(16) && !is_asked(17) && !is_asked(18) && !is_asked(19));
}

/* Who runs where it still may be is left alone. */
static void whom_an_affinity_moves(void **state)
{
    machine(2);
    struct vcpu *v = add_domain(256, 1, SPIN)->vcpus[0];
    run_until(now + MS);
    uint32_t home = policy_cpu(&v->sched.turn)->id;

    is_asked(home);
    policy_set_affinity(v, cpu_bit(home));
    assert_false(is_asked(home));
    policy_set_affinity(v, cpu_bit(!home));
    assert_true(is_asked(home));
}

/* Who comes home is chosen once, and not where it may no longer be. */
static void who_arrives(void **state)
{
    struct vcpu *v = NULL;

    machine(2);
    for (unsigned int i = 0; i < 3; i++)
        add_domain(256, 1, SPIN);
    run_until(now + 100 * MS);
    for (unsigned int i = 0; i < 3; i++)
        if (policy_waits(&guest[i].vcpus[0]->sched.turn))
            v = guest[i].vcpus[0];
    struct turn *t = &v->sched.turn;

    cpus[1]->comes = t;
    t->goes = cpus[1];
    assert_ptr_equal(arrives(cpus[1]), t);
    assert_true(!policy_waits(t) && !t->goes);
    run_wait(&policy.queue, t);
    assert_null(arrives(cpus[1]));
    cpus[1]->comes = t;
    t->goes = cpus[1];
    policy_set_affinity(v, cpu_bit(0));
    assert_null(arrives(cpus[1]));
    assert_true(policy_waits(t) && !t->goes);
    cpus[0]->comes = t;
    t->share->parked = true;
    assert_null(arrives(cpus[0]));
    cpus[0]->comes = t;
    t->share->parked = false;
    assert_ptr_equal(arrives(cpus[0]), t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_an_idle_cpu_invites),
        cmocka_unit_test(which_idle_cpu_is_asked),
        cmocka_unit_test(no_more_are_asked_than_needed),
        cmocka_unit_test(who_is_let_on_pays_for_it),
        cmocka_unit_test(who_was_asked_is_not_asked_again),
        cmocka_unit_test(who_had_most_gives_way),
        cmocka_unit_test(few_are_looked_at),
        cmocka_unit_test(whom_an_affinity_moves),
        cmocka_unit_test(who_arrives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
