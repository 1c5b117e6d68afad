/* SPDX-License-Identifier: MIT */
/*
 * Who gets the CPU: a small machine of one CPU is driven by the arithmetic that the hypervisor
 * uses, with domains that compute, sleep, yield, wake each other's timers, begin anew and lie low.
 * Beside each of them a plain spinner has to get its part, and nobody waits longer than the slices
 * of the others. Then a storm of operations, where after each step the choice must be the one that
 * a search through everybody makes.
 */
#include "share_machine.h"

/* ---- fair parts ---- */

static void by_domain_not_by_vcpu(void **state)
{
    machine();
    struct domain *one = add_domain(256, 1, SPIN), *many = add_domain(256, 32, SPIN);
    run_until(now + 20 * S);
    assert_part(one, 20 * S, .495, .505);
    assert_part(many, 20 * S, .495, .505);
    for (unsigned int i = 0; i < 32; i++)       /* and then fairly among its own */
        assert_true(many->vcpu[i].ran > ran(many) / 32 - 2 * SLICE &&
                    many->vcpu[i].ran < ran(many) / 32 + 2 * SLICE);
}

static void by_weight(void **state)
{
    static const uint32_t weights[][3] = {
        { 512, 256, 256 }, { 1, 256, 1 }, { 65535, 1, 256 }, { 100, 300, 1000 }, { 3, 2, 1 }
    };

    for (unsigned int w = 0; w < ARRAY_SIZE(weights); w++) {
        double all = weights[w][0] + weights[w][1] + weights[w][2];
        uint64_t time = 200 * S;

        machine();
        for (unsigned int i = 0; i < 3; i++)
            add_domain(weights[w][i], 1 + i * 7, SPIN);
        run_until(now + time);
        for (unsigned int i = 0; i < 3; i++)
            assert_part(&domain[i], time, weights[w][i] / all * .99 - .001,
                        weights[w][i] / all * 1.01 + .001);
    }
}

static void a_new_weight_counts_from_now_on(void **state)
{
    machine();
    struct domain *a = add_domain(256, 1, SPIN), *b = add_domain(256, 1, SPIN);
    run_until(now + 10 * S);
    assert_part(a, 10 * S, .49, .51);
    uint64_t before = ran(a);
    a->share.weight = 768;
    run_until(now + 10 * S);
    assert_true(ran(a) - before > 7400 * MS && ran(a) - before < 7600 * MS);
    b->share.weight = 768 * 3;
    before = ran(a);
    run_until(now + 10 * S);
    assert_true(ran(a) - before > 2400 * MS && ran(a) - before < 2600 * MS);
}

/* ---- nothing is gained ---- */

/* One spinner beside domains of that habit: it gets what is left, and its full part at least. */
static void beside_a_spinner(unsigned int others, unsigned int vcpus, struct habit habit)
{
    uint64_t time = 4 * S;

    machine();
    struct domain *honest = add_domain(256, 1, SPIN);
    for (unsigned int i = 0; i < others; i++)
        add_domain(256, vcpus, habit);
    run_until(now + time);
    assert_part(honest, time, 1. / (others + 1) - .01, 1);
    assert_int_equal(idle, 0);
    assert_true(longest_wait(&honest->vcpu[0]) <= others * (SLICE + SLEEP_CREDIT_NS) + SLICE);
}

static void by_sleeping(void **state)
{
    static const uint64_t times[] = { 20 * US, 150 * US, 1 * MS,  9 * MS,
                                      10 * MS, 11 * MS,  20 * MS, 35 * MS };

    for (unsigned int i = 0; i < ARRAY_SIZE(times); i++)
        for (unsigned int j = 0; j < ARRAY_SIZE(times); j++)
            for (unsigned int loose = 0; loose < 2; loose++) {
                struct habit habit = { .run = times[i], .sleep = times[j], .loose = loose };
                beside_a_spinner(1, 1, habit);
                beside_a_spinner(1, 8, habit);
                beside_a_spinner(3, 2, habit);
            }
}

static void by_yielding(void **state)
{
    static const uint64_t times[] = { 5 * US, 100 * US, 3 * MS, 9 * MS, 12 * MS };

    for (unsigned int i = 0; i < ARRAY_SIZE(times); i++)
        for (unsigned int loose = 0; loose < 2; loose++) {
            struct habit habit = { .run = times[i], .yields = true, .loose = loose };
            beside_a_spinner(1, 1, habit);
            beside_a_spinner(1, 8, habit);
            beside_a_spinner(3, 2, habit);
        }
}

/* A vCPU that never ran, again and again, while the older ones rest. */
static void by_new_vcpus(void **state)
{
    machine();
    struct domain *honest = add_domain(256, 1, SPIN),
                  *d = add_domain(256, 1, (struct habit){ .run = 2 * MS, .sleep = FOREVER / 2 });
    for (uint64_t i = 0; i < 3000; i++) {
        run_until(now + 1 * MS);
        struct vcpu *v = &d->vcpu[i % VCPUS];
        if (i < VCPUS - 1) {
            add_vcpu(d, d->vcpu[0].habit);
        } else if (v->asleep) {
            v->turn.time = 0;                                   /* as if it had just been made */
            wake(v);
        }
    }
    assert_part(honest, 3 * S, .49, 1);
}

/* Ends when it has had its turn, and begins anew at once, or a little later. */
static void by_restarting(void **state)
{
    for (uint64_t life = 1 * MS; life < 60 * MS; life += 3 * MS)
        for (uint64_t pause = 0; pause <= 16 * MS; pause += 4 * MS) {
            uint64_t end, gone = 0;

            machine();
            struct domain *honest = add_domain(256, 1, SPIN), *d = add_domain(256, 1, SPIN);
            for (end = now + 4 * S; now < end;) {
                run_until(MIN(end, now + life));
                if (on_cpu == &d->vcpu[0])
                    stops();
                else
                    run_leave(&queue, &d->vcpu[0].turn);
                gone += ran(d);
                d->vcpus = 0;
                run_until(MIN(end, now + pause));
                share_init(&d->share, &queue);
                add_vcpu(d, SPIN);
            }
            gone += ran(d);
            assert_true(gone <= 4 * S * 51 / 100);
            assert_part(honest, 4 * S, .49, 1);
        }
}

/* Work that is done for a domain, its timers, counts as if it had run; also while it sleeps or
 * another runs. */
static void by_having_others_work_for_it(void **state)
{
    for (unsigned int spins = 0; spins < 2; spins++) {
        machine();
        struct domain *honest = add_domain(256, 1, SPIN);
        struct domain *d = add_domain(
            256, 2, spins ? SPIN : (struct habit){ .run = 2 * MS, .sleep = 1 * MS });
        for (uint64_t end = now + 10 * S; now < end;) {
            run_until(now + 100 * US);
            now += 40 * US;
            share_charge(&queue, &d->share, 40 * US);
            d->charged += 40 * US;
            if (spins && urgent(&honest->vcpu[0].turn) && on_cpu != &honest->vcpu[0])
                reschedule(false);
        }
        assert_part(honest, 10 * S, .49, 1);
        assert_part(d, 10 * S, .3, .51);
    }
}

/* ---- nobody starves, and who slept is served soon ---- */

static void who_slept_runs_at_once(void **state)
{
    machine();
    struct domain *d = add_domain(
        256, 1, (struct habit){ .run = 100 * US, .sleep = 7 * MS, .loose = true });
    for (unsigned int i = 0; i < 10; i++)
        add_domain(256, 1 + i % 3, SPIN);
    /* the first turn of a newborn comes after those of the others */
    run_until(now + 2 * S);
    d->vcpu[0].longest_wait = 0;
    run_until(now + 20 * S);
    assert_int_equal(longest_wait(&d->vcpu[0]), 0);
}

/* 500 domains of all habits: nobody who wants the CPU waits longer than everybody else's slice and
 * credit. */
static void a_crowd(void **state)
{
    machine();
    for (unsigned int i = 0; i < 500; i++) {
        struct habit habit = i % 3 ? (struct habit){ .run = 1 + dice() % (20 * MS),
                                                     .sleep = 1 + dice() % S,
                                                     .loose = true }
                             : i % 2
                                 ? (struct habit){ .run = 1 * MS, .yields = true, .loose = true }
                                 : SPIN;
        add_domain(256, 1, habit);
    }
    run_until(now + 40 * S);
    for (unsigned int i = 0; i < domains; i++)
        assert_true(longest_wait(&domain[i].vcpu[0]) < 500 * (SLICE + SLEEP_CREDIT_NS));
    for (unsigned int i = 0; i < domains; i += 6)
        assert_part(&domain[i], 40 * S, 1. / 500 * .7, .1);
}

/* Alone for an hour: who comes then is no hour behind, and who goes away for an hour has no hour to
 * claim. */
static void nobody_catches_up_with_an_hour(void **state)
{
    machine();
    struct domain *a = add_domain(256, 1, SPIN),
                  *b = add_domain(256, 1, (struct habit){ .run = 1 * MS, .sleep = 3600 * S });
    run_until(now + 3590 * S);
    struct domain *c = add_domain(256, 1, SPIN);
    a->vcpu[0].longest_wait = 0;
    b->vcpu[0].habit = SPIN;
    run_until(now + 100 * S);
    assert_true(longest_wait(&a->vcpu[0]) <= 3 * SLICE + 2 * SLEEP_CREDIT_NS);
    assert_true(longest_wait(&c->vcpu[0]) <= 3 * SLICE + 2 * SLEEP_CREDIT_NS);
    assert_true(ran(b) < 31 * S && ran(b) > 28 * S);
}

/* One sleeps for an hour while the other runs; then that one sleeps, and the first has the CPU
 * alone; then both want it. */
static void who_was_last_is_remembered(struct vcpu *early, struct vcpu *late)
{
    run_until(now + 3600 * S + 500 * MS);
    assert_true(on_cpu == NULL && early->asleep && late->asleep);
    early->habit = late->habit = SPIN;
    early->longest_wait = late->longest_wait = 0;
    run_until(now + 60 * S);
    assert_true(early->ran > 20 * S);
    assert_true(longest_wait(early) <= SLICE + 2 * SLEEP_CREDIT_NS &&
                longest_wait(late) <= SLICE + 2 * SLEEP_CREDIT_NS);
}

static const struct habit EARLY = { .run = 1 * MS, .sleep = 3601 * S },
                          LATE = { .run = 3600 * S, .sleep = 10 * S };

static void which_domain_was_last_is_remembered(void **state)
{
    machine();
    struct domain *early = add_domain(256, 1, EARLY), *late = add_domain(256, 1, LATE);
    who_was_last_is_remembered(&early->vcpu[0], &late->vcpu[0]);
}

static void which_vcpu_was_last_is_remembered(void **state)
{
    machine();
    struct domain *d = add_domain(256, 1, EARLY);
    add_vcpu(d, LATE);
    who_was_last_is_remembered(&d->vcpu[0], &d->vcpu[1]);
}

static void no_arithmetic_overflows(void **state)
{
    machine();
    struct domain *a = add_domain(256, 1, SPIN);
    share_charge(&queue, &a->share, 1ull << 60);                /* 36 years at one stretch */
    assert_true(a->share.time >= 1ull << 60 && a->share.time < (1ull << 60) + S);
    a->share.weight = 512;
    uint64_t before = a->share.time;
    for (unsigned int i = 0; i < 1000; i++)
        share_charge(&queue, &a->share, 300);
    assert_int_equal(a->share.time - before, 150000);           /* what is short counts, too */
    a->share.weight = 65535;
    before = a->share.time;
    share_charge(&queue, &a->share, 65535);
    assert_int_equal(a->share.time - before, 256);
}

/* ---- where newcomers start, and whom they interrupt ---- */

/* A turn of a share, in a state of its own. */
static struct turn *turn_of(unsigned int d, unsigned int v, uint64_t share_time, uint64_t time)
{
    struct turn *t = &domain[d].vcpu[v].turn;

    domain[d].share.weight = SHARE_WEIGHT;
    domain[d].share.time = share_time;
    t->share = &domain[d].share;
    t->time = time;
    return t;
}

static void the_clock(void **state)
{
    struct turn *first, *second, *third;

    machine();
    first = turn_of(0, 0, 100 * MS, 70 * MS);
    run_wait(&queue, first);
    assert_ptr_equal(run_pick(&queue, 0), first);
    run_charge(&queue, first, 10 * MS);                 /* it comes up with who runs, */
    assert_int_equal(queue.all.clock, 20 * MS);
    assert_int_equal(domain[0].share.clock, 80 * MS);
    run_charge(&queue, first, 100 * MS);
    assert_int_equal(queue.all.clock, 210 * MS);        /* and no further */
    assert_int_equal(domain[0].share.clock, 180 * MS);
    second = turn_of(1, 0, 0, 0);                       /* where newcomers start, of domains */
    run_wait(&queue, second);
    assert_int_equal(domain[1].share.time, 200 * MS);
    third = turn_of(0, 1, 210 * MS, 1);                 /* and of its vCPUs */
    run_wait(&queue, third);
    assert_int_equal(third->time, 170 * MS);
    assert_int_equal(domain[0].share.node.key, 210 * MS);
    run_charge(&queue, first, 10 * MS);                 /* not past one who waits */
    assert_int_equal(queue.all.clock, 210 * MS);
    assert_int_equal(domain[0].share.clock, 180 * MS);
    assert_int_equal(domain[0].share.node.key, 220 * MS);
    run_wait(&queue, turn_of(2, 0, 300 * MS, 0));       /* who is ahead stays so */
    assert_int_equal(domain[2].share.time, 300 * MS);
    run_leave(&queue, second);
    run_leave(&queue, third);
    run_charge(&queue, first, 1 * MS);
    assert_int_equal(queue.all.clock, 212 * MS);        /* it does not leap */
}

static void who_is_urgent(void **state)
{
    uint64_t t = 100 * MS;
    struct turn *runs;

    machine();
    runs = turn_of(0, 0, t, t);
    assert_int_equal(run_ahead(runs, turn_of(1, 0, t - 7, 2 * t)), 7);
    assert_int_equal(run_ahead(runs, turn_of(1, 0, t, 0)), 0);
    assert_int_equal(run_ahead(runs, turn_of(1, 0, t + 1, 0)), 0);
    /* of one domain: vCPUs compare their own times */
    assert_int_equal(run_ahead(runs, turn_of(0, 1, t, t - 7)), 7);
    assert_int_equal(run_ahead(runs, turn_of(0, 1, t, t + 1)), 0);
}

/* ---- the choice ---- */

/* The next by looking at everybody who waits, and at one more. */
static struct turn *search(const struct turn *also)
{
    struct turn *best = NULL;

    for (unsigned int i = 0; i < domains; i++)
        for (unsigned int j = 0; j < domain[i].vcpus; j++) {
            struct turn *t = &domain[i].vcpu[j].turn;

            if (t != also && !pq_queued(&t->node))
                continue;
            if (!best || t->share->time < best->share->time ||
                (t->share == best->share && t->time < best->time))
                best = t;
        }
    return best;
}

/* As good: others may have had as little. */
static void check_choice(const struct turn *got, const struct turn *best)
{
    assert_int_equal(got->share->time, best->share->time);
    if (got->share == best->share)
        assert_int_equal(got->time, best->time);
    assert_false(pq_queued(&got->node));
}

static void check_queue(struct turn *const runs[])
{
    for (unsigned int i = 0; i < domains; i++) {
        struct share *s = &domain[i].share;

        assert_int_equal(pq_queued(&s->node), s->waiting.first != NULL);
        if (!pq_queued(&s->node))
            continue;
        assert_int_equal(s->node.key, s->time);
        assert_true(s->time + SLEEP_CREDIT_NS >= queue.all.clock);
    }
    for (unsigned int c = 0; c < 4; c++)
        assert_true(!runs[c] || !pq_queued(&runs[c]->node));
}

static void goes_on_or_not(struct turn **runs)
{
    bool yields = dice() % 2;
    struct turn *was = *runs, *other = search(NULL), *best_of_all = search(was);

    *runs = run_next(&queue, was, 0, yields);
    check_choice(*runs, yields && other ? other : best_of_all);
    assert_false(yields && other && *runs == was);
    assert_true(*runs == was || pq_queued(&was->node));
}

/* On four CPUs. */
static void a_storm_of_operations(void **state)
{
    struct turn *runs[4] = { NULL };

    machine();
    for (domains = 0; domains < 12; domains++) {
        share_init(&domain[domains].share, &queue);
        domain[domains].vcpus = 1 + domains % 5;
        for (unsigned int j = 0; j < 5; j++)
            domain[domains].vcpu[j].turn.share = &domain[domains].share;
    }
    for (unsigned int step = 0; step < 400000; step++) {
        struct domain *d = &domain[dice() % domains];
        struct turn *t = &d->vcpu[dice() % d->vcpus].turn, **cpu = &runs[dice() % 4], *best;

        switch (dice() % 6) {
        case 0: case 1:
            if (t == runs[0] || t == runs[1] || t == runs[2] || t == runs[3])
                break;
            if (pq_queued(&t->node))
                run_leave(&queue, t);
            else
                run_wait(&queue, t);
            break;
        case 2: case 3:
            if (!*cpu)
                break;
            run_charge(&queue, *cpu, dice() % (30 * MS));
            if (dice() % 2)
                *cpu = NULL;
            else
                goes_on_or_not(cpu);
            break;
        case 4: share_charge(&queue, &d->share, dice() % MS); break;
        default: d->share.weight = 1 + (uint32_t)(dice() % 65535); break;
        }
        check_queue(runs);
        best = search(NULL);
        assert_int_equal(run_first(&queue, 0) != NULL, best != NULL);
        if (*cpu || dice() % 2)
            continue;
        *cpu = run_pick(&queue, 0);
        assert_int_equal(*cpu != NULL, best != NULL);
        if (best)
            check_choice(*cpu, best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_domain_not_by_vcpu),
        cmocka_unit_test(by_weight),
        cmocka_unit_test(a_new_weight_counts_from_now_on),
        cmocka_unit_test(by_sleeping),
        cmocka_unit_test(by_yielding),
        cmocka_unit_test(by_new_vcpus),
        cmocka_unit_test(by_restarting),
        cmocka_unit_test(by_having_others_work_for_it),
        cmocka_unit_test(who_slept_runs_at_once),
        cmocka_unit_test(a_crowd),
        cmocka_unit_test(nobody_catches_up_with_an_hour),
        cmocka_unit_test(which_domain_was_last_is_remembered),
        cmocka_unit_test(which_vcpu_was_last_is_remembered),
        cmocka_unit_test(no_arithmetic_overflows),
        cmocka_unit_test(the_clock),
        cmocka_unit_test(who_is_urgent),
        cmocka_unit_test(a_storm_of_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
