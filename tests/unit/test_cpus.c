/* SPDX-License-Identifier: MIT */
/*
 * The scheduler of a machine of many CPUs: fair parts by weight however the vCPUs are spread, caps,
 * affinity, who wakes runs soon, nobody starves, and no decision walks all vCPUs.
 */
#include "cpus_machine.h"

/* ---- how many steps of the queues a decision takes ---- */

static unsigned int steps, most_steps;

void __real_pq_join(struct pqueue *q, struct pq_node *n);
void __real_pq_part(struct pqueue *q, struct pq_node *n);
void __wrap_pq_join(struct pqueue *q, struct pq_node *n);
void __wrap_pq_part(struct pqueue *q, struct pq_node *n);
/* as long as both right spines are, at most */
void __wrap_pq_join(struct pqueue *q, struct pq_node *n)
{
    steps += q->first->rank + n->rank;
    __real_pq_join(q, n);
}
void __wrap_pq_part(struct pqueue *q, struct pq_node *n)
{
    steps += n->rank + (n->parent ? n->parent->rank : 0);
    __real_pq_part(q, n);
}

/* Runs until then; the most steps that one event took. */
static void run_counting(uint64_t end)
{
    most_steps = 0;
    while (now < end) {
        steps = 0;
        step_until(end);
        most_steps = MAX(most_steps, steps);
    }
    run_until(end);
}

/* ---- parts ---- */

/* Each a third, or what it can use. */
static void equal_parts(void **state)
{
    static const unsigned int counts[] = { 1, 2, 4, 7 };

    for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
        uint32_t n = counts[i];

        machine(n);
        struct domain *d[3] = { add_domain(256, 3, SPIN), add_domain(256, 8, SPIN),
                                add_domain(256, 32, SPIN) };
        run_until(now + 30 * S);
        for (unsigned int j = 0; j < 3; j++)
            assert_got(d[j], 0, 30 * S, n / 3. * .97, n / 3. * 1.03);
        for (unsigned int j = 0; j < 32; j++)           /* and then fairly among its own */
            assert_in_range(player_of(d[2]->vcpus[j])->ran, ran(d[2]) / 32 - 3 * SLICE,
                            ran(d[2]) / 32 + 3 * SLICE);
    }
}

static void by_weight(void **state)
{
    static const unsigned int counts[] = { 1, 2, 4 };

    for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
        uint32_t n = counts[i];

        machine(n);
        struct domain *d[3] = { add_domain(256, 2, SPIN), add_domain(512, 4, SPIN),
                                add_domain(1024, 8, SPIN) };
        run_until(now + 30 * S);
        for (unsigned int j = 0; j < 3; j++)
            assert_got(d[j], 0, 30 * S, n * (1 << j) / 7. * .95, n * (1 << j) / 7. * 1.05);
    }
}

/* Its weight would give it more CPUs than it has vCPUs: what it leaves is divided by weight. */
static void more_weight_than_vcpus(void **state)
{
    machine(4);
    struct domain *heavy = add_domain(65535, 1, SPIN), *two = add_domain(512, 8, SPIN),
                  *one = add_domain(256, 8, SPIN), *light = add_domain(1, 2, SPIN);
    run_until(now + 100 * S);
    assert_got(heavy, 0, 100 * S, .99, 1);
    assert_got(two, 0, 100 * S, 1.96, 2.04);
    assert_got(one, 0, 100 * S, .97, 1.03);
    assert_got(light, 0, 100 * S, .001, .01);
}

static void eight_against_one(void **state)
{
    machine(2);
    struct domain *one = add_domain(256, 1, SPIN), *many = add_domain(256, 8, SPIN);
    run_until(now + 30 * S);
    assert_got(one, 0, 30 * S, .97, 1);
    assert_got(many, 0, 30 * S, 1, 1.03);
}

/* 2,000 vCPUs on as many CPUs as there may be. */
static void a_large_machine(void **state)
{
    machine(MAX_CPUS);
    for (unsigned int i = 0; i < 125; i++)
        add_domain(256, 2 + i * 7 % 29, SPIN);
    assert_in_range(players, 1900, 2100);
    run_until(now + 2 * S);                             /* everybody has had a turn */
    uint64_t had[125];
    for (unsigned int i = 0; i < 125; i++)
        had[i] = ran(&guest[i]);
    forget_waits();
    choices = 0;
    run_counting(now + 10 * S);
    for (unsigned int i = 0; i < 125; i++)
        assert_got(&guest[i], had[i], 10 * S, MAX_CPUS / 125. * .97, MAX_CPUS / 125. * 1.03);
    /* nobody waits longer than the slices of all those of his domain take, and a few more */
    for (unsigned int i = 0; i < players; i++)
        assert_true(longest_wait(&player[i]) <=
                    (player[i].v.domain->vcpu_count + 3) * SLICE * 125 / MAX_CPUS * 3 / 2);
    assert_true(choices < 10 * 100 * MAX_CPUS * 3 / 2);
    assert_in_range(most_steps, 10, 1500);
}

/* Who came in the middle of the others' slices is not asked at their end. */
static void each_has_a_slice_of_its_own(void **state)
{
    machine(2);
    uint64_t begin = now;
    struct domain *first = add_domain(256, 1, SPIN),
                  *leaves = add_domain(256, 1, (struct habit){ .run = 5 * MS, .sleep = S }),
                  *late = add_domain(256, 1, SPIN);
    run_until(begin + 6 * MS);
    add_domain(256, 1, SPIN);
    run_until(begin + 9 * MS);
    assert_true(policy_cpu(&late->vcpus[0]->sched.turn) && !leaves->vcpus[0]->sched.turn.on);
    assert_int_equal(ran(first), 9 * MS - IPI);
    choices = 0;
    run_until(begin + 12 * MS);
    assert_int_equal(choices, 1);
}

/* ---- nothing is gained ---- */

/* Who could use one CPU of four has no claim to the others later; nor has who used what nobody
 * wanted less than others. */
static void for_want_of_vcpus(void **state)
{
    machine(4);
    struct domain *narrow = add_domain(256, 1, SPIN), *wide = add_domain(256, 8, SPIN);
    run_until(now + 600 * S);
    assert_got(narrow, 0, 600 * S, .99, 1);
    struct domain *late = add_domain(256, 8, SPIN);
    uint64_t had[2] = { ran(narrow), ran(wide) };
    run_until(now + 30 * S);
    assert_got(narrow, had[0], 30 * S, .97, 1);
    assert_got(wide, had[1], 30 * S, 1.45, 1.55);
    assert_got(late, 0, 30 * S, 1.45, 1.55);
    for (unsigned int i = 0; i < 7; i++)
        add_vcpu(narrow, SPIN);
    had[0] = ran(narrow);
    had[1] = ran(wide);
    run_until(now + 30 * S);
    assert_got(narrow, had[0], 30 * S, 1.3, 1.36);
    assert_got(wide, had[1], 30 * S, 1.3, 1.36);
}

/* A sleeper never has more than its part beside a spinner on each CPU. */
static void by_sleeping(void **state)
{
    static const uint64_t times[] = { 20 * US, 1 * MS, 9 * MS, 11 * MS, 35 * MS };

    for (uint32_t n = 2; n <= 4; n += 2)
        for (unsigned int i = 0; i < 2 * ARRAY_SIZE(times) * ARRAY_SIZE(times); i++) {
            struct habit habit = { .run = times[i / 2 % ARRAY_SIZE(times)],
                                   .sleep = times[i / 2 / ARRAY_SIZE(times)], .loose = i % 2 };

            machine(n);
            struct domain *honest = add_domain(256, n, SPIN);
            add_domain(256, 2 * n, habit);
            run_until(now + 4 * S);
            assert_got(honest, 0, 4 * S, n * .48, n);
        }
}

/* ---- who wakes ---- */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Beside seven spinners, of seven domains or of one. */
static void who_wakes_runs_soon(void **state)
{
    static uint64_t waits[2000];

    for (unsigned int i = 0; i < 6; i++) {
        uint32_t n = 1u << i / 2;
        unsigned int count = 0;

        machine(n);
        for (unsigned int j = 0; j < (i % 2 ? 7 : 1); j++)
            add_domain(256, i % 2 ? 1 : 7, SPIN);
        struct domain *d = add_domain(
            256, 1, (struct habit){ .run = 100 * US, .sleep = 5 * MS, .loose = true });
        struct player *r = player_of(d->vcpus[0]);
        run_until(now + 1 * S);
        while (count < ARRAY_SIZE(waits)) {
            run_until(r->asleep ? r->wakes + 1 : now + 50 * US);
            r->longest_wait = 0;
            while (!r->asleep)
                step_until(now + 1 * S);
            waits[count++] = r->longest_wait;
        }
        qsort(waits, count, sizeof(*waits), by_size);
        assert_true(waits[count * 99 / 100] < 1 * MS);
    }
}

/* Kept to a CPU, wherever it ran before: that one is looked at. */
static void whoever_it_looks_for(void **state)
{
    for (unsigned int at = 0; at < 9; at++) {
        machine(3);
        add_domain(256, 4, SPIN);
        struct domain *d = add_domain(256, 1, (struct habit){ .run = 100 * US, .sleep = 50 * MS });
        struct player *r = player_of(d->vcpus[0]);
        run_until(now + 100 * US);
        while (!r->asleep)
            step_until(now + 1 * S);
        policy_set_affinity(&r->v, 1ul << at % 3);
        r->v.sched.turn.last = at / 3;
        run_until(r->wakes);
        r->longest_wait = 0;
        run_until(now + 20 * MS);
        assert_true(r->asleep && r->longest_wait < 1 * MS);
    }
}

static void sets_of_cpus(void **state)
{
    for (uint32_t i = 0; i < MAX_CPUS; i++) {
        assert_int_equal(cpumask_first(cpu_bit(i)), i);
        assert_int_equal(cpumask_first(ALL_CPUS << i), i);
        assert_true(cpu_bit(i) >> i == 1);
    }
}

/* It goes back to where it was, if that one idles; to another that idles, if not. */
static void where_it_ran(void **state)
{
    machine(4);
    struct domain *d = add_domain(256, 1, (struct habit){ .run = 1 * MS, .sleep = 3 * MS });
    struct turn *t = &d->vcpus[0]->sched.turn;
    run_until(now + 100 * US);
    uint32_t at = t->last;
    for (unsigned int i = 0; i < 20; i++) {
        run_until(now + 4 * MS);
        assert_int_equal(t->last, at);
    }
    struct domain *other = add_domain(256, 4, SPIN);
    run_until(now + 100 * MS);
    for (unsigned int i = 0; i < 4; i++)
        if (other->vcpus[i]->sched.turn.last == at)
            assert_non_null(other->vcpus[i]->sched.turn.on);
    assert_got(other, 0, 100 * MS, 3.7, 4);
}

/* ---- caps ---- */

static void caps(void **state)
{
    static const struct { uint32_t cpus, vcpus, cap, others; } rows[] = {
        { 1, 1, 50, 0 }, { 1, 1, 25, 1 }, { 1, 4, 10, 3 }, { 2, 1, 80, 0 }, { 4, 4, 150, 0 },
        { 4, 8, 150, 2 }, { 4, 8, 30, 8 }, { 4, 2, 199, 0 }, { 2, 1, 1, 0 }, { 2, 1, 150, 0 },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        double part = rows[i].cap / 100.;

        machine(rows[i].cpus);
        struct domain *d = add_domain(256, rows[i].vcpus, SPIN);
        for (unsigned int j = 0; j < rows[i].others; j++)
            add_domain(256, 2, SPIN);
        domain_set_cap(d, rows[i].cap);
        run_until(now + 30 * S);
        assert_got(d, 0, 30 * S,
                   MIN(MIN(part, rows[i].vcpus), (double)rows[i].cpus / (rows[i].others + 1)) *
                       .97, part * 1.03);
        uint64_t had = ran(d);
        domain_set_cap(d, 0);                           /* and without it */
        run_until(now + 3 * S);
        if (!rows[i].others)
            assert_got(d, had, 3 * S, MIN(rows[i].cpus, rows[i].vcpus) * .99, 4);
    }
}

/* As where a host runs the CPUs as threads: what was used too long is paid by as many periods as
 * have passed, not as were seen. */
static void caps_by_late_timers(void **state)
{
    machine(2);
    late = 70 * MS;
    struct domain *d = add_domain(256, 2, SPIN);
    domain_set_cap(d, 30);
    run_until(now + 30 * S);
    assert_got(d, 0, 30 * S, .3 * .9, .3 * 1.03);
}

/* What it leaves is the others'; who sleeps most of the time is not hindered. */
static void caps_and_others(void **state)
{
    machine(2);
    struct domain *d = add_domain(256, 2, SPIN), *other = add_domain(256, 2, SPIN),
                  *light = add_domain(256, 1, (struct habit){ .run = 100 * US, .sleep = 2 * MS });
    domain_set_cap(d, 40);
    domain_set_cap(light, 50);
    run_until(now + 1 * S);
    uint64_t had = ran(other);
    forget_waits();
    run_until(now + 10 * S);
    assert_got(other, had, 10 * S, 1.5, 1.6);
    assert_true(longest_wait(player_of(light->vcpus[0])) < 1 * MS);
}

/* What is done for it while it sleeps counts, too, and is forgotten no later than it is paid. */
static void caps_and_work_for_it(void **state)
{
    machine(2);
    struct domain *d = add_domain(256, 1, (struct habit){ .run = 1 * MS, .sleep = 500 * MS });
    domain_set_cap(d, 50);
    run_until(now + 400 * MS);
    share_charge(&policy.queue, &d->share, 40 * MS);
    run_until(now + 120 * MS);
    assert_true(ran(d) == 1 * MS && policy_waits(&d->vcpus[0]->sched.turn));
    run_until(now + 120 * MS);
    assert_int_equal(ran(d), 2 * MS);
}

/* Whose budgets were all spent by what was done for them are found out one after the other. */
static void few_are_parked_at_once(void **state)
{
    unsigned int before = 0, parked = 0;

    machine(1);
    for (unsigned int i = 0; i < 50; i++)
        domain_set_cap(add_domain(256, 1, SPIN), 10);
    run_until(now + 5 * US);
    for (unsigned int i = 0; i < 50; i++)
        guest[i].share.budget = -1;
    for (uint64_t end = now + 20 * MS; now < end; before = parked) {
        step_until(end);
        parked = 0;
        for (unsigned int i = 0; i < 50; i++)
            parked += guest[i].share.parked;
        assert_true(parked <= before + 2);
    }
    assert_int_equal(parked, 50);
}

/* ---- who comes ---- */

/* A CPU that was asked to choose again looks at all who wait: the next who comes asks another. */
static void two_come_at_once(void **state)
{
    machine(2);
    add_domain(256, 2, SPIN);
    run_until(now + 100 * MS);
    for (unsigned int i = 0; i < 2; i++)
        assert_true(processor[i].cpu.runs && processor[i].asked == FOREVER);
    add_domain(256, 1, SPIN);
    assert_true((processor[0].asked == FOREVER) != (processor[1].asked == FOREVER));
    add_domain(256, 1, SPIN);
    assert_true(processor[0].asked != FOREVER && processor[1].asked != FOREVER);
}

/* Who has gone has no timer that would look at its budget. */
static void a_domain_that_ends(void **state)
{
    machine(1);
    struct domain *d = add_domain(256, 1, SPIN);

    domain_set_cap(d, 50);
    run_until(now + 20 * MS);
    assert_true(timer_armed(&d->cap_period));
    policy_domain_end(d);
    assert_false(timer_armed(&d->cap_period));
}

/* ---- affinity ---- */

static void keep(struct domain *d, unsigned int vcpu, uint64_t bits)
{
    policy_set_affinity(d->vcpus[vcpu], bits);
}

static void kept_to_its_cpus(void **state)
{
    machine(4);
    struct domain *one = add_domain(256, 1, SPIN), *two = add_domain(512, 1, SPIN),
                  *free = add_domain(256, 3, SPIN), *some = add_domain(256, 2, SPIN);
    keep(one, 0, 1 << 2);
    keep(two, 0, 1 << 2);
    run_until(now + 1 * MS);
    uint64_t had[4] = { ran(one), ran(two), ran(free), ran(some) };
    for (unsigned int i = 0; i < 3000; i++) {
        run_until(now + 10 * MS);
        assert_true(!one->vcpus[0]->sched.turn.on || one->vcpus[0]->sched.turn.on->id == 2);
        assert_true(!two->vcpus[0]->sched.turn.on || two->vcpus[0]->sched.turn.on->id == 2);
        assert_non_null(cpus[2]->runs);
    }
    assert_got(one, had[0], 30 * S, .32, .35);
    assert_got(two, had[1], 30 * S, .64, .68);
    assert_got(free, had[2], 30 * S, 1.45, 1.55);
    assert_got(some, had[3], 30 * S, 1.45, 1.55);
}

/* Who comes late to a CPU where many have waited long, or to one of those where few do. */
static void late_to_a_crowd(void **state)
{
    machine(4);
    for (unsigned int i = 0; i < 10; i++)
        keep(add_domain(256, 1, SPIN), 0, 1);
    struct domain *free = add_domain(256, 4, SPIN);
    run_until(now + 100 * S);
    assert_got(free, 0, 100 * S, 2.97, 3.03);
    struct domain *late = add_domain(256, 1, SPIN), *too = add_domain(256, 2, SPIN);
    keep(late, 0, 1);
    uint64_t had = ran(free), hads = ran(late);
    run_until(now + 10 * S);
    assert_got(late, hads, 10 * S, .05, .1);
    assert_got(too, 0, 10 * S, 1.4, 1.6);
    assert_got(free, had, 10 * S, 1.4, 1.6);
    keep(late, 0, 0xf);                                 /* free, it has what all have */
    hads = ran(late);
    run_until(now + 10 * S);
    assert_got(late, hads, 10 * S, .9, 1);
}

/* Sets of several CPUs, one more than there are lanes for: what is said of each is what holds. */
static void one_set_too_many(void **state)
{
    struct domain *d[MIXED_LANES + 1];

    machine(8);
    for (unsigned int i = 0; i <= MIXED_LANES; i++) {
        d[i] = add_domain(256, 1, SPIN);
        assert_int_equal(policy_affinity(d[i]->vcpus[0]), 0xff);
        keep(d[i], 0, 0x42 + 4 * i);
    }
    for (unsigned int i = 0; i < MIXED_LANES; i++)
        assert_int_equal(policy_affinity(d[i]->vcpus[0]), 0x42 + 4 * i);
    assert_int_equal(policy_affinity(d[MIXED_LANES]->vcpus[0]), 0x02);
    keep(d[0], 0, 0xf00);                               /* none of these is there: all */
    assert_int_equal(policy_affinity(d[0]->vcpus[0]), 0xff);
    keep(d[MIXED_LANES], 0, 0xfc2);                     /* in its place */
    assert_int_equal(policy_affinity(d[MIXED_LANES]->vcpus[0]), 0xc2);
}

/* Sets of several CPUs, changed while they run and wait. Each keeps to its set, and no CPU idles
 * while somebody waits who may run there. */
static void a_storm_of_sets(void **state)
{
    uint64_t sets[32];

    machine(8);
    for (unsigned int i = 0; i < 32; i++) {
        sets[i] = 0xff;
        add_domain(256, 1, i % 4 ? SPIN : (struct habit){ .run = 3 * MS, .sleep = 20 * MS,
                                                         .loose = true });
        if (i % 8 == 7)
            domain_set_cap(&guest[i], 20);
    }
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int which = dice() % 32;

        if (dice() % 3 == 0) {
            sets[which] = dice() % 2 ? 1u << dice() % 8 : dice() % 256;
            on(cpus[dice() % 8]);
            keep(&guest[which], 0, sets[which]);
        }
        run_until(now + 10 * US);                       /* who was asked has left */
        run_until(now + dice() % (5 * MS));
        for (unsigned int j = 0; j < 32; j++) {
            struct turn *t = &guest[j].vcpus[0]->sched.turn;

            if (t->on)
                assert_true(!sets[j] || sets[j] >> t->on->id & 1);
            assert_false(t->on && policy_waits(t));
        }
        for (unsigned int c = 0; c < 8; c++)
            assert_true(cpus[c]->runs || processor[c].asked != FOREVER ||
                        !run_first(&policy.queue, c));
    }
    for (unsigned int i = 0; i < 32; i++)
        policy_vcpu_end(guest[i].vcpus[0]);
    assert_int_equal(policy.queue.kept, 0);
    for (unsigned int i = 0; i < MIXED_LANES; i++)
        assert_int_equal(policy.queue.mixed[i].users, 0);
}

/* ---- preferences ---- */

/* Where there is place for all, each is where it wants to be; when it says so, when it wakes, and
 * when it was elsewhere and there is place again. */
static void at_home(void **state)
{
    machine(4);
    struct domain *one = add_domain(256, 1, SPIN), *two, *sleeps;
    for (uint32_t cpu = 0; cpu < 4; cpu++) {
        prefer(one, 0, cpu_bit(cpu));
        run_until(now + MS);
        assert_true(is_on(one, cpu));
    }
    two = add_domain(256, 1, SPIN);
    sleeps = add_domain(256, 1, (struct habit){ .run = MS, .sleep = 3 * MS });
    prefer(two, 0, cpu_bit(3));                         /* it is taken by one who runs on */
    run_until(now + 5 * MS);
    assert_true(is_on(one, 3) && two->vcpus[0]->sched.turn.on);
    prefer(one, 0, cpu_bit(2));
    run_until(now + 6 * MS);                            /* at the latest when the third sleeps */
    assert_true(is_on(one, 2) && is_on(two, 3));
    prefer(sleeps, 0, cpu_bit(0) | cpu_bit(1));
    for (uint64_t end = now + S; now < end; run_until(now + 100 * US))
        assert_true(!sleeps->vcpus[0]->sched.turn.on || is_on(sleeps, 0) || is_on(sleeps, 1));
    assert_got(one, 0, now - 5 * S, .99, 1);            /* nobody loses by it */
    assert_got(two, 0, now - 5 * S, .98, 1);
    assert_int_equal(policy.preferring, 3);
    prefer(one, 0, 0xf);
    prefer(two, 0, 0xf0);                               /* none that is there */
    prefer(sleeps, 0, 0);
    assert_int_equal(policy.preferring, 0);
    assert_int_equal(policy_preference(one->vcpus[0]), 0xf);
}

/* Who wakes beside those who spin pushes one aside where he wants to be, not elsewhere. */
static void wakes_at_home(void **state)
{
    machine(4);
    for (unsigned int i = 0; i < 6; i++)
        add_domain(256, 2, SPIN);
    struct domain *light = add_domain(256, 1, (struct habit){ .run = 100 * US, .sleep = 5 * MS });
    prefer(light, 0, cpu_bit(2));
    run_until(now + S);
    forget_waits();
    for (uint64_t end = now + S; now < end; step_until(end))
        assert_true(!light->vcpus[0]->sched.turn.on || is_on(light, 2));
    assert_true(longest_wait(player_of(light->vcpus[0])) < MS);
}

/* All want the same CPU: they have the others too, each its part, and none of them idles. */
static void all_prefer_one(void **state)
{
    machine(4);
    for (unsigned int i = 0; i < 6; i++) {
        add_domain(256, 2, SPIN);
        prefer(&guest[i], 0, 1);
        prefer(&guest[i], 1, 1);
    }
    run_until(now + 30 * S);
    for (unsigned int i = 0; i < 6; i++)
        assert_got(&guest[i], 0, 30 * S, 4 / 6. * .97, 4 / 6. * 1.03);
}

/* Hard and soft sets that change at random: nobody is where he may not be, and no CPU idles while
 * somebody waits who may run there. */
static void a_storm_of_preferences(void **state)
{
    uint64_t sets[24];

    machine(8);
    for (unsigned int i = 0; i < 24; i++) {
        sets[i] = 0xff;
        add_domain(256, 1, i % 2 ? (struct habit){ .run = 3 * MS, .sleep = 9 * MS, .loose = true }
                                 : SPIN);
    }
    for (unsigned int i = 0; i < 20000; i++) {
        unsigned int which = dice() % 24;

        on(cpus[dice() % 8]);
        prefer(&guest[which], 0, dice() % 256 & dice());
        if (dice() % 4 == 0) {
            sets[which] = dice() % 2 ? 0xff : 1 + dice() % 255;
            keep(&guest[which], 0, sets[which]);
        }
        run_until(now + 20 * US);
        run_until(now + dice() % (3 * MS));
        for (unsigned int j = 0; j < 24; j++) {
            struct turn *t = &guest[j].vcpus[0]->sched.turn;

            assert_true(!t->on || sets[j] >> t->on->id & 1);
            assert_false(t->on && policy_waits(t));
        }
        for (unsigned int c = 0; c < 8; c++)
            assert_true(cpus[c]->runs || processor[c].asked != FOREVER ||
                        !run_first(&policy.queue, c));
    }
    for (unsigned int i = 0; i < 24; i++)
        policy_vcpu_end(guest[i].vcpus[0]);
    assert_int_equal(policy.preferring, 0);
    for (unsigned int c = 0; c < 8; c++)
        assert_null(cpus[c]->comes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_parts),
        cmocka_unit_test(by_weight),
        cmocka_unit_test(more_weight_than_vcpus),
        cmocka_unit_test(eight_against_one),
        cmocka_unit_test(a_large_machine),
        cmocka_unit_test(each_has_a_slice_of_its_own),
        cmocka_unit_test(for_want_of_vcpus),
        cmocka_unit_test(by_sleeping),
        cmocka_unit_test(who_wakes_runs_soon),
        cmocka_unit_test(whoever_it_looks_for),
        cmocka_unit_test(sets_of_cpus),
        cmocka_unit_test(where_it_ran),
        cmocka_unit_test(caps),
        cmocka_unit_test(caps_by_late_timers),
        cmocka_unit_test(caps_and_others),
        cmocka_unit_test(caps_and_work_for_it),
        cmocka_unit_test(few_are_parked_at_once),
        cmocka_unit_test(two_come_at_once),
        cmocka_unit_test(a_domain_that_ends),
        cmocka_unit_test(kept_to_its_cpus),
        cmocka_unit_test(late_to_a_crowd),
        cmocka_unit_test(one_set_too_many),
        cmocka_unit_test(a_storm_of_sets),
        cmocka_unit_test(at_home),
        cmocka_unit_test(wakes_at_home),
        cmocka_unit_test(all_prefer_one),
        cmocka_unit_test(a_storm_of_preferences),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
